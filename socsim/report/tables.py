"""Tables of a run: small immutable views that become frames, CSV, text or HTML on demand."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.records import AlternativeRecord, OperatorRecord
from socsim.report.formats import WIDTH, plural, text_table
from socsim.report.markup import fragment, html_table
from socsim.report.sinks import csv_cell, html_text, terminal_text, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from socsim.records import RunRecord

_DTYPES = {"int": "Int64", "float": "Float64", "str": "string", "bool": "boolean"}
_ROWS_OF_TEXT = 20
_ROWS_OF_HTML = 40
_WIDEST_CELL = 36


class Table:
    """Named columns and rows; iteration gives each row as a dict.

    Args:
        title: what the rows are.
        columns: names, in order.
        rows: values in the order of the columns; None is missing, never 0.
        types: "int", "float" or "str" by column, for columns whose values may all be missing; taken from
            the values where absent.
    """

    __slots__ = ("_types", "columns", "rows", "title")

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        types: Mapping[str, str] | None = None,
    ) -> None:
        self.title = title
        self.columns = tuple(columns)
        self.rows = tuple(tuple(row) for row in rows)
        self._types = dict(types or {})

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def column(self, name: str) -> tuple[Any, ...]:
        """Return the values of a column.

        Raises:
            KeyError: no such column.
        """
        if name not in self.columns:
            msg = f"{self.title} has no column {name!r}; it has {', '.join(self.columns)}"
            raise KeyError(msg)
        position = self.columns.index(name)
        return tuple(row[position] for row in self.rows)

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with nullable types, so that missing is `<NA>` and integers stay whole."""
        import pandas as pd

        return pd.DataFrame(
            {name: pd.array(list(self.column(name)), dtype=self._dtype(name)) for name in self.columns}
        )  # fmt: skip

    def _dtype(self, name: str) -> Any:
        declared = self._types.get(name)
        first = next((value for value in self.column(name) if value is not None), "")
        return _DTYPES[declared or type(first).__name__]

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write the table as CSV, or return it where no path is given.

        Text that a spreadsheet would take for a formula gets an apostrophe in front.

        Raises:
            ResultError: the file cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([csv_cell(value) for value in row] for row in (self.columns, *self.rows))
        if path is None:
            return text.getvalue()
        write_file(Path(path), text.getvalue())
        return None

    def to_text(self) -> str:
        """Return all rows and columns as lines of text, as wide as they are."""
        rows = [[_text_cell(value, None) for value in row] for row in self.rows]
        return "\n".join(text_table(self.columns, rows, self._numbers(len(self.columns))))

    def __repr__(self) -> str:
        """Return one screen: the first rows, and as many columns as fit."""
        first = self.rows[:_ROWS_OF_TEXT]
        shown = [[_text_cell(value, _WIDEST_CELL) for value in row] for row in (self.columns, *first)]
        fitting = _fitting([max(len(row[i]) for row in shown) for i in range(len(self.columns))])
        header, *rows = [row[:fitting] for row in shown]
        lines = [
            f"{terminal_text(self.title)}: {plural(len(self), 'row')}",
            *text_table(header, rows, self._numbers(fitting)),
        ]
        if len(self) > _ROWS_OF_TEXT:
            lines.append(f"... and {plural(len(self) - _ROWS_OF_TEXT, 'more row')}")
        if fitting < len(self.columns):
            lines.append(f"... and {plural(len(self.columns) - fitting, 'more column')} (.columns names them)")
        return "\n".join(lines)

    def _numbers(self, count: int) -> list[str]:
        """Return those of the first `count` columns that hold numbers."""
        return [self.columns[i] for i in range(count) if self._is_number(i)]

    def _is_number(self, position: int) -> bool:
        return any(isinstance(row[position], int | float) for row in self.rows)

    def _repr_html_(self) -> str:
        rows = html_table(self.columns, self.rows[:_ROWS_OF_HTML], rows_in_all=len(self), limit=60)
        return fragment(f"<h4>{html_text(self.title, 200)}</h4>{rows}")


def _text_cell(value: object, limit: int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return terminal_text(str(value)) if limit is None else terminal_text(str(value), limit)


def _fitting(widths: Sequence[int]) -> int:
    """Return how many columns fit on a line, at least one."""
    total = -2
    for count, width in enumerate(widths):
        total += width + 2
        if total > WIDTH:
            return max(count, 1)
    return len(widths)


# --- the tables of a run ------------------------------------------------------------------------------

OPERATOR_COLUMNS = tuple(field.name for field in fields(OperatorRecord))


def operators_table(record: RunRecord) -> Table:
    """Return one row for each operator of the network; folded operators have no cost of their own."""
    rows = [[getattr(op, name) for name in OPERATOR_COLUMNS] for op in record.operators]
    types = {field.name: str(field.type).removesuffix(" | None") for field in fields(OperatorRecord)}
    return Table(_title("Operators", record), OPERATOR_COLUMNS, rows, types)


_UNIT_TYPES = {
    "name": "str", "kind": "str", "runtime": "str", "opp": "str", "clock_hz": "int", "cores": "int",
    "operators": "int", "busy_ps": "int", "idle_ps": "int", "busy_share": "float", "executed_macs": "int",
    "peak_macs_per_s": "int", "utilisation": "float", "memory": "str", "memory_bytes_per_s": "int", "energy_pj": "int",
}  # fmt: skip
_LINK_TYPES = {
    "name": "str", "bytes_per_s": "int", "read_bytes": "int", "write_bytes": "int", "busy_ps": "int",
    "busy_share": "float", "initiators": "str", "energy_pj": "int",
}  # fmt: skip
_MEMORY_TYPES = {
    "name": "str", "kind": "str", "capacity_bytes": "int", "peak_bytes": "int", "weight_bytes": "int",
    "activation_peak_bytes": "int", "bytes_per_s": "int", "read_bytes": "int", "write_bytes": "int",
    "busy_ps": "int", "busy_share": "float", "initiators": "str", "energy_pj": "int",
}  # fmt: skip
_ENERGY_TYPES = {"kind": "str", "name": "str", "energy_pj": "int", "share": "float"}


def units_table(record: RunRecord) -> Table:
    """Return one row for each unit in use; utilisation is executed MACs over peak times busy time."""
    added = [{"busy_share": ratio(u.busy_ps, record.latency_ps), "utilisation": _utilisation(u)} for u in record.units]
    return derived(_title("Units", record), record.units, added, _UNIT_TYPES)


def links_table(record: RunRecord) -> Table:
    """Return one row for each link: bytes, busy time and who moved them."""
    return derived(_title("Links", record), record.links, _traffic(record.links, record), _LINK_TYPES)


def memories_table(record: RunRecord) -> Table:
    """Return one row for each memory: peak against capacity, bytes, busy time and who moved them."""
    return derived(_title("Memories", record), record.memories, _traffic(record.memories, record), _MEMORY_TYPES)


def alternatives_table(record: RunRecord) -> Table:
    """Return what operators would take on each unit by themselves, borders left out."""
    columns = [field.name for field in fields(AlternativeRecord)]
    found = record.placement.alternatives if record.placement else ()
    rows = [tuple(getattr(row, name) for name in columns) for row in found]
    types = {"operator": "int", "unit": "str", "latency_ps": "int", "energy_pj": "int", "reason": "str"}
    return Table(f"Alternatives: {record.model} on {record.platform}", columns, rows, types)


def energy_table(record: RunRecord) -> Table:
    """Return the energy accounts; they add up to the energy of the run."""
    added = [{"share": ratio(account.energy_pj, record.energy_pj)} for account in record.energy]
    return derived(_title("Energy", record), record.energy, added, _ENERGY_TYPES)


def _title(subject: str, record: RunRecord) -> str:
    return f"{subject} of {record.model} on {record.platform}"


def derived(
    title: str, records: Sequence[object], added: Sequence[Mapping[str, Any]], types: Mapping[str, str]
) -> Table:
    """Return one row for each record: its own fields, and what was added to it, in the order of `types`."""
    rows = [
        [more[name] if name in more else getattr(entry, name) for name in types]
        for entry, more in zip(records, added, strict=True)
    ]
    return Table(title, tuple(types), rows, types)


def _traffic(entries: Sequence[Any], record: RunRecord) -> list[dict[str, Any]]:
    return [
        {
            "busy_share": ratio(entry.busy_ps, record.latency_ps),
            "initiators": ", ".join(f"{name} {moved:,} B" for name, moved in entry.initiators) or None,
        }
        for entry in entries
    ]


def _utilisation(unit: Any) -> float | None:
    """Return MACs executed against what the unit's peak allows in its busy time."""
    if not (unit.peak_macs_per_s and unit.busy_ps and unit.executed_macs):
        return None
    return float(unit.executed_macs * 10**12 / (unit.peak_macs_per_s * unit.busy_ps))


def ratio(part: int, whole: int) -> float | None:
    """Return part / whole; of nothing there is none."""
    return part / whole if whole else None
