"""Energy and power against measurements: text, tables and JSON."""

from __future__ import annotations

import json
from collections import Counter
from functools import cached_property
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from socsim.calibration.energy import TIMES
from socsim.calibration.energy_files import board_energy_text
from socsim.calibration.energy_targets import METRICS
from socsim.report.formats import plural, text_table
from socsim.report.markup import fragment, html_table
from socsim.report.sinks import terminal_text
from socsim.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from socsim.calibration.busy_cores import BusyPoint
    from socsim.calibration.energy import EnergyComparison, EnergyGroupResult, EnergyRow, EnergyTotals

SCHEMA_VERSION = "socsim.energy/1"
_KEY_TYPES = {"platform": "str", "unit": "str", "cluster": "str", "runtime": "str", "metric": "str"}
_BY_TIME = ("mape", "baseline_mape", "improvement", "transfer_mape")
_GROUP_TYPES = _KEY_TYPES | {
    "n": "int", "workloads": "int", "scored": "bool", "noise_floor": "float",
    **{f"{figure}_{time}_latency": "float" for time in TIMES for figure in _BY_TIME},
}  # fmt: skip
_ESTIMATES = ("latency_s", "model", "error", "baseline", "baseline_error", "transfer")
_ROW_TYPES = _KEY_TYPES | {
    "lines": "str", "workload": "str", "input_shape": "str", "precision": "str", "batch": "int", "measured": "float",
    "unit_of_value": "str", "idle_floor_w": "float", "latency_is_measured": "bool",
    **{f"{figure}_{time}_latency": "float" for time in TIMES for figure in _ESTIMATES},
    "reason": "str",
}  # fmt: skip
_PARAMETER_TYPES = _KEY_TYPES | {
    "parameter": "str", "meaning": "str", "value": "float", "low": "float", "high": "float", "prior": "float",
    "fitted": "bool", "quantity": "float", "unit_of_quantity": "str",
}  # fmt: skip
_BUSY_TYPES = {
    "platform": "str", "cluster": "str", "cores": "int", "clock_mhz": "float", "meter": "str", "measured_mw": "float",
    "predicted_mw": "float", "error": "float", "boards": "int", "spread": "float",
}  # fmt: skip
_HEADER = (
    "platform", "unit", "runtime", "workloads", "n", "noise", "MAPE", "constant", "better", "MAPE'", "constant'",
    "better'", "transfer",
)  # fmt: skip
_NUMBERS = _HEADER[3:]
_METRIC_WORDS = {"energy_per_inference": "energy per inference", "power": "power above the idle floor"}
_UNITS = {"energy_per_inference": "J", "power": "W"}
_TIME_WORDS = {"measured": "with measured latencies", "predicted": "with predicted latencies"}
_LEGEND = (
    "constant: the same power whatever runs; transfer: fitted on other platforms alone; a prime: predicted latencies"
)
_METER_WORDS = {"battery": "at the battery", "wall": "at the wall"}


class EnergyValidation:
    """What `socsim.validate_energy` returns: energies and powers beside predictions that have not seen their workload.

    Args:
        comparison: the comparison behind it.
    """

    def __init__(self, comparison: EnergyComparison) -> None:
        self.comparison = comparison

    @cached_property
    def groups(self) -> Table:
        """One row for each metric of a unit with its runtime: scored ones by falling error, then smaller ones."""
        return Table("Groups", tuple(_GROUP_TYPES), map(_group, self.comparison.groups), _GROUP_TYPES)

    @cached_property
    def rows(self) -> Table:
        """One row for each figure to meet, in joules or in watts above the idle floor, by group and workload."""
        found = [row for group in self.comparison.groups for row in _rows(group)]
        return Table("Energies and powers", tuple(_ROW_TYPES), found, _ROW_TYPES)

    @cached_property
    def parameters(self) -> Table:
        """Coefficients of each group, fitted to all of its workloads with measured latencies."""
        found = [row for group in self.comparison.groups for row in _parameters(group)]
        return Table("Coefficients", tuple(_PARAMETER_TYPES), found, _PARAMETER_TYPES)

    @cached_property
    def busy_cores(self) -> Table:
        """Power of busy processor cores above idle, by operating point."""
        return Table("Busy cores", tuple(_BUSY_TYPES), map(_busy, self.comparison.busy_cores), _BUSY_TYPES)

    def to_json(self) -> str:
        """Return the validation as one JSON document with `schema_version`."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "measurements": self.comparison.table,
            "totals": {metric: {time: self._totals(metric, time) for time in TIMES} for metric in METRICS},
            "groups": list(self.groups),
            "parameters": list(self.parameters),
            "busy_cores": list(self.busy_cores),
            "rows": list(self.rows),
            "skipped": list(self.comparison.skipped),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def to_yaml(self) -> str:
        """Return the coefficients as `platforms/boards/energy.yaml`, where predictions of boards take them from."""
        return board_energy_text(self.comparison)

    def _totals(self, metric: str, time: str) -> dict[str, float] | None:
        found = self.comparison.totals(metric, time)
        if found is None:
            return None
        return {
            "groups": found.groups,
            "median_mape": found.mape,
            "median_baseline_mape": found.baseline_mape,
            "improvement": found.improvement,
        }

    def row_errors(self) -> str:
        """Return every figure with its errors, group by group, as text."""
        lines: list[str] = []
        for group in self.comparison.groups:
            lines += ["", f"{' '.join(filter(None, map(terminal_text, group.key)))}"]
            lines += text_table(_ERROR_HEADER, [_error_cells(row) for row in group.rows], _ERROR_HEADER[3:])
            lines += [f"not predicted: {terminal_text(r.reason, 110)}" for r in group.refusals[:1]]
        return "\n".join(lines[1:])

    def __repr__(self) -> str:
        """Return totals, groups by falling error, busy cores, and why rows have no prediction."""
        found = self.comparison
        title = f"{terminal_text(found.table)}: each workload predicted by a fit that has not seen it"
        lines = [title, *_totals(found)]
        lines += [_LEGEND] if len(lines) > 1 else ["no energy or power has a prediction"]
        for metric in METRICS:
            lines += _titled(_METRIC_WORDS[metric], [g for g in found.groups if _counts(g, metric) and g.is_scored])
            few = [g for g in found.groups if _counts(g, metric) and not g.is_scored]
            lines += _titled(f"{_METRIC_WORDS[metric]}, too few workloads to be scored", few)
        lines += _busy_lines(found.busy_cores)
        reasons = Counter(r.reason for group in found.groups for r in group.refusals)
        ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        lines += ["", "without a prediction"] if reasons else []
        lines += [f"{count:>6,}  {terminal_text(reason, 110)}" for reason, count in ordered]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        scored = [_cells(group) for group in self.comparison.groups if group.is_scored]
        return fragment(html_table(_HEADER, scored, right=_NUMBERS))


# --- rows of tables -----------------------------------------------------------------------------------


def _key(group: EnergyGroupResult) -> dict[str, Any]:
    return {name: value or None for name, value in group.key._asdict().items()}


def _group(group: EnergyGroupResult) -> tuple[Any, ...]:
    own: dict[str, Any] = {
        "n": len(group.rows), "workloads": group.workloads, "scored": group.is_scored, "noise_floor": group.noise_floor,
    }  # fmt: skip
    for time, score in group.scores.items():
        own |= {f"{figure}_{time}_latency": getattr(score, figure) for figure in _BY_TIME}
    return tuple((own | _key(group)).get(name) for name in _GROUP_TYPES)


def _rows(group: EnergyGroupResult) -> Iterable[tuple[Any, ...]]:
    for row in group.rows:
        own = _described(row.target.rows) | _estimated(row)
        yield tuple((own | _key(group)).get(name) for name in _ROW_TYPES)
    for refusal in group.refusals:
        own = _described(refusal.rows) | {"reason": refusal.reason}
        yield tuple((own | _key(group)).get(name) for name in _ROW_TYPES)


def _described(measurements: Sequence[Any]) -> dict[str, Any]:
    first = measurements[0]
    return {
        "lines": ", ".join(str(line) for line in sorted(row.line for row in measurements)),
        "workload": first.workload, "input_shape": first.input_shape or None, "precision": first.precision,
        "batch": first.batch, "unit_of_value": _UNITS[first.metric],
    }  # fmt: skip


def _estimated(row: EnergyRow) -> dict[str, Any]:
    target = row.target
    found: dict[str, Any] = {
        "measured": target.value, "idle_floor_w": target.floor_w, "latency_is_measured": target.measured_s is not None,
    }  # fmt: skip
    for time, estimate in row.estimates.items():
        figures = {
            "latency_s": estimate.seconds, "model": estimate.model, "error": row.error(time, "model"),
            "baseline": estimate.baseline, "baseline_error": row.error(time, "baseline"), "transfer": estimate.transfer,
        }  # fmt: skip
        found |= {f"{name}_{time}_latency": value for name, value in figures.items()}
    return found


def _parameters(group: EnergyGroupResult) -> Iterable[tuple[Any, ...]]:
    key = tuple(_key(group).values())
    for p in group.parameters:
        yield (*key, p.name, p.meaning, p.value, p.low, p.high, p.prior, p.is_free, p.typical, p.unit)


def _busy(point: BusyPoint) -> tuple[Any, ...]:
    clock = None if point.clock_hz is None else point.clock_hz / 1e6
    watts = (1e3 * point.measured_w, 1e3 * point.predicted_w)
    return (
        point.platform, point.cluster, point.cores, clock, point.meter, *watts, point.error, point.boards, point.spread,
    )  # fmt: skip


# --- words --------------------------------------------------------------------------------------------

_ERROR_HEADER = (
    "workload", "shape", "precision", "measured", "predicted", "error", "constant", "predicted'", "error'", "constant'",
)  # fmt: skip


def _counts(group: EnergyGroupResult, metric: str) -> bool:
    return group.key.metric == metric and bool(group.rows)


def _totals(found: EnergyComparison) -> list[str]:
    lines = []
    for metric in METRICS:
        for time in TIMES:
            totals = found.totals(metric, time)
            if totals is not None:
                lines.append(f"{_METRIC_WORDS[metric]}, {_TIME_WORDS[time]}: {_total_words(totals)}")
    return lines


def _total_words(totals: EnergyTotals) -> str:
    return (
        f"median MAPE of {plural(totals.groups, 'group')} {_percent(totals.mape)}, "
        f"constant power {_percent(totals.baseline_mape)}, {_percent(totals.improvement)} better"
    )


def _titled(title: str, found: Sequence[EnergyGroupResult]) -> list[str]:
    if not found:
        return []
    return ["", title, *text_table(_HEADER, [_cells(group) for group in found], _NUMBERS)]


def _cells(group: EnergyGroupResult) -> tuple[str, ...]:
    key = group.key
    head = (
        terminal_text(key.platform, 30), key.unit, terminal_text(key.runtime, 20), f"{group.workloads:,}",
        f"{len(group.rows):,}", _percent(group.noise_floor),
    )  # fmt: skip
    if not group.scores:
        return (*head, *("-" for _ in _HEADER[len(head) :]))
    figures = [
        text
        for time in TIMES
        for score in (group.scores[time],)
        for text in (_percent(score.mape), _percent(score.baseline_mape), _percent(score.improvement))
    ]
    return (*head, *figures, _percent(group.scores["measured"].transfer_mape))


def _busy_lines(points: Sequence[BusyPoint]) -> list[str]:
    lines: list[str] = []
    for meter, words in _METER_WORDS.items():
        found = [point for point in points if point.meter == meter]
        if found:
            typical = median(abs(point.error) for point in found)
            lines += ["", f"busy cores above idle, {words}: median error {_percent(typical)}"]
            lines += text_table(_BUSY_HEADER, [_busy_cells(part) for part in _by_cluster(found)], _BUSY_HEADER[2:])
    return lines


_BUSY_HEADER = ("platform", "cluster", "points", "mean error", "bias", "spread of boards")


def _by_cluster(points: Sequence[BusyPoint]) -> list[list[BusyPoint]]:
    found: dict[tuple[str, str], list[BusyPoint]] = {}
    for point in points:
        found.setdefault((point.platform, point.cluster), []).append(point)
    return list(found.values())


def _busy_cells(points: Sequence[BusyPoint]) -> tuple[str, ...]:
    errors = [point.error for point in points]
    sizes = fmean(abs(error) for error in errors)
    return (
        points[0].platform, points[0].cluster, f"{len(points):,}", _percent(sizes), f"{100 * fmean(errors):+.0f} %",
        _percent(fmean(point.spread for point in points)),
    )  # fmt: skip


def _error_cells(row: EnergyRow) -> tuple[str, ...]:
    first = row.target.rows[0]
    unit = _UNITS[first.metric]
    figures = [
        text
        for time in TIMES
        for text in (
            _figure(row.estimates[time].model, unit),
            _signed(row.error(time, "model")),
            _signed(row.error(time, "baseline")),
        )
    ]
    head = (terminal_text(first.workload, 40), terminal_text(first.input_shape, 20), first.precision)
    return (*head, _figure(row.target.value, unit), *figures)


def _figure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}"


def _signed(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:+.1f} %"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %" if abs(share) < 1 else f"{100 * share:.0f} %"
