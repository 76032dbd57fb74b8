"""One run: precision, placement, fusion, memory plan, cost, simulation, records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from socsim.cost.model import UnitContext
from socsim.cost.models import cost_model
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, Stream, analyse, simulate
from socsim.errors import UsageError, did_you_mean, misuse
from socsim.quantities import Bandwidth
from socsim.recording import Cost, Plan, make_record
from socsim.schedule.placement import Candidate, candidates, place
from socsim.schedule.precision import at_precision
from socsim.schedule.residency import plan_residency
from socsim.schedule.tasks import build_tasks
from socsim.soc.runtimes import runtime as named_runtime
from socsim.soc.schema import CpuCluster, SensingHub

if TYPE_CHECKING:
    from socsim.cost.model import CostModel
    from socsim.cost.work import Kernel, Work
    from socsim.records import RunRecord
    from socsim.schedule.tasks import Task, TaskGraph
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph

DETAILS = ("analytic", "transaction")


@dataclass(frozen=True)
class Options:
    """What a run may be asked; the same names and defaults as `socsim.run` and the command line.

    Args:
        runtime: software stack for the preferred unit; None: the unit's own.
        unit: kind or name of the unit that operators should go to; None: the platform's preference.
        cluster: CPU cluster, where `unit` is "cpu" and the platform has several.
        cores: cores of the preferred unit; None: its default.
        precision: types to cost the network in; None: the file's own.
        batch: inferences that go through each operator together.
        detail: "transaction" (events, sharing) or "analytic" (closed form, nothing shared).
        background: bytes a second that other units read meanwhile, by unit name.
    """

    runtime: str | None = None
    unit: str | None = None
    cluster: str | None = None
    cores: int | None = None
    precision: str | None = None
    batch: int = 1
    detail: str = "transaction"
    background: Mapping[str, str] = field(default_factory=dict)


def run_graph(graph: Graph, platform: Platform, options: Options) -> RunRecord:
    """Run a network once on a platform.

    Raises:
        UsageError: an option that the platform or socsim does not know.
        UnsupportedOperatorError: operators without a kernel on any allowed unit.
        InfeasibleError: no memory has room, or the forced unit can run none of the arithmetic.
    """
    plan = make_plan(graph, platform, options)
    costs = _costs(plan)
    jobs = _jobs(plan, costs)
    fabric = Fabric(platform, plan.cores)
    streams = [Stream(u, platform.unit(u).activations[-1], rate) for u, rate in plan.background.items()]
    outcome = analyse(jobs, fabric) if options.detail == "analytic" else simulate(jobs, fabric, streams)
    return make_record(plan, costs, outcome)


# --- choosing units -----------------------------------------------------------------------------------


def make_plan(graph: Graph, platform: Platform, options: Options) -> Plan:
    """Return what is decided before anything is timed: units, tasks and memories."""
    _check_options(options)
    order = unit_order(platform, options)
    first = order[0]
    runtimes = {first: named_runtime(options.runtime)} if options.runtime else {}
    _check_runtime(platform, first, runtimes.get(first))
    units = candidates(platform, order, runtimes)
    recast = at_precision(graph, options.precision)
    placed = place(recast, units, forced=options.unit is not None)
    by_unit = {c.name: c.runtime for c in units}
    tasks = build_tasks(recast, placed, by_unit)
    memory = plan_residency(tasks, platform, by_unit, options.batch)
    cores = _cores(platform, units, options.cores)
    return Plan(
        graph=recast,
        platform=platform,
        placed=placed,
        tasks=tasks,
        memory=memory,
        runtimes=by_unit,
        cores=cores,
        detail=options.detail,
        precision=options.precision,
        batch=options.batch,
        background=_background(platform, options.background),
        models=_models(tasks, platform, units, cores),
    )


def unit_order(platform: Platform, options: Options) -> list[str]:
    """Return the units that operators may go to, best first.

    Raises:
        UsageError: a unit, kind or cluster that the platform does not have.
    """
    if options.unit is None and options.cluster is None:
        return list(platform.file.preference)
    first = _find_unit(platform, options.unit or "cpu", options.cluster)
    return [first, *(u for u in platform.unit(first).fallback if u != first)]


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
        if value is not None and not (isinstance(value, str) and value):
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


def _check_runtime(platform: Platform, unit: str, runtime: Runtime | None) -> None:
    kind = platform.unit(unit).kind
    if runtime is not None and kind not in runtime.kinds:
        drives = ", ".join(runtime.kinds)
        msg = f"runtime {runtime.name!r} drives {drives}, but {unit!r} is a {kind}; choose another unit or runtime"
        raise UsageError(msg)


def _cores(platform: Platform, units: list[Candidate], wanted: int | None) -> dict[str, int]:
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
    tasks: TaskGraph, platform: Platform, units: list[Candidate], cores: Mapping[str, int]
) -> dict[str, CostModel[Any]]:
    return {
        c.name: cost_model(
            UnitContext(
                c.name, c.spec, platform.unit_hz(c.name), cores[c.name], c.runtime,
                tasks.constant_bytes(c.name, c.runtime),
            )
        )
        for c in units
    }  # fmt: skip


# --- cost and jobs ------------------------------------------------------------------------------------


def _costs(plan: Plan) -> list[Cost]:
    """Return the cost of each task; kernels that repeat in a network are costed once."""
    known: dict[tuple[str, Kernel], Cost] = {}
    costs = []
    for task in plan.tasks.tasks:
        key = task.unit, plan.kernels.kernel(task)
        if key not in known:
            known[key] = _cost(plan, task, key[1])
        costs.append(known[key])
    return costs


def _cost(plan: Plan, task: Task, kernel: Kernel) -> Cost:
    empty = not (kernel.loops or kernel.inputs or kernel.outputs or kernel.weights)
    work: Work | None = None if empty else plan.models[task.unit].work(kernel)
    energy = None
    if work is not None:
        moved = [t for phase in work.phases for t in phase.transfers]
        energy = plan.energy.task(task.unit, task.dtype, work, moved)
    return Cost(kernel, work, energy)


def _jobs(plan: Plan, costs: list[Cost]) -> list[Job]:
    jobs = []
    woken: set[str] = set()
    previous: str | None = None
    for task, cost in zip(plan.tasks.tasks, costs, strict=True):
        runtime = plan.runtimes[task.unit]
        before = plan.tasks.before[task.position]
        handed_over = any(plan.tasks.tasks[b].unit != task.unit for b in before)
        dispatch = runtime.per_operator.value + (runtime.submit.value if previous != task.unit else 0)
        sync = (runtime.handover.value if handed_over else 0) + _wake_ps(plan.platform, task.unit, woken)
        work = cost.work
        jobs.append(
            Job(
                key=task.position,
                unit=task.unit,
                hz=plan.platform.unit_hz(task.unit),
                dispatch_ps=dispatch + (work.setup_ps if work else 0),
                sync_ps=sync + (work.sync_ps if work else 0),
                phases=work.phases if work else (),
                after=before,
            )
        )
        previous = task.unit
    return jobs


def _wake_ps(platform: Platform, unit: str, woken: set[str]) -> int:
    """Return the wake-up of a hub before its first task of an inference."""
    spec = platform.unit(unit)
    if unit in woken or not isinstance(spec, SensingHub):
        return 0
    woken.add(unit)
    states = platform.file.power_domains[spec.power].states
    return states[0].wake.value if states else 0


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
