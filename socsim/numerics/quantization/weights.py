"""Quantization of weights: per tensor, per channel, or per block of a channel's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.quantization.schemes import affine, rounded
from socsim.workload.graph import Quantization

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.workload.dtypes import DType


@dataclass(frozen=True)
class QuantizedWeights:
    """Integers (4-bit ones take a byte each) and what they stand for."""

    values: Array
    quantization: Quantization


def quantize_weights(
    values: Array,
    dtype: DType,
    *,
    axis: int | None = None,
    block_size: int | None = None,
    symmetric: bool = True,
    least_scales: Array | None = None,
) -> QuantizedWeights:
    """Quantize weights by their least and greatest values.

    Args:
        values: finite reals of any shape.
        dtype: integer type of 4 to 16 bits.
        axis: slices along it have their own scale; with `block_size`, blocks along it. None: one scale.
        block_size: elements of a block; the last block may be shorter.
        symmetric: whether the zero point is the middle of the type.
        least_scales: scales are made no smaller than these, one or one for each slice.

    Raises:
        NumericsError: values that are not finite, or an axis or block that the shape does not have.
    """
    real = np.asarray(values, np.float32)
    _check(real, axis, block_size)
    low, high = _extremes(real, axis, block_size)
    scales, points = affine(low, high, dtype, symmetric=symmetric)
    if least_scales is not None:
        scales = np.maximum(scales, np.asarray(least_scales, np.float32).reshape(-1)).astype(np.float32)
    wide_scales, wide_points = (_spread(table, real.shape, axis, block_size) for table in (scales, points))
    integers = rounded(real, wide_scales, wide_points, dtype, symmetric=symmetric).astype(numpy_dtype(dtype))
    integers.flags.writeable = False
    table = Quantization(
        tuple(scales.ravel().tolist()), tuple(points.ravel().tolist()), axis, block_size if axis is not None else None
    )
    return QuantizedWeights(integers, table)


def _check(real: Array, axis: int | None, block_size: int | None) -> None:
    faults = []
    if not real.size or not np.all(np.isfinite(real)):
        faults.append("they must be finite, and at least one")
    if axis is not None and not 0 <= axis < real.ndim:
        faults.append(f"axis {axis} is not one of their {real.ndim}")
    if block_size is not None and (axis is None or block_size < 1):
        faults.append(f"blocks of {block_size} need an axis and 1 element or more")
    if faults:
        raise NumericsError(f"weights of shape {real.shape}: " + "; ".join(faults))


def _extremes(real: Array, axis: int | None, block_size: int | None) -> tuple[Array, Array]:
    """Return least and greatest values: [1], [slices], or the shape with blocks along the axis."""
    if axis is None:
        return real.min().reshape(1), real.max().reshape(1)
    if block_size is None:
        rest = tuple(i for i in range(real.ndim) if i != axis)
        return real.min(axis=rest), real.max(axis=rest)
    starts = np.arange(0, real.shape[axis], block_size)
    return np.minimum.reduceat(real, starts, axis=axis), np.maximum.reduceat(real, starts, axis=axis)


def _spread(table: Array, shape: tuple[int, ...], axis: int | None, block_size: int | None) -> Array:
    """Return a table of scales or zero points that broadcasts against the weights."""
    if axis is None:
        return table.reshape([1] * len(shape))
    if block_size is None:
        return table.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.repeat(table, block_size, axis=axis).take(range(shape[axis]), axis=axis)
