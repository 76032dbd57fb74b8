"""Activation functions: each is a table over its 8- or 16-bit input, or float32 arithmetic."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics import gemmlowp
from socsim.numerics.fixed_point import quantize_multiplier
from socsim.numerics.libm import exp32, tanh32
from socsim.numerics.node import implements, implements_for
from socsim.numerics.operators.operands import (
    is_quantized,
    narrowed,
    output_dtype,
    quantizations,
    scale32,
    tabulated,
    unsupported,
)
from socsim.numerics.scaling import scaling
from socsim.numerics.tables import gelu32, gelu_tanh32, interpolate16, logistic32, sigmoid16, table8, table16
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

    Function = Callable[[Array], Array]

_RELU_LIMITS: dict[str, tuple[float, float | None]] = {
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


@implements(*_RELU_LIMITS)
def prepare_relu(node: Node) -> Run:
    """Rectifiers with limits; quantized ones rescale from the input's scale to the output's."""
    tensor = node.input(0)
    low, high = _RELU_LIMITS[node.op.type]
    if tensor.dtype.is_float:
        top = None if high is None else np.float32(high)
        return lambda x: (np.clip(x, np.float32(low), top),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    multiplier, zero_in = scaling(node, scale32(node, tensor) / scale32(node, node.outputs[0])), node.zero_point(tensor)
    zero_out = node.zero_point(node.outputs[0])
    limits = _quantized_limits(node, low, high)
    return tabulated(node, narrowed(lambda q: multiplier.apply(q - zero_in) + zero_out, node, limits))


def _quantized_limits(node: Node, low: float, high: float | None) -> tuple[int, int]:
    result = node.outputs[0]
    scale, zero = scale32(node, result), node.zero_point(result)
    info = np.iinfo(output_dtype(node))
    bounds = [int(np.floor(abs(np.float32(v) / scale) + 0.5) * np.sign(v)) for v in (low, high or 0.0)]
    top = int(info.max) if high is None else min(int(info.max), zero + bounds[1])
    return max(int(info.min), zero + bounds[0]), top


@implements("LEAKY_RELU")
def prepare_leaky_relu(node: Node) -> Run:
    """Negative values times alpha."""
    tensor, alpha = node.input(0), np.float32(node.attributes["alpha"])
    if tensor.dtype.is_float:
        return lambda x: (np.where(x > 0, x, x * alpha),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    scale_in, scale_out = scale32(node, tensor), scale32(node, node.outputs[0])
    identity = scaling(node, scale_in / scale_out)
    slope, sign = scaling(node, scale_in * abs(alpha) / scale_out), -1 if alpha < 0 else 1
    zero_in, zero_out = node.zero_point(tensor), node.zero_point(node.outputs[0])

    def formula(q: Array) -> Array:
        v = q - zero_in
        return zero_out + np.where(v >= 0, identity.apply(v), sign * slope.apply(v))

    return tabulated(node, narrowed(formula, node))


@implements("LOGISTIC")
def prepare_logistic(node: Node) -> Run:
    """Sigmoid; the integer kernels fix the output's scale."""
    return _sigmoidal(node, logistic32, logistic16, {DType.INT8: 2.0**-8, DType.UINT8: 2.0**-8, DType.INT16: 2.0**-15})


@implements("TANH")
def prepare_tanh(node: Node) -> Run:
    """Hyperbolic tangent; the 16-bit kernel fixes the output's scale."""
    return _sigmoidal(node, tanh32, tanh16, {DType.INT16: 2.0**-15})


def _sigmoidal(node: Node, real: Function, table: Callable[[Array], Array], scales: dict[DType, float]) -> Run:
    tensor = node.input(0)
    if tensor.dtype.is_float:
        return lambda x: (real(x),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    required = scales.get(tensor.dtype)
    if required is not None and abs(node.scale(node.outputs[0]) / required - 1) > 1e-3:
        msg = f"{node.where}: the output's scale is {node.scale(node.outputs[0]):g}; the kernel requires {required:g}"
        raise NumericsError(msg)
    if tensor.dtype is not DType.INT16:
        return tabulated(node, lambda q: table8(q, quantizations(node), real, output_dtype(node)))
    multiplier, shift = _input_multiplier16(node, 1 if node.op.type == "TANH" else 0)
    nudge = (1 << shift) >> 1
    return tabulated(node, narrowed(lambda q: table((q * multiplier + nudge) >> shift), node))


@implements_for("ruy", "LOGISTIC", "TANH")
@implements_for("xnnpack", "LOGISTIC", "TANH")
def prepare_polynomial(node: Node) -> Run | None:
    """Sigmoid and tanh of 16 bits whose input scale is a power of two, by polynomial instead of by table.

    Source: TFLite kernels/internal/optimized/optimized_ops.h, Logistic and Tanh; XNNPACK leaves them to it.
    """
    is_tanh = node.op.type == "TANH"
    if node.input(0).dtype is not DType.INT16:
        return None
    multiplier, shift = _input_multiplier16(node, 1 if is_tanh else 0)
    if shift or multiplier not in (3, 6):
        return None
    function = gemmlowp.tanh if is_tanh else gemmlowp.logistic
    return tabulated(node, narrowed(lambda q: function(gemmlowp.shift_left(q, multiplier // 6, 16), 3, 16), node))


def _input_multiplier16(node: Node, largest_shift: int) -> tuple[int, int]:
    """Return multiplier and right shift to the scale 1 / (3 x 4096) of the sigmoid table.

    Source: TFLite kernels/activations.cc, SigmoidPrepare and TanhPrepare.
    """
    scale = node.scale(node.input(0))
    exponent = log(scale) / log(2.0)
    power = round(exponent)
    if abs(exponent - power) < 1e-3 and 0 <= 12 + power <= largest_shift:
        return 3 << (12 + power), 0
    multiplier, shift = float(np.float32(scale)) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2.0, shift + 1
    return int(multiplier), shift


def _interpolated_sigmoid(magnitude: Array, bits: int) -> Array:
    """Return the sigmoid table between its entries, with `bits` fractional bits."""
    table = sigmoid16()
    index = np.minimum(magnitude >> bits, 254)
    fraction = magnitude & ((1 << bits) - 1)
    value: Array = (table[index] << bits) + fraction * (table[index + 1] - table[index])
    return value


def logistic16(x: Array) -> Array:
    """Return sigmoid as Q0.15 of inputs in 1 / (3 x 4096), by the table."""
    magnitude = np.abs(x)
    value = np.where(magnitude >> 9 >= 255, 0x7FFF << 10, _interpolated_sigmoid(magnitude, 9))
    signed = np.where(x >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1)
    result: Array = (signed >> 10).astype(np.int16).astype(np.int64)
    return result


def tanh16(x: Array) -> Array:
    """Return tanh as Q0.15 of inputs in 1 / (3 x 4096), by the table."""
    magnitude = np.abs(x)
    value = np.where(magnitude >> 8 >= 255, 0xFFFF << 8, _interpolated_sigmoid(magnitude, 8))
    signed = np.where(x >= 0, value - (1 << 23) + (1 << 7), -value + (1 << 23) + (1 << 7) - 1)
    result: Array = (signed >> 8).astype(np.int16).astype(np.int64)
    return result


@implements("HARD_SWISH")
def prepare_hard_swish(node: Node) -> Run:
    """X relu6(x + 3) / 6, in 16-bit fixed point where quantized.

    Source: TFLite kernels/internal/reference/hard_swish.h.
    """
    tensor = node.input(0)
    if tensor.dtype.is_float:
        three, six = np.float32(3), np.float32(6)
        return lambda x: (x * np.clip(x + three, np.float32(0), six) / six,)
    if not is_quantized(tensor) or tensor.dtype.bits != 8:
        raise unsupported(node, tensor)
    fine = np.float32(1 / 128) * scale32(node, tensor)
    output, output_shift = quantize_multiplier(float(fine / scale32(node, node.outputs[0])))
    gate, gate_shift = quantize_multiplier(float(fine / np.float32(3.0 / 32768.0)))
    if output_shift > 0:
        msg = f"{node.where}: the output's scale is below 1/128 of the input's; kernels cannot scale so"
        raise NumericsError(msg)
    zero_in, zero_out = node.zero_point(tensor), node.zero_point(node.outputs[0])

    def formula(q: Array) -> Array:
        x = gemmlowp.wrap((q - zero_in) << 7, 16)
        gated = _hard_gate(x, _halved(gate), gate_shift)
        scaled = gemmlowp.high_product(x, _halved(output), 16)
        product = gated * scaled
        truncated = np.where(product < 0, -(-product >> 15), product >> 15)
        return gemmlowp.rounding_shift(np.minimum(truncated, 32767), -output_shift) + zero_out

    return tabulated(node, narrowed(formula, node))


def _hard_gate(x: Array, mantissa: int, shift: int) -> Array:
    """Return relu6(x + 3) / 6 as 0.15 fixed point; shifts to the left saturate."""
    if shift > 0:
        x = gemmlowp.saturate(x << (shift - 1), 16)
    x = gemmlowp.high_product(x, mantissa, 16)
    if shift > 0:
        x = gemmlowp.saturate(x << 1, 16)
    elif shift < 0:
        x = gemmlowp.rounding_shift(x, -shift)
    return (x + 32768) >> 1


def _halved(mantissa: int) -> int:
    """Return a 31-bit mantissa rounded to 15 bits."""
    return 0x7FFF if mantissa >= 0x7FFFFFFF - 0x8000 else (mantissa + 0x8000) >> 16


@implements("GELU")
def prepare_gelu(node: Node) -> Run:
    """Gaussian error linear unit, exact or by tanh."""
    return by_function(node, gelu_tanh32 if node.attributes.get("approximate") else gelu32)


@implements("ELU")
def prepare_elu(node: Node) -> Run:
    """Exponential linear unit."""
    return by_function(node, lambda x: np.where(x < 0, exp32(x) - np.float32(1), x))


def by_function(node: Node, function: Function) -> Run:
    """Return a function of float32 numbers, or its table: plain for 8 bits, interpolated for 16."""
    tensor = node.input(0)
    if tensor.dtype.is_float:
        return lambda x: (function(x),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    if tensor.dtype.bits == 8:
        return tabulated(node, lambda q: table8(q, quantizations(node), function, output_dtype(node)))
    table = table16(quantizations(node), function)
    return tabulated(node, narrowed(lambda q: interpolate16(table, q), node))
