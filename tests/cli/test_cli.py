"""Does the command line print what it promises, where it promises, with the exit code that it promises?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

KWS = ["run", "mlperf_tiny_kws", "--platform", "rk3588"]


def test_run_prints_the_summary_on_stdout_and_nothing_on_stderr(socsim):
    code, out, err = socsim(*KWS)
    assert code == 0
    assert "latency" in out
    assert "2.657 M MACs" in out
    assert err == ""


def test_run_json_is_one_document_with_schema_version(socsim):
    code, out, err = socsim(*KWS, "--json", "--calibration", "none")
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == "socsim.run/1"
    assert {"latency_ps", "energy_pj", "units", "links", "memories", "operators"} <= set(document)
    assert len(document["operators"]) == 13
    assert "warning" in err  # the document on stdout stays clean


def test_quiet_silences_warnings(socsim):
    assert socsim(*KWS, "--json", "--quiet", "--calibration", "none")[2] == ""


def test_run_writes_the_files_that_were_asked_for_and_no_others(socsim, tmp_path):
    names = {"--trace": "t.pftrace", "--report": "r.html", "--csv": "o.csv"}
    options = [text for flag, name in names.items() for text in (flag, str(tmp_path / name))]
    assert socsim(*KWS, *options)[0] == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "r.html", "t.pftrace"]
    assert all(p.stat().st_size > 500 for p in tmp_path.iterdir())


NCNN = "7767517\n2 2\nInput in 0 1 in 0=4 1=4 2=3\nReLU a 1 1 in out\n"
BOARD = Path(__file__).resolve().parents[2] / "platforms" / "bcm2711.yaml"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a network, a platform and the file that the platform builds on."""
    (tmp_path / "net.param").write_text(NCNN, encoding="utf-8")
    (tmp_path / "base.yaml").write_text(BOARD.read_text(encoding="utf-8"), encoding="utf-8")
    head = "schema: socsim.platform/1\nname: my\ntitle: My board\nbased_on: base.yaml\n"
    (tmp_path / "my.yaml").write_text(head, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


@pytest.mark.parametrize("verb", ["run", "analyze"])
@pytest.mark.parametrize("name", ["net.param", "my.yaml", "base.yaml", "./my.yaml"])
def test_what_a_command_reads_is_never_overwritten(socsim, here, verb, name):
    before = contents(here)
    code, out, err = socsim(verb, "net.param", "-p", "my.yaml", "--csv", name)
    assert (code, out) == (3, "")
    assert "is a file that this command reads; give another name" in err
    assert contents(here) == before


def test_files_that_ship_are_never_overwritten(socsim, monkeypatch):
    monkeypatch.setattr("socsim.report.sinks._write_beside", None)
    for path in (BOARD, BOARD.parents[1] / "workloads" / "mlperf_tiny_kws_dscnn_int8.tflite"):
        assert path.is_file()
        code, _, err = socsim("run", "mlperf_tiny_kws", "-p", "bcm2711", "--csv", str(path))
        assert (code, "give another name" in err) == (3, True)  # some archives keep them write-protected too


@pytest.mark.usefixtures("here")
def test_execute_never_overwrites_its_inputs(socsim):
    Path("in.npz").write_bytes(b"inputs")
    for name in ("in.npz", "net.param"):
        code, _, err = socsim("execute", "net.param", "--inputs", "in.npz", "--out", name)
        assert (code, "is a file that this command reads" in err) == (3, True)
    assert Path("in.npz").read_bytes() == b"inputs"


def test_one_bad_target_means_that_nothing_is_run_or_written(socsim, here, monkeypatch):
    monkeypatch.setattr("socsim.session.run", None)
    (here / "link").symlink_to("net.param")
    before = contents(here)
    code, out, err = socsim(
        "run", "net.param", "-p", "my.yaml", "--trace", "t", "--report", "no/r.html", "--csv", "link"
    )
    assert (code, out) == (3, "")
    assert err == (
        "socsim: error: nothing was run or written: 2 faults\n"
        "  - --report no/r.html: cannot be written: its folder does not exist; give a file in a folder that exists\n"
        "  - --csv link: is a symbolic link; results are never written through one, give another name\n"
    )
    assert socsim("run", "net.param", "-p", "my.yaml", "--trace", "t", "--csv", "./t")[0] == 3
    assert contents(here) == before


def test_a_report_that_cannot_be_made_leaves_no_other_file(socsim, here, monkeypatch):
    def broken(_record: object) -> str:
        raise RuntimeError("boom")

    monkeypatch.setattr("socsim.report.html.report_html", broken)
    before = contents(here)
    assert socsim("run", "net.param", "-p", "my.yaml", "--trace", "t", "--report", "r", "--csv", "c")[0] == 70
    assert contents(here) == before


def in_shell(command: str) -> subprocess.CompletedProcess[str]:
    words = f"'{sys.executable}' -m socsim.cli"
    return subprocess.run(  # noqa: PLW1510 - the exit code is what is asked for
        ["bash", "-o", "pipefail", "-c", command.replace("socsim", words)], capture_output=True, text=True
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("verb", ["workloads list", "--help", "run mlperf_tiny_kws -p rk3588"])
def test_a_full_disk_behind_stdout_is_one_line(verb):
    done = in_shell(f"socsim {verb} > /dev/full")
    assert done.returncode == 3
    assert done.stderr == (
        "socsim: error: standard output cannot be written: No space left on device; give the results somewhere to go\n"
    )


@pytest.mark.parametrize("verb", ["workloads list", "--help"])
def test_a_closed_stdout_is_one_line(verb):
    done = in_shell(f"socsim {verb} >&-")
    assert done.returncode == 3
    assert done.stderr == "socsim: error: standard output is closed; give the results somewhere to go\n"
    assert in_shell(f"socsim {verb} >&- 2>&-").returncode == 3


@pytest.mark.parametrize("verb", ["workloads list", "--help", "run mlperf_tiny_kws -p rk3588 --json --quiet"])
def test_a_reader_that_has_gone_is_no_error(verb):
    done = in_shell(f"socsim {verb} | true")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failed_check_exits_with_1_whoever_reads(socsim, monkeypatch):
    monkeypatch.setattr("socsim.doctor.examine", lambda: [SimpleNamespace(check="x", is_ok=False, detail="y")])
    assert socsim("doctor")[0] == 1


def test_an_unwritable_file_is_one_message(socsim, tmp_path):
    code, _, err = socsim(*KWS, "--trace", str(tmp_path / "no" / "such" / "t.pftrace"))
    assert code == 3
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "nosuch", "-p", "rk3588"], 3, "neither a file nor a network of the zoo"),
        (["run", "nosuch.tflite", "-p", "rk3588"], 3, "no such file"),
        (["run", "mlperf_tiny_kws", "-p", "rk3589"], 2, "Did you mean 'rk3588'"),
        ([*KWS, "--unit", "tpu"], 2, "has no unit 'tpu'"),
        ([*KWS, "--cores", "9"], 2, "'npu' has 3"),
        ([*KWS, "--batch", "0"], 2, "give 1 or more"),
        ([*KWS, "--detail", "fine"], 2, "Known: analytic, burst, tile, transaction."),
        ([*KWS, "--precision", "int9"], 2, "Did you mean 'int8'"),
        ([*KWS, "--runtime", "rknnn"], 2, "Did you mean 'rknn' or 'rknn-cpu'?"),
        ([*KWS, "--runtime", "tensorrt"], 2, "drives gpu, but 'npu' is a npu"),
        ([*KWS, "--opp", "npu"], 2, "write NAME=VALUE"),
        ([*KWS, "--opp", "npu=1MHz"], 2, "has no operating point '1MHz'"),
        ([*KWS, "--opp", "npuu=1000MHz"], 2, "no clock 'npuu'. Did you mean 'npu'"),
        ([*KWS, "--unit", ""], 2, "unit is ''; give a name, or leave it out"),
        ([*KWS, "--runtime", ""], 2, "runtime is ''; give a name, or leave it out"),
        ([*KWS, "--precision", ""], 2, "precision is ''; give a name, or leave it out"),
        ([*KWS, "--cluster", ""], 2, "cluster is ''; give a name, or leave it out"),
        (["run", "mlperf_tiny_kws", "-p", ""], 2, "platform '' is not known. Known: "),
        (["run", "mlperf_tiny_kws", "-p", "no.yaml"], 3, "no.yaml: no such file"),
        ([*KWS, "--shape", "x=²"], 2, "write dimensions such as 1x3x224x224"),
        ([*KWS, "--shape", "x=" + "9" * 5000], 2, "write dimensions such as 1x3x224x224"),
        (["analyze", *KWS[1:], "--roofline", "r.gif"], 2, "use .png, .svg, .pdf"),
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

    monkeypatch.setattr("socsim.run", broken)
    code, _, err = socsim(*KWS)
    assert code == 70
    assert err.startswith("socsim: internal error: RuntimeError: boom")
    assert "please report this line" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["mlperf_tiny_kws", "-p", "rk3588", "--roofline"],
        ["mlperf_tiny_kws", "--roofline", "-p", "rk3588"],
        ["--roofline", "mlperf_tiny_kws", "-p", "rk3588"],
        ["-p", "rk3588", "--roofline", "mlperf_tiny_kws"],
        ["-p", "rk3588", "--roofline", "mobilenet_v1_0.25_224"],
        ["--roofline", "r.svg", "mlperf_tiny_kws", "-p", "rk3588"],
        ["-p", "rk3588", "mlperf_tiny_kws", "--roofline", "r.svg"],
    ],
)
def test_a_roofline_may_stand_anywhere_on_the_line(socsim, tmp_path, monkeypatch, arguments):
    """Before a network it asks for text; before a file with the suffix of a figure, for that."""
    monkeypatch.chdir(tmp_path)
    code, out, err = socsim("analyze", *arguments)
    assert (code, err) == (0, "")
    assert (tmp_path / "r.svg").exists() == ("r.svg" in arguments)
    assert ("Roofline of" in out) == ("r.svg" not in arguments)


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
    assert not any("*" in str(cell) for row in document["rows"] for cell in row.values())


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
