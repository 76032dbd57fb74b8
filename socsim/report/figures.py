"""Figures of a run. Each takes `ax` (a new figure where absent) and returns the axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.quantities import format_energy, format_time
from socsim.report.drawing import (
    OTHER_COLOUR,
    lighter,
    new_axes,
    record_colours,
    save_figure,
    set_title,
    unit_colours,
)
from socsim.report.formats import format_share
from socsim.report.lanes import MANY_BARS, Bar, draw_lane, frame_lanes, lanes_size
from socsim.report.roofline import analysis_roofline, roofline
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from socsim.records import RunRecord

__all__ = ["analysis_roofline", "energy", "roofline", "save_figure", "timeline", "unit_colours"]

TRACKS = ("compute", "dma", "load", "store", "dispatch")
_SHADES = {"compute": 0.0, "dma": 0.45, "load": 0.35, "store": 0.5, "dispatch": 0.65}
_MOST_ACCOUNTS = 14


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
    title = f"{record.model} on {record.platform}: {format_time(record.latency_ps)}"
    scale = frame_lanes(ax, [f"{unit} {track}" for unit, track in lanes], title, 0, record.latency_ps)
    colours = record_colours(record)
    is_crowded = sum(map(len, lanes.values())) > MANY_BARS
    for position, ((unit, track), bars) in enumerate(lanes.items()):
        colour = lighter(colours.get(unit, OTHER_COLOUR), _SHADES.get(track, 0.0))
        draw_lane(ax, bars, position, scale, colour, is_crowded=is_crowded)
    return ax


def timeline_size(record: RunRecord) -> tuple[float, float]:
    """Return the inches that a timeline of this run needs."""
    return lanes_size(len(_lanes(record)))


def _lanes(record: RunRecord) -> dict[tuple[str, str], list[Bar]]:
    """Return the bars of each unit and track that has any, units in order of the record."""
    found: dict[tuple[str, str], list[Bar]] = {}
    for s in record.slices:
        found.setdefault((s.unit, s.track), []).append(Bar(s.start_ps, s.end_ps, s.label, str(s.operator)))
    for op in record.operators if not record.slices else ():
        if op.start_ps is not None and op.end_ps is not None:
            bar = Bar(op.start_ps, op.end_ps, f"{op.index} {op.type}", str(op.index))
            found.setdefault((op.unit, "operators"), []).append(bar)
    units = {unit.name: i for i, unit in enumerate(record.units)}
    tracks = {track: i for i, track in enumerate(TRACKS)}
    order = sorted(found, key=lambda key: (units.get(key[0], len(units)), key[0], tracks.get(key[1], 9), key[1]))
    return {key: found[key] for key in order}


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
