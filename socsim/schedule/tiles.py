"""Tiles in time: a phase of many tiles as a step for each, in which one computes and the next is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.cost.work import Phase, Transfer
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_TILES = 20_000
"""Steps of a run that a timeline still shows, and that are simulated in a few seconds."""


def in_tiles(phases: Sequence[tuple[Phase, ...]]) -> tuple[list[tuple[Phase, ...]], int]:
    """Return phases divided into a step for each of their tiles, and how many tiles a step stands for at most.

    Cycles and bytes are spread evenly and add up to those of the phase. Where there are more tiles than
    `MOST_TILES`, so many of a phase are put together that no more steps are left; a phase keeps one at least.

    Args:
        phases: of each task.
    """
    tiles = sum(p.tiles for own in phases for p in own)
    kept = sum(p.tiles == 1 for own in phases for p in own)
    together = ceil_div(tiles, max(1, MOST_TILES - kept)) if tiles > MOST_TILES else 1
    most = max((p.tiles for own in phases for p in own), default=1)
    return [tuple(s for p in own for s in _steps(p, together)) for own in phases], min(together, most)


def _steps(phase: Phase, together: int) -> Iterator[Phase]:
    count = max(1, phase.tiles // together)
    if count == 1:
        yield phase
        return
    for i in range(count):
        label = f"tile {i + 1} of {count}" if count == phase.tiles else f"part {i + 1} of {count}"
        moved = (
            Transfer(t.memory, _share(t.read_bytes, i, count), _share(t.write_bytes, i, count)) for t in phase.transfers
        )
        yield Phase(
            label, _share(phase.compute_cycles, i, count), tuple(t for t in moved if t.read_bytes or t.write_bytes)
        )


def _share(amount: int, index: int, count: int) -> int:
    """Return the part of an amount that falls to one of several steps."""
    return amount * (index + 1) // count - amount * index // count
