"""Multiply-accumulate operators in plain Python integers, written from the reference kernels' definitions.

Every function loops over elements as the definition reads; nothing here calls the code under test.
"""

from __future__ import annotations

import struct
from itertools import product
from math import copysign, frexp, inf, isfinite


class RefusedError(Exception):
    """No kernel defines what is asked for."""


def wrap(value: int, bits: int) -> int:
    """Two's complement of the low bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def single(value: float) -> float:
    """The nearest float32; an infinity beyond the greatest."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return copysign(inf, value)


def truncated(numerator: int, denominator: int) -> int:
    """Division towards zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def half_away(value: float) -> int:
    """The nearest integer, ties away from zero."""
    whole = int(abs(value))
    whole += abs(value) - whole >= 0.5
    return whole if value >= 0 else -whole


def half_even(value: float) -> int:
    return round(value)  # Python's own rule


def decompose(real: float) -> tuple[int, int]:
    """Mantissa in Q31 and left shift; kernels shift left by 30 at most."""
    if not isfinite(real):
        raise RefusedError
    if real == 0:
        return 0, 0
    fraction, exponent = frexp(real)
    mantissa = half_away(fraction * 2**31)
    if mantissa == 2**31:
        mantissa, exponent = 2**30, exponent + 1
    if exponent > 30:
        raise RefusedError
    return (0, 0) if exponent < -31 else (mantissa, exponent)


def high_multiply(a: int, b: int) -> int:
    """Rounded high half of 2ab."""
    if a == b == -(2**31):
        return 2**31 - 1
    ab = a * b
    return truncated(ab + (2**30 if ab >= 0 else 1 - 2**30), 2**31)


def shift_away(value: int, shift: int) -> int:
    """value / 2**shift, ties away from zero."""
    mask = (1 << shift) - 1
    remainder = value & mask
    return (value >> shift) + (remainder > (mask >> 1) + (value < 0))


def double(acc: int, real: float) -> int:
    mantissa, shift = decompose(real)
    high = high_multiply(wrap(acc << max(shift, 0), 32), mantissa)
    return shift_away(high, max(-shift, 0))


def double_up(acc: int, real: float) -> int:
    mantissa, shift = decompose(real)
    high = high_multiply(wrap(acc << max(shift, 0), 32), mantissa)
    right = max(-shift, 0)
    return (high + (1 << (right - 1))) >> right if right else high


def single_rounding(acc: int, real: float) -> int:
    mantissa, shift = decompose(real)
    total = 31 - shift
    return (acc * mantissa + (1 << (total - 1))) >> total


def wide(acc: int, real: float) -> int:
    """64-bit accumulators."""
    mantissa, shift = decompose(real)
    reduced = (mantissa + 2**15) >> 16 if mantissa < 0x7FFF0000 else 0x7FFF
    total = 15 - shift
    if total < 1:
        raise RefusedError
    return (acc * reduced + (1 << (total - 1))) >> total


def float_even(acc: int, scale: float) -> int:
    return half_even(clamp(single(single(float(acc)) * scale), -(2.0**31), 2.0**31))


def real_double(left: float, right: float, result: float) -> float:
    return single(left) * single(right) / single(result)


def real_product_single(left: float, right: float, result: float) -> float:
    return single(single(left) * single(right)) / single(result)


def real_single(left: float, right: float, result: float) -> float:
    return single(single(single(left) * single(right)) / single(result))


def clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def activation_limits(activation: str, scale: float, zero: int, limits: tuple[int, int]) -> tuple[int, int]:
    """What a fused activation leaves of the range of a type."""
    bounds = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}.get(activation, (None, None))
    low, high = (None if b is None else zero + half_away(single(b / scale)) for b in bounds)
    return limits[0] if low is None else max(limits[0], low), limits[1] if high is None else min(limits[1], high)


def convolution(image, weights, zero, weight_zero, bias, geometry, groups, size, bits=32):  # noqa: PLR0917
    """Accumulators {(b, y, x, o): int} of nested lists image[b][y][x][c] and weights[o][ky][kx][i]."""
    (sh, sw), (dh, dw), (top, left) = geometry
    per_group, inner = len(weights) // groups, len(weights[0][0][0])
    found = {}
    for b, y, x, o in product(range(len(image)), range(size[0]), range(size[1]), range(len(weights))):
        first = (o // per_group) * inner
        total = bias[o]
        for ky, kx in product(range(len(weights[0])), range(len(weights[0][0]))):
            iy, ix = y * sh - top + ky * dh, x * sw - left + kx * dw
            if not (0 <= iy < len(image[0]) and 0 <= ix < len(image[0][0])):
                continue
            for i in range(inner):
                total += (image[b][iy][ix][first + i] - zero) * (weights[o][ky][kx][i] - weight_zero[o])
        found[b, y, x, o] = wrap(total, bits)
    return found


def transpose_convolution(image, weights, zero, weight_zero, bias, geometry, size, bits=32):
    """Accumulators of weights[o][ky][kx][c] that every pixel spreads."""
    (sh, sw), _, (top, left) = geometry
    indices = product(range(len(image)), range(size[0]), range(size[1]), range(len(weights)))
    found = {(b, y, x, o): bias[o] for b, y, x, o in indices}
    pixels = product(range(len(image)), range(len(image[0])), range(len(image[0][0])), range(len(weights)))
    for b, iy, ix, o in pixels:
        for ky, kx in product(range(len(weights[0])), range(len(weights[0][0]))):
            key = (b, iy * sh - top + ky, ix * sw - left + kx, o)
            if key in found:
                found[key] += sum(
                    (v - zero) * (w - weight_zero[o]) for v, w in zip(image[b][iy][ix], weights[o][ky][kx], strict=True)
                )
    return {key: wrap(total, bits) for key, total in found.items()}


def matrix_product(left, right, zero, right_zero, bias, bits=32):
    """Accumulators of left[m][k] and right[k][n]."""
    columns = range(len(right[0]))
    return {
        (m, n): wrap(bias[n] + sum((a - zero) * (right[k][n] - right_zero[n]) for k, a in enumerate(row)), bits)
        for m, row in enumerate(left)
        for n in columns
    }
