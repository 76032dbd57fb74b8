"""What a calibration found: text, a table, and its file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.calibration.scores import mean_error
from socsim.report.formats import labelled, plural, text_table
from socsim.report.sinks import terminal_text, write_file
from socsim.report.tables import Table

if TYPE_CHECKING:
    from socsim.calibration.library import Calibration
    from socsim.calibration.timing import GroupFit
    from socsim.soc.platform import Platform

_TYPES = {
    "unit": "str", "cluster": "str", "runtime": "str", "parameter": "str", "value": "float", "uncertainty": "float",
    "own": "bool", "meaning": "str",
}  # fmt: skip
_HEADER = ("parameter", "value", "+-", "", "meaning")


class CalibrationResult:
    """What `socsim.calibrate` returns.

    Args:
        platform: what was measured.
        calibration: the fits behind it.
    """

    def __init__(self, platform: Platform, calibration: Calibration) -> None:
        self.platform, self.calibration = platform, calibration

    @cached_property
    def parameters(self) -> Table:
        """One row for each parameter of each group: `own` says whether the group was free to choose it."""
        rows = [row for fit in self.calibration.groups for row in _rows(fit)]
        return Table(f"Calibration of {self.platform.name}", tuple(_TYPES), rows, _TYPES)

    def to_yaml(self) -> str:
        """Return the calibration file, which `run(calibration=FILE)` reads."""
        return next(iter(self.calibration.texts().values()))

    def save(self, path: str | Path) -> None:
        """Write the calibration file; beside a platform's file, as `NAME.calibration.yaml`, it is found by itself."""
        write_file(Path(path), self.to_yaml())

    def __repr__(self) -> str:
        """Return the errors of each group, and its parameters."""
        lines: list[str] = []
        for fit in self.calibration.groups:
            lines += [*([""] if lines else []), *_words(fit)]
            lines += text_table(_HEADER, [_cells(row) for row in _rows(fit)], ("value", "+-"))
        return "\n".join(lines)


def _rows(fit: GroupFit) -> list[tuple[Any, ...]]:
    key = fit.group.key
    return [
        (key.unit, key.cluster or None, key.runtime, p.name, p.value(float(v)), float(u), p.name in fit.own, p.meaning)
        for p, v, u in zip(fit.group.parameters, fit.fitted, fit.uncertainty, strict=True)
    ]


def _cells(row: tuple[Any, ...]) -> tuple[str, ...]:
    name, value, spread, is_own, meaning = row[3:]
    return name, f"{value:.4g}", f"{spread:.2g}", "fitted" if is_own else "of the runtime", meaning


def _words(fit: GroupFit) -> list[str]:
    group, key = fit.group, fit.group.key
    cluster = f" {key.cluster}" if key.cluster else ""
    workloads = len(set(group.workloads))
    seen, unseen = (mean_error(times, group.measured, key.metric) for times in (fit.times, fit.workload_out))
    noise = fit.noise
    return [
        *labelled("group", [terminal_text(f"{key.platform} {key.unit}{cluster}, {key.runtime}, {key.metric}", 100)]),
        *labelled("figures", [f"{plural(len(group), 'figure')} of {plural(workloads, 'network')}"]),
        *labelled("error", [
            f"{seen:.1%} of the figures fitted, {unseen:.1%} of networks left out of the fit, each in turn"
            + (f"; repeats differ by {noise:.1%}" if noise is not None else "")
        ]),
    ]  # fmt: skip
