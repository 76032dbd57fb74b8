"""The measurements that ship: every row has a source, and nearly all of them are predicted."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import socsim as ss
from socsim.accuracy.predictions import INTERNAL_ERROR
from socsim.accuracy.table import read_measurements

TABLE = Path(__file__).resolve().parents[2] / "validation" / "measurements.csv"


def test_every_row_names_its_source() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 4000
    for row in rows:
        assert row["source_repo"]
        assert row["source_path"]
        assert len(row["source_commit"]) in {0, 40}


def test_the_table_has_no_faults() -> None:
    assert read_measurements(TABLE).faults == ()


@pytest.mark.slow
def test_nine_rows_of_ten_are_predicted_and_the_others_say_why() -> None:
    found = ss.validate(TABLE, processes=2)
    assert found.coverage is not None
    assert found.coverage >= 0.9
    assert all((row["predicted"] is None) == (row["reason"] is not None) for row in found.rows)
    assert [row["reason"] for row in found.rows if (row["reason"] or "").startswith(INTERNAL_ERROR)] == []


@pytest.mark.slow
def test_several_processes_give_the_same_document(tmp_path) -> None:
    lines = TABLE.read_text(encoding="utf-8").splitlines(keepends=True)
    some = tmp_path / "some.csv"
    some.write_text("".join([lines[0], *(line for line in lines if line.startswith(("bcm2711,cpu,all", "imx")))]))
    assert ss.validate(some, processes=2).to_json() == ss.validate(some).to_json()
