"""Records of a run, from its plan, its costs and what the simulation saw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from socsim.cost.audit import audit
from socsim.cost.energy import EnergyModel
from socsim.cost.explain import dispatch_words, energy_words, lever_words, work_words
from socsim.cost.families import kernel_class
from socsim.quantities import PS_PER_S, format_si, format_time
from socsim.records import (
    EnergyAccount,
    Explanation,
    LinkRecord,
    MemoryRecord,
    OperatorRecord,
    PlacementRecord,
    RateRecord,
    RunRecord,
    SliceRecord,
    UnitRecord,
)
from socsim.schedule.cascades import stripes_by_task
from socsim.schedule.kernels import KernelMaker, Residence
from socsim.schedule.precision import PRECISIONS
from socsim.schedule.tiles import MOST_TILES
from socsim.soc.usage import idle_changes
from socsim.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.cost.corrections import Correction
    from socsim.cost.energy import TaskEnergy
    from socsim.cost.memory_plan import MemoryPlan
    from socsim.cost.model import CostModel
    from socsim.cost.work import Kernel, Transfer, Work
    from socsim.engine.network import Ledger
    from socsim.engine.simulation import JobTimes, Outcome, Span
    from socsim.schedule.borders import Border
    from socsim.schedule.cascades import Cascade
    from socsim.schedule.placement import Placed
    from socsim.schedule.tasks import Task, TaskGraph
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph, Operator
    from socsim.workload.weights import StatedSparsity


@dataclass(frozen=True)
class Plan:
    """What is decided before anything is timed."""

    graph: Graph
    platform: Platform
    placed: Sequence[Placed]
    tasks: TaskGraph
    memory: MemoryPlan
    cascades: tuple[Cascade, ...]
    runtimes: Mapping[str, Runtime]
    cores: Mapping[str, int]
    precision: str | None
    batch: int
    models: Mapping[str, CostModel[Any]]
    borders: tuple[Border, ...]
    sparsity: StatedSparsity | None = None

    @cached_property
    def kernels(self) -> KernelMaker:
        """Maker of kernels for this plan's tasks."""
        places = {key: place.memory for key, place in self.memory.places.items()}
        valued = [name for name, model in self.models.items() if model.reads_weight_values]
        residence = Residence(places, stripes_by_task(self.cascades), self._spare)
        return KernelMaker(self.tasks, residence, self.batch, valued=valued, stated=self.sparsity)

    def _spare(self, task: Task) -> int:
        """Return the bytes that a task's constants could use on chip while it runs."""
        arena = self.models[task.unit].arena
        return self.memory.free(arena, task.position) if arena else 0

    @cached_property
    def energy(self) -> EnergyModel:
        """Energies of this plan's platform."""
        return EnergyModel(self.platform)


@dataclass(frozen=True, slots=True)
class Cost:
    """A task's kernel, and the Work and energy that the cost model gave; None where it moves nothing.

    `anew` is what of the Work's bytes rewrites tensors of other units.
    """

    kernel: Kernel
    work: Work | None
    energy: TaskEnergy | None
    anew: tuple[Transfer, ...] = ()


@dataclass(frozen=True, slots=True)
class Corrections:
    """Which calibration holds for the tasks of each unit.

    Args:
        everywhere: for units that have none of their own; None: structure and datasheet numbers alone.
        by_unit: units with one of their own.
    """

    everywhere: Correction | None = None
    by_unit: tuple[tuple[str, Correction], ...] = ()

    def of(self, unit: str) -> Correction | None:
        """Return the calibration of a unit's tasks."""
        return next((own for name, own in self.by_unit if name == unit), self.everywhere)


NO_CORRECTIONS = Corrections()


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a plan was run.

    Args:
        detail: level of detail.
        background: bytes a second that other units read meanwhile, by unit.
        tiles_in_one: tiles that a step of the timeline stands for at most.
        corrections: the calibrations of its times.
        choice: how units were chosen, where a strategy weighed them.
    """

    detail: str
    background: Mapping[str, int]
    tiles_in_one: int = 1
    corrections: Corrections = NO_CORRECTIONS
    choice: PlacementRecord | None = None


class Result:
    """What a run came to: latency and energy at once, everything else when its record is first asked for.

    Args:
        plan: what was decided before.
        costs: of each task.
        outcome: what the simulation saw.
        conditions: how the plan was run.
    """

    def __init__(self, plan: Plan, costs: Sequence[Cost], outcome: Outcome, conditions: Conditions) -> None:
        self._recorder = _Recorder(plan, costs, outcome, conditions)
        self.latency_ps = outcome.makespan_ps

    @cached_property
    def energy_pj(self) -> int:
        """Energy in picojoules."""
        return sum(account.energy_pj for account in self._recorder.energy)

    @property
    def energy_accounts(self) -> tuple[EnergyAccount, ...]:
        """The accounts that add up to it."""
        return self._recorder.energy

    @cached_property
    def cycle_energy_pj(self) -> int:
        """What busy cycles have in the units' accounts, whatever they compute."""
        return sum(cost.energy.cycles for cost in self._recorder.costs if cost.energy)

    @cached_property
    def record(self) -> RunRecord:
        """Everything that the run leaves behind."""
        return self._recorder.record()


class _Recorder:
    def __init__(self, plan: Plan, costs: Sequence[Cost], outcome: Outcome, conditions: Conditions) -> None:
        self.plan = plan
        self.costs = costs
        self.outcome = outcome
        self.conditions = conditions

    @cached_property
    def used(self) -> list[str]:
        """Units that run a task, in order of their first."""
        return list(dict.fromkeys(t.unit for t in self.plan.tasks.tasks))

    def record(self) -> RunRecord:
        plan, graph, platform = self.plan, self.plan.graph, self.plan.platform
        correction = self._home_correction
        operators = tuple(self._operator(op) for op in graph.operators)
        return RunRecord(
            version=__version__,
            model=graph.name,
            model_format=graph.source_format,
            model_sha256=graph.sha256,
            platform=platform.name,
            platform_title=platform.file.title,
            overrides=platform.overrides,
            opps=tuple(sorted(self._clock_settings())),
            preferred_unit=next(iter(plan.runtimes)),
            detail=self.conditions.detail,
            precision=plan.precision,
            batch=plan.batch,
            background=tuple(self.conditions.background.items()),
            latency_ps=self.outcome.makespan_ps,
            energy_pj=sum(account.energy_pj for account in self.energy),
            macs=graph.macs * plan.batch,
            parameters=graph.parameters,
            operators=operators,
            units=tuple(self._unit(name) for name in self.used),
            links=tuple(self._link(name) for name in platform.links),
            memories=tuple(self._memory(name) for name in platform.memories),
            energy=self.energy,
            explanations=tuple(self._explanation(task) for task in plan.tasks.tasks),
            slices=tuple(s for task in plan.tasks.tasks for s in self._slices(task)),
            rates=tuple(RateRecord(*change) for change in self.outcome.rates),
            assumed_numbers=platform.assumed_numbers,
            platform_numbers=platform.numbers,
            notes=graph.notes,
            warnings=self._warnings(),
            calibration=correction.origin if correction else None,
            calibrated=correction is not None and correction.is_own,
            calibration_error=correction.error if correction else None,
            placement=self.conditions.choice,
        )

    @property
    def _home_correction(self) -> Correction | None:
        """The calibration of the unit that operators go to first."""
        return self.conditions.corrections.of(next(iter(self.plan.runtimes)))

    def _clock_settings(self) -> set[tuple[str, str]]:
        """Return clock and operating point of each unit in use; a free frequency goes by its unit."""
        platform, settings = self.plan.platform, set()
        for unit in self.used:
            clock = platform.unit(unit).clock
            name = clock if clock in platform.file.clocks else f"units.{unit}.clock"
            settings.add((name, platform.clock(clock).opp))
        return settings

    # --- operators ------------------------------------------------------------------------------------

    def _operator(self, op: Operator) -> OperatorRecord:
        placed = self.plan.placed[op.index]
        position = self.plan.tasks.task_of.get(op.index)
        task = None if position is None else self.plan.tasks.tasks[position]
        if task is None or task.root.index != op.index:
            folded = self.plan.tasks.folded.get(op.index, "")
            into = task.root.index if task else None
            return _folded_row(op, placed.unit, f"{placed.reason}; {folded}", into, op.macs * self.plan.batch)
        return self._costed_row(op, task, placed.reason)

    def _costed_row(self, op: Operator, task: Task, reason: str) -> OperatorRecord:
        cost, times = self.costs[task.position], self.outcome.times[task.position]
        work = cost.work
        read, written, dram = self._moved(work)
        macs = sum(m.macs for m in task.members) * self.plan.batch
        latency = times.end_ps - times.start_ps
        return OperatorRecord(
            index=op.index,
            name=op.name,
            type=op.type,
            unit=task.unit,
            placement_reason=reason,
            start_ps=times.start_ps,
            end_ps=times.end_ps,
            latency_ps=latency,
            compute_ps=times.compute_ps,
            memory_wait_ps=times.memory_wait_ps,
            bus_wait_ps=times.bus_wait_ps,
            dispatch_ps=times.dispatch_ps,
            sync_ps=times.sync_ps,
            bound=bound(times),
            macs=macs,
            executed_macs=work.executed_macs if work else 0,
            utilisation=self._utilisation(task, work, latency),
            arithmetic_intensity=2 * macs / dram if macs and dram else None,
            read_bytes=read,
            write_bytes=written,
            weight_bytes=work.weight_bytes if work else 0,
            dram_bytes=dram,
            energy_pj=cost.energy.total if cost.energy else 0,
            fused_into=None,
            overlapped_ps=times.overlapped_ps,
        )

    def _moved(self, work: Work | None) -> tuple[int, int, int]:
        """Return bytes read, bytes written, and both over external memory."""
        read = written = external = 0
        for phase in work.phases if work else ():
            for t in phase.transfers:
                read += t.read_bytes
                written += t.write_bytes
                if self.plan.platform.memories[t.memory].is_external:
                    external += t.read_bytes + t.write_bytes
        return read, written, external

    def _utilisation(self, task: Task, work: Work | None, latency: int) -> float | None:
        peak = self.plan.models[task.unit].peak_macs_per_s(task.dtype)
        if work is None or not work.executed_macs or not peak or not latency:
            return None
        return work.executed_macs * PS_PER_S / (peak * latency)

    def _explanation(self, task: Task) -> Explanation:
        times = self.outcome.times[task.position]
        parts = (
            f"compute {format_time(times.compute_ps)} + memory wait {format_time(times.memory_wait_ps)} + bus wait "
            f"{format_time(times.bus_wait_ps)} + dispatch {format_time(times.dispatch_ps)} + sync "
            f"{format_time(times.sync_ps)} = {format_time(times.end_ps - times.start_ps)}"
        )
        hidden = f"{format_time(times.overlapped_ps)} of transfers ran beside compute"
        duty = self._duty_cycle() if task.position == 0 and self._is_always_on else ()
        terms = (parts, *self._work_terms(task), *self._cascade_words(task), hidden, *duty)
        return Explanation(task.root.index, terms, self._levers(task))

    def _work_terms(self, task: Task) -> tuple[str, ...]:
        """Return the cost model's words, then cycles, bytes, reuse, dispatch and energy."""
        cost, times = self.costs[task.position], self.outcome.times[task.position]
        if cost.work is None:
            return ("moves no data: the runtime only dispatches it",)
        return (
            *cost.work.terms,
            *work_words(cost.kernel, cost.work, self.plan.platform.unit_hz(task.unit)),
            *dispatch_words(times.dispatch_ps, cost.work.setup_ps, self.plan.runtimes[task.unit].name),
            *self._border_words(cost),
            *self._calibration_words(task),
            *(energy_words(cost.energy) if cost.energy else ()),
        )

    @staticmethod
    def _border_words(cost: Cost) -> tuple[str, ...]:
        """Say what is written anew because it comes from another unit."""
        if not cost.anew:
            return ()
        read, written = sum(t.read_bytes for t in cost.anew), sum(t.write_bytes for t in cost.anew)
        return (f"at its border {read} B of another unit's results are read and {written} B written anew",)

    def _calibration_words(self, task: Task) -> tuple[str, ...]:
        """Say what the calibration makes of a task's times."""
        correction = self.conditions.corrections.of(task.unit)
        if correction is None:
            return ()
        at_home = self.plan.platform.unit(task.unit).kind == correction.kind
        kind = kernel_class(self.costs[task.position].kernel, at_home=at_home)
        factor, host = correction.compute(kind, self.plan.cores[task.unit]), self.plan.runtimes[task.unit]
        own, hz = host.per_operator.value, self.plan.platform.unit_hz(task.unit)
        each = correction.operator_ps(own, hz) if at_home else own
        ports = f", time at the port x {correction.ports:.3g}" if at_home and correction.ports != 1 else ""
        return (
            f"calibration ({correction.origin}): compute x {factor:.3g} as {kind.family} in {kind.width}{ports}, "
            f"{format_time(each)} of the host for each kernel",
        )

    def _levers(self, task: Task) -> tuple[str, ...]:
        """Return what helps against what binds a task, then what its cost model would change."""
        cost, times = self.costs[task.position], self.outcome.times[task.position]
        parts = {
            "compute": times.compute_ps, "memory": times.memory_wait_ps, "bus": times.bus_wait_ps,
            "dispatch": times.dispatch_ps, "sync": times.sync_ps,
        }  # fmt: skip
        own = lever_words(bound(times), parts, times.end_ps - times.start_ps)
        return (*own, *(cost.work.levers if cost.work else ()))

    @cached_property
    def _cascades(self) -> dict[int, Cascade]:
        """Cascades by the positions of their tasks."""
        return {position: cascade for cascade in self.plan.cascades for position in cascade.positions}

    def _cascade_words(self, task: Task) -> tuple[str, ...]:
        """Say with which operators a task of a cascade takes turns."""
        cascade = self._cascades.get(task.position)
        if cascade is None:
            return ()
        first, last = (self.plan.tasks.tasks[position].root.index for position in (cascade.first, cascade.last))
        return (f"operators {first} to {last} take turns in {cascade.stripes} stripes: rows between them stay on chip",)

    @property
    def _is_always_on(self) -> bool:
        """Whether only an always-on hub works, so that the rest of the chip can sleep between inferences."""
        return all(self.plan.platform.unit(name).kind == "sensing_hub" for name in self.used)

    def _duty_cycle(self) -> tuple[str, ...]:
        """Return the mean power of a hub that infers once in a period and waits for its trigger in between."""
        waiting, makespan = self.plan.energy.waiting_nw(self.used), self.outcome.makespan_ps
        spent = sum(account.energy_pj for account in self.energy)
        added = spent - waiting * makespan / 10**9  # pJ; 1 nW for 1 ps is 10**-9 pJ
        shown = [
            f"waiting for its trigger the platform draws {format_si(waiting * 1e-9, 'W')}",
            f"an inference adds {format_si(added * 1e-12, 'J')} to that",
            *(
                f"{format_si(added * 1e-12 / seconds, 'W')} on average with one every {seconds} s"
                for seconds in (1, 10, 60)
                if seconds * PS_PER_S >= makespan
            ),
        ]
        return ("; ".join(shown),)

    def _slices(self, task: Task) -> list[SliceRecord]:
        times, label = self.outcome.times[task.position], f"{task.root.index} {task.root.type}"
        made = []
        lead = times.dispatch_ps + times.sync_ps
        if lead:
            made.append(
                SliceRecord(task.unit, "dispatch", label, task.root.index, times.start_ps, times.start_ps + lead, 0, 0)
            )
        for span in times.spans:
            if span.compute_ps:  # drawn from the start, so that the rest of the phase shows as waiting
                end = span.start_ps + span.compute_ps
                made.append(SliceRecord(task.unit, "compute", label, task.root.index, span.start_ps, end, 0, 0))
            when = task.root.index, span.start_ps, span.end_ps
            made += [
                SliceRecord(task.unit, track, f"{label} {span.label}", *when, read, written)
                for track, read, written in self._moves(span)
                if read or written
            ]
        return made

    def _moves(self, span: Span) -> tuple[tuple[str, int, int], ...]:
        """Return the tracks of a phase's transfers, with the bytes read and written on each."""
        if self.conditions.detail == "tile":
            return ("load", span.read_bytes, 0), ("store", 0, span.write_bytes)
        return (("dma", span.read_bytes, span.write_bytes),)

    # --- units, links, memories -----------------------------------------------------------------------

    def _unit(self, name: str) -> UnitRecord:
        platform = self.plan.platform
        tasks = [t for t in self.plan.tasks.tasks if t.unit == name]
        busy = sum(self.outcome.times[t.position].end_ps - self.outcome.times[t.position].start_ps for t in tasks)
        works = [self.costs[t.position] for t in tasks]
        macs = sum(c.work.executed_macs for c in works if c.work)
        peaks = [self.plan.models[name].peak_macs_per_s(t.dtype) or 0 for t in tasks if t.root.loops]
        clock = platform.clock(platform.unit(name).clock)
        memory = self._busiest_memory(name)
        return UnitRecord(
            name=name,
            kind=platform.unit(name).kind,
            runtime=self.plan.runtimes[name].name,
            opp=clock.opp,
            clock_hz=clock.hz,
            cores=self.plan.cores[name],
            operators=sum(p.unit == name for p in self.plan.placed),
            busy_ps=busy,
            idle_ps=self.outcome.makespan_ps - busy,
            executed_macs=macs,
            peak_macs_per_s=max(peaks, default=None),
            memory=memory,
            memory_bytes_per_s=platform.reach_bytes_per_s(name, memory, self.plan.cores[name]),
            energy_pj=sum(c.energy.unit for c in works if c.energy),
        )

    def _busiest_memory(self, unit: str) -> str:
        """Return the off-chip memory with which a unit exchanged most; where none did, the one that it has."""
        moved = {
            name: sum(amount for who, amount in self._initiators(name) if who == unit)
            for name, memory in self.plan.platform.memories.items()
            if memory.is_external
        }
        most = max(moved, key=lambda name: moved[name], default=None)
        return most if most is not None and moved[most] else self.plan.platform.outer_memory(unit)

    def _initiators(self, resource: str) -> tuple[tuple[str, int], ...]:
        """Return bytes by initiator over both directions of a link or memory."""
        ledgers = self.outcome.ledgers
        return _initiators(ledgers[f"{resource}.read"], ledgers[f"{resource}.write"])

    def _link(self, name: str) -> LinkRecord:
        read, write = self.outcome.ledgers[f"{name}.read"], self.outcome.ledgers[f"{name}.write"]
        return LinkRecord(
            name=name,
            bytes_per_s=self.plan.platform.links[name].bytes_per_s,
            read_bytes=read.bytes,
            write_bytes=write.bytes,
            busy_ps=max(read.busy_ps, write.busy_ps),
            initiators=self._initiators(name),
            energy_pj=sum(pj for c in self.costs if c.energy for n, pj in c.energy.links if n == name),
        )

    def _memory(self, name: str) -> MemoryRecord:
        memory, use = self.plan.platform.memories[name], self.plan.memory.use[name]
        read, write = self.outcome.ledgers[f"{name}.read"], self.outcome.ledgers[f"{name}.write"]
        busy = self.outcome.ledgers[name].busy_ps if memory.shared_pins else max(read.busy_ps, write.busy_ps)
        return MemoryRecord(
            name=name,
            kind=memory.kind,
            capacity_bytes=memory.bytes,
            peak_bytes=use.peak_bytes,
            weight_bytes=use.weight_bytes,
            activation_peak_bytes=use.activation_peak_bytes,
            bytes_per_s=memory.burst_bytes_per_s if self.conditions.detail == "burst" else memory.read_bytes_per_s,
            read_bytes=read.bytes,
            write_bytes=write.bytes,
            busy_ps=busy,
            initiators=self._initiators(name),
            energy_pj=sum(pj for c in self.costs if c.energy for n, pj in c.energy.memories if n == name),
        )

    @cached_property
    def energy(self) -> tuple[EnergyAccount, ...]:
        """Energy by account: units, memories and links for work done, then static power."""
        units: dict[str, int] = dict.fromkeys(self.used, 0)
        memories: dict[str, int] = {}
        links: dict[str, int] = {}
        for task, cost in zip(self.plan.tasks.tasks, self.costs, strict=True):
            if cost.energy:
                units[task.unit] += cost.energy.unit
                for table, parts in ((memories, cost.energy.memories), (links, cost.energy.links)):
                    for name, pj in parts:
                        table[name] = table.get(name, 0) + pj
        static = self.plan.energy.static(self.used, self.outcome.makespan_ps)
        return tuple(
            EnergyAccount(kind, name, pj)
            for kind, rows in (
                ("unit", units.items()),
                ("memory", memories.items()),
                ("link", links.items()),
                ("static", static),
            )
            for name, pj in rows
        )

    def _warnings(self) -> tuple[str, ...]:
        moved: dict[str, list[Operator]] = {}
        preferred = next(iter(self.plan.runtimes))
        for op, placed in zip(self.plan.graph.operators, self.plan.placed, strict=True):
            if placed.unit != preferred and op.index in self.plan.tasks.task_of:
                moved.setdefault(placed.unit, []).append(op)
        lines = [
            f"{len(ops)} of {len(self.plan.graph.operators)} operators run on {unit}, not on {preferred}: "
            + ", ".join(sorted({op.label for op in ops}))
            for unit, ops in moved.items()
        ]
        lines += [
            *self._type_warnings(), *self._clock_warnings(), *self._background_warnings(), *self._sparsity_warnings(),
            *self._tile_warnings(), *self._audit_warnings(), *self._idle_changes(),
        ]  # fmt: skip
        lines += self._calibration_warnings()
        if self.outcome.makespan_ps == 0:
            lines.append("the run took no time: the network has no operators that cost anything")
        return tuple(lines)

    def _calibration_warnings(self) -> list[str]:
        """Say where the times are not calibrated on what runs here."""
        correction = self._home_correction
        if correction is None:
            return ["uncalibrated: structure and datasheet numbers alone, no error range is known for this platform"]
        if not correction.is_own:
            return [f"not measured here: times follow {correction.origin}, and no error range is known"]
        return []

    def _type_warnings(self) -> list[str]:
        """Say in which type operators compute where a precision was asked for."""
        if self.plan.precision is None:
            return []
        wanted = PRECISIONS[self.plan.precision][1].value
        others: dict[tuple[str, str], int] = {}
        for task in self.plan.tasks.tasks:
            if task.root.loops and task.dtype != wanted:
                others[task.unit, task.dtype] = others.get((task.unit, task.dtype), 0) + 1
        return [
            f"precision {self.plan.precision}: {count} operators on {unit} compute in {dtype}, not in {wanted}"
            for (unit, dtype), count in others.items()
        ]

    def _sparsity_warnings(self) -> list[str]:
        """Say what a stated sparsity replaces, and where it has no effect."""
        stated = self.plan.sparsity
        if stated is None:
            return []
        words = f"{stated.zeros_ppm / 10**4:g} % of the weights are zero{', two of every four' * stated.is_two_of_four}"
        using = [u for u in self.used if self.plan.models[u].reads_weight_values]
        if not using:
            return [f"{words}, as stated: no unit that runs operators gains from it"]
        return [f"{words}, as stated, whatever the model holds: counts on {', '.join(using)}"]

    def _clock_warnings(self) -> list[str]:
        platform = self.plan.platform
        free = [u for u in self.used if platform.unit(u).clock not in platform.file.clocks]
        return [
            f"units.{u}.clock is a free frequency: its voltage is not known, so energy does not follow it" for u in free
        ]

    def _audit_warnings(self) -> list[str]:
        """Say which costs cannot be right; each is looked at once, however many operators share it."""
        lines, seen = [], set()
        for task, cost in zip(self.plan.tasks.tasks, self.costs, strict=True):
            if cost.work is None or (task.unit, id(cost)) in seen:
                continue
            seen.add((task.unit, id(cost)))
            found = audit(cost.kernel, cost.work, self.plan.models[task.unit].rates())
            where = f"operator {task.root.index} {task.root.type}: the cost model of {task.unit} is wrong"
            lines += [f"{where}: {fault}" for fault in found]
        return lines

    def _idle_changes(self) -> list[str]:
        """Say which values that `with_` set had no part in the run."""
        used = {*self.used, *self.conditions.background}
        return [f"{path} was changed, but {why}" for path, why in idle_changes(self.plan.platform, used)]

    def _tile_warnings(self) -> list[str]:
        """Say where the timeline does not show every tile."""
        together = self.conditions.tiles_in_one
        if together == 1:
            return []
        shown = f"up to {together:,} of an operator are one step"
        return [f"there are more tiles than the {MOST_TILES:,} steps of a timeline: {shown}"]

    def _background_warnings(self) -> list[str]:
        """Say where background traffic did not reach the rate that was asked for."""
        lines = []
        for unit, rate in self.conditions.background.items():
            memory = self.plan.platform.unit(unit).activations[-1]
            moved = dict(self._initiators(memory)).get(unit, 0)
            reached = moved * PS_PER_S // max(1, self.outcome.makespan_ps)
            if unit not in self.used and reached < rate * 99 // 100:
                asked, got = format_si(rate, "B/s", digits=4), format_si(reached, "B/s", digits=4)
                lines.append(f"background of {unit}: {asked} were asked for, its port and the bus grant {got}")
        return lines


def _initiators(*ledgers: Ledger) -> tuple[tuple[str, int], ...]:
    total: dict[str, int] = {}
    for ledger in ledgers:
        for name, moved in (ledger.initiators or {}).items():
            total[name] = total.get(name, 0) + moved
    return tuple(sorted(total.items()))


def _folded_row(op: Operator, unit: str, reason: str, into: int | None, macs: int) -> OperatorRecord:
    return OperatorRecord(
        index=op.index, name=op.name, type=op.type, unit=unit, placement_reason=reason,
        start_ps=None, end_ps=None, latency_ps=None, compute_ps=None, memory_wait_ps=None, bus_wait_ps=None,
        dispatch_ps=None, sync_ps=None, bound=None, macs=macs, executed_macs=None, utilisation=None,
        arithmetic_intensity=None, read_bytes=None, write_bytes=None, weight_bytes=None, dram_bytes=None,
        energy_pj=None, fused_into=into, overlapped_ps=None,
    )  # fmt: skip


def bound(times: JobTimes) -> str:
    """Return what decides an operator's time: compute, memory, bus, dispatch or sync.

    A phase that lasts longer than its compute is bound by its transfers as a whole: faster compute
    would not shorten it.
    """
    waiting = "bus" if times.bus_wait_ps > times.memory_wait_ps else "memory"
    parts = {"compute": 0, waiting: 0, "dispatch": times.dispatch_ps, "sync": times.sync_ps}
    for span in times.spans:
        elapsed = span.end_ps - span.start_ps
        parts["compute" if elapsed <= span.compute_ps else waiting] += elapsed
    return max(parts, key=lambda name: parts[name])
