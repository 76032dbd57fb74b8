"""Perfetto traces of a simulation: tracks of cores, links and memories, and applications; counters over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.report.perfetto import TraceWriter, by_nanosecond, lanes
from socsim.report.simulation_tables import due_ps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from socsim.simulation_records import ActivationRecord, ServedRecord, SimulationRecord

_QUANTITIES = {"power": ("W", 10**9), "temperature": ("°C", 1000), "frequency": ("Hz", 1)}
"""Unit of a counter, and how much of the record's unit that is."""
_FATES = {"missed": "deadline missed", "dropped": "dropped"}


def trace_bytes(record: SimulationRecord) -> bytes:
    """Return a simulation as a Perfetto trace; without slices where it was not traced."""
    writer = TraceWriter()
    root = writer.track(f"{record.scenario} on {record.platform}", None)
    by_core: dict[tuple[str, int], list[ServedRecord]] = {(server.name, 0): [] for server in record.servers}
    for s in record.slices:
        by_core.setdefault((s.server, s.core), []).append(s)
    for server in record.servers:
        group = writer.track(server.name, root)
        for core in range(server.cores):
            if (server.name, core) in by_core:
                _write_core(writer, f"{server.name} core {core}", by_core[server.name, core], group)
    rates = _rates(record.slices)
    for flow in record.flows:
        noun = "link" if flow.kind == "link" else "memory"
        writer.counter(f"{noun} {flow.name}", "B/s", by_nanosecond(rates.get(flow.name, [])), root)
    for application in record.applications:
        group = writer.track(f"application {application.name}", root)
        own = [a for a in record.activations if a.application == application.name]
        _write_activations(writer, own, application.deadline_ps, record.duration_ps, group)
    for trace in record.traces:
        unit, scale = _QUANTITIES[trace.quantity]
        values = {time_ns: value / scale for time_ns, value in by_nanosecond(trace.points).items()}
        writer.counter(f"{trace.quantity} {trace.name}", unit, values, root)
    return writer.finish()


def _write_core(writer: TraceWriter, name: str, slices: Iterable[ServedRecord], group: int) -> None:
    """Write what a core did; slices that overlap, which no real core has, move to a further track of its name."""
    for lane in lanes(slices, _span) or [[]]:
        track = writer.track(name, group)
        for s in lane:
            values: dict[str, int | str] = {"application": s.application, "activation": s.activation, "step": s.step}
            values |= {f"{flow} bytes": amount for flow, amount in s.moved}
            writer.slice(track, f"{s.application} {s.activation}: {s.label}", s.start_ps, s.end_ps, values)


def _rates(slices: Iterable[ServedRecord]) -> dict[str, list[tuple[int, int]]]:
    """Return by link and memory the bytes a second from each picosecond on; those of a slice spread evenly over it."""
    changes: dict[str, dict[int, int]] = {}
    for s in slices:
        for flow, amount in s.moved:
            rate = amount * 10**12 // max(s.end_ps - s.start_ps, 1)
            own = changes.setdefault(flow, {})
            own[s.start_ps] = own.get(s.start_ps, 0) + rate
            own[s.end_ps] = own.get(s.end_ps, 0) - rate
    return {flow: _levels(own) for flow, own in changes.items()}


def _levels(changes: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return the level from each time on, of changes by time; times at which it stays are left out."""
    level, levels = 0, []
    for time, change in sorted(changes.items()):
        if change:
            level += change
            levels.append((time, level))
    return levels


def _write_activations(
    writer: TraceWriter, activations: list[ActivationRecord], deadline_ps: int | None, duration_ps: int, group: int
) -> None:
    """Write activations from release to end on as few tracks as hold them, and what went wrong as instants."""

    def span(entry: ActivationRecord) -> tuple[int, int]:
        return entry.release_ps, duration_ps if entry.end_ps is None else entry.end_ps

    lasting = [a for a in activations if a.fate != "dropped"]
    for lane in lanes(lasting, span):
        track = writer.track("activations", group)
        for a in lane:
            due = due_ps(a, deadline_ps)
            values: dict[str, int | str] = {"activation": a.activation, "fate": a.fate}
            values |= {} if due is None else {"deadline_ps": due}
            writer.slice(track, f"{a.activation} {a.fate}", *span(a), values)
    missed = writer.track("deadlines missed, drops", group)
    for a in activations:
        due = due_ps(a, deadline_ps)
        at = due if a.fate == "missed" else a.end_ps
        if a.fate in _FATES and at is not None:
            writer.instant(missed, f"{a.activation} {_FATES[a.fate]}", at, {"activation": a.activation})


def _span(entry: ServedRecord) -> tuple[int, int]:
    return entry.start_ps, entry.end_ps
