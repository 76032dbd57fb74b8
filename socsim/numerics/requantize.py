"""What follows a multiply-accumulate: bias, scaling, zero point and clamp, in one pass over the accumulators.

An accumulator arrives as an exact number in float32, float64, int32 or int64. Everything that is the same
for all elements of a channel (zero points times weight sums, the bias) is folded into one offset. Offsets
and sums are exact modulo 2**32, so 32-bit accumulators wrap around just as those of the reference kernels.

A rule with its offset is a plan: a tuple of its own type, by which kernels choose the arithmetic when they are
compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba.extending import overload

from socsim.errors import NumericsError
from socsim.numerics.fixed_point import multipliers
from socsim.numerics.jit import kernel
from socsim.numerics.profiles import Rounding

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array

    Plan = tuple[Any, ...]
    Epilogue = Callable[[Array, int], Plan]
    """Makes the plan for int64 offsets, [channels] or [1], and a number of channels."""

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
    columns = (mantissas.astype(np.int32), left.astype(np.int32), total, nudge, signed)

    def plan(offset: Array, channels: int) -> Plan:
        kind = _ShiftedPlan if left.any() else _FixedPlan
        return _plan_of(kind, channels, (offset.astype(np.int32), *columns), *target.numbers)

    return plan


def wide_fixed_point(real: Array, target: Target) -> Epilogue:
    """Return the epilogue of 64-bit accumulators (16-bit activations): a 16-bit multiplier, one rounding.

    Source: TFLite kernels/internal/common.cc, MultiplyByQuantizedMultiplier for int64.
    """
    mantissas, shifts = multipliers(real)
    reduced = np.where(mantissas < _WIDE_MANTISSA_LIMIT, (mantissas + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - shifts.astype(np.int64)
    if (total < 1).any():
        msg = f"multiplier {float(np.max(real))!r} is 2**14 or more; 64-bit accumulators allow less"
        raise NumericsError(msg)

    def plan(offset: Array, channels: int) -> Plan:
        return _plan_of(_WidePlan, channels, (offset.astype(np.int64), reduced, total), *target.numbers)

    return plan


def float_even(real: Array, target: Target) -> Epilogue:
    """Return the epilogue by float32 multipliers, clamped, then rounded half to even.

    Source: google/XNNPACK fp32 requantization; microsoft/onnxruntime core/mlas/lib/quantize.cpp.
    """
    scales = np.atleast_1d(real).astype(np.float32)
    low, high = np.float32(target.low - target.zero_point), np.float32(target.high - target.zero_point)

    def plan(offset: Array, channels: int) -> Plan:
        return _plan_of(_EvenPlan, channels, (offset.astype(np.int32), scales), target.zero_point, low, high)

    return plan


def float_away(real: Array, target: Target, *, wraps: bool) -> Epilogue:
    """Return the epilogue by float64 multipliers, rounded half away from zero.

    Args:
        real: [channels] or [1] real multipliers, float64.
        target: zero point and clamp of the result.
        wraps: whether accumulators have 32 bits.

    Source: LiteRT kernels/internal/reference/integer_ops/fully_connected.h (since 1.3.0).
    """
    scales = np.atleast_1d(real).astype(np.float64)

    def plan(offset: Array, channels: int) -> Plan:
        return _plan_of(_AwayPlan, channels, (offset.astype(np.int64), scales), *target.numbers, wraps)

    return plan


def unscaled(offset: Array, channels: int) -> Plan:
    """Return the plan that writes accumulators plus offset, wrapped to the type of the result."""
    return _plan_of(_PlainPlan, channels, (offset.astype(np.int64),))


def to_float(real: Array, bias: Array | None) -> Epilogue:
    """Return the epilogue of integer products with a float32 result: accumulator x scale + bias."""
    scales = np.atleast_1d(real).astype(np.float32)
    added = np.zeros(1, np.float32) if bias is None else bias.ravel().astype(np.float32)

    def plan(offset: Array, channels: int) -> Plan:
        return _plan_of(_RealPlan, channels, (offset.astype(np.int64), scales, added), bias is not None)

    return plan


def _plan_of(kind: Callable[..., Plan], channels: int, columns: tuple[Array, ...], *numbers: Any) -> Plan:
    return kind(*(np.ascontiguousarray(_spread(column, channels)) for column in columns), *numbers)


def _spread(column: Array, channels: int) -> Array:
    """Return one value for each channel."""
    if column.size == channels:
        return column
    if column.size != 1:
        msg = f"{column.size} multipliers or offsets for {channels} channels; 1 or {channels} are allowed"
        raise NumericsError(msg)
    return np.repeat(column, channels)


class _FixedPlan(NamedTuple):
    """Without left shifts; `left` is for shifted plans alone."""

    offset: Array
    mantissa: Array
    left: Array
    total: Array
    nudge: Array
    signed: Array
    zero: int
    low: int
    high: int


class _ShiftedPlan(_FixedPlan):
    """Where some channel shifts left first, wrapping at 32 bits."""

    __slots__ = ()


class _WidePlan(NamedTuple):
    offset: Array
    mantissa: Array
    total: Array
    zero: int
    low: int
    high: int


class _EvenPlan(NamedTuple):
    offset: Array
    scale: Array
    zero: int
    low: np.float32
    high: np.float32


class _AwayPlan(NamedTuple):
    offset: Array
    scale: Array
    zero: int
    low: int
    high: int
    wraps: bool


class _PlainPlan(NamedTuple):
    offset: Array


class _RealPlan(NamedTuple):
    offset: Array
    scale: Array
    bias: Array
    has_bias: bool


def requantize(acc: Array, plan: Any, first: int, out: Array) -> None:
    """Write accumulators [rows, channels] under a plan into `out`, in a kernel; the plan's are from `first` on."""
    finish(acc, plan, first, out)


@overload(requantize)
def _requantize(acc: Array, plan: Any, first: int, out: Array) -> Any:
    return _FORMS[plan.instance_class]


@kernel
def finish(acc: Array, plan: Plan, first: int, out: Array) -> None:
    """Write accumulators [rows, channels] under a plan into `out`; the plan's channels are from `first` on."""
    requantize(acc, plan, first, out)


def _fixed_point(acc: Array, plan: Any, first: int, out: Array) -> None:
    last = first + out.shape[1]
    offset, mantissa, total = plan.offset[first:last], plan.mantissa[first:last], plan.total[first:last]
    nudge, signed = plan.nudge[first:last], plan.signed[first:last]
    zero, low, high = plan.zero, plan.low, plan.high
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v = np.int64(np.int32(np.int32(np.int64(acc[r, c])) + offset[c]))
            extra = (signed[c] ^ (v >> np.int64(63))) - (v >> np.int64(63))
            y = ((v * np.int64(mantissa[c]) + nudge[c] + extra) >> total[c]) + zero
            out[r, c] = min(max(y, low), high)


def _fixed_point_shifted(acc: Array, plan: Any, first: int, out: Array) -> None:
    last = first + out.shape[1]
    offset, mantissa, left = plan.offset[first:last], plan.mantissa[first:last], plan.left[first:last]
    total, nudge, signed = plan.total[first:last], plan.nudge[first:last], plan.signed[first:last]
    zero, low, high = plan.zero, plan.low, plan.high
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v = np.int64(np.int32(np.int32(np.int64(acc[r, c])) + offset[c]))
            v = np.int64(np.int32(v << np.int64(left[c])))
            extra = (signed[c] ^ (v >> np.int64(63))) - (v >> np.int64(63))
            y = ((v * np.int64(mantissa[c]) + nudge[c] + extra) >> total[c]) + zero
            out[r, c] = min(max(y, low), high)


def _wide(acc: Array, plan: Any, first: int, out: Array) -> None:
    zero, low, high = plan.zero, plan.low, plan.high
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v, total = np.int64(acc[r, c]) + plan.offset[first + c], plan.total[first + c]
            y = ((v * plan.mantissa[first + c] + (np.int64(1) << (total - np.int64(1)))) >> total) + zero
            out[r, c] = min(max(y, low), high)


def _float_even(acc: Array, plan: Any, first: int, out: Array) -> None:
    last = first + out.shape[1]
    offset, scale = plan.offset[first:last], plan.scale[first:last]
    zero, low, high = plan.zero, plan.low, plan.high
    magic = np.float32(12582912.0)  # adding 1.5 x 2**23 leaves no fraction bits: rounds half to even
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            v = np.float32(np.int32(np.int32(np.int64(acc[r, c])) + offset[c])) * scale[c]
            v = min(max(v, low), high)
            out[r, c] = np.int32(np.float32(v + magic) - magic) + zero


def _float_away(acc: Array, plan: Any, first: int, out: Array) -> None:
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            total = np.int64(acc[r, c]) + plan.offset[first + c]
            total = np.int64(np.int32(total)) if plan.wraps else total
            scaled = np.float64(total) * plan.scale[first + c]
            magnitude = np.abs(scaled)
            whole = np.floor(magnitude)
            whole += 1.0 if magnitude - whole >= 0.5 else 0.0
            y = np.copysign(whole, scaled) + plan.zero
            out[r, c] = np.int64(min(max(y, np.float64(plan.low)), np.float64(plan.high)))


def _plain(acc: Array, plan: Any, first: int, out: Array) -> None:
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = np.int64(acc[r, c]) + plan.offset[first + c]


def _real(acc: Array, plan: Any, first: int, out: Array) -> None:
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            total = np.int32(np.int64(acc[r, c]) + plan.offset[first + c])
            scaled = np.float32(total) * plan.scale[first + c]
            out[r, c] = np.float32(scaled + plan.bias[first + c]) if plan.has_bias else scaled


_FORMS = {
    _FixedPlan: _fixed_point, _ShiftedPlan: _fixed_point_shifted, _WidePlan: _wide, _EvenPlan: _float_even,
    _AwayPlan: _float_away, _PlainPlan: _plain, _RealPlan: _real,
}  # fmt: skip
