"""Perfetto traces: what is written reads back, tracks nest, counters hold the granted rates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_runs import HOSTILE, hostile, made_up
from trace_checks import assert_in_order_and_nested, packets_of, track_paths

from socsim.errors import ResultError
from socsim.records import SliceRecord
from socsim.report.trace import read_trace, save_trace, trace_bytes


def parsed(record):
    return packets_of(trace_bytes(record))


def facts(s):
    return s.unit, s.track, s.operator, s.start_ps, s.end_ps, s.read_bytes, s.write_bytes


def test_slices_read_back_in_nanoseconds_and_picoseconds():
    found = read_trace(trace_bytes(made_up()))
    assert sorted(map(facts, found)) == sorted(map(facts, made_up().slices))
    assert all((s.start_ns, s.end_ns) == (s.start_ps // 1000, s.end_ps // 1000) for s in found)
    assert {s.name for s in found if s.operator == 2} == {"2 CONV_2D", "2 CONV_2D steady"}


def test_real_run_reads_back(models):
    from socsim.pipeline import Options, run_graph
    from socsim.soc.loader import load_platform
    from socsim.workload.importers import load_graph

    graph = load_graph(models / "mlperf_tiny_kws_dscnn_int8.tflite")
    record = run_graph(graph, load_platform("rk3588"), Options())
    found = read_trace(trace_bytes(record))
    assert len(found) == len(record.slices) > 20
    assert sorted(map(facts, found)) == sorted(map(facts, record.slices))


def test_each_unit_is_a_group_of_compute_dma_and_dispatch():
    paths = set(track_paths(parsed(made_up())).values())
    root = "tiny on board"
    for unit in ("npu", "cpu"):
        assert {(root, unit), *((root, unit, t) for t in ("compute", "dma", "dispatch"))} <= paths
    assert (root, "memory dram", "dram read") in paths
    assert (root, "link noc", "noc read") in paths
    assert not any("npu>dram" in name for path in paths for name in path)


def test_counters_hold_the_granted_rates():
    packets = parsed(made_up())
    paths = track_paths(packets)
    values = [
        (p.timestamp, p.track_event.counter_value)
        for p in packets
        if p.track_event.type == p.track_event.TYPE_COUNTER and paths[p.track_event.track_uuid][-1] == "dram read"
    ]
    assert values == [(r.time_ps // 1000, r.bytes_per_s) for r in made_up().rates if r.resource == "dram.read"]
    units = [p.track_descriptor.counter.unit_name for p in packets if p.track_descriptor.HasField("counter")]
    assert set(units) == {"B/s"}


def test_events_are_in_order_of_time_and_slices_nest():
    assert_in_order_and_nested(parsed(made_up(50)))


def test_slices_shorter_than_a_nanosecond_keep_their_picoseconds():
    record = replace(
        made_up(), slices=tuple(SliceRecord("npu", "dma", "0", 0, 5 * i, 5 * i + 5, 0, 0) for i in range(9))
    )
    found = read_trace(trace_bytes(record))
    assert [(s.start_ps, s.end_ps) for s in found] == [(5 * i, 5 * i + 5) for i in range(9)]
    assert all(s.start_ns == s.end_ns == 0 for s in found)


def test_overlapping_slices_move_to_another_track_of_the_same_name():
    overlapping = tuple(SliceRecord("npu", "dma", str(i), 0, 1_000 * i, 1_000 * i + 5_000, 0, 0) for i in range(3))
    record = replace(made_up(), slices=overlapping)
    names = [path for path in track_paths(parsed(record)).values() if path[1:] == ("npu", "dma")]
    assert len(names) == 3
    assert sorted(map(facts, read_trace(trace_bytes(record)))) == sorted(map(facts, overlapping))


def test_hostile_names_are_cleaned():
    (unit,) = {s.unit for s in read_trace(trace_bytes(hostile()))}
    assert unit == HOSTILE.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd").replace("\n", "\ufffd")


@pytest.mark.parametrize("data", [b"\xff" * 9, b"not a trace"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ResultError, match=r"no Perfetto trace; give a \.pftrace file that socsim wrote"):
        read_trace(data)


def test_trace_of_another_program_is_refused():
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    trace = Trace()
    event = trace.packet.add().track_event
    event.type, event.track_uuid = event.TYPE_SLICE_END, 5
    with pytest.raises(ResultError, match="the trace is not one of socsim's"):
        read_trace(trace.SerializeToString())


def test_trace_is_saved_whole(tmp_path):
    save_trace(made_up(), tmp_path / "t.pftrace")
    assert (tmp_path / "t.pftrace").read_bytes() == trace_bytes(made_up())
