"""Detectors beside the main line of YOLO: YOLOv6, YOLOX, PP-YOLOE and YOLO-World.

Source: meituan/YOLOv6 configs/yolov6n.py, yolov6/models/efficientrep.py, reppan.py, heads/effidehead.py (deployed
form); Megvii-BaseDetection/YOLOX yolox/models; PaddlePaddle/PaddleDetection configs/ppyoloe and ppdet/modeling;
AILab-CVC/YOLO-World and ultralytics/ultralytics cfg/models/v8/yolov8-worldv2.yaml (structures alone).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo import yolo_tables as tables
from socsim.workload.zoo.network import Network, Variant
from socsim.workload.zoo.yolo import YOLOV5_SIZES, YOLOV8_SIZES, draw_table
from socsim.workload.zoo.yolo_blocks import Draft, Scale, bottleneck, conv
from socsim.workload.zoo.yolo_heads import Head, box_decoded, joined, predict_scored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_IMAGE = (1, 3, 640, 640)
_COCO = 80

# --- YOLOv6 -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Yolov6:
    """One YOLOv6: its blocks, whether levels join with finer ones too, how it pools, and bins of a distance."""

    scale: Scale
    block: Callable[[Draft, Tensor, int, int], Tensor]
    both_ways: bool = True
    csp_pools: bool = False
    bins: int = 1


def _chain(draft: Draft, x: Tensor, channels: int, repeats: int) -> Tensor:
    for _ in range(repeats):
        x = draft.conv(x, channels, 3)
    return x


def _bep(draft: Draft, x: Tensor, channels: int, repeats: int) -> Tensor:
    """Two ways, one through pairs of 3 x 3 with a weighted residual, as the sizes m and l have them."""
    net, hidden = draft.net, int(channels * 2 / 3)
    y = draft.conv(x, hidden)
    for _ in range(repeats // 2):
        y = net.add(_chain(draft, y, hidden, 2), net.scaled(y, 1))
    return draft.conv(net.concat(y, draft.conv(x, hidden)), channels)


def _csp_sppf(draft: Draft, x: Tensor) -> Tensor:
    channels, net = x.shape[1], draft.net
    hidden = channels // 2
    y = draft.conv(draft.conv(draft.conv(x, hidden), hidden, 3), hidden)
    parts = [y]
    for _ in range(3):
        parts.append(net.max_pool(parts[-1], 5, 1, pad=2))
    y = draft.conv(draft.conv(net.concat(*parts), hidden), hidden, 3)
    return draft.conv(net.concat(draft.conv(x, hidden), y), channels)


def _sppf(draft: Draft, x: Tensor) -> Tensor:
    parts = [draft.conv(x, x.shape[1] // 2)]
    for _ in range(3):
        parts.append(draft.net.max_pool(parts[-1], 5, 1, pad=2))
    return draft.conv(draft.net.concat(*parts), x.shape[1])


def _yolov6_backbone(draft: Draft, x: Tensor, form: _Yolov6) -> list[Tensor]:
    scale, levels = draft.scale, [draft.conv(x, draft.scale.channels(64), 3, 2)]
    for channels, repeats in ((128, 6), (256, 12), (512, 18), (1024, 6)):
        wanted = scale.channels(channels)
        levels.append(form.block(draft, draft.conv(levels[-1], wanted, 3, 2), wanted, scale.repeats(repeats)))
    levels[-1] = _csp_sppf(draft, levels[-1]) if form.csp_pools else _sppf(draft, levels[-1])
    return levels[1:]


def _fuse(draft: Draft, coarse: Tensor, same: Tensor, fine: Tensor | None) -> Tensor:
    """Join a level with the coarser one, and in the newer version with the finer one, too."""
    net, channels = draft.net, coarse.shape[1]
    up = net.conv_transpose(coarse, channels, norm=False)
    if fine is None:
        return net.concat(up, same)
    down = draft.conv(draft.conv(fine, channels), channels, 3, 2)
    return draft.conv(net.concat(up, draft.conv(same, channels), down), channels)


def _yolov6(net: Layers, variant: Variant, *, form: _Yolov6) -> list[Tensor]:
    draft = Draft(net, form.scale, "RELU")
    c2, c3, c4, c5 = _yolov6_backbone(draft, net.input(variant.shape), form)
    repeats, channels, block = form.scale.repeats(12), form.scale.channels, form.block
    top = draft.conv(c5, channels(256))
    p4 = block(draft, _fuse(draft, top, c4, c3 if form.both_ways else None), channels(256), repeats)
    middle = draft.conv(p4, channels(128))
    p3 = block(draft, _fuse(draft, middle, c3, c2 if form.both_ways else None), channels(128), repeats)
    n4 = block(draft, net.concat(draft.conv(p3, channels(128), 3, 2), middle), channels(256), repeats)
    n5 = block(draft, net.concat(draft.conv(n4, channels(256), 3, 2), top), channels(512), repeats)
    return _decoupled(Draft(net, form.scale, decoded=variant.decoded), [p3, n4, n5], variant.classes, form.bins)


def _decoupled(draft: Draft, levels: Sequence[Tensor], classes: int, bins: int) -> list[Tensor]:
    """Predict boxes and scores from one convolution each behind a common one."""
    net = draft.net
    boxes, scores = [], []
    for level in levels:
        x = draft.conv(level, level.shape[1])
        scores.append(net.conv(draft.conv(x, x.shape[1], 3), classes, norm=False, act="LOGISTIC"))
        boxes.append(net.conv(draft.conv(x, x.shape[1], 3), 4 * bins, norm=False))
    if not draft.decoded:
        return [*boxes, *scores]
    return [net.concat(box_decoded(net, boxes, Head(bins=bins)), joined(net, scores))]


# --- YOLOX --------------------------------------------------------------------------------------------


def _yolox(net: Layers, variant: Variant, *, scale: Scale) -> list[Tensor]:
    draft = Draft(net, scale)
    made = draw_table(draft, net.input(variant.shape), tables.YOLOX)
    found = [_yolox_head(draft, made[i], variant.classes) for i in (17, 20, 23)]
    if not variant.decoded:
        return found
    place, size, scores = net.split(net.transpose(joined(net, found), 0, 2, 1), 2, 2, 1 + variant.classes, axis=2)
    place = net.apply("MUL", net.apply("ADD", place, scalar=0.5), scalar=8.0)
    size = net.apply("MUL", net.apply("EXP", size), scalar=8.0)
    return [net.concat(place, size, scores, axis=2)]


def _yolox_head(draft: Draft, level: Tensor, classes: int) -> Tensor:
    net, channels = draft.net, draft.scale.channels(256)
    x = draft.conv(level, channels)
    score, box = _chain(draft, x, channels, 2), _chain(draft, x, channels, 2)
    return net.concat(
        net.conv(box, 4, norm=False), net.conv(box, 1, norm=False, act="LOGISTIC"),
        net.conv(score, classes, norm=False, act="LOGISTIC"),
    )  # fmt: skip


# --- PP-YOLOE -----------------------------------------------------------------------------------------

_PPYOLOE_BINS = 17


def _weigh(net: Layers, x: Tensor, gate: str) -> Tensor:
    """Weigh the channels by one 1 x 1 convolution of their means."""
    return net.mul(x, net.conv(net.global_pool(x), x.shape[1], norm=False, act=gate))


def _ppyoloe_stage(draft: Draft, x: Tensor, channels: int, repeats: int) -> Tensor:
    middle = (x.shape[1] + channels) // 2
    x = draft.conv(x, middle, 3, 2)
    left, right = draft.conv(x, middle // 2), draft.conv(x, middle // 2)
    for _ in range(repeats):
        right = bottleneck(draft, right)
    return draft.conv(_weigh(draft.net, draft.net.concat(left, right), "HARD_SIGMOID"), channels)


def _ppyoloe_neck(draft: Draft, x: Tensor, channels: int, repeats: int, *, pools: bool = False) -> Tensor:
    net, hidden = draft.net, channels // 2
    left, right = draft.conv(x, hidden), draft.conv(x, hidden)
    for i in range(repeats):
        right = bottleneck(draft, right, shortcut=False)
        if pools and i == (repeats - 1) // 2:
            parts = [right, *(net.max_pool(right, k, 1, pad=k // 2) for k in (5, 9, 13))]
            right = draft.conv(net.concat(*parts), hidden)
    return draft.conv(net.concat(left, right), channels)


def _ppyoloe(net: Layers, variant: Variant, *, depth: float, width: float) -> list[Tensor]:
    draft = Draft(net, Scale(depth, width))
    stem = round(64 * width)
    x = draft.conv(net.input(variant.shape), stem // 2, 3, 2)
    x = draft.conv(draft.conv(x, stem // 2, 3), stem, 3)
    levels = []
    for channels, repeats in ((128, 3), (256, 6), (512, 6), (1024, 3)):
        x = _ppyoloe_stage(draft, x, round(channels * width), max(round(repeats * depth), 1))
        levels.append(x)
    made = _ppyoloe_pyramid(draft, levels[1:], max(round(3 * depth), 1))
    heads = [_ppyoloe_head(draft, level, variant.classes) for level in made]
    boxes, scores = zip(*heads, strict=True)
    if not variant.decoded:
        return [*boxes, *(net.act(x, "LOGISTIC") for x in scores)]
    return [net.concat(box_decoded(net, boxes, Head(bins=_PPYOLOE_BINS)), net.act(joined(net, scores), "LOGISTIC"))]


def _ppyoloe_pyramid(draft: Draft, levels: Sequence[Tensor], repeats: int) -> list[Tensor]:
    net, widths = draft.net, [round(c * draft.scale.width) for c in (768, 384, 192)]
    top: list[Tensor] = []
    for i, level in enumerate(reversed(levels)):
        x = level if not top else net.concat(net.upsample(draft.conv(top[-1], widths[i - 1] // 2)), level)
        top.append(_ppyoloe_neck(draft, x, widths[i], repeats, pools=not i))
    made = [top[-1]]
    for i in (1, 0):
        down = draft.conv(made[-1], widths[i + 1], 3, 2)
        made.append(_ppyoloe_neck(draft, net.concat(down, top[i]), widths[i], repeats))
    return made


def _ppyoloe_head(draft: Draft, level: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    net, channels = draft.net, level.shape[1]
    mean = net.global_pool(level)

    def stem() -> Tensor:
        return draft.conv(net.mul(level, net.conv(mean, channels, norm=False, act="LOGISTIC")), channels)

    score = net.conv(net.add(stem(), level), classes, 3, norm=False)
    return net.conv(stem(), 4 * _PPYOLOE_BINS, 3, norm=False), score


# --- YOLO-World ---------------------------------------------------------------------------------------

_TEXT_WIDTH = 512


def _guided(draft: Draft, x: Tensor, channels: int, words: Tensor) -> Tensor:
    """Return C2f with one part more, weighed by how well each position matches any of the words."""
    net, hidden, heads = draft.net, channels // 2, channels // 64
    parts = net.split(draft.conv(x, 2 * hidden), hidden, hidden)
    for _ in range(draft.scale.repeats(3)):
        parts.append(bottleneck(draft, parts[-1], shortcut=False))
    last = parts[-1]
    n, _, h, w = last.shape
    guide = net.reshape(net.dense(words, hidden), n, words.shape[1], heads, hidden // heads)
    image = net.reshape(last, n, heads, hidden // heads, h * w)
    match = net.matmul(net.transpose(guide, 0, 2, 1, 3), image)
    match = net.apply("REDUCE_MAX", match, axes=(2,), keep_dims=False)
    match = net.apply("ADD", net.apply("MUL", match, scalar=(hidden // heads) ** -0.5), net.weight(1, heads, 1))
    match = net.reshape(net.act(match, "LOGISTIC"), n, heads, 1, h * w)
    value = net.reshape(draft.net.conv(last, hidden, 3), n, heads, hidden // heads, h * w)
    parts.append(net.reshape(net.mul(value, match), n, hidden, h, w))
    return draft.conv(net.concat(*parts), channels)


def _yolo_world(net: Layers, variant: Variant, *, scale: Scale) -> list[Tensor]:
    draft, channels = Draft(net, scale, decoded=variant.decoded), scale.channels
    made = draw_table(draft, net.input(variant.shape), tables.YOLOV8[:10])
    words = net.input((variant.shape[0], variant.classes, _TEXT_WIDTH), "words")
    p4 = _guided(draft, net.concat(net.upsample(made[9]), made[6]), channels(512), words)
    p3 = _guided(draft, net.concat(net.upsample(p4), made[4]), channels(256), words)
    n4 = _guided(draft, net.concat(conv(draft, p3, channels(256), 1, 3, 2), p4), channels(512), words)
    n5 = _guided(draft, net.concat(conv(draft, n4, channels(512), 1, 3, 2), made[9]), channels(1024), words)
    levels = [p3, n4, n5]
    hidden = max(p3.shape[1], min(variant.classes, 100))
    scores = [_word_scores(draft, x, hidden, words) for x in levels]
    return predict_scored(draft, levels, scores, Head())


def _word_scores(draft: Draft, level: Tensor, hidden: int, words: Tensor) -> Tensor:
    net = draft.net
    x = draft.conv(draft.conv(level, hidden, 3), hidden, 3)
    x = net.conv(x, _TEXT_WIDTH, bias=True)  # the normalisation of the comparison folds into it
    n, c, h, w = x.shape
    words = net.apply("L2_NORMALIZATION", words, axis=2)
    scores = net.matmul(words, net.reshape(x, n, c, h * w))
    scores = net.apply("ADD", net.scaled(scores, 1), net.weight(1))
    return net.reshape(scores, n, words.shape[1], h, w)


# --- names --------------------------------------------------------------------------------------------


def _yolov6_networks() -> list[Network]:
    forms = {
        "n": _Yolov6(YOLOV5_SIZES["n"], _chain, csp_pools=True),
        "s": _Yolov6(YOLOV5_SIZES["s"], _chain, csp_pools=True),
        "m": _Yolov6(Scale(0.6, 0.75), _bep, bins=17),
        "n_v0.2": _Yolov6(YOLOV5_SIZES["n"], _chain, both_ways=False),
        "s_v0.2": _Yolov6(YOLOV5_SIZES["s"], _chain, both_ways=False),
    }
    return [
        Network(
            f"yolov6{size}", "yolov6", f"YOLOv6 {size[0]}, version {'0.3 and later' if form.both_ways else '0.2'}",
            partial(_yolov6, form=form), "meituan/YOLOv6", _IMAGE, _COCO, decodes=True,
        )
        for size, form in forms.items()
    ]  # fmt: skip


def _yolox_networks() -> list[Network]:
    sizes = {size: (scale, _IMAGE) for size, scale in YOLOV5_SIZES.items() if size != "n"}
    sizes["tiny"] = Scale(1 / 3, 0.375), (1, 3, 416, 416)
    return [
        Network(
            f"yolox_{size}", "yolox", f"YOLOX {size}", partial(_yolox, scale=scale), "Megvii-BaseDetection/YOLOX",
            shape, _COCO, decodes=True,
        )
        for size, (scale, shape) in sizes.items()
    ]  # fmt: skip


def _ppyoloe_networks() -> list[Network]:
    sizes = {"s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
    return [
        Network(
            f"ppyoloe_{size}", "ppyoloe", f"PP-YOLOE {size}", partial(_ppyoloe, depth=depth, width=width),
            "PaddlePaddle/PaddleDetection configs/ppyoloe", _IMAGE, _COCO, decodes=True,
        )
        for size, (depth, width) in sizes.items()
    ]  # fmt: skip


NETWORKS = (
    *_yolov6_networks(),
    *_yolox_networks(),
    *_ppyoloe_networks(),
    *(
        Network(
            f"yolo_world_v2{size}", "yolo_world", f"YOLO-World v2 {size}, 80 words", partial(_yolo_world, scale=scale),
            "ultralytics/ultralytics ultralytics/cfg/models/v8/yolov8-worldv2.yaml", _IMAGE, _COCO,
            decodes=True,
        )
        for size, scale in YOLOV8_SIZES.items()
        if size != "n"
    ),
)  # fmt: skip
