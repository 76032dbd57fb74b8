"""Rooflines: what operators attain, or could attain, under the peaks of units and memories."""

from __future__ import annotations

from math import atan2, cos, degrees, log10, sin, sqrt
from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S, format_si
from socsim.report.drawing import (
    Labels,
    legend_text,
    new_axes,
    record_colours,
    set_title,
    settle,
    text_width,
    unit_colours,
)
from socsim.report.formats import format_rate
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from socsim.records import AnalysisRecord, Ceiling, OperatorRecord, RunRecord, UnitRecord

_FIGSIZE = (8.5, 5.2)
_WIDE_FIGSIZE = (10.5, 5.2)
_LABELLED = 6
_PLACES = (0.4, 0.35, 0.45, 0.3, 0.5, 0.55, 0.25, 0.6, 0.65, 0.7, 0.2, 0.75, 0.8, 0.15, 0.1)
"""Where on a slope its name may stand, as parts of its length, best first."""
_LARGEST_MARKER = 500.0
_SMALLEST_MARKER = 14.0


def roofline(record: RunRecord, ax: Axes | None = None, unit: str | None = None) -> Axes:
    """Draw attained operations a second against operations for each external byte, one point an operator.

    The area of a point is the operator's latency. Operators without MACs, or whose operands all stay on
    chip, have no place on the axes; a line under the figure counts them.

    Args:
        record: the run.
        ax: axes to draw on; a new figure where absent.
        unit: only this unit; all where absent.

    Raises:
        ValueError: a unit that the run did not use.
    """
    units = [u for u in record.units if unit in {None, u.name}]
    if unit is not None and not units:
        msg = f"the run did not use a unit {unit!r}; it used {', '.join(u.name for u in record.units)}"
        raise ValueError(msg)
    ax = ax or new_axes(_FIGSIZE)
    names = {u.name for u in units}
    costed = [op for op in record.operators if op.unit in names and op.latency_ps]
    points = [op for op in costed if op.arithmetic_intensity]
    colours = record_colours(record)
    _set_axes(ax, [_point(op) for op in points], _ridges(units))
    _draw_points(ax, points, colours)
    hidden = len(costed) - len(points)
    note = f"; {hidden} of {len(costed)} operators without MACs or external bytes are not shown" if hidden else ""
    ax.set_xlabel(f"operations for each external byte{note}")
    ax.set_ylabel("operations/s")
    set_title(ax, f"Roofline of {record.model} on {record.platform}")
    settle(ax)
    labels = Labels(ax)
    _block_points(points, labels)
    for entry in units:
        _draw_roof(ax, entry, colours[entry.name], labels)
    if points:
        _legend(ax, labels)
    _label_points(points, labels)
    return ax


def _legend(ax: Axes, labels: Labels) -> None:
    from matplotlib.collections import PathCollection

    legend = ax.legend(loc="best", fontsize=8, title="area: latency", title_fontsize=8, framealpha=0.9)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([40.0])
    labels.block_box(legend.get_window_extent())


def _point(op: OperatorRecord) -> tuple[float, float]:
    return op.arithmetic_intensity or 0.0, 2 * op.macs * PS_PER_S / (op.latency_ps or 1)


def _ridges(units: Iterable[UnitRecord]) -> list[tuple[float, float]]:
    return [
        (2 * u.peak_macs_per_s / u.memory_bytes_per_s, 2.0 * u.peak_macs_per_s)
        for u in units
        if u.peak_macs_per_s and u.memory_bytes_per_s
    ]


def _set_axes(ax: Axes, points: Sequence[tuple[float, float]], ridges: Sequence[tuple[float, float]]) -> None:
    """Set logarithmic axes that hold all points and the ridges, with room for labels."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    shown = [(x, y) for x, y in (*points, *ridges) if x > 0 and y > 0] or [(1.0, 1e9)]
    xs, ys = zip(*shown, strict=True)
    ax.set_xlim(min(xs) / 4, max(xs) * 8)
    ax.set_ylim(min(ys) / 4, max(ys) * 4)
    ax.grid(visible=True, which="major", lw=0.4, color="#dddddd")
    ax.set_axisbelow(True)


def _draw_roof(ax: Axes, unit: UnitRecord, colour: str, labels: Labels) -> None:
    if not unit.peak_macs_per_s:
        return
    peak = 2 * unit.peak_macs_per_s
    left, right = ax.get_xlim()
    rate = unit.memory_bytes_per_s
    ridge = min(max(peak / rate, left), right) if rate else left
    xs = [left, ridge, right]
    ys = [min(peak, rate * x) if rate else peak for x in xs]
    ax.plot(xs, ys, color=colour, lw=1.6, zorder=2)
    if rate and left < ridge < right:
        _name_slope(unit, (max(left, ax.get_ylim()[0] / rate), ridge), labels)
        _note(ax, f"ridge {peak / rate:.4g} OP/B", (ridge, peak), (-4, 4), colour)
        ax.plot([ridge], [peak], marker="o", ms=4, color=colour)
    labels.block_line(list(zip(xs, ys, strict=True)))
    note = f"{terminal_text(unit.name, 20)} peak {format_si(peak, 'OP/s', digits=4)}"
    _note(ax, note, (right, peak), (-4, 4), colour)


def _note(ax: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], colour: str) -> None:
    ax.annotate(
        text, at, xytext=offset, textcoords="offset points", ha="right", fontsize=8, color=colour, parse_math=False
    )  # fmt: skip


def _name_slope(unit: UnitRecord, span: tuple[float, float], labels: Labels) -> None:
    """Write what the unit draws from memory above the slope, where the fewest points are in the way."""
    ax = labels.ax
    low, high = (ax.transData.transform((x, unit.memory_bytes_per_s * x)) for x in span)
    angle = atan2(high[1] - low[1], high[0] - low[0])
    text = f"{terminal_text(unit.memory, 20)} {format_rate(unit.memory_bytes_per_s)}"
    half = text_width(ax, text, labels.size) / 2
    reach = (half * abs(cos(angle)), half * abs(sin(angle)) + 4)
    boxes = {}
    for place in _PLACES:
        x, y = low + (high - low) * place + (-12, 16)
        boxes[place] = (x - reach[0], y - reach[1], x + reach[0], y + reach[1])
    place, box = min(boxes.items(), key=lambda item: labels.crowding(item[1]))
    labels.taken.append(box)
    middle = 10 ** (log10(span[0]) + (log10(span[1]) - log10(span[0])) * place)
    ax.annotate(
        text, (middle, unit.memory_bytes_per_s * middle), xytext=(-6, 8), textcoords="offset points",
        rotation=degrees(angle), rotation_mode="anchor", fontsize=labels.size, color="#444444", ha="center",
        parse_math=False,
    )  # fmt: skip


def _marker(value: float, largest: float) -> float:
    return max(_LARGEST_MARKER * value / largest, _SMALLEST_MARKER) if largest else _SMALLEST_MARKER


def _draw_points(ax: Axes, points: Sequence[OperatorRecord], colours: dict[str, str]) -> None:
    longest = max((op.latency_ps or 0 for op in points), default=0)
    for unit in dict.fromkeys(op.unit for op in points):
        mine = [op for op in points if op.unit == unit]
        xs, ys = zip(*(_point(op) for op in mine), strict=True)
        areas = [_marker(op.latency_ps or 0, longest) for op in mine]
        label = f"{legend_text(unit, 20)}: {len(mine)} operators"
        ax.scatter(xs, ys, s=areas, color=colours[unit], alpha=0.55, edgecolors="black", lw=0.4, zorder=3, label=label)


def _radii(ax: Axes, points: Sequence[OperatorRecord]) -> list[float]:
    """Return the pixels of each point's marker, whose area is in square points."""
    longest = max((op.latency_ps or 0 for op in points), default=0)
    return [sqrt(_marker(op.latency_ps or 0, longest)) / 2 * ax.figure.dpi / 72 for op in points]


def _block_points(points: Sequence[OperatorRecord], labels: Labels) -> None:
    for op, radius in zip(points, _radii(labels.ax, points), strict=True):
        labels.block(*_point(op), radius=radius)


def _label_points(points: Sequence[OperatorRecord], labels: Labels) -> None:
    """Name the operators that take longest, where there is room; of points in one place the first."""
    by_place: dict[tuple[float, float], tuple[OperatorRecord, float]] = {}
    sized = zip(points, _radii(labels.ax, points), strict=True)
    for op, radius in sorted(sized, key=lambda pair: -(pair[0].latency_ps or 0)):
        by_place.setdefault(_point(op), (op, radius))
    for place, (op, radius) in list(by_place.items())[:_LABELLED]:
        labels.add(*place, f"{op.index} {terminal_text(op.type, 24)}", radius)


# --- before anything is timed -------------------------------------------------------------------------


def analysis_roofline(record: AnalysisRecord, ax: Axes | None = None) -> Axes:
    """Draw the ceilings of every unit and type, and the operators under the ceiling of their own.

    The area of a point is the operator's MACs; its height is what the ceiling allows, not a prediction.
    """
    ax = ax or new_axes(_WIDE_FIGSIZE)
    above = {(c.unit, c.dtype): c for c in record.ceilings}
    points = [
        (op.unit, op.macs, op.arithmetic_intensity, _attainable(above[op.unit, op.dtype], op.arithmetic_intensity))
        for op in record.operators
        if op.arithmetic_intensity and (op.unit, op.dtype) in above
    ]
    used = {(op.unit, op.dtype) for op in record.operators if op.arithmetic_intensity}
    ridges = [(c.operations_per_s / c.bytes_per_s, float(c.operations_per_s)) for c in record.ceilings if c.bytes_per_s]
    _set_axes(ax, [(x, y) for _, _, x, y in points], ridges)
    colours = unit_colours(dict.fromkeys(c.unit for c in record.ceilings))
    for ceiling in record.ceilings:
        _draw_ceiling(ax, ceiling, colours[ceiling.unit], in_use=(ceiling.unit, ceiling.dtype) in used)
    most = max((macs for _, macs, _, _ in points), default=0)
    for unit, macs, x, y in points:
        ax.scatter(
            [x], [y], s=_marker(macs, most), color=colours[unit], alpha=0.5, edgecolors="black", lw=0.4, zorder=3
        )
    ax.set_xlabel("operations for each byte, if every operand moved once")
    ax.set_ylabel("attainable operations/s")
    set_title(ax, f"Ceilings of {record.platform} over {record.model}")
    if record.ceilings:
        ax.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=7, title="area of points: MACs", title_fontsize=7
        )
    return ax


def _attainable(ceiling: Ceiling, intensity: float) -> float:
    return min(float(ceiling.operations_per_s), ceiling.bytes_per_s * intensity)


def _draw_ceiling(ax: Axes, ceiling: Ceiling, colour: str, *, in_use: bool) -> None:
    left, right = ax.get_xlim()
    ridge = ceiling.operations_per_s / ceiling.bytes_per_s if ceiling.bytes_per_s else left
    xs = sorted({left, min(max(ridge, left), right), right})
    label = f"{terminal_text(f'{ceiling.unit} {ceiling.dtype}', 30)} {format_si(ceiling.operations_per_s, 'OP/s')}"
    ax.plot(
        xs, [_attainable(ceiling, x) for x in xs], color=colour, lw=1.6 if in_use else 0.8, zorder=2,
        ls="-" if in_use else "--", label=legend_text(label, 100),
    )  # fmt: skip
