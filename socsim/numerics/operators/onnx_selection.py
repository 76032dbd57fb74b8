"""Elements chosen by index or by size, as ONNX defines them: indices are int64 and may count from the end.

Source: ONNX operators ArgMax, ArgMin, TopK, GatherND, ScatterND, OneHot, ReduceMax and ReduceMin.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import IMPLEMENTATIONS, implements_for
from socsim.numerics.operators.onnx_affine import is_affine, on_reals
from socsim.numerics.operators.operands import output_dtype

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


@implements_for("onnx", "ARG_MAX", "ARG_MIN")
def prepare_arg_extremum(node: Node) -> Run | None:
    """Index of the last greatest or least element, where the file asks for the last."""
    if not node.attributes.get("select_last_index"):
        return None
    function = np.argmax if node.op.type == "ARG_MAX" else np.argmin
    axis, dtype, shape = node.attributes["axis"], output_dtype(node), node.outputs[0].shape
    last = node.input(0).shape[axis] - 1
    return lambda x: ((last - np.asarray(function(np.flip(x, axis), axis=axis))).astype(dtype).reshape(shape),)


@implements_for("onnx", "TOPK")
def prepare_top_k(node: Node) -> Run:
    """The k greatest or least elements along an axis in order, the first of equal ones first, and their indices."""
    k, axis, is_largest = node.attributes["k"], node.attributes["axis"], node.attributes["largest"]
    positions = node.attributes.get("result_positions", range(len(node.outputs)))

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        ranks = np.unique(x, return_inverse=True)[1].reshape(x.shape)  # order without a type's limits
        order = np.argsort(-ranks if is_largest else ranks, axis=axis, kind="stable")
        order = np.take(order, np.arange(k), axis=axis)
        every = (np.take_along_axis(x, order, axis=axis), order.astype(np.int64))
        return tuple(every[i] for i in positions)

    return run


def _wrapped_tuples(node: Node, indices: Array, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    """Return index tuples as one array for each dimension, negative ones counted from the end.

    Raises:
        NumericsError: an index is outside its dimension.
    """
    columns = []
    for position, size in zip(range(indices.shape[-1]), sizes, strict=False):
        column = indices[..., position]
        if column.size and not (-size <= column.min() and column.max() < size):
            found = f"{column.min()} to {column.max()}"
            raise NumericsError(f"{node.where}: indices {found} of dimension {position}; {-size} to {size - 1} exist")
        columns.append(np.where(column < 0, column + size, column))
    return tuple(columns)


@implements_for("onnx", "GATHER_ND")
def prepare_gather_nd(node: Node) -> Run:
    """Elements or slices at index tuples, of each batch its own."""
    batch_dims, shape = node.attributes.get("batch_dims", 0), node.outputs[0].shape
    outer = node.input(0).shape[:batch_dims]

    def run(x: Array, indices: Array) -> tuple[Array, ...]:
        inner = x.shape[batch_dims:]
        rows, chosen = x.reshape(prod(outer), *inner), indices.reshape(prod(outer), *indices.shape[batch_dims:])
        parts = [r[_wrapped_tuples(node, i, inner)] for r, i in zip(rows, chosen, strict=True)]
        return (np.asarray(parts, x.dtype).reshape(shape),)

    return run


@implements_for("onnx", "ONE_HOT")
def prepare_one_hot(node: Node) -> Run:
    """The second of two values at an index along a new axis, the first elsewhere; operands are (indices, values)."""
    depth, axis, rank = node.attributes["depth"], node.attributes["axis"], len(node.outputs[0].shape)
    position = np.arange(depth).reshape([-1 if i == axis else 1 for i in range(rank)])

    def run(indices: Array, values: Array) -> tuple[Array, ...]:
        places = np.where(indices < 0, indices + depth, indices)
        return (np.where(np.expand_dims(places, axis) == position, values[1], values[0]),)

    return run


_COMBINED = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


@implements_for("onnx", "SCATTER_ND")
def prepare_scatter_nd(node: Node) -> Run:
    """A tensor with elements or slices replaced, or combined with updates."""
    combine = _COMBINED.get(node.attributes.get("reduction", "none"))

    def run(x: Array, indices: Array, updates: Array) -> tuple[Array, ...]:
        out, places = x.copy(), _wrapped_tuples(node, indices, x.shape)
        if combine is None:
            out[places] = updates
        else:
            combine.at(out, places, updates)
        return (out,)

    return run


@implements_for("onnx", "REDUCE_MAX", "REDUCE_MIN")
def prepare_reduced_extremum(node: Node) -> Run | None:
    """The greatest or least of nothing is the least or greatest value of the type; of reals where quantized."""
    tensor = node.input(0)
    if is_affine(tensor):
        return on_reals(node)
    if 0 not in tensor.shape:
        return None
    dtype, shape, is_max = output_dtype(node), node.outputs[0].shape, node.op.type == "REDUCE_MAX"
    if dtype.kind == "b":
        fill = np.array(not is_max)
    elif dtype.kind == "f":
        fill = np.array(-np.inf if is_max else np.inf, dtype)
    else:
        info = np.iinfo(dtype)
        fill = np.array(info.min if is_max else info.max, dtype)
    return lambda *_: (np.full(shape, fill),)


@implements_for("onnx", "FLOOR_MOD")
def prepare_remainder(node: Node) -> Run | None:
    """The remainder with the dividend's sign, where the file asks for C's fmod."""
    if not node.attributes.get("fmod") or is_affine(node.input(0)):
        return None
    floored = IMPLEMENTATIONS["FLOOR_MOD"](node)

    def run(a: Array, b: Array) -> tuple[Array, ...]:
        floored(a, b)  # refuses integers that are divided by zero
        with np.errstate(all="ignore"):
            return (np.fmod(a, b),)

    return run
