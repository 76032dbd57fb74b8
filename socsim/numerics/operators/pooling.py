"""Pools over windows: averages and maxima; elements outside the image do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.jit import kernel
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import clamped_float, is_quantized, same_quantization, unsupported
from socsim.numerics.threads import shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.numerics.threads import SharedKernel

_BLOCK_TAPS = 1 << 20  # elements that a block reads, so that threads end together
_SHARED_TAPS = 1 << 16  # from which threads gain more than they cost


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
        return lambda x: (clamp(average(x)),)
    if not is_quantized(tensor):
        raise unsupported(node, tensor)
    same_quantization(node, tensor, node.outputs[0])
    pooled = _by_rows(node, _averaged, geometry, node.activation_range(node.outputs[0]))
    return lambda x: (pooled(x),)


@implements("MAX_POOL_2D")
def prepare_max_pool(node: Node) -> Run:
    """Greatest element of the window."""
    tensor, geometry = node.input(0), window_geometry(node)
    greatest = _by_rows(node, _greatest, geometry)
    if tensor.dtype.is_float:
        clamp = clamped_float(node)
        return lambda x: (clamp(greatest(x)),)
    if is_quantized(tensor):
        same_quantization(node, tensor, node.outputs[0])
        low, high = node.activation_range(node.outputs[0])
        return lambda x: (np.clip(greatest(x), low, high),)
    raise unsupported(node, tensor)


def _by_rows(node: Node, pool: SharedKernel, *args: Any) -> Callable[[Array], Array]:
    """Return a pool of images whose result rows threads share.

    Args:
        node: the operator.
        pool: writes a block of results [B, rows, columns, C] of images [B, H, W, C]; its arguments are the number
            of the block, images, rows of a block, results and `args`.
        args: of the kernel.
    """
    shape, team = node.outputs[0].shape, node.team
    taps = node.attributes["kernel"][0] * node.attributes["kernel"][1]
    limit = max(_BLOCK_TAPS // max(shape[2] * shape[3] * taps, 1), 1)
    rows = team.rows(shape[1], limit, is_shared=node.outputs[0].elements * taps >= _SHARED_TAPS)
    blocks = shape[0] * -(-shape[1] // rows)

    def run(x: Array) -> Array:
        out = np.empty(shape, x.dtype)
        team.run(pool, blocks, np.ascontiguousarray(x), rows, out, *args)
        return out

    return run


@kernel
def _block(index: int, images: Array, rows: int, results: Array) -> tuple[Array, int, Array]:
    """Return the image of a block, its first result row, and its results."""
    parts = -(-results.shape[1] // rows)
    first = index % parts * rows
    return images[index // parts], first, results[index // parts, first : first + rows]


@shared
def _averaged(
    index: int, images: Array, rows_of_block: int, results: Array, geometry: Array, limits: tuple[int, int]
) -> None:
    x, first, out = _block(index, images, rows_of_block, results)
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
def _averaged_real(index: int, images: Array, rows_of_block: int, results: Array, geometry: Array) -> None:
    x, first, out = _block(index, images, rows_of_block, results)
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
def _greatest(index: int, images: Array, rows_of_block: int, results: Array, geometry: Array) -> None:
    x, first, out = _block(index, images, rows_of_block, results)
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
