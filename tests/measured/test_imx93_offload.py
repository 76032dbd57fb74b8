"""What the NPU of i.MX 93 gains over one core of its CPU, network by network, and what it leaves to the CPU.

Ratios of published latencies (rows of imx93 in the table of measurements): runs as users make them, with the
calibrations that ship, and predictions of fits that never saw the network on any chip.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

import socsim as ss
from socsim.accuracy.table import read_measurements
from socsim.accuracy.validation import answers
from socsim.calibration.timing import by_pool, fit_pool, sample_groups

TABLE = Path(__file__).resolve().parents[2] / "validation" / "measurements.csv"
STACKS = {"cpu": "tflite-xnnpack", "npu": "tflite-ethosu"}
WITHIN = 0.25

UNSEEN = {"mlperf_tiny_ic": 0.8}
"""Networks whose ratio the others do not tell within that: of the five on this NPU, one has 3 x 3 convolutions."""


@pytest.fixture(scope="module")
def rows():
    found = [r for r in read_measurements(TABLE).rows if r.runtime in STACKS.values() and r.metric == "latency"]
    return [r for r in found if r.unit == "npu" or r.cores]


@pytest.fixture(scope="module")
def measured(rows):
    def latency(unit, name):
        own = [r for r in rows if (r.platform, r.unit, r.workload, r.cores) == ("imx93", unit, name, 1)]
        return median(r.value * r.scale for r in own)

    names = sorted({r.workload for r in rows if r.platform == "imx93" and r.unit == "npu"})
    return {name: latency("cpu", name) / latency("npu", name) for name in names}


def run(name, unit):
    cores = 1 if unit == "cpu" else None
    return ss.run(ss.load(name, precision="int8"), "imx93", unit=unit, runtime=STACKS[unit], cores=cores)


def test_there_are_five_networks_from_5_to_18_times_faster(measured) -> None:
    assert len(measured) == 5
    assert min(measured.values()) == pytest.approx(5, rel=0.01)
    assert max(measured.values()) == pytest.approx(18, rel=0.01)


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "mlperf_tiny_ic", "mlperf_tiny_vww", "mobilenet_v1_0.25_128", "mobilenet_v2"]
)
def test_each_gain_is_within_a_quarter(measured, name) -> None:
    cpu, npu = (run(name, unit) for unit in STACKS)
    assert cpu.latency_ps / npu.latency_ps == pytest.approx(measured[name], rel=WITHIN)


@pytest.mark.slow
def test_gains_of_networks_that_no_fit_saw(rows, measured) -> None:
    table = read_measurements(TABLE)
    given = answers(replace(table, rows=tuple(rows)), detail="analytic", calibrated=False, anatomies=True)
    times: dict[tuple[str, str], float] = {}
    for (name, kind), members in by_pool(sample_groups(rows, given.questions, given.predictions)).items():
        for fit in fit_pool(name, kind, members).groups:
            for sample, time in zip(fit.group.samples, fit.workload_out, strict=True):
                if fit.group.key.platform == "imx93" and sample.anatomy.cores == 1:
                    times[kind, sample.workload] = time
    for name, ratio in measured.items():
        assert times["cpu", name] / times["npu", name] == pytest.approx(ratio, rel=UNSEEN.get(name, WITHIN)), name


def test_the_summary_says_what_stays_on_the_cpu_and_why() -> None:
    words = str(run("yolov8n", "npu").summary())
    assert "npu 117, cpu 58" in words
    assert "57 on cpu: npu (tflite-ethosu) has no SWISH" in words
    assert "1 on cpu: npu (tflite-ethosu) has no TRANSPOSE" in words
    assert "cpu" not in str(run("mobilenet_v2", "npu").summary()).split("placement")[1].splitlines()[0]
