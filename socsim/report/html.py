"""HTML of a run: a small fragment for notebooks, and a report in one file that works offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import format_energy, format_time
from socsim.report.drawing import OTHER_COLOUR, offline_axes, record_colours
from socsim.report.figures import energy, roofline, timeline, timeline_size
from socsim.report.formats import format_bytes, format_count, format_power, format_share, plural
from socsim.report.html_parts import folded_lines, plain_table, tiles
from socsim.report.markup import bullets, colour_key, fragment, heading, html_lines, html_table, image, page, section
from socsim.report.sinks import html_text
from socsim.report.tables import energy_table, links_table, memories_table, units_table
from socsim.report.text import assumed_line, bottleneck, explain, format_throughput, range_words, slowest, static_pj

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from socsim.records import OperatorRecord, RunRecord
    from socsim.report.tables import Table

_TOP = 10
_EXPLAINED = 5
_ROWS = 12
_LINES = 8
_CELL = 36
"""Rows, lines and characters of the fragment; with them it stays under 50 kB whatever the run."""
_TIMES = ("start_ps", "latency_ps", "compute_ps", "memory_wait_ps", "bus_wait_ps", "dispatch_ps", "sync_ps")
_SIZES = ("read_bytes", "write_bytes", "weight_bytes", "dram_bytes")


def repr_html(record: RunRecord) -> str:
    """Return the fragment that a notebook shows: tiles, slowest operators, folding sections; under 50 kB."""
    costed = sum(op.latency_ps is not None for op in record.operators)
    colours = record_colours(record)
    rows = [_short_row(record, op, colours) for op in slowest(record, _TOP)]
    slow = html_table(_SHORT_HEADER, rows, right=("latency", "share"), rows_in_all=costed, limit=_CELL)
    parts = [
        f"<h4>{html_text(record.model, 60)} on {html_text(record.platform, 40)}</h4>",
        f'<p class="sub">{_identity(record, 400)}</p>',
        _tiles(record),
        section("Slowest operators", slow, is_open=True),
        f'<p class="note">{html_text(bottleneck(record), 300)}</p>',
        *(section(title, plain_table(table, _ROWS, _CELL)) for title, table in _companions(record)),
        folded_lines("Notes", record.notes, _LINES),
        folded_lines("Warnings", record.warnings, _LINES),
    ]
    return fragment("".join(parts))


def report_html(record: RunRecord) -> str:
    """Return a report as one HTML document without script or network; equal runs give equal bytes."""
    title = f"{html_text(record.model, 200)} on {html_text(record.platform, 100)}"
    body = "".join(
        [
            f'<h1>{title}</h1><p class="sub">{_identity(record, 400)}</p>',
            _tiles(record),
            f'<p class="note">{html_text(bottleneck(record), 400)}</p>',
            folded_lines("Warnings", record.warnings, len(record.warnings), is_open=True),
            _figures(record),
            heading("Explanation of the slowest operators", _explanations(record)),
            *(heading(name, plain_table(table, len(table), 200)) for name, table in _companions(record)),
            heading(plural(len(record.operators), "operator"), _operator_rows(record)),
            heading("Provenance", _provenance(record)),
        ]
    )
    return page(title, body)


# --- parts of both ------------------------------------------------------------------------------------


def _identity(record: RunRecord, limit: int) -> str:
    opps = ", ".join(f"{clock} {opp}" for clock, opp in record.opps)
    line = "; ".join(
        (
            record.platform_title,
            f"{record.model_format}, sha256 {record.model_sha256[:12]}",
            f"precision {record.precision or 'of the file'}, batch {record.batch}, detail {record.detail}",
            f"OPPs {opps or '-'}",
            f"socsim {record.version}",
        )
    )
    return html_text(line, limit)


def _tiles(record: RunRecord) -> str:
    fullest = max(record.memories, key=lambda m: m.peak_bytes / max(m.capacity_bytes, 1), default=None)
    memory = f"{format_bytes(fullest.peak_bytes)}" if fullest else "-"
    note = f"peak of {fullest.name}, {format_share(fullest.peak_bytes, fullest.capacity_bytes)} full" if fullest else ""
    static = format_share(static_pj(record), record.energy_pj)
    shown = (
        (format_time(record.latency_ps), f"latency ({range_words(record)})"),
        (format_throughput(record), "throughput"),
        (format_energy(record.energy_pj), "energy"),
        (format_power(record.energy_pj, record.latency_ps), f"average power, static {static}"),
        (memory, note),
        (format_count(record.macs), f"MACs in {plural(len(record.operators), 'operator')}"),
    )
    return tiles(shown) + _unit_keys(record)


def _unit_keys(record: RunRecord) -> str:
    """Return a line of units with their colours, as in the figures, and their counts of operators."""
    colours = record_colours(record)
    keys = [
        f"{colour_key(colours[unit.name], unit.name)} ({html_text(unit.runtime, 40)}, "
        f"{plural(unit.operators, 'operator')}, busy {format_share(unit.busy_ps, record.latency_ps)})"
        for unit in record.units[:_ROWS]
    ]
    return f'<p class="keys">{" &ensp; ".join(keys)}</p>'


_SHORT_HEADER = ("index", "type", "name", "unit", "latency", "share", "bound")


def _short_row(record: RunRecord, op: OperatorRecord, colours: Mapping[str, str]) -> tuple[object, ...]:
    share = format_share(op.latency_ps or 0, record.latency_ps)
    unit = colour_key(colours.get(op.unit, OTHER_COLOUR), op.unit, _CELL)
    return op.index, op.type, op.name, unit, format_time(op.latency_ps or 0), share, op.bound


def _companions(record: RunRecord) -> tuple[tuple[str, Table], ...]:
    return (
        ("Units", units_table(record)),
        ("Memories", memories_table(record)),
        ("Links", links_table(record)),
        ("Energy", energy_table(record)),
    )


# --- parts of the report ------------------------------------------------------------------------------


def _figures(record: RunRecord) -> str:
    drawn = (
        ("Timeline", timeline(record, offline_axes(timeline_size(record)))),
        ("Roofline", roofline(record, offline_axes((8.5, 5.2)))),
        ("Energy", energy(record, offline_axes((8.5, 3.6)))),
    )
    return "".join(heading(title, image(title, ax)) for title, ax in drawn)


def _explanations(record: RunRecord) -> str:
    texts = (explain(record, op.index) for op in slowest(record, _EXPLAINED))
    return "".join(f"<pre>{html_lines(text)}</pre>" for text in texts)


_LONG_HEADER = (
    "index", "type", "name", "unit", "start", "latency", "compute", "memory wait", "bus wait", "dispatch", "sync",
    "share", "bound", "MACs", "used", "read", "written", "weights", "external", "energy", "placement",
)  # fmt: skip
_LEFT = frozenset({"type", "name", "unit", "bound", "placement"})


def _operator_rows(record: RunRecord) -> str:
    colours = record_colours(record)
    rows = [_long_row(record, op, colours) for op in record.operators]
    right = [name for name in _LONG_HEADER if name not in _LEFT]
    return html_table(_LONG_HEADER, rows, right=right, limit=160)


def _long_row(record: RunRecord, op: OperatorRecord, colours: Mapping[str, str]) -> tuple[object, ...]:
    return (
        op.index,
        op.type,
        op.name,
        colour_key(colours.get(op.unit, OTHER_COLOUR), op.unit),
        *(_shown(getattr(op, name), format_time) for name in _TIMES),
        None if op.latency_ps is None else format_share(op.latency_ps, record.latency_ps),
        op.bound,
        op.macs,
        None if op.utilisation is None else format_share(op.utilisation, 1),
        *(_shown(getattr(op, name), format_bytes) for name in _SIZES),
        _shown(op.energy_pj, format_energy),
        op.placement_reason,
    )


def _shown(value: int | None, form: Callable[[int], str]) -> str | None:
    return None if value is None else form(value)


def _provenance(record: RunRecord) -> str:
    lines = [
        assumed_line(record),
        f"model sha256 {record.model_sha256}",
        *(f"override {line}" for line in record.overrides),
        *(f"note: {line}" for line in record.notes),
    ]
    return bullets(lines)
