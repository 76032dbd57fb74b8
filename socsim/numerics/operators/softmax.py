"""Softmax and its logarithm over the last axis, in fixed point where quantized.

The exponential depends on an element's distance from its row's maximum alone, so it is a table; the
reciprocal or logarithm of a row's sum is computed once for each row.

Source: TFLite reference/softmax.h, reference/log_softmax.h, kernels/activations.cc.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics import gemmlowp
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.fixed_point import quantize_multiplier
from socsim.numerics.jit import kernel
from socsim.numerics.libm import exp32
from socsim.numerics.node import Kernels, implements
from socsim.numerics.operators.operands import is_quantized, output_dtype, unsupported
from socsim.numerics.profiles import Rounding
from socsim.numerics.scaling import scaling, scaling_of
from socsim.numerics.tables import interpolate16, log32, table16
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Room, Run

_INTEGER_BITS = 5  # of the scaled distances
_SUM_BITS = 12  # integer bits of the sum of exponentials
_LEAST_ELEMENTS = 1 << 12  # of a block that a thread gains from


@implements("SOFTMAX")
def prepare_softmax(node: Node) -> Run:
    """Exponentials of beta x, divided by their sum."""
    tensor = node.input(0)
    _last_axis(node)
    beta = float(np.float32(node.attributes.get("beta", 1.0)))
    if tensor.dtype.is_float:
        return lambda x: (_softmax_real(x, np.float32(beta)),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    return _softmax16(node, beta) if tensor.dtype is DType.INT16 else _softmax8(node, beta)


def _last_axis(node: Node) -> None:
    rank = len(node.input(0).shape)
    if node.attributes.get("axis", rank - 1) != rank - 1 or rank == 0:
        msg = f"{node.where}: axis {node.attributes.get('axis')} of {rank}; the last axis is required"
        raise NumericsError(msg)
    if 0 in node.input(0).shape:
        raise NumericsError(f"{node.where}: its input of shape {node.input(0).shape} has no elements")


def _softmax_real(x: Array, beta: np.float32) -> Array:
    powers = exp32((x - x.max(axis=-1, keepdims=True)) * beta)
    result: Array = powers / _sum_in_order(powers)
    return result


def _sum_in_order(rows: Array) -> Array:
    """Return float32 sums of the last axis from first to last, as a plain loop makes them."""
    return np.add.accumulate(rows, axis=-1, dtype=np.float32)[..., -1:]


def _distance_scaling(node: Node, beta: float) -> tuple[int, int, int]:
    """Return mantissa and left shift to Q5.26 of distances, and the greatest distance that counts."""
    single = node.profile.elementwise is Rounding.SINGLE
    limit = (2.0**30 if single else 2.0**31) - 1.0
    mantissa, left = quantize_multiplier(min(beta * node.scale(node.input(0)) * 2**26, limit))
    if left < 0:
        msg = f"{node.where}: beta x scale is below 2**-26; kernels cannot scale so"
        raise NumericsError(msg)
    return mantissa, left, floor(31 * 2**26 / 2**left)


def _exponentials(node: Node, mantissa: int, left: int, reach: int) -> Array:
    """Return exp(-distance) in Q0.31 for distances 0 to 255; 0 beyond what counts."""
    distances = np.arange(256)
    scaled = scaling_of(mantissa, left, node.profile.elementwise).apply(-np.minimum(distances, min(reach, 255)))
    return np.where(distances <= reach, gemmlowp.exp_of_negative(scaled, _INTEGER_BITS), 0)


def _softmax8(node: Node, beta: float) -> Kernels:
    mantissa, left, reach = _distance_scaling(node, beta)
    powers = _exponentials(node, mantissa, left, reach)
    counted = gemmlowp.rounding_shift(powers, _SUM_BITS)
    dtype, team = output_dtype(node), node.team
    info = np.iinfo(dtype)
    numbers = int(info.min), int(info.max), reach, 31 - info.bits

    def calls(_: Room, out: Array, x: Array, *__: Array) -> list[Call]:
        rows = _rows(x)
        parts = team.parts(len(rows), len(rows), x.size // _LEAST_ELEMENTS)
        return [Call(_softmax_rows, parts, (rows, parts, powers, counted, numbers, _rows(out)))]

    return Kernels(team, node.input(0).shape, dtype, calls)


@shared
def _softmax_rows(
    index: int, rows: Array, parts: int, powers: Array, counted: Array, numbers: tuple[int, int, int, int], out: Array
) -> None:
    """Compute a block of rows.

    Args:
        index: of the block.
        rows: [rows, elements] of 8 bits.
        parts: number of blocks.
        powers: exponentials of distances from a row's maximum.
        counted: the same as they are added.
        numbers: limits of results, the greatest distance that counts, and the bits below a result.
        out: like `rows`, written.
    """
    first, last = span(index, parts, len(rows))
    greatest, sums = _row_sums(rows[first:last], counted)
    inverse, shifts = np.empty_like(sums), np.empty_like(sums)
    for r in range(len(sums)):
        inverse[r], above = _reciprocal(sums[r], _SUM_BITS)
        shifts[r] = above + numbers[3]
    _normalised(rows[first:last], powers, (greatest, inverse, shifts), numbers[:3], out[first:last])


@kernel
def _reciprocal(value: np.int64, integer_digits: int) -> tuple[np.int64, np.int64]:
    """Return `gemmlowp.reciprocal` of one number."""
    low, top = np.int64(value) & np.int64(0xFFFFFFFF), np.int64(2147483647)
    zeros = np.int64(0)
    while zeros < 32 and low >> (np.int64(31) - zeros) == 0:
        zeros += 1
    total = np.int64(np.int32((low << zeros) - top - 1)) + top
    half = (total + 1) >> 1 if total >= 0 else -((1 - total) >> 1)
    x = np.int64(1515870810) + _high_product(half, np.int64(-1010580540))
    for _ in range(3):
        error = np.int64(536870912) - _high_product(half, x)
        x += min(max(_high_product(x, error) << 2, -top - 1), top)
    return min(max(x << 1, -top - 1), top), integer_digits - zeros


@kernel
def _high_product(a: np.int64, b: np.int64) -> np.int64:
    """Return `gemmlowp.high_product` of two numbers of 32 bits."""
    product, top = a * b, np.int64(2147483647)
    if product >= 0:
        return min((product + np.int64(1073741824)) >> np.int64(31), top)
    total = product + np.int64(1) - np.int64(1073741824)
    return -(-total >> np.int64(31)) if total < 0 else total >> np.int64(31)


def _rows(x: Array) -> Array:
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


@kernel
def _row_sums(rows: Array, table: Array) -> tuple[Array, Array]:
    """Return each row's maximum, and the sum of the table's entries at the distances from it."""
    greatest = np.empty(rows.shape[0], np.int64)
    sums = np.zeros(rows.shape[0], np.int64)
    for r in range(rows.shape[0]):
        top = np.int64(rows[r, 0])
        for c in range(rows.shape[1]):
            top = max(top, np.int64(rows[r, c]))
        greatest[r] = top
        total = np.int64(0)
        for c in range(rows.shape[1]):
            total += table[top - np.int64(rows[r, c])]
        sums[r] = total
    return greatest, sums


@kernel
def _normalised(
    rows: Array, powers: Array, of_row: tuple[Array, Array, Array], numbers: tuple[int, int, int], out: Array
) -> None:
    """Write exponentials times each row's (maximum, reciprocal, right shift); `numbers`: limits and reach."""
    low, high, reach = numbers
    greatest, inverse, shifts = of_row
    one = np.int64(1)
    for r in range(rows.shape[0]):
        shift = shifts[r]
        half = (one << shift) >> one
        for c in range(rows.shape[1]):
            distance = greatest[r] - np.int64(rows[r, c])
            value = low
            if distance <= reach:
                high_half = (powers[distance] * inverse[r] + np.int64(1073741824)) >> np.int64(31)
                value = min(max(((high_half + half) >> shift) + low, low), high)
            out[r, c] = value


def _softmax16(node: Node, beta: float) -> Run:
    """Return the 16-bit kernel of two interpolated tables."""
    product = float(np.float32(node.scale(node.input(0))) * np.float32(beta))
    multiplier = scaling(node, product / (10.0 / 65535.0))
    exp_table = table16((10.0 / 65535, 32767, 2.0 / 65535, 0), np.exp, np.float64)
    inverse_table = table16((1.0 / 65535, -32768, 2.0 / 65535, 0), lambda v: 1.0 / (1.0 + v), np.float64)
    distances = gemmlowp.saturate(multiplier.apply(-np.arange(65536)) + 32767, 16)
    powers = interpolate16(exp_table, distances)

    def run(x: Array) -> tuple[Array, ...]:
        rows = _rows(x)
        greatest, sums = _row_sums(rows, powers)
        zeros = gemmlowp.leading_zeros(sums)
        position = ((sums << (zeros - 1)) + (1 << 13)) >> 14
        inverse = interpolate16(inverse_table, gemmlowp.saturate(position - (1 << 15) - (1 << 16), 16))
        out = np.empty(rows.shape, np.int16)
        _normalised16(rows, powers, (greatest, inverse, 31 - zeros), out)
        return (out.reshape(x.shape),)

    return run


@kernel
def _normalised16(rows: Array, powers: Array, of_row: tuple[Array, Array, Array], out: Array) -> None:
    """Write exponentials times each row's (maximum, reciprocal, right shift)."""
    greatest, inverse, shifts = of_row
    one = np.int64(1)
    for r in range(rows.shape[0]):
        shift = shifts[r]
        half = (one << shift) >> one
        for c in range(rows.shape[1]):
            value = (powers[greatest[r] - np.int64(rows[r, c])] * inverse[r] + half) >> shift
            out[r, c] = min(max(value, np.int64(0)), np.int64(32767))


@implements("LOG_SOFTMAX")
def prepare_log_softmax(node: Node) -> Run:
    """Logarithm of the softmax."""
    tensor = node.input(0)
    _last_axis(node)
    if tensor.dtype.is_float:
        return lambda x: (_log_softmax_real(x),)
    if not is_quantized(tensor) or tensor.dtype is DType.INT16:
        raise unsupported(node, tensor)
    return _log_softmax8(node)


def _log_softmax_real(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    result: Array = shifted - log32(_sum_in_order(exp32(shifted)))
    return result


def _log_softmax8(node: Node) -> Run:
    mantissa, left, reach = _distance_scaling(node, 1.0)
    scaled = scaling_of(mantissa, left, node.profile.elementwise).apply(-np.arange(256))
    counted = gemmlowp.rounding_shift(_exponentials(node, mantissa, left, reach), _SUM_BITS)
    inverse = scaling(node, (1 << (31 - left)) / mantissa)
    dtype = output_dtype(node)
    info = np.iinfo(dtype)

    def run(x: Array) -> tuple[Array, ...]:
        rows = _rows(x)
        greatest, sums = _row_sums(rows, counted)
        logs = gemmlowp.logarithm(sums & np.int64(0xFFFFFFFF), _SUM_BITS, _INTEGER_BITS)  # wraps, read without sign
        least = np.maximum(-reach - 1, inverse.apply(logs - 2**31))
        distance = greatest[:, None] - rows
        value = gemmlowp.rounding_shift(gemmlowp.wrap(scaled[distance] - logs[:, None], 32), 22) + info.max
        kept = np.where(-distance > least[:, None], value, info.min)
        return (np.clip(kept, info.min, info.max).astype(dtype).reshape(x.shape),)

    return run
