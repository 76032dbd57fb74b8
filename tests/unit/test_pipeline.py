"""Runs of real models on every shipped platform: the books balance, or the refusal says why."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest
from small_world import Net, altered, one_conv, small_soc, window, with_twin

from socsim.errors import DeadlockError, InfeasibleError, UnsupportedOperatorError, UsageError
from socsim.pipeline import Options, run_graph, unit_order
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.runtimes import runtime, runtime_names
from socsim.testing.verify import check, verify
from socsim.workload.zoo import load_model

ROOT = Path(__file__).resolve().parents[2]
MODELS = [
    "tfls_mobilenet_v1_0.25_224.tflite",
    "coral_tf2_mobilenet_v2_1.0_224_ptq_int8.tflite",
    "nns_mobilenet_v2_quant.onnx",
    "ncnn/resnet50_int8.param",
    "mlperf_tiny_kws_dscnn_int8.tflite",
]


@cache
def platform(name):
    return load_platform(name)


@cache
def network(path):
    return load_model(path)


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def assert_says_why(error):
    """A refusal holds demand, bound and gap, or lists the operators."""
    if isinstance(error, UnsupportedOperatorError):
        assert f"{len(str(error).splitlines()) - 1} operators have no kernel" in str(error)
        return
    report = error.report
    assert report.gap == report.demand - report.bound > 0
    for name in ("demand", "bound", "gap"):
        assert f"{name} {getattr(report, name):,}" in str(error)


# --- books --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", platform_names())
@pytest.mark.parametrize("model", MODELS)
def test_books_balance_on_every_kind_of_unit_and_the_closed_form_agrees(models, name, model):
    graph, soc = network(models / model), platform(name)
    for kind in dict.fromkeys(unit.kind for unit in soc.units.values()):
        try:
            record = run_graph(graph, soc, Options(unit=kind))
        except (InfeasibleError, UnsupportedOperatorError) as error:
            assert_says_why(error)
            continue
        assert verify(record, graph) == []
        # Each of these networks is a chain of tasks, each of which waits for the one before: nothing ever
        # shares the fabric, and the closed form of one task after the other is the same arithmetic.
        closed = run_graph(graph, soc, Options(unit=kind, detail="analytic"))
        assert verify(closed, graph) == []
        assert closed.operators == record.operators
        assert (closed.latency_ps, closed.energy_pj) == (record.latency_ps, record.energy_pj)


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "int16"}, {"batch": 4}, {"cores": 3}, {"unit": "cpu", "cluster": "little", "cores": 2},
        {"unit": "gpu", "precision": "fp16"}, {"unit": "cpu", "precision": "fp32", "batch": 2},
    ],
)  # fmt: skip
def test_books_balance_under_options(models, options):
    graph = network(models / MODELS[1])
    record = run_graph(graph, platform("rk3588"), Options(**options))
    check(record, graph)
    assert record.macs == graph.macs * options.get("batch", 1)


def test_the_peak_of_a_unit_is_that_of_the_fastest_type_it_multiplied(soc):
    net = Net()
    x = net.input(1, 8, 8, 8)
    for dtype in ("float16", "int8", "float16"):  # 32, 64 and 32 multiply-accumulates a cycle at 1 GHz
        x = net.op("CONV_2D", [x, net.constant(8, 1, 1, 8)], compute_dtype=dtype, **window(1, 1))
    graph = net.graph(x)
    record = run_graph(graph, soc, Options(unit="npu"))
    check(record, graph)
    assert record.units[0].peak_macs_per_s == 64 * 10**9


# --- accuracy -----------------------------------------------------------------------------------------

FILES = {"mobilenet_v2": MODELS[1], "resnet50_v2": MODELS[3]}


def seed_rows():
    with (ROOT / "validation" / "measurements.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["platform"], row["runtime"]) == ("rk3588", "rknn")]
    return [pytest.param(row, id=row["workload"]) for row in rows if row["workload"] in FILES]


@pytest.mark.parametrize("row", seed_rows())
def test_latency_is_within_a_factor_of_two_of_the_measurement(models, row):
    options = Options(row["runtime"], row["unit"], None, int(row["cores"]), row["precision"], int(row["batch"]))
    record = run_graph(network(models / FILES[row["workload"]]), platform(row["platform"]), options)
    assert row["unit_of_value"] == "ms"
    assert 0.5 <= record.latency_ps / 1e9 / float(row["value"]) <= 2


def test_there_is_a_measurement_of_each_network():
    assert {row.values[0]["workload"] for row in seed_rows()} == set(FILES)


# --- sharing ------------------------------------------------------------------------------------------


def test_background_traffic_slows_a_run_and_stays_in_the_books(models):
    graph, soc = network(models / MODELS[1]), platform("rk3588")
    latencies = []
    for rate in (None, "0 GB/s", "10 GB/s", "30 GB/s"):
        record = run_graph(graph, soc, Options(background={"cpu_big": rate} if rate else {}))
        assert verify(record, graph) == []
        latencies.append(record.latency_ps)
    assert latencies[0] == latencies[1] <= latencies[2] < latencies[3]


def test_background_traffic_is_booked_at_its_rate(soc):
    record = run_graph(one_conv(), soc, Options(unit="npu", background={"cpu": "1 GB/s"}))
    (memory,) = record.memories
    moved = dict(memory.initiators)
    assert moved["cpu"] == record.latency_ps * 10**9 // 10**12
    assert moved["npu"] == record.operators[0].read_bytes + record.operators[0].write_bytes


@pytest.mark.parametrize(
    ("background", "message"),
    [
        ({"cpu": "10"}, '"10" has no unit'),
        ({"cpu": "-1 GB/s"}, "is negative; give a rate from 0 B/s up"),
        ({"cpi": "1 GB/s"}, r"has no unit 'cpi'\. Did you mean 'cpu'"),
    ],
)
def test_background_that_makes_no_sense_is_refused(soc, background, message):
    with pytest.raises(UsageError, match=message):
        run_graph(one_conv(), soc, Options(background=background))


def branches(size=32):
    """Return a network with a convolution and a sine side by side, which no NPU runtime here computes."""
    net = Net()
    left, right = net.input(1, size, size, 64), net.input(1, size, size, 64)
    net.op("SIN", [right])
    return net.graph(net.op("ADD", [net.conv(left, 64), net.op("SIN", [right])]), net.op("COS", [right]))


def test_branches_on_two_units_overlap_share_and_keep_their_order(soc):
    quick = soc.with_({"units.npu.command": "1 ns"})
    graph = branches(128)
    shared, serial = (run_graph(graph, quick, Options(detail=d)) for d in ("transaction", "analytic"))
    assert verify(shared, graph) == verify(serial, graph) == []
    assert shared.latency_ps < serial.latency_ps
    assert max(row.latency_ps for row in serial.operators if row.latency_ps) <= shared.latency_ps
    costed = [(a, b) for a, b in zip(shared.operators, serial.operators, strict=True) if a.latency_ps]
    assert all(a.latency_ps >= b.latency_ps and a.compute_ps == b.compute_ps for a, b in costed)
    assert all(b.bus_wait_ps == 0 for _, b in costed)
    assert sum(a.bus_wait_ps for a, _ in costed) > 0


def test_hand_over_between_units_is_charged_to_the_receiver(soc):
    net = Net()
    x = net.op("SIN", [net.conv(net.input(1, 8, 8, 8), 8)])
    record = run_graph(net.graph(net.conv(x, 8)), soc, Options())
    assert [row.unit for row in record.operators] == ["npu", "cpu", "npu"]
    handover = [soc.runtime(row.unit).handover.value for row in record.operators]
    waits = [row.sync_ps for row in record.operators]
    assert waits[0] == 0
    assert waits[1] >= handover[1]
    assert waits[2] == handover[2] > 0
    submit = soc.runtime("npu").submit.value
    assert record.operators[2].dispatch_ps == record.operators[0].dispatch_ps >= submit


def test_an_operator_of_several_kernels_is_dispatched_as_often(soc):
    net = Net()
    x = net.input(1, 8, 8, 8)
    parts = [net.op("SIN", [x]), net.op("COS", [x]), net.op("ABS", [x])]
    graph = net.graph(net.op("CONCATENATION", parts, shape=(1, 8, 8, 24)))
    stack = altered("tflite-xnnpack", dispatches={"CONCATENATION": "inputs", "SIN": 0, "ABS": 2})
    record = run_graph(graph, soc, Options(unit="cpu", runtime=stack))
    dispatched = {row.type: row.dispatch_ps for row in record.operators}
    each, first = stack.per_operator.value, stack.submit.value
    assert dispatched == {"SIN": first, "COS": each, "ABS": 2 * each, "CONCATENATION": 3 * each}


# --- choosing units -----------------------------------------------------------------------------------


def test_a_kind_a_name_and_a_cluster_lead_to_units():
    soc = platform("rk3588")
    assert unit_order(soc, Options())[0] == "npu"
    assert unit_order(soc, Options(unit="cpu"))[0] == "cpu_big"
    assert unit_order(soc, Options(unit="cpu_little"))[0] == "cpu_little"
    assert unit_order(soc, Options(unit="cpu", cluster="little"))[0] == "cpu_little"
    assert unit_order(soc, Options(cluster="little"))[0] == "cpu_little"


def test_a_runtime_names_the_one_that_takes_over_on_the_cpu(soc):
    net = Net()
    graph = net.graph(net.op("SIN", [net.conv(net.input(1, 8, 8, 8), 8)]))
    for fallbacks, name in (({}, "tflite-xnnpack"), ({"cpu": "tflite-ruy"}, "tflite-ruy")):
        record = run_graph(graph, soc, Options(unit="npu", runtime=altered("rknn", fallbacks=fallbacks)))
        assert record.operators[1].unit == "cpu"
        assert f"cpu has a {name} kernel for SIN" in record.operators[1].placement_reason


@pytest.mark.parametrize("name", runtime_names())
def test_fallbacks_are_runtimes_of_their_kind_of_unit(name):
    assert all(kind in runtime(other).kinds for kind, other in runtime(name).fallbacks.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "npx"}, r"has no unit 'npx'\. Did you mean 'npu'"),
        ({"unit": "cpu", "cluster": "huge"}, "'cpu' has no cluster 'huge'"),
        ({"batch": 0}, "batch 0 is not allowed"),
        ({"detail": "transactions"}, "Did you mean 'transaction'"),
        ({"unit": "npu", "cores": 3}, "cores 3 is not allowed; 'npu' has 2"),
        ({"unit": "npu", "runtime": "tflite-xnnpack"}, "runtime 'tflite-xnnpack' drives cpu, but 'npu' is a npu"),
        ({"detail": "analytic", "background": {"cpu": "1 GB/s"}}, "background traffic needs events"),
    ],
)
def test_options_that_do_not_exist_here_are_refused(soc, options, message):
    with pytest.raises(UsageError, match=message):
        run_graph(one_conv(), soc, Options(**options))


def test_two_equal_units_make_equal_runs(soc):
    twins = with_twin(soc)
    one, other = (run_graph(one_conv(), twins, Options(unit=name)) for name in ("npu", "twin"))
    assert (one.latency_ps, one.energy_pj) == (other.latency_ps, other.energy_pj)
    assert [unit.name for unit in other.units] == ["twin"]


def test_starvation_is_an_error_and_not_a_very_long_run(tmp_path):
    soc = small_soc(tmp_path).with_(
        {
            "links.bus.arbitration": "priority",
            "links.bus.priorities": {"cpu": 1},
            "units.cpu.port.outstanding": 100_000,
            "units.cpu.port.width": "100_000 B/cycle",
        }
    )
    with pytest.raises(DeadlockError, match=r"npu can never finish: traffic of a higher priority \(cpu\) takes all"):
        run_graph(one_conv(8, 16, 16, 1), soc, Options(unit="npu", background={"cpu": "10_000 GB/s"}))
