"""What the values of constants allow hardware to save: zeros, their pattern, and the length of a code."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

import numpy as np

from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.workload.graph import Array, Graph, Operator, Tensor

_CODED_BITS = 8
"""Widest values whose frequencies are counted."""


@dataclass(frozen=True, slots=True)
class WeightValues:
    """Values of an operator's weights, measured or stated.

    Args:
        elements: weights.
        zeros: those that stand for the number 0.
        is_two_of_four: whether of every four neighbours along the input channels at least two are zero.
        code_bits: bits that a code by the frequencies of the values needs for all of them (their entropy);
            None where values are wider than eight bits, or where only their zeros were stated.
    """

    elements: int
    zeros: int
    is_two_of_four: bool
    code_bits: int | None = None


@dataclass(frozen=True, slots=True)
class StatedSparsity:
    """Zeros that a user states: of all weights, parts per million; and whether two of every four are among them."""

    zeros_ppm: int
    is_two_of_four: bool = False

    @classmethod
    def of(cls, stated: str | float) -> StatedSparsity:
        """Return what "2:4", or a share of zeros from 0 to below 1, means.

        Raises:
            ValueError: neither of them.
        """
        if stated == "2:4":
            return cls(500_000, is_two_of_four=True)
        share = float(stated)
        if not 0 <= share < 1:
            msg = f"{stated!r} is no share from 0 to below 1"
            raise ValueError(msg)
        return cls(round(share * 10**6))


def weight_values(graph: Graph, operators: Sequence[Operator]) -> WeightValues | None:
    """Return the values of the weights that operators multiply; None where the graph does not hold all of them.

    Weights are the constants of two or more dimensions that multiply-accumulate operators read. They are
    looked at once for a graph, when first asked for.
    """
    key = tuple(op.index for op in operators)
    if key not in graph.measured:
        graph.measured[key] = _together(graph, operators)
    return graph.measured[key]


def stated_values(graph: Graph, operators: Sequence[Operator], sparsity: StatedSparsity) -> WeightValues | None:
    """Return the values of the operators' weights as a user states them; None where they have no weights."""
    elements = sum(tensor.elements for _, tensor in _weights(graph, operators))
    if not elements:
        return None
    return WeightValues(elements, elements * sparsity.zeros_ppm // 10**6, sparsity.is_two_of_four)


def _weights(graph: Graph, operators: Sequence[Operator]) -> list[tuple[Operator, Tensor]]:
    return [
        (op, tensor)
        for op in operators
        if op.category is Category.MAC
        for tensor in graph.input_tensors(op)
        if tensor.is_constant and len(tensor.shape) > 1
    ]


def _together(graph: Graph, operators: Sequence[Operator]) -> WeightValues | None:
    found = [_measured(tensor, _input_axis(op, tensor)) for op, tensor in _weights(graph, operators)]
    known = [values for values in found if values is not None]
    if not known or len(known) < len(found):
        return None
    codes = [values.code_bits for values in known if values.code_bits is not None]
    return WeightValues(
        sum(values.elements for values in known),
        sum(values.zeros for values in known),
        all(values.is_two_of_four for values in known),
        sum(codes) if len(codes) == len(known) else None,
    )


def _measured(tensor: Tensor, axis: int | None) -> WeightValues | None:
    if tensor.data is None or not tensor.data.size:
        return None
    is_zero = tensor.data == _zero(tensor)
    return WeightValues(
        tensor.data.size,
        int(np.count_nonzero(is_zero)),
        axis is not None and _is_two_of_four(is_zero, axis),
        _code_bits(tensor.data),
    )


def _zero(tensor: Tensor) -> Array:
    """Return the value that stands for 0, shaped to compare with the data."""
    quantization = tensor.quantization
    if quantization is None or quantization.block_size is not None or not any(quantization.zero_points):
        return np.zeros(1, dtype=np.int64)
    points = np.array(quantization.zero_points, dtype=np.int64)
    if quantization.axis is None or points.size == 1:
        return points[:1]
    shape = [1] * len(tensor.shape)
    shape[quantization.axis] = points.size
    return points.reshape(shape)


def _is_two_of_four(is_zero: Array, axis: int) -> bool:
    """Whether each whole or started group of four along an axis has as many zeros as values, or more."""
    along = np.moveaxis(is_zero, axis, -1)
    short = -along.shape[-1] % 4
    if short:  # absent neighbours count as zeros: nothing is multiplied there
        padding = np.ones((*along.shape[:-1], short), dtype=bool)
        along = np.concatenate([along, padding], axis=-1)
    groups = along.reshape(-1, 4)
    return bool((np.count_nonzero(groups, axis=1) >= 2).all())


def _code_bits(data: Array) -> int | None:
    """Return the entropy of all values, rounded up to whole bits."""
    if data.dtype.kind not in "iu" or data.dtype.itemsize * 8 > _CODED_BITS:
        return None
    counts = np.bincount(data.reshape(-1).view(np.uint8), minlength=1)
    size = int(data.size)
    return -int(-sum(n * (log2(size) - log2(n)) for n in counts.tolist() if n) // 1)


def _input_axis(op: Operator, tensor: Tensor) -> int | None:
    """Return the axis of an operator's weights that runs over input channels; None where there is none."""
    rank = len(tensor.shape)
    if op.type == "FULLY_CONNECTED":
        return rank - 1 if op.attributes.get("transpose_b", True) else rank - 2
    if op.type == "CONV_2D":
        return rank - 1 if op.attributes.get("layout") == "NHWC" else 1
    return None
