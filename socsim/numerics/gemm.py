"""Exact integer matrix products through the floating-point matrix multiplication of NumPy.

A sum of integer products is exact in float32 while the sum of magnitudes stays below 2**24, and in float64
below 2**53, in whatever order it is made and with or without fused multiply-adds. The bound is computed from
the weights, so the choice of the type is a proof, not a hope.

OPENBLAS_NUM_THREADS=1 keeps the multiplication on one thread; the results are the same with any number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.jit import kernel

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array

_SINGLE_LIMIT = 2**24
_DOUBLE_LIMIT = 2**53


class PackedMatrix:
    """Weights of an exact product, in the narrowest float type in which every sum is exact.

    Activations are taken relative to `centre`, which halves the bound of unsigned ones; what a zero point
    other than the centre adds is the same for all rows: see `offset`.

    Args:
        weights: [K, N] integers, zero points subtracted.
        limits: least and greatest activation.
        centre: subtracted from activations; by default what centres their range.

    Raises:
        NumericsError: sums that even float64 cannot hold.
    """

    def __init__(self, weights: Array, limits: tuple[int, int], centre: int | None = None) -> None:
        self.centre = (limits[0] + limits[1] + 1) // 2 if centre is None else centre
        greatest = max(abs(limits[0] - self.centre), abs(limits[1] - self.centre))
        wide = weights.astype(np.int64)
        bound = greatest * int(np.abs(wide).sum(axis=0).max(initial=0))
        self.dtype = _exact_type(bound)
        self.values = np.ascontiguousarray(wide.astype(self.dtype))
        self.column_sums = wide.sum(axis=0)

    @property
    def shape(self) -> tuple[int, int]:
        """K and N."""
        return self.values.shape[0], self.values.shape[1]

    def offset(self, zero_point: int) -> Array:
        """Return the int64 [N] to add to products for them to be relative to a zero point."""
        return np.asarray((self.centre - zero_point) * self.column_sums)

    def product(self, activations: Array) -> Array:
        """Return (activations - centre) x weights as exact floats [M, N]; activations are integers [M, K]."""
        buffer = np.empty(activations.shape, self.dtype)
        convert(activations, self.centre, buffer)
        return np.asarray(np.matmul(buffer, self.values))


def exact_matmul(left: Array, right: Array, greatest: tuple[int, int]) -> Array:
    """Return the product of two stacks of integer matrices as exact floats.

    Args:
        left: [..., M, K] integers, zero point subtracted.
        right: [..., K, N] integers, zero point subtracted.
        greatest: magnitudes that the elements of left and right do not exceed.
    """
    dtype = _exact_type(greatest[0] * greatest[1] * left.shape[-1])
    return np.asarray(np.matmul(left.astype(dtype), right.astype(dtype)))


def _exact_type(bound: int) -> type[np.float32 | np.float64]:
    if bound < _SINGLE_LIMIT:
        return np.float32
    if bound < _DOUBLE_LIMIT:
        return np.float64
    msg = f"sums of up to {bound:,} are not exact in float64; layers up to {_DOUBLE_LIMIT:,} are supported"
    raise NumericsError(msg)


@kernel
def convert(values: Array, centre: int, out: Array) -> None:
    """Write integers [M, K] relative to a centre as floats."""
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = np.int32(values[r, c]) - np.int32(centre)
