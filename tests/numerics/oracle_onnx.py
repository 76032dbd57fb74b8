"""ONNX Runtime's quantized operators on exact fractions, written from their definitions.

Every function works on one element; nothing here calls the code under test. `Fraction` rounds half to even.
"""

from __future__ import annotations

from fractions import Fraction

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


def average(values: list[int], scales: tuple[Fraction, Fraction], zeros: tuple[int, int], dtype: str) -> int:
    """Mean of a window; the zero point is added before the rounding."""
    mean = Fraction(0)
    for value in values:
        mean = single(mean + dequantize(value, scales[0], zeros[0]))
    mean = single(mean / len(values))
    return clamp(round(single(single(mean / scales[1]) + zeros[1])), *RANGES[dtype])


def dynamic(values: list[Fraction]) -> tuple[list[int], Fraction, int]:
    low, high = min([*values, Fraction(0)]), max([*values, Fraction(0)])
    scale = single(single(high - low) / 255) if high > low else Fraction(1)
    zero = round(clamp(single(-low / scale), 0, 255))
    return [quantize(v, scale, zero, "uint8") for v in values], scale, zero
