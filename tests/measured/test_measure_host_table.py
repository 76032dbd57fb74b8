"""The table of one machine and its platform file: whole, accounted for, and predicted in the right order."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import socsim as ss
from socsim.measuring.rows import FILLED
from socsim.soc.loader import load_platform
from socsim.soc.provenance import provenance

VALIDATION = Path(__file__).resolve().parents[2] / "validation"
TABLE, HOST = VALIDATION / "host_measurements.csv", VALIDATION / "host.yaml"
FEWEST_MODELS = 12


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_models_of_both_formats_and_all_its_cells(rows) -> None:
    assert len({row["conditions"].partition(";")[0] for row in rows}) >= FEWEST_MODELS
    assert {"tflite-xnnpack", "onnxruntime"} <= {row["runtime"] for row in rows}
    assert {"int8", "uint8", "fp32"} <= {row["precision"] for row in rows}
    assert [(row["workload"], name) for row in rows for name in FILLED if not row[name]] == []
    assert {row["platform"] for row in rows} == {"x86-host"}


def test_the_platform_accounts_for_its_numbers() -> None:
    host = load_platform(HOST)
    assert host.name == "x86-host"
    assert [row.path for row in provenance(host) if row.assumed == "no source given"] == []
    assert "avx2" in host.unit("cpu").isa


def test_every_row_is_predicted_and_networks_come_in_order(models) -> None:
    found = ss.validate(TABLE, platforms=[HOST], models=models)
    assert [(row["line"], row["reason"]) for row in found.rows if row["predicted"] is None] == []
    xnnpack = next(g for g in found.groups if g["runtime"] == "tflite-xnnpack")
    assert xnnpack["spearman"] > 0.8
