"""Parts of HTML that reports of runs and of simulations share: tiles, tables with values for people, folded lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.quantities import format_energy, format_si, format_time
from socsim.report.formats import (
    format_bytes,
    format_celsius,
    format_count,
    format_nanowatts,
    format_rate,
    format_share,
)
from socsim.report.markup import bullets, html_table, section
from socsim.report.sinks import html_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from socsim.report.tables import Table

_LINE = 200


def tiles(pairs: Iterable[tuple[str, str]]) -> str:
    """Return large figures with a word below each."""
    cells = (f'<div class="tile"><b>{html_text(b, 60)}</b><span>{html_text(s, 80)}</span></div>' for b, s in pairs)
    return f'<div class="tiles">{"".join(cells)}</div>'


def _share(part: float) -> str:
    return format_share(part, 1)


def _clock(hz: int) -> str:
    return format_si(hz, "Hz", digits=4)


_FORMS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("_macs_per_s", " MACs/s", format_count),
    ("bytes_per_s", "rate", format_rate),
    ("_bytes", "", format_bytes),
    ("bytes", "bytes", format_bytes),
    ("_nw", "", format_nanowatts),
    ("_millicelsius", "", format_celsius),
    ("_ps", "", format_time),
    ("_pj", "", format_energy),
    ("_hz", "", _clock),
    ("_macs", " MACs", format_count),
    ("share", "share", _share),
    ("utilisation", "utilisation", _share),
)
"""Endings of column names, what a reader sees instead, and how the values are shown."""


def plain_table(table: Table, count: int, limit: int) -> str:
    """Return a table with values for people in place of base units."""
    found = [next((form for form in _FORMS if name.endswith(form[0])), None) for name in table.columns]
    header = [
        (name.removesuffix(form[0]) + form[1] if form else name).replace("_", " ")
        for name, form in zip(table.columns, found, strict=True)
    ]
    rows = [
        [form[2](value) if form and value is not None else value for value, form in zip(row, found, strict=True)]
        for row in table.rows[:count]
    ]
    right = [name for name, form in zip(header, found, strict=True) if form]
    return html_table(header, rows, right=right, rows_in_all=len(table), limit=limit)


def folded_lines(title: str, lines: Sequence[str], count: int, *, is_open: bool = False) -> str:
    """Return a folding list of the first lines, and how many more there are; nothing where there is none."""
    if not lines:
        return ""
    more = [f"and {len(lines) - count:,} more"] if len(lines) > count else []
    return section(f"{title} ({len(lines)})", bullets([*lines[:count], *more], _LINE), is_open=is_open)
