"""Pieces of HTML that several reports use: escaped cells, tables and folding sections."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.report.drawing import render
from socsim.report.sinks import html_text

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from matplotlib.axes import Axes


_LONG_TEXT = 44
"""Characters from which on a cell wraps its text."""


@cache
def style() -> str:
    """Return the style sheet; every rule is scoped to the class `socsim`."""
    return Path(__file__).with_name("style.css").read_text("utf-8")


def fragment(body: str) -> str:
    """Return a piece of HTML with its style, for a notebook's output cell."""
    return f'<div class="socsim"><style>{style()}</style>{body}</div>'


def page(title: str, body: str) -> str:
    """Return a document of its own without script or network; `title` is escaped already."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f"<title>{title}</title><style>{style()}body{{margin:24px}}</style></head>"
        f'<body><div class="socsim page">{body}</div></body></html>\n'
    )


def heading(title: str, body: str) -> str:
    """Return a part of a document under its heading."""
    return f"<h2>{html_text(title)}</h2>{body}"


def image(title: str, ax: Axes) -> str:
    """Return the figure of `ax` as a picture inside the document."""
    figure = ax.get_figure(root=True)
    data = b64encode(render(figure, "svg")).decode("ascii") if figure is not None else ""
    return f'<img alt="{html_text(title)}" src="data:image/svg+xml;base64,{data}">'


class Markup(str):
    """Text that is HTML already; tables take it as it is."""

    __slots__ = ()


def colour_key(colour: str, name: str, limit: int = 40) -> Markup:
    """Return a name with a square of its colour in front."""
    return Markup(f'<span class="key" style="background:{html_text(colour)}"></span>{html_text(name, limit)}')


def _cell(value: object, limit: int) -> str:
    """Return a value as HTML: missing is a dash, numbers have separators, text is escaped."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else html_text(value, limit)


def html_table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Container[str] = (),
    rows_in_all: int = 0,
    limit: int = 80,
) -> str:
    """Return a table; numbers stand flush right, and a last line counts the rows left out.

    Args:
        header: column names.
        rows: rows to show.
        right: columns that stand flush right although they hold text.
        rows_in_all: how many rows there are, where `rows` is only a part of them.
        limit: characters of a cell.
    """
    shown = [list(row) for row in rows]
    flush = [
        name in right or any(isinstance(row[i], int | float) for row in shown) for i, name in enumerate(header)
    ]  # fmt: skip
    head = _row("th", header, flush, limit)
    body = "".join(_row("td", row, flush, limit) for row in shown)
    left_out = rows_in_all - len(shown)
    more = f'<p class="more">and {left_out:,} more</p>' if left_out > 0 else ""
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>{more}'


def _row(tag: str, cells: Sequence[object], flush: Sequence[bool], limit: int) -> str:
    made = (
        f"<{tag}{_class(value, is_right=is_right)}>{_cell(value, limit)}</{tag}>"
        for value, is_right in zip(cells, flush, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def _class(value: object, *, is_right: bool) -> str:
    """Return the class of a cell: flush right, or wide enough to wrap long text, or none."""
    if is_right:
        return ' class="n"'
    is_long = isinstance(value, str) and not isinstance(value, Markup) and len(value) > _LONG_TEXT
    return ' class="w"' if is_long else ""


def html_lines(text: str) -> str:
    """Return lines of text escaped one by one, so that line breaks stay."""
    return "\n".join(html_text(line) for line in text.split("\n"))


def section(title: str, body: str, *, is_open: bool = False) -> str:
    """Return a section that folds without script."""
    return f"<details{' open' if is_open else ''}><summary>{html_text(title)}</summary>{body}</details>"


def bullets(lines: Iterable[str], limit: int = 2_000) -> str:
    """Return a list of escaped lines."""
    return f"<ul>{''.join(f'<li>{html_text(line, limit)}</li>' for line in lines)}</ul>"
