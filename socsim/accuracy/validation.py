"""Predictions against a table of measurements: row by row, by group, and in total."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from socsim.accuracy.cases import question
from socsim.accuracy.groups import groups
from socsim.accuracy.predictions import predict
from socsim.accuracy.scores import score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from socsim.accuracy.cases import Case, Question
    from socsim.accuracy.groups import Group, GroupKey
    from socsim.accuracy.predictions import Prediction
    from socsim.accuracy.scores import Score
    from socsim.accuracy.table import Measurement, MeasurementTable

FEWEST = 5
"""Workloads from which on a group is scored; smaller ones are listed."""

TIMING = ("latency", "throughput")


@dataclass(frozen=True, slots=True)
class RowResult:
    """A measurement with its prediction.

    Args:
        row: the measurement.
        predicted: in the measurement's unit; None with a reason where there is none.
        error: predicted / measured - 1.
        uncalibrated: prediction by structure and datasheet numbers alone, in the measurement's unit.
        calibrated: whether parameters fitted to this platform, unit and runtime were used.
        reason: why there is no prediction.
        note: what the prediction assumes that the row does not say.
    """

    row: Measurement
    predicted: float | None
    error: float | None
    uncalibrated: float | None
    calibrated: bool
    reason: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class GroupResult:
    """How predictions of a group meet its targets.

    Args:
        key: what its rows have in common.
        rows: measurements in it.
        predicted_rows: those with a prediction.
        targets: sets of repeats with a prediction.
        workloads: networks with a prediction.
        is_scored: whether there are enough of them to count.
        is_calibrated: whether all its predictions use fitted parameters.
        noise_floor: mean relative distance of repeats from their target; None without repeats.
        score: errors over the targets; None without predictions.
    """

    key: GroupKey
    rows: int
    predicted_rows: int
    targets: int
    workloads: int
    is_scored: bool
    is_calibrated: bool
    noise_floor: float | None
    score: Score | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a whole table comes to.

    Args:
        rows: measurements in it.
        language_model_rows: those of language models.
        predicted_rows: those with a prediction.
        coverage: predicted rows among those that are of no language model; None where there are none.
        scored_groups: groups with enough workloads.
        median_mape: by "timing" (latency and throughput), "energy_per_inference" and "power", the median over scored
            (platform, unit) pairs, each counted once with the median of its groups.
        median_spearman: the same of the rank correlation.
    """

    rows: int
    language_model_rows: int
    predicted_rows: int
    coverage: float | None
    scored_groups: int
    median_mape: Mapping[str, float | None]
    median_spearman: Mapping[str, float | None]


@dataclass(frozen=True)
class Answers:
    """What the model says to a table.

    Args:
        questions: what becomes of each row, by line.
        predictions: by case.
        detail: level of detail of the runs.
    """

    questions: Mapping[int, Question]
    predictions: Mapping[Case, Prediction]
    detail: str


@dataclass(frozen=True)
class TimingComparison:
    """Predictions against a table of measurements.

    Args:
        table: name of its file.
        detail: level of detail of the runs.
        rows: in the file's order.
        groups: scored ones by falling error, then smaller ones, then those without a prediction.
        totals: of the whole table.
        skipped: "line N: …" for the faults of rows that were left out.
    """

    table: str
    detail: str
    rows: tuple[RowResult, ...]
    groups: tuple[GroupResult, ...]
    totals: Totals
    skipped: tuple[str, ...]


def answers(
    table: MeasurementTable,
    *,
    detail: str = "transaction",
    processes: int = 1,
    calibrated: bool = True,
    anatomies: bool = False,
) -> Answers:
    """Return what the model says to every row of a table.

    Args:
        table: measurements.
        detail: level of detail of the runs.
        processes: how many share the work; see `predictions.predict`.
        calibrated: whether to apply the calibrations that ship, or stand beside a platform's file.
        anatomies: whether to return what the times consist of.
    """
    questions = {row.line: question(row) for row in table.rows}
    cases = (q.case for q in questions.values() if q.case)
    found = predict(cases, detail=detail, processes=processes, calibrated=calibrated, anatomies=anatomies)
    return Answers(questions, found, detail)


def compare(table: MeasurementTable, given: Answers) -> TimingComparison:
    """Return every row of a table beside its prediction, with the errors of groups.

    Args:
        table: measurements.
        given: what the model says to them.
    """
    results = {row.line: _result(row, given.questions[row.line], given.predictions) for row in table.rows}
    found = sorted((_group(group, results) for group in groups(table.rows)), key=_worst_first)
    rows = tuple(results.values())
    return TimingComparison(table.name, given.detail, rows, tuple(found), _totals(rows, found), table.faults)


def _result(row: Measurement, asked: Question, predictions: Mapping[Case, Prediction]) -> RowResult:
    if asked.case is None:
        return RowResult(row, None, None, None, False, asked.reason, None)
    prediction = predictions[asked.case]
    value = prediction.value(row.metric, asked.case.batch)
    if value is None:
        return RowResult(row, None, None, None, False, prediction.reason or "the run takes no time", asked.note)
    predicted = value / row.scale
    plain = prediction.uncalibrated(row.metric, asked.case.batch)
    return RowResult(
        row=row,
        predicted=predicted,
        error=predicted / row.value - 1,
        uncalibrated=None if plain is None else plain / row.scale,
        calibrated=prediction.is_calibrated,
        reason=None,
        note=asked.note,
    )


def _group(group: Group, results: Mapping[int, RowResult]) -> GroupResult:
    pairs, workloads = [], set()
    for target in group.targets:
        predicted = results[target.rows[0].line].predicted
        if predicted is not None:
            pairs.append((target.value, predicted * target.rows[0].scale))
            workloads.add(target.workload)
    answered = [results[row.line] for row in group.rows if results[row.line].predicted is not None]
    return GroupResult(
        key=group.key,
        rows=len(group.rows),
        predicted_rows=len(answered),
        targets=len(pairs),
        workloads=len(workloads),
        is_scored=len(workloads) >= FEWEST,
        is_calibrated=bool(answered) and all(result.calibrated for result in answered),
        noise_floor=group.noise_floor,
        score=score(pairs) if pairs else None,
    )


def _worst_first(group: GroupResult) -> tuple[bool, float, GroupKey]:
    return not group.is_scored, -group.score.mape if group.score else 0.0, group.key


def _totals(rows: Sequence[RowResult], found: Iterable[GroupResult]) -> Totals:
    language = sum(result.row.is_language_model for result in rows)
    predicted = sum(result.predicted is not None for result in rows)
    scored = [group for group in found if group.is_scored]
    subjects = {"timing": TIMING, "energy_per_inference": ("energy_per_inference",), "power": ("power",)}
    return Totals(
        rows=len(rows),
        language_model_rows=language,
        predicted_rows=predicted,
        coverage=predicted / (len(rows) - language) if len(rows) > language else None,
        scored_groups=len(scored),
        median_mape={name: _typical(scored, metrics, lambda s: s.mape) for name, metrics in subjects.items()},
        median_spearman={name: _typical(scored, metrics, lambda s: s.spearman) for name, metrics in subjects.items()},
    )


def _typical(
    scored: Iterable[GroupResult], metrics: Sequence[str], figure: Callable[[Score], float | None]
) -> float | None:
    """Return the median of a figure over (platform, unit) pairs; a pair with many groups counts once."""
    by_unit: dict[tuple[str, str], list[float]] = {}
    for group in scored:
        value = figure(group.score) if group.score and group.key.metric in metrics else None
        if value is not None:
            by_unit.setdefault((group.key.platform, group.key.unit), []).append(value)
    return median(median(values) for values in by_unit.values()) if by_unit else None
