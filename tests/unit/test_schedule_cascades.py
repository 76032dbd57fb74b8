"""Cascades: which tasks form one, what is held between them, and what they cost; transfers that move early."""

from __future__ import annotations

import pytest
from small_world import Net

import socsim as ss
from socsim.cost.work import Phase, Transfer
from socsim.errors import InfeasibleError
from socsim.pipeline import Options, make_plan
from socsim.schedule.staging import early_moves


def tower(size=64, *, residual=False):
    """Return a network whose middle is wide: 4 -> 64 -> depthwise -> 8 channels, and a layer behind."""
    net = Net()
    x = net.input(1, size, size, 4)
    wide = net.conv(x, 64, 1)
    middle = net.depthwise(wide, 3)
    narrow = net.conv(middle, 8, 1)
    end = net.conv(narrow, 8, 1)
    return net.graph(net.op("ADD", [end, narrow]) if residual else end)


def with_sram(name, kib):
    return ss.platform(name).with_({"memories.sram.size": f"{kib} KiB"})


def moved(record, memory):
    return next(m.read_bytes + m.write_bytes for m in record.memories if m.name == memory)


def test_what_would_lie_off_chip_is_held_in_part():
    plan = make_plan(tower(), with_sram("ethos-u65-256", 128), Options())
    (cascade,) = plan.cascades
    assert (cascade.first, cascade.last) == (0, 2)
    rows = {plan.graph.tensors[key].shape: held for key, held in cascade.held.items()}
    height = rows[1, 62, 62, 64][0]
    assert rows == {(1, 64, 64, 64): (height + 2, 64), (1, 62, 62, 64): (height, 62)}
    assert cascade.stripes == -(-62 // height)


def test_a_cascade_saves_the_traffic_and_fetches_weights_again():
    graph = tower()
    roomy = ss.run(graph, with_sram("ethos-u65-256", 4096), calibration="none").record
    tight = ss.run(graph, with_sram("ethos-u65-256", 128), calibration="none")
    spilled = ss.run(
        graph, with_sram("ethos-u65-256", 128).with_({"units.npu.cascade": False}), calibration="none"
    ).record
    assert moved(tight.record, "dram") < moved(spilled, "dram") / 2
    assert moved(tight.record, "dram") == pytest.approx(moved(roomy, "dram"), rel=0.05)
    assert roomy.latency_ps <= tight.record.latency_ps < spilled.latency_ps
    words = next(e for e in tight.record.explanations if e.operator == 1).terms
    assert any("operators 0 to 2 take turns in" in line for line in words)


def test_a_cascade_that_would_fetch_more_weights_than_it_keeps_on_chip_is_left():
    net = Net()
    deep = net.conv(net.conv(net.input(1, 16, 16, 512), 512, 1), 512, 1)  # 128 KiB between 512 KiB of weights
    soc = with_sram("ethos-u65-256", 96)
    assert make_plan(net.graph(deep), soc, Options()).cascades == ()
    assert make_plan(tower(), soc, Options()).cascades


def test_a_cascade_ends_where_a_result_is_read_twice():
    plan = make_plan(tower(residual=True), with_sram("ethos-u65-256", 128), Options())
    assert [(c.first, c.last) for c in plan.cascades] == [(0, 2)]


def test_a_network_that_does_not_fit_as_a_whole_is_cascaded():
    graph = tower()
    ss.run(graph, with_sram("ethos-u55-128", 128), calibration="none")
    with pytest.raises(InfeasibleError, match="finds no room in sram"):
        ss.run(graph, with_sram("ethos-u55-128", 128).with_({"units.npu.cascade": False}), calibration="none")


def test_units_without_cascades_have_none():
    graph = tower(256)
    for name in ("rk3588", "stm32n657"):
        assert make_plan(graph, ss.platform(name), Options(unit="npu")).cascades == ()


@pytest.mark.parametrize("kib", [4096, 512, 256, 128, 96])
def test_stripes_of_other_arrays_fetch_weights_once_each(kib):
    """The property belongs to a unit, whatever its array is."""
    array = {"kind": "unrolled", "unroll": {"C": 8, "K": 32}, "depthwise": {"G": 8}, "dataflow": "weight_stationary"}
    graph = tower()
    roomy, soc = (with_sram("ethos-u65-256", size).with_({"units.npu.array": array}) for size in (4096, kib))
    plan = make_plan(graph, soc, Options())
    stripes = {position: cascade.stripes for cascade in plan.cascades for position in cascade.positions}
    once, found = (ss.run(graph, chip, calibration="none").record.operators for chip in (roomy, soc))
    assert bool(stripes) == (kib <= 256)
    assert [row.weight_bytes for row in found] == [r.weight_bytes * stripes.get(r.index, 1) for r in once]


# --- transfers that move early ------------------------------------------------------------------------


def phase(label, cycles, read=0, *, early=False):
    return Phase(label, cycles, (Transfer("flash", read, 0),) if read else (), early=early)


def test_early_transfers_join_the_longest_phase_of_the_task_before_on_the_same_unit():
    first = (phase("prologue", 5, 10), phase("steady", 100, 20))
    other = (phase("steady", 7),)
    second = (phase("staging", 9, 30, early=True), phase("steady", 50, 40))
    done = early_moves(["npu", "cpu", "npu"], [first, other, second])
    assert done == [(first[0], phase("steady", 100, 50)), other, (second[1],)]


def test_the_first_task_of_a_unit_keeps_its_early_transfers():
    tasks = [(phase("staging", 9, 30, early=True), phase("steady", 50))]
    assert early_moves(["npu"], tasks) == tasks


def test_a_task_that_does_nothing_hosts_no_transfers():
    first, last = (phase("steady", 100),), (phase("staging", 9, 30, early=True), phase("steady", 50))
    assert early_moves(["npu", "npu", "npu"], [first, (), last]) == [(phase("steady", 100, 30),), (), (last[1],)]
