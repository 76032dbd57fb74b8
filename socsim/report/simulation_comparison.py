"""Simulations side by side, such as those of several policies: totals, and what each application met."""

from __future__ import annotations

import json
from functools import cached_property
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from socsim.errors import misuse
from socsim.quantities import format_energy, format_time
from socsim.report.comparison import percent, relative
from socsim.report.formats import format_celsius, format_nanowatts, format_share, format_span, labelled, text_table
from socsim.report.markup import fragment, heading, html_table
from socsim.report.simulation_text import hottest_node, one_line
from socsim.report.sinks import html_text, terminal_text
from socsim.report.tables import Table, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from socsim.simulation_records import ApplicationRecord, SimulationRecord

SCHEMA_VERSION = "socsim.compare_simulations/1"
_ROW_TYPES = {
    "application": "str", "simulation": "str", "released": "int", "completed": "int", "missed": "int", "dropped": "int",
    "unfinished": "int", "throughput_per_s": "float", "p50_ps": "int", "p95_ps": "int", "p99_ps": "int",
    "most_ps": "int", "jitter_ps": "int", "waiting_mean_ps": "int", "energy_pj": "int", "share_pj": "int",
    "average_power_nw": "int", "p99_change": "float", "energy_change": "float",
}  # fmt: skip
_TOTAL_TYPES = {
    "kind": "str", "name": "str", "quantity": "str", "simulation": "str", "value": "float", "change": "float",
}  # fmt: skip
_LATENCIES = ("p50_ps", "p95_ps", "p99_ps", "most_ps")
_TOTAL_FORMATS: dict[str, Callable[[float], str]] = {
    "energy_pj": lambda value: format_energy(int(value)),
    "average_power_nw": lambda value: format_nanowatts(int(value)),
    "utilisation": lambda value: format_share(value, 1),
    "most_millicelsius": lambda value: format_celsius(int(value)),
    "throttled_ps": lambda value: format_time(int(value)),
    "mean_hz": lambda value: f"{value / 1e6:,.0f} MHz",
    "life_s": format_span,
}
_WORDS = {"average_power_nw": "average power", "most_millicelsius": "reaches", "throttled_ps": "throttled",
          "energy_pj": "energy", "mean_hz": "mean clock", "life_s": "life"}  # fmt: skip


class SimulationComparison:
    """Two or more simulations side by side; the first is the reference, a change is value / reference - 1.

    Args:
        records: the simulations, called a, b, c, … in this order.

    Raises:
        UsageError: fewer than two, or more than there are letters.
    """

    def __init__(self, records: Sequence[SimulationRecord]) -> None:
        if not 2 <= len(records) <= len(ascii_lowercase):
            raise misuse("the number of simulations", len(records), f"2 to {len(ascii_lowercase)}")
        self.records = dict(zip(ascii_lowercase, records, strict=False))

    @cached_property
    def table(self) -> Table:
        """One row for each application and simulation that has it, those of an application together."""
        rows = [row for name in self._applications() for row in self._application_rows(name)]
        return Table(f"Applications: {self._title()}", tuple(_ROW_TYPES), rows, _ROW_TYPES)

    @cached_property
    def totals(self) -> Table:
        """One row for each quantity of the whole, a server, a clock, a node or the battery, and each simulation."""
        by_letter = {letter: _totals(record) for letter, record in self.records.items()}
        keys = dict.fromkeys(key for found in by_letter.values() for key in found)
        first = by_letter["a"]
        rows = [
            (*key, letter, found.get(key), _change(key[-1], first.get(key), found.get(key)))
            for key in keys
            for letter, found in by_letter.items()
        ]
        return Table(f"Totals: {self._title()}", tuple(_TOTAL_TYPES), rows, _TOTAL_TYPES)

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows of applications as a frame."""
        return self.table.to_pandas()

    def to_json(self) -> str:
        """Return the comparison as one JSON document with `schema_version`."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "simulations": {letter: _identity(record) for letter, record in self.records.items()},
            "totals": list(self.totals),
            "applications": list(self.table),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def __repr__(self) -> str:
        """Return one screen: the simulations, their totals, and what each application met."""
        header, rows = self._total_cells()
        return "\n".join(
            [
                *(line for letter, words in self._described().items() for line in labelled(letter, [words])),
                "",
                *text_table(header, rows, header[1:]),
                "",
                *text_table(_HEADER, self._application_cells(), _HEADER[2:]),
            ]
        )

    def _repr_html_(self) -> str:
        names = "<br>".join(f"{letter}: {html_text(words, 300)}" for letter, words in self._described().items())
        header, rows = self._total_cells()
        applications = html_table(_HEADER, self._application_cells(), right=_HEADER[2:])
        totals = html_table(header, rows, right=header[1:])
        return fragment(f"<h4>{names}</h4>{totals}{heading('Applications', applications)}")

    def _described(self) -> dict[str, str]:
        """Return what each simulation is, without the overrides that all have."""
        common = set.intersection(*(set(record.overrides) for record in self.records.values()))
        return {
            letter: _described(record, [line for line in record.overrides if line not in common])
            for letter, record in self.records.items()
        }

    def _title(self) -> str:
        return " against ".join(dict.fromkeys(one_line(record) for record in self.records.values()))

    def _applications(self) -> list[str]:
        return list(dict.fromkeys(entry.name for record in self.records.values() for entry in record.applications))

    def _application_rows(self, name: str) -> list[tuple[Any, ...]]:
        found = {
            letter: entry
            for letter, record in self.records.items()
            for entry in record.applications
            if entry.name == name
        }
        return [_row(letter, entry, found.get("a")) for letter, entry in found.items()]

    def _application_cells(self) -> list[tuple[str, ...]]:
        return [_cells(row) for row in self.table]

    def _total_cells(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows of the totals: a column for each simulation, with its change against the first.

        What no simulation knows, such as heat of platforms without a thermal network, has no row.
        """
        by_key: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
        for row in self.totals:
            by_key.setdefault((row["kind"], row["name"], row["quantity"]), {})[row["simulation"]] = row
        rows = [
            (_total_name(*key), *map(_total_cell, cells.values()))
            for key, cells in by_key.items()
            if any(cell["value"] is not None for cell in cells.values())
        ]
        return ("total", *self.records), rows


_HEADER = ("application", "", "p50", "p95", "p99", "max", "p99 change", "missed", "dropped", "per second", "energy",
           "average power")  # fmt: skip


def _row(letter: str, entry: ApplicationRecord, first: ApplicationRecord | None) -> tuple[Any, ...]:
    values = {name: getattr(entry.latency, name) for name in _LATENCIES} | {
        "application": entry.name,
        "simulation": letter,
        "waiting_mean_ps": entry.waiting.mean_ps,
        "missed": None if entry.deadline_ps is None else entry.missed,
        "p99_change": relative(first.latency.p99_ps, entry.latency.p99_ps) if first else None,
        "energy_change": relative(first.energy_pj, entry.energy_pj) if first else None,
    }
    return tuple(values[name] if name in values else getattr(entry, name) for name in _ROW_TYPES)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        terminal_text(row["application"], 20),
        row["simulation"],
        *("-" if row[name] is None else format_time(row[name]) for name in _LATENCIES),
        percent(row["p99_change"]) if row["p99_change"] else "",
        "-" if row["missed"] is None else f"{row['missed']:,}",
        f"{row['dropped']:,}",
        "-" if row["throughput_per_s"] is None else f"{row['throughput_per_s']:,.4g}",
        format_energy(row["energy_pj"]),
        format_nanowatts(row["average_power_nw"]),
    )


def _totals(record: SimulationRecord) -> dict[tuple[str, str, str], float | None]:
    """Return what is compared, by kind, name and quantity; None where a simulation has it not."""
    hottest, battery, whole = hottest_node(record), record.battery, record.duration_ps
    return {
        ("all", "", "energy_pj"): record.energy_pj,
        ("all", "", "average_power_nw"): record.average_power_nw,
        ("heat", "hottest node", "most_millicelsius"): hottest.most_millicelsius if hottest else None,
        ("heat", "hottest node", "throttled_ps"): hottest.throttled_ps if hottest else None,
        ("battery", "battery", "life_s"): battery.life_s if battery else None,
        **{("server", s.name, "utilisation"): ratio(s.busy_ps, s.cores * whole) for s in record.servers},
        **{
            ("clock", c.name, "mean_hz"): ratio(sum(hertz * time for _, hertz, time in c.points), whole)
            for c in record.clocks
        },
        **{
            ("flow", f.name, "utilisation"): ratio(f.bytes * 10**12, f.bytes_per_s * whole) for f in record.flows
        },
    }  # fmt: skip


def _change(quantity: str, before: float | None, after: float | None) -> float | None:
    """Return the relative change; there is none of a temperature, whose zero means nothing."""
    return None if quantity == "most_millicelsius" else relative(before, after)


def _total_name(_kind: str, name: str, quantity: str) -> str:
    word = _WORDS.get(quantity, quantity)
    return terminal_text(f"{name} {word}".strip(), 40)


def _total_cell(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "-"
    shown = _TOTAL_FORMATS[row["quantity"]](row["value"])
    return f"{shown} ({percent(row['change'])})" if row["change"] else shown


def _described(record: SimulationRecord, overrides: Iterable[str]) -> str:
    parts = [
        _grouped((server.policy, server.name) for server in record.servers),
        _grouped((clock.governor, clock.name) for clock in record.clocks),
        f"mode {record.mode}" if record.mode else "",
        f"seed {record.seed}",
        format_time(record.duration_ps),
        *overrides,
    ]
    return terminal_text(f"{one_line(record)} ({'; '.join(part for part in parts if part)})", 300)


def _grouped(pairs: Iterable[tuple[str, str]]) -> str:
    """Return what is in force where, such as "edf on npu, gpu; fifo on cpu"."""
    places: dict[str, list[str]] = {}
    for word, place in pairs:
        places.setdefault(word, []).append(place)
    return "; ".join(f"{word} on {', '.join(where)}" for word, where in places.items())


def _identity(record: SimulationRecord) -> dict[str, Any]:
    names = ("version", "scenario", "scenario_sha256", "platform", "overrides", "mode", "seed", "duration_ps")
    return {name: getattr(record, name) for name in names} | {
        "policies": {server.name: server.policy for server in record.servers},
        "governors": {clock.name: clock.governor for clock in record.clocks},
    }
