"""What a model without structure reaches: a non-negative sum over totals of the network, fitted group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

if TYPE_CHECKING:
    import numpy.typing as npt

    Reals = npt.NDArray[np.float64]


def fit_additive(totals: Reals, measured: Reals) -> Reals:
    """Return the time that each unit of each total takes, never below 0.

    Minimises the sum of squares of predicted / measured - 1.

    Args:
        totals: samples x totals, as in `anatomy.TOTALS`.
        measured: times of the samples.
    """
    found, _ = nnls(totals / measured[:, None], np.ones(len(measured)))
    return np.asarray(found, np.float64)


def left_out(totals: Reals, measured: Reals, folds: npt.NDArray[np.str_]) -> Reals:
    """Return the prediction of each sample by a fit to the samples of all other folds.

    Where there are none, the mean of all is what such a model knows; it then answers with NaN.

    Args:
        totals: samples x totals.
        measured: times of the samples.
        folds: what is left out together.
    """
    predicted = np.full(len(measured), np.nan)
    for fold in np.unique(folds):
        rest = folds != fold
        if rest.any():
            predicted[~rest] = totals[~rest] @ fit_additive(totals[rest], measured[rest])
    return predicted
