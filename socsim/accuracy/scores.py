"""How good predictions are: shares of relative errors, and the order of workloads."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose, sqrt
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of predictions, each `predicted / measured - 1`; every figure a share of 1.

    Args:
        mape: mean of the sizes of the errors.
        median: their median.
        p90: their 90th percentile, interpolated.
        within_10: share of the errors up to 10 %.
        within_25: share of the errors up to 25 %.
        bias: mean of the errors with their signs.
        spearman: rank correlation of predicted and measured; None where either has a single value.
    """

    mape: float
    median: float
    p90: float
    within_10: float
    within_25: float
    bias: float
    spearman: float | None


def score(pairs: Sequence[tuple[float, float]]) -> Score:
    """Return the score of (measured, predicted) pairs, of which there is at least one."""
    errors = [predicted / measured - 1 for measured, predicted in pairs]
    sizes = sorted(abs(error) for error in errors)
    return Score(
        mape=fmean(sizes),
        median=median(sizes),
        p90=percentile(sizes, 0.9),
        within_10=fmean(size <= 0.10 for size in sizes),
        within_25=fmean(size <= 0.25 for size in sizes),
        bias=fmean(errors),
        spearman=spearman(pairs),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of ordered values lies, interpolated between neighbours."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the correlation of ranks, ties at their mean rank; None where one side has a single value."""
    firsts, seconds = (_ranks(side) for side in zip(*pairs, strict=True))
    mean = (len(pairs) + 1) / 2
    covariance = sum((a - mean) * (b - mean) for a, b in zip(firsts, seconds, strict=True))
    spread = sqrt(sum((a - mean) ** 2 for a in firsts) * sum((b - mean) ** 2 for b in seconds))
    return covariance / spread if not isclose(spread, 0) else None


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for position in order[start : end + 1]:
            ranks[position] = (start + end) / 2 + 1
        start = end + 1
    return ranks
