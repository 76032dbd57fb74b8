"""Exact integer matrix products, in words with 32-bit sums or in floating point.

A sum of integer products is exact in int32 while the sum of magnitudes stays below 2**31, in float32 below 2**24,
and in float64 below 2**53: in whatever order it is made and with or without fused multiply-adds. The bound is
computed from the weights, so the choice of the type is a proof, not a hope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.tiles import packed

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array

_WORD_LIMIT, _GREATEST_WORD = 2**31, 2**15
_SINGLE_LIMIT = 2**24
_DOUBLE_LIMIT = 2**53


class PackedMatrix:
    """Weights of an exact product, in the narrowest type in which every sum is exact, as `tiles` takes them.

    Activations are taken relative to `centre`, which halves the bound of unsigned ones; what a zero point
    other than the centre adds is the same for all rows: see `offset`.

    Args:
        weights: [groups, K, N] integers, zero points subtracted.
        limits: least and greatest activation.
        centre: subtracted from activations; by default what centres their range.

    Raises:
        NumericsError: sums that even float64 cannot hold.
    """

    def __init__(self, weights: Array, limits: tuple[int, int], centre: int | None = None) -> None:
        self.centre = (limits[0] + limits[1] + 1) // 2 if centre is None else centre
        greatest = max(abs(limits[0] - self.centre), abs(limits[1] - self.centre))
        wide = weights.astype(np.int64)
        magnitudes = np.abs(wide)
        bound = greatest * int(magnitudes.sum(axis=1).max(initial=0))
        is_short = max(greatest, int(magnitudes.max(initial=0))) < _GREATEST_WORD
        dtype = np.int16 if is_short and bound < _WORD_LIMIT else _double(bound)
        self.panels = np.stack([packed(group.astype(dtype)) for group in wide])
        self.column_sums = wide.sum(axis=1).reshape(-1)
        self.shape: tuple[int, int, int] = weights.shape

    def offset(self, zero_point: int) -> Array:
        """Return the int64 [groups x N] to add to products for them to be relative to a zero point."""
        return np.asarray((self.centre - zero_point) * self.column_sums)


def exact_matmul(left: Array, right: Array, greatest: tuple[int, int]) -> Array:
    """Return the product of two stacks of integer matrices as exact floats.

    Args:
        left: [..., M, K] integers, zero point subtracted.
        right: [..., K, N] integers, zero point subtracted.
        greatest: magnitudes that the elements of left and right do not exceed.
    """
    bound = greatest[0] * greatest[1] * left.shape[-1]
    dtype = np.float32 if bound < _SINGLE_LIMIT else _double(bound)
    return np.asarray(np.matmul(left.astype(dtype), right.astype(dtype)))


def _double(bound: int) -> type[np.float64]:
    if bound < _DOUBLE_LIMIT:
        return np.float64
    msg = f"sums of up to {bound:,} are not exact in float64; layers up to {_DOUBLE_LIMIT:,} are supported"
    raise NumericsError(msg)
