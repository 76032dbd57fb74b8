"""Runs at burst level: the same work as by default, moved access by access."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from small_world import Net, small_soc, with_twin

import socsim as ss
from socsim.cost.work import Phase, Transfer
from socsim.engine.burst_network import Region
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, Stream, simulate
from socsim.errors import DeadlockError, UsageError
from socsim.pipeline import Options, run_graph
from socsim.soc.dram_bus import dram_bus
from socsim.soc.loader import load_platform, platform_names
from socsim.testing.verify import verify

HZ = 10**9
DEVICE = {
    "memories.dram.device": "lpddr4-3200",
    "memories.dram.data_rate": "3200 MT/s",
    "memories.dram.efficiency": None,
    "memories.dram.latency": "100 ns",
}


SLOW_TO_FILL = {"apple-m4-pro", "cim-example", "hailo-15l"}
"""Platforms whose pipes take over a tenth of a megabyte's time to fill."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


@pytest.fixture(scope="module")
def soc(plain):
    return plain.with_(DEVICE)


def job(key, unit="npu", read=0, write=0, cycles=0, after=()):
    transfers = (Transfer("dram", read, write),) if read or write else ()
    return Job(key, unit, HZ, 0, 0, (Phase("steady", cycles, transfers),), after)


def both(jobs, soc, streams=(), cores=None):
    fabric = Fabric(soc, cores or {})
    return [simulate(jobs, fabric, streams, bursts=bursts) for bursts in (False, True)]


@pytest.mark.parametrize("outstanding", [4, 8, 64])
def test_a_stream_takes_as_long_as_by_default(soc, outstanding):
    ported = soc.with_({"units.npu.port.outstanding": outstanding})
    fluid, burst = both([job(0, read=2_000_000)], ported)
    assert burst.makespan_ps == pytest.approx(fluid.makespan_ps, rel=0.05)


def test_a_port_that_measurements_show_slower_is_so_at_both_levels(soc):
    ported = soc.with_({"units.npu.port.outstanding": 8})
    fluid, burst = (
        simulate([job(0, read=2_000_000)], Fabric(ported, {}, {"npu": 2.0}), bursts=bursts).makespan_ps
        for bursts in (False, True)
    )
    assert burst == pytest.approx(fluid, rel=0.05)
    assert burst > 1.5 * both([job(0, read=2_000_000)], ported)[1].makespan_ps


def test_compute_hides_transfers_as_by_default(soc):
    fluid, burst = both([job(0, read=100_000, write=50_000, cycles=200_000)], soc)
    assert burst.makespan_ps == pytest.approx(fluid.makespan_ps, rel=0.01)
    assert fluid.makespan_ps == 200_000_000


def test_a_mix_of_reads_and_writes_pays_for_turning_the_bus(soc):
    """The default level has one rate for all mixes; the bus of the burst level turns for each round of writes."""
    wide = soc.with_(
        {"units.npu.port.outstanding": 256, "links.bus.width": "512 bit", "units.npu.port.width": "64 B/cycle"}
    )
    fluid, burst = both([job(0, read=1_000_000, write=1_000_000)], wide)
    bus = dram_bus(wide.file.memories["dram"])
    assert burst.makespan_ps > fluid.makespan_ps
    mixed = float(bus.efficiency(reads=type(bus.efficiency())(1, 2)))
    assert 2_000_000 * 10**12 / burst.makespan_ps < 1.1 * bus.peak_bytes_per_s * mixed


def test_two_units_share_and_the_books_balance(soc):
    jobs = [
        replace(job(i, unit, read=400_000), regions={"read": (Region("dram", i << 24, 400_000),)})
        for i, unit in enumerate(("npu", "twin"))
    ]
    fluid, burst = both(jobs, soc)
    for outcome in (fluid, burst):
        ledger = outcome.ledgers["dram"]
        assert ledger.bytes == 800_000
        assert ledger.initiators == {"npu": 400_000, "twin": 400_000}
    ends = [t.end_ps for t in burst.times]
    assert ends[0] == pytest.approx(ends[1], rel=0.15)
    alone = simulate([job(0, read=400_000)], Fabric(soc, {}), bursts=True).makespan_ps
    assert alone <= burst.makespan_ps <= 2.05 * alone


def test_background_traffic_slows_a_unit_and_is_booked(soc):
    fabric = Fabric(soc, {})
    alone = simulate([job(0, read=1_000_000)], fabric, bursts=True)
    shared = simulate([job(0, read=1_000_000)], fabric, [Stream("cpu", "dram", 6 * 10**9)], bursts=True)
    assert shared.makespan_ps > alone.makespan_ps
    moved = shared.ledgers["dram"].initiators["cpu"]
    assert moved * 10**12 / shared.makespan_ps <= 6.1 * 10**9
    assert moved > 0


def test_jobs_wait_for_each_other_as_by_default(soc):
    _, burst = both([job(0, read=100_000), job(1, "twin", read=100_000, after=(0,))], soc)
    assert burst.times[1].start_ps == burst.times[0].end_ps


def test_traffic_of_a_higher_class_that_leaves_nothing_is_an_error(soc):
    urgent = soc.with_(
        {"links.bus.arbitration": "priority", "links.bus.priorities": {"cpu": 1}, "memories.dram.width": "16 bit"}
    )
    with pytest.raises(DeadlockError, match="npu can never finish"):
        simulate([job(0, read=10**6)], Fabric(urgent, {}), [Stream("cpu", "dram", 10**11)], bursts=True)


NARROW = {"units.npu.port.outstanding": 256, "units.twin.port.outstanding": 256}


def shares(soc, *, bursts):
    """Return the bytes that the twin has moved when the NPU is done, both over a link that is full."""
    jobs = [
        replace(job(i, unit, read=amount), regions={"read": (Region("dram", i << 24, 1 << 20),)})
        for i, (unit, amount) in enumerate((("npu", 400_000), ("twin", 4_000_000)))
    ]
    outcome = simulate(jobs, Fabric(soc, {}), bursts=bursts)
    npu, twin = (t.end_ps for t in outcome.times)
    assert npu < twin
    rate = outcome.ledgers["bus.read"].bytes / twin  # the link is never idle
    return npu * rate - 400_000


@pytest.mark.parametrize(
    ("arbitration", "twin"),
    [
        ({"links.bus.arbitration": "round_robin"}, 1.0),
        ({"links.bus.arbitration": "weighted", "links.bus.weights": {"npu": 1, "twin": 3}}, 3.0),
        ({"links.bus.arbitration": "weighted", "links.bus.weights": {"npu": 4, "twin": 1}}, 0.25),
        ({"links.bus.arbitration": "priority", "links.bus.priorities": {"npu": 1}}, 0.0),
    ],
)
def test_a_full_link_is_shared_as_its_arbitration_says(soc, arbitration, twin):
    """As by default: turns, weights, classes."""
    full = soc.with_(NARROW | {"links.bus.width": "16 bit"} | arbitration)
    for bursts in (False, True):
        assert shares(full, bursts=bursts) / 400_000 == pytest.approx(twin, rel=0.1, abs=0.05)


def test_a_kernel_that_computes_long_for_each_access_is_no_deadlock(soc):
    slow = job(0, read=256, cycles=10**9)  # an access in a tenth of a second
    fluid, burst = both([slow], soc)
    assert burst.makespan_ps == fluid.makespan_ps == 10**12


def test_a_dram_without_a_device_is_refused(plain):
    with pytest.raises(UsageError, match=r"memories\.dram names no device.*`device:`"):
        simulate([job(0, read=64)], Fabric(plain, {}), bursts=True)


def network():
    net = Net()
    x = net.conv(net.input(1, 20, 20, 16), 32, 3)
    return net.graph(net.conv(x, 16, 1))


def test_a_run_at_burst_level_keeps_every_invariant_and_repeats(soc):
    record = run_graph(network(), soc, Options(detail="burst"))
    assert record.detail == "burst"
    assert not verify(record)
    assert run_graph(network(), soc, Options(detail="burst")) == record
    fluid = run_graph(network(), soc, Options())
    assert record.energy_pj == pytest.approx(fluid.energy_pj, rel=0.05)
    assert [m.read_bytes for m in record.memories] == [m.read_bytes for m in fluid.memories]


@pytest.mark.slow
def test_resnet50_takes_seconds_and_agrees_with_the_default():
    net, soc = ss.load("resnet50"), ss.platform("rk3588")
    ss.run(net, soc, detail="burst")
    start = time.process_time()
    burst = ss.run(net, soc, detail="burst")
    assert time.process_time() - start < 4  # about 1 s: 3.6 million accesses
    fluid = ss.run(net, soc)
    assert 1 <= int(burst.record.latency_ps) / int(fluid.record.latency_ps) < 1.1


@pytest.mark.parametrize("name", [n for n in platform_names() if "dram" in load_platform(n).memories])
def test_platforms_with_dram_that_ship_say_of_which_device_it_is(name):
    """A megabyte takes each CPU as long as by default, give or take what filling the pipes costs."""
    soc = ss.platform(name)
    cpu = next(n for n, unit in soc.units.items() if unit.kind == "cpu")
    phase = Phase("stream", 0, (Transfer("dram", 10**6, 0),))
    fluid, bursts = both([Job(0, cpu, soc.unit_hz(cpu), 0, 0, (phase,), ())], soc)
    assert bursts.makespan_ps == pytest.approx(fluid.makespan_ps, rel=0.13 if name in SLOW_TO_FILL else 0.1)
