"""Figures of a simulation. Each takes `ax` (a new figure where absent) and returns the axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.errors import UsageError
from socsim.quantities import format_time
from socsim.report.drawing import OTHER_COLOUR, legend_text, new_axes, set_title, time_scale, unit_colours
from socsim.report.formats import format_celsius, format_nanowatts, format_share
from socsim.report.simulation_text import NO_HEAT, one_line
from socsim.report.simulation_timeline import TOTAL, application_colours, power_traces
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from socsim.simulation_records import ApplicationRecord, SimulationRecord, TraceRecord

SIZE = (8.5, 3.8)
_FREQUENCY_SCALES = (("GHz", 10**9), ("MHz", 10**6), ("kHz", 10**3))
_POWER_SCALES = (("W", 10**9), ("mW", 10**6), ("uW", 10**3), ("nW", 1))
_PERCENTS = {"least_ps": 0, "p50_ps": 50, "p95_ps": 95, "p99_ps": 99, "most_ps": 100}
_WIDE_RATIO = 20
"""Times that differ by more stand on a logarithmic axis."""


def latency(record: SimulationRecord, ax: Axes | None = None) -> Axes:
    """Draw for each application the share of its activations that took at most so long; dotted: its deadline."""
    shown = [(entry, _curve(entry)) for entry in record.applications if entry.latency.count]
    ax = ax or new_axes(SIZE)
    times = [time for _, (line, _) in shown for time in line if time]
    unit, scale = time_scale(max(times, default=0))
    colours = application_colours(record)
    for entry, (line, percents) in shown:
        colour = colours[entry.name]
        label = f"{legend_text(entry.name)}: p99 {format_time(entry.latency.p99_ps or 0)}"
        ax.plot([time / scale for time in line], percents, color=colour, lw=1.6, label=label)
        if entry.deadline_ps is not None:
            ax.axvline(entry.deadline_ps / scale, color=colour, lw=1.0, ls=":")
    if times and max(times) > _WIDE_RATIO * min(times):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda x, _: format_time(round(x * scale)))
        ax.xaxis.set_minor_formatter(lambda _x, _: "")
        unit = "logarithmic"
    else:
        ax.set_xlim(left=0)
    ax.set_ylim(0, 102)
    ax.set(xlabel=f"latency ({unit}); dotted: deadline", ylabel="activations (%)")
    return _finish(ax, record, "Latency", is_empty=not shown)


def _curve(entry: ApplicationRecord) -> tuple[Sequence[int], Sequence[int]]:
    """Return times, and the percentage of activations that took at most so long."""
    if entry.latency.percentiles_ps:
        return entry.latency.percentiles_ps, range(len(entry.latency.percentiles_ps))
    return [getattr(entry.latency, name) or 0 for name in _PERCENTS], list(_PERCENTS.values())


def power(record: SimulationRecord, ax: Axes | None = None) -> Axes:
    """Draw power over time; dashed: the cap.

    Raises:
        UsageError: no power was recorded.
    """
    traces = power_traces(record)
    if not traces:
        raise UsageError(_nothing("power"))
    ax = ax or new_axes(SIZE)
    unit, scale = _scale(_POWER_SCALES, traces)
    colours = unit_colours(trace.name for trace in traces if trace.name != TOTAL) | {TOTAL: "black"}
    for trace in traces:
        _draw_trace(ax, record, trace, scale, colours[trace.name], is_sudden=True)
    most = max(value for trace in traces for _, value in trace.points) / scale
    if record.power_cap_nw is not None:
        _draw_limit(ax, record.power_cap_nw / scale, f"cap {format_nanowatts(record.power_cap_nw)}", "black")
        if record.power_cap_nw / scale > 2 * most > 0:  # a cap far above would flatten all that there is to see
            ax.set_ylim(top=1.3 * most)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(f"power ({unit})")
    return _finish(ax, record, f"Power, {format_nanowatts(record.average_power_nw)} on average")


def temperature(record: SimulationRecord, ax: Axes | None = None) -> Axes:
    """Draw the temperature of each node over time; dashed: where it throttles.

    Raises:
        UsageError: heat is not modelled for this platform.
    """
    traces = _traces(record, "temperature")
    if not traces:
        raise UsageError(f"heat is {NO_HEAT}")
    ax = ax or new_axes(SIZE)
    colours = unit_colours(trace.name for trace in traces)
    for trace in traces:
        _draw_trace(ax, record, trace, 1000, colours[trace.name], is_sudden=False)
    for node in record.thermal:
        if node.throttle_millicelsius is not None and node.name in colours:
            label = f"{legend_text(node.name)} throttles at {format_celsius(node.throttle_millicelsius)}"
            _draw_limit(ax, node.throttle_millicelsius / 1000, label, colours[node.name])
    ax.set_ylabel("temperature (°C)")
    return _finish(ax, record, "Temperature")


def frequency(record: SimulationRecord, ax: Axes | None = None) -> Axes:
    """Draw the frequency of each clock over time.

    Raises:
        UsageError: no frequency was recorded.
    """
    traces = _traces(record, "frequency")
    if not traces:
        raise UsageError(_nothing("frequency"))
    ax = ax or new_axes(SIZE)
    unit, scale = _scale(_FREQUENCY_SCALES, traces)
    colours = unit_colours(trace.name for trace in traces)
    for trace in traces:
        _draw_trace(ax, record, trace, scale, colours[trace.name], is_sudden=True)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(f"frequency ({unit})")
    return _finish(ax, record, "Frequency")


def utilisation(record: SimulationRecord, ax: Axes | None = None) -> Axes:
    """Draw what share of its core-time each server spent on each application, on switching and on waking."""
    ax = ax or new_axes((8.5, 1.6 + 0.36 * max(len(record.servers), 2)))
    whole = [max(server.cores * record.duration_ps, 1) for server in record.servers]
    floor = [0.0] * len(whole)
    for name, colour, times in _spent(record):
        if any(times):
            parts = [100 * time / total for time, total in zip(times, whole, strict=True)]
            ax.barh(range(len(parts)), parts, left=floor, color=colour, label=legend_text(name))
            floor = [a + b for a, b in zip(floor, parts, strict=True)]
    for place, (server, end) in enumerate(zip(record.servers, floor, strict=True)):
        cores = f" of {server.cores} cores" if server.cores > 1 else ""
        ax.text(end, place, f" {format_share(end, 100)}{cores}", va="center", fontsize=8)
    ax.set_yticks(range(len(record.servers)))
    ax.set_yticklabels([terminal_text(server.name, 30) for server in record.servers], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(0, max([*floor, 1]) * 1.2)
    ax.set_xlabel("core-time (%)")
    return _finish(ax, record, "Utilisation", is_empty=not any(floor), is_over_time=False)


def _spent(record: SimulationRecord) -> list[tuple[str, str, list[int]]]:
    """Return for each application, and for overheads, a colour and the core-time on each server."""
    by_server = [dict(server.applications) for server in record.servers]
    return [
        *(
            (name, colour, [times.get(name, 0) for times in by_server])
            for name, colour in application_colours(record).items()
        ),
        ("switching", OTHER_COLOUR, [server.switching_ps for server in record.servers]),
        ("waking", "#c2c2c2", [server.waking_ps for server in record.servers]),
    ]


# --- quantities over time -----------------------------------------------------------------------------


def _traces(record: SimulationRecord, quantity: str) -> list[TraceRecord]:
    return [trace for trace in record.traces if trace.quantity == quantity and trace.points]


def _nothing(quantity: str) -> str:
    return f"no {quantity} was recorded over time, so there is nothing to draw; simulate again with this socsim"


def _scale(scales: Sequence[tuple[str, int]], traces: Sequence[TraceRecord]) -> tuple[str, int]:
    most = max(abs(value) for trace in traces for _, value in trace.points)
    return next((pair for pair in scales if most >= pair[1]), scales[-1])


def _draw_trace(
    ax: Axes, record: SimulationRecord, trace: TraceRecord, scale: int, colour: str, *, is_sudden: bool
) -> None:
    """Draw a trace to the end of the simulated time: in steps where the quantity changes suddenly, else as a line."""
    _, across = time_scale(record.duration_ps)
    points = [*trace.points, (max(record.duration_ps, trace.points[-1][0]), trace.points[-1][1])]
    ax.plot(
        [time / across for time, _ in points], [value / scale for _, value in points], color=colour, lw=1.4,
        drawstyle="steps-post" if is_sudden else "default", label=legend_text(trace.name),
    )  # fmt: skip


def _draw_limit(ax: Axes, height: float, label: str, colour: str) -> None:
    ax.axhline(height, color=colour, lw=1.0, ls="--", label=label)


def _finish(
    ax: Axes, record: SimulationRecord, subject: str, *, is_empty: bool = False, is_over_time: bool = True
) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    set_title(ax, f"{subject}: {one_line(record)}")
    if is_empty:
        ax.text(0.5, 0.5, "nothing happened", transform=ax.transAxes, ha="center", va="center", color=OTHER_COLOUR)
    else:
        ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    if is_over_time and not ax.get_xlabel():
        unit, across = time_scale(record.duration_ps)
        ax.set_xlim(0, max(record.duration_ps, 1) / across)
        ax.set_xlabel(f"time ({unit})")
    return ax
