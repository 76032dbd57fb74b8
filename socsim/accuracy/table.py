"""Tables of measurements: read from CSV, each fault with its line, all of them at once."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.accuracy.vocabulary import (
    LANGUAGE_METRICS,
    LANGUAGE_PRECISIONS,
    METRICS,
    OPTIONAL,
    REQUIRED,
    UNITS,
    undescribed,
)
from socsim.errors import MeasurementError, WorkloadError, did_you_mean, join_faults, shown
from socsim.schedule.precision import PRECISIONS
from socsim.soc.library import platform_names
from socsim.workload.zoo import zoo
from socsim.workload.zoo.catalogue import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGEST_TABLE = 64_000_000
"""Bytes; 130,000 rows like those of public tables."""
_MODEL_SUFFIXES = frozenset({".tflite", ".onnx", ".param"})
_NO_PLATFORMS: Mapping[str, Path] = MappingProxyType({})
_MOST = 1_000_000
"""Cores, or inferences in a batch; anything larger is no count."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure of one device.

    Args:
        line: where its row begins in the file; the header is line 1.
        platform: the chip.
        unit: kind of unit that ran the network; "mixed" for several.
        cluster: CPU cluster, "all" for all of them; empty where the source is silent.
        cores: threads, or cores of the unit; None where the source is silent.
        runtime: software stack, by the name that the table gives it.
        runtime_version: empty where the source is silent.
        workload: network.
        input_shape: as the table writes it: 1x3x224x224.
        precision: types of weights and activations.
        batch: inferences together; None where the source is silent.
        metric: what was measured.
        value: the figure, in `unit_of_value`.
        unit_of_value: ms, FPS, mJ, …
        board: what the chip was on.
        recorded: date of the figure.
        conditions: how it was measured, in the source's words.
        source_repo: repository that published it.
        platform_file: file of a platform that does not ship.
        model_file: file of a workload that is no network of the zoo.
    """

    line: int
    platform: str
    unit: str
    cluster: str
    cores: int | None
    runtime: str
    runtime_version: str
    workload: str
    input_shape: str
    precision: str
    batch: int | None
    metric: str
    value: float
    unit_of_value: str
    board: str
    recorded: str
    conditions: str = ""
    source_repo: str = ""
    platform_file: Path | None = None
    model_file: Path | None = None

    @property
    def scale(self) -> float:
        """Size of the value's unit: seconds, samples a second, joules or watts."""
        return METRICS[self.metric][self.unit_of_value]

    @property
    def is_language_model(self) -> bool:
        """Whether the figure is one of a language model."""
        return self.metric in LANGUAGE_METRICS or self.workload in undescribed().language_models


@dataclass(frozen=True, slots=True)
class MeasurementTable:
    """What a file holds.

    Args:
        name: of the file.
        rows: measurements, in the file's order.
        faults: "line N: …" for each fault of the rows that were left out.
    """

    name: str
    rows: tuple[Measurement, ...]
    faults: tuple[str, ...]


def read_measurements(
    path: Path,
    *,
    skip_bad: bool = False,
    platforms: Mapping[str, Path] = _NO_PLATFORMS,
    models: Path | None = None,
) -> MeasurementTable:
    """Read a table of measurements.

    Args:
        path: a CSV file with the columns of `vocabulary.REQUIRED`; further ones are read where they are known.
        skip_bad: leave rows with faults out instead of refusing the file; columns that are missing are always
            refused.
        platforms: files of platforms that do not ship, or that replace one that does, by name.
        models: folder that workloads which are files start from; the table's own where None.

    Raises:
        MeasurementError: the file cannot be read, has faults, or no row; all faults with their lines.
    """
    lines = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    places = _Places(platforms, models or path.parent)
    rows: list[Measurement] = []
    faults: list[str] = []
    columns: list[str] | None = None
    for line, cells in _numbered(lines, path):
        if columns is None:
            columns = _header(cells, path)
        elif cells:
            found = _row(line, columns, cells, places)
            if isinstance(found, Measurement):
                rows.append(found)
            else:
                faults += [f"line {line}: {fault}" for fault in found]
    if columns is None or not (rows or faults):
        raise MeasurementError(f"{path}: has no rows; give a CSV file with columns {', '.join(REQUIRED)}")
    if faults and not skip_bad:
        raise MeasurementError(join_faults(str(path), faults))
    return MeasurementTable(path.name, tuple(rows), tuple(faults))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_TABLE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise MeasurementError(f"{path}: cannot be read: {reason or error}; give a CSV file") from None
    if len(raw) > LARGEST_TABLE:
        raise MeasurementError(f"{path}: is larger than {LARGEST_TABLE:,} bytes; split it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MeasurementError(f"{path}: byte {error.start} is not UTF-8; save the table as UTF-8") from None


def _numbered(lines: Iterator[list[str]], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the line that each begins at; a quoted cell may go on over several."""
    start = 1
    try:
        for cells in lines:
            yield start, cells
            start = lines.line_num + 1  # type: ignore[attr-defined]
    except csv.Error as error:
        raise MeasurementError(f"{path}: line {start}: is not CSV: {error}; mend the quotes of that row") from None


def _header(cells: list[str], path: Path) -> list[str]:
    columns = [cell.strip() for cell in cells]
    missing = [name for name in REQUIRED if name not in columns]
    twice = sorted({name for name in columns if name in (*REQUIRED, *OPTIONAL) and columns.count(name) > 1})
    faults = [f"line 1: column {name!r} is missing; add it" for name in missing]
    faults += [f"line 1: column {name!r} stands twice; keep one" for name in twice]
    if faults:
        raise MeasurementError(join_faults(str(path), faults))
    return columns


# --- one row ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Places:
    """Where names lead that are not socsim's own: to files of platforms, and to a folder of models."""

    platforms: Mapping[str, Path]
    models: Path

    def model(self, workload: str) -> Path | None:
        """Return the file that a workload is, which may not exist; None for a name."""
        return self.models / workload if is_model_file(workload) else None


def _row(line: int, columns: Sequence[str], cells: Sequence[str], places: _Places) -> Measurement | list[str]:
    """Return the measurement of a row, or what is wrong with it."""
    if len(cells) != len(columns):
        return [f"has {len(cells)} cells for {len(columns)} columns; quote cells that hold commas"]
    row = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    row = dict.fromkeys(OPTIONAL, "") | row
    faults = list(_faults(row, places))
    if faults:
        return faults
    texts = {name: row[name] for name in _TEXTS}
    return Measurement(
        line=line, cores=_whole(row["cores"]), batch=_whole(row["batch"]), value=float(row["value"]),
        platform_file=places.platforms.get(row["platform"]), model_file=places.model(row["workload"]), **texts,
    )  # fmt: skip


_TEXTS = (
    "platform", "unit", "cluster", "runtime", "runtime_version", "workload", "input_shape", "precision", "metric",
    "unit_of_value", "board", "recorded", "conditions", "source_repo",
)  # fmt: skip


def _faults(row: Mapping[str, str], places: _Places) -> Iterator[str]:
    yield from (f"{name} is empty; write it" for name in ("platform", "runtime", "workload") if not row[name])
    yield from _word("unit", row["unit"], UNITS)
    yield from _word("precision", row["precision"], (*PRECISIONS, *LANGUAGE_PRECISIONS))
    yield from _word("metric", row["metric"], METRICS)
    if row["metric"] in METRICS:
        yield from _word("unit_of_value", row["unit_of_value"], METRICS[row["metric"]], f" of {row['metric']}")
    yield from _value_faults(row["value"])
    for name in ("cores", "batch"):
        if row[name] and _whole(row[name]) is None:
            yield f"{name} is {shown(row[name])}; write a whole number from 1 up, or leave it empty"
    if row["platform"] not in places.platforms:
        yield from _platform_faults(row["platform"], places.platforms)
    file = places.model(row["workload"])
    if file is not None:
        yield from _file_faults(row["workload"], file)
    elif row["metric"] not in LANGUAGE_METRICS:
        yield from _workload_faults(row["workload"])


def _word(column: str, found: str, known: Mapping[str, object] | Sequence[str], of: str = "") -> Iterator[str]:
    if found not in known:
        hint = did_you_mean(found, known) if found else f" Known: {', '.join(known)}."
        yield f"{column} {shown(found)}{of} is not known.{hint}"


def _value_faults(text: str) -> Iterator[str]:
    try:
        value = float(text)
    except ValueError:
        yield f"value is {shown(text)}; write a number above 0"
        return
    if not (math.isfinite(value) and value > 0):
        yield f"value is {shown(text)}; a measured figure is a number above 0"


def _whole(text: str) -> int | None:
    """Return a count from 1 up, None for everything else."""
    if not re.fullmatch(r"[0-9]{1,7}", text):
        return None
    return int(text) if 1 <= int(text) <= _MOST else None


@cache
def _known_platforms() -> frozenset[str]:
    return frozenset({*platform_names(), *undescribed().platforms})


def _platform_faults(name: str, own: Mapping[str, Path]) -> Iterator[str]:
    if name and name not in _known_platforms():
        otherwise = "`socsim platforms list` shows what there is; `--platforms FILE` adds your own."
        hint = did_you_mean(name, {*_known_platforms(), *own}, otherwise)
        yield f"platform {shown(name)} is not known.{hint}"


def _file_faults(name: str, file: Path) -> Iterator[str]:
    if not file.is_file():
        yield f"workload {shown(name)}: no such file in {file.parent}; put it there, or name its folder with `--models`"


def _workload_faults(name: str) -> Iterator[str]:
    if name and not is_in_zoo(name) and name not in _undescribed_workloads():
        hint = did_you_mean(name, {*zoo(), *_undescribed_workloads()}, "`socsim workloads list` shows what there is.")
        yield f"workload {shown(name)} is not known.{hint}"


@cache
def _undescribed_workloads() -> frozenset[str]:
    return undescribed().language_models.union(undescribed().workloads)


@cache
def is_in_zoo(name: str) -> bool:
    """Whether a name is that of a network of the zoo, in whatever form."""
    try:
        return find(name) is not None
    except WorkloadError:  # a network that cannot take the form; its rows say why they are refused
        return True


def is_model_file(workload: str) -> bool:
    """Whether a workload is a file, and no network of the zoo."""
    return Path(workload).suffix in _MODEL_SUFFIXES
