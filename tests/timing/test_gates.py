"""Every gate opens at its picosecond, and not one earlier."""

from __future__ import annotations

import pytest
import simpy
from small_world import small_soc

from socsim.cost.work import Phase, Transfer
from socsim.engine.fabric import Fabric
from socsim.engine.fluid import Demand
from socsim.engine.network import Network
from socsim.engine.simulation import Job, simulate

GB = 10**9


@pytest.fixture(scope="module")
def fabric(tmp_path_factory):
    return Fabric(small_soc(tmp_path_factory.mktemp("soc")), {})


def job(key=0, unit="npu", phases=(), after=(), dispatch_ps=0, sync_ps=0, hz=GB):
    return Job(key, unit, hz, dispatch_ps, sync_ps, tuple(phases), after)


def moving(read, cycles=0, write=0):
    return Phase("steady", cycles, (Transfer("dram", read, write),))


def opens_at(env, event, time):
    """Whether an event has not happened at `time` - 1, and has happened at `time`."""
    env.run(until=time)  # processes everything before `time`
    early = event.processed
    env.run(until=time + 1)
    return not early and event.processed


@pytest.mark.parametrize(
    ("size", "rate", "time"),
    [
        (1, GB, 1000),
        (1000, GB, 10**6),
        (1, 3 * GB, 334),  # 333.3 ps: the byte is there in the 334th
        (3, 3 * GB, 1000),
        (10, 7 * GB, 1429),
        (1, 10**12, 1),
        (1, 2 * 10**12, 1),
    ],
)
def test_a_transfer_ends_at_the_picosecond_of_its_last_byte(size, rate, time):
    env = simpy.Environment(0)
    assert opens_at(env, Network(env, {"a": rate}).move(Demand("x", size, {"a": size})), time)


def test_a_cap_below_the_resource_decides():
    env = simpy.Environment(0)
    assert opens_at(env, Network(env, {"a": GB}).move(Demand("x", 1000, {"a": 1000}, GB // 4)), 4 * 10**6)


def test_the_last_one_speeds_up_when_the_other_leaves():
    env = simpy.Environment(0)
    network = Network(env, {"a": GB})
    small, large = (network.move(Demand(name, size, {"a": size})) for name, size in (("x", 500), ("y", 1000)))
    assert opens_at(env, small, 10**6)  # 500 B at half of 1 GB/s
    assert opens_at(env, large, 1_500_000)  # 500 B at half, 500 B at the whole


def test_what_ends_a_picosecond_later_is_not_taken_along():
    env = simpy.Environment(0)
    network = Network(env, {"a": GB, "b": GB - 1})
    first, second = (network.move(Demand(name, 1000, {name: 1000})) for name in ("a", "b"))
    assert opens_at(env, first, 10**6)
    assert not second.processed
    env.run(until=1_000_002)
    assert second.processed


def test_a_unit_that_computes_takes_bytes_no_faster_than_it_uses_them(fabric):
    jobs = [job(0, "npu", [moving(1000, cycles=1000)]), job(1, "cpu", [moving(1500)])]
    assert [t.end_ps for t in simulate(jobs, fabric).times] == [10**6, 500_000]  # 1 of 4 GB/s, and the other 3


def test_weights_set_the_pace_until_one_leaves():
    env = simpy.Environment(0)
    network = Network(env, {"a": GB})
    heavy = network.move(Demand("x", 750, {"a": 750}, None, 3))
    light = network.move(Demand("y", 750, {"a": 750}, None, 1))
    assert opens_at(env, heavy, 10**6)
    assert opens_at(env, light, 1_500_000)


def test_a_higher_class_goes_first():
    env = simpy.Environment(0)
    network = Network(env, {"a": GB})
    low = network.move(Demand("x", 1000, {"a": 1000}))
    high = network.move(Demand("y", 1000, {"a": 1000}, None, 1, 1))
    assert opens_at(env, high, 10**6)
    assert opens_at(env, low, 2 * 10**6)


def test_a_late_arrival_shares_only_from_then_on():
    env = simpy.Environment(0)
    network = Network(env, {"a": GB})
    first = network.move(Demand("x", 1000, {"a": 1000}))
    env.run(until=400_000)
    second = network.move(Demand("y", 1000, {"a": 1000}))
    assert opens_at(env, first, 1_600_000)  # 400 B alone, 600 B at half
    assert opens_at(env, second, 2 * 10**6)


@pytest.mark.parametrize(
    ("cycles", "hz", "time"), [(1, GB, 1000), (3, 3 * GB, 1000), (1, 3 * GB, 334), (2, 3 * GB, 667)]
)
def test_compute_ends_with_its_last_cycle(fabric, cycles, hz, time):
    assert simulate([job(phases=[Phase("steady", cycles, ())], hz=hz)], fabric).makespan_ps == time


def test_dispatch_and_synchronisation_come_before_the_first_phase(fabric):
    outcome = simulate([job(phases=[Phase("steady", 5, ())], dispatch_ps=700, sync_ps=11)], fabric)
    (times,) = outcome.times
    assert [span.start_ps for span in times.spans] == [711]
    assert (times.start_ps, times.end_ps) == (0, 5711)


def test_a_consumer_starts_at_the_picosecond_in_which_its_last_producer_ends(fabric):
    jobs = [
        job(0, "npu", [moving(4000)]),  # 4 GB/s: 1 us
        job(1, "cpu", [Phase("steady", 1300, ())]),
        job(2, "npu", [Phase("steady", 1, ())], after=(0, 1)),
    ]
    times = simulate(jobs, fabric).times
    assert [t.end_ps for t in times] == [10**6, 1_300_000, 1_301_000]
    assert times[2].start_ps == times[1].end_ps


def test_a_unit_takes_its_next_job_when_the_last_one_ends(fabric):
    times = simulate([job(0, "npu", [moving(4000)]), job(1, "npu", [moving(2000)])], fabric).times
    assert [(t.start_ps, t.end_ps) for t in times] == [(0, 10**6), (10**6, 1_500_000)]


def test_the_pins_of_dram_serve_both_directions(fabric):
    assert simulate([job(phases=[moving(2000, write=2000)])], fabric).makespan_ps == 10**6


def test_compute_hides_transfers_that_take_as_long_and_no_more(fabric):
    hidden = simulate([job(phases=[moving(4000, cycles=1000)])], fabric)
    bare = simulate([job(phases=[moving(4001, cycles=1000)])], fabric)
    assert (hidden.makespan_ps, bare.makespan_ps) == (10**6, 1_000_250)
    assert (hidden.times[0].memory_wait_ps, bare.times[0].memory_wait_ps) == (0, 250)
