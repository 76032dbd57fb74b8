"""Who waits for whom: tasks of one unit run in order, and each after those whose results it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def waits(units: Sequence[str], before: Sequence[Sequence[int]]) -> list[dict[str, int]]:
    """Return for each task, by unit, the last position that it waits for, directly or not.

    Args:
        units: who runs each task, by position.
        before: earlier positions that each task waits for.
    """
    found: list[dict[str, int]] = []
    newest: dict[str, int] = {}
    for position, (unit, named) in enumerate(zip(units, before, strict=True)):
        own = newest.get(unit)
        levels: dict[str, int] = {}
        for earlier in (*named, *(() if own is None else (own,))):
            _raise(levels, {**found[earlier], units[earlier]: earlier})
        found.append(levels)
        newest[unit] = position
    return found


def _raise(levels: dict[str, int], to: Mapping[str, int]) -> None:
    for unit, position in to.items():
        levels[unit] = max(levels.get(unit, -1), position)
