"""Float products whose sums are added in the order of TFLite's reference kernels, so that they are equal in every bit.

Operators that quantize floats (hybrid ones, QUANTIZE) would otherwise turn the last bit of a sum into a
whole step of 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.calls import Call, shared, span
from socsim.numerics.threads import ALONE, Team

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array

_LEAST_MACS = 1 << 17  # of a block that a thread gains from


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
    parts = team.parts(len(flat), max(len(flat), 1), out.size * len(matrix) // _LEAST_MACS)
    team.run(Call(_accumulate, parts, (flat, matrix, parts, out)))
    return out.reshape(*rows.shape[:-1], weights.shape[1])


@shared
def _accumulate(index: int, rows: Array, weights: Array, parts: int, out: Array) -> None:
    """Compute one part of the rows."""
    first, last = span(index, parts, rows.shape[0])
    for p in range(first, last):
        target = out[p]
        target[:] = 0
        for k in range(rows.shape[1]):
            x = rows[p, k]
            for c in range(target.size):
                target[c] += x * weights[k, c]
