"""Reductions over axes, and indices of extrema.

Source: TFLite reference/reduce.h, QuantizedMeanOrSum; reference/arg_min_max.h.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.fixed_point import quantize_multiplier
from socsim.numerics.jit import kernel
from socsim.numerics.node import Kernels, implements, implements_for
from socsim.numerics.operators.operands import (
    is_quantized,
    narrowed,
    output_dtype,
    same_quantization,
    scale32,
    unsupported,
)
from socsim.numerics.scaling import Scaling, scaled, scaling_of, wrapped
from socsim.numerics.tables import integer_bounds, rounded, to_int32

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Room, Run

    Reduction = Callable[..., Array]

_PLAIN: dict[str, Reduction] = {
    "REDUCE_ALL": np.all,
    "REDUCE_ANY": np.any,
    "REDUCE_MAX": np.max,
    "REDUCE_MIN": np.min,
}
_LEAST_ELEMENTS = 1 << 15  # that a part of a sum adds for a thread to gain from it

_SUMS: dict[str, Reduction] = {"MEAN": np.mean, "REDUCE_PROD": np.prod, "SUM": np.sum}


def _axes(node: Node) -> tuple[int, ...]:
    axes = node.attributes.get("axes")
    if axes is None:
        raise NumericsError(f"{node.where}: its axes are computed; constants are required")
    return tuple(axes)


@implements(*_PLAIN)
def prepare_plain(node: Node) -> Run:
    """Reductions that give one of the elements."""
    function, axes, shape = _PLAIN[node.op.type], _axes(node), node.outputs[0].shape
    same_quantization(node, node.input(0), node.outputs[0])
    return lambda x, *_: (np.asarray(function(x, axis=axes)).reshape(shape),)


@implements(*_SUMS)
def prepare_sums(node: Node) -> Run:
    """Mean, sum and product; quantized ones scale an integer sum once."""
    tensor = node.input(0)
    if is_quantized(tensor):
        if node.op.type == "REDUCE_PROD":
            raise unsupported(node, tensor)
        return _scaled_sum(node)
    axes, shape, dtype = _axes(node), node.outputs[0].shape, output_dtype(node)
    if node.op.type == "MEAN" and not tensor.dtype.is_float:
        count = prod(tensor.shape[a] for a in axes) or 1
        return lambda x, *_: (
            _truncated_mean(np.asarray(np.sum(x, axis=axes, dtype=np.int64)), count, dtype).reshape(shape),
        )
    function = _SUMS[node.op.type]
    return lambda x, *_: (np.asarray(function(x, axis=axes, dtype=dtype)).reshape(shape),)


def _truncated_mean(total: Array, count: int, dtype: np.dtype[np.generic]) -> Array:
    return np.asarray(np.sign(total) * (np.abs(total) // count)).astype(dtype)


def _scaled_sum(node: Node) -> Run:
    tensor, result, axes = node.input(0), node.outputs[0], _axes(node)
    count = prod(tensor.shape[a] for a in axes)
    multiplier = _scaling(node, count)
    offset, zero = count * node.zero_point(tensor), node.zero_point(result)
    if count and _are_neighbours(axes):
        return _neighbours_sum(node, axes, multiplier, (offset, zero, *integer_bounds(output_dtype(node))))
    formula = narrowed(lambda total: multiplier.apply(wrapped(total - offset)) + zero, node)
    return lambda x, *_: (formula(integer_sums(x, axes)).reshape(result.shape),)


def _neighbours_sum(node: Node, axes: tuple[int, ...], multiplier: Scaling, numbers: tuple[int, ...]) -> Kernels:
    """Return the scaled sum over axes that lie side by side; `numbers` are what `_scale_sums` takes."""
    shape, dtype, packed = node.input(0).shape, output_dtype(node), multiplier.packed
    outer, inner = prod(shape[: min(axes)]), prod(shape[max(axes) + 1 :])
    parts = node.team.parts(inner, max(inner, 1), prod(shape) // _LEAST_ELEMENTS)

    def calls(_: Room, out: Array, x: Array, *__: Array) -> list[Call]:
        args = (x.reshape(outer, -1, inner), packed, numbers, parts, out.reshape(outer, inner))
        return [Call(_scale_sums, outer * parts, args)]

    return Kernels(node.team, node.outputs[0].shape, dtype, calls)


@shared
def _scale_sums(
    index: int, blocks: Array, multiplier: Array, numbers: tuple[int, int, int, int], parts: int, out: Array
) -> None:
    """Write one part of the scaled sums of integers.

    Args:
        index: of the part: by row of the result, part of its columns.
        blocks: [outer, n, inner].
        multiplier: a packed `Scaling`.
        numbers: subtracted from a sum, zero point of the result, its limits.
        parts: of a row.
        out: [outer, inner], written.
    """
    offset, zero, low, high = numbers
    first, last = span(index % parts, parts, out.shape[1])
    sums, target = np.zeros(last - first, np.int64), out[index // parts, first:last]
    for r in range(blocks.shape[1]):
        row = blocks[index // parts, r, first:last]
        for c in range(sums.size):
            sums[c] += np.int64(row[c])
    for c in range(sums.size):
        value = scaled(np.int32(sums[c] - offset), multiplier) + zero
        target[c] = min(max(value, low), high)


@implements_for("ruy", "SUM")
def prepare_real_sum(node: Node) -> Run | None:
    """Quantized sums scaled in float32.

    Source: TFLite kernels/internal/optimized/reduce.h, QuantizedMeanOrSum.
    """
    tensor, result, axes = node.input(0), node.outputs[0], _axes(node)
    if not is_quantized(tensor):
        return None
    scale = scale32(node, tensor) / scale32(node, result)
    count = prod(tensor.shape[a] for a in axes)
    bias = np.float32(-node.zero_point(tensor)) * scale * np.float32(count)
    zero = node.zero_point(result)

    def formula(total: Array) -> Array:
        return to_int32(rounded(total.astype(np.float32) * scale + bias)) + zero

    finish = narrowed(formula, node)
    return lambda x, *_: (finish(integer_sums(x, axes)).reshape(result.shape),)


def _are_neighbours(axes: tuple[int, ...]) -> bool:
    """Whether axes lie side by side, so that what is summed is the middle one of three."""
    first = min(axes, default=0)
    return sorted(axes) == list(range(first, first + len(axes))) and first >= 0


def integer_sums(values: Array, axes: tuple[int, ...]) -> Array:
    """Return int64 sums of integers over axes, which the result lacks."""
    kept = [i for i in range(values.ndim) if i not in axes]
    first = min(axes, default=0)
    if not _are_neighbours(axes) or not values.size:
        return np.asarray(np.sum(values, axis=axes, dtype=np.int64))
    outer, inner = prod(values.shape[:first]), prod(values.shape[first + len(axes) :])
    blocks = np.ascontiguousarray(values).reshape(outer, -1, inner)
    return _summed(blocks).reshape([values.shape[i] for i in kept])


@kernel
def _summed(blocks: Array) -> Array:
    """Return sums [outer, inner] of integers [outer, n, inner]."""
    out = np.zeros((blocks.shape[0], blocks.shape[2]), np.int64)
    for b in range(blocks.shape[0]):
        target = out[b]
        for r in range(blocks.shape[1]):
            row = blocks[b, r]
            for c in range(target.size):
                target[c] += np.int64(row[c])
    return out


def _scaling(node: Node, count: int) -> Scaling:
    """Return the ratio of the scales, for a mean divided by the number of elements."""
    real = node.scale(node.input(0)) / node.scale(node.outputs[0])
    mantissa, shift = quantize_multiplier(real)
    if node.op.type == "MEAN" and count > 0:
        more = min(count.bit_length() - 1, 32, 31 + shift)
        mantissa, shift = (mantissa << more) // count, shift - more
    return scaling_of(mantissa, shift, node.profile.elementwise)


@implements("ARG_MAX", "ARG_MIN")
def prepare_arg_extremum(node: Node) -> Run:
    """Index of the first greatest or least element along an axis."""
    function = np.argmax if node.op.type == "ARG_MAX" else np.argmin
    axis, dtype, shape = node.attributes.get("axis"), output_dtype(node), node.outputs[0].shape
    if axis is None:
        raise NumericsError(f"{node.where}: its axis is computed; a constant is required")
    return lambda x, *_: (np.asarray(function(x, axis=axis)).astype(dtype).reshape(shape),)


@implements("CUMSUM")
def prepare_cumulative_sum(node: Node) -> Run:
    """Running sums along an axis, of what comes before where exclusive."""
    if is_quantized(node.input(0)):
        raise unsupported(node, node.input(0))
    axis, exclusive, reverse = (node.attributes.get(k) for k in ("axis", "exclusive", "reverse"))
    if axis is None:
        raise NumericsError(f"{node.where}: its axis is computed; a constant is required")

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        ordered = np.flip(x, axis) if reverse else x
        total = np.cumsum(ordered, axis=axis, dtype=x.dtype)
        total = total - ordered if exclusive else total
        return (np.ascontiguousarray(np.flip(total, axis) if reverse else total),)

    return run


@implements("TOPK")
def prepare_top_k(node: Node) -> Run:
    """The k greatest elements of each row in order, the first of equal ones first, and their indices."""
    k = node.outputs[0].shape[-1]
    dtype = output_dtype(node)

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        keys = -x.astype(np.float64 if x.dtype.kind == "f" else np.int64)
        order = np.argsort(keys, axis=-1, kind="stable")[..., :k]
        return np.take_along_axis(x, order, axis=-1).astype(dtype), order.astype(np.int32)

    return run
