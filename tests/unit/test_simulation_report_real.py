"""Reports of real simulations: documents read back, traces and tables hold what the books say."""

from __future__ import annotations

from functools import cache

import pytest
from html_checks import assert_offline
from trace_checks import assert_in_order_and_nested, packets_of

import socsim as ss
from socsim.report.perfetto import read_slices
from socsim.report.simulation_trace import trace_bytes

CASES = (("adas_two_cameras", "orin-nano", "200 ms"), ("battery_sensor_node", "qcs8550", "3 s"))


@cache
def simulated(name, platform, duration):
    return ss.simulate(name, platform, duration=duration, trace=True)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} on {case[1]}")
def found(request):
    return simulated(*request.param)


def test_document_of_a_real_simulation_reads_back_without_faults(found):
    assert ss.Simulation.from_json(found.to_json(include_timeline=True)).record == found.record


def test_slices_move_the_bytes_that_flows_count(found):
    moved = {}
    for s in found.record.slices:
        for name, amount in s.moved:
            moved[name] = moved.get(name, 0) + amount
    assert moved
    assert moved == {flow.name: flow.bytes for flow in found.record.flows if flow.bytes}


def test_slices_are_the_core_time_that_servers_count(found):
    spent = {}
    for s in found.record.slices:
        spent[s.server] = spent.get(s.server, 0) + s.end_ps - s.start_ps
    for server in found.record.servers:
        busy = server.busy_ps + server.switching_ps + server.waking_ps
        assert spent.get(server.name, 0) == pytest.approx(busy, rel=1e-6)


def test_activations_are_those_that_applications_count(found):
    fates = [(a.application, a.fate) for a in found.record.activations]
    for entry in found.record.applications:
        assert fates.count((entry.name, "dropped")) == entry.dropped
        assert fates.count((entry.name, "completed")) + fates.count((entry.name, "missed")) == entry.completed


def test_power_over_time_adds_up_to_the_energy(found):
    (power,) = [trace for trace in found.record.traces if (trace.quantity, trace.name) == ("power", "total")]
    times = [time for time, _ in power.points] + [found.record.duration_ps]
    energy = sum(value * (times[i + 1] - times[i]) for i, (_, value) in enumerate(power.points))
    assert energy / 10**9 == pytest.approx(found.record.energy_pj, rel=1e-6)


def test_trace_holds_every_slice_of_every_core(found):
    data = trace_bytes(found.record)
    assert_in_order_and_nested(packets_of(data))
    read = [s for s in read_slices(data) if "step" in s.values]
    assert sorted((s.values["start_ps"], s.values["end_ps"]) for s in read) == sorted(
        (s.start_ps, s.end_ps) for s in found.record.slices
    )


def test_report_and_summary_hold_every_application(found):
    text = found.to_html()
    assert_offline(text)
    for name in found.applications.column("name"):
        assert name in text
        assert name in found.summary()


def test_policies_compare():
    loaded = ss.scenario("adas_two_cameras")
    a, b = (ss.simulate(loaded, "orin-nano", duration="200 ms", policy=name) for name in ("fifo", "edf"))
    assert "fifo on cpu, gpu" in repr(ss.compare(a, b))
