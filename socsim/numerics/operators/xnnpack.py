"""Operators that XNNPACK computes otherwise than LiteRT's reference kernels do, for the profile of its name.

Operands outside the ranges that XNNPACK takes go to the kernels that LiteRT falls back to.

Source: google/XNNPACK src/microparams-init.c and src/indirection.c; verified against LiteRT 2.3.0 on x86.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.node import implements_for
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
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


def _scale(node: Node, tensor: Tensor) -> np.float32:
    return np.float32(node.scale(tensor))


def _finished(node: Node, values: Array) -> tuple[Array, ...]:
    """Return the result of integers or floats that are whole: zero point added, clamped."""
    result = node.outputs[0]
    low, high = node.activation_range(result)
    zero = node.zero_point(result)
    made = np.clip(values, low - zero, high - zero) + zero
    return (made.astype(numpy_dtype(result.dtype)).reshape(result.shape),)


@implements_for("xnnpack", "ADD", "SUB")
def prepare_sum(node: Node) -> Run | None:
    """Scale both operands by integers of 21 bits, add, and shift once, half up."""
    a, b = (node.input(i) for i in (0, 1))
    result = node.outputs[0]
    if not _is_short(a, b, result):
        return None
    ratios = [_scale(node, t) / _scale(node, result) for t in (a, b)]
    shift = _ADD_BITS - (int(np.frexp(max(ratios))[1]) - 1)
    if not (-10 <= _ADD_BITS - shift < 8 and min(ratios) >= 2.0**-10):
        return None
    first, second = (np.int32(np.rint(np.ldexp(np.float64(r), shift))) for r in ratios)
    second = -second if node.op.type == "SUB" else second
    za, zb = (np.int32(node.zero_point(t)) for t in (a, b))

    def run(x: Array, y: Array) -> tuple[Array, ...]:
        total = (x.astype(np.int32) - za) * first + (y.astype(np.int32) - zb) * second
        return _finished(node, (total + np.int32(1 << (shift - 1))) >> np.int32(shift))

    return run


@implements_for("xnnpack", "MUL")
def prepare_product(node: Node) -> Run | None:
    """Scale the product in float32, rounded half to even."""
    a, b = (node.input(i) for i in (0, 1))
    result = node.outputs[0]
    if not _is_short(a, b, result):
        return None
    scale = _scale(node, a) * _scale(node, b) / _scale(node, result)
    if not 2.0**-16 <= scale < 2.0**8:
        return None
    za, zb = (np.int32(node.zero_point(t)) for t in (a, b))

    def run(x: Array, y: Array) -> tuple[Array, ...]:
        product = (x.astype(np.int32) - za) * (y.astype(np.int32) - zb)
        return _finished(node, np.rint(product.astype(np.float32) * scale))

    return run


@implements_for("xnnpack", "MEAN")
def prepare_mean(node: Node) -> Run | None:
    """Scale the sum in float32, rounded half to even."""
    source, result = node.input(0), node.outputs[0]
    axes = tuple(node.attributes.get("axes") or ())
    if not _is_short(source, result) or not axes:
        return None
    count = np.float32(np.prod([source.shape[i] for i in axes]))
    scale = _scale(node, source) / _scale(node, result) / count
    zero = node.zero_point(source)

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        total = (x.astype(np.int32) - np.int32(zero)).sum(axes, dtype=np.int32)
        return _finished(node, np.rint(total.astype(np.float32) * scale))

    return run


@implements_for("xnnpack", "QUANTIZE", "LEAKY_RELU")
def prepare_conversion(node: Node) -> Run | None:
    """Scale by an integer with eight bits after the point, half up."""
    source, result = node.input(0), node.outputs[0]
    if not _is_short(source, result):
        return None
    ratio = _scale(node, source) / _scale(node, result)
    slope = np.float32(node.attributes.get("alpha", 1.0)) * ratio
    if not (2.0**-8 <= ratio <= 2.0**7 and abs(slope) <= 2.0**7):
        return None
    positive, negative = (np.int32(np.rint(np.float32(1 << _CONVERT_BITS) * r)) for r in (ratio, slope))
    zero, half = np.int32(node.zero_point(source)), np.int32(1 << (_CONVERT_BITS - 1))

    def run(x: Array) -> tuple[Array, ...]:
        value = x.astype(np.int32) - zero
        return _finished(node, (value * np.where(value >= 0, positive, negative) + half) >> np.int32(_CONVERT_BITS))

    return run


@implements_for("xnnpack", "RESIZE_BILINEAR")
def prepare_resize(node: Node) -> Run | None:
    """Interpolate with weights of 11 bits, columns first, rounded once, half up."""
    source, result = node.input(0), node.outputs[0]
    if not _is_short(source, result) or len(source.shape) != 4:
        return None
    rows, columns = (_positions(node, source.shape[i], result.shape[i]) for i in (1, 2))

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        wide = x.astype(np.int32)
        top, bottom = (_blend(wide[:, r], columns, 2) for r in rows[:2])
        weight = rows[2][:, None, None]
        total = (top << np.int32(_WEIGHT_BITS)) + (bottom - top) * weight
        half = np.int32(1 << (2 * _WEIGHT_BITS - 1))
        return (((total + half) >> np.int32(2 * _WEIGHT_BITS)).astype(x.dtype),)

    return run


def _positions(node: Node, size: int, wanted: int) -> tuple[Array, Array, Array]:
    """Return for each result element the two elements that it lies between, and the weight of the second."""
    aligned = bool(node.attributes.get("align_corners")) and wanted > 1
    scale = np.float32(size - 1) / np.float32(wanted - 1) if aligned else np.float32(size) / np.float32(wanted)
    place = np.arange(wanted).astype(np.float32) * scale
    if node.attributes.get("half_pixel_centers"):
        place = place + (np.float32(0.5) * scale - np.float32(0.5))
    place = np.clip(place, np.float32(0), np.float32(size - 1))
    first = place.astype(np.int32)
    weight = np.rint((place - first.astype(np.float32)) * np.float32(1 << _WEIGHT_BITS)).astype(np.int32)
    return first, np.minimum(first + 1, size - 1), weight


def _blend(image: Array, columns: tuple[Array, Array, Array], axis: int) -> Array:
    """Return columns between two each, with the weight's bits after the point."""
    left, right = (image.take(c, axis=axis) for c in columns[:2])
    return np.asarray((left << np.int32(_WEIGHT_BITS)) + (right - left) * columns[2][:, None])
