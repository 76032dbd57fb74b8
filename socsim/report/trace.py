"""Perfetto traces of a run: a group of tracks for each unit, counters for each memory and link.

Perfetto counts nanoseconds, so every slice also carries its picoseconds. Equal runs give equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from socsim.errors import ResultError
from socsim.report.sinks import terminal_text, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from socsim.records import RateRecord, RunRecord, SliceRecord

TRACKS = ("compute", "dma", "dispatch")
TILE_TRACKS = ("load", "store")
"""What takes the place of dma where tiles are shown."""
_SEQUENCE = 1
_PS_PER_NS = 1000
_NAME = 300
_DIRECTIONS = {"": "both", "read": "read", "write": "written"}


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
    writer = _Writer()
    root = writer.track(f"{record.model} on {record.platform}", None)
    names = dict.fromkeys([*(u.name for u in record.units), *(s.unit for s in record.slices)])
    for name in names:
        writer.unit(name, [s for s in record.slices if s.unit == name], root)
    changes = _changes(record.rates)
    for noun, entries in (("memory", record.memories), ("link", record.links)):
        for entry in entries:
            writer.rates(noun, entry.name, changes, root)
    return writer.finish()


class _Writer:
    """Collects packets; events are written in order of time, those of a track in the order given."""

    def __init__(self) -> None:
        from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TracePacket, TrackDescriptor, TrackEvent
        from perfetto.trace_builder.proto_builder import TraceProtoBuilder

        self.builder = TraceProtoBuilder()
        self.events: list[tuple[int, Any]] = []
        self.uuids = count(1)
        self.ranks: dict[int | None, int] = {}
        self.packet_type, self.event_type = TracePacket, TrackEvent
        self.explicit_order = TrackDescriptor.EXPLICIT

    def track(self, name: str, parent: int | None) -> int:
        """Describe a track below `parent`, after its other children, and return its number."""
        descriptor = self._packet().track_descriptor
        descriptor.uuid = next(self.uuids)
        descriptor.name = terminal_text(name, _NAME)
        descriptor.child_ordering = self.explicit_order
        descriptor.sibling_order_rank = self.ranks.get(parent, 0)
        self.ranks[parent] = self.ranks.get(parent, 0) + 1
        if parent is not None:
            descriptor.parent_uuid = parent
        return int(descriptor.uuid)

    def counter(self, name: str, parent: int) -> int:
        """Describe a counter of bytes a second and return its number."""
        uuid = self.track(name, parent)
        self.builder.trace.packet[-1].track_descriptor.counter.unit_name = "B/s"
        return uuid

    def unit(self, name: str, slices: list[SliceRecord], root: int) -> None:
        """Write the tracks of a unit; slices that overlap on a track move to a further one of its name."""
        group = self.track(name, root)
        used = {s.track: None for s in slices}
        plain = [t for t in TRACKS if t != "dma" or used.keys().isdisjoint(TILE_TRACKS)]
        tracks = dict.fromkeys([*plain, *used])
        for track in tracks:
            lanes = _lanes(s for s in slices if s.track == track)
            for lane in lanes or [[]]:
                uuid = self.track(track, group)
                for entry in lane:
                    self._slice(uuid, entry)

    def rates(self, noun: str, name: str, changes: Mapping[str, Mapping[int, int]], root: int) -> None:
        """Write the granted rates of a memory or link as counters."""
        group = self.track(f"{noun} {name}", root)
        for direction, title in _DIRECTIONS.items():
            resource = f"{name}.{direction}" if direction else name
            if resource in changes:
                self._counts(self.counter(f"{name} {title}", group), changes[resource])

    def finish(self) -> bytes:
        """Return the trace."""
        self.events.sort(key=lambda event: event[0])
        self.builder.trace.packet.extend(packet for _, packet in self.events)
        self.builder.trace.packet[0].sequence_flags = self.packet_type.SEQ_INCREMENTAL_STATE_CLEARED
        return bytes(self.builder.serialize())

    def _packet(self) -> Any:
        packet = self.builder.add_packet()
        packet.trusted_packet_sequence_id = _SEQUENCE
        return packet

    def _event(self, time_ns: int, track: int, kind: int) -> Any:
        packet = self.packet_type(timestamp=time_ns, trusted_packet_sequence_id=_SEQUENCE)
        packet.track_event.type = kind
        packet.track_event.track_uuid = track
        self.events.append((time_ns, packet))
        return packet.track_event

    def _slice(self, track: int, entry: SliceRecord) -> None:
        begin = self._event(entry.start_ps // _PS_PER_NS, track, self.event_type.TYPE_SLICE_BEGIN)
        begin.name = terminal_text(entry.label, _NAME)
        for name in _ANNOTATIONS:
            begin.debug_annotations.add(name=name, int_value=getattr(entry, name))
        self._event(entry.end_ps // _PS_PER_NS, track, self.event_type.TYPE_SLICE_END)

    def _counts(self, track: int, changes: Mapping[int, int]) -> None:
        for time_ns, rate in changes.items():
            self._event(time_ns, track, self.event_type.TYPE_COUNTER).counter_value = rate


_ANNOTATIONS = ("operator", "start_ps", "end_ps", "read_bytes", "write_bytes")


def _changes(rates: Iterable[RateRecord]) -> dict[str, dict[int, int]]:
    """Return by resource the rate from each nanosecond on; of several changes within one, the last."""
    found: dict[str, dict[int, int]] = {}
    for rate in rates:
        found.setdefault(rate.resource, {})[rate.time_ps // _PS_PER_NS] = rate.bytes_per_s
    return found


def _lanes(slices: Iterable[SliceRecord]) -> list[list[SliceRecord]]:
    """Return slices in as few lanes as hold them without overlap, each in order of time."""
    lanes: list[list[SliceRecord]] = []
    for entry in sorted(slices, key=lambda s: (s.start_ps, s.end_ps)):
        free = next((lane for lane in lanes if lane[-1].end_ps <= entry.start_ps), None)
        if free is None:
            lanes.append([entry])
        else:
            free.append(entry)
    return lanes


# --- reading back -------------------------------------------------------------------------------------


def read_trace(data: bytes) -> list[TraceSlice]:
    """Return the slices of a trace that `trace_bytes` made, in order of their begin.

    Raises:
        ResultError: no Perfetto trace, or not one of socsim's.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    try:
        trace = Trace.FromString(data)
    except DecodeError:
        msg = "the bytes are no Perfetto trace; give a .pftrace file that socsim wrote"
        raise ResultError(msg) from None
    try:
        return _read_packets(trace)
    except (KeyError, IndexError) as error:
        msg = f"the trace is not one of socsim's: it lacks {error}; give a .pftrace file that socsim wrote"
        raise ResultError(msg) from None


def _read_packets(trace: Any) -> list[TraceSlice]:
    tracks = {p.track_descriptor.uuid: p.track_descriptor for p in trace.packet if p.HasField("track_descriptor")}
    found: list[TraceSlice] = []
    begun: dict[int, list[tuple[int, Any]]] = {}
    for packet in trace.packet:
        event = packet.track_event
        if event.type == event.TYPE_SLICE_BEGIN:
            begun.setdefault(event.track_uuid, []).append((packet.timestamp, event))
        elif event.type == event.TYPE_SLICE_END:
            start_ns, begin = begun[event.track_uuid].pop()
            found.append(_read_slice(tracks, begin, start_ns, packet.timestamp))
    return sorted(found, key=lambda s: (s.start_ps, s.end_ps))


def _read_slice(tracks: dict[int, Any], begin: Any, start_ns: int, end_ns: int) -> TraceSlice:
    track = tracks[begin.track_uuid]
    values = {annotation.name: annotation.int_value for annotation in begin.debug_annotations}
    return TraceSlice(
        unit=tracks[track.parent_uuid].name,
        track=track.name,
        name=begin.name,
        start_ns=start_ns,
        end_ns=end_ns,
        **{name: values[name] for name in _ANNOTATIONS},
    )
