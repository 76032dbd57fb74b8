"""Perfetto traces of a simulation: what is written reads back; tracks, counters and instants."""

from __future__ import annotations

from dataclasses import replace

from report_simulations import HOSTILE, MS, hostile_simulation, simulation
from trace_checks import assert_in_order_and_nested, packets_of, track_paths

from socsim.report.perfetto import lanes, read_slices
from socsim.report.simulation import Simulation
from socsim.report.simulation_trace import trace_bytes

DATA = trace_bytes(simulation())
ROOT = "watcher on board"


def counter(packets, name):
    paths = track_paths(packets)
    return [
        (p.timestamp, p.track_event.counter_value or p.track_event.double_counter_value)
        for p in packets
        if p.track_event.type == p.track_event.TYPE_COUNTER and paths[p.track_event.track_uuid] == (ROOT, name)
    ]


def test_slices_of_cores_read_back():
    found = [s for s in read_slices(DATA) if s.path[1] in {"cpu_big", "npu", "hub"}]
    assert sorted(
        (s.path[2], s.values["application"], s.values["activation"], s.values["start_ps"], s.values["end_ps"])
        for s in found
    ) == sorted(
        (f"{s.server} core {s.core}", s.application, s.activation, s.start_ps, s.end_ps) for s in simulation().slices
    )
    (late,) = [s for s in found if s.values["start_ps"] == 49 * MS]
    assert (late.name, late.start_ns, late.values["dram bytes"]) == ("camera 2: detect", 49_000_000, 60_000_000)


def test_each_core_in_use_application_and_flow_has_a_track():
    paths = set(track_paths(packets_of(DATA)).values())
    assert {(ROOT, "cpu_big", "cpu_big core 0"), (ROOT, "npu", "npu core 0"), (ROOT, "memory dram"), (ROOT, "link noc"),
            (ROOT, "application camera", "activations"),
            (ROOT, "application camera", "deadlines missed, drops")} <= paths  # fmt: skip
    assert not any("core 1" in path[-1] for path in paths)


def test_activations_go_from_release_to_end_with_deadline_and_fate():
    found = [s for s in read_slices(DATA) if s.path[-2:] == ("application camera", "activations")]
    assert [(s.values["start_ps"], s.values["end_ps"], s.values["deadline_ps"]) for s in found] == [
        (start * MS, (start + 8 if start != 40 else 55) * MS, (start + 10) * MS) for start in range(0, 100, 20)
    ]
    assert [s.values["fate"] for s in found] == ["completed", "completed", "missed", "completed", "completed"]
    assert [s.name for s in found][2] == "2 missed"


def test_misses_and_drops_are_instants():
    packets = packets_of(DATA)
    paths = track_paths(packets)
    instants = [
        (paths[p.track_event.track_uuid][1], p.timestamp, p.track_event.name)
        for p in packets
        if p.track_event.type == p.track_event.TYPE_INSTANT
    ]
    assert instants == [
        ("application assistant", 45_000_000, "1 dropped"),
        ("application camera", 50_000_000, "2 deadline missed"),
    ]


def test_counters_hold_power_temperature_frequency_and_rates():
    packets = packets_of(DATA)
    assert counter(packets, "power total") == [(0, 2), (40_000_000, 5), (60_000_000, 1)]
    assert counter(packets, "temperature die")[1] == (40_000_000, 86.4)
    assert counter(packets, "frequency npu")[1] == (40_000_000, 4e8)
    assert counter(packets, "memory dram")[:3] == [(2_000_000, 10**10), (8_000_000, 0), (22_000_000, 10**10)]
    units = {p.track_descriptor.name: p.track_descriptor.counter.unit_name for p in packets}
    assert (units["power total"], units["temperature die"], units["link noc"]) == ("W", "°C", "B/s")


def test_events_are_in_order_of_time_and_slices_nest():
    assert_in_order_and_nested(packets_of(DATA))
    assert_in_order_and_nested(packets_of(trace_bytes(hostile_simulation())))


def test_an_activation_that_never_ended_lasts_to_the_end():
    record = simulation()
    last = replace(record.activations[-1], end_ps=None, fate="unfinished")
    found = read_slices(trace_bytes(replace(record, activations=(last,))))
    assert [s.values["end_ps"] for s in found if s.values.get("fate") == "unfinished"] == [record.duration_ps]


def test_without_slices_counters_remain():
    data = trace_bytes(simulation(is_traced=False))
    assert read_slices(data) == []
    assert len(counter(packets_of(data), "power total")) == 3


def test_hostile_names_are_cleaned(tmp_path):
    Simulation(hostile_simulation()).save_trace(tmp_path / "h.pftrace")
    found = read_slices((tmp_path / "h.pftrace").read_bytes())
    clean = HOSTILE.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd").replace("\n", "\ufffd")
    assert {s.values["application"] for s in found if "application" in s.values} == {clean}
    assert not any(set("\x1b\u202e") & set("".join(s.path) + s.name) for s in found)


def test_lanes_are_as_few_as_hold_what_overlaps_and_the_first_free_one_is_taken():
    spans = [(0, 4), (1, 2), (2, 3), (2, 2), (3, 6), (4, 5), (4, 9)]
    assert lanes(spans, lambda span: span) == [[(0, 4), (4, 5)], [(1, 2), (2, 2), (2, 3), (3, 6)], [(4, 9)]]
    assert lanes([], lambda span: span) == []


def test_a_queue_of_thousands_is_laid_out_in_lanes_without_trying_all_of_them():
    asked = []
    spans = [(i, 10_000 + i) for i in range(3_000)]
    assert len(lanes(spans, lambda span: asked.append(span) or span)) == 3_000
    assert len(asked) < 4 * len(spans)
