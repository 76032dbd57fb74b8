"""The placement problem: what each group of operators takes on each unit, and what data costs at borders.

Everything is plain data, so that a strategy can be tried, tested and timed without a platform.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Array = np.ndarray[Any, np.dtype[np.int64]]

REFUSED = -1
"""Time on a unit that cannot run a group."""
MOST_UNITS = 12
"""Candidates of one problem: static power is known for each set of units in use."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A tensor that one group makes and others read.

    Args:
        maker: group that makes it.
        readers: groups that read it, in ascending order, the maker left out.
    """

    maker: int
    readers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PlacementProblem:
    """Groups of operators that stay together, candidate units, and all costs that a strategy may weigh.

    A group runs alone on its unit from start to end. The first that reads a tensor of another unit there pays for
    writing it anew; a group with data from another unit pays once for submission and hand-over. A group without any
    data from others is a source: it pays for a submission unless the first source is on the same unit.

    Args:
        name: of the network, for messages.
        units: candidates, best first.
        kinds: kind of each unit.
        operators: operator indices of each group; a group comes after those whose results it reads.
        time_ps: by group and unit; `REFUSED` where the unit cannot run it. Shape (groups, units).
        energy_pj: likewise.
        refusals: why not, by group and unit.
        flows: what groups hand to each other.
        pass_ps: time to write a flow anew by the unit that made it and the one that reads it, on the reader. Shape
            (flows, units, units).
        pass_pj: energy of that.
        entry_ps: submission and hand-over by unit, where data arrives from another one.
        submit_ps: submission by unit.
        static_nw: static power in nanowatts by the set of units in use, a bit each, the first unit's the lowest.
        pins: unit by group, where the user chose it.
        labels: of groups, for messages; their index where absent.
    """

    name: str
    units: tuple[str, ...]
    kinds: tuple[str, ...]
    operators: tuple[tuple[int, ...], ...]
    time_ps: Array
    energy_pj: Array
    refusals: Mapping[tuple[int, int], str]
    flows: tuple[Flow, ...]
    pass_ps: Array
    pass_pj: Array
    entry_ps: tuple[int, ...]
    submit_ps: tuple[int, ...]
    static_nw: tuple[int, ...]
    pins: Mapping[int, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.operators)

    @cached_property
    def allowed(self) -> tuple[tuple[int, ...], ...]:
        """Units that may run each group: those with kernels for all of it, the pinned one alone where one is."""
        rows = (self.time_ps >= 0).tolist()
        return tuple(
            tuple(v for v, runs in enumerate(row) if runs and self.pins.get(g, v) == v) for g, row in enumerate(rows)
        )

    @cached_property
    def inflows(self) -> tuple[tuple[int, ...], ...]:
        """Flows that each group reads."""
        found: list[list[int]] = [[] for _ in self.operators]
        for f, flow in enumerate(self.flows):
            for reader in flow.readers:
                found[reader].append(f)
        return tuple(tuple(own) for own in found)

    @cached_property
    def before(self) -> tuple[tuple[int, ...], ...]:
        """Groups whose results each group reads, each once, in ascending order."""
        return tuple(tuple(sorted({self.flows[f].maker for f in own})) for own in self.inflows)

    @cached_property
    def after(self) -> tuple[tuple[int, ...], ...]:
        """Groups that read the results of each group, in ascending order."""
        found: list[list[int]] = [[] for _ in self.operators]
        for reader, makers in enumerate(self.before):
            for maker in makers:
                found[maker].append(reader)
        return tuple(tuple(own) for own in found)

    @cached_property
    def first_source(self) -> int | None:
        """The first group that reads nothing of others; its unit is submitted to in any case."""
        return next((g for g, makers in enumerate(self.before) if not makers), None)

    @cached_property
    def horizon_ps(self) -> int:
        """More than any schedule without idle time takes."""
        if not len(self):
            return 0
        most = int(np.maximum(self.time_ps, 0).max(axis=1).sum())
        passes = sum(int(self.pass_ps[f].max()) * len(flow.readers) for f, flow in enumerate(self.flows))
        return most + passes + len(self) * max((*self.entry_ps, *self.submit_ps))

    @cached_property
    def least_ps(self) -> int:
        """Latency that no schedule can fall below: the longest chain of groups, each on its fastest unit."""
        ends: list[int] = []
        times = self.time_ps.tolist()
        for g, makers in enumerate(self.before):
            ends.append(
                max((ends[a] for a in makers), default=0) + min((times[g][v] for v in self.allowed[g]), default=0)
            )
        return max(ends, default=0)

    @cached_property
    def tables(self) -> tuple[list[list[int]], list[list[int]], list[list[list[int]]], list[list[list[int]]]]:
        """Times, energies, and times and energies of passes as lists: Python reads those faster, one by one."""
        return self.time_ps.tolist(), self.energy_pj.tolist(), self.pass_ps.tolist(), self.pass_pj.tolist()

    @cached_property
    def least_pj(self) -> int:
        """Energy that no schedule can fall below: each group where it spends least, the least power, the least time."""
        work = sum(min((self.tables[1][g][v] for v in own), default=0) for g, own in enumerate(self.allowed))
        return work + min(self.static_nw[1:]) * self.least_ps // 10**9

    def label(self, group: int) -> str:
        """Return a group in words."""
        return self.labels[group] if self.labels else f"group {group}"

    def coarser(self, tick_ps: int) -> PlacementProblem:
        """Return the problem with times in ticks, each rounded up."""
        times = np.where(self.time_ps >= 0, -(-self.time_ps // tick_ps), self.time_ps)
        return replace(
            self,
            time_ps=times,
            pass_ps=-(-self.pass_ps // tick_ps),
            entry_ps=tuple(-(-t // tick_ps) for t in self.entry_ps),
            submit_ps=tuple(-(-t // tick_ps) for t in self.submit_ps),
        )


@dataclass(frozen=True, slots=True)
class Timed:
    """A schedule with its times, where nothing is shared.

    Args:
        units: of each group.
        order: groups in an order in which they can run; those of a unit run in it.
        start_ps: of each group.
        end_ps: likewise.
        makespan_ps: when the last one ends.
        energy_pj: of all groups, their borders, and static power over the makespan.
        loads_ps: busy time of each unit.
    """

    units: tuple[int, ...]
    order: tuple[int, ...]
    start_ps: tuple[int, ...]
    end_ps: tuple[int, ...]
    makespan_ps: int
    energy_pj: int
    loads_ps: tuple[int, ...]


def timed(problem: PlacementProblem, units: Sequence[int], order: Sequence[int]) -> Timed:
    """Return when each group runs, each as early as its unit and its data allow.

    Args:
        problem: what is placed.
        units: of each group.
        order: groups in an order in which they can run; those of a unit run in it.
    """
    times, energies, passes, pass_energies = problem.tables
    first = problem.first_source
    home = units[first] if first is not None else None
    start, end = [0] * len(units), [0] * len(units)
    free = [0] * len(problem.units)
    loads = [0] * len(problem.units)
    energy, rewritten = 0, set()
    for g in order:
        v = units[g]
        ready, duration, crosses = free[v], times[g][v], False
        energy += energies[g][v]
        for f in problem.inflows[g]:
            maker = problem.flows[f].maker
            u = units[maker]
            ready = max(ready, end[maker])
            if u == v:
                continue
            crosses = True
            if (f, v) not in rewritten:
                rewritten.add((f, v))
                duration += passes[f][u][v]
                energy += pass_energies[f][u][v]
        if crosses:
            duration += problem.entry_ps[v]
        elif not problem.inflows[g] and (g == first or v != home):
            duration += problem.submit_ps[v]
        start[g], end[g] = ready, ready + duration
        free[v] = end[g]
        loads[v] += duration
    makespan = max(end, default=0)
    mask = sum(1 << v for v in set(units))
    energy += problem.static_nw[mask] * makespan // 10**9  # pJ; 1 nW for 1 ps is 10**-9 pJ
    return Timed(tuple(units), tuple(order), tuple(start), tuple(end), makespan, energy, tuple(loads))


def in_order_of_start(schedule_start: Sequence[int]) -> tuple[int, ...]:
    """Return groups by start; of those that start at once, the one that others may wait for comes first."""
    return tuple(sorted(range(len(schedule_start)), key=lambda g: (schedule_start[g], g)))
