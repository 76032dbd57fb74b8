"""What the online engine runs: a scenario's applications on a platform's servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.engine.fabric import Fabric
from socsim.engine.online.model import (
    Admission,
    Application,
    AppStep,
    Batching,
    Periodic,
    Poisson,
    Trace,
    Triggered,
    Variation,
    World,
)
from socsim.errors import InfeasibleError, SocsimError, join_faults
from socsim.quantities import format_time
from socsim.simulation.places import Decision, Places
from socsim.simulation.servers import Servers, least_preemption, units_called
from socsim.simulation.ways import WayPrograms
from socsim.workload.scenario.arrival_files import read_arrivals
from socsim.workload.scenario.schema import (
    AfterArrival,
    NetworkStep,
    OffloadStep,
    PeriodicArrival,
    PoissonArrival,
    TraceArrival,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.engine.online.model import Arrival
    from socsim.simulation.options import SimulationOptions
    from socsim.soc.platform import Platform
    from socsim.workload.scenario.scenario import Scenario
    from socsim.workload.scenario.schema import (
        AnyArrival,
        AnyStep,
        ApplicationFile,
        PlacedStep,
        Preemption,
        ScenarioFile,
        TimeVariation,
    )


@dataclass(frozen=True)
class Prepared:
    """A scenario on a platform, ready for time to begin.

    Args:
        world: what the engine runs.
        decisions: where each step goes, by application and position.
        programs: what the world's steps take.
        servers: what they queue for.
        notes: what the platform lacks, in words.
    """

    world: World
    decisions: Mapping[tuple[str, int], Decision]
    programs: WayPrograms
    servers: Servers
    notes: tuple[str, ...]


def prepare_world(scenario: Scenario, platform: Platform, options: SimulationOptions) -> Prepared:
    """Return a scenario on a platform up to the point where time begins.

    Raises:
        UsageError, WorkloadError: networks, policies or units that do not exist.
        InfeasibleError: steps that no unit can do. Faults of several steps are listed together.
    """
    file = scenario.file
    servers = Servers(file, platform, options.policy)
    places = Places(scenario, platform, servers, options)
    decisions = _decided(file, places)
    programs = WayPrograms(platform, {key: decision.ways for key, decision in decisions.items()})
    applications = tuple(
        _application(scenario, name, application, decisions, servers) for name, application in file.applications.items()
    )
    seed = file.seed if options.seed is None else int(options.seed)
    streams, left_out = _streams(scenario, platform)
    world = World(
        applications=applications,
        servers=tuple(servers.servers),
        programs=programs,
        duration_ps=options.duration_ps(scenario),
        seed=seed,
        capacities=_shared(platform),
        streams=streams,
        is_traced=options.is_traced,
    )
    return Prepared(world, decisions, programs, servers, (*servers.notes, *left_out))


def _decided(file: ScenarioFile, places: Places) -> dict[tuple[str, int], Decision]:
    """Return where each step goes; what is wrong with several is said at once, wrong input before what does not fit."""
    decisions: dict[tuple[str, int], Decision] = {}
    faults: list[tuple[str, SocsimError]] = []
    for name, application in file.applications.items():
        for position, step in enumerate(application.steps):
            try:
                decisions[name, position] = places.decide(application.class_, step)
            except SocsimError as error:
                faults.append((f"applications.{name}.{step.name}", error))
    errors = [error for _, error in faults]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        first = next((error for error in errors if not isinstance(error, InfeasibleError)), errors[0])
        message = join_faults(f"scenario {file.name}", [f"{where}: {error}" for where, error in faults])
        raise type(first)(message, *first.args[1:])
    return decisions


def _shared(platform: Platform) -> dict[str, int]:
    """Return the bytes a second of links and memories, ports left out."""
    capacities = Fabric(platform, {}).capacities
    return {
        name: rate
        for name, rate in capacities.items()
        if not any(Fabric.is_port(name, unit) for unit in platform.units)
    }


def _streams(scenario: Scenario, platform: Platform) -> tuple[tuple[tuple[str, str, int], ...], list[str]]:
    """Return background traffic by unit and memory, and what the platform has no unit for."""
    streams, left_out = [], []
    for wanted, stream in scenario.file.background.items():
        units = units_called(platform, wanted)
        if units:
            streams.append((units[0], platform.unit(units[0]).activations[-1], stream.rate.value))
        else:
            left_out.append(f"background of {wanted!r}: {platform.name} has no such unit; it is left out")
    return tuple(streams), left_out


# --- applications -------------------------------------------------------------------------------------


def _application(
    scenario: Scenario,
    name: str,
    file: ApplicationFile,
    decisions: Mapping[tuple[str, int], Decision],
    servers: Servers,
) -> Application:
    names = [step.name for step in file.steps]
    return Application(
        name=name,
        arrival=_arrival(file.arrival, scenario.folder),
        steps=tuple(
            _step(step, position, names, decisions[name, position], servers)
            for position, step in enumerate(file.steps)
        ),
        deadline_ps=file.deadline.value if file.deadline else None,
        priority=file.priority,
        admission=Admission(file.queue.depth, file.queue.drop, file.queue.late),
        batching=Batching(file.batch.most, file.batch.wait.value),
    )  # fmt: skip


def _arrival(arrival: AnyArrival, folder: Path | None) -> Arrival:
    match arrival:
        case PeriodicArrival(period=period, offset=offset, jitter=jitter):
            return Periodic(period.value, offset.value, jitter.value)
        case PoissonArrival(gap=gap):
            return Poisson(gap.value)
        case TraceArrival(times=times, file=None):
            return Trace(tuple(time.value for time in times))
        case TraceArrival(file=file):
            return Trace(read_arrivals((folder or Path()) / str(file)))
        case AfterArrival(application=name, probability=probability, every=every, delay=delay):
            return Triggered(name, probability, every, delay.value)


def arrival_words(arrival: AnyArrival) -> str:
    """Return an arrival in words."""
    match arrival:
        case PeriodicArrival(period=period, jitter=jitter):
            late = f", up to {format_time(jitter.value)} late" if jitter.value else ""
            return f"every {format_time(period.value)}{late}"
        case PoissonArrival(gap=gap):
            return f"at random, {format_time(gap.value)} apart on average"
        case TraceArrival(times=times, file=file):
            return f"as recorded in {file}" if file else f"at {len(times)} given times"
        case AfterArrival(application=name, probability=probability, every=every, delay=delay):
            which = f"each {every}th completion of {name}" if every > 1 else f"each completion of {name}"
            chance = f", with probability {probability:g}" if probability < 1 else ""
            later = f", {format_time(delay.value)} later" if delay.value else ""
            return f"after {which}{chance}{later}"


def _step(step: AnyStep, position: int, names: list[str], decision: Decision, servers: Servers) -> AppStep:
    before = names[position - 1 : position] if step.after is None else step.after
    variation = None if isinstance(step, NetworkStep) else step.variation
    return AppStep(
        name=step.name,
        choices=tuple(way.name for way in decision.ways),
        after=tuple(names.index(name) for name in before),
        preemption="none" if isinstance(step, OffloadStep) else _preemption(step, decision, servers),
        variation=_variation(variation),
        pick=step.pick if isinstance(step, NetworkStep) else "first_free",
    )


def _preemption(step: PlacedStep, decision: Decision, servers: Servers) -> Preemption:
    allowed: Preemption = step.preemption or ("operator" if isinstance(step, NetworkStep) else "any")
    for way in decision.ways:
        for place in way.places:
            allowed = least_preemption(allowed, servers[place].preemption)
    return allowed


def _variation(variation: TimeVariation | None) -> Variation:
    return Variation() if variation is None else Variation(variation.kind, variation.spread)
