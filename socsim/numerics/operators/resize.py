"""Resizing of NHWC images: nearest neighbour and bilinear.

Source: TFLite reference/resize_bilinear.h, reference/resize_nearest_neighbor.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.jit import kernel
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import same_quantization, unsupported
from socsim.numerics.profiles import Rounding
from socsim.numerics.tables import rounded
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_ONE = 1 << 10  # a pixel in fixed point


def _checked(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of image and result."""
    shape, result = node.input(0).shape, node.outputs[0].shape
    if len(shape) != 4 or len(result) != 4 or (shape[0], shape[3]) != (result[0], result[3]) or 0 in shape + result:
        raise NumericsError(f"{node.where}: {shape} cannot be resized to {result}")
    if node.attributes.get("align_corners") and node.attributes.get("half_pixel_centers"):
        raise NumericsError(f"{node.where}: align_corners and half_pixel_centers exclude each other")
    same_quantization(node, node.input(0), node.outputs[0])
    return shape, result


@implements("RESIZE_NEAREST_NEIGHBOR")
def prepare_nearest(node: Node) -> Run:
    """The nearest pixel."""
    shape, result = node.input(0).shape, node.outputs[0].shape
    same_quantization(node, node.input(0), node.outputs[0])
    rows, columns = (_nearest(node, shape[i], result[i]) for i in (1, 2))
    return lambda x, *_: (np.take(np.take(x, rows, axis=1), columns, axis=2),)


def _nearest(node: Node, size: int, wanted: int) -> Array:
    """Return the index of the source pixel of each result pixel along one axis."""
    corners = bool(node.attributes.get("align_corners"))
    half = bool(node.attributes.get("half_pixel_centers"))
    scale = _real_scale(size, wanted, corners)
    position = (np.arange(wanted).astype(np.float32) + np.float32(0.5 if half else 0.0)) * scale
    index = rounded(position) if corners else np.floor(position)
    return np.clip(index.astype(np.int64), 0, size - 1)


def _real_scale(size: int, wanted: int, corners: bool) -> np.float32:
    if corners and wanted > 1:
        return np.float32(size - 1) / np.float32(wanted - 1)
    return np.float32(size) / np.float32(wanted)


@implements("RESIZE_BILINEAR")
def prepare_bilinear(node: Node) -> Run:
    """Weighted means of four pixels: in integers for signed types, in float32 otherwise."""
    tensor = node.input(0)
    shape, result = _checked(node)
    if tensor.dtype in (DType.INT8, DType.INT16):
        fixed_y, fixed_x = (_fixed_coordinates(node, shape[i], result[i]) for i in (1, 2))
        up = node.profile.elementwise is Rounding.SINGLE
        return lambda x, *_: (_interpolated(np.ascontiguousarray(x), fixed_y, fixed_x, up),)
    if tensor.dtype not in (DType.UINT8, DType.FLOAT32):
        raise unsupported(node, tensor)
    return real_bilinear(node, weights_first=False)


def real_bilinear(node: Node, *, weights_first: bool) -> Run:
    """Return the bilinear resize of pixels in float32; integers are rounded half up.

    Args:
        node: the operator.
        weights_first: whether the two weights of a pixel are multiplied with each other before they are with the
            pixel, as in optimized_ops.h; the reference goes from left to right.
    """
    tensor = node.input(0)
    shape, result = _checked(node)
    (rows, weight_y), (columns, weight_x) = (_real_coordinates(node, shape[i], result[i]) for i in (1, 2))
    half = np.float32(0.5 if tensor.dtype is DType.UINT8 else 0.0)
    interpolate = _interpolated_by_products if weights_first else _interpolated_real

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        out = np.empty(result, x.dtype)
        interpolate(np.ascontiguousarray(x), (rows, columns), (weight_y, weight_x), half, out)
        return (out,)

    return run


def _fixed_coordinates(node: Node, size: int, wanted: int) -> Array:
    """Return (lower, upper, fraction in 1/1024) of each result pixel along one axis."""
    span, steps = (size - 1, wanted - 1) if node.attributes.get("align_corners") and wanted > 1 else (size, wanted)
    scale = (_ONE * span + steps // 2) // steps
    position = np.arange(wanted) * scale
    if node.attributes.get("half_pixel_centers"):
        position = position + scale // 2 - _ONE // 2
    lower = np.maximum(position // _ONE, 0)  # rounds down where C truncates: alike after the clamp
    upper = np.minimum(np.maximum(position + _ONE - 1, 0) // _ONE, size - 1)
    return np.stack([np.minimum(lower, size - 1), upper, position - _ONE * lower]).astype(np.int64)


def _real_coordinates(node: Node, size: int, wanted: int) -> tuple[Array, Array]:
    """Return (lower, upper) pixels and the float32 distance from the lower one, along one axis."""
    scale = _real_scale(size, wanted, bool(node.attributes.get("align_corners")))
    position = np.arange(wanted).astype(np.float32)
    if node.attributes.get("half_pixel_centers"):
        position = (position + np.float32(0.5)) * scale - np.float32(0.5)
    else:
        position = position * scale
    lower = np.maximum(np.floor(position).astype(np.int64), 0)
    upper = np.minimum(np.ceil(position).astype(np.int64), size - 1)
    weight = position - lower.astype(np.float32)
    return np.stack([np.minimum(lower, size - 1), np.maximum(upper, 0)]), weight


@kernel
def _interpolated(x: Array, of_y: Array, of_x: Array, up: bool) -> Array:
    """Return means with 20 fractional bits, rounded half away from zero or half up."""
    out = np.empty((x.shape[0], of_y.shape[1], of_x.shape[1], x.shape[3]), x.dtype)
    one, half = np.int64(1024), np.int64(524288)
    for b in range(x.shape[0]):
        for oy in range(of_y.shape[1]):
            y0, y1, fy = of_y[0, oy], of_y[1, oy], of_y[2, oy]
            for ox in range(of_x.shape[1]):
                x0, x1, fx = of_x[0, ox], of_x[1, ox], of_x[2, ox]
                w00, w10, w01, w11 = (one - fy) * (one - fx), fy * (one - fx), (one - fy) * fx, fy * fx
                for c in range(x.shape[3]):
                    total = (
                        np.int64(x[b, y0, x0, c]) * w00
                        + np.int64(x[b, y1, x0, c]) * w10
                        + np.int64(x[b, y0, x1, c]) * w01
                        + np.int64(x[b, y1, x1, c]) * w11
                    )
                    if up or total > 0:
                        out[b, oy, ox, c] = (total + half) >> np.int64(20)
                    else:
                        out[b, oy, ox, c] = -((half - total) >> np.int64(20))
    return out


@kernel
def _interpolated_real(
    x: Array, index: tuple[Array, Array], weight: tuple[Array, Array], half: np.float32, out: Array
) -> None:
    """Write float32 means plus `half`, truncated where the result is an integer."""
    one = np.float32(1)
    rows, columns = index
    for b in range(out.shape[0]):
        for oy in range(out.shape[1]):
            y0, y1, fy = rows[0, oy], rows[1, oy], weight[0][oy]
            for ox in range(out.shape[2]):
                x0, x1, fx = columns[0, ox], columns[1, ox], weight[1][ox]
                for c in range(out.shape[3]):
                    total = np.float32(x[b, y0, x0, c]) * (one - fy) * (one - fx)
                    total += np.float32(x[b, y1, x0, c]) * fy * (one - fx)
                    total += np.float32(x[b, y0, x1, c]) * (one - fy) * fx
                    total += np.float32(x[b, y1, x1, c]) * fy * fx
                    out[b, oy, ox, c] = total + half


@kernel
def _interpolated_by_products(
    x: Array, index: tuple[Array, Array], weight: tuple[Array, Array], half: np.float32, out: Array
) -> None:
    """Write what `_interpolated_real` does with products of weights, the pixels of a row one after the other."""
    one = np.float32(1)
    rows, columns = index
    for b in range(out.shape[0]):
        for oy in range(out.shape[1]):
            y0, y1, fy = rows[0, oy], rows[1, oy], weight[0][oy]
            for ox in range(out.shape[2]):
                x0, x1, fx = columns[0, ox], columns[1, ox], weight[1][ox]
                w00, w01, w10, w11 = (one - fy) * (one - fx), (one - fy) * fx, fy * (one - fx), fy * fx
                for c in range(out.shape[3]):
                    total = np.float32(x[b, y0, x0, c]) * w00
                    total += np.float32(x[b, y0, x1, c]) * w01
                    total += np.float32(x[b, y1, x0, c]) * w10
                    total += np.float32(x[b, y1, x1, c]) * w11
                    out[b, oy, ox, c] = total + half
