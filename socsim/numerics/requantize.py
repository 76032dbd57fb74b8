"""What follows a multiply-accumulate: bias, scaling, zero point and clamp, in one pass over the accumulators.

An accumulator arrives as an exact number in float32, float64, int32 or int64. Everything that is the same
for all elements of a channel (zero points times weight sums, the bias) is folded into one offset. Offsets
and sums are exact modulo 2**32, so 32-bit accumulators wrap around just as those of the reference kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.fixed_point import multipliers
from socsim.numerics.jit import kernel
from socsim.numerics.profiles import Rounding

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array

    _Plan = tuple[Array, ...]
    Epilogue = Callable[[Array, Array, Array], None]
    """Scales accumulators [rows, channels], plus an int64 offset for each channel, into [rows, channels]."""

_WIDE_MANTISSA_LIMIT = 0x7FFF0000


@dataclass(frozen=True)
class Scales:
    """Scales of the two operands and the result of a product, as the float32 numbers that files hold.

    Args:
        left: of the activations.
        right: [channels] of the weights.
        result: of the result.
    """

    left: float
    right: Array
    result: float

    def double(self) -> Array:
        """Return left x right / result in float64."""
        return self._left64 * self.right.astype(np.float64) / self._result64

    def product_in_single(self) -> Array:
        """Return left x right rounded to float32, the rest in float64."""
        return self.product_single().astype(np.float64) / self._result64

    def product_single(self) -> Array:
        """Return left x right in float32, for results in floating point."""
        return np.float32(self.left) * self.right.astype(np.float32)

    def single(self) -> Array:
        """Return left x right / result with both operations in float32."""
        return self.product_single() / np.float32(self.result)

    @property
    def _left64(self) -> np.float64:
        return np.float64(np.float32(self.left))

    @property
    def _result64(self) -> np.float64:
        return np.float64(np.float32(self.result))


@dataclass(frozen=True)
class Target:
    """Where results go: zero point and clamp, all within the type of the result."""

    zero_point: int
    low: int
    high: int

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Zero point and clamp as kernels take them."""
        return self.zero_point, self.low, self.high


def fixed_point(real: Array, rounding: Rounding, target: Target, *, tail: int = 0) -> Epilogue:
    """Return the epilogue by integer multipliers, for 32-bit accumulators.

    Both rounding steps of `Rounding.DOUBLE` are made by one shift: what the first one loses is added as a
    nudge with the sign of the accumulator.

    Args:
        real: [channels] or [1] real multipliers, float64.
        rounding: DOUBLE, SINGLE or DOUBLE_UP.
        target: zero point and clamp of the result.
        tail: number of last channels that round as DOUBLE all the same; then `real` has every channel.
    """
    mantissas, shifts = multipliers(real)
    exponents = shifts.astype(np.int64)
    if rounding is Rounding.SINGLE:
        left, total = np.zeros_like(exponents), 31 - exponents
        nudge, signed = np.int64(1) << (total - 1), np.zeros_like(exponents)
    else:
        left, right = np.maximum(exponents, 0), np.maximum(-exponents, 0)
        total = 31 + right
        first = np.where(right > 0, np.int64(2**30), np.int64(0))
        nudge = np.int64(1) << (total - 1)
        away = (np.arange(total.size) >= total.size - tail) | (rounding is Rounding.DOUBLE)
        signed, nudge = np.where(away, first, 0), np.where(away, nudge, nudge + first)
    plan = (mantissas.astype(np.int32), left.astype(np.int32), total, nudge, signed)

    def run(accumulators: Array, offset: Array, out: Array) -> None:
        channels = out.shape[1]
        columns = [_spread(column, channels) for column in plan]
        offset32 = _spread(offset, channels).astype(np.int32)
        shifted = bool(plan[1].any())
        function = _fixed_point_shifted if shifted else _fixed_point
        function(_narrow(accumulators), (offset32, *columns), target.numbers, out)

    return run


def wide_fixed_point(real: Array, target: Target) -> Epilogue:
    """Return the epilogue of 64-bit accumulators (16-bit activations): a 16-bit multiplier, one rounding.

    Source: TFLite kernels/internal/common.cc, MultiplyByQuantizedMultiplier for int64.
    """
    mantissas, shifts = multipliers(real)
    reduced = np.where(mantissas < _WIDE_MANTISSA_LIMIT, (mantissas + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - shifts.astype(np.int64)
    if (total < 1).any():
        msg = f"multiplier {float(np.max(real))!r} is 2**15 or more; 64-bit accumulators allow less"
        raise NumericsError(msg)

    def run(accumulators: Array, offset: Array, out: Array) -> None:
        channels = out.shape[1]
        columns = [_spread(column, channels) for column in (offset.astype(np.int64), reduced, total)]
        _wide(accumulators, tuple(columns), target.numbers, out)

    return run


def float_even(real: Array, target: Target) -> Epilogue:
    """Return the epilogue by float32 multipliers, clamped, then rounded half to even.

    Source: google/XNNPACK fp32 requantization; microsoft/onnxruntime core/mlas/lib/quantize.cpp.
    """
    scales = np.atleast_1d(real).astype(np.float32)
    low, high = np.float32(target.low - target.zero_point), np.float32(target.high - target.zero_point)

    def run(accumulators: Array, offset: Array, out: Array) -> None:
        channels = out.shape[1]
        offset32 = _spread(offset, channels).astype(np.int32)
        _float_even(_narrow(accumulators), (offset32, _spread(scales, channels)), (low, high, target.zero_point), out)

    return run


def float_away(real: Array, target: Target, *, wraps: bool) -> Epilogue:
    """Return the epilogue by float64 multipliers, rounded half away from zero.

    Args:
        real: [channels] or [1] real multipliers, float64.
        target: zero point and clamp of the result.
        wraps: whether accumulators have 32 bits.

    Source: LiteRT kernels/internal/reference/integer_ops/fully_connected.h (since 1.3.0).
    """
    scales = np.atleast_1d(real).astype(np.float64)

    def run(accumulators: Array, offset: Array, out: Array) -> None:
        total = accumulators.astype(np.int64) + offset.astype(np.int64)
        if wraps:
            total = total.astype(np.int32).astype(np.int64)
        scaled = total.astype(np.float64) * scales
        magnitude = np.abs(scaled)
        whole = np.floor(magnitude)
        rounded = np.copysign(whole + (magnitude - whole >= 0.5), scaled) + target.zero_point
        out[...] = np.clip(rounded, target.low, target.high).astype(out.dtype)

    return run


def unscaled(accumulators: Array, offset: Array, out: Array) -> None:
    """Write accumulators plus offset, wrapped to the type of the result."""
    out[...] = (accumulators.astype(np.int64) + offset).astype(out.dtype)


def to_float(real: Array, bias: Array | None) -> Epilogue:
    """Return the epilogue of integer products with a float32 result: accumulator x scale + bias."""
    scales = np.atleast_1d(real).astype(np.float32)

    def run(accumulators: Array, offset: Array, out: Array) -> None:
        total = (accumulators.astype(np.int64) + offset).astype(np.int32)
        scaled = total.astype(np.float32) * scales
        out[...] = scaled if bias is None else scaled + bias

    return run


def _spread(column: Array, channels: int) -> Array:
    """Return one value for each channel."""
    if column.size == channels:
        return column
    if column.size != 1:
        msg = f"{column.size} multipliers or offsets for {channels} channels; 1 or {channels} are allowed"
        raise NumericsError(msg)
    return np.repeat(column, channels)


def _narrow(accumulators: Array) -> Array:
    """Return accumulators that kernels can take to 32 bits at once: float32 below 2**24, or wrapped int32."""
    if accumulators.dtype in (np.float32, np.int32):
        return accumulators
    return accumulators.astype(np.int64).astype(np.int32)


@kernel
def _fixed_point(acc: Array, plan: _Plan, target: tuple[int, int, int], out: Array) -> None:
    """Scale without left shifts; `plan` holds offset, mantissa, left and right shift, nudge and signed nudge."""
    offset, mantissa, _, total, nudge, signed = plan
    zero, low, high = target
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v = np.int64(np.int32(np.int32(acc[r, c]) + offset[c]))
            extra = (signed[c] ^ (v >> np.int64(63))) - (v >> np.int64(63))
            y = ((v * np.int64(mantissa[c]) + nudge[c] + extra) >> total[c]) + zero
            out[r, c] = min(max(y, low), high)


@kernel
def _fixed_point_shifted(acc: Array, plan: _Plan, target: tuple[int, int, int], out: Array) -> None:
    """Scale where some channel shifts left first, wrapping at 32 bits."""
    offset, mantissa, left, total, nudge, signed = plan
    zero, low, high = target
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v = np.int64(np.int32(np.int32(acc[r, c]) + offset[c]))
            v = np.int64(np.int32(v << np.int64(left[c])))
            extra = (signed[c] ^ (v >> np.int64(63))) - (v >> np.int64(63))
            y = ((v * np.int64(mantissa[c]) + nudge[c] + extra) >> total[c]) + zero
            out[r, c] = min(max(y, low), high)


@kernel
def _wide(acc: Array, plan: _Plan, target: tuple[int, int, int], out: Array) -> None:
    offset, mantissa, total = plan
    zero, low, high = target
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v = np.int64(acc[r, c]) + offset[c]
            y = ((v * mantissa[c] + (np.int64(1) << (total[c] - np.int64(1)))) >> total[c]) + zero
            out[r, c] = min(max(y, low), high)


@kernel
def _float_even(acc: Array, plan: _Plan, limits: tuple[Any, Any, int], out: Array) -> None:
    offset, scale = plan
    low, high, zero = limits
    magic = np.float32(12582912.0)  # adding 1.5 x 2**23 leaves no fraction bits: rounds half to even
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v = np.float32(np.int32(np.int32(acc[r, c]) + offset[c])) * scale[c]
            v = min(max(v, low), high)
            out[r, c] = np.int32(np.float32(v + magic) - magic) + zero
