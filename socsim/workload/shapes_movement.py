"""Shape rules of operators that move or rename data.

Attributes that the rules read, beside those of `socsim.workload.operators`:
    sizes: parts of a SPLIT, or num_splits: how many equal ones;  begin, size: tuples of a SLICE
    begin, end, strides with begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask, or with
    axes: STRIDED_SLICE;  multiples: TILE;  size: (rows, columns) of a resize;  block_size: int
    batch_dims: int of GATHER;  depth: int of ONE_HOT
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.nests import spatial
from socsim.workload.shapes_operands import axis_of, operand, present, same_as_first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from socsim.workload.shapes_operands import Shape, Shapes

    Rule = Callable[[Shapes, Mapping[str, Any]], list[Shape] | None]


_LAYOUT = "NHWC"  # of operators that do not say


def _concatenation(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    parts = present(shapes)
    axis = axis_of(a["axis"], len(parts[0]))
    for part in parts[1:]:
        if len(part) != len(parts[0]) or any(
            d != e for i, (d, e) in enumerate(zip(part, parts[0], strict=True)) if i != axis
        ):
            msg = f"operands {parts[0]} and {part} differ outside axis {axis}"
            raise ValueError(msg)
    return [(*parts[0][:axis], sum(p[axis] for p in parts), *parts[0][axis + 1 :])]


def _split(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x = operand(shapes, 0)
    axis = axis_of(a["axis"], len(x))
    sizes = a.get("sizes") or _equal_parts(x[axis], a["num_splits"])
    if sum(sizes) != x[axis]:
        parts = ", ".join(str(s) for s in sizes)
        msg = f"parts of {parts} elements do not add up to the {x[axis]} of axis {axis}"
        raise ValueError(msg)
    return [(*x[:axis], size, *x[axis + 1 :]) for size in sizes]


def _equal_parts(total: int, parts: int) -> tuple[int, ...]:
    if parts < 1 or total % parts:
        msg = f"{total} elements do not divide into {parts} equal parts"
        raise ValueError(msg)
    return (total // parts,) * parts


def _slice(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x, begin, size = operand(shapes, 0), a["begin"], a["size"]
    if not len(x) == len(begin) == len(size):
        msg = f"begin {tuple(begin)} and size {tuple(size)} must have the {len(x)} dimensions of {x}"
        raise ValueError(msg)
    result = tuple(d - b if s == -1 else s for d, b, s in zip(x, begin, size, strict=True))
    if any(b < 0 or s < 0 or b + s > d for d, b, s in zip(x, begin, result, strict=True)):
        msg = f"begin {tuple(begin)} and size {tuple(size)} reach outside {x}"
        raise ValueError(msg)
    return [result]


def _strided_slice(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x = operand(shapes, 0)
    if a.get("ellipsis_mask", 0) or a.get("new_axis_mask", 0):
        return None
    begin, end, strides = a["begin"], a["end"], a["strides"]
    axes = a.get("axes") or range(len(begin))
    result: list[int | None] = list(x)
    for i, axis in enumerate(axes):
        position = axis_of(axis, len(x))
        if strides[i] == 0:
            msg = f"the stride of axis {axis} is 0"
            raise ValueError(msg)
        if a.get("shrink_axis_mask", 0) >> i & 1:
            result[position] = None
            continue
        first = None if a.get("begin_mask", 0) >> i & 1 else begin[i]
        last = None if a.get("end_mask", 0) >> i & 1 else end[i]
        result[position] = len(range(*slice(first, last, strides[i]).indices(x[position])))
    return [tuple(d for d in result if d is not None)]


def _pad(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x, paddings = operand(shapes, 0), a["paddings"]
    if len(paddings) != len(x):
        msg = f"{len(paddings)} pairs of paddings for the {len(x)} dimensions of {x}"
        raise ValueError(msg)
    result = tuple(d + before + after for d, (before, after) in zip(x, paddings, strict=True))
    if any(d < 0 for d in result):
        msg = f"paddings {tuple(paddings)} remove more than {x} holds"
        raise ValueError(msg)
    return [result]


def _transpose(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x, permutation = operand(shapes, 0), a["permutation"]
    axes = [axis_of(p, len(x)) for p in permutation]
    if sorted(axes) != list(range(len(x))):
        msg = f"{tuple(permutation)} is not a permutation of the {len(x)} dimensions of {x}"
        raise ValueError(msg)
    return [tuple(x[p] for p in axes)]


def _reshape(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x, wanted = operand(shapes, 0), a["shape"]
    copies = not a.get("allow_zero", False) and prod(x) > 0
    dims = [x[i] if d == 0 and copies and i < len(x) else d for i, d in enumerate(wanted)]
    known = prod(d for d in dims if d != -1)
    if dims.count(-1) == 1 and known > 0 and prod(x) % known == 0:
        dims[dims.index(-1)] = prod(x) // known
    if any(d < 0 for d in dims) or prod(dims) != prod(x):
        msg = f"the {prod(x)} elements of {x} do not fill the shape {tuple(wanted)}"
        raise ValueError(msg)
    return [tuple(dims)]


def _squeeze(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x = operand(shapes, 0)
    axes = {axis_of(axis, len(x)) for axis in a.get("axes") or ()} or {i for i, d in enumerate(x) if d == 1}
    if any(x[i] != 1 for i in axes):
        msg = f"axes {tuple(sorted(axes))} of {x} are not all of size 1"
        raise ValueError(msg)
    return [tuple(d for i, d in enumerate(x) if i not in axes)]


def _expand_dims(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x = operand(shapes, 0)
    axes = a["axes"] if "axes" in a else (a["axis"],)
    rank = len(x) + len(axes)
    new = {axis_of(axis, rank) for axis in axes}
    if len(new) != len(axes):
        msg = f"axes {tuple(axes)} name a dimension twice"
        raise ValueError(msg)
    old = iter(x)
    return [tuple(1 if i in new else next(old) for i in range(rank))]


def _resize(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x, layout = operand(shapes, 0), a.get("layout", _LAYOUT)
    if len(x) not in (3, 4):
        return None
    (rows, columns), channels = a["size"], spatial(x, layout)[3]
    return [_planar(x, layout, rows, columns, channels)]


def _tile(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x, multiples = operand(shapes, 0), a["multiples"]
    if len(multiples) != len(x):
        msg = f"{len(multiples)} multiples for the {len(x)} dimensions of {x}"
        raise ValueError(msg)
    return [tuple(d * m for d, m in zip(x, multiples, strict=True))]


def _pack(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    parts = present(shapes)
    if any(p != parts[0] for p in parts):
        msg = f"operands {', '.join(str(p) for p in parts)} differ in shape"
        raise ValueError(msg)
    axis = axis_of(a["axis"], len(parts[0]) + 1)
    return [(*parts[0][:axis], len(parts), *parts[0][axis:])]


def _unpack(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x = operand(shapes, 0)
    axis = axis_of(a["axis"], len(x))
    return [(*x[:axis], *x[axis + 1 :])] * x[axis]


def _gather(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x, indices, batch = operand(shapes, 0), operand(shapes, 1), a.get("batch_dims", 0)
    axis = axis_of(a["axis"], len(x))
    return [(*x[:axis], *indices[batch:], *x[axis + 1 :])]


def _gather_nd(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x, indices = operand(shapes, 0), operand(shapes, 1)
    if a.get("batch_dims", 0) or not indices:
        return None
    if indices[-1] > len(x):
        msg = f"indices {indices} address {indices[-1]} dimensions of {x}"
        raise ValueError(msg)
    return [(*indices[:-1], *x[indices[-1] :])]


def _space_to_depth(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x, block, layout = operand(shapes, 0), a["block_size"], a.get("layout", _LAYOUT)
    if len(x) not in (3, 4):
        return None
    _, h, w, c = spatial(x, layout)
    if block < 1 or h % block or w % block:
        msg = f"{h} x {w} elements do not divide into blocks of {block} x {block}"
        raise ValueError(msg)
    return [_planar(x, layout, h // block, w // block, c * block * block)]


def _depth_to_space(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x, block, layout = operand(shapes, 0), a["block_size"], a.get("layout", _LAYOUT)
    if len(x) not in (3, 4):
        return None
    _, h, w, c = spatial(x, layout)
    if block < 1 or c % (block * block):
        msg = f"{c} channels do not divide into blocks of {block} x {block}"
        raise ValueError(msg)
    return [_planar(x, layout, h * block, w * block, c // (block * block))]


def _planar(like: Shape, layout: str, rows: int, columns: int, channels: int) -> Shape:
    tail = (rows, columns, channels) if layout == "NHWC" else (channels, rows, columns)
    return (*like[:-3], *tail)


def _one_hot(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x = operand(shapes, 0)
    axis = axis_of(a["axis"], len(x) + 1)
    return [(*x[:axis], a["depth"], *x[axis:])]


def _shuffle_channel(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x, groups = operand(shapes, 0), a["groups"]
    if len(x) not in (3, 4):
        return None
    channels = spatial(x, a["layout"])[3]
    if groups < 1 or channels % groups:
        msg = f"{channels} channels do not divide into {groups} groups"
        raise ValueError(msg)
    return [x]


def _rank(shapes: Shapes, _a: Mapping[str, Any]) -> list[Shape]:
    operand(shapes, 0)
    return [()]


MOVEMENT_RULES: dict[str, Rule] = {
    "CONCATENATION": _concatenation,
    "SPLIT": _split,
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "PAD": _pad,
    "MIRROR_PAD": _pad,
    "TRANSPOSE": _transpose,
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand_dims,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "RESIZE_BILINEAR": _resize,
    "TILE": _tile,
    "PACK": _pack,
    "UNPACK": _unpack,
    "GATHER": _gather,
    "GATHER_ND": _gather_nd,
    "SPACE_TO_DEPTH": _space_to_depth,
    "DEPTH_TO_SPACE": _depth_to_space,
    "ONE_HOT": _one_hot,
    "SHUFFLE_CHANNEL": _shuffle_channel,
    "REVERSE": same_as_first,
    "IDENTITY": same_as_first,
    "RANK": _rank,
}
