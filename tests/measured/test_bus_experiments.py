"""A saturated bus, measured on RK3588: what CPU and NPU reach together, and what one leaves the other.

The rows are probes of memory streaming with the DRAM at 2112 MHz. Nothing here is fitted to them: windows and
latency come from other measurements of the platform file, queueing and banks from the DRAM's timings.
"""

from __future__ import annotations

import csv

import pytest

from socsim.cost.work import Phase, Transfer
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, Stream, simulate
from socsim.inputs import platform

CPU_LOAD = 23_500_000_000
"""Bytes a second that the CPUs read meanwhile, by the conditions of the rows."""
MEGABYTES = 10**6


@pytest.fixture(scope="module")
def soc():
    return platform("rk3588")


@pytest.fixture(scope="module")
def measured(shared):
    with (shared / "measurements" / "raw" / "web_misc_npu.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["soc"] == "RK3588"]

    def value(model, metric):
        return next(float(r["value"]) for r in rows if r["model"] == model and r["metric"] == metric)

    return value


def reader(soc, unit, amount, key=0, cycles=0):
    phase = Phase("stream", cycles, (Transfer("dram", amount, 0),))
    return Job(key, unit, soc.unit_hz(unit), 0, 0, (phase,), ())


def reading(soc, *, bursts, npu_cores=1, streams=()):
    """Return the NPU's time for a stream of 20 MB, and what crosses the DRAM meanwhile in bytes a second."""
    outcome = simulate([reader(soc, "npu", 20 * MEGABYTES)], Fabric(soc, {"npu": npu_cores}), streams, bursts=bursts)
    return outcome.makespan_ps, outcome.ledgers["dram"].bytes * 10**12 / outcome.makespan_ps


@pytest.mark.parametrize("bursts", [False, True], ids=["transaction", "burst"])
def test_an_npu_keeps_the_measured_share_beside_busy_cpus(soc, measured, bursts):
    alone, _ = reading(soc, bursts=bursts)
    loaded, total = reading(soc, bursts=bursts, streams=[Stream("cpu_big", "dram", CPU_LOAD)])
    kept = measured("NPU weight reads under CPU DRAM saturation", "throughput_retained") / 100
    assert alone / loaded == pytest.approx(kept, rel=0.1)
    assert total / 10**9 == pytest.approx(measured("memory streaming CPU+NPU", "dram_bandwidth"), rel=0.1)


def test_three_memory_bound_engines_reach_the_measured_ceiling(soc, measured):
    amounts = {"npu": 20, "cpu_big": 40, "gpu": 40}
    jobs = [reader(soc, unit, n * MEGABYTES, key) for key, (unit, n) in enumerate(amounts.items())]
    outcome = simulate(jobs, Fabric(soc, {}))
    rates = [rate for name, _, rate in outcome.rates if name == "dram"]
    assert max(rates) / 10**9 == pytest.approx(measured("memory streaming ceiling", "dram_bandwidth"), rel=0.1)


@pytest.mark.parametrize(("bursts", "within"), [(False, 0.1), (True, 0.2)], ids=["transaction", "burst"])
def test_all_cores_of_the_npu_stream_as_fast_alone_and_beside_busy_cpus(soc, shared, bursts, within):
    """Columns of 1 KiB of weights: 0.0366 us each on an idle bus, 0.0445 us beside the CPUs.

    At the burst level a refresh fills all queues, which holds three windows up longer than one (docs/memory.md).
    """
    with (shared / "measurements" / "raw" / "web_misc_npu.csv").open(encoding="utf-8") as file:
        idle, loaded = (float(r["value"]) for r in csv.DictReader(file) if r["metric"] == "stream_cost_per_column")
    alone, _ = reading(soc, bursts=bursts, npu_cores=3)
    beside, _ = reading(soc, bursts=bursts, npu_cores=3, streams=[Stream("cpu_big", "dram", CPU_LOAD)])
    columns = 20 * MEGABYTES / 1024
    assert alone / 10**6 / columns == pytest.approx(idle, rel=0.1)
    assert beside / 10**6 / columns == pytest.approx(loaded, rel=within)


def test_a_compute_bound_kernel_leaves_the_others_what_they_had(soc, measured):
    busy = [reader(soc, "npu", 20 * MEGABYTES), reader(soc, "cpu_big", 40 * MEGABYTES, 1)]
    without = simulate(busy, Fabric(soc, {})).makespan_ps
    gpu = reader(soc, "gpu", MEGABYTES // 10, 2, cycles=10**7)
    kept = measured("CPU+NPU at 88 % bus load, plus compute-bound GPU kernel", "throughput_retained") / 100
    times = simulate([*busy, gpu], Fabric(soc, {})).times
    assert without / max(t.end_ps for t in times[:2]) == pytest.approx(kept, rel=0.1)
