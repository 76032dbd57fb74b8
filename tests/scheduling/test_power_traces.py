"""Power over time: what is spent belongs to the time in which it was spent, and nothing is lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from socsim.engine.online.power.traces import AveragedTrace

MS = 10**9


def test_energy_known_at_the_end_of_the_work_belongs_to_all_of_it():
    trace = AveragedTrace("total")
    trace.add(10 * MS, 0)
    trace.add(90 * MS, 0)
    trace.spread(10 * MS, 100 * MS, 9_000 * MS)
    trace.add(100 * MS, 9_000 * MS)
    assert trace.record().points == ((0, 0), (10 * MS, 100), (90 * MS, 100))


def test_energy_of_the_stretch_under_way_stays_there():
    trace = AveragedTrace("total")
    trace.add(10 * MS, 10 * MS)
    trace.spread(10 * MS, 20 * MS, 70 * MS)
    trace.add(20 * MS, 80 * MS)
    assert trace.record().points == ((0, 1), (10 * MS, 7))


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 60), st.integers(0, 10**6)), min_size=1, max_size=30))
def test_nothing_is_lost_and_no_stretch_gets_less_than_nothing(steps):
    trace, now, total = AveragedTrace("total"), 0, 0
    for ahead, back, energy in steps:
        now += ahead * MS
        total += energy * MS
        trace.spread(max(now - back * MS, 0), now, energy * MS)
        trace.add(now, total)
    points = (*trace.record().points, (now, 0))
    shown = sum(power * (later - sooner) for (sooner, power), (later, _) in pairwise(points))
    assert abs(shown - total) <= now  # each stretch is rounded to a nanowatt
    assert all(power >= 0 for _, power in points)
