"""What changed from one run to another: totals, operators, and the biggest changes."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from socsim.quantities import format_energy, format_time
from socsim.report.formats import format_bytes, format_rate, labelled, plural, text_table
from socsim.report.markup import fragment, html_table, section
from socsim.report.sinks import html_text, terminal_text
from socsim.report.tables import Table
from socsim.report.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from socsim.records import OperatorRecord, RunRecord

SCHEMA_VERSION = "socsim.compare/1"
_BIGGEST = 10
_TYPES = {
    "index": "int", "name": "str", "type": "str", "status": "str", "unit_a": "str", "unit_b": "str",
    "latency_a_ps": "int", "latency_b_ps": "int", "latency_change_ps": "int", "latency_change": "float",
    "energy_a_pj": "int", "energy_b_pj": "int", "energy_change_pj": "int", "dram_a_bytes": "int",
    "dram_b_bytes": "int", "dram_change_bytes": "int",
}  # fmt: skip
_TOTAL_TYPES = {"quantity": "str", "a": "int", "b": "int", "change": "int", "relative_change": "float"}
_FORMATS: dict[str, Callable[[int], str]] = {"ps": format_time, "pj": format_energy, "bytes": format_bytes}


class Comparison:
    """Two runs side by side: `a` is the reference, a change is b - a, a relative change b / a - 1.

    Operators match by index, name and type; those left over by name and type in order, so that a network
    with one more operator still lines up. `status` is same (both have it and it costs the same), changed,
    added (only in b) or removed (only in a).

    Args:
        a: the reference.
        b: the run compared with it.
    """

    def __init__(self, a: RunRecord, b: RunRecord) -> None:
        self.a = a
        self.b = b

    @cached_property
    def totals(self) -> Table:
        """Latency, energy, and bytes over external memory: the network's, and those of background traffic."""
        rows = [
            (name, before, after, _difference(before, after), relative(before, after))
            for name, before, after in _totals(self.a, self.b)
        ]
        return Table(f"Totals: {self._title()}", tuple(_TOTAL_TYPES), rows, _TOTAL_TYPES)

    @cached_property
    def table(self) -> Table:
        """One row for each operator of either run."""
        rows = [_row(before, after) for before, after in _pairs(self.a.operators, self.b.operators)]
        return Table(f"Operators: {self._title()}", tuple(_TYPES), rows, _TYPES)

    def biggest(self, count: int = _BIGGEST) -> list[dict[str, Any]]:
        """Return the rows whose latency changed most, in either direction."""
        changed = [row for row in self.table if row["latency_change_ps"]]
        return sorted(changed, key=lambda row: -abs(row["latency_change_ps"]))[:count]

    def to_pandas(self) -> pd.DataFrame:
        """Return the operator rows as a frame."""
        return self.table.to_pandas()

    def to_json(self) -> str:
        """Return the comparison as one JSON document with `schema_version`."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "a": _identity(self.a),
            "b": _identity(self.b),
            "totals": list(self.totals),
            "operators": list(self.table),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def __repr__(self) -> str:
        """Return one screen: both runs, the totals and the biggest changes."""
        return "\n".join(
            [
                *labelled("a", [_described(self.a)]),
                *labelled("b", [_described(self.b)]),
                "",
                *text_table(_TOTAL_HEADER, self._total_cells(), _TOTAL_HEADER[1:]),
                "",
                *self._biggest_lines(),
            ]
        )

    def _repr_html_(self) -> str:
        head = f"<h4>a: {html_text(_described(self.a), 300)}<br>b: {html_text(_described(self.b), 300)}</h4>"
        totals = html_table(_TOTAL_HEADER, self._total_cells())
        changes = html_table(_CHANGE_HEADER, [_change_cells(row) for row in self.biggest()])
        counted = section(self._counted(), changes, is_open=True)
        return fragment(head + totals + counted)

    def _title(self) -> str:
        return f"{one_line(self.a)} against {one_line(self.b)}"

    def _total_cells(self) -> list[tuple[str, ...]]:
        return [
            (
                terminal_text(row["quantity"], 40),
                _shown(row["quantity"], row["a"]),
                _shown(row["quantity"], row["b"]),
                percent(row["relative_change"]),
            )
            for row in self.totals
        ]

    def _counted(self) -> str:
        by_status = dict.fromkeys(("same", "changed", "added", "removed"), 0)
        for status in self.table.column("status"):
            by_status[status] += 1
        counts = ", ".join(f"{count} {status}" for status, count in by_status.items() if count)
        return f"{plural(len(self.table), 'operator')}: {counts or 'none'}"

    def _biggest_lines(self) -> list[str]:
        rows = [_change_cells(row) for row in self.biggest()]
        table = text_table(_CHANGE_HEADER, rows, ("operator", "a", "b", "change")) if rows else []
        return [self._counted(), *table]


_TOTAL_HEADER = ("total", "a", "b", "change")
_CHANGE_HEADER = ("operator", "type", "unit", "a", "b", "change", "status")


def percent(relative: float | None) -> str:
    """Format a relative change with its sign; none where there was nothing before."""
    return "-" if relative is None else f"{100 * relative:+.1f} %"


def _shown(quantity: str, value: int | None) -> str:
    if value is None:
        return "-"
    unit = next((unit for unit in _FORMATS if quantity.endswith(f"_{unit}")), None)
    return _FORMATS[unit](value) if unit else f"{value:,}"


def _change_cells(row: dict[str, Any]) -> tuple[str, ...]:
    units = [unit for unit in (row["unit_a"], row["unit_b"]) if unit is not None]
    return (
        str(row["index"]),
        terminal_text(row["type"], 24),
        terminal_text(" to ".join(dict.fromkeys(units)), 24),
        _shown("latency_ps", row["latency_a_ps"]),
        _shown("latency_ps", row["latency_b_ps"]),
        percent(row["latency_change"]),
        row["status"],
    )


def _described(record: RunRecord) -> str:
    runtimes = ", ".join(f"{u.runtime} on {u.name} {u.opp}" for u in record.units)
    background = [f"background {unit} reads {format_rate(rate)}" for unit, rate in record.background]
    overrides = [", ".join(record.overrides)] if record.overrides else []
    settings = f"{record.precision or 'precision of the file'}, batch {record.batch}, {record.detail}"
    line = f"{one_line(record)} ({'; '.join([runtimes, settings, *background, *overrides])})"
    return terminal_text(line, 300)


def _identity(record: RunRecord) -> dict[str, Any]:
    names = ("version", "model", "model_sha256", "platform", "overrides", "precision", "batch", "detail")
    pairs = {"opps": dict(record.opps), "background": dict(record.background)}
    return {name: getattr(record, name) for name in names} | pairs


def _totals(a: RunRecord, b: RunRecord) -> list[tuple[str, int | None, int | None]]:
    """Return name, value in a, value in b."""
    network, others = zip(_external_bytes(a), _external_bytes(b), strict=True)
    return [
        ("latency_ps", a.latency_ps, b.latency_ps),
        ("energy_pj", a.energy_pj, b.energy_pj),
        ("dram_bytes", *network),
        *([("background_bytes", *others)] if a.background or b.background else []),
    ]


def _external_bytes(record: RunRecord) -> tuple[int, int]:
    """Return the bytes over all external memories: of the network's operators, and of everybody else."""
    network = sum(op.dram_bytes or 0 for op in record.operators)
    moved = sum(m.read_bytes + m.write_bytes for m in record.memories if m.is_external)
    return network, moved - network


def _pairs(
    before: Sequence[OperatorRecord], after: Sequence[OperatorRecord]
) -> list[tuple[OperatorRecord | None, OperatorRecord | None]]:
    """Return matching operators in the order of the reference, those of `after` alone at the end."""
    waiting: dict[tuple[object, ...], list[OperatorRecord]] = {}
    exact = {(op.index, op.name, op.type): op for op in after}
    taken = {(op.index, op.name, op.type) for op in before if (op.index, op.name, op.type) in exact}
    for op in after:
        if (op.index, op.name, op.type) not in taken:
            waiting.setdefault((op.name, op.type), []).append(op)
    pairs: list[tuple[OperatorRecord | None, OperatorRecord | None]] = []
    for op in before:
        key = (op.index, op.name, op.type)
        alike = waiting.get((op.name, op.type), [])
        pairs.append((op, exact[key] if key in taken else alike.pop(0) if alike else None))
    left = sorted((op for ops in waiting.values() for op in ops), key=lambda op: op.index)
    return [*pairs, *((None, op) for op in left)]


def _row(before: OperatorRecord | None, after: OperatorRecord | None) -> tuple[Any, ...]:
    either = before or after
    values: dict[str, Any] = {}
    for name, source in (("latency", "latency_ps"), ("energy", "energy_pj"), ("dram", "dram_bytes")):
        unit = source.rsplit("_", 1)[1]
        a, b = getattr(before, source, None), getattr(after, source, None)
        values |= {f"{name}_a_{unit}": a, f"{name}_b_{unit}": b, f"{name}_change_{unit}": _difference(a, b)}
    values |= {
        "index": getattr(either, "index", None),
        "name": getattr(either, "name", None),
        "type": getattr(either, "type", None),
        "status": _status(before, after),
        "unit_a": getattr(before, "unit", None),
        "unit_b": getattr(after, "unit", None),
        "latency_change": relative(values["latency_a_ps"], values["latency_b_ps"]),
    }
    return tuple(values[name] for name in _TYPES)


_COMPARED = ("unit", "latency_ps", "energy_pj", "dram_bytes", "fused_into")


def _status(before: OperatorRecord | None, after: OperatorRecord | None) -> str:
    if before is None or after is None:
        return "added" if before is None else "removed"
    alike = all(getattr(before, name) == getattr(after, name) for name in _COMPARED)
    return "same" if alike else "changed"


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def relative(before: float | None, after: float | None) -> float | None:
    """Return after / before - 1; None where one is missing, or there was nothing before."""
    return after / before - 1 if before and after is not None else None
