"""Numbers for people: bytes, counts and shares, and columns of text that line up."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S, format_si

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 100
"""Characters in a line of plain text."""


def format_bytes(count: int) -> str:
    """Format bytes for people; kB is 1000."""
    return format_si(count, "B", digits=4)


def format_rate(bytes_per_s: int) -> str:
    """Format a rate for people."""
    return format_si(bytes_per_s, "B/s", digits=4)


def format_count(count: int, noun: str = "") -> str:
    """Format a count with an SI prefix from 100,000 on: "2.657 M MACs"."""
    shown = f"{count:,}" if abs(count) < 100_000 else format_si(count, "", digits=4).strip()
    return f"{shown} {noun}".rstrip()


def format_share(part: float, whole: float) -> str:
    """Format part / whole as a percentage; a whole of nothing has no share."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    if not percent:
        return "0 %"
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def format_power(energy_pj: int, time_ps: int) -> str:
    """Format an average power for people; without time there is none."""
    return format_si(energy_pj / time_ps, "W", digits=4) if time_ps else "-"


def format_nanowatts(power_nw: int) -> str:
    """Format a power for people."""
    return format_si(power_nw / 10**9, "W", digits=4)


def format_celsius(millicelsius: int) -> str:
    """Format a temperature for people."""
    return f"{millicelsius / 1000:.1f} °C"


def format_span(seconds: float) -> str:
    """Format a time that may be long for people: "250 ms", "2.5 h", "41 days"."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.4g} {unit}"
    return format_si(seconds, "s", digits=4)


def throughput_per_s(batch: int, latency_ps: int) -> float | None:
    """Return inferences a second of runs back to back; None for a run that took no time."""
    return batch * PS_PER_S / latency_ps if latency_ps else None


def plural(count: int, noun: str) -> str:
    """Return "1 operator" or "3 operators"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[str] = ()) -> list[str]:
    """Return lines of columns two spaces apart; columns named in `right` are flush right."""
    flush_right = set(right)
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if name in flush_right else cell.ljust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        ]
        return "  ".join(cells).rstrip()

    return [line(header), *(line(row) for row in rows)]


def labelled(label: str, lines: Iterable[str], indent: int = 14) -> list[str]:
    """Return paragraphs wrapped to `WIDTH` with a label in front of the first."""
    wrapped = [part for line in lines for part in wrap(line, WIDTH - indent, subsequent_indent="  ")]
    return [f"{label if i == 0 else '':<{indent}}{line}" for i, line in enumerate(wrapped)]
