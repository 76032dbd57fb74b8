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
from socsim.errors import UsageError, did_you_mean, misuse, shown
from socsim.memo import Same
from socsim.quantities import Bandwidth
from socsim.recording import Conditions, Plan, Result
from socsim.schedule.placement import Candidate, candidates, place
from socsim.schedule.precision import at_precision
from socsim.schedule.residency import plan_residency
from socsim.schedule.tasks import build_tasks
from socsim.soc.runtimes import Runtime
from socsim.soc.runtimes import runtime as named_runtime
from socsim.soc.schema import CpuCluster
from socsim.workload.weights import StatedSparsity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from socsim.cost.corrections import Correction
    from socsim.cost.model import CostModel
    from socsim.costing import Prepared
    from socsim.engine.simulation import Outcome
    from socsim.records import RunRecord
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
    prepared = prepare_graph(graph, platform, options)
    background = _background(platform, options.background)
    jobs, fabric = prepared.jobs(options.detail), prepared.fabric
    outcome: Outcome
    if options.detail == "analytic":
        outcome = analyse(jobs, fabric)
    elif options.detail != "burst" and not background:
        outcome = simulate_in_stretches(jobs, fabric)
    else:
        streams = [Stream(u, platform.unit(u).activations[-1], rate) for u, rate in background.items()]
        outcome = simulate(jobs, fabric, streams, bursts=options.detail == "burst")
    together = prepared.tiles_in_one if options.detail == "tile" else 1
    conditions = Conditions(options.detail, background, together, options.correction)
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
    unit = platform.unit(first)
    cluster = unit.cluster if isinstance(unit, CpuCluster) else None
    return replace(options, correction=correction_for(platform, unit.kind, cluster, runtime, file))


def prepare_graph(graph: Graph, platform: Platform, options: Options) -> Prepared:
    """Return a run up to the point where time begins: plan, costs, and the calibration to apply.

    Raises:
        UsageError, UnsupportedOperatorError, InfeasibleError: as for a run.
    """
    choice = _choose(graph, platform, options)
    key = (
        "prepared", Same(platform), choice.units, choice.is_forced, tuple(choice.cores.items()), choice.batch,
        choice.sparsity,
    )  # fmt: skip
    plain: Prepared = choice.graph.memo.get(key, lambda: prepare(_plan(platform, choice)))
    correction = options.correction
    if correction is None:
        return plain
    corrected: Prepared = choice.graph.memo.get((*key, correction), lambda: plain.corrected(correction))
    return corrected


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
    first, runtime = preferred_runtime(platform, options)
    order = unit_order(platform, options)
    units = candidates(platform, order, {first: runtime} | _fallbacks(platform, runtime, order[1:]))
    return _Choice(
        at_precision(graph, options.precision),
        options.precision,
        tuple(units),
        options.unit is not None,
        _cores(platform, units, options.cores),
        options.batch,
        _sparsity(options),
    )


def _plan(platform: Platform, choice: _Choice) -> Plan:
    graph, units, cores, batch = choice.graph, choice.units, choice.cores, choice.batch
    placed, tasks = graph.memo.get(("tasks", units, choice.is_forced), lambda: _tasks(graph, units, choice.is_forced))
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
        return list(platform.file.preference)
    first = _find_unit(platform, options.unit or "cpu", options.cluster)
    return [first, *(u for u in platform.unit(first).fallback if u != first)]


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
