"""Operators as tables: whatever maps one 8- or 16-bit integer, or two of 8 bits, is a table of its results.

A table is filled once, from the operator's formula over its whole domain, and is exact by construction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.numerics.calls import Call, shared, span
from socsim.numerics.threads import ALONE, Team

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.calls import SharedKernel

    Unary = Callable[[Array], Array]
    Binary = Callable[[Array, Array], Array]

_LEAST_ELEMENTS = 1 << 12  # of a block that a thread gains from

_UNSIGNED = {1: np.uint8, 2: np.uint16}


def domain(dtype: np.dtype[Any]) -> Array:
    """Return every value of an 8- or 16-bit integer type as int64, ordered by its bits read unsigned."""
    bits = np.arange(1 << (8 * dtype.itemsize), dtype=_UNSIGNED[dtype.itemsize])
    values: Array = bits.view(dtype).astype(np.int64)
    return values


class Table:
    """A formula as a table over an 8- or 16-bit type.

    Args:
        dtype: of the operand.
        formula: takes and gives whole arrays.
        team: threads that share the elements.
    """

    def __init__(self, dtype: np.dtype[Any], formula: Unary, team: Team = ALONE) -> None:
        self._table, self._team = np.ascontiguousarray(formula(domain(dtype))), team
        self.dtype = self._table.dtype

    def __call__(self, values: Array) -> Array:
        """Return the results of an array of operands."""
        out = np.empty(values.shape, self.dtype)
        self._team.run(self.call(out, np.ascontiguousarray(values)))
        return out

    def call(self, out: Array, values: Array) -> Call:
        """Return the call that writes the results of operands; both arrays are contiguous."""
        return _call(self._team, _look_up, self._table, _bits(values), out.reshape(-1))


class PairTable:
    """A formula as a table over two 8-bit types.

    Args:
        first: type of the first operand.
        second: type of the second operand.
        formula: takes and gives whole arrays.
        team: threads that share the elements.
    """

    def __init__(self, first: np.dtype[Any], second: np.dtype[Any], formula: Binary, team: Team = ALONE) -> None:
        a, b = domain(first), domain(second)
        self._table, self._team = np.ascontiguousarray(formula(a[:, None], b[None, :])).reshape(-1), team
        self.dtype = self._table.dtype

    def __call__(self, x: Array, y: Array) -> Array:
        """Return the results of two operands, which broadcast."""
        out = np.empty(np.broadcast_shapes(x.shape, y.shape), self.dtype)
        self._team.run(self.call(out, *(np.ascontiguousarray(np.broadcast_to(v, out.shape)) for v in (x, y))))
        return out

    def call(self, out: Array, x: Array, y: Array) -> Call:
        """Return the call that writes the results of operands; all arrays have one shape and are contiguous."""
        return _call(self._team, _look_up_pairs, self._table, _bits(x), _bits(y), out.reshape(-1))


def _call(team: Team, kernel: SharedKernel, *args: Array) -> Call:
    """Return the call that fills the last argument, a block of elements at a time."""
    elements = args[-1].size
    parts = team.parts(elements, max(elements, 1), elements // _LEAST_ELEMENTS)
    return Call(kernel, parts, (parts, *args))


def _bits(values: Array) -> Array:
    return values.reshape(-1).view(_UNSIGNED[values.dtype.itemsize])


@shared
def _look_up(index: int, parts: int, table: Array, indices: Array, out: Array) -> None:
    """Write table[indices] of one part of the elements; the table covers every index of its type."""
    first, last = span(index, parts, out.size)
    values, results = indices[first:last], out[first:last]
    for i in range(results.size):
        results[i] = table[values[i]]


@shared
def _look_up_pairs(index: int, parts: int, table: Array, left: Array, right: Array, out: Array) -> None:
    """Write the entries of a 256 x 256 table, flattened, for one part of the pairs of indices."""
    first, last = span(index, parts, out.size)
    left, right, results = left[first:last], right[first:last], out[first:last]
    for i in range(results.size):
        results[i] = table[np.uint32(left[i]) * np.uint32(256) + np.uint32(right[i])]
