"""Pieces of HTML that several reports use: escaped cells, tables and folding sections."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.report.sinks import html_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@cache
def style() -> str:
    """Return the style sheet; every rule is scoped to the class `socsim`."""
    return Path(__file__).with_name("style.css").read_text("utf-8")


def fragment(body: str) -> str:
    """Return a piece of HTML with its style, for a notebook's output cell."""
    return f'<div class="socsim"><style>{style()}</style>{body}</div>'


def cell(value: object, limit: int = 80) -> str:
    """Return a value as escaped text: missing is a dash, numbers have separators."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else html_text(value, limit)


def html_table(
    header: Iterable[str], rows: Iterable[Sequence[object]], *, rows_in_all: int = 0, limit: int = 80
) -> str:
    """Return a table; numbers stand flush right, and a last line counts the rows left out.

    Args:
        header: column names.
        rows: rows to show.
        rows_in_all: how many rows there are, where `rows` is only a part of them.
        limit: characters of a cell.
    """
    head = "".join(f"<th>{html_text(name)}</th>" for name in header)
    shown = [_row(row, limit) for row in rows]
    left_out = rows_in_all - len(shown)
    more = f'<p class="more">and {left_out:,} more</p>' if left_out > 0 else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(shown)}</tbody>"
    return f'<div class="scroll"><table>{body}</table></div>{more}'


def _row(row: Sequence[object], limit: int) -> str:
    return f"<tr>{''.join(_td(value, limit) for value in row)}</tr>"


def _td(value: object, limit: int) -> str:
    kind = ' class="n"' if isinstance(value, int | float) else ""
    return f"<td{kind}>{cell(value, limit)}</td>"


def section(title: str, body: str, *, is_open: bool = False) -> str:
    """Return a section that folds without script."""
    return f"<details{' open' if is_open else ''}><summary>{html_text(title)}</summary>{body}</details>"


def bullets(lines: Iterable[str], limit: int = 2_000) -> str:
    """Return a list of escaped lines."""
    return f"<ul>{''.join(f'<li>{html_text(line, limit)}</li>' for line in lines)}</ul>"
