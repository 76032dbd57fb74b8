"""The YOLO detectors of Redmon, Ultralytics, Wang, and their successors that share tables of layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo import yolo_blocks as blocks
from socsim.workload.zoo import yolo_tables as tables
from socsim.workload.zoo.network import Network, Variant
from socsim.workload.zoo.yolo_blocks import Draft, Scale
from socsim.workload.zoo.yolo_heads import Head, predict, predict_anchors, predict_classes

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers
    from socsim.workload.zoo.yolo_tables import Table

_IMAGE = (1, 3, 640, 640)
_COCO = 80
_DOTA = 15
_IMAGENET = 1000
_BLOCKS: dict[str, Callable[..., Tensor]] = {
    name: getattr(blocks, name)
    for name in (
        "a2c2f", "aconv", "adown", "bottleneck_csp", "c2f", "c2fcib", "c2psa", "c3", "c3k2", "conv", "downsample",
        "dsc3k2", "dsconv", "elan1", "focus", "gated_sum", "handover", "hyper_ace", "identity", "max_pool", "rep_elan",
        "residuals", "same_pool", "scdown", "sppcspc", "sppelan", "spp", "sppf", "sppf_residual", "taken_over",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Form:
    """One detector: its table, size, the layers that its head reads, and the head; without one it has anchors."""

    table: Table
    levels: tuple[int, ...]
    scale: Scale = field(default_factory=Scale)
    head: Head | None = None
    act: str = "SWISH"
    masks: int = 0


def draw_table(draft: Draft, x: Tensor, table: Table) -> list[Tensor]:
    """Draw the layers of a table one after another and return what each makes."""
    made: list[Tensor] = []
    for source, repeats, block, *options in table:
        read = [made[i] if made else x for i in (source if isinstance(source, tuple) else (source,))]
        made.append(_row(draft, read, draft.scale.repeats(repeats), block, options))
    return made


def _row(draft: Draft, read: list[Tensor], repeats: int, block: str, options: list[int]) -> Tensor:
    if block == "concat":
        return draft.net.concat(*read)
    if block == "up":
        return draft.net.upsample(read[0])
    channels, *others = options or [0]
    many = block in ("gated_sum", "hyper_ace", "taken_over")
    return _BLOCKS[block](draft, read if many else read[0], draft.scale.channels(channels), repeats, *others)


def _draw(net: Layers, variant: Variant, *, form: _Form) -> list[Tensor]:
    draft = Draft(net, form.scale, form.act, variant.decoded)
    made = draw_table(draft, net.input(variant.shape), form.table)
    levels = [made[i] for i in form.levels]
    if form.head is None:
        return predict_anchors(draft, levels, variant.classes, form.masks)
    if form.head.task == "classify":
        return [predict_classes(draft, levels[0], variant.classes)]
    return predict(draft, levels, variant.classes, form.head)


# --- sizes --------------------------------------------------------------------------------------------

YOLOV5_SIZES = {
    "n": Scale(1 / 3, 0.25), "s": Scale(1 / 3, 0.5), "m": Scale(2 / 3, 0.75), "l": Scale(), "x": Scale(4 / 3, 1.25),
}  # fmt: skip
YOLOV8_SIZES = {
    "n": Scale(1 / 3, 0.25), "s": Scale(1 / 3, 0.5), "m": Scale(2 / 3, 0.75, 768), "l": Scale(1, 1, 512),
    "x": Scale(1, 1.25, 512),
}  # fmt: skip
_YOLOV8_CLS_SIZES = {size: Scale(scale.depth, scale.width) for size, scale in YOLOV8_SIZES.items()}
_YOLOV10_SIZES = {
    "n": Scale(1 / 3, 0.25), "s": Scale(1 / 3, 0.5), "m": Scale(2 / 3, 0.75, 768), "b": Scale(2 / 3, 1, 512),
    "l": Scale(1, 1, 512), "x": Scale(1, 1.25, 512),
}  # fmt: skip
_YOLO11_SIZES = {
    "n": Scale(0.5, 0.25), "s": Scale(0.5, 0.5), "m": Scale(0.5, 1, 512, large=True),
    "l": Scale(1, 1, 512, large=True, residual=True), "x": Scale(1, 1.5, 512, large=True, residual=True),
}  # fmt: skip
_YOLOV13_SIZES = {
    "n": Scale(0.5, 0.25, hyperedges=0.5), "s": Scale(0.5, 0.5), "l": Scale(1, 1, 512, residual=True),
    "x": Scale(1, 1.5, 512, residual=True, hyperedges=1.5),
}  # fmt: skip
_YOLOV10_TABLES = {
    "n": tables.yolov10("c2f", "c2f", "c2f", "c2f", "c2fcib_large"),
    "s": tables.yolov10("c2f", "c2fcib_large", "c2f", "c2f", "c2fcib_large"),
    "m": tables.yolov10("c2f", "c2fcib", "c2f", "c2fcib", "c2fcib"),
    "b": tables.yolov10("c2f", "c2fcib", "c2fcib", "c2fcib", "c2fcib"),
    "l": tables.yolov10("c2f", "c2fcib", "c2fcib", "c2fcib", "c2fcib"),
    "x": tables.yolov10("c2fcib", "c2fcib", "c2fcib", "c2fcib", "c2fcib"),
}
_YOLOV9_TABLES = {
    "t": tables.YOLOV9T, "s": tables.YOLOV9S, "m": tables.YOLOV9M, "c": tables.YOLOV9C, "e": tables.YOLOV9E,
}  # fmt: skip

# --- names --------------------------------------------------------------------------------------------

_ULTRALYTICS = "ultralytics/ultralytics ultralytics/cfg/models"
_TASKS = {
    "": ("detect", "detection", _COCO),
    "_seg": ("segment", "instance segmentation", _COCO),
    "_pose": ("pose", "pose estimation", 1),
    "_obb": ("oriented", "oriented detection", _DOTA),
}


def _network(
    name: str, family: str, title: str, form: _Form, source: str, *, classes: int = _COCO, aliases: tuple[str, ...] = ()
) -> Network:
    return Network(name, family, title, partial(_draw, form=form), source, _IMAGE, classes, aliases, decodes=True)


def _tasks(family: str, size: str, form: _Form, folder: str, *suffixes: str) -> list[Network]:
    """Return one size of a detector for several tasks, each under its usual spellings."""
    made = []
    for suffix in suffixes:
        task, words, classes = _TASKS[suffix]
        head = form.head or Head()
        special = Head(task, head.bins, head.light, head.ranks, head.multi_scale)
        name, words = f"{family}{size}{suffix}", f"{family} {size}, {words}"
        drawn = _Form(form.table, form.levels, form.scale, special)
        aliases = _spellings(family, size, suffix.strip("_") or "detect")
        made.append(_network(name, family, words, drawn, f"{_ULTRALYTICS}/{folder}", classes=classes, aliases=aliases))
    return made


def _spellings(family: str, size: str, task: str) -> tuple[str, ...]:
    number = family.removeprefix("yolov").removeprefix("yolo")
    names = {f"{prefix}{number}{size}" for prefix in ("yolo", "yolov")}
    made = {f"{name}{join}{task}" for name in names for join in (" ", "-", "_")}
    plain = names if task == "detect" else set()
    return tuple(sorted((made | plain) - {f"{family}{size}", f"{family}{size}_{task}"}))


def _classifier(family: str, size: str, scale: Scale, table: Table, folder: str) -> Network:
    form = _Form(table, (-1,), scale, Head("classify"))
    network = _network(
        f"{family}{size}_cls", family, f"{family} {size}, classification", form, f"{_ULTRALYTICS}/{folder}",
        classes=_IMAGENET, aliases=_spellings(family, size, "cls"),
    )  # fmt: skip
    return Network(network.name, family, network.title, network.draw, network.source, aliases=network.aliases)


def _yolov5(size: str, scale: Scale) -> list[Network]:
    form = _Form(tables.YOLOV5, (17, 20, 23), scale)
    old = _Form(tables.YOLOV5_V2, (17, 20, 23), scale, act="LEAKY_RELU")
    masks = _Form(tables.YOLOV5, (17, 20, 23), scale, masks=32)
    free = _Form(tables.YOLOV5, (17, 20, 23), scale, Head())
    source = "ultralytics/yolov5 v7.0 models"
    name = f"yolov5{size}"
    made = [
        _network(name, "yolov5", f"YOLOv5 {size}, v6.0 and later", form, source, aliases=(f"{name}_v7.0",)),
        _network(f"{name}_seg", "yolov5", f"YOLOv5 {size}, instance segmentation", masks, source),
        _network(f"{name}u", "yolov5", f"YOLOv5 {size} with YOLOv8's head", free, f"{_ULTRALYTICS}/v5"),
    ]
    if size != "n":
        made.append(_network(f"{name}_v2.0", "yolov5", f"YOLOv5 {size}, v2.0", old, "ultralytics/yolov5 v2.0 models"))
    if size == "s":
        relu = _Form(tables.YOLOV5, (17, 20, 23), scale, act="RELU")
        made.append(_network(f"{name}_relu", "yolov5", f"YOLOv5 {size} with ReLU", relu, "airockchip/yolov5"))
    return made


def _yolov8(size: str, scale: Scale) -> list[Network]:
    form = _Form(tables.YOLOV8, (15, 18, 21), scale, Head())
    classifier = _classifier("yolov8", size, _YOLOV8_CLS_SIZES[size], tables.YOLOV8_CLS, "v8")
    return [*_tasks("yolov8", size, form, "v8", *_TASKS), classifier]


def _yolo11(family: str, folder: str, form: _Form, size: str) -> list[Network]:
    return [
        *_tasks(family, size, form, folder, *_TASKS),
        _classifier(family, size, form.scale, tables.YOLO11_CLS, folder),
    ]


def _all() -> list[Network]:
    made = [
        Network(
            "yolov3", "yolov3", "YOLOv3, Darknet-53",
            partial(_draw, form=_Form(tables.YOLOV3, (34, 25, 16), act="LEAKY_RELU")),
            "pjreddie/darknet cfg/yolov3.cfg", (1, 3, 416, 416), _COCO, decodes=True,
        ),
        _network(
            "yolov7", "yolov7", "YOLOv7", _Form(tables.YOLOV7, (102, 103, 104)), "WongKinYiu/yolov7 cfg/deploy",
        ),
        _network(
            "yolov7_tiny", "yolov7", "YOLOv7-tiny", _Form(tables.YOLOV7_TINY, (74, 75, 76), act="LEAKY_RELU"),
            "WongKinYiu/yolov7 cfg/deploy", aliases=("yolov7-tiny",),
        ),
    ]  # fmt: skip
    for size, scale in YOLOV5_SIZES.items():
        made += _yolov5(size, scale)
    for size, scale in YOLOV8_SIZES.items():
        made += _yolov8(size, scale)
    for size, table in _YOLOV9_TABLES.items():
        form = _Form(table, (35, 38, 41) if size == "e" else (15, 18, 21), Scale(), Head())
        made += _tasks("yolov9", size, form, "v9", "", *(("_seg",) if size in "ce" else ()))
    for size, scale in _YOLOV10_SIZES.items():
        form = _Form(_YOLOV10_TABLES[size], (16, 19, 22), scale, Head(light=True, ranks=True))
        made += _tasks("yolov10", size, form, "v10", "")
    for size, scale in _YOLO11_SIZES.items():
        made += _yolo11("yolo11", "11", _Form(tables.YOLO11, (16, 19, 22), scale, Head(light=True)), size)
        ranked = Head(bins=1, light=True, ranks=True, multi_scale=True)
        made += _yolo11("yolo26", "26", _Form(tables.YOLO26, (16, 19, 22), scale, ranked), size)
        form = _Form(tables.YOLO12, (14, 17, 20), scale, Head(light=True))
        made += _tasks("yolo12", size, form, "12", "")
    for size, scale in _YOLOV13_SIZES.items():
        form = _Form(tables.YOLOV13, (23, 27, 31), scale, Head(light=True))
        made.append(
            _network(
                f"yolov13{size}", "yolov13", f"YOLOv13 {size}", form, "iMoonLab/yolov13 ultralytics/cfg/models/v13"
            )
        )
    return made


NETWORKS = tuple(_all())
