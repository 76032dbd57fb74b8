"""Changes of representation: QUANTIZE, DEQUANTIZE, CAST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.numerics.node import implements
from socsim.numerics.operators.operands import is_quantized, narrowed, output_dtype, scale32, tabulated, unsupported
from socsim.numerics.scaling import scaling
from socsim.numerics.tables import integer_bounds, rounded, to_int32

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor


@implements("QUANTIZE")
def prepare_quantize(node: Node) -> Run:
    """Reals to integers, or integers from one scale and zero point to another.

    Source: TFLite kernels/quantize.cc, reference/quantize.h, reference/requantize.h.
    """
    tensor, result = node.input(0), node.outputs[0]
    if tensor.dtype.is_float:
        return _quantize_reals(node)
    if tensor.quantization is None or not tensor.dtype.is_integer:
        raise unsupported(node, tensor)
    multiplier = scaling(node, float(scale32(node, tensor)) / float(scale32(node, result)))
    zero_in, zero_out = node.zero_point(tensor), node.zero_point(result)
    formula = narrowed(lambda q: multiplier.apply(q - zero_in) + zero_out, node)
    if tensor.dtype.bits <= 16:
        return tabulated(node, formula)
    return lambda q: (formula(q.astype(np.int64)),)


def _quantize_reals(node: Node) -> Run:
    result = node.outputs[0]
    scale, zero = _along_axis(node, result)
    dtype = output_dtype(node)
    low, high = integer_bounds(dtype)

    def run(x: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            quantized = to_int32(rounded(x.astype(np.float32) / scale)) + zero
        return (np.clip(quantized, low, high).astype(dtype),)

    return run


def _along_axis(node: Node, tensor: Tensor) -> tuple[Array, Array]:
    """Return scales and zero points in a shape that broadcasts against the tensor."""
    quantization = node.quantization(tensor)
    scales = np.array(quantization.scales, np.float32)
    zeros = np.zeros(scales.size, np.int64)
    points = quantization.zero_points
    zeros[: len(points)] = points if len(points) == scales.size else points[:1]
    if scales.size == 1:
        return scales[0:1].reshape(()), zeros[0:1].reshape(())
    if quantization.block_size:
        raise unsupported(node, tensor)
    shape = [1] * len(tensor.shape)
    shape[quantization.axis or 0] = scales.size
    return scales.reshape(shape), zeros.reshape(shape)


@implements("DEQUANTIZE")
def prepare_dequantize(node: Node) -> Run:
    """Integers to reals: scale x (q - zero point) in float32; half floats widen."""
    tensor = node.input(0)
    if tensor.dtype.is_float:
        return lambda x: (x.astype(np.float32),)
    scale, zero = _along_axis(node, tensor)
    if scale.ndim == 0 and is_quantized(tensor):
        return tabulated(node, lambda q: scale * (q - zero).astype(np.float32))
    return lambda q: ((scale * (q.astype(np.int64) - zero).astype(np.float32)).astype(np.float32),)


@implements("CAST")
def prepare_cast(node: Node) -> Run:
    """C conversions between types; floats truncate."""
    dtype = output_dtype(node)
    return lambda x: (_cast(x, dtype),)


def _cast(x: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(invalid="ignore"):
        if x.dtype.kind == "f" and dtype.kind in "iu":
            return x.astype(np.int64).astype(dtype)
        return x.astype(dtype)
