"""Fixed-point arithmetic that quantized kernels are made of.

Source: gemmlowp fixedpoint/fixedpoint.h and TFLite kernels/internal/quantization_util.cc, common.h.
"""

from __future__ import annotations

from math import frexp, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.jit import inlined, kernel

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array

# Inside kernels an integer has the width that a cast gives it, which Python's types cannot say.
Integer = Any

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return mantissa and left shift of a real multiplier: real = mantissa / 2**31 x 2**shift.

    Raises:
        NumericsError: negative, not finite, or 2**31 and above, which no kernel can apply.

    Source: TFLite `QuantizeMultiplier`.
    """
    if not isfinite(real) or real < 0:
        msg = f"multiplier {real!r} is not a finite number from 0 up; the scales of the operator are wrong"
        raise NumericsError(msg)
    if real == 0:
        return 0, 0
    fraction, shift = frexp(real)
    mantissa = round_half_away(fraction * 2**31)
    if mantissa == 2**31:
        mantissa, shift = 2**30, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        msg = f"multiplier {real!r} needs a left shift of {shift}; kernels shift by at most 30"
        raise NumericsError(msg)
    return mantissa, shift


def round_half_away(value: float) -> int:
    """Return the nearest integer, ties away from zero (C's `round`)."""
    magnitude = abs(value)
    whole = int(magnitude)
    whole += magnitude - whole >= 0.5
    return whole if value >= 0 else -whole


def multipliers(reals: Array) -> tuple[Array, Array]:
    """Return mantissas and shifts of real multipliers as int64 and int32 arrays."""
    pairs = [quantize_multiplier(float(r)) for r in np.atleast_1d(reals)]
    return np.array([m for m, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int32)


@inlined
def wrap32(value: Integer) -> Integer:
    """Return the low 32 bits as a signed number."""
    return np.int64(np.int32(value & 0xFFFFFFFF))


@inlined
def doubling_high_multiply(a: Integer, b: Integer) -> Integer:
    """Return the rounded high half of 2ab, for 32-bit a and b; the one overflow saturates."""
    if a == -2147483648 and b == -2147483648:
        return np.int64(2147483647)
    product = np.int64(a) * np.int64(b)
    nudge = np.int64(1073741824) if product >= 0 else np.int64(-1073741823)
    total = product + nudge
    quotient = total >> np.int64(31)  # C divides towards zero; the shift rounds down
    return quotient + (1 if (total < 0 and (total & np.int64(0x7FFFFFFF)) != 0) else 0)


@inlined
def rounding_shift_right(value: Integer, exponent: Integer) -> Integer:
    """Return value / 2**exponent, ties away from zero."""
    if exponent == 0:
        return np.int64(value)
    mask = (np.int64(1) << np.int64(exponent)) - np.int64(1)
    remainder = np.int64(value) & mask
    threshold = (mask >> np.int64(1)) + (1 if value < 0 else 0)
    return (np.int64(value) >> np.int64(exponent)) + (1 if remainder > threshold else 0)


@inlined
def scale_double(value: Integer, mantissa: Integer, shift: Integer) -> Integer:
    """Return value x multiplier with two roundings (`Rounding.DOUBLE`); 32-bit value."""
    left = shift if shift > 0 else 0
    right = -shift if shift < 0 else 0
    high = doubling_high_multiply(wrap32(np.int64(value) << np.int64(left)), mantissa)
    return rounding_shift_right(high, right)


@inlined
def scale_double_up(value: Integer, mantissa: Integer, shift: Integer) -> Integer:
    """Return value x multiplier with two roundings, the second half up (`Rounding.DOUBLE_UP`)."""
    left = shift if shift > 0 else 0
    right = -shift if shift < 0 else 0
    high = doubling_high_multiply(wrap32(np.int64(value) << np.int64(left)), mantissa)
    if right == 0:
        return high
    return (high + (np.int64(1) << np.int64(right - 1))) >> np.int64(right)


@inlined
def scale_single(value: Integer, mantissa: Integer, shift: Integer) -> Integer:
    """Return value x multiplier with one rounding shift, half up (`Rounding.SINGLE`)."""
    total = np.int64(31 - shift)
    return (np.int64(value) * np.int64(mantissa) + (np.int64(1) << (total - np.int64(1)))) >> total


@kernel
def scale_array(values: Array, mantissa: Integer, shift: Integer, rounding: Integer) -> Array:
    """Return int64 values, each a 32-bit number, times one multiplier under an integer rounding."""
    out = np.empty(values.size, np.int64)
    flat = values.ravel()
    for i in range(flat.size):
        v = np.int64(flat[i])
        if rounding == 0:
            out[i] = scale_double(v, mantissa, shift)
        elif rounding == 1:
            out[i] = scale_single(v, mantissa, shift)
        else:
            out[i] = scale_double_up(v, mantissa, shift)
    return out.reshape(values.shape)
