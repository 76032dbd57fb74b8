"""Each model in a process of its own: one that crashes, hangs or refuses leaves a sentence and nothing else."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from socsim.errors import UsageError
from socsim.measuring import engines, process
from socsim.measuring.campaign import Task, run, tasks
from socsim.measuring.engines import ENGINES, Engine, draw, engine
from socsim.measuring.process import Job, Outcome, measure
from socsim.measuring.sampling import Plan, Samples
from socsim.measuring.settings import settings_for
from socsim.measuring.subjects import Subject

WORKLOADS = Path(__file__).resolve().parents[2] / "workloads"
MODEL = WORKLOADS / "mlperf_tiny_ic_resnet8_int8.tflite"
needs_software = pytest.mark.skipif(
    not (find_spec("ai_edge_litert") and find_spec("onnxruntime")), reason="the extra socsim[measure] is not installed"
)
PLAN = Plan(blocks=2, block_s=0.01, warm_up_s=0.1)


def job(limit_s=60.0, model=MODEL):
    return Job("tflite-xnnpack", model, 1, {}, 0, PLAN, limit_s)


@pytest.fixture
def settings():
    return settings_for(
        "board", threads=[1, 2], blocks=2, seconds=0.01, seed=7, shapes=None, recorded="2026-11-20", limit=60
    )


def subject(name="net.tflite"):
    return Subject(Path(name), "tflite", name, "int8", "1x3x8x8", is_file=True)


def outcome(medians=(100, 101), clocks=(2000.0, 2000.0), is_settled=True):
    samples = Samples(tuple(n * 1000 for n in medians), min(medians) * 1000, 20, 5, is_settled)
    return Outcome(samples, (), tuple({"cpu0": c} if c else {} for c in clocks))


# --- the process --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import os; os.abort()", "the software ended its process with SIGABRT"),
        ("import sys; sys.stderr.write('a\\nCheck failed: x\\n'); sys.exit(3)", "code 3: Check failed: x"),
        ("pass", "the process ended with code 0"),
    ],
)
def test_a_process_that_ends_is_a_sentence(monkeypatch, code, sentence) -> None:
    monkeypatch.setattr(process, "_START", code)
    found = measure(job())
    assert isinstance(found, str)
    assert sentence in found


def test_a_process_that_hangs_is_ended(monkeypatch) -> None:
    monkeypatch.setattr(process, "_START", "import time; time.sleep(600)")
    assert measure(job(limit_s=0.5)) == "took longer than 0.5 s; allow more time, or give a smaller model"


@needs_software
def test_what_the_software_says_of_a_model_is_passed_on(tmp_path) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(b"no model at all")
    found = measure(job(model=path))
    assert isinstance(found, str)
    assert found.startswith("ValueError: ")


@needs_software
def test_a_model_is_measured_in_its_own_process() -> None:
    found = measure(job())
    assert isinstance(found, Outcome)
    assert found.inputs == (("input_1_int8", (1, 32, 32, 3), "int8"),)
    assert len(found.samples.medians_ns) == 2
    assert 0 < found.samples.fastest_ns <= found.samples.median_ns


def test_the_job_goes_in_as_data(tmp_path) -> None:
    """A path that looks like code stays a path."""
    name = tmp_path / "a'; raise SystemExit(9) #.tflite"
    text = json.loads(process._text(job(model=name), tmp_path / "out.json"))
    assert text["model"] == str(name)


# --- inputs -------------------------------------------------------------------------------------------


def test_inputs_are_drawn_alike_for_a_seed() -> None:
    first, again, other = (draw((4, 5), np.dtype("int8"), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("uint8", 0, 255), ("int8", -128, 127), ("int16", -32768, 32767), ("int64", 0, 7), ("float32", -1, 1),
        ("bool", 0, 1),
    ],
)  # fmt: skip
def test_inputs_stay_in_the_range_of_their_type(name, low, high) -> None:
    found = draw((1000,), np.dtype(name), np.random.default_rng(0))
    assert found.dtype == np.dtype(name)
    assert low <= found.min() < found.max() <= high


# --- software -----------------------------------------------------------------------------------------


@needs_software
def test_names_of_software() -> None:
    assert engine("litert") is ENGINES["tflite-xnnpack"]
    with pytest.raises(
        UsageError, match=r"runtime 'tflite-xnpack' cannot be measured here. Did you mean 'tflite-xnnpack'"
    ):
        engine("tflite-xnpack")


def test_software_that_is_absent_is_named_with_the_command(monkeypatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    message = r"runtime 'onnxruntime' needs onnxruntime, which is not installed; pip install 'socsim\[measure\]'"
    with pytest.raises(UsageError, match=message):
        engine("onnxruntime")


@needs_software
def test_software_that_runs_none_of_the_models_is_a_fault(settings) -> None:
    with pytest.raises(
        UsageError, match=r"(?s)runtime 'onnxruntime' runs none of the models.*runs in none of onnxruntime"
    ):
        tasks([str(MODEL)], ["onnxruntime"], settings, Path())


@needs_software
def test_each_number_of_threads_is_a_task(settings) -> None:
    found = tasks([str(MODEL), str(MODEL)], ["litert", "tflite-ruy"], settings, Path())
    assert [(t.engine.runtime, t.threads) for t in found] == [
        ("tflite-xnnpack", 1), ("tflite-xnnpack", 2), ("tflite-ruy", 1), ("tflite-ruy", 2),
    ]  # fmt: skip


# --- rows ---------------------------------------------------------------------------------------------


@pytest.fixture
def measured(monkeypatch, settings):
    """Measure two tasks whose outcomes are given."""

    def go(*outcomes):
        found = iter(outcomes)
        monkeypatch.setattr(Engine, "version", "2.3.0")
        monkeypatch.setattr("socsim.measuring.campaign.measure", lambda job: next(found))
        return run([Task(subject(), ENGINES["tflite-xnnpack"], n) for n in range(1, len(outcomes) + 1)], settings)

    return go


def test_a_row_says_what_was_measured_and_how(measured) -> None:
    (row,) = measured(outcome()).rows
    assert (row["platform"], row["runtime"], row["cores"], row["recorded"]) == (
        "board",
        "tflite-xnnpack",
        "1",
        "2026-11-20",
    )
    assert (row["metric"], float(row["value"]), row["unit_of_value"]) == ("latency", 0.1005, "ms")
    for part in (
        "file=net.tflite", "median of 2 blocks", "runs=20", "spread=0.010", "min_ms=0.1", "warm_up_runs=5",
        "clock_mhz=2000 before, 2000 after", "load", "random inputs, seed 7",
    ):  # fmt: skip
        assert part in row["conditions"]


def test_a_model_that_fails_does_not_stop_the_others(measured) -> None:
    found = measured(outcome(), "the software ended its process with SIGSEGV", outcome())
    assert [row["cores"] for row in found.rows] == ["1", "3"]
    assert found.faults == (
        "net.tflite in tflite-xnnpack, 2 threads: the software ended its process with SIGSEGV",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "doubt"),
    [
        (outcome((100, 111)), "blocks differ by 10 %"),
        (outcome(clocks=(2000.0, 1800.0)), "the highest clock moved from 2000 to 1800 MHz"),
        (outcome(is_settled=False), "the run never settled"),
    ],
)
def test_a_doubtful_figure_is_warned_of(measured, found, doubt) -> None:
    (warning,) = measured(found).warnings
    assert doubt in warning


def test_a_sound_figure_is_not(measured) -> None:
    assert measured(outcome(), outcome(clocks=(0, 0))).warnings == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threads": [0]}, "threads is a list; give one or more whole numbers from 1"),
        ({"threads": []}, "threads"),
        ({"blocks": 0}, "blocks is 0; give a whole number from 1"),
        ({"seconds": -1}, "seconds is -1; give seconds above 0"),
        ({"limit": float("nan")}, "limit is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"recorded": "20.11.2026"}, "recorded is '20.11.2026'; give a date such as"),
        ({"platform": "My Board"}, "platform is 'My Board'; give a name of small letters"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, message) -> None:
    usual = {"threads": [1], "blocks": 1, "seconds": 1, "seed": 0, "shapes": None, "recorded": None, "limit": 1}
    with pytest.raises(UsageError, match=message):
        settings_for(**({"platform": None} | usual | changes))
