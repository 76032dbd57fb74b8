"""Errors of predicted times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Reals = npt.NDArray[np.float64]


def mean_error(predicted: Reals, measured: Reals) -> float:
    """Return the mean of the sizes of relative errors."""
    return float(np.mean(np.abs(predicted / measured - 1)))
