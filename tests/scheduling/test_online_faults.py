"""What cannot run, cannot be kept or does not end is detected and explained."""

from __future__ import annotations

import re

import pytest
from online_worlds import MS, US, app, server, stage, world

from socsim.engine.online.engine import run
from socsim.engine.online.model import (
    Admission,
    Application,
    AppStep,
    Periodic,
    Piece,
    Program,
    Segment,
    Trace,
    Triggered,
)
from socsim.errors import DeadlockError, SimulationError
from socsim.testing.verify_world import verify_world


def fails(error, message):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def test_steps_in_a_circle_are_a_deadlock_that_says_who_waits_for_whom():
    steps = (AppStep("first", ("a",)), AppStep("one", ("a",), (2,)), AppStep("other", ("a",), (1, 0)))
    with fails(
        DeadlockError,
        "applications: application 'circle': steps wait for each other and can never start: "
        "'one' for ['other']; 'other' for ['one']; take one `after` away",
    ):
        run(world([Application("circle", Periodic(MS), steps)], {("circle", i): stage(US) for i in range(3)}))


def test_all_faults_of_a_world_are_listed():
    applications = [
        app("a", Periodic(0)),
        app("a", Triggered("bb", 2.0)),
        app("b", Trace((5, 3)), admission=Admission(0)),
    ]
    with fails(
        SimulationError,
        "applications: 6 faults\n"
        "  - application 'a' is there 2 times; names differ\n"
        "  - application 'b': a depth of 0 lets nobody in; give 1 or more, or none\n"
        "  - application 'a': period 0, offset 0, jitter 0 ps; give a period of 1 ps or more\n"
        "  - application 'a': is triggered by 'bb', which is not there. Did you mean 'b'?\n"
        "  - application 'a': probability 2.0, every 1, delay 0 ps are not allowed\n"
        "  - application 'b': times of releases are not in order from 0 on; sort them",
    ):
        run(world(applications, {}))


def test_segments_that_no_server_can_ever_hold_are_refused_before_time_begins():
    piece = (Piece("p", US, (), 0),)
    program = Program((Segment("cpu", 3, piece), Segment("npuu", 1, piece), Segment("cpu", 1, piece, (2,))))
    with fails(
        SimulationError,
        "applications: application 'a', step 'step 0': 3 faults\n"
        "  - segment 0 on 'cpu': needs 3 cores, the server has 2; give it 1 to 2\n"
        "  - segment 1 on 'npuu': there is no such server. Did you mean 'npu'?\n"
        "  - segment 2 on 'cpu': waits for segments [2], of which none comes before it; name earlier ones",
    ):
        run(world([app("a", Periodic(MS))], {"a": program}, [server(cores=2), server("npu")]))


def test_applications_that_only_trigger_each_other_are_a_deadlock():
    applications = [app("seed", Trace((7,))), app("ping", Triggered("pong")), app("pong", Triggered("ping"))]
    applications.append(app("after", Triggered("pong")))
    with fails(
        DeadlockError,
        "applications: applications 'after', 'ping', 'pong' are triggered by each other alone and can never be "
        "released; give one of them another arrival",
    ):
        run(world(applications, {name: stage(0) for name in ("seed", "ping", "pong", "after")}))


class Restless:
    """A power manager that calls itself again and again, and lets no time pass."""

    def start(self, control):
        self.control = control
        control.at(5 * US, self.again)

    def again(self):
        self.control.at(self.control.now, self.again)

    def points(self):
        return {}

    def wake_ps(self, unit):
        return 0

    def working(self, unit, cores):
        pass

    def spend(self, application, unit, energy_pj, time_ps):
        pass

    def state_key(self):
        return None


def test_a_million_events_without_progress_in_time_are_a_livelock():
    with pytest.raises(DeadlockError, match=r"^1,000,000 events at 5000000 ps, and time does not go on; look for "):
        run(world([app("a", Trace((0,)))], {"a": stage(0)}), Restless())


def test_a_deadline_that_the_work_alone_exceeds_is_foretold():
    applications = [app("late", Periodic(MS), steps=2, deadline_ps=25 * US), app("fine", Periodic(MS), deadline_ps=MS)]
    programs = {("late", 0): stage(10 * US), ("late", 1): stage(20 * US), "fine": stage(US)}
    outcome = run(world(applications, programs, duration_ps=10 * MS))
    assert outcome.warnings == (
        "application 'late' can never keep its deadline: it takes 30 us with nothing beside it (step 0 10 us + "
        "step 1 20 us), the deadline is 25 us after release, 5 us too early; allow more time, choose a faster "
        "place or operating point, or a smaller network",
    )
    assert outcome.served[0].missed == outcome.served[0].completed == 10


def test_a_queue_that_grows_is_explained_with_demand_bound_gap_and_levers():
    applications = [app("camera", Periodic(10 * US)), app("radar", Periodic(20 * US))]
    programs = {"camera": stage(18 * US, "npu"), "radar": stage(16 * US, "npu")}
    outcome = run(world(applications, programs, [server("npu", cores=2)], 10 * MS))
    assert outcome.warnings == (
        "server 'npu' was asked for 1.30 of its time (camera 0.90, radar 0.40) and has 1 (2 cores): 0.30 too much, so "
        "that its queue of 346 grows without bound; release less often, limit the depth of queues, or use another "
        "unit, more cores or a faster operating point",
    )
    assert sum(served.unfinished for served in outcome.served) == 346


def test_a_loaded_server_that_keeps_up_is_no_cause_for_alarm():
    outcome = run(world([app("camera", Periodic(10 * US))], {"camera": stage(10 * US)}, duration_ps=10 * MS))
    assert outcome.warnings == ()


@pytest.mark.parametrize(
    ("admission", "completed", "dropped"),
    [
        (Admission(2), [0, 1, 3], [2]),
        (Admission(2, "oldest"), [0, 2, 3], [1]),
        (Admission(1, "oldest"), [0, 3], [1, 2]),  # the one that runs has begun
        (Admission(late="drop"), [0, 1, 3], [2]),
        (Admission(), [0, 1, 2, 3], []),
    ],
)
def test_who_is_let_in_and_who_is_dropped(admission, completed, dropped):
    """Services of 10 us; releases at 0, 1, 2 and 25 us; deadlines after 16 us."""
    calls = app("calls", Trace((0, US, 2 * US, 25 * US)), deadline_ps=16 * US, admission=admission)
    made = world([calls], {"calls": stage(10 * US)}, is_traced=True)
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    fates = {f.activation: f.fate for f in outcome.activations}
    assert [n for n, fate in fates.items() if fate in {"completed", "missed"}] == completed
    assert [n for n, fate in fates.items() if fate == "dropped"] == dropped


def test_triggers_count_delay_and_chance():
    applications = [
        app("source", Periodic(10 * US)),
        app("third", Triggered("source", every=3, delay_ps=2 * US)),
        app("tenth", Triggered("source", 0.1)),
    ]
    programs = {"source": stage(US), "third": stage(0, "npu"), "tenth": stage(0, "npu")}
    made = world(applications, programs, [server(), server("npu")], 20 * MS, is_traced=True)
    outcome = run(made)
    source, third, tenth = outcome.served
    assert source.completed == 2000
    assert third.completed == source.completed // 3
    assert third.first_release_ps == 2 * 10 * US + US + 2 * US
    assert 150 < tenth.completed < 250


def test_what_has_begun_goes_on_after_the_end_and_what_has_not_is_unfinished():
    made = world([app("a", Trace((0, US)), steps=2)], {("a", i): stage(8 * US) for i in range(2)}, duration_ps=10 * US)
    outcome = run(made)
    assert (outcome.end_ps, outcome.served[0].completed, outcome.served[0].unfinished) == (32 * US, 2, 0)
    outcome = run(world([app("a", Trace((0, US)))], {"a": stage(15 * US)}, duration_ps=10 * US))
    assert (outcome.end_ps, outcome.served[0].completed, outcome.served[0].unfinished) == (15 * US, 1, 1)
