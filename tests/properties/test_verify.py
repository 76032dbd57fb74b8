"""The independent checker finds every kind of false record, and nothing in true ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_world import Net, small_soc

from socsim.errors import SimulationError
from socsim.pipeline import Options, run_graph
from socsim.testing.verify import check, verify


@pytest.fixture(scope="module")
def graph():
    net = Net()
    x = net.op("RELU", [net.conv(net.input(1, 8, 8, 8), 8)])
    x = net.op("SIN", [net.op("RESHAPE", [x], (1, 8, 8, 8))])
    return net.graph(net.conv(x, 8))


@pytest.fixture(scope="module")
def record(graph, tmp_path_factory):
    return run_graph(graph, small_soc(tmp_path_factory.mktemp("soc")), Options())


def changed(record, table, position, **changes):
    rows = list(getattr(record, table))
    rows[position] = replace(rows[position], **changes)
    return replace(record, **{table: tuple(rows)})


def test_a_true_record_has_no_violation(record, graph):
    assert verify(record, graph) == []
    check(record, graph)


# Operators: 0 CONV_2D (npu), 1 RELU and 2 RESHAPE folded, 3 SIN (cpu), 4 CONV_2D (npu).
LIES = {
    "parts": ("operators", 0, {"compute_ps": 1}, "parts add up to"),
    "latency": ("operators", 0, {"latency_ps": 1}, "parts add up to"),
    "early": ("operators", 4, {"start_ps": 0}, "before operator 0 CONV_2D ends"),
    "folded row with a cost": ("operators", 1, {"energy_pj": 0}, "is folded, yet has energy_pj"),
    "costed row without one": ("operators", 0, {"read_bytes": None}, "is costed, yet lacks read_bytes"),
    "folded into nothing": ("operators", 1, {"fused_into": 2}, "folded into 2, which carries no cost"),
    "no reason": ("operators", 0, {"placement_reason": ""}, "has no placement reason"),
    "wrong row": ("operators", 0, {"index": 3}, "stands in row 0"),
    "utilisation": ("operators", 0, {"utilisation": 1.5}, "utilisation 1.5 is not above 0"),
    "macs": ("operators", 0, {"macs": 1}, "operators have 4097 MACs, the network 8192"),
    "executed": ("operators", 0, {"executed_macs": 1}, "unit npu: executed 8192 MACs"),
    "free": ("operators", 0, {"energy_pj": 0}, "and 0 pJ"),
    "bytes": ("operators", 0, {"read_bytes": 7}, "memories booked"),
    "external bytes": ("operators", 0, {"dram_bytes": 7}, "B off chip"),
    "operator energy": ("operators", 0, {"energy_pj": 7}, "operators spent"),
    "busy": ("units", 0, {"busy_ps": 1}, "unit npu: busy 1 ps"),
    "idle": ("units", 0, {"idle_ps": 1}, "is not the makespan of"),
    "peak": ("units", 0, {"peak_macs_per_s": 1}, "MACs in"),
    "unit energy": ("units", 0, {"energy_pj": 1}, "its account says"),
    "full memory": ("memories", 0, {"capacity_bytes": 1}, "of 1 B"),
    "peak of a memory": ("memories", 0, {"weight_bytes": 1}, "are not the peak"),
    "rate of a memory": ("memories", 0, {"bytes_per_s": 1}, "exceed 1 B/s"),
    "memory initiators": ("memories", 0, {"initiators": (("npu", 1),)}, "initiators moved 1 B"),
    "link initiators": ("links", 0, {"initiators": (("npu", 1),)}, "link bus: initiators moved 1 B"),
    "rate of a link": ("links", 0, {"bytes_per_s": 1}, "link bus:"),
    "busy link": ("links", 0, {"busy_ps": 10**18}, "link bus: busy"),
    "account": ("energy", 0, {"energy_pj": 1}, "energy accounts add up to"),
    "granted rate": ("rates", 0, {"resource": "dram", "bytes_per_s": 10**12}, "granted at"),
    "granted rate of writes": ("rates", 0, {"resource": "dram.write", "bytes_per_s": 10**12}, "dram.write: "),
    "granted rate of a link": ("rates", 0, {"resource": "bus.write", "bytes_per_s": 10**12}, "bus.write: "),
    "slice outside": ("slices", 0, {"end_ps": 10**18}, "lies outside operator 0"),
    "slice bytes": ("slices", 1, {"read_bytes": 10**6}, "slices move"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_false_record_is_found_out(record, graph, lie):
    table, position, changes, message = LIES[lie]
    found = verify(changed(record, table, position, **changes), graph)
    assert found
    assert any(message in fault for fault in found), found


@pytest.mark.parametrize("kind", ["dram", "flash", "psram"])
def test_both_directions_share_the_pins_of_memories_off_chip(record, kind):
    memory = record.memories[0]
    assert memory.read_bytes
    assert memory.write_bytes
    one_way = max(memory.read_bytes, memory.write_bytes) * 10**12 // memory.busy_ps + 1
    slow = changed(record, "memories", 0, kind=kind, bytes_per_s=one_way)
    assert any(fault.startswith("memory dram:") and "exceed" in fault for fault in verify(slow))
    apart = changed(record, "memories", 0, kind="sram", bytes_per_s=one_way)
    assert not any(fault.startswith("memory dram:") for fault in verify(apart))


def test_a_false_total_is_found_out(record):
    assert any("energy accounts" in fault for fault in verify(replace(record, energy_pj=1)))
    assert any("the last operator ends" in fault for fault in verify(replace(record, latency_ps=10**15)))


def test_precedence_is_followed_through_folded_operators(record, graph):
    start, end = record.operators[3].start_ps, record.operators[3].end_ps
    moved = changed(record, "operators", 3, start_ps=start - 5, end_ps=end - 5)
    assert any(fault.startswith("operator 3 SIN: starts at") for fault in verify(moved, graph))
    assert not any("is ready at" in fault for fault in verify(moved))


def test_a_graph_of_another_network_is_refused(record):
    net = Net()
    other = net.graph(net.conv(net.input(1, 8, 8, 8), 8))
    assert verify(record, other) == ["the graph has 1 operators, the record 5"]


def test_bytes_of_nobody_need_to_be_declared_as_background(graph, tmp_path):
    record = run_graph(graph, small_soc(tmp_path), Options(background={"cpu": "1 GB/s"}))
    assert verify(record, graph) == []
    silent = verify(replace(record, background=()), graph)
    assert any(fault.startswith("unit cpu: operators move") for fault in silent)


def test_check_raises_with_every_violation(record):
    false = replace(changed(record, "units", 0, busy_ps=1), energy_pj=1)
    with pytest.raises(SimulationError) as error:
        check(false)
    assert "run of 'net' on 'small': 2 faults" in str(error.value)
    assert "unit npu: busy 1 ps" in str(error.value)
    assert "energy accounts add up to" in str(error.value)
