"""The checker of worlds finds what was tampered with: a check that nothing can fail checks nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from online_worlds import MS, US, app, server, stage, world

from socsim.engine.online.engine import run
from socsim.engine.online.model import Periodic, Poisson
from socsim.errors import SimulationError
from socsim.testing.verify_world import check_world_outcome, verify_world


@pytest.fixture(scope="module")
def made():
    applications = [
        app("long", Periodic(50 * US), preemption="operator", steps=2),
        app("urgent", Poisson(30 * US), priority=1, deadline_ps=9 * US),
    ]
    programs = {
        ("long", 0): stage(20 * US, pieces=4, energy_pj=400),
        ("long", 1): stage(5 * US, "npu", energy_pj=7),
        ("urgent", 0): stage(6 * US, energy_pj=3),
    }
    servers = [server(policy="priority", switch_ps=US), server("npu")]
    return world(applications, programs, servers, 2 * MS, is_traced=True, seed=5)


@pytest.fixture(scope="module")
def outcome(made):
    found = run(made)
    assert found.servers[0].preemptions > 3
    assert found.served[1].missed > 0
    return found


def first(outcome, **facts):
    """Return the position of the first slice of which all of that is true."""
    return next(
        i for i, s in enumerate(outcome.slices) if all(getattr(s, key) == value for key, value in facts.items())
    )


def with_slice(outcome, position, **changes):
    slices = list(outcome.slices)
    slices[position] = replace(slices[position], **changes)
    return replace(outcome, slices=tuple(slices))


def with_served(outcome, position, **changes):
    served = list(outcome.served)
    served[position] = replace(served[position], **changes)
    return replace(outcome, served=tuple(served))


def test_what_the_engine_says_is_right(made, outcome):
    check_world_outcome(outcome, made, {})


def test_a_world_that_was_not_traced_cannot_be_checked(made, outcome):
    assert verify_world(outcome, replace(made, is_traced=False)) == ["the world was not traced; set is_traced"]


def earlier(outcome):
    i = first(outcome, application="urgent", kind="work")
    return with_slice(outcome, i, start_ps=outcome.slices[i].start_ps - 10 * US)


def later(outcome):
    i = first(outcome, application="long", step="step 1")
    part = outcome.slices[i]
    return with_slice(outcome, i, start_ps=part.start_ps + US, end_ps=part.end_ps + US)


def elsewhere(outcome):
    return with_slice(outcome, first(outcome, application="long"), core=3)


def without_switch(outcome):
    i = first(outcome, kind="switch")
    return replace(outcome, slices=outcome.slices[:i] + outcome.slices[i + 1 :])


def never_released(outcome):
    return replace(outcome, activations=outcome.activations[1:])


def kept_its_deadline(outcome):
    fates = [replace(f, fate="completed") if f.fate == "missed" else f for f in outcome.activations]
    return replace(outcome, activations=tuple(fates))


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (earlier, "begins"),
        (later, "ends after its activation"),
        (elsewhere, "server cpu: has no core 3"),
        (without_switch, "ps of switch, its slices have"),
        (never_released, "ran, and was not released or was dropped"),
        (kept_its_deadline, "completed, the deadline is"),
        (lambda o: with_served(o, 0, energy_pj=o.served[0].energy_pj + 1), "pJ, its programs"),
        (lambda o: with_served(o, 0, released=o.served[0].released + 1), "released"),
        (lambda o: with_served(o, 1, latency=replace(o.served[1].latency, total_ps=1)), "latency of urgent: count"),
        (lambda o: with_served(o, 1, waiting=replace(o.served[1].waiting, total_ps=1)), "do not add up to latency"),
        (lambda o: replace(o, servers=(replace(o.servers[0], busy_ps=5), o.servers[1])), "booked 5 ps of work"),
        (lambda o: with_slice(o, 0, moved=(("dram", 5),)), "dram: slices moved bytes over it, nothing was booked"),
    ],
)
def test_what_was_tampered_with_is_found(made, outcome, tamper, words):
    with pytest.raises(SimulationError, match="simulation of applications: ") as caught:
        check_world_outcome(tamper(outcome), made, {})
    assert words in str(caught.value)


def test_a_core_that_rests_while_somebody_waits_is_found(made, outcome):
    """The last segment of the longest busy stretch begins a moment late: nothing overlaps, the books agree."""
    parts = [s for s in outcome.slices if s.server == "npu"]
    last = parts[-1]
    moved = replace(last, start_ps=last.start_ps + 3, end_ps=last.end_ps + 3)
    activations = tuple(
        replace(f, end_ps=f.end_ps + 3) if (f.application, f.activation) == ("long", last.activation) else f
        for f in outcome.activations
    )
    slices = tuple(moved if s is last else s for s in outcome.slices)
    faults = verify_world(replace(outcome, slices=slices, activations=activations), made, {})
    assert any("server npu: rests while long" in fault for fault in faults)
