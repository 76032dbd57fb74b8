"""Sums and products beyond their width, away from multiply-accumulates: docs/numerics.md, "Overflow"."""

from __future__ import annotations

import numpy as np
import oracle_operators as oracle
import pytest
from oracle_draws import PROFILES
from oracle_run import Given, Wanted, run

from socsim.errors import NumericsError


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("value", "count"), [(32767, 65539), (-32768, 65537), (32767, 200_000)])
@pytest.mark.parametrize("op", ["SUM", "MEAN"])
def test_sums_of_elements_wrap_at_32_bits(op, profile, value, count):
    quant = [(2.0**-10, 0), (1.0, 0)]
    x = np.full(count, value, np.int16)
    found = run(op, [Given(x, quant=quant[0])], [Wanted((), "int16", quant[1])], profile, axes=(0,))[0]
    wanted = oracle.mean([value] * count, quant, oracle.INT16, op == "MEAN", PROFILES[profile])
    assert found.item() == wanted
    assert op == "MEAN" or wanted * value < 0 or count > 100_000, "a sum beyond 32 bits has changed its sign"


@pytest.mark.parametrize(("length", "logarithm"), [(4095, -6), (4096, -9), (5000, -9), (8191, -9), (9000, 20)])
def test_sums_of_exponentials_wrap_at_32_bits(length, logarithm):
    """From 8192 equal elements on, results are those of the rest of the sum; logarithms are as LiteRT computes them."""
    row = np.zeros((1, length), np.int8)
    operands = [Given(row, quant=(0.1, 0))]
    found = run("SOFTMAX", operands, [Wanted(row.shape, "int8", (2.0**-8, -128))], beta=1.0)[0]
    assert found[0].tolist() == oracle.softmax(row[0].tolist(), 0.1, 1.0, oracle.INT8)
    found = run("LOG_SOFTMAX", operands, [Wanted(row.shape, "int8", (16 / 256, 127))])[0]
    assert set(found[0].tolist()) == {logarithm}


@pytest.mark.parametrize("profile", PROFILES)
def test_left_shifts_wrap_and_one_rounding_does_not(profile):
    """127 x 2**25 has 32 bits and a sign: two roundings shift in 32 bits first, one multiplies in 64."""
    quant, values = [(2.0**25, 0), (1.0, 0)], [127, 31, -128]
    found = run("QUANTIZE", [Given(np.int8(values), quant=quant[0])], [Wanted((3,), "int8", quant[1])], profile)[0]
    assert found.tolist() == ([127, 127, -128] if profile == "single-rounding" else [-128, 127, 0])
    assert found.tolist() == [oracle.requantized(v, quant, oracle.INT8, PROFILES[profile]) for v in values]


@pytest.mark.parametrize("profile", ["tflite", "tflm", "single-rounding", "ruy", "xnnpack"])
def test_multipliers_that_no_kernel_can_shift_are_refused(profile):
    with pytest.raises(NumericsError, match="left shift"):
        run("QUANTIZE", [Given(np.int8([1]), quant=(2.0**30, 0))], [Wanted((1,), "int8", (1.0, 0))], profile)
    below = run("QUANTIZE", [Given(np.int8([1]), quant=(2.0**29, 0))], [Wanted((1,), "int8", (1.0, 0))], profile)[0]
    assert below.tolist() == [127]


def test_squares_wrap_at_32_bits():
    quant = [(1.0, 0), (1.0, 0), (2.0**10, 0)]
    a, b = np.int16([32767]), np.int16([-32768])
    operands = [Given(v, quant=q) for v, q in zip((a, b), quant, strict=False)]
    found = run("SQUARED_DIFFERENCE", operands, [Wanted((1,), "int16", quant[2])])[0]
    assert found.tolist() == [oracle.squared_difference(32767, -32768, quant, oracle.INT16)]
