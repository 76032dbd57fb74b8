"""Observers: from the values that a tensor takes on samples to the interval that its integers should cover."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError, UsageError, did_you_mean
from socsim.numerics.quantization.histogram import Histogram, divergence

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array

_STEPS = 100  # widths that the search for the least squared error tries


@dataclass(frozen=True, slots=True)
class Interval:
    """Reals from `low` to `high`."""

    low: float
    high: float


class Observer(ABC):
    """Watches one tensor.

    Life cycle: `collect` for the tensor's value on each sample, in order, then `interval`. The same
    values in the same order give the same interval.
    """

    def collect(self, values: Array) -> None:
        """Take the tensor's value on one more sample.

        Raises:
            NumericsError: a value is not finite.
        """
        flat = np.asarray(values, np.float32).ravel()
        if not np.all(np.isfinite(flat)):
            msg = "a value is NaN or infinite; calibrate with samples on which the network is finite"
            raise NumericsError(msg)
        if flat.size:
            self._collect(flat)

    @abstractmethod
    def _collect(self, flat: Array) -> None:
        """Take one or more finite float32 values."""

    @abstractmethod
    def interval(self, *, levels: int = 256, symmetric: bool = False) -> Interval:
        """Return the interval to cover.

        Args:
            levels: integers that will cover it.
            symmetric: whether they will lie symmetrically about zero.

        Raises:
            NumericsError: nothing was collected.
        """


class MinMax(Observer):
    """From the least to the greatest value."""

    def __init__(self) -> None:
        self._ends: tuple[float, float] | None = None

    def _collect(self, flat: Array) -> None:
        low, high = float(flat.min()), float(flat.max())
        self._ends = (low, high) if self._ends is None else (min(low, self._ends[0]), max(high, self._ends[1]))

    def interval(self, *, levels: int = 256, symmetric: bool = False) -> Interval:
        """Return the least and greatest value."""
        if self._ends is None:
            raise _nothing()
        return Interval(*self._ends)


class _Counting(Observer):
    """Counts values in bins.

    Args:
        bins: of the first sample; later samples that reach further add bins of the same width.
    """

    def __init__(self, bins: int = 2048) -> None:
        if bins < 2 or bins % 2:
            msg = f"bins is {bins}; give an even number of 2 or more"
            raise UsageError(msg)
        self._bins = bins
        self._counted: Histogram | None = None

    def _collect(self, flat: Array) -> None:
        self._counted = Histogram.of(flat, self._bins) if self._counted is None else self._counted.with_values(flat)

    @property
    def _histogram(self) -> Histogram:
        if self._counted is None:
            raise _nothing()
        return self._counted


class Percentile(_Counting):
    """The interval that holds a share of the values, what lies outside split between both ends.

    Args:
        percent: share inside.
        bins: see `_Counting`.

    Source: onnxruntime/python/tools/quantization/calibrate.py, compute_percentile. Asymmetric intervals
    equal its; symmetric ones differ by up to a bin, since it counts magnitudes in bins of their own.
    """

    def __init__(self, percent: float = 99.999, bins: int = 2048) -> None:
        super().__init__(bins)
        if not 0 < percent <= 100:
            msg = f"percent is {percent}; give a number above 0, up to 100"
            raise UsageError(msg)
        self._percent = percent

    def interval(self, *, levels: int = 256, symmetric: bool = False) -> Interval:
        """Return the ends of the bins that hold the share."""
        counted = self._histogram
        if symmetric:
            half = counted.counts.size // 2
            magnitudes = counted.counts[half:] + counted.counts[:half][::-1]
            shares = np.cumsum(magnitudes / magnitudes.sum())
            reach = counted.edges[half + 1 + min(int(np.searchsorted(shares, self._percent / 100.0)), half - 1)]
            return counted.within(-reach, reach)
        cut = (100.0 - self._percent) / 200.0
        shares = np.cumsum(counted.counts / counted.counts.sum())
        left, right = (int(np.searchsorted(shares, share)) for share in (cut, 1.0 - cut))
        return counted.within(counted.edges[left], counted.edges[min(right, shares.size)])


class Entropy(_Counting):
    """The interval about zero whose coarser distribution is nearest to that of the values (Kullback-Leibler).

    It wants far more values than bins: of few it cuts off the largest, logits included. It cuts further into
    rectified values than into signed ones.

    Args:
        bins: see `_Counting`; at least as many as `coarse`.
        coarse: bins of the coarser distribution.

    Source: onnxruntime/python/tools/quantization/calibrate.py, get_entropy_threshold, after Migacz,
    "8-bit inference with TensorRT", GTC 2017.
    """

    def __init__(self, bins: int = 2048, coarse: int = 128) -> None:
        super().__init__(bins)
        if not 2 <= coarse <= bins:
            msg = f"coarse is {coarse}; give a number from 2 to the {bins} bins"
            raise UsageError(msg)
        self._coarse = coarse

    def interval(self, *, levels: int = 256, symmetric: bool = False) -> Interval:
        """Return the interval of least divergence; of equal ones the narrowest."""
        counted = self._histogram
        middle, half = counted.counts.size // 2, self._coarse // 2
        ends = [(middle - i, min(middle + i + 1, counted.counts.size)) for i in range(half, middle + 1)]
        divergences = [divergence(counted.counts, start, end, self._coarse) for start, end in ends]
        start, end = ends[int(np.argmin(divergences))]
        return counted.within(counted.edges[start], counted.edges[end])


class MeanSquaredError(_Counting):
    """The interval of least squared error: what is cut off, plus step**2 / 12 for what is rounded.

    The least and greatest value shrink together, in steps of a hundredth. Exact zeros cost nothing.
    """

    def __init__(self, bins: int = 2048) -> None:
        super().__init__(bins)
        self._zeros = 0

    def _collect(self, flat: Array) -> None:
        self._zeros += int(np.count_nonzero(flat == 0))
        super()._collect(flat)

    def interval(self, *, levels: int = 256, symmetric: bool = False) -> Interval:
        """Return the interval of least error; of equal ones the widest."""
        counted = self._histogram
        counts, edges = counted.counts.astype(np.float64), counted.edges.astype(np.float64)
        centres = (edges[:-1] + edges[1:]) / 2
        home = int(np.clip(np.searchsorted(edges, 0.0, "right") - 1, 0, counts.size - 1))
        counts[home] -= self._zeros
        low, high = min(counted.low, 0.0), max(counted.high, 0.0)
        if symmetric:
            low, high = -max(-low, high), max(-low, high)
        centres = np.clip(centres, low, high)  # a bin may reach past the extreme value that it holds
        best, least = Interval(low, high), np.inf
        for step in range(_STEPS, 0, -1):
            share = step / _STEPS
            cut = centres - np.clip(centres, low * share, high * share)
            width = (high - low) * share / (levels - 1)
            error = float(counts @ np.where(cut == 0, width * width / 12, cut * cut))
            if error < least:
                best, least = Interval(low * share, high * share), error
        return best


OBSERVERS: MappingProxyType[str, Callable[[], Observer]] = MappingProxyType(
    {"entropy": Entropy, "minmax": MinMax, "mse": MeanSquaredError, "percentile": Percentile}
)
"""Observers with their default settings, by what users write."""


def observer(rule: str | Callable[[], Observer]) -> Callable[[], Observer]:
    """Return what makes observers: by name, or as given, such as `lambda: Percentile(99.9)`.

    Raises:
        UsageError: no such observer.
    """
    if not isinstance(rule, str):
        return rule
    if rule not in OBSERVERS:
        msg = f"observer {rule!r} is not known.{did_you_mean(rule, OBSERVERS)}"
        raise UsageError(msg)
    return OBSERVERS[rule]


def _nothing() -> NumericsError:
    return NumericsError("nothing was collected; calibrate with one sample or more that has elements")


__all__ = ["OBSERVERS", "Entropy", "Interval", "MeanSquaredError", "MinMax", "Observer", "Percentile", "observer"]
