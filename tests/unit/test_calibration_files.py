"""Are calibrations written so that runs find them: the platform's own, its clusters', its relatives'?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import socsim as ss
from socsim.cost.corrections import Correction, correction_for
from socsim.cost.families import KernelClass
from socsim.errors import PlatformError, UsageError
from socsim.soc.calibrations import calibrated_groups, calibration_path, pool_of, pools, prefixes
from socsim.soc.description import describe, description_json
from socsim.soc.library import platform_names
from socsim.soc.runtimes import runtime

KWS = "mlperf_tiny_kws"
LIBRARY = Path(__file__).resolve().parents[2] / "platforms"
FILE = """schema: socsim.calibration/1
platform: {platform}
measurements: mine.csv
sha256: "{sha}"
recorded: "2026-01-01"
groups:
"""
GROUP = """  - unit: cpu
    cluster: "{cluster}"
    runtime: tflite-xnnpack
    kind: cpu
    workloads: 9
    targets: 9
    rows: "2-10"
    error: 0.1
    values:
      dense: {dense}
    uncertainty:
      dense: 0.1
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a calibration of an RK3588 for some clusters, and returns its file."""

    def written(clusters: dict[str, float], platform: str = "rk3588") -> Path:
        groups = "".join(GROUP.format(cluster=name, dense=dense) for name, dense in clusters.items())
        file = tmp_path / "mine.yaml"
        file.write_text(FILE.format(platform=platform, sha="0" * 64) + groups)
        return file

    return written


def test_every_file_of_the_library_belongs_to_a_platform_and_can_be_read():
    names = {path.stem for path in (LIBRARY / "calibrations").glob("*.yaml")} - {"pools"}
    assert names <= set(platform_names())
    assert len(names) >= 40
    for name in names:
        assert all(0 < group.workloads <= group.targets for group in calibrated_groups(ss.platform(name)))
    assert len(pools()) >= 20


def test_a_run_says_what_its_calibration_was_fitted_to():
    own = ss.run(KWS, "rk3588", unit="npu").record
    assert own.calibrated
    assert own.calibration_error
    assert "rk3588 npu, rknn" in own.calibration
    assert "calibrated, mean error" in ss.run(KWS, "rk3588", unit="npu").summary()
    relative = ss.run(KWS, "rk3576", unit="npu").record
    assert not relative.calibrated
    assert "other chips with rknn" in relative.calibration
    assert any("not measured here" in line for line in relative.warnings)
    none = ss.run(KWS, "rk3588", unit="npu", calibration="none").record
    assert none.calibration is None
    assert any("uncalibrated" in line for line in none.warnings)


def test_a_calibration_changes_times_and_no_bytes():
    plain, fitted = (ss.run(KWS, "rk3588", unit="npu", calibration=c).record for c in ("none", "auto"))
    assert plain.latency_ps != fitted.latency_ps
    assert [m.read_bytes for m in plain.memories] == [m.read_bytes for m in fitted.memories]
    assert any("calibration (" in term for e in fitted.explanations for term in e.terms)


@pytest.mark.parametrize(
    ("clusters", "asked", "dense"),
    [({"big": 2.0, "all": 3.0, "": 4.0}, "big", 2.0), ({"all": 3.0, "": 4.0}, "big", 3.0), ({"": 4.0}, "big", 4.0)],
)
def test_the_cluster_itself_comes_first_then_all_then_a_silent_one(write, clusters, asked, dense):
    found = correction_for(ss.platform("rk3588"), "cpu", asked, runtime("tflite-xnnpack"), write(clusters))
    assert dict(found.values) == {"dense": dense}


def test_a_slower_factor_makes_slower_runs(write):
    def latency(dense):
        return ss.run(
            KWS, "rk3588", unit="cpu", runtime="tflite-xnnpack", calibration=write({"": dense})
        ).record.latency_ps

    assert latency(1.0) < latency(2.0) < latency(4.0)


def test_a_file_without_the_unit_and_runtime_is_refused(write):
    with pytest.raises(UsageError, match="holds no fit of a npu with 'rknn'"):
        ss.run(KWS, "rk3588", unit="npu", calibration=write({"": 1.0}))


def test_a_missing_file_and_a_wrong_word_are_refused(tmp_path):
    with pytest.raises(PlatformError, match="no such calibration file"):
        ss.run(KWS, "rk3588", unit="npu", calibration=tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="calibration"):
        ss.run(KWS, "rk3588", calibration=3)


def test_all_faults_of_a_file_are_listed_with_their_lines(write):
    file = write({"": 1.0})
    file.write_text(file.read_text().replace("workloads: 9", "workloads: many").replace("unit: cpu", "unit: brain"))
    with pytest.raises(PlatformError) as caught:
        ss.run(KWS, "rk3588", unit="cpu", runtime="tflite-xnnpack", calibration=file)
    assert "mine.yaml:7" in str(caught.value)
    assert "mine.yaml:11" in str(caught.value)


def test_values_that_no_parameter_may_have_are_all_named(write):
    file = write({"": 1.0})
    file.write_text(file.read_text().replace("      dense: 1.0", "      dens: 1.0\n      dense: -2.0"))
    with pytest.raises(PlatformError) as caught:
        ss.run(KWS, "rk3588", unit="cpu", runtime="tflite-xnnpack", calibration=file)
    assert "no parameter 'dens' of a cpu. Did you mean 'dense'?" in str(caught.value)
    assert "dense is -2; give a number above 0" in str(caught.value)


def test_a_kind_of_unit_that_does_not_exist_is_refused(write):
    file = write({"": 1.0})
    file.write_text(file.read_text().replace("kind: cpu", "kind: brain"))
    with pytest.raises(PlatformError, match=r"mine\.yaml:10: groups\[0\]\.kind"):
        ss.run(KWS, "rk3588", unit="cpu", runtime="tflite-xnnpack", calibration=file)


def test_a_file_beside_a_platform_is_found(write, tmp_path):
    own = tmp_path / "board.yaml"
    shutil.copy(LIBRARY / "rk3588.yaml", own)
    text = own.read_text().replace("name: rk3588", "name: board")
    own.write_text(text)
    soc = ss.platform(own)
    assert calibration_path(soc) == tmp_path / "board.calibration.yaml"
    assert calibrated_groups(soc) == ()
    shutil.copy(write({"": 2.0}, "board"), calibration_path(soc))
    run = ss.run(KWS, soc, unit="cpu", runtime="tflite-xnnpack").record
    assert run.calibrated
    assert "board" in run.calibration


def test_relatives_are_found_by_the_longest_path():
    pool = pool_of("cpu", runtime("ncnn"))
    longest = max(pool.relatives, key=len)
    assert pool.for_design(longest) == pool.values | pool.relatives[longest]
    assert pool.for_design(f"{longest}/next") == pool.for_design(longest)
    assert pool.for_design("unheard/of") == pool.values
    assert prefixes("a/b/c") == ["a", "a/b", "a/b/c"]


def test_runtimes_with_the_same_kernels_share_a_pool():
    assert runtime("tflite-qnn").pool == runtime("qnn-htp").pool == "qnn-htp"


def test_factors_multiply_over_the_classes_that_they_hold_for():
    found = Correction.of("cpu", {"dense": 2.0, "conv3x3": 3.0, "vector": 5.0, "cores": 0.5, "elsewhere": 7.0}, "")
    assert found.compute(KernelClass("conv3x3", "float", True), 4) == pytest.approx(2 * 3 * 2)
    assert found.compute(KernelClass("pool", "float", True), 1) == pytest.approx(5)
    assert found.compute(KernelClass("pool", "float", False), 4) == pytest.approx(7)
    assert found.ports == found.setup == 1.0
    assert found.operator_ps(1234, 10**9) == 1234


def test_a_platform_shows_its_accuracy_card():
    card = [line for line in describe(ss.platform("rk3588")).splitlines() if line.startswith("accuracy")]
    assert any("npu" in line and "mean error for networks left out" in line for line in card)
    assert "not validated" in describe(ss.platform("rk3562"))
    assert json.loads(description_json(ss.platform("rk3588"), [], []))["accuracy"][0]["error"] > 0
