"""Does the command line print what it promises, where it promises, with the exit code that it promises?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from socsim.cli import main

KWS = ["run", "mlperf_tiny_kws", "--platform", "rk3588"]


@pytest.fixture
def socsim(monkeypatch, capsys):
    """Run the command line in this process; return exit code, stdout and stderr."""

    def invoke(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["socsim", *args])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return invoke


def test_run_prints_the_summary_on_stdout_and_nothing_on_stderr(socsim):
    code, out, err = socsim(*KWS)
    assert code == 0
    assert "latency" in out
    assert "2.657 M MACs" in out
    assert err == ""


def test_run_json_is_one_document_with_schema_version(socsim):
    code, out, err = socsim(*KWS, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == "socsim.run/1"
    assert {"latency_ps", "energy_pj", "units", "links", "memories", "operators"} <= set(document)
    assert len(document["operators"]) == 13
    assert "warning" in err  # the document on stdout stays clean


def test_quiet_silences_warnings(socsim):
    assert socsim(*KWS, "--json", "--quiet")[2] == ""


def test_run_writes_the_files_that_were_asked_for_and_no_others(socsim, tmp_path):
    names = {"--trace": "t.pftrace", "--report": "r.html", "--csv": "o.csv"}
    options = [text for flag, name in names.items() for text in (flag, str(tmp_path / name))]
    assert socsim(*KWS, *options)[0] == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "r.html", "t.pftrace"]
    assert all(p.stat().st_size > 500 for p in tmp_path.iterdir())


def test_an_unwritable_file_is_one_message(socsim, tmp_path):
    code, _, err = socsim(*KWS, "--trace", str(tmp_path / "no" / "such" / "t.pftrace"))
    assert code == 3
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "nosuch", "-p", "rk3588"], 3, "neither a file nor a network of the zoo"),
        (["run", "nosuch.tflite", "-p", "rk3588"], 3, "no such file"),
        (["run", "mlperf_tiny_kws", "-p", "rk3589"], 3, "Did you mean 'rk3588'?"),
        ([*KWS, "--unit", "tpu"], 2, "has no unit 'tpu'"),
        ([*KWS, "--cores", "9"], 2, "'npu' has 3"),
        ([*KWS, "--batch", "0"], 2, "give 1 or more"),
        ([*KWS, "--detail", "fine"], 2, "Known: analytic, transaction."),
        ([*KWS, "--precision", "int9"], 2, "Did you mean 'int8'"),
        ([*KWS, "--runtime", "rknnn"], 3, "Did you mean 'rknn'?"),
        ([*KWS, "--runtime", "tensorrt"], 2, "drives gpu, but 'npu' is a npu"),
        ([*KWS, "--opp", "npu"], 2, "write NAME=VALUE"),
        ([*KWS, "--opp", "npu=1MHz"], 3, "has no operating point '1MHz'"),
        ([*KWS, "--shape", "x=1y2"], 2, "write dimensions such as 1x3x224x224"),
        ([*KWS, "--background", "cpu_big=20"], 2, '"20" has no unit'),
        ([*KWS, "--cluster", "huge", "--unit", "cpu"], 2, "has no cluster 'huge'"),
        (["run", "resnet50", "-p", "imx93", "--unit", "npu"], 4, "demand 54 operators, bound 0, gap 54"),
        (["run", "ncnn/vgg16_int8", "-p", "stm32n657"], 4, "gap"),
        (["run", "mobilenet_v1_0.25_224", "-p", "qcs6490", "--unit", "sensing_hub"], 4, "gap"),
        (["run", "mlperf_tiny_kws"], 2, "--platform"),
        (["nosuchverb"], 2, "nosuchverb"),
    ],
)
def test_every_mistake_is_one_message_and_the_right_exit_code(socsim, args, code, words):
    found, out, err = socsim(*args)
    assert found == code
    assert words in err
    assert out == ""
    assert "Traceback" not in err


def test_an_internal_error_is_a_line_to_report(socsim, monkeypatch):
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("socsim.session.run", broken)
    code, _, err = socsim(*KWS)
    assert code == 70
    assert err.startswith("socsim: internal error: RuntimeError: boom")
    assert "please report this line" in err


def test_analyze_counts_without_timing(socsim, tmp_path):
    code, out, _ = socsim("analyze", "mlperf_tiny_kws", "-p", "rk3588", "--roofline", str(tmp_path / "r.png"))
    assert code == 0
    assert "2,656,768 MACs" in out
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    document = json.loads(socsim("analyze", "mlperf_tiny_kws", "-p", "rk3588", "--json")[1])
    assert document["schema_version"] == "socsim.analysis/1"
    assert document["macs"] == 2_656_768
    assert len(document["operators"]) == 13


def test_ops_lists_types_by_unit(socsim):
    document = json.loads(socsim("ops", "-p", "imx93", "--json")[1])
    rows = {row["operator"]: row for row in document["rows"]}
    assert "int8" in rows["CONV_2D"]["npu"]
    assert rows["CUSTOM"]["npu"] is None


def test_compare_two_results(socsim, tmp_path):
    for name, clock in (("a", "npu=1000MHz"), ("b", "npu=300MHz")):
        (tmp_path / name).write_text(socsim(*KWS, "--json", "--opp", clock)[1], encoding="utf-8")
    code, out, _ = socsim("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert code == 0
    assert "latency" in out
    document = json.loads(socsim("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json")[1])
    assert document["schema_version"] == "socsim.compare/1"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": "socsim.run/9"}', "\x00", '{"a": NaN}'])
def test_compare_refuses_what_is_not_a_result(socsim, tmp_path, text):
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    code, out, err = socsim("compare", str(tmp_path / "x.json"), str(tmp_path / "x.json"))
    assert (code, out) == (3, "")
    assert err.startswith("socsim: error: ")


def test_platforms_and_workloads(socsim):
    listed = json.loads(socsim("platforms", "list", "--json")[1])["rows"]
    names = [row["name"] for row in listed]
    assert {"rk3588", "imx93", "qcs6490", "orin-nano", "bcm2711", "stm32n657"} <= set(names)
    for name in names:
        assert socsim("platforms", "check", name)[0] == 0
        assert name in socsim("platforms", "show", name)[1]
    assert "mlperf_tiny_kws" in socsim("workloads", "list")[1]
    assert "2,656,768 MACs" in socsim("workloads", "show", "mlperf_tiny_kws")[1]
    shown = json.loads(socsim("workloads", "show", "mlperf_tiny_kws", "--json")[1])
    assert shown["inputs"][0]["shape"] == [1, 49, 10, 1]


def test_a_wrong_platform_file_lists_all_its_faults(socsim, tmp_path):
    source = Path(__file__).resolve().parents[2] / "platforms" / "bcm2711.yaml"
    text = source.read_text(encoding="utf-8").replace("size: 4 GiB", "size: 4").replace("\npreference", "\npreferences")
    (tmp_path / "board.yaml").write_text(text, encoding="utf-8")
    code, _, err = socsim("platforms", "check", str(tmp_path / "board.yaml"))
    assert code == 3
    assert '"4 GiB"' in err or "has no unit" in err
    assert "preferences" in err


def test_doctor_passes_here(socsim):
    code, out, _ = socsim("doctor")
    assert code == 0
    assert "self-test" in out
    assert "FAILED" not in out


def test_the_terminal_sees_no_control_characters(socsim, tmp_path):
    text = "7767517\n2 2\nInput in 0 1 in 0=4 1=4 2=3\nReLU a\x1b[31mb 1 1 in out\n"
    (tmp_path / "n.param").write_text(text, encoding="utf-8")
    code, out, err = socsim("run", str(tmp_path / "n.param"), "-p", "rk3588", "-v")
    assert code in {0, 3}
    assert "\x1b" not in out + err


def test_same_bytes_from_any_process_folder_and_hash_seed(tmp_path):
    outputs = set()
    for seed in ("0", "1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        result = subprocess.run(
            [sys.executable, "-m", "socsim.cli", *KWS, "--json", "--quiet", "--trace", "t.pftrace"],
            cwd=folder,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        outputs.add((result.stdout, (folder / "t.pftrace").read_bytes()))
    assert len(outputs) == 1
