"""Pools over windows: averages and maxima; elements outside the image do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.jit import kernel
from socsim.numerics.node import Kernels, implements
from socsim.numerics.operators.operands import clamped_float, is_quantized, same_quantization, unsupported

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.calls import SharedKernel
    from socsim.numerics.node import Node, Room, Run

_BLOCK_TAPS = 1 << 20  # elements that a block reads, so that threads end together
_LEAST_TAPS = 1 << 14  # of a block that a thread gains from


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
    tensor, geometry = node.input(0), window_geometry(node)
    if tensor.dtype.is_float:
        clamp = clamped_float(node)
        average = _by_rows(node, _averaged_real, geometry)
        return lambda x: (clamp(average(x)[0]),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    same_quantization(node, tensor, node.outputs[0])
    return _by_rows(node, _averaged, geometry, node.activation_range(node.outputs[0]))


@implements("MAX_POOL_2D")
def prepare_max_pool(node: Node) -> Run:
    """Greatest element of the window."""
    tensor, geometry = node.input(0), window_geometry(node)
    if tensor.dtype.is_float:
        clamp, greatest = clamped_float(node), _by_rows(node, _greatest, geometry)
        return lambda x: (clamp(greatest(x)[0]),)
    if is_quantized(tensor):
        same_quantization(node, tensor, node.outputs[0])
        return _by_rows(node, _greatest_of, geometry, node.activation_range(node.outputs[0]))
    raise unsupported(node, tensor)


def _by_rows(node: Node, pool: SharedKernel, *args: Any) -> Kernels:
    """Return a pool of images, in the type of the operand, whose result rows threads share.

    Args:
        node: the operator.
        pool: writes a block of results [B, rows, columns, C] of images [B, H, W, C]; its arguments are the number
            of the block, images, blocks of an image, results and `args`.
        args: of the kernel.
    """
    shape, team = node.outputs[0].shape, node.team
    taps = node.attributes["kernel"][0] * node.attributes["kernel"][1]
    limit = max(_BLOCK_TAPS // max(shape[2] * shape[3] * taps, 1), 1)
    parts = team.parts(shape[1], limit, node.outputs[0].elements * taps // _LEAST_TAPS)

    def calls(_: Room, out: Array, x: Array) -> list[Call]:
        return [Call(pool, shape[0] * parts, (x, parts, out, *args))]

    return Kernels(team, shape, numpy_dtype(node.input(0).dtype), calls)


@kernel
def _block(index: int, images: Array, parts: int, results: Array) -> tuple[Array, int, Array]:
    """Return the image of a block, its first result row, and its results."""
    first, last = span(index % parts, parts, results.shape[1])
    return images[index // parts], first, results[index // parts, first:last]


@shared
def _averaged(index: int, images: Array, parts: int, results: Array, geometry: Array, limits: tuple[int, int]) -> None:
    x, first, out = _block(index, images, parts, results)
    rows, columns, step_y, step_x, top, left = geometry
    sums = np.empty(out.shape[2], np.int32)
    for r in range(out.shape[0]):
        y = (first + r) * step_y - top
        y0, y1 = max(y, 0), min(y + rows, x.shape[0])
        for ox in range(out.shape[1]):
            x0, x1 = max(ox * step_x - left, 0), min(ox * step_x - left + columns, x.shape[1])
            sums[:] = 0
            for iy in range(y0, y1):
                for ix in range(x0, x1):
                    for c in range(sums.size):
                        sums[c] += np.int32(x[iy, ix, c])
            count = np.int32(max((y1 - y0) * (x1 - x0), 1))
            half = np.int32(count // 2)
            for c in range(sums.size):
                total = sums[c]
                mean = (total + half) // count if total > 0 else -((half - total) // count)
                out[r, ox, c] = min(max(np.int64(mean), limits[0]), limits[1])


@shared
def _averaged_real(index: int, images: Array, parts: int, results: Array, geometry: Array) -> None:
    x, first, out = _block(index, images, parts, results)
    rows, columns, step_y, step_x, top, left = geometry
    for r in range(out.shape[0]):
        y = (first + r) * step_y - top
        y0, y1 = max(y, 0), min(y + rows, x.shape[0])
        for ox in range(out.shape[1]):
            x0, x1 = max(ox * step_x - left, 0), min(ox * step_x - left + columns, x.shape[1])
            target = out[r, ox]
            target[:] = 0
            for iy in range(y0, y1):
                for ix in range(x0, x1):
                    for c in range(target.size):
                        target[c] += x[iy, ix, c]
            count = np.float32(max((y1 - y0) * (x1 - x0), 1))
            for c in range(target.size):
                target[c] /= count


@shared
def _greatest_of(
    index: int, images: Array, parts: int, results: Array, geometry: Array, limits: tuple[int, int]
) -> None:
    _maxima(index, images, parts, results, geometry)
    out = _block(index, images, parts, results)[2].reshape(-1)
    for i in range(out.size):
        out[i] = min(max(np.int64(out[i]), limits[0]), limits[1])


@shared
def _greatest(index: int, images: Array, parts: int, results: Array, geometry: Array) -> None:
    _maxima(index, images, parts, results, geometry)


@kernel
def _maxima(index: int, images: Array, parts: int, results: Array, geometry: Array) -> None:
    x, first, out = _block(index, images, parts, results)
    rows, columns, step_y, step_x, top, left = geometry
    for r in range(out.shape[0]):
        y = (first + r) * step_y - top
        y0, y1 = max(y, 0), min(y + rows, x.shape[0])
        for ox in range(out.shape[1]):
            x0, x1 = max(ox * step_x - left, 0), min(ox * step_x - left + columns, x.shape[1])
            target = out[r, ox]
            target[:] = x[y0, x0]
            for iy in range(y0, y1):
                for ix in range(x0, x1):
                    for c in range(target.size):
                        target[c] = max(target[c], x[iy, ix, c])
