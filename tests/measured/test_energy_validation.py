"""Energy and power of real boards: each workload by a fit that has not seen it, within error budgets.

The budgets are what the models reached when they were written, with room for small changes elsewhere; what exceeds
them has become worse. Shares of 1, with measured latencies unless a name says otherwise.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

import pytest

import socsim as ss
from socsim.soc import board_energy
from socsim.soc.board_energy import board_energy_file

VALIDATION = Path(__file__).resolve().parents[2] / "validation"
TABLE = VALIDATION / "measurements.csv"

ENERGY_METRIC = "energy_per_inference"
MEDIANS = {
    ("energy_per_inference", "measured"): 0.04, ("energy_per_inference", "predicted"): 0.20,
    ("power", "measured"): 0.07, ("power", "predicted"): 0.09,
}  # fmt: skip
ENERGY = {
    ("bcm2711", "armnn-neon"): 0.03, ("bcm2711", "tflite-ruy"): 0.035, ("orin-agx", "armnn-neon"): 0.04,
    ("orin-agx", "tflite-ruy"): 0.025, ("orin-agx", "tflite-xnnpack"): 0.10, ("stm32l4r5", "x-cube-ai"): 0.02,
    ("stm32l4r5", "onnc"): 0.025, ("stm32l4r5", "microtvm"): 0.03, ("rx65n", "unknown"): 0.045,
    ("efr32mg24b310f1536im48", "tflm"): 0.055, ("gap9", "unknown"): 0.17,
}  # fmt: skip
POWER = {
    ("bcm2711", "armnn-neon"): 0.06, ("bcm2711", "tflite-ruy"): 0.06, ("orin-agx", "armnn-neon"): 0.08,
    ("orin-agx", "tflite-ruy"): 0.04, ("orin-agx", "tflite-xnnpack"): 0.32,
}  # fmt: skip
BUSY_CORES = {
    ("sm8150", "big"): 0.20, ("sm8150", "little"): 0.25, ("sm7250", "big"): 0.12, ("sm7250", "little"): 0.55,
    ("sm8350", "prime"): 0.08, ("sm8350", "big"): 0.15,
}  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return ss.validate_energy(TABLE)


@pytest.fixture(scope="module")
def groups(found):
    return {(g["platform"], g["runtime"], g["metric"]): g for g in found.groups if g["scored"]}


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "time"), MEDIANS)
def test_the_median_group_is_within_its_budget(found, metric, time):
    assert found.comparison.totals(metric, time).mape <= MEDIANS[metric, time]


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "time"), [
    ("energy_per_inference", "measured"), ("power", "measured"), ("power", "predicted"),
])  # fmt: skip
def test_the_median_group_is_a_third_better_than_constant_power(found, metric, time):
    assert found.comparison.totals(metric, time).improvement >= 1 / 3


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "budgets"), [("energy_per_inference", ENERGY), ("power", POWER)])
def test_each_group_is_within_its_budget(groups, metric, budgets):
    scored = {key[:2]: group["mape_measured_latency"] for key, group in groups.items() if key[2] == metric}
    assert scored.keys() == budgets.keys()
    assert {key: mape for key, mape in scored.items() if mape > budgets[key]} == {}


@pytest.mark.slow
def test_groups_have_no_more_parameters_than_their_workloads_allow(found, groups):
    free: dict[tuple[str, str, str], int] = {}
    for row in found.parameters:
        assert row["low"] <= row["value"] <= row["high"]
        free[row["platform"], row["runtime"], row["metric"]] = row["fitted"] + free.get(
            (row["platform"], row["runtime"], row["metric"]), 0
        )
    for key, group in groups.items():
        assert free[key] <= (2 if group["workloads"] <= 4 else min(6, group["workloads"] // 3))


@pytest.mark.slow
def test_the_static_part_of_a_board_is_not_below_what_it_draws_idle(found):
    """Within the uncertainty of a floor that was read from quiet seconds of logs."""
    for row in found.parameters:
        if row["metric"] == "energy_per_inference" and row["parameter"] == "static":
            assert row["value"] > 0.85


@pytest.mark.slow
def test_busy_cores_are_within_their_budgets(found):
    errors: dict[tuple[str, str], list[float]] = {}
    for row in found.busy_cores:
        errors.setdefault((row["platform"], row["cluster"]), []).append(abs(row["error"]))
    assert {key: fmean(errors[key]) for key, most in BUSY_CORES.items() if fmean(errors[key]) > most} == {}


@pytest.mark.slow
def test_power_of_a_big_core_falls_with_its_operating_point_as_measured(found):
    """Frequency and voltage alone, from the fastest point down to a third of its clock: seven times less power."""
    points = [r for r in found.busy_cores if (r["platform"], r["cluster"]) == ("sm8150", "big")]
    measured, predicted = ([r[name] for r in points] for name in ("measured_mw", "predicted_mw"))
    assert measured[-1] / measured[0] > 5
    assert predicted[-1] / predicted[0] == pytest.approx(measured[-1] / measured[0], rel=0.4)


@pytest.mark.slow
def test_what_predictions_use_was_fitted_to_this_table(found):
    """Within a tenth of the static power, since cost models move on between fits."""
    shipped = {(g.platform, g.unit, g.cluster, g.runtime): g for g in board_energy_file().groups}
    fitted = {
        tuple(row[name] or "" for name in ("platform", "unit", "cluster", "runtime")): row["quantity"]
        for row in found.parameters
        if row["metric"] == "energy_per_inference" and row["parameter"] in {"static", "running"}
    }
    assert shipped.keys() == fitted.keys()
    for key, watts in fitted.items():
        assert shipped[key].static_w == pytest.approx(watts, rel=0.1)


@pytest.mark.slow
def test_the_coefficients_are_written_as_they_are_read(found, tmp_path, monkeypatch):
    folder = tmp_path / "boards"
    folder.mkdir()
    (folder / "energy.yaml").write_text(found.to_yaml(), encoding="utf-8")
    monkeypatch.setattr(board_energy, "data_folder", lambda _: tmp_path)
    read = board_energy_file.__wrapped__()
    assert len(read.groups) == len({g.key for g in found.comparison.groups if g.rows and g.key.metric == ENERGY_METRIC})
    assert read.idle_w.keys() == {"bcm2711", "orin-agx", "rk3588", "xavier"}


@pytest.mark.parametrize("name", ["idle_floors.csv", "busy_cores.csv"])
def test_every_row_names_its_source(name):
    rows = list(csv.DictReader((VALIDATION / name).read_text(encoding="utf-8").splitlines()))
    assert rows
    assert all(r["source_repo"] and r["source_path"] and len(r["source_commit"]) == 40 for r in rows)


@pytest.mark.parametrize(("name", "tables"), [
    ("idle_floors.csv", ["mlperf_idle_floor"]), ("busy_cores.csv", ["freqbench", "geerlingguy_sbc_reviews"]),
])  # fmt: skip
def test_the_rows_are_those_of_their_sources(shared, name, tables):
    known = set()
    for table in tables:
        path = shared / "measurements" / "raw" / f"{table}.csv"
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            known.add((row["source_repo"], row["source_path"], row["device"], row["value"]))
    for row in csv.DictReader((VALIDATION / name).read_text(encoding="utf-8").splitlines()):
        words = row["conditions"].split()
        value = words[words.index("cores:") + 1] if "stress-ng" in words else row["value"]
        assert (row["source_repo"], row["source_path"], row["board"], value) in known
