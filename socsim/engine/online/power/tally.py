"""Counters that only grow, and that a repeated period grows again by as much."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ZJ_PER_PJ = 10**9
"""Energies are counted in nanowatts times picoseconds, so that static power adds up exactly: 10^-21 J."""


class Tally(defaultdict[tuple[str, ...], int]):
    """Whole numbers by key; absent ones are 0."""

    def __init__(self) -> None:
        super().__init__(int)
        self._marked: dict[tuple[str, ...], int] = {}

    def mark(self) -> None:
        """Begin a period."""
        self._marked = dict(self)

    def repeat(self, times: int) -> None:
        """Add what was counted since the mark so many times again."""
        for key, value in self.items():
            self[key] = value + times * (value - self._marked.get(key, 0))

    def added(self, kind: str, times: int) -> Iterator[tuple[tuple[str, ...], int]]:
        """Yield what `repeat` has just added, so many times, under each key that begins with `kind`."""
        for key, value in self.items():
            if key[0] == kind:
                yield key, (value - self._marked.get(key, 0)) // (times + 1) * times


def to_pj(zeptojoules: int) -> int:
    """Return picojoules, rounded half up once."""
    return (zeptojoules + ZJ_PER_PJ // 2) // ZJ_PER_PJ
