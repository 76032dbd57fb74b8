from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
from collections import Counter
from math import prod

import numpy as np
import pytest
from tflite_writer import (
    FLOAT32,
    INT4,
    INT8,
    INT32,
    Table,
    Vector,
    model,
    operator,
    operator_code,
    quantization,
    single,
    subgraph,
    tensor,
)

from socsim.errors import UnsupportedOperatorError, WorkloadError
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers import load_graph
from socsim.workload.importers.tflite import import_tflite
from socsim.workload.importers.tflite_operators import TYPES, same_pads
from socsim.workload.importers.tflite_schema import BUILTIN_OPERATORS, OPTIONS, TENSOR_TYPES
from socsim.workload.limits import DEFAULT_LIMITS
from socsim.workload.operators import OPERATORS

# 28 steps of four gates of 20 units over 28 features and 20 states; the manifest leaves recurrence out.
LSTM_MACS = {"tflm_mnist_lstm_int8": 28 * 4 * 20 * (28 + 20)}


def load(data, *, batch=None, shapes=None, limits=DEFAULT_LIMITS):
    return import_tflite(data, where="m.tflite", name="m", batch=batch, shapes=shapes or {}, limits=limits)


def i32(*values):
    return struct.pack(f"<{len(values)}i", *values)


def attributes(data):
    return load(data).operators[0].attributes


@pytest.fixture(scope="module")
def entries(models):
    listed = json.loads((models / "manifest.json").read_text())["models"]
    return [entry for entry in listed if entry["file"].endswith(".tflite")]


@pytest.fixture(scope="module")
def graphs(models, entries):
    return {entry["name"]: load_graph(models / entry["file"]) for entry in entries}


# Real models against the manifest and against an independent reader


def test_every_file_loads(models):
    files = sorted(models.rglob("*.tflite"))
    assert len(files) == 110
    assert all(load_graph(file).operators for file in files)


def test_operator_counts_are_those_of_the_manifest(graphs, entries):
    for entry in entries:
        graph = graphs[entry["name"]]
        found = Counter(op.source_type for g in (graph, *graph.subgraphs) for op in g.operators)
        assert dict(found) == entry["ops"], entry["name"]


def test_macs_are_those_of_the_manifest(graphs, entries):
    for entry in entries:
        expected = entry["macs"] + LSTM_MACS.get(entry["name"], 0)
        assert graphs[entry["name"]].macs == expected, entry["name"]


def test_inputs_and_outputs_are_those_of_the_manifest(graphs, entries):
    for entry in entries:
        graph = graphs[entry["name"]]
        for indices, key in ((graph.inputs, "inputs"), (graph.outputs, "outputs")):
            found = [graph.tensors[i] for i in indices]
            described = [(t.name, t.dtype.value.upper(), list(t.shape)) for t in found]
            assert described == [(t["name"], t["dtype"], t["shape"]) for t in entry[key]], entry["name"]


def test_the_hash_is_that_of_the_file(graphs, entries):
    assert all(graphs[entry["name"]].sha256 == entry["sha256"] for entry in entries)


def independent_macs(file, sub):
    """Multiply-accumulates of a subgraph from the accessors of the `tflite` package, without LSTM."""
    import tflite

    names = {v: k for k, v in vars(tflite.BuiltinOperator).items() if not k.startswith("_")}
    total = 0
    for i in range(sub.OperatorsLength()):
        op = sub.Operators(i)
        code = file.OperatorCodes(op.OpcodeIndex())
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        if name not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}:
            continue
        weights = sub.Tensors(op.Inputs(1)).ShapeAsNumpy().tolist()
        result = sub.Tensors(op.Outputs(0)).ShapeAsNumpy().tolist()
        data = sub.Tensors(op.Inputs(2 if name == "TRANSPOSE_CONV" else 0)).ShapeAsNumpy().tolist()
        total += {
            "CONV_2D": lambda r=result, w=weights: prod(r) * prod(w[1:]),
            "DEPTHWISE_CONV_2D": lambda r=result, w=weights: prod(r) * w[1] * w[2],
            "FULLY_CONNECTED": lambda d=data, w=weights: prod(d) * w[0],
            "TRANSPOSE_CONV": lambda d=data, w=weights: prod(d[:3]) * prod(w),
        }[name]()
    return total


def test_macs_agree_with_an_independent_count(models, graphs, entries):
    import tflite

    for entry in entries:
        file = tflite.Model.GetRootAsModel((models / entry["file"]).read_bytes(), 0)
        graph = graphs[entry["name"]]
        counted = sum(op.macs for op in graph.operators if op.type != "LSTM")
        assert counted == independent_macs(file, file.Subgraphs(0)), entry["name"]


def test_parameters_of_mac_operators_agree_with_an_independent_count(models, graphs, entries):
    import tflite

    for entry in entries:
        graph = graphs[entry["name"]]
        file = tflite.Model.GetRootAsModel((models / entry["file"]).read_bytes(), 0)
        sub = file.Subgraphs(0)
        used = {}
        for op in graph.operators:
            raw = sub.Operators(op.index)
            first = 1 if op.type == "TRANSPOSE_CONV" else 0
            for i in raw.InputsAsNumpy()[first:].tolist() if op.category.value == "mac" else ():
                tensor = sub.Tensors(i) if i >= 0 else None
                if tensor and file.Buffers(tensor.Buffer()).DataLength() | file.Buffers(tensor.Buffer()).Size():
                    used[i] = prod(tensor.ShapeAsNumpy().tolist())
        mine = {t.index: t.elements for op in graph.operators if op.macs for t in graph.input_tensors(op)}
        assert {i: n for i, n in mine.items() if graph.tensors[i].is_constant} == used, entry["name"]


def test_tensors_keep_index_name_shape_type_quantization_and_bytes(models, graphs, entries):
    import tflite

    for entry in entries:
        file = tflite.Model.GetRootAsModel((models / entry["file"]).read_bytes(), 0)
        sub = file.Subgraphs(0)
        graph = graphs[entry["name"]]
        assert len(graph.tensors) == sub.TensorsLength()
        for t in graph.tensors:
            raw = sub.Tensors(t.index)
            assert t.name.encode() == (raw.Name() or b"")
            assert list(t.shape) == (raw.ShapeAsNumpy().tolist() if raw.ShapeLength() else [])
            assert TENSOR_TYPES[raw.Type()][1] is t.dtype
            check_quantization(t, raw.Quantization())
            if t.data is not None and t.is_constant and file.Buffers(raw.Buffer()).DataLength():
                assert t.data.tobytes() == file.Buffers(raw.Buffer()).DataAsNumpy().tobytes()
                assert not t.data.flags.writeable


def check_quantization(t, raw):
    if raw is None or not raw.ScaleLength():
        assert t.quantization is None or t.quantization.block_size
        return
    if t.dtype.is_integer:
        assert t.quantization.scales == tuple(raw.ScaleAsNumpy().tolist())
        assert t.quantization.zero_points == tuple(raw.ZeroPointAsNumpy().tolist())
        named = raw.QuantizedDimension() if len(t.shape) > 1 else 0
        assert t.quantization.axis == (named if raw.ScaleLength() > 1 or 0 < named < len(t.shape) else None)


def test_a_bias_whose_scales_name_a_dimension_it_lacks_is_read_along_its_only_one(models):
    """LiteRT refuses the original file, microcontroller runtimes accept it."""
    original = load_graph(models / "tflm_person_detect_int8.tflite")
    patched = load_graph(models / "tflm_person_detect_int8.patched.tflite")
    assert original.tensors == patched.tensors
    assert original.tensors[33].quantization.axis == 0


def test_every_one_operator_model_loads(models):
    files = sorted((models / "golden" / "op_vectors").glob("*.npz"))
    loaded = Counter()
    for file in files:
        with np.load(file, allow_pickle=False) as arrays:
            for key in (key for key in arrays.files if key.startswith("model_")):
                graph = load(arrays[key].tobytes())
                loaded[file.stem] += len(graph.operators)
    assert len(loaded) == len(files) >= 80
    assert min(loaded.values()) >= 8


def test_blockwise_scales_come_from_their_tensor(models):
    graph = load_graph(models / "litert_qwen_fc_blockwise_int4.tflite")
    weights, scales = graph.tensors[1], graph.tensors[3]
    assert (weights.dtype, weights.shape, weights.data.shape) == (DType.INT4, (1024, 1024), (524_288,))
    assert (weights.quantization.axis, weights.quantization.block_size) == (1, 32)
    assert weights.quantization.scales == tuple(scales.data.ravel().astype(float).tolist())
    assert set(weights.quantization.zero_points) == {0}


def test_state_and_its_initialisation_are_kept(graphs):
    graph = graphs["mww_v2_vad_int8"]
    assert graph.operators[0].type == "CALL_ONCE"
    (body,) = graph.subgraphs
    assert graph.operators[0].attributes["init_subgraph_index"] == 0
    assert dict(body.operator_counts) == {"ASSIGN_VARIABLE": 4, "VAR_HANDLE": 4}
    names = [op.attributes["shared_name"] for op in graph.operators if op.type == "VAR_HANDLE"]
    assert names == ["stream/states", "stream_1/states", "stream_2/states", "stream_3/states"]


def test_lstm_keeps_absent_operands_states_and_intermediates(graphs):
    graph = graphs["tflm_mnist_lstm_int8"]
    op = graph.operators[0]
    assert len(op.inputs) == 24
    assert op.inputs[9:12] == (None, None, None)
    assert graph.tensors[op.inputs[18]].kind is TensorKind.VARIABLE
    assert op.attributes["intermediates"] == (18, 19, 20, 21, 22)
    assert (op.attributes["units"], op.attributes["gates"]) == (20, 4)


def test_the_importer_needs_no_flatbuffers_library():
    code = "import sys, socsim.workload.importers.tflite; print({'tflite', 'flatbuffers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# Tables of the schema


def test_operator_codes_are_those_of_the_tflite_package():
    import tflite

    codes = {v: k for k, v in vars(tflite.BuiltinOperator).items() if not k.startswith("_")}
    assert {i: BUILTIN_OPERATORS[i] for i in codes} == codes


def test_element_types_are_those_of_the_tflite_package():
    import tflite

    codes = {v: k for k, v in vars(tflite.TensorType).items() if not k.startswith("_")}
    assert {i: TENSOR_TYPES[i][0] for i in codes} == codes


def test_option_unions_are_those_of_the_tflite_package():
    import tflite

    unions = {v: k for k, v in vars(tflite.BuiltinOptions).items() if not k.startswith("_")}
    irregular = {
        "AVERAGE_POOL_2D": "Pool2D", "MAX_POOL_2D": "Pool2D", "L2_NORMALIZATION": "L2Norm", "MEAN": "Reducer",
        "SUM": "Reducer", **{f"REDUCE_{n}": "Reducer" for n in ("PROD", "MAX", "MIN", "ANY", "ALL")},
        "BATCH_MATMUL": "BatchMatMul",
    }  # fmt: skip
    for name, options in OPTIONS.items():
        expected = irregular.get(name, name.replace("_", "")).lower() + "options"
        assert unions[options.union].lower() == expected, name


def test_every_mapped_operator_is_in_the_vocabulary():
    assert set(TYPES.values()) <= set(OPERATORS)
    assert len(TYPES) > 110
    assert not [name for name in OPTIONS if name not in TYPES]


# Attributes


def test_same_padding_follows_the_closed_form():
    """TensorFlow states the total padding by the remainder of the size, not by the output's size."""
    cases = [(n, k, s, d) for n in range(1, 40) for k in range(1, 8) for s in range(1, 5) for d in (1, 2, 3)]
    for n, k, s, d in cases:
        reach = (k - 1) * d + 1
        total = max(reach - (n % s or s), 0)
        expected = (total // 2, total // 2, total - total // 2, total - total // 2)
        assert same_pads((n, n), (k, k), (s, s), (d, d)) == expected, (n, k, s, d)


def conv(padding, *, strides=(2, 1), dilations=(1, 1), size=(5, 6), channels=4, weights=(8, 3, 2, 4)):
    fields = {
        0: ("b", padding), 1: ("i", strides[1]), 2: ("i", strides[0]), 3: ("b", 3), 4: ("i", dilations[1]),
        5: ("i", dilations[0]),
    }  # fmt: skip
    out = [
        -(-n // s) if padding == 0 else (n - (k - 1) * d - 1) // s + 1
        for n, s, k, d in zip(size, strides, weights[1:3], dilations, strict=True)
    ]
    tensors = [
        tensor("x", [1, *size, channels]),
        tensor("w", list(weights), buffer=1),
        tensor("y", [1, *out, weights[0]]),
    ]
    op = operator(0, [0, 1, -1], [2], Table(fields), 1)
    return single(3, tensors, [0], [2], op, (bytes(prod(weights)),))


def test_a_convolution_is_resolved():
    op = load(conv(0)).operators[0]
    assert op.inputs == (0, 1, None)
    assert dict(op.attributes) == {
        "strides": (2, 1), "dilations": (1, 1), "padding": "SAME", "pads": (1, 0, 1, 1), "kernel": (3, 2),
        "groups": 1, "layout": "NHWC", "activation": "RELU6", "quantized_bias_type": None,
    }  # fmt: skip
    assert op.macs == 3 * 6 * 8 * 3 * 2 * 4


def test_valid_padding_is_none():
    assert attributes(conv(1, dilations=(2, 1)))["pads"] == (0, 0, 0, 0)


def test_groups_come_from_the_channels_of_the_weights():
    op = load(conv(0, channels=8, weights=(8, 3, 2, 4))).operators[0]
    assert op.attributes["groups"] == 2
    assert op.macs == 3 * 6 * 8 * 3 * 2 * 4


def shape_operand(code, values, in_shape, out_shape, options=None, union=0, kind=INT32):
    tensors = [
        tensor("x", in_shape),
        tensor("operand", [len(values)], kind, buffer=1),
        tensor("y", out_shape),
    ]
    return single(code, tensors, [0], [2], operator(0, [0, 1], [2], options, union), (i32(*values),))


@pytest.mark.parametrize(
    ("code", "values", "in_shape", "out_shape", "options", "expected"),
    [
        ("RESHAPE", (-1, 6), [2, 3, 2], [2, 6], None, {"shape": (-1, 6)}),
        ("PAD", (0, 0, 1, 2), [2, 3], [2, 6], None, {"paddings": ((0, 0), (1, 2))}),
        ("TRANSPOSE", (1, 0), [2, 3], [3, 2], None, {"permutation": (1, 0)}),
        ("MEAN", (-1, 1), [1, 4, 5, 6], [1, 5], None, {"axes": (1, 3), "keep_dims": False}),
        ("SUM", (1,), [2, 3], [2, 1], Table({0: ("B", 1)}), {"axes": (1,), "keep_dims": True}),
        ("ARG_MAX", (-1,), [2, 3], [2], None, {"axis": 1}),
        ("EXPAND_DIMS", (-1,), [2, 3], [2, 3, 1], None, {"axis": 2}),
        ("TILE", (2, 1), [2, 3], [4, 3], None, {"multiples": (2, 1)}),
        ("REVERSE_V2", (-2,), [2, 3], [2, 3], None, {"axes": (0,)}),
        ("BROADCAST_TO", (2, 3), [1, 3], [2, 3], None, {"shape": (2, 3)}),
        ("RESIZE_BILINEAR", (4, 6), [1, 2, 3, 1], [1, 4, 6, 1], Table({3: ("B", 1)}),
         {"size": (4, 6), "align_corners": False, "half_pixel_centers": True}),
        ("MIRROR_PAD", (1, 1), [3], [5], Table({0: ("b", 1)}), {"paddings": ((1, 1),), "mode": "SYMMETRIC"}),
    ],
)  # fmt: skip
def test_constant_operands_become_attributes(code, values, in_shape, out_shape, options, expected):
    union = OPTIONS[code].union if options is not None else 0
    number = BUILTIN_OPERATORS.index(code)
    op = load(shape_operand(number, values, in_shape, out_shape, options, union)).operators[0]
    assert dict(op.attributes) == expected
    assert op.inputs == (0,)
    assert op.source_type == code


def test_a_computed_shape_stays_an_operand():
    tensors = [tensor("x", [2, 3]), tensor("shape", [1], INT32), tensor("y", [6])]
    op = load(single(22, tensors, [0, 1], [2], operator(0, [0, 1], [2]))).operators[0]
    assert op.inputs == (0, 1)
    assert dict(op.attributes) == {}


def test_reshape_takes_the_option_where_there_is_no_operand():
    options = Table({0: Vector("i", [3, 2])})
    data = single(22, [tensor("x", [6]), tensor("y", [3, 2])], [0], [1], operator(0, [0], [1], options, 17))
    assert dict(attributes(data)) == {"shape": (3, 2)}


def test_split_loses_its_axis_operand():
    tensors = [
        tensor("axis", [], INT32, buffer=1),
        tensor("x", [2, 4]),
        tensor("a", [2, 2]),
        tensor("b", [2, 2]),
    ]
    options = Table({0: ("i", 2)})
    data = single(49, tensors, [1], [2, 3], operator(0, [0, 1], [2, 3], options, 35), (i32(-1),))
    op = load(data).operators[0]
    assert (op.inputs, op.outputs, dict(op.attributes)) == ((1,), (2, 3), {"num_splits": 2, "axis": 1})


def test_transposed_convolution_puts_its_data_first(models):
    graph = load_graph(models / "seanet" / "transpose_conv0.tflite")
    op = graph.operators[0]
    assert op.inputs == (2, 1, 3, 0)  # input, weights, bias, computed output shape
    assert (op.attributes["strides"], op.attributes["kernel"], op.attributes["padding"]) == (
        (1, 2),
        (3, 4),
        "VALID",
    )


def test_defaults_differ_with_and_without_an_options_table():
    """The schema's default holds in a table; without one the runtime's struct is zero."""
    tensors = [tensor("x", [2]), tensor("y", [2]), tensor("z", [2])]
    for options, expected in ((Table(), True), (None, False), (Table({1: ("B", 0)}), False)):
        data = single(0, tensors, [0, 1], [2], operator(0, [0, 1], [2], options, 11))
        assert attributes(data)["pot_scale_int16"] is expected


def test_int4_stays_packed_and_counts_half_bytes():
    tensors = [
        tensor("x", [1, 3]),
        tensor("w", [3, 3], INT4, buffer=1, quant=quantization([0.5, 1.0, 2.0], [0, 0, 0])),
        tensor("y", [1, 3]),
    ]
    data = single(9, tensors, [0], [2], operator(0, [0, 1], [2], Table(), 8), (bytes([0x21, 0x43, 0x65, 0x87, 9]),))
    weights = load(data).tensors[1]
    assert (weights.elements, weights.bytes) == (9, 5)
    assert weights.data.tolist() == [0x21, 0x43, 0x65, 0x87, 9]
    assert weights.quantization.scales == (0.5, 1.0, 2.0)
    assert weights.quantization.axis == 0


def test_one_zero_point_serves_all_scales():
    tensors = [tensor("x", [2, 2], quant=quantization([0.5, 1.0], [3], 1)), tensor("y", [2, 2])]
    graph = load(single(19, tensors, [0], [1], operator(0, [0], [1])))
    assert graph.tensors[0].quantization.zero_points == (3, 3)


def test_constants_behind_the_flatbuffer_are_found():
    tensors = [tensor("x", [1, 4]), tensor("w", [2, 4], buffer=1), tensor("y", [1, 2])]
    place = Table({1: ("Q", 0), 2: ("Q", 8)})
    op = operator(0, [0, 1], [2], Table(), 8)
    size = len(single(9, tensors, [0], [2], op, (place,)))
    place[1] = ("Q", size)
    graph = load(single(9, tensors, [0], [2], op, (place,)) + bytes(range(8)))
    assert graph.tensors[1].data.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_misaligned_constants_are_copied():
    place = Table({1: ("Q", 0), 2: ("Q", 8)})
    tensors = [tensor("x", [2], FLOAT32), tensor("c", [2], FLOAT32, buffer=1), tensor("y", [2], FLOAT32)]
    op = operator(0, [0, 1], [2], Table(), 11)
    size = len(single(0, tensors, [0], [2], op, (place,)))
    place[1] = ("Q", size + 1)
    graph = load(single(0, tensors, [0], [2], op, (place,)) + b"\xff" + struct.pack("<2f", 1.5, -2.0))
    assert graph.tensors[1].data.tolist() == [1.5, -2.0]
    assert graph.tensors[1].data.flags.aligned
    assert not graph.tensors[1].data.flags.writeable


# Operators that need special treatment


def test_a_custom_operator_keeps_its_code_and_options():
    op = operator(0, [0], [1], more={5: b"\x01\x02\x03"})
    sub = subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [op])
    graph = load(model([operator_code(32, "Example_Op")], [sub], []))
    assert graph.operators[0].type == "CUSTOM"
    assert dict(graph.operators[0].attributes) == {
        "custom_code": "Example_Op",
        "custom_options": b"\x01\x02\x03",
    }
    assert graph.operators[0].label == "CUSTOM 'Example_Op'"


def test_operators_outside_the_vocabulary_are_all_listed():
    tensors = [tensor(f"t{i}", [2]) for i in range(4)]
    operators = [operator(0, [0], [1]), operator(1, [1], [2]), operator(0, [2], [3])]
    data = model([operator_code(131), operator_code(999)], [subgraph(tensors, [0], [3], operators)], [])
    with pytest.raises(UnsupportedOperatorError) as caught:
        load(data)
    assert str(caught.value) == (
        "m.tflite: 3 operators are not supported (2 x RFFT2D, 1 x operator code 999); "
        "remove or replace them\n"
        "  - 0 RFFT2D 't1'\n  - 1 operator code 999 't2'\n  - 2 RFFT2D 't3'"
    )


@pytest.mark.parametrize(
    ("kind", "more", "label"),
    [
        (8, {}, "RELU with COMPLEX64 elements"),
        (INT8, {6: Table()}, "RELU with sparse storage"),
        (INT8, {10: ("I", 1)}, "RELU with data in an external file"),
        (INT8, {4: Table({4: ("B", 3), 5: Table()})}, "RELU with multi-axis quantization"),
    ],
)
def test_storage_that_graphs_lack_is_reported_with_its_operators(kind, more, label):
    tensors = [tensor("x", [2], kind, more=more), tensor("y", [2])]
    with pytest.raises(UnsupportedOperatorError, match=re.escape(f"  - 0 {label} 'y'")):
        load(single(19, tensors, [0], [1], operator(0, [0], [1])))


def branches(indices=(2, 1), bodies=None):
    """A graph with an IF whose branches are subgraphs."""
    choice = operator(0, [0, 1], [2], Table({0: ("i", indices[0]), 1: ("i", indices[1])}), 92)
    main = subgraph([tensor("c", [], 6), tensor("x", [2]), tensor("y", [2])], [0, 1], [2], [choice])
    body = subgraph([tensor("a", [2]), tensor("b", [2])], [0], [1], [operator(1, [0], [1])])
    return model([operator_code(118), operator_code(19)], [main, *(bodies or [body, body, body])], [])


def test_branches_become_subgraphs_in_the_order_of_their_use():
    graph = load(branches())
    assert [g.name for g in graph.subgraphs] == ["subgraph 2", "subgraph 1"]
    assert dict(graph.operators[0].attributes) == {"then_subgraph_index": 0, "else_subgraph_index": 1}
    assert graph.notes == ("subgraphs that the main one does not call are left out: 3",)


def test_branches_may_be_the_same_subgraph():
    graph = load(branches((1, 1)))
    assert len(graph.subgraphs) == 1
    assert dict(graph.operators[0].attributes) == {"then_subgraph_index": 0, "else_subgraph_index": 0}


# Batch


def batched(signature, out_signature, shape_values=(-1, 6)):
    tensors = [
        tensor("image", [1, 2, 3], signature=signature),
        tensor("shape", [2], INT32, buffer=1),
        tensor("flat", [1, 6], signature=out_signature),
    ]
    return single(22, tensors, [0], [2], operator(0, [0, 1], [2]), (i32(*shape_values),))


def test_an_open_batch_is_set_everywhere():
    data = batched([-1, 2, 3], [-1, 6])
    assert [load(data, batch=4).tensors[i].shape for i in (0, 1, 2)] == [(4, 2, 3), (2,), (4, 6)]
    assert load(data, shapes={"image": (3, 2, 3)}).tensors[2].shape == (3, 6)
    assert load(data).tensors[0].shape == (1, 2, 3)


def test_a_real_model_takes_a_batch(models):
    path = models / "mlperf_tiny_ic_resnet8_int8.tflite"
    one, eight = load_graph(path), load_graph(path, batch=8)
    assert eight.macs == 8 * one.macs
    assert eight.parameters == one.parameters
    assert eight.tensors[eight.outputs[0]].shape == (8, 10)


@pytest.mark.parametrize(
    ("data", "request_", "message"),
    [
        (batched(None, None), {"batch": 4},
         "m.tflite: input 'image' has the fixed shape (1, 2, 3), so batch 4 is not possible; convert "
         "the model with an open batch dimension, or run it repeatedly"),
        (batched([-1, 2, 3], [1, 6]), {"batch": 4},
         "m.tflite: operator 0 RESHAPE does not follow the batch of its input; convert the model with an "
         "open batch dimension, or run it repeatedly"),
        (batched([-1, 2, 3], [-1, 6]), {"shapes": {"imaeg": (1, 2, 3)}},
         "m.tflite: a shape is given for 'imaeg', which is no input. Did you mean 'image'?"),
        (batched([-1, 2, 3], [-1, 6]), {"shapes": {"image": (1, 2, 4)}},
         "m.tflite: input 'image' has shape (1, 2, 3), not (1, 2, 4); only its first dimension may differ. "
         "Convert the model again for other shapes"),
        (batched([-1, 2, 3], [-1, 6]), {"shapes": {"image": (2, 2, 3)}, "batch": 3},
         "m.tflite: different batches are asked for: 2, 3; give one"),
        (batched([-1, 2, 3], [-1, 6]), {"shapes": {"image": (0, 2, 3)}},
         "m.tflite: batch 0 is not possible; give 1 or more"),
    ],
)  # fmt: skip
def test_a_batch_that_the_file_does_not_allow_is_refused(data, request_, message):
    with pytest.raises(WorkloadError) as caught:
        load(data, **request_)
    assert str(caught.value) == message


def test_the_batch_of_a_fixed_file_may_be_repeated():
    assert load(batched(None, None), batch=1).tensors[0].shape == (1, 2, 3)


def test_other_open_dimensions_are_noted():
    graph = load(batched([-1, -1, 3], [-1, 6]))
    assert graph.notes == ("input 'image' leaves dimensions open (-1, -1, 3); the file's shape (1, 2, 3) is used",)


def test_hashes_are_of_the_bytes():
    data = conv(0)
    assert load(data).sha256 == hashlib.sha256(data).hexdigest()
