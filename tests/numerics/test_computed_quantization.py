"""Scales and zero points that a network computes: the same bits as the same numbers in constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_cases as make
import pytest
from onnx import helper

import socsim as ss
from socsim.errors import NumericsError, UnsupportedOperatorError
from socsim.numerics import computed_quantization
from socsim.numerics.executor import Executable
from socsim.numerics.quantization import quantize_graph

PAIR = ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"]


def _convolution(groups: int, per_channel: bool) -> make.File:
    rng = np.random.default_rng(groups)
    shape = (10, 5 // groups, 3, 3)
    count = shape[0] if per_channel else 1
    numbers = make.numbers(rng, "uint8", "x", "y") | {
        "w": make.drawn(rng, "int8", shape), "b": rng.integers(-999, 999, 10, np.int32),
        "sw": rng.uniform(0.002, 0.01, count).astype(np.float32), "zw": np.zeros(count, np.int8),
    }  # fmt: skip
    node = helper.make_node("QLinearConv", [*PAIR, "b"], ["y"], group=groups, pads=[1, 0, 1, 2])
    return make.File([node], {"x": make.drawn(rng, "uint8")}, numbers)


def _where() -> make.File:
    rng = np.random.default_rng(3)
    node = helper.make_node("QLinearWhere", ["c", *PAIR], ["y"], domain=make.MICROSOFT)
    feed = {name: make.drawn(rng, "uint8") for name in "xw"}
    constants = make.numbers(rng, "uint8", "x", "w", "y") | {"c": rng.integers(0, 2, make.SHAPE).astype(bool)}
    return make.File([node], feed, constants)


def _to_float() -> make.File:
    rng = np.random.default_rng(4)
    node = helper.make_node(
        "MatMulIntegerToFloat", ["x", "w", "sx", "sw", "zx", "zw", "b"], ["y"], domain=make.MICROSOFT
    )
    constants = make.numbers(rng, "uint8", "x") | make.numbers(rng, "int8", "w")
    constants |= {"w": make.drawn(rng, "int8", (11, 7)), "b": rng.normal(size=7).astype(np.float32)}
    return make.File([node], {"x": make.drawn(rng, "uint8", (4, 11))}, constants, types=("float32",))


FILES = {
    "QLinearConv": lambda: _convolution(1, per_channel=False),
    "QLinearConv, for each channel": lambda: _convolution(1, per_channel=True),
    "QLinearConv, depthwise": lambda: _convolution(5, per_channel=True),
    "QLinearMatMul": lambda: make.product("QLinearMatMul", ("uint8", "int8"), 1),
    "QGemm": lambda: make.product("QGemm", ("int8", "int8"), 2),
    "QLinearAdd": lambda: make.pair("QLinearAdd", "int8", 3, (make.SHAPE, (5, 1, 11))),
    "QLinearMul": lambda: make.pair("QLinearMul", "uint8", 4, (make.SHAPE, make.SHAPE)),
    "QLinearSigmoid": lambda: make.operator("QLinearSigmoid", "uint8", 5),
    "QLinearLeakyRelu": lambda: make.operator("QLinearLeakyRelu", "int8", 6, alpha=0.1),
    "QLinearSoftmax": lambda: make.operator("QLinearSoftmax", "uint8", 7, axis=3, opset=13),
    "QLinearGlobalAveragePool": lambda: make.operator("QLinearGlobalAveragePool", "uint8", 8),
    "QLinearAveragePool": lambda: make.operator("QLinearAveragePool", "int8", 9, kernel_shape=[2, 3]),
    "QLinearReduceMean": lambda: make.operator("QLinearReduceMean", "uint8", 10, axes=[2, 3]),
    "QLinearConcat": lambda: make.concatenation("uint8", 11),
    "QLinearWhere": _where,
    "MatMulIntegerToFloat": _to_float,
}


def _is_number(name: str) -> bool:
    return name[0] in "sz" and len(name) == 2


def _loaded(file: make.File, folder, stem: str):
    path = folder / f"{stem}.onnx"
    path.write_bytes(file.proto().SerializeToString())
    return ss.load(path)


def _given(file: make.File, names=None) -> make.File:
    """Return the file with scales, zero points and weights as inputs, or those that are named."""
    wanted = [n for n in file.constants if (_is_number(n) if names is None else n in names)]
    moved = {n: np.asarray(file.constants[n]) for n in wanted}
    kept = {n: v for n, v in file.constants.items() if n not in moved}
    return replace(file, feed={**file.feed, **moved}, constants=kept)


@pytest.mark.parametrize("profile", ["onnx", "xnnpack"])
@pytest.mark.parametrize("name", FILES)
def test_given_numbers_make_what_constant_ones_make(tmp_path, name, profile):
    file = FILES[name]()
    constant = Executable(_loaded(file, tmp_path, "constant"), profile)
    (expected,) = constant.run(file.feed).values()
    given = _given(file)
    (made,) = Executable(_loaded(given, tmp_path, "given"), profile).run(given.feed).values()
    assert made.dtype == expected.dtype
    assert np.array_equal(made, expected)


@pytest.mark.parametrize("names", [["sx"], ["zy"], ["sw", "w"], ["zx", "b"]])
def test_some_numbers_may_be_constant_and_weights_computed(tmp_path, names):
    file = _convolution(1, per_channel=True)
    (expected,) = Executable(_loaded(file, tmp_path, "constant"), "onnx").run(file.feed).values()
    given = _given(file, names)
    graph = _loaded(given, tmp_path, "given")
    assert {graph.tensors[t].name for t in graph.inputs} == {"x", *names}
    (made,) = Executable(graph, "onnx").run(given.feed).values()
    assert np.array_equal(made, expected)


def test_other_numbers_make_another_plan_and_known_ones_none(tmp_path, monkeypatch):
    file = _given(_convolution(1, per_channel=False))
    executable = Executable(_loaded(file, tmp_path, "given"), "onnx")
    plans = []
    original = computed_quantization.prepared
    monkeypatch.setattr(computed_quantization, "prepared", lambda node: plans.append(node) or original(node))
    finer = {**file.feed, "sy": np.float32(file.feed["sy"] / 2)}
    first, second, third = (next(iter(executable.run(f).values())) for f in (file.feed, finer, file.feed))
    assert len(plans) == 2
    assert np.array_equal(first, third)
    assert not np.array_equal(first, second)


def test_numbers_of_a_dynamic_quantization_are_computed(tmp_path):
    """Each run has its own scale; against float64 sums, which are exact here."""
    rng = np.random.default_rng(0)
    w, sw = make.drawn(rng, "int8", (11, 7)), np.float32(0.01)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "sx", "zx"]),
        helper.make_node("MatMulIntegerToFloat", ["q", "w", "sx", "sw", "zx"], ["y"], domain=make.MICROSOFT),
    ]
    x = rng.normal(size=(4, 11)).astype(np.float32)
    file = make.File(nodes, {"x": x}, {"w": w, "sw": sw}, types=("float32",))
    executable = Executable(_loaded(file, tmp_path, "dynamic"), "onnx")
    for scaled in (x, 3 * x, -x):
        made = executable.run({"x": scaled}, keep_all=True)
        q, scale, point, y = made.values()
        sums = (q.astype(np.float64) - point) @ w.astype(np.float64)
        assert np.array_equal(y, sums.astype(np.float32) * (scale * sw))


def test_numbers_that_no_tensor_can_have_are_refused_in_one_message(tmp_path):
    file = _given(_convolution(1, per_channel=True))
    executable = Executable(_loaded(file, tmp_path, "given"), "onnx")
    bad = {**file.feed, "sx": np.float32(0), "sy": np.float32(np.nan)}
    with pytest.raises(NumericsError, match=r"2 faults(?s:.)*'x': scale 0 is 0.0(?s:.)*'y': scale 0 is nan"):
        executable.run(bad)
    executable.run(file.feed)


def test_numbers_that_fit_no_axis_are_refused(tmp_path):
    file = _convolution(1, per_channel=True)
    file.constants |= {name: file.constants[name][:3] for name in ("sw", "zw")}
    given = _given(file)
    executable = Executable(_loaded(given, tmp_path, "given"), "onnx")
    with pytest.raises(NumericsError, match=r"operator 0 CONV_2D .*'w': 3 scales where axis 0 of shape .* needs 10"):
        executable.run(given.feed)


def test_an_addend_that_is_no_bias_is_refused_with_computed_scales(tmp_path):
    file = make.product("QGemm", ("uint8", "int8"), 2)
    file.constants["b"] = np.arange(28, dtype=np.int32).reshape(4, 7)
    with pytest.raises(UnsupportedOperatorError, match="scales that are computed, and an addend that is no bias"):
        _loaded(_given(file), tmp_path, "given")


@pytest.mark.parametrize(
    ("name", "shapes"), [("QLinearConv", [(2, 5, 20), (10, 5, 3)]), ("QLinearMatMul", [(20,), (20, 3)])]
)
def test_operators_with_views_around_them_keep_their_numbers(tmp_path, name, shapes):
    """Convolutions of one row, and products with a vector."""
    rng = np.random.default_rng(6)
    numbers = make.numbers(rng, "uint8", "x", "w", "y") | {"sy": np.float32(2)}
    node = helper.make_node(name, PAIR, ["y"])
    file = make.File([node], {n: make.drawn(rng, "uint8", s) for n, s in zip("xw", shapes, strict=True)}, numbers)
    (expected,) = Executable(_loaded(file, tmp_path, "constant"), "onnx").run(file.feed).values()
    given = _given(file)
    (made,) = Executable(_loaded(given, tmp_path, "given"), "onnx").run(given.feed).values()
    assert np.array_equal(made, expected)


def test_an_operator_that_is_quantized_already_is_not_quantized(tmp_path):
    graph = _loaded(_given(_to_float()), tmp_path, "given")
    with pytest.raises(NumericsError, match=r"FULLY_CONNECTED .*it is quantized, by scales that are computed"):
        quantize_graph(graph, [])


def test_the_costs_are_those_of_constant_numbers(tmp_path):
    file = _convolution(1, per_channel=True)
    constant, given = (_loaded(f, tmp_path, s) for f, s in ((file, "constant"), (_given(file), "given")))
    assert given.macs == constant.macs > 0
    assert [op.type for op in given.operators] == ["CONV_2D"]
    assert given.operators[0].data_inputs == given.operators[0].inputs[:3]
