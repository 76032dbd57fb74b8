"""List scheduling: groups by rank, each where it ends first, in the first gap of its unit that is long enough."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.schedule.partition.problem import in_order_of_start
from socsim.schedule.partition.strategy import Solution, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.schedule.partition.problem import PlacementProblem
    from socsim.schedule.partition.strategy import Goal

    Table = np.ndarray[Any, np.dtype[np.float64]]

_NEVER = 1 << 62
"""Later than any end."""


class Heft(Strategy, name="heft"):
    """Heterogeneous Earliest Finish Time: by mean time to the end, each group where it ends first.

    Source: H. Topcuoglu, S. Hariri, M.-Y. Wu, "Performance-effective and low-complexity task scheduling for
        heterogeneous computing", IEEE TPDS 13(3), 2002, sections 4.1 and 4.2.
    """

    def solve(self, problem: PlacementProblem, _goal: Goal) -> Solution:
        """Return the list schedule."""
        return _listed(problem, upward_ranks(problem), None)


class Peft(Strategy, name="peft"):
    """Predict Earliest Finish Time: each group where its end, and the best that can follow it there, is earliest.

    Source: H. Arabnejad, J. G. Barbosa, "List scheduling algorithm for heterogeneous systems by an optimistic cost
        table", IEEE TPDS 25(3), 2014, sections 4.1 to 4.3.
    """

    def solve(self, problem: PlacementProblem, _goal: Goal) -> Solution:
        """Return the list schedule."""
        table = optimistic_costs(problem)
        allowed = problem.time_ps >= 0
        counts = np.maximum(allowed.sum(axis=1), 1)
        ranks = (np.where(allowed, table, 0).sum(axis=1) / counts).tolist()
        return _listed(problem, ranks, table.tolist())


def upward_ranks(problem: PlacementProblem) -> list[float]:
    """Return for each group its mean time and the longest mean way from it to the end, borders included."""
    allowed = problem.time_ps >= 0
    counts = np.maximum(allowed.sum(axis=1), 1)
    means = (np.where(allowed, problem.time_ps, 0).sum(axis=1) / counts).tolist()
    borders = _mean_borders(problem).tolist()
    ranks = [0.0] * len(problem)
    ways = [0.0] * len(problem)
    for g in range(len(problem) - 1, -1, -1):
        ranks[g] = means[g] + ways[g]
        for f in problem.inflows[g]:
            maker = problem.flows[f].maker
            ways[maker] = max(ways[maker], borders[f] + ranks[g])
    return ranks


def optimistic_costs(problem: PlacementProblem) -> Table:
    """Return by group and unit how long what follows takes at least, each on its best unit. Shape (groups, units)."""
    times = np.where(problem.time_ps >= 0, problem.time_ps, np.inf)
    table = np.zeros(times.shape)
    borders = _mean_borders(problem)
    for g in range(len(problem) - 1, -1, -1):
        follow = times[g] + table[g]
        least = follow.min()
        for f in problem.inflows[g]:
            maker = problem.flows[f].maker
            # On the same unit without a border, on any other with one.
            table[maker] = np.maximum(table[maker], np.minimum(follow, least + borders[f]))
    return table


def _mean_borders(problem: PlacementProblem) -> Table:
    """Return by flow the mean cost of crossing from one unit to another."""
    count = len(problem.units)
    if count < 2:
        return np.zeros(len(problem.flows))
    own = np.eye(count, dtype=bool)
    totals = np.where(own, 0, problem.pass_ps).sum(axis=(1, 2)) / (count * (count - 1))
    return np.asarray(totals + sum(problem.entry_ps) / count, dtype=np.float64)


def _listed(problem: PlacementProblem, ranks: Sequence[float], ahead: Sequence[Sequence[float]] | None) -> Solution:
    """Return the list schedule by falling rank; of equal ranks, what others may wait for comes first."""
    scheduler = _Scheduler(problem, ahead)
    for g in _by_rank(problem, ranks):
        scheduler.place(g)
    return Solution(tuple(scheduler.units), in_order_of_start(scheduler.start), bound=problem.least_ps)


def _by_rank(problem: PlacementProblem, ranks: Sequence[float]) -> list[int]:
    """Return groups by falling rank, each after all that it waits for (PEFT's ranks alone do not promise that)."""
    waiting = [len(makers) for makers in problem.before]
    ready = [(-ranks[g], g) for g, count in enumerate(waiting) if not count]
    ready.sort()
    order: list[int] = []
    while ready:
        g = ready.pop(0)[1]
        order.append(g)
        for reader in problem.after[g]:
            waiting[reader] -= 1
            if not waiting[reader]:
                insort(ready, (-ranks[reader], reader))
    return order


class _Scheduler:
    def __init__(self, problem: PlacementProblem, ahead: Sequence[Sequence[float]] | None) -> None:
        self.problem = problem
        self.ahead = ahead
        self.units = [0] * len(problem)
        self.start = [0] * len(problem)
        self.end = [0] * len(problem)
        self._makers = [flow.maker for flow in problem.flows]
        self._times, _, self._passes, _ = problem.tables
        # Stretches in which a unit is free, by start and by end; the last one never ends.
        self._starts: list[list[int]] = [[0] for _ in problem.units]
        self._ends: list[list[int]] = [[_NEVER] for _ in problem.units]
        self._payers: dict[tuple[int, int], int] = {}
        self._home: int | None = None

    def place(self, g: int) -> None:
        """Put a group where it ends first."""
        best = min(self._tries(g))
        _, _, v, start, end = best
        self.units[g], self.start[g], self.end[g] = v, start, end
        if end > start:
            self._occupy(v, start, end)
        for f in self.problem.inflows[g]:
            if self.units[self._makers[f]] != v:
                self._payers.setdefault((f, v), g)
        if g == self.problem.first_source:
            self._home = v

    def _tries(self, g: int) -> list[tuple[float, int, int, int, int]]:
        """Return for each allowed unit what it is judged by, end, unit, start and end."""
        inflows, found = self.problem.inflows[g], []
        for v in self.problem.allowed[g]:
            ready, duration, crosses = 0, self._times[g][v], False
            for f in inflows:
                maker = self._makers[f]
                ready = max(ready, self.end[maker])
                if self.units[maker] == v:
                    continue
                crosses = True
                payer = self._payers.get((f, v))
                if payer is None:
                    duration += self._passes[f][self.units[maker]][v]
                else:
                    ready = max(ready, self.end[payer])
            if crosses:
                duration += self.problem.entry_ps[v]
            elif not inflows and (g == self.problem.first_source or v != self._home):
                duration += self.problem.submit_ps[v]
            start = self._gap(v, ready, duration)
            end = start + duration
            found.append((end + (self.ahead[g][v] if self.ahead else 0), end, v, start, end))
        return found

    def _gap(self, v: int, ready: int, duration: int) -> int:
        """Return the first moment from `ready` on at which a unit is free for so long."""
        starts, ends = self._starts[v], self._ends[v]
        for position in range(bisect_left(ends, ready), len(ends)):
            start = starts[position]
            start = max(start, ready)
            if start + duration <= ends[position]:
                return start
        return ready

    def _occupy(self, v: int, start: int, end: int) -> None:
        """Take a time out of the free stretch that holds it."""
        starts, ends = self._starts[v], self._ends[v]
        position = bisect_left(ends, end)
        rest = [(a, b) for a, b in ((starts[position], start), (end, ends[position])) if a < b]
        starts[position : position + 1] = [a for a, _ in rest]
        ends[position : position + 1] = [b for _, b in rest]
