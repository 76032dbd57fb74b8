"""Operators that LiteRT's optimized kernels on x86 compute otherwise than its reference kernels do.

Source: TFLite kernels/internal/optimized/{optimized_ops.h,integer_ops/mean.h}; verified against LiteRT
2.3.0 on x86. The profile `xnnpack` falls back to them where XNNPACK has no kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.arrays import integer_range, numpy_dtype
from socsim.numerics.fixed_point import quantize_multiplier, scale_array
from socsim.numerics.node import implements_for
from socsim.numerics.profiles import Rounding
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor

_SHORT = (DType.INT8, DType.UINT8)
_SUM_BITS = 20
_VECTOR = 16  # elements that one step of the vector loop converts; the rest is rounded like the reference


@implements_for("ruy", "MEAN")
def prepare_mean(node: Node) -> Run | None:
    """Mean over rows and columns of an image: the zero points become one offset that is rounded alone."""
    source, result = node.input(0), node.outputs[0]
    axes = tuple(node.attributes.get("axes") or ())
    is_image = len(source.shape) == 4 and sorted(axes) == [1, 2] and bool(node.attributes.get("keep_dims"))
    if not is_image or source.dtype not in _SHORT or result.dtype is not source.dtype:
        return None
    s_in, s_out = (np.float32(node.scale(t)) for t in (source, result))
    count = np.float32(source.shape[1] * source.shape[2])
    multiplier = quantize_multiplier(float(s_in / (count * s_out)))
    shift = np.float32(node.zero_point(source)) * s_in / s_out
    offset = node.zero_point(result) - int(shift + np.float32(0.5 if shift > 0 else -0.5))

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        sums = x.sum(axes, dtype=np.int64)
        return (_saturated(_scaled(sums, multiplier) + offset, result),)

    return run


@implements_for("ruy", "ADD")
def prepare_sum(node: Node) -> Run | None:
    """Add int8 images of one shape: the vector loop shifts operands before it multiplies, and so rounds once less."""
    a, b = (node.input(i) for i in (0, 1))
    result = node.outputs[0]
    if {t.dtype for t in (a, b, result)} != {DType.INT8} or a.shape != b.shape:
        return None
    s_a, s_b, s_out = (np.float32(node.scale(t)) for t in (a, b, result))
    double = float(np.float32(2) * max(s_a, s_b))
    first, second = (quantize_multiplier(float(s) / double) for s in (s_a, s_b))
    last = quantize_multiplier(double / float(np.float32(1 << _SUM_BITS) * s_out))
    if min(first[1], second[1]) < -_SUM_BITS:
        return None
    z_a, z_b, z_out = (node.zero_point(t) for t in (a, b, result))
    low, high = node.activation_range(result)

    def total(x: Array, y: Array, scale: Callable[[Array, tuple[int, int]], Array]) -> Array:
        terms = scale(x.astype(np.int64) - z_a, first) + scale(y.astype(np.int64) - z_b, second)
        return scale_array(terms, *last, int(Rounding.DOUBLE))

    def run(x: Array, y: Array) -> tuple[Array, ...]:
        x, y, size = x.ravel(), y.ravel(), x.size // _VECTOR * _VECTOR
        sums = total(x[:size], y[:size], _shifted_first), total(x[size:], y[size:], _shifted_last)
        return (np.clip(np.concatenate(sums) + z_out, low, high).astype(np.int8).reshape(result.shape),)

    return run


def _shifted_first(values: Array, multiplier: tuple[int, int]) -> Array:
    mantissa, shift = multiplier
    return scale_array(values << (_SUM_BITS + shift), mantissa, 0, int(Rounding.DOUBLE))


def _shifted_last(values: Array, multiplier: tuple[int, int]) -> Array:
    return scale_array(values << _SUM_BITS, *multiplier, int(Rounding.DOUBLE))


@implements_for("ruy", "QUANTIZE")
def prepare_conversion(node: Node) -> Run | None:
    """Convert between 8-bit types, half up in the vector loop."""
    source, result = node.input(0), node.outputs[0]
    if not {source.dtype, result.dtype} <= set(_SHORT) or not _has_one_scale(source, result):
        return None
    multiplier = quantize_multiplier(node.scale(source) / node.scale(result))
    zero, offset = node.zero_point(source), node.zero_point(result)

    def run(x: Array) -> tuple[Array, ...]:
        values = x.astype(np.int64).reshape(1, -1) - zero
        return (_saturated(_scaled(values, multiplier) + offset, result),)

    return run


def _scaled(rows: Array, multiplier: tuple[int, int]) -> Array:
    """Scale rows: whole vectors half up, what is left of a row like the reference."""
    vectors = rows.shape[1] // _VECTOR * _VECTOR
    parts = ((rows[:, :vectors], Rounding.DOUBLE_UP), (rows[:, vectors:], Rounding.DOUBLE))
    contiguous = [(np.ascontiguousarray(part), int(rounding)) for part, rounding in parts]
    return np.concatenate([scale_array(part, *multiplier, rounding) for part, rounding in contiguous], axis=1)


def _has_one_scale(*tensors: Tensor) -> bool:
    return all(t.quantization is not None and len(t.quantization.scales) == 1 for t in tensors)


def _saturated(values: Array, result: Tensor) -> Array:
    low, high = integer_range(result.dtype)
    return np.clip(values, low, high).astype(numpy_dtype(result.dtype)).reshape(result.shape)
