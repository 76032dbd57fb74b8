"""Real per-layer logs of NPUs, layer by layer: time, and bytes of DRAM where the log prints them.

    python validation/layer_logs.py [--layers]

Each row of layer_logs.csv becomes a network of one layer that runs like any other. What belongs to the chip
(array, stages, memories, clocks) comes from its platform file. What belongs to a log is here: its toolkit's
synchronisation after every layer, the bursts that its DMA keeps under way, the operating point of its board, and
what its compiler joins or lays out so that transfers overlap. The rows of a log sum up to more than the
network takes when nothing synchronises; what one of the networks takes then is compared with the same layers
under the runtime as it ships.
"""

from __future__ import annotations

import csv
import statistics
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_graphs import neural_art_graph, rknn_graph

import socsim as ss
from socsim.soc.runtimes import Runtime, runtime
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from socsim.records import RunRecord

TABLE = Path(__file__).with_name("layer_logs.csv")
MILLISECONDS = {"us": 1e-3, "ms": 1.0}
BYTES = {"KiB": 1024}
DTYPES = {"int8": DType.INT8, "fp16": DType.FLOAT16}


@dataclass(frozen=True)
class Log:
    """One log: which rows of the table are its own, and what its toolkit and its board decide.

    Args:
        rows: values by column that its rows have, as they begin.
        platform: the chip.
        runtime: the toolkit; its `submit` is the synchronisation after every layer.
        changes: of the platform's values, by path: the bursts that the toolkit's DMA keeps under way.
        opp: operating point by clock.
    """

    rows: dict[str, str]
    platform: str
    runtime: Runtime
    changes: dict[str, Any] = field(default_factory=dict)
    opp: dict[str, str] = field(default_factory=dict)

    @cached_property
    def soc(self) -> ss.Platform:
        return ss.platform(self.platform).with_(self.changes).at(self.opp)

    def holds(self, row: dict[str, str]) -> bool:
        return all(row[column].startswith(text) for column, text in self.rows.items())


def _rknn(name: str, sync: str, bursts: int) -> Log:
    synchronised = runtime("rknn").with_(submit=sync, per_operator="0 us", prefetch=False)
    port = {"units.npu.port.outstanding": bursts, "units.npu.port.together": bursts}
    return Log({"model": name}, "rk3588", synchronised, port)


def _neural_art(toolkit: str, sync: str, opp: str, pools: list[str]) -> Log:
    chained = runtime("st-neural-art").with_(submit=sync, pools=pools)
    return Log({"conditions": toolkit}, "stm32n657", chained, opp={"cpu": opp, "npu": opp})


EARLY, LATE = ["convolution", "pointwise"], ["convolution", "depthwise"]
LOGS = {
    "rknn yolov5s_relu": _rknn("yolov5s_relu 640", "50 us", 11),
    "rknn yolov8n": _rknn("yolov8n-3class 1920", "145 us", 25),
    "rknn unet": _rknn("unet-like image enhancement 256", "20 us", 17),
    "rknn mobilenet_v1": _rknn("mobilenet_v1 224", "0 us", 23),
    "st 2.2.0 board": _neural_art("ST Edge AI Core v2.2.0 via CubeMX", "2 us", "overdrive", EARLY),
    "st 2.2.0 cloud": _neural_art("ST Edge AI Core v2.2.0 via Dev Cloud", "10 us", "overdrive", EARLY),
    "st 4.0.0 board": _neural_art("ST Edge AI Core v4.0.0 via AI STUDIO", "25 us", "nominal", LATE),
    "st 4.0.0 cloud": _neural_art("ST Edge AI Core v4.0.0 via Dev Cloud", "10 us", "overdrive", LATE),
}

FREE_RUNNING = {"rknn yolov5s_relu": 15.1286}
"""Milliseconds of whole networks by log, one core, RKNN 2.3.2 (airockchip/rknn_model_zoo README.md, commit bad6c73)."""


# --- from a row to a figure ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A layer of a log: measured and predicted milliseconds, and bytes of DRAM; None where the log has none."""

    log: str
    layer: str
    measured_ms: float | None
    predicted_ms: float
    measured_bytes: float | None
    predicted_bytes: int


def lines(name: str, other: Log | None = None) -> list[Line]:
    """Return the layers of a log, in its order; predicted as those of another log, where one is given."""
    log = other or LOGS[name]
    layers: dict[str, dict[str, dict[str, str]]] = {}
    for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()):
        if log.holds(row):
            layers.setdefault(row["model"].partition("/")[2], {})[row["metric"]] = row
    return [_line(name, log, layer, rows) for layer, rows in layers.items()]


def _line(name: str, log: Log, layer: str, rows: dict[str, dict[str, str]]) -> Line:
    first = next(iter(rows.values()))
    record = run_layer(log, layer, first["input_shape"], DTYPES[first["precision"]])
    latency = next((rows[m] for m in ("layer_latency", "latency") if m in rows), None)
    moved = rows.get("layer_ddr_bytes")
    return Line(
        name,
        layer,
        float(latency["value"]) * MILLISECONDS[latency["unit_of_value"]] if latency else None,
        record.latency_ps / 1e9,
        float(moved["value"]) * BYTES[moved["unit_of_value"]] if moved else None,
        sum(op.dram_bytes or 0 for op in record.operators),
    )


def run_layer(log: Log, layer: str, shape: str, dtype: DType) -> RunRecord:
    """Run a layer as the log's toolkit does: on the NPU, or on one core of the CPU where the log says so."""
    if log.platform == "stm32n657":
        return ss.run(
            neural_art_graph(layer, shape), log.soc, unit="npu", runtime=log.runtime, calibration="none"
        ).record
    kind = layer.split()[1]
    graph = rknn_graph(kind, shape, dtype)
    if kind.endswith("(CPU)") or kind == "Transpose":
        return ss.run(graph, log.soc, unit="cpu", cluster="big", cores=1, runtime="rknn-cpu", calibration="none").record
    return ss.run(graph, log.soc, unit="npu", cores=1, runtime=log.runtime, calibration="none").record


@dataclass(frozen=True)
class Summary:
    """How far the predictions of a log's layers are from it: shares of what was measured."""

    layers: int
    median_error: float
    total: float


def summary(pairs: Iterable[tuple[float | None, float]]) -> Summary | None:
    """Return the summary of (measured, predicted) figures; None where nothing was measured."""
    known = [(m, p) for m, p in pairs if m is not None]
    if not known:
        return None
    errors = [abs(p / m - 1) for m, p in known]
    return Summary(len(known), statistics.median(errors), sum(p for _, p in known) / sum(m for m, _ in known))


def free_running(name: str, toolkit: Runtime) -> float:
    """Return the milliseconds of a log's layers, one after the other, on the chip as its platform file has it."""
    log = LOGS[name]
    chained = Log(log.rows, log.platform, toolkit.with_(submit="0 s"))
    return toolkit.submit.value / 1e9 + sum(line.predicted_ms for line in lines(name, chained))


def main() -> None:
    print(f"{'log':<20}{'layers':>7}{'median error of time':>22}{'total':>7}{'median error of bytes':>23}{'total':>7}")
    for name in LOGS:
        found = lines(name)
        cells = ""
        for pairs, width in (
            ([(line.measured_ms, line.predicted_ms) for line in found], 22),
            ([(line.measured_bytes, float(line.predicted_bytes)) for line in found], 23),
        ):
            made = summary(pairs)
            cells += f"{made.median_error:>{width}.1%}{made.total:>7.2f}" if made else f"{'-':>{width}}{'-':>7}"
        print(f"{name:<20}{len(found):>7}{cells}")
        if "--layers" in sys.argv[1:]:
            for line in found:
                print("   ", *_cells(line))
    for name, measured in FREE_RUNNING.items():
        predicted = free_running(name, runtime("rknn"))
        share = predicted / measured
        print(f"{name} without synchronisation: {measured:.2f} ms, predicted {predicted:.2f} ({share:.2f})")


def _cells(line: Line) -> Iterator[str]:
    yield f"{line.layer:<44}"
    if line.measured_ms:
        share = line.predicted_ms / line.measured_ms
        yield f"{line.measured_ms:8.3f} ms, predicted {line.predicted_ms:8.3f} ({share:.2f})"
    if line.measured_bytes:
        share = line.predicted_bytes / line.measured_bytes
        yield f"{line.measured_bytes:12,.0f} B, predicted {line.predicted_bytes:12,} ({share:.2f})"


if __name__ == "__main__":
    main()
