"""Are caps on average power held, without giving away more than needed?"""

from __future__ import annotations

from itertools import pairwise

import pytest
from bench_control import MS, BenchControl, S
from hypothesis import given, settings
from hypothesis import strategies as st

from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.settings import PowerSettings
from socsim.soc.loader import load_platform


@pytest.fixture(scope="module")
def soc():
    return load_platform("rk3588")


def capped(soc, watts, *, until=20 * S, share=1.0, period=20 * MS, units=("npu",), pj=4000):
    cap = None if watts is None else round(watts * 1e9)
    power = PlatformPower(soc, units, PowerSettings(cap_nw=cap, has_heat=False))
    control = BenchControl(soc, power)
    for unit in units:
        control.every(period, unit, unit, int(share * period * soc.unit_hz(unit) // S), pj)
    control.finish(until)
    return power.outcome(), control


def watts(outcome, control):
    return outcome.energy_pj / control.now


def clock(outcome, name):
    return next(record for record in outcome.clocks if record.name == name)


@pytest.mark.parametrize("cap", [1.5, 2.0, 2.5, 3.0, 4.0])
def test_the_average_stays_below_the_cap_and_not_far_below(soc, cap):
    """4 W of work and 0.65 W beside it; the slowest point draws 0.8 W of work."""
    outcome, control = capped(soc, cap)
    assert cap * 0.65 < watts(outcome, control) <= cap
    assert outcome.power_cap_nw == cap * 10**9
    assert clock(outcome, "npu").throttled_ps > 0
    assert not outcome.warnings


def test_a_cap_that_nothing_reaches_changes_nothing(soc):
    with_cap, _ = capped(soc, 10, share=0.5)
    without, _ = capped(soc, None, share=0.5)
    assert with_cap.energy_pj == without.energy_pj
    assert clock(with_cap, "npu").throttled_ps == 0
    assert without.power_cap_nw is None


def test_a_cap_below_what_the_slowest_points_draw_is_said(soc):
    outcome, _ = capped(soc, 0.6, until=2 * S)
    assert outcome.warnings == (
        "the cap of 0.6 W cannot be held: more is drawn with all clocks at their slowest points",
    )
    assert max(clock(outcome, "npu").points, key=lambda row: row[2])[0] == "300MHz"


def test_the_clock_that_draws_most_is_slowed_down(soc):
    power = PlatformPower(soc, ["npu", "gpu"], PowerSettings(cap_nw=3 * 10**9, has_heat=False))
    control = BenchControl(soc, power)
    control.release(0, "a", "npu", 10**11, 3000)
    control.release(0, "b", "gpu", 10**11, 300)
    control.finish(10 * S)
    outcome = power.outcome()
    assert clock(outcome, "npu").throttled_ps > 0
    assert clock(outcome, "gpu").throttled_ps == 0


def test_it_does_not_swing_under_a_steady_load(soc):
    """Once it has settled, points stay: what a point more would draw does not fit."""
    power = PlatformPower(soc, ["npu"], PowerSettings(cap_nw=25 * 10**8, has_heat=False))
    control = BenchControl(soc, power)
    control.release(0, "a", "npu", 10**12, 4000)
    control.run(5 * S)
    before = control.changes
    control.run(100 * S)
    assert control.changes == before


def test_points_come_back_when_the_load_falls(soc):
    power = PlatformPower(soc, ["npu"], PowerSettings(cap_nw=2 * 10**9, has_heat=False))
    control = BenchControl(soc, power)
    control.release(0, "a", "npu", 5 * 10**8, 4000)
    control.run(5 * S)
    control.every(20 * MS, "b", "npu", 10**6, 100)
    control.run(15 * S)
    assert power.points()["npu"] == "1000MHz"


@settings(max_examples=20)
@given(cap=st.integers(16, 50), share=st.sampled_from([0.2, 0.5, 0.9, 1.0]))
def test_any_cap_that_can_be_held_is_held(cap, share):
    """The slowest point draws 4 W x 0.3 x (700/850)^2 of work at most, and less than 0.7 W beside it."""
    assert watts(*capped(load_platform("rk3588"), cap / 10, share=share)) <= cap / 10


def test_a_lower_cap_never_gets_more_done(soc):
    done = [len(capped(soc, cap, share=0.9)[1].done) for cap in (1.6, 2, 3, 5)]
    assert all(less <= more for less, more in pairwise(done))
