"""What cross-validation says of a table: errors of every group under each way to predict it, and totals."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np

from socsim.accuracy.scores import Score, score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from socsim.accuracy.groups import GroupKey
    from socsim.calibration.library import Calibration
    from socsim.calibration.timing import GroupFit

    Reals = npt.NDArray[np.float64]

Way = Literal[
    "uncalibrated", "fitted", "workload_out", "family_out", "platform_out", "additive_out", "additive_family_out"
]
"""uncalibrated: structure and datasheet numbers; fitted: calibrated on all rows, those that are scored included;
workload_out: calibrated without the network, on any chip; family_out: without the networks of its family;
platform_out: by relatives, without the platform; additive_out, additive_family_out: the baseline without structure."""
WAYS: tuple[Way, ...] = (
    "uncalibrated", "fitted", "workload_out", "family_out", "platform_out", "additive_out", "additive_family_out",
)  # fmt: skip

ENOUGH = 8
"""Networks from which on a group counts in totals."""
FAR_OFF = 0.25
_NOISE = 1.2
"""Noise floors that an error may reach before it counts."""


@dataclass(frozen=True)
class CrossedFigure:
    """A target and its predictions, each the time of a batch in seconds.

    Args:
        workload: the network.
        lines: of the table.
        measured: target.
        predicted: by way; None where a way knows nothing.
    """

    workload: str
    lines: tuple[int, ...]
    measured: float
    predicted: dict[Way, float | None]


@dataclass(frozen=True)
class CrossedGroup:
    """A group under each way to predict it.

    Args:
        key: what its rows have in common.
        pool: runtime that it was fitted together with.
        workloads: networks.
        noise: mean distance of repeats from their median; None without repeats.
        scores: by way; None where nothing was predicted.
        figures: its targets.
    """

    key: GroupKey
    pool: str
    workloads: int
    noise: float | None
    scores: dict[Way, Score | None]
    figures: tuple[CrossedFigure, ...]

    @property
    def counts(self) -> bool:
        """Whether it has enough networks to count in totals."""
        return self.workloads >= ENOUGH

    def is_within_noise(self, way: Way) -> bool:
        """Whether its error cannot be told from that of its repeats."""
        found = self.scores[way]
        return found is not None and self.noise is not None and found.mape <= _NOISE * self.noise


@dataclass(frozen=True)
class CrossedTotals:
    """Medians over (platform, unit) pairs with enough networks, each counted once with the median of its groups.

    Args:
        pairs: how many there are.
        mape: by way.
        spearman: by way.
        far_off: share of pairs above 25 % by way, those within their noise left out.
        gain: relative gain of `family_out` over the baseline in the same cross-validation.
    """

    pairs: int
    mape: dict[Way, float | None]
    spearman: dict[Way, float | None]
    far_off: dict[Way, float | None]
    gain: float | None


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validation of a table.

    Args:
        groups: those that count first, by falling error without the network.
        totals: over those that count.
    """

    groups: tuple[CrossedGroup, ...]
    totals: CrossedTotals


def cross_validation(calibration: Calibration) -> CrossValidation:
    """Return what the fits of a table say of themselves."""
    found = sorted((_group(calibration, fit) for fit in calibration.groups), key=_order)
    return CrossValidation(tuple(found), _totals(found))


def _group(calibration: Calibration, fit: GroupFit) -> CrossedGroup:
    group = fit.group
    cases = [calibration.given.questions[sample.lines[0]].case for sample in group.samples]
    plain = np.array([calibration.given.predictions[case].uncalibrated_ps or np.nan for case in cases if case])
    times: dict[Way, Reals] = {
        "uncalibrated": plain, "fitted": fit.times, "workload_out": fit.workload_out, "family_out": fit.family_out,
        "platform_out": fit.platform_out, "additive_out": fit.additive_out,
        "additive_family_out": fit.additive_family_out,
    }  # fmt: skip
    figures = [
        CrossedFigure(
            sample.workload,
            sample.lines,
            sample.measured_ps * 1e-12,
            {way: float(times[way][i]) * 1e-12 if np.isfinite(times[way][i]) else None for way in WAYS},
        )
        for i, sample in enumerate(group.samples)
    ]
    is_rate = group.key.metric == "throughput"
    scores = {way: _score(figures, way, is_rate=is_rate) for way in WAYS}
    return CrossedGroup(group.key, fit.pool, len(set(group.workloads)), fit.noise, scores, tuple(figures))


def _score(figures: Sequence[CrossedFigure], way: Way, *, is_rate: bool) -> Score | None:
    """Return the score in the figures' own metric: an error of a rate is not that of its time."""
    pairs = [(f.measured, value) for f in figures if (value := f.predicted[way]) is not None]
    if is_rate:
        pairs = [(1 / measured, 1 / predicted) for measured, predicted in pairs]
    return score(pairs) if pairs else None


def _order(group: CrossedGroup) -> tuple[bool, float, GroupKey]:
    found = group.scores["workload_out"]
    return not group.counts, -(found.mape if found else 0.0), group.key


def _totals(found: Sequence[CrossedGroup]) -> CrossedTotals:
    counted = [group for group in found if group.counts]
    mape = {way: _typical(counted, way, lambda s: s.mape) for way in WAYS}
    ours, theirs = mape["family_out"], mape["additive_family_out"]
    return CrossedTotals(
        pairs=len(_by_pair(counted)),
        mape=mape,
        spearman={way: _typical(counted, way, lambda s: s.spearman) for way in WAYS},
        far_off={way: _far_off(counted, way) for way in WAYS},
        gain=1 - ours / theirs if ours is not None and theirs else None,
    )


def _by_pair(found: Sequence[CrossedGroup]) -> list[list[CrossedGroup]]:
    pairs: dict[tuple[str, str], list[CrossedGroup]] = {}
    for group in found:
        pairs.setdefault((group.key.platform, group.key.unit), []).append(group)
    return list(pairs.values())


def _typical(found: Sequence[CrossedGroup], way: Way, figure: Callable[[Score], float | None]) -> float | None:
    medians = []
    for pair in _by_pair(found):
        values = [v for group in pair if (s := group.scores[way]) and (v := figure(s)) is not None]
        if values:
            medians.append(median(values))
    return median(medians) if medians else None


def _far_off(found: Sequence[CrossedGroup], way: Way) -> float | None:
    flags = []
    for pair in _by_pair(found):
        values = [s.mape for group in pair if (s := group.scores[way])]
        if values:
            flags.append(median(values) > FAR_OFF and not all(group.is_within_noise(way) for group in pair))
    return sum(flags) / len(flags) if flags else None
