"""What a strategy weighs and what becomes of its answer: costs of groups on each unit, then a plan for the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.cost.energy import EnergyModel
from socsim.cost.work import Phase, Transfer, Work
from socsim.costing import Prepared, prepare, submission_ps, unit_width
from socsim.engine.fluid import alone_ps
from socsim.engine.simulation import simulate
from socsim.errors import InfeasibleError, UnsupportedOperatorError, UsageError
from socsim.recording import NO_CORRECTIONS
from socsim.records import AlternativeRecord, PlacementRecord
from socsim.schedule.borders import borders_by_data, borders_in_order, no_borders, passes
from socsim.schedule.partition.groups import group
from socsim.schedule.partition.problem import MOST_UNITS, REFUSED, Flow, PlacementProblem
from socsim.schedule.partition.reasons import reasons
from socsim.schedule.partition.strategy import decide
from socsim.schedule.placement import Placed, graph_dtype, refusal
from socsim.schedule.tasks import build_tasks, in_other_order, shared_storage
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from socsim.engine.fabric import Fabric
    from socsim.engine.simulation import Outcome
    from socsim.recording import Corrections, Plan
    from socsim.schedule.partition.groups import Groups
    from socsim.schedule.partition.problem import Timed
    from socsim.schedule.partition.strategy import Goal, Solution, Strategy
    from socsim.schedule.placement import Candidate
    from socsim.schedule.tasks import TaskGraph
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph

_NANOSECONDS = 10**9
"""Picoseconds over which a nanowatt is as many picojoules as nanowatts."""
_FRAMES, _WARM = 8, 3
"""Inferences that follow one another when the period of a pipeline is looked at, and those that fill it."""


@dataclass(frozen=True)
class Costing:
    """How plans of a network on a platform come about.

    Args:
        graph: the network in the types that were asked for.
        platform: where it runs.
        units: candidates, best first.
        batch: inferences that go through each operator together.
        plan: makes a plan of placed operators, tasks and borders.
        corrections: calibrations of the units.
    """

    graph: Graph
    platform: Platform
    units: tuple[Candidate, ...]
    batch: int
    plan: Callable[[Sequence[Placed], TaskGraph, tuple[Any, ...]], Plan]
    corrections: Corrections = NO_CORRECTIONS

    @property
    def runtimes(self) -> dict[str, Any]:
        """Software of each candidate."""
        return {unit.name: unit.runtime for unit in self.units}

    def prepared(self, plan: Plan) -> Prepared:
        """Return a plan with its costs, calibrated."""
        found = prepare(plan)
        return found if self.corrections == NO_CORRECTIONS else found.corrected(self.corrections)


@dataclass(frozen=True)
class Chosen:
    """What a strategy made of a network.

    Args:
        prepared: its plan with costs, up to the point where time begins.
        problem: what it weighed.
        solution: what it decided.
        expected: the schedule where nothing is shared.
        goal: what it aimed at.
        strategy: who decided.
    """

    prepared: Prepared
    problem: PlacementProblem
    solution: Solution
    expected: Timed
    goal: Goal
    strategy: Strategy

    def record(self, outcome: Outcome) -> PlacementRecord:
        """Return how units were chosen, and the period that the engine finds where inferences follow one another."""
        is_energy, bound = self.goal.objective == "energy", self.solution.bound
        value = self.expected.energy_pj if is_energy else self.expected.makespan_ps
        value = self.solution.period_ps if self.solution.period_ps is not None else value
        return PlacementRecord(
            strategy=self.strategy.name,
            objective=self.goal.objective if self.strategy.weighs else "preference",
            expected_ps=self.expected.makespan_ps,
            expected_pj=self.expected.energy_pj,
            bound=bound,
            gap=None if bound is None else (value - bound) / value if value else 0.0,
            period_ps=None if self.solution.period_ps is None else self._period_ps(outcome, self.solution.period_ps),
            deadline_ps=self.goal.deadline_ps,
            alternatives=self.alternatives,
        )

    def _period_ps(self, outcome: Outcome, expected: int) -> int:
        """Return the mean time between results of inferences that follow one another, sharing included.

        Each inference's tasks begin as long after the one's before as the strategy expects, or as soon as their units
        are free.
        """
        jobs = self.prepared.jobs("transaction")
        starts = [times.start_ps for times in outcome.times]
        copies = [(frame, job) for frame in range(_FRAMES) for job in jobs]
        copies.sort(key=lambda copy: (starts[copy[1].key] + copy[0] * expected, copy[0], copy[1].key))
        keys = {(frame, job.key): key for key, (frame, job) in enumerate(copies)}
        together = [
            replace(job, key=key, after=tuple(keys[frame, before] for before in job.after))
            for key, (frame, job) in enumerate(copies)
        ]
        times = simulate(together, self.prepared.fabric).times
        ends = [max(times[keys[frame, job.key]].end_ps for job in jobs) for frame in range(_FRAMES)]
        return -(-(ends[-1] - ends[_WARM]) // (_FRAMES - 1 - _WARM))

    @cached_property
    def alternatives(self) -> tuple[AlternativeRecord, ...]:
        """What each group would take on each unit, under the operator that carries its cost."""
        tasks = self.prepared.plan.tasks
        found = []
        for g, members in enumerate(self.problem.operators):
            roots = [op for op in members if op in tasks.task_of and _root(tasks, op) == op]
            for v, name in enumerate(self.problem.units):
                time, energy = int(self.problem.time_ps[g, v]), int(self.problem.energy_pj[g, v])
                runs = time != REFUSED
                reason = None if runs else self.problem.refusals[g, v]
                found += [
                    AlternativeRecord(op, name, time if runs else None, energy if runs else None, reason)
                    for op in roots[:1]
                ]
        return tuple(sorted(found, key=lambda row: (row.operator, self.problem.units.index(row.unit))))


def _root(tasks: TaskGraph, op: int) -> int:
    return tasks.tasks[tasks.task_of[op]].root.index


def choose(costing: Costing, posed: tuple[PlacementProblem, Groups], strategy: Strategy, goal: Goal) -> Chosen:
    """Return what a strategy makes of a network.

    Args:
        costing: how plans come about.
        posed: the problem that `placement_problem` made of it, with its groups.
        strategy: who decides.
        goal: what the schedule shall be good for.

    Raises:
        InfeasibleError: pins, or a goal, that cannot be met; no memory has room.
    """
    problem, groups = posed
    solution, expected = decide(strategy, problem, goal)
    why = reasons(problem, solution, goal)
    placed = _placed(costing, groups, solution.units, why)
    runtimes = _used(costing, placed)
    tasks = build_tasks(costing.graph, placed, runtimes)
    rank = {g: position for position, g in enumerate(solution.order)}
    ordered = in_other_order(tasks, [rank[g] for g in groups.of])
    if strategy.in_order:
        borders = borders_in_order(ordered, costing.batch)
    else:
        borders = borders_by_data(ordered, costing.batch, groups.of)
    prepared = costing.prepared(costing.plan(placed, ordered, borders))
    return Chosen(prepared, problem, solution, expected, goal, strategy)


def placement_problem(costing: Costing, pins: Mapping[int, str]) -> tuple[PlacementProblem, Groups]:
    """Return the problem of a network on a platform, without and with its pins.

    Raises:
        UnsupportedOperatorError: operators without a kernel on any candidate, all listed.
        UsageError: more candidates than a problem may have.
    """
    if len(costing.units) > MOST_UNITS:
        msg = (
            f"{costing.platform.name}: {len(costing.units)} units to choose from; strategies take {MOST_UNITS} at most"
        )
        raise UsageError(msg)
    index = {unit.name: v for v, unit in enumerate(costing.units)}
    wanted = {op: index[name] for op, name in pins.items()}
    groups = group(costing.graph, costing.units, wanted)
    _check_supported(costing, groups)
    problem = _Weigher(costing, groups).problem()
    return replace(problem, pins={groups.of[op]: v for op, v in wanted.items()}), groups


def _check_supported(costing: Costing, groups: Groups) -> None:
    every = range(len(costing.units))
    lost = [g for g in range(len(groups.members)) if all((g, v) in groups.refusals for v in every)]
    refused = [(costing.graph.operators[groups.members[g][0]], [groups.refusals[g, v] for v in every]) for g in lost]
    if refused:
        raise UnsupportedOperatorError(refusal(costing.graph, costing.units, refused))


def _placed(costing: Costing, groups: Groups, units: Sequence[int], why: Sequence[str]) -> list[Placed]:
    found = []
    for op in costing.graph.operators:
        g = groups.of[op.index]
        unit = costing.units[units[g]]
        dtype = graph_dtype(costing.graph, op)
        if op.category in {Category.VIEW, Category.STATE}:
            found.append(Placed(unit.name, dtype, f"moves no data: stays on {unit.name}"))
            continue
        runs = unit.runtime.executes[dtype]
        lead = next(m for m in groups.members[g] if costing.graph.operators[m].category is not Category.VIEW)
        stays = "" if lead == op.index else f"; stays with operator {lead}, of its fused group"
        found.append(Placed(unit.name, runs, f"{why[g]}{stays}; {unit.runtime.name} kernel in {runs}"))
    return found


def _used(costing: Costing, placed: Sequence[Placed]) -> dict[str, Any]:
    used = {here.unit for here in placed}
    return {name: runtime for name, runtime in costing.runtimes.items() if name in used}


class _Weigher:
    """Finds out what each group takes on each candidate, by planning the network as far as it goes on each.

    Args:
        costing: how plans come about.
        groups: of the network.
    """

    def __init__(self, costing: Costing, groups: Groups) -> None:
        self._costing, self._groups = costing, groups
        self._refusals = dict(groups.refusals)
        self._rewritten: dict[tuple[int, int, int, str], tuple[int, int]] = {}
        self._fabric: Fabric | None = None
        self._energy = EnergyModel(costing.platform)

    def problem(self) -> PlacementProblem:
        """Return the problem without pins."""
        count, units = len(self._groups.members), self._costing.units
        time = np.full((count, len(units)), REFUSED, dtype=np.int64)
        energy = np.zeros((count, len(units)), dtype=np.int64)
        submit = []
        for v in range(len(units)):
            prepared = self._alone(v)
            self._fabric = self._fabric or (prepared.fabric if prepared else None)
            submit.append(self._weigh(v, prepared, time, energy) if prepared else 0)
        entry = [s + unit.runtime.handover.value for s, unit in zip(submit, units, strict=True)]
        flows, tensors = self._flows()
        pass_ps, pass_pj = self._passes(tensors)
        platform = self._costing.platform
        return PlacementProblem(
            name=self._costing.graph.name,
            units=tuple(unit.name for unit in units),
            kinds=tuple(platform.unit(unit.name).kind for unit in units),
            operators=self._groups.members,
            time_ps=time,
            energy_pj=energy,
            refusals=self._refusals,
            flows=flows,
            pass_ps=pass_ps,
            pass_pj=pass_pj,
            entry_ps=tuple(entry),
            submit_ps=tuple(submit),
            static_nw=self._static(),
            labels=tuple(self._label(members) for members in self._groups.members),
        )

    def _label(self, members: Sequence[int]) -> str:
        first = self._costing.graph.operators[members[0]]
        more = f" and {len(members) - 1} with it" if len(members) > 1 else ""
        return f"operator {first.index} {first.label} {first.name!r}{more}"

    def _alone(self, v: int) -> Prepared | None:
        """Return a plan with everything that a unit can run on it, and the rest on the first other that can.

        None where that finds no room; then the unit is refused to all groups, with the reason.
        """
        costing = self._costing
        every = range(len(costing.units))
        own = [
            next(u for u in (v, *every) if (g, u) not in self._groups.refusals)
            for g in range(len(self._groups.members))
        ]
        placed = _placed(costing, self._groups, own, [""] * len(own))
        tasks = build_tasks(costing.graph, placed, _used(costing, placed), self._groups.of)
        try:
            return costing.prepared(costing.plan(placed, tasks, no_borders(tasks, costing.batch)))
        except InfeasibleError as error:
            why = f"{costing.units[v].name} has no room for the network: {error}"
            self._refusals |= {(g, v): why for g in range(len(own)) if (g, v) not in self._refusals}
            return None

    def _weigh(self, v: int, prepared: Prepared, time: Any, energy: Any) -> int:
        """Fill in what groups take on a unit; return the time of a submission to it."""
        name = self._costing.units[v].name
        for g in range(len(time)):
            if (g, v) not in self._refusals:
                time[g, v] = 0
        tasks = prepared.plan.tasks.tasks
        for task, job, cost in zip(tasks, prepared.jobs("transaction"), prepared.costs, strict=True):
            g = self._groups.of[task.root.index]
            if task.unit == name and (g, v) not in self._refusals:
                steps = prepared.fabric.steps(job)
                time[g, v] += job.dispatch_ps + job.sync_ps + sum(step.lone_ps for step in steps)
                energy[g, v] += cost.energy.total if cost.energy else 0
        own = self._costing.corrections.of(name)
        at_home = own is not None and self._costing.platform.unit(name).kind == own.kind
        return submission_ps(self._costing.units[v].runtime, own if at_home else None, unit_width(prepared, name))

    def _flows(self) -> tuple[tuple[Flow, ...], list[int]]:
        """Return what groups hand to each other, and the tensor of each."""
        graph, of = self._costing.graph, self._groups.of
        readers: dict[tuple[int, int], set[int]] = {}
        storage = shared_storage(graph)
        for op in graph.operators:
            for t in op.inputs:
                key = storage.get(t, t) if t is not None else None
                maker = graph.producers.get(key) if key is not None else None
                if key is not None and maker is not None and of[maker] != of[op.index]:
                    readers.setdefault((of[maker], key), set()).add(of[op.index])
        found = sorted(readers)
        return tuple(Flow(maker, tuple(sorted(readers[maker, key]))) for maker, key in found), [key for _, key in found]

    def _passes(self, tensors: Sequence[int]) -> tuple[Any, Any]:
        """Return time and energy of writing each flow anew, by the unit that made it and the one that reads it."""
        units = self._costing.units
        shape = (len(tensors), len(units), len(units))
        time, energy = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for f, t in enumerate(tensors):
            tensor = self._costing.graph.tensors[t]
            for u, source in enumerate(units):
                for v, target in enumerate(units):
                    read, written = passes(tensor, source.runtime, target.runtime, self._costing.batch)
                    if u != v and read + written:
                        time[f, u, v], energy[f, u, v] = self._pass(read, written, v, self._meeting(u, v))
        return time, energy

    def _pass(self, read: int, written: int, v: int, memory: str) -> tuple[int, int]:
        key = read, written, v, memory
        if key not in self._rewritten:
            self._rewritten[key] = self._move(v, Transfer(memory, read, written))
        return self._rewritten[key]

    def _move(self, v: int, transfer: Transfer) -> tuple[int, int]:
        name = self._costing.units[v].name
        phase = Phase("border", 0, (transfer,))
        work = Work((phase,), 0, 0, 0, 0, 0, 0, 0, (), ())
        energy = self._energy.task(name, "int8", work, phase.transfers).total
        demand = self._fabric.demand(name, phase.transfers) if self._fabric else None
        return (alone_ps(demand, self._fabric.capacities) if demand and self._fabric else 0), energy

    def _meeting(self, u: int, v: int) -> str:
        """Return the memory in which two units hand data over: the first of both, off chip unless both keep theirs."""
        platform, a, b = self._costing.platform, self._costing.units[u], self._costing.units[v]
        shared = [m for m in platform.unit(a.name).activations if m in platform.unit(b.name).activations]
        if not (a.runtime.resident and b.runtime.resident):
            shared = [m for m in shared if platform.memories[m].is_external] or shared
        return shared[0]

    def _static(self) -> tuple[int, ...]:
        """Return static power by the set of units in use."""
        names = [unit.name for unit in self._costing.units]
        sets = ([n for v, n in enumerate(names) if mask >> v & 1] for mask in range(1 << len(names)))
        return tuple(sum(nw for _, nw in self._energy.static(used, _NANOSECONDS)) for used in sets)
