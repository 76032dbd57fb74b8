"""The ONNX importer on real models, on models made here, and on the library's own test models."""

from __future__ import annotations

import warnings
from collections import Counter
from math import prod
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from socsim.errors import LimitExceededError, SocsimError, UnsupportedOperatorError, WorkloadError
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers.onnx import import_onnx
from socsim.workload.limits import DEFAULT_LIMITS, Limits

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
NO_SHAPES = MappingProxyType({})


def load(model, *, path=Path("net.onnx"), batch=None, shapes=NO_SHAPES, limits=DEFAULT_LIMITS):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return import_onnx(data, path=path, name="net", batch=batch, shapes=shapes, limits=limits)


def value(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def network(nodes, inputs, outputs, constants=(), *, opset=17, microsoft=False, **more):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants), **more)
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid("com.microsoft", 1)] * microsoft
    return helper.make_model(graph, opset_imports=imports, ir_version=8 if opset < 21 else 10)


def node(op_type, inputs, outputs, **attributes):
    return helper.make_node(op_type, inputs.split(), outputs.split(), name=f"n_{outputs.split()[0]}", **attributes)


def weights(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def only(graph, operator_type):
    found = [op for op in graph.operators if op.type == operator_type]
    assert len(found) == 1, graph.operator_counts
    return found[0]


def single(op_type, shapes, result, *, constants=(), opset=17, microsoft=False, **attributes):
    """Return the graph of one node x0, x1, … -> y, with constants as its last operands."""
    inputs = [value(f"x{i}", s) for i, s in enumerate(shapes)]
    named = [constant(f"c{i}", c) for i, c in enumerate(constants)]
    names = [v.name for v in inputs] + [c.name for c in named]
    domain = "com.microsoft" if microsoft else ""
    made = helper.make_node(op_type, names, ["y"], name="n", domain=domain, **attributes)
    return load(network([made], inputs, [value("y", result)], named, opset=opset, microsoft=microsoft))


# Real models


def independent_macs(path):
    """Count from the protobuf alone, following rows and columns through windows and resizes.

    Every other operator of these networks keeps the last two dimensions of its first operand.
    """
    model = onnx.load(path)
    tensors = {t.name: t for t in model.graph.initializer}
    dequantized = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    weight_position = {"QLinearConv": 3, "Conv": 1, "QLinearMatMul": 3, "QGemm": 3, "Gemm": 1}
    planes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim][-2:] for i in model.graph.input}
    total = 0
    for n in model.graph.node:
        plane = next((planes[name] for name in n.input if name in planes), None)
        if n.op_type in weight_position:
            name = n.input[weight_position[n.op_type]]
            weight = list(tensors[dequantized.get(name, name)].dims)
            plane = windows(n, plane, weight[2:]) if "Conv" in n.op_type else [1, 1]
            total += prod(weight) * prod(plane)
        elif n.op_type in ("MaxPool", "QLinearAveragePool"):
            plane = windows(n, plane, [3, 3])
        elif n.op_type == "Resize":
            scales = numpy_helper.to_array(tensors[n.input[2]])
            plane = [int(d * s) for d, s in zip(plane, scales[2:], strict=True)]
        if plane is not None:
            planes[n.output[0]] = plane
    return total


def windows(n, plane, kernel):
    a = {x.name: helper.get_attribute_value(x) for x in n.attribute}
    return [(plane[i] + a["pads"][i] + a["pads"][i + 2] - kernel[i]) // a["strides"][i] + 1 for i in range(2)]


REAL = {
    "nns_mobilenet_v2_quant.onnx": (68, 3_487_816),
    "onnx_gen/fastestdet_qop_u8u8_pt.onnx": (163, 241_274),
    "onnx_gen/mnv2_035_128_qdq_s8s8_pt.onnx": (68, 395_493),
    "onnx_gen/mnv2_035_128_qdq_u8s8_pc.onnx": (68, 395_493),
    "onnx_gen/mnv2_035_128_qop_u8u8_pt.onnx": (68, 395_493),
}


@pytest.mark.parametrize("name", REAL)
def test_real_models_load_with_the_macs_that_the_protobuf_has(models, name):
    path = models / name
    graph = load(path.read_bytes(), path=path)
    operators, parameters = REAL[name]
    assert graph.macs == independent_macs(path)
    assert (len(graph.operators), graph.parameters) == (operators, parameters)
    assert graph.tensors[graph.inputs[0]].kind is TensorKind.INPUT


def test_mobilenet_v2_has_its_nominal_macs(models):
    path = models / "nns_mobilenet_v2_quant.onnx"
    graph = load(path.read_bytes(), path=path)
    assert graph.macs == 300_774_272
    assert graph.operator_counts == {
        "ADD": 11, "AVERAGE_POOL_2D": 1, "CONV_2D": 35, "DEPTHWISE_CONV_2D": 17, "DEQUANTIZE": 1,
        "FULLY_CONNECTED": 1, "QUANTIZE": 1, "RESHAPE": 1,
    }  # fmt: skip
    conv = graph.operators[1]
    x, w, b = graph.input_tensors(conv)
    y = graph.output_tensors(conv)[0]
    proto = onnx.load(path)
    scales = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    source = proto.graph.node[1]
    for tensor, position in ((x, 1), (w, 4), (y, 6)):
        assert tensor.quantization.scales == (float(scales[source.input[position]]),)
        assert tensor.quantization.zero_points == (int(scales[source.input[position + 1]]),)
    assert b.dtype is DType.INT32
    assert np.array_equal(w.data, scales[source.input[3]])
    assert not w.data.flags.writeable


def test_qdq_and_qoperator_forms_of_one_network_read_alike(models):
    graphs = []
    for form in ("qdq_u8s8_pc", "qop_u8u8_pt"):
        path = models / "onnx_gen" / f"mnv2_035_128_{form}.onnx"
        graphs.append(load(path.read_bytes(), path=path))
    qdq, qop = graphs
    assert qdq.operator_counts == qop.operator_counts
    assert qdq.macs == qop.macs
    types = [{graph.tensors[i].dtype for op in graph.operators for i in op.outputs} for graph in graphs]
    assert types == [{DType.UINT8, DType.FLOAT32}] * 2
    assert sum(op.type == "QUANTIZE" for op in qdq.operators) == 1


def test_per_channel_weights_have_axis_zero(models):
    path = models / "onnx_gen" / "mnv2_035_128_qdq_u8s8_pc.onnx"
    graph = load(path.read_bytes(), path=path)
    conv = next(op for op in graph.operators if op.type == "CONV_2D")
    weight, bias = graph.input_tensors(conv)[1:]
    assert weight.quantization.axis == 0
    assert len(weight.quantization.scales) == weight.shape[0] == len(bias.quantization.scales)
    assert bias.dtype is DType.INT32


# Floating-point networks


@pytest.mark.parametrize("opset", [11, 12, 13, 17, 21, 26])
def test_float_network_of_every_opset(opset):
    axes = {"axes": [2, 3]} if opset < 18 else {}
    mean_inputs = "h" if opset < 18 else "h axes"
    squeeze = {"axes": [2, 3]} if opset < 13 else {}
    nodes = [
        node("Conv", "x w b", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "a", "r"),
        node("Conv", "r v", "h", group=8, auto_pad="SAME_UPPER"),
        node("ReduceMean", mean_inputs, "m", keepdims=1, **axes),
        node("Squeeze", "m" if opset < 13 else "m axes", "s", **squeeze),
        node("Gemm", "s u g", "z", transB=1),
        node("Softmax", "z", "y"),
    ]
    constants = [
        constant("w", weights(8, 3, 3, 3)), constant("b", weights(8)), constant("v", weights(8, 1, 3, 3)),
        constant("axes", np.array([2, 3])), constant("u", weights(5, 8)), constant("g", weights(5)),
    ]  # fmt: skip
    graph = load(network(nodes, [value("x", [1, 3, 16, 16])], [value("y", [1, 5])], constants, opset=opset))
    assert [op.type for op in graph.operators] == [
        "CONV_2D", "RELU", "DEPTHWISE_CONV_2D", "MEAN", "SQUEEZE", "FULLY_CONNECTED", "SOFTMAX",
    ]  # fmt: skip
    conv, _, depthwise, mean, squeezed, dense, softmax = graph.operators
    assert conv.macs == 8 * 8 * 8 * 3 * 9
    assert conv.attributes["pads"] == (1, 1, 1, 1)
    assert conv.attributes["layout"] == "NCHW"
    assert depthwise.attributes["pads"] == (1, 1, 1, 1)
    assert depthwise.loops[0].is_depthwise
    assert mean.attributes["axes"] == squeezed.attributes["axes"] == (2, 3)
    assert len(mean.inputs) == len(squeezed.inputs) == 1
    assert dense.attributes["transpose_b"] is True
    assert softmax.attributes["axis"] == 1
    assert len(graph.sha256) == 64


def test_softmax_of_opset_12_spans_all_trailing_dimensions():
    graph = single("Softmax", [[2, 3, 4]], [2, 3, 4], opset=12)
    assert graph.operators[0].attributes["axes"] == (1, 2)
    assert single("Softmax", [[2, 3, 4]], [2, 3, 4]).operators[0].attributes["axes"] == (2,)


def test_one_dimensional_convolution_becomes_one_of_a_single_row():
    graph = single("Conv", [[1, 4, 20]], [1, 6, 9], constants=[weights(6, 4, 3)], strides=[2])
    assert [op.type for op in graph.operators] == ["RESHAPE", "CONV_2D", "RESHAPE"]
    conv = graph.operators[1]
    assert conv.loops[0].p == 1
    assert conv.macs == 6 * 4 * 3 * 9
    assert graph.input_tensors(conv)[1].shape == (6, 4, 1, 3)
    assert graph.notes == ("1 one-dimensional convolutions and pools are read as two-dimensional ones of one row",)


def transformer(opset):
    """One attention head and its feed-forward part; weights of Q transposed in the graph."""
    nodes = [
        node("LayerNormalization", "x s", "n", axis=-1),
        node("Transpose", "wq", "wqt", perm=[1, 0]),
        node("MatMul", "n wqt", "q"),
        node("MatMul", "n wk", "k"),
        node("MatMul", "n wv", "v"),
        node("Transpose", "k", "kt", perm=[0, 2, 1]),
        node("MatMul", "q kt", "qk"),
        node("Mul", "qk scale", "qs"),
        node("Softmax", "qs", "p", axis=-1),
        node("MatMul", "p v", "o"),
        node("Add", "o x", "r"),
        node("Shape", "r", "shape"),
        node("Gather", "shape zero", "rows", axis=0),
        node("Unsqueeze", "rows zeros", "rows1"),
        node("Concat", "rows1 minus", "flat", axis=0),
        node("Reshape", "r flat", "y"),
    ]
    constants = [
        constant("s", weights(16)), constant("wq", weights(16, 16)), constant("wk", weights(16, 16)),
        constant("wv", weights(16, 16)), constant("scale", np.float32(0.25)), constant("zero", np.array(0)),
        constant("zeros", np.array([0])), constant("minus", np.array([-1])),
    ]  # fmt: skip
    return network(nodes, [value("x", ["batch", "rows", 16])], [value("y", ["batch", None])], constants, opset=opset)


@pytest.mark.parametrize("opset", [17, 21])
def test_transformer_block_with_folded_shape_arithmetic(opset):
    graph = load(transformer(opset), batch=2, shapes={"x": [2, 7, 16]})
    assert graph.operator_counts == {
        "ADD": 1, "BATCH_MATMUL": 2, "FULLY_CONNECTED": 3, "LAYER_NORM": 1, "MUL": 1, "RESHAPE": 1,
        "SOFTMAX": 1, "TRANSPOSE": 1,
    }  # fmt: skip
    assert graph.macs == 2 * (3 * 7 * 16 * 16 + 2 * 7 * 7 * 16)
    assert graph.tensors[graph.outputs[0]].shape == (2, 112)
    query = graph.operators[1]
    assert np.array_equal(graph.input_tensors(query)[1].data, weights(16, 16).T)


# Dimensions


def test_symbolic_batch_is_one_with_a_note():
    model = network([node("Relu", "x", "y")], [value("x", ["N", 3])], [value("y", ["N", 3])])
    graph = load(model)
    assert graph.tensors[graph.inputs[0]].shape == (1, 3)
    assert graph.notes == ("input 'x': the symbolic batch [N] is taken as 1",)
    assert load(model, batch=4).tensors[0].shape == (4, 3)
    assert load(model, shapes={"x": [5, 3]}).notes == ()


def test_batch_against_a_fixed_one():
    model = network([node("Relu", "x", "y")], [value("x", [1, 3])], [value("y", [1, 3])])
    assert load(model, batch=1).tensors[0].shape == (1, 3)
    with pytest.raises(WorkloadError) as caught:
        load(model, batch=8)
    assert str(caught.value) == (
        "net.onnx: batch 8 is asked for, but the file fixes the leading dimension to 1; "
        "export the model with a symbolic batch"
    )


def test_all_open_dimensions_are_listed():
    model = network(
        [node("Add", "x z", "y")],
        [value("x", ["N", "rows"]), value("z", ["N", "columns"])],
        [value("y", None)],
    )
    with pytest.raises(WorkloadError) as caught:
        load(model)
    assert str(caught.value) == (
        "net.onnx: 2 faults\n"
        "  - input 'x' has shape [1, rows]; give its dimensions with --shape x=DIMS\n"
        "  - input 'z' has shape [1, columns]; give its dimensions with --shape z=DIMS"
    )
    graph = load(model, shapes={"x": [1, 4], "z": [1, 4]})
    assert graph.tensors[graph.outputs[0]].shape == (1, 4)


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ({"w": [1]}, "--shape names 'w', which is no input. Known: x."),
        ({"x": [1]}, "--shape of input 'x' has 1 dimensions, the file has [N, 3]"),
        ({"x": [1, 4]}, "--shape of input 'x' says [1, 4], the file fixes [N, 3]"),
        ({"x": [-1, 3]}, "--shape of input 'x': [-1, 3] has a negative dimension"),
    ],
)
def test_wrong_shape_options(shapes, text):
    model = network([node("Relu", "x", "y")], [value("x", ["N", 3])], [value("y", ["N", 3])])
    with pytest.raises(WorkloadError) as caught:
        load(model, shapes=shapes)
    assert str(caught.value) == f"net.onnx: {text}"


# Quantization


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
    assert dense.attributes["zero_point_0"] == "z"
    assert dense.attributes["zero_point_1"] == (1,)
    assert graph.output_tensors(dense)[0].dtype is DType.INT32


# Single operators: type, attributes, remaining operands


HALVING = {"kernel_shape": [2, 2], "strides": [2, 2]}
SINGLES = [
    ("Clip", [[2]], [2], {"constants": [np.float32(0), np.float32(6)]}, "RELU6", {}),
    ("Clip", [[2]], [2], {"constants": [np.float32(-2), np.float32(6)]}, "CLIP", {"min": -2.0, "max": 6.0}),
    ("Clip", [[2]], [2], {"opset": 11, "constants": [np.float32(0)]}, "RELU", {}),
    ("Sigmoid", [[2]], [2], {}, "LOGISTIC", {}),
    ("HardSwish", [[2]], [2], {}, "HARD_SWISH", {}),
    ("LeakyRelu", [[2]], [2], {"alpha": 0.5}, "LEAKY_RELU", {"alpha": 0.5}),
    ("Gelu", [[2]], [2], {"opset": 20, "approximate": "tanh"}, "GELU", {"approximate": True}),
    ("Gelu", [[2]], [2], {"microsoft": True}, "GELU", {"approximate": False}),
    ("QuickGelu", [[2]], [2], {"microsoft": True}, "SWISH", {"alpha": 1.702}),
    ("Swish", [[2]], [2], {"opset": 24}, "SWISH", {"alpha": 1.0}),
    ("RMSNormalization", [[2, 4]], [2, 4], {"opset": 23, "constants": [weights(4)]},
     "RMS_NORM", {"axes": (1,)}),
    ("GlobalAveragePool", [[1, 3, 5, 7]], [1, 3, 1, 1], {},
     "AVERAGE_POOL_2D", {"kernel": (5, 7), "layout": "NCHW"}),
    ("MaxPool", [[1, 3, 5, 5]], [1, 3, 3, 3], HALVING | {"ceil_mode": 1},
     "MAX_POOL_2D", {"ceil_mode": True, "pads": (0, 0, 0, 0)}),
    ("AveragePool", [[1, 3, 5, 5]], [1, 3, 3, 3], HALVING | {"auto_pad": "SAME_LOWER"},
     "AVERAGE_POOL_2D", {"pads": (1, 1, 0, 0), "count_include_pad": False}),
    ("Flatten", [[2, 3, 4]], [2, 12], {}, "RESHAPE", {"shape": (2, 12)}),
    ("Unsqueeze", [[2, 3]], [2, 1, 3], {"constants": [np.array([1])]},
     "EXPAND_DIMS", {"axis": 1, "axes": (1,)}),
    ("Unsqueeze", [[2, 3]], [2, 1, 3], {"opset": 11, "axes": [1]}, "EXPAND_DIMS", {"axis": 1}),
    ("Transpose", [[2, 3, 4]], [4, 3, 2], {}, "TRANSPOSE", {"permutation": (2, 1, 0)}),
    ("Slice", [[8, 4]], [3, 4], {"constants": [np.array([2]), np.array([5])]},
     "SLICE", {"begin": (2, 0), "size": (3, 4)}),
    ("Slice", [[8, 4]], [8, 4],
     {"constants": [np.array([-1]), np.array([-100]), np.array([0]), np.array([-1])]},
     "STRIDED_SLICE", {"begin": (7, 0), "strides": (-1, 1), "end_mask": 1}),
    ("Pad", [[1, 2]], [1, 5], {"constants": [np.array([0, 1, 0, 2])]}, "PAD", {"paddings": ((0, 0), (1, 2))}),
    ("Pad", [[1, 4]], [1, 6], {"mode": "reflect", "constants": [np.array([0, 1, 0, 1])]},
     "MIRROR_PAD", {"mode": "reflect"}),
    ("Expand", [[3, 1]], [3, 4], {"constants": [np.array([3, 4])]}, "BROADCAST_TO", {"shape": (3, 4)}),
    ("Tile", [[3, 1]], [3, 4], {"constants": [np.array([1, 4])]}, "TILE", {"multiples": (1, 4)}),
    ("ReduceMax", [[2, 3]], [1, 1], {}, "REDUCE_MAX", {"axes": (0, 1), "keep_dims": True}),
    ("ReduceSum", [[2, 3]], [2], {"keepdims": 0, "constants": [np.array([-1])]},
     "SUM", {"axes": (1,), "keep_dims": False}),
    ("DepthToSpace", [[1, 8, 2, 3]], [1, 2, 4, 6], {"blocksize": 2, "mode": "CRD"},
     "DEPTH_TO_SPACE", {"block_size": 2, "mode": "CRD"}),
    ("ArgMax", [[2, 3]], [2, 1], {"axis": -1}, "ARG_MAX", {"axis": 1, "keep_dims": True}),
    ("GroupNormalization", [[1, 4, 2, 2]], [1, 4, 2, 2],
     {"opset": 21, "num_groups": 2, "constants": [weights(4), weights(4)]},
     "GROUP_NORM", {"groups": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("op_type", "shapes", "result", "more", "expected", "attributes"), SINGLES)
def test_single_operators(op_type, shapes, result, more, expected, attributes):
    if op_type == "ArgMax":
        model = network([node(op_type, "x", "y", **more)], [value("x", *shapes)], [value("y", result, INT64)])
        graph = load(model)
    else:
        graph = single(op_type, shapes, result, **more)
    (op,) = graph.operators
    assert op.type == expected
    assert {k: op.attributes[k] for k in attributes} == attributes
    assert op.source_type == op_type
    assert graph.tensors[graph.outputs[0]].shape == tuple(result)
    parameters = op.category.name in ("NORMALISATION",)
    assert len(op.inputs) == (len(more.get("constants", ())) + 1 if parameters else 1)


def test_resize_keeps_its_coordinates():
    made = helper.make_node(
        "Resize", ["x", "", "s"], ["y"], mode="linear", coordinate_transformation_mode="align_corners"
    )
    scales = [constant("s", np.array([1, 1, 2, 2], np.float32))]
    graph = load(network([made], [value("x", [1, 2, 4, 4])], [value("y", [1, 2, 8, 8])], scales))
    (op,) = graph.operators
    assert op.type == "RESIZE_BILINEAR"
    assert (op.attributes["size"], op.attributes["align_corners"], op.attributes["half_pixel_centers"]) == (
        (8, 8),
        True,
        False,
    )
    assert len(op.inputs) == 1


@pytest.mark.parametrize(
    ("attributes", "result", "pads"),
    [
        ({"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, [1, 6, 8, 8], (1, 1, 1, 1)),
        ({"strides": [2, 2], "auto_pad": "SAME_UPPER"}, [1, 6, 8, 8], (0, 0, 1, 1)),
    ],
)
def test_transposed_convolution(attributes, result, pads):
    graph = single("ConvTranspose", [[1, 4, 4, 4]], result, constants=[weights(4, 6, 3, 3)], **attributes)
    (op,) = graph.operators
    assert op.type == "TRANSPOSE_CONV"
    assert op.attributes["pads"] == pads
    assert op.macs == 4 * 4 * 9 * 4 * 6


def test_gemm_with_a_full_addend_gets_an_addition():
    model = network(
        [node("Gemm", "x w c", "y", beta=0.5, transA=1)],
        [value("x", [8, 3])], [value("y", [3, 6])], [constant("w", weights(8, 6)), constant("c", weights(3, 6))],
    )  # fmt: skip
    graph = load(model)
    assert [op.type for op in graph.operators] == ["FULLY_CONNECTED", "ADD"]
    assert graph.macs == 3 * 8 * 6
    assert np.array_equal(graph.input_tensors(graph.operators[1])[1].data, weights(3, 6) * np.float32(0.5))


@pytest.mark.parametrize(
    ("left", "right", "result", "macs"),
    [
        ([5], [2, 5, 3], [2, 3], 30),
        ([2, 4, 5], [5], [2, 4], 40),
        ([5], [5], [], 5),
        ([2, 4, 5], [2, 5, 3], [2, 4, 3], 120),
    ],
)
def test_matrix_multiplication_of_activations(left, right, result, macs):
    graph = single("MatMul", [left, right], result)
    assert only(graph, "BATCH_MATMUL").macs == graph.macs == macs
    assert graph.tensors[graph.outputs[0]].shape == tuple(result)


def test_bidirectional_lstm_counts_both_directions():
    constants = [weights(2, 32, 6), weights(2, 32, 8)]
    inputs = [value("x", [5, 3, 6])]
    made = helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], hidden_size=8, direction="bidirectional", name="n")
    named = [constant("w", constants[0]), constant("r", constants[1])]
    graph = load(network([made], inputs, [value("h", [2, 3, 8])], named))
    (op,) = graph.operators
    assert op.macs == 2 * 5 * 3 * 4 * 8 * (6 + 8)
    assert op.attributes["result_positions"] == (1,)


def test_attention_of_grouped_heads():
    inputs = [value("q", [1, 8, 10, 16]), value("k", [1, 2, 12, 16]), value("v", [1, 2, 12, 16])]
    graph = load(network([node("Attention", "q k v", "y")], inputs, [value("y", [1, 8, 10, 16])], opset=23))
    assert only(graph, "ATTENTION").macs == 2 * 8 * 10 * 12 * 16
    inputs = [value("q", [1, 10, 128]), value("k", [1, 12, 32]), value("v", [1, 12, 32])]
    made = node("Attention", "q k v", "y", q_num_heads=8, kv_num_heads=2)
    graph = load(network([made], inputs, [value("y", [1, 10, 128])], opset=23))
    assert only(graph, "ATTENTION").macs == 2 * 8 * 10 * 12 * 16


def test_non_max_suppression_is_taken_at_its_largest():
    inputs = [value("b", [1, 50, 4]), value("s", [1, 3, 50])]
    made = node("NonMaxSuppression", "b s limit", "y")
    graph = load(network([made], inputs, [value("y", [None, 3], INT64)], [constant("limit", np.array([20]))]))
    assert graph.tensors[graph.outputs[0]].shape == (60, 3)
    assert graph.notes == ("node 0 NonMaxSuppression 'n_y': its result is taken at the largest size, 60 boxes",)


def test_local_functions_are_expanded():
    function = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["c"],
        [node("Relu", "a", "b"), node("Relu", "b", "c")],
        [helper.make_opsetid("", 17)],
    )
    made = helper.make_node("Twice", ["x"], ["y"], domain="local")
    graph = helper.make_graph([made], "g", [value("x", [2])], [value("y", [2])])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=8)
    assert load(model).operator_counts == {"RELU": 2}


# External data


def external_model(location="w.bin", offset=0, length=None, shape=(4, 2)):
    tensor = TensorProto(name="w", data_type=FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    entries = {"location": location, "offset": offset, "length": length}
    for key, text in entries.items():
        if text is not None:
            tensor.external_data.add(key=key, value=str(text))
    return network([node("MatMul", "x w", "y")], [value("x", [1, 4])], [value("y", [1, 2])], [tensor])


def test_external_data_is_mapped(tmp_path):
    numbers = np.arange(16, dtype=np.float32)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "w.bin").write_bytes(numbers.tobytes())
    model = external_model("part/w.bin", offset=32, length=32)
    graph = load(model, path=tmp_path / "net.onnx")
    weight = graph.input_tensors(graph.operators[0])[1]
    assert np.array_equal(weight.data, numbers[8:].reshape(4, 2))
    assert not weight.data.flags.writeable
    with pytest.raises(LimitExceededError, match=r"external data: 32 bytes exceed the limit of 31"):
        load(model, path=tmp_path / "net.onnx", limits=Limits(external_bytes=31))


# Robustness over the library's own models


def test_backend_models_load_or_are_refused():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own cases overflow on purpose
        cases = collect_testcases(None)
    outcomes = Counter(outcome(case.model) for case in cases)
    assert outcomes["loads"] > 850
    assert set(outcomes) <= {"loads", "UnsupportedOperatorError", "WorkloadError", "MalformedModelError"}


def outcome(model):
    """Import a model under the newest supported opset, and return how that ended."""
    for imported in model.opset_import:
        imported.version = min(imported.version, 26) if imported.domain in ("", "ai.onnx") else imported.version
    try:
        load(model)
    except SocsimError as error:
        # The importer's last resort would hide a mistake of its own.
        return "last resort" if "contradicts itself" in str(error) else type(error).__name__
    return "loads"


def test_the_budget_of_operators_is_kept():
    model = network([node("Relu", "x", "a"), node("Relu", "a", "y")], [value("x", [2])], [value("y", [2])])
    with pytest.raises(LimitExceededError) as caught:
        load(model, limits=Limits(operators=1))
    assert str(caught.value) == "net.onnx: operators: 2 exceeds the limit of 1"


def test_a_use_without_a_word_names_the_reason():
    with pytest.raises(UnsupportedOperatorError) as caught:
        single(
            "Resize",
            [[1, 2, 4, 4]],
            [1, 2, 8, 8],
            constants=[np.float32([]), np.float32([1, 1, 2, 2])],
            mode="cubic",
        )
    assert str(caught.value) == (
        "net.onnx: 1 operators are not supported (1 x Resize (mode cubic with coordinates half_pixel)); "
        "remove or replace them\n  - 0 Resize (mode cubic with coordinates half_pixel) 'n'"
    )
