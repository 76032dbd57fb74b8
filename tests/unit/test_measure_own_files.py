"""Tables about platforms and networks that do not ship: files that the user names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import socsim as ss
from socsim.accuracy.cases import platform_of, question
from socsim.accuracy.own_files import own_platforms
from socsim.accuracy.predictions import predict
from socsim.accuracy.table import read_measurements
from socsim.errors import MeasurementError, PlatformError, UsageError

ROOT = Path(__file__).resolve().parents[2]
HEADER = "platform,unit,cores,runtime,workload,precision,batch,metric,value,unit_of_value"
MINE = "schema: socsim.platform/1\nname: {name}\ntitle: Mine\nbased_on: bcm2712\n{more}"


@pytest.fixture
def own(tmp_path):
    """Write a platform of one's own."""

    def make(name="mine", file="board.yaml", more="") -> Path:
        path = tmp_path / file
        path.write_text(MINE.format(name=name, more=more), encoding="utf-8")
        return path

    return make


@pytest.fixture
def table(tmp_path):
    """Write a table of rows, each of a platform and a workload."""

    def make(*pairs) -> Path:
        path = tmp_path / "table.csv"
        rows = [f"{platform},cpu,1,tflite-xnnpack,{work},int8,1,latency,2,ms" for platform, work in pairs]
        path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
        return path

    return make


# --- platforms ----------------------------------------------------------------------------------------


def test_a_platform_is_found_by_the_name_that_its_file_gives(own, table) -> None:
    result = ss.validate(table(("mine", "mobilenet_v2")), platforms=[own()], calibration="none")
    (row,) = result.rows
    shipped = ss.validate(table(("bcm2712", "mobilenet_v2")), calibration="none").rows
    assert row["platform"] == "mine"
    assert row["predicted"] == next(iter(shipped))["predicted"] > 0


def test_a_folder_of_platforms(own, tmp_path) -> None:
    folder = tmp_path / "boards"
    folder.mkdir()
    own("one", "boards/a.yaml")
    own("two", "boards/b.yml")
    (folder / "notes.txt").write_text("no platform")
    (folder / "a.calibration.yaml").write_text("what was fitted to a")
    assert own_platforms([folder]) == {"one": folder / "a.yaml", "two": folder / "b.yml"}


def test_ones_own_platform_stands_for_one_that_ships(own, table) -> None:
    path = own("bcm2711", more="units: {cpu: {clock: 100 MHz}}\n")
    slow = next(iter(ss.validate(table(("bcm2711", "mobilenet_v2")), platforms=[path]).rows))
    usual = next(iter(ss.validate(table(("bcm2711", "mobilenet_v2"))).rows))
    assert slow["predicted"] > 2 * usual["predicted"]


def test_a_file_that_changed_is_read_again(own) -> None:
    path = own()
    assert platform_of(str(path)).file.title == "Mine"
    path.write_text(path.read_text().replace("title: Mine", "title: Another"), encoding="utf-8")
    assert platform_of(str(path)).file.title == "Another"


def test_wrong_files_are_refused(own, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml: no such platform file; give a \.yaml file, or a folder"):
        own_platforms([tmp_path / "absent.yaml"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: holds no platform"):
        own_platforms([tmp_path / "empty"])
    with pytest.raises(UsageError, match=r"platform 'mine' is described twice, in .*board\.yaml and .*other\.yaml"):
        own_platforms([own(), own(file="other.yaml")])
    with pytest.raises(PlatformError, match=r"bad\.yaml"):
        own_platforms([own(file="bad.yaml", more="units: 3\n")])


def test_an_unknown_platform_says_how_to_add_one(table) -> None:
    with pytest.raises(MeasurementError, match=r'platform "zzzz" is not known.*`--platforms FILE` adds your own'):
        read_measurements(table(("zzzz", "mobilenet_v2")))


# --- networks -----------------------------------------------------------------------------------------


def test_a_workload_may_be_a_file_beside_the_table(table, tmp_path) -> None:
    shutil.copy(ROOT / "workloads" / "mlperf_tiny_kws_dscnn_int8.tflite", tmp_path / "net.tflite")
    file, name = ss.validate(table(("bcm2711", "net.tflite"), ("bcm2711", "mlperf_tiny_kws"))).rows
    assert file["workload"] == "net.tflite"
    assert file["predicted"] == name["predicted"] > 0


def test_a_file_is_costed_in_its_own_types(table, models) -> None:
    """Whatever the column says: the very file was measured."""
    row = read_measurements(table(("bcm2711", "tinyengine_mcunet_vww_int8.tflite")), models=models).rows[0]
    case = question(row).case
    expected = ss.run(models / row.workload, "bcm2711", cores=1, runtime="tflite-xnnpack", calibration="none")
    assert predict([case], calibrated=False)[case].latency_ps == expected.latency_ps


def test_files_may_lie_in_another_folder(table, tmp_path) -> None:
    path = table(("bcm2711", "ncnn/alexnet.param"))
    assert next(iter(ss.validate(path, models=ROOT / "workloads").rows))["predicted"] > 0
    with pytest.raises(MeasurementError, match=r'line 2: workload "ncnn/alexnet.param": no such file in .*`--models`'):
        ss.validate(path)


def test_a_file_that_cannot_be_imported_has_a_reason(table, tmp_path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no model")
    (row,) = ss.validate(table(("bcm2711", "net.onnx"))).rows
    assert row["predicted"] is None
    assert "net.onnx" in row["reason"]
