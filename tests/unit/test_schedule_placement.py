"""Placement: the first unit with a kernel, the reason, and refusals that name everything."""

from __future__ import annotations

import pytest
from small_world import Net, altered, one_conv, small_soc, with_twin

from socsim.errors import InfeasibleError, UnsupportedOperatorError
from socsim.schedule.placement import candidates, graph_dtype, place, refusal_reason
from socsim.soc.runtimes import runtime
from socsim.workload.dtypes import DType


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


def supports(*groups):
    (model,) = {type(group) for group in altered("rknn").supports}
    return [model(operators=list(operators), types=list(types)) for operators, types in groups]


def npu_only(soc, *groups):
    """Return the NPU alone, with a runtime that has these kernels."""
    runtime = altered("rknn", supports=supports(*groups)) if groups else soc.runtime("npu")
    return candidates(soc, ["npu"], {"npu": runtime})


def test_the_first_unit_with_a_kernel_gets_the_operator(soc):
    units = candidates(soc, ["npu", "cpu"], {})
    (placed,) = place(one_conv(), units)
    assert (placed.unit, placed.dtype, placed.reason) == ("npu", "int8", "npu has a rknn kernel for CONV_2D in int8")


def test_what_the_first_lacks_goes_to_the_next_with_both_reasons(soc):
    net = Net()
    (placed,) = place(net.graph(net.op("SIN", [net.input(1, 8)])), candidates(soc, ["npu", "cpu"], {}))
    assert placed.unit == "cpu"
    assert placed.reason == "npu (rknn) has no SIN; cpu has a tflite-xnnpack kernel for SIN in int8"


def test_a_kernel_in_another_type_is_no_kernel(soc):
    units = npu_only(soc, (["CONV_2D"], ["int16"]))
    with pytest.raises(UnsupportedOperatorError, match=r"npu \(rknn\) has CONV_2D in int16, not int8"):
        place(one_conv(), units)


def test_a_window_wider_than_any_kernel_goes_to_the_next(soc):
    net = Net()
    graph = net.graph(net.conv(net.conv(net.input(1, 16, 16, 4), 4, 5), 4, 6))
    first, second = place(graph, candidates(soc, ["npu", "cpu"], {"npu": altered("rknn", widest_window=5)}))
    assert (first.unit, second.unit) == ("npu", "cpu")
    assert "npu (rknn) has CONV_2D with windows up to 5, not 6" in second.reason


def test_a_runtime_that_recasts_says_so(soc):
    net = Net(DType.FLOAT32)
    (placed,) = place(net.graph(net.conv(net.input(1, 8, 8, 8), 8)), npu_only(soc))
    assert (placed.dtype, placed.reason) == ("float16", "npu has a rknn kernel for CONV_2D in float32 as float16")


def test_cores_with_an_instruction_set_may_compute_in_other_types(soc):
    net = Net(DType.FLOAT32)
    graph = net.graph(net.conv(net.input(1, 8, 8, 8), 8))
    for isa, dtype in (([], "float32"), (["neon"], "float32"), (["neon", "fp16"], "float16")):
        units = candidates(soc.with_({"units.cpu.isa": isa}), ["cpu"], {"cpu": altered("ncnn")})
        assert [p.dtype for p in place(graph, units)] == [dtype]
    assert altered("ncnn").on(["neon"]).executes["float32"] == "float32"


def test_a_runtime_on_the_same_cores_is_one_object():
    stack = runtime("ncnn")
    assert stack.on(("neon", "fp16")) is stack.on(["fp16"])
    assert stack.on(["rvv"]) is stack


def test_hardware_that_cannot_multiply_a_type_is_refused(soc):
    slim = soc.with_({"units.npu.precisions": {"int8": 1}})
    net = Net(DType.INT16)
    graph = net.graph(net.conv(net.input(1, 8, 8, 8), 8))
    assert refusal_reason(npu_only(slim)[0], graph, graph.operators[0]) == "npu (rknn) cannot multiply int16"
    assert refusal_reason(npu_only(soc)[0], graph, graph.operators[0]) is None


def test_a_unit_without_float_arithmetic_runs_no_float_operator(soc):
    """A float network goes to another unit as a whole, and not to and fro between its operators."""
    net = Net(DType.FLOAT16)
    x = net.input(1, 8, 8, 8)
    graph = net.graph(net.op("ADD", [x, x]))
    slim = soc.with_({"units.npu.precisions": {"int8": 1}})
    assert refusal_reason(npu_only(slim)[0], graph, graph.operators[0]) == "npu (rknn) cannot multiply float16"
    assert refusal_reason(npu_only(soc)[0], graph, graph.operators[0]) is None


def test_a_type_that_a_runtime_does_not_take_is_refused(soc):
    net = Net(DType.INT32)
    with pytest.raises(UnsupportedOperatorError, match=r"takes int4, int8, uint8, .* not int32"):
        place(net.graph(net.op("ADD", [net.input(1, 8), net.input(1, 8)])), npu_only(soc))


def test_a_view_stays_where_its_data_is_made(soc):
    net = Net()
    x = net.op("SIN", [net.conv(net.input(1, 8, 8, 8), 8)])
    placed = place(net.graph(net.op("RESHAPE", [x], (64, 8))), candidates(soc, ["npu", "cpu"], {}))
    assert [p.unit for p in placed] == ["npu", "cpu", "cpu"]
    assert placed[2].reason == "moves no data: stays on cpu"


def test_a_view_of_an_input_goes_to_the_first_unit(soc):
    net = Net()
    placed = place(net.graph(net.op("RESHAPE", [net.input(8, 8)], (64,))), candidates(soc, ["cpu", "npu"], {}))
    assert placed[0].unit == "cpu"


def test_a_declared_compute_type_wins_over_the_tensors():
    net = Net()
    graph = net.graph(net.op("ADD", [net.input(1, 8), net.input(1, 8)], compute_dtype="float16"))
    assert graph_dtype(graph, graph.operators[0]) == "float16"


def test_a_refusal_lists_every_operator_with_index_name_and_count(soc):
    net = Net()
    x = net.op("SIN", [net.op("SIN", [net.conv(net.input(1, 8, 8, 8), 8)])])
    with pytest.raises(UnsupportedOperatorError) as error:
        place(net.graph(net.op("COS", [x])), npu_only(soc))
    assert str(error.value) == (
        "net: 3 operators have no kernel on any allowed unit (npu): 1 x COS, 2 x SIN; allow another unit, or change "
        "the network\n"
        "  - 1 SIN 'sin': npu (rknn) has no SIN\n"
        "  - 2 SIN 'sin': npu (rknn) has no SIN\n"
        "  - 3 COS 'cos': npu (rknn) has no COS"
    )


def test_a_forced_unit_that_can_run_no_arithmetic_is_refused_with_numbers(soc):
    slim = soc.with_({"units.npu.precisions": {"int16": 1}})
    net = Net()
    graph = net.graph(net.conv(net.conv(net.input(1, 8, 8, 8), 8), 8))
    units = candidates(slim, ["npu", "cpu"], {})
    assert [p.unit for p in place(graph, units)] == ["cpu", "cpu"]
    with pytest.raises(InfeasibleError) as error:
        place(graph, units, forced=True)
    report = error.value.report
    assert (report.demand, report.bound, report.gap, report.unit_of_measure) == (2, 0, 2, "operators")
    assert str(error.value).startswith(
        "net: 'npu' can run none of the network's arithmetic (2 operators: npu (rknn) cannot multiply int8): "
        "demand 2 operators, bound 0, gap 2;"
    )


def test_a_forced_unit_that_runs_some_arithmetic_is_accepted(soc):
    units = [*npu_only(soc, (["CONV_2D"], ["int8"])), *candidates(soc, ["cpu"], {})]
    net = Net()
    x = net.op("RESHAPE", [net.conv(net.input(1, 8, 8, 8), 8)], (64, 8))
    placed = place(net.graph(net.dense(x, 8)), units, forced=True)
    assert [p.unit for p in placed] == ["npu", "npu", "cpu"]


def test_a_network_without_arithmetic_can_be_forced_anywhere(soc):
    net = Net()
    graph = net.graph(net.op("ADD", [net.input(1, 8), net.input(1, 8)]))
    assert place(graph, npu_only(soc), forced=True)[0].unit == "npu"
