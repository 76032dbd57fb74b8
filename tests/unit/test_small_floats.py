"""Do floats of 8 and 4 bits become the right codes, and codes the right numbers? Against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import isinf, isnan

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socsim.workload.dtypes import SMALL_FLOATS, DType, tensor_bytes
from socsim.workload.small_floats import decoded, encoded

FORMATS = sorted(SMALL_FLOATS, key=lambda dtype: dtype.value)
LIBRARY = {
    DType.FLOAT4E2M1: ml_dtypes.float4_e2m1fn, DType.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    DType.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz, DType.FLOAT8E5M2: ml_dtypes.float8_e5m2,
    DType.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
}  # fmt: skip
ALL_CODES = {dtype: np.arange(2**dtype.bits, dtype=np.uint8) for dtype in FORMATS}
SINGLES = st.floats(width=32, allow_nan=False)


@pytest.mark.parametrize("dtype", FORMATS)
def test_every_code_has_the_number_of_another_implementation(dtype):
    expected = ALL_CODES[dtype].view(LIBRARY[dtype]).astype(np.float32)
    np.testing.assert_array_equal(decoded(ALL_CODES[dtype], dtype), expected)


@pytest.mark.parametrize("dtype", FORMATS)
def test_numbers_return_to_their_codes(dtype):
    numbers = decoded(ALL_CODES[dtype], dtype)
    again = encoded(numbers, dtype, saturate=False)
    known = ~np.isnan(numbers)
    np.testing.assert_array_equal(again[known], ALL_CODES[dtype][known])
    np.testing.assert_array_equal(np.isnan(decoded(again, dtype)), ~known)


def _nearest(value: float, dtype: DType) -> set[int]:
    """The codes of the finite numbers that are nearest to a value, by exact distance."""
    finite = {c: Fraction(float(n)) for c, n in enumerate(decoded(ALL_CODES[dtype], dtype)) if np.isfinite(n)}
    least = min(abs(Fraction(value) - n) for n in finite.values())
    return {c for c, n in finite.items() if abs(Fraction(value) - n) == least}


@pytest.mark.parametrize("dtype", FORMATS)
@given(value=st.one_of(SINGLES, st.floats(-600, 600, width=32), st.sampled_from([464.0, 61440.0, 5.0, -0.0])))
def test_saturated_codes_are_the_nearest_and_ties_are_even(dtype, value):
    code = int(encoded(np.array([value], np.float32), dtype)[0])
    numbers = decoded(ALL_CODES[dtype], dtype)
    greatest = float(numbers[np.isfinite(numbers)].max())
    if isinf(value) or abs(value) >= greatest:
        assert decoded(np.uint8(code), dtype) == np.copysign(greatest, value)
        return
    nearest = _nearest(value, dtype)
    assert code in nearest
    magnitudes = {c & (2 ** (dtype.bits - 1) - 1) for c in nearest}
    assert len(magnitudes) == 1 or code % 2 == 0


@pytest.mark.parametrize("dtype", FORMATS)
def test_what_is_too_large_is_infinite_or_no_number_unless_it_saturates(dtype):
    huge = encoded(np.array([1e30, -1e30, np.inf], np.float32), dtype, saturate=False)
    numbers = decoded(huge, dtype)
    if dtype is DType.FLOAT4E2M1:
        assert numbers.tolist() == [6, -6, 6]
    elif dtype is DType.FLOAT8E5M2:
        assert numbers.tolist() == [np.inf, -np.inf, np.inf]
    else:
        assert np.isnan(numbers).all()


@pytest.mark.parametrize("dtype", FORMATS)
def test_codes_equal_those_of_another_implementation(dtype):
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 2**32, 50_000, dtype=np.uint32).view(np.float32)
    drawn = drawn[~np.isnan(drawn)]
    near = (rng.normal(size=50_000) * np.exp(rng.normal(size=50_000) * 5)).astype(np.float32)
    values = np.concatenate([drawn, near])
    with np.errstate(all="ignore"):
        expected = values.astype(LIBRARY[dtype]).view(np.uint8)
    made = encoded(values, dtype, saturate=False)
    same = (made == expected) | (np.isnan(decoded(made, dtype)) & np.isnan(decoded(expected, dtype)))
    assert same.all()


def test_no_number_stays_none_where_the_format_can_say_so():
    nan = np.array([np.nan], np.float32)
    assert [isnan(decoded(encoded(nan, d), d)[0]) for d in FORMATS] == [d is not DType.FLOAT4E2M1 for d in FORMATS]
    assert decoded(encoded(nan, DType.FLOAT4E2M1), DType.FLOAT4E2M1)[0] == 0


def test_small_types_are_packed_in_files_and_count_as_their_bits():
    assert [tensor_bytes(5, d) for d in (DType.INT2, DType.UINT2, DType.FLOAT4E2M1, DType.FLOAT8E5M2)] == [2, 2, 3, 5]
    assert all(d.is_float and not d.is_integer for d in FORMATS)
    assert DType.INT2.is_integer
