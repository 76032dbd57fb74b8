"""The JSON document of a simulation: written in the order of the records, read back exactly or refused."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from socsim.report.storage import DocumentKind
from socsim.simulation_records import SIMULATION_SCHEMA_VERSION, SimulationRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.simulation_records import ApplicationRecord, LatencyRecord

FATES = ("completed", "missed", "dropped", "unfinished")
QUANTITIES = ("temperature", "frequency", "power")


def _contradictions(record: SimulationRecord) -> Iterator[str]:
    """Yield what no simulation could have left: parts that miss their sum, names and indices that point nowhere."""
    if record.static_pj + record.dynamic_pj != record.energy_pj:
        yield f"energy_pj: {record.energy_pj} is not static_pj + dynamic_pj"
    if record.skipped_ps > record.duration_ps:
        yield f"skipped_ps: {record.skipped_ps} is more than duration_ps"
    for position, entry in enumerate(record.applications):
        yield from (f"applications[{position}].{fault}" for fault in _application_faults(entry))
    yield from _book_faults(record)
    yield from _name_faults(record)
    yield from _time_faults(record)


def _application_faults(entry: ApplicationRecord) -> Iterator[str]:
    if entry.completed + entry.dropped + entry.unfinished != entry.released:
        yield f"released: {entry.released} is not completed + dropped + unfinished"
    if not entry.dropped <= entry.missed <= entry.completed + entry.dropped:
        yield f"missed: {entry.missed} is not from dropped to completed + dropped"
    if entry.latency.count != entry.completed:
        yield f"latency.count: {entry.latency.count} is not completed"
    for name in ("latency", "waiting", "service"):
        yield from (f"{name}.{fault}" for fault in _latency_faults(getattr(entry, name)))


def _latency_faults(times: LatencyRecord) -> Iterator[str]:
    values = {
        name: getattr(times, name) for name in ("mean_ps", "least_ps", "p50_ps", "p95_ps", "p99_ps", "most_ps")
    }  # fmt: skip
    for name, value in values.items():
        if (value is None) != (times.count == 0):
            yield f"{name}: {'null' if value is None else value} does not go with a count of {times.count}"
    if len(times.percentiles_ps) not in (0, 101):
        yield f"percentiles_ps: {len(times.percentiles_ps)} of them; there are 101, or none"
    for name, line in (("p50_ps to p99_ps", list(values.values())[2:5]), ("percentiles_ps", times.percentiles_ps)):
        if any(a is not None and b is not None and b < a for a, b in pairwise(line)):
            yield f"{name}: do not rise"


def _book_faults(record: SimulationRecord) -> Iterator[str]:
    """Yield times that do not add up to the simulated time."""
    for position, server in enumerate(record.servers):
        spent = server.busy_ps + server.switching_ps + server.waking_ps + server.idle_ps
        if spent != server.cores * record.duration_ps:
            yield f"servers[{position}]: busy, switching, waking and idle do not add up to cores x duration_ps"
    for position, domain in enumerate(record.domains):
        if sum(time for _, time in domain.states) != record.duration_ps:
            yield f"domains[{position}].states: do not add up to duration_ps"
    for position, clock in enumerate(record.clocks):
        if sum(time for *_, time in clock.points) != record.duration_ps:
            yield f"clocks[{position}].points: do not add up to duration_ps"


def _name_faults(record: SimulationRecord) -> Iterator[str]:
    known = {entry.name for entry in record.applications}
    for name in ("steps", "slices", "activations"):
        for position, entry in enumerate(getattr(record, name)):
            if entry.application not in known:
                yield f"{name}[{position}].application: there is no such application"
    cores = {server.name: server.cores for server in record.servers}
    for position, part in enumerate(record.slices):
        if part.server not in cores:
            yield f"slices[{position}].server: there is no such server"
        elif part.core >= cores[part.server]:
            yield f"slices[{position}].core: the server has {cores[part.server]}"
    for position, activation in enumerate(record.activations):
        if activation.fate not in FATES:
            yield f"activations[{position}].fate: is none of {', '.join(FATES)}"
    for position, trace in enumerate(record.traces):
        if trace.quantity not in QUANTITIES:
            yield f"traces[{position}].quantity: is none of {', '.join(QUANTITIES)}"


def _time_faults(record: SimulationRecord) -> Iterator[str]:
    for position, part in enumerate(record.slices):
        if part.end_ps < part.start_ps:
            yield f"slices[{position}].end_ps: {part.end_ps} is before its start"
    for position, activation in enumerate(record.activations):
        if (activation.end_ps is None) != (activation.fate == "unfinished"):
            yield f"activations[{position}].end_ps: is null where, and only where, the activation is unfinished"
        elif activation.end_ps is not None and activation.end_ps < activation.release_ps:
            yield f"activations[{position}].end_ps: {activation.end_ps} is before its release"
    for position, trace in enumerate(record.traces):
        if any(later < sooner for (sooner, _), (later, _) in pairwise(trace.points)):
            yield f"traces[{position}].points: go back in time"


SIMULATIONS = DocumentKind(
    title="socsim simulation", version=SIMULATION_SCHEMA_VERSION, record=SimulationRecord,
    timeline=frozenset({"slices", "activations"}), contradictions=_contradictions,
)  # fmt: skip
