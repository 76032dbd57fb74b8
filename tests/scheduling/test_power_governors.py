"""Do governors do what their sources say, and do they spend what physics says?"""

from __future__ import annotations

import pytest
from bench_control import MS, BenchControl, S
from hypothesis import given
from hypothesis import strategies as st

from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.settings import PowerSettings
from socsim.errors import UnknownNameError, UsageError
from socsim.schedule.governors import CAPACITY, GOVERNORS, HALF_LIFE_PS, Governor, Look, decayed, governor, position
from socsim.soc.loader import load_platform
from socsim.testing.governors import governor_conformance

POINTS = (408_000_000, 816_000_000, 1_200_000_000, 2_400_000_000)

TestPerformance = governor_conformance("performance")
TestPowersave = governor_conformance("powersave")
TestRaceToIdle = governor_conformance("race_to_idle")
TestSchedutil = governor_conformance("schedutil")
TestOndemand = governor_conformance("ondemand")
TestConservative = governor_conformance("conservative")
TestFixed = governor_conformance("fixed:any")


@pytest.fixture(scope="module")
def soc():
    return load_platform("rk3588")


def look(share, *, asked=POINTS[0], utilisation=0):
    return Look(POINTS, asked, int(share * 10 * MS), 10 * MS, utilisation)


def driven(soc, name, *, share, until=3 * S, unit="npu", period=20 * MS, pj=300):
    """The platform after periodic jobs that fill this share of the time at the fastest point."""
    power = PlatformPower(soc, [unit], PowerSettings(governors={unit: name}, has_heat=False))
    control = BenchControl(soc, power)
    control.every(period, "app", unit, int(share * period * soc.unit_hz(unit) // S), pj)
    control.finish(until)
    return power.outcome(), control


def clock(outcome, name="npu"):
    return next(record for record in outcome.clocks if record.name == name)


def mean_hz(record):
    return sum(hz * ps for _, hz, ps in record.points) / sum(ps for _, _, ps in record.points)


# --- by the formula -----------------------------------------------------------------------------------


def test_schedutil_asks_for_a_quarter_more_than_is_needed():
    assert governor("schedutil").asks(look(0, utilisation=CAPACITY // 2)) == 1_500_000_000
    assert governor("schedutil").asks(look(0, utilisation=CAPACITY)) == 3_000_000_000


def test_ondemand_goes_to_the_top_above_80_percent_and_in_proportion_below():
    assert governor("ondemand").asks(look(0.81)) == POINTS[-1]
    assert governor("ondemand").asks(look(0.80)) == POINTS[0] + 80 * (POINTS[-1] - POINTS[0]) // 100
    assert governor("ondemand").asks(look(0)) == POINTS[0]


def test_conservative_steps_by_a_twentieth_and_stays_between_its_thresholds():
    middle = 1_000_000_000
    asks = [governor("conservative").asks(look(share, asked=middle)) for share in (0.9, 0.5, 0.1)]
    assert asks == [middle + POINTS[-1] // 20, middle, middle - POINTS[-1] // 20]


@pytest.mark.parametrize(
    ("takes", "wanted"),
    [("above", [0, 1, 1, 3, 3]), ("below", [0, 0, 1, 2, 3]), ("nearest", [0, 0, 1, 2, 3])],
)
def test_an_operating_point_for_a_frequency_between_two(takes, wanted):
    assert [position(hz, POINTS, takes) for hz in (1, 500_000_000, 816_000_000, 1_300_000_000, 10**10)] == wanted


def test_an_average_forgets_half_in_32_ms():
    assert decayed(CAPACITY, HALF_LIFE_PS, 0) == CAPACITY // 2
    assert decayed(0, HALF_LIFE_PS, CAPACITY) == CAPACITY // 2
    assert decayed(CAPACITY, 1000 * HALF_LIFE_PS, 0) == 0


def test_a_governor_that_does_not_exist_is_refused_with_what_is_known(soc):
    with pytest.raises(UsageError, match=r"^governor 'schedutl' is not known\. Did you mean 'schedutil'\?"):
        governor("schedutl")
    with pytest.raises(UsageError, match=r"^governor 'performance' takes no operating point"):
        governor("performance:816MHz")
    with pytest.raises(UsageError, match=r"^governor 'fixed' needs an operating point"):
        governor("fixed")
    with pytest.raises(
        UsageError, match=r"^governor 'fixed:1MHz': the clock has no such operating point; use one of 300M"
    ):
        PlatformPower(soc, ["npu"], PowerSettings(governors={"npu": "fixed:1MHz"}))
    unknown = r"^governors on platform 'rk3588': 'npus' is no clock, unit or kind of unit\. Did you mean 'npu'\?"
    with pytest.raises(UnknownNameError, match=unknown):
        PlatformPower(soc, ["npu"], PowerSettings(governors={"npus": "powersave"}))


# --- on a platform ------------------------------------------------------------------------------------


def test_performance_powersave_and_fixed_stay_at_their_points(soc):
    for name, point in (("performance", "1000MHz"), ("powersave", "300MHz"), ("fixed:600MHz", "600MHz")):
        record = clock(driven(soc, name, share=0.2)[0])
        assert {p for p, _, ps in record.points if ps} == {point}
        assert record.changes == 0


def test_names_go_by_clock_then_unit_then_kind(soc):
    settings = PowerSettings(governors={"cpu": "powersave", "cpu_big": "ondemand"}, governor="schedutil")
    found = {name: g.name for name, g in settings.clock_governors(soc).items()}
    assert found == {"cpu_big": "ondemand", "cpu_little": "powersave", "gpu": "schedutil", "npu": "schedutil"}


def test_schedutil_settles_at_the_first_point_with_a_quarter_to_spare(soc):
    """38 % of 1 GHz are 380 MHz: 1.25 times that is 475 MHz, and the next point 500 MHz."""
    record = clock(driven(soc, "schedutil", share=0.38, until=10 * S, period=2 * MS)[0])
    assert max(record.points, key=lambda row: row[2])[0] == "500MHz"
    assert mean_hz(record) == pytest.approx(500e6, rel=0.05)


@pytest.mark.parametrize("name", ["schedutil", "ondemand", "conservative"])
def test_a_governor_follows_the_load(soc, name):
    loads = [mean_hz(clock(driven(soc, name, share=share)[0])) for share in (0.05, 0.3, 0.6, 0.95)]
    assert loads == sorted(loads)
    assert loads[0] < 0.5 * loads[-1]


@pytest.mark.parametrize("name", ["schedutil", "ondemand", "conservative"])
def test_a_governor_stops_looking_when_nothing_works(soc, name):
    power = PlatformPower(soc, ["npu"], PowerSettings(governor=name, has_heat=False))
    control = BenchControl(soc, power)
    control.release(0, "app", "npu", 10**8, 100)
    control.run(3 * S)
    before = control.events
    control.run(3600 * S)
    assert control.events == before
    assert power.points()["npu"] == "300MHz"


def test_no_work_is_lost_when_points_change(soc):
    for name in GOVERNORS.names():
        wanted = name if name != "fixed" else "fixed:700MHz"
        _, control = driven(soc, wanted, share=0.25, until=S)
        assert len(control.done) in {49, 50}


def race_and_slow(soc, milliwatts):
    """Energies of both ways to do 3 nJ a cycle for a quarter of the time, by the static power of the domain."""
    heavy = soc.with_({"power_domains.npu.static": f"{milliwatts} mW"})
    ways = ("race_to_idle", "fixed:300MHz")
    return [driven(heavy, way, share=0.25, pj=3000, until=2 * S)[0].energy_pj for way in ways]


def test_slow_saves_where_work_costs_and_racing_where_being_on_does(soc):
    race, slow = race_and_slow(soc, 10)
    assert slow < race
    race, slow = race_and_slow(soc, 3000)
    assert race < slow


def test_the_crossing_is_where_the_closed_form_puts_it(soc):
    """What slow work saves, V squared, is what being on for longer costs, of the domain's P and of the memory."""
    cycles, squared, wake = 5e6, (700 / 850) ** 2, 100e-6
    fast_s, slow_s = cycles / 1e9, cycles / 300e6
    saved = cycles * 3000e-12 * (1 - squared) - (0.150 - 0.020) * (slow_s - fast_s)
    crossing = saved / (squared * (slow_s + wake) - (fast_s + wake))
    race, slow = race_and_slow(soc, round(crossing * 950))
    assert slow < race
    race, slow = race_and_slow(soc, round(crossing * 1050))
    assert race < slow


@given(st.integers(1, 99), st.integers(1, 99))
def test_more_load_never_asks_for_less(one, other):
    low, high = sorted((one, other))
    for name in ("schedutil", "ondemand", "conservative"):
        asks = [
            governor(name).asks(look(x / 100, asked=POINTS[1], utilisation=CAPACITY * x // 100)) for x in (low, high)
        ]
        assert asks[0] <= asks[1]


def test_a_governor_of_ones_own_is_one_class(soc):
    class Middle(Governor, name="middle of the points"):
        def first(self, points):
            return points[len(points) // 2]

    try:
        record = clock(driven(soc, "middle of the points", share=0.1)[0])
        assert {p for p, _, ps in record.points if ps} == {"700MHz"}
    finally:
        GOVERNORS._classes.pop("middle of the points")
