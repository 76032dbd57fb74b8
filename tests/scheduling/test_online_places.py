"""Where steps go, segments of a program side by side, and what is counted of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from online_worlds import MS, US, S, app, server, stage, world

from socsim.engine.online.engine import run
from socsim.engine.online.model import Periodic, Piece, Program, Segment, Trace
from socsim.engine.online.tallies import Tally
from socsim.testing.verify_world import verify_world

SERVERS = [server("npu"), server("cpu")]
PLACES = [stage(10 * US, "npu"), stage(25 * US, "cpu")]


@pytest.mark.parametrize(
    ("pick", "places"),
    [
        ("first_free", ["npu", "cpu", "npu", "npu"]),  # while both are taken, the first one
        ("earliest_finish", ["npu", "npu", "cpu", "npu"]),  # two on the npu end at 20, a third one would at 30
    ],
)
def test_a_step_goes_where_it_may_or_where_it_ends_first(pick, places):
    calls = app("calls", Trace((0, 0, 0, 20 * US)), choices=("fast", "slow"), pick=pick)
    made = world([calls], {"calls": PLACES}, SERVERS, is_traced=True)
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    assert [part.server for part in sorted(outcome.slices, key=lambda s: s.activation)] == places


def test_segments_without_order_run_side_by_side_and_joins_wait_for_all():
    def piece(time):
        return (Piece("piece", time * US, (), 1),)

    segments = (
        Segment("npu", 1, piece(10)),
        Segment("cpu", 1, piece(4)),
        Segment("cpu", 1, piece(3), (1,)),
        Segment("npu", 1, piece(5), (0, 2)),
    )
    made = world([app("a", Trace((0,)))], {"a": Program(segments)}, SERVERS, is_traced=True)
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    assert [(p.server, p.start_ps // US, p.end_ps // US) for p in outcome.slices] == [
        ("cpu", 0, 4), ("cpu", 4, 7), ("npu", 0, 10), ("npu", 10, 15),
    ]  # fmt: skip
    served = outcome.served[0]
    assert (served.latency.total_ps, served.service.total_ps, served.waiting.total_ps) == (15 * US, 15 * US, 0)


def test_steps_of_an_activation_that_wait_count_as_waiting_only_while_none_is_served():
    two = [app("a", Trace((0,)), steps=2), app("b", Trace((0,)))]
    programs = {("a", 0): stage(10 * US), ("a", 1): stage(5 * US, "npu"), "b": stage(30 * US, "npu")}
    outcome = run(world(two, programs, [server(), server("npu")]))
    served = outcome.served[0]
    assert (served.latency.total_ps, served.service.total_ps, served.waiting.total_ps) == (35 * US, 15 * US, 20 * US)


def test_a_change_between_activations_costs_a_core_its_time_and_their_own_steps_cost_none():
    one = [app("a", Periodic(50 * US), steps=3)]
    programs = {("a", i): stage(10 * US) for i in range(3)}
    made = world(one, programs, [server(switch_ps=2 * US)], 200 * US, is_traced=True)
    outcome = run(made)
    assert verify_world(outcome, made, {}) == []
    assert outcome.servers[0].switching_ps == 3 * 2 * US
    assert (outcome.served[0].latency.least_ps, outcome.served[0].latency.most_ps) == (30 * US, 32 * US)


def test_a_wide_segment_keeps_those_behind_it_waiting_until_it_has_its_cores():
    applications = [app("narrow", Trace((0, 2 * US))), app("wide", Trace((US,)))]
    programs = {"narrow": stage(10 * US), "wide": stage(4 * US, cores=2)}
    outcome = run(world(applications, programs, [server(cores=2)], is_traced=True))
    spans = {(p.application, p.activation): p.start_ps // US for p in outcome.slices}
    assert spans == {("narrow", 0): 0, ("wide", 0): 10, ("narrow", 1): 14}


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=40))
def test_buckets_are_true_to_one_part_in_1024(values):
    tally = Tally()
    for value in values:
        tally.add(value)
    found = tally.distribution()
    assert (found.count, found.total_ps) == (len(values), sum(values))
    assert found.squares == sum(value * value for value in values)
    assert (found.least_ps, found.most_ps) == (min(values), max(values))
    borders = [border for border, count in found.buckets for _ in range(count)]
    for border, value in zip(borders, sorted(values), strict=True):
        assert border <= value <= border + border // 1024


def test_a_thousand_buckets_hold_any_number_of_durations():
    calls = app("calls", Periodic(MS, jitter_ps=MS))
    outcome = run(world([calls], {"calls": stage(10 * US)}, duration_ps=3 * S))
    assert len(outcome.served[0].gaps.buckets) < 2500
    assert outcome.served[0].released in {2999, 3000}  # the last one may come too late
