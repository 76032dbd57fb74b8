"""Recorded arrivals: a CSV file whose column `time` holds quantities in order."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from socsim.errors import ScenarioError, shown
from socsim.quantities import Time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = 2**26
_MOST_FAULTS = 20


def read_arrivals(path: Path) -> tuple[int, ...]:
    """Return release times in picoseconds.

    Raises:
        ScenarioError: unreadable, without the column, or with values that are no times in order; all listed.
    """
    try:
        return _arrivals(path, csv.DictReader(io.StringIO(_text(path))))
    except csv.Error as error:
        raise ScenarioError(f"{path}: is no CSV file: {error}; write a line for each time") from None


def _arrivals(path: Path, rows: csv.DictReader[str]) -> tuple[int, ...]:
    if "time" not in (rows.fieldnames or ()):
        found = ", ".join(rows.fieldnames or ()) or "nothing"
        raise ScenarioError(f"{path}:1: no column `time`, found {found[:80]}; name one so")
    times: list[int] = []
    faults = list(_read(rows, times))
    if faults:
        raise ScenarioError("\n".join(f"{path}:{fault}" for fault in faults[:_MOST_FAULTS]))
    if not times:
        raise ScenarioError(f"{path}: no arrivals; write a line for each")
    return tuple(times)


def _read(rows: csv.DictReader[str], times: list[int]) -> Iterator[str]:
    """Yield faults with their lines; take what is right into `times`."""
    for row in rows:
        text = row["time"]
        try:
            value = Time(text or "").value
        except ValueError as error:
            yield f"{rows.line_num}: time: {error}"
            continue
        if value < (times[-1] if times else 0):
            yield f"{rows.line_num}: time: {shown(text)} comes before the one above; write times in order"
        times.append(value)


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise ScenarioError(f"{path}: no such file; give the path of a CSV file")
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ScenarioError(f"{path}: larger than the limit of {_MOST_BYTES} bytes; cut the trace")
        return raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ScenarioError(f"{path}: cannot be read: {reason}; give the path of a CSV file") from None
