"""Stretches: events where jobs can overlap, the closed form elsewhere, come to the same as events throughout."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_jobs import random_jobs
from small_world import PROPERTY, small_soc, with_twin

from socsim.cost.work import Phase, Transfer
from socsim.engine.closed_form import analyse
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, simulate
from socsim.engine.stretches import simulate_in_stretches, stretches
from socsim.errors import DeadlockError


def jobs(*, chained):
    return random_jobs(least=0, slowest=333, most_phases=3, chained=chained, most_sync=10)


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


def in_order(rates):
    """Return changes of rates by resource and time; what changes at one time has no order."""
    return sorted(rates, key=lambda change: change[:2])


def assert_equal(jobs, fabric):
    events, shorter = simulate(jobs, fabric), simulate_in_stretches(jobs, fabric)
    assert events.makespan_ps == shorter.makespan_ps
    assert events.times == shorter.times
    assert events.ledgers == shorter.ledgers
    assert in_order(events.rates) == in_order(shorter.rates)


@PROPERTY
@given(jobs(chained=True), st.integers(1, 2))
def test_a_chain_of_jobs_ends_as_the_closed_form_says_in_every_figure(soc, jobs, cores):
    fabric = Fabric(soc, {"npu": cores})
    assert stretches(jobs) == list(range(len(jobs)))
    assert_equal(jobs, fabric)
    assert analyse(jobs, fabric).times == simulate(jobs, fabric).times
    assert analyse(jobs, fabric).rates == simulate(jobs, fabric).rates


@PROPERTY
@given(jobs(chained=False))
def test_events_in_stretches_come_to_the_same_as_events_throughout(soc, jobs):
    assert_equal(jobs, Fabric(soc, {}))


@PROPERTY
@given(jobs(chained=False))
def test_a_stretch_begins_when_all_before_it_has_ended_and_not_before(soc, jobs):
    times = simulate(jobs, Fabric(soc, {})).times
    for start in stretches(jobs):
        assert max((t.end_ps for t in times[:start]), default=0) <= min(t.start_ps for t in times[start:])


def job(key, unit="npu", after=(), read=1000):
    return Job(key, unit, 10**9, 0, 0, (Phase("steady", 10, (Transfer("dram", read, 0),)),), after)


@pytest.mark.parametrize(
    ("jobs", "starts"),
    [
        ([], []),
        ([job(0), job(1), job(2)], [0, 1, 2]),
        ([job(0), job(1, "twin", (0,)), job(2, "npu", (0, 1))], [0, 1, 2]),
        ([job(0), job(1, "twin")], [0]),  # side by side
        ([job(0), job(1, "twin", (0,)), job(2, "cpu", (0,))], [0, 1]),  # two wait for the same one
        ([job(0), job(1, "twin", (0,)), job(2, "npu", (0,)), job(3, "npu", (1,))], [0, 1, 3]),  # and meet again
        ([job(0), job(1, "twin", (0,)), job(2, "npu", (1,)), job(3, "cpu", (0,))], [0, 1]),  # beside what came before
    ],
)
def test_where_stretches_begin(jobs, starts):
    assert stretches(jobs) == starts


def test_what_can_never_run_is_refused_in_the_words_of_events(soc):
    circle = [job(0), job(1, after=(2,)), job(2, "twin", (1,))]
    with pytest.raises(DeadlockError, match=r"^2 jobs can never start: job 1 on npu waits for \[2\]; "):
        simulate_in_stretches(circle, Fabric(soc, {}))
    crawling = Fabric(soc.with_({"memories.dram.latency": "64 s", "units.npu.port.outstanding": 1}), {})
    assert simulate_in_stretches([job(0, read=1)], crawling).makespan_ps == 10**12
    with pytest.raises(DeadlockError, match="can never finish"):
        simulate_in_stretches([job(0), job(1)], crawling)
