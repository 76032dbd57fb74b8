"""The timeline of a simulation: cores coloured by application, and below them links, memories and power."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from socsim.errors import UsageError, misuse
from socsim.quantities import Time, format_time
from socsim.report.drawing import OTHER_COLOUR, legend_text, lighter, new_axes, unit_colours
from socsim.report.formats import format_nanowatts, format_rate
from socsim.report.lanes import MANY_BARS, Bar, draw_lane, frame_lanes, lanes_size
from socsim.report.simulation_text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from matplotlib.axes import Axes

    from socsim.simulation_records import FlowRecord, ServedRecord, SimulationRecord, TraceRecord

NOT_TRACED = "the simulation was not traced, so nothing is known of single activations; simulate with trace=True"
TOTAL = "total"
"""Name of the power trace that is the sum of all others."""
_STRETCHES = 1_000
"""Into which a rate over time is divided; the figure has about as many pixels."""
_FEW = 200
"""Slices up to which each of them has a bar of its own."""
_HIGH = 0.4
"""Half the height of a lane's content; lanes are 1 apart."""
_ABOVE = -0.75
"""Where crosses stand; the first lane is at 0, and what is above is below 0."""


def application_colours(record: SimulationRecord) -> dict[str, str]:
    """Return a colour for each application, in order of the scenario; the same one in every figure."""
    return unit_colours(entry.name for entry in record.applications)


def timeline(
    record: SimulationRecord,
    ax: Axes | None = None,
    start: str | Time | None = None,
    end: str | Time | None = None,
    figsize: tuple[float, float] | None = None,
) -> Axes:
    """Draw what each core did over time, what links and memories moved, and the power.

    A rate is that of the bytes of a slice, spread evenly over it. Crosses mark activations that missed their deadline
    or were dropped.

    Args:
        record: the simulation.
        ax: axes to draw on; a new figure where absent.
        start: of the part that is shown, such as "20 ms"; the beginning where absent.
        end: likewise; the end where absent.
        figsize: inches of the new figure; as high as its lanes where absent.

    Raises:
        UsageError: the simulation was not traced, or the part is empty.
    """
    if not record.slices:
        raise UsageError(NOT_TRACED)
    first, last = _part(record, start, end)
    cores = _cores(record, first, last)
    flows, powers = _shown_flows(record), _shown_powers(record)
    names = lane_names(record)
    bad = _misfortunes(record, first, last)
    ax = ax or new_axes(figsize or lanes_size(len(names) + 1))
    _legend(ax, record, len(bad))
    scale = frame_lanes(ax, names, f"{one_line(record)}: {format_time(last - first)}", first, last)
    _draw_cores(ax, record, cores, scale)
    for position, flow in enumerate(flows, len(cores)):
        _draw_flow(ax, record, flow, position, scale)
    for position, trace in enumerate(powers, len(cores) + len(flows)):
        _draw_power(ax, trace, position, scale, last)
    if bad:
        ax.set_ylim(top=_ABOVE - 0.35)
        ax.plot([time / scale for time in bad], [_ABOVE] * len(bad), "x", color="black", ms=5)
    return ax


def lane_names(record: SimulationRecord) -> list[str]:
    """Return the names of the lanes that a timeline of this simulation has."""
    return [
        *(f"{server} {core}" for server, core in _cores(record, 0, record.duration_ps)),
        *(f"{flow.name}, of {format_rate(flow.bytes_per_s)}" for flow in _shown_flows(record)),
        *(f"power, up to {format_nanowatts(_highest(trace))}" for trace in _shown_powers(record)),
    ]


def _shown_flows(record: SimulationRecord) -> list[FlowRecord]:
    moved = {name for s in record.slices for name, _ in s.moved}
    return [flow for flow in record.flows if flow.name in moved]


def _shown_powers(record: SimulationRecord) -> list[TraceRecord]:
    """Return the trace of all power, or the only one that there is."""
    traces = power_traces(record)
    return [trace for trace in traces if trace.name == TOTAL or len(traces) == 1]


def power_traces(record: SimulationRecord) -> list[TraceRecord]:
    """Return the traces of power, the total first."""
    found = [trace for trace in record.traces if trace.quantity == "power" and trace.points]
    return sorted(found, key=lambda trace: trace.name != TOTAL)


def _part(record: SimulationRecord, start: str | Time | None, end: str | Time | None) -> tuple[int, int]:
    first = 0 if start is None else _time("start", start)
    last = record.duration_ps if end is None else min(_time("end", end), record.duration_ps)
    if not 0 <= first < last:
        whole = format_time(record.duration_ps)
        msg = f"from {format_time(first)} to {format_time(last)} there is nothing to show; the simulation took {whole}"
        raise UsageError(msg)
    return first, last


def _time(argument: str, given: str | Time) -> int:
    try:
        return Time(given).value
    except (TypeError, ValueError):
        raise misuse(argument, given, 'a time such as "20 ms"') from None


def _cores(record: SimulationRecord, first: int, last: int) -> dict[tuple[str, int], dict[str, list[Bar]]]:
    """Return the bars of each core by application; cores in order of their servers.

    A few slices have a bar each, many of them one for each stretch in which a core did a step of an activation.
    """
    shown = [s for s in record.slices if s.start_ps < last and s.end_ps > first]
    found: dict[tuple[str, int], dict[str, list[Bar]]] = {(s.server, s.core): {} for s in record.slices}
    for s in shown if len(shown) <= _FEW else stretches(shown):
        start, end = max(s.start_ps, first), min(s.end_ps, last)
        bar = Bar(start, end, f"{s.label} {s.activation}", str(s.activation))
        found[s.server, s.core].setdefault(s.application, []).append(bar)
    ranks = {server.name: rank for rank, server in enumerate(record.servers)}
    order = sorted(found, key=lambda core: (ranks.get(core[0], len(ranks)), core))
    return {core: found[core] for core in order}


def stretches(slices: Sequence[ServedRecord]) -> list[ServedRecord]:
    """Return slices of which those that follow one another, for one step of one activation on a core, became one."""
    made: list[ServedRecord] = []
    last: dict[tuple[str, int], int] = {}
    for s in slices:
        core = (s.server, s.core)
        before = made[last[core]] if core in last else None
        if before and before.end_ps == s.start_ps and _owner(before) == _owner(s):
            made[last[core]] = replace(before, end_ps=s.end_ps)
        else:
            last[core] = len(made)
            made.append(replace(s, label=s.step, moved=()))
    return made


def _owner(entry: ServedRecord) -> tuple[str, int, str]:
    return entry.application, entry.activation, entry.step


def _draw_cores(
    ax: Axes, record: SimulationRecord, cores: Mapping[tuple[str, int], Mapping[str, Sequence[Bar]]], scale: int
) -> None:
    colours = application_colours(record)
    is_crowded = sum(len(bars) for lane in cores.values() for bars in lane.values()) > MANY_BARS
    for position, lane in enumerate(cores.values()):
        for application, bars in lane.items():
            colour = lighter(colours.get(application, OTHER_COLOUR), 0.0)
            draw_lane(ax, bars, position, scale, colour, is_crowded=is_crowded)


def _draw_flow(ax: Axes, record: SimulationRecord, flow: FlowRecord, position: int, scale: int) -> None:
    """Draw the rate over a link or memory, one application on the other; a full lane is what it can move."""
    import numpy as np

    left, right = (round(limit * scale) for limit in ax.get_xlim())
    borders = np.linspace(left, right, _STRETCHES + 1)
    floor = np.zeros(_STRETCHES)
    for application, colour in application_colours(record).items():
        moved = [
            (s.start_ps, s.end_ps, amount)
            for s in record.slices
            for name, amount in s.moved
            if name == flow.name and s.application == application
        ]
        top = floor + rates(moved, borders) / max(flow.bytes_per_s, 1)
        ax.fill_between(
            borders[:-1] / scale, position + _HIGH - 2 * _HIGH * floor, position + _HIGH - 2 * _HIGH * top,
            step="post", color=colour, linewidth=0,
        )  # fmt: skip
        floor = top


def rates(moved: Sequence[tuple[int, int, int]], borders: np.ndarray) -> np.ndarray:
    """Return the mean rate between borders of what was moved evenly over stretches.

    Args:
        moved: start and end in picoseconds, and bytes.
        borders: [n + 1] times in picoseconds.

    Returns: [n] bytes a second.
    """
    import numpy as np

    if not moved:
        return np.zeros(len(borders) - 1)
    starts, ends, amounts = (np.array(column, dtype=np.float64) for column in zip(*moved, strict=True))
    ends = np.maximum(ends, starts + 1)
    slopes = amounts / (ends - starts)
    times = np.concatenate([starts, ends])
    order = np.argsort(times, kind="stable")
    times, changes = times[order], np.concatenate([slopes, -slopes])[order]
    in_all = np.concatenate([[0.0], np.cumsum(np.cumsum(changes)[:-1] * np.diff(times))])
    return np.asarray(np.diff(np.interp(borders, times, in_all)) / np.diff(borders) * 1e12)


def _draw_power(ax: Axes, trace: TraceRecord, position: int, scale: int, last: int) -> None:
    times, values = zip(*trace.points, (last, trace.points[-1][1]), strict=True)
    most = max(_highest(trace), 1)
    ax.fill_between(
        [time / scale for time in times], position + _HIGH, [position + _HIGH - 2 * _HIGH * v / most for v in values],
        step="post", color=OTHER_COLOUR, linewidth=0,
    )  # fmt: skip


def _highest(trace: TraceRecord) -> int:
    return max(value for _, value in trace.points)


def _misfortunes(record: SimulationRecord, first: int, last: int) -> list[int]:
    """Return when activations that missed their deadline ended, or were dropped."""
    ends = [a.end_ps for a in record.activations if a.fate in ("missed", "dropped") and a.end_ps is not None]
    return [end for end in ends if first <= end <= last]


def _legend(ax: Axes, record: SimulationRecord, misfortunes: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Any] = [
        Patch(color=colour, label=legend_text(name)) for name, colour in application_colours(record).items()
    ]
    if misfortunes:
        label = f"missed or dropped ({misfortunes:,})"
        keys.append(Line2D([], [], marker="x", color="black", ls="", ms=5, label=label))
    ax.legend(handles=keys, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
