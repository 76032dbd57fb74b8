"""Histograms that grow, and how far a coarser distribution is from one.

Source: onnxruntime/python/tools/quantization/calibrate.py, HistogramCollector; the same types and order
of operations, so that thresholds are the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.quantization.observers import Interval

_FLOOR = 0.0001  # mass that smoothing gives to an empty bin


@dataclass(frozen=True)
class Histogram:
    """Counts in equal bins that lie symmetrically about zero.

    Args:
        counts: [bins] int64.
        edges: [bins + 1] float32.
        low: least value counted.
        high: greatest value counted.
        reach: magnitude of the outermost edges.
    """

    counts: Array
    edges: Array
    low: Any
    high: Any
    reach: Any

    @classmethod
    def of(cls, flat: Array, bins: int) -> Histogram:
        """Return the histogram of float32 values, as wide as the greatest magnitude."""
        low, high = flat.min(), flat.max()
        reach = np.array(max(abs(low), abs(high)), np.float32)
        counts, edges = _counted(flat, bins, reach)
        return cls(counts, edges, low, high, reach)

    def with_values(self, flat: Array) -> Histogram:
        """Return the histogram with more values, with bins added at both ends where they reach further."""
        low, high = flat.min(), flat.max()
        reach = np.array(max(abs(low), abs(high)), np.float32)
        low, high = min(self.low, low), max(self.high, high)
        if reach <= self.reach:
            counts, _ = _counted(flat, self.counts.size, self.reach)
            return Histogram(counts + self.counts, self.edges, low, high, self.reach)
        if self.reach == 0:
            counts, edges = _counted(flat, self.counts.size, reach)
            return Histogram(counts + self.counts, edges, low, high, reach)
        width = 2 * self.reach / self.counts.size
        more = int((reach - self.reach) // width + 1)
        reach = more * width + self.reach
        bins = self.counts.size + 2 * more
        counts, edges = _counted(flat, bins, reach)
        counts[more : bins - more] += self.counts
        return Histogram(counts, edges, low, high, reach)

    def within(self, low: Any, high: Any) -> Interval:
        """Return an interval cut to the values that were counted."""
        from socsim.numerics.quantization.observers import Interval

        return Interval(float(max(low, self.low)), float(min(high, self.high)))


def _counted(flat: Array, bins: int, reach: Any) -> tuple[Array, Array]:
    """Return counts and edges of bins from -reach to reach."""
    ends: Any = (-reach, reach)  # float32, so that the edges are
    return np.histogram(flat, bins, range=ends)


def divergence(counts: Array, start: int, end: int, coarse: int) -> float:
    """Return the Kullback-Leibler divergence of a part of a histogram from its coarser form.

    Args:
        counts: [bins] int64.
        start: first bin of the part; what lies before is added to it.
        end: end of the part; what lies after is added to its last bin.
        coarse: bins of the coarser form, no more than those of the part.
    """
    part = counts[start:end]
    reference = part.copy()
    reference[0] += counts[:start].sum()
    reference[-1] += counts[end:].sum()
    merged = part.size // coarse
    whole = coarse * merged
    sums = part[:whole].reshape(coarse, merged).sum(axis=1)
    sums[-1] += part[whole:].sum()
    filled = (reference[:whole] != 0).reshape(coarse, merged).sum(axis=1)
    candidate = np.zeros(part.size, np.int64)
    candidate[:whole] = np.repeat(np.where(filled > 0, sums / np.maximum(filled, 1), 0).astype(np.int64), merged)
    p, q = _smoothed(reference), _smoothed(candidate)
    if p is None or q is None:
        return float("inf")
    p, q = p / np.sum(p), q / np.sum(q)
    return float(np.sum(p * np.log(p / q)))


def _smoothed(counts: Array) -> Array | None:
    """Return float32 counts with some mass moved to empty bins; None where none is left to move."""
    empty = (counts == 0).astype(np.float32)
    zeros = empty.sum()
    taken = _FLOOR * float(zeros) / max(float(counts.size - zeros), 1e-9)
    if taken >= 1:
        return None
    smoothed = counts.astype(np.float32)
    smoothed += _FLOOR * empty + (-taken) * (1 - empty)
    return smoothed
