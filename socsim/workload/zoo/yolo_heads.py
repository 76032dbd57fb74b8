"""Heads of the YOLO detectors: what they predict at each level, and how an exported model decodes it.

Vendors of neural units often cut the decoding off and leave it to the host: then the outputs are the distances and
scores of each level.

Grids, anchors and strides of the decoding are no parameters: the graph adds and multiplies numbers instead.

Source: ultralytics/ultralytics nn/modules/head.py; ultralytics/yolov5 models/yolo.py (structures alone).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers
    from socsim.workload.zoo.yolo_blocks import Draft

_BOX = 4
_BINS = 16
_MASKS = 32
_PROTOTYPES = 256
_KEYPOINTS = 17
_KEYPOINT_NUMBERS = 3  # x, y, visibility
_SIGMA_NUMBERS = 2  # that training predicts beside each keypoint
_DETECTIONS = 300
_HIDDEN = 1280
_ANCHORS = 3
_RANK = 4


@dataclass(frozen=True, slots=True)
class Head:
    """Which head a detector has.

    Args:
        task: "detect", "segment", "pose", "oriented" or "classify".
        bins: numbers that describe the distance to a side of the box; 1 is the distance itself.
        light: depthwise-separable branches for the classes.
        ranks: the best detections are chosen in the network, without suppression of overlaps behind it.
        multi_scale: prototypes of masks come from all levels; keypoints share channels with their spread.
    """

    task: str = "detect"
    bins: int = _BINS
    light: bool = False
    ranks: bool = False
    multi_scale: bool = False


def predict(draft: Draft, levels: Sequence[Tensor], classes: int, head: Head) -> list[Tensor]:
    """Add a head without anchors and return its outputs: boxes with scores, then prototypes of masks."""
    channels = max(levels[0].shape[1], min(classes, 100))
    branch = _light if head.light else _plain
    return predict_scored(draft, levels, [branch(draft, x, channels, classes) for x in levels], head)


def predict_scored(draft: Draft, levels: Sequence[Tensor], scores: Sequence[Tensor], head: Head) -> list[Tensor]:
    """Add the rest of a head whose scores are there already; as `predict`."""
    net, box = draft.net, _boxes(draft, levels, head)
    extra = _extra(draft, levels, head)
    masks = [_prototypes(draft, levels, multi_scale=head.multi_scale)] if head.task == "segment" else []
    if not draft.decoded:
        return [*box, *(net.act(x, "LOGISTIC") for x in scores), *extra, *masks]
    found = [box_decoded(net, box, head), net.act(joined(net, scores), "LOGISTIC")]
    if extra:
        found.append(joined(net, extra))
    if head.task == "pose":
        found[-1] = _keypoints(net, found[-1])
    return [_ranked(net, found) if head.ranks else net.concat(*found), *masks]


def predict_classes(draft: Draft, x: Tensor, classes: int) -> Tensor:
    """Add the head of a classifier: a 1 x 1 convolution, the mean of all positions, scores."""
    return draft.net.softmax(draft.net.classify(draft.conv(x, _HIDDEN), classes))


def predict_anchors(draft: Draft, levels: Sequence[Tensor], classes: int, masks: int = 0) -> list[Tensor]:
    """Add a head with three anchors at each position; with masks, their coefficients and prototypes."""
    net, numbers = draft.net, _BOX + 1 + classes + masks
    found = [net.conv(x, _ANCHORS * numbers, norm=False) for x in levels]
    prototypes = [_prototypes(draft, levels[:1], upsample=True)] if masks else []
    if not draft.decoded:
        return [*(net.act(x, "LOGISTIC") for x in found), *prototypes]
    return [net.concat(*(_anchored(net, x, numbers, masks) for x in found)), *prototypes]


def _plain(draft: Draft, x: Tensor, channels: int, outputs: int) -> Tensor:
    y = draft.conv(draft.conv(x, channels, 3), channels, 3)
    return draft.net.conv(y, outputs, norm=False)


def _light(draft: Draft, x: Tensor, channels: int, outputs: int) -> Tensor:
    for _ in range(2):
        x = draft.conv(draft.depthwise(x), channels)
    return draft.net.conv(x, outputs, norm=False)


def _boxes(draft: Draft, levels: Sequence[Tensor], head: Head) -> list[Tensor]:
    channels = max(16, levels[0].shape[1] // 4, _BOX * head.bins)
    return [_plain(draft, x, channels, _BOX * head.bins) for x in levels]


def _extra(draft: Draft, levels: Sequence[Tensor], head: Head) -> list[Tensor]:
    """Return what tasks predict beside boxes and scores: coefficients of masks, keypoints, or an angle."""
    outputs = {"segment": _MASKS, "pose": _KEYPOINTS * _KEYPOINT_NUMBERS, "oriented": 1}.get(head.task, 0)
    if not outputs:
        return []
    hidden = outputs + (_KEYPOINTS * _SIGMA_NUMBERS if head.task == "pose" and head.multi_scale else 0)
    channels = max(levels[0].shape[1] // 4, hidden)
    return [_plain(draft, x, channels, outputs) for x in levels]


def joined(net: Layers, levels: Sequence[Tensor]) -> Tensor:
    """Return the positions of all levels one behind another: [batch, numbers, positions]."""
    return net.concat(*(net.reshape(x, *x.shape[:2], x.shape[2] * x.shape[3]) for x in levels), axis=2)


def box_decoded(net: Layers, levels: Sequence[Tensor], head: Head) -> Tensor:
    """Return boxes [batch, 4, positions] from distances to the four sides."""
    x = joined(net, levels)
    n, _, positions = x.shape
    if head.bins > 1:
        x = net.transpose(net.reshape(x, n, _BOX, head.bins, positions), 0, 2, 1, 3)
        x = net.conv(net.softmax(x, axis=1), 1, norm=False, bias=False)
        x = net.reshape(x, n, _BOX, positions)
    near, far = net.split(x, 2, 2)
    near = net.apply("SUB", near, scalar=0.5)
    far = net.apply("ADD", far, scalar=0.5)
    if not head.ranks:  # centre and size where overlaps are suppressed afterwards, corners where not
        middle = net.apply("MUL", net.add(near, far), scalar=0.5)
        near, far = middle, net.apply("SUB", far, near)
    return net.apply("MUL", net.concat(near, far), scalar=8.0)


def _keypoints(net: Layers, x: Tensor) -> Tensor:
    n, numbers, positions = x.shape
    y = net.reshape(x, n, _KEYPOINTS, _KEYPOINT_NUMBERS, positions)
    place, seen = net.split(y, _KEYPOINT_NUMBERS - 1, 1, axis=2)
    for operator, number in (("MUL", 2.0), ("ADD", 0.5), ("MUL", 8.0)):
        place = net.apply(operator, place, scalar=number)
    return net.reshape(net.concat(place, net.act(seen, "LOGISTIC"), axis=2), n, numbers, positions)


def _ranked(net: Layers, found: Sequence[Tensor]) -> Tensor:
    """Return the best detections [batch, 300, numbers]: by position first, then by class."""
    boxes, scores, *extra = (net.transpose(x, 0, 2, 1) for x in found)
    best = net.apply("REDUCE_MAX", scores, axes=(2,), keep_dims=False)
    k = min(_DETECTIONS, best.shape[1])
    _, places = net.apply_many("TOPK", best, axis=1, k=k)

    def taken(x: Tensor, at: Tensor) -> Tensor:
        return net.apply("GATHER", x, at, axis=1, batch_dims=1)

    near = net.flatten(taken(scores, places))
    values, order = net.apply_many("TOPK", near, axis=1, k=k)
    classes = net.apply("FLOOR_MOD", order, scalar=float(scores.shape[2]))
    chosen = taken(places, net.apply("FLOOR_DIV", order, scalar=float(scores.shape[2])))
    columns = [net.reshape(x, *x.shape, 1) for x in (values, classes)]
    return net.concat(taken(boxes, chosen), *columns, *(taken(x, chosen) for x in extra), axis=2)


def _prototypes(draft: Draft, levels: Sequence[Tensor], *, multi_scale: bool = False, upsample: bool = False) -> Tensor:
    """Return prototypes of masks at twice the rows and columns of the finest level."""
    net, channels = draft.net, draft.scale.channels(_PROTOTYPES)
    x = levels[0]
    if multi_scale:
        for level in levels[1:]:
            x = net.add(x, net.resize(draft.conv(level, levels[0].shape[1]), *x.shape[2:]))
        x = draft.conv(x, channels, 3)
    x = draft.conv(x, channels, 3)
    x = net.upsample(x) if upsample else net.conv_transpose(x, channels, norm=False)
    return draft.conv(draft.conv(x, channels, 3), _MASKS)


def _anchored(net: Layers, x: Tensor, numbers: int, masks: int) -> Tensor:
    n, _, h, w = x.shape
    y = net.transpose(net.reshape(x, n, _ANCHORS, numbers, h, w), 0, 1, 3, 4, 2)
    sizes = (2, 2, numbers - _BOX - masks, masks) if masks else (2, 2, numbers - _BOX)
    parts = net.split(y if masks else net.act(y, "LOGISTIC"), *sizes, axis=4)
    if masks:
        parts[:3] = [net.act(part, "LOGISTIC") for part in parts[:3]]
    for operator, number in (("MUL", 2.0), ("ADD", -0.5), ("MUL", 8.0)):
        parts[0] = net.apply(operator, parts[0], scalar=number)
    parts[1] = net.apply("MUL", net.act(net.apply("MUL", parts[1], scalar=2.0), "SQUARE"), scalar=8.0)
    return net.reshape(net.concat(*parts, axis=4), n, _ANCHORS * h * w, numbers)
