"""ONNX Runtime's quantized operators on exact fractions, written from their definitions.

Every function works on one element; nothing here calls the code under test. `Fraction` rounds half to even.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import ceil, exp, floor, log

HALF = Fraction(1, 2)
GREATEST = (2.0 - 2.0**-23) * 2.0**127
RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535)}


def single(value: Fraction | float) -> Fraction:
    """The nearest float32, ties to even, without overflow."""
    exact = Fraction(value)
    if not exact:
        return exact
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    exponent -= abs(exact) < Fraction(2) ** exponent
    step = Fraction(2) ** max(exponent - 23, -149)
    return round(exact / step) * step


def clamp(value, low, high):
    return min(max(value, low), high)


def quantize(value: Fraction, scale: Fraction, zero: int, dtype: str) -> int:
    low, high = RANGES[dtype]
    return round(clamp(single(value / scale), low - zero, high - zero)) + zero


def dequantize(q: int, scale: Fraction, zero: int) -> Fraction:
    return single(single(Fraction(q - zero)) * scale)


def requantize(accumulator: int, multiplier: Fraction, zero: int, dtype: str) -> int:
    low, high = RANGES[dtype]
    return round(clamp(single(single(Fraction(accumulator)) * multiplier), low - zero, high - zero)) + zero


def product_multiplier(left: Fraction, right: Fraction, result: Fraction) -> Fraction:
    return single(single(left * right) / result)


def total(a: tuple[int, Fraction, int], b: tuple[int, Fraction, int], result: tuple[Fraction, int], dtype: str) -> int:
    """Sum of two (value, scale, zero point); each product is added with one rounding."""
    ratio_a, ratio_b = (single(scale / result[0]) for _, scale, _ in (a, b))
    fixed = single(result[1] - single(ratio_a * a[2] + single(ratio_b * b[2])))
    value = single(a[0] * ratio_a + single(b[0] * ratio_b + fixed))
    return clamp(round(value), *RANGES[dtype])


def times(a: tuple[int, Fraction, int], b: tuple[int, Fraction, int], result: tuple[Fraction, int], dtype: str) -> int:
    ratio = product_multiplier(a[1], b[1], result[0])
    value = single(single((a[0] - a[2]) * (b[0] - b[2]) * ratio) + result[1])
    return clamp(round(value), *RANGES[dtype])


def global_average(values: list[int], scales: tuple[Fraction, Fraction], zeros: tuple[int, int], dtype: str) -> int:
    multiplier = single(scales[0] / single(scales[1] * len(values)))
    return requantize(sum(values) - zeros[0] * len(values), multiplier, zeros[1], dtype)


def average(
    values: list[int], scales: tuple[Fraction, Fraction], zeros: tuple[int, int], dtype: str, count: int = 0
) -> int:
    """Mean of a window of `count` elements, of those in the image where 0; the zero point is added, then it rounds."""
    mean = Fraction(0)
    for value in values:
        mean = single(mean + dequantize(value, scales[0], zeros[0]))
    mean = single(mean / (count or len(values)))
    return clamp(round(single(single(mean / scales[1]) + zeros[1])), *RANGES[dtype])


def dynamic(values: list[Fraction]) -> tuple[list[int], Fraction, int]:
    low, high = min([*values, Fraction(0)]), max([*values, Fraction(0)])
    scale = single(single(high - low) / 255) if high > low else Fraction(1)
    zero = round(clamp(single(-low / scale), 0, 255))
    return [quantize(v, scale, zero, "uint8") for v in values], scale, zero


# --- rows and images ------------------------------------------------------------------------------------


def softmax(row: list[int], scale: float, result: tuple[Fraction, int], dtype: str) -> list[int]:
    """Exponentials of distances to the greatest, as large as their sum allows, added in float32 in order."""
    low, high = RANGES[dtype]
    room = log(GREATEST / len(row)) - 5
    shift = max(0.0, room) / scale
    top = max(row)
    powers = [single(exp((v - top + shift) * scale)) for v in row]
    total = Fraction(0)
    for p in powers:
        total = single(total + p)
    steps = floor(single(1 / result[0]))
    found = []
    for p in powers:
        scaled = single(p * steps)
        if scaled <= GREATEST:
            found.append(clamp(round(single(scaled / total)) + result[1], low, high))
        else:  # x86 makes 0 of an infinity without sign, and the least of 32 bits with one; the zero point may wrap it
            made = result[1] if low == 0 else result[1] % 2**32 - 2**31
            found.append(clamp(made, low, high))
    return found


def window(image, y: int, x: int, geometry) -> list:
    """Elements of one channel that a window reads; `geometry`: kernel, strides, dilations, (top, left)."""
    kernel, strides, dilations, pads = geometry
    places = (
        (y * strides[0] - pads[0] + ky * dilations[0], x * strides[1] - pads[1] + kx * dilations[1])
        for ky, kx in product(range(kernel[0]), range(kernel[1]))
    )
    return [image[i][j] for i, j in places if 0 <= i < len(image) and 0 <= j < len(image[0])]


def place(position: int, size: int, wanted: int, mode: str) -> Fraction:
    """Where a result pixel lies in the image along one axis."""
    ratio = single(Fraction(wanted, size))
    if mode == "align_corners":
        return single(Fraction(position * (size - 1), max(wanted - 1, 1)))
    if mode == "asymmetric":
        return single(position / ratio)
    if mode == "pytorch_half_pixel" and wanted == 1:
        return Fraction(0)
    return single(single((position + HALF) / ratio) - HALF)


NEAREST = {
    "round_prefer_floor": lambda p: ceil(single(p - HALF)), "round_prefer_ceil": lambda p: floor(single(p + HALF)),
    "floor": floor, "ceil": ceil,
}  # fmt: skip


def nearest(position: int, size: int, wanted: int, mode: str, rounding: str) -> int:
    return clamp(NEAREST[rounding](place(position, size, wanted, mode)), 0, size - 1)


def bilinear(image, at: tuple[int, int], wanted: tuple[int, int], mode: str) -> Fraction:
    """The float32 mean of four pixels of one channel; `image` holds fractions."""
    ends = []
    for position, size, count in zip(at, (len(image), len(image[0])), wanted, strict=True):
        p = clamp(place(position, size, count, mode), 0, size - 1)
        first = floor(p)
        second = min(first + 1, size - 1)
        weights = (HALF, HALF) if first == second else (single(abs(p - second)), single(abs(p - first)))
        ends.append(((first, second), weights))
    total = Fraction(0)
    for i, j in product((0, 1), repeat=2):
        weight = single(ends[1][1][j] * ends[0][1][i])
        total = single(total + single(weight * image[ends[0][0][i]][ends[1][0][j]]))
    return total
