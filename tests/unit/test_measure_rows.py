"""Tables that measuring writes: the shared columns, whole files, earlier rows kept to the byte."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from socsim.accuracy.table import read_measurements
from socsim.accuracy.vocabulary import COLUMNS, OPTIONAL, REQUIRED
from socsim.errors import MeasurementError
from socsim.measuring.campaign import Measured
from socsim.measuring.rows import earlier_text, table_text

ROW = {
    "platform": "rk3588", "unit": "cpu", "cluster": "all", "cores": "2", "runtime": "tflite-xnnpack",
    "runtime_version": "2.3.0", "workload": "mobilenet_v2", "input_shape": "1x3x224x224", "precision": "int8",
    "batch": "1", "metric": "latency", "value": "3.25", "unit_of_value": "ms", "board": "Board, Inc.",
    "recorded": "2026-11-20", "conditions": "runs=10; spread=0.010",
}  # fmt: skip
SHIPPED = Path(__file__).resolve().parents[2] / "validation" / "measurements.csv"


def test_the_columns_are_those_of_the_table_that_ships() -> None:
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == list(COLUMNS)
    assert sorted(COLUMNS) == sorted((*REQUIRED, *OPTIONAL))


def test_what_is_written_is_read_back(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    Measured((ROW, ROW | {"cores": "1", "value": "6.5"}), (), ()).to_csv(path)
    first, second = read_measurements(path).rows
    assert (first.platform, first.cores, first.value, first.board) == ("rk3588", 2, 3.25, "Board, Inc.")
    assert (second.cores, second.value, second.recorded) == (1, 6.5, "2026-11-20")


def test_appending_keeps_what_stands_there(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b'workload,platform,unit,"runtime",precision,batch,metric,value,unit_of_value,extra\r\n')
    with pytest.raises(MeasurementError, match=r"line 1 has no column cluster, cores, runtime_version, input_shape"):
        Measured((ROW,), (), ()).to_csv(path, append=True)
    header = ",".join(("extra", *reversed(COLUMNS)))
    path.write_text(f"{header}\n" + ",".join(["x"] * 20), encoding="utf-8")
    Measured((ROW,), (), ()).to_csv(path, append=True)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == [header, ",".join(["x"] * 20)]
    (row,) = [r for r in csv.DictReader(io.StringIO("\n".join(lines))) if r["extra"] != "x"]
    assert {name: row[name] for name in ROW} == ROW


def test_appending_to_nothing_writes_a_header(tmp_path) -> None:
    for name, content in (("absent.csv", None), ("empty.csv", "\n")):
        path = tmp_path / name
        if content is not None:
            path.write_text(content, encoding="utf-8")
        Measured((ROW,), (), ()).to_csv(path, append=True)
        assert path.read_text(encoding="utf-8") == table_text([ROW])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "cannot be read: .*UTF-8"), (b'"a,b\n', r"line 1 is not CSV: .*; mend the quotes")],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, message) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(MeasurementError, match=message):
        earlier_text(path)


def test_no_rows_are_no_table(tmp_path) -> None:
    with pytest.raises(MeasurementError, match="nothing to write, no model was measured"):
        Measured((), ("a fault",), ()).to_csv(tmp_path / "mine.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_cell_is_no_formula(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    Measured((ROW | {"board": "=1+1"},), (), ()).to_csv(path)
    assert ",'=1+1," in path.read_text(encoding="utf-8")
