"""Float products whose sums are added in the order of TFLite's reference kernels, so that they are equal in every bit.

Operators that quantize floats (hybrid ones, QUANTIZE) would otherwise turn the last bit of a sum into a
whole step of 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.jit import kernel

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array


def ordered_product(rows: Array, weights: Array) -> Array:
    """Return rows [..., K] times weights [K, C] in float32, each sum from the first of K to the last.

    Source: TFLite kernels/internal/reference/{conv,fully_connected,transpose_conv}.h.
    """
    flat = np.ascontiguousarray(rows, np.float32).reshape(-1, len(weights))
    out = np.zeros((len(flat), weights.shape[1]), np.float32)
    _accumulate(flat, np.ascontiguousarray(weights, np.float32), out)
    return out.reshape(*rows.shape[:-1], weights.shape[1])


@kernel
def _accumulate(rows: Array, weights: Array, out: Array) -> None:
    for p in range(rows.shape[0]):
        target = out[p]
        for k in range(rows.shape[1]):
            x = rows[p, k]
            for c in range(target.size):
                target[c] += x * weights[k, c]
