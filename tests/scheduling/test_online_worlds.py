"""Whatever the world, what the online engine says is possible and adds up: an independent checker looks at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from online_worlds import MS, US, S, Table, app, server, stage, world
from small_world import PROPERTY, small_soc, with_twin

from socsim.cost.work import Transfer
from socsim.engine.fabric import Fabric, Step
from socsim.engine.fluid import alone_ps
from socsim.engine.online.batches import Batch
from socsim.engine.online.engine import run
from socsim.engine.online.model import (
    Admission,
    Application,
    AppStep,
    Batching,
    Periodic,
    Piece,
    Poisson,
    Program,
    Segment,
    Trace,
    Triggered,
    Variation,
)
from socsim.engine.online.servers import ServerState
from socsim.schedule.policies import POLICIES
from socsim.testing.verify_world import verify_world

SERVERS = {"npu": "npu", "npu_rest": "npu", "cpu": "cpu", "twin": "twin"}


@pytest.fixture(scope="module")
def fabric(tmp_path_factory):
    return Fabric(with_twin(small_soc(tmp_path_factory.mktemp("soc"))), {})


@st.composite
def pieces_(draw, fabric, unit):
    made = []
    for i in range(draw(st.integers(1, 3))):
        steps = []
        for _ in range(draw(st.integers(0, 2))):
            compute = draw(st.integers(0, 3 * US))
            moved = draw(st.sampled_from([0, 0, 500, 9001]))
            demand = fabric.demand(unit, [Transfer("dram", moved, moved // 3)], compute) if moved else None
            alone = alone_ps(demand, fabric.capacities) if demand else 0
            steps.append(Step("tile", compute, demand, alone, moved, moved // 3))
        made.append(Piece(f"piece {i}", draw(st.integers(0, 2 * US)), tuple(steps), draw(st.integers(0, 999)), i))
    return tuple(made)


@st.composite
def programs_(draw, fabric, cores):
    segments = []
    for i in range(draw(st.integers(1, 3))):
        where = draw(st.sampled_from(sorted(cores)))
        after = draw(st.sets(st.integers(0, i - 1), max_size=2)) if i else ()
        needs = draw(st.sampled_from([1, 1, 1, cores[where]]))
        pieces = draw(pieces_(fabric, SERVERS[where]))
        segments.append(Segment(where, needs, pieces, tuple(sorted(after)), draw(st.sampled_from([0, 70_000]))))
    labelled = [
        replace(s, pieces=tuple(replace(p, label=f"{i}.{p.label}") for p in s.pieces)) for i, s in enumerate(segments)
    ]
    return Program(tuple(labelled), fabric)


arrivals_ = st.one_of(
    st.builds(Periodic, st.integers(3 * US, 40 * US), st.integers(0, 9 * US), st.sampled_from([0, 0, 5 * US])),
    st.builds(Poisson, st.integers(3 * US, 40 * US)),
    st.lists(st.integers(0, 300 * US), max_size=9).map(lambda times: Trace(tuple(sorted(times)))),
)
triggers_ = st.builds(
    Triggered, st.just("app 0"), st.sampled_from([1.0, 0.5]), st.integers(1, 3), st.sampled_from([0, US])
)
variations_ = st.sampled_from([Variation(), Variation(), Variation("exponential"), Variation("uniform", 0.4)])


@st.composite
def applications_(draw, position):
    count = draw(st.integers(1, 3))
    steps = tuple(
        AppStep(
            f"step {i}", ("a", "b") if draw(st.integers(0, 3)) == 0 else ("a",),
            tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=2)))) if i else (),
            draw(st.sampled_from(["none", "operator", "tile", "any"])), draw(variations_),
            draw(st.sampled_from(["first_free", "earliest_finish"])),
        )
        for i in range(count)
    )  # fmt: skip
    return Application(
        f"app {position}", draw(st.one_of(arrivals_, triggers_)) if position else draw(arrivals_), steps,
        draw(st.sampled_from([None, 20 * US, 100 * US])), draw(st.integers(-1, 3)),
        draw(st.builds(Admission, st.sampled_from([None, 1, 2, 5]), st.sampled_from(["new", "oldest"]),
                       st.sampled_from(["run", "drop"]))),
        draw(st.sampled_from([Batching(), Batching(), Batching(3, 10 * US), Batching(2)])),
    )  # fmt: skip


@st.composite
def worlds_(draw, fabric):
    servers = [
        server(name, draw(st.sampled_from(POLICIES.names())), draw(st.integers(1, 3)),
               draw(st.sampled_from([0, 50_000])), unit)
        for name, unit in SERVERS.items()
    ]  # fmt: skip
    servers = [
        replace(s, policy=type(s.policy)(quantum_ps=US)) if s.policy.name == "round_robin" else s for s in servers
    ]
    cores = {s.name: s.cores for s in servers}
    applications = [draw(applications_(i)) for i in range(draw(st.integers(1, 4)))]
    programs = {
        (app.name, i): [draw(programs_(fabric, cores)) for _ in step.choices]
        for app in applications
        for i, step in enumerate(app.steps)
    }
    shared = {n: r for n, r in fabric.capacities.items() if not any(fabric.is_port(n, u) for u in SERVERS.values())}
    streams = draw(st.sampled_from([(), (), (("cpu", "dram", 10**9),)]))
    return world(
        applications, programs, servers, 300 * US, seed=draw(st.integers(0, 9)), is_traced=True, capacities=shared,
        streams=streams, fabric=fabric,
    )  # fmt: skip


@PROPERTY
@given(st.data())
def test_every_timeline_is_possible_and_adds_up(fabric, data):
    made = data.draw(worlds_(fabric))
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    assert run(made) == outcome
    untraced = run(replace(made, is_traced=False))
    plain = replace(outcome, slices=(), activations=(), events=0)
    assert plain == replace(untraced, events=0, skipped_ps=0)


class Stopping(Table):
    """Programs whose user presses Ctrl-C after so many places were compared."""

    def __init__(self, programs, times):
        super().__init__(programs)
        self.times = times

    def service_ps(self, *args):
        self.times -= 1
        if self.times < 0:
            raise KeyboardInterrupt
        return super().service_ps(*args)


@PROPERTY
@given(st.data(), st.integers(0, 60))
def test_an_interrupted_run_keeps_what_it_finished(fabric, data, times):
    made = data.draw(worlds_(fabric))
    made = replace(
        made, applications=tuple(replace(app, deadline_ps=None, admission=Admission()) for app in made.applications)
    )
    whole = run(made)
    stopped = run(replace(made, programs=Stopping(made.programs.programs, times)))
    assert verify_world(stopped, made, {}) == []
    if not stopped.is_interrupted:
        assert stopped == whole
        return
    assert stopped.end_ps <= whole.end_ps
    ended = {(f.application, f.activation): f.end_ps for f in whole.activations}
    for found in stopped.activations:
        if found.fate == "completed":
            assert ended[found.application, found.activation] == found.end_ps


def busy_world():
    calls = app("calls", Poisson(2 * MS), preemption="any", priority=1)
    programs = {"calls": stage(MS), "long": stage(9 * MS, pieces=3)}
    return world([calls, app("long", Periodic(12 * MS))], programs, [server(policy="priority")], S, is_traced=True)


def interrupting(monkeypatch, owner, name, times):
    """Let Ctrl-C come so often at the 20th call of a method, before it does anything."""
    whole, calls = getattr(owner, name), []

    def interrupted(*given):
        calls.append(given)
        for _ in range(times if len(calls) == 20 else 0):
            signal.raise_signal(signal.SIGINT)
        return whole(*given)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("name", ["_start", "_release", "ended", "at_border", "push"])
def test_ctrl_c_in_the_middle_of_a_moment_leaves_books_that_agree(monkeypatch, name):
    interrupting(monkeypatch, ServerState, name, 1)
    made = busy_world()
    stopped = run(made)
    assert stopped.is_interrupted
    assert 0 < stopped.end_ps < S
    assert verify_world(stopped, made) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_is_not_put_off(monkeypatch):
    interrupting(monkeypatch, ServerState, "_start", 2)
    with pytest.raises(KeyboardInterrupt):
        run(busy_world())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def without_chance(app, period):
    """Return an application with releases in step with others, and stages that always take as long."""
    steps = tuple(replace(step, variation=Variation()) for step in app.steps)
    if isinstance(app.arrival, Periodic):
        return replace(app, steps=steps, arrival=Periodic(period, app.arrival.offset_ps))
    return replace(app, steps=steps)


@PROPERTY
@given(st.data(), st.sampled_from([10 * US, 20 * US, 40 * US]), st.lists(st.sampled_from([1, 1, 2, 3]), min_size=4))
def test_what_repeats_is_counted_as_if_it_were_stepped_through(fabric, data, period, multiples):
    made = data.draw(worlds_(fabric))
    applications = tuple(without_chance(app, period * m) for app, m in zip(made.applications, multiples, strict=False))
    made = replace(made, applications=applications, is_traced=False, duration_ps=100 * period)
    skipped, stepped = run(made), run(made, skips=False)
    assert stepped.skipped_ps == 0
    assert replace(skipped, events=0, skipped_ps=0) == replace(stepped, events=0)


def test_an_hour_of_the_same_is_counted_in_no_time():
    applications = [
        app("hub", Periodic(20 * MS)),
        app("asr", Triggered("hub", 1e-4)),
        app("slow", Periodic(50 * MS, 7 * MS), batching=Batching(2, 80 * MS)),
    ]
    programs = {"hub": stage(2 * MS, energy_pj=5), "asr": stage(130 * MS, energy_pj=7), "slow": stage(3 * MS)}
    made = world(applications, programs, [server(policy="edf", switch_ps=US)], 3600 * S, seed=4)
    outcome = run(made)
    assert outcome.served[0].completed == 180_000
    assert outcome.served[0].energy_pj == 900_000
    assert 5 < outcome.served[1].completed < 40
    assert outcome.skipped_ps > 0.97 * 3600 * S
    assert outcome.events < 20_000
    part = replace(made, duration_ps=200 * S, seed=1)
    assert replace(run(part), events=0, skipped_ps=0) == replace(run(part, skips=False), events=0)


def test_a_queue_that_grows_is_not_walked_in_every_period(monkeypatch):
    """Four times as long a queue costs little more than four times as many looks at those who wait."""
    looks = []
    whole = Batch.state_key
    monkeypatch.setattr(Batch, "state_key", lambda batch: looks.append(batch) or whole(batch))

    def walked(duration_ps):
        looks.clear()
        late = app("late", Periodic(5 * MS), deadline_ps=10 * MS)
        outcome = run(world([late], {"late": stage(9 * MS)}, duration_ps=duration_ps))
        assert outcome.skipped_ps == 0
        assert outcome.servers[0].longest_queue > duration_ps // (15 * MS)
        return len(looks)

    short, long = walked(5 * S), walked(20 * S)
    assert 0 < short < 2_000
    assert long < 6 * short


SCRIPT = """
import hashlib, sys
sys.path[:0] = sys.argv[1:]
from online_worlds import MS, S, app, server, stage, world
from socsim.engine.online.engine import run
from socsim.engine.online.model import Periodic, Poisson, Triggered, Variation

applications = [
    app("sensor", Periodic(3 * MS, jitter_ps=MS)), app("calls", Poisson(5 * MS), variation=Variation("exponential")),
    app("late", Triggered("calls", 0.3), preemption="any"), app("steady", Periodic(2 * MS)),
]
programs = {"sensor": stage(MS), "calls": stage(MS, "npu"), "late": stage(2 * MS), "steady": stage(MS // 4, "npu")}
outcome = run(world(applications, programs, [server(policy="edf", cores=2), server("npu", "weighted_fair")], S, seed=9))
print(hash("x"), hashlib.sha256(repr(outcome).encode()).hexdigest())
"""


def test_fresh_processes_with_other_hash_seeds_give_identical_outcomes():
    here = Path(__file__).resolve().parent
    answers = []
    for seed in ("0", "1", "31337"):
        path = os.pathsep.join([str(here.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", SCRIPT, str(here), str(here.parent)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        answers.append(done.stdout.split())
    assert len({hashed for hashed, _ in answers}) == 3
    assert len({digest for _, digest in answers}) == 1


def test_memory_does_not_grow_with_time():
    """Services of few lengths, so that the buckets of distributions, which are bounded, are full at once."""
    applications = [
        app("calls", Periodic(7 * MS), deadline_ps=9 * MS, preemption="any", admission=Admission(3, "oldest", "drop")),
        app("hub", Periodic(5 * MS), priority=1, batching=Batching(2, 6 * MS)),
        app("late", Triggered("calls", every=2, delay_ps=MS)),
    ]
    programs = {"calls": stage(3 * MS), "hub": stage(2 * MS), "late": stage(9 * MS, "npu")}
    servers = [server(policy="priority", switch_ps=US), server("npu")]

    def peak(duration_ps):
        tracemalloc.start()
        run(world(applications, programs, servers, duration_ps), skips=False)
        (_, most), _ = tracemalloc.get_traced_memory(), tracemalloc.stop()
        return most

    peak(S // 10)
    short, long = peak(15 * S), peak(60 * S)
    assert long < 1.1 * short + 10_000
