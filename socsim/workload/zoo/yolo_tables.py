"""Layer tables of the YOLO detectors: (what a layer reads, repeats, block, channels, options of the block).

A layer reads the layer at an index, -1 is the one before, -2 the one before that; several are a tuple.
Repeats and channels are those of the full size; `Scale` makes the others of them.
"""

from __future__ import annotations

from typing import Any

Row = tuple[int | tuple[int, ...], int, str, *tuple[Any, ...]]
Table = tuple[Row, ...]

_UP: Row = (-1, 1, "up")


def _cat(*sources: int) -> Row:
    return (sources, 1, "concat")


def _pyramid(block: str, last: str, c4: int, c5: int, options: tuple[Any, ...], last_options: tuple[Any, ...]) -> Table:
    """Return the layers from level 5 up to 3 and down again; the first has index `c5` + 1."""
    p4 = c5 + 3
    return (
        _UP, _cat(-1, c4), (-1, 3, block, 512, *options),
        _UP, _cat(-1, 4), (-1, 3, block, 256, *options),
        (-1, 1, "conv", 256, 3, 2), _cat(-1, p4), (-1, 3, block, 512, *options),
        (-1, 1, "conv", 512, 3, 2), _cat(-1, c5), (-1, 3, last, 1024, *last_options),
    )  # fmt: skip


def _repeat(table: Table, repeats: int) -> Table:
    """Return the table with other repeats where a block repeats."""
    return tuple((row[0], repeats if row[1] > 1 else row[1], *row[2:]) for row in table)


# Source: pjreddie/darknet cfg/yolov3.cfg.
YOLOV3: Table = (
    (-1, 1, "conv", 32, 3), (-1, 1, "conv", 64, 3, 2), (-1, 1, "residuals", 64), (-1, 1, "conv", 128, 3, 2),
    (-1, 2, "residuals", 128), (-1, 1, "conv", 256, 3, 2), (-1, 8, "residuals", 256), (-1, 1, "conv", 512, 3, 2),
    (-1, 8, "residuals", 512), (-1, 1, "conv", 1024, 3, 2), (-1, 4, "residuals", 1024),
    (-1, 1, "conv", 512), (-1, 1, "conv", 1024, 3), (-1, 1, "conv", 512), (-1, 1, "conv", 1024, 3),
    (-1, 1, "conv", 512), (-1, 1, "conv", 1024, 3),  # 16
    (-2, 1, "conv", 256), _UP, _cat(-1, 8),
    (-1, 1, "conv", 256), (-1, 1, "conv", 512, 3), (-1, 1, "conv", 256), (-1, 1, "conv", 512, 3),
    (-1, 1, "conv", 256), (-1, 1, "conv", 512, 3),  # 25
    (-2, 1, "conv", 128), _UP, _cat(-1, 6),
    (-1, 1, "conv", 128), (-1, 1, "conv", 256, 3), (-1, 1, "conv", 128), (-1, 1, "conv", 256, 3),
    (-1, 1, "conv", 128), (-1, 1, "conv", 256, 3),  # 34
)  # fmt: skip


def _yolov5_head(block: str) -> Table:
    return (
        (-1, 1, "conv", 512), _UP, _cat(-1, 6), (-1, 3, block, 512, False),
        (-1, 1, "conv", 256), _UP, _cat(-1, 4), (-1, 3, block, 256, False),
        (-1, 1, "conv", 256, 3, 2), _cat(-1, 14), (-1, 3, block, 512, False),
        (-1, 1, "conv", 512, 3, 2), _cat(-1, 10), (-1, 3, block, 1024, False),
    )  # fmt: skip


# Source: ultralytics/yolov5 v7.0 models/yolov5s.yaml.
YOLOV5: Table = (
    (-1, 1, "conv", 64, 6, 2), (-1, 1, "conv", 128, 3, 2), (-1, 3, "c3", 128), (-1, 1, "conv", 256, 3, 2),
    (-1, 6, "c3", 256), (-1, 1, "conv", 512, 3, 2), (-1, 9, "c3", 512), (-1, 1, "conv", 1024, 3, 2),
    (-1, 3, "c3", 1024), (-1, 1, "sppf", 1024), *_yolov5_head("c3"),
)  # fmt: skip

# Source: ultralytics/yolov5 v2.0 models/yolov5s.yaml.
YOLOV5_V2: Table = (
    (-1, 1, "focus", 64, 3), (-1, 1, "conv", 128, 3, 2), (-1, 3, "bottleneck_csp", 128), (-1, 1, "conv", 256, 3, 2),
    (-1, 9, "bottleneck_csp", 256), (-1, 1, "conv", 512, 3, 2), (-1, 9, "bottleneck_csp", 512),
    (-1, 1, "conv", 1024, 3, 2), (-1, 1, "spp", 1024), (-1, 3, "bottleneck_csp", 1024, False),
    *_yolov5_head("bottleneck_csp"),
)  # fmt: skip

# Source: Megvii-BaseDetection/YOLOX yolox/models/darknet.py and yolo_pafpn.py.
YOLOX: Table = (
    (-1, 1, "focus", 64, 3), (-1, 1, "conv", 128, 3, 2), (-1, 3, "c3", 128), (-1, 1, "conv", 256, 3, 2),
    (-1, 9, "c3", 256), (-1, 1, "conv", 512, 3, 2), (-1, 9, "c3", 512), (-1, 1, "conv", 1024, 3, 2),
    (-1, 1, "spp", 1024), (-1, 3, "c3", 1024, False), *_yolov5_head("c3"),
)  # fmt: skip


def _elan(hidden: int, channels: int) -> Table:
    """Return YOLOv7's backbone block: two ways, one through four convolutions of which every second ends."""
    inner: tuple[Row, ...] = ((-1, 1, "conv", hidden, 3),) * 4
    return (
        (-1, 1, "conv", hidden), (-2, 1, "conv", hidden), *inner, _cat(-1, -3, -5, -6), (-1, 1, "conv", channels)
    )  # fmt: skip


def _elan_head(hidden: int) -> Table:
    inner: tuple[Row, ...] = ((-1, 1, "conv", hidden // 2, 3),) * 4
    ends = _cat(-1, -2, -3, -4, -5, -6)
    return ((-1, 1, "conv", hidden), (-2, 1, "conv", hidden), *inner, ends, (-1, 1, "conv", hidden))


def _transition(channels: int, *more: int) -> Table:
    """Return YOLOv7's step to half the rows and columns: a pool beside a convolution."""
    return (
        (-1, 1, "max_pool"), (-1, 1, "conv", channels), (-3, 1, "conv", channels), (-1, 1, "conv", channels, 3, 2),
        _cat(-1, -3, *more),
    )  # fmt: skip


# Source: WongKinYiu/yolov7 cfg/deploy/yolov7.yaml.
YOLOV7: Table = (
    (-1, 1, "conv", 32, 3), (-1, 1, "conv", 64, 3, 2), (-1, 1, "conv", 64, 3), (-1, 1, "conv", 128, 3, 2),
    *_elan(64, 256), *_transition(128), *_elan(128, 512), *_transition(256), *_elan(256, 1024), *_transition(512),
    *_elan(256, 1024), (-1, 1, "sppcspc", 512),
    (-1, 1, "conv", 256), _UP, (37, 1, "conv", 256), _cat(-1, -2), *_elan_head(256),
    (-1, 1, "conv", 128), _UP, (24, 1, "conv", 128), _cat(-1, -2), *_elan_head(128),
    *_transition(128, 63), *_elan_head(256), *_transition(256, 51), *_elan_head(512),
    (75, 1, "conv", 256, 3), (88, 1, "conv", 512, 3), (101, 1, "conv", 1024, 3),
)  # fmt: skip


def _elan_tiny(hidden: int, channels: int) -> Table:
    inner: tuple[Row, ...] = ((-1, 1, "conv", hidden, 3),) * 2
    return ((-1, 1, "conv", hidden), (-2, 1, "conv", hidden), *inner, _cat(-1, -2, -3, -4), (-1, 1, "conv", channels))


# Source: WongKinYiu/yolov7 cfg/deploy/yolov7-tiny.yaml.
YOLOV7_TINY: Table = (
    (-1, 1, "conv", 32, 3, 2), (-1, 1, "conv", 64, 3, 2), *_elan_tiny(32, 64), (-1, 1, "max_pool"),
    *_elan_tiny(64, 128), (-1, 1, "max_pool"), *_elan_tiny(128, 256), (-1, 1, "max_pool"), *_elan_tiny(256, 512),
    (-1, 1, "conv", 256), (-2, 1, "conv", 256), (-1, 1, "same_pool", 0, 5), (-2, 1, "same_pool", 0, 9),
    (-3, 1, "same_pool", 0, 13), _cat(-1, -2, -3, -4), (-1, 1, "conv", 256), _cat(-1, -7), (-1, 1, "conv", 256),
    (-1, 1, "conv", 128), _UP, (21, 1, "conv", 128), _cat(-1, -2), *_elan_tiny(64, 128),
    (-1, 1, "conv", 64), _UP, (14, 1, "conv", 64), _cat(-1, -2), *_elan_tiny(32, 64),
    (-1, 1, "conv", 128, 3, 2), _cat(-1, 47), *_elan_tiny(64, 128),
    (-1, 1, "conv", 256, 3, 2), _cat(-1, 37), *_elan_tiny(128, 256),
    (57, 1, "conv", 128, 3), (65, 1, "conv", 256, 3), (73, 1, "conv", 512, 3),
)  # fmt: skip

_YOLOV8_BACKBONE: Table = (
    (-1, 1, "conv", 64, 3, 2), (-1, 1, "conv", 128, 3, 2), (-1, 3, "c2f", 128, True), (-1, 1, "conv", 256, 3, 2),
    (-1, 6, "c2f", 256, True), (-1, 1, "conv", 512, 3, 2), (-1, 6, "c2f", 512, True), (-1, 1, "conv", 1024, 3, 2),
    (-1, 3, "c2f", 1024, True),
)  # fmt: skip
# Source: ultralytics/ultralytics cfg/models/v8/yolov8.yaml and yolov8-cls.yaml.
YOLOV8: Table = (*_YOLOV8_BACKBONE, (-1, 1, "sppf", 1024), *_pyramid("c2f", "c2f", 6, 9, (), ()))
YOLOV8_CLS = _YOLOV8_BACKBONE


def _yolov9(rows: tuple[tuple[Any, ...], ...], down: str, head: tuple[int, int], pools: tuple[int, int]) -> Table:
    """Return YOLOv9 from the channels (outer, hidden, inner, repeats) of levels 3, 4, 5 and of level 3 in the head."""
    level3, level4, level5, fine = rows
    c4, c5 = head
    return (
        (-1, 1, down, level3[0] if down == "aconv" else level3[0] // 2), (-1, 1, "rep_elan", *level3),
        (-1, 1, down, level4[0]), (-1, 1, "rep_elan", *level4), (-1, 1, down, level5[0]), (-1, 1, "rep_elan", *level5),
        (-1, 1, "sppelan", *pools),
        _UP, _cat(-1, 6), (-1, 1, "rep_elan", *level4), _UP, _cat(-1, 4), (-1, 1, "rep_elan", *fine),
        (-1, 1, down, c4), _cat(-1, 12), (-1, 1, "rep_elan", *level4),
        (-1, 1, down, c5), _cat(-1, 9), (-1, 1, "rep_elan", *level5),
    )  # fmt: skip


def _yolov9_small(c: int, repeats: int, first: Table) -> Table:
    """Return the sizes t, s and m, whose levels have 4 c, 6 c and 8 c channels."""
    rows = tuple((k * c, k * c, k * c // 2, repeats) for k in (4, 6, 8, 4))
    return (*first, *_yolov9(rows, "aconv", (3 * c, 4 * c), (8 * c, 4 * c)))


# Source: ultralytics/ultralytics cfg/models/v9/yolov9t.yaml, yolov9s.yaml, yolov9m.yaml, yolov9c.yaml.
YOLOV9T = _yolov9_small(16, 3, ((-1, 1, "conv", 16, 3, 2), (-1, 1, "conv", 32, 3, 2), (-1, 1, "elan1", 32, 32, 16)))
YOLOV9S = _yolov9_small(32, 3, ((-1, 1, "conv", 32, 3, 2), (-1, 1, "conv", 64, 3, 2), (-1, 1, "elan1", 64, 64, 32)))
YOLOV9M = _yolov9_small(
    60, 1, ((-1, 1, "conv", 32, 3, 2), (-1, 1, "conv", 64, 3, 2), (-1, 1, "rep_elan", 128, 128, 64, 1))
)
YOLOV9C: Table = (
    (-1, 1, "conv", 64, 3, 2), (-1, 1, "conv", 128, 3, 2), (-1, 1, "rep_elan", 256, 128, 64, 1),
    *_yolov9(
        ((512, 256, 128, 1), (512, 512, 256, 1), (512, 512, 256, 1), (256, 256, 128, 1)), "adown", (256, 512),
        (512, 256),
    ),
)  # fmt: skip
# Source: ultralytics/ultralytics cfg/models/v9/yolov9e.yaml.
YOLOV9E: Table = (
    (-1, 1, "identity"), (-1, 1, "conv", 64, 3, 2), (-1, 1, "conv", 128, 3, 2),
    (-1, 1, "rep_elan", 256, 128, 64, 2), (-1, 1, "adown", 256), (-1, 1, "rep_elan", 512, 256, 128, 2),
    (-1, 1, "adown", 512), (-1, 1, "rep_elan", 1024, 512, 256, 2), (-1, 1, "adown", 1024),
    (-1, 1, "rep_elan", 1024, 512, 256, 2),
    (1, 1, "handover", 0, 1), (3, 1, "handover", 0, 2), (5, 1, "handover", 0, 3), (7, 1, "handover", 0, 4),
    (9, 1, "handover", 0, 5),
    (0, 1, "conv", 64, 3, 2), ((10, 11, 12, 13, 14, -1), 1, "taken_over", 0, 0),
    (-1, 1, "conv", 128, 3, 2), ((11, 12, 13, 14, -1), 1, "taken_over", 0, 1), (-1, 1, "rep_elan", 256, 128, 64, 2),
    (-1, 1, "adown", 256), ((12, 13, 14, -1), 1, "taken_over", 0, 2), (-1, 1, "rep_elan", 512, 256, 128, 2),
    (-1, 1, "adown", 512), ((13, 14, -1), 1, "taken_over", 0, 3), (-1, 1, "rep_elan", 1024, 512, 256, 2),
    (-1, 1, "adown", 1024), ((14, -1), 1, "taken_over", 0, 4), (-1, 1, "rep_elan", 1024, 512, 256, 2),
    (-1, 1, "sppelan", 512, 256),
    _UP, _cat(-1, 25), (-1, 1, "rep_elan", 512, 512, 256, 2), _UP, _cat(-1, 22), (-1, 1, "rep_elan", 256, 256, 128, 2),
    (-1, 1, "adown", 256), _cat(-1, 32), (-1, 1, "rep_elan", 512, 512, 256, 2),
    (-1, 1, "adown", 512), _cat(-1, 29), (-1, 1, "rep_elan", 512, 1024, 512, 2),
)  # fmt: skip


def yolov10(p4: str, p5: str, up: str, down: str, out: str) -> Table:
    """Return YOLOv10 with the blocks of backbone levels 4 and 5, of level 4 on the way up and down, and of the last."""

    def row(block: str, n: int, channels: int, *, backbone: bool = True) -> Row:
        if block == "c2f":
            return (-1, n, "c2f", channels, backbone)
        return (-1, n, "c2fcib", channels, block == "c2fcib_large")

    return (
        (-1, 1, "conv", 64, 3, 2), (-1, 1, "conv", 128, 3, 2), (-1, 3, "c2f", 128, True), (-1, 1, "conv", 256, 3, 2),
        (-1, 6, "c2f", 256, True), (-1, 1, "scdown", 512), row(p4, 6, 512), (-1, 1, "scdown", 1024),
        row(p5, 3, 1024), (-1, 1, "sppf", 1024), (-1, 1, "c2psa", 1024),
        _UP, _cat(-1, 6), row(up, 3, 512, backbone=False), _UP, _cat(-1, 4), (-1, 3, "c2f", 256),
        (-1, 1, "conv", 256, 3, 2), _cat(-1, 13), row(down, 3, 512, backbone=False),
        (-1, 1, "scdown", 512), _cat(-1, 10), row(out, 3, 1024),
    )  # fmt: skip


_YOLO11_BACKBONE: Table = (
    (-1, 1, "conv", 64, 3, 2), (-1, 1, "conv", 128, 3, 2), (-1, 2, "c3k2", 256, False, 0.25),
    (-1, 1, "conv", 256, 3, 2), (-1, 2, "c3k2", 512, False, 0.25), (-1, 1, "conv", 512, 3, 2),
    (-1, 2, "c3k2", 512, True), (-1, 1, "conv", 1024, 3, 2), (-1, 2, "c3k2", 1024, True),
)  # fmt: skip
# Source: ultralytics/ultralytics cfg/models/11/yolo11.yaml and yolo11-cls.yaml; cfg/models/26/yolo26.yaml.
YOLO11: Table = (
    *_YOLO11_BACKBONE, (-1, 1, "sppf", 1024), (-1, 2, "c2psa", 1024),
    *_repeat(_pyramid("c3k2", "c3k2", 6, 10, (False,), (True,)), 2),
)  # fmt: skip
YOLO11_CLS: Table = (*_YOLO11_BACKBONE, (-1, 2, "c2psa", 1024))
_YOLO26_PYRAMID = _repeat(_pyramid("c3k2", "c3k2", 6, 10, (True,), (True, 0.5, True)), 2)
YOLO26: Table = (
    *_YOLO11_BACKBONE, (-1, 1, "sppf_residual", 1024), (-1, 2, "c2psa", 1024),
    *_YOLO26_PYRAMID[:-1], (-1, 1, *_YOLO26_PYRAMID[-1][2:]),
)  # fmt: skip

# Source: ultralytics/ultralytics v8.3 cfg/models/12/yolo12.yaml (files of other repositories group two layers).
YOLO12: Table = (
    *_YOLO11_BACKBONE[:6],
    (-1, 4, "a2c2f", 512, True, 4), (-1, 1, "conv", 1024, 3, 2), (-1, 4, "a2c2f", 1024, True, 1),
    *_repeat(_pyramid("a2c2f", "c3k2", 6, 8, (False, 1), (True,)), 2),
)  # fmt: skip

# Source: iMoonLab/yolov13 ultralytics/cfg/models/v13/yolov13.yaml.
YOLOV13: Table = (
    (-1, 1, "conv", 64, 3, 2), (-1, 1, "conv", 128, 3, 2, 2), (-1, 2, "dsc3k2", 256, False, 0.25),
    (-1, 1, "conv", 256, 3, 2, 4), (-1, 2, "dsc3k2", 512, False, 0.25), (-1, 1, "dsconv", 512, 3, 2),
    (-1, 4, "a2c2f", 512, True, 4, 1.5, 5), (-1, 1, "dsconv", 1024, 3, 2), (-1, 4, "a2c2f", 1024, True, 1, 1.5, 5),
    ((4, 6, 8), 2, "hyper_ace", 512, 8), _UP, (9, 1, "downsample"), ((6, 9), 1, "gated_sum"),
    ((4, 10), 1, "gated_sum"), ((8, 11), 1, "gated_sum"),
    _UP, _cat(-1, 12), (-1, 2, "dsc3k2", 512, True), ((-1, 9), 1, "gated_sum"),
    (17, 1, "up"), _cat(-1, 13), (-1, 2, "dsc3k2", 256, True), (10, 1, "conv", 256), ((21, 22), 1, "gated_sum"),
    (-1, 1, "conv", 256, 3, 2), _cat(-1, 18), (-1, 2, "dsc3k2", 512, True), ((-1, 9), 1, "gated_sum"),
    (26, 1, "conv", 512, 3, 2), _cat(-1, 14), (-1, 2, "dsc3k2", 1024, True), ((-1, 11), 1, "gated_sum"),
)  # fmt: skip
