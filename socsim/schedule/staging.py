"""What may move before its task begins: constants on their way into on-chip memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from socsim.cost.work import Phase, merged, transfers

if TYPE_CHECKING:
    from collections.abc import Sequence


def early_moves(units: Sequence[str], phases: Sequence[tuple[Phase, ...]]) -> list[tuple[Phase, ...]]:
    """Return the phases of tasks with early transfers moved beside the work of the task before on the same unit.

    They join its longest phase. The first task of a unit has nothing before it and keeps its own.

    Args:
        units: who runs each task, in order.
        phases: of each task.
    """
    moved = list(phases)
    newest: dict[str, int] = {}
    for position, unit in enumerate(units):
        before = newest.get(unit)
        early = [p for p in moved[position] if p.early]
        if before is not None and early and moved[before]:
            moved[before] = _joined(moved[before], early)
            moved[position] = tuple(p for p in moved[position] if not p.early)
        if moved[position]:
            newest[unit] = position
    return moved


def _joined(phases: tuple[Phase, ...], early: list[Phase]) -> tuple[Phase, ...]:
    longest = max(range(len(phases)), key=lambda i: phases[i].compute_cycles)
    host = phases[longest]
    every = [t for p in (host, *early) for t in p.transfers]
    reads = merged(*({t.memory: t.read_bytes} for t in every))
    writes = merged(*({t.memory: t.write_bytes} for t in every))
    return (*phases[:longest], replace(host, transfers=transfers(reads, writes)), *phases[longest + 1 :])
