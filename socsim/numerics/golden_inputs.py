"""The recipes by which inputs of golden records are made again.

`zeros`; `seedN`: drawn in the order of the model's inputs from `numpy.random.default_rng(N)`; `img`: one
image, sampled to the size of the input. An input that holds a shape is drawn like the others, then
replaced by the true shape.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import ResultError
from socsim.numerics.array_files import read_npy
from socsim.numerics.arrays import numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from socsim.numerics.arrays import Array
    from socsim.workload.graph import Graph, Tensor

    Recipe = Callable[[Graph, Path], dict[int, Array]]

BASE_IMAGE = "base_image_256.npy"
_IMAGE_BYTES = 2**20
_SIDE = 256
_FOLDERS_ABOVE = 2
_SEED = re.compile(r"seed(\d{1,9})")


def recipe(mode: str) -> Recipe | None:
    """Return what makes the inputs of a mode; None for a mode without a recipe.

    A recipe takes the graph and the folder of the golden file, and returns arrays by tensor index.
    """
    seed = _SEED.fullmatch(mode)
    if seed:
        return partial(_random, int(seed[1]))
    return {"zeros": _zeros, "img": _image}.get(mode)


def _zeros(graph: Graph, _folder: Path) -> dict[int, Array]:
    zeros = {t: np.zeros(graph.tensors[t].shape, numpy_dtype(graph.tensors[t].dtype)) for t in graph.inputs}
    return zeros | _true_shapes(graph)


def _random(seed: int, graph: Graph, _folder: Path) -> dict[int, Array]:
    rng = np.random.default_rng(seed)
    return {t: _drawn(rng, graph.tensors[t]) for t in graph.inputs} | _true_shapes(graph)


def _drawn(rng: np.random.Generator, tensor: Tensor) -> Array:
    dtype = numpy_dtype(tensor.dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, tensor.shape).astype(dtype)
    if dtype.kind == "f":
        return rng.uniform(-1, 1, tensor.shape).astype(dtype)
    if dtype.itemsize >= 4:
        return rng.integers(0, 8, tensor.shape, dtype, endpoint=False)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, tensor.shape, dtype, endpoint=True)


def _true_shapes(graph: Graph) -> dict[int, Array]:
    """Return the values of inputs that tell a transposed convolution the shape of its result."""
    shapes = {}
    for op in graph.operators:
        for t in op.inputs:
            if op.type == "TRANSPOSE_CONV" and t in graph.inputs and graph.tensors[t].shape == (4,):
                shapes[t] = np.array(graph.tensors[op.outputs[0]].shape, numpy_dtype(graph.tensors[t].dtype))
    return shapes


def _image(graph: Graph, folder: Path) -> dict[int, Array]:
    image = _base_image(folder)
    return {t: _sampled(image, graph.tensors[t]) for t in graph.inputs}


def _base_image(folder: Path) -> Array:
    folders = [folder, *folder.resolve().parents[:_FOLDERS_ABOVE]]
    path = next((f / BASE_IMAGE for f in folders if (f / BASE_IMAGE).is_file()), None)
    if path is None:
        msg = f"{folder}: mode img needs {BASE_IMAGE} beside the golden file; put it there, or choose other modes"
        raise ResultError(msg)
    image = read_npy(path, _IMAGE_BYTES)
    if image.shape != (_SIDE, _SIDE, 3) or image.dtype != np.uint8:
        raise ResultError(f"{path}: has {image.dtype} {image.shape}; give uint8 {(_SIDE, _SIDE, 3)}")
    return image


def _sampled(image: Array, tensor: Tensor) -> Array:
    """Return the image at the size, type and layout of an input."""
    if len(tensor.shape) != 4 or not {tensor.shape[1], tensor.shape[3]} & {1, 3}:
        raise ResultError(f"input {tensor.name!r} of shape {tensor.shape} is no image; mode img needs one")
    is_nchw = tensor.shape[3] not in (1, 3)
    batch, *rest = tensor.shape
    height, width, channels = (rest[1], rest[2], rest[0]) if is_nchw else rest
    rows, columns = (np.arange(size) * _SIDE // size for size in (height, width))
    pixels = image[rows][:, columns]
    pixels = pixels[:, :, 1:2] if channels == 1 else pixels
    values = _as_type(pixels.transpose(2, 0, 1) if is_nchw else pixels, numpy_dtype(tensor.dtype))
    return np.ascontiguousarray(np.broadcast_to(values, (batch, *values.shape)))


def _as_type(pixels: Array, dtype: np.dtype[np.generic]) -> Array:
    if dtype.kind == "f":
        return (pixels / 127.5 - 1).astype(dtype)
    signed = pixels.astype(np.int32)
    shifted = {"int8": signed - 128, "int16": (signed - 128) * 256}.get(dtype.name, signed)
    return shifted.astype(dtype)
