"""The public error report: REPORT.md with its figures, and the error budgets that CI holds.

    python validation/report.py              # writes REPORT.md and figures/, and checks budgets.yaml
    python validation/report.py --check      # checks budgets.yaml alone
    python validation/report.py --calibrate  # first fits the calibrations in platforms/calibrations anew

Every number comes from measurements.csv: each network is predicted by fits that never saw it. The machine at hand is
host_measurements.csv, on the platform of host.yaml; its networks that do not ship are looked for beside the checkout.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import socsim as ss
from socsim.accuracy.own_files import own_platforms
from socsim.accuracy.table import read_measurements
from socsim.accuracy.validation import answers, compare
from socsim.calibration.crossed import cross_validation
from socsim.calibration.library import calibrate_device, calibrate_library, write_library
from socsim.report.crossed import COLUMNS, MEANINGS, group_cells, header, percent, total_rows
from socsim.report.drawing import figure_bytes, offline_axes, set_title, unit_colours
from socsim.soc.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from socsim.accuracy.validation import TimingComparison
    from socsim.calibration.crossed import CrossedGroup, CrossValidation, Way

HERE = Path(__file__).parent
TABLE = HERE / "measurements.csv"
BUDGETS = HERE / "budgets.yaml"
HOST = HERE / "host_measurements.csv"
MODELS = HERE.parent.parent / "shared" / "models"
REPORT = HERE / "REPORT.md"
FIGURES = HERE / "figures"
LIBRARY = HERE.parent / "platforms" / "calibrations"
RELATIVES = (("rk3588", "rk3568", "npu"), ("rk3568", "rk3588", "npu"))
_WORST = 40


@dataclass(frozen=True)
class Findings:
    """What the report is about.

    Args:
        comparison: predictions with the calibrations that ship.
        crossed: predictions of fits that never saw the network.
    """

    comparison: TimingComparison
    crossed: CrossValidation


def find(*, calibrate: bool) -> Findings:
    """Return what the table says; with `calibrate`, after writing the calibrations anew."""
    table = read_measurements(TABLE)
    given = answers(table, processes=2, anatomies=True)
    fits = calibrate_library(table, TABLE, given, processes=2)
    if calibrate:
        write_library(fits, LIBRARY)
        given = answers(table, processes=2)
    return Findings(compare(table, given), cross_validation(fits))


def _host() -> CrossValidation | None:
    if not MODELS.is_dir():
        return None
    table = read_measurements(HOST, platforms=own_platforms([HOST.with_name("host.yaml")]), models=MODELS)
    return cross_validation(calibrate_device(table, HOST, "x86-host"))


# --- budgets ------------------------------------------------------------------------------------------


def exceeded(found: Findings) -> list[str]:
    """Return a line for each budget that does not hold."""
    budgets = read_yaml(BUDGETS).value
    totals = found.crossed.totals
    lines = []
    coverage = found.comparison.totals.coverage or 0.0
    if coverage < budgets["coverage"]:
        lines.append(f"coverage {percent(coverage)} is below {percent(budgets['coverage'])}")
    lines += _above("median MAPE", totals.mape, budgets["median_mape"])
    lines += _above("pairs over 25 %", totals.far_off, budgets["over_25"])
    rank, least = totals.spearman["workload_out"] or 0.0, budgets["spearman"]
    if rank < least:
        lines.append(f"median Spearman {rank:.3f} is below {least}")
    groups = {"/".join((g.key.platform, g.key.unit, g.key.cluster, g.key.runtime)): g for g in found.crossed.groups}
    for name, limit in budgets["groups"].items():
        score = groups[name].scores["workload_out"] if name in groups else None
        if score is None or score.mape > limit:
            lines.append(f"{name}: {percent(score.mape if score else None)}, above {percent(limit)}")
    return lines


def _above(what: str, found: dict[Way, float | None], limits: dict[Way, float]) -> list[str]:
    return [
        f"{what}, {COLUMNS[way]}: {percent(found[way])}, above {percent(limit)}"
        for way, limit in limits.items()
        if (found[way] or 0.0) > limit
    ]


# --- the report ---------------------------------------------------------------------------------------


def report(found: Findings) -> str:
    """Return the report as Markdown."""
    crossed = found.crossed
    counted = [g for g in crossed.groups if g.counts]
    small = [g for g in crossed.groups if not g.counts and g.workloads >= 3]
    totals = found.comparison.totals
    gain = percent(crossed.totals.gain)
    lines = [
        "# Predicted against measured",
        "",
        f"`python validation/report.py` makes this page from `measurements.csv`: {totals.rows:,} figures, "
        f"{totals.language_model_rows:,} of them of language models, which are not predicted; "
        f"{percent(totals.coverage)} of the others have a prediction. Part of all measurements is held back and was "
        "not looked at.",
        "",
        "A group is a platform, unit, cluster and runtime; a pair is a platform and a unit, counted once with the "
        "median of its groups of eight networks or more. Errors are predicted / measured - 1. Ways to predict:",
        "",
        *(f"- {meaning}" for meaning in MEANINGS),
        "",
        *_table(("median over pairs", "pairs", *COLUMNS.values()), total_rows(crossed)),
        "",
        f"Without the families of networks, calibrated physics is {gain} better, relatively, than the baseline.",
        "",
        "![predicted against measured](figures/predicted_against_measured.png)",
        "",
        "## Same design, another chip",
        "",
        "What one chip's measurements say of another with the same design of unit, none of whose figures was used "
        '(column "relatives"):',
        "",
        *_table(("fitted on", "predicted", "unit", "networks", "error"), _relatives(crossed)),
        "",
        "## Groups, largest error first",
        "",
        *_table(header(), [group_cells(group) for group in counted]),
        "",
        "![error by platform and unit](figures/error_by_unit.png)",
        "",
        "## Networks, largest error first",
        "",
        "Median over groups of the error of a network that no fit saw, with its sign: what the cost models do not know "
        "of a network, on whatever chip.",
        "",
        *_table(("network", "groups", "median error", "median size"), _networks(counted)[:_WORST]),
        "",
        "![error by network](figures/error_by_network.png)",
        "",
        "## Energy",
        "",
        "Energy per inference, and power above the idle floor, of boards: each workload by a fit that never saw it, "
        "with the measured latency of the same board (`socsim validate energy`). The baseline is a constant power.",
        "",
        *_table(("metric", "groups", "error", "constant power", "better by"), _energies()),
        "",
        *_host_section(_host()),
        "## Smaller groups",
        "",
        *_table(header(), [group_cells(group) for group in small]),
    ]
    return "\n".join(lines) + "\n"


def _energies() -> list[tuple[str, ...]]:
    totals = ss.validate_energy(TABLE).comparison.totals
    names = {"energy_per_inference": "energy per inference", "power": "power above the idle floor"}
    found = [(words, totals(metric, "measured")) for metric, words in names.items()]
    return [
        (words, str(t.groups), percent(t.mape), percent(t.baseline_mape), percent(t.improvement)) for words, t in found
    ]


def _host_section(host: CrossValidation | None) -> list[str]:
    if host is None:
        return []
    return [
        "## A machine of one's own",
        "",
        "A two-core x86 machine, described by `socsim platforms host`, measured by `socsim measure` and fitted by "
        "`socsim calibrate` (docs/measuring.md):",
        "",
        *_table(header(), [group_cells(group) for group in host.groups]),
        "",
    ]


def _relatives(crossed: CrossValidation) -> list[tuple[str, ...]]:
    rows = []
    for source, target, unit in RELATIVES:
        for group in crossed.groups:
            score = group.scores["platform_out"]
            if (group.key.platform, group.key.unit) == (target, unit) and score:
                rows.append((source, target, f"{unit}, {group.key.runtime}", str(group.workloads), percent(score.mape)))
    return rows


def _networks(counted: Iterable[CrossedGroup]) -> list[tuple[str, ...]]:
    errors: dict[str, list[float]] = {}
    for group in counted:
        for figure in group.figures:
            predicted = figure.predicted["workload_out"]
            if predicted is not None:
                errors.setdefault(figure.workload, []).append(predicted / figure.measured - 1)
    sizes = {name: median(abs(e) for e in found) for name, found in errors.items()}
    order = sorted(errors, key=lambda name: (-sizes[name], name))
    return [(name, str(len(errors[name])), f"{median(errors[name]):+.0%}", percent(sizes[name])) for name in order]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


# --- figures ------------------------------------------------------------------------------------------


def figures(crossed: CrossValidation) -> dict[str, bytes]:
    """Return each figure as PNG, by its file's name."""
    counted = [group for group in crossed.groups if group.counts]
    drawn = {
        "predicted_against_measured": _scatter(counted, offline_axes((7.0, 6.0))),
        "error_by_unit": _by_unit(counted, offline_axes((8.0, 9.0))),
        "error_by_network": _by_network(counted, offline_axes((8.0, 8.0))),
    }
    return {f"{name}.png": figure_bytes(ax, "png") for name, ax in drawn.items()}


def _scatter(counted: Sequence[CrossedGroup], ax: Axes) -> Axes:
    colours = unit_colours(sorted({group.key.unit for group in counted}))
    points: dict[str, list[tuple[float, float]]] = {}
    for group in counted:
        pairs = [(f.measured * 1e3, f.predicted["workload_out"]) for f in group.figures]
        points.setdefault(group.key.unit, []).extend((m, p * 1e3) for m, p in pairs if p is not None)
    for unit in sorted(points):
        across, up = zip(*points[unit], strict=True)
        ax.scatter(across, up, s=7, alpha=0.5, color=colours[unit], label=f"{unit} ({len(across):,})")
    ends = [value for found in points.values() for pair in found for value in pair]
    line = (min(ends), max(ends))
    ax.plot(line, line, color="black", lw=0.8)
    for factor in (0.75, 1.25):
        ax.plot(line, [factor * end for end in line], color="#888888", lw=0.6, ls="--")
    ax.set(xscale="log", yscale="log", xlabel="measured ms", ylabel="predicted ms")
    ax.legend(fontsize=8)
    set_title(ax, "Networks that no fit saw; dashed: 25 % off")
    return ax


def _by_unit(counted: Sequence[CrossedGroup], ax: Axes) -> Axes:
    ways: tuple[tuple[Way, str], ...] = (("uncalibrated", "#BBBBBB"), ("workload_out", "#0072B2"))
    rows = sorted(((score.mape, g) for g in counted if (score := g.scores["workload_out"])), key=lambda pair: pair[0])
    names = [f"{g.key.platform} {g.key.unit} {g.key.cluster} {g.key.runtime}" for _, g in rows]
    for way, colour in ways:
        sizes = [100 * score.mape if (score := g.scores[way]) else 0.0 for _, g in rows]
        ax.scatter(sizes, range(len(names)), color=colour, s=14, label=COLUMNS[way])
    ax.set_yticks(range(len(names)), names, fontsize=5)
    ax.axvline(25, color="#888888", lw=0.6, ls="--")
    ax.set(xlabel="mean error, %", xlim=(0, 110))
    ax.legend(fontsize=8)
    set_title(ax, "Mean error by group")
    return ax


def _by_network(counted: Sequence[CrossedGroup], ax: Axes) -> Axes:
    rows = [(name, float(error.strip("%+"))) for name, groups, error, _ in _networks(counted) if int(groups) >= 3][
        :_WORST
    ]
    ax.barh([name for name, _ in rows][::-1], [error for _, error in rows][::-1], color="#0072B2")
    ax.tick_params(axis="y", labelsize=6)
    ax.set(xlabel="median error over groups, %")
    set_title(ax, "Networks on three groups or more, largest error first")
    return ax


def main(arguments: Sequence[str]) -> int:
    """Make the report, and return 1 where a budget does not hold."""
    found = find(calibrate="--calibrate" in arguments)
    if "--check" not in arguments:
        REPORT.write_text(report(found), encoding="utf-8")
        FIGURES.mkdir(exist_ok=True)
        for name, picture in figures(found.crossed).items():
            (FIGURES / name).write_bytes(picture)
    lines = exceeded(found)
    print("\n".join(lines) or "all error budgets hold")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
