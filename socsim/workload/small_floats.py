"""Floats of 8 and 4 bits: between their codes (bit patterns, one in each uint8) and float32.

Source: Open Compute Project, OCP 8-bit Floating Point Specification 1.0 (e4m3fn, e5m2) and Microscaling Formats
1.0 (e2m1); Noune et al., arXiv:2206.02915 (the forms "fnuz": no infinities, no negative zero, NaN is 0x80); ONNX,
"Float stored in 8 bits" (saturation).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.workload.graph import Array


class _Format(NamedTuple):
    """A format; `finite` is the code of the greatest number, `overflow` of what is beyond, None where it saturates."""

    exponent_bits: int
    fraction_bits: int
    bias: int
    finite: int
    overflow: int | None
    nan: int
    has_negative_zero: bool = True


_FORMATS = {
    DType.FLOAT4E2M1: _Format(2, 1, 1, 0x7, None, 0x8),
    DType.FLOAT8E4M3FN: _Format(4, 3, 7, 0x7E, 0x7F, 0x7F),
    DType.FLOAT8E4M3FNUZ: _Format(4, 3, 8, 0x7F, 0x80, 0x80, has_negative_zero=False),
    DType.FLOAT8E5M2: _Format(5, 2, 15, 0x7B, 0x7C, 0x7F),
    DType.FLOAT8E5M2FNUZ: _Format(5, 2, 16, 0x7F, 0x80, 0x80, has_negative_zero=False),
}


def decoded(codes: Array, dtype: DType) -> Array:
    """Return the float32 numbers that codes stand for; all of them are exact."""
    return _numbers(dtype)[codes]


def encoded(values: Array, dtype: DType, *, saturate: bool = True) -> Array:
    """Return the codes of the nearest numbers, ties to the even code.

    Args:
        values: numbers; they count as float32.
        dtype: one of `SMALL_FLOATS`.
        saturate: whether what is too large becomes the greatest number; else infinity where there is one, or
            NaN. A format without either saturates always, and NaN becomes negative zero.
    """
    import numpy as np

    form = _FORMATS[dtype]
    numbers = np.asarray(values, np.float32)
    with np.errstate(invalid="ignore"):  # NaN of any bits
        size = np.abs(numbers.astype(np.float64))
    steps = np.append(_numbers(dtype)[: form.finite + 1].astype(np.float64), _beyond(form))
    middles = (steps[:-1] + steps[1:]) / 2
    place = np.searchsorted(middles, size)
    place += (size == middles[np.minimum(place, form.finite)]) & (place % 2 == 1)
    is_over = place > form.finite
    codes = np.minimum(place, form.finite)
    sign = 1 << (form.exponent_bits + form.fraction_bits)
    if form.overflow is not None and not saturate:
        codes = np.where(is_over, form.overflow, codes)
    is_negative = np.signbit(numbers) & (form.has_negative_zero | ((codes != 0) & (codes < sign)))
    codes = np.where(np.isnan(numbers), form.nan, codes)
    return np.where(is_negative, codes | sign, codes).astype(np.uint8)


def _beyond(form: _Format) -> float:
    """Return the number that would follow the greatest one, which tells from where on one is too large."""
    return _number(form, form.finite + 1)


def _number(form: _Format, code: int) -> float:
    """Return the number of a code without a sign, as if no code were special."""
    exponent, fraction = code >> form.fraction_bits, code & ((1 << form.fraction_bits) - 1)
    scaled = fraction / (1 << form.fraction_bits) + (exponent > 0)
    return float(scaled * 2.0 ** (max(exponent, 1) - form.bias))


@cache
def _numbers(dtype: DType) -> Array:
    """Return the number of every code; codes beyond the format (a float of 4 bits has 16) are NaN."""
    import numpy as np

    form = _FORMATS[dtype]
    sign = 1 << (form.exponent_bits + form.fraction_bits)
    table = np.full(256, np.nan, np.float32)
    for code in range(form.finite + 1):
        table[code], table[code | sign] = _number(form, code), -_number(form, code)
    if form.overflow != form.nan and form.overflow is not None:
        table[form.overflow], table[form.overflow | sign] = np.inf, -np.inf
    if not form.has_negative_zero:
        table[form.nan] = np.nan
    table.flags.writeable = False
    return table
