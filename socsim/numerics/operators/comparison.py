"""Comparisons, logic and selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.node import implements
from socsim.numerics.operators.operands import is_quantized, tabulated_pairs
from socsim.numerics.scaling import scaling

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "EQUAL": np.equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "NOT_EQUAL": np.not_equal,
}
_LOGIC: dict[str, Callable[[Array, Array], Array]] = {"LOGICAL_AND": np.logical_and, "LOGICAL_OR": np.logical_or}
_HEADROOM = 8  # bits that quantized operands are shifted left


@implements(*_COMPARISONS)
def prepare_comparison(node: Node) -> Run:
    """Comparison; 8-bit quantized operands are compared as reals in fixed point.

    Source: TFLite kernels/comparisons.cc, reference/comparisons.h, ComparisonWithScaling.
    """
    function = _COMPARISONS[node.op.type]
    a, b = node.input(0), node.input(1)
    if not (is_quantized(a) and is_quantized(b) and a.dtype.bits == 8):
        return lambda x, y: (np.asarray(function(x, y)),)
    first, second = (scaling(node, node.scale(t)) for t in (a, b))
    zero_a, zero_b = node.zero_point(a), node.zero_point(b)

    def formula(x: Array, y: Array) -> Array:
        return function(first.apply((x - zero_a) << _HEADROOM), second.apply((y - zero_b) << _HEADROOM))

    return tabulated_pairs(node, formula)


@implements(*_LOGIC)
def prepare_logic(node: Node) -> Run:
    """Logic of two truth values."""
    function = _LOGIC[node.op.type]
    return lambda x, y: (np.asarray(function(x, y)),)


@implements("SELECT")
def prepare_select(node: Node) -> Run:
    """The second operand where the first is true, else the third; a vector of conditions may choose rows."""
    by_row = node.op.source_type == "SELECT" and len(node.input(0).shape) == 1 < len(node.input(1).shape)

    def run(condition: Array, x: Array, y: Array) -> tuple[Array, ...]:
        chosen = condition.reshape(-1, *[1] * (x.ndim - 1)) if by_row else condition
        return (np.where(chosen, x, y),)

    return run
