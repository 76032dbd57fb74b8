"""The exact strategy: a constraint model of units, order and borders, solved by OR-Tools' CP-SAT."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from socsim.errors import UsageError
from socsim.quantities import ceil_div
from socsim.schedule.partition.claims import Priority
from socsim.schedule.partition.lists import Heft, Peft
from socsim.schedule.partition.moves import improved
from socsim.schedule.partition.problem import in_order_of_start, timed
from socsim.schedule.partition.strategy import Goal, Solution, Strategy, late

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ortools.sat.python import cp_model

    from socsim.schedule.partition.problem import PlacementProblem, Timed

_TICKS = 1 << 22
"""Ticks that the longest schedule may have: beyond that, sums of products leave what the solver computes well."""
_LARGEST = 1 << 52
"""Of an objective's value, for the same reason."""
_NW_PS_PER_PJ = 10**9
_MOVES = 2_000
"""Single moves that are tried on the schedule to begin with."""
_SLACK = 1e-6
"""Bounds are whole numbers that the solver holds as floating-point ones."""


class CpSat(Strategy, name="cp_sat"):
    """The best schedule for latency or energy, or for energy under a deadline, as far as the effort goes.

    It starts from the best of the list schedules, of each unit alone and of each group where it is cheapest, moved
    group by group as long as that helps, and is never worse than these. One worker
    and a limit in the solver's own deterministic time make the answer a function of the problem, whatever machine it
    runs on; what is left to prove when the limit is reached is the gap.

    Assumes: times in ticks of at most a four-millionth of the longest schedule, rounded up, so that a gap below that
    is none.

    Args:
        effort: the limit in the solver's deterministic time; one unit is some seconds of one core.
    """

    objectives = ("latency", "energy")

    def __init__(self, effort: int = 1) -> None:
        if effort < 1:
            msg = f"strategy 'cp_sat': effort {effort} is not allowed; give 1 or more"
            raise UsageError(msg)
        self.effort = effort

    def solve(self, problem: PlacementProblem, goal: Goal) -> Solution:
        """Return the best schedule found, with the bound that is proved.

        Raises:
            InfeasibleError: no schedule meets the deadline; the demand is the least latency that is proved.
            UsageError: OR-Tools is not installed.
        """
        solver = _solver()
        if not len(problem):
            return Solution((), ())
        known = _known(problem, goal)
        share = float(self.effort)
        if goal.objective == "energy":
            share /= 2
            known += self._fastest(solver, problem, known, share, goal)
        start = min(known, key=lambda k: _rank(k, goal))
        start = improved(problem, start, lambda k: _rank(k, goal), _MOVES)
        _, found, bound = _Model(solver, problem, goal, start).solve(share)
        best = start if found is None else min(start, found, key=lambda k: _rank(k, goal))
        if goal.deadline_ps is not None and best.makespan_ps > goal.deadline_ps:
            raise late(problem.name, goal.deadline_ps, best.makespan_ps, "the best schedule that was found")
        return Solution(best.units, best.order, bound=min(bound, _value(best, goal)))

    def _fastest(
        self, solver: Any, problem: PlacementProblem, known: Sequence[Timed], effort: float, goal: Goal
    ) -> list[Timed]:
        """Return the fastest schedule found, which shows what a deadline leaves room for.

        Raises:
            InfeasibleError: it is proved that the deadline cannot be met.
        """
        aim = Goal("latency")
        start = min(known, key=lambda k: _rank(k, aim))
        _, found, bound = _Model(solver, problem, aim, start).solve(effort)
        if goal.deadline_ps is not None and bound > goal.deadline_ps:
            raise late(problem.name, goal.deadline_ps, bound, "every schedule, as is proved,")
        return [] if found is None else [found]


def _solver() -> Any:
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        msg = "strategy 'cp_sat' needs OR-Tools; install it with: pip install 'socsim[solve]'"
        raise UsageError(msg) from None
    return cp_model


def _value(schedule: Timed, goal: Goal) -> int:
    return schedule.energy_pj if goal.objective == "energy" else schedule.makespan_ps


def _rank(schedule: Timed, goal: Goal) -> tuple[int, int, int]:
    """Return what orders schedules: first by how much they are late, then by value."""
    late_ps = 0 if goal.deadline_ps is None else max(0, schedule.makespan_ps - goal.deadline_ps)
    return late_ps, _value(schedule, goal), schedule.makespan_ps


def _known(problem: PlacementProblem, goal: Goal) -> list[Timed]:
    """Return the schedules to begin with: list schedules, preference, and each unit that runs everything."""
    solutions = [strategy.solve(problem, goal) for strategy in (Heft(), Peft(), Priority())]
    order = tuple(range(len(problem)))
    times, energies, _, _ = problem.tables
    table = energies if goal.objective == "energy" else times
    thrifty = tuple(min((row[v], v) for v in own)[1] for own, row in zip(problem.allowed, table, strict=True))
    solutions.append(Solution(thrifty, order))
    whole = [v for v in range(len(problem.units)) if all(v in allowed for allowed in problem.allowed)]
    solutions += [Solution((v,) * len(problem), order) for v in whole]
    return [timed(problem, s.units, s.order) for s in solutions]


class _Model:
    """Booleans for units and borders, intervals for groups; every border costs what `timed` makes it cost.

    Args:
        cp: OR-Tools' module.
        problem: in picoseconds.
        goal: what is minimised.
        start: a schedule to begin with.
    """

    def __init__(self, cp: Any, problem: PlacementProblem, goal: Goal, start: Timed) -> None:
        self._cp, self._problem, self._goal, self._known = cp, problem, goal, start
        self._tick = max(1, ceil_div(problem.horizon_ps, _TICKS))
        self._coarse = problem.coarser(self._tick) if self._tick > 1 else problem
        self._hint = timed(self._coarse, start.units, start.order)
        self._horizon = max(1, self._hint.makespan_ps if goal.objective == "latency" else self._coarse.horizon_ps)
        if goal.deadline_ps is not None:
            self._horizon = min(max(self._horizon, self._hint.makespan_ps), goal.deadline_ps // self._tick)
        self._model: cp_model.CpModel = cp.CpModel()
        self._energy: list[tuple[int, Any]] = []
        self._unit = 1
        self._x = {(g, v): self._model.new_bool_var("") for g, own in enumerate(problem.allowed) for v in own}
        self._start = [self._model.new_int_var(0, self._horizon, "") for _ in problem.operators]
        self._end = [self._model.new_int_var(0, self._horizon, "") for _ in problem.operators]
        self._extra: list[list[Any]] = [[] for _ in problem.operators]
        self._makespan = self._model.new_int_var(0, self._horizon, "")

    def solve(self, effort: float) -> tuple[Any, Timed | None, int]:
        """Return the solver's status, the schedule it found (None for none), and the bound in the goal's own unit."""
        self._place()
        self._enter()
        self._rewrite()
        self._run()
        self._aim()
        self._suggest()
        solver = self._cp.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.interleave_search = True  # several ways of searching take turns, always in the same order
        solver.parameters.random_seed = 0
        solver.parameters.max_deterministic_time = effort
        status = solver.solve(self._model)
        if status not in (self._cp.OPTIMAL, self._cp.FEASIBLE):
            return status, None, self._least()
        units = tuple(
            next(v for v in own if solver.value(self._x[g, v])) for g, own in enumerate(self._problem.allowed)
        )
        order = in_order_of_start([solver.value(start) for start in self._start])
        return status, timed(self._problem, units, order), max(self._least(), self._proved(solver.best_objective_bound))

    def _least(self) -> int:
        return self._problem.least_ps if self._goal.objective == "latency" else self._problem.least_pj

    def _proved(self, bound: float) -> int:
        """Return what the solver's bound proves of exact times, in picoseconds or picojoules."""
        # Each group of a chain, each of its passes and its entry may have been rounded up by less than a tick.
        rounded = sum(2 + len(own) for own in self._problem.inflows) * self._tick if self._tick > 1 else 0
        whole = int(max(0.0, bound) + _SLACK)
        if self._goal.objective == "latency":
            return max(0, whole * self._tick - rounded)
        return max(0, (whole * self._unit - max(self._problem.static_nw) * rounded) // _NW_PS_PER_PJ)

    def _place(self) -> None:
        """Each group on one unit."""
        for g, own in enumerate(self._problem.allowed):
            self._model.add_exactly_one(self._x[g, v] for v in own)
            self._extra[g] += [int(self._coarse.time_ps[g, v]) * self._x[g, v] for v in own]
            self._energy += [(int(self._problem.energy_pj[g, v]), self._x[g, v]) for v in own]

    def _on(self, g: int, v: int) -> Any:
        """Return whether a group is on a unit: 0 where it never is."""
        return self._x.get((g, v), 0)

    def _enter(self) -> None:
        """Submission and hand-over where data arrives from another unit, submission of sources."""
        first = self._problem.first_source
        for g, own in enumerate(self._problem.allowed):
            makers = self._problem.before[g]
            for v in own:
                cost = self._coarse.entry_ps[v] if makers else self._coarse.submit_ps[v]
                if not cost:
                    continue
                if g == first:
                    self._extra[g].append(cost * self._x[g, v])
                    continue
                pays = self._model.new_bool_var("")
                for other in makers or (() if first is None else (first,)):
                    self._model.add(pays >= self._x[g, v] - self._on(other, v))
                self._extra[g].append(cost * pays)

    def _rewrite(self) -> None:
        """Each flow is written anew once on each unit that reads it and did not make it, by its first reader there."""
        for f, flow in enumerate(self._problem.flows):
            for v in range(len(self._problem.units)):
                readers = [g for g in flow.readers if (g, v) in self._x]
                costs = [
                    (u, int(self._coarse.pass_ps[f, u, v]), int(self._problem.pass_pj[f, u, v]))
                    for u in self._problem.allowed[flow.maker]
                    if u != v and (self._problem.pass_ps[f, u, v] or self._problem.pass_pj[f, u, v])
                ]
                if readers and costs:
                    self._pay(flow.maker, v, readers, costs)

    def _pay(self, maker: int, v: int, readers: list[int], costs: list[tuple[int, int, int]]) -> None:
        payers = {}
        for g in readers:
            payers[g] = self._model.new_bool_var("")
            self._model.add_implication(payers[g], self._x[g, v])
            for u, time, energy in costs:
                cost = self._model.new_bool_var("")
                self._model.add(cost >= payers[g] + self._x[maker, u] - 1)
                self._extra[g].append(time * cost)
                self._energy.append((energy, cost))
        for g in readers:
            self._model.add(sum(payers.values()) >= self._x[g, v] - self._on(maker, v))
        for g, other in product(readers, readers):
            if g != other:
                self._model.add(self._start[g] >= self._end[other]).only_enforce_if(payers[other], self._x[g, v])

    def _run(self) -> None:
        """Groups after what they read, one at a time on each unit."""
        model = self._model
        intervals: list[list[Any]] = [[] for _ in self._problem.units]
        for g, own in enumerate(self._problem.allowed):
            model.add(self._end[g] == self._start[g] + sum(self._extra[g]))
            for maker in self._problem.before[g]:
                model.add(self._start[g] >= self._end[maker])
            if not self._problem.after[g]:
                model.add(self._makespan >= self._end[g])
            size = model.new_int_var(0, self._horizon, "")
            model.add(size == self._end[g] - self._start[g])
            for v in own:
                made = model.new_optional_interval_var(self._start[g], size, self._end[g], self._x[g, v], "")
                intervals[v].append(made)
        for v, own_intervals in enumerate(intervals):
            model.add_no_overlap(own_intervals)
            busy = [int(self._coarse.time_ps[g, v]) * x for (g, w), x in self._x.items() if w == v]
            model.add(self._makespan >= sum(busy))

    def _aim(self) -> None:
        """Set what is minimised: the makespan in ticks, or energy in as many nanowatt-picoseconds as fit the solver."""
        if self._goal.objective == "latency":
            self._model.minimize(self._makespan)
            return
        table = self._problem.static_nw
        most = sum(_NW_PS_PER_PJ * energy for energy, _ in self._energy)
        self._unit = max(1, ceil_div(most + max(table) * self._horizon * self._tick, _LARGEST))
        chosen = self._model.new_int_var(0, len(table) - 1, "")
        used = self._used()
        self._model.add(chosen == sum((1 << v) * flag for v, flag in enumerate(used)))
        scaled = [nw * self._tick // self._unit for nw in table]
        power = self._model.new_int_var(0, max(scaled), "")
        self._model.add_element(chosen, scaled, power)
        static = self._model.new_int_var(0, max(scaled) * self._horizon, "")
        self._model.add_multiplication_equality(static, [power, self._makespan])
        self._model.add(static >= min(scaled[1:]) * self._makespan)  # the product alone says little before it is fixed
        for v, flag in enumerate(used):
            with_it = min(own for mask, own in enumerate(scaled) if mask >> v & 1)
            self._model.add(static >= with_it * self._makespan).only_enforce_if(flag)
        work = [energy * _NW_PS_PER_PJ // self._unit * flag for energy, flag in self._energy]
        self._model.minimize(sum(work) + static)

    def _used(self) -> list[Any]:
        """Return whether each unit runs anything."""
        flags = []
        for v in range(len(self._problem.units)):
            flags.append(self._model.new_bool_var(""))
            self._model.add_max_equality(flags[v], [x for (_, w), x in self._x.items() if w == v] or [0])
        return flags

    def _suggest(self) -> None:
        for (g, v), x in self._x.items():
            self._model.add_hint(x, self._known.units[g] == v)
        for g, start in enumerate(self._start):
            self._model.add_hint(start, min(self._horizon, self._hint.start_ps[g]))
