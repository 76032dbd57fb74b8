"""Lookup tables of real functions as TFLite makes them, and functions of one float32 number.

TFLite fills its tables with the C library's float32 functions, so that entries depend on that library in
the last place. `socsim.numerics.libm` makes those of the library that reference results come from, which
matters for 16-bit tables; the others are evaluated in float64 and rounded to float32 here. Neither calls
the library of the machine.

Source: TFLite kernels/internal/common.h, LUTPopulate, LUTLookup and sigmoid_table_uint16.
"""

from __future__ import annotations

from math import erf
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.numerics.libm import erfc32, exp32, tanh32

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array

    Function = Callable[[Array], Array]

_STEPS = 512  # of a 16-bit table


def integer_bounds(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the least and greatest value of a NumPy integer type."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def rounded(values: Array) -> Array:
    """Return the nearest integers, ties away from zero, in the values' float type (C's `round`)."""
    whole = np.trunc(values)
    away = np.abs(values - whole) >= 0.5
    result: Array = np.where(away, whole + np.sign(values), whole).astype(values.dtype)
    return result


def to_int32(values: Array) -> Array:
    """Return floats as x86 converts them to int32: what does not fit becomes the least integer."""
    with np.errstate(invalid="ignore"):
        fits = (values >= -(2.0**31)) & (values < 2.0**31)
    return np.where(fits, values, np.float32(-(2.0**31))).astype(np.int64)


def in_float32(function: Function) -> Function:
    """Return a float64 function as one of float32 numbers, rounded once."""

    def evaluate(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return function(np.asarray(x, np.float64)).astype(np.float32)

    return evaluate


log32 = in_float32(np.log)
sin32 = in_float32(np.sin)
cos32 = in_float32(np.cos)
erf32 = in_float32(np.vectorize(erf, otypes=[np.float64]))


def logistic32(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) with float32 steps."""
    one = np.float32(1)
    result: Array = one / (one + exp32(-x))
    return result


def gelu32(x: Array) -> Array:
    """Return 0.5 x erfc(-x / sqrt 2) with float32 steps."""
    half: Array = np.float32(0.5) * x * erfc32(x * np.float32(-np.sqrt(0.5)))
    return half


def gelu_tanh32(x: Array) -> Array:
    """Return the approximation of GELU by tanh with float32 steps."""
    root = np.float32(np.sqrt(2 / np.pi))
    inner = root * (x + np.float32(0.044715) * x * x * x)
    result: Array = np.float32(0.5) * x * (np.float32(1) + tanh32(inner))
    return result


def table8(
    values: Array, quantizations: tuple[float, int, float, int], function: Function, dtype: np.dtype[Any]
) -> Array:
    """Return results of 8-bit values.

    Args:
        values: integers of the input's type.
        quantizations: scale and zero point of the input, then of the output.
        function: of float32 arrays.
        dtype: type of the output.
    """
    scale_in, zero_in, scale_out, zero_out = quantizations
    real = np.float32(scale_in) * (values - zero_in).astype(np.float32)
    with np.errstate(all="ignore"):
        scaled = rounded(function(real) * (np.float32(1) / np.float32(scale_out)))
        quantized = to_int32(scaled + np.float32(zero_out))
    return np.clip(quantized, *integer_bounds(dtype)).astype(dtype)


def table16(
    quantizations: tuple[float, int, float, int], function: Function, precision: type[np.floating[Any]] = np.float32
) -> Array:
    """Return the 513 int16 entries of an interpolated table, corrected by half the error at each midpoint."""
    low, high = precision(-32768), precision(32767)
    scale_in, zero_in, scale_out, zero_out = (precision(q) for q in quantizations)
    first, last = scale_in * (low - zero_in), scale_in * (high - zero_in)
    step = precision((last - first) / precision(_STEPS))
    inverse = precision(65536) / (scale_out * (high - zero_out) - scale_out * (low - zero_out))
    index = np.arange(_STEPS + 1).astype(precision)
    points = first + index * step
    with np.errstate(all="ignore"):
        values = function(points[:-1])
        middles = rounded(function(points[:-1] + step / precision(2)) * inverse)
        samples = rounded(values * inverse)
        interpolated = rounded((function(points[1:]) * inverse + samples) / precision(2))
        biased = samples - rounded((interpolated - middles) / precision(2))
        end = rounded(function(np.array([last], precision)) * inverse)
    entries: Array = np.clip(np.concatenate([biased, end]), low, high).astype(np.int16)
    return entries


def interpolate16(table: Array, values: Array) -> Array:
    """Return a 513-entry table's results for 16-bit values, in int64."""
    entries = table.astype(np.int64)
    index = 256 + (values >> 7)
    base = entries[index]
    slope = (entries[index + 1] - base).astype(np.int16).astype(np.int64)
    result: Array = (base + ((slope * (values & 0x7F) + 64) >> 7)).astype(np.int16).astype(np.int64)
    return result


def sigmoid16() -> Array:
    """Return sigmoid(i / 24) in 0.16 fixed point for i = 0 to 255; the last entry saturates."""
    return np.array(_SIGMOID, np.int64)


_SIGMOID = (
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149, 40794, 41432, 42064, 42688,
    43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369, 47911, 48443, 48964, 49475, 49975, 50464, 50942, 51409,
    51865, 52311, 52745, 53169, 53581, 53983, 54374, 54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433,
    57724, 58007, 58280, 58544, 58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370, 60565, 60753, 60935, 61110,
    61279, 61441, 61599, 61750, 61896, 62036, 62172, 62302, 62428, 62549, 62666, 62778, 62886, 62990, 63090, 63186,
    63279, 63368, 63454, 63536, 63615, 63691, 63765, 63835, 63903, 63968, 64030, 64090, 64148, 64204, 64257, 64308,
    64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652, 64687, 64721, 64754, 64786, 64816, 64845, 64873, 64900,
    64926, 64950, 64974, 64997, 65019, 65039, 65060, 65079, 65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208,
    65221, 65234, 65246, 65258, 65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360, 65367,
    65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433, 65438, 65442, 65445, 65449,
    65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474, 65476, 65479, 65481, 65483, 65485, 65488, 65489, 65491,
    65493, 65495, 65497, 65498, 65500, 65501, 65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513,
    65514, 65515, 65516, 65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522, 65523, 65523, 65524, 65524,
    65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528, 65528, 65528, 65529, 65529, 65529, 65529, 65530, 65530,
    65530, 65530, 65531, 65531, 65531, 65531, 65531, 65532, 65532, 65532, 65532, 65532, 65532, 65533, 65533, 65533,
    65533, 65533, 65533, 65533, 65533, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65535,
)  # fmt: skip
