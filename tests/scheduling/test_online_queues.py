"""Queues behave as queueing theory says, and policies as their definitions say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from online_worlds import MS, US, app, mean_ps, server, stage, world

from socsim.engine.online.engine import run
from socsim.engine.online.model import Admission, Batching, Periodic, Poisson, Program, Trace, Variation
from socsim.testing.verify_world import verify_world

EXPONENTIAL = Variation("exponential")


def queue(load, activations, variation, seed=1):
    """Return what a single server saw of Poisson arrivals, and how long that took, in mean services."""
    service = 10 * US
    gap = round(service / load)
    calls = app("calls", Poisson(gap), variation=variation)
    outcome = run(world([calls], {"calls": stage(service)}, duration_ps=gap * activations, seed=seed))
    return outcome.served[0], gap * activations


def waiting_share(load, activations, variation, seed=1):
    """Return mean waiting in a single-server queue, over the mean service."""
    return mean_ps(queue(load, activations, variation, seed)[0].waiting) / (10 * US)


def pollaczek_khinchine(load, squared_variation):
    """Return mean waiting over mean service: rho (1 + C**2) / (2 (1 - rho)); Kleinrock, volume 1, section 5.6."""
    return load * (1 + squared_variation) / (2 * (1 - load))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "variation", "squared", "seeds"),
    [(0.5, Variation(), 0, 1), (0.5, EXPONENTIAL, 1, 1), (0.8, Variation(), 0, 1), (0.8, EXPONENTIAL, 1, 4)],
)
def test_waiting_is_what_pollaczek_and_khinchine_say(load, variation, squared, seeds):
    """Of the moments that were drawn: at a load of 0.8, one part in 200 of it is already 2.5 % of the waiting."""
    found = expected = 0
    for seed in range(1, seeds + 1):
        served, duration = queue(load, 300_000 if load > 0.5 else 150_000, variation, seed)
        mean = mean_ps(served.service)
        drawn = served.completed * mean / duration
        assert drawn == pytest.approx(load, rel=0.01)
        spread = served.service.squares / served.completed / mean**2 - 1
        assert spread == pytest.approx(squared, abs=0.02)
        found += mean_ps(served.waiting) / mean
        expected += pollaczek_khinchine(drawn, spread)
    assert found == pytest.approx(expected, rel=0.02)


def test_waiting_in_a_short_run_is_near_it():
    assert waiting_share(0.5, 30_000, Variation(), 2) == pytest.approx(pollaczek_khinchine(0.5, 0), rel=0.05)
    uniform = waiting_share(0.5, 30_000, Variation("uniform", 0.6), 2)
    assert uniform == pytest.approx(pollaczek_khinchine(0.5, 0.6**2 / 3), rel=0.05)


@pytest.mark.slow
def test_waiting_with_two_servers_is_what_erlang_says():
    """M/M/2: probability to wait (Erlang C) times service over 2 (1 - rho)."""
    service, load = 10 * US, Fraction(7, 10)
    gap = round(service / (2 * load))
    calls = app("calls", Poisson(gap), variation=EXPONENTIAL)
    outcome = run(world([calls], {"calls": stage(service)}, [server(cores=2)], duration_ps=gap * 250_000, seed=3))
    a = 2 * load
    full = a**2 / 2 / (1 - load)
    erlang_c = full / (1 + a + full)
    assert mean_ps(outcome.served[0].waiting) / service == pytest.approx(float(erlang_c / (2 * (1 - load))), rel=0.02)


def test_the_share_of_time_that_a_server_works_is_the_load():
    calls = app("calls", Poisson(20 * US))
    duration = 20 * US * 20_000
    outcome = run(world([calls], {"calls": stage(10 * US)}, duration_ps=duration, seed=5))
    assert outcome.servers[0].busy_ps / duration == pytest.approx(0.5, rel=0.02)
    assert outcome.servers[0].busy_ps == outcome.servers[0].segments * 10 * US


def test_batches_carry_a_load_that_single_activations_do_not():
    """A batch of n takes 8 + 2n: alone 10 for each arrival every 5, in eights 3 for each."""
    calls = app("calls", Poisson(5 * US), batching=Batching(8, 20 * US))
    table = {"calls": lambda _, batch, __: stage((8 + 2 * batch) * US)}
    made = world([calls], table, duration_ps=40 * MS, seed=2, is_traced=True)
    outcome = run(made)
    served = outcome.served[0]
    assert verify_world(outcome, made) == []
    assert served.unfinished <= 16
    assert outcome.servers[0].segments < served.completed / 2
    assert served.latency.most_ps < 300 * US
    alone = run(world([app("calls", Poisson(5 * US))], table, duration_ps=40 * MS, seed=2))
    assert alone.served[0].unfinished > 3000
    (warning,) = alone.warnings
    assert warning.startswith(
        "server 'cpu' was asked for 1.98 of its time (calls 1.98) and has 1 (1 core): 0.98 too much"
    )
    assert not outcome.warnings


def test_a_batch_goes_when_it_is_full_or_its_first_one_has_waited():
    calls = app("calls", Trace((0, 3 * US, 5 * US, 40 * US)), batching=Batching(3, 20 * US))
    table = {"calls": lambda _, batch, __: stage(batch * 10 * US)}
    outcome = run(world([calls], table, duration_ps=100 * US, is_traced=True))
    spans = [(part.activation, part.start_ps // US, part.end_ps // US) for part in outcome.slices]
    assert spans == [(0, 5, 35), (3, 60, 70)]
    assert [f.end_ps // US for f in outcome.activations] == [35, 35, 35, 70]


def test_those_who_come_while_a_batch_waits_for_its_server_join_it():
    calls = app("calls", Trace((0, US, 2 * US, 3 * US, 4 * US)), batching=Batching(3))
    table = {"calls": lambda _, batch, __: stage(batch * 10 * US)}
    outcome = run(world([calls], table, duration_ps=100 * US, is_traced=True))
    assert [(part.activation, part.end_ps // US) for part in outcome.slices] == [(0, 10), (1, 40), (4, 50)]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(1, 3))
def test_first_come_first_served(times, cores):
    calls = app("calls", Trace(tuple(sorted(time * US for time in times))))
    outcome = run(world([calls], {"calls": stage(7 * US)}, [server(cores=cores)], is_traced=True))
    assert [part.activation for part in outcome.slices] == sorted(part.activation for part in outcome.slices)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 9))
def test_round_robin_starves_nobody(services, quantum):
    """With n that compete, who has q quanta of work ends within q rounds of n quanta."""
    names = [f"app {i}" for i in range(len(services))]
    applications = [app(name, Trace((0,)), preemption="any") for name in names]
    programs = {name: stage(service * US) for name, service in zip(names, services, strict=True)}
    made = world(
        applications, programs, [server(policy="round_robin", quantum_ps=quantum * US)], 10 * MS, is_traced=True
    )
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    for served, service in zip(outcome.served, services, strict=True):
        rounds = -(-service // quantum)
        assert served.completed == 1
        assert served.latency.most_ps <= rounds * len(services) * quantum * US


def test_who_is_left_of_a_batch_goes_on_where_fewer_take_other_segments():
    """The first one's deadline passes while both wait; one alone takes one segment of 2 ms, two take two of 1 ms."""
    one, (half,) = stage(2 * MS), stage(MS).segments
    two = Program((half, replace(half, after=(0,))))
    late = Admission(late="drop")
    calls = app("calls", Trace((0, 3 * MS)), deadline_ps=8 * MS, admission=late, batching=Batching(2, 5 * MS))
    programs = {"busy": stage(9 * MS), "calls": lambda _choice, batch, _points: one if batch == 1 else two}
    made = world([calls, app("busy", Trace((0,)), priority=1)], programs, is_traced=True)
    outcome = run(made)
    fates = [(f.application, f.activation, f.fate, f.end_ps) for f in outcome.activations]
    late, other = ("calls", 0, "dropped", 8 * MS), ("calls", 1, "completed", 11 * MS)
    assert fates == [late, ("busy", 0, "completed", 9 * MS), other]
    assert verify_world(outcome, made) == []


def test_round_robin_serves_in_turns_of_its_quantum():
    applications = [app(name, Trace((0,)), preemption="any") for name in "ab"]
    programs = {"a": stage(5 * US), "b": stage(2 * US)}
    servers = [server(policy="round_robin", quantum_ps=2 * US)]
    outcome = run(world(applications, programs, servers, is_traced=True))
    spans = [(part.application, part.start_ps // US, part.end_ps // US) for part in outcome.slices]
    assert spans == [("a", 0, 2), ("b", 2, 4), ("a", 4, 7)]


def test_a_flood_starves_a_low_priority_and_a_warning_names_who():
    flood = app("flood", Periodic(10 * US), priority=5)
    quiet = app("quiet", Periodic(MS), deadline_ps=MS)
    programs = {"flood": stage(10 * US), "quiet": stage(5 * US)}
    outcome = run(world([flood, quiet], programs, [server(policy="priority")], 5 * MS))
    assert outcome.served[1].completed == 0
    (starved,) = [w for w in outcome.warnings if "starves" in w]
    assert starved.startswith("server 'cpu' starves 'quiet': it waited 5 ms while 'flood' came later and went first")
    fair = run(world([flood, quiet], programs, [server(policy="weighted_fair")], 5 * MS))
    assert fair.served[1].completed >= 3
    assert not [w for w in fair.warnings if "starves" in w]


@given(st.integers(0, 4), st.integers(0, 4))
def test_weighted_fair_divides_a_server_by_weight(one, other):
    """Both always have work: shares are as priority + 1, to one segment each."""
    applications = [app("one", Periodic(10 * US), priority=one), app("other", Periodic(10 * US), priority=other)]
    programs = {"one": stage(10 * US), "other": stage(10 * US)}
    outcome = run(world(applications, programs, [server(policy="weighted_fair")], 3 * MS))
    done = [served.completed for served in outcome.served]
    assert abs(done[0] * (other + 1) - done[1] * (one + 1)) <= 12
