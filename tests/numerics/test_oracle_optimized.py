"""The operators that the profiles `ruy` and `xnnpack` compute in their own way, against plain integers."""

from __future__ import annotations

from functools import partial

import numpy as np
import oracle_operators as reference
import oracle_optimized as oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle_draws import FEW, HALF, LIMITS, SCALES, USUAL, arrays, quants
from oracle_mac import activation_limits, single
from oracle_run import Given, Wanted, run, same
from oracle_tables import real_bilinear

BYTES = st.sampled_from(["int8", "uint8"])
EACH = pytest.mark.parametrize("profile", ["ruy", "xnnpack"])
LENGTHS = st.sampled_from([0, 1, 15, 16, 17, 33, 50])
NEAR = st.one_of(USUAL, st.integers(-6, 3).map(lambda e: 2.0**e), SCALES)  # most ratios are such as XNNPACK takes


def or_else(found, fallback):
    return fallback() if found is None or None in found else found


def conversion(profile: str, row: list[int], quant, limits, equal_types: bool) -> list[int]:
    made = None
    if profile == "xnnpack" and equal_types:
        made = [oracle.xnn_conversion(v, 1.0, quant, limits) for v in row]
    return or_else(made or None, lambda: oracle.ruy_conversion(row, quant, limits))


@EACH
@HALF
@given(BYTES, BYTES, LENGTHS, st.data())
def test_conversions(profile, before, after, length, data):
    quant = [data.draw(quants(before, NEAR)), data.draw(quants(after, NEAR))]
    x = data.draw(arrays(before, (length,)))
    row = x.tolist() or [quant[0][1]]
    same(
        lambda: run("QUANTIZE", [Given(x, quant=quant[0])], [Wanted(x.shape, after, quant[1])], profile)[0],
        lambda: conversion(profile, row, quant, LIMITS[after], before == after)[:length],
    )


@EACH
@pytest.mark.parametrize(("op", "sign"), [("ADD", 1), ("SUB", -1)])
@HALF
@given(BYTES, LENGTHS.filter(bool), st.sampled_from(["NONE", "RELU", "RELU6"]), st.booleans(), st.data())
def test_sums(profile, op, sign, dtype, length, activation, whole, data):
    quant = [data.draw(quants(dtype, NEAR)) for _ in range(3)]
    a, b = data.draw(arrays(dtype, (length,))), data.draw(arrays(dtype, (length if whole else 1,)))
    pairs = list(zip(a.tolist(), np.broadcast_to(b, a.shape).tolist(), strict=True))
    limits = activation_limits(activation, *quant[2], LIMITS[dtype])

    def optimized():
        if dtype == "int8" and op == "ADD" and a.shape == b.shape:
            return oracle.ruy_addition(pairs, quant, limits)
        return None

    def expected():
        made = [oracle.xnn_addition(*p, quant, sign, limits) for p in pairs] if profile == "xnnpack" else None
        plain = [lambda: [reference.addition(*p, quant, sign, limits, 8) for p in pairs]]
        return or_else(made, lambda: or_else(optimized(), *plain))

    operands = [Given(a, quant=quant[0]), Given(b, quant=quant[1])]
    same(lambda: run(op, operands, [Wanted(a.shape, dtype, quant[2])], profile, activation=activation)[0], expected)


@EACH
@HALF
@given(BYTES, LENGTHS.filter(bool), st.sampled_from(["NONE", "RELU_N1_TO_1"]), st.data())
def test_products(profile, dtype, length, activation, data):
    quant = [data.draw(quants(dtype, NEAR)) for _ in range(3)]
    a, b = data.draw(arrays(dtype, (length,))), data.draw(arrays(dtype, (length,)))
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    limits = activation_limits(activation, *quant[2], LIMITS[dtype])

    def expected():
        made = [oracle.xnn_product(*p, quant, limits) for p in pairs] if profile == "xnnpack" else None
        return or_else(made, lambda: [reference.multiplication(*p, quant, limits) for p in pairs])

    operands = [Given(a, quant=quant[0]), Given(b, quant=quant[1])]
    same(lambda: run("MUL", operands, [Wanted(a.shape, dtype, quant[2])], profile, activation=activation)[0], expected)


@EACH
@HALF
@given(BYTES, LENGTHS.filter(bool), st.floats(-100, 100, width=32), st.data())
@example("int8", 33, -0.5, None)
def test_leaky_relu(profile, dtype, length, alpha, data):
    if data is None:
        quant, x = [(0.25, 3), (0.5, -7)], np.arange(-16, 17, dtype=np.int8)
    else:
        quant, x = [data.draw(quants(dtype, NEAR)) for _ in range(2)], data.draw(arrays(dtype, (length,)))
    limits = LIMITS[dtype]

    def expected():
        row = x.tolist()
        made = [oracle.xnn_conversion(v, alpha, quant, limits) for v in row] if profile == "xnnpack" else None
        return or_else(made, lambda: [reference.leaky_relu(v, alpha, quant, limits) for v in row])

    same(
        lambda: run("LEAKY_RELU", [Given(x, quant=quant[0])], [Wanted(x.shape, dtype, quant[1])], profile, alpha=alpha)[
            0
        ],
        expected,
    )


@EACH
@HALF
@given(BYTES, st.tuples(*[st.integers(1, 3)] * 3), st.sampled_from([1, 15, 16, 17, 33]), st.booleans(), st.data())
def test_means(profile, dtype, shape, channels, keep, data):
    quant = [data.draw(quants(dtype, NEAR)) for _ in range(2)]
    x = data.draw(arrays(dtype, (*shape, channels)))
    result = (shape[0], 1, 1, channels) if keep else (shape[0], channels)
    limits, count = LIMITS[dtype], shape[1] * shape[2]
    rows = [[x[b, :, :, c].ravel().tolist() for c in range(channels)] for b in range(shape[0])]

    def expected():
        if profile == "xnnpack":
            return [oracle.xnn_sum(values, quant, limits, divide=True) for row in rows for values in row]
        if keep:
            sums = ([sum(values) for values in row] for row in rows)
            return [v for row in sums for v in oracle.ruy_mean(row, count, quant, limits)]
        return [reference.mean(values, quant, limits) for row in rows for values in row]

    options = {"axes": (1, 2), "keep_dims": keep}
    same(
        lambda: run("MEAN", [Given(x, quant=quant[0])], [Wanted(result, dtype, quant[1])], profile, **options)[0],
        expected,
    )


@EACH
@HALF
@given(BYTES, st.integers(1, 40), st.data())
def test_sums_of_elements_are_scaled_in_float(profile, dtype, length, data):
    quant = [data.draw(quants(dtype, USUAL)) for _ in range(2)]
    x = data.draw(arrays(dtype, (length,)))
    found = run("SUM", [Given(x, quant=quant[0])], [Wanted((1,), dtype, quant[1])], profile, axes=(0,), keep_dims=True)
    row = x.tolist()
    is_ruy = profile == "ruy"
    wanted = (reference.real_sum if is_ruy else partial(oracle.xnn_sum, divide=False))(row, quant, LIMITS[dtype])
    assert found[0].tolist() == [wanted]


@EACH
@HALF
@given(
    BYTES, st.tuples(*[st.integers(1, 6)] * 2), st.tuples(*[st.integers(1, 9)] * 2),
    st.sampled_from([(False, False), (True, False), (False, True)]), st.data(),
)  # fmt: skip
def test_bilinear_resizing(profile, dtype, shape, size, mode, data):
    image = data.draw(arrays(dtype, (2, *shape, 2)))
    options = dict(zip(("align_corners", "half_pixel_centers"), mode, strict=True))
    result = Wanted((2, *size, 2), dtype, (0.1, 3))
    found = run("RESIZE_BILINEAR", [Given(image, quant=(0.1, 3))], [result], profile, **options)[0]
    for b, y, x, c in np.ndindex(found.shape):
        pixels = image[b].tolist()
        if profile == "xnnpack":
            wanted = oracle.xnn_bilinear(pixels, y, x, c, size, *mode)
        elif dtype == "uint8":
            wanted = int(single(real_bilinear(pixels, y, x, c, size, mode, weights_first=True) + 0.5))
        else:
            wanted = reference.bilinear(pixels, y, x, c, size, *mode)
        assert found[b, y, x, c] == wanted


@EACH
@pytest.mark.parametrize(("op", "exponent"), [("LOGISTIC", -12), ("TANH", -12), ("TANH", -11)])
@FEW
@given(data=st.data())
def test_sigmoids_of_power_of_two_scales_are_polynomials(op, exponent, profile, data):
    values = data.draw(arrays("int16", (50,)))
    found = run(op, [Given(values, quant=(2.0**exponent, 0))], [Wanted((50,), "int16", (2.0**-15, 0))], profile)[0]
    function = reference.tanh if op == "TANH" else reference.logistic
    assert found.tolist() == [function(reference.left(v, exponent + 12, 16), 3, 16) for v in values.tolist()]
