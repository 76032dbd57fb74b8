"""Rows of measurements as a CSV file, in the columns that `socsim validate timing` reads."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from socsim.accuracy.vocabulary import COLUMNS
from socsim.errors import MeasurementError
from socsim.report.sinks import csv_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILLED = tuple(name for name in COLUMNS if not name.startswith("source_"))
"""Columns that a row of this machine fills; the others name a publication."""


def table_text(rows: Iterable[Mapping[str, str]], earlier: str = "") -> str:
    """Return a table with its header.

    Args:
        rows: cells by column; absent ones are empty.
        earlier: text of a table from `earlier_text`, which the rows come after and whose columns they take.
    """
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    columns = _header(earlier) if earlier else list(COLUMNS)
    if not earlier:
        writer.writerow(columns)
    writer.writerows([csv_cell(row.get(name, "")) for name in columns] for row in rows)
    return earlier + sink.getvalue()


def earlier_text(path: Path) -> str:
    """Return the text of a table that rows shall be added to, nothing where there is none yet.

    Raises:
        MeasurementError: it cannot be read, or lacks a column that the rows fill.
    """
    if not path.exists():
        return ""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MeasurementError(f"{path}: cannot be read: {error}; give a CSV file in UTF-8") from None
    if not text.strip():
        return ""
    try:
        columns = _header(text)
    except csv.Error as error:
        raise MeasurementError(f"{path}: line 1 is not CSV: {error}; mend the quotes of that row") from None
    missing = [name for name in FILLED if name not in columns]
    if missing:
        msg = f"{path}: line 1 has no column {', '.join(missing)}; write to another file, or add them"
        raise MeasurementError(msg)
    return text if text.endswith("\n") else f"{text}\n"


def _header(text: str) -> list[str]:
    return [name.strip() for name in next(csv.reader(io.StringIO(text, newline=""), strict=True))]
