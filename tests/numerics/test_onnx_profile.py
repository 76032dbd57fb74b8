"""The profile `onnx`: real networks, ONNX Runtime as it runs, and exact oracles."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import onnx
import onnx_cases as make
import oracle_onnx as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

import socsim as ss
from socsim.errors import NumericsError
from socsim.numerics.arrays import constant_array
from socsim.numerics.executor import Executable
from socsim.numerics.golden_inputs import recipe
from socsim.numerics.node import Node, prepared
from socsim.numerics.profiles import PROFILES
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Quantization, TensorKind

MODES = ["zeros", "seed0", "seed1", "seed2", "seed3", "seed4", "img"]
QOPERATOR = ["nns_mobilenet_v2_quant", "onnx_gen/mnv2_035_128_qop_u8u8_pt", "onnx_gen/fastestdet_qop_u8u8_pt"]
QDQ = ["onnx_gen/mnv2_035_128_qdq_u8s8_pc", "onnx_gen/mnv2_035_128_qdq_s8s8_pt"]
BYTES = ["int8", "uint8"]


def _digest(array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


# --- networks -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", QOPERATOR)
def test_networks_of_quantized_operators_equal_the_record(models, name):
    graph = ss.load(models / f"{name}.onnx")
    record = json.loads((models / "golden" / f"{name}.json").read_text())
    executable = Executable(graph, "onnx")
    for mode in MODES:
        inputs = recipe(mode)(graph, (models / "golden" / name).parent)
        assert {graph.tensors[t].name: _digest(x) for t, x in inputs.items()} == {
            key: value["sha256"] for key, value in record["inputs"][mode].items()
        }
        made = executable.run(inputs, keep_all=True)
        assert [_digest(made[t]) for t in graph.outputs] == [o["sha256"] for o in record["outputs"][mode]]
        compared = _compared(graph, made, record["tensors"][mode])
        assert len(compared) > 60
        assert not [key for key, equal in compared.items() if not equal]


def _compared(graph, made, digests) -> dict[str, bool]:
    """Quantized results that no view or movement makes: those are floats in the file, integers when folded."""
    moved = {"GATHER", "RESHAPE", "SLICE", "TRANSPOSE", "SQUEEZE"}
    results = [graph.tensors[t] for op in graph.operators if op.type not in moved for t in op.outputs]
    integers = [t for t in results if t.dtype.is_integer and t.name in digests]
    return {t.name: _digest(made[t.index]) == digests[t.name] for t in integers}


@pytest.mark.slow
@pytest.mark.parametrize("name", QDQ)
def test_outputs_of_qdq_networks_equal_onnx_runtime_with_all_optimizations(models, name):
    path = models / f"{name}.onnx"
    graph = ss.load(path)
    session, executable = make.session(onnx.load(path)), Executable(graph, "onnx")
    for mode in MODES:
        inputs = recipe(mode)(graph, (models / "golden" / name).parent)
        feed = {graph.tensors[t].name: x for t, x in inputs.items()}
        assert np.array_equal(session.run(None, feed)[0], executable.run(inputs)[graph.outputs[0]])


@pytest.mark.slow
@pytest.mark.parametrize("name", QDQ)
def test_each_operator_of_qdq_networks_equals_onnx_runtime(models, name):
    """Operators are given ONNX Runtime's own tensors, so that no difference is handed on.

    ONNX Runtime leaves convolutions unfused whose neighbours' results it has to show, and computes them in
    float32: where a sum is next to a tie, such a result may be one off. Everything else is equal.
    """
    path = models / f"{name}.onnx"
    graph, model = ss.load(path), onnx.load(path)
    indices = {t.name: t.index for t in graph.tensors if t.dtype.is_integer}
    quantizers = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear" and n.output[0] in indices]
    element = onnx.TensorProto.INT8 if "s8s8" in name else onnx.TensorProto.UINT8
    model.graph.output.extend(helper.make_tensor_value_info(n, element, None) for n in quantizers)
    session = make.session(model)
    steps = [prepared(Node(graph, op, PROFILES["onnx"], {})) for op in graph.operators]
    constants = {t.index: constant_array(t) for t in graph.tensors if t.is_constant}
    elements, different = Counter(), Counter()
    for mode in MODES:
        values = constants | recipe(mode)(graph, (models / "golden" / name).parent)
        found = session.run(quantizers, {graph.tensors[t].name: values[t] for t in graph.inputs})
        values |= {indices[n]: value for n, value in zip(quantizers, found, strict=True)}
        for op, step in zip(graph.operators, steps, strict=True):
            if op.outputs[0] in values and all(t in values for t in op.inputs):
                distance = np.abs(step(*(values[t] for t in op.inputs))[0].astype(int) - values[op.outputs[0]])
                assert distance.max() <= (op.type == "CONV_2D")
                elements[op.type] += distance.size
                different[op.type] += int(np.count_nonzero(distance))
    assert different["CONV_2D"] <= 1e-5 * elements["CONV_2D"]
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "AVERAGE_POOL_2D", "SOFTMAX"} <= set(elements)
    assert sum(elements.values()) > 7_000_000


# --- ONNX Runtime as it runs ----------------------------------------------------------------------------

FUNCTIONS = ["Tanh", "Sigmoid", "HardSwish", "Relu", "Abs", "Exp", "Elu"]
POOLS = [
    {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]},
    {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
]
PADS = {"pads": np.array([0, 0, 1, 2, 0, 0, 1, 0], np.int64)}
SHAPES = [
    ((2, 5, 9, 11),) * 2, ((5, 1, 11), (2, 5, 9, 11)), ((2, 5, 9, 1), (2, 5, 9, 11)), ((2, 5, 9, 11), (5, 9, 1)),
    ((1,), (7, 40)), ((7, 40), (1,)),
]  # fmt: skip
NEAREST = [
    ("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("align_corners", "round_prefer_ceil"),
    ("pytorch_half_pixel", "ceil"),
]  # fmt: skip

CASES = {
    **{f"{op} {t} {i}": make.pair(op, t, i, s) for op, t, (i, s) in product(
        ("QLinearAdd", "QLinearMul"), BYTES, enumerate(SHAPES * 4))},
    **{f"{op} {t}": make.operator(op, t, 7) for op, t in product(("QLinearSigmoid", "QLinearLeakyRelu"), BYTES)},
    **{f"QLinearSoftmax {t} {a}": make.operator("QLinearSoftmax", t, a + 9, axis=a, opset=13) for t, a in product(
        BYTES, (1, 3, -1))},
    **{f"global average {t}": make.operator("QLinearGlobalAveragePool", t, 3, channels_last=0) for t in BYTES},
    **{f"average {t} {i}": make.operator("QLinearAveragePool", t, i, **a) for t, (i, a) in product(
        BYTES, enumerate(POOLS))},
    **{f"{op} {t}": make.product(op, t, 5) for op, t in product(
        ("QLinearMatMul", "QGemm"), (("uint8", "int8"), ("uint8", "uint8"), ("int8", "int8")))},
    **{f"QLinearConcat {t}": make.concatenation(t, 4) for t in BYTES},
    **{f"QDQ {op} {t}": make.qdq(op, t, 11) for op, t in product(FUNCTIONS, BYTES)},
    **{f"QDQ {op} {t}": make.qdq_pair(op, t, 12) for op, t in product(("Add", "Sub", "Mul", "Max", "Concat"), BYTES)},
    **{f"QDQ Conv {t} {g} {a}": make.convolution(t, g, g, g * 2 if g > 1 else 6, a) for t, g, a in product(
        BYTES, (1, 5), ("NONE", "Relu", "Clip"))},
    **{f"QDQ {op} {t} {same} {len(kw)}": make.qdq(op, t, 13, same=same, **kw) for t, same, (op, kw) in product(
        BYTES, (True, False), (
        ("Pad", {"extra": PADS}),
        ("Pad", {"extra": PADS, "mode": "edge"}), ("Flatten", {}), ("MaxPool", {"kernel_shape": [3, 2]}),
        ("Gather", {"extra": {"i": np.array([3, 0, -1])}, "axis": 1}), ("ReduceMean", {"axes": [2, 3]}),
        ("AveragePool", {"kernel_shape": [2, 3]}), ("GlobalAveragePool", {}),
        ("Resize", {"extra": {"roi": None, "scales": np.array([1, 1, 2, 2], np.float32)}}),
        ("Resize", {"extra": {"roi": None, "scales": np.array([1, 1, 2, 2], np.float32)}, "mode": "linear"}),
        ("Clip", {"extra": {"low": np.float32(-0.2), "high": np.float32(0.9)}})))},
    **{f"QDQ Pad {t} {same} value": make.qdq("Pad", t, 6, same=same, extra=PADS | {"value": np.float32(0.31)})
        for t, same in product(BYTES, (True, False))},
    **{f"QDQ {op} {t}": make.qdq(op, t, 14) for op, t in product(("Tanh", "Relu"), ("int16", "uint16"))},
    **{f"resize {c} {n} {s}": make.resize("nearest", c, n, s) for (c, n), s in product(NEAREST, ((18, 22), (13, 7)))},
    **{f"resize linear {c}": make.resize("linear", c, "floor", (13, 30)) for c, _ in NEAREST},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_operators_equal_onnx_runtime(tmp_path, name):
    file = CASES[name]
    expected = make.session(file.proto()).run(None, file.feed)
    onnx.save(file.proto(), tmp_path / "model.onnx")
    graph = ss.load(tmp_path / "model.onnx")
    made = Executable(graph, "onnx").run(file.feed)
    assert np.unique(expected[0]).size > 1
    for t, want in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(made[t], want)


@pytest.mark.parametrize("dtype", BYTES)
def test_choices_and_comparisons_of_unequal_scales_equal_onnx_runtime(tmp_path, dtype):
    rng = np.random.default_rng(4)
    feed = {"x": make.drawn(rng, dtype), "w": make.drawn(rng, dtype)}
    nodes = [make.dequantized("x"), make.dequantized("w"), helper.make_node("Less", ["xf", "wf"], ["c"])]
    nodes += [helper.make_node("Where", ["c", "wf", "xf"], ["yf"]), make.quantized("yf")]
    file = make.File(nodes, feed, make.numbers(rng, dtype, "x", "w", "y"), types=(dtype,), opset=17)
    onnx.save(file.proto(), tmp_path / "model.onnx")
    graph = ss.load(tmp_path / "model.onnx")
    np.testing.assert_array_equal(
        Executable(graph, "onnx").run(feed)[graph.outputs[0]], make.session(file.proto()).run(None, feed)[0]
    )


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_sixteen_bit_convolutions_are_float_and_close(tmp_path, dtype):
    """ONNX Runtime does not fuse them: the order of its float32 sum decides about ties."""
    rng = np.random.default_rng(2)
    constants = make.numbers(rng, dtype, "x", "y") | {
        "w": rng.integers(-127, 128, (6, 5, 1, 1), np.int8), "sw": np.float32(0.003), "zw": np.int8(0),
    }  # fmt: skip
    nodes = [make.dequantized("x"), make.dequantized("w"), helper.make_node("Conv", ["xf", "wf"], ["c"])]
    constants["sy"] = constants["sx"] * np.float32(2)
    file = make.File([*nodes, make.quantized("c")], {"x": make.drawn(rng, dtype)}, constants, types=(dtype,))
    onnx.save(file.proto(), tmp_path / "model.onnx")
    graph = ss.load(tmp_path / "model.onnx")
    made = Executable(graph, "onnx").run(file.feed)[graph.outputs[0]].astype(np.int64)
    expected = make.session(file.proto()).run(None, file.feed)[0].astype(np.int64)
    assert np.abs(made - expected).max() <= 1
    assert np.mean(made != expected) < 0.01


# --- exact oracles --------------------------------------------------------------------------------------

SCALES = st.one_of(st.floats(2.0**-10, 0.5, width=32), st.sampled_from([0.5, 0.25, 1.0, 0.0078125]))
FEW = settings(max_examples=40, deadline=None)


@st.composite
def affines(draw, dtype: str, count: int) -> list[tuple[float, int]]:
    return [(draw(SCALES), draw(st.integers(*oracle.RANGES[dtype]))) for _ in range(count)]


def _run(op: str, operands: list, result: tuple, attributes: dict | None = None, source_type: str = ""):
    """Run one operator on (array, dtype, affine or None) operands; the result is (shape, dtype, affine or None)."""
    builder = GraphBuilder("test")
    q = [None if a is None else Quantization((a[0],), (a[1],)) for *_, a in (*operands, result)]
    inputs = [
        builder.tensor(f"i{i}", DType(dtype), array.shape, kind=TensorKind.INPUT, quantization=q[i])
        for i, (array, dtype, _) in enumerate(operands)
    ]
    output = builder.tensor("y", DType(result[1]), result[0], quantization=q[-1])
    builder.operator(op, "op", inputs, [output], attributes or {}, source_type=source_type)
    graph = builder.build("test", "onnx", inputs, [output])
    return Executable(graph, "onnx").run({t: o[0] for t, o in zip(inputs, operands, strict=True)})[output]


def _exact(affine: tuple[float, int]) -> tuple[Fraction, int]:
    return Fraction(affine[0]), affine[1]


@FEW
@given(st.sampled_from(BYTES), st.sampled_from([("ADD", oracle.total), ("MUL", oracle.times)]), st.data())
def test_sums_and_products_equal_exact_fractions(dtype, rule, data):
    of_a, of_b, of_y = data.draw(affines(dtype, 3))
    values = st.lists(st.integers(*oracle.RANGES[dtype]), min_size=12, max_size=12)
    a, b = (np.array(data.draw(values), dtype) for _ in range(2))
    made = _run(rule[0], [(a, dtype, of_a), (b, dtype, of_b)], ((12,), dtype, of_y))
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    expected = [rule[1]((x, *_exact(of_a)), (y, *_exact(of_b)), _exact(of_y), dtype) for x, y in pairs]
    assert made.tolist() == expected


@FEW
@given(st.sampled_from(list(oracle.RANGES)), st.data())
def test_quantize_and_dequantize_equal_exact_fractions(dtype, data):
    ((scale, zero),) = data.draw(affines(dtype, 1))
    halves = st.integers(-600, 600).map(lambda n: float(np.float32(n * 0.5) * np.float32(scale)))
    reals = np.array(data.draw(st.lists(st.one_of(halves, st.floats(-1e6, 1e6, width=32)), min_size=1)), np.float32)
    made = _run("QUANTIZE", [(reals, "float32", None)], (reals.shape, dtype, (scale, zero)))
    assert made.tolist() == [oracle.quantize(Fraction(x), Fraction(scale), zero, dtype) for x in reals.tolist()]
    back = _run("DEQUANTIZE", [(made, dtype, (scale, zero))], (reals.shape, "float32", None))
    assert back.tolist() == [float(oracle.dequantize(q, Fraction(scale), zero)) for q in made.tolist()]


def test_quantize_saturates_infinities_and_gives_the_least_integer_for_nan():
    reals = np.array([np.inf, -np.inf, np.nan], np.float32)
    assert _run("QUANTIZE", [(reals, "float32", None)], ((3,), "int8", (0.1, 5))).tolist() == [127, -128, -128]


@FEW
@given(st.sampled_from(BYTES), st.data())
def test_matrix_products_equal_exact_integers(dtype, data):
    of_a, of_b, of_y = data.draw(affines(dtype, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    a, b = make.drawn(rng, dtype, (2, 9)), make.drawn(rng, dtype, (9, 3))
    made = _run("BATCH_MATMUL", [(a, dtype, of_a), (b, dtype, of_b)], ((2, 3), dtype, of_y))
    sums = (a.astype(object) - of_a[1]) @ (b.astype(object) - of_b[1])
    multiplier = oracle.product_multiplier(*(Fraction(s) for s, _ in (of_a, of_b, of_y)))
    assert made.tolist() == [[oracle.requantize(int(v), multiplier, of_y[1], dtype) for v in row] for row in sums]


@FEW
@given(st.sampled_from(BYTES), st.booleans(), st.data())
def test_average_pools_equal_exact_fractions(dtype, is_global, data):
    of_x, of_y = data.draw(affines(dtype, 2))
    x = make.drawn(np.random.default_rng(data.draw(st.integers(0, 2**32))), dtype, (1, 2, 3, 4))
    attributes = {"layout": "NCHW", "kernel": (3, 4), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}
    source = "QLinearGlobalAveragePool" if is_global else "QLinearAveragePool"
    made = _run("AVERAGE_POOL_2D", [(x, dtype, of_x)], ((1, 2, 1, 1), dtype, of_y), attributes, source)
    rule = oracle.global_average if is_global else oracle.average
    scales, zeros = zip(_exact(of_x), _exact(of_y), strict=True)
    assert made.ravel().tolist() == [rule(x[0, c].ravel().tolist(), scales, zeros, dtype) for c in (0, 1)]


@FEW
@given(st.sampled_from(BYTES), st.data())
def test_concatenation_rescales_by_way_of_float32(dtype, data):
    of_a, of_b = data.draw(affines(dtype, 2))
    a, b = (make.drawn(np.random.default_rng(i), dtype, (40,)) for i in (0, 1))
    made = _run("CONCATENATION", [(a, dtype, of_a), (b, dtype, of_b)], ((80,), dtype, of_b), {"axis": 0})
    reals = [oracle.dequantize(q, *_exact(of_a)) for q in a.tolist()]
    assert made.tolist() == [*(oracle.quantize(r, *_exact(of_b), dtype) for r in reals), *b.tolist()]


@FEW
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20))
def test_dynamic_quantization_spans_the_values_and_zero(values):
    builder = GraphBuilder("test")
    x = builder.tensor("x", DType.FLOAT32, (len(values),), kind=TensorKind.INPUT)
    y = builder.tensor("y", DType.UINT8, (len(values),))
    scale, zero = builder.tensor("s", DType.FLOAT32, ()), builder.tensor("z", DType.UINT8, ())
    builder.operator("QUANTIZE", "op", [x], [y, scale, zero], {})
    graph = builder.build("test", "onnx", [x], [y, scale, zero])
    made = Executable(graph, "onnx").run({x: np.array(values, np.float32)})
    expected = oracle.dynamic([Fraction(v) for v in values])
    assert (made[y].tolist(), float(made[scale]), int(made[zero])) == (expected[0], float(expected[1]), expected[2])


# --- refusals -------------------------------------------------------------------------------------------


def test_computed_scales_that_fit_no_axis_are_refused():
    builder = GraphBuilder("test")
    x, s = (builder.tensor(n, DType.FLOAT32, (4,), kind=TensorKind.INPUT) for n in "xs")
    y = builder.tensor("y", DType.UINT8, (4,))
    builder.operator("QUANTIZE", "op", [x, s], [y], {})
    with pytest.raises(NumericsError, match=r"scales of shape \(4,\) fit \(4,\) neither by axis nor by block"):
        Executable(builder.build("test", "onnx", [x, s], [y]), "onnx")


def test_a_pool_of_three_dimensions_is_refused():
    x = np.zeros((2, 3, 4), np.uint8)
    attributes = {"layout": "NCHW", "kernel": (3, 4), "strides": (1, 1), "pads": (0, 0, 0, 0)}
    with pytest.raises(NumericsError, match="four dimensions"):
        _run("MAX_POOL_2D", [(x, "uint8", (1.0, 0))], ((2, 1, 1), "uint8", (1.0, 0)), attributes)
