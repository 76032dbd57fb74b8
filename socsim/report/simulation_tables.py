"""Tables of a simulation: applications and their steps, servers, links and memories, domains, clocks, heat, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.quantities import format_time
from socsim.report.formats import format_bytes
from socsim.report.tables import Table, derived, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.simulation_records import ActivationRecord, ApplicationRecord, ClockRecord, SimulationRecord

_TIMES = ("latency", "waiting", "service")
_TIME_PARTS = ("mean_ps", "deviation_ps", "least_ps", "p50_ps", "p95_ps", "p99_ps", "most_ps")
_APPLICATION_TYPES = {
    "name": "str", "task_class": "str", "arrival": "str", "deadline_ps": "int", "priority": "int", "released": "int",
    "completed": "int", "missed": "int", "dropped": "int", "unfinished": "int", "throughput_per_s": "float",
    **{f"{kind}_{part}": "int" for kind in _TIMES for part in _TIME_PARTS},
    "jitter_ps": "int", "energy_pj": "int", "share_pj": "int", "average_power_nw": "int",
}  # fmt: skip
_STEP_TYPES = {
    "application": "str", "step": "str", "what": "str", "places": "str", "alone_ps": "int", "energy_pj": "int",
    "reason": "str", "fallbacks": "str",
}  # fmt: skip
_SERVER_TYPES = {
    "name": "str", "unit": "str", "kind": "str", "policy": "str", "cores": "int", "utilisation": "float",
    "busy_ps": "int", "switching_ps": "int", "waking_ps": "int", "idle_ps": "int", "segments": "int",
    "preemptions": "int", "longest_queue": "int", "applications": "str",
}  # fmt: skip
_FLOW_TYPES = {
    "name": "str", "kind": "str", "bytes_per_s": "int", "bytes": "int", "busy_ps": "int", "busy_share": "float",
    "utilisation": "float", "applications": "str",
}  # fmt: skip
_DOMAIN_TYPES = {
    "name": "str", "on_share": "float", "wakes": "int", "static_pj": "int", "static_power_nw": "int",
    "states": "str",
}  # fmt: skip
_CLOCK_TYPES = {
    "clock": "str", "governor": "str", "changes": "int", "point": "str", "frequency_hz": "int", "time_ps": "int",
    "share": "float", "throttled_ps": "int",
}  # fmt: skip
_HEAT_TYPES = {
    "name": "str", "start_millicelsius": "int", "most_millicelsius": "int", "end_millicelsius": "int",
    "throttle_millicelsius": "int", "throttled_ps": "int",
}  # fmt: skip
_TRACE_TYPES = {"quantity": "str", "name": "str", "time_ps": "int", "value": "int"}
_ACTIVATION_TYPES = {
    "application": "str", "activation": "int", "release_ps": "int", "deadline_ps": "int", "end_ps": "int",
    "latency_ps": "int", "fate": "str",
}  # fmt: skip


def applications_table(record: SimulationRecord) -> Table:
    """Return one row for each application: what became of its activations, their times, its energy."""
    added = [_flat_times(entry) for entry in record.applications]
    return derived(_title("Applications", record), record.applications, added, _APPLICATION_TYPES)


def _flat_times(entry: ApplicationRecord) -> dict[str, Any]:
    return {f"{kind}_{part}": getattr(getattr(entry, kind), part) for kind in _TIMES for part in _TIME_PARTS}


def steps_table(record: SimulationRecord) -> Table:
    """Return one row for each step: where it runs and why, and what it takes alone."""
    added = [
        {"places": ", ".join(entry.places), "fallbacks": "; ".join(entry.fallbacks) or None} for entry in record.steps
    ]
    return derived(_title("Steps", record), record.steps, added, _STEP_TYPES)


def servers_table(record: SimulationRecord) -> Table:
    """Return one row for each server; utilisation is the share of its core-time in which it was busy."""
    added = [
        {"utilisation": ratio(entry.busy_ps, entry.cores * record.duration_ps), "applications": _by(entry, format_time)}
        for entry in record.servers
    ]
    return derived(_title("Servers", record), record.servers, added, _SERVER_TYPES)


def flows_table(record: SimulationRecord) -> Table:
    """Return one row for each link and memory; utilisation is its bytes against what it could have moved."""
    added = [
        {
            "busy_share": ratio(entry.busy_ps, record.duration_ps),
            "utilisation": ratio(entry.bytes * 10**12, entry.bytes_per_s * record.duration_ps),
            "applications": _by(entry, format_bytes),
        }
        for entry in record.flows
    ]
    return derived(_title("Links and memories", record), record.flows, added, _FLOW_TYPES)


def domains_table(record: SimulationRecord) -> Table:
    """Return one row for each power domain and memory: how long it was on, and what it drew whatever it did."""
    added = [
        {
            "on_share": ratio(dict(entry.states).get("on", 0), record.duration_ps),
            "static_power_nw": entry.static_pj * 10**9 // record.duration_ps if record.duration_ps else None,
            "states": ", ".join(f"{state} {format_time(time)}" for state, time in entry.states),
        }
        for entry in record.domains
    ]
    return derived(_title("Domains", record), record.domains, added, _DOMAIN_TYPES)


def clocks_table(record: SimulationRecord) -> Table:
    """Return one row for each operating point of each clock, and the time that was spent there."""
    rows = [row for clock in record.clocks for row in _clock_rows(clock, record.duration_ps)]
    return Table(_title("Clocks", record), tuple(_CLOCK_TYPES), rows, _CLOCK_TYPES)


def _clock_rows(clock: ClockRecord, duration_ps: int) -> list[tuple[Any, ...]]:
    return [
        (clock.name, clock.governor, clock.changes, point, hertz, time, ratio(time, duration_ps), clock.throttled_ps)
        for point, hertz, time in clock.points
    ]


def heat_table(record: SimulationRecord) -> Table:
    """Return one row for each node of the thermal network; none where heat is not modelled."""
    return derived(_title("Heat", record), record.thermal, [{}] * len(record.thermal), _HEAT_TYPES)


def traces_table(record: SimulationRecord) -> Table:
    """Return one row for each change of a temperature, frequency or power."""
    rows = [(trace.quantity, trace.name, *point) for trace in record.traces for point in trace.points]
    return Table(_title("Traces", record), tuple(_TRACE_TYPES), rows, _TRACE_TYPES)


def activations_table(record: SimulationRecord) -> Table:
    """Return one row for each activation, in order of release; none where the simulation was not traced."""
    allowed = {entry.name: entry.deadline_ps for entry in record.applications}
    added = [
        {"deadline_ps": due_ps(entry, allowed[entry.application]), "latency_ps": _latency_ps(entry)}
        for entry in record.activations
    ]
    return derived(_title("Activations", record), record.activations, added, _ACTIVATION_TYPES)


def due_ps(entry: ActivationRecord, deadline_ps: int | None) -> int | None:
    """Return when an activation is due; None where its application has no deadline."""
    return None if deadline_ps is None else entry.release_ps + deadline_ps


def _latency_ps(entry: ActivationRecord) -> int | None:
    """Return the time from release to end; an activation that was dropped or is unfinished has none."""
    return None if entry.end_ps is None or entry.fate == "dropped" else entry.end_ps - entry.release_ps


def companions(record: SimulationRecord) -> Sequence[tuple[str, Table]]:
    """Return the tables that stand below the applications in a report, with their headings."""
    tables = (
        ("Steps", steps_table(record)),
        ("Servers", servers_table(record)),
        ("Links and memories", flows_table(record)),
        ("Domains", domains_table(record)),
        ("Clocks", clocks_table(record)),
        ("Heat", heat_table(record)),
    )
    return [(title, table) for title, table in tables if table.rows]


def _by(entry: Any, form: Callable[[int], str]) -> str | None:
    return ", ".join(f"{name} {form(amount)}" for name, amount in entry.applications) or None


def _title(subject: str, record: SimulationRecord) -> str:
    return f"{subject} of {record.scenario} on {record.platform}"
