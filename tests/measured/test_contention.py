"""Many users of one bus, measured on RK3588, through whole simulations with one set of parameters.

The platform is as it ships but for the DRAM's clock, which an experiment states: 1848 MHz is 3696 MT/s. Threads that
infer without pause are applications that are released more often than they end, one activation of each at a time.
"""

from __future__ import annotations

import csv

import pytest

import socsim as ss

CPU_LOAD = {"cpu": {"rate": "23.5 GB/s", "cores": 4}}
"""What the CPUs read by the conditions of the rows. How many cores do is not stated there: all four big ones, which the
probe's source names as those of a language model's threads (oRKLLM/ork-driver, decode_bw_probe.c)."""
HARDWARE_US = 1.27
"""Of a task's fixed cost on the idle bus, what the NPU takes, by the conditions of the row."""


@pytest.fixture(scope="module")
def measured(shared):
    with (shared / "measurements" / "raw" / "web_misc_npu.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["soc"] == "RK3588"]

    def value(metric, **words):
        found = [r for r in rows if r["metric"] == metric and all(text in r[key] for key, text in words.items())]
        return float(found[0]["value"])

    return value


def simulated(applications, background=None, duration="50 ms", soc="rk3588"):
    values = {
        "schema": "socsim.scenario/1", "name": "contention", "title": "users of a bus", "duration": duration,
        "applications": applications, "background": background or {}, "power": {"idle": "never"},
    }  # fmt: skip
    return ss.simulate(values, soc).record


def endless(period, *steps):
    arrival = {"kind": "periodic", "period": period}
    return {"class": "sustained", "arrival": arrival, "queue": {"depth": 1}, "steps": list(steps)}


def frames_per_s(instances, soc):
    detect = {
        "name": "detect", "kind": "network", "network": "yolov5s_relu", "precision": "int8", "decoded": False,
        "unit": "npu", "cores": 1,
    }  # fmt: skip
    threads = {f"thread_{i}": endless("50 us", detect) for i in range(instances)}
    return sum(a.throughput_per_s for a in simulated(threads, duration="500 ms", soc=soc).applications)


def test_one_instance_is_as_fast_as_measured(shared):
    """At the board's usual clocks, NPU 1000 MHz and DDR 2112 MHz; calibrated to 29 networks, this one is 10.2 % off."""
    with (shared / "measurements" / "core.csv").open(encoding="utf-8") as file:
        rows = (r for r in csv.DictReader(file) if (r["platform"], r["workload"]) == ("rk3588", "yolov5s_relu"))
        [latency_ms] = [float(r["value"]) for r in rows if r["metric"] == "latency"]
    assert frames_per_s(1, "rk3588") == pytest.approx(1000 / latency_ms, rel=0.11)


def test_three_instances_on_three_cores_share_the_bus_as_measured(measured):
    together = measured("throughput", model="yolov5s_relu", conditions="3 threads over 3 cores")
    soc = ss.platform("rk3588").with_({"memories.dram.data_rate": "3696 MT/s"})
    assert soc.clock("npu").hz == 10**9
    three = frames_per_s(3, soc)
    assert three == pytest.approx(together, rel=0.1)
    assert three < 3 * frames_per_s(1, soc) * 0.95  # they do slow each other down


def streaming(background):
    """Return the time of the NPU for 2 MB of weights, and what crosses the DRAM in bytes a second."""
    read = {"name": "read", "kind": "stage", "cycles": 1, "unit": "npu", "reads": "2 MB"}
    record = simulated({"npu": endless("10 us", read)}, background)
    [dram] = [flow for flow in record.flows if flow.name == "dram"]
    return record.applications[0].service.mean_ps, dram.bytes * 10**12 / record.duration_ps


def test_the_npu_keeps_the_measured_share_beside_busy_cpus(measured):
    alone, _ = streaming({})
    beside, total = streaming(CPU_LOAD)
    kept = measured("throughput_retained", model="NPU weight reads under CPU DRAM saturation") / 100
    assert alone / beside == pytest.approx(kept, rel=0.1)
    assert total / 10**9 == pytest.approx(measured("dram_bandwidth", model="memory streaming CPU+NPU"), rel=0.1)


def task_us(background, accesses):
    """Return the time of a task's fixed part: what its driver waits for memory, then the NPU's set-up."""
    drive = {"name": "drive", "kind": "stage", "cycles": 1, "unit": "cpu", "accesses": accesses}
    set_up = {"name": "set_up", "kind": "stage", "time": f"{round(HARDWARE_US * 1000)} ns", "unit": "npu"}
    return simulated({"task": endless("100 us", drive, set_up)}, background).applications[0].latency.mean_ps / 10**6


def test_the_fixed_cost_of_a_task_grows_as_measured(measured):
    """The driver's accesses are fitted to the idle bus alone; bursts of the readers under way make each take longer."""
    idle = measured("fixed_cost_per_task", conditions="idle DRAM")
    loaded = measured("fixed_cost_per_task", conditions="CPU DRAM load")
    latency_us = ss.platform("rk3588").memories["dram"].latency_ps / 10**6
    accesses = round((idle - HARDWARE_US) / latency_us)
    assert task_us({}, accesses) == pytest.approx(idle, rel=0.1)
    assert task_us(CPU_LOAD, accesses) == pytest.approx(loaded, rel=0.1)
