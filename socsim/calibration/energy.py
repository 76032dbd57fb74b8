"""Energy and power of boards against measurements, each workload predicted by a model that has not seen it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import exp, log
from statistics import fmean, median
from typing import TYPE_CHECKING

from socsim.calibration.energy_model import fit_model, form_of, pool, seconds
from socsim.calibration.energy_targets import METRICS, energy_groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.accuracy.groups import GroupKey
    from socsim.accuracy.table import MeasurementTable
    from socsim.calibration.busy_cores import BusyPoint
    from socsim.calibration.energy_model import EnergyModel, Form
    from socsim.calibration.energy_targets import EnergyGroup, EnergyTarget, Refusal
    from socsim.calibration.power_tables import IdleFloors

TIMES = ("measured", "predicted")
"""Latencies that energies are predicted with: those measured beside them, and the model's."""
FEWEST = 3
"""Workloads from which on a group is scored; smaller ones are listed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is predicted for a target with latencies of one kind, in its unit; None where no other row is there.

    Args:
        seconds: latency of one inference that it takes.
        model: the group's own model, fitted without the target's workload.
        baseline: constant power of the group, fitted in the same way.
        transfer: coefficients of other platforms alone, fitted without the target's workload.
    """

    seconds: float
    model: float | None
    baseline: float | None
    transfer: float


@dataclass(frozen=True, slots=True)
class EnergyRow:
    """A target beside its estimates.

    Args:
        target: what was measured.
        estimates: by `TIMES`.
    """

    target: EnergyTarget
    estimates: Mapping[str, Estimate]

    def error(self, time: str, by: str) -> float | None:
        """Return predicted / measured - 1 with latencies `time` by "model", "baseline" or "transfer"."""
        predicted: float | None = getattr(self.estimates[time], by)
        return None if predicted is None else predicted / self.target.value - 1


@dataclass(frozen=True, slots=True)
class EnergyScore:
    """Mean sizes of a group's errors, each workload left out in turn.

    Args:
        mape: of the model.
        baseline_mape: of constant power.
        transfer_mape: of coefficients from other platforms alone.
    """

    mape: float
    baseline_mape: float
    transfer_mape: float

    @property
    def improvement(self) -> float:
        """Share of the baseline's error that the model does not make."""
        return 1 - self.mape / self.baseline_mape if self.baseline_mape else 0.0


@dataclass(frozen=True, slots=True)
class FittedParameter:
    """A coefficient of a group, fitted to all its workloads with measured latencies.

    Args:
        name: what it scales.
        meaning: in words.
        value: over the booked quantity.
        low: one standard deviation below.
        high: one standard deviation above.
        prior: what it was drawn to.
        is_free: whether rows could move it.
        typical: the quantity itself in `unit`, times the coefficient; the median over the group's targets.
        unit: W, J or pJ.
    """

    name: str
    meaning: str
    value: float
    low: float
    high: float
    prior: float
    is_free: bool
    typical: float
    unit: str


@dataclass(frozen=True)
class EnergyGroupResult:
    """How a group's targets are met.

    Args:
        key: what they have in common.
        rows: targets beside their estimates.
        refusals: measurements without a prediction, with the reason.
        workloads: networks with a target.
        noise_floor: mean relative distance of repeats from their target; None without repeats.
        parameters: coefficients of the model fitted to all of them.
    """

    key: GroupKey
    rows: tuple[EnergyRow, ...]
    refusals: tuple[Refusal, ...]
    workloads: int
    noise_floor: float | None
    parameters: tuple[FittedParameter, ...]

    @property
    def is_scored(self) -> bool:
        """Whether there are enough workloads to count."""
        return self.workloads >= FEWEST

    @cached_property
    def scores(self) -> Mapping[str, EnergyScore]:
        """Scores by `TIMES`; empty where a single workload leaves nothing to fit to."""
        if self.workloads < 2:
            return {}
        return {
            time: EnergyScore(*(self._mape(time, by) for by in ("model", "baseline", "transfer"))) for time in TIMES
        }

    def _mape(self, time: str, by: str) -> float:
        errors = [row.error(time, by) for row in self.rows]
        return fmean(abs(error) for error in errors if error is not None)


@dataclass(frozen=True, slots=True)
class EnergyTotals:
    """Medians over the scored groups of a metric.

    Args:
        groups: how many.
        mape: of the model.
        baseline_mape: of constant power.
        improvement: share by which the first is below the second.
    """

    groups: int
    mape: float
    baseline_mape: float
    improvement: float


@dataclass(frozen=True)
class EnergyComparison:
    """Energies and powers of a table against models that have not seen their workloads.

    Args:
        table: name of its file.
        groups: scored ones by metric and falling error with measured latencies, then smaller ones.
        busy_cores: power of busy cores by operating point.
        floors: powers of idle boards.
        skipped: "line N: …" for the faults of rows that were left out.
    """

    table: str
    groups: tuple[EnergyGroupResult, ...]
    busy_cores: tuple[BusyPoint, ...]
    floors: IdleFloors
    skipped: tuple[str, ...]

    def totals(self, metric: str, time: str) -> EnergyTotals | None:
        """Return the medians over scored groups; None where there are none."""
        scores = [g.scores[time] for g in self.groups if g.is_scored and g.key.metric == metric]
        if not scores:
            return None
        mape, baseline = median(s.mape for s in scores), median(s.baseline_mape for s in scores)
        return EnergyTotals(len(scores), mape, baseline, 1 - mape / baseline if baseline else 0.0)


def compare_energy(
    table: MeasurementTable,
    floors: IdleFloors,
    *,
    latencies: Mapping[int, float] | None = None,
    busy_cores: Sequence[BusyPoint] = (),
) -> EnergyComparison:
    """Fit each group of a table without each of its workloads in turn, and predict those.

    Args:
        table: measurements: energies and powers, and the latencies beside them.
        floors: powers of idle boards.
        latencies: predicted seconds of one inference by the line of a latency or throughput; those beside an energy
            take the place of what the cost model says uncalibrated. For figures that hold for workloads left out, they
            must come from fits without the line's workload.
        busy_cores: predicted and measured power of busy cores, which the comparison keeps beside the groups.
    """
    found = energy_groups(table.rows, floors, latencies)
    fitter = _Fitter([group for group in found if group.targets])
    results = sorted((_result(group, fitter) for group in found), key=_worst_first)
    return EnergyComparison(table.name, tuple(results), tuple(busy_cores), floors, table.faults)


def _worst_first(group: EnergyGroupResult) -> tuple[bool, int, float, GroupKey]:
    score = group.scores.get("measured")
    return not group.is_scored, METRICS.index(group.key.metric), -score.mape if score else 0.0, group.key


def _result(group: EnergyGroup, fitter: _Fitter) -> EnergyGroupResult:
    rows = tuple(EnergyRow(t, {time: fitter.estimate(group, t, time) for time in TIMES}) for t in group.targets)
    parameters = _parameters(fitter.model(group, None, "measured"), group.targets) if group.targets else ()
    return EnergyGroupResult(group.key, rows, group.refusals, len(group.workloads), group.noise_floor, parameters)


def _parameters(model: EnergyModel, targets: Sequence[EnergyTarget]) -> tuple[FittedParameter, ...]:
    form, fitted = model.form, model.fit
    found = []
    for n, (p, value, spread) in enumerate(zip(form.parameters, fitted.values, fitted.spreads, strict=True)):
        typical = value * median(_quantity(form, n, target) for target in targets)
        low, high, prior = value * exp(-spread), value * exp(spread), model.priors[n].centre
        found.append(FittedParameter(p.name, p.meaning, value, low, high, prior, n < form.free, typical, p.unit))
    return tuple(found)


def _quantity(form: Form, n: int, target: EnergyTarget) -> float:
    """Return what a coefficient scales: watts of the static part, joules of an inference, picojoules of one MAC."""
    unit = form.parameters[n].unit
    if unit == "pJ":
        is_integer = target.books.is_integer if form.is_small else form.parameters[n].name.startswith("integer")
        return form.mac_j[is_integer] * 1e12
    time = seconds(target, "measured")
    term = form.terms(target, time)[n]
    if unit == "W":
        return term if target.is_power else term / time
    return term * time if target.is_power else term


class _Fitter:
    """Models of groups without a workload, each fitted once.

    A group's priors are pooled over groups of the same metric and kind of unit on other platforms, themselves fitted
    without the left-out workload; microcontrollers and chips with DRAM apart.
    """

    def __init__(self, groups: Sequence[EnergyGroup]) -> None:
        self._groups = groups
        self._forms = {group.key: form_of(group) for group in groups}
        self._own: dict[tuple[GroupKey, str | None, str], EnergyModel] = {}
        self._pooled: dict[tuple[GroupKey, str | None, str], dict[str, float]] = {}
        self._models: dict[tuple[GroupKey, str | None, str], EnergyModel] = {}

    def model(self, group: EnergyGroup, left_out: str | None, time: str) -> EnergyModel:
        """Return a group's model with pooled priors, fitted without a workload."""
        key = group.key, left_out, time
        if key not in self._models:
            seen = _without(group, left_out)
            self._models[key] = fit_model(self._forms[group.key], seen, time, self._centres(group, left_out, time))
        return self._models[key]

    def estimate(self, group: EnergyGroup, target: EnergyTarget, time: str) -> Estimate:
        """Return what is predicted for a target by fits without its workload."""
        span, workload = seconds(target, time), target.workload
        form = self._forms[group.key]
        others = fit_model(form, (), time, self._centres(group, workload, time))
        seen = _without(group, workload)
        return Estimate(
            seconds=span,
            model=self.model(group, workload, time).value(target, span) if seen else None,
            baseline=_constant_power(seen, time, target) if seen else None,
            transfer=others.value(target, span),
        )

    def _centres(self, group: EnergyGroup, left_out: str | None, time: str) -> dict[str, float]:
        key = group.key, left_out, time
        if key not in self._pooled:
            related = [g for g in self._groups if _family(g) == _family(group) and g.key.platform != group.key.platform]
            self._pooled[key] = pool((self._alone(g, left_out, time), _without(g, left_out)) for g in related)
        return self._pooled[key]

    def _alone(self, group: EnergyGroup, left_out: str | None, time: str) -> EnergyModel:
        """Return a group's model with the default priors, fitted without a workload."""
        key = group.key, left_out if left_out in group.workloads else None, time
        if key not in self._own:
            self._own[key] = fit_model(self._forms[group.key], _without(group, left_out), time)
        return self._own[key]


def _family(group: EnergyGroup) -> tuple[str, str, bool]:
    return group.key.metric, group.key.unit, group.targets[0].books.is_microcontroller


def _without(group: EnergyGroup, workload: str | None) -> list[EnergyTarget]:
    return [target for target in group.targets if target.workload != workload]


def _constant_power(seen: Sequence[EnergyTarget], time: str, target: EnergyTarget) -> float:
    """Return what a target takes if the group draws the same power whatever it runs: the median of other workloads."""
    if target.is_power:
        return exp(median(log(other.value) for other in seen))
    power = exp(median(log(other.value / seconds(other, time)) for other in seen))
    return power * seconds(target, time)
