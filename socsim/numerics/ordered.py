"""Float products whose sums are added in the order of TFLite's reference kernels, so that they are equal in every bit.

Operators that quantize floats (hybrid ones, QUANTIZE) would otherwise turn the last bit of a sum into a
whole step of 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.jit import kernel
from socsim.numerics.threads import ALONE, Team

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socsim.numerics.arrays import Array

_SHARED_MACS = 1 << 17  # from which threads gain more than they cost


def ordered_product(rows: Array, weights: Array, team: Team = ALONE) -> Array:
    """Return rows [..., K] times weights [K, C] in float32, each sum from the first of K to the last.

    Args:
        rows: in any float type.
        weights: likewise.
        team: threads that share the rows.

    Source: TFLite kernels/internal/reference/{conv,fully_connected,transpose_conv}.h.
    """
    flat = np.ascontiguousarray(rows, np.float32).reshape(-1, len(weights))
    out = np.zeros((len(flat), weights.shape[1]), np.float32)
    matrix = np.ascontiguousarray(weights, np.float32)

    def work(parts: Iterable[tuple[int, int]]) -> None:
        for first, last in parts:
            _accumulate(flat[first:last], matrix, out[first:last])

    team.share(work, team.blocks(len(flat), max(len(flat), 1), is_shared=out.size * len(matrix) >= _SHARED_MACS))
    return out.reshape(*rows.shape[:-1], weights.shape[1])


@kernel
def _accumulate(rows: Array, weights: Array, out: Array) -> None:
    for p in range(rows.shape[0]):
        target = out[p]
        for k in range(rows.shape[1]):
            x = rows[p, k]
            for c in range(target.size):
                target[c] += x * weights[k, c]
