"""Figures of a run. Each takes `ax` (a new figure where absent) and returns the axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from socsim.quantities import format_energy, format_time
from socsim.report.drawing import (
    OTHER_COLOUR,
    ink_on,
    lighter,
    new_axes,
    record_colours,
    save_figure,
    set_title,
    settle,
    text_width,
    time_scale,
    unit_colours,
)
from socsim.report.formats import format_share
from socsim.report.roofline import analysis_roofline, roofline
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from socsim.records import RunRecord

__all__ = ["analysis_roofline", "energy", "roofline", "save_figure", "timeline", "unit_colours"]

TRACKS = ("compute", "dma", "load", "store", "dispatch")
_SHADES = {"compute": 0.0, "dma": 0.45, "load": 0.35, "store": 0.5, "dispatch": 0.65}
_WIDTH = 11.0
_LANE = 0.42
_MARGIN = 1.3
_LABEL_SIZE = 7.0
_WIDE_BAR = 4
"""Pixels from which on a white edge leaves something of a bar."""
_MANY_BARS = 2_000
"""From here on bars become pixels inside vector files, which would otherwise grow by their number."""
_MOST_ACCOUNTS = 14


class _Bar(NamedTuple):
    start_ps: int
    end_ps: int
    label: str
    short_label: str


# --- timeline -----------------------------------------------------------------------------------------


def timeline(record: RunRecord, ax: Axes | None = None, figsize: tuple[float, float] | None = None) -> Axes:
    """Draw what each unit does over time: a lane for each of its tracks.

    These are compute, dma and dispatch; load and store in place of dma where tiles are shown.

    A record without slices, as a short JSON document gives, shows one lane of operators for each unit.

    Args:
        record: the run.
        ax: axes to draw on; a new figure where absent.
        figsize: inches of the new figure; as high as its lanes where absent.
    """
    lanes = _lanes(record)
    ax = ax or new_axes(figsize or timeline_size(record))
    name, scale = time_scale(record.latency_ps)
    ax.set_xlim(0, max(record.latency_ps, 1) / scale)
    ax.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    ax.set_yticks(range(len(lanes)))
    ax.set_yticklabels([terminal_text(f"{unit} {track}", 30) for unit, track in lanes], parse_math=False)
    ax.set_xlabel(f"time ({name})")
    ax.spines[["top", "right"]].set_visible(False)
    set_title(ax, f"{record.model} on {record.platform}: {format_time(record.latency_ps)}")
    settle(ax)
    colours = record_colours(record)
    is_crowded = sum(map(len, lanes.values())) > _MANY_BARS
    for position, ((unit, track), bars) in enumerate(lanes.items()):
        colour = lighter(colours.get(unit, OTHER_COLOUR), _SHADES.get(track, 0.0))
        _draw_lane(ax, bars, position, scale, colour, is_crowded=is_crowded)
    return ax


def timeline_size(record: RunRecord) -> tuple[float, float]:
    """Return the inches that a timeline of this run needs."""
    return _WIDTH, _MARGIN + _LANE * max(len(_lanes(record)), 2)


def _lanes(record: RunRecord) -> dict[tuple[str, str], list[_Bar]]:
    """Return the bars of each unit and track that has any, units in order of the record."""
    found: dict[tuple[str, str], list[_Bar]] = {}
    for s in record.slices:
        found.setdefault((s.unit, s.track), []).append(_Bar(s.start_ps, s.end_ps, s.label, str(s.operator)))
    for op in record.operators if not record.slices else ():
        if op.start_ps is not None and op.end_ps is not None:
            bar = _Bar(op.start_ps, op.end_ps, f"{op.index} {op.type}", str(op.index))
            found.setdefault((op.unit, "operators"), []).append(bar)
    units = {unit.name: i for i, unit in enumerate(record.units)}
    tracks = {track: i for i, track in enumerate(TRACKS)}
    order = sorted(found, key=lambda key: (units.get(key[0], len(units)), key[0], tracks.get(key[1], 9), key[1]))
    return {key: found[key] for key in order}


def _draw_lane(
    ax: Axes, bars: Sequence[_Bar], position: int, scale: int, colour: tuple[float, float, float], *, is_crowded: bool
) -> None:
    """Draw the bars of a lane; wide ones have a white edge and a label, thin ones stay visible."""
    left, right = ax.get_xlim()
    pixels = [(bar.end_ps - bar.start_ps) / scale * ax.get_window_extent().width / (right - left) for bar in bars]
    ax.broken_barh(
        [(bar.start_ps / scale, (bar.end_ps - bar.start_ps) / scale) for bar in bars],
        (position - 0.4, 0.8),
        facecolors=colour,
        edgecolors=["white" if room > _WIDE_BAR else colour for room in pixels],
        linewidth=0.4,
        rasterized=is_crowded,
    )
    for bar, room in zip(bars, pixels, strict=True):
        label = _fitting(ax, bar, room)
        if label:
            middle = (bar.start_ps + bar.end_ps) / 2 / scale
            ax.text(
                middle, position, label, ha="center", va="center", fontsize=_LABEL_SIZE, color=ink_on(colour),
                clip_on=True, parse_math=False,
            )  # fmt: skip


def _fitting(ax: Axes, bar: _Bar, room: float) -> str:
    """Return a bar's label, or its number, or nothing, whichever fits `room` pixels."""
    candidates = (terminal_text(bar.label, 60), bar.short_label)
    return next((text for text in candidates if text_width(ax, text, _LABEL_SIZE) < 0.95 * room), "")


# --- energy -------------------------------------------------------------------------------------------


def energy(record: RunRecord, ax: Axes | None = None) -> Axes:
    """Draw the energy accounts: a bar for each part, its work and the static power beside it."""
    rows = _energy_rows(record)
    ax = ax or new_axes((8.5, 1.4 + 0.36 * max(len(rows), 2)))
    work = [row[1] for row in rows]
    static = [row[2] for row in rows]
    colours = record_colours(record)
    fills: list[Any] = [colours.get(name, OTHER_COLOUR) for name, _, _ in rows]
    unit, scale = _energy_scale(max((w + s for w, s in zip(work, static, strict=True)), default=0))
    places = range(len(rows))
    ax.barh(places, [w / scale for w in work], color=fills)
    ax.barh(
        places, [s / scale for s in static], left=[w / scale for w in work], hatch="////",
        color=[lighter(fill, 0.6) for fill in fills], edgecolor="white", linewidth=0,
    )  # fmt: skip
    for place, w, s in zip(places, work, static, strict=True):
        note = f" {format_energy(w + s)}, {format_share(w + s, record.energy_pj)}"
        ax.text((w + s) / scale, place, note, va="center", fontsize=8)
    ax.set_yticks(list(places))
    ax.set_yticklabels([terminal_text(name, 30) for name, _, _ in rows], parse_math=False)
    ax.invert_yaxis()
    ax.margins(x=0.22)
    ax.set_xlabel(f"energy ({unit})")
    ax.spines[["top", "right"]].set_visible(False)
    _energy_legend(ax)
    set_title(ax, f"Energy of {record.model} on {record.platform}: {format_energy(record.energy_pj)}")
    return ax


def _energy_rows(record: RunRecord) -> list[tuple[str, int, int]]:
    """Return name, energy of work and static energy, largest first; the smallest together at the end."""
    totals: dict[str, list[int]] = {}
    for account in record.energy:
        totals.setdefault(account.name, [0, 0])[account.kind == "static"] += account.energy_pj
    rows = sorted(((name, work, static) for name, (work, static) in totals.items()), key=lambda r: -(r[1] + r[2]))
    if len(rows) <= _MOST_ACCOUNTS:
        return rows
    rest = rows[_MOST_ACCOUNTS - 1 :]
    others = (f"{len(rest)} others", sum(r[1] for r in rest), sum(r[2] for r in rest))
    return [*rows[: _MOST_ACCOUNTS - 1], others]


def _energy_scale(largest_pj: int) -> tuple[str, float]:
    for unit, scale in (("J", 1e12), ("mJ", 1e9), ("uJ", 1e6), ("nJ", 1e3)):
        if largest_pj >= scale:
            return unit, scale
    return "pJ", 1.0


def _energy_legend(ax: Axes) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=OTHER_COLOUR, label="work"),
        Patch(facecolor="#c2c2c2", hatch="////", edgecolor="white", linewidth=0, label="static"),
    ]
    ax.legend(handles=handles, loc="lower right", fontsize=8)
