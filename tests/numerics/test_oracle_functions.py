"""Real functions of quantized numbers, rows and images against plain integers: tables, softmax, pools, resizing."""

from __future__ import annotations

from math import cos, erf, erfc, exp, inf, isclose, log, pi, sin, sqrt, tanh

import numpy as np
import oracle_operators as oracle
import oracle_tables
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle_draws import FEW, HALF, LIMITS, PROFILES, SCALES, USUAL, arrays, quants
from oracle_mac import activation_limits
from oracle_run import Given, Wanted, run, same
from small_world import PROPERTY

from socsim.numerics import gemmlowp, tables
from socsim.numerics.operators.softmax import _reciprocal

BYTES = st.sampled_from(["int8", "uint8"])
EACH = pytest.mark.parametrize("profile", PROFILES)


# --- functions of reals ---------------------------------------------------------------------------------


def logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -700 else 0.0


FUNCTIONS = {
    "LOGISTIC": logistic, "TANH": tanh, "EXP": lambda x: exp(min(x, 700.0)),
    "ELU": lambda x: exp(x) - 1 if x < 0 else x, "GELU": lambda x: 0.5 * x * erfc(-x / sqrt(2)),
}  # fmt: skip
APPROXIMATE = {"GELU": lambda x: 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))}
FLOATS = FUNCTIONS | {"ERF": erf, "SIN": sin, "COS": cos, "LOG": log}


@PROPERTY
@given(st.sampled_from(sorted(FUNCTIONS)), BYTES, st.booleans(), st.data())
@example("LOGISTIC", "int8", False, None)
def test_functions_of_bytes_are_tables(op, dtype, approximate, data):
    if data is None:
        quant, x = [(0.25, -128), (2.0**-8, -128)], np.int8([-128, -127, 0, 127])
    else:
        quant, x = [data.draw(quants(dtype, USUAL)) for _ in range(2)], data.draw(arrays(dtype, (20,)))
    if op == "LOGISTIC":
        quant[1] = (2.0**-8, LIMITS[dtype][0])
    options = {"approximate": approximate} if op == "GELU" else {}
    found = run(op, [Given(x, quant=quant[0])], [Wanted(x.shape, dtype, quant[1])], **options)[0]
    function = (APPROXIMATE if approximate and op == "GELU" else FUNCTIONS)[op]
    for a, y in zip(x.tolist(), found.tolist(), strict=True):
        low, high = oracle_tables.between(a, quant, function, LIMITS[dtype])
        assert low <= y <= high


@PROPERTY
@given(BYTES, st.data())
def test_logarithms_of_bytes_give_the_least_for_what_is_not_positive(dtype, data):
    quant, x = [data.draw(quants(dtype, USUAL)) for _ in range(2)], data.draw(arrays(dtype, (20,)))
    found = run("LOG", [Given(x, quant=quant[0])], [Wanted(x.shape, dtype, quant[1])])[0]
    for a, y in zip(x.tolist(), found.tolist(), strict=True):
        low, high = oracle_tables.between(a, quant, lambda v: log(v) if v > 0 else -inf, LIMITS[dtype])
        assert low <= y <= high


WORDS = [
    ("EXP", exp, 2.0**-13, 2.0**-9), ("LOG", lambda v: log(v) if v > 0 else -32768 * 2.0**-11, 2.0**-12, 2.0**-11),
    ("GELU", FUNCTIONS["GELU"], 2.0**-12, 2.0**-12), ("ELU", FUNCTIONS["ELU"], 2.0**-12, 2.0**-12),
    ("RSQRT", lambda v: 1 / sqrt(v) if v > 0 else 32767 * 2.0**-9, 2.0**-10, 2.0**-9),
]  # fmt: skip


@pytest.mark.parametrize(("op", "function", "scale", "result"), WORDS, ids=lambda v: v if isinstance(v, str) else "")
def test_functions_of_words_are_interpolated(op, function, scale, result):
    """Entries depend on the last bit of float32 functions, which decides about ties: a few results are 1 off."""
    x = np.arange(0 if op == "RSQRT" else -32768, 32768, dtype=np.int16)
    quant = [(scale, 0), (result, 0)]
    found = run(op, [Given(x, quant=quant[0])], [Wanted(x.shape, "int16", quant[1])])[0]
    table = oracle_tables.entries_between(quant, function)
    wanted = np.array([oracle_tables.interpolated(table, a) for a in x.tolist()])
    distance = np.abs(found - wanted)
    assert distance.max() <= 1
    assert np.mean(distance > 0) < 0.01


@FEW
@given(st.sampled_from(["LOGISTIC", "TANH"]), st.one_of(st.floats(2.0**-16, 2.0**-4, width=32), SCALES), st.data())
@example("LOGISTIC", 2.0**-12, None)
@example("TANH", 2.0**-12, None)
@example("TANH", 2.0**-11, None)
def test_sigmoids_of_words_are_looked_up(op, scale, data):
    x = np.arange(-32768, 32768, 91, dtype=np.int16) if data is None else data.draw(arrays("int16", (60,)))
    found = run(op, [Given(x, quant=(scale, 0))], [Wanted(x.shape, "int16", (2.0**-15, 0))])[0]
    multiplier, shift = oracle_tables.logistic_input(scale, op == "TANH")
    rule = oracle_tables.tabulated_tanh if op == "TANH" else oracle.sigmoid_by_table
    table, half = tables.sigmoid16().tolist(), (1 << shift) >> 1
    assert found.tolist() == [oracle.wrap(rule((a * multiplier + half) >> shift, table), 16) for a in x.tolist()]


@PROPERTY
@given(st.sampled_from(sorted(FLOATS)), st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=9))
def test_float_functions_are_near(op, drawn):
    drawn = [abs(v) + 2.0**-10 if op == "LOG" else v for v in drawn]
    found = run(op, [Given(np.array(drawn, np.float32))], [Wanted((len(drawn),), "float32")])[0]
    assert all(
        isclose(y, FLOATS[op](v), rel_tol=2.0**-13, abs_tol=2.0**-20)
        for y, v in zip(found.tolist(), drawn, strict=True)
    )


# --- conversions ----------------------------------------------------------------------------------------


@PROPERTY
@given(st.sampled_from(["int8", "uint8", "int16"]), st.data())
def test_quantize_and_dequantize(dtype, data):
    quant = data.draw(quants(dtype))
    ties = st.integers(-70000, 70000).map(lambda n: oracle.single(n * 0.5 * oracle.single(quant[0])))
    reals = data.draw(st.lists(st.one_of(ties, st.floats(width=32, allow_nan=False)), min_size=1, max_size=9))
    made = run("QUANTIZE", [Given(np.array(reals, np.float32))], [Wanted((len(reals),), dtype, quant)])[0]
    assert made.tolist() == [oracle_tables.quantized(v, quant, LIMITS[dtype]) for v in reals]
    back = run("DEQUANTIZE", [Given(made, quant=quant)], [Wanted(made.shape, "float32")])[0]
    assert back.tolist() == [oracle_tables.dequantized(q, quant) for q in made.tolist()]


@PROPERTY
@given(st.data())
def test_concatenation_rescales_unsigned_bytes(data):
    quant = [data.draw(quants("uint8", USUAL)) for _ in range(3)]
    parts = [data.draw(arrays("uint8", (7,))) for _ in range(2)]
    operands = [Given(p, quant=q) for p, q in zip(parts, quant, strict=False)]
    found = run("CONCATENATION", operands, [Wanted((14,), "uint8", quant[2])], axis=0)[0]
    pairs = zip(parts, quant, strict=False)
    expected = [
        v if q == quant[2] else oracle_tables.copied(v, [q, quant[2]], oracle.UINT8)
        for p, q in pairs
        for v in p.tolist()
    ]
    assert found.tolist() == expected


@PROPERTY
@given(st.sampled_from(["int8", "uint8", "int16"]), st.data())
def test_square_roots_truncate(dtype, data):
    quant, x = [data.draw(quants(dtype, USUAL)) for _ in range(2)], data.draw(arrays(dtype, (6,)))
    x = np.maximum(x, quant[0][1]).astype(dtype) if data.draw(st.booleans()) else x
    same(
        lambda: run("SQRT", [Given(x, quant=quant[0])], [Wanted(x.shape, dtype, quant[1])])[0],
        lambda: [oracle_tables.square_root(a, quant, LIMITS[dtype]) for a in x.tolist()],
    )


# --- rows -----------------------------------------------------------------------------------------------

ROWS = st.tuples(st.integers(1, 3), st.integers(1, 9))


@EACH
@HALF
@given(BYTES, ROWS, SCALES, st.sampled_from([1.0, 0.5, 2.0]), st.data())
def test_softmax(profile, dtype, shape, scale, beta, data):
    x = data.draw(arrays(dtype, shape))
    x = data.draw(st.sampled_from([x, np.full_like(x, LIMITS[dtype][1])]))
    result = Wanted(shape, dtype, (2.0**-8, LIMITS[dtype][0]))
    same(
        lambda: run("SOFTMAX", [Given(x, quant=(scale, 0))], [result], profile, beta=beta)[0],
        lambda: [v for row in x.tolist() for v in oracle.softmax(row, scale, beta, LIMITS[dtype], PROFILES[profile])],
    )


def test_reciprocals_of_single_numbers_are_those_of_arrays():
    """Sums of exponentials around every power of two, beyond 32 bits too, and between them."""
    powers = 2 ** np.arange(36)[:, None] + np.arange(-40, 40)
    between = np.random.default_rng(0).integers(0, 2**33, 10_000)
    sums = np.concatenate([powers[powers >= 0], 2**32 - np.arange(1, 1000), between])
    expected = np.stack(gemmlowp.reciprocal(sums, 12), axis=1)
    assert [_reciprocal(s, 12) for s in sums] == list(map(tuple, expected.tolist()))


@EACH
@FEW
@given(ROWS, st.one_of(SCALES, st.floats(2.0**-14, 2.0**-9, width=32)), st.sampled_from([1.0, 0.5]), st.data())
@example((1, 2), 1 / 3276.75, 1.0, None)
def test_softmax_of_words(profile, shape, scale, beta, data):
    x = np.int16([[-32768, 32767]]) if data is None else data.draw(arrays("int16", shape))
    both = oracle_tables.softmax_tables()
    scaled = PROFILES[profile]
    same(
        lambda: run(
            "SOFTMAX", [Given(x, quant=(scale, 0))], [Wanted(shape, "int16", (2.0**-15, 0))], profile, beta=beta
        )[0],
        lambda: [v for row in x.tolist() for v in oracle_tables.softmax16(row, scale, beta, both, scaled)],
    )


def test_softmax_of_many_rows_of_words():
    x, scale = np.random.default_rng(3).integers(-3000, 3000, (40, 50), np.int16), 2.0**-12
    found = run("SOFTMAX", [Given(x, quant=(scale, 0))], [Wanted(x.shape, "int16", (2.0**-15, 0))], beta=1.0)[0]
    both = oracle_tables.softmax_tables()
    assert found.tolist() == [oracle_tables.softmax16(row, scale, 1.0, both) for row in x.tolist()]


@PROPERTY
@given(BYTES, ROWS, st.one_of(USUAL, SCALES), st.data())
@example("int8", (1, 1), 1.0, None)
def test_log_softmax(dtype, shape, scale, data):
    x = np.zeros(shape, dtype) if data is None else data.draw(arrays(dtype, shape))
    result = Wanted(shape, dtype, (16 / 256, LIMITS[dtype][1]))
    same(
        lambda: run("LOG_SOFTMAX", [Given(x, quant=(scale, 0))], [result])[0],
        lambda: [v for row in x.tolist() for v in oracle_tables.log_softmax(row, scale, LIMITS[dtype])],
    )


@PROPERTY
@given(st.sampled_from(["SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"]), ROWS, st.data())
def test_rows_of_reals_are_near(op, shape, data):
    x = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=shape).astype(np.float32) * 3
    found = run(op, [Given(x)], [Wanted(shape, "float32")])[0]
    for row, made in zip(x.tolist(), found.tolist(), strict=True):
        total, length = sum(exp(v) for v in row), sqrt(sum(v * v for v in row))
        rules = {"SOFTMAX": lambda v: exp(v) / total, "LOG_SOFTMAX": lambda v: v - log(total)}  # noqa: B023
        rule = rules.get(op, lambda v: v / length)  # noqa: B023
        assert all(isclose(y, rule(v), rel_tol=1e-5, abs_tol=1e-6) for y, v in zip(made, row, strict=True))


@PROPERTY
@given(BYTES, ROWS, st.data())
@example("int8", (1, 3), None)
def test_l2_normalization(dtype, shape, data):
    quant = (1.0, 5) if data is None else data.draw(quants(dtype))
    x = np.full(shape, 5, dtype) if data is None else data.draw(arrays(dtype, shape))
    result = Wanted(shape, dtype, (2.0**-7, 128 if dtype == "uint8" else 0))
    found = run("L2_NORMALIZATION", [Given(x, quant=quant)], [result])[0]
    assert found.tolist() == [oracle.l2_normalized(row, quant[1], LIMITS[dtype]) for row in x.tolist()]


@EACH
@HALF
@given(st.sampled_from(["int8", "uint8", "int16"]), st.integers(1, 40), st.sampled_from(["MEAN", "SUM"]), st.data())
@example("int8", 4, "MEAN", None)
def test_means_and_sums(profile, dtype, count, op, data):
    if data is None:
        quant, x = [(1.0, 0), (1.0, 0)], np.int8([1, 1, 0, 0])
    else:
        quant, x = [data.draw(quants(dtype)) for _ in range(2)], data.draw(arrays(dtype, (count,)))
    same(
        lambda: run(op, [Given(x, quant=quant[0])], [Wanted((), dtype, quant[1])], profile, axes=(0,))[0],
        lambda: [oracle.mean(x.tolist(), quant, LIMITS[dtype], op == "MEAN", PROFILES[profile])],
    )


# --- windows and images ---------------------------------------------------------------------------------


@st.composite
def windows(draw):
    """(image, (kernel, steps, pads), activation): every window meets the image; kernels may be larger than it."""
    dtype = draw(st.sampled_from(["int8", "uint8", "int16"]))
    size = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    kernel = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    steps = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    pads = []
    for n, k, s in zip(size, kernel, steps, strict=True):
        before = draw(st.integers(0, k - 1))
        count = draw(st.integers(1, (n - 1 + before) // s + 1))
        after = (count - 1) * s + k - n - before
        pads.append((before, max(after, 0)))
    image = draw(arrays(dtype, (draw(st.integers(1, 2)), *size, draw(st.integers(1, 3)))))
    return image, kernel, steps, pads, draw(st.sampled_from(["NONE", "RELU", "RELU6"]))


@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@PROPERTY
@given(windows(), st.data())
def test_pools(op, drawn, data):
    image, kernel, steps, pads, activation = drawn
    dtype = image.dtype.name
    quant = data.draw(quants(dtype))
    size = [(n + a + b - k) // s + 1 for n, k, s, (a, b) in zip(image.shape[1:3], kernel, steps, pads, strict=True)]
    (top, bottom), (left, right) = pads
    shape = (image.shape[0], *size, image.shape[3])
    found = run(
        op, [Given(image, quant=quant)], [Wanted(shape, dtype, quant)], kernel=kernel, strides=steps,
        pads=(top, left, bottom, right), activation=activation, layout="NHWC",
    )[0]  # fmt: skip
    limits = activation_limits(activation, *quant, LIMITS[dtype])
    window = kernel, steps, (top, left)
    for b, y, x, c in np.ndindex(shape):
        wanted = oracle.pool(image[b].tolist(), y, x, c, window, op == "AVERAGE_POOL_2D", limits)
        assert found[b, y, x, c] == wanted


MODES = st.sampled_from([(False, False), (True, False), (False, True)])
SIZES = st.tuples(*[st.integers(1, 6)] * 2)


@EACH
@HALF
@given(st.sampled_from(["int8", "uint8", "int16"]), SIZES, st.tuples(*[st.integers(1, 9)] * 2), MODES, st.data())
def test_resizing(profile, dtype, shape, size, mode, data):
    image = data.draw(arrays(dtype, (2, *shape, 2)))
    options = dict(zip(("align_corners", "half_pixel_centers"), mode, strict=True))
    result = Wanted((2, *size, 2), dtype, (0.1, 0))
    near, blended = (
        run(f"RESIZE_{kind}", [Given(image, quant=(0.1, 0))], [result], profile, **options)[0]
        for kind in ("NEAREST_NEIGHBOR", "BILINEAR")
    )
    for b, y, x, c in np.ndindex(near.shape):
        pixels = image[b].tolist()
        at = (oracle_tables.nearest(p, n, m, *mode) for p, n, m in zip((y, x), shape, size, strict=True))
        assert near[b, y, x, c] == image[(b, *at, c)]
        if dtype == "uint8":
            wanted = int(oracle.single(oracle_tables.real_bilinear(pixels, y, x, c, size, mode) + 0.5))
        else:
            wanted = oracle.bilinear(pixels, y, x, c, size, *mode, profile == "single-rounding")
        assert blended[b, y, x, c] == wanted


@PROPERTY
@given(SIZES, SIZES, MODES, st.data())
def test_resizing_of_reals_rounds_every_step(shape, size, mode, data):
    image = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(1, *shape, 1)).astype(np.float32)
    options = dict(zip(("align_corners", "half_pixel_centers"), mode, strict=True))
    found = run("RESIZE_BILINEAR", [Given(image)], [Wanted((1, *size, 1), "float32")], **options)[0]
    for _, y, x, _ in np.ndindex(found.shape):
        assert found[0, y, x, 0] == oracle_tables.real_bilinear(image[0].tolist(), y, x, 0, size, mode)


@PROPERTY
@given(windows())
def test_pools_of_reals(drawn):
    image, kernel, steps, pads, _ = drawn
    real = image.astype(np.float32) / np.float32(7)
    size = [(n + a + b - k) // s + 1 for n, k, s, (a, b) in zip(image.shape[1:3], kernel, steps, pads, strict=True)]
    shape = (image.shape[0], *size, image.shape[3])
    pad = tuple(p[0] for p in pads), tuple(p[1] for p in pads)
    options = {"kernel": kernel, "strides": steps, "pads": (*pad[0], *pad[1]), "layout": "NHWC", "activation": "NONE"}
    mean, most = (
        run(op, [Given(real)], [Wanted(shape, "float32")], **options)[0] for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
    )
    for b, y, x, c in np.ndindex(shape):
        y0, x0 = y * steps[0] - pad[0][0], x * steps[1] - pad[0][1]
        part = real[b, max(y0, 0) : y0 + kernel[0], max(x0, 0) : x0 + kernel[1], c].ravel().tolist()
        total = 0.0
        for v in part:
            total = oracle.single(total + v)
        assert mean[b, y, x, c] == oracle.single(total / len(part))
        assert most[b, y, x, c] == max(part)
