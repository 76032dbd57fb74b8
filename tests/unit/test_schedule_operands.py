"""Operands of kernels: the type in which they are stored, who else touches them, who reads them."""

from __future__ import annotations

import pytest
from small_world import Net, small_soc

from socsim.pipeline import Options, make_plan, run_graph
from socsim.schedule.tasks import stored_bytes
from socsim.soc.loader import load_platform
from socsim.soc.runtimes import runtime
from socsim.workload.dtypes import DType
from socsim.workload.graph import Tensor, TensorKind


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def stored(dtype, name, *shape, kind=TensorKind.ACTIVATION):
    return stored_bytes(Tensor(0, "t", dtype, shape or (10, 10), kind), runtime(name))


@pytest.mark.parametrize(
    ("dtype", "name", "activations", "weights"),
    [
        (DType.INT8, "tflite-gpu", 200, 100),  # computes in float16: activations widen, weights stay packed
        (DType.INT4, "tflite-gpu", 200, 50),
        (DType.FLOAT32, "tflite-gpu", 200, 200),  # float32 narrows to float16
        (DType.INT4, "tensorrt", 100, 50),
        (DType.INT8, "rknn", 100, 100),
        (DType.INT32, "rknn", 400, 400),  # a type that kernels do not take stays as it is
    ],
)
def test_activations_take_the_kernels_type_and_weights_never_widen(dtype, name, activations, weights):
    assert stored(dtype, name) == activations
    assert stored(dtype, name, kind=TensorKind.CONSTANT) == weights


def test_biases_keep_their_type():
    assert stored(DType.FLOAT32, "tflite-gpu", 10, kind=TensorKind.CONSTANT) == 40


def kernels(graph, soc, **options):
    plan = make_plan(graph, soc, Options(**options))
    return [plan.kernels.kernel(task) for task in plan.tasks.tasks]


def test_weights_of_w4a16_are_read_packed():
    net = Net(DType.FLOAT32)
    graph = net.graph(net.conv(net.input(1, 8, 8, 64), 64))
    (kernel,) = kernels(graph, load_platform("orin-nano"), unit="gpu", precision="w4a16")
    assert kernel.dtype == "float16"
    assert (kernel.weight_bytes, kernel.output_bytes) == (64 * 64 // 2, 8 * 8 * 64 * 2)


def test_a_table_is_read_by_the_rows_that_are_looked_up(soc):
    net = Net()
    words = net.input(1, 4)
    graph = net.graph(net.op("GATHER", [net.constant(1000, 16), words], (1, 4, 16)))
    (kernel,) = kernels(graph, soc, unit="cpu")
    assert (kernel.weight_bytes, kernel.output_bytes) == (4 * 16, 4 * 16)


def test_what_one_unit_keeps_to_itself_is_private(soc):
    net = Net()
    x = net.op("SIN", [net.op("SIN", [net.input(1, 8)])])
    first, second = kernels(net.graph(x), soc, unit="cpu")
    assert [o.private for o in (*first.inputs, *first.outputs)] == [False, True]  # the caller fills the input
    assert [o.private for o in (*second.inputs, *second.outputs)] == [True, False]  # and reads the output


def test_an_image_that_a_fully_connected_operator_reads_is_seen_as_channels():
    net = Net()
    image = net.conv(net.input(1, 4, 4, 8), 8)
    flat = net.op("FULLY_CONNECTED", [image, net.constant(16, 4 * 4 * 8)], (1, 16), transpose_b=True)
    flat = net.dense(flat, 16)
    first, second, third = kernels(net.graph(flat), load_platform("ethos-u55-128"), unit="npu")
    assert [o.reshaped for o in (*first.inputs, *first.outputs, *second.inputs)] == [False, True, True]
    assert [o.reshaped for o in (*second.outputs, *third.inputs)] == [False, False]


def test_a_view_of_an_input_is_not_private(soc):
    net = Net()
    x = net.op("SIN", [net.op("RESHAPE", [net.input(1, 8)], (8, 1))])
    *_, last = kernels(net.graph(x), soc, unit="cpu")
    assert [o.private for o in last.inputs] == [False]


def test_a_state_is_not_private(soc):
    net = Net()
    state = net.builder.tensor("state", DType.INT8, (1, 8), kind=TensorKind.VARIABLE)
    (kernel,) = kernels(net.graph(net.op("ADD", [net.input(1, 8), state])), soc, unit="cpu")
    assert not any(o.private for o in kernel.inputs)


def test_bytes_that_change_units_pass_through_memory(soc):
    net = Net()
    x = net.op("SIN", [net.conv(net.input(1, 8, 8, 8), 8)])  # SIN: no NPU kernel
    rows = run_graph(net.graph(net.conv(x, 8)), soc, Options()).operators
    assert [row.unit for row in rows] == ["npu", "cpu", "npu"]
    moved = [(row.read_bytes, row.write_bytes) for row in rows]
    own, anew = [(512 + 64, 512), (512, 512), (512 + 64, 512)], [0, 512, 512]  # rknn has a layout of its own
    assert moved == [(read + more, written + more) for (read, written), more in zip(own, anew, strict=True)]


def test_what_a_cluster_keeps_stays_in_its_cache(soc):
    net = Net()
    x = net.input(1, 8, 8, 8)
    for _ in range(3):
        x = net.op("SIN", [x])
    rows = run_graph(net.graph(x), soc, Options(unit="cpu")).operators
    assert [(row.read_bytes, row.write_bytes) for row in rows] == [(512, 0), (0, 0), (0, 512)]


def test_the_operand_of_a_fused_addition_is_marked(soc):
    net = Net()
    skip = net.input(1, 8, 8, 8)
    (kernel,) = kernels(net.graph(net.op("ADD", [net.conv(net.input(1, 8, 8, 4), 8), skip])), soc)
    assert [(o.bytes, o.fused) for o in kernel.inputs] == [(256, False), (512, True)]
    assert (kernel.root_inputs, kernel.fused_inputs) == (kernel.inputs[:1], kernel.inputs[1:])


def test_constants_are_counted_once_and_by_unit(soc):
    net = Net()
    x = net.op("SIN", [net.conv(net.input(1, 8, 8, 8), 8)])
    tasks = make_plan(net.graph(net.op("ADD", [x, net.constant(1, 8, 8, 8)])), soc, Options()).tasks
    by_unit = {unit: tasks.constant_bytes(unit) for unit in ("npu", "cpu")}
    assert sum(by_unit.values()) == 64 + 512
    assert by_unit["npu"] >= 64
