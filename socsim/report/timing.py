"""Predictions against measurements: text, tables, JSON and a report in HTML."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.report.crossed import crossed_document, crossed_text
from socsim.report.formats import labelled, plural, text_table
from socsim.report.markup import bullets, fragment, heading, html_table, image, page
from socsim.report.sinks import html_text, terminal_text, write_file
from socsim.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from socsim.accuracy.validation import GroupResult, RowResult, TimingComparison
    from socsim.calibration.crossed import CrossValidation

SCHEMA_VERSION = "socsim.timing/1"
_ROW_TYPES = {
    "line": "int", "platform": "str", "unit": "str", "cluster": "str", "cores": "int", "runtime": "str",
    "runtime_version": "str", "workload": "str", "input_shape": "str", "precision": "str", "batch": "int",
    "metric": "str", "unit_of_value": "str", "measured": "float", "predicted": "float", "error": "float",
    "uncalibrated": "float", "calibrated": "bool", "reason": "str", "note": "str",
}  # fmt: skip
_GROUP_TYPES = {
    "platform": "str", "unit": "str", "cluster": "str", "runtime": "str", "metric": "str", "rows": "int",
    "predicted": "int", "n": "int", "workloads": "int", "scored": "bool", "calibrated": "bool", "noise_floor": "float",
    "mape": "float", "median": "float", "p90": "float", "within_10": "float", "within_25": "float", "bias": "float",
    "spearman": "float",
}  # fmt: skip
_HEADER = (
    "platform", "unit", "cluster", "runtime", "metric", "n", "noise", "MAPE", "median", "p90", "<10 %", "<25 %", "bias",
    "Spearman",
)  # fmt: skip
_NUMBERS = _HEADER[5:]
_METRIC_WORDS = {"energy_per_inference": "energy"}
_SUBJECT_WORDS = {"timing": "latency and throughput", "energy_per_inference": "energy per inference", "power": "power"}
_REASONS = 12
_REASON_WIDTH = 110
_WORST_ROWS = 40


class TimingValidation:
    """What `socsim.validate` returns: each measurement beside its prediction, and groups with their errors.

    Args:
        comparison: the comparison behind it.
        crossed: cross-validation of the same table, where it was asked for.
    """

    def __init__(self, comparison: TimingComparison, crossed: CrossValidation | None = None) -> None:
        self.comparison, self.crossed = comparison, crossed

    @cached_property
    def rows(self) -> Table:
        """One row for each measurement, in the file's order."""
        found = [_row(result) for result in self.comparison.rows]
        return Table(f"Measurements of {self.comparison.table}", tuple(_ROW_TYPES), found, _ROW_TYPES)

    @cached_property
    def groups(self) -> Table:
        """One row for each metric of a unit with its runtime: scored ones by falling error, then smaller ones."""
        found = [_group(group) for group in self.comparison.groups]
        return Table(f"Groups of {self.comparison.table}", tuple(_GROUP_TYPES), found, _GROUP_TYPES)

    @property
    def coverage(self) -> float | None:
        """Share of rows with a prediction, those of language models left out."""
        return self.comparison.totals.coverage

    @cached_property
    def reasons(self) -> Table:
        """Why rows have no prediction: reasons with the number of their rows, most first."""
        return Table("Rows without a prediction", ("rows", "reason"), _reasons(self.comparison.rows))

    def to_json(self) -> str:
        """Return the validation as one JSON document with `schema_version`."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "measurements": self.comparison.table,
            "detail": self.comparison.detail,
            "totals": asdict(self.comparison.totals),
            "groups": list(self.groups),
            "rows": list(self.rows),
            "skipped": list(self.comparison.skipped),
        }
        if self.crossed:
            document["cross_validation"] = crossed_document(self.crossed)
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def report(self, path: str | Path) -> None:
        """Write a report as one HTML file that works offline."""
        write_file(Path(path), self.to_html())

    def to_html(self) -> str:
        """Return the report; equal validations give equal bytes."""
        found = self.comparison
        title = f"Predicted against measured: {html_text(found.table, 200)}"
        scored, small = _split(found.groups)
        worst = sorted((r for r in found.rows if r.error is not None), key=_size, reverse=True)
        parts = [
            f"<h1>{title}</h1>",
            bullets(_summary(found)),
            _figures(found),
            heading("Groups, largest error first", html_table(_HEADER, map(_cells, scored), right=_NUMBERS)),
            heading("Groups with few workloads", html_table(_HEADER, map(_cells, small), right=_NUMBERS)),
            heading("Rows without a prediction", html_table(("rows", "reason"), self.reasons.rows, limit=200)),
            heading("Largest errors", _worst_table(worst)),
            heading("Left out", bullets(found.skipped)) if found.skipped else "",
        ]
        return page(title, "".join(parts))

    def __repr__(self) -> str:
        """Return totals, groups by falling error, and the reasons of rows without a prediction."""
        found = self.comparison
        scored, small = _split(found.groups)
        lines = [line for text in _summary(found) for line in labelled("", [terminal_text(text)], 0)]
        lines += _titled("groups, largest error first", scored)
        lines += _titled("groups with fewer workloads than are scored", small)
        lines += self._reason_lines()
        if self.crossed:
            lines += ["", *crossed_text(self.crossed)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        scored, _ = _split(self.comparison.groups)
        return fragment(bullets(_summary(self.comparison)) + html_table(_HEADER, map(_cells, scored), right=_NUMBERS))

    def _reason_lines(self) -> list[str]:
        reasons = self.reasons.rows
        if not reasons:
            return []
        shown = [f"{count:>6,}  {terminal_text(reason, _REASON_WIDTH)}" for count, reason in reasons[:_REASONS]]
        rest = sum(count for count, _ in reasons[_REASONS:])
        return ["", "rows without a prediction", *shown, *([f"{rest:>6,}  for other reasons"] if rest else [])]


# --- rows and groups ----------------------------------------------------------------------------------


def _row(result: RowResult) -> tuple[Any, ...]:
    row = result.row
    own = {
        "measured": row.value, "predicted": result.predicted, "error": result.error,
        "uncalibrated": result.uncalibrated, "calibrated": result.calibrated, "reason": result.reason,
        "note": result.note,
    }  # fmt: skip
    return tuple(own[name] if name in own else _silent(getattr(row, name)) for name in _ROW_TYPES)


def _silent(value: Any) -> Any:
    """Return None for what the source does not say."""
    return None if value == "" else value


def _group(group: GroupResult) -> tuple[Any, ...]:
    own = {
        "rows": group.rows, "predicted": group.predicted_rows, "n": group.targets, "workloads": group.workloads,
        "scored": group.is_scored, "calibrated": group.is_calibrated, "noise_floor": group.noise_floor,
    }  # fmt: skip
    key = {name: _silent(value) for name, value in group.key._asdict().items()}
    scores = asdict(group.score) if group.score else {}
    return tuple((own | key | scores).get(name) for name in _GROUP_TYPES)


def _split(found: Sequence[GroupResult]) -> tuple[list[GroupResult], list[GroupResult]]:
    """Return the groups that are scored, and smaller ones with at least one prediction."""
    return [g for g in found if g.is_scored], [g for g in found if not g.is_scored and g.score]


def _reasons(rows: Iterable[RowResult]) -> list[tuple[int, str]]:
    counts = Counter(result.reason for result in rows if result.reason)
    return sorted(((count, reason) for reason, count in counts.items()), key=lambda pair: (-pair[0], pair[1]))


def _size(result: RowResult) -> tuple[float, int]:
    return abs(result.error or 0.0), -result.row.line


# --- words --------------------------------------------------------------------------------------------


def _summary(found: TimingComparison) -> list[str]:
    totals = found.totals
    others = totals.rows - totals.language_model_rows
    lines = [
        f"{found.table}: {plural(totals.rows, 'row')}, {totals.language_model_rows:,} of language models; "
        f"{totals.predicted_rows:,} of the other {others:,} predicted ({_percent(totals.coverage)})",
        f"{plural(totals.scored_groups, 'group')} of enough workloads; detail {found.detail}",
    ]
    for subject, mape in totals.median_mape.items():
        if mape is not None:
            rank = totals.median_spearman[subject]
            medians = f"MAPE {_percent(mape)}, Spearman {_plain(rank)}"
            lines.append(f"{_SUBJECT_WORDS[subject]}, median over platforms and units: {medians}")
    if found.skipped:
        lines.append(f"{plural(len(found.skipped), 'fault')} in rows that were left out; the first: {found.skipped[0]}")
    return lines


def _titled(title: str, found: Sequence[GroupResult]) -> list[str]:
    return ["", title, *text_table(_HEADER, [_cells(group) for group in found], _NUMBERS)] if found else []


def _cells(group: GroupResult) -> tuple[str, ...]:
    key, score = group.key, group.score
    head = (
        terminal_text(key.platform, 30), key.unit, key.cluster or "-", terminal_text(key.runtime, 20),
        _METRIC_WORDS.get(key.metric, key.metric), f"{group.targets:,}", _percent(group.noise_floor),
    )  # fmt: skip
    if score is None:
        return (*head, *("-" for _ in _HEADER[len(head) :]))
    shares = (score.mape, score.median, score.p90, score.within_10, score.within_25)
    return (*head, *map(_percent, shares), f"{100 * score.bias:+.0f} %", _plain(score.spearman))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %" if share < 1 else f"{100 * share:.0f} %"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


# --- the report ---------------------------------------------------------------------------------------

_ROW_HEADER = (
    "line", "platform", "unit", "runtime", "workload", "precision", "metric", "measured", "predicted", "error",
)  # fmt: skip


def _worst_table(worst: Sequence[RowResult]) -> str:
    rows = map(_worst_row, worst[:_WORST_ROWS])
    return html_table(_ROW_HEADER, rows, right=("line", "measured", "predicted", "error"), rows_in_all=len(worst))


def _worst_row(result: RowResult) -> tuple[str, ...]:
    row = result.row
    names = (row.platform, row.unit, row.runtime, row.workload, row.precision, row.metric)
    values = (f"{value:.4g} {row.unit_of_value}" for value in (row.value, result.predicted))
    return (str(row.line), *names, *values, f"{100 * (result.error or 0):+.0f} %")


def _figures(found: TimingComparison) -> str:
    from socsim.report.drawing import offline_axes
    from socsim.report.timing_figures import SIZE, errors_by_unit, predicted_against_measured

    if not any(result.error is not None for result in found.rows):
        return ""
    scatter = predicted_against_measured(found, offline_axes(SIZE))
    bars = errors_by_unit(found, offline_axes(SIZE))
    drawn = [("Predicted against measured latency", scatter), ("Error by platform and unit", bars)]
    return "".join(heading(title, image(title, ax)) for title, ax in drawn)
