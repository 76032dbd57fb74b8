"""Real-time theory holds on one preemptive unit: EDF up to a load of 1, rate-monotonic response times, borders."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, lcm

import pytest
from hypothesis import given
from hypothesis import strategies as st
from online_worlds import US, app, server, stage, world

from socsim.engine.online.engine import run
from socsim.engine.online.model import Periodic, Trace
from socsim.testing.verify_world import verify_world

PERIODS = [2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30]


@st.composite
def tasks_(draw, *, full):
    """Draw periods and services of tasks whose load is at most 1, or exactly 1."""
    periods = draw(st.lists(st.sampled_from(PERIODS), min_size=1, max_size=5))
    tasks, left = [], Fraction(1)
    for period in periods:
        most = int(left * period)
        if most:
            service = draw(st.integers(1, most))
            tasks.append((period, service))
            left -= Fraction(service, period)
    if full and left:
        tasks.append((left.denominator, left.numerator))
    return tasks


def periodic_world(tasks, policy, duration, **kwargs):
    names = [f"task {i}" for i in range(len(tasks))]
    applications = [
        app(name, Periodic(period * US), deadline_ps=period * US, preemption="any", **kwargs)
        for name, (period, _) in zip(names, tasks, strict=True)
    ]
    programs = {name: stage(service * US) for name, (_, service) in zip(names, tasks, strict=True)}
    return world(applications, programs, [server(policy=policy)], duration * US, is_traced=True)


@given(st.booleans().flatmap(lambda full: tasks_(full=full)))
def test_edf_keeps_every_deadline_up_to_a_load_of_one(tasks):
    hyperperiod = lcm(*(period for period, _ in tasks))
    made = periodic_world(tasks, "edf", min(2 * hyperperiod, 500))
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    for served in outcome.served:
        assert served.missed == 0
        assert served.completed + served.unfinished == served.released


def test_edf_keeps_deadlines_that_fixed_priorities_miss():
    tasks = [(4, 2), (6, 3)]  # a load of exactly 1
    assert [s.missed for s in run(periodic_world(tasks, "edf", 120)).served] == [0, 0]
    assert run(periodic_world(tasks, "rate_monotonic", 120)).served[1].missed > 0


def response_times(tasks):
    """Return worst response times under fixed priorities, the first task the highest; None where there is none.

    Source: M. Joseph and P. Pandya, "Finding response times in a real-time system", Computer Journal 29 (1986).
    """
    found = []
    for i, (period, service) in enumerate(tasks):
        time, last = service, 0
        while time != last and time <= period:
            last = time
            time = service + sum(ceil(Fraction(last, p)) * c for p, c in tasks[:i])
        found.append(time if time <= period else None)
    return found


@given(tasks_(full=False))
def test_rate_monotonic_response_times_are_those_of_the_analysis(tasks):
    tasks = sorted(dict(tasks).items())  # one task a period: no ties
    expected = response_times(tasks)
    if None in expected:
        return
    made = periodic_world(tasks, "rate_monotonic", lcm(*(period for period, _ in tasks)))
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    assert [served.latency.most_ps // US for served in outcome.served] == expected


# --- borders ---------------------------------------------------------------------------------------------


def interrupted_at(preemption, *, policy="priority", resume_ps=0, switch_ps=0):
    """Return outcome of a long job of four pieces of 10 us, and an urgent one of 5 us that comes at 12 us."""
    applications = [
        app("long", Trace((0,)), preemption=preemption),
        app("urgent", Trace((12 * US,)), priority=1, deadline_ps=20 * US),
    ]
    programs = {"long": stage(40 * US, pieces=4, energy_pj=4000, resume_ps=resume_ps), "urgent": stage(5 * US)}
    made = world(applications, programs, [server(policy=policy, switch_ps=switch_ps)], is_traced=True)
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    return outcome


@pytest.mark.parametrize(("preemption", "start"), [("none", 40), ("operator", 20), ("tile", 20), ("any", 12)])
@pytest.mark.parametrize("policy", ["priority", "edf", "priority_nonpreemptive"])
def test_a_segment_gives_way_at_the_next_border_that_its_step_allows(preemption, start, policy):
    outcome = interrupted_at(preemption, policy=policy)
    if policy == "priority_nonpreemptive":
        start = 40
    (urgent,) = [part for part in outcome.slices if part.application == "urgent"]
    assert urgent.start_ps == start * US
    assert outcome.served[0].latency.most_ps == 45 * US if start < 40 else 40 * US
    assert outcome.servers[0].preemptions == (start < 40)
    assert outcome.served[0].energy_pj == 4000


def test_going_on_after_a_preemption_costs_what_it_costs():
    outcome = interrupted_at("operator", resume_ps=3 * US, switch_ps=US)
    spans = [(p.application, p.kind, p.start_ps // US, p.end_ps // US) for p in outcome.slices]
    assert spans == [
        ("long", "work", 0, 10), ("long", "work", 10, 20), ("urgent", "switch", 20, 21), ("urgent", "work", 21, 26),
        ("long", "switch", 26, 30), ("long", "work", 30, 40), ("long", "work", 40, 50),
    ]  # fmt: skip
    use = outcome.servers[0]
    assert (use.busy_ps, use.switching_ps) == (45 * US, 5 * US)


def test_room_for_a_wide_segment_is_made_only_as_far_as_needed():
    """Three that need one core each run on four; one that needs two takes the free one and the last one's."""
    applications = [app(f"low {i}", Trace((i,)), preemption="any", priority=-i) for i in range(3)]
    applications.append(app("wide", Trace((5 * US,)), priority=1))
    programs = {f"low {i}": stage(20 * US) for i in range(3)} | {"wide": stage(4 * US, cores=2)}
    made = world(applications, programs, [server(policy="priority", cores=4)], is_traced=True)
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    assert outcome.served[3].latency.most_ps == 4 * US
    assert [served.latency.most_ps for served in outcome.served[:3]] == [20 * US, 20 * US, 24 * US]
