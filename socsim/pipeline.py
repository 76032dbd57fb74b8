"""One run: precision, placement, fusion, memory plan, cost, simulation, records.

What is decided before time begins is kept on the network that it was decided for (`Graph.memo`): it depends on
network, platform and options alone, and all three are immutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from socsim.cost.corrections import correction_for
from socsim.cost.model import Access, UnitContext
from socsim.cost.models import cost_model
from socsim.costing import prepare
from socsim.engine.closed_form import analyse
from socsim.engine.simulation import Stream, simulate
from socsim.engine.stretches import simulate_in_stretches
from socsim.errors import InfeasibleError, UsageError, did_you_mean, misuse, shown
from socsim.memo import Same
from socsim.placing import Chosen, Costing, choose, placement_problem
from socsim.quantities import Bandwidth
from socsim.recording import Conditions, Corrections, Plan, Result
from socsim.schedule.borders import borders_in_order
from socsim.schedule.partition.claims import Priority
from socsim.schedule.partition.demands import check_pins, demanded, pinned_operators
from socsim.schedule.partition.strategy import late, strategy_of
from socsim.schedule.placement import Candidate, candidates, place
from socsim.schedule.precision import at_precision
from socsim.schedule.residency import plan_residency
from socsim.schedule.tasks import build_tasks
from socsim.soc.runtimes import Runtime
from socsim.soc.runtimes import runtime as named_runtime
from socsim.soc.schema import CpuCluster, SensingHub
from socsim.workload.weights import StatedSparsity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from socsim.cost.corrections import Correction
    from socsim.cost.model import CostModel
    from socsim.costing import Prepared
    from socsim.engine.simulation import Outcome
    from socsim.quantities import Time
    from socsim.records import PlacementRecord, RunRecord
    from socsim.schedule.borders import Border
    from socsim.schedule.partition.strategy import Strategy
    from socsim.schedule.placement import Placed
    from socsim.schedule.tasks import TaskGraph
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph

DETAILS = ("analytic", "transaction", "tile", "burst")


@dataclass(frozen=True)
class Options:
    """What a run may be asked; the same names and defaults as `socsim.run` and the command line.

    Args:
        runtime: software stack for the preferred unit, or its name; None: the unit's own.
        unit: kind or name of the unit that operators should go to; None: the platform's preference.
        cluster: CPU cluster, where `unit` is "cpu" and the platform has several.
        cores: cores of the preferred unit; None: its default.
        precision: types to cost the network in; None: the file's own.
        batch: inferences that go through each operator together.
        detail: "transaction" (events, sharing), "analytic" (closed form, nothing shared), "tile" (events, each tile
            apart) or "burst" (every access to a memory, DRAM bank by bank).
        background: bytes a second that other units read meanwhile, by unit name.
        sparsity: "2:4", or the share of weights that are zero; None: as the network's constants have them.
        correction: a calibration to apply; None: structure and datasheet numbers alone.
        strategy: how units are chosen where several can run an operator, by name or as an object.
        objective: what the strategy aims at; None: its own.
        deadline: latency that the run must not exceed; None: any.
        pins: unit or kind by index or name of operators.
        corrections: calibrations of the other units that a strategy may choose, by name.
    """

    runtime: str | Runtime | None = None
    unit: str | None = None
    cluster: str | None = None
    cores: int | None = None
    precision: str | None = None
    batch: int = 1
    detail: str = "transaction"
    background: Mapping[str, str] = field(default_factory=dict)
    sparsity: str | float | None = None
    correction: Correction | None = None
    strategy: str | Strategy = "priority"
    objective: str | None = None
    deadline: str | Time | None = None
    pins: Mapping[str, str] | Mapping[int, str] = field(default_factory=dict)
    corrections: tuple[tuple[str, Correction], ...] = ()

    @property
    def is_weighed(self) -> bool:
        """Whether units are chosen otherwise than by their order alone."""
        return bool(self.pins) or not isinstance(strategy_of(self.strategy), Priority)


def run_graph(graph: Graph, platform: Platform, options: Options) -> RunRecord:
    """Return the record of a run; arguments and errors are those of `simulate_graph`."""
    return simulate_graph(graph, platform, options).record


def simulate_graph(graph: Graph, platform: Platform, options: Options) -> Result:
    """Run a network once on a platform.

    Raises:
        UsageError: an option that the platform or socsim does not know.
        UnsupportedOperatorError: operators without a kernel on any allowed unit.
        InfeasibleError: no memory has room, or the forced unit can run none of the arithmetic.
    """
    background = _background(platform, options.background)
    if options.is_weighed:
        return _weighed(graph, platform, options, background)
    prepared = prepare_graph(graph, platform, options)
    outcome = _simulated(prepared, options.detail, background)
    _check_deadline(graph, options, outcome)
    return _result(prepared, outcome, options.detail, background)


def _simulated(prepared: Prepared, detail: str, background: Mapping[str, int]) -> Outcome:
    jobs, fabric, platform = prepared.jobs(detail), prepared.fabric, prepared.plan.platform
    if detail == "analytic":
        return analyse(jobs, fabric)
    if detail != "burst" and not background:
        return simulate_in_stretches(jobs, fabric)
    streams = [Stream(u, platform.unit(u).activations[-1], rate) for u, rate in background.items()]
    return simulate(jobs, fabric, streams, bursts=detail == "burst")


def _result(
    prepared: Prepared,
    outcome: Outcome,
    detail: str,
    background: Mapping[str, int],
    choice: PlacementRecord | None = None,
) -> Result:
    together = prepared.tiles_in_one if detail == "tile" else 1
    conditions = Conditions(detail, background, together, prepared.corrections, choice)
    return Result(prepared.plan, prepared.costs, outcome, conditions)


def calibrated(platform: Platform, options: Options, file: Path | None = None) -> Options:
    """Return options with what measurements say of the unit and runtime that they choose.

    Args:
        platform: where the network runs.
        options: of the run.
        file: a calibration to use; None: that which ships, or stands beside the platform's file.

    Raises:
        UsageError: as for a run; and a file that holds no fit of that unit and runtime.
        PlatformError: a file with faults.
    """
    first, runtime = preferred_runtime(platform, options)
    own = replace(options, correction=_correction(platform, first, runtime, file))
    if not options.is_weighed:
        return own
    found = []
    for other in _candidates(platform, options)[1:]:
        correction = _correction(platform, other.name, other.runtime)
        if correction is None and other.name in platform.unit(first).fallback:
            correction = own.correction  # its factor for what falls back
        found += [(other.name, correction)] if correction is not None else []
    return replace(own, corrections=tuple(found))


def _correction(platform: Platform, name: str, runtime: Runtime, file: Path | None = None) -> Correction | None:
    unit = platform.unit(name)
    cluster = unit.cluster if isinstance(unit, CpuCluster) else None
    return correction_for(platform, unit.kind, cluster, runtime, file)


def prepare_graph(graph: Graph, platform: Platform, options: Options) -> Prepared:
    """Return a run up to the point where time begins: plan, costs, and the calibration to apply.

    Raises:
        UsageError, UnsupportedOperatorError, InfeasibleError: as for a run.
    """
    if options.is_weighed:
        return _chosen(graph, platform, options).prepared
    choice = _choose(graph, platform, options)
    key = (
        "prepared", Same(platform), choice.units, choice.is_forced, tuple(choice.cores.items()), choice.batch,
        choice.sparsity,
    )  # fmt: skip
    plain: Prepared = choice.graph.memo.get(key, lambda: prepare(_plan(platform, choice)))
    if options.correction is None:
        return plain
    corrections = Corrections(options.correction)
    corrected: Prepared = choice.graph.memo.get((*key, corrections), lambda: plain.corrected(corrections))
    return corrected


def prepare_as_placed(graph: Graph, platform: Platform, options: Options, home: Platform) -> Prepared:
    """Return a run as it is placed and ordered on one platform, with its costs at other operating points of it.

    Args:
        graph: the network.
        platform: at the operating points that costs are those of.
        options: of the run.
        home: the platform at the operating points that a strategy weighs.

    Raises:
        UsageError, UnsupportedOperatorError, InfeasibleError: as for a run.
    """
    decided = prepare_graph(graph, home, options)
    if platform is home:
        return decided
    if not options.is_weighed:
        return prepare_graph(graph, platform, options)
    choice, plan = _choose(graph, platform, options), decided.plan
    moved = _plan_of(platform, choice, plan.placed, plan.tasks, plan.borders)
    return prepare(moved).corrected(decided.corrections)


# --- strategies -----------------------------------------------------------------------------------------

_TRIES = 4
"""Schedules that are looked for where units that share memory take longer than the deadline leaves them."""


def _weighed(graph: Graph, platform: Platform, options: Options, background: Mapping[str, int]) -> Result:
    """Run a network as a strategy places it.

    Where units share memory a run takes longer than its schedule; one that misses its deadline by that is planned
    again with a deadline earlier by the same share.

    Raises:
        UsageError, UnsupportedOperatorError, InfeasibleError: as for a run; a deadline that the run misses.
    """
    _, goal = demanded(options.strategy, options.objective, options.deadline)
    limit, found = goal.deadline_ps, None
    for _ in range(_TRIES):
        try:
            chosen = _chosen(graph, platform, options, limit)
        except InfeasibleError:
            if found is None:
                raise
            break
        found = _simulated(chosen.prepared, options.detail, background)
        if limit is None or goal.deadline_ps is None or found.makespan_ps <= goal.deadline_ps:
            choice = replace(chosen.record(found), deadline_ps=goal.deadline_ps)
            return _result(chosen.prepared, found, options.detail, background, choice)
        limit = min(limit - 1, chosen.expected.makespan_ps * goal.deadline_ps // found.makespan_ps)
    raise late(graph.name, goal.deadline_ps or 0, found.makespan_ps if found else 0, "the run, sharing included,")


def _chosen(graph: Graph, platform: Platform, options: Options, deadline_ps: int | None = None) -> Chosen:
    """Return what the options' strategy makes of a network, planned for a deadline; asked again, what it made then."""
    strategy, goal = demanded(options.strategy, options.objective, options.deadline)
    choice = _choose(graph, platform, options)
    own = ((choice.units[0].name, options.correction),) if options.correction is not None else ()
    corrections = Corrections(None, (*own, *options.corrections))

    def plan(placed: Sequence[Placed], tasks: TaskGraph, borders: tuple[Border, ...]) -> Plan:
        return _plan_of(platform, choice, placed, tasks, borders)

    costing = Costing(choice.graph, platform, choice.units, choice.batch, plan, corrections)
    wanted = pinned_operators(graph, options.pins)
    pins = {op: _find_unit(platform, unit, None) for op, unit in wanted.items()}
    key = (
        Same(platform), choice.units, tuple(choice.cores.items()), choice.batch, choice.sparsity, corrections,
        tuple(sorted(pins.items())),
    )  # fmt: skip
    posed = choice.graph.memo.get(("posed", *key), lambda: placement_problem(costing, pins))
    goal = replace(goal, deadline_ps=deadline_ps or goal.deadline_ps)
    named = options.strategy if isinstance(options.strategy, str) else Same(strategy)
    chosen: Chosen = choice.graph.memo.get(
        ("chosen", *key, named, goal), lambda: choose(costing, posed, strategy, goal)
    )
    return chosen


def _check_deadline(graph: Graph, options: Options, outcome: Outcome) -> None:
    """Refuse a run that takes longer than it may, and an objective where nothing is weighed."""
    if options.objective is None and options.deadline is None:
        return
    _, goal = demanded(options.strategy, options.objective, options.deadline)
    if goal.deadline_ps is not None and outcome.makespan_ps > goal.deadline_ps:
        raise late(graph.name, goal.deadline_ps, outcome.makespan_ps, "the run")


# --- choosing units -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the options of a run mean for a network on a platform.

    Args:
        graph: the network in the types that were asked for.
        precision: those types; None: the file's own.
        units: units that operators may go to, best first.
        is_forced: whether the first one was asked for.
        cores: cores in use by unit.
        batch: inferences that go through each operator together.
        sparsity: zeros among the weights that the user states.
    """

    graph: Graph
    precision: str | None
    units: tuple[Candidate, ...]
    is_forced: bool
    cores: Mapping[str, int]
    batch: int
    sparsity: StatedSparsity | None


def make_plan(graph: Graph, platform: Platform, options: Options) -> Plan:
    """Return what is decided before anything is timed: units, tasks and memories.

    Raises:
        UsageError, UnsupportedOperatorError, InfeasibleError: as for a run.
    """
    return _plan(platform, _choose(graph, platform, options))


def _choose(graph: Graph, platform: Platform, options: Options) -> _Choice:
    units = _candidates(platform, options)
    return _Choice(
        at_precision(graph, options.precision),
        options.precision,
        tuple(units),
        options.unit is not None,
        _cores(platform, units, options.cores),
        options.batch,
        _sparsity(options),
    )


def _candidates(platform: Platform, options: Options) -> list[Candidate]:
    """Return the units that operators may go to, best first, with the software that drives each.

    In order of priority, one stack runs the network, with what it has of its own for other units; a strategy that
    hands out subgraphs has each unit's own stack.
    """
    first, runtime = preferred_runtime(platform, options)
    order = unit_order(platform, options)
    others = _fallbacks(platform, runtime, order[1:]) if strategy_of(options.strategy).in_order else {}
    return candidates(platform, order, {first: runtime} | others)


def _plan(platform: Platform, choice: _Choice) -> Plan:
    graph, units = choice.graph, choice.units
    placed, tasks = graph.memo.get(("tasks", units, choice.is_forced), lambda: _tasks(graph, units, choice.is_forced))
    borders = graph.memo.get(("borders", Same(tasks), choice.batch), lambda: borders_in_order(tasks, choice.batch))
    return _plan_of(platform, choice, placed, tasks, borders)


def _plan_of(
    platform: Platform, choice: _Choice, placed: Sequence[Placed], tasks: TaskGraph, borders: tuple[Border, ...]
) -> Plan:
    graph, units, cores, batch = choice.graph, choice.units, choice.cores, choice.batch
    by_unit = {c.name: c.runtime for c in units}
    memory, cascades = plan_residency(tasks, platform, by_unit, batch)
    return Plan(
        graph=graph,
        platform=platform,
        placed=placed,
        tasks=tasks,
        memory=memory,
        cascades=cascades,
        runtimes=by_unit,
        cores=cores,
        precision=choice.precision,
        batch=batch,
        models=_models(tasks, platform, units, cores, batch),
        borders=borders,
        sparsity=choice.sparsity,
    )


def _tasks(graph: Graph, units: Sequence[Candidate], is_forced: bool) -> tuple[Sequence[Placed], TaskGraph]:
    """Return where operators go, and the tasks that they form; platforms that place them alike share the tasks."""
    placed = place(graph, units, forced=is_forced)
    where = tuple((here.unit, here.dtype) for here in placed)
    used = {unit for unit, _ in where}
    runtimes = {c.name: c.runtime for c in units if c.name in used}
    key = "fused", where, tuple((name, Same(runtime)) for name, runtime in runtimes.items())
    return placed, graph.memo.get(key, lambda: build_tasks(graph, placed, runtimes))


def unit_order(platform: Platform, options: Options) -> list[str]:
    """Return the units that operators may go to, best first.

    Raises:
        UsageError: a unit, kind or cluster that the platform does not have.
    """
    if options.unit is None and options.cluster is None:
        order = list(platform.file.preference)
    else:
        first = _find_unit(platform, options.unit or "cpu", options.cluster)
        order = [first, *(u for u in platform.unit(first).fallback if u != first)]
    return _weighed_order(platform, options, order) if options.is_weighed else order


def _weighed_order(platform: Platform, options: Options, order: list[str]) -> list[str]:
    """Return the candidates of a strategy: the usual units, all others unless one was asked for, and pinned ones.

    Sensing hubs are left out unless they are named, and so are units that share no memory with the first.
    """
    if options.unit is None and options.cluster is None:
        order += [u for u, spec in platform.units.items() if u not in order and not isinstance(spec, SensingHub)]
        kinds = strategy_of(options.strategy).by_kind
        rank = {kind: position for position, kind in enumerate(kinds)}
        order.sort(key=lambda u: rank.get(platform.unit(u).kind, len(rank)))
    home = set(platform.unit(order[0]).activations)
    order = [u for u in order if home.intersection(platform.unit(u).activations)]
    wanted = (_find_unit(platform, unit, None) for unit in options.pins.values())
    return [*order, *(u for u in dict.fromkeys(wanted) if u not in order)]


def preferred_runtime(platform: Platform, options: Options) -> tuple[str, Runtime]:
    """Return the unit that operators go to first, and the software stack that drives it.

    Raises:
        UsageError: no such unit, cluster or runtime, or a runtime that does not drive the unit.
    """
    _check_options(options)
    first = unit_order(platform, options)[0]
    if options.runtime is None:
        return first, platform.runtime(first)
    chosen = options.runtime if isinstance(options.runtime, Runtime) else named_runtime(options.runtime)
    _check_runtime(platform, first, chosen)
    return first, chosen


def _fallbacks(platform: Platform, runtime: Runtime, units: Sequence[str]) -> dict[str, Runtime]:
    """Return the runtimes of the units that take what the preferred one's has no kernel for, where it names them."""
    named = {unit: runtime.fallback_for(platform.unit(unit).kind) for unit in units}
    return {unit: named_runtime(name) for unit, name in named.items() if name is not None}


def _find_unit(platform: Platform, wanted: str, cluster: str | None) -> str:
    matching = [name for name, unit in platform.units.items() if wanted in {name, unit.kind}]
    if not matching:
        known = {*platform.units, *(u.kind for u in platform.units.values())}
        msg = f"platform {platform.name!r} has no unit {wanted!r}.{did_you_mean(wanted, known)}"
        raise UsageError(msg)
    if cluster is not None:
        clusters = {s.cluster: n for n, s in platform.units.items() if isinstance(s, CpuCluster) and n in matching}
        if cluster not in clusters:
            msg = f"platform {platform.name!r}: {wanted!r} has no cluster {cluster!r}.{did_you_mean(cluster, clusters)}"
            raise UsageError(msg)
        return clusters[cluster]
    preferred = [u for u in platform.file.preference if u in matching]
    return (preferred or matching)[0]


def _check_types(options: Options) -> None:
    for name in ("runtime", "unit", "cluster", "precision"):
        value = getattr(options, name)
        given = (isinstance(value, str) and value != "") or (name == "runtime" and isinstance(value, Runtime))
        if value is not None and not given:
            raise misuse(name, value, "a name, or leave it out")
    for name in ("batch", "cores"):
        value = getattr(options, name)
        if type(value) is not int and (name, value) != ("cores", None):  # True is no number
            raise misuse(name, value, "a whole number from 1 up")
    if not isinstance(options.detail, str):
        raise misuse("detail", options.detail, f"one of {', '.join(DETAILS)}")
    check_pins(options.pins)
    background = options.background
    if not isinstance(background, Mapping) or not all(isinstance(unit, str) for unit in background):
        raise misuse("background", background, 'rates by unit, such as {"cpu_big": "10 GB/s"}')


def _check_options(options: Options) -> None:
    _check_types(options)
    if options.batch < 1:
        msg = f"batch {options.batch} is not allowed; give 1 or more"
        raise UsageError(msg)
    if options.detail not in DETAILS:
        msg = f"detail {options.detail!r} is not known.{did_you_mean(options.detail, DETAILS)}"
        raise UsageError(msg)
    if options.background and options.detail == "analytic":
        msg = 'background traffic needs events; use detail "transaction"'
        raise UsageError(msg)


def _check_runtime(platform: Platform, unit: str, runtime: Runtime) -> None:
    kind = platform.unit(unit).kind
    if kind not in runtime.kinds:
        drives = ", ".join(runtime.kinds)
        msg = f"runtime {runtime.name!r} drives {drives}, but {unit!r} is a {kind}; choose another unit or runtime"
        raise UsageError(msg)


def _cores(platform: Platform, units: Sequence[Candidate], wanted: int | None) -> dict[str, int]:
    cores = {c.name: platform.default_cores(c.name) for c in units}
    if wanted is not None:
        first = units[0].name
        most = platform.core_count(first)
        if not 1 <= wanted <= most:
            msg = f"cores {wanted} is not allowed; {first!r} has {most}"
            raise UsageError(msg)
        cores[first] = wanted
    return cores


def _models(
    tasks: TaskGraph, platform: Platform, units: Sequence[Candidate], cores: Mapping[str, int], batch: int
) -> dict[str, CostModel[Any]]:
    return {
        c.name: cost_model(
            UnitContext(
                c.name, platform.unit(c.name), platform.unit_hz(c.name), cores[c.name], c.runtime,
                tasks.constant_bytes(c.name), tasks.layers(c.name, batch),
                _accesses(platform, c.name, cores[c.name]),
            )
        )
        for c in units
    }  # fmt: skip


def _accesses(platform: Platform, unit: str, cores: int) -> dict[str, Access]:
    """Return the memories of a unit's activations and constants as it sees them."""
    spec = platform.unit(unit)
    found = {}
    for name in dict.fromkeys((*spec.activations, *spec.weights)):
        memory = platform.memories[name]
        links = [platform.links[link].bytes_per_s for link in platform.path(unit, name)]
        port = platform.port_rates(unit, name, cores)
        read = min(port.read, memory.read_bytes_per_s, *links)
        written = min(port.write, memory.write_bytes_per_s, *links)
        found[name] = Access(memory.kind, read, memory.latency_ps, written, memory.write_latency_ps)
    return found


def _sparsity(options: Options) -> StatedSparsity | None:
    """Return the zeros that the user states.

    Raises:
        UsageError: neither "2:4" nor a share.
    """
    if options.sparsity is None:
        return None
    try:
        return StatedSparsity.of(options.sparsity)
    except (TypeError, ValueError):
        msg = f"sparsity {shown(options.sparsity)} is not known; write 2:4, or a share of zeros from 0 to below 1"
        raise UsageError(msg) from None


def _background(platform: Platform, wanted: Mapping[str, str]) -> dict[str, int]:
    """Return bytes a second by unit, units that read nothing left out."""
    rates = {unit: _background_rate(platform, unit, text) for unit, text in sorted(wanted.items())}
    return {unit: rate for unit, rate in rates.items() if rate}


def _background_rate(platform: Platform, unit: str, text: str) -> int:
    if unit not in platform.units:
        msg = f"background: platform {platform.name!r} has no unit {unit!r}.{did_you_mean(unit, platform.units)}"
        raise UsageError(msg)
    try:
        rate = Bandwidth(text).value
    except (TypeError, ValueError) as error:
        msg = f"background of {unit!r}: {error}"
        raise UsageError(msg) from None
    if rate < 0:
        msg = f"background of {unit!r}: {text!r} is negative; give a rate from 0 B/s up"
        raise UsageError(msg)
    return rate
