"""Ways to look into a Perfetto trace with Perfetto's own reader of the format."""

from __future__ import annotations


def packets_of(data):
    """Return the packets of a trace."""
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    return Trace.FromString(data).packet


def track_paths(packets):
    """Return the path of each track by its number."""
    described = {p.track_descriptor.uuid: p.track_descriptor for p in packets if p.HasField("track_descriptor")}

    def path(uuid):
        track = described[uuid]
        return (*(path(track.parent_uuid) if track.parent_uuid else ()), track.name)

    return {uuid: path(uuid) for uuid in described}


def assert_in_order_and_nested(packets):
    """Fail where events go back in time, or a slice begins inside another or never ends."""
    events = [p for p in packets if p.HasField("track_event")]
    assert [p.timestamp for p in events] == sorted(p.timestamp for p in events)
    depth = {}
    for p in events:
        step = {p.track_event.TYPE_SLICE_BEGIN: 1, p.track_event.TYPE_SLICE_END: -1}.get(p.track_event.type, 0)
        depth[p.track_event.track_uuid] = depth.get(p.track_event.track_uuid, 0) + step
        assert depth[p.track_event.track_uuid] in {0, 1}
    assert set(depth.values()) == {0}
