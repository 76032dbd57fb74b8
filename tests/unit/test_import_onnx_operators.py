"""Single ONNX operators: type, attributes and remaining operands after import."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_models import INT64, constant, load, network, node, only, single, value, weights

from socsim.errors import UnsupportedOperatorError

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


def test_fused_operators_of_onnx_runtime():
    fused = helper.make_node("FusedMatMul", ["x", "x"], ["p"], "p", domain="com.microsoft", transB=1, alpha=0.5)
    skip = helper.make_node(
        "SkipLayerNormalization", ["x", "x", "s"], ["n", "", "", "y"], "skip", domain="com.microsoft"
    )
    inputs, outputs = [value("x", [2, 5, 8])], [value("p", [2, 5, 5]), value("n", [2, 5, 8]), value("y", [2, 5, 8])]
    graph = load(network([fused, skip], inputs, outputs, [constant("s", weights(8))], microsoft=True))
    matmul, norm = graph.operators
    assert (matmul.type, matmul.macs) == ("BATCH_MATMUL", 2 * 5 * 5 * 8)
    assert (matmul.attributes["transpose_b"], matmul.attributes["alpha"]) == (True, 0.5)
    assert (norm.type, norm.attributes["result_positions"]) == ("LAYER_NORM", (0, 3))


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
