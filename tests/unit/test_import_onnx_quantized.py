"""Quantized ONNX models: QDQ, operators with quantization operands, packed weights."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_models import constant, load, network, node, only, value

from socsim.workload.dtypes import DType


def quantized(op_nodes, extra, *, opset=13, kind=np.int8, shape=(1, 4, 8, 8), result="z", scale=0.5):
    """Return x -> Q -> DQ -> nodes (from xd to `result`) -> Q -> DQ -> y."""
    nodes = [
        node("QuantizeLinear", "x sx zx", "xq"),
        node("DequantizeLinear", "xq sx zx", "xd"),
        *op_nodes,
        node("QuantizeLinear", f"{result} sy zx", "zq"),
        node("DequantizeLinear", "zq sy zx", "y"),
    ]
    constants = [constant("sx", np.float32(0.5)), constant("zx", kind(0)), constant("sy", np.float32(scale))]
    return network(nodes, [value("x", list(shape))], [value("y", None)], [*constants, *extra], opset=opset)


QDQ_WEIGHTS = (
    constant("wq", np.ones((6, 4, 3, 3), np.int8)), constant("sw", np.full(6, 0.25, np.float32)),
    constant("zw", np.zeros(6, np.int8)), constant("bq", np.arange(6, dtype=np.int32)),
    constant("sb", np.full(6, 0.125, np.float32)), constant("zb", np.zeros(6, np.int32)),
)  # fmt: skip
DQ_WEIGHTS = (
    node("DequantizeLinear", "wq sw zw", "wd", axis=0),
    node("DequantizeLinear", "bq sb zb", "bd", axis=0),
)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("opset", [13, 17, 21, 26])
def test_qdq_convolution_works_on_integers(opset, kind):
    model = quantized([*DQ_WEIGHTS, node("Conv", "xd wd bd", "z")], QDQ_WEIGHTS, opset=opset, kind=kind)
    graph = load(model)
    assert [op.type for op in graph.operators] == ["QUANTIZE", "CONV_2D", "DEQUANTIZE"]
    conv = graph.operators[1]
    assert [t.name for t in graph.input_tensors(conv)] == ["xq", "wq", "bq"]
    assert {t.dtype for t in graph.input_tensors(conv)[:1]} == {DType(np.dtype(kind).name)}
    assert graph.input_tensors(conv)[1].quantization.axis == 0
    assert graph.output_tensors(conv)[0].name == "zq"
    assert graph.output_tensors(conv)[0].quantization.scales == (0.5,)
    assert conv.attributes["fused_nodes"] == (4, 1, 2, 3, 5)
    assert graph.notes == (
        "4 of 6 QuantizeLinear and DequantizeLinear nodes are folded into the quantization of tensors",
    )


@pytest.mark.parametrize(
    ("activation", "extra", "fused"),
    [
        (node("Relu", "c", "z"), (), "RELU"),
        (
            node("Clip", "c lo hi", "z"),
            (constant("lo", np.float32(0)), constant("hi", np.float32(6))),
            "RELU6",
        ),
    ],
)
def test_activation_before_the_quantizer_fuses(activation, extra, fused):
    nodes = [*DQ_WEIGHTS, node("Conv", "xd wd bd", "c"), activation]
    graph = load(quantized(nodes, [*QDQ_WEIGHTS, *extra]))
    conv = only(graph, "CONV_2D")
    assert conv.attributes["activation"] == fused
    assert conv.attributes["fused_nodes"] == (4, 1, 2, 3, 5, 6)
    assert len(graph.operators) == 3


def test_activation_behind_its_own_quantizer_stays():
    nodes = [
        *DQ_WEIGHTS,
        node("Conv", "xd wd bd", "c"),
        node("QuantizeLinear", "c sx zx", "cq"),
        node("DequantizeLinear", "cq sx zx", "cd"),
        node("Relu", "cd", "z"),
    ]
    graph = load(quantized(nodes, QDQ_WEIGHTS))
    assert [op.type for op in graph.operators] == ["QUANTIZE", "CONV_2D", "RELU", "DEQUANTIZE"]
    assert graph.output_tensors(graph.operators[2])[0].dtype is DType.INT8


def test_operator_without_quantizer_runs_in_float_with_integer_weights():
    nodes = [*DQ_WEIGHTS, node("Conv", "xd wd bd", "c"), node("Sigmoid", "c", "z")]
    graph = load(quantized(nodes, QDQ_WEIGHTS))
    assert [op.type for op in graph.operators] == [
        "QUANTIZE", "DEQUANTIZE", "CONV_2D", "LOGISTIC", "QUANTIZE", "DEQUANTIZE",
    ]  # fmt: skip
    x, w, b = graph.input_tensors(only(graph, "CONV_2D"))
    assert (x.dtype, w.dtype, b.dtype) == (DType.FLOAT32, DType.INT8, DType.FLOAT32)
    assert np.array_equal(b.data, np.arange(6, dtype=np.float32) * 0.125)


def test_float_bias_of_a_quantized_convolution_is_rounded():
    nodes = [DQ_WEIGHTS[0], node("Conv", "xd wd b", "z")]
    extra = [*QDQ_WEIGHTS[:3], constant("b", np.array([0.125, 0.19, -1, 0, 0, 0], np.float32))]
    graph = load(quantized(nodes, extra))
    bias = graph.input_tensors(only(graph, "CONV_2D"))[2]
    assert bias.dtype is DType.INT32
    assert bias.data.tolist() == [1, 2, -8, 0, 0, 0]
    assert bias.quantization.scales == (0.125,) * 6
    assert graph.notes[-1] == "1 floating-point biases of quantized operators are rounded to int32"


@pytest.mark.parametrize(("scale", "types"), [(0.5, ["RESHAPE"]), (0.25, ["RESHAPE", "QUANTIZE"])])
def test_movement_between_quantizers(scale, types):
    graph = load(quantized([node("Reshape", "xd shape", "z")], [constant("shape", np.array([1, -1]))], scale=scale))
    assert [op.type for op in graph.operators] == ["QUANTIZE", *types, "DEQUANTIZE"]
    moved = graph.output_tensors(graph.operators[1])[0]
    assert (moved.dtype, moved.shape, moved.quantization.scales) == (DType.INT8, (1, 256), (0.5,))


def test_quantizers_that_repeat_each_other_are_one():
    nodes = [
        node("Relu", "xd", "z"),
        node("QuantizeLinear", "z sy zx", "zq2"),
        node("DequantizeLinear", "zq2 sy zx", "zd2"),
        node("Sigmoid", "zd2", "t"),
        node("QuantizeLinear", "t sy zx", "tq"),
        node("DequantizeLinear", "tq sy zx", "u"),
    ]
    model = quantized(nodes, [])
    model.graph.output.append(value("u", None))
    graph = load(model)
    assert [op.type for op in graph.operators] == ["QUANTIZE", "RELU", "LOGISTIC", "DEQUANTIZE", "DEQUANTIZE"]
    assert graph.operators[2].inputs == graph.operators[1].outputs


def test_quantizer_of_constant_weights_is_computed():
    nodes = [
        node("QuantizeLinear", "w sw zw", "wq", axis=0),
        node("DequantizeLinear", "wq sw zw", "wd", axis=0),
        node("Conv", "xd wd", "z"),
    ]
    w = np.array([0.3, -100.0], np.float32).reshape(2, 1, 1, 1) * np.ones((2, 4, 1, 1), np.float32)
    extra = [
        constant("w", w),
        constant("sw", np.full(2, 0.2, np.float32)),
        constant("zw", np.zeros(2, np.int8)),
    ]
    graph = load(quantized(nodes, extra))
    weight = graph.input_tensors(only(graph, "CONV_2D"))[1]
    assert weight.dtype is DType.INT8
    assert weight.data[:, 0, 0, 0].tolist() == [2, -128]  # 0.3 / 0.2 is 1.5, half to even


@pytest.mark.parametrize(("kind", "low"), [(TensorProto.INT4, -8), (TensorProto.UINT4, 0)])
def test_four_bit_weights_per_block(kind, low):
    numbers = (np.arange(8 * 6) % 16 + low).reshape(8, 6)
    packed = helper.make_tensor("wq", kind, [8, 6], numbers.reshape(-1).tolist())
    nodes = [
        node("DequantizeLinear", "wq sw", "wd", axis=0, block_size=4),
        node("MatMul", "x wd", "y"),
    ]
    scales = np.linspace(0.5, 1, 12, dtype=np.float32).reshape(2, 6)
    model = network(nodes, [value("x", [3, 8])], [value("y", [3, 6])], [packed, constant("sw", scales)], opset=21)
    graph = load(model)
    dense = only(graph, "FULLY_CONNECTED")
    weight = graph.input_tensors(dense)[1]
    assert weight.dtype is (DType.INT4 if low else DType.UINT4)
    assert np.array_equal(weight.data, numbers)
    assert weight.bytes == 24
    assert (weight.quantization.axis, weight.quantization.block_size) == (0, 4)
    assert weight.quantization.scales == tuple(float(s) for s in scales.reshape(-1))
    assert dense.attributes["transpose_b"] is False


def test_matmul_nbits_is_unpacked():
    packed = np.arange(2 * 2 * 8, dtype=np.uint8).reshape(2, 2, 8)
    made = helper.make_node(
        "MatMulNBits",
        ["x", "b", "s"],
        ["y"],
        name="n",
        domain="com.microsoft",
        K=30,
        N=2,
        bits=4,
        block_size=16,
    )
    constants = [constant("b", packed), constant("s", np.arange(1, 5, dtype=np.float32))]
    graph = load(network([made], [value("x", [3, 30])], [value("y", [3, 2])], constants, microsoft=True))
    dense = only(graph, "FULLY_CONNECTED")
    weight = graph.input_tensors(dense)[1]
    assert (weight.shape, weight.dtype, dense.macs) == ((2, 30), DType.UINT4, 180)
    assert weight.data[0, :4].tolist() == [0, 0, 1, 0]
    assert weight.quantization.zero_points == (8, 8, 8, 8)
    assert dense.source_type == "MatMulNBits"


def test_integer_matrix_multiplication_after_dynamic_quantization():
    nodes = [node("DynamicQuantizeLinear", "x", "q s z"), node("MatMulInteger", "q w z zw", "y")]
    constants = [constant("w", np.ones((8, 6), np.int8)), constant("zw", np.int8(1))]
    graph = load(network(nodes, [value("x", [3, 8])], [value("y", [3, 6], TensorProto.INT32)], constants))
    quantize, dense = graph.operators
    assert (quantize.type, len(quantize.outputs), dense.type) == ("QUANTIZE", 3, "FULLY_CONNECTED")
    assert [graph.tensors[t].name for t in dense.inputs] == ["q", "w", "z"]
    assert dense.attributes["computed_quantization"] == ((0, None, 2, 0),)
    assert dense.data_inputs == dense.inputs[:2]
    assert dense.attributes["zero_point_1"] == (1,)
    assert graph.output_tensors(dense)[0].dtype is DType.INT32


def test_operands_of_quantized_operators_move_into_the_tensors():
    made = [
        node("QLinearConv", "xq sx zx wq sw zw sy zy bq", "c"),
        helper.make_node("QLinearAdd", ["c", "sy", "zy", "c", "sy", "zy", "sa", "zy"], ["a"], domain="com.microsoft"),
        helper.make_node("QLinearConcat", ["sa", "zy", "a", "sa", "zy", "c", "sy", "zy"], ["y"],
                         domain="com.microsoft", axis=1),
    ]  # fmt: skip
    scales = {"sx": 0.5, "sy": 0.25, "sa": 0.75}
    constants = [constant(name, np.float32(s)) for name, s in scales.items()]
    constants += [constant("zx", np.uint8(3)), constant("zy", np.uint8(5)), *QDQ_WEIGHTS[:4]]
    inputs, outputs = [value("xq", [1, 4, 8, 8], TensorProto.UINT8)], [value("y", [1, 12, 6, 6], TensorProto.UINT8)]
    graph = load(network(made, inputs, outputs, constants, microsoft=True))
    assert [op.type for op in graph.operators] == ["CONV_2D", "ADD", "CONCATENATION"]
    conv, add, concat = graph.operators
    assert [len(op.inputs) for op in graph.operators] == [3, 2, 2]
    x, w, b = graph.input_tensors(conv)
    assert (x.quantization.zero_points, w.quantization.axis, b.quantization.scales) == ((3,), 0, (0.125,) * 6)
    assert graph.output_tensors(add)[0].quantization.scales == (0.75,)
    assert graph.output_tensors(concat)[0].dtype is DType.UINT8
    assert add.source_type == "QLinearAdd"


def test_constant_with_two_quantizations_gets_a_twin():
    extra = [*QDQ_WEIGHTS, constant("sw2", np.full(6, 0.75, np.float32))]
    nodes = [
        *DQ_WEIGHTS,
        node("DequantizeLinear", "wq sw2 zw", "wd2", axis=0),
        node("Conv", "xd wd bd", "a"),
        node("Conv", "xd wd2", "z"),
        node("QuantizeLinear", "a sx zx", "aq"),
        node("DequantizeLinear", "aq sx zx", "u"),
    ]
    model = quantized(nodes, extra)
    model.graph.output.append(value("u", None))
    graph = load(model)
    first, second = (op for op in graph.operators if op.type == "CONV_2D")
    w, twin = (graph.input_tensors(op)[1] for op in (first, second))
    assert (w.quantization.scales[0], twin.quantization.scales[0]) == (0.25, 0.75)
    assert np.array_equal(w.data, twin.data)


def test_activation_of_an_addition_fuses():
    graph = load(quantized([node("Add", "xd xd", "s"), node("Relu", "s", "z")], []))
    assert only(graph, "ADD").attributes["activation"] == "RELU"
    assert len(graph.operators) == 3
