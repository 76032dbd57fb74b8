"""Operators as tables: whatever maps one 8- or 16-bit integer, or two of 8 bits, is a table of its results.

A table is filled once, from the operator's formula over its whole domain, and is exact by construction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.numerics.threads import ALONE, Team, shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.threads import SharedKernel

    Unary = Callable[[Array], Array]
    Binary = Callable[[Array, Array], Array]

_SHARED_ELEMENTS = 1 << 14  # from which threads gain more than they cost

_UNSIGNED = {1: np.uint8, 2: np.uint16}


def domain(dtype: np.dtype[Any]) -> Array:
    """Return every value of an 8- or 16-bit integer type as int64, ordered by its bits read unsigned."""
    bits = np.arange(1 << (8 * dtype.itemsize), dtype=_UNSIGNED[dtype.itemsize])
    values: Array = bits.view(dtype).astype(np.int64)
    return values


def unary(dtype: np.dtype[Any], formula: Unary, team: Team = ALONE) -> Unary:
    """Return `formula` as a table over an 8- or 16-bit type; the formula takes and gives whole arrays."""
    table = np.ascontiguousarray(formula(domain(dtype)))

    def run(values: Array) -> Array:
        out = np.empty(values.shape, table.dtype)
        _share(team, _look_up, table, _bits(values), out.reshape(-1))
        return out

    return run


def binary(first: np.dtype[Any], second: np.dtype[Any], formula: Binary, team: Team = ALONE) -> Binary:
    """Return `formula` as a table over two 8-bit types; operands broadcast."""
    a, b = domain(first), domain(second)
    table = np.ascontiguousarray(formula(a[:, None], b[None, :])).reshape(-1)

    def run(x: Array, y: Array) -> Array:
        shape = np.broadcast_shapes(x.shape, y.shape)
        left, right = (_bits(np.broadcast_to(v, shape)) for v in (x, y))
        out = np.empty(shape, table.dtype)
        _share(team, _look_up_pairs, table, left, right, out.reshape(-1))
        return out

    return run


def _share(team: Team, function: SharedKernel, *args: Array) -> None:
    """Fill the last argument, a block of elements at a time."""
    elements = args[-1].size
    size = team.rows(elements, max(elements, 1), is_shared=elements >= _SHARED_ELEMENTS)
    team.run(function, -(-elements // size), size, *args)


def _bits(values: Array) -> Array:
    return np.ascontiguousarray(values).reshape(-1).view(_UNSIGNED[values.dtype.itemsize])


@shared
def _look_up(index: int, size: int, table: Array, indices: Array, out: Array) -> None:
    """Write table[indices] of a block of `size` elements; the table covers every index of its type."""
    block = slice(index * size, (index + 1) * size)
    values, results = indices[block], out[block]
    for i in range(results.size):
        results[i] = table[values[i]]


@shared
def _look_up_pairs(index: int, size: int, table: Array, first: Array, second: Array, out: Array) -> None:
    """Write the entries of a 256 x 256 table, flattened, for a block of `size` pairs of indices."""
    block = slice(index * size, (index + 1) * size)
    left, right, results = first[block], second[block], out[block]
    for i in range(results.size):
        results[i] = table[np.uint32(left[i]) * np.uint32(256) + np.uint32(right[i])]
