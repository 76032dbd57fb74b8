"""Fixed-point arithmetic that quantized kernels are made of.

Source: gemmlowp fixedpoint/fixedpoint.h and TFLite kernels/internal/quantization_util.cc, common.h.
"""

from __future__ import annotations

from math import frexp, isfinite
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return mantissa and left shift of a real multiplier: real = mantissa / 2**31 x 2**shift.

    Raises:
        NumericsError: negative, not finite, or 2**30 and above, which no kernel can apply.

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
