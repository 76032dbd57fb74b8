"""Tables of power that stand beside measurements of networks: idle boards, and busy processor cores."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from socsim.errors import MeasurementError, did_you_mean, join_faults, shown
from socsim.soc.library import platform_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

FLOOR_COLUMNS = ("platform", "value", "unit_of_value", "source_repo")
BUSY_COLUMNS = ("platform", "cluster", "cores", "clock_mhz", "value", "unit_of_value", "board", "meter")
_WATTS = {"W": 1.0, "mW": 1e-3}
_LARGEST = 16_000_000
"""Bytes; far more than any table of powers that somebody writes by hand."""


@dataclass(frozen=True, slots=True)
class IdleFloors:
    """Power of idle boards.

    Args:
        by_source: watts by platform and by the repository whose measurements were made on that board.
    """

    by_source: Mapping[tuple[str, str], float]

    def of(self, platform: str, source_repo: str) -> float | None:
        """Return the idle power of a platform's board in watts.

        It is that of the same source, else the median of the platform's boards, else None.
        """
        same = self.by_source.get((platform, source_repo))
        if same is not None:
            return same
        others = [watts for (name, _), watts in self.by_source.items() if name == platform]
        return median(others) if others else None


@dataclass(frozen=True, slots=True)
class BusyCores:
    """Power of busy processor cores above the same board idle.

    Args:
        platform: the chip.
        cluster: CPU cluster; "all" for all of them.
        cores: busy cores.
        clock_hz: their clock; None where they run at the default of each cluster.
        watts: what they draw more than idle.
        board: where.
        meter: what it reads: "battery" or "wall".
    """

    platform: str
    cluster: str
    cores: int
    clock_hz: float | None
    watts: float
    board: str
    meter: str


def read_idle_floors(path: Path) -> IdleFloors:
    """Read a table of idle boards: a CSV file with at least the columns of `FLOOR_COLUMNS`.

    Boards of the same platform and source are repeats: their median counts.

    Raises:
        MeasurementError: the file cannot be read or has faults, all with their lines.
    """
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in _rows(path, FLOOR_COLUMNS, _common_faults):
        found[row["platform"], row["source_repo"]].append(_watts(row))
    return IdleFloors({key: median(watts) for key, watts in sorted(found.items())})


def read_busy_cores(path: Path) -> tuple[BusyCores, ...]:
    """Read a table of busy cores: a CSV file with at least the columns of `BUSY_COLUMNS`.

    Raises:
        MeasurementError: the file cannot be read or has faults, all with their lines.
    """
    return tuple(
        BusyCores(
            row["platform"], row["cluster"], int(row["cores"]),
            float(row["clock_mhz"]) * 1e6 if row["clock_mhz"] else None, _watts(row), row["board"], row["meter"],
        )
        for row in _rows(path, BUSY_COLUMNS, _busy_faults)
    )  # fmt: skip


def _rows(
    path: Path, columns: Sequence[str], check: Callable[[Mapping[str, str]], Iterator[str]]
) -> list[dict[str, str]]:
    reader = csv.DictReader(_text(path).splitlines(), strict=True)
    try:
        rows = [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]
    except csv.Error as error:
        raise MeasurementError(f"{path}: line {reader.line_num}: is not CSV: {error}; mend the quotes") from None
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise MeasurementError(join_faults(str(path), [f"column {name!r} is missing; add it" for name in missing]))
    faults = [f"row {number}: {fault}" for number, row in enumerate(rows, 1) for fault in check(row)]
    if faults:
        raise MeasurementError(join_faults(str(path), faults))
    return rows


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise MeasurementError(f"{path}: is larger than {_LARGEST:,} bytes; split it")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MeasurementError(f"{path}: byte {error.start} is not UTF-8; save the table as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise MeasurementError(f"{path}: cannot be read: {reason or error}; give a CSV file") from None


def _watts(row: Mapping[str, str]) -> float:
    return float(row["value"]) * _WATTS[row["unit_of_value"]]


def _common_faults(row: Mapping[str, str]) -> Iterator[str]:
    if row["platform"] not in platform_names():
        hint = did_you_mean(row["platform"], platform_names())
        yield f"platform {shown(row['platform'])} is not known.{hint}"
    if row["unit_of_value"] not in _WATTS:
        yield f"unit_of_value is {shown(row['unit_of_value'])}; write one of {', '.join(_WATTS)}"
    if not _is_positive(row["value"]):
        yield f"value is {shown(row['value'])}; a measured power is a number above 0"


def _busy_faults(row: Mapping[str, str]) -> Iterator[str]:
    yield from _common_faults(row)
    if not (row["cores"].isascii() and row["cores"].isdigit() and 0 < int(row["cores"][:9]) <= 1024):
        yield f"cores is {shown(row['cores'])}; write how many cores are busy"
    if row["clock_mhz"] and not _is_positive(row["clock_mhz"]):
        yield f"clock_mhz is {shown(row['clock_mhz'])}; write a number above 0, or leave it empty"


def _is_positive(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0
