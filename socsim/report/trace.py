"""Perfetto traces of a run: a group of tracks for each unit, counters for each memory and link.

Perfetto counts nanoseconds, so every slice also carries its picoseconds. Equal runs give equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from socsim.report.perfetto import TraceWriter, by_nanosecond, foreign, lanes, read_slices
from socsim.report.sinks import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from socsim.records import RateRecord, RunRecord, SliceRecord

TRACKS = ("compute", "dma", "dispatch")
TILE_TRACKS = ("load", "store")
"""What takes the place of dma where tiles are shown."""
_DIRECTIONS = {"": "both", "read": "read", "write": "written"}
_ANNOTATIONS = ("operator", "read_bytes", "write_bytes")


@dataclass(frozen=True, slots=True)
class TraceSlice:
    """A slice as a trace holds it: nanoseconds of Perfetto's clock, and the exact picoseconds."""

    unit: str
    track: str
    name: str
    operator: int
    start_ns: int
    end_ns: int
    start_ps: int
    end_ps: int
    read_bytes: int
    write_bytes: int


def save_trace(record: RunRecord, path: Path) -> None:
    """Write a run as a Perfetto trace, usually `.pftrace`; ui.perfetto.dev opens it.

    Raises:
        ResultError: the file cannot be written.
    """
    write_file(path, trace_bytes(record))


def trace_bytes(record: RunRecord) -> bytes:
    """Return a run as a Perfetto trace."""
    writer = TraceWriter()
    root = writer.track(f"{record.model} on {record.platform}", None)
    names = dict.fromkeys([*(u.name for u in record.units), *(s.unit for s in record.slices)])
    for name in names:
        _write_unit(writer, name, [s for s in record.slices if s.unit == name], root)
    changes = _changes(record.rates)
    for noun, entries in (("memory", record.memories), ("link", record.links)):
        for entry in entries:
            group = writer.track(f"{noun} {entry.name}", root)
            for direction, title in _DIRECTIONS.items():
                points = changes.get(f"{entry.name}.{direction}" if direction else entry.name)
                if points:
                    writer.counter(f"{entry.name} {title}", "B/s", by_nanosecond(points), group)
    return writer.finish()


def _write_unit(writer: TraceWriter, name: str, slices: list[SliceRecord], root: int) -> None:
    """Write the tracks of a unit; slices that overlap on a track move to a further one of its name."""
    group = writer.track(name, root)
    used = {s.track: None for s in slices}
    plain = [t for t in TRACKS if t != "dma" or used.keys().isdisjoint(TILE_TRACKS)]
    for track in dict.fromkeys([*plain, *used]):
        for lane in lanes((s for s in slices if s.track == track), _span) or [[]]:
            uuid = writer.track(track, group)
            for entry in lane:
                values = {name: getattr(entry, name) for name in _ANNOTATIONS}
                writer.slice(uuid, entry.label, entry.start_ps, entry.end_ps, values)


def _span(entry: SliceRecord) -> tuple[int, int]:
    return entry.start_ps, entry.end_ps


def _changes(rates: Iterable[RateRecord]) -> dict[str, list[tuple[int, int]]]:
    """Return by resource the rate from each picosecond on."""
    found: dict[str, list[tuple[int, int]]] = {}
    for rate in rates:
        found.setdefault(rate.resource, []).append((rate.time_ps, rate.bytes_per_s))
    return found


# --- reading back -------------------------------------------------------------------------------------


def read_trace(data: bytes) -> list[TraceSlice]:
    """Return the slices of a trace that `trace_bytes` made, in order of their begin.

    Raises:
        ResultError: no Perfetto trace, or not one of a run of socsim's.
    """
    try:
        return [_run_slice(dict(s.values), s.path[-2:], s.name, (s.start_ns, s.end_ns)) for s in read_slices(data)]
    except (KeyError, ValueError) as error:
        raise foreign(error) from None


def _run_slice(values: dict[str, Any], path: tuple[str, ...], name: str, span_ns: tuple[int, int]) -> TraceSlice:
    unit, track = path
    return TraceSlice(
        unit=unit, track=track, name=name, start_ns=span_ns[0], end_ns=span_ns[1],
        **{name: values[name] for name in (*_ANNOTATIONS, "start_ps", "end_ps")},
    )  # fmt: skip
