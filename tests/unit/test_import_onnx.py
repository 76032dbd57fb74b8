"""The ONNX importer on real models, on models made here, and on the library's own test models."""

from __future__ import annotations

import warnings
from collections import Counter
from math import prod

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import FLOAT, constant, load, network, node, single, value, weights

from socsim.errors import LimitExceededError, SocsimError, WorkloadError
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.limits import Limits

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
