"""A robust fit of positive coefficients to positive values: on log error, towards a prior, within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_HUBER = 2.0
"""Standardised errors up to which they count in full; beyond, a row's pull stays the same."""
_MOST_STEPS = 200
_LONGEST_STEP = 1.0
_ENOUGH = 1e-9


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a coefficient before its rows are seen.

    Args:
        centre: most likely value.
        spread: standard deviation of its logarithm; 0 keeps it at the centre.
        low: least value that it can have, above 0.
        high: greatest value that it can have.
    """

    centre: float
    spread: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Fitted coefficients.

    Args:
        values: in the order of the terms.
        spreads: standard deviations of their logarithms; 0 for one that was kept.
    """

    values: tuple[float, ...]
    spreads: tuple[float, ...]


def fit(terms: Sequence[Sequence[float]], values: Sequence[float], priors: Sequence[Prior], scatter: float) -> Fit:
    """Fit values as sums of terms times coefficients.

    Minimises Huber's loss of log(value / sum) over the expected scatter, plus the square distance of the
    coefficients' logarithms from their priors, by damped Gauss-Newton steps from the priors' centres. Equal rows
    in equal order give equal bits.

    Args:
        terms: [n, k], each at least 0, one above 0 in each row.
        values: [n], above 0; may be empty, which gives the priors back.
        priors: [k].
        scatter: standard deviation of log(value / sum) that a perfect model would leave.

    Source: Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).
    """
    problem = _Problem(
        np.asarray(terms, dtype=np.float64).reshape(len(values), len(priors)),
        np.asarray(values, dtype=np.float64),
        priors,
        scatter,
    )
    logs = problem.centres.copy()
    loss = problem.loss(logs)
    for _ in range(_MOST_STEPS):
        logs, new = problem.better(logs, loss)
        if loss - new <= _ENOUGH * (1 + loss):
            break
        loss = new
    return Fit(tuple(map(float, np.exp(logs))), problem.spreads(logs))


class _Problem:
    """Terms, values and priors, with the loss of coefficients' logarithms."""

    def __init__(self, terms: Floats, values: Floats, priors: Sequence[Prior], scatter: float) -> None:
        self._terms = terms
        self._values = values
        self._scatter = scatter
        self._free = np.array([prior.spread > 0 for prior in priors], dtype=bool)
        self._weights = np.array([prior.spread**-2 if prior.spread > 0 else 0.0 for prior in priors])
        self._low = np.log([prior.low for prior in priors])
        self._high = np.log([prior.high for prior in priors])
        self.centres: Floats = np.clip(np.log([prior.centre for prior in priors]), self._low, self._high)

    def loss(self, logs: Floats) -> float:
        """Return Huber's loss of the rows plus that of the priors."""
        sizes = np.abs(self._errors(logs))
        rows = np.where(sizes <= _HUBER, sizes**2 / 2, _HUBER * (sizes - _HUBER / 2))
        return float(rows.sum() + (self._weights * (logs - self.centres) ** 2).sum() / 2)

    def better(self, logs: Floats, loss: float) -> tuple[Floats, float]:
        """Return logarithms of a lower loss and that loss, or the same ones where no step finds any."""
        slope, curvature = self._linear(logs)
        step = np.zeros_like(logs)
        free = self._free
        if free.any():
            step[free] = np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        longest = float(np.abs(step).max(initial=0.0))
        share = min(1.0, _LONGEST_STEP / longest) if longest else 0.0
        while share > _ENOUGH:
            moved = np.clip(logs + share * step, self._low, self._high)
            new = self.loss(moved)
            if new < loss:
                return moved, new
            share /= 2
        return logs, loss

    def spreads(self, logs: Floats) -> tuple[float, ...]:
        """Return standard deviations of the logarithms: wider where rows scatter more than expected."""
        found = np.zeros_like(logs)
        free = self._free
        if free.any():
            _, curvature = self._linear(logs)
            errors = self._errors(logs)
            excess = max(1.0, float((errors**2).mean())) if len(errors) else 1.0
            found[free] = np.sqrt(np.diag(np.linalg.inv(curvature[np.ix_(free, free)])) * excess)
        return tuple(map(float, found))

    def _errors(self, logs: Floats) -> Floats:
        sums = self._terms @ np.exp(logs)
        return np.asarray(np.log(self._values / sums) / self._scatter, dtype=np.float64)

    def _linear(self, logs: Floats) -> tuple[Floats, Floats]:
        """Return the downhill slope and the curvature of the loss, errors beyond Huber's limit weighed less."""
        parts = self._terms * np.exp(logs)
        shares = parts / parts.sum(axis=1, keepdims=True) / self._scatter
        errors = self._errors(logs)
        weights = np.minimum(1.0, _HUBER / np.maximum(np.abs(errors), _ENOUGH))
        slope = shares.T @ (weights * errors) + self._weights * (self.centres - logs)
        curvature = shares.T @ (shares * weights[:, None]) + np.diag(self._weights)
        return slope, curvature
