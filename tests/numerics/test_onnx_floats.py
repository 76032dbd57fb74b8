"""Do float operators that ONNX alone has equal a live ONNX Runtime, and their QDQ forms too?"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import onnx
import onnx_cases as make
import pytest
from onnx import helper

import socsim as ss
from socsim.errors import NumericsError, UnsupportedOperatorError
from socsim.numerics.executor import Executable
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind

SHAPE = (2, 6, 5, 7)
BYTES = ["int8", "uint8"]


def floats(seed: int, *shape: int, spread: float = 2.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32)


def single(
    name: str, feed: dict, constants: dict | None = None, outputs=("y",), opset: int = 22, **kw: Any
) -> make.File:
    """One float operator; `domain` makes it one of com.microsoft."""
    constants = constants or {}
    operands = [*feed, *constants]
    node = helper.make_node(name, ["" if constants.get(k, 0) is None else k for k in operands], list(outputs), **kw)
    kept = {k: v for k, v in constants.items() if v is not None}
    types = {"i": "int64", "a": "int64"}
    named = tuple(o for o in outputs if o)
    return make.File([node], feed, kept, named, tuple(types.get(o, "float32") for o in named), opset)


X = {"x": floats(1, *SHAPE)}
ROWS = {"x": floats(2, 3, 4, 8)}
TABLES = {k: floats(i, 6, spread=1) for i, k in enumerate(("scale", "bias", "mean"))} | {
    "var": np.abs(floats(9, 6)) + 0.1
}
MICRO = {"domain": make.MICROSOFT}
RECURRENT = {
    "w": floats(3, 1, 20, 8, spread=0.4),
    "r": floats(4, 1, 20, 5, spread=0.4),
    "b": floats(5, 1, 40, spread=0.3),
}
BOTH = {k: np.concatenate([v, floats(i, *v.shape, spread=0.3)]) for i, (k, v) in enumerate(RECURRENT.items())}
GRU = {"w": floats(3, 1, 15, 8, spread=0.4), "r": floats(4, 1, 15, 5, spread=0.4), "b": floats(5, 1, 30, spread=0.3)}
STEPS = {"x": floats(6, 7, 2, 8, spread=1)}
STATE = {"lengths": None, "h": floats(7, 1, 2, 5, spread=0.5)}
CLOSE = floats(7, 3, 4, 8, spread=1e-4) - ROWS["x"]
HEADS = {"q": floats(1, 2, 4, 12), "k": floats(2, 2, 6, 12), "v": floats(3, 2, 6, 12)}

CASES = {
    "Mish": single("Mish", X),
    "Softplus": single("Softplus", X, opset=21),
    "HardSigmoid": single("HardSigmoid", X, alpha=0.3, beta=0.4),
    "Elu": single("Elu", X, alpha=1.7),
    "Selu": single("Selu", X),
    "Selu with its own slopes": single("Selu", X, alpha=2.0, gamma=1.5),
    "QuickGelu": single("QuickGelu", X, **MICRO),
    "Gelu": single("Gelu", X, opset=20),
    "Gelu by tanh": single("Gelu", X, opset=20, approximate="tanh"),
    "BiasGelu": single("BiasGelu", ROWS, {"b": floats(3, 8)}, **MICRO),
    "FastGelu": single("FastGelu", ROWS, {"b": floats(3, 8)}, **MICRO),
    "HardSwish": single("HardSwish", X),
    "Reciprocal": single("Reciprocal", X),
    "Mod": single("Mod", X | {"w": floats(8, *SHAPE)}, fmod=1),
    "BatchNormalization": single("BatchNormalization", X, TABLES, epsilon=1e-3),
    "InstanceNormalization": single("InstanceNormalization", X, {k: TABLES[k] for k in ("scale", "bias")}),
    "GroupNormalization": single(
        "GroupNormalization", X, {k: TABLES[k] for k in ("scale", "bias")}, opset=21, num_groups=3
    ),
    "LayerNormalization": single("LayerNormalization", ROWS, {"s": floats(3, 8), "b": floats(4, 8)}, ("y", "m", "d")),
    "LayerNormalization of two axes": single("LayerNormalization", ROWS, {"s": floats(3, 4, 8)}, axis=1),
    "LayerNormalization without its mean": single("LayerNormalization", ROWS, {"s": floats(3, 8)}, ("y", "", "d")),
    "SkipLayerNormalization": single(
        "SkipLayerNormalization",
        ROWS,
        {"skip": floats(7, 3, 4, 8), "g": floats(3, 8), "b": floats(4, 8), "bias": floats(5, 8)},
        ("y", "", "", "sum"),
        **MICRO,
    ),
    "SkipLayerNormalization of few": single(
        "SkipLayerNormalization", ROWS, {"skip": CLOSE, "g": floats(3, 8)}, **MICRO
    ),
    "SkipSimplifiedLayerNormalization of few": single(
        "SkipSimplifiedLayerNormalization", ROWS, {"skip": CLOSE, "g": floats(3, 8)}, **MICRO
    ),
    "SkipSimplifiedLayerNormalization": single(
        "SkipSimplifiedLayerNormalization", ROWS, {"skip": floats(7, 3, 4, 8), "g": floats(3, 8)}, epsilon=1e-6, **MICRO
    ),
    "LpNormalization": single("LpNormalization", X, axis=1, p=2),
    "LRN": single("LRN", X, size=3, alpha=0.2, beta=0.6, bias=1.5),
    "ArgMax": single("ArgMax", X, None, ("a",), axis=2, select_last_index=1),
    "TopK": single("TopK", X, {"k": np.array([3])}, ("y", "i"), axis=1),
    "TopK of the least": single("TopK", X, {"k": np.array([2])}, ("y", "i"), axis=2, largest=0),
    "Max of three": single("Max", X | {"w": floats(8, *SHAPE), "v": floats(9, 7)}),
    "Sum of three": single("Sum", X | {"w": floats(8, *SHAPE), "v": floats(9, 7)}),
    "LSTM": single("LSTM", STEPS, RECURRENT | STATE, ("y", "yh", "yc"), hidden_size=5),
    "LSTM with peepholes": single(
        "LSTM",
        STEPS,
        RECURRENT | STATE | {"c": floats(8, 1, 2, 5), "p": floats(9, 1, 15, spread=0.3)},
        ("y", "yh", "yc"),
        hidden_size=5,
    ),
    "LSTM in both directions": single("LSTM", STEPS, BOTH, ("", "yh"), hidden_size=5, direction="bidirectional"),
    "LSTM backwards": single("LSTM", STEPS, RECURRENT, hidden_size=5, direction="reverse"),
    "GRU": single("GRU", STEPS, GRU | STATE, ("y", "yh"), hidden_size=5),
    "GRU with a late reset": single("GRU", STEPS, GRU, hidden_size=5, linear_before_reset=1),
    "MultiHeadAttention": single("MultiHeadAttention", HEADS, num_heads=3, **MICRO),
    "MultiHeadAttention with a bias": single(
        "MultiHeadAttention", HEADS, {"b": floats(4, 36)}, num_heads=3, scale=0.3, **MICRO
    ),
    "MultiHeadAttention with a mask": single(
        "MultiHeadAttention",
        HEADS,
        {"b": floats(4, 36), "mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 0, 0]], np.int32)},
        num_heads=3,
        **MICRO,
    ),
    "Attention": single("Attention", HEADS, opset=23, q_num_heads=3, kv_num_heads=3),
    "Attention of the past": single(
        "Attention", HEADS, opset=23, q_num_heads=3, kv_num_heads=3, is_causal=1, softcap=2.0
    ),
    "Attention with a mask": single(
        "Attention", HEADS, {"mask": floats(5, 4, 6)}, opset=23, q_num_heads=3, kv_num_heads=3
    ),
    "RotaryEmbedding": single(
        "RotaryEmbedding",
        {"x": floats(1, 2, 3, 4, 8)},
        {"c": floats(2, 10, 4), "s": floats(3, 10, 4), "i": np.arange(8).reshape(2, 4)},
        opset=23,
    ),
    "RotaryEmbedding interleaved": single(
        "RotaryEmbedding",
        {"x": floats(1, 2, 4, 24)},
        {"c": floats(2, 10, 4), "s": floats(3, 10, 4), "i": np.arange(8).reshape(2, 4)},
        opset=23,
        num_heads=3,
        interleaved=1,
    ),
    **{
        f"resize by scales {c} {m}": single(
            "Resize",
            X,
            {"roi": None, "scales": np.array([1, 1, 0.7, 1.3], np.float32)},
            opset=19,
            mode=m,
            coordinate_transformation_mode=c,
        )
        for c, m in product(
            ("half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"), ("linear", "nearest")
        )
    },
}


def both(tmp_path, file: make.File) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what socsim and ONNX Runtime make of a file."""
    model = file.proto()
    model.ir_version = 11 if file.opset > 21 else model.ir_version
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    graph = ss.load(tmp_path / "model.onnx")
    made = Executable(graph, "onnx").run(file.feed)
    return [made[t] for t in graph.outputs], make.session(model).run(None, file.feed)


@pytest.mark.parametrize("name", CASES)
def test_float_operators_are_as_near_to_onnx_runtime_as_float32_is(tmp_path, name):
    made, expected = both(tmp_path, CASES[name])
    assert [m.dtype for m in made] == [e.dtype for e in expected]
    for ours, theirs in zip(made, expected, strict=True):
        assert np.unique(theirs).size > 1
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6 * max(1.0, float(np.abs(theirs).max())))


QDQ = {
    **{
        f"{op} {t}": make.qdq(op, t, 15, **kw)
        for t, (op, kw) in product(
            BYTES,
            (
                ("Mish", {}),
                ("Softplus", {}),
                ("HardSigmoid", {"alpha": 0.3}),
                ("Elu", {"alpha": 0.4}),
                ("Selu", {}),
                ("LpNormalization", {"axis": 1}),
                ("LRN", {"size": 3}),
                ("LeakyRelu", {"alpha": 0.2}),
            ),
        )
    },
    **{
        f"{op} {t}": make.qdq(op, t, 16, extra=dict(zip("abcd", tables, strict=False)), **kw)
        for t, (op, tables, kw) in product(
            BYTES,
            (
                ("InstanceNormalization", [floats(1, 5), floats(2, 5)], {}),
                ("BatchNormalization", [*(floats(i, 5) for i in range(3)), np.abs(floats(4, 5)) + 1], {}),
                ("LayerNormalization", [floats(1, 11), floats(2, 11)], {}),
            ),
        )
    },
}


@pytest.mark.parametrize("name", QDQ)
def test_quantized_forms_equal_onnx_runtime(tmp_path, name):
    """The real results are as good as equal, so their integers are: one in ten thousand may be next to a tie."""
    made, expected = both(tmp_path, replace(QDQ[name], opset=18))
    distance = np.abs(made[0].astype(int) - expected[0].astype(int))
    assert np.unique(expected[0]).size > 10
    assert distance.max() <= 1
    assert np.count_nonzero(distance) <= 1e-3 * distance.size


# --- pads ---------------------------------------------------------------------------------------------

PADS = np.array([0, 0, 1, 2, 0, 0, 1, 0], np.int64)


def padded(value: dict, nodes=(), name: str = "v", **constants: Any) -> make.File:
    pad = helper.make_node("Pad", ["x", "p", name], ["y"])
    return make.File([*nodes, pad], X | value, {"p": PADS} | constants, types=("float32",), opset=18)


def test_a_pad_whose_value_is_an_input_has_that_border(tmp_path):
    made, expected = both(tmp_path, padded({"v": np.array(3.25, np.float32)}))
    np.testing.assert_array_equal(made[0], expected[0])
    assert made[0][0, 0, 0, 0] == 3.25


def test_a_pad_whose_value_is_computed_from_constants_has_that_border(tmp_path):
    nodes = [helper.make_node("Mul", ["a", "a"], ["b"]), helper.make_node("Sigmoid", ["b"], ["v"])]
    made, expected = both(tmp_path, padded({}, nodes, a=np.float32(0.5)))
    np.testing.assert_allclose(made[0], expected[0], rtol=1e-6)
    assert made[0][0, 0, 0, 0] == pytest.approx(1 / (1 + np.exp(-0.25)))


@pytest.mark.parametrize("dtype", BYTES)
def test_a_quantized_pad_has_a_computed_border_in_its_scale(tmp_path, dtype):
    rng = np.random.default_rng(3)
    feed = {"x": make.drawn(rng, dtype), "v": np.array(0.7, np.float32)}
    nodes = [make.dequantized("x"), helper.make_node("Pad", ["xf", "p", "v"], ["yf"]), make.quantized("yf")]
    file = make.File(nodes, feed, make.numbers(rng, dtype, "x", "y") | {"p": PADS}, types=(dtype,), opset=18)
    made, expected = both(tmp_path, file)
    np.testing.assert_array_equal(made[0], expected[0])


def test_pads_computed_from_constants_are_read(tmp_path):
    nodes = [helper.make_node("Concat", ["before", "after"], ["p"], axis=0)]
    nodes.append(helper.make_node("Pad", ["x", "p"], ["y"]))
    file = make.File(nodes, X, {"before": PADS[:4], "after": PADS[4:]}, types=("float32",), opset=18)
    made, expected = both(tmp_path, file)
    np.testing.assert_array_equal(made[0], expected[0])


def test_pads_that_come_at_run_time_are_refused(tmp_path):
    nodes = [helper.make_node("Pad", ["x", "p"], ["y"], name="border")]
    model = make.File(nodes, X | {"p": PADS}, types=("float32",), opset=18).proto()
    for dimension in (2, 6, 7, 9):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = dimension
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(UnsupportedOperatorError, match=r"0 Pad \(pads are computed, not constant\) 'border'"):
        ss.load(tmp_path / "model.onnx")


# --- refusals -----------------------------------------------------------------------------------------


def test_what_has_no_rule_is_named(tmp_path):
    file = single("LSTM", STEPS, RECURRENT, hidden_size=5, activations=["Affine", "Tanh", "Elu"], clip=2.0)
    onnx.save(file.proto(), tmp_path / "model.onnx")
    with pytest.raises(NumericsError, match="Affine, Elu, clip has no rule; activations may be Sigmoid, Tanh, Relu"):
        ss.execute(tmp_path / "model.onnx", file.feed)


def test_operators_do_not_compute_with_codes_of_small_floats():
    builder = GraphBuilder("small")
    x = builder.tensor("x", DType.FLOAT8E4M3FN, (4,), kind=TensorKind.INPUT)
    y = builder.tensor("y", DType.FLOAT8E4M3FN, (4,))
    builder.operator("ADD", "op", [x, x], [y], {})
    with pytest.raises(NumericsError, match=r"operator 0 ADD 'op': no rule for float8e4m3fn \(tensor 0 'x'\)"):
        Executable(builder.build("small", "onnx", [x], [y]), "onnx")


def test_types_without_arrays_are_all_named(tmp_path):
    element = onnx.TensorProto.BFLOAT16
    nodes = [helper.make_node("Cast", ["x"], ["a"], to=element), helper.make_node("Abs", ["a"], ["b"])]
    nodes.append(helper.make_node("Cast", ["b"], ["y"], to=onnx.TensorProto.FLOAT))
    onnx.save(make.File(nodes, X, types=("float32",)).proto(), tmp_path / "model.onnx")
    with pytest.raises(NumericsError, match=r"model: 2 tensors .* not executed \('a' bfloat16, 'b' bfloat16\)"):
        ss.execute(tmp_path / "model.onnx", X)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_the_first_form_of_resize_has_no_region_and_other_coordinates(tmp_path, mode):
    file = single("Resize", X, {"scales": np.array([1, 1, 2, 1.5], np.float32)}, opset=10, mode=mode)
    made, expected = both(tmp_path, file)
    np.testing.assert_allclose(made[0], expected[0], rtol=2e-5, atol=1e-5)


def test_axes_of_a_resize_may_come_in_any_order(tmp_path):
    file = single("Resize", X, {"roi": None, "scales": np.array([1.5, 2], np.float32)}, opset=18, axes=[3, 2])
    made, expected = both(tmp_path, file)
    np.testing.assert_array_equal(made[0], expected[0])


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_a_resize_may_keep_the_aspect_ratio(tmp_path, policy):
    sizes = {"roi": None, "scales": None, "sizes": np.array([9, 9])}
    file = single("Resize", X, sizes, opset=19, axes=[2, 3], mode="linear", keep_aspect_ratio_policy=policy)
    made, expected = both(tmp_path, file)
    np.testing.assert_allclose(made[0], expected[0], rtol=2e-5, atol=1e-5)
