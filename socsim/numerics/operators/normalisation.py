"""Normalisation by the Euclidean length.

Source: TFLite reference/l2normalization.h, reference/integer_ops/l2normalization.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.gemmlowp import inverse_square_root
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import is_quantized, output_dtype, unsupported
from socsim.numerics.scaling import scaling_of, wrapped

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_FRACTION = 7  # bits of the result's fraction
_LEAST = np.float32(1e-6)


@implements("L2_NORMALIZATION")
def prepare_l2_normalization(node: Node) -> Run:
    """Each row divided by its length; quantized results are in 1/128."""
    tensor = node.input(0)
    if node.attributes.get("activation", "NONE") != "NONE":
        raise NumericsError(f"{node.where}: a fused activation has no rule")
    if tensor.dtype.is_float:
        return lambda x: (x / np.maximum(np.sqrt((x * x).sum(-1, keepdims=True, dtype=np.float32)), _LEAST),)
    if not is_quantized(tensor) or tensor.dtype.bits != 8:
        raise unsupported(node, tensor)
    return _quantized(node)


def _quantized(node: Node) -> Run:
    dtype, zero = output_dtype(node), node.zero_point(node.input(0))
    info = np.iinfo(dtype)
    middle = 128 if info.min == 0 else 0

    def run(x: Array) -> tuple[Array, ...]:
        rows = x.reshape(-1, x.shape[-1]).astype(np.int64) - zero
        out = np.empty(rows.shape, np.int64)
        for i, square in enumerate(wrapped((rows * rows).sum(axis=1))):
            mantissa, right = inverse_square_root(int(square))
            shift, values = (-right, rows[i] << _FRACTION) if middle else (_FRACTION - right, rows[i])
            out[i] = scaling_of(mantissa, shift, node.profile.elementwise).apply(values)
        return (np.clip(out + middle, info.min, info.max).astype(dtype).reshape(x.shape),)

    return run
