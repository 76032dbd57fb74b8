"""The measurements that ship: every row has a source and can be compared."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "validation"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("first_look", FOLDER / "first_look.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(script):
    with script.TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_names_its_source(rows) -> None:
    assert rows
    for row in rows:
        assert None not in row.values()
        assert all(row[column] for column in ("source_repo", "source_path", "source_commit"))
        assert len(row["source_commit"]) == 40


def test_every_row_can_be_compared(script, rows) -> None:
    assert [row for row in rows if not script.usable(row)] == []


def test_no_row_stands_twice(rows) -> None:
    kept = [tuple(row.values()) for row in rows]
    assert len(kept) == len(set(kept))


def test_a_ratio_is_predicted_over_measured(script, rows) -> None:
    row = next(r for r in rows if (r["platform"], r["unit"]) == ("rk3588", "npu"))
    assert script.ratio({**row, "value": str(2 * float(row["value"]))}) == pytest.approx(script.ratio(row) / 2)
