"""Arithmetic of two operands: a table where both have 8 bits, a fused kernel for 16, NumPy otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics import gemmlowp
from socsim.numerics.fixed_point import quantize_multiplier
from socsim.numerics.jit import kernel
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import (
    clamped_float,
    is_quantized,
    narrowed,
    scale32,
    tabulated_pairs,
    unsupported,
)
from socsim.numerics.scaling import Scaling, scaled, scaling, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

    Function2 = Callable[[Array, Array], Array]

_HEADROOM = {8: 20, 16: 15}  # bits that ADD and SUB shift their inputs left, by width


def _plain(node: Node, function: Function2) -> Run:
    """Return the operator on floats or 32-bit integers, with its fused activation."""
    clamp = clamped_float(node)

    def run(a: Array, b: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            return (clamp(function(a, b)),)

    return run


def _operands_are_quantized(node: Node) -> bool:
    tensors = [node.input(0), node.input(1), node.outputs[0]]
    kinds = {is_quantized(t) for t in tensors}
    if len(kinds) > 1 or (kinds == {True} and len({t.dtype for t in tensors}) > 1):
        raise unsupported(node, next(t for t in tensors if not is_quantized(t) or t.dtype is not tensors[0].dtype))
    return kinds == {True}


@implements("ADD", "SUB")
def prepare_sum(node: Node) -> Run:
    """Sum or difference; quantized operands are brought to twice the larger scale.

    Source: TFLite kernels/add.cc, kernels/sub.cc, reference/integer_ops/add.h.
    """
    sign = 1 if node.op.type == "ADD" else -1
    if not _operands_are_quantized(node):
        return _plain(node, np.add if sign > 0 else np.subtract)
    if shifts_words(node):
        return _shifted_sum(node, sign)
    rule = scaled_sum(node)
    if node.input(0).dtype.bits == 16:
        return _broadcasting(node, rule.words)
    return tabulated_pairs(node, narrowed(rule.total, node, rule.limits))


@dataclass(frozen=True)
class ScaledSum:
    """A quantized sum: both operands shifted left and scaled alike, added, and scaled to the result.

    Args:
        zeros: zero points of the operands and of the result.
        lefts: bits that each operand is shifted left.
        scalings: of the operands and of the sum.
        sign: 1 adds, -1 subtracts.
        limits: clamp of the result.
    """

    zeros: tuple[int, int, int]
    lefts: tuple[int, int]
    scalings: tuple[Scaling, Scaling, Scaling]
    sign: int
    limits: tuple[int, int]

    def total(self, a: Array, b: Array) -> Array:
        """Return int64 results before the clamp, for int64 values of operands."""
        first, second, last = self.scalings
        scaled_a = first.apply((a - self.zeros[0]) << self.lefts[0])
        scaled_b = second.apply((b - self.zeros[1]) << self.lefts[1])
        return last.apply(wrapped(scaled_a + self.sign * scaled_b)) + self.zeros[2]

    def words(self, a: Array, b: Array) -> Array:
        """Return the int16 results of two int16 operands of one shape."""
        numbers = np.array([*self.zeros, *self.lefts, self.sign, *self.limits], np.int64)
        first, second, last = (s.packed for s in self.scalings)
        x, y = (np.ascontiguousarray(v).reshape(-1) for v in (a, b))
        return _summed16(x, y, first, second, last, numbers).reshape(a.shape)


def scaled_sum(node: Node) -> ScaledSum:
    """Return the rule of a quantized ADD or SUB."""
    scales = [scale32(node, node.input(i)) for i in (0, 1)]
    result = scale32(node, node.outputs[0])
    left = _HEADROOM[node.input(0).dtype.bits]
    twice = float(np.float32(2) * max(scales))
    first, second = (scaling(node, float(s) / twice) for s in scales)
    last = scaling(node, twice / float(np.float32(1 << left) * result))
    zeros = (node.zero_point(node.input(0)), node.zero_point(node.input(1)), node.zero_point(node.outputs[0]))
    sign = 1 if node.op.type == "ADD" else -1
    return ScaledSum(zeros, (left, left), (first, second, last), sign, node.activation_range(node.outputs[0]))


def shifts_words(node: Node) -> bool:
    """Whether the operands have 16 bits, scales are powers of two, and the file asks for the kernel that shifts.

    Source: TFLite kernels/add.cc, Prepare (CheckedLog2 of all three scales).
    """
    tensors = (node.input(0), node.input(1), node.outputs[0])
    is_asked = tensors[0].dtype.bits == 16 and node.attributes.get("pot_scale_int16", True)
    if not is_asked or any(node.zero_point(t) for t in tensors):
        return False
    logs = [np.log2(node.scale(t)) for t in tensors]
    return all(abs(v - round(v)) < 1e-3 for v in logs)


def _shifted_sum(node: Node, sign: int) -> Run:
    """Return the 16-bit kernel that shifts the operand whose scale differs from the result's."""
    logs = [round(float(np.log2(node.scale(t)))) for t in (node.input(0), node.input(1), node.outputs[0])]
    shifts = [logs[0] - logs[2], logs[1] - logs[2]]
    if max(shifts) > 0 or 0 not in shifts:
        msg = (
            f"{node.where}: scales 2**{logs[0]} and 2**{logs[1]} to 2**{logs[2]}; "
            "the power-of-two kernel requires one operand of the result's scale and the other not above it"
        )
        raise NumericsError(msg)
    low, high = node.activation_range(node.outputs[0])
    numbers = np.array([-shifts[0], -shifts[1], sign, low, high], np.int64)
    return _broadcasting(node, lambda a, b: _shifted16(a, b, numbers))


def _broadcasting(node: Node, function: Function2) -> Run:
    """Return a run function that gives a kernel two flat operands of the result's shape."""
    shape = node.outputs[0].shape

    def run(a: Array, b: Array) -> tuple[Array, ...]:
        flat = (np.ascontiguousarray(np.broadcast_to(v, shape)).reshape(-1) for v in (a, b))
        return (function(*flat).reshape(shape),)

    return run


@kernel
def _summed16(a: Array, b: Array, first: Array, second: Array, last: Array, numbers: Array) -> Array:
    """Return the scaled sum; `numbers` are three zero points, two shifts to the left, sign, and the limits."""
    zero_a, zero_b, zero_out, left_a, left_b, sign, low, high = numbers
    out = np.empty(a.size, np.int16)
    for i in range(a.size):
        x = scaled((np.int64(a[i]) - zero_a) << left_a, first)
        y = scaled((np.int64(b[i]) - zero_b) << left_b, second)
        out[i] = np.int16(min(max(scaled(x + sign * y, last) + zero_out, low), high))
    return out


@kernel
def _shifted16(a: Array, b: Array, numbers: Array) -> Array:
    """Return the saturated sum of two shifted operands; `numbers` are two shifts, sign and limits."""
    shift_a, shift_b, sign, low, high = numbers
    half_a, half_b = (np.int64(1) << shift_a) >> np.int64(1), (np.int64(1) << shift_b) >> np.int64(1)
    out = np.empty(a.size, np.int16)
    for i in range(a.size):
        x, y = np.int64(a[i]), np.int64(b[i])
        x = (x + half_a) >> shift_a if x >= 0 else -((-x + half_a) >> shift_a)
        y = (y + half_b) >> shift_b if y >= 0 else -((-y + half_b) >> shift_b)
        total = min(max(x + sign * y, np.int64(-32768)), np.int64(32767))
        out[i] = np.int16(min(max(total, low), high))
    return out


@implements("MUL")
def prepare_product(node: Node) -> Run:
    """Product.

    Source: TFLite kernels/mul.cc, reference/integer_ops/mul.h.
    """
    if not _operands_are_quantized(node):
        return _plain(node, np.multiply)
    a, b, result = node.input(0), node.input(1), node.outputs[0]
    multiplier = scaling(node, scale32(node, a) * scale32(node, b) / scale32(node, result))
    zero_a, zero_b, zero_out = (node.zero_point(t) for t in (a, b, result))
    limits = node.activation_range(result)
    if a.dtype.bits == 16:
        numbers = np.array([zero_a, zero_b, zero_out, *limits], np.int64)
        return _broadcasting(node, lambda x, y: _product16(x, y, multiplier.packed, numbers))

    def formula(x: Array, y: Array) -> Array:
        return multiplier.apply((x - zero_a) * (y - zero_b)) + zero_out

    return tabulated_pairs(node, narrowed(formula, node, limits))


@kernel
def _product16(a: Array, b: Array, multiplier: Array, numbers: Array) -> Array:
    """Return the scaled product; `numbers` are three zero points and the limits."""
    zero_a, zero_b, zero_out, low, high = numbers
    out = np.empty(a.size, np.int16)
    for i in range(a.size):
        product = (np.int64(a[i]) - zero_a) * (np.int64(b[i]) - zero_b)
        out[i] = np.int16(min(max(scaled(product, multiplier) + zero_out, low), high))
    return out


@implements("DIV")
def prepare_quotient(node: Node) -> Run:
    """Quotient; integers are divided towards zero, quantized ones by a fixed-point reciprocal.

    TFLite shifts small quotients by more than 31 bits, which C leaves undefined: results that should
    round to zero become one or saturate. They are reproduced as x86 and Arm give them.

    Source: TFLite kernels/div.cc, reference/div.h.
    """
    if not _operands_are_quantized(node):
        return _plain(node, np.divide) if node.input(0).dtype.is_float else _truncated_quotient(node)
    a, b, result = node.input(0), node.input(1), node.outputs[0]
    real = scale32(node, a) / (scale32(node, b) * scale32(node, result))
    mantissa, shift = quantize_multiplier(float(real))
    zero_a, zero_b, zero_out = (node.zero_point(t) for t in (a, b, result))

    def formula(x: Array, y: Array) -> Array:
        numerator, divisor = x - zero_a, y - zero_b
        flipped = np.where(divisor < 0, -1, 1)
        inverse, above = gemmlowp.reciprocal(np.abs(divisor), 31)
        numerator = numerator * flipped
        headroom = np.minimum(gemmlowp.leading_zeros(np.abs(numerator) * 2 - (numerator < 0)), 31)  # but the sign
        high = gemmlowp.high_product(gemmlowp.wrap(numerator << headroom, 32), inverse)
        quotient = gemmlowp.high_product(high, mantissa)
        return gemmlowp.machine_rounding_shift(quotient, above + headroom - shift) + zero_out

    return tabulated_pairs(node, narrowed(formula, node, node.activation_range(result)))


def _truncated_quotient(node: Node) -> Run:
    def quotient(a: Array, b: Array) -> Array:
        _refuse_zero(node, b)
        magnitude = np.abs(a) // np.abs(b)
        signed: Array = (np.sign(a) * np.sign(b) * magnitude).astype(a.dtype)
        return signed

    return _plain(node, quotient)


def _refuse_zero(node: Node, divisor: Array) -> None:
    if not np.all(divisor):
        msg = f"{node.where}: a divisor is 0; integers cannot be divided by it"
        raise NumericsError(msg)


@implements("FLOOR_DIV", "FLOOR_MOD")
def prepare_floor_division(node: Node) -> Run:
    """Quotient rounded down, and what it leaves."""
    tensor = node.input(0)
    if is_quantized(tensor):
        raise unsupported(node, tensor)
    function = np.floor_divide if node.op.type == "FLOOR_DIV" else np.mod

    def run(a: Array, b: Array) -> tuple[Array, ...]:
        if not tensor.dtype.is_float:
            _refuse_zero(node, b)
        with np.errstate(all="ignore"):
            return (function(a, b),)

    return run


@implements("POW")
def prepare_power(node: Node) -> Run:
    """Power."""
    if is_quantized(node.input(0)):
        raise unsupported(node, node.input(0))
    return _plain(node, lambda a, b: np.power(a.astype(np.float64), b).astype(a.dtype))


@implements("SQUARED_DIFFERENCE")
def prepare_squared_difference(node: Node) -> Run:
    """Square of the difference; 8-bit operands are first brought to twice the larger scale.

    Source: TFLite kernels/squared_difference.cc.
    """
    if not _operands_are_quantized(node):
        return _plain(node, lambda a, b: (a - b) * (a - b))
    a, b, result = node.input(0), node.input(1), node.outputs[0]
    scales = [scale32(node, a), scale32(node, b)]
    twice = float(np.float32(2) * max(scales))
    first, second = (scaling(node, float(s) / twice) for s in scales)
    last = scaling(node, twice * twice / float(np.float32(1 << 14) * scale32(node, result)))
    zero_a, zero_b, zero_out = (node.zero_point(t) for t in (a, b, result))

    def formula(x: Array, y: Array) -> Array:
        difference = first.apply((x - zero_a) << 7) - second.apply((y - zero_b) << 7)
        return last.apply(wrapped(difference * difference)) + zero_out

    return tabulated_pairs(node, narrowed(formula, node))


@implements("MAXIMUM", "MINIMUM")
def prepare_extremum(node: Node) -> Run:
    """Greater or smaller operand."""
    function = np.maximum if node.op.type == "MAXIMUM" else np.minimum
    return lambda a, b: (function(a, b),)


@implements("PRELU")
def prepare_prelu(node: Node) -> Run:
    """Negative values times a slope from the second operand.

    Source: TFLite kernels/activations.cc, PreluPrepare; reference/prelu.h.
    """
    if not _operands_are_quantized(node):
        return lambda x, slope: (np.where(x >= 0, x, x * slope),)
    a, b, result = node.input(0), node.input(1), node.outputs[0]
    scale_in, scale_out = scale32(node, a), scale32(node, result)
    identity = scaling(node, scale_in / scale_out)
    slope = scaling(node, scale_in * scale32(node, b) / scale_out)
    zero_a, zero_b, zero_out = (node.zero_point(t) for t in (a, b, result))

    def formula(x: Array, y: Array) -> Array:
        v = x - zero_a
        return zero_out + np.where(v >= 0, identity.apply(v), slope.apply(v * (y - zero_b)))

    return tabulated_pairs(node, narrowed(formula, node))
