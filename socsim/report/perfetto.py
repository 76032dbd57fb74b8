"""Perfetto traces: tracks with slices, instants and counters, written with equal bytes for equal content.

Perfetto counts nanoseconds, so every slice also carries its picoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from socsim.errors import ResultError
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")
PS_PER_NS = 1000
_SEQUENCE = 1
_NAME = 300


@dataclass(frozen=True, slots=True)
class FoundSlice:
    """A slice as a trace holds it.

    Args:
        path: names of the tracks that lead to it, from the root.
        name: of the slice.
        start_ns, end_ns: nanoseconds of Perfetto's clock.
        values: annotations by name; `start_ps` and `end_ps` are exact.
    """

    path: tuple[str, ...]
    name: str
    start_ns: int
    end_ns: int
    values: Mapping[str, int | str]


class TraceWriter:
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
        descriptor.name = _clean(name)
        descriptor.child_ordering = self.explicit_order
        descriptor.sibling_order_rank = self.ranks.get(parent, 0)
        self.ranks[parent] = self.ranks.get(parent, 0) + 1
        if parent is not None:
            descriptor.parent_uuid = parent
        return int(descriptor.uuid)

    def counter(self, name: str, unit: str, values: Mapping[int, float], parent: int) -> None:
        """Write a counter: its value from each nanosecond on."""
        uuid = self.track(name, parent)
        self.builder.trace.packet[-1].track_descriptor.counter.unit_name = unit
        for time_ns, value in values.items():
            event = self._event(time_ns, uuid, self.event_type.TYPE_COUNTER)
            if isinstance(value, int):
                event.counter_value = value
            else:
                event.double_counter_value = value

    def slice(
        self, track: int, name: str, start_ps: int, end_ps: int, values: Mapping[str, int | str] | None = None
    ) -> None:
        """Write a slice with its annotations."""
        begin = self._event(start_ps // PS_PER_NS, track, self.event_type.TYPE_SLICE_BEGIN)
        begin.name = _clean(name)
        _annotate(begin, {"start_ps": start_ps, "end_ps": end_ps, **(values or {})})
        self._event(end_ps // PS_PER_NS, track, self.event_type.TYPE_SLICE_END)

    def instant(self, track: int, name: str, time_ps: int, values: Mapping[str, int | str] | None = None) -> None:
        """Write a moment with its annotations."""
        event = self._event(time_ps // PS_PER_NS, track, self.event_type.TYPE_INSTANT)
        event.name = _clean(name)
        _annotate(event, {"time_ps": time_ps, **(values or {})})

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


@lru_cache(4096)
def _clean(text: str) -> str:
    """Return a name as it may stand in a trace; slices share most of theirs."""
    return terminal_text(text, _NAME)


def _annotate(event: Any, values: Mapping[str, int | str]) -> None:
    for name, value in values.items():
        if isinstance(value, int):
            event.debug_annotations.add(name=_clean(name), int_value=value)
        else:
            event.debug_annotations.add(name=_clean(name), string_value=_clean(value))


def lanes(slices: Iterable[T], span: Callable[[T], tuple[int, int]]) -> list[list[T]]:
    """Return slices in as few lanes as hold them without overlap, each in order of time.

    Args:
        slices: in any order.
        span: returns start and end of one.
    """
    found: list[list[T]] = []
    busy: list[tuple[int, int]] = []
    free: list[int] = []
    for entry in sorted(slices, key=span):
        start, end = span(entry)
        while busy and busy[0][0] <= start:
            heappush(free, heappop(busy)[1])
        if not free:
            heappush(free, len(found))
            found.append([])
        lane = heappop(free)  # the first that is free
        found[lane].append(entry)
        heappush(busy, (end, lane))
    return found


def by_nanosecond(points: Iterable[tuple[int, T]]) -> dict[int, T]:
    """Return the value from each nanosecond on, of pairs of picoseconds and value; of several within one, the last."""
    return {time_ps // PS_PER_NS: value for time_ps, value in points}


# --- reading back -------------------------------------------------------------------------------------


def read_slices(data: bytes) -> list[FoundSlice]:
    """Return the slices of a trace that socsim wrote, in order of their begin.

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
        raise foreign(error) from None


def foreign(error: Exception) -> ResultError:
    """Return the error for a trace that lacks what socsim's have."""
    return ResultError(f"the trace is not one of socsim's: it lacks {error}; give a .pftrace file that socsim wrote")


def _read_packets(trace: Any) -> list[FoundSlice]:
    tracks = {p.track_descriptor.uuid: p.track_descriptor for p in trace.packet if p.HasField("track_descriptor")}
    found: list[FoundSlice] = []
    begun: dict[int, list[tuple[int, Any]]] = {}
    for packet in trace.packet:
        event = packet.track_event
        if event.type == event.TYPE_SLICE_BEGIN:
            begun.setdefault(event.track_uuid, []).append((packet.timestamp, event))
        elif event.type == event.TYPE_SLICE_END:
            start_ns, begin = begun[event.track_uuid].pop()
            path = _path(tracks, event.track_uuid)
            found.append(FoundSlice(path, begin.name, start_ns, packet.timestamp, _values(begin)))
    return sorted(found, key=lambda s: (s.values["start_ps"], s.values["end_ps"]))


def _path(tracks: Mapping[int, Any], uuid: int) -> tuple[str, ...]:
    names: list[str] = []
    while uuid:
        names.append(tracks[uuid].name)
        uuid = tracks[uuid].parent_uuid
    return tuple(reversed(names))


def _values(event: Any) -> dict[str, int | str]:
    return {
        entry.name: entry.string_value if entry.HasField("string_value") else entry.int_value
        for entry in event.debug_annotations
    }
