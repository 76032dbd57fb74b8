"""Shape rules of operators, and the check of built graphs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from socsim.workload.builder import GraphBuilder
from socsim.workload.checks import shape_faults
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.nests import cache_shapes
from socsim.workload.shapes import broadcast_shapes, infer_shapes, window_positions


def window(layout="NHWC", kernel=(3, 3), strides=(1, 1), pads=(0, 0, 0, 0), **more):
    return {"layout": layout, "kernel": kernel, "strides": strides, "dilations": (1, 1), "pads": pads, **more}


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "expected"),
    [
        ("CONV_2D", [(1, 9, 8, 4), (16, 3, 3, 4)], window(), [(1, 7, 6, 16)]),
        ("CONV_2D", [(1, 4, 9, 8), (16, 4, 3, 3)], window("NCHW", strides=(2, 2)), [(1, 16, 4, 3)]),
        ("CONV_2D", [(4, 9, 8), (16, 2, 3, 3)], window("NCHW", groups=2), [(16, 7, 6)]),
        ("CONV_2D", [(4, 9, 9), (8, 4, 3, 3)], window("NCHW") | {"dilations": (2, 3)}, [(8, 5, 3)]),
        (
            "DEPTHWISE_CONV_2D",
            [(1, 8, 8, 4), (1, 3, 3, 8)],
            window(pads=(1, 1, 1, 1), groups=4),
            [(1, 8, 8, 8)],
        ),
        ("TRANSPOSE_CONV", [(8, 4, 5), (8, 3, 2, 2)], window("NCHW", (2, 2), (2, 2)), [(3, 8, 10)]),
        ("TRANSPOSE_CONV", [(1, 4, 5, 8), (3, 2, 2, 8)], window(output_shape=(1, 9, 9, 3)), [(1, 9, 9, 3)]),
        ("FULLY_CONNECTED", [(2, 3, 4), (7, 12)], {}, [(2, 7)]),
        ("FULLY_CONNECTED", [(2, 3, 4), (7, 4)], {}, [(2, 3, 7)]),
        ("FULLY_CONNECTED", [(2, 4), (4, 7)], {"transpose_b": False}, [(2, 7)]),
        ("BATCH_MATMUL", [(5, 2, 3), (3, 4)], {}, [(5, 2, 4)]),
        ("BATCH_MATMUL", [(3, 2), (4, 3)], {"transpose_a": True, "transpose_b": True}, [(2, 4)]),
        ("BATCH_MATMUL", [(6, 1, 2, 3), (5, 3, 4)], {}, [(6, 5, 2, 4)]),
        ("ATTENTION", [(8, 1, 64), (2, 1, 64), (2, 1, 32)], {}, [(8, 1, 32)]),
        (
            "ATTENTION",
            [(8, 1, 64), (2, 1, 64), (2, 1, 32), None, (2, 9, 64), (2, 9, 32)],
            {},
            [(8, 1, 32), (2, 10, 64), (2, 10, 32)],
        ),
        ("MAX_POOL_2D", [(1, 7, 7, 3)], window(kernel=(2, 2), strides=(2, 2)), [(1, 3, 3, 3)]),
        (
            "MAX_POOL_2D",
            [(1, 7, 7, 3)],
            window(kernel=(2, 2), strides=(2, 2), ceil_mode=True),
            [(1, 4, 4, 3)],
        ),
        ("ADD", [(2, 1, 4), (3, 1)], {}, [(2, 3, 4)]),
        ("MUL", [(8, 5, 5), (8,)], {"broadcast": "leading"}, [(8, 5, 5)]),
        ("ADD", [(2, 2)] * 3, {}, [(2, 2)]),
        ("RELU", [(2, 3)], {}, [(2, 3)]),
        ("PRELU", [(2, 3, 4), (4,)], {}, [(2, 3, 4)]),
        ("SELECT", [(2,), (2, 3), (2, 3)], {}, [(2, 3)]),
        ("SELECT", [(1, 3), (2, 3), (1,)], {}, [(2, 3)]),
        ("MEAN", [(1, 7, 7, 8)], {"axes": (1, 2), "keep_dims": False}, [(1, 8)]),
        ("SUM", [(2, 3)], {"axes": (-1,), "keep_dims": True}, [(2, 1)]),
        ("ARG_MAX", [(2, 3, 4)], {"axis": -1}, [(2, 3)]),
        ("SOFTMAX", [(2, 3)], {}, [(2, 3)]),
        ("CUMSUM", [(2, 3)], {"axis": 0}, [(2, 3)]),
        ("CONCATENATION", [(1, 2, 3), (1, 5, 3)], {"axis": -2}, [(1, 7, 3)]),
        ("SPLIT", [(4, 6)], {"axis": 1, "num_splits": 3}, [(4, 2)] * 3),
        ("SPLIT", [(4, 6)], {"axis": 1, "sizes": (1, 5)}, [(4, 1), (4, 5)]),
        ("SLICE", [(4, 6)], {"begin": (1, 2), "size": (2, -1)}, [(2, 4)]),
        ("STRIDED_SLICE", [(4, 6)], {"begin": (0, -2), "end": (9, 6), "strides": (2, 1)}, [(2, 2)]),
        (
            "STRIDED_SLICE",
            [(4, 6)],
            {"begin": (3, 0), "end": (4, 0), "strides": (1, 1), "shrink_axis_mask": 1, "end_mask": 2},
            [(6,)],
        ),
        ("PAD", [(2, 3)], {"paddings": ((0, 1), (2, 3))}, [(3, 8)]),
        ("TRANSPOSE", [(2, 3, 4)], {"permutation": (2, 0, 1)}, [(4, 2, 3)]),
        ("RESHAPE", [(2, 3, 4)], {"shape": (0, -1)}, [(2, 12)]),
        ("SQUEEZE", [(1, 3, 1)], {"axes": (0,)}, [(3, 1)]),
        ("SQUEEZE", [(1, 3, 1)], {}, [(3,)]),
        ("EXPAND_DIMS", [(2, 3)], {"axis": -1}, [(2, 3, 1)]),
        ("EXPAND_DIMS", [(2, 3)], {"axes": (0, 2)}, [(1, 2, 1, 3)]),
        ("RESIZE_BILINEAR", [(8, 4, 4)], {"size": (9, 7), "layout": "NCHW"}, [(8, 9, 7)]),
        ("RESIZE_BILINEAR", [(1, 4, 4, 8)], {"size": (9, 7)}, [(1, 9, 7, 8)]),
        ("TILE", [(2, 3)], {"multiples": (2, 1)}, [(4, 3)]),
        ("PACK", [(2, 3)] * 4, {"axis": 1}, [(2, 4, 3)]),
        ("UNPACK", [(2, 3)], {"axis": 1}, [(2,)] * 3),
        ("GATHER", [(5, 6, 7), (2, 2)], {"axis": 1}, [(5, 2, 2, 7)]),
        ("GATHER_ND", [(5, 6, 7), (9, 2)], {}, [(9, 7)]),
        ("SPACE_TO_DEPTH", [(1, 4, 6, 3)], {"block_size": 2, "layout": "NHWC"}, [(1, 2, 3, 12)]),
        ("DEPTH_TO_SPACE", [(12, 2, 3)], {"block_size": 2, "layout": "NCHW"}, [(3, 4, 6)]),
        ("ONE_HOT", [(3,)], {"axis": -1, "depth": 5}, [(3, 5)]),
        ("SHUFFLE_CHANNEL", [(6, 2, 2)], {"groups": 3, "layout": "NCHW"}, [(6, 2, 2)]),
        ("TOPK", [(2, 9)], {"k": 4}, [(2, 4), (2, 4)]),
        ("RANK", [(2, 9)], {}, [()]),
    ],
)
def test_output_shapes(operator, inputs, attributes, expected):
    assert infer_shapes(operator, inputs, attributes) == expected


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "reason"),
    [
        ("CONV_2D", [(1, 9, 8, 5), (16, 3, 3, 4)], window(), "take 4 input channels"),
        (
            "CONV_2D",
            [(4, 9, 8), (9, 2, 3, 3)],
            window("NCHW", groups=2),
            "9 output channels do not divide into 2",
        ),
        ("CONV_2D", [(1, 2, 8, 4), (16, 3, 3, 4)], window(), "extent 3 does not fit 2 elements"),
        ("CONV_2D", [(1, 9, 8, 4), (1, 3, 3, 4)], window(strides=(0, 1)), "stride 0 must be at least 1"),
        ("CONV_2D", [(1, 9, 8, 4), None], window(), "operand 1 is absent"),
        ("TRANSPOSE_CONV", [(8, 4, 5), (7, 3, 2, 2)], window("NCHW"), "take 7 input channels"),
        ("FULLY_CONNECTED", [(2, 5), (7, 4)], {}, "10 elements, not a multiple of the 4"),
        ("BATCH_MATMUL", [(2, 3), (4, 5)], {}, "3 and 4 elements along the summed dimension"),
        ("ATTENTION", [(8, 1, 64), (8, 1, 32), (8, 1, 64)], {}, "heads of 64 and 32 elements"),
        ("ATTENTION", [(8, 1, 64), (8, 2, 64), (8, 1, 64)], {}, "2 and 1 rows"),
        ("ADD", [(2, 3), (2,)], {}, r"\(2, 3\) and \(2,\) do not broadcast"),
        ("MEAN", [(2, 3)], {"axes": (2,), "keep_dims": True}, "axis 2 is outside a shape of 2 dimensions"),
        ("CONCATENATION", [(1, 2), (2, 2)], {"axis": 1}, "differ outside axis 1"),
        ("CONCATENATION", [], {"axis": 1}, "no operands"),
        ("SPLIT", [(4, 7)], {"axis": 1, "num_splits": 3}, "7 elements do not divide into 3"),
        ("SPLIT", [(4, 7)], {"axis": 1, "sizes": (3, 3)}, "3, 3 elements do not add up to the 7"),
        ("SLICE", [(4,)], {"begin": (2,), "size": (3,)}, "reach outside"),
        ("STRIDED_SLICE", [(4,)], {"begin": (2,), "end": (3,), "strides": (0,)}, "stride of axis 0 is 0"),
        ("PAD", [(4,)], {"paddings": ((0, 0), (1, 1))}, "2 pairs of paddings for the 1 dimensions"),
        ("TRANSPOSE", [(2, 3)], {"permutation": (0, 0)}, "not a permutation"),
        ("RESHAPE", [(2, 3)], {"shape": (4, -1)}, r"6 elements of \(2, 3\) do not fill the shape \(4, -1\)"),
        ("RESHAPE", [(2, 3)], {"shape": (7,)}, "do not fill"),
        ("SQUEEZE", [(2, 1)], {"axes": (0,)}, "not all of size 1"),
        ("EXPAND_DIMS", [(2,)], {"axes": (0, 0)}, "twice"),
        ("TILE", [(2, 3)], {"multiples": (2,)}, "1 multiples for the 2 dimensions"),
        ("PACK", [(2,), (3,)], {"axis": 0}, "differ in shape"),
        ("GATHER_ND", [(2,), (5, 3)], {}, "address 3 dimensions"),
        ("SPACE_TO_DEPTH", [(1, 3, 4, 1)], {"block_size": 2, "layout": "NHWC"}, "blocks of 2 x 2"),
        ("DEPTH_TO_SPACE", [(1, 3, 4, 3)], {"block_size": 2, "layout": "NHWC"}, "3 channels do not divide"),
        ("SHUFFLE_CHANNEL", [(5, 2, 2)], {"groups": 3, "layout": "NCHW"}, "5 channels do not divide into 3"),
    ],
)
def test_operands_that_cannot_fit(operator, inputs, attributes, reason):
    with pytest.raises(ValueError, match=reason):
        infer_shapes(operator, inputs, attributes)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("CUSTOM", [(2, 3)], {}),
        ("WHERE", [(2, 3)], {}),
        ("RESHAPE", [(2, 3), (2,)], {}),
        ("CONV_2D", [(1, 3, 9), (4, 3, 3)], window()),
        ("MEAN", [(2, 3)], {"axes": (), "keep_dims": False}),
        ("STRIDED_SLICE", [(4,)], {"begin": (2,), "end": (3,), "strides": (1,), "new_axis_mask": 1}),
        ("TRANSPOSE_CONV", [(1, 4, 5, 8), (3, 2, 2, 8), None, (4,)], window()),
    ],
)
def test_shapes_that_the_attributes_do_not_determine(operator, inputs, attributes):
    assert infer_shapes(operator, inputs, attributes) is None


def test_broadcast_alignment():
    assert broadcast_shapes([(3, 4), (3,)], leading=True) == (3, 4)
    with pytest.raises(ValueError, match="do not broadcast"):
        broadcast_shapes([(3, 4), (3,)])


def test_rounded_up_window_starts_inside_the_data():
    # A third window of 2 with stride 2 would start at 4 = size + leading padding.
    assert window_positions(3, 2, 2, (1, 1), ceil=True) == 2
    assert window_positions(4, 2, 2, (0, 1), ceil=True) == 2
    assert window_positions(5, 2, 2, (0, 0), ceil=True) == 3


def conv_graph(*, out=(1, 7, 7, 16), bias=16, weights=(16, 3, 3, 4)):
    """A convolution without the check that `build` makes, so that faults can be put in."""
    b = GraphBuilder("test")
    x = b.tensor("x", DType.INT8, (1, 9, 9, 4), kind=TensorKind.INPUT)
    w = b.tensor("w", DType.INT8, (16, 3, 3, 4), kind=TensorKind.CONSTANT)
    c = b.tensor("c", DType.INT32, (16,), kind=TensorKind.CONSTANT)
    y = b.tensor("y", DType.INT8, (1, 7, 7, 16))
    b.operator("CONV_2D", "conv", [x, w, c], [y], window())
    graph = b.build("g", "tflite", [x], [y])
    shapes = {x: (1, 9, 9, 4), w: weights, c: (bias,), y: out}
    return graph.with_tensors(tuple(replace(t, shape=shapes[t.index]) for t in graph.tensors))


def test_a_valid_graph_has_no_faults():
    assert shape_faults(conv_graph()) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"out": (1, 8, 7, 16)}, "output 0 has shape (1, 8, 7, 16), but the inputs"),
        ({"bias": 15}, "bias 'c' (15,) hold 15 elements, but the operator uses 16"),
        (
            {"weights": (16, 3, 3, 5)},
            "take 5 input channels in each of 1 groups, but the input (1, 9, 9, 4) has 4",
        ),
        (
            {"weights": (16, 3, 4, 4)},
            "weights 'w' (16, 3, 4, 4) hold 768 elements, but the operator uses 576",
        ),
    ],
)
def test_faults_name_the_operator_and_both_sides(change, text):
    (fault,) = shape_faults(conv_graph(**change))
    assert fault.startswith("operator 0 CONV_2D 'conv': ")
    assert text in fault


@pytest.mark.parametrize(("added", "faults"), [((7,), 0), ((1,), 0), ((3, 1), 0), ((3, 7), 0), ((6,), 1)])
def test_what_a_fully_connected_operator_adds_may_broadcast(added, faults):
    b = GraphBuilder("test")
    x = b.tensor("x", DType.FLOAT32, (3, 4), kind=TensorKind.INPUT)
    w = b.tensor("w", DType.FLOAT32, (4, 7), kind=TensorKind.CONSTANT)
    c = b.tensor("c", DType.FLOAT32, (7,), kind=TensorKind.CONSTANT)
    y = b.tensor("y", DType.FLOAT32, (3, 7))
    b.operator("FULLY_CONNECTED", "gemm", [x, w, c], [y], {"transpose_b": False})
    graph = b.build("g", "onnx", [x], [y])
    tensors = [replace(t, shape=added) if t.index == c else t for t in graph.tensors]
    assert len(shape_faults(graph.with_tensors(tuple(tensors)))) == faults


def test_masks_are_not_taken_for_caches():
    # com.microsoft MultiHeadAttention has a key padding mask and a bias where others have caches.
    shapes = [(2, 5, 64), (2, 6, 64), (2, 6, 64), None, (2, 6), (2, 4, 5, 6)]
    assert cache_shapes(shapes) == ()
    assert infer_shapes("ATTENTION", shapes, {"heads": 4, "key_heads": 4}) == [(2, 5, 64)]


def test_heads_side_by_side_may_be_shared():
    shapes = [(2, 5, 64), (2, 6, 32), (2, 6, 16)]
    assert infer_shapes("ATTENTION", shapes, {"heads": 4, "key_heads": 2}) == [(2, 5, 32)]


def test_merged_rows_of_a_fully_connected_operator_are_no_fault():
    b = GraphBuilder("test")
    x = b.tensor("x", DType.FLOAT32, (1, 3, 4), kind=TensorKind.INPUT)
    w = b.tensor("w", DType.FLOAT32, (7, 4), kind=TensorKind.CONSTANT)
    y = b.tensor("y", DType.FLOAT32, (3, 7))
    z = b.tensor("z", DType.FLOAT32, (21,))
    b.operator("FULLY_CONNECTED", "fc", [x, w], [y], {"transpose_b": True})
    b.operator("RESHAPE", "flat", [y], [z], {"shape": (-1,)})
    assert b.build("g", "tflite", [x], [z]).macs == 84


def test_each_output_of_a_copy_is_checked():
    b = GraphBuilder("test")
    x = b.tensor("x", DType.FLOAT32, (3,), kind=TensorKind.INPUT)
    y = [b.tensor(f"y{i}", DType.FLOAT32, (3,)) for i in range(2)]
    b.operator("IDENTITY", "split", [x], y)
    graph = b.build("g", "ncnn", [x], y)
    wrong = graph.with_tensors((*graph.tensors[:2], replace(graph.tensors[2], shape=(4,))))
    assert ["output 1 has shape (4,)" in fault for fault in shape_faults(wrong)] == [True]
