"""Element-wise, pooling, resizing and normalising operators in plain Python integers, one element at a time.

Written from the reference kernels' definitions; nothing here calls the code under test. Python's integers
are wider than any of the kernels', so every place where a kernel wraps or saturates says so.
"""

from __future__ import annotations

from itertools import product
from math import sqrt

from oracle_mac import RefusedError, clamp, decompose, half_away, high_multiply, shift_away, single, truncated, wrap

INT8, UINT8, INT16 = (-128, 127), (0, 255), (-32768, 32767)


# --- multipliers ----------------------------------------------------------------------------------------


def double(x: int, mantissa: int, shift: int) -> int:
    return shift_away(high_multiply(wrap(x << max(shift, 0), 32), mantissa), max(-shift, 0))


def one_rounding(x: int, mantissa: int, shift: int) -> int:
    return (x * mantissa + (1 << (30 - shift))) >> (31 - shift)


def scaled(x: int, real: float, scale=double) -> int:
    return scale(x, *decompose(real))


# --- arithmetic -----------------------------------------------------------------------------------------


def addition(a, b, quant, sign, limits, bits, scale=double) -> int:
    """`quant`: (scale, zero point) of both operands and the result."""
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    left = 20 if bits == 8 else 15
    twice = 2 * max(s1, s2)
    x = scaled((a - z1) << left, s1 / twice, scale)
    y = scaled((b - z2) << left, s2 / twice, scale)
    total = scaled(x + sign * y, twice / single((1 << left) * s3), scale)
    return clamp(total + z3, *limits)


def shifted_addition(a, b, exponents, sign, limits) -> int:
    """16-bit operands whose scales are powers of two, given as exponents; no zero points."""
    x = shift_away(a, exponents[2] - exponents[0])
    y = shift_away(b, exponents[2] - exponents[1])
    return clamp(clamp(x + sign * y, *INT16), *limits)


def multiplication(a, b, quant, limits, scale=double) -> int:
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    real = single(single(s1 * s2) / s3)
    return clamp(scaled((a - z1) * (b - z2), real, scale) + z3, *limits)


def squared_difference(a, b, quant, limits, scale=double) -> int:
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    twice = 2 * max(s1, s2)
    d = scaled((a - z1) << 7, s1 / twice, scale) - scaled((b - z2) << 7, s2 / twice, scale)
    return clamp(scaled(wrap(d * d, 32), twice * twice / single((1 << 14) * s3), scale) + z3, *limits)


def division(a, b, quant, limits) -> int:
    """By a fixed-point reciprocal; shifts that C leaves undefined as x86 and Arm do them."""
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    product = single(s2 * s3)
    if not product:
        raise RefusedError
    mantissa, shift = decompose(single(s1 / product))
    numerator, divisor = a - z1, b - z2
    if divisor < 0:
        numerator, divisor = -numerator, -divisor
    zeros = 32 - divisor.bit_length()
    inverse = left(newton(wrap((divisor << zeros) - 2**31, 32), 32), 1, 32)
    room = 32 - (numerator if numerator >= 0 else -2 * numerator - 1).bit_length() - (numerator >= 0)
    value = high_multiply(high_multiply(numerator << room, inverse), mantissa)
    right = 31 - zeros + room - shift
    value = shift_away(value, right) if 0 <= right < 32 else (value >> (right & 31)) + (value >= 0)
    return clamp(value + z3, *limits)


def compared(a, b, quant, scale=double) -> tuple[int, int]:
    """Both operands as reals with eight more bits."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    return scaled((a - z1) << 8, s1, scale), scaled((b - z2) << 8, s2, scale)


def magnitude(a, quant, limits, scale=double) -> int:
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    value = abs(a - z1)
    return clamp((value if s1 == s2 else scaled(value, single(s1 / s2), scale)) + z2, *limits)


def inverse_square_root(a, quant, scale=double) -> int:
    """int8."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    mantissa, shift = decompose(1 / single(single(sqrt(s1)) * s2))
    if a < z1:
        raise RefusedError
    if a == z1:
        return INT8[1]
    root, right = inverse_root(a - z1)
    value = scale(1, root, 20 - right)
    return clamp((scale(value, mantissa, shift - 20) if shift >= -11 else 0) + z2, *INT8)


def prelu(a, b, quant, limits, scale=double) -> int:
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    flat, steep = decompose(single(s1 / s3)), decompose(single(single(s1 * s2) / s3))
    value = scale(a - z1, *flat) if a >= z1 else scale((a - z1) * (b - z2), *steep)
    return clamp(value + z3, *limits)


def leaky_relu(a, alpha, quant, limits, scale=double) -> int:
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    alpha = single(alpha)
    flat, steep = decompose(single(s1 / s2)), decompose(single(single(s1 * abs(alpha)) / s2))
    if a >= z1:
        return clamp(scale(a - z1, *flat) + z2, *limits)
    value = scale(a - z1, *steep)
    return clamp((-value if alpha < 0 else value) + z2, *limits)


def requantized(a, quant, limits, scale=double) -> int:
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    return clamp(scaled(a - z1, s1 / s2, scale) + z2, *limits)


def relu(a, quant, bounds, limits, scale=double) -> int:
    """`bounds`: as reals, None for none."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    bottom = max(limits[0], z2 + half_away(single(bounds[0] / s2)))
    top = limits[1] if bounds[1] is None else min(limits[1], z2 + half_away(single(bounds[1] / s2)))
    return min(max(scaled(a - z1, single(s1 / s2), scale) + z2, bottom), top)


def hard_swish(a, quant, limits) -> int:
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    fine = single(s1 / 128)
    out_m, out_shift = decompose(single(fine / s2))
    gate_m, gate_shift = decompose(single(fine / single(3 / 32768)))
    if out_shift > 0:
        raise RefusedError
    x = wrap((a - z1) * 128, 16)
    y = clamp(x << max(gate_shift - 1, 0), *INT16)
    y = high16(y, half_mantissa(gate_m))
    y = clamp(y << 1, *INT16) if gate_shift > 0 else shift_away(y, -gate_shift)
    y = (y + 32768) >> 1
    product = min(truncated(y * high16(x, half_mantissa(out_m)), 2**15), 32767)
    return clamp(shift_away(product, -out_shift) + z2, *limits)


def half_mantissa(m: int) -> int:
    return 0x7FFF if m >= 0x7FFFFFFF - 0x8000 else (m + 0x8000) >> 16


def high16(a: int, b: int) -> int:
    if a == b == -32768:
        return 32767
    ab = a * b
    return truncated(ab + (2**14 if ab >= 0 else 1 - 2**14), 2**15)


# --- windows and images ---------------------------------------------------------------------------------


def pool(image, y, x, c, window, average, limits) -> int:
    """One element; `window`: (rows, columns), (steps), (top, left); bytes without sign round halves up."""
    (rows, columns), (step_y, step_x), (top, left) = window
    y0, x0 = y * step_y - top, x * step_x - left
    inside = [
        image[iy][ix][c]
        for iy, ix in product(range(y0, y0 + rows), range(x0, x0 + columns))
        if 0 <= iy < len(image) and 0 <= ix < len(image[0])
    ]
    if not average:
        return clamp(max(inside), *limits)
    total, n = sum(inside), len(inside)
    return clamp(truncated(total + n // 2 if total > 0 else total - n // 2, n), *limits)


def mean(values, quant, limits, divide=True, scale=double) -> int:
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    mantissa, shift = decompose(s1 / s2)
    n = len(values)
    if divide:
        more = min(n.bit_length() - 1, 32, 31 + shift)
        mantissa, shift = (mantissa << more) // n, shift - more
    return clamp(scale(wrap(sum(values) - n * z1, 32), mantissa, shift) + z2, *limits)


def real_sum(values, quant, limits) -> int:
    """A sum as optimized kernels scale it, in float32."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    ratio = single(s1 / s2)
    bias = single(single(-z1 * ratio) * len(values))
    return clamp(half_away(single(single(sum(values) * ratio) + bias)) + z2, *limits)


def bilinear(image, y, x, c, size, corners, half, up=False) -> int:
    """One element of an int8 image resized to `size`."""
    (y0, y1, fy), (x0, x1, fx) = (
        coordinate(p, n, m, corners, half) for p, n, m in zip((y, x), (len(image), len(image[0])), size, strict=True)
    )
    total = (
        image[y0][x0][c] * (1024 - fy) * (1024 - fx)
        + image[y1][x0][c] * fy * (1024 - fx)
        + image[y0][x1][c] * (1024 - fy) * fx
        + image[y1][x1][c] * fy * fx
    )
    if up:
        return (total + 2**19) >> 20
    return truncated(total + (2**19 if total > 0 else -(2**19)), 2**20)


def coordinate(position, size, wanted, corners, half) -> tuple[int, int, int]:
    step = (1024 * size + wanted // 2) // wanted
    if corners and wanted > 1:
        step = (1024 * (size - 1) + (wanted - 1) // 2) // (wanted - 1)
    at = position * step + (step // 2 - 512 if half else 0)
    low = max(truncated(at, 1024), 0)
    high = min(truncated(at + 1023, 1024), size - 1)
    return low, high, at - 1024 * low


# --- transcendental functions ---------------------------------------------------------------------------

EXP_STEPS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))


def multiply(a: int, b: int, bits: int) -> int:
    return high_multiply(a, b) if bits == 32 else high16(a, b)


def constant(value: int, bits: int) -> int:
    return shift_away(value, 32 - bits)


def limits_of(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def left(value: int, shift: int, bits: int) -> int:
    return clamp(value << shift, *limits_of(bits))


def exp_of_negative(a: int, integer_bits: int, bits: int) -> int:
    """exp(a) in Q0 for a <= 0."""
    if a == 0:
        return limits_of(bits)[1]
    fraction = bits - 1 - integer_bits
    quarter = 1 << (fraction - 2)
    low = (a & (quarter - 1)) - quarter
    x = left(low, integer_bits, bits) + (1 << (bits - 4))
    x2 = multiply(x, x, bits)
    x3, x4 = multiply(x2, x, bits), multiply(x2, x2, bits)
    third = multiply(shift_away(x4, 2) + x3, constant(715827883, bits), bits)
    first = constant(1895147668, bits)
    result = clamp(first + multiply(first, x + shift_away(third + x2, 1), bits), *limits_of(bits))
    for exponent, factor in EXP_STEPS:
        if integer_bits > exponent and (low - a) & (1 << (fraction + exponent)):
            result = multiply(result, constant(factor, bits), bits)
    return 0 if integer_bits > 5 and a < constant(-(1 << (36 - integer_bits)), bits) else result


def newton(a: int, bits: int) -> int:
    """2 / (1 + a) in Q2."""
    half = truncated(a + limits_of(bits)[1] + 1, 2)
    x = constant(1515870810, bits) + multiply(half, constant(-1010580540, bits), bits)
    for _ in range(3):
        x += left(multiply(x, (1 << (bits - 3)) - multiply(half, x, bits), bits), 2, bits)
    return x


def logistic(a: int, integer_bits: int, bits: int) -> int:
    one = limits_of(bits)[1]
    if a == 0:
        return 1 << (bits - 2)
    negative = a if a < 0 else -a
    positive = left(newton(exp_of_negative(negative, integer_bits, bits), bits), 1, bits)
    return positive if a > 0 else one - positive


def tanh(a: int, integer_bits: int, bits: int) -> int:
    if a == 0:
        return 0
    negative = a if a < 0 else -a
    t = left(newton(exp_of_negative(negative, integer_bits + 1, bits), bits) - (1 << (bits - 3)), 2, bits)
    return -t if a < 0 else t


def softmax(row: list[int], scale: float, beta: float, limits: tuple[int, int], scale_by=double) -> list[int]:
    single_rounding = scale_by is one_rounding
    mantissa, shift = decompose(min(beta * single(scale) * 2**26, 2.0 ** (30 if single_rounding else 31) - 1.0))
    if shift < 0:
        raise RefusedError
    reach = 31 * 2**26 // 2**shift
    top = max(row)
    powers = [exp_of_negative(scale_by(v - top, mantissa, shift), 5, 32) if top - v <= reach else None for v in row]
    total = sum(shift_away(p, 12) for p in powers if p is not None) % 2**32
    zeros = 32 - total.bit_length()
    inverse = left(newton(wrap((total << zeros) - 2**31, 32), 32), 1, 32)
    right = 12 - zeros + 31 - 8
    low, high = limits
    return [low if p is None else clamp(shift_away(high_multiply(inverse, p), right) + low, low, high) for p in powers]


def inverse_root(value: int) -> tuple[int, int]:
    """Mantissa and right shift of 1 / sqrt(value)."""
    if value <= 1:
        return 2**31 - 1, 0
    shift = 11
    while value >= 2**29:
        value, shift = value // 4, shift + 1
    pairs = (31 - value.bit_length()) // 2 - 1
    value, shift = value << 2 * pairs, shift - pairs
    half, x = shift_away(value >> 1, 1), 2**28
    for _ in range(5):
        cube = left(high_multiply(high_multiply(x, x), x), 6, 32)
        x = left(high_multiply(2**28 + 2**27, x) - high_multiply(half, cube), 3, 32)
    x = high_multiply(x, 1518500250)
    return (x << -shift, 0) if shift < 0 else (x, shift)


def l2_normalized(row: list[int], zero: int, limits: tuple[int, int]) -> list[int]:
    """A row in 1/128."""
    mantissa, right = inverse_root(sum((v - zero) ** 2 for v in row))
    if limits == UINT8:
        return [clamp(double(128 * (v - zero), mantissa, -right) + 128, *limits) for v in row]
    return [clamp(double(v - zero, mantissa, 7 - right), *limits) for v in row]


def sigmoid_by_table(a: int, table: list[int]) -> int:
    """Sigmoid of an input in 1 / (3 x 4096), in Q0.15."""
    size = abs(a)
    at = size >> 9
    value = 0x7FFF << 10 if at >= 255 else (table[at] << 9) + (size & 0x1FF) * (table[at + 1] - table[at])
    return (value + 512 if a >= 0 else (1 << 25) - value + 511) >> 10
