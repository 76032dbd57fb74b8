"""Operators that LiteRT's optimized kernels on x86 compute otherwise than its reference kernels do.

Source: TFLite kernels/internal/optimized/{optimized_ops.h,resize_bilinear.h,integer_ops/mean.h}; verified
against LiteRT 2.3.0 on x86. The profile `xnnpack` falls back to them where XNNPACK has no kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics import lookup
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.fixed_point import quantize_multiplier
from socsim.numerics.node import implements_for
from socsim.numerics.operators.operands import narrowed
from socsim.numerics.operators.reductions import integer_sums
from socsim.numerics.operators.resize import real_bilinear
from socsim.numerics.profiles import Rounding
from socsim.numerics.scaling import Scaling, scaling_of
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor

_SHORT = (DType.INT8, DType.UINT8)
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
    in_vectors, left_over = _roundings(float(s_in / (count * s_out)))
    shift = np.float32(node.zero_point(source)) * s_in / s_out
    offset = node.zero_point(result) - int(shift + np.float32(0.5 if shift > 0 else -0.5))
    vectors = source.shape[3] // _VECTOR * _VECTOR

    def formula(sums: Array) -> Array:
        parts = in_vectors.apply(sums[:, :vectors]), left_over.apply(sums[:, vectors:])
        return np.concatenate(parts, axis=1).reshape(result.shape) + offset

    finish = narrowed(formula, node)
    return lambda x, *_: (finish(integer_sums(x, axes)),)


@implements_for("ruy", "QUANTIZE")
def prepare_conversion(node: Node) -> Run | None:
    """Convert between 8-bit types, half up in the vector loop."""
    source, result = node.input(0), node.outputs[0]
    if not {source.dtype, result.dtype} <= set(_SHORT) or not _has_one_scale(source, result):
        return None
    zero, offset = node.zero_point(source), node.zero_point(result)

    def table(rounding: Scaling) -> Callable[[Array], Array]:
        formula = narrowed(lambda q: rounding.apply(q - zero) + offset, node)
        return lookup.Table(numpy_dtype(source.dtype), formula)

    in_vectors, left_over = (table(r) for r in _roundings(node.scale(source) / node.scale(result)))

    def run(x: Array) -> tuple[Array, ...]:
        flat = np.ascontiguousarray(x).reshape(-1)
        size = flat.size // _VECTOR * _VECTOR
        made = in_vectors(flat[:size])
        if size < flat.size:
            made = np.concatenate([made, left_over(flat[size:])])
        return (made.reshape(result.shape),)

    return run


@implements_for("ruy", "RESIZE_BILINEAR")
def prepare_resize(node: Node) -> Run | None:
    """Interpolate 8-bit unsigned pixels with weights that are multiplied with each other first."""
    return real_bilinear(node, weights_first=True) if node.input(0).dtype is DType.UINT8 else None


def _roundings(real: float) -> tuple[Scaling, Scaling]:
    """Return a multiplier in the vector loop, which rounds half up, and for what is left over."""
    mantissa, shift = quantize_multiplier(real)
    return scaling_of(mantissa, shift, Rounding.DOUBLE_UP), scaling_of(mantissa, shift, Rounding.DOUBLE)


def _has_one_scale(*tensors: Tensor) -> bool:
    return all(t.quantization is not None and len(t.quantization.scales) == 1 for t in tensors)
