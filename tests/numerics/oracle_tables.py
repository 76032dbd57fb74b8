"""Real functions of integers: what float32 steps and tables make of them, one element at a time.

Written from the reference kernels' definitions; nothing here calls the code under test. A float64 with the value
of a float32 stands for it: `single` after every operation gives the rounding of float32.
"""

from __future__ import annotations

from math import exp, floor, isinf, isnan, log, sqrt
from typing import TYPE_CHECKING

from oracle_mac import RefusedError, clamp, decompose, half_away, single, truncated, wrap
from oracle_operators import INT16, double, exp_of_negative, high_multiply, left, newton, shift_away

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[float], float]
    Tables = tuple[list[int], list[int]]
    Quant = tuple[float, int]
    Limits = tuple[int, int]

SLACK = 2.0**-19  # relative and absolute error that the C library's float32 functions stay below


def to_int32(value: float) -> int:
    """A float as x86 converts it: what does not fit is the least integer."""
    return int(value) if -(2.0**31) <= value < 2.0**31 else -(2**31)


def rounded(value: float) -> float:
    """C's round."""
    return value if isinf(value) or isnan(value) else float(half_away(value))


def quantized(value: float, quant: Quant, limits: Limits) -> int:
    scale, zero = single(quant[0]), quant[1]
    return clamp(to_int32(rounded(single(value / scale))) + zero, *limits)


def dequantized(q: int, quant: Quant) -> float:
    return single(single(quant[0]) * single(float(q - quant[1])))


# --- tables ---------------------------------------------------------------------------------------------


def between(a: int, quant: list[Quant], function: Function, limits: Limits) -> Limits:
    """Least and greatest result of an 8-bit function that a float32 library may give."""
    (scale, _), (result, zero) = quant
    value = function(single(single(scale) * single(float(a - quant[0][1]))))
    slack = 0.0 if isinf(value) else abs(value) * SLACK + SLACK
    inverse = single(1 / single(result))
    ends = (to_int32(rounded(single(single(v) * inverse)) + zero) for v in (value - slack, value + slack))
    low, high = (clamp(end, *limits) for end in ends)
    return low, high


def entries(bounds: tuple[float, float], inverse: float, function: Function, precise: bool) -> list[int]:
    """513 entries from the first to the last argument, corrected by half of the error half-way; float32 or float64."""
    near = float if precise else single
    first, last = (near(b) for b in bounds)
    step, inverse = near(near(last - first) / 512), near(inverse)

    def at(x: float) -> float:
        return near(near(function(x)) * inverse)

    found = []
    for i in range(512):
        x = near(first + near(i * step))
        sample = rounded(at(x))
        between = rounded(near(near(at(near(first + near((i + 1) * step))) + sample) / 2))
        error = near(between - rounded(at(near(x + near(step / 2)))))
        found.append(near(sample - rounded(near(error / 2))))
    found.append(rounded(at(last)))
    return [int(clamp(v, *INT16)) for v in found]


def entries_between(quant: list[Quant], function: Function) -> list[int]:
    """The table of a 16-bit function, by scales and zero points."""
    (scale, zero), (result, zero_out) = [(single(s), z) for s, z in quant]
    bounds = single(scale * (-32768 - zero)), single(scale * (32767 - zero))
    span = single(single(result * (32767 - zero_out)) - single(result * (-32768 - zero_out)))
    return entries(bounds, single(65536 / span), function, precise=False)


def interpolated(table: list[int], value: int) -> int:
    index = 256 + (value >> 7)
    slope = wrap(table[index + 1] - table[index], 16)
    return wrap(table[index] + ((slope * (value & 127) + 64) >> 7), 16)


def logistic_input(scale: float, largest: int) -> tuple[int, int]:
    """Multiplier and right shift to 1 / (3 x 4096); `largest`: shift to the left that is done exactly."""
    exponent = log(single(scale)) / log(2)
    power = round(exponent)
    if abs(exponent - power) < 1e-3 and 0 <= power + 12 <= largest:
        return 3 << (power + 12), 0
    multiplier, shift = single(scale) * 4096 * 3, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    return int(multiplier), shift


def tabulated_tanh(a: int, table: list[int]) -> int:
    """Tanh of an input in 1 / (3 x 4096), in Q0.15, from the sigmoid table."""
    size = abs(a)
    at = size >> 8
    value = 0xFFFF << 8 if at >= 255 else (table[at] << 8) + (size & 0xFF) * (table[at + 1] - table[at])
    return (value - 2**23 + 128 if a >= 0 else 2**23 - value + 127) >> 8


# --- softmax --------------------------------------------------------------------------------------------


def softmax16(row: list[int], scale: float, beta: float, tables: Tables, scaled=double) -> list[int]:
    """`tables`: exp of [-10, 0] and 1 / (1 + x) of [0, 1], both in Q0.15."""
    mantissa, shift = decompose(single(single(scale) * single(beta)) / (10.0 / 65535.0))
    top = max(row)
    powers = [interpolated(tables[0], clamp(scaled(v - top, mantissa, shift) + 32767, *INT16)) for v in row]
    total = sum(powers)
    zeros = 32 - total.bit_length()
    position = ((total << (zeros - 1)) + 2**13) >> 14
    inverse = interpolated(tables[1], clamp(position - 2**15 - 2**16, *INT16))
    right = 31 - zeros
    return [clamp((p * inverse + (1 << (right - 1))) >> right, 0, 32767) for p in powers]


def softmax_tables() -> Tables:
    return entries((-10.0, 0.0), 32768.0, exp, precise=True), entries((0.0, 1.0), 32768.0, lambda v: 1 / (1 + v), True)


def log_softmax(row: list[int], scale: float, limits: Limits) -> list[int]:
    mantissa, shift = decompose(min(single(scale) * 2.0**26, 2**31 - 1.0))
    if shift < 0:
        raise RefusedError
    reach = floor(31 * 2**26 / 2**shift)
    top = max(row)
    counted = [double(v - top, mantissa, shift) for v in row if top - v <= reach]
    logs = logarithm(sum(shift_away(exp_of_negative(v, 5, 32), 12) for v in counted) % 2**32)
    least = max(-reach - 1, double(logs - 2**31, *decompose((1 << (31 - shift)) / mantissa)))
    found = []
    for v in row:
        value = shift_away(wrap(double(v - top, mantissa, shift) - logs, 32), 22) + limits[1]
        found.append(clamp(value, *limits) if v - top > least else limits[0])
    return found


def logarithm(value: int) -> int:
    """Natural logarithm of a value >= 1 in Q12, in Q5."""
    quarter, root_half = shift_away(536870912, 6), 1518500250
    zeros = 32 - value.bit_length()
    first = left(high_multiply(left(value, zeros - 1, 32), root_half), 1, 32)
    power = clamp(left(12 - zeros, 25, 32) + quarter, -(2**31), 2**31 - 1)
    room = 32 - high_multiply(value, root_half).bit_length() - 1
    second = left(value, room, 32)
    power = max(power, clamp(left(12 - room, 25, 32) - quarter, -(2**31), 2**31 - 1))
    r, root = min(first, second), 1805811301
    p = truncated(r + root + 1, 2)
    q = 2 * (r - root)
    square = high_multiply(q, q)
    numerator = high_multiply(q, r) + high_multiply(high_multiply(q, square), 117049297)
    inner = 1057819769 + q + high_multiply(127690142, square)
    inverse = left(newton(high_multiply(p, inner) + high_multiply(638450708, q), 32), 1, 32)
    return left(high_multiply(power, 1488522236) + high_multiply(shift_away(numerator, 6), inverse), 1, 32)


# --- images in float32 ----------------------------------------------------------------------------------


def real_place(position: int, size: int, wanted: int, corners: bool, half: bool) -> tuple[int, int, float]:
    """Lower and upper pixel, and the distance from the lower one."""
    step = single((size - 1) / (wanted - 1)) if corners and wanted > 1 else single(size / wanted)
    at = single(single(single(position + 0.5) * step) - 0.5) if half else single(position * step)
    low = max(floor(at), 0)
    high = min(-floor(-at), size - 1)
    return min(low, size - 1), max(high, 0), single(at - low)


def real_bilinear(image, y: int, x: int, c: int, size, mode: tuple[bool, bool], weights_first: bool = False) -> float:
    """The float32 mean of four pixels, before any rounding; `mode`: corners aligned, centres of pixels.

    A pixel is multiplied by one weight after the other, column by column; or by their product, row by row.
    """
    (y0, y1, fy), (x0, x1, fx) = (
        real_place(p, n, m, *mode) for p, n, m in zip((y, x), (len(image), len(image[0])), size, strict=True)
    )
    gy, gx = single(1 - fy), single(1 - fx)
    total = 0.0
    corners = [(y0, x0, gy, gx), (y1, x0, fy, gx), (y0, x1, gy, fx), (y1, x1, fy, fx)]
    for i, j, a, b in [corners[k] for k in (0, 2, 1, 3)] if weights_first else corners:
        pixel = image[i][j][c]
        total = single(total + (single(pixel * single(a * b)) if weights_first else single(single(pixel * a) * b)))
    return total


def nearest(position: int, size: int, wanted: int, corners: bool, half: bool) -> int:
    step = single((size - 1) / (wanted - 1)) if corners and wanted > 1 else single(size / wanted)
    at = single(single(position + (0.5 if half else 0.0)) * step)
    return clamp(half_away(at) if corners else floor(at), 0, size - 1)


# --- others ---------------------------------------------------------------------------------------------


def square_root(a: int, quant: list[Quant], limits: Limits) -> int:
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    if a < z1:
        raise RefusedError
    return clamp(to_int32(single(single(sqrt(single(s1 * (a - z1)))) / s2)) + z2, *limits)


def copied(a: int, quant: list[Quant], limits: Limits) -> int:
    """An operand of a concatenation in the result's scale."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    ratio = single(s1 * single(1 / s2))
    real = single(single(a * ratio) + single(-z1 * ratio))
    return clamp(int(rounded(real)) + z2, *limits)
