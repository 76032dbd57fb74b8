"""Does `socsim calibrate` fit a table, write a file that runs read, and refuse what it cannot fit?"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import socsim as ss

MEASUREMENTS = Path(__file__).resolve().parents[2] / "validation" / "measurements.csv"
NETWORK = "mobilenet_v1_0.25_224"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with MEASUREMENTS.open(encoding="utf-8", newline="") as file:
        found = [r for r in csv.DictReader(file) if (r["platform"], r["runtime"]) == ("imx93", "tflite-xnnpack")]
    return [row for row in found if row["metric"] == "latency"]


@pytest.fixture
def table(tmp_path, rows) -> Path:
    return write(tmp_path / "mine.csv", rows)


def write(path: Path, rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_fit_is_written_and_read_by_runs(socsim, table, tmp_path):
    out = tmp_path / "fit.yaml"
    code, printed, err = socsim("calibrate", "--measurements", table, "-p", "imx93", "--out", out, "--quiet")
    assert (code, err) == (0, "")
    assert "networks left out of the fit" in printed
    assert "dense" in printed
    run = ["run", NETWORK, "-p", "imx93", "--unit", "cpu", "--runtime", "tflite-xnnpack", "--json", "--quiet"]
    code, printed, _ = socsim(*run, "--calibration", out)
    record = json.loads(printed)
    assert code == 0
    assert record["calibrated"] is True
    assert "imx93 cpu" in record["calibration"]
    assert 0 < record["calibration_error"] < 1


def test_the_same_table_gives_the_same_bytes(socsim, table, tmp_path):
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for file in files:
        assert socsim("calibrate", "--measurements", table, "-p", "imx93", "--out", file, "--quiet")[0] == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_fit_is_nearer_than_no_fit(rows, tmp_path):
    table = write(tmp_path / "mine.csv", rows)
    found = ss.calibrate("imx93", "cpu", "tflite-xnnpack", measurements=table)
    fit = found.calibration.groups[0]
    plain = ss.validate(table, calibration="none").groups.to_pandas()["mape"].iloc[0]
    fitted = abs(fit.times / fit.group.measured - 1).mean()
    assert fitted < plain / 2
    own = found.parameters.to_pandas().query("own")
    assert 1 <= len(own) <= 6


def test_a_calibration_beside_an_own_platform_is_found(table, tmp_path):
    platform = ss.platform("imx93")
    own = tmp_path / "board.yaml"
    own.write_text(Path(platform.document.where).read_text().replace("name: imx93", "name: board"))
    text = table.read_text().replace("imx93,", "board,")
    table.write_text(text)
    ss.calibrate(own, "cpu", measurements=table).save(tmp_path / "board.calibration.yaml")
    rows = ss.validate(table, platforms=[own]).rows
    assert all(row["calibrated"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["-p", "rk3588"], 3, "nothing to fit"),
        (["-p", "imx93", "--unit", "npu"], 3, "nothing to fit"),
        (["-p", "imx94"], 2, "imx94"),
    ],
)
def test_what_cannot_be_fitted_is_refused(socsim, table, tmp_path, arguments, code, text):
    out = tmp_path / "fit.yaml"
    found, printed, err = socsim("calibrate", "--measurements", table, *arguments, "--out", out, "--quiet")
    assert (found, printed) == (code, "")
    assert text in err
    assert not out.exists()


def test_faults_of_the_table_are_listed_with_their_lines(socsim, rows, tmp_path):
    bad = write(tmp_path / "bad.csv", [rows[0] | {"value": "-3"}, rows[1] | {"unit": "brain"}, *rows[2:]])
    code, _, err = socsim("calibrate", "--measurements", bad, "-p", "imx93", "--out", tmp_path / "fit.yaml")
    assert code == 3
    assert "line 2" in err
    assert "line 3" in err
    code, printed, _ = socsim(
        "calibrate", "--measurements", bad, "-p", "imx93", "--out", tmp_path / "fit.yaml", "--skip-bad", "--quiet"
    )
    assert code == 0
    assert "networks" in printed


def test_the_table_itself_is_not_overwritten(socsim, table):
    before = table.read_bytes()
    code, _, err = socsim("calibrate", "--measurements", table, "-p", "imx93", "--out", table)
    assert code == 3
    assert "--out" in err
    assert table.read_bytes() == before


def test_cross_validation_of_a_table(socsim, table):
    code, printed, err = socsim("validate", "timing", "--measurements", table, "--cross-validate", "--json", "--quiet")
    assert (code, err) == (0, "")
    found = json.loads(printed)["cross_validation"]
    assert set(found["totals"]["mape"]) >= {"uncalibrated", "fitted", "workload_out", "family_out", "additive_out"}
    group = found["groups"][0]
    assert group["workloads"] == len({figure["workload"] for figure in group["figures"]})
    assert group["scores"]["fitted"]["mape"] <= group["scores"]["workload_out"]["mape"]
    code, printed, _ = socsim("validate", "timing", "--measurements", table, "--cross-validate", "--quiet")
    assert code == 0
    assert "family out" in printed
