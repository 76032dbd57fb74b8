"""Cross-validation of calibrations as text, JSON and Markdown."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from socsim.calibration.crossed import ENOUGH, WAYS
from socsim.report.formats import plural, text_table
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.calibration.crossed import CrossedGroup, CrossValidation, Way

COLUMNS: dict[Way, str] = {
    "uncalibrated": "uncalibrated",
    "fitted": "fitted",
    "workload_out": "network out",
    "family_out": "family out",
    "platform_out": "relatives",
    "additive_out": "baseline",
    "additive_family_out": "baseline, family out",
}
MEANINGS = (
    "uncalibrated: structure and datasheet numbers alone",
    "fitted: calibrated on all rows, the scored ones included",
    "network out: each network by a fit that saw it on no chip",
    "family out: the same without all networks of its family",
    "relatives: by other chips alone, without any row of the platform",
    "baseline: a non-negative sum over six totals of the network, without the network, or without its family",
)
_HEADER = ("platform", "unit", "cluster", "runtime", "n", "networks", "noise", *COLUMNS.values(), "Spearman")
NUMBERS = _HEADER[4:]


def crossed_document(found: CrossValidation) -> dict[str, Any]:
    """Return a cross-validation as plain values: MAPE and more by way, of groups and in total."""
    return {
        "totals": asdict(found.totals),
        "groups": [
            {
                **group.key._asdict(),
                "pool": group.pool,
                "workloads": group.workloads,
                "noise_floor": group.noise,
                "scores": {way: asdict(score) if (score := group.scores[way]) else None for way in WAYS},
                "figures": [asdict(figure) for figure in group.figures],
            }
            for group in found.groups
        ],
    }


def crossed_text(found: CrossValidation) -> list[str]:
    """Return totals and the groups that count, largest error first."""
    counted = [group for group in found.groups if group.counts]
    return [
        "cross-validation: mean error by way",
        *text_table(("median", "pairs", *COLUMNS.values()), total_rows(found), ("pairs", *COLUMNS.values())),
        "",
        *MEANINGS,
        "",
        f"groups of {ENOUGH} networks or more, largest error first",
        *text_table(_HEADER, [group_cells(group) for group in counted], NUMBERS),
        "",
        f"{plural(len(found.groups) - len(counted), 'smaller group')} in the JSON output",
    ]


def header() -> Sequence[str]:
    """Return the column names of `group_cells`."""
    return _HEADER


def total_rows(found: CrossValidation) -> list[tuple[str, ...]]:
    """Return the rows of the table of totals."""
    totals = found.totals
    return [
        ("MAPE", str(totals.pairs), *(percent(totals.mape[way]) for way in WAYS)),
        ("Spearman", str(totals.pairs), *(_plain(totals.spearman[way]) for way in WAYS)),
        ("over 25 %", str(totals.pairs), *(percent(totals.far_off[way]) for way in WAYS)),
    ]


def group_cells(group: CrossedGroup) -> tuple[str, ...]:
    """Return a row of the table of groups."""
    key, best = group.key, group.scores["workload_out"]
    errors = (percent(score.mape) if (score := group.scores[way]) else "-" for way in WAYS)
    return (
        terminal_text(key.platform, 30), key.unit, key.cluster or "-", terminal_text(key.runtime, 20),
        str(len(group.figures)), str(group.workloads), percent(group.noise), *errors,
        _plain(best.spearman if best else None),
    )  # fmt: skip


def percent(share: float | None) -> str:
    """Format a share for people."""
    return "-" if share is None else f"{100 * share:.1f} %" if share < 1 else f"{100 * share:.0f} %"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
