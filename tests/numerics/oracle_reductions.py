"""Reductions, extrema and orders in plain integers, written from their definitions.

Operands are {index: value} of a shape; nothing here calls the code under test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle_mac import truncated, wrap
from oracle_movement import indices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Index = tuple[int, ...]
    Values = dict[Index, int]


def groups(shape: Sequence[int], axes: Sequence[int]) -> dict[Index, list[Index]]:
    """Indices that make each element of the result, reduced axes kept as ones."""
    gone = {a % len(shape) for a in axes}
    found: dict[Index, list[Index]] = {}
    for index in indices(shape):
        key = tuple(0 if d in gone else i for d, i in enumerate(index))
        found.setdefault(key, []).append(index)
    return found


def reduced(values: Values, shape: Sequence[int], axes: Sequence[int], rule: Callable[[list[int]], int]) -> list[int]:
    return [rule([values[i] for i in group]) for group in groups(shape, axes).values()]


def wrapped_sum(values: list[int]) -> int:
    return wrap(sum(values), 32)


def wrapped_product(values: list[int]) -> int:
    total = 1
    for v in values:
        total = wrap(total * v, 32)
    return total


def truncated_mean(values: list[int]) -> int:
    return truncated(sum(values), len(values))


def extreme(values: list[int], greatest: bool, last: bool = False) -> int:
    """Position of the first greatest or least, or of the last one."""
    best = 0
    for i, v in enumerate(values):
        better = v > values[best] if greatest else v < values[best]
        if better or (last and v == values[best]):
            best = i
    return best


def running(values: list[int], exclusive: bool, reverse: bool) -> list[int]:
    ordered = values[::-1] if reverse else values
    found, total = [], 0
    for v in ordered:
        after = wrap(total + v, 32)
        found.append(total if exclusive else after)
        total = after
    return found[::-1] if reverse else found


def top(values: list[int], k: int, greatest: bool = True) -> list[int]:
    """Positions of the k greatest or least in order; of equal ones, the first comes first."""
    left = list(range(len(values)))
    return [left.pop(extreme([values[i] for i in left], greatest)) for _ in range(k)]
