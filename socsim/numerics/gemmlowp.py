"""Transcendental functions in fixed point, element by element over int64 arrays.

Numbers are raw integers of `bits` (32 or 16) with a given count of integer bits; the other bits below the
sign are the fraction. Only integer products, shifts and roundings occur, so that every machine agrees.

Source: google/gemmlowp fixedpoint/fixedpoint.h; the logarithm and the inverse square root: TFLite
kernels/internal/common.h, log_x_for_x_greater_than_or_equal_to_1 and GetInvSqrtQuantizedMultiplierExp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array

_EXP_STEPS = (  # (exponent e, exp(-2**e) as Q0.31)
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242),
)  # fmt: skip


def wrap(values: Array, bits: int) -> Array:
    """Return the low `bits` of each value as a signed number."""
    low: Array = values.astype(np.int32 if bits == 32 else np.int16).astype(np.int64)
    return low


def saturate(values: Array, bits: int) -> Array:
    """Return values clamped to `bits`."""
    return np.clip(values, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def rounding_shift(values: Array | np.int64, exponent: Array | int) -> Array:
    """Return values / 2**exponent, ties away from zero; an exponent may be an array."""
    e = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << e) - np.int64(1)
    remainder = values & mask
    threshold = (mask >> np.int64(1)) + (values < 0)
    shifted: Array = (values >> e) + (remainder > threshold)
    return shifted


def machine_rounding_shift(values: Array, exponent: Array) -> Array:
    """Return 32-bit values / 2**exponent, ties away from zero, as processors do it for any exponent.

    Exponents outside 0 to 31 are undefined in C; x86 and Arm shift by the low five bits, and the mask of
    the remainder has all bits set.
    """
    defined = (exponent >= 0) & (exponent <= 31)
    beyond = (values >> (exponent & 31)) + (values >= 0)
    return np.where(defined, rounding_shift(values, np.where(defined, exponent, 0)), beyond)


def high_product(a: Array | int, b: Array | int, bits: int = 32) -> Array:
    """Return the rounded high half of 2ab; the one overflow saturates."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    half = np.int64(1 << (bits - 2))
    total = product + np.where(product >= 0, half, np.int64(1) - half)
    quotient = np.where(total < 0, -(-total >> np.int64(bits - 1)), total >> np.int64(bits - 1))
    return np.minimum(quotient, (1 << (bits - 1)) - 1)


def shift_left(values: Array, exponent: Array | int, bits: int = 32) -> Array:
    """Return values x 2**exponent, saturated."""
    e = np.asarray(exponent, np.int64)
    threshold = (np.int64(1) << (np.int64(bits - 1) - e)) - np.int64(1)
    shifted = np.where(values > threshold, np.int64((1 << (bits - 1)) - 1), wrap(values << e, bits))
    return np.where(values < -threshold, np.int64(-(1 << (bits - 1))), shifted)


def _constant(value: int, bits: int) -> int:
    return int(rounding_shift(np.int64(value), 32 - bits)) if bits < 32 else value


def _exp_small(a: Array, bits: int) -> Array:
    """Return exp of Q0 values in [-1/4, 0)."""
    x = a + np.int64(1 << (bits - 4))
    x2 = high_product(x, x, bits)
    x3 = high_product(x2, x, bits)
    x4 = high_product(x2, x2, bits)
    third = high_product(rounding_shift(x4, 2) + x3, _constant(715827883, bits), bits)
    series = rounding_shift(third + x2, 1)
    constant = _constant(1895147668, bits)
    total = constant + high_product(constant, x + series, bits)
    return saturate(total, bits) if bits == 16 else wrap(total, bits)


def exp_of_negative(a: Array, integer_bits: int, bits: int = 32) -> Array:
    """Return exp(a) in Q0 for a <= 0."""
    fraction = bits - 1 - integer_bits
    quarter = np.int64(1 << (fraction - 2))
    low = (a & (quarter - 1)) - quarter
    result = _exp_small(shift_left(low, integer_bits, bits), bits)
    rest = wrap(low - a, bits)
    for exponent, multiplier in _EXP_STEPS:
        if integer_bits > exponent:
            bit = rest & np.int64(1 << (fraction + exponent))
            result = np.where(bit != 0, high_product(result, _constant(multiplier, bits), bits), result)
    if integer_bits > 5:
        clamp = _constant(-(1 << (36 - integer_bits)), bits)
        result = np.where(a < clamp, np.int64(0), result)
    return np.where(a == 0, np.int64((1 << (bits - 1)) - 1), result)


def _newton_division(a: Array, bits: int) -> Array:
    """Return 2 / (1 + a) in Q2 for a in [0, 1] in Q0."""
    one = np.int64((1 << (bits - 1)) - 1)
    total = a + one
    half = np.where(total >= 0, (total + 1) >> np.int64(1), -((1 - total) >> np.int64(1)))
    x = _constant(1515870810, bits) + high_product(half, _constant(-1010580540, bits), bits)
    unit = np.int64(1 << (bits - 3))
    for _ in range(3):
        error = unit - high_product(half, x, bits)
        x = x + shift_left(high_product(x, error, bits), 2, bits)
    return x


def one_over_one_plus(a: Array, bits: int = 32) -> Array:
    """Return 1 / (1 + a) in Q0 for a in [0, 1] in Q0."""
    return shift_left(_newton_division(a, bits), 1, bits)


def logistic(a: Array, integer_bits: int, bits: int = 32) -> Array:
    """Return 1 / (1 + exp(-a)) in Q0."""
    magnitude = np.where(a > 0, a, wrap(-a, bits))
    positive = one_over_one_plus(exp_of_negative(wrap(-magnitude, bits), integer_bits, bits), bits)
    negative = np.int64((1 << (bits - 1)) - 1) - positive
    return np.where(a == 0, np.int64(1 << (bits - 2)), np.where(a > 0, positive, negative))


def tanh(a: Array, integer_bits: int, bits: int = 32) -> Array:
    """Return the hyperbolic tangent in Q0."""
    negative = np.where(a < 0, a, wrap(-a, bits))
    x = _newton_division(exp_of_negative(negative, integer_bits + 1, bits), bits)
    t = shift_left(wrap(x - np.int64(1 << (bits - 3)), bits), 2, bits)
    return np.where(a == 0, np.int64(0), np.where(a < 0, -t, t))


def leading_zeros(values: Array) -> Array:
    """Return the leading zero bits of each value read as 32 unsigned bits."""
    unsigned = values.astype(np.int64) & np.int64(0xFFFFFFFF)
    _, exponent = np.frexp(unsigned.astype(np.float64))  # exact below 2**53
    zeros: Array = 32 - exponent.astype(np.int64)
    return zeros


def reciprocal(values: Array, integer_digits: int) -> tuple[Array, Array]:
    """Return 1 / x in Q0 of x scaled to [1, 2), and the bits of x above one."""
    zeros = leading_zeros(values)
    fraction = wrap((values << zeros) - np.int64(1 << 31), 32)
    return one_over_one_plus(fraction), integer_digits - zeros


def inverse_square_root(value: int) -> tuple[int, int]:
    """Return (mantissa, right shift) of 1 / sqrt(value) for value >= 0; 0 counts as 1."""
    if value <= 1:
        return 2**31 - 1, 0
    shift = 11
    while value >= 1 << 29:
        value //= 4
        shift += 1
    pairs = (31 - value.bit_length()) // 2 - 1
    shift -= pairs
    value <<= 2 * pairs
    x = _inverse_root_newton(np.int64(value >> 1))
    mantissa = int(high_product(x, 1518500250))
    return (mantissa << -shift, 0) if shift < 0 else (mantissa, shift)


def _inverse_root_newton(value: np.int64) -> Array:
    """Return 1 / sqrt(value) in Q3 after five steps from 1."""
    half_input = rounding_shift(np.asarray(value, np.int64), 1)
    x = np.asarray(np.int64(1 << 28))
    for _ in range(5):
        cube = shift_left(high_product(high_product(x, x), x), 6)
        x = shift_left(high_product((1 << 28) + (1 << 27), x) - high_product(half_input, cube), 3)
    return x


def logarithm(values: Array, integer_bits: int, result_bits: int) -> Array:
    """Return the natural logarithm of values >= 1, with `result_bits` integer bits."""
    accumulator = result_bits + 1
    quarter = rounding_shift(np.int64(536870912), accumulator)
    root = 1518500250  # sqrt(1/2)
    zeros = leading_zeros(values)
    first = shift_left(high_product(shift_left(values, zeros - 1), root), 1)
    power = saturate(shift_left(integer_bits - zeros, 31 - accumulator) + quarter, 32)
    headroom = leading_zeros(high_product(values, root)) - 1
    second = shift_left(values, headroom)
    power2 = saturate(shift_left(integer_bits - headroom, 31 - accumulator) - quarter, 32)
    series = _log_series(np.minimum(first, second))
    product = high_product(rounding_shift(series[0], accumulator), series[1])
    return shift_left(wrap(high_product(np.maximum(power, power2), 1488522236) + product, 32), 1)


def _log_series(r: Array) -> tuple[Array, Array]:
    """Return numerator and inverse denominator of the rational approximation about the fourth root of 1/2."""
    root = np.int64(1805811301)
    total = r + root
    p = np.where(total >= 0, (total + 1) >> np.int64(1), -((1 - total) >> np.int64(1)))
    q = wrap(2 * wrap(r - root, 32), 32)
    square = high_product(q, q)
    numerator = high_product(q, r) + high_product(high_product(q, square), 117049297)
    inner = wrap(1057819769 + q + high_product(127690142, square), 32)
    denominator = high_product(p, inner) + high_product(638450708, q)
    return wrap(numerator, 32), one_over_one_plus(wrap(denominator, 32))
