"""Measured energies and powers as targets: with their latency, their board's idle floor, and what the model books."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from socsim.accuracy.cases import question
from socsim.accuracy.groups import groups
from socsim.calibration.energy_books import book, clocked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.accuracy.energy_books import EnergyBooks
    from socsim.accuracy.groups import Group, GroupKey, Target
    from socsim.accuracy.table import Measurement
    from socsim.calibration.energy_books import Clocked
    from socsim.calibration.power_tables import IdleFloors

METRICS = ("energy_per_inference", "power")
TIMING = ("latency", "throughput")


@dataclass(frozen=True, slots=True)
class EnergyTarget:
    """A measured figure to meet.

    Args:
        rows: its measurements: repeats of the newest version.
        value: joules for each inference, or watts above the idle floor.
        floor_w: power of the idle board in watts; None where nobody measured it.
        measured_s: latency of one inference, measured on the same board with the same software; None without one.
        predicted_s: the predicted one.
        books: what the cost model books.
    """

    rows: tuple[Measurement, ...]
    value: float
    floor_w: float | None
    measured_s: float | None
    predicted_s: float
    books: EnergyBooks

    @property
    def workload(self) -> str:
        """The network."""
        return self.rows[0].workload

    @property
    def is_power(self) -> bool:
        """Whether the figure is a power above the idle floor."""
        return self.rows[0].metric == "power"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Measurements that nothing is predicted for, and why."""

    rows: tuple[Measurement, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class EnergyGroup:
    """Targets of one metric of a unit with its runtime.

    Args:
        key: what they have in common.
        targets: those with books, in an order that does not depend on the table's.
        refusals: the others.
        noise_floor: mean relative distance of repeats from their target; None without repeats.
    """

    key: GroupKey
    targets: tuple[EnergyTarget, ...]
    refusals: tuple[Refusal, ...]
    noise_floor: float | None

    @property
    def workloads(self) -> tuple[str, ...]:
        """Networks with a target, in alphabetical order."""
        return tuple(sorted({target.workload for target in self.targets}))


def energy_groups(
    rows: Sequence[Measurement], floors: IdleFloors, latencies: Mapping[int, float] | None = None
) -> list[EnergyGroup]:
    """Return the groups of energies and powers in a table of measurements.

    Args:
        rows: the table; its latencies and throughputs go with energies of the same board and software.
        floors: powers of idle boards.
        latencies: predicted seconds of one inference by the line of a latency or throughput; those beside an energy
            take the place of what the cost model says uncalibrated.
    """
    found = groups(row for row in rows if row.metric in METRICS)
    known_times = latencies or {}
    cases = {target: _case(target) for group in found for target in group.targets}
    books = book(case for case in cases.values() if not isinstance(case, str))
    measured = _by_subject((row, _seconds(row)) for row in rows if row.metric in TIMING)
    predicted = _by_subject((row, known_times[row.line]) for row in rows if row.line in known_times)

    def judged(target: Target) -> EnergyTarget | Refusal:
        case = cases[target]
        known = case if isinstance(case, str) else books[case]
        if isinstance(known, str):
            return Refusal(target.rows, known)
        times = (_beside(target, table) for table in (measured, predicted))
        return _target(target, known, floors, *times)

    return [_group(group, [judged(target) for target in group.targets]) for group in found]


def _case(target: Target) -> Clocked | str:
    # Repeats differ in board and source alone; the first of them by name stands for all, whatever the table's order.
    row = min(target.rows, key=lambda repeat: (repeat.board, repeat.source_repo, repeat.conditions))
    asked = question(row)
    if asked.case is None:
        return asked.reason or "no case to run"
    return clocked(asked.case, row.conditions)


def _group(group: Group, judged: Sequence[EnergyTarget | Refusal]) -> EnergyGroup:
    targets = tuple(one for one in judged if isinstance(one, EnergyTarget))
    refusals = tuple(one for one in judged if isinstance(one, Refusal))
    return EnergyGroup(group.key, targets, refusals, group.noise_floor)


def _target(
    target: Target,
    books: EnergyBooks,
    floors: IdleFloors,
    measured_s: float | None,
    predicted_s: float | None,
) -> EnergyTarget | Refusal:
    value, idle = target.value, [floors.of(row.platform, row.source_repo) for row in target.rows]
    known = [floor for floor in idle if floor is not None]
    floor = fmean(known) if known else None
    if not (floor or books.static_w or books.cycles_j or books.arithmetic_j):
        return Refusal(target.rows, "the platform file gives the unit and its domain no energy")
    if target.rows[0].metric == "power":
        if floor is None:
            return Refusal(target.rows, "no idle power of the board is known: what the chip adds to it is not either")
        value -= floor
        if value <= 0:
            return Refusal(target.rows, f"the figure is not above the {floor:.3g} W of the idle board")
    return EnergyTarget(
        rows=target.rows,
        value=value,
        floor_w=floor,
        measured_s=measured_s,
        predicted_s=books.latency_s if predicted_s is None else predicted_s,
        books=books,
    )


def _seconds(row: Measurement) -> float:
    """Return the measured time of one inference."""
    if row.metric == "throughput":
        return 1 / (row.value * row.scale)
    return row.value * row.scale / (row.batch or 1)


def _by_subject(pairs: Iterable[tuple[Measurement, float]]) -> dict[tuple[object, ...], list[float]]:
    """Return times by what an energy agrees with their rows in."""
    found: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for row, seconds in pairs:
        found[_subject(row)].append(seconds)
    return found


def _beside(target: Target, times: Mapping[tuple[object, ...], Sequence[float]]) -> float | None:
    """Return the median of the times that go with a target's rows."""
    found = [seconds for row in target.rows for seconds in times.get(_subject(row), ())]
    return median(found) if found else None


def _subject(row: Measurement) -> tuple[object, ...]:
    return (
        row.platform, row.unit, row.cluster, row.cores, row.runtime, row.runtime_version, row.workload,
        row.input_shape, row.precision, row.batch, row.board, row.source_repo,
    )  # fmt: skip
