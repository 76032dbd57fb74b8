"""Operators whose scales and zero points the network computes: prepared in a run, once for each set of values."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError, join_faults
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.node import prepared
from socsim.numerics.operators.onnx_affine import renewed
from socsim.workload.importers.onnx_quantization import bias_quantization, quantization_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import ComputedQuantization, Quantization, Tensor

_KEPT = 16  # sets of values whose packed weights, multipliers and tables an operator keeps


def prepared_with_values(node: Node) -> Run:
    """Return the run function of an operator, with or without operands that hold scales and zero points.

    With them, the operator is prepared and checked when they are known, and equals the one that has the same
    numbers as constants.

    Raises:
        NumericsError: what no kernel can use; of computed numbers, when the operator runs.
    """
    count = len(node.op.data_inputs)
    if count == len(node.op.inputs):
        return prepared(node)
    held = [node.input(i) for i in range(count, len(node.op.inputs))]

    @lru_cache(maxsize=_KEPT)
    def plan(*values: bytes) -> Run:
        arrays = (np.frombuffer(v, numpy_dtype(t.dtype)) for v, t in zip(values, held, strict=True))
        return prepared(_with_values(node, list(arrays)))

    return lambda *operands: plan(*(x.tobytes() for x in operands[count:]))(*operands[:count])


def _with_values(node: Node, values: Sequence[Array]) -> Node:
    """Return the operator on its data operands, with the quantization that the values of the others describe.

    Args:
        node: the operator.
        values: flat arrays, one for each operand behind the data operands.

    Raises:
        NumericsError: scales or zero points that a tensor cannot have, all listed.
    """
    count = len(node.op.data_inputs)
    inputs, outputs = node.inputs[:count], node.outputs
    points: dict[str, Any] = {}
    faults = []
    computed: Sequence[ComputedQuantization] = node.attributes["computed_quantization"]
    for found in computed:
        tensor = outputs[0] if found.operand is None else node.input(found.operand)
        scale, point = (None if i is None else values[i - count] for i in (found.scale, found.zero_point))
        if scale is None and point is not None:
            points[f"zero_point_{found.operand}"] = tuple(point.tolist())
            continue
        try:
            known = _of_bias(inputs) if scale is None else quantization_of(tensor, scale, point, axis=found.axis)
        except ValueError as fault:
            faults.append(f"quantization of {tensor.name!r}: {fault}")
            continue
        where, position = (outputs, 0) if found.operand is None else (inputs, found.operand)
        where[position] = replace(tensor, quantization=known)
    if faults:
        raise NumericsError(join_faults(node.where, faults))
    return renewed(node, inputs, outputs, **points, computed_quantization=())


def _of_bias(inputs: Sequence[Tensor | None]) -> Quantization | None:
    """Return the quantization of a bias by the two operands before it, which have theirs by now."""
    left, right = (None if t is None else t.quantization for t in inputs[:2])
    return bias_quantization(left, right)
