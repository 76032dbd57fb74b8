"""Does `socsim measure` write a table that `validate timing` predicts, and `platforms host` a platform for it?"""

from __future__ import annotations

import csv
import json
import platform as this
from importlib.util import find_spec
from pathlib import Path

import pytest

from socsim.accuracy.vocabulary import COLUMNS

WORKLOADS = Path(__file__).resolve().parents[2] / "workloads"
IC = WORKLOADS / "mlperf_tiny_ic_resnet8_int8.tflite"
KWS = WORKLOADS / "mlperf_tiny_kws_dscnn_int8.tflite"
QUICK = ("--repeats", "2", "--seconds", "0.01", "--recorded", "2026-11-20", "--platform", "mine")

pytestmark = pytest.mark.skipif(
    not (find_spec("ai_edge_litert") and find_spec("onnxruntime")), reason="the extra socsim[measure] is not installed"
)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def onnx_file(tmp_path) -> Path:
    """A convolution whose rows and columns the file leaves open."""
    np = pytest.importorskip("numpy")
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), "w")],
    )
    path = tmp_path / "conv.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    return path


@pytest.mark.skipif(this.system() != "Linux", reason="the machine describes itself on Linux alone")
def test_from_models_to_predictions(socsim, tmp_path, onnx_file) -> None:
    out, host = tmp_path / "mine.csv", tmp_path / "host.yaml"
    shape = ("--shape", "x=1x3x40x40")
    code, shown, _ = socsim("measure", IC, KWS, "--threads", "1,2", "--out", out, *QUICK)
    assert code == 0
    assert "mlperf_tiny_kws" in shown
    code, _, _ = socsim("measure", onnx_file, "--out", out, "--append", *shape, *QUICK)
    assert code == 0
    rows = read(out)
    assert list(rows[0]) == list(COLUMNS)
    assert [(r["workload"], r["runtime"], r["cores"]) for r in rows] == [
        ("mlperf_tiny_ic", "tflite-xnnpack", "1"),
        ("mlperf_tiny_ic", "tflite-xnnpack", "2"),
        ("mlperf_tiny_kws", "tflite-xnnpack", "1"),
        ("mlperf_tiny_kws", "tflite-xnnpack", "2"),
        ("conv.onnx", "onnxruntime", "1"),
    ]
    assert {(r["platform"], r["recorded"], r["unit"]) for r in rows} == {("mine", "2026-11-20", "cpu")}
    assert rows[-1]["input_shape"] == "1x3x40x40"
    assert socsim("platforms", "host", "--name", "mine", "--out", host, "--no-measuring")[0] == 0
    code, document, err = socsim("validate", "timing", "--measurements", out, "--platforms", host, "--json", "--quiet")
    assert (code, err) == (0, "")
    predicted = [row["predicted"] for row in json.loads(document)["rows"]]
    assert all(value > 0 for value in predicted[:4])


@pytest.mark.skipif(this.system() != "Linux", reason="the machine describes itself on Linux alone")
def test_the_description_goes_to_standard_output(socsim, tmp_path) -> None:
    code, out, err = socsim("platforms", "host", "--name", "mine", "--no-measuring")
    assert (code, err) == (0, "")
    path = tmp_path / "mine.yaml"
    path.write_text(out, encoding="utf-8")
    assert socsim("platforms", "check", path)[0] == 0


def test_a_model_that_the_software_refuses_does_not_lose_the_others(socsim, tmp_path, models) -> None:
    out = tmp_path / "mine.csv"
    bad = models / "tflm_person_detect_int8.tflite"  # LiteRT refuses a dimension that it never uses
    code, shown, err = socsim("measure", bad, IC, "--out", out, *QUICK)
    assert code == 1
    assert [row["workload"] for row in read(out)] == ["mlperf_tiny_ic"]
    assert "error: tflm_person_detect_int8.tflite in tflite-xnnpack, 1 thread: ValueError: " in err
    assert "mlperf_tiny_ic" in shown


def test_nothing_is_written_where_nothing_was_measured(socsim, tmp_path, models) -> None:
    out = tmp_path / "mine.csv"
    code, shown, err = socsim("measure", models / "tflm_person_detect_int8.tflite", "--out", out, *QUICK)
    assert (code, shown, out.exists()) == (1, "", False)
    assert "quantized_dimension" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("resnet50",), 2, "resnet50: a network of the zoo has no weights to run"),
        ((IC, "--runtime", "onnxruntime"), 2, "runs in none of onnxruntime"),
        ((IC, "--threads", "two"), 2, "--threads 'two': write whole numbers with commas"),
        ((IC, "--platform", "My Board"), 2, "platform is 'My Board'"),
        ((IC, KWS, "--name", "resnet50"), 2, "a name for one model alone"),
        ((IC, "--recorded", "yesterday"), 2, "a date such as 2026-11-20"),
    ],
)
def test_wrong_use_is_refused_before_anything_runs(socsim, tmp_path, monkeypatch, arguments, code, message) -> None:
    monkeypatch.setattr("socsim.measuring.campaign.measure", lambda job: pytest.fail("was measured"))
    found, _, err = socsim("measure", *arguments, "--out", tmp_path / "mine.csv")
    assert found == code
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_added_to_is_refused_first(socsim, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("socsim.measuring.campaign.measure", lambda job: pytest.fail("was measured"))
    out = tmp_path / "mine.csv"
    out.write_text("platform,value\n", encoding="utf-8")
    code, _, err = socsim("measure", IC, "--out", out, "--append", *QUICK)
    assert code == 3
    assert "mine.csv: line 1 has no column unit, cluster" in err
    assert out.read_text() == "platform,value\n"


def test_the_model_is_never_overwritten(socsim, tmp_path) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(IC.read_bytes())
    code, _, err = socsim("measure", model, "--out", model, *QUICK)
    assert code == 3
    assert "is a file that this command reads" in err
    assert model.read_bytes() == IC.read_bytes()
