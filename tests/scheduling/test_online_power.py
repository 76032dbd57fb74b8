"""What the engine tells and asks a power manager: wake-ups, work, energy, and operating points that change at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from online_worlds import US, Table, app, server, stage, world
from small_world import PROPERTY, small_soc, with_twin

from socsim.cost.work import Phase, Transfer
from socsim.engine.fabric import Fabric
from socsim.engine.online.engine import run
from socsim.engine.online.model import Piece, Program, Segment, Trace
from socsim.engine.simulation import Job
from socsim.testing.verify_world import verify_world


class Switching:
    """Changes the operating point at given times, takes so long to wake, and notes all that it is told."""

    def __init__(self, changes=(), wake_ps=0, settles=()):
        self.changes, self.wake, self.settles = dict(changes), wake_ps, settles
        self.point = "fast"
        self.told, self.spent = [], []

    def start(self, control):
        self.control = control
        for time, point in self.changes.items():
            control.at(time, lambda point=point: self.change(point))
        for time in self.settles:
            control.at(time, control.settle)

    def change(self, point):
        self.point = point
        self.control.points_changed()

    def points(self):
        return {"clock": self.point}

    def wake_ps(self, unit):
        self.told.append((self.control.now // US, unit, "wake"))
        return self.wake

    def working(self, unit, cores):
        self.told.append((self.control.now // US, unit, cores))

    def spend(self, application, unit, energy_pj, time_ps):
        assert energy_pj >= 0
        self.spent.append((application, unit, energy_pj, time_ps))

    def finish(self):
        self.told.append((self.control.now // US, "", "end"))


def at_speeds(pieces=1, **kwargs):
    """Return programs that take 40 us at the fast point, 80 us at the slow one, and half the energy there."""
    made = {
        "fast": stage(40 * US, pieces=pieces, energy_pj=4000, **kwargs),
        "slow": stage(80 * US, pieces=pieces, energy_pj=2000, **kwargs),
    }
    return lambda _, __, points: made[points["clock"]]


@pytest.mark.parametrize("pieces", [1, 4, 5])
def test_a_change_of_the_operating_point_keeps_the_piece_and_the_fraction_done(pieces):
    """A quarter is done after 10 us; another quarter takes 20 us at the slow point; the rest 20 us."""
    power = Switching({10 * US: "slow", 30 * US: "fast"})
    made = world([app("a", Trace((0,)))], {"a": at_speeds(pieces)}, is_traced=True)
    outcome = run(made, power)
    assert verify_world(outcome, made) == []
    assert outcome.served[0].latency.most_ps == 50 * US
    assert sum(energy for _, _, energy, _ in power.spent) == outcome.served[0].energy_pj == 3500
    assert sum(time for *_, time in power.spent) == 50 * US


def test_where_pieces_do_not_agree_the_segment_ends_as_it_began():
    made = {"fast": stage(40 * US, pieces=4), "slow": stage(80 * US, pieces=2)}
    two = [app("a", Trace((0,)), steps=2)]
    programs = {("a", 0): lambda _, __, points: made[points["clock"]], ("a", 1): lambda _, __, p: made[p["clock"]]}
    outcome = run(world(two, programs), Switching({10 * US: "slow"}))
    assert outcome.served[0].latency.most_ps == 40 * US + 80 * US


def test_a_preempted_segment_goes_on_at_the_operating_point_of_then():
    applications = [app("a", Trace((0,)), preemption="any"), app("b", Trace((10 * US,)), priority=1)]
    programs = {"a": at_speeds(4), "b": stage(20 * US)}
    made = world(applications, programs, [server(policy="priority")], is_traced=True)
    outcome = run(made, Switching({20 * US: "slow"}))
    assert verify_world(outcome, made) == []
    assert [served.latency.most_ps // US for served in outcome.served] == [10 + 20 + 60, 20]
    assert outcome.served[0].energy_pj == 1000 + 1500


def test_the_unit_wakes_before_it_works_and_the_manager_hears_of_each_change():
    power = Switching(wake_ps=3 * US)
    applications = [app("a", Trace((0, 4 * US, 50 * US)))]
    made = world(applications, {"a": stage(10 * US)}, [server(cores=2)], 100 * US, is_traced=True)
    outcome = run(made, power)
    assert verify_world(outcome, made, {"clock": "fast"}) == []
    assert power.told == [
        (0, "cpu", "wake"), (0, "cpu", 1), (4, "cpu", 2), (13, "cpu", 1), (14, "cpu", 0),
        (50, "cpu", "wake"), (50, "cpu", 1), (63, "cpu", 0), (100, "", "end"),
    ]  # fmt: skip
    assert outcome.servers[0].waking_ps == 6 * US
    spans = [(p.core, p.kind, p.start_ps // US, p.end_ps // US) for p in outcome.slices]
    assert (1, "work", 4, 14) in spans


def test_who_comes_while_the_unit_wakes_waits_for_the_rest_of_it():
    power = Switching(wake_ps=9 * US)
    outcome = run(world([app("a", Trace((0, 4 * US)))], {"a": stage(10 * US)}, [server(cores=2)]), power)
    assert (outcome.served[0].latency.least_ps, outcome.served[0].latency.most_ps) == (15 * US, 19 * US)
    assert outcome.servers[0].waking_ps == 14 * US


def test_back_to_back_work_wakes_nobody_and_tells_nothing():
    power = Switching(wake_ps=US)
    run(world([app("a", Trace((0, 0, 0)), steps=1)], {"a": stage(10 * US)}, duration_ps=40 * US), power)
    assert power.told == [(0, "cpu", "wake"), (0, "cpu", 1), (31, "cpu", 0), (40, "", "end")]


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


def network(fabric, unit, hz, tasks):
    """Return a program of operators that compute and read from the DRAM."""
    phases = [(Phase("steady", cycles, (Transfer("dram", read, read // 2),)),) for cycles, read in tasks]
    jobs = [Job(i, unit, hz, 1000, 0, own, ()) for i, own in enumerate(phases)]
    pieces = tuple(Piece(f"operator {j.key}", j.dispatch_ps, fabric.steps(j), 100 * j.key, j.key) for j in jobs)
    return Program((Segment(unit, 1, pieces),), fabric)


tasks_ = st.lists(st.tuples(st.integers(0, 5000), st.integers(2, 9000)), min_size=1, max_size=5)


@PROPERTY
@given(tasks_, tasks_, st.lists(st.integers(1, 30 * US), max_size=4), st.booleans())
def test_changes_between_equal_operating_points_change_nothing(soc, one, other, times, settles):
    """Every change cuts the running segments, alone or beside each other; all ends, books and flows stay."""
    fabric = Fabric(soc, {})

    class Copies(Table):
        """A new program, equal to the first one, at each operating point."""

        def program(self, application, step, choice, batch, points):
            made = super().program(application, step, choice, batch, points)
            return self.programs.setdefault((application, points["clock"]), replace(made))

    programs = {("one", 0): network(fabric, "npu", 10**9, one), ("other", 0): network(fabric, "twin", 10**9, other)}
    shared = {name: fabric.capacities[name] for name in ("dram", "dram.read", "dram.write", "bus.read", "bus.write")}
    applications = [app("one", Trace((0,))), app("other", Trace((3 * US,)))]
    servers = [server("npu"), server("twin")]
    made = world(applications, {}, servers, 5 * US, capacities=shared, fabric=fabric)
    made = replace(made, programs=Copies(programs))
    quiet = run(made, Switching())
    power = Switching({t: f"point {i % 3}" for i, t in enumerate(times)}, settles=times if settles else ())
    power_outcome = run(made, power)
    assert replace(power_outcome, events=0) == replace(quiet, events=0)
    assert sum(energy for _, _, energy, _ in power.spent) == sum(s.energy_pj for s in quiet.served)
