"""Detectors other than YOLO: SSD, RetinaFace.

Source: Liu et al., SSD, arXiv 1512.02325; tensorflow/models research/object_detection (ssd_mobilenet_v1_coco); the
MLPerf inference reference, mlcommons/inference vision/classification_and_detection (SSD-ResNet34, 1200 x 1200);
Deng et al., RetinaFace, arXiv 1905.00641, as biubug6/Pytorch_Retinaface writes it (structures alone).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

    Levels = list[Tensor]

_BOX = 4


def _by_anchor(net: Layers, x: Tensor, numbers: int) -> Tensor:
    """Return [batch, anchors, numbers] from the channels of a level."""
    return net.reshape(net.transpose(x, 0, 2, 3, 1), x.shape[0], -1, numbers)


# --- SSD on MobileNetV1 -------------------------------------------------------------------------------

_PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
_FIRST_LEVEL = 10
_EXTRA = ((256, 512), (128, 256), (128, 256), (64, 128))
_ANCHORS = (3, 6, 6, 6, 6, 6)


def _same(x: Tensor, stride: int) -> tuple[int, int, int, int]:
    """Return TensorFlow's padding of a 3 x 3 window: at stride 2 an even size is padded at the end alone."""
    top, left = (1 if stride == 1 or size % 2 else 0 for size in x.shape[2:])
    return top, left, 1, 1


def _mobile_levels(net: Layers, x: Tensor) -> Levels:
    x = net.conv(x, 32, 3, 2, pad=_same(x, 2), act="RELU6")
    levels = []
    for i, (channels, stride) in enumerate(_PAIRS):
        x = net.depthwise(x, 3, stride, pad=_same(x, stride), act="RELU6")
        x = net.conv(x, channels, act="RELU6")
        if i in (_FIRST_LEVEL, len(_PAIRS) - 1):
            levels.append(x)
    for hidden, channels in _EXTRA:
        y = net.conv(x, hidden, act="RELU6")
        x = net.conv(y, channels, 3, 2, pad=_same(y, 2), act="RELU6")
        levels.append(x)
    return levels


def _ssd_mobilenet(net: Layers, variant: Variant) -> list[Tensor]:
    labels = variant.classes + 1  # and one that stands for nothing
    boxes, scores = [], []
    for x, anchors in zip(_mobile_levels(net, net.input(variant.shape)), _ANCHORS, strict=True):
        boxes.append(_by_anchor(net, net.conv(x, anchors * _BOX, norm=False), _BOX))
        scores.append(_by_anchor(net, net.conv(x, anchors * labels, norm=False), labels))
    return [net.concat(*boxes), net.act(net.concat(*scores), "LOGISTIC")]


# --- SSD on ResNet-34 ---------------------------------------------------------------------------------

_LARGE_EXTRA = ((256, 512, 2, 1), (256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 2, 0), (128, 256, 1, 0))
_LARGE_ANCHORS = (4, 6, 6, 6, 4, 4)
_HEAD_STRIDE = 3


def _basic(net: Layers, x: Tensor, channels: int, stride: int) -> Tensor:
    short = x if stride == 1 and x.shape[1] == channels else net.conv(x, channels, 1, stride)
    y = net.conv(net.conv(x, channels, 3, stride, act="RELU"), channels, 3)
    return net.add(y, short, act="RELU")


def _large_levels(net: Layers, x: Tensor) -> Levels:
    """Return an eighth of the size from ResNet-34, whose third stage keeps the size here, and what follows."""
    x = net.max_pool(net.conv(x, 64, 7, 2, act="RELU"), 3, 2, pad=1)
    for channels, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 1)):
        for i in range(depth):
            x = _basic(net, x, channels, 1 if i else stride)
    levels = [x]
    for hidden, channels, stride, pad in _LARGE_EXTRA:
        x = net.conv(x, hidden, norm=False, act="RELU")
        x = net.conv(x, channels, 3, stride, pad=pad, norm=False, act="RELU")
        levels.append(x)
    return levels


def _ssd_resnet34(net: Layers, variant: Variant) -> list[Tensor]:
    labels = variant.classes + 1
    boxes: Levels = []
    scores: Levels = []
    for x, anchors in zip(_large_levels(net, net.input(variant.shape)), _LARGE_ANCHORS, strict=True):
        for numbers, found in ((_BOX, boxes), (labels, scores)):
            y = net.conv(x, anchors * numbers, 3, _HEAD_STRIDE, norm=False)
            found.append(net.reshape(y, y.shape[0], numbers, -1))
    return [net.concat(*boxes, axis=2), net.softmax(net.concat(*scores, axis=2), axis=1)]


# --- RetinaFace ---------------------------------------------------------------------------------------

_FACES = 2  # anchors at each position
_LANDMARKS = 10
_NARROW = 64  # up to this width rectifiers leak


def _face_mobilenet(net: Layers, x: Tensor) -> Levels:
    x = net.conv(x, 8, 3, 2, act="LEAKY_RELU")
    pairs = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
    levels = []
    for i, (channels, stride) in enumerate(pairs):
        x = net.conv(net.depthwise(x, 3, stride, act="LEAKY_RELU"), channels, act="LEAKY_RELU")
        if i in (4, 10, 12):
            levels.append(x)
    return levels


def _face_resnet50(net: Layers, x: Tensor) -> Levels:
    x = net.max_pool(net.conv(x, 64, 7, 2, act="RELU"), 3, 2, pad=1)
    levels = []
    for stage, depth in enumerate((3, 4, 6, 3)):
        for i in range(depth):
            stride, planes = 2 if stage and not i else 1, 64 << stage
            short = x if i else net.conv(x, 4 * planes, 1, stride)
            y = net.conv(net.conv(x, planes, act="RELU"), planes, 3, stride, act="RELU")
            x = net.add(net.conv(y, 4 * planes), short, act="RELU")
        levels.append(x)
    return levels[1:]


def _face_pyramid(net: Layers, levels: Sequence[Tensor], width: int, act: str) -> Levels:
    fine, middle, coarse = (net.conv(x, width, act=act) for x in levels)
    middle = net.conv(net.add(middle, net.resize(coarse, *middle.shape[2:])), width, 3, act=act)
    fine = net.conv(net.add(fine, net.resize(middle, *fine.shape[2:])), width, 3, act=act)
    return [fine, middle, coarse]


def _context(net: Layers, x: Tensor, act: str) -> Tensor:
    """Add the context module: three, five and seven pixels seen, by chains of 3 x 3."""
    width = x.shape[1]
    second = net.conv(x, width // 4, 3, act=act)
    third = net.conv(second, width // 4, 3, act=act)
    parts = (net.conv(x, width // 2, 3), net.conv(second, width // 4, 3), net.conv(third, width // 4, 3))
    return net.act(net.concat(*parts), "RELU")


def _retinaface(
    net: Layers, variant: Variant, *, backbone: Callable[[Layers, Tensor], Levels], width: int
) -> list[Tensor]:
    act = "LEAKY_RELU" if width <= _NARROW else "RELU"
    levels = _face_pyramid(net, backbone(net, net.input(variant.shape)), width, act)
    levels = [_context(net, x, act) for x in levels]
    outputs = []
    for numbers in (_BOX, variant.classes, _LANDMARKS):
        found = [_by_anchor(net, net.conv(x, _FACES * numbers, norm=False), numbers) for x in levels]
        outputs.append(net.concat(*found))
    return [outputs[0], net.softmax(outputs[1]), outputs[2]]


_FACE_SOURCE = "biubug6/Pytorch_Retinaface models"

NETWORKS = (
    Network(
        "ssd_mobilenet_v1", "ssd_mobilenet", "SSD on MobileNetV1", _ssd_mobilenet,
        "tensorflow/models research/object_detection", (1, 3, 300, 300), 90,
    ),
    Network(
        "ssd_resnet34", "ssd_resnet34", "SSD on ResNet-34, large images", _ssd_resnet34,
        "mlcommons/inference vision/classification_and_detection", (1, 3, 1200, 1200), 80,
    ),
    Network(
        "retinaface_mobile", "retinaface", "RetinaFace on MobileNetV1 0.25",
        partial(_retinaface, backbone=_face_mobilenet, width=64), _FACE_SOURCE, (1, 3, 320, 320), 2,
        ("retinaface_mobilenet0.25",),
    ),
    Network(
        "retinaface_resnet50", "retinaface", "RetinaFace on ResNet-50",
        partial(_retinaface, backbone=_face_resnet50, width=256), _FACE_SOURCE, (1, 3, 320, 320), 2,
    ),
)  # fmt: skip
