"""Burst-level DRAM against other simulators' tables: streams, refresh, latencies, random traffic.

The harness behind the first table runs one stream over the banks of a channel, each access a read or a write by
chance, beside a probe that reads at random with one access under way; `nop` sets the stream's pace.
"""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest

from socsim.engine.dram.system import FOREVER, BurstSystem, DramMemory, Flow, Source
from socsim.soc.dram import DramController, dram_device, dram_times

DEVICES = {"LPDDR5": "lpddr5-6400", "LPDDR6": "lpddr6-10667", "DDR4": "ddr4-2400"}
BANKS_FIRST = "row:column:rank:group:bank:channel"
ONE_STREAM = 200_000
PROBES = 1000


@pytest.fixture(scope="module")
def rows(shared):
    def read(name):
        with (shared / "peers" / "dram" / name).open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return read


def memory(standard, refresh):
    control = DramController(mapping=BANKS_FIRST, refresh="all_bank" if refresh else "off")
    return DramMemory(dram_device(DEVICES[standard]), controller=control)


def gb_per_s(accesses, m, time_ps):
    return accesses * m.device.access.value * 1000 / time_ps


def stream(standard, refresh, reads):
    """Return the rate of a stream as fast as the channel takes it."""
    m = memory(standard, refresh)
    system = BurstSystem([m], [Source()])
    system.add(Flow(0, ONE_STREAM, write_share=1 - reads))
    system.drain()
    counts = system.counts()
    assert counts.reads + counts.writes == ONE_STREAM
    return gb_per_s(ONE_STREAM, m, counts.end_ps)


def probed(standard, refresh, reads, nop):
    """Return total rate and mean latency of random reads beside a stream that issues each `nop` / 4 cycles."""
    m = memory(standard, refresh)
    system = BurstSystem([m], [Source(), Source(reads=1)])
    pace = nop * m.device.cycle.value // 4 if nop > 1 else 0
    system.add(Flow(0, FOREVER, size=1 << 25, write_share=1 - reads, pace_ps=pace))
    system.add(Flow(1, PROBES, pattern="random", size=1 << 25, seed=7))
    _, end = system.advance()
    counts = system.counts()
    return gb_per_s(counts.reads + counts.writes, m, end), system.traffic(1).mean_queue_latency_ps / 1000


def test_streaming_rates_are_within_two_per_cent(rows):
    table = [r for r in rows("ramulator2.1_c5b1c3a_streaming_and_spec.csv") if r["key"] == "streaming_only_GBps"]
    assert len(table) == 18
    for row in table:
        ours = stream(row["standard"], row["refresh"] == "True", int(row["read_pct"]) / 100)
        assert ours == pytest.approx(float(row["value"]), rel=0.02), row


@pytest.mark.parametrize("standard", DEVICES)
def test_refresh_takes_the_share_that_the_timings_say(rows, standard):
    table = rows("ramulator2.1_c5b1c3a_streaming_and_spec.csv")
    expected = next(float(r["value2"]) for r in table if r["standard"] == standard and r["key2"] == "refresh_overhead")
    lost = 1 - stream(standard, True, 1.0) / stream(standard, False, 1.0)
    assert lost == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("standard", DEVICES)
def test_unloaded_latency_is_precharge_activate_and_read(rows, standard):
    table = rows("ramulator2.1_c5b1c3a_streaming_and_spec.csv")
    formula = next(
        float(r["value"]) for r in table if r["standard"] == standard and r["key"] == "unloaded_latency_ns_formula"
    )
    _, ours = probed(standard, False, 1.0, 10_000)
    assert ours == pytest.approx(formula, rel=0.1)
    t = dram_times(dram_device(DEVICES[standard]))
    assert (t.rp + t.rcd + t.rl) / 1000 == pytest.approx(formula, rel=0.001)


def ranks(values):
    return np.argsort(np.argsort(values))


def at_half_more(curve):
    """Return the rate at which latency first exceeds the unloaded one by half: the knee."""
    (_, unloaded), *_ = curve
    return next(rate for rate, latency in curve if latency > 1.5 * unloaded)


@pytest.mark.slow
def test_loaded_latency_has_the_shape_of_the_peer(rows):
    curves = defaultdict(list)
    for row in rows("ramulator2.1_c5b1c3a_latency_throughput.csv"):
        key = row["standard"], row["refresh"] == "True", int(row["read_pct"]) / 100
        curves[key].append(
            (int(row["nop"]), float(row["total_throughput_GBps"]), float(row["avg_random_probe_latency_ns"]))
        )
    assert len(curves) == 18
    for key, points in curves.items():
        theirs = [(rate, latency) for _, rate, latency in points]
        ours = [probed(*key, nop) for nop, _, _ in points]
        assert np.corrcoef(ranks([p[1] for p in theirs]), ranks([p[1] for p in ours]))[0, 1] > 0.97, key
        assert at_half_more(ours) == pytest.approx(at_half_more(theirs), rel=0.35), key
        paced = [(a, b) for (nop, _, _), (_, a), (_, b) in zip(points, theirs, ours, strict=True) if nop > 1]
        errors = [abs(b / a - 1) for a, b in paced]
        assert np.median(errors) < 0.15, key
        for (_, rate, _), (our_rate, _) in zip(points, ours, strict=True):
            assert our_rate == pytest.approx(rate, rel=0.12), key


def test_random_ddr4_traffic_is_near_dramsim3(rows):
    """Two ranks, 2 of 3 accesses read, as fast as the queues take them; that file's CL, RCD and RP are 17."""
    row = next(
        r
        for r in rows("dramsim3_2981759_1Mcycles.csv")
        if r["config"] == "DDR4_8Gb_x8_2400" and r["stream"] == "random"
    )
    control = DramController(mapping="row:channel:rank:bank:group:column")
    m = DramMemory(dram_device("ddr4-2400"), ranks=2, controller=control)
    system = BurstSystem([m], [Source()])
    system.add(Flow(0, ONE_STREAM, size=1 << 28, pattern="random", write_share=1 / 3))
    system.drain()
    ours = gb_per_s(ONE_STREAM, m, system.counts().end_ps)
    assert ours == pytest.approx(float(row["average_bandwidth"]), rel=0.1)


def test_ddr4_streams_in_one_bank_group_are_as_slow_as_in_dramsim3(rows):
    """Two arrays read, one written, columns lowest in the address: the long column distance bounds the pace."""
    row = next(
        r
        for r in rows("dramsim3_2981759_1Mcycles.csv")
        if r["config"] == "DDR4_8Gb_x8_2400" and r["stream"] == "stream"
    )
    control = DramController(mapping="row:channel:rank:bank:group:column")
    m = DramMemory(dram_device("ddr4-2400"), ranks=2, controller=control)
    rates = []
    for seed in range(4):
        bases = np.random.default_rng(seed).integers(0, 1 << 26, 3)
        system = BurstSystem([m], [Source()])
        system.add(*(Flow(0, 60_000, base=int(b), write_share=float(i == 2)) for i, b in enumerate(bases)))
        system.drain()
        rates.append(gb_per_s(180_000, m, system.counts().end_ps))
    assert np.mean(rates) == pytest.approx(float(row["average_bandwidth"]), rel=0.15)
