"""Figures of a validation. Each takes `ax` and returns the axes."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from socsim.accuracy.validation import TIMING
from socsim.report.drawing import set_title, unit_colours
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from socsim.accuracy.validation import TimingComparison

SIZE = (8.5, 6.0)
_MOST_BARS = 60


def predicted_against_measured(found: TimingComparison, ax: Axes) -> Axes:
    """Draw each latency and each time between samples: measured across, predicted up, milliseconds."""
    points: dict[str, list[tuple[float, float]]] = {}
    for result in found.rows:
        row = result.row
        if result.predicted is not None and row.metric in TIMING:
            pair = (row.value * row.scale, result.predicted * row.scale)
            measured, predicted = pair if row.metric == "latency" else (1 / pair[0], 1 / pair[1])
            points.setdefault(row.unit, []).append((measured * 1e3, predicted * 1e3))
    colours = unit_colours(sorted(points))
    for unit in sorted(points):
        across, up = zip(*points[unit], strict=True)
        ax.scatter(across, up, s=6, alpha=0.5, color=colours[unit], label=f"{unit} ({len(across):,})", rasterized=True)
    ends = [value for pairs in points.values() for pair in pairs for value in pair]
    if ends:
        line = (min(ends), max(ends))
        ax.plot(line, line, color="black", lw=0.8)
        for factor in (0.75, 1.25):
            ax.plot(line, [factor * end for end in line], color="#888888", lw=0.6, ls="--")
        ax.set(xscale="log", yscale="log")
        ax.legend(fontsize=8)
    ax.set(xlabel="measured ms", ylabel="predicted ms")
    set_title(ax, "Latency, or time between samples; dashed: 25 % off")
    return ax


def errors_by_unit(found: TimingComparison, ax: Axes) -> Axes:
    """Draw the median MAPE of the scored timing groups of each platform and unit, largest on top."""
    by_unit: dict[str, list[float]] = {}
    for group in found.groups:
        if group.is_scored and group.score and group.key.metric in TIMING:
            by_unit.setdefault(f"{group.key.platform} {group.key.unit}", []).append(group.score.mape)
    bars = sorted((median(errors), name) for name, errors in by_unit.items())[-_MOST_BARS:]
    ax.barh([terminal_text(name, 40) for _, name in bars], [100 * error for error, _ in bars], color="#0072B2")
    ax.axvline(25, color="#888888", lw=0.6, ls="--")
    ax.tick_params(axis="y", labelsize=6)
    ax.set(xlabel="MAPE, %")
    set_title(ax, "Mean size of the error by platform and unit")
    return ax
