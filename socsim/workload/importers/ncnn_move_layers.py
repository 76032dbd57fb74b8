"""Rules of ncnn layers that move or rename data.

Source: Tencent/ncnn, docs/developer-guide/operators.md, and the load_param and forward functions of
src/layer/{concat,slice,crop,reshape,permute,padding,interp,tile,expanddims,squeeze}.cpp.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.importers.ncnn_context import LAYOUT, LayerContext, UnsupportedOptionError, flattened
from socsim.workload.shapes_operands import axis_of

if TYPE_CHECKING:
    from socsim.workload.importers.ncnn_mac_layers import LayerRule
    from socsim.workload.shapes_operands import Shape

_REST = -233  # a size that takes what is left, or is not given
_TO_END = 2**31 - 1

# Axes of a blob by letter, first dimension first, and the orders that Permute numbers, last dimension first.
_AXES = {2: "HW", 3: "CHW", 4: "CDHW"}
_ORDERS = {
    2: ("WH", "HW"),
    3: ("WHC", "HWC", "WCH", "CWH", "HCW", "CHW"),
    4: (
        "WHDC", "HWDC", "WDHC", "DWHC", "HDWC", "DHWC", "WHCD", "HWCD", "WCHD", "CWHD", "HCWD", "CHWD",
        "WDCH", "DWCH", "WCDH", "CWDH", "DCWH", "CDWH", "HDCW", "DHCW", "HCDW", "CHDW", "DCHW", "CDHW",
    ),
}  # fmt: skip


def _copy(x: LayerContext) -> None:
    x.needs(1)
    x.emit("IDENTITY", shapes=[x.shape] * len(x.layer.outputs))


def _concat(x: LayerContext) -> None:
    x.needs(1)
    x.emit("CONCATENATION", {"axis": axis_of(x.integer(0), len(x.shape))})


def _slice(x: LayerContext) -> None:
    axis = axis_of(x.integer(1), len(x.shape))
    total, count = x.shape[axis], len(x.layer.outputs)
    if 2 in x.layer.parameters:
        ends = [*x.integers(2), total]
        sizes = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    else:
        sizes = _parts(x.integers(0), total, count)
    if min(sizes, default=0) < 0:
        msg = f"the parts {tuple(sizes)} are negative"
        raise ValueError(msg)
    x.emit("SPLIT", {"axis": axis, "sizes": tuple(sizes)})


def _parts(wanted: tuple[int, ...], total: int, count: int) -> list[int]:
    """Return the sizes of the parts; one that is not given shares what is left with those after it."""
    sizes: list[int] = []
    for i, size in enumerate(wanted):
        sizes.append((total - sum(sizes)) // max(count - i, 1) if size == _REST else size)
    return sizes


def _crop(x: LayerContext) -> None:
    x.needs(1)
    begin, size = _crop_by_axes(x) if x.integers(9) else _crop_by_offsets(x)
    x.emit("SLICE", {"begin": begin, "size": size}, inputs=x.inputs[:1])


def _crop_by_axes(x: LayerContext) -> tuple[Shape, Shape]:
    starts, ends = x.integers(9), x.integers(10)
    axes = x.integers(11) or tuple(range(len(starts)))
    if not len(starts) == len(ends) == len(axes):
        msg = f"starts {starts}, ends {ends} and axes {axes} differ in length"
        raise ValueError(msg)
    begin, size = [0] * len(x.shape), list(x.shape)
    for start, end, axis in zip(starts, ends, axes, strict=True):
        position = axis_of(axis, len(x.shape))
        first = 0 if start == _REST else start
        last = _TO_END if end == _REST else end
        span = range(*slice(first, last).indices(x.shape[position]))
        begin[position], size[position] = span.start, len(span)
    return tuple(begin), tuple(size)


# Keys of (offset, size, trailing offset) by axis.
_CROP_KEYS = {"W": (0, 3, 6), "H": (1, 4, 7), "D": (13, 14, 15), "C": (2, 5, 8)}


def _crop_by_offsets(x: LayerContext) -> tuple[Shape, Shape]:
    """Return begin and size; a second blob, where there is one, gives the size."""
    letters = _AXES.get(len(x.shape), "W")
    reference = x.shapes[1] if len(x.shapes) > 1 else ()
    begin, size = [], []
    for axis, letter in enumerate(letters):
        offset_key, size_key, trailing_key = _CROP_KEYS[letter]
        offset, wanted = x.integer(offset_key), x.integer(size_key, 0)
        rest = x.shape[axis] - offset - x.integer(trailing_key)
        begin.append(offset)
        if len(reference) == len(x.shape):
            size.append(reference[axis])
        else:
            size.append(rest if wanted in (0, _REST) else wanted)
    if min(*begin, *size) < 0:
        msg = f"offsets {tuple(begin)} and sizes {tuple(size)} reach outside {x.shape}"
        raise ValueError(msg)
    return tuple(begin), tuple(size)


def _reshape(x: LayerContext) -> None:
    if isinstance(x.layer.parameters.get(6), str):
        msg = "shape_expr"
        raise UnsupportedOptionError(msg)
    x.needs(1)
    sizes = [(key, x.integer(key, _REST)) for key in (2, 11, 1, 0)]
    own = dict(zip((0, 1, 11, 2) if len(x.shape) == 4 else (0, 1, 2), reversed(x.shape), strict=False))
    shape = tuple(own.get(key, 1) if size == 0 else size for key, size in sizes if size != _REST)
    known = prod(s for s in shape if s != -1)
    if shape.count(-1) == 1 and known > 0 and prod(x.shape) % known == 0:
        shape = tuple(prod(x.shape) // known if s == -1 else s for s in shape)
    attributes: dict[str, Any] = {"shape": shape} | ({"channels_last": True} if x.integer(3) else {})
    x.emit("RESHAPE", attributes, inputs=x.inputs[:1])


def _flatten(x: LayerContext) -> None:
    x.emit("RESHAPE", {"shape": flattened(x.shape)})


def _permute(x: LayerContext) -> None:
    order, rank = x.integer(0), len(x.shape)
    orders = _ORDERS.get(rank, ())
    if rank == 1 and order == 0:
        orders = ("W",)
    if not 0 <= order < len(orders):
        msg = f"order_type {order} does not exist for {rank} dimensions"
        raise ValueError(msg)
    axes = _AXES.get(rank, "W")
    x.emit("TRANSPOSE", {"permutation": tuple(axes.index(letter) for letter in reversed(orders[order]))})


def _padding(x: LayerContext) -> None:
    x.needs(1)
    pairs = [(x.integer(2), x.integer(3)), (x.integer(0), x.integer(1)), (x.integer(7), x.integer(8))]
    rank = len(x.shape)
    paddings = [(0, 0)] * max(rank - 3, 0) + pairs[:rank][::-1]
    if rank == 4:  # front and behind pad the depth
        paddings = [(0, 0), *pairs[::-1]]
    kind = x.integer(4)
    values = [x.constant("values", (x.integer(6),))] if x.integer(6) else []
    attributes = {"paddings": tuple(paddings)} | ({"mode": "edge"} if kind == 1 else {})
    x.emit("MIRROR_PAD" if kind == 2 else "PAD", attributes, inputs=[x.inputs[0], *values])


def _interp(x: LayerContext) -> None:
    kinds = {1: "RESIZE_NEAREST_NEIGHBOR", 2: "RESIZE_BILINEAR"}
    if x.integer(0) not in kinds:
        msg = f"resize_type {x.integer(0)}"
        raise UnsupportedOptionError(msg)
    x.needs(1)
    # A vector becomes planes filled with its elements.
    c, h, w = {1: (x.shape[0], 1, 1), 3: x.shape}.get(len(x.shape), (0, 0, 0))
    if not c:
        msg = f"the input {x.shape} must have one or three dimensions"
        raise ValueError(msg)
    rows, columns = x.integer(3), x.integer(4)
    if len(x.shapes) > 1 and len(x.shapes[1]) > 1:
        rows, columns = x.shapes[1][-2:]
    if not rows or not columns:
        rows, columns = int(h * _factor(x, 1)), int(w * _factor(x, 2))
    if min(rows, columns) < 1:
        msg = f"the result would have {rows} x {columns} elements"
        raise ValueError(msg)
    attributes = {"layout": LAYOUT, "size": (rows, columns), "align_corners": bool(x.integer(6))}
    x.emit(kinds[x.integer(0)], attributes, inputs=x.inputs[:1], shapes=[(c, rows, columns)])


def _factor(x: LayerContext, key: int) -> float:
    factor = x.number(key, 1.0)
    if not 0 < factor < _TO_END:
        msg = f"the scale (parameter {key}) is {factor}; it must be positive and finite"
        raise ValueError(msg)
    return factor


def _tile(x: LayerContext) -> None:
    repeats = x.integers(2)
    if not repeats:
        axis = axis_of(x.integer(0), len(x.shape))
        repeats = tuple(x.positive(1, 1) if i == axis else 1 for i in range(len(x.shape)))
    if min(repeats) < 1:
        msg = f"the repeats {repeats} must be at least 1"
        raise ValueError(msg)
    rank = max(len(repeats), len(x.shape))
    multiples = (1,) * (rank - len(repeats)) + repeats
    padded = (1,) * (rank - len(x.shape)) + x.shape
    shape = tuple(d * m for d, m in zip(padded, multiples, strict=True))
    same_rank = len(x.shape) == rank
    x.emit("TILE" if same_rank else "BROADCAST_TO", {"multiples": multiples}, shapes=[shape])


def _expand_dims(x: LayerContext) -> None:
    x.emit("EXPAND_DIMS", {"axes": x.integers(3) or _flagged_axes(x, len(x.shape) + 1)})


def _squeeze(x: LayerContext) -> None:
    axes = x.integers(3) or tuple(i for i in _flagged_axes(x, len(x.shape)) if x.shape[i] == 1)
    shape = tuple(d for i, d in enumerate(x.shape) if i not in {axis_of(a, len(x.shape)) for a in axes})
    # A blob keeps at least one dimension.
    x.emit("SQUEEZE" if axes else "IDENTITY", {"axes": axes} if axes else {}, shapes=[shape or (1,)])


def _flagged_axes(x: LayerContext, rank: int) -> tuple[int, ...]:
    """Return the axes whose own flag is set: parameters 0 (w), 1 (h), 11 (d), 2 (c)."""
    keys = {"W": 0, "H": 1, "D": 11, "C": 2}
    return tuple(i for i, letter in enumerate(_AXES.get(rank, "W")) if x.integer(keys[letter]))


def _shuffle_channel(x: LayerContext) -> None:
    groups, channels = x.positive(0, 1), x.shape[0]
    groups = channels // groups if x.integer(1) else groups
    x.emit("SHUFFLE_CHANNEL", {"layout": LAYOUT, "groups": groups})


def _pixel_shuffle(x: LayerContext) -> None:
    x.emit("DEPTH_TO_SPACE", {"layout": LAYOUT, "block_size": x.positive(0, 1)})


def _reorg(x: LayerContext) -> None:
    x.emit("SPACE_TO_DEPTH", {"layout": LAYOUT, "block_size": x.positive(0, 1)})


MOVE_LAYERS: dict[str, LayerRule] = {
    "Concat": _concat,
    "Crop": _crop,
    "ExpandDims": _expand_dims,
    "Flatten": _flatten,
    "Interp": _interp,
    "Noop": _copy,
    "Packing": _copy,
    "Padding": _padding,
    "Permute": _permute,
    "PixelShuffle": _pixel_shuffle,
    "Reorg": _reorg,
    "Reshape": _reshape,
    "ShuffleChannel": _shuffle_channel,
    "Slice": _slice,
    "Split": _copy,
    "Squeeze": _squeeze,
    "Tile": _tile,
}
