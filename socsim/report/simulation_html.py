"""HTML of a simulation: a small fragment for notebooks, and a report in one file that works offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.errors import UsageError
from socsim.quantities import PS_PER_S, Time, format_energy, format_time
from socsim.report.drawing import OTHER_COLOUR, offline_axes
from socsim.report.formats import format_celsius, format_nanowatts, format_share, format_span, plural
from socsim.report.html_parts import folded_lines, plain_table, tiles
from socsim.report.lanes import lanes_size
from socsim.report.markup import bullets, colour_key, fragment, heading, html_table, image, page, section
from socsim.report.simulation_figures import SIZE, frequency, latency, power, temperature, utilisation
from socsim.report.simulation_tables import applications_table, companions
from socsim.report.simulation_text import (
    assumed_words,
    battery_words,
    duration_words,
    heat_words,
    hottest_node,
    missed_words,
)
from socsim.report.simulation_timeline import NOT_TRACED, application_colours, lane_names, stretches, timeline
from socsim.report.sinks import html_text

if TYPE_CHECKING:
    from socsim.simulation_records import ApplicationRecord, SimulationRecord

_ROWS = 10
_LINES = 8
_CELL = 28
"""Rows, lines and characters of the fragment; with them it stays under 50 kB whatever the simulation."""
_STRETCHES = 150
"""How many stretches the timeline of a report shows at most; more of them would be too small to read."""


def repr_html(record: SimulationRecord) -> str:
    """Return the fragment that a notebook shows: tiles, applications, folding sections; under 50 kB."""
    parts = [
        f"<h4>{html_text(record.scenario_title, 60)} on {html_text(record.platform, 40)}</h4>",
        f'<p class="sub">{_identity(record, 400)}</p>',
        _tiles(record),
        _applications(record, _ROWS, _CELL),
        f'<p class="note">heat: {html_text(heat_words(record), 300)}</p>',
        f'<p class="note">battery: {html_text(battery_words(record), 300)}</p>',
        *(section(title, plain_table(table, _ROWS, _CELL)) for title, table in companions(record)),
        folded_lines("Notes", record.notes, _LINES),
        folded_lines("Warnings", record.warnings, _LINES, is_open=True),
    ]
    return fragment("".join(parts))


def report_html(record: SimulationRecord) -> str:
    """Return a report as one HTML document without script or network; equal simulations give equal bytes."""
    title = f"{html_text(record.scenario_title, 200)} on {html_text(record.platform, 100)}"
    warnings = folded_lines("Warnings", record.warnings, len(record.warnings), is_open=True)
    count = len(record.applications)
    parts = [
        f'<h1>{title}</h1><p class="sub">{_identity(record, 400)}</p>',
        _tiles(record),
        warnings,
        heading(plural(count, "application"), _applications(record, count, 80)),
        _figures(record),
        *(heading(name, plain_table(table, len(table), 200)) for name, table in companions(record)),
        heading("All times of applications", plain_table(applications_table(record), count, 80)),
        heading("Provenance", _provenance(record)),
    ]
    return page(title, "".join(parts))


# --- parts of both ------------------------------------------------------------------------------------


def _identity(record: SimulationRecord, limit: int) -> str:
    line = "; ".join(
        (
            record.platform_title,
            f"scenario {record.scenario}, sha256 {record.scenario_sha256[:12]}",
            *([f"power mode {record.mode}"] if record.mode else []),
            f"{duration_words(record)}, seed {record.seed}",
            *(["interrupted before its end"] if record.is_interrupted else []),
            f"socsim {record.version}",
        )
    )
    return html_text(line, limit)


def _tiles(record: SimulationRecord) -> str:
    hottest, battery = hottest_node(record), record.battery
    return tiles(
        (
            (format_span(record.duration_ps / PS_PER_S), "simulated"),
            _deadlines(record),
            (format_nanowatts(record.average_power_nw), "average power"),
            (format_energy(record.energy_pj), f"energy, static {format_share(record.static_pj, record.energy_pj)}"),
            _busiest(record),
            (format_celsius(hottest.most_millicelsius), f"{hottest.name} at most") if hottest else _NO_HEAT,
            (format_span(battery.life_s), "battery life") if battery else ("-", "battery life not known"),
        )
    )


_NO_HEAT = ("-", "heat is not modelled")


def _deadlines(record: SimulationRecord) -> tuple[str, str]:
    with_deadline = [a for a in record.applications if a.deadline_ps is not None]
    if not with_deadline:
        return "-", "no application has a deadline"
    ended = sum(a.completed + a.dropped for a in with_deadline)
    return f"{sum(a.missed for a in with_deadline):,}", f"of {ended:,} deadlines missed"


def _busiest(record: SimulationRecord) -> tuple[str, str]:
    server = max(record.servers, key=lambda s: s.busy_ps / max(s.cores, 1), default=None)
    if server is None:
        return "-", "no server"
    return format_share(server.busy_ps, server.cores * record.duration_ps), f"{server.name} busy, more than others"


_FATES = (
    "application", "class", "deadline", "released", "completed", "missed", "dropped", "unfinished", "per second",
    "arrival",
)  # fmt: skip
_TIMES = (
    "application", "p50", "p95", "p99", "max", "jitter", "mean wait", "mean service", "energy",
    "with its share of static", "power",
)  # fmt: skip


def _applications(record: SimulationRecord, count: int, limit: int) -> str:
    """Return two tables: what became of activations; and times and energy."""
    colours = application_colours(record)
    shown = record.applications[:count]
    names = [colour_key(colours.get(entry.name, OTHER_COLOUR), entry.name, limit) for entry in shown]
    fates = [(name, *_fates(entry)) for name, entry in zip(names, shown, strict=True)]
    times = [(name, *_times(entry)) for name, entry in zip(names, shown, strict=True)]
    return html_table(
        _FATES, fates, right=("deadline", "missed"), rows_in_all=len(record.applications), limit=limit
    ) + html_table(_TIMES, times, right=_TIMES[1:], limit=limit)


def _fates(entry: ApplicationRecord) -> tuple[object, ...]:
    return (
        entry.task_class,
        _time(entry.deadline_ps),
        entry.released,
        entry.completed,
        None if entry.deadline_ps is None else missed_words(entry),
        entry.dropped,
        entry.unfinished,
        entry.throughput_per_s,
        entry.arrival,
    )


def _times(entry: ApplicationRecord) -> tuple[object, ...]:
    of_latency = [getattr(entry.latency, name) for name in ("p50_ps", "p95_ps", "p99_ps", "most_ps")]
    return (
        *map(_time, (*of_latency, entry.jitter_ps, entry.waiting.mean_ps, entry.service.mean_ps)),
        format_energy(entry.energy_pj),
        format_energy(entry.share_pj),
        format_nanowatts(entry.average_power_nw),
    )


def _time(ps: int | None) -> str | None:
    return None if ps is None else format_time(ps)


# --- parts of the report ------------------------------------------------------------------------------


def _figures(record: SimulationRecord) -> str:
    """Return the figures; in place of one that has nothing to draw, the reason."""
    parts = [heading("Timeline", _timeline(record))]
    drawings = (
        ("Latency", latency),
        ("Utilisation", utilisation),
        ("Power", power),
        ("Temperature", temperature),
        ("Frequency", frequency),
    )
    for title, draw in drawings:
        try:
            body = image(title, draw(record, offline_axes(SIZE)))
        except UsageError as reason:
            body = f'<p class="note">{html_text(reason)}</p>'
        parts.append(heading(title, body))
    return "".join(parts)


def _timeline(record: SimulationRecord) -> str:
    if not record.slices:
        return f'<p class="note">{html_text(NOT_TRACED)}</p>'
    starts = sorted(s.start_ps for s in stretches(record.slices))
    end_ps = starts[_STRETCHES] if len(starts) > _STRETCHES else record.duration_ps
    size = lanes_size(len(lane_names(record)) + 1)
    drawn = image("Timeline", timeline(record, offline_axes(size), end=Time.of(max(end_ps, 1))))
    left = f'<p class="note">the first {format_time(end_ps)} of {format_time(record.duration_ps)}</p>'
    return drawn + (left if end_ps < record.duration_ps else "")


def _provenance(record: SimulationRecord) -> str:
    lines = [
        assumed_words(record),
        *(f"assumed: {line}" for line in record.assumed),
        *(f"calibration: {line}" for line in record.calibrations),
        f"scenario sha256 {record.scenario_sha256}",
        *(f"override {line}" for line in record.overrides),
        *(f"note: {line}" for line in record.notes),
    ]
    return bullets(lines)
