"""Copies of operands in a result's scale and zero point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics import lookup
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.operators.operands import clamped_float, is_quantized, scale32
from socsim.numerics.tables import rounded
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node
    from socsim.workload.graph import Tensor

    Copy = Callable[[Array], Array]


def copies(node: Node) -> list[Copy]:
    """Return what turns each operand into its part of the result.

    Raises:
        NumericsError: scales differ where the kernels only copy.
    """
    if not is_quantized(node.outputs[0]):
        clamp = clamped_float(node)
        return [clamp for _ in node.op.inputs]
    return [_copy(node, node.input(i)) for i in range(len(node.op.inputs))]


def _copy(node: Node, tensor: Tensor) -> Copy:
    result = node.outputs[0]
    scale_in, scale_out = scale32(node, tensor), scale32(node, result)
    zero_in, zero_out = node.zero_point(tensor), node.zero_point(result)
    if (scale_in, zero_in) == (scale_out, zero_out):
        return lambda x: x
    if tensor.dtype is not DType.UINT8:
        msg = (
            f"{node.where}: operand {tensor.name!r} has scale {scale_in:g} and zero point {zero_in}, the result "
            f"{scale_out:g} and {zero_out}; for {tensor.dtype.value} they must be equal"
        )
        raise NumericsError(msg)
    ratio = scale_in * (np.float32(1) / scale_out)
    bias = np.float32(-zero_in) * ratio

    def formula(q: Array) -> Array:
        real = rounded(q.astype(np.float32) * ratio + bias)
        return np.clip(real.astype(np.int64) + zero_out, 0, 255).astype(np.uint8)

    return lookup.Table(numpy_dtype(tensor.dtype), formula)
