"""A board's energy as a sum of terms that the cost model books, each with a coefficient of physical meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log
from statistics import median
from typing import TYPE_CHECKING

from socsim.calibration.energy_fit import Fit, Prior, fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.calibration.energy_targets import EnergyGroup, EnergyTarget

SMALL = 4
"""Workloads up to which a group has one static coefficient and one for each multiply-accumulate."""
MOST_PARAMETERS = 6
EXPECTED_SCATTER = {"measured": 0.05, "predicted": 0.15}
"""Standard deviation of log energy around a perfect model: of meters and boards, and of predicted latencies too."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A coefficient of the model.

    Args:
        name: what it scales.
        meaning: in words.
        unit: of the booked quantity that it scales.
        prior: before anything is fitted; a pooled centre takes the place of its own.
    """

    name: str
    meaning: str
    unit: str
    prior: Prior


# Priors: booked figures are right within a factor of e, but for multiplications, where the technology gives the bare
# arithmetic of a multiplier and boards pay for operand delivery, control and conversion losses too, and for traffic,
# which rows of one chip hardly tell apart from time. An awake board adds about half of its idle floor to it.
STATIC = Parameter(
    "static", "power of the awake board, over that of the idle board or booked static power", "W",
    Prior(1.0, 1.0, 0.05, 20.0),
)  # fmt: skip
CYCLES = Parameter("cycles", "energy of a busy cycle over the booked one", "J", Prior(1.0, 1.0, 0.05, 20.0))
INTEGER_MAC = Parameter(
    "integer MAC", "energy of an integer multiply-accumulate over the booked one", "pJ", Prior(1.0, 2.0, 0.05, 1000.0)
)
FLOAT_MAC = Parameter(
    "float MAC", "energy of a multiply-accumulate in floats over the booked one", "pJ", Prior(1.0, 2.0, 0.05, 1000.0)
)
TRAFFIC = Parameter("traffic", "energy of bytes moved over the booked one", "J", Prior(1.0, 0.5, 0.2, 5.0))
AWAKE = Parameter(
    "static", "power of the awake board above the idle floor, over that floor", "W", Prior(0.5, 1.0, 0.01, 10.0)
)
RUNNING = Parameter(
    "running", "power of the running board over the idle board's or booked static power and busy cycles", "W",
    Prior(1.0, 1.0, 0.05, 20.0),
)  # fmt: skip
RUNNING_ABOVE = Parameter(
    "running", "power of the running board above the idle floor, over that floor and booked busy cycles", "W",
    Prior(0.5, 1.0, 0.01, 10.0),
)  # fmt: skip
MAC = Parameter("MAC", "energy of a multiply-accumulate over the booked work of one", "pJ", Prior(1.0, 1.0, 0.05, 20.0))


@dataclass(frozen=True, slots=True)
class Form:
    """Which terms a group's energies are sums of.

    Args:
        parameters: in order of importance.
        free: how many of them its rows may move; the others keep their prior.
        busy_w: booked power of busy cycles that goes with time, for small groups.
        mac_j: booked joules of one multiply-accumulate by whether it is of integers, for small groups with traffic.
    """

    parameters: tuple[Parameter, ...]
    free: int
    busy_w: float
    mac_j: Mapping[bool, float]

    @property
    def is_small(self) -> bool:
        """Whether there is one coefficient for time and one for work."""
        return len(self.parameters) == 2

    def terms(self, target: EnergyTarget, seconds: float) -> list[float]:
        """Return joules of an inference that takes a time, or watts above the idle floor, by parameter."""
        books = target.books
        reference = books.static_w if target.floor_w is None else target.floor_w
        mac = books.macs * self.mac_j[books.is_integer]
        if self.is_small:
            found = [(reference + self.busy_w) * seconds, mac]
        else:
            by_type = [mac, 0.0] if books.is_integer else [0.0, mac]
            found = [reference * seconds, books.cycles_j, *by_type, books.traffic_j]
        return [term / seconds for term in found] if target.is_power else found


def form_of(group: EnergyGroup) -> Form:
    """Return the form of a group: two coefficients for few workloads, at most one for each three of more.

    A group of up to eight workloads has too few to tell busy cycles and traffic from time and work.
    """
    count = len(group.workloads)
    free = 2 if count <= SMALL else min(MOST_PARAMETERS, count // 3)
    is_power = group.key.metric == "power"
    if free > 2:
        parameters = (AWAKE if is_power else STATIC, CYCLES, INTEGER_MAC, FLOAT_MAC, TRAFFIC)
        return Form(parameters, min(free, len(parameters)), 0.0, _mac_j(group, with_traffic=False))
    busy = median(target.books.cycles_j / target.books.latency_s for target in group.targets)
    return Form((RUNNING_ABOVE if is_power else RUNNING, MAC), free, busy, _mac_j(group, with_traffic=True))


def _mac_j(group: EnergyGroup, *, with_traffic: bool) -> dict[bool, float]:
    """Return the typical booked work of one multiply-accumulate; that of the other type where a group has one alone."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for target in group.targets:
        books = target.books
        work = books.arithmetic_j + (books.traffic_j if with_traffic else 0.0)
        if books.macs:
            found[books.is_integer].append(work / books.macs)
    known = {kind: median(values) for kind, values in found.items() if values}
    return {kind: known.get(kind, max(known.values(), default=0.0)) for kind in found}


# --- fits ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """Coefficients of a group.

    Args:
        form: its terms.
        priors: what they were drawn to.
        fit: what they came to.
    """

    form: Form
    priors: tuple[Prior, ...]
    fit: Fit

    def value(self, target: EnergyTarget, seconds: float) -> float:
        """Return joules of an inference that takes a time, or watts above the idle floor."""
        return sum(c * term for c, term in zip(self.fit.values, self.form.terms(target, seconds), strict=True))


def fit_model(
    form: Form, targets: Sequence[EnergyTarget], time: str, pooled: Mapping[str, float] | None = None
) -> EnergyModel:
    """Fit a form's coefficients to targets.

    Args:
        form: terms.
        targets: those of its group that may be seen; none gives the priors back.
        time: whose latencies: "measured" (predicted where none was) or "predicted".
        pooled: centres by parameter, from other platforms.
    """
    priors = tuple(_prior(p, (pooled or {}).get(p.name), is_free=n < form.free) for n, p in enumerate(form.parameters))
    terms = [form.terms(target, seconds(target, time)) for target in targets]
    found = fit(terms, [target.value for target in targets], priors, EXPECTED_SCATTER[time])
    return EnergyModel(form, priors, found)


def _prior(parameter: Parameter, centre: float | None, *, is_free: bool) -> Prior:
    prior = parameter.prior if centre is None else replace(parameter.prior, centre=centre)
    return prior if is_free else replace(prior, spread=0.0)


def pool(models: Iterable[tuple[EnergyModel, Sequence[EnergyTarget]]]) -> dict[str, float]:
    """Return the centres that models of other platforms suggest: the median logarithm of what their rows decide."""
    found: dict[str, list[float]] = {}
    for model, targets in models:
        for n, (parameter, value) in enumerate(zip(model.form.parameters, model.fit.values, strict=True)):
            if n < model.form.free and any(model.form.terms(target, 1.0)[n] > 0 for target in targets):
                found.setdefault(parameter.name, []).append(log(value))
    return {name: exp(median(logs)) for name, logs in sorted(found.items())}


def seconds(target: EnergyTarget, time: str) -> float:
    """Return a target's latency: the measured one where that is wanted and known, else the predicted one."""
    if time == "measured" and target.measured_s is not None:
        return target.measured_s
    return target.predicted_s
