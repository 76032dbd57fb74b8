"""Bars in lanes over time: what the timelines of a run and of a simulation share."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from socsim.report.drawing import ink_on, set_title, settle, text_width, time_scale
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_LABEL_SIZE = 7.0
_WIDE_BAR = 4
"""Pixels from which on a white edge leaves something of a bar."""
MANY_BARS = 2_000
"""From here on bars become pixels inside vector files, which would otherwise grow by their number."""
_WIDTH = 11.0
_LANE = 0.42
_MARGIN = 1.3


class Bar(NamedTuple):
    """A stretch of a lane, with a label and what stands in its place where there is little room."""

    start_ps: int
    end_ps: int
    label: str
    short_label: str


def lanes_size(count: int) -> tuple[float, float]:
    """Return the inches that so many lanes need."""
    return _WIDTH, _MARGIN + _LANE * max(count, 2)


def frame_lanes(ax: Axes, names: Sequence[str], title: str, start_ps: int, end_ps: int) -> int:
    """Give axes a lane for each name, the first on top, and settle them; return the picoseconds of a unit across."""
    name, scale = time_scale(end_ps - start_ps)
    ax.set_xlim(start_ps / scale, max(end_ps, start_ps + 1) / scale)
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.set_yticks(range(len(names)))
    ax.set_yticklabels([terminal_text(name, 30) for name in names], parse_math=False)
    ax.set_xlabel(f"time ({name})")
    ax.spines[["top", "right"]].set_visible(False)
    set_title(ax, title)
    settle(ax)
    return scale


def draw_lane(
    ax: Axes, bars: Sequence[Bar], position: int, scale: int, colour: tuple[float, float, float], *, is_crowded: bool
) -> None:
    """Draw the bars of a lane; wide ones have a white edge and a label, thin ones stay visible.

    Args:
        ax: axes that have their final place.
        bars: in order of time.
        position: of the lane.
        scale: picoseconds of a unit across.
        colour: of the bars.
        is_crowded: whether bars become pixels inside vector files.
    """
    left, right = ax.get_xlim()
    per_pixel = scale * (right - left) / ax.get_window_extent().width
    shown = merged(bars, per_pixel / 2)
    pixels = [(bar.end_ps - bar.start_ps) / per_pixel for bar in shown]
    ax.broken_barh(
        [(bar.start_ps / scale, (bar.end_ps - bar.start_ps) / scale) for bar in shown],
        (position - 0.4, 0.8),
        facecolors=colour,
        edgecolors=["white" if room > _WIDE_BAR else colour for room in pixels],
        linewidth=0.4,
        rasterized=is_crowded,
    )
    for bar, room in zip(shown, pixels, strict=True):
        label = _fitting(ax, bar, room)
        if label:
            middle = (bar.start_ps + bar.end_ps) / 2 / scale
            ax.text(
                middle, position, label, ha="center", va="center", fontsize=_LABEL_SIZE, color=ink_on(colour),
                clip_on=True, parse_math=False,
            )  # fmt: skip


def merged(bars: Sequence[Bar], least_ps: float) -> list[Bar]:
    """Return bars of which those too short to see, and too near to be told apart, became one without a label."""
    ordered = sorted(bars, key=lambda bar: bar.start_ps)
    groups: list[list[Bar]] = [[bar] for bar in ordered[:1]]
    for before, bar in pairwise(ordered):
        is_speck = max(bar.end_ps - bar.start_ps, before.end_ps - before.start_ps) < least_ps
        if is_speck and bar.start_ps - before.end_ps < least_ps:
            groups[-1].append(bar)
        else:
            groups.append([bar])
    return [
        group[0] if len(group) == 1 else Bar(group[0].start_ps, max(bar.end_ps for bar in group), "", "")
        for group in groups
    ]


def _fitting(ax: Axes, bar: Bar, room: float) -> str:
    """Return a bar's label, or its short one, or nothing, whichever fits `room` pixels."""
    candidates = (terminal_text(bar.label, 60), bar.short_label)
    return next((text for text in candidates if text_width(ax, text, _LABEL_SIZE) < 0.95 * room), "")
