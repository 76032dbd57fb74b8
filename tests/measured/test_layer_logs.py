"""Per-layer logs of two real NPUs, each layer run as a network of its own: time, and bytes of DRAM where printed.

A log may have its own synchronisation, DMA bursts and toolkit; array, stages, clocks and memories are the chip's.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

from socsim.soc.runtimes import runtime

FOLDER = Path(__file__).resolve().parents[2] / "validation"
RAW = {"rk3588": "rk3588_npu_layer_profile", "stm32n657": "stm32n6_profile"}
LAYERS = {"rknn yolov5s_relu": 78, "rknn yolov8n": 98, "rknn unet": 34, "rknn mobilenet_v1": 29, "st 2.2.0 board": 8,
          "st 2.2.0 cloud": 8, "st 4.0.0 board": 7, "st 4.0.0 cloud": 7}  # fmt: skip


@pytest.fixture(scope="module")
def logs():
    """The script `validation/layer_logs.py` as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("layer_logs", FOLDER / "layer_logs.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["layer_logs"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))
        sys.modules.pop("layer_logs", None)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_of_a_log_runs(logs, name):
    assert len(logs.lines(name)) == LAYERS[name]


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "rknn mobilenet_v1"])
def test_layers_take_as_long_as_on_the_chip(logs, name):
    found = logs.summary((line.measured_ms, line.predicted_ms) for line in logs.lines(name))
    assert found.layers == LAYERS[name]
    assert found.median_error < 0.06
    assert found.total == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("name", ["rknn yolov5s_relu", "rknn yolov8n", "rknn mobilenet_v1"])
def test_layers_move_the_bytes_that_the_compiler_prints(logs, name):
    found = logs.summary((line.measured_bytes, line.predicted_bytes) for line in logs.lines(name))
    assert found.layers == LAYERS[name]
    assert found.median_error < 0.02
    assert found.total == pytest.approx(1, abs=0.02)


def test_without_synchronisation_the_layers_take_as_long_as_the_network(logs):
    """RKNN 2.3.2 lays tasks out so that reading and computing overlap; the toolkits of the logs did not."""
    (measured,) = logs.FREE_RUNNING.values()
    shipped = runtime("rknn")
    assert logs.free_running("rknn yolov5s_relu", shipped) == pytest.approx(measured, rel=0.05)
    assert logs.free_running("rknn yolov5s_relu", shipped.with_(prefetch=False)) > 1.1 * measured


def test_operators_of_the_cpu_take_as_long_as_on_the_chip(logs):
    on_cpu = [line for line in logs.lines("rknn unet") if "(CPU)" in line.layer or "Transpose" in line.layer]
    assert len(on_cpu) == 4
    for line in on_cpu:
        assert line.predicted_ms == pytest.approx(line.measured_ms, rel=0.1)


def test_a_log_has_nothing_of_its_own_but_what_its_toolkit_and_board_decide(logs):
    for log in logs.LOGS.values():
        shipped = runtime(log.runtime.name)
        changed = {f for f in type(shipped).model_fields if getattr(shipped, f) != getattr(log.runtime, f)}
        assert changed <= {"submit", "per_operator", "prefetch", "pools"}
        assert set(log.changes) <= {"units.npu.port.outstanding", "units.npu.port.together"}


def test_without_the_output_stage_swish_layers_would_be_too_fast(logs):
    log = logs.LOGS["rknn yolov8n"]
    plain = logs.Log(log.rows, log.platform, log.runtime, log.changes | {"units.npu.outputs.functions": 8})
    shape = "(1,16,480,480),(16,16,3,3) -> (1,16,480,480)"
    times = [logs.run_layer(x, "L006 ConvExSwish", shape, logs.DTYPES["int8"]).latency_ps / 1e9 for x in (log, plain)]
    assert times[0] == pytest.approx(4.094, rel=0.1)
    assert times[1] < 0.7 * 4.094


def test_the_rows_are_those_of_their_sources(shared):
    rows = list(csv.DictReader((FOLDER / "layer_logs.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["platform"] for row in rows} == set(RAW)
    for platform, name in RAW.items():
        text = (shared / "measurements" / "raw" / f"{name}.csv").read_text(encoding="utf-8")
        source = [row for row in csv.DictReader(text.splitlines()) if "/" in row["model"]]
        own = [row for row in rows if row["platform"] == platform]
        assert [{k: v for k, v in row.items() if k != "platform"} for row in own] == source
