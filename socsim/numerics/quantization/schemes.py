"""Quantization schemes, and the scale and zero point of an interval of reals."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError, UsageError, did_you_mean
from socsim.numerics.arrays import integer_range
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array


@dataclass(frozen=True, slots=True)
class Scheme:
    """Which integers stand for activations and weights.

    Args:
        name: what users write.
        activations: element type; None keeps activations in float32 (weights alone are quantized).
        weights: element type.
        per_channel: whether each output channel of convolutions and fully connected layers has its own scale.
        symmetric_activations: whether the zero point of activations is the middle of their type.
        symmetric_weights: whether the zero point of weights is.
        block_size: inputs of a fully connected layer that share a scale; None for all.
    """

    name: str
    activations: DType | None
    weights: DType
    per_channel: bool = True
    symmetric_activations: bool = False
    symmetric_weights: bool = True
    block_size: int | None = None


SCHEMES = MappingProxyType({
    s.name: s
    for s in (
        Scheme("int8", DType.INT8, DType.INT8),
        Scheme("int8-per-tensor", DType.INT8, DType.INT8, per_channel=False),
        Scheme("int8-symmetric", DType.INT8, DType.INT8, symmetric_activations=True),
        Scheme("uint8", DType.UINT8, DType.UINT8, per_channel=False, symmetric_weights=False),
        Scheme("int16x8", DType.INT16, DType.INT8, symmetric_activations=True),
        Scheme("w4a8", DType.INT8, DType.INT4),
        Scheme("w4a16-32", None, DType.INT4, block_size=32),
        Scheme("w4a16-64", None, DType.INT4, block_size=64),
        Scheme("w4a16-128", None, DType.INT4, block_size=128),
    )
})  # fmt: skip
"""Schemes by name. Those of W4A16 compute in float32, which holds what 16-bit floats would round."""


def scheme(name: str) -> Scheme:
    """Return the scheme of that name.

    Raises:
        UsageError: no such scheme.
    """
    if name not in SCHEMES:
        msg = f"quantization scheme {name!r} is not known.{did_you_mean(name, SCHEMES)}"
        raise UsageError(msg)
    return SCHEMES[name]


def limits(dtype: DType, *, symmetric: bool) -> tuple[int, int]:
    """Return the least and greatest integer that a scheme uses; symmetric signed types leave the least one out."""
    low, high = integer_range(dtype)
    return (-high, high) if symmetric and low < 0 else (low, high)


def affine(low: Any, high: Any, dtype: DType, *, symmetric: bool) -> tuple[Array, Array]:
    """Return float32 scales and int64 zero points of intervals of reals.

    Intervals are widened to hold zero, which is then exact. An interval of zero alone has scale 1.

    Args:
        low: least reals, of any shape.
        high: greatest reals, of the same shape.
        dtype: integer type of 4 to 16 bits.
        symmetric: whether the zero point is the middle of the type.

    Raises:
        NumericsError: an end that is not finite, or a low end above the high one.

    Source: onnxruntime/python/tools/quantization/quant_utils.py, compute_scale_zp.
    """
    least, greatest = (np.asarray(v, np.float64) for v in (low, high))
    if not (np.all(np.isfinite(least)) and np.all(np.isfinite(greatest)) and np.all(least <= greatest)):
        msg = f"range {low!r} to {high!r} cannot be quantized; its ends must be finite and in order"
        raise NumericsError(msg)
    least, greatest = np.minimum(least, 0.0), np.maximum(greatest, 0.0)
    if symmetric:
        greatest = np.maximum(-least, greatest)
        least = -greatest
    first, last = limits(dtype, symmetric=symmetric)
    scales = (greatest - least) / (last - first)
    is_point = scales < np.finfo(np.float32).tiny
    scales = np.where(is_point, 1.0, scales)
    middle = np.rint((first + last) / 2.0)
    points = np.full(scales.shape, middle) if symmetric else np.rint(first - least / scales)
    points = points if symmetric else np.where(is_point, 0.0, points)
    return scales.astype(np.float32), points.astype(np.int64)


def rounded(values: Array, scales: Array, points: Array, dtype: DType, *, symmetric: bool) -> Array:
    """Return the int64 integers nearest to reals, ties to even, saturated to what the scheme uses.

    Source: onnxruntime/python/tools/quantization/quant_utils.py, quantize_nparray.
    """
    first, last = limits(dtype, symmetric=symmetric)
    nearest = np.rint(np.asarray(values, np.float32) / scales)
    integers: Array = (np.clip(nearest, first - points, last - points) + points).astype(np.int64)
    return integers
