"""Operators that XNNPACK computes otherwise than LiteRT's reference kernels do, for the profile of its name.

Operands outside the ranges that XNNPACK takes go to the kernels that LiteRT falls back to.

Source: google/XNNPACK src/microparams-init.c and src/indirection.c; ranges: LiteRT
tflite/delegates/xnnpack/xnnpack_delegate.cc; verified against LiteRT 2.3.0 on x86.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.jit import kernel
from socsim.numerics.node import implements_for
from socsim.numerics.operators.operands import narrowed, scale32, tabulated, tabulated_pairs
from socsim.numerics.operators.reductions import integer_sums
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor

_ADD_BITS = 20  # of the larger multiplier of a sum
_CONVERT_BITS = 8  # after the point of a multiplier that converts
_WEIGHT_BITS = 11  # of a weight that interpolates


def _is_short(*tensors: Tensor) -> bool:
    """Whether all tensors are quantized per tensor, with the same 8-bit type."""
    types = {t.dtype for t in tensors}
    one_scale = all(t.quantization is not None and len(t.quantization.scales) == 1 for t in tensors)
    return one_scale and len(types) == 1 and types <= {DType.INT8, DType.UINT8}


def _finished(node: Node, formula: Callable[..., Array]) -> Callable[..., Array]:
    """Return a formula of whole numbers with the result's zero point, clamp and type."""
    result = node.outputs[0]
    zero = node.zero_point(result)
    return narrowed(lambda *values: formula(*values).astype(np.int64) + zero, node, node.activation_range(result))


@implements_for("xnnpack", "ADD", "SUB")
def prepare_sum(node: Node) -> Run | None:
    """Scale both operands by integers of 21 bits, add, and shift once, half up."""
    a, b = (node.input(i) for i in (0, 1))
    result = node.outputs[0]
    if not _is_short(a, b, result):
        return None
    ratios = [scale32(node, t) / scale32(node, result) for t in (a, b)]
    shift = _ADD_BITS - (int(np.frexp(max(ratios))[1]) - 1)
    if not (-10 <= _ADD_BITS - shift < 8 and min(ratios) >= 2.0**-10):
        return None
    first, second = (int(np.rint(np.ldexp(np.float64(r), shift))) for r in ratios)
    second = -second if node.op.type == "SUB" else second
    za, zb = node.zero_point(a), node.zero_point(b)

    def formula(x: Array, y: Array) -> Array:
        total: Array = ((x - za) * first + (y - zb) * second + (1 << (shift - 1))) >> shift
        return total

    return tabulated_pairs(node, _finished(node, formula))


@implements_for("xnnpack", "MUL")
def prepare_product(node: Node) -> Run | None:
    """Scale the product in float32, rounded half to even."""
    a, b = (node.input(i) for i in (0, 1))
    result = node.outputs[0]
    if not _is_short(a, b, result):
        return None
    scale = scale32(node, a) * scale32(node, b) / scale32(node, result)
    if not 2.0**-16 <= scale < 2.0**8:
        return None
    za, zb = node.zero_point(a), node.zero_point(b)

    def formula(x: Array, y: Array) -> Array:
        whole: Array = np.rint(((x - za) * (y - zb)).astype(np.float32) * scale)
        return whole

    return tabulated_pairs(node, _finished(node, formula))


@implements_for("xnnpack", "MEAN", "SUM")
def prepare_mean(node: Node) -> Run | None:
    """Scale the sum in float32, add what the zero points leave, round half to even.

    Source: google/XNNPACK src/operators/reduce-nd.c (y_zero_point), src/reference/unary-elementwise.cc.
    """
    source, result = node.input(0), node.outputs[0]
    axes = tuple(node.attributes.get("axes") or ())
    if not _is_short(source, result) or not axes:
        return None
    count = np.float32(prod(source.shape[i] for i in axes))
    scale = scale32(node, source) / scale32(node, result)
    if node.op.type == "MEAN":
        scale = scale * (np.float32(1) / count)
    offset = np.float32(node.zero_point(result)) - count * np.float32(node.zero_point(source)) * scale
    finish = narrowed(lambda total: np.rint(total.astype(np.float32) * scale + offset).astype(np.int64), node)
    return lambda x, *_: (finish(integer_sums(x, axes)).reshape(result.shape),)


@implements_for("xnnpack", "QUANTIZE", "LEAKY_RELU")
def prepare_conversion(node: Node) -> Run | None:
    """Scale by an integer with eight bits after the point, half up."""
    source, result = node.input(0), node.outputs[0]
    if not _is_short(source, result):
        return None
    ratio = scale32(node, source) / scale32(node, result)
    slope = np.float32(node.attributes.get("alpha", 1.0)) * ratio
    if not (2.0**-8 <= ratio <= 2.0**7 and abs(slope) <= 2.0**7):
        return None
    positive, negative = (int(np.rint(np.float32(1 << _CONVERT_BITS) * r)) for r in (ratio, slope))
    zero, half = node.zero_point(source), 1 << (_CONVERT_BITS - 1)

    def formula(q: Array) -> Array:
        value = q - zero
        return (value * np.where(value >= 0, positive, negative) + half) >> _CONVERT_BITS

    return tabulated(node, _finished(node, formula))


@implements_for("xnnpack", "RESIZE_BILINEAR")
def prepare_resize(node: Node) -> Run | None:
    """Interpolate with weights of 11 bits, columns first, rounded once, half up."""
    source, result = node.input(0), node.outputs[0]
    if not _is_short(source, result) or len(source.shape) != 4:
        return None
    rows, columns = (_positions(node, source.shape[i], result.shape[i]) for i in (1, 2))

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        out = np.empty(result.shape, x.dtype)
        _blend(np.ascontiguousarray(x), rows, columns, out)
        return (out,)

    return run


def _positions(node: Node, size: int, wanted: int) -> Array:
    """Return for each result element (first row, second, weight): what it lies between, and the second one's weight."""
    aligned = bool(node.attributes.get("align_corners")) and wanted > 1
    scale = np.float32(size - 1) / np.float32(wanted - 1) if aligned else np.float32(size) / np.float32(wanted)
    place = np.arange(wanted).astype(np.float32) * scale
    if node.attributes.get("half_pixel_centers"):
        place = place + (np.float32(0.5) * scale - np.float32(0.5))
    place = np.clip(place, np.float32(0), np.float32(size - 1))
    first = place.astype(np.int32)
    weight = np.rint((place - first.astype(np.float32)) * np.float32(1 << _WEIGHT_BITS)).astype(np.int32)
    return np.stack([first, np.minimum(first + 1, size - 1), weight])


@kernel
def _blend(x: Array, rows: Array, columns: Array, out: Array) -> None:
    """Write images [B, H, W, C] between rows and columns as `_positions` gives them, in 32 bits."""
    bits = np.int32(_WEIGHT_BITS)
    half = np.int32(1) << np.int32(2 * _WEIGHT_BITS - 1)
    for b in range(out.shape[0]):
        for oy in range(out.shape[1]):
            upper, lower, down = x[b, rows[0, oy]], x[b, rows[1, oy]], rows[2, oy]
            for ox in range(out.shape[2]):
                left, right, across = columns[0, ox], columns[1, ox], columns[2, ox]
                for c in range(out.shape[3]):
                    top = (np.int32(upper[left, c]) << bits) + np.int32(upper[right, c] - upper[left, c]) * across
                    bottom = (np.int32(lower[left, c]) << bits) + np.int32(lower[right, c] - lower[left, c]) * across
                    out[b, oy, ox, c] = ((top << bits) + (bottom - top) * down + half) >> (bits + bits)
