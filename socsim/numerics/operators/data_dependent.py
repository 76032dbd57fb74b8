"""Operators whose results have as many rows as the values say: WHERE and UNIQUE.

Graphs have fixed shapes, which is what costs are worked out from. So a result is given where it has the shape
that the file recorded, and refused otherwise.

Source: TFLite kernels/where.cc, kernels/unique.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import output_dtype

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


@implements("WHERE")
def prepare_where(node: Node) -> Run:
    """Indices of what is not zero, in order: a row each in TFLite, a column each in ONNX (NonZero)."""
    dtype, by_column = output_dtype(node), node.graph.source_format != "tflite"

    def run(condition: Array) -> tuple[Array, ...]:
        rows = np.argwhere(condition).astype(dtype)
        return (_fitting(node, np.ascontiguousarray(rows.T) if by_column else rows),)

    return run


@implements("UNIQUE")
def prepare_unique(node: Node) -> Run:
    """Each value once, in the order of first appearance, and for each element the place of its value.

    Raises:
        NumericsError: in graphs of other formats than TFLite, whose operator sorts.
    """
    if node.graph.source_format != "tflite" or len(node.input(0).shape) != 1 or len(node.outputs) != 2:
        msg = f"{node.where}: only TFLite's form has a rule: one dimension, and two results in order of appearance"
        raise NumericsError(msg)
    dtype = np.int64 if node.outputs[1].dtype.bits == 64 else np.int32

    def run(values: Array) -> tuple[Array, ...]:
        _, firsts, places = np.unique(values, return_index=True, return_inverse=True)
        order = np.argsort(firsts)
        rank = np.empty(len(order), dtype)
        rank[order] = np.arange(len(order))
        return _fitting(node, values[firsts[order]]), rank[places]

    return run


def _fitting(node: Node, made: Array) -> Array:
    """Return a result that has the graph's shape.

    Raises:
        NumericsError: it has another.
    """
    recorded = node.outputs[0].shape
    if made.shape != recorded:
        msg = (
            f"{node.where}: these values make a result of shape {made.shape}; the graph says {recorded}, and its "
            "shapes are fixed: give values that make this shape, or run what follows as a network of its own"
        )
        raise NumericsError(msg)
    return made
