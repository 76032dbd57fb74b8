"""Pools, resizing and blocks of NCHW images under the profile `onnx`.

Source: microsoft/onnxruntime contrib_ops/cpu/quantization/qlinear_pool.cc, core/mlas/lib/qlgavgpool.cpp; ONNX
operators MaxPool, AveragePool, Resize, DepthToSpace and SpaceToDepth.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import integer_range, numpy_dtype
from socsim.numerics.node import implements_for
from socsim.numerics.operators.onnx_affine import affine, is_affine, is_byte
from socsim.numerics.operators.operands import clamped_float, same_quantization, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

    Taps = list[tuple[tuple[slice, slice], tuple[slice, slice]]]


def _is_nchw(node: Node) -> bool:
    return node.attributes.get("layout") == "NCHW"


# --- pools --------------------------------------------------------------------------------------------


def _taps(node: Node) -> Taps:
    """Return, for each element of the window in order, the results that it reaches and what they read.

    Raises:
        NumericsError: four dimensions are needed, with batch and channels kept.
    """
    shape, result, a = node.input(0).shape, node.outputs[0].shape, node.attributes
    if len(shape) != 4 or len(result) != 4 or shape[:2] != result[:2] or 0 in shape:
        msg = f"{node.where}: a pool needs four dimensions; {shape} to {result} are given"
        raise NumericsError(msg)
    if len(node.outputs) != 1:
        raise NumericsError(f"{node.where}: a pool that gives indices too has no rule")
    windows = zip(
        shape[2:], result[2:], a["kernel"], a["strides"], a.get("dilations", (1, 1)), a["pads"][:2], strict=True
    )
    axes = [list(_reaches(*numbers)) for numbers in windows]
    return [((y[0], x[0]), (y[1], x[1])) for y, x in product(*axes)]


def _reaches(size: int, wanted: int, kernel: int, step: int, spread: int, before: int) -> Iterator[tuple[slice, slice]]:
    """Yield, for each offset of a window along one axis, slices of the result and of the image."""
    for offset in (k * spread - before for k in range(kernel)):
        first = max(-(offset // step), 0)
        last = max(min((size - 1 - offset) // step + 1, wanted), first)
        start = first * step + offset
        yield slice(first, last), slice(start, start + (last - first - 1) * step + 1 if last > first else start, step)


@implements_for("onnx", "MAX_POOL_2D")
def prepare_max_pool(node: Node) -> Run | None:
    """Greatest element of the window."""
    tensor, result = node.input(0), node.outputs[0]
    if not _is_nchw(node):
        return None
    same_quantization(node, tensor, result)
    taps, clamp = _taps(node), clamped_float(node)
    least = -np.inf if tensor.dtype.is_float else integer_range(tensor.dtype)[0]

    def run(x: Array) -> tuple[Array, ...]:
        out = np.full(result.shape, least, x.dtype)
        for (rows, columns), (y, z) in taps:
            part = out[:, :, rows, columns]
            np.maximum(part, x[:, :, y, z], out=part)
        return (clamp(out) if tensor.dtype.is_float else out,)

    return run


@implements_for("onnx", "AVERAGE_POOL_2D")
def prepare_average_pool(node: Node) -> Run | None:
    """Mean of the window: in integers over a whole image, else of float32 values."""
    tensor, result = node.input(0), node.outputs[0]
    if not _is_nchw(node):
        return None
    if is_byte(tensor, result) and "Global" in node.op.source_type:
        return _global_average(node)
    if is_affine(tensor) != is_affine(result):
        raise unsupported(node, tensor)
    mean = _mean(node)
    if not is_affine(tensor):
        clamp = clamped_float(node)
        return lambda x: (clamp(mean(x)).astype(x.dtype),)
    reader, finish = affine(node, tensor), _rounded_with_zero_point(node)
    return lambda x: (finish(mean(reader.real(x))),)


def _mean(node: Node) -> Callable[[Array], Array]:
    """Return the mean in float32, added up in the window's order."""
    taps, shape = _taps(node), node.outputs[0].shape
    counts = np.zeros(shape[2:], np.float32)
    for (rows, columns), _ in taps:
        counts[rows, columns] += 1
    if node.attributes.get("count_include_pad"):
        counts[...] = np.float32(node.attributes["kernel"][0] * node.attributes["kernel"][1])

    def mean(x: Array) -> Array:
        sums = np.zeros(shape, np.float32)
        for (rows, columns), (y, z) in taps:
            sums[:, :, rows, columns] += x[:, :, y, z].astype(np.float32)
        return np.asarray(sums / np.maximum(counts, np.float32(1)), np.float32)

    return mean


def _rounded_with_zero_point(node: Node) -> Callable[[Array], Array]:
    """Return the quantization of QLinearAveragePool, which rounds after the zero point is added."""
    result = node.outputs[0]
    low, high = integer_range(result.dtype)
    scale, point = np.float32(node.scale(result)), np.float32(node.zero_point(result))

    def finish(real: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.clip(np.rint(real / scale + point), low, high).astype(numpy_dtype(result.dtype))

    return finish


def _global_average(node: Node) -> Run:
    tensor, result = node.input(0), node.outputs[0]
    pixels = tensor.shape[2] * tensor.shape[3]
    scale = np.float32(node.scale(tensor)) / (np.float32(node.scale(result)) * np.float32(pixels))
    zero_in, zero_out = node.zero_point(tensor), node.zero_point(result)
    low, high = integer_range(result.dtype)

    def run(x: Array) -> tuple[Array, ...]:
        sums = x.sum(axis=(2, 3), keepdims=True, dtype=np.int64) - zero_in * pixels
        scaled = np.clip(sums.astype(np.float32) * scale, np.float32(low - zero_out), np.float32(high - zero_out))
        return ((np.rint(scaled).astype(np.int64) + zero_out).astype(numpy_dtype(result.dtype)),)

    return run


# --- resizing -----------------------------------------------------------------------------------------

_NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda p: np.ceil(p - np.float32(0.5)),
    "round_prefer_ceil": lambda p: np.floor(p + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _positions(node: Node, axis: int) -> Array:
    """Return where each result pixel lies in the image along one axis (2 or 3), in float32 pixels."""
    size, wanted = node.input(0).shape[axis], node.outputs[0].shape[axis]
    scales = node.attributes.get("scales")
    place, ratio = np.arange(wanted).astype(np.float32), np.float32(wanted) / np.float32(size)
    ratio = np.float32(scales[axis - 2]) if scales else ratio
    mode = node.attributes.get("coordinates", "half_pixel")
    if mode == "align_corners":
        return place * np.float32(size - 1) / np.float32(max(wanted - 1, 1))
    if mode == "asymmetric":
        return np.asarray(place / ratio, np.float32)
    if mode == "pytorch_half_pixel" and wanted == 1:
        return np.zeros(1, np.float32)
    centred = np.asarray((place + np.float32(0.5)) / ratio - np.float32(0.5), np.float32)
    if mode != "half_pixel_symmetric":
        return centred
    spread = np.float32(wanted) / (ratio * np.float32(size))
    return centred + np.float32(size) / np.float32(2) * (np.float32(1) - spread)


def _check_resize(node: Node) -> None:
    shape, result = node.input(0).shape, node.outputs[0].shape
    if len(shape) != 4 or len(result) != 4 or shape[:2] != result[:2] or 0 in (*shape, *result):
        raise NumericsError(f"{node.where}: {shape} cannot be resized to {result}")
    if node.attributes.get("antialias"):
        raise NumericsError(f"{node.where}: antialias has no rule")


@implements_for("onnx", "RESIZE_NEAREST_NEIGHBOR")
def prepare_nearest(node: Node) -> Run | None:
    """The nearest pixel, chosen by the file's coordinates and rounding."""
    if not _is_nchw(node):
        return None
    _check_resize(node)
    rescale = _rescaling(node)
    nearest = _NEAREST[node.attributes.get("nearest_mode", "round_prefer_floor")]
    rows, columns = (
        np.clip(nearest(_positions(node, axis)).astype(np.int64), 0, node.input(0).shape[axis] - 1) for axis in (2, 3)
    )
    return lambda x, *_: (rescale(np.ascontiguousarray(x[:, :, rows[:, None], columns])),)


def _rescaling(node: Node) -> Callable[[Array], Array]:
    """Return what brings values to the result's scale and zero point."""
    tensor, result = node.input(0), node.outputs[0]
    if tensor.quantization == result.quantization or not is_affine(result):
        return lambda x: x
    reader, writer = affine(node, tensor), affine(node, result)
    return lambda x: writer.integers(reader.real(x))


@implements_for("onnx", "RESIZE_BILINEAR")
def prepare_bilinear(node: Node) -> Run | None:
    """Weighted means of four pixels, of real values where they are quantized."""
    if not _is_nchw(node):
        return None
    _check_resize(node)
    tensor, result = node.input(0), node.outputs[0]
    if is_affine(tensor) != is_affine(result) or not (is_affine(tensor) or tensor.dtype.is_float):
        raise unsupported(node, tensor)
    reader, writer = (affine(node, t) if is_affine(t) else None for t in (tensor, result))
    rows, columns = (_between(node, axis) for axis in (2, 3))

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        real = x.astype(np.float32) if reader is None else reader.real(x)
        blended = _blended(real, rows, columns)
        return (blended.astype(x.dtype) if writer is None else writer.integers(blended),)

    return run


Plan = tuple[tuple["Array", "Array"], tuple["Array", "Array"]]


def _between(node: Node, axis: int) -> Plan:
    """Return for each result pixel the two pixels that it lies between, and the weights of both."""
    size = node.input(0).shape[axis]
    place = np.clip(_positions(node, axis), np.float32(0), np.float32(size - 1))
    first = place.astype(np.int64)
    second = np.minimum(first + 1, size - 1)
    half, alone = np.float32(0.5), first == second
    weights = (np.abs(place - far.astype(np.float32)) for far in (second, first))
    before, after = (np.where(alone, half, w) for w in weights)
    return (first, second), (before, after)


def _blended(image: Array, rows: Plan, columns: Plan) -> Array:
    """Return the four pixels around each place, weighted and added in float32 in ONNX Runtime's order."""
    total = np.zeros((*image.shape[:2], rows[0][0].size, columns[0][0].size), np.float32)
    for y, x in product((0, 1), repeat=2):
        weight = (columns[1][x] * rows[1][y][:, None]).astype(np.float32)
        total += weight * image[:, :, rows[0][y][:, None], columns[0][x]]
    return total


# --- blocks -------------------------------------------------------------------------------------------


@implements_for("onnx", "DEPTH_TO_SPACE")
def prepare_depth_to_space(node: Node) -> Run | None:
    """Channels to blocks of pixels; the mode says whether the block or the channel is the outer number."""
    if not _is_nchw(node):
        return None
    block, shape = node.attributes["block_size"], node.outputs[0].shape
    b, c, h, w = node.input(0).shape
    by_column = node.attributes.get("mode", "DCR") == "CRD"
    split = (b, c // block**2, block, block, h, w) if by_column else (b, block, block, c // block**2, h, w)
    order = (0, 1, 4, 2, 5, 3) if by_column else (0, 3, 4, 1, 5, 2)
    return lambda x: (np.ascontiguousarray(x.reshape(split).transpose(order)).reshape(shape),)


@implements_for("onnx", "SPACE_TO_DEPTH")
def prepare_space_to_depth(node: Node) -> Run | None:
    """Blocks of pixels to channels; the mode says whether the block or the channel is the outer number."""
    if not _is_nchw(node):
        return None
    block, shape = node.attributes["block_size"], node.outputs[0].shape
    b, c, h, w = node.input(0).shape
    split = (b, c, h // block, block, w // block, block)
    order = (0, 1, 3, 5, 2, 4) if node.attributes.get("mode") == "CRD" else (0, 3, 5, 1, 2, 4)
    return lambda x: (np.ascontiguousarray(x.reshape(split).transpose(order)).reshape(shape),)
