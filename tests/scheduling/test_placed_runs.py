"""What strategies decide, run by the engine: legal, as expected, explained, and refused where it cannot be."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from small_world import Net, altered, one_conv, small_soc, with_twin

import socsim as ss
from socsim.errors import InfeasibleError, UnsupportedOperatorError, UsageError
from socsim.pipeline import Options, prepare_graph, run_graph
from socsim.quantities import PS_PER_S
from socsim.schedule.partition.catalogue import STRATEGIES
from socsim.schedule.precision import at_precision
from socsim.testing.verify import verify

BUILT_IN = [name for name in STRATEGIES.names() if not name.startswith("test ")]
US = PS_PER_S // 10**6


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


def chain():
    """Return a network in which the second operator has no kernel on the NPU."""
    net = Net()
    x = net.op("SIN", [net.conv(net.input(1, 16, 16, 32), 64, 3)])
    return net.graph(net.op("RELU", [net.conv(x, 64, 3)]))


def branches(count=4, size=20):
    """Return as many chains of convolutions side by side, and their sum."""
    net = Net()
    x = net.conv(net.input(1, size, size, 32), 32)
    tips = [net.conv(net.conv(x, 32, 3), 32, 3) for _ in range(count)]
    while len(tips) > 1:
        tips = [net.op("ADD", [tips[0], tips[1]]), *tips[2:]]
    return net.graph(tips[0])


@pytest.mark.parametrize("strategy", BUILT_IN)
@pytest.mark.parametrize("detail", ["transaction", "analytic", "tile"])
def test_every_strategy_leaves_a_record_without_contradictions(twin, strategy, detail):
    graph = branches()
    record = run_graph(graph, twin, Options(strategy=strategy, detail=detail))
    assert verify(record, graph) == []
    assert all(row.placement_reason for row in record.operators)


@pytest.mark.parametrize("strategy", BUILT_IN)
@pytest.mark.parametrize(("model", "platform"), [("ssd_mobilenet_v1", "imx8mp"), ("mlperf_tiny_ic", "rk3588")])
def test_real_networks_on_real_platforms(strategy, model, platform):
    net, board = ss.load(model), ss.platform(platform)
    options = Options(strategy="cp_sat:effort=1" if strategy == "cp_sat" else strategy, precision="int8")
    record = run_graph(net, board, options)
    assert verify(record, at_precision(net, "int8")) == []


@pytest.mark.parametrize("strategy", [name for name in BUILT_IN if name not in {"single", "priority"}])
def test_a_run_without_sharing_takes_what_the_strategy_expects(soc, strategy):
    record = run_graph(chain(), soc, Options(strategy=strategy, detail="analytic"))
    assert [row.unit for row in record.operators][1] == "cpu"
    assert record.placement.expected_ps == record.latency_ps
    assert abs(record.placement.expected_pj - record.energy_pj) <= len(record.energy), "each account is rounded"


def test_sharing_adds_to_what_is_expected_and_nothing_else_does(twin):
    record = run_graph(branches(), twin, Options(strategy="heft"))
    assert len(record.units) > 1
    waits = sum(row.bus_wait_ps or 0 for row in record.operators)
    assert record.placement.expected_ps <= record.latency_ps <= record.placement.expected_ps + waits


def test_units_run_their_groups_in_the_order_of_the_schedule(twin):
    graph = branches()
    options = Options(strategy="heft")
    record = run_graph(graph, twin, options)
    expected = {row.index: row.start_ps for row in record.operators if row.start_ps is not None}
    tasks = prepare_graph(graph, twin, options).plan.tasks.tasks
    for unit in record.units:
        own = [task.root.index for task in tasks if task.unit == unit.name]
        assert [expected[op] for op in own] == sorted(expected[op] for op in own)
    order = [task.root.index for task in tasks]
    assert order != sorted(order), "the schedule differs from the network's order"


def test_parallel_branches_end_sooner_on_two_units(twin):
    graph = branches()
    alone = run_graph(graph, twin, Options(strategy="single"))
    both = run_graph(graph, twin, Options(strategy="cp_sat"))
    assert both.latency_ps < alone.latency_ps
    assert both.placement.expected_ps <= run_graph(graph, twin, Options(strategy="heft")).placement.expected_ps
    assert both.placement.bound <= both.placement.expected_ps


def test_single_costs_what_the_unit_alone_costs(soc):
    graph = one_conv(16, 32, 32, 3)
    alone, single = run_graph(graph, soc, Options(unit="npu")), run_graph(graph, soc, Options(strategy="single"))
    assert (single.latency_ps, single.energy_pj) == (alone.latency_ps, alone.energy_pj)


def test_priority_without_pins_is_the_default_to_the_byte(soc):
    runs = [ss.run(chain(), soc, **how).to_json() for how in ({}, {"strategy": "priority"})]
    assert runs[0] == runs[1]
    assert "placement" not in json.loads(runs[0])


def test_a_strategy_as_an_object_decides_as_by_its_name(soc):
    for name in ("priority", "heft"):
        runs = [ss.run(chain(), soc, strategy=how).to_json() for how in (name, STRATEGIES[name](), f"{name}:")]
        assert runs[0] == runs[1] == runs[2]


def test_what_a_strategy_decided_is_not_decided_again(soc, monkeypatch):
    asked = []
    solve = STRATEGIES["heft"].solve
    monkeypatch.setattr(STRATEGIES["heft"], "solve", lambda *given: asked.append(given) or solve(*given))
    graph, options = chain(), Options(strategy="heft")
    records = [run_graph(graph, soc, options) for _ in range(2)]
    assert prepare_graph(graph, soc, options) is prepare_graph(graph, soc.at({}), options)
    assert len(asked) == 1
    assert records[0] == records[1]
    run_graph(graph, soc, Options(strategy="heft", pins={0: "cpu"}))
    run_graph(graph, soc, Options(strategy="heft", deadline="1 s"))
    assert len(asked) == 3


@pytest.mark.parametrize("model", ["mlperf_tiny_kws", "ssd_mobilenet_v1"])
def test_the_priority_strategy_places_as_the_default_does(model):
    net, board = ss.load(model), ss.platform("imx8mp")
    plain = run_graph(net, board, Options(precision="int8"))
    free = next(row.index for row in plain.operators if row.latency_ps)
    pinned = run_graph(net, board, Options(precision="int8", pins={free: plain.operators[free].unit}))
    assert [row.unit for row in pinned.operators] == [row.unit for row in plain.operators]
    assert pinned.latency_ps == plain.latency_ps


# --- reasons ------------------------------------------------------------------------------------------


def test_reasons_say_pinned_only_cheaper_and_with_whom(soc):
    net = Net()
    x = net.op("RELU", [net.conv(net.input(1, 16, 16, 64), 64, 3)])
    graph = net.graph(net.conv(net.op("SIN", [x]), 64, 3))
    record = run_graph(graph, soc, Options(strategy="heft", pins={3: "cpu"}))
    conv, relu, sin, last = (row.placement_reason for row in record.operators)
    assert "cheaper on npu than on cpu; rknn kernel in int8" in conv
    assert "stays with operator 0, of its fused group" in relu
    assert "cpu alone has kernels for it: npu (rknn) has no SIN" in sin
    assert last.startswith("pinned to cpu")


def test_alternatives_say_what_it_takes_elsewhere_or_why_not(soc):
    run = ss.run(chain(), soc, strategy="heft", calibration="none")
    rows = {(row["operator"], row["unit"]): row for row in run.alternatives}
    assert rows[1, "npu"]["latency_ps"] is None
    assert rows[1, "npu"]["reason"] == "npu (rknn) has no SIN"
    assert rows[0, "cpu"]["latency_ps"] > rows[0, "npu"]["latency_ps"] > 0
    text = str(run.explain(0))
    assert "by unit" in text
    assert "borders left out" in text
    assert "npu (rknn) has no SIN" in str(run.explain(1))
    assert len(ss.run(chain(), soc).alternatives) == 0


def test_a_record_with_a_placement_survives_json(soc):
    run = ss.run(chain(), soc, strategy="pipelined")
    assert ss.Run.from_json(run.to_json()).record.placement == run.record.placement
    assert "a result every" in str(run.summary())


# --- pins, deadlines, refusals ------------------------------------------------------------------------


def test_pins_go_by_index_by_name_and_by_kind(twin):
    graph = branches()
    record = run_graph(graph, twin, Options(strategy="heft", pins={"0": "twin", "1": "cpu"}))
    assert (record.operators[0].unit, record.operators[1].unit) == ("twin", "cpu")
    named = run_graph(graph, twin, Options(pins={"conv_2d": "cpu"}))
    assert {row.unit for row in named.operators if row.name == "conv_2d"} == {"cpu"}


def test_pins_of_a_fused_group_may_take_it_apart(soc):
    graph = chain()
    record = run_graph(graph, soc, Options(strategy="heft", pins={2: "npu", 3: "cpu"}))
    assert [record.operators[i].unit for i in (2, 3)] == ["npu", "cpu"]
    assert record.operators[3].fused_into is None


def test_a_pin_to_a_unit_without_a_kernel_is_refused_with_demand_bound_and_gap(soc):
    with pytest.raises(
        InfeasibleError, match=r"operator 1 SIN 'sin' is pinned to npu: npu \(rknn\) has no SIN"
    ) as caught:
        run_graph(chain(), soc, Options(strategy="heft", pins={1: "npu"}))
    report = caught.value.report
    assert (report.demand, report.bound, report.gap) == (3, 2, 1)
    assert report.levers
    assert caught.value.exit_code == 4


def test_a_network_that_no_unit_runs_alone_is_refused_with_all_reasons(soc):
    fussy = altered("tflite-xnnpack", supports=altered("cmsis-nn").supports)
    net = Net()
    graph = net.graph(net.op("MISH", [net.op("SIN", [net.input(1, 8)])]))
    board = soc.with_({"units.cpu.runtime": "tflite-xnnpack"})
    assert fussy.name
    with pytest.raises((InfeasibleError, UnsupportedOperatorError)) as caught:
        run_graph(graph, board, Options(strategy="single", pins={0: "cpu", 1: "npu"}))
    assert "npu" in str(caught.value)
    assert "cpu" in str(caught.value)


@pytest.mark.parametrize("strategy", ["priority", "heft", "cp_sat"])
def test_an_impossible_deadline_is_refused_with_its_gap(soc, strategy):
    with pytest.raises(InfeasibleError, match="deadline") as caught:
        run_graph(chain(), soc, Options(strategy=strategy, deadline="1 us"))
    assert caught.value.report.bound == US
    assert caught.value.report.gap > 0


def test_energy_under_a_deadline_spends_less_than_latency_and_more_than_without(twin):
    graph = branches()
    fast = run_graph(graph, twin, Options(strategy="cp_sat"))
    lean = run_graph(graph, twin, Options(strategy="cp_sat", objective="energy"))
    limit = (fast.latency_ps + lean.latency_ps) // 2
    between = run_graph(graph, twin, Options(strategy="cp_sat", objective="energy", deadline=f"{limit} ps"))
    assert lean.placement.expected_pj <= between.placement.expected_pj <= fast.placement.expected_pj
    assert between.latency_ps <= limit
    assert between.placement.deadline_ps == limit


def test_the_period_of_a_pipeline_is_below_its_latency(twin):
    record = run_graph(branches(), twin, Options(strategy="pipelined"))
    assert len(record.units) > 1
    assert record.placement.bound <= record.placement.period_ps < record.latency_ps


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"strategy": "hft"}, "placement strategy 'hft' is not known. Did you mean 'heft'"),
        ({"strategy": 3}, "strategy is 3; give one of"),
        ({"strategy": "delegate:mots=2"}, "strategy 'delegate': it has no option 'mots'. Did you mean 'most'?"),
        ({"strategy": "delegate:most=all"}, "strategy 'delegate': option 'most=all': write most= and a whole number"),
        (
            {"strategy": "heft", "objective": "energy"},
            "strategy 'heft' aims at latency; for objective 'energy' take cp_sat",
        ),
        ({"objective": "energy"}, "strategy 'priority' weighs no costs; for objective 'energy' take cp_sat"),
        ({"strategy": "cp_sat", "objective": "power"}, "objective 'power' is not known."),
        ({"strategy": "heft", "deadline": "soon"}, "deadline: "),
        ({"strategy": "heft", "deadline": "0 ms"}, "deadline '0 ms' is not allowed; give a time above 0"),
        ({"deadline": 20}, 'deadline is 20; give a time such as "20 ms"'),
        ({"pins": {"99": "npu"}}, "pins of net: there is no operator '99'. Operators have the indices 0 to 3."),
        ({"pins": {"0": "gpu"}}, "platform 'small' has no unit 'gpu'."),
        ({"pins": ["0"]}, "pins is a list; give units by index or name of operators"),
        ({"pins": {"0": "npu", 0: "cpu"}}, "pins of net: operator 0 is pinned to 'npu' and to 'cpu'"),
    ],
)
def test_misuse_is_refused_in_words(soc, how, message):
    with pytest.raises(UsageError) as caught:
        ss.run(chain(), soc, **how)
    assert message in str(caught.value)


def test_slices_of_the_timeline_follow_the_units(twin):
    record = run_graph(branches(), twin, Options(strategy="heft"))
    for unit in record.units:
        rows = sorted((r.start_ps, r.end_ps) for r in record.operators if r.unit == unit.name and r.latency_ps)
        assert all(before[1] <= after[0] for before, after in pairwise(rows))


def test_the_table_of_strategies_names_objectives_and_options():
    rows = {row["name"]: row for row in ss.strategies()}
    assert rows["cp_sat"]["objectives"] == "latency, energy"
    assert rows["delegate"]["options"] == "most=1, smallest=1"
    assert rows["heft"]["what"].startswith("Heterogeneous Earliest Finish Time")
