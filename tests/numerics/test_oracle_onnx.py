"""Operators of the profile `onnx` against exact fractions and float64: on real values, rows, windows and images."""

from __future__ import annotations

import operator
from fractions import Fraction
from math import cos, erf, erfc, exp, isclose, log, log1p, prod, sin, sqrt, tanh

import numpy as np
import oracle_onnx as oracle
from hypothesis import example, given
from hypothesis import strategies as st
from oracle_draws import POWERS, USUAL, broadcast, zeros
from oracle_movement import broadcast as source
from oracle_movement import indices
from oracle_operators import single
from oracle_run import Given, Wanted, run
from small_world import PROPERTY

BYTES = st.sampled_from(["int8", "uint8"])
EVERY = st.sampled_from(["int8", "uint8", "int16"])


def affine(data, dtype):
    return data.draw(st.tuples(USUAL, zeros(dtype)))


def drawn(data, dtype, shape):
    low, high = oracle.RANGES[dtype]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = rng.integers(low, high, shape, dtype, endpoint=True)
    return np.where(rng.integers(0, 4, shape) == 0, rng.choice([low, high], shape), x).astype(dtype)


def exact(quant):
    return Fraction(single(quant[0])), quant[1]


def real(q, quant) -> float:
    return float(oracle.dequantize(int(q), *exact(quant)))


def fits(found, wanted: float, quant, dtype, slack: float = 0.0) -> bool:
    """Whether an integer is what one of the reals near `wanted` becomes."""
    low, high = (oracle.quantize(Fraction(single(wanted + s)), *exact(quant), dtype) for s in (-slack, slack))
    return low <= int(found) <= high


# --- between DequantizeLinear and QuantizeLinear --------------------------------------------------------

EXACT = {
    "ABS": abs, "NEG": operator.neg, "RELU": lambda a: max(a, 0), "RELU6": lambda a: min(max(a, 0), 6),
    "RELU_N1_TO_1": lambda a: min(max(a, -1), 1), "RELU_0_TO_1": lambda a: min(max(a, 0), 1),
    "CLIP": lambda a: min(max(a, -0.75), 2.5), "SQRT": lambda a: sqrt(abs(a)),
    "LEAKY_RELU": lambda a: a if a >= 0 else single(0.3) * a,
}  # fmt: skip
NEAR = {
    "TANH": tanh, "LOGISTIC": lambda a: 1 / (1 + exp(-a)), "EXP": exp, "ERF": erf, "SIN": sin, "COS": cos,
    "ELU": lambda a: a if a >= 0 else exp(a) - 1, "GELU": lambda a: 0.5 * a * erfc(-a / sqrt(2)),
    "HARD_SWISH": lambda a: a * min(max(a + 3, 0), 6) / 6, "LOG": lambda a: log(abs(a)),
    "RSQRT": lambda a: 1 / sqrt(abs(a)), "SWISH": lambda a: a / (1 + exp(-a)),
    "MISH": lambda a: a * tanh(log1p(exp(a))), "SOFTPLUS": lambda a: log1p(exp(a)),
    "HARD_SIGMOID": lambda a: min(max(single(0.2) * a + 0.5, 0), 1),
}  # fmt: skip
ATTRIBUTES = {
    "CLIP": {"min": -0.75, "max": 2.5}, "LEAKY_RELU": {"alpha": single(0.3)},
    "HARD_SIGMOID": {"alpha": single(0.2), "beta": 0.5},
}  # fmt: skip


@PROPERTY
@given(st.sampled_from([*EXACT, *NEAR]), EVERY, st.data())
def test_functions_of_integers_go_by_way_of_reals(op, dtype, data):
    of_x, of_y = (
        (single(data.draw(st.floats(2.0**-10, 2.0**-5, width=32))), data.draw(zeros(dtype))),
        affine(data, dtype),
    )
    x = drawn(data, dtype, (20,))
    if dtype == "int16":
        of_x = (of_x[0] / 256, 0)
    if op in ("SQRT", "LOG", "RSQRT"):
        x = np.where(x > of_x[1], x, min(of_x[1] + 1, oracle.RANGES[dtype][1])).astype(dtype)
        x = np.where(x == of_x[1], of_x[1] - 1, x).astype(dtype) if op != "SQRT" else x
        if (x < of_x[1]).any():
            return
    found = run(op, [Given(x, quant=of_x)], [Wanted((20,), dtype, of_y)], "onnx", **ATTRIBUTES.get(op, {}))[0]
    function = EXACT.get(op) or NEAR[op]
    for a, y in zip(x, found, strict=True):
        wanted = function(real(a, of_x))
        assert fits(y, wanted, of_y, dtype, 0 if op in EXACT else abs(wanted) * 2.0**-19 + 2.0**-20)


PAIRS = {
    "SUB": operator.sub, "DIV": operator.truediv, "MAXIMUM": max, "MINIMUM": min,
    "PRELU": lambda a, b: a if a >= 0 else a * b,
}  # fmt: skip
TRUTHS = {
    "EQUAL": operator.eq, "NOT_EQUAL": operator.ne, "LESS": operator.lt, "LESS_EQUAL": operator.le,
    "GREATER": operator.gt, "GREATER_EQUAL": operator.ge,
}  # fmt: skip


@PROPERTY
@given(st.sampled_from([*PAIRS, *TRUTHS, "POW", "SELECT"]), EVERY, broadcast(), st.data())
def test_pairs_of_integers_go_by_way_of_reals(op, dtype, shapes, data):
    of_a, of_b, of_y = (affine(data, dtype) for _ in range(3))
    a, b = (drawn(data, dtype, shape) for shape in shapes)
    shape = np.broadcast_shapes(*shapes)
    if op == "PRELU":
        a = np.broadcast_to(a, shape).copy()
    if op == "DIV" and (b == of_b[1]).any():
        return
    if op == "POW":
        of_a, of_b = (2.0**-9, oracle.RANGES[dtype][0]), (2.0**-8, oracle.RANGES[dtype][0])
        if dtype == "int16":
            return
    operands = [Given(a, quant=of_a), Given(b, quant=of_b)]
    if op == "SELECT":
        chosen = drawn(data, "int8", shape) > 0
        operands.insert(0, Given(chosen))
    result = Wanted(shape, "bool") if op in TRUTHS else Wanted(shape, dtype, of_y)
    found = run(op, operands, [result], "onnx")[0]
    for i in indices(shape):
        x, y = real(a[source(i, a.shape)], of_a), real(b[source(i, b.shape)], of_b)
        if op in TRUTHS:
            assert found[i] == TRUTHS[op](x, y)
        elif op == "SELECT":
            assert fits(found[i], x if chosen[i] else y, of_y, dtype)
        elif op == "POW":
            assert fits(found[i], x**y, of_y, dtype, 2.0**-22)
        else:
            assert fits(found[i], PAIRS[op](x, y), of_y, dtype)


@PROPERTY
@given(st.sampled_from(["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"]), BYTES, st.integers(1, 9), st.data())
def test_reductions_go_by_way_of_reals(op, dtype, count, data):
    of_x, of_y = affine(data, dtype), affine(data, dtype)
    if op == "REDUCE_PROD":
        of_x = (2.0**-7, of_x[1])
    x = drawn(data, dtype, (count,))
    found = run(op, [Given(x, quant=of_x)], [Wanted((), dtype, of_y)], "onnx", axes=(0,))[0]
    reals = [real(v, of_x) for v in x]
    rules = {"SUM": sum, "MEAN": lambda r: sum(r) / count, "REDUCE_MAX": max, "REDUCE_MIN": min, "REDUCE_PROD": prod}
    wanted = rules[op](reals)
    slack = 0 if op in ("REDUCE_MAX", "REDUCE_MIN") else count * 2.0**-22 * max(sum(abs(r) for r in reals), abs(wanted))
    assert fits(found, wanted, of_y, dtype, slack)


# --- kernels of their own -------------------------------------------------------------------------------


@PROPERTY
@given(BYTES, st.integers(1, 6), st.integers(1, 9), st.data())
@example("int8", 1, 1, None)
def test_softmax(dtype, rows, length, data):
    of_x = (0.5, 0) if data is None else (data.draw(st.floats(2.0**-10, 0.5, width=32)), 0)
    x = np.zeros((rows, length), dtype) if data is None else drawn(data, dtype, (rows, length))
    of_y = (2.0**-8, oracle.RANGES[dtype][0]) if data is None else (data.draw(POWERS), data.draw(zeros(dtype)))
    found = run("SOFTMAX", [Given(x, quant=of_x)], [Wanted(x.shape, dtype, of_y)], "onnx", axes=(1,))[0]
    assert found.tolist() == [oracle.softmax(row, single(of_x[0]), exact(of_y), dtype) for row in x.tolist()]


@st.composite
def windows(draw):
    """(size, kernel, strides, dilations, pads, result size); every window meets the image."""
    columns = []
    for _ in range(2):
        n, k, s, d = (draw(st.integers(1, most)) for most in (6, 3, 3, 2))
        reach = (k - 1) * d + 1
        before, after = draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))
        if reach > n + before + after:
            d, k, reach = 1, 1, 1
            before = after = 0
        columns.append((n, k, s, d, before, after, (n + before + after - reach) // s + 1))
    return tuple(zip(*columns, strict=True))


@PROPERTY
@given(windows(), BYTES, st.booleans(), st.data())
def test_pools(geometry, dtype, include_pad, data):
    size, kernel, strides, dilations, before, after, wanted = geometry
    of_x, of_y = affine(data, dtype), affine(data, dtype)
    x = drawn(data, dtype, (2, 2, *size))
    options = {
        "kernel": kernel, "strides": strides, "pads": (*before, *after), "dilations": dilations, "layout": "NCHW",
        "count_include_pad": include_pad,
    }  # fmt: skip
    operand = Given(x, quant=of_x)
    most = run("MAX_POOL_2D", [operand], [Wanted((2, 2, *wanted), dtype, of_x)], "onnx", **options)[0]
    mean = run("AVERAGE_POOL_2D", [operand], [Wanted((2, 2, *wanted), dtype, of_y)], "onnx", **options)[0]
    scales, points = zip(exact(of_x), exact(of_y), strict=True)
    for b, c, i, j in indices(most.shape):
        read = oracle.window(x[b, c].tolist(), i, j, (kernel, strides, dilations, before))
        if read:
            assert most[b, c, i, j] == max(read)
            count = kernel[0] * kernel[1] if include_pad else 0
            assert mean[b, c, i, j] == oracle.average(read, scales, points, dtype, count)


SIZES = st.tuples(*[st.integers(1, 5)] * 2)
MODES = st.sampled_from(["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])


@PROPERTY
@given(SIZES, SIZES, MODES, st.sampled_from(sorted(oracle.NEAREST)), BYTES, st.booleans(), st.data())
def test_resizing(size, wanted, mode, rounding, dtype, equal, data):
    of_x = affine(data, dtype)
    of_y = of_x if equal else affine(data, dtype)
    x = drawn(data, dtype, (1, 2, *size))
    result = [Wanted((1, 2, *wanted), dtype, of_y)]
    options = {"layout": "NCHW", "coordinates": mode, "nearest_mode": rounding}
    near, blended = (
        run(f"RESIZE_{kind}", [Given(x, quant=of_x)], result, "onnx", **options)[0]
        for kind in ("NEAREST_NEIGHBOR", "BILINEAR")
    )
    for _, c, i, j in indices(near.shape):
        at = tuple(oracle.nearest(p, n, m, mode, rounding) for p, n, m in zip((i, j), size, wanted, strict=True))
        pixel = x[(0, c, *at)]
        assert near[0, c, i, j] == pixel if equal else fits(near[0, c, i, j], real(pixel, of_x), of_y, dtype)
        image = [[oracle.dequantize(v, *exact(of_x)) for v in row] for row in x[0, c].tolist()]
        assert blended[0, c, i, j] == oracle.quantize(oracle.bilinear(image, (i, j), wanted, mode), *exact(of_y), dtype)


@PROPERTY
@given(BYTES, BYTES, st.data())
def test_matmul_integer_leaves_its_sums(left, right, data):
    """MatMulInteger: the result is int32 without a scale; zero points alone are subtracted."""
    a, b = drawn(data, left, (2, 5)), drawn(data, right, (5, 3))
    of_a, of_b = (1.0, data.draw(zeros(left))), (1.0, data.draw(zeros(right)))
    operands = [Given(a, quant=of_a), Given(b, quant=of_b)]
    found = run("BATCH_MATMUL", operands, [Wanted((2, 3), "int32")], "onnx")[0]
    rows, columns = a.tolist(), b.T.tolist()
    assert found.tolist() == [
        [sum((p - of_a[1]) * (q - of_b[1]) for p, q in zip(r, c, strict=True)) for c in columns] for r in rows
    ]


# --- functions of reals ---------------------------------------------------------------------------------

REALS = st.lists(st.floats(-12, 12, width=32), min_size=1, max_size=8)


@PROPERTY
@given(st.sampled_from(["SWISH", "MISH", "SOFTPLUS", "HARD_SIGMOID"]), REALS)
def test_functions_of_reals_round_once(op, values):
    x = np.array(values, np.float32)
    found = run(op, [Given(x)], [Wanted(x.shape, "float32")], "onnx", **ATTRIBUTES.get(op, {}))[0]
    assert all(
        isclose(y, NEAR[op](v), rel_tol=2.0**-22, abs_tol=1e-9) for y, v in zip(found.tolist(), values, strict=True)
    )
