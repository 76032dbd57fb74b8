"""Jobs on shared units and memories: closed forms, contention, and runs that cannot finish."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_world import small_soc, with_twin

from socsim.cost.work import Phase, Transfer
from socsim.engine.closed_form import analyse
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, Stream, simulate
from socsim.errors import DeadlockError
from socsim.quantities import PS_PER_S, ceil_div

HZ = 10**9


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


@pytest.fixture(scope="module")
def fabric(soc):
    return Fabric(soc, {})


def job(key, unit="npu", read=0, cycles=0, after=(), write=0):
    transfers = (Transfer("dram", read, write),) if read or write else ()
    return Job(key, unit, HZ, 0, 0, (Phase("steady", cycles, transfers),), after)


@pytest.mark.parametrize(("read", "write"), [(1, 0), (4096, 0), (0, 4096), (1000, 333)])
def test_unloaded_transfer_takes_bytes_over_the_slowest_resource(fabric, read, write):
    expected = ceil_div((read + write) * PS_PER_S, 4 * 10**9)
    for run in (simulate, analyse):
        assert run([job(0, read=read, write=write)], fabric).makespan_ps == expected


def test_the_outstanding_bursts_over_the_latency_bound_a_port(soc):
    slow = soc.with_({"units.npu.port.outstanding": 4})  # 4 x 64 B each 128 ns = 2 GB/s, below the DRAM's 4
    assert simulate([job(0, read=2000)], Fabric(slow, {})).makespan_ps == 10**6
    assert simulate([job(0, read=2000)], Fabric(slow, {"npu": 2})).makespan_ps == 500_000


def test_the_width_of_a_port_bounds_it(soc):
    narrow = soc.with_({"units.npu.port.width": "1 B/cycle"})
    assert simulate([job(0, read=2000)], Fabric(narrow, {})).makespan_ps == 2 * 10**6


def test_a_narrow_link_bounds_what_crosses_it(soc):
    narrow = soc.with_({"links.bus.width": "8 bit"})
    assert simulate([job(0, read=2000)], Fabric(narrow, {})).makespan_ps == 2 * 10**6


def test_infinite_bandwidth_leaves_the_compute_time(soc):
    endless = soc.with_({
        "memories.dram.data_rate": "1000000 GT/s", "memories.dram.latency": "1 ps", "links.bus.width": "1000000000 bit",
        "units.npu.port": {"width": "100000000 B/cycle", "outstanding": 10**6, "burst": "64 B"},
    })  # fmt: skip
    outcome = simulate([job(0, read=10**6, cycles=777)], Fabric(endless, {}))
    assert outcome.makespan_ps == 777_000
    assert outcome.times[0].memory_wait_ps == 0


def test_infinite_compute_leaves_the_memory_time(fabric):
    assert simulate([job(0, read=4000)], fabric).makespan_ps == 10**6


def test_no_bytes_and_no_cycles_take_no_time(fabric):
    for run in (simulate, analyse):
        assert run([job(0)], fabric).makespan_ps == 0


def test_no_jobs_take_no_time(fabric):
    assert simulate([], fabric).makespan_ps == 0


def test_identical_units_slow_each_other_down_and_no_more_than_in_sequence(fabric):
    alone = simulate([job(0, read=40_000)], fabric).makespan_ps
    both = simulate([job(0, read=40_000), job(1, "twin", read=40_000)], fabric)
    assert [t.end_ps for t in both.times] == [2 * alone, 2 * alone]
    assert [t.bus_wait_ps for t in both.times] == [alone, alone]
    assert [t.memory_wait_ps for t in both.times] == [alone, alone]


def test_units_that_compute_longer_than_they_read_do_not_meet(fabric):
    both = simulate([job(0, read=1000, cycles=1000), job(1, "twin", read=1000, cycles=1000)], fabric)
    assert [(t.end_ps, t.bus_wait_ps) for t in both.times] == [(10**6, 0), (10**6, 0)]


def test_sharing_never_ends_later_than_one_after_the_other(fabric):
    jobs = [job(0, read=1000, cycles=400), job(1, "twin", read=7000, cycles=100), job(2, "cpu", read=3000)]
    shared, serial = simulate(jobs, fabric), analyse(jobs, fabric)
    assert max(t.end_ps - t.start_ps for t in serial.times) <= shared.makespan_ps <= serial.makespan_ps
    for together, alone in zip(shared.times, serial.times, strict=True):
        assert together.end_ps - together.start_ps >= alone.end_ps - alone.start_ps
        assert together.memory_wait_ps == alone.memory_wait_ps


def test_books_name_every_initiator(fabric):
    outcome = simulate([job(0, read=1000, write=10), job(1, "twin", read=500)], fabric)
    assert outcome.ledgers["dram"].bytes == 1510
    assert outcome.ledgers["dram.read"].initiators == {"npu": 1000, "twin": 500}
    assert outcome.ledgers["bus.write"].initiators == {"npu": 10}
    assert outcome.ledgers["cpu.read"].bytes == 0


def test_background_takes_its_rate_and_is_booked(fabric):
    outcome = simulate([job(0, read=3000)], fabric, [Stream("cpu", "dram", 10**9)])
    assert outcome.makespan_ps == 10**6  # 3 of 4 GB/s are left
    assert outcome.ledgers["dram.read"].initiators == {"cpu": 1000, "npu": 3000}


def test_priority_at_a_link_protects_from_background(soc):
    guarded = soc.with_({"links.bus.arbitration": "priority", "links.bus.priorities": {"npu": 1}})
    crowd = [Stream("cpu", "dram", 4 * 10**9)]
    assert simulate([job(0, read=4000)], Fabric(guarded, {}), crowd).makespan_ps == 10**6
    assert simulate([job(0, read=4000)], Fabric(soc, {}), crowd).makespan_ps == 2 * 10**6


def test_weights_at_a_link_divide_the_memory(soc):
    weighted = soc.with_({"links.bus.arbitration": "weighted", "links.bus.weights": {"npu": 3}})
    outcome = simulate([job(0, read=3000)], Fabric(weighted, {}), [Stream("cpu", "dram", 4 * 10**9)])
    assert outcome.makespan_ps == 10**6


@pytest.mark.parametrize("streams", [(), (Stream("cpu", "dram", 10**9),)])
def test_a_circle_of_jobs_is_reported_with_who_waits_for_whom(fabric, streams):
    jobs = [job(0, "npu", read=100, after=(1,)), job(1, "twin", read=100, after=(0,)), job(2, "cpu", read=100)]
    with pytest.raises(DeadlockError) as error:
        simulate(jobs, fabric, streams)
    assert str(error.value) == "2 jobs can never start: job 0 on npu waits for [1]; job 1 on twin waits for [0]"


def test_a_job_that_waits_for_a_later_one_of_its_own_unit_is_a_deadlock(fabric):
    with pytest.raises(DeadlockError, match=r"job 0 on npu waits for \[1\]"):
        simulate([job(0, after=(1,), read=1), job(1, read=1)], fabric)


def test_parts_of_every_job_add_up(fabric):
    moving = [job(0, "npu", 999, 50), job(1, "twin", 1998, 50)]
    jobs = [replace(one, dispatch_ps=13, sync_ps=7) for one in moving]
    for outcome in (simulate(jobs, fabric), analyse(jobs, fabric)):
        for t in outcome.times:
            parts = t.compute_ps + t.memory_wait_ps + t.bus_wait_ps + t.dispatch_ps + t.sync_ps
            assert parts == t.end_ps - t.start_ps
