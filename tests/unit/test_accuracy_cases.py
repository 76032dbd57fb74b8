"""What is run for a measurement: unit, cores, runtime and form, and why some are not predicted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from socsim.accuracy import predictions
from socsim.accuracy.cases import Share, question
from socsim.accuracy.predictions import predict
from socsim.accuracy.table import Measurement

CPU = Measurement(
    line=2, platform="rk3588", unit="cpu", cluster="big", cores=2, runtime="ncnn", runtime_version="",
    workload="resnet18", input_shape="1x3x224x224", precision="fp16", batch=1, metric="latency", value=10.0,
    unit_of_value="ms", board="", recorded="",
)  # fmt: skip
NPU = replace(CPU, unit="npu", cluster="", cores=1, runtime="rknn", precision="int8")


def case(row: Measurement):
    found = question(row)
    assert found.case is not None, found.reason
    return found.case


def test_the_names_of_a_table_become_those_of_socsim() -> None:
    found = case(replace(NPU, platform="qcs6490", runtime="qnn", cores=None))
    assert (found.unit, found.runtime, found.shares) == ("npu", "qnn-htp", (Share(None, None),))
    assert found.request.shape == (1, 3, 224, 224)


def test_a_stored_network_has_its_own_shape() -> None:
    assert case(replace(CPU, workload="ncnn/resnet18", input_shape="1x3x999x999")).request.shape is None


@pytest.mark.parametrize(
    ("cluster", "cores", "shares"),
    [
        ("little", 4, (Share("little", 4),)),
        ("all", 1, (Share("big", 1),)),
        ("all", 8, (Share("big", 4), Share("little", 4))),
        ("", None, (Share("big", None),)),
    ],
)
def test_threads_go_to_clusters(cluster, cores, shares) -> None:
    assert case(replace(CPU, cluster=cluster, cores=cores)).shares == shares


def test_types_that_a_gpu_runtime_lacks_run_on_the_cpu_with_the_threads_of_the_row() -> None:
    row = replace(CPU, unit="mixed", runtime="ncnn-vulkan", precision="int8", cluster="all", cores=8)
    found = question(row)
    assert found.case is not None
    assert (found.case.unit, found.case.runtime) == ("cpu", "ncnn")
    assert found.case.shares == (Share("big", 4), Share("little", 4))
    assert found.note == "ncnn-vulkan takes no int8: ncnn computes on the CPU"
    assert found.case.group == ("mixed", "all", "ncnn-vulkan")
    assert (case(replace(row, precision="fp16")).unit, question(replace(row, precision="fp16")).note) == ("gpu", None)


XNNPACK = replace(CPU, platform="orin-agx", cluster="", cores=None, runtime="tflite-xnnpack", workload="mobilenet_v2")


def test_a_row_that_names_no_threads_has_those_of_its_software() -> None:
    assert case(replace(XNNPACK, precision="fp32")).shares == (Share("all", 1),)
    assert case(replace(XNNPACK, precision="fp32", cores=4)).shares == (Share("all", 4),)
    assert case(replace(XNNPACK, precision="fp32", runtime="tflite-ruy")).shares == (Share("all", None),)


def test_types_that_software_leaves_to_another_one_are_rows_of_that_one() -> None:
    found = question(replace(XNNPACK, precision="uint8", runtime_version="master"))
    assert found.case is not None
    assert (found.case.unit, found.case.runtime, found.case.shares) == ("cpu", "tflite-ruy", (Share("all", None),))
    assert found.case.group == ("cpu", "", "tflite-ruy")
    assert found.note == "tflite-xnnpack master left uint8 to tflite-ruy"
    for row in (replace(XNNPACK, precision="int8"), replace(XNNPACK, precision="uint8", runtime_version="2.3.0")):
        assert case(row).group == ("cpu", "", "tflite-xnnpack")


def test_a_file_whose_border_alone_is_of_other_types_computes_in_its_own() -> None:
    found = case(replace(XNNPACK, workload="efficientnet_lite0", precision="uint8"))
    assert (found.precision, found.runtime) == ("int8", "tflite-xnnpack")


def test_rates_of_a_stream_do_not_depend_on_the_batch_where_the_chip_holds_the_network() -> None:
    row = replace(NPU, platform="hailo-8", runtime="hailort", metric="throughput", unit_of_value="FPS", cores=None)
    one, eight, latency = case(row), case(replace(row, batch=8)), case(replace(row, metric="latency"))
    assert (one.in_stream, eight.in_stream, latency.in_stream) == (True, True, False)
    found = predict([one, eight, latency], calibrated=False)
    assert found[one].value("throughput", 1) == pytest.approx(found[eight].value("throughput", 8), rel=0.05)
    assert found[one].latency_ps < found[latency].latency_ps
    large = replace(row, workload="yolov8x", input_shape="1x3x640x640")  # 68 million weights: not on the chip
    one, eight = case(large), case(replace(large, batch=8))
    found = predict([one, eight], calibrated=False)
    assert found[one].value("throughput", 1) < 0.8 * found[eight].value("throughput", 8)


def test_threads_beyond_the_cores_share_them_and_it_is_said() -> None:
    found = question(replace(CPU, cluster="big", cores=6))
    assert found.case is not None
    assert found.case.shares == (Share("big", 4),)
    assert found.note == "6 threads share 4 cores"


def test_any_word_means_the_only_cluster() -> None:
    assert len(case(replace(CPU, platform="bcm2711", cluster="big")).shares) == 1


def test_threads_of_the_host_do_not_count_for_a_gpu() -> None:
    row = replace(CPU, platform="orin-nano", unit="gpu", runtime="ncnn-vulkan", cluster="all", cores=6)
    assert case(row).shares == (Share(),)


def test_a_mixed_run_goes_to_the_unit_that_its_runtime_drives() -> None:
    row = replace(CPU, platform="orin-nano", unit="mixed", runtime="ncnn-vulkan")
    assert case(row).unit == "gpu"


def test_an_unknown_runtime_takes_its_nearest_relative_and_says_so() -> None:
    found = question(replace(NPU, runtime="rknn-lite-3"))
    assert found.case is not None
    assert found.case.runtime == "rknn"
    assert "'rknn-lite-3' has no description" in (found.note or "")


def test_a_runtime_without_a_relative_by_name_takes_that_of_the_unit() -> None:
    assert case(replace(NPU, runtime="zzz")).runtime == "rknn"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metric": "ttft"}, "language model"),
        ({"workload": "llama-7b"}, "language model"),
        ({"metric": "peak_memory"}, "peak memory"),
        ({"batch": None}, "how many inferences"),
        ({"platform": "apple-m5-pro"}, "no platform file"),
        ({"workload": "vargconvnet"}, "no network definition"),
        ({"unit": "sensing_hub"}, "rk3588 has no sensing_hub"),
        ({"cluster": "prime"}, "rk3588 has no CPU cluster 'prime'"),
        ({"input_shape": "a few"}, "input shape 'a few'"),
    ],
)
def test_a_refusal_says_why(change, reason) -> None:
    found = question(replace(CPU, **change))
    assert found.case is None
    assert reason in (found.reason or "")


def test_a_run_that_is_refused_has_its_message_as_reason() -> None:
    asked = case(replace(NPU, cores=9))
    assert "cores 9 is not allowed" in (predict([asked])[asked].reason or "")


def test_a_fault_of_the_program_ends_no_other_row(monkeypatch) -> None:
    good, bad = case(NPU), case(replace(NPU, batch=2))
    real = predictions.simulate_graph

    def broken(graph, soc, options):
        return real(graph, soc, options) if options.batch == 1 else {}["key"]

    monkeypatch.setattr(predictions, "simulate_graph", broken)
    found = predict([good, bad])
    assert found[good].reason is None
    assert found[bad].reason == "internal error: KeyError: 'key'"


def test_threads_on_two_clusters_wait_for_the_slower_half() -> None:
    big, little, both = (case(replace(CPU, cluster=c, cores=n)) for c, n in (("big", 4), ("little", 4), ("all", 8)))
    found = predict([big, little, both], calibrated=False)
    assert found[both].latency_ps == max(found[big].latency_ps, found[little].latency_ps) / 2


def test_metrics_of_one_prediction() -> None:
    asked = case(replace(NPU, batch=4))
    found = predict([asked])[asked]
    seconds, joules = found.latency_ps / 1e12, found.energy_pj / 1e12
    assert found.value("latency", 4) == pytest.approx(seconds)
    assert found.value("throughput", 4) == pytest.approx(4 / seconds)
    assert found.value("energy_per_inference", 4) == pytest.approx(joules / 4)
    assert found.value("power", 4) == pytest.approx(joules / seconds)
