"""Float products whose sums are added in the order of TFLite's reference kernels, so that they are equal in every bit.

Operators that quantize floats (hybrid ones, QUANTIZE) would otherwise turn the last bit of a sum into a
whole step of 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.threads import ALONE, Team, shared

if TYPE_CHECKING:
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
    out = np.empty((len(flat), weights.shape[1]), np.float32)
    matrix = np.ascontiguousarray(weights, np.float32)
    is_shared = out.size * len(matrix) >= _SHARED_MACS
    count = team.rows(len(flat), max(len(flat), 1), is_shared=is_shared)
    team.run(_accumulate, -(-len(flat) // count), flat, matrix, count, out)
    return out.reshape(*rows.shape[:-1], weights.shape[1])


@shared
def _accumulate(index: int, rows: Array, weights: Array, count: int, out: Array) -> None:
    """Compute rows `index` x `count` and those that follow, `count` of them."""
    for p in range(index * count, min((index + 1) * count, rows.shape[0])):
        target = out[p]
        target[:] = 0
        for k in range(rows.shape[1]):
            x = rows[p, k]
            for c in range(target.size):
                target[c] += x * weights[k, c]
