"""Pools over windows: averages and maxima; elements outside the image do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.jit import kernel
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import clamped_float, is_quantized, same_quantization, unsupported

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


def window_geometry(node: Node) -> Array:
    """Return (kernel rows, columns, strides, top and left padding) of an NHWC pool.

    Raises:
        NumericsError: the shapes do not fit the window.
    """
    shape, result = node.input(0).shape, node.outputs[0].shape
    a = node.attributes
    window = (*a["kernel"], *a["strides"], *a["pads"][:2])
    fits = len(shape) == len(result) == 4 and (shape[0], shape[3]) == (result[0], result[3])
    if a.get("layout", "NHWC") != "NHWC" or not fits or not all(_covers(node, shape, result, i) for i in (0, 1)):
        msg = f"{node.where}: a window of {a['kernel'][0]} x {a['kernel'][1]} does not make {result} of {shape}"
        raise NumericsError(msg)
    return np.array(window, np.int64)


def _covers(node: Node, shape: tuple[int, ...], result: tuple[int, ...], i: int) -> bool:
    """Whether windows along rows (0) or columns (1) make the result's size, each with an element of the image."""
    size, wanted = shape[i + 1], result[i + 1]
    kernel, step = node.attributes["kernel"][i], node.attributes["strides"][i]
    before, after = node.attributes["pads"][i], node.attributes["pads"][i + 2]
    makes = (size + before + after - kernel) // step + 1 == wanted
    return bool(makes and 0 <= before < kernel and (wanted - 1) * step - before < size)


@implements("AVERAGE_POOL_2D")
def prepare_average_pool(node: Node) -> Run:
    """Mean of the window, rounded half away from zero where quantized.

    Source: TFLite reference/integer_ops/pooling.h, reference/pooling.h.
    """
    tensor, geometry, shape = node.input(0), window_geometry(node), node.outputs[0].shape
    if tensor.dtype.is_float:
        clamp = clamped_float(node)
        return lambda x: (clamp(_averaged_real(np.ascontiguousarray(x), geometry, shape)),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    same_quantization(node, tensor, node.outputs[0])
    limits = np.array(node.activation_range(node.outputs[0]), np.int64)
    return lambda x: (_averaged(np.ascontiguousarray(x), geometry, shape, limits),)


@implements("MAX_POOL_2D")
def prepare_max_pool(node: Node) -> Run:
    """Greatest element of the window."""
    tensor, geometry, shape = node.input(0), window_geometry(node), node.outputs[0].shape
    if tensor.dtype.is_float:
        clamp = clamped_float(node)
        return lambda x: (clamp(_greatest(np.ascontiguousarray(x), geometry, shape)),)
    if is_quantized(tensor):
        same_quantization(node, tensor, node.outputs[0])
        low, high = node.activation_range(node.outputs[0])
        return lambda x: (np.clip(_greatest(np.ascontiguousarray(x), geometry, shape), low, high),)
    raise unsupported(node, tensor)


@kernel
def _averaged(x: Array, geometry: Array, shape: tuple[int, ...], limits: Array) -> Array:
    rows, columns, step_y, step_x, top, left = geometry
    out = np.empty(shape, x.dtype)
    sums = np.empty(shape[3], np.int32)
    for b in range(shape[0]):
        for oy in range(shape[1]):
            y0, y1 = max(oy * step_y - top, 0), min(oy * step_y - top + rows, x.shape[1])
            for ox in range(shape[2]):
                x0, x1 = max(ox * step_x - left, 0), min(ox * step_x - left + columns, x.shape[2])
                sums[:] = 0
                for iy in range(y0, y1):
                    for ix in range(x0, x1):
                        for c in range(shape[3]):
                            sums[c] += np.int32(x[b, iy, ix, c])
                count = np.int32(max((y1 - y0) * (x1 - x0), 1))
                half = np.int32(count // 2)
                for c in range(shape[3]):
                    total = sums[c]
                    mean = (total + half) // count if total > 0 else -((half - total) // count)
                    out[b, oy, ox, c] = min(max(np.int64(mean), limits[0]), limits[1])
    return out


@kernel
def _averaged_real(x: Array, geometry: Array, shape: tuple[int, ...]) -> Array:
    rows, columns, step_y, step_x, top, left = geometry
    out = np.zeros(shape, x.dtype)
    for b in range(shape[0]):
        for oy in range(shape[1]):
            y0, y1 = max(oy * step_y - top, 0), min(oy * step_y - top + rows, x.shape[1])
            for ox in range(shape[2]):
                x0, x1 = max(ox * step_x - left, 0), min(ox * step_x - left + columns, x.shape[2])
                for iy in range(y0, y1):
                    for ix in range(x0, x1):
                        for c in range(shape[3]):
                            out[b, oy, ox, c] += x[b, iy, ix, c]
                count = np.float32(max((y1 - y0) * (x1 - x0), 1))
                for c in range(shape[3]):
                    out[b, oy, ox, c] /= count
    return out


@kernel
def _greatest(x: Array, geometry: Array, shape: tuple[int, ...]) -> Array:
    rows, columns, step_y, step_x, top, left = geometry
    out = np.empty(shape, x.dtype)
    for b in range(shape[0]):
        for oy in range(shape[1]):
            y0, y1 = max(oy * step_y - top, 0), min(oy * step_y - top + rows, x.shape[1])
            for ox in range(shape[2]):
                x0, x1 = max(ox * step_x - left, 0), min(ox * step_x - left + columns, x.shape[2])
                for c in range(shape[3]):
                    out[b, oy, ox, c] = x[b, y0, x0, c]
                for iy in range(y0, y1):
                    for ix in range(x0, x1):
                        for c in range(shape[3]):
                            out[b, oy, ox, c] = max(out[b, oy, ox, c], x[b, iy, ix, c])
    return out
