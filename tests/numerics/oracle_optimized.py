"""What LiteRT's optimized kernels on x86 and XNNPACK compute otherwise than the reference, in plain integers.

Written from their sources; a function returns None where the kernel leaves the operator to another.
"""

from __future__ import annotations

from math import frexp

from oracle_mac import clamp, decompose, double_up, half_even, single
from oracle_operators import double

VECTOR = 16
"""Elements that a vector step takes; the rest of a row is computed as by the reference."""


def ruy_scaled(value: int, position: int, length: int, real: float) -> int:
    """Half up in whole vectors of a row."""
    if position < length // VECTOR * VECTOR:
        return double_up(value, real)
    return double(value, *decompose(real))


def ruy_conversion(row: list[int], quant, limits) -> list[int]:
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    return [clamp(ruy_scaled(v - z1, i, len(row), s1 / s2) + z2, *limits) for i, v in enumerate(row)]


def ruy_addition(pairs: list[tuple[int, int]], quant, limits) -> list[int] | None:
    """int8 operands of one shape."""
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    twice = 2 * max(s1, s2)
    first, second = decompose(s1 / twice), decompose(s2 / twice)
    last = decompose(twice / single(2**20 * s3))
    if min(first[1], second[1]) < -20:
        return None
    found = []
    for i, (a, b) in enumerate(pairs):
        whole = i < len(pairs) // VECTOR * VECTOR
        terms = [
            double(v << (20 + shift), mantissa, 0) if whole else double(v << 20, mantissa, shift)
            for v, (mantissa, shift) in ((a - z1, first), (b - z2, second))
        ]
        found.append(clamp(double(sum(terms), *last) + z3, *limits))
    return found


def ruy_mean(sums: list[int], count: int, quant, limits) -> list[int]:
    """Means over the rows and columns of an image for its channels; the zero points are rounded alone."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    real = single(s1 / single(count * s2))
    shift = single(single(z1 * s1) / s2)
    offset = z2 - int(single(shift + (0.5 if shift > 0 else -0.5)))
    return [clamp(ruy_scaled(v, i, len(sums), real) + offset, *limits) for i, v in enumerate(sums)]


# --- XNNPACK --------------------------------------------------------------------------------------------


def xnn_addition(a: int, b: int, quant, sign: int, limits) -> int | None:
    """Multipliers of 21 bits for the larger ratio, one shift, half up."""
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    ratios = single(s1 / s3), single(s2 / s3)
    if not (min(ratios) >= 2.0**-10 and max(ratios) < 2.0**8):
        return None
    shift = 20 - (frexp(max(ratios))[1] - 1)
    first, second = (half_even(r * 2.0**shift) for r in ratios)
    total = (a - z1) * first + sign * (b - z2) * second
    return clamp(((total + (1 << (shift - 1))) >> shift) + z3, *limits)


def xnn_product(a: int, b: int, quant, limits) -> int | None:
    (s1, z1), (s2, z2), (s3, z3) = [(single(s), z) for s, z in quant]
    scale = single(single(s1 * s2) / s3)
    if not 2.0**-16 <= scale < 2.0**8:
        return None
    return clamp(half_even(single(float((a - z1) * (b - z2)) * scale)) + z3, *limits)


def xnn_sum(values: list[int], quant, limits, divide: bool) -> int:
    """The sum, or the mean, scaled in float32; what the zero points leave is added before it rounds."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    scale, count = single(s1 / s2), len(values)
    if divide:
        scale = single(scale * single(1 / count))
    offset = single(z2 - single(single(count * z1) * scale))
    return clamp(half_even(single(single(single(sum(values)) * scale) + offset)), *limits)


def xnn_conversion(a: int, alpha: float, quant, limits) -> int | None:
    """Eight bits after the point, half up; `alpha` scales what is negative."""
    (s1, z1), (s2, z2) = [(single(s), z) for s, z in quant]
    ratio = single(s1 / s2)
    slope = single(single(alpha) * ratio)
    if not (2.0**-8 <= ratio <= 2.0**7 and abs(slope) <= 2.0**7):
        return None
    value = a - z1
    multiplier = half_even(256 * (ratio if value >= 0 else slope))
    return clamp(((value * multiplier + 128) >> 8) + z2, *limits)


def xnn_bilinear(image, y: int, x: int, c: int, size, corners: bool, half: bool) -> int:
    """Weights of 11 bits, rounded once, half up."""
    (y0, y1, fy), (x0, x1, fx) = (
        _place(p, n, m, corners, half) for p, n, m in zip((y, x), (len(image), len(image[0])), size, strict=True)
    )
    top, bottom = (image[r][x0][c] * (2048 - fx) + image[r][x1][c] * fx for r in (y0, y1))
    return (top * (2048 - fy) + bottom * fy + 2**21) >> 22


def _place(position: int, size: int, wanted: int, corners: bool, half: bool) -> tuple[int, int, int]:
    step = single((size - 1) / (wanted - 1)) if corners and wanted > 1 else single(size / wanted)
    at = single(position * step)
    if half:
        at = single(at + single(single(0.5 * step) - 0.5))
    at = clamp(at, 0.0, float(size - 1))
    low = int(at)
    return low, min(low + 1, size - 1), half_even(single(single(at - low) * 2048))
