"""Relations that hold for the cost model of any unit, whatever its numbers are.

Each function takes a subject and returns the violations that it found, in words. Rates are whole bytes a second and
ends of phases whole picoseconds; what that rounds is allowed for, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from socsim.cost.audit import audit
from socsim.cost.energy import EnergyModel
from socsim.cost.work import Phase, Transfer
from socsim.engine.closed_form import analyse
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, simulate
from socsim.pipeline import Options, make_plan, run_graph
from socsim.quantities import PS_PER_S, ceil_div
from socsim.records import LATENCY_PARTS
from socsim.report.documents import to_json
from socsim.schedule.placement import candidates, refusal_reason
from socsim.soc.loader import load_platform
from socsim.soc.platform import Platform
from socsim.testing import variants
from socsim.testing.networks import probes as small_networks
from socsim.testing.networks import renamed
from socsim.testing.verify import verify
from socsim.workload.dtypes import DType
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from socsim.cost.model import CostModel
    from socsim.cost.work import Kernel, Work
    from socsim.recording import Plan
    from socsim.records import RunRecord
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph

_TYPES = (DType.INT8, DType.INT16, DType.FLOAT16, DType.FLOAT32)
_TIMES = ("start_ps", "end_ps", "latency_ps", *LATENCY_PARTS)
_DETAILS = ("transaction", "analytic", "tile")
_GRAIN = 10**6
"""Rates of a megabyte a second and more, in whole bytes a second, are exact to one part in so many."""
_PHASES = 8
"""Phases of a network of two operators, at most."""
_SCALE_BYTES = 16
"""Of bias, multiplier and shift of one output channel, at most."""
_MAIN = frozenset({"convolution", "depthwise", "matrix-vector", "addition"})
"""What is tried in each type that a unit computes in."""


@dataclass(frozen=True)
class Subject:
    """A unit on a platform, and small networks that it runs on its own.

    Args:
        platform: the platform.
        unit: one of its units.
        probes: networks by name.
    """

    platform: Platform
    unit: str
    probes: Mapping[str, Graph]

    @classmethod
    def of(cls, platform: Platform | str | Path, unit: str, probes: Mapping[str, Graph] | None = None) -> Subject:
        """Return the subject; without probes, every kind of kernel in every type that the unit has."""
        soc = platform if isinstance(platform, Platform) else _loaded(platform)
        return cls(soc, unit, _runnable(soc, unit) if probes is None else probes)

    def __str__(self) -> str:
        return f"{self.unit} on {self.platform.name}"

    @cached_property
    def plain(self) -> Platform:
        """The platform with DRAM as a plain rate."""
        return variants.stateless(self.platform)

    @property
    def memories(self) -> tuple[str, ...]:
        """Memories that the unit's operands may lie in."""
        spec = self.platform.unit(self.unit)
        return tuple(dict.fromkeys((*spec.activations, *spec.weights)))

    @property
    def runtime(self) -> Runtime:
        """The unit's own runtime."""
        return self.platform.runtime(self.unit)

    def run(self, graph: Graph, platform: Platform | None = None, **options: Any) -> RunRecord:
        """Return the record of a network on the unit; nothing that an earlier run left with the graph stands in."""
        return run_graph(replace(graph), platform or self.platform, Options(unit=self.unit, **options))

    def plan(self, graph: Graph, platform: Platform | None = None) -> Plan:
        """Return the plan of a network on the unit."""
        return make_plan(replace(graph), platform or self.platform, Options(unit=self.unit))

    def works(self, graph: Graph, platform: Platform | None = None) -> list[tuple[Kernel, Work, CostModel[Any]]]:
        """Return kernel, Work and cost model of each task of a network that moves or computes anything."""
        plan = self.plan(graph, platform)
        made = []
        for task in plan.tasks.tasks:
            kernel, model = plan.kernels.kernel(task), plan.models[task.unit]
            if kernel.loops or kernel.inputs or kernel.outputs or kernel.weights:
                made.append((kernel, model.work(kernel), model))
        return made


@cache
def _loaded(name: str | Path) -> Platform:
    return load_platform(name)


def _runnable(platform: Platform, unit: str) -> dict[str, Graph]:
    """Return the small networks of which the unit runs every operator: all in one type, the main ones in others."""
    candidate = candidates(platform, [unit], {})[0]
    found: dict[str, Graph] = {}
    computed: set[str] = set()
    for dtype in _TYPES:
        runs = candidate.runtime.executes.get(dtype.value)
        if runs is None or runs in computed:
            continue
        names = set(_MAIN) if computed else None
        computed.add(runs)
        for name, graph in small_networks(dtype, names).items():
            if all(refusal_reason(candidate, graph, op) is None for op in graph.operators):
                found[f"{name} in {dtype.value}"] = graph
    return found


def _slack(subject: Subject, latency_ps: int, phases: int = _PHASES) -> int:
    """Return what rounding may add to a time.

    Rates are whole bytes a second, and a phase ends at a whole picosecond and moves whole bytes: two of them, one
    for each direction, at the rate of the slowest memory.
    """
    rates = (subject.platform.port_bytes_per_s(subject.unit, m) for m in subject.memories)
    slowest = min(*rates, *(subject.platform.memories[m].read_bytes_per_s for m in subject.memories))
    return phases * (2 + 2 * PS_PER_S // slowest) + latency_ps // _GRAIN


# --- one Work -----------------------------------------------------------------------------------------


def it_has_probes(subject: Subject) -> list[str]:
    """The unit runs at least one operator, and multiplies where it has rates."""
    if not subject.probes:
        return ["runs none of the small networks: its runtime has kernels for none of their operators"]
    multiplies = any(op.macs for graph in subject.probes.values() for op in graph.operators)
    return [] if multiplies else ["runs no multiply-accumulate operator of the small networks"]


def arithmetic_takes_time(subject: Subject) -> list[str]:
    """Multiply-accumulates take cycles, executed ones no fewer than the peak allows; every operator costs something."""
    return [fault for name, graph in subject.probes.items() for fault in _arithmetic(subject, name, graph)]


def _arithmetic(subject: Subject, name: str, graph: Graph) -> Iterator[str]:
    for kernel, work, model in subject.works(graph):
        yield from (f"{name}: {fault}" for fault in audit(kernel, work, model.rates()))
        if not work.terms:
            yield f"{name}: the Work has no terms, so nobody can see why it costs what it costs"
        yield from (f"{name}: {what} is {amount}, below zero" for what, amount in _amounts(work) if amount < 0)


def _amounts(work: Work) -> Iterator[tuple[str, int]]:
    counts = ("executed_macs", "vector_elements", "local_bytes", "core_cycles", "weight_bytes", "setup_ps", "sync_ps")
    yield from ((what, getattr(work, what)) for what in (*counts, "conversions"))
    for phase in work.phases:
        yield f"cycles of phase {phase.label!r}", phase.compute_cycles
        for move in phase.transfers:
            yield f"bytes read in phase {phase.label!r}", move.read_bytes
            yield f"bytes written in phase {phase.label!r}", move.write_bytes


def bytes_lie_between_compulsory_and_demand(subject: Subject) -> list[str]:
    """What the caller hands over is read once or more, results are written, and no product reads more than it takes."""
    return [fault for name, graph in subject.probes.items() for fault in _bytes(subject, name, graph)]


def _bytes(subject: Subject, name: str, graph: Graph) -> Iterator[str]:
    for kernel, work, model in subject.works(graph):
        moved = [t for phase in work.phases for t in phase.transfers]
        read, written = (sum(t.read_bytes for t in moved), sum(t.write_bytes for t in moved))
        given = sum(o.bytes for o in kernel.inputs if not o.private)
        made = sum(o.bytes for o in kernel.outputs if not o.private)
        weights = 0 if model.weights_resident else work.weight_bytes
        demand = _demand(kernel, subject.platform.unit(subject.unit).port.burst.value)
        if read < given + weights:
            yield f"{name}: reads {read} B, of which {given} B of operands and {weights} B of weights come from memory"
        if written < made:
            yield f"{name}: writes {written} B of {made} B of results"
        if kernel.category is Category.MAC and read > max(demand, kernel.input_bytes + kernel.weight_bytes):
            yield f"{name}: reads {read} B, though {kernel.macs} products take {demand} B"


def _demand(kernel: Kernel, burst: int) -> int:
    """Return the bytes of operands where each run of channels is fetched for itself, in whole bursts.

    With them come a bias and a scale for each output channel.
    """
    total = 0
    for nest in kernel.loops:
        run = burst * ceil_div(ceil_div(nest.c * kernel.element_bits, 8), burst)
        total += 2 * run * (nest.macs // nest.c) + _SCALE_BYTES * nest.g * nest.k
    return total


def the_same_twice(subject: Subject) -> list[str]:
    """Two runs leave the same bytes, and two models give the same Work."""
    found = []
    for name, graph in subject.probes.items():
        if [w for _, w, _ in subject.works(graph)] != [w for _, w, _ in subject.works(graph)]:
            found.append(f"{name}: two models of one unit give different Works")
        if len({to_json(subject.run(graph)) for _ in range(2)}) > 1:
            found.append(f"{name}: two runs leave different results")
    return found


# --- one run ------------------------------------------------------------------------------------------


def books_balance(subject: Subject) -> list[str]:
    """The independent checker finds nothing: parts add up, no rate or utilisation exceeds its peak."""
    return [
        f"{name}, {detail}: {fault}"
        for name, graph in subject.probes.items()
        for detail in _DETAILS
        for fault in verify(subject.run(graph, detail=detail), graph)
    ]


def details_agree(subject: Subject) -> list[str]:
    """Without contention events take as long as the closed form, and tiles at most a cycle more for each step."""
    found = []
    cycle = ceil_div(PS_PER_S, subject.platform.unit_hz(subject.unit))
    for name, graph in subject.probes.items():
        records = [subject.run(graph, detail=detail) for detail in _DETAILS]
        events, closed, tiles = (record.latency_ps for record in records)
        slack, steps = _slack(subject, closed), len(records[-1].slices)
        if abs(events - closed) > slack:
            found.append(f"{name}: {events} ps in events, {closed} ps in closed form")
        if not closed - slack <= tiles <= closed + steps * cycle + _slack(subject, closed, _PHASES + steps):
            found.append(f"{name}: {tiles} ps tile by tile, {closed} ps in closed form")
    return found


def names_change_only_names(subject: Subject) -> list[str]:
    """Other names of tensors and operators change nothing else."""
    found = []
    for name, graph in subject.probes.items():
        base, other = subject.run(graph), subject.run(renamed(graph))
        operators = tuple(replace(row, name=old.name) for row, old in zip(other.operators, base.operators, strict=True))
        if replace(other, operators=operators) != base:
            found.append(f"{name}: with other names {other.latency_ps} ps, {base.latency_ps} ps before")
    return found


# --- slower and faster hardware -----------------------------------------------------------------------


def time_scales(subject: Subject) -> list[str]:
    """Clocks divided by a factor and fixed times multiplied by it multiply all times by it, and nothing else."""
    return [fault for factor in (2, 5) for fault in _scaled(subject, factor)]


def _scaled(subject: Subject, factor: int) -> Iterator[str]:
    slow, runtime = variants.slower(subject.plain, factor), variants.slower_runtime(subject.runtime, factor)
    for name, graph in subject.probes.items():
        before, after = subject.run(graph, subject.plain), subject.run(graph, slow, runtime=runtime)
        for old, new in zip(before.operators, after.operators, strict=True):
            if (old.unit, old.fused_into, old.read_bytes) != (new.unit, new.fused_into, new.read_bytes):
                yield f"{name}: on clocks {factor} times slower operator {old.index} is done in another way"
            for what in _TIMES if old.latency_ps is not None else ():
                wanted, found = factor * getattr(old, what), getattr(new, what)
                if abs(found - wanted) > factor * _slack(subject, before.latency_ps):
                    yield f"{name}: {what} is {found} ps on clocks {factor} times slower, not {wanted} ps"


def faster_is_never_slower(subject: Subject) -> list[str]:
    """No higher clock or rate, and no shorter fixed time, makes one operator slower that is done in the same way.

    Allowed is an edge of the unit's clock for each phase. A model that moves other bytes on other hardware (it stages
    weights, or tiles anew) answers for another way of doing the operator.
    """
    made = variants.faster_parts(subject.plain, subject.unit, 2)
    edges = _PHASES * PS_PER_S // subject.plain.unit_hz(subject.unit)
    found = []
    for name, graph in subject.probes.items():
        base = subject.run(graph, subject.plain, detail="analytic")
        allowed = base.latency_ps + edges + _slack(subject, base.latency_ps)
        for path, platform in made.items():
            fast = subject.run(graph, platform, detail="analytic")
            if fast.latency_ps > allowed and _moved(fast) == _moved(base):
                found.append(f"{name}: {fast.latency_ps} ps with a better {path}, {base.latency_ps} ps before")
    return found


def _moved(record: RunRecord) -> list[tuple[str, int, int]]:
    return [(memory.name, memory.read_bytes, memory.write_bytes) for memory in record.memories]


def boundless_memory_leaves_compute(subject: Subject) -> list[str]:
    """With memories, links and ports that are fast enough, an operator takes its cycles and fixed times."""
    made = variants.boundless_memory(subject.plain, subject.unit)
    found = []
    for name, graph in subject.probes.items():
        base, fast = subject.run(graph, subject.plain), subject.run(graph, made)
        waited = [sum((op.memory_wait_ps or 0) + (op.bus_wait_ps or 0) for op in r.operators) for r in (base, fast)]
        if waited[1] > waited[0] // 1000 + _slack(subject, base.latency_ps):
            found.append(f"{name}: still waits {waited[1]} ps for memories without bounds, {waited[0]} ps before")
        if fast.latency_ps > base.latency_ps + _slack(subject, base.latency_ps):
            found.append(f"{name}: {fast.latency_ps} ps with memories without bounds, {base.latency_ps} ps before")
    return found


def boundless_compute_leaves_memory(subject: Subject) -> list[str]:
    """With a clock that is fast enough, an operator takes as long as its bytes alone, and its fixed times."""
    made = variants.boundless_compute(subject.plain, subject.unit)
    fabric = Fabric(made, {})
    found = []
    for name, graph in subject.probes.items():
        phases = [phase for _, work, _ in subject.works(graph, made) for phase in work.phases]
        full, bytes_only = (_alone(subject, fabric, made, p) for p in (phases, _without_cycles(phases)))
        cycles_ps = sum(p.compute_cycles for p in phases) * PS_PER_S // made.unit_hz(subject.unit) + 1
        if not bytes_only <= full <= bytes_only + cycles_ps + _slack(subject, bytes_only, len(phases)):
            found.append(f"{name}: {full} ps with a boundless clock, {bytes_only} ps for the bytes alone")
    return found


def a_phase_takes_the_longer_of_its_parts(subject: Subject) -> list[str]:
    """Work lasts at least as long as its cycles and as its bytes, and at most both; empty transfers take no time."""
    fabric = Fabric(subject.plain, {})
    found = []
    for name, graph in subject.probes.items():
        phases = [phase for _, work, _ in subject.works(graph, subject.plain) for phase in work.phases]
        full, compute, moving, empty = (
            _alone(subject, fabric, subject.plain, part)
            for part in (phases, _without_bytes(phases), _without_cycles(phases), _with_empty_transfers(phases))
        )
        if not max(compute, moving) <= full + _slack(subject, full) or full > compute + moving + _slack(
            subject, full, len(phases)
        ):
            found.append(f"{name}: {full} ps, with {compute} ps of cycles and {moving} ps of bytes")
        if empty != compute:
            found.append(f"{name}: transfers of no bytes make {empty} ps of {compute} ps")
    return found


def _without_cycles(phases: Sequence[Phase]) -> list[Phase]:
    return [replace(phase, compute_cycles=0) for phase in phases]


def _without_bytes(phases: Sequence[Phase]) -> list[Phase]:
    return [replace(phase, transfers=()) for phase in phases]


def _with_empty_transfers(phases: Sequence[Phase]) -> list[Phase]:
    return [replace(p, transfers=tuple(Transfer(t.memory, 0, 0) for t in p.transfers)) for p in phases]


def _alone(subject: Subject, fabric: Fabric, platform: Platform, phases: Sequence[Phase]) -> int:
    job = Job(0, subject.unit, platform.unit_hz(subject.unit), 0, 0, tuple(phases), ())
    return analyse([job], fabric).makespan_ps


def two_initiators_share(subject: Subject) -> list[str]:
    """Beside another unit, work takes as long as the slower alone at least, and as both in turn at most."""
    other = _companion(subject.plain, subject.unit)
    if other is None:
        return []
    fabric = Fabric(subject.plain, {})
    found = []
    for name, graph in subject.probes.items():
        phases = tuple(p for _, work, _ in subject.works(graph, subject.plain) for p in work.phases)
        jobs = [Job(i, u, subject.plain.unit_hz(u), 0, 0, phases, ()) for i, u in enumerate((subject.unit, other))]
        alone = [simulate([replace(job, key=0)], fabric).makespan_ps for job in jobs]
        both = simulate(jobs, fabric).makespan_ps
        slack = _slack(subject, sum(alone), 2 * len(phases))
        if not max(alone) - slack <= both <= sum(alone) + slack:
            found.append(f"{name}: beside {other} {both} ps, alone {alone[0]} and {alone[1]} ps")
    return found


def _companion(platform: Platform, unit: str) -> str | None:
    """Return another unit that reaches all memories of a unit's operands."""
    spec = platform.unit(unit)
    wanted = {*spec.activations, *spec.weights}
    others = (n for n, u in platform.units.items() if n != unit and wanted <= {*u.activations, *u.weights})
    return next(others, None)


# --- energy -------------------------------------------------------------------------------------------


def energy_follows_its_coefficients(subject: Subject) -> list[str]:
    """Twice the coefficients of a unit and of memories are twice their energies, each rounded once a task."""
    once, twice = (variants.with_energies(subject.platform, subject.unit, factor) for factor in (1, 2))
    found = []
    for name, graph in subject.probes.items():
        before, after = subject.run(graph, once), subject.run(graph, twice)
        for old, new in zip(before.energy, after.energy, strict=True):
            factor = 2 if old.kind in {"unit", "memory"} else 1
            if abs(new.energy_pj - factor * old.energy_pj) > 2 * len(graph.operators):
                found.append(f"{name}: {old.kind} {old.name} spends {new.energy_pj} pJ, {old.energy_pj} pJ before")
        if before.latency_ps != after.latency_ps:
            found.append(f"{name}: other energies change the time from {before.latency_ps} to {after.latency_ps} ps")
    return found


def lower_voltage_costs_less(subject: Subject) -> list[str]:
    """At equal frequency a lower voltage lowers the energy of work and static power, and leaves time alone."""
    base, low = (variants.at_voltage(subject.platform, subject.unit, s) for s in (Fraction(1), Fraction(3, 4)))
    if base is None or low is None:  # the file gives the clock no voltage, and energy none to follow
        return []
    found = []
    for name, graph in subject.probes.items():
        before, after = subject.run(graph, base), subject.run(graph, low)
        spent = [next(u.energy_pj for u in r.units if u.name == subject.unit) for r in (before, after)]
        if abs(spent[1] - Fraction(9, 16) * spent[0]) > 1 + len(graph.operators):
            found.append(f"{name}: work takes {spent[1]} pJ at 3/4 of the voltage, {spent[0]} pJ before, not 9/16")
        if after.energy_pj > before.energy_pj or after.latency_ps != before.latency_ps:
            found.append(
                f"{name}: {after.energy_pj} pJ and {after.latency_ps} ps at 3/4 of the voltage, {before.energy_pj} pJ "
                f"and {before.latency_ps} ps before"
            )
    return found


def another_operator_adds_energy(subject: Subject) -> list[str]:
    """Two convolutions of one shape spend more on work than one of them."""
    found = []
    for name, graph in subject.probes.items():
        if len(graph.operators) < 2:
            continue
        record = subject.run(graph)
        work = sum(account.energy_pj for account in record.energy if account.kind != "static")
        found += [
            f"{name}: operator {row.index} spends {row.energy_pj} pJ of {work} pJ"
            for row in record.operators
            if row.energy_pj is not None and not 0 < row.energy_pj < work
        ]
    return found


def idle_time_adds_static_energy_only(subject: Subject) -> list[str]:
    """Static energy is power times time, so that time at the end adds nothing else."""
    model = EnergyModel(subject.platform)
    short, long = (model.static([subject.unit], 10**9 * times) for times in (1, 3))
    pairs = zip(short, long, strict=True)
    return [
        f"{name} draws {three} pJ in three times the time of {one} pJ"
        for (name, one), (_, three) in pairs
        if abs(three - 3 * one) > 3
    ]


RELATIONS: tuple[Callable[[Subject], list[str]], ...] = (
    it_has_probes, arithmetic_takes_time, bytes_lie_between_compulsory_and_demand, the_same_twice, books_balance,
    details_agree, names_change_only_names, time_scales, faster_is_never_slower, boundless_memory_leaves_compute,
    boundless_compute_leaves_memory, a_phase_takes_the_longer_of_its_parts, two_initiators_share,
    energy_follows_its_coefficients, lower_voltage_costs_less, another_operator_adds_energy,
    idle_time_adds_static_energy_only,
)  # fmt: skip
