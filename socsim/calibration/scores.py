"""Errors of predicted times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Reals = npt.NDArray[np.float64]


def mean_error(predicted: Reals, measured: Reals, metric: str) -> float:
    """Return the mean of the sizes of relative errors in a metric.

    Args:
        predicted: times.
        measured: times.
        metric: latency, or throughput: their inverse.
    """
    ratios = predicted / measured if metric == "latency" else measured / predicted
    return float(np.mean(np.abs(ratios - 1)))
