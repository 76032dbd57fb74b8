"""Does `socsim validate energy` print groups and figures, take tables beside its own, and refuse bad ones?"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import socsim as ss

VALIDATION = Path(__file__).resolve().parents[2] / "validation"


@pytest.fixture(scope="module")
def rows():
    with (VALIDATION / "measurements.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def table(tmp_path, rows):
    """Write some of the rows, and return the file."""

    def write(chosen) -> Path:
        path = tmp_path / "some.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(chosen)
        return path

    return write


@pytest.fixture
def few(rows):
    """Four workloads of a microcontroller with their latencies, and some powers of a board."""
    tiny = [r for r in rows if (r["platform"], r["runtime"], r["runtime_version"]) == ("stm32l4r5", "x-cube-ai", "9.0")]
    board = [
        r for r in rows if r["platform"] == "bcm2711" and r["metric"] == "power" and "mobilenet_v2" in r["workload"]
    ]
    return [*tiny, *board[:8]]


def floors(tmp_path, text="bcm2711,2.84,W,mlcommons/inference_results_v2.0\n", name="idle_floors.csv") -> Path:
    path = tmp_path / name
    path.write_text("platform,value,unit_of_value,source_repo\n" + text, encoding="utf-8")
    return path


def test_the_document_has_groups_rows_and_coefficients(socsim, table, few, tmp_path):
    floors(tmp_path)
    code, out, err = socsim("validate", "energy", "--measurements", table(few), "--json")
    document = json.loads(out)
    assert (code, document["schema_version"]) == (0, "socsim.energy/1")
    assert err == ""
    (tiny,) = [g for g in document["groups"] if g["platform"] == "stm32l4r5"]
    assert (tiny["n"], tiny["workloads"], tiny["scored"]) == (4, 4, True)
    mine = [r for r in document["rows"] if r["platform"] == "stm32l4r5"]
    errors = [abs(r["error_measured_latency"]) for r in mine]
    assert tiny["mape_measured_latency"] == pytest.approx(sum(errors) / 4)
    for row in mine:
        assert row["error_measured_latency"] == pytest.approx(row["model_measured_latency"] / row["measured"] - 1)
        assert row["latency_is_measured"] is True
    named = [p["parameter"] for p in document["parameters"] if p["platform"] == "stm32l4r5"]
    assert named == ["running", "MAC"]
    assert document["totals"]["energy_per_inference"]["measured"]["median_mape"] == tiny["mape_measured_latency"]


def test_power_counts_above_the_floor_that_lies_beside_the_table(socsim, table, few, tmp_path):
    path = table(few)
    without = json.loads(socsim("validate", "energy", "--measurements", path, "--json")[1])
    assert {r["reason"] for r in without["rows"] if r["metric"] == "power"} == {
        "no idle power of the board is known: what the chip adds to it is not either"
    }
    given = floors(tmp_path, name="mine.csv")
    document = json.loads(socsim("validate", "energy", "--measurements", path, "--idle-floors", given, "--json")[1])
    powers = [r for r in document["rows"] if r["metric"] == "power"]
    assert powers
    assert all(r["idle_floor_w"] == 2.84 for r in powers)
    assert max(r["measured"] for r in powers) < 4


def test_the_text_names_totals_groups_and_with_verbose_each_row(socsim, table, few, tmp_path):
    floors(tmp_path)
    code, out, _ = socsim("validate", "energy", "--measurements", table(few), "-v")
    assert code == 0
    assert "energy per inference, with measured latencies: median MAPE of 1 group" in out
    assert "power above the idle floor" in out
    assert "mlperf_tiny_vww" in out
    assert "mlperf_tiny_vww" not in socsim("validate", "energy", "--measurements", table(few))[1]


def test_coefficients_are_saved_and_no_input_is_replaced(socsim, table, few, tmp_path):
    path, out = table(few), tmp_path / "energy.yaml"
    assert socsim("validate", "energy", "--measurements", path, "--save", out)[0] == 0
    assert "platform: stm32l4r5" in out.read_text(encoding="utf-8")
    code, _, err = socsim("validate", "energy", "--measurements", path, "--save", path)
    assert code == 3
    assert "is a file that this command reads" in err


def test_equal_tables_give_equal_bytes(socsim, table, few):
    path = table(few)
    assert socsim("validate", "energy", "--measurements", path, "--json") == socsim(
        "validate", "energy", "--measurements", path, "--json"
    )


def test_a_table_without_energies_says_so(socsim, table, rows):
    code, out, _ = socsim("validate", "energy", "--measurements", table([r for r in rows if r["metric"] == "ttft"][:2]))
    assert code == 0
    assert "no energy or power has a prediction" in out


def test_bad_tables_are_refused(socsim, table, few, tmp_path):
    path = table([few[0] | {"value": "-1"}, *few[1:]])
    code, out, err = socsim("validate", "energy", "--measurements", path)
    assert (code, out) == (3, "")
    assert "line 2: value" in err
    code, out, err = socsim("validate", "energy", "--measurements", path, "--skip-bad", "--json")
    assert code == 0
    assert json.loads(out)["skipped"] == ['line 2: value is "-1"; a measured figure is a number above 0']
    assert "left out: line 2" in err
    bad = floors(tmp_path, "nowhere,2,W,a\n", name="bad.csv")
    code, _, err = socsim("validate", "energy", "--measurements", table(few), "--idle-floors", bad)
    assert code == 3
    assert "row 1: platform" in err


@pytest.mark.parametrize("change", [{"measurements": 3}, {"idle_floors": 3}, {"busy_cores": ["a"]}])
def test_misuse_is_refused(table, few, change):
    with pytest.raises(ss.UsageError):
        ss.validate_energy(**({"measurements": table(few)} | change))
