"""Operators as tables: whatever maps one 8- or 16-bit integer, or two of 8 bits, is a table of its results.

A table is filled once, from the operator's formula over its whole domain, and is exact by construction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.numerics.jit import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array

    Unary = Callable[[Array], Array]
    Binary = Callable[[Array, Array], Array]

_UNSIGNED = {1: np.uint8, 2: np.uint16}


def domain(dtype: np.dtype[Any]) -> Array:
    """Return every value of an 8- or 16-bit integer type as int64, ordered by its bits read unsigned."""
    bits = np.arange(1 << (8 * dtype.itemsize), dtype=_UNSIGNED[dtype.itemsize])
    values: Array = bits.view(dtype).astype(np.int64)
    return values


def unary(dtype: np.dtype[Any], formula: Unary) -> Unary:
    """Return `formula` as a table over an 8- or 16-bit type; the formula takes and gives whole arrays."""
    table = np.ascontiguousarray(formula(domain(dtype)))

    def run(values: Array) -> Array:
        return _looked_up(table, _bits(values)).reshape(values.shape)

    return run


def binary(first: np.dtype[Any], second: np.dtype[Any], formula: Binary) -> Binary:
    """Return `formula` as a table over two 8-bit types; operands broadcast."""
    a, b = domain(first), domain(second)
    table = np.ascontiguousarray(formula(a[:, None], b[None, :])).reshape(-1)

    def run(x: Array, y: Array) -> Array:
        shape = np.broadcast_shapes(x.shape, y.shape)
        left, right = (_bits(np.broadcast_to(v, shape)) for v in (x, y))
        return _paired(table, left, right).reshape(shape)

    return run


def _bits(values: Array) -> Array:
    return np.ascontiguousarray(values).reshape(-1).view(_UNSIGNED[values.dtype.itemsize])


@kernel
def _looked_up(table: Array, indices: Array) -> Array:
    """Return table[indices]; the table covers every index of its type."""
    out = np.empty(indices.size, table.dtype)
    for i in range(indices.size):
        out[i] = table[indices[i]]
    return out


@kernel
def _paired(table: Array, first: Array, second: Array) -> Array:
    """Return the entries of a 256 x 256 table, flattened; both index arrays have one length."""
    out = np.empty(first.size, table.dtype)
    for i in range(first.size):
        out[i] = table[np.uint32(first[i]) * np.uint32(256) + np.uint32(second[i])]
    return out
