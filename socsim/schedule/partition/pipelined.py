"""Pipelined placement: inferences follow one another through the units, and the busiest unit sets the pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.schedule.partition.claims import Priority
from socsim.schedule.partition.lists import Heft
from socsim.schedule.partition.moves import improved
from socsim.schedule.partition.problem import timed
from socsim.schedule.partition.strategy import Solution, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.schedule.partition.problem import PlacementProblem, Timed
    from socsim.schedule.partition.strategy import Goal

    Array = np.ndarray[Any, np.dtype[np.int64]]

_FAR = np.iinfo(np.int64).max // 4


class Pipelined(Strategy, name="pipelined"):
    """Stages over units, so that the busiest one is as short as can be found.

    First the best division of the network's order into one stage for each unit, by bisection over the period; then
    groups move between units one by one as long as that shortens the busiest. The result is no worse than the stages,
    the preference or the list schedule, but not proved to be the best.

    Args:
        moves: moves that are tried at most.
    """

    objectives = ("throughput",)

    def __init__(self, moves: int = 2_000) -> None:
        self.moves = moves

    def solve(self, problem: PlacementProblem, goal: Goal) -> Solution:
        """Return the placement with the shortest period that was found."""
        order = tuple(range(len(problem)))
        if not order:
            return Solution((), (), period_ps=0)
        known = [strategy.solve(problem, goal).units for strategy in (Priority(), Heft())]
        staged = stages(problem)
        best = min((timed(problem, u, order) for u in (*([staged] if staged else []), *known)), key=_pace)
        best = improved(problem, best, _pace, self.moves, _busiest)
        period = max(best.loads_ps)
        name = problem.units[best.loads_ps.index(period)]
        why = {
            g: f"stage of {problem.units[v]}" + (", the busiest unit" if problem.units[v] == name else "")
            for g, v in enumerate(best.units)
        }
        return Solution(best.units, best.order, why, _least_period(problem), period)


def _pace(schedule: Timed) -> tuple[int, int, int]:
    return max(schedule.loads_ps), sum(schedule.loads_ps), schedule.makespan_ps


def _busiest(schedule: Timed) -> set[int]:
    most = max(schedule.loads_ps)
    return {v for v, load in enumerate(schedule.loads_ps) if load == most}


def _least_period(problem: PlacementProblem) -> int:
    """Return what no period falls below: the largest group, and all work spread evenly over all units."""
    least = [min(int(problem.time_ps[g, v]) for v in own) for g, own in enumerate(problem.allowed)]
    return max(*least, -(-sum(least) // len(problem.units)))


def stages(problem: PlacementProblem) -> tuple[int, ...] | None:
    """Return the units of the stages with the shortest period, one stretch of groups for each unit at most.

    Tensors that cross a stage's start count with the dearest way in. None where stretches cannot cover the network.
    """
    count = len(problem)
    costs = [_Stretch(problem, v) for v in range(len(problem.units))]
    low, high = _least_period(problem), problem.horizon_ps
    best = _stretched(costs, count, high)
    if best is None:
        return None
    while low < high:
        middle = (low + high) // 2
        found = _stretched(costs, count, middle)
        if found is None:
            low = middle + 1
        else:
            best, high = found, middle
    units = [0] * count
    for v, first, last in best:
        units[first:last] = [v] * (last - first)
    return tuple(units)


def _stretched(costs: Sequence[_Stretch], count: int, period: int) -> list[tuple[int, int, int]] | None:
    """Return stretches within a period as unit, first group and end; None where they do not reach the last group."""
    reached: list[tuple[int, list[tuple[int, int, int]]]] = [(0, [])]
    for mask in range(1, 1 << len(costs)):
        best: tuple[int, list[tuple[int, int, int]]] = (-1, [])
        for v, cost in enumerate(costs):
            if not mask >> v & 1:
                continue
            first, parts = reached[mask & ~(1 << v)]
            end = cost.end(first, period)
            if end > best[0]:
                best = end, [*parts, (v, first, end)]
        reached.append(best)
        if best[0] == count:
            return best[1]
    return None


class _Stretch:
    """How far a unit comes in a time from any group on.

    Args:
        problem: what is placed.
        v: the unit.
    """

    def __init__(self, problem: PlacementProblem, v: int) -> None:
        times = problem.time_ps[:, v]
        runs = np.array([v in own for own in problem.allowed], dtype=bool)
        self._sums = np.concatenate(([0], np.cumsum(np.where(runs, times, 0))))
        blocked = np.flatnonzero(~runs)
        self._blocked = np.append(blocked, len(problem))
        self._makers = np.array([flow.maker for flow in problem.flows], dtype=np.int64)
        self._passes = problem.pass_ps[:, :, v].max(axis=1) if problem.flows else np.zeros(0, dtype=np.int64)
        most = max((len(flow.readers) for flow in problem.flows), default=0)
        readers = np.full((len(problem.flows), most), _FAR, dtype=np.int64)
        for f, flow in enumerate(problem.flows):
            readers[f, : len(flow.readers)] = flow.readers
        self._readers: Array = readers
        self._entry, self._submit = problem.entry_ps[v], problem.submit_ps[v]
        self._count = len(problem)

    def end(self, first: int, period: int) -> int:
        """Return the group before which a stage that begins at `first` ends."""
        limit = int(self._blocked[np.searchsorted(self._blocked, first)])
        if limit == first:
            return first
        lead = self._entry if first else self._submit
        steps = self._sums[first + 1 : limit + 1] - self._sums[first] + lead
        crossing = self._makers < first
        if crossing.any():
            readers = self._readers[crossing]
            soonest = np.where(readers >= first, readers, _FAR).min(axis=1)
            inside = soonest < limit
            added = np.zeros(limit - first, dtype=np.int64)
            np.add.at(added, soonest[inside] - first, self._passes[crossing][inside])
            steps = steps + np.cumsum(added)
        return first + int(np.searchsorted(steps, period, side="right"))
