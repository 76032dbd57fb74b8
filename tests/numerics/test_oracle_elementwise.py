"""Element-wise operators of quantized numbers against plain integers, over types, profiles and extreme scales."""

from __future__ import annotations

import operator
from functools import partial
from math import isclose

import numpy as np
import oracle_operators as oracle
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from oracle_draws import FEW, HALF, LIMITS, POWERS, PROFILES, SCALES, USUAL, arrays, broadcast, quants
from oracle_mac import activation_limits, clamp
from oracle_movement import broadcast as source
from oracle_movement import indices
from oracle_run import Given, Wanted, run, same
from small_world import PROPERTY

BYTES, EVERY = ("int8", "uint8"), ("int8", "uint8", "int16")
ACTIVATIONS = st.sampled_from(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"])


def pairs(a, b):
    """Elements of two operands as they broadcast."""
    return [
        (a[source(i, a.shape)].item(), b[source(i, b.shape)].item())
        for i in indices(np.broadcast_shapes(a.shape, b.shape))
    ]


@st.composite
def binary(draw, dtypes=EVERY, scales=SCALES):
    """(type, quantizations of operands and result, arrays)."""
    dtype = draw(st.sampled_from(dtypes))
    shapes = draw(broadcast())
    quant = [draw(quants(dtype, scales)) for _ in range(3)]
    return dtype, quant, tuple(draw(arrays(dtype, shape)) for shape in shapes)


def check_binary(op, drawn, rule, profile="tflite", result=None, **attributes):
    """Compare with `rule` of two elements; `result`: type of a result without a scale."""
    dtype, quant, (a, b) = drawn
    shape = np.broadcast_shapes(a.shape, b.shape)
    wanted = Wanted(shape, result) if result else Wanted(shape, dtype, quant[2])
    operands = [Given(a, quant=quant[0]), Given(b, quant=quant[1])]
    same(
        lambda: run(op, operands, [wanted], profile, **attributes)[0],
        lambda: [rule(x, y) for x, y in pairs(a, b) or probe(rule, quant)],
    )


def probe(rule, quant) -> list[tuple[int, int]]:
    """No elements, after multipliers that no kernel has are refused."""
    rule(quant[0][1], quant[1][1])
    return []


LARGE = ("int8", [(0.5, -128), (0.5, -128), (0.25, -128)], (np.full(8, 127, np.int8), np.full(8, -128, np.int8)))
TIES = ("int8", [(0.5, 0), (0.5, 0), (1.0, 0)], (np.arange(-4, 4, dtype=np.int8), np.zeros(8, np.int8)))
WIDE = ("int16", [(2.0**-15, 0)] * 3, (np.full(4, -32768, np.int16), np.full(4, 32767, np.int16)))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("op", "sign"), [("ADD", 1), ("SUB", -1)])
@HALF
@given(binary(), ACTIVATIONS)
@example(LARGE, "NONE")
@example(TIES, "RELU")
@example(WIDE, "RELU_N1_TO_1")
def test_sums(op, sign, profile, drawn, activation):
    dtype, quant, _ = drawn
    limits = activation_limits(activation, *quant[2], LIMITS[dtype])
    bits = 16 if dtype == "int16" else 8

    def rule(x, y):
        return oracle.addition(x, y, quant, sign, limits, bits, PROFILES[profile])

    check_binary(op, drawn, rule, profile, activation=activation, pot_scale_int16=False)


@pytest.mark.parametrize("profile", PROFILES)
@HALF
@given(binary(), ACTIVATIONS)
@example(LARGE, "NONE")
@example(TIES, "RELU6")
@example(WIDE, "NONE")
def test_products(profile, drawn, activation):
    dtype, quant, _ = drawn
    limits = activation_limits(activation, *quant[2], LIMITS[dtype])

    def rule(x, y):
        return oracle.multiplication(x, y, quant, limits, PROFILES[profile])

    check_binary("MUL", drawn, rule, profile, activation=activation)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("op", "rule", "dtypes"),
    [("SQUARED_DIFFERENCE", oracle.squared_difference, EVERY), ("PRELU", oracle.prelu, EVERY)],
)
@HALF
@given(data=st.data())
def test_squares_and_slopes(op, rule, dtypes, profile, data):
    dtype, quant, (a, b) = data.draw(binary(dtypes))
    whole = np.ascontiguousarray(np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape)))  # slopes alone broadcast
    drawn = dtype, quant, (whole if op == "PRELU" else a, b)
    bound = partial(rule, quant=drawn[1], limits=LIMITS[drawn[0]], scale=PROFILES[profile])
    check_binary(op, drawn, bound, profile)


@PROPERTY
@given(binary(), ACTIVATIONS)
@example(("int8", [(0.5, 0), (0.5, 0), (2.0**-12, 0)], (np.int8([127, -128, 0]), np.int8([1, -1, 127]))), "NONE")
@example(("int8", [(1.0, 1), (1.0, 1), (2.0, 3)], (np.int8([1, 1, 1]), np.int8([0, 2, 127]))), "NONE")
@example(("uint8", [(1.0, 0), (1.0, 255), (2.0**10, 9)], (np.uint8([255, 0, 1]), np.uint8([0, 1, 254]))), "NONE")
def test_quotients(drawn, activation):
    dtype, quant, (_, b) = drawn
    assume(b.size and not (b == quant[1][1]).any())
    limits = activation_limits(activation, *quant[2], LIMITS[dtype])
    check_binary("DIV", drawn, lambda x, y: oracle.division(x, y, quant, limits), activation=activation)


COMPARISONS = {
    "EQUAL": operator.eq, "NOT_EQUAL": operator.ne, "LESS": operator.lt, "LESS_EQUAL": operator.le,
    "GREATER": operator.gt, "GREATER_EQUAL": operator.ge,
}  # fmt: skip


@pytest.mark.parametrize("profile", PROFILES)
@HALF
@given(binary(BYTES, st.one_of(USUAL, POWERS)), st.sampled_from(sorted(COMPARISONS)), st.booleans())
def test_comparisons(profile, drawn, op, equal):
    dtype, quant, operands = drawn
    quant = [quant[0], quant[0], quant[2]] if equal else quant

    def rule(x, y):
        return COMPARISONS[op](*oracle.compared(x, y, quant[:2], PROFILES[profile]))

    check_binary(op, (dtype, quant, operands), rule, profile, result="bool")


@PROPERTY
@given(binary(), st.sampled_from([("MAXIMUM", max), ("MINIMUM", min)]))
def test_extrema(drawn, chosen):
    dtype, quant, operands = drawn
    check_binary(chosen[0], (dtype, [quant[0]] * 3, operands), chosen[1])


@PROPERTY
@given(binary(("int16",)), st.sampled_from(sorted(COMPARISONS)))
def test_comparisons_of_words_are_plain(drawn, op):
    check_binary(op, drawn, COMPARISONS[op], result="bool")


@PROPERTY
@given(binary(), st.integers(0, 2**32))
def test_selection(drawn, seed):
    dtype, quant, (a, b) = drawn
    shape = np.broadcast_shapes(a.shape, b.shape)
    chosen = np.random.default_rng(seed).integers(0, 2, shape).astype(bool)
    operands = [Given(chosen), Given(a, quant=quant[0]), Given(b, quant=quant[0])]
    found = run("SELECT", operands, [Wanted(shape, dtype, quant[0])], source_type="SELECT_V2")[0]
    wanted = [x if c else y for c, (x, y) in zip(chosen.ravel().tolist(), pairs(a, b), strict=True)]
    assert found.ravel().tolist() == wanted


@PROPERTY
@given(
    binary(("int16",)),
    st.integers(-15, -2),
    st.integers(0, 16),
    st.booleans(),
    st.sampled_from([("ADD", 1), ("SUB", -1)]),
)
def test_sums_of_power_of_two_scales_shift(drawn, exponent, less, swapped, op):
    exponents = [exponent - less, exponent, exponent] if swapped else [exponent, exponent - less, exponent]
    quant = [(2.0**e, 0) for e in exponents]

    def rule(x, y):
        return oracle.shifted_addition(x, y, exponents, op[1], oracle.INT16)

    check_binary(op[0], ("int16", quant, drawn[2]), rule, pot_scale_int16=True)


# --- one operand ----------------------------------------------------------------------------------------


@st.composite
def unary(draw, dtypes=EVERY, scales=SCALES, out=None):
    """(types of operand and result, quantizations of both, array)."""
    dtype = draw(st.sampled_from(dtypes))
    result = draw(st.sampled_from(out)) if out else dtype
    shape = draw(st.lists(st.integers(0, 5), max_size=2).map(tuple))
    quant = [draw(quants(dtype, scales)), draw(quants(result, scales))]
    return (dtype, result), quant, draw(arrays(dtype, shape))


def check_unary(op, drawn, rule, profile="tflite", **attributes):
    (_, result), quant, a = drawn
    same(
        lambda: run(op, [Given(a, quant=quant[0])], [Wanted(a.shape, result, quant[1])], profile, **attributes)[0],
        lambda: [rule(x) for x in a.ravel().tolist()] if a.size else (rule(quant[0][1]), [])[1],
    )


HALVES = (("int8", "int8"), [(0.5, 0), (1.0, 0)], np.int8([-5, -3, -1, 1, 3, 5, -128, 127]))


@pytest.mark.parametrize("profile", PROFILES)
@HALF
@given(unary(out=EVERY))
@example(HALVES)
@example((("uint8", "int8"), [(1.0, 128), (1.0, 0)], np.uint8([0, 128, 255])))
def test_requantization(profile, drawn):
    (_, result), quant, _ = drawn
    rule = partial(oracle.requantized, quant=quant, limits=LIMITS[result], scale=PROFILES[profile])
    check_unary("QUANTIZE", drawn, rule, profile)


@pytest.mark.parametrize("profile", PROFILES)
@HALF
@given(unary(), st.floats(-300, 300, width=32))
@example(HALVES, -1.0)
def test_leaky_relu(profile, drawn, alpha):
    rule = partial(oracle.leaky_relu, alpha=alpha, quant=drawn[1], limits=LIMITS[drawn[0][0]], scale=PROFILES[profile])
    check_unary("LEAKY_RELU", drawn, rule, profile, alpha=alpha)


RECTIFIERS = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


@pytest.mark.parametrize("profile", PROFILES)
@HALF
@given(unary(), st.sampled_from(sorted(RECTIFIERS)))
@example(HALVES, "RELU6")
def test_rectifiers(profile, drawn, op):
    rule = partial(
        oracle.relu, quant=drawn[1], bounds=RECTIFIERS[op], limits=LIMITS[drawn[0][0]], scale=PROFILES[profile]
    )
    check_unary(op, drawn, rule, profile)


@PROPERTY
@given(unary(BYTES))
def test_hard_swish(drawn):
    check_unary("HARD_SWISH", drawn, partial(oracle.hard_swish, quant=drawn[1], limits=LIMITS[drawn[0][0]]))


@pytest.mark.parametrize("exponent", range(-13, 1))
def test_hard_swish_of_every_byte(exponent):
    x = np.arange(-128, 128, dtype=np.int8)
    for ratio, zero in ((1 / 127, 0), (1 / 40, -128), (0.3, 127), (1.0, 5), (3.7, 0)):
        scale = 1.1 * 2.0**exponent
        quant = [(scale, zero), (scale * ratio, 0)]
        check_unary(
            "HARD_SWISH", (("int8", "int8"), quant, x), partial(oracle.hard_swish, quant=quant, limits=oracle.INT8)
        )


@pytest.mark.parametrize("profile", PROFILES)
@HALF
@given(unary(), st.booleans())
@example(HALVES, True)
def test_magnitudes(profile, drawn, equal):
    types, quant, a = drawn
    quant = [quant[0], (quant[0][0], quant[1][1])] if equal else quant
    rule = partial(oracle.magnitude, quant=quant, limits=LIMITS[types[0]], scale=PROFILES[profile])
    check_unary("ABS", (types, quant, a), rule, profile)


@pytest.mark.parametrize("profile", PROFILES)
@FEW
@given(unary(("int8",), st.floats(2.0**-12, 4, width=32)))
@example((("int8", "int8"), [(0.05, -128), (0.02, -60)], np.int8([-128, -127, 0, 127])))
def test_inverse_square_roots(profile, drawn):
    types, quant, a = drawn
    a = np.maximum(a, quant[0][1]).astype(np.int8) if a.size % 2 else a  # half of the time, what is refused stays
    rule = partial(oracle.inverse_square_root, quant=quant, scale=PROFILES[profile])
    check_unary("RSQRT", (types, quant, a), rule, profile)


# --- integers without a scale ---------------------------------------------------------------------------

INT32 = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-9, 9), st.sampled_from([-(2**31), 2**31 - 1]))
WRAPPED = {
    "ADD": operator.add, "SUB": operator.sub, "MUL": operator.mul, "SQUARED_DIFFERENCE": lambda a, b: (a - b) ** 2,
    "MAXIMUM": max, "MINIMUM": min, "FLOOR_DIV": operator.floordiv, "FLOOR_MOD": operator.mod, "DIV": oracle.truncated,
}  # fmt: skip
PLAIN = {
    "NEG": operator.neg, "ABS": abs, "SQUARE": lambda a: a * a, "SIGN": lambda a: (a > 0) - (a < 0),
}  # fmt: skip


@PROPERTY
@given(st.sampled_from(sorted(WRAPPED)), st.lists(st.tuples(INT32, INT32), min_size=1, max_size=9))
@example("ADD", [(2**31 - 1, 1), (-(2**31), -1)])
@example("MUL", [(-(2**31), -(2**31)), (65536, 65536)])
@example("FLOOR_DIV", [(-7, 2), (7, -2), (-8, 2)])
@example("FLOOR_MOD", [(-7, 2), (7, -2), (-8, 2)])
def test_integers_wrap(op, drawn):
    divides = op in ("DIV", "FLOOR_DIV", "FLOOR_MOD")
    drawn = [(a, b) for a, b in drawn if not divides or (b and (a, b) != (-(2**31), -1))] or [(1, 1)]
    columns = [Given(np.array(c, np.int32)) for c in zip(*drawn, strict=True)]
    found = run(op, columns, [Wanted((len(drawn),), "int32")])[0]
    assert found.tolist() == [oracle.wrap(WRAPPED[op](a, b), 32) for a, b in drawn]


@PROPERTY
@given(st.sampled_from(sorted(PLAIN)), st.lists(INT32, min_size=1, max_size=9))
@example("ABS", [-(2**31)])
@example("NEG", [-(2**31)])
def test_functions_of_integers_wrap(op, drawn):
    found = run(op, [Given(np.array(drawn, np.int32))], [Wanted((len(drawn),), "int32")])[0]
    assert found.tolist() == [oracle.wrap(PLAIN[op](a), 32) for a in drawn]


@PROPERTY
@given(
    st.sampled_from(sorted(COMPARISONS)), st.sampled_from(["int32", "float32"]),
    st.lists(st.tuples(INT32, INT32), min_size=1, max_size=9),
)  # fmt: skip
def test_comparisons_of_numbers(op, dtype, drawn):
    drawn = np.array(drawn, dtype).tolist()
    columns = [Given(np.array(c, dtype)) for c in zip(*drawn, strict=True)]
    found = run(op, columns, [Wanted((len(drawn),), "bool")])[0]
    assert found.tolist() == [COMPARISONS[op](a, b) for a, b in drawn]


@PROPERTY
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9))
def test_logic(drawn):
    a, b = (Given(np.array(c)) for c in zip(*drawn, strict=True))
    result = [Wanted((len(drawn),), "bool")]
    assert run("LOGICAL_AND", [a, b], result)[0].tolist() == [x and y for x, y in drawn]
    assert run("LOGICAL_OR", [a, b], result)[0].tolist() == [x or y for x, y in drawn]
    assert run("LOGICAL_NOT", [a], result)[0].tolist() == [not x for x, _ in drawn]


KINDS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


@PROPERTY
@given(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(KINDS)), st.lists(INT32, min_size=1, max_size=9))
@example("int32", "int8", [-129, 128, 255, 256])
def test_casts_keep_the_low_bits(before, after, drawn):
    drawn = [oracle.wrap(v, KINDS[before]) for v in drawn]
    found = run("CAST", [Given(np.array(drawn, before))], [Wanted((len(drawn),), after)])[0]
    assert found.tolist() == [oracle.wrap(v, KINDS[after]) for v in drawn]


@PROPERTY
@given(st.lists(st.floats(-(2.0**31), 2.0**30, width=32), min_size=1, max_size=9))
@example([-0.5, 0.5, -1.999, 1.999])
def test_casts_of_reals_truncate(drawn):
    found = run("CAST", [Given(np.array(drawn, np.float32))], [Wanted((len(drawn),), "int32")])[0]
    assert found.tolist() == [int(v) for v in drawn]


# --- float32 --------------------------------------------------------------------------------------------

REALS = st.one_of(st.floats(-1e6, 1e6, width=32), st.sampled_from([0.0, -0.0, 0.5, -2.5, 1.0]))
FLOATS = {
    "ADD": operator.add, "SUB": operator.sub, "MUL": operator.mul, "DIV": operator.truediv, "MAXIMUM": max,
    "MINIMUM": min, "PRELU": lambda a, b: a if a >= 0 else a * b,
    "SQUARED_DIFFERENCE": lambda a, b: oracle.single(a - b) ** 2,
}  # fmt: skip
FLOAT_FUNCTIONS = {
    "ABS": abs, "NEG": operator.neg, "SQUARE": lambda a: a * a, "FLOOR": np.floor, "CEIL": np.ceil, "ROUND": round,
    "SIGN": lambda a: (a > 0) - (a < 0), "RELU": lambda a: max(a, 0), "RELU6": lambda a: clamp(a, 0, 6),
    "RELU_N1_TO_1": lambda a: clamp(a, -1, 1), "RELU_0_TO_1": lambda a: clamp(a, 0, 1),
    "SQRT": lambda a: abs(a) ** 0.5, "RSQRT": lambda a: 1 / oracle.single(abs(a) ** 0.5),
    "HARD_SWISH": lambda a: oracle.single(a * clamp(oracle.single(a + 3), 0, 6)) / 6,
    "LEAKY_RELU": lambda a: a if a > 0 else a * oracle.single(0.3),
}  # fmt: skip


@PROPERTY
@given(st.sampled_from(sorted(FLOATS)), st.lists(st.tuples(REALS, REALS), min_size=1, max_size=9))
def test_float_arithmetic_rounds_once(op, drawn):
    drawn = [(a, b or 1.0) for a, b in drawn]
    columns = [Given(np.array(c, np.float32)) for c in zip(*drawn, strict=True)]
    found = run(op, columns, [Wanted((len(drawn),), "float32")])[0]
    assert found.tolist() == [oracle.single(FLOATS[op](a, b)) for a, b in drawn]


@PROPERTY
@given(st.sampled_from(sorted(FLOAT_FUNCTIONS)), st.lists(REALS, min_size=1, max_size=9))
def test_float_functions_round_once(op, drawn):
    drawn = [abs(a) + 0.25 if op in ("SQRT", "RSQRT") else a for a in drawn]
    x = np.array(drawn, np.float32)
    options = {"alpha": oracle.single(0.3)} if op == "LEAKY_RELU" else {}
    found = run(op, [Given(x)], [Wanted(x.shape, "float32")], **options)[0]
    assert found.tolist() == [oracle.single(float(FLOAT_FUNCTIONS[op](a))) for a in x.tolist()]


@PROPERTY
@given(st.lists(st.tuples(st.floats(0.125, 8, width=32), st.floats(-4, 4, width=32)), min_size=1, max_size=9))
def test_powers(drawn):
    columns = [Given(np.array(c, np.float32)) for c in zip(*drawn, strict=True)]
    found = run("POW", columns, [Wanted((len(drawn),), "float32")])[0]
    assert all(isclose(y, a**b, rel_tol=2.0**-23) for y, (a, b) in zip(found.tolist(), drawn, strict=True))


@PROPERTY
@given(st.lists(REALS, min_size=1, max_size=9), REALS, REALS, st.booleans())
def test_clips(drawn, low, high, as_operands):
    low, high = sorted((low, high))
    x = Given(np.array(drawn, np.float32))
    bounds = [Given(np.float32(v)) for v in (low, high)] if as_operands else []
    options = {} if as_operands else {"min": low, "max": high}
    found = run("CLIP", [x, *bounds], [Wanted((len(drawn),), "float32")], "onnx", **options)[0]
    assert found.tolist() == [clamp(v, low, high) for v in drawn]
