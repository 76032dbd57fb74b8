"""Do temperatures follow the closed forms, and do trips act where the network says that they are reached?"""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
from bench_control import MS, BenchControl, S
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.modes import Course, Modes
from socsim.engine.online.power.settings import PowerSettings
from socsim.engine.online.power.traces import MOST_POINTS, AveragedTrace, Trace
from socsim.soc.loader import load_platform
from socsim.soc.thermal import Thermal

DOMAINS = ("cpu_big", "cpu_little", "gpu", "npu", "soc")
NPU_TRIP = {"node": "die", "at": "80 degC", "clear": "75 degC", "clocks": ["npu"], "every": "100 ms"}


def network(nodes, paths, **more):
    """A network of (J/K by node) and (end, end, K/W), that all domains of the RK3588 warm at its first node."""
    first = next(iter(nodes))
    return {
        "ambient": "25 degC",
        "nodes": {name: {"capacity": f"{capacity} J/K"} for name, capacity in nodes.items()},
        "paths": [{"between": [a, b], "resistance": f"{r} K/W"} for a, b, r in paths],
        "heat": dict.fromkeys(DOMAINS, first),
        **more,
    }


ONE = network({"die": 2}, [("die", "ambient", 10)])
TWO = network({"die": 0.5, "case": 20}, [("die", "case", 5), ("case", "ambient", 8)])


def model(description):
    return Modes.of(Thermal.model_validate(description))


def platform(description):
    return made(json.dumps(description))


@cache
def made(text):
    return load_platform("rk3588").with_({"thermal": json.loads(text)})


def warmed(soc, *, until, pj=4000, share=1.0, period=20 * MS, settings=None, skip=False):
    """A manager after periodic jobs of the NPU that fill a share of the time at its fastest point."""
    power = PlatformPower(soc, ["npu"], settings or PowerSettings())
    control = BenchControl(soc, power)
    if share:
        control.every(period, "app", "npu", int(share * period * soc.unit_hz("npu") // S), pj)
    skipped = control.run_skipping(until, period) if skip else control.finish(until)
    return power.outcome(), control, skipped


def clock(outcome):
    return next(record for record in outcome.clocks if record.name == "npu")


def trace(outcome, quantity, name):
    return next(t.points for t in outcome.traces if (t.quantity, t.name) == (quantity, name))


# --- the network --------------------------------------------------------------------------------------


@given(st.floats(0.1, 50), st.floats(0, 200))
def test_one_node_warms_exponentially(power, seconds):
    """R = 10 K/W and C = 2 J/K: T = P R (1 - exp(-t / 20 s))."""
    modes = model(ONE)
    after = modes.temperatures(modes.after([0.0], modes.rise([power]), seconds))
    assert after == pytest.approx([power * 10 * (1 - exp(-seconds / 20))], rel=1e-12, abs=1e-12)


def test_the_steady_state_is_power_times_resistance():
    """Two resistances in a row: the die stands 13 K above the surroundings for each watt, the case 8 K."""
    modes = model(TWO)
    after = modes.temperatures(modes.after(modes.from_temperatures([3, 2]), modes.rise([2, 0]), 1e5))
    assert after == pytest.approx([2 * 13, 2 * 8])


@given(st.lists(st.floats(0, 10), min_size=3, max_size=3), st.floats(1e-3, 500), st.data())
def test_any_network_equals_the_matrix_exponential(power, seconds, data):
    resistance, capacity = (
        st.floats(0.1, 20).map(lambda x: round(x, 3)),
        st.floats(0.05, 100).map(lambda x: round(x, 3)),
    )
    r, c = ([data.draw(kind) for _ in range(3)] for kind in (resistance, capacity))
    nodes = dict(zip("abc", c, strict=True))
    modes = model(network(nodes, [("a", "b", r[0]), ("b", "c", r[1]), ("c", "ambient", r[2])]))
    start = [40.0, 10.0, 0.0]
    g = [1 / x for x in r]
    conductance = np.array([[g[0], -g[0], 0], [-g[0], g[0] + g[1], -g[1]], [0, -g[1], g[1] + g[2]]])
    steady = np.linalg.solve(conductance, np.array(power))
    wanted = steady + expm(-conductance / np.array(c)[:, None] * seconds) @ (np.array(start) - steady)
    found = modes.temperatures(modes.after(modes.from_temperatures(start), modes.rise(power), seconds))
    assert found == pytest.approx(list(wanted), rel=1e-6, abs=1e-6)


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(0.01, 5)), min_size=1, max_size=3),
    st.floats(-60, 60),
    st.floats(-60, 60),
    st.booleans(),
)
def test_a_crossing_is_the_first_one(parts, steady, level, rising):
    course = Course(steady, tuple(p for p, _ in parts), tuple(r for _, r in parts))
    found = course.first_at(level, 10, rising=rising, step=1e-3)
    sign = 1 if rising else -1
    reached = [t for t in np.linspace(0, 10, 4001) if sign * (course.at(t) - level) >= 0]
    if found is None:
        assert not any(sign * (course.at(t) - level) > 1e-2 for t in reached)
    else:
        assert not any(t < found - 2e-3 for t in reached)


def test_the_crossing_of_one_node_is_the_logarithm():
    """50 K of 100 K are reached after tau ln 2."""
    course = model(ONE).course(0, [0.0], model(ONE).rise([10]))
    assert course.first_at(50, 1000, rising=True, step=1e-6) == pytest.approx(20 * log(2), abs=2e-6)
    assert course.first_at(101, 1000, rising=True, step=1e-6) is None


# --- a platform ---------------------------------------------------------------------------------------


def test_an_idle_platform_ends_at_its_static_power_times_the_resistance():
    """400 mW of the chip, 15 and 5 mW of gated cores."""
    outcome, control, _ = warmed(platform(ONE), until=3600 * S, share=0)
    assert control.events == 0
    node = outcome.thermal[0]
    assert (node.start_millicelsius, outcome.ambient_millicelsius) == (25_000, 25_000)
    assert node.end_millicelsius == node.most_millicelsius == pytest.approx(25_000 + 4200, abs=1)
    assert node.throttle_millicelsius is None


def test_a_busy_platform_ends_at_its_average_power_times_the_resistance():
    soc = platform(TWO)
    outcome, control, _ = warmed(soc, until=1500 * S, share=0.5, period=100 * MS)
    memory = next(d.static_pj for d in outcome.domains if d.name == "dram") / control.now
    watts = outcome.energy_pj / control.now - memory
    ends = [node.end_millicelsius for node in outcome.thermal]
    assert ends == pytest.approx([25_000 + 13_000 * watts, 25_000 + 8_000 * watts], rel=0.01)


def test_a_burst_after_an_idle_hour_warms_as_much_as_one_at_the_beginning():
    """Half a second of 8 W into 2 J/K is 2 K, whenever it comes."""
    soc = platform(ONE | {"nodes": {"die": {"capacity": "2 J/K", "start": "29.2 degC"}}})  # as warm as idle
    risen = []
    for start in (0, 3600 * S):
        power = PlatformPower(soc, ["npu"])
        control = BenchControl(soc, power)
        control.release(start, "app", "npu", 5 * 10**8, 8000)
        control.finish(start + 600 * MS)
        node = power.outcome().thermal[0]
        risen.append(node.most_millicelsius - 29_200)
    assert risen[0] == pytest.approx(2000, abs=150)
    assert risen[1] == pytest.approx(risen[0], abs=60)


def test_warmer_surroundings_are_added():
    hot = warmed(platform(ONE), until=60 * S, settings=PowerSettings(ambient_millicelsius=45_000))[0]
    cool = warmed(platform(ONE), until=60 * S)[0]
    assert hot.thermal[0].end_millicelsius - cool.thermal[0].end_millicelsius == pytest.approx(20_000, abs=1)
    assert hot.energy_pj == cool.energy_pj


def test_domains_warm_the_first_node_unless_the_file_says_otherwise():
    said, unsaid = TWO, TWO | {"heat": {}}
    one, other = (warmed(platform(thermal), until=20 * S)[0].thermal for thermal in (said, unsaid))
    assert one == other
    elsewhere = warmed(platform(TWO | {"heat": {"npu": "case"}}), until=20 * S)[0].thermal
    assert elsewhere[0].end_millicelsius < one[0].end_millicelsius


def test_a_platform_without_a_thermal_model_says_so():
    soc = load_platform("max78000")
    power = PlatformPower(soc, list(soc.units))
    BenchControl(soc, power).finish(S)
    outcome = power.outcome()
    assert outcome.thermal == ()
    assert outcome.ambient_millicelsius is None
    assert outcome.notes == ("platform 'max78000' has no thermal model: heat is not modelled",)


# --- trips --------------------------------------------------------------------------------------------


def test_a_trip_acts_when_the_closed_form_says():
    """One RC under constant power reaches the trip at tau ln(P R / (P R - 55 K))."""
    soc = platform(ONE | {"trips": [NPU_TRIP]})
    power = PlatformPower(soc, ["npu"], PowerSettings(idle="never"))
    control = BenchControl(soc, power)
    control.release(0, "app", "npu", 10**12, 8000)
    control.run(300 * S)
    power.finish()
    outcome = power.outcome()
    static = sum(d.static.value for n, d in soc.file.power_domains.items() if n in ("soc", "npu")) / 1e9 + 0.020
    rise = 10 * (8 + static)
    first = next(time for time, hz in trace(outcome, "frequency", "npu") if hz < 10**9)
    assert first / S == pytest.approx(20 * log(rise / (rise - 55)), abs=5e-3)


def test_hysteresis_never_chatters():
    """Between a step down and the next step up the node has cooled from the one border to the other."""
    soc = platform(ONE | {"trips": [NPU_TRIP]})
    outcome, control, _ = warmed(soc, until=600 * S, pj=8000)
    temperatures = trace(outcome, "temperature", "die")
    steps = trace(outcome, "frequency", "npu")
    ups = [after for (_, a), (after, b) in pairwise(steps) if b > a]
    assert len(ups) > 2
    assert outcome.thermal[0].most_millicelsius < 81_000
    late = [value for time, value in temperatures if time > 60 * S]
    assert min(late) > 73_000
    for (_, before), (start, down), (end, up) in zip(steps, steps[1:], steps[2:], strict=False):
        if down < before < up or (down < before and up > down):
            assert end - start > 500 * MS
    node = outcome.thermal[0]
    assert node.throttle_millicelsius == 80_000
    assert 0 < node.throttled_ps <= control.now


def test_a_trip_may_name_the_most_that_clocks_run_at():
    trip = NPU_TRIP | {"to": "650 MHz"}
    outcome, _, _ = warmed(platform(ONE | {"trips": [trip]}), until=300 * S, pj=8000)
    assert {point for point, _, ps in clock(outcome).points if ps} == {"600MHz", "1000MHz"}


def test_a_hotter_place_never_runs_faster():
    soc = platform(TWO | {"trips": [NPU_TRIP]})
    means = []
    for ambient in (0, 25_000, 40_000, 60_000, 78_000, 90_000):
        outcome, control, _ = warmed(soc, until=200 * S, settings=PowerSettings(ambient_millicelsius=ambient))
        means.append(sum(hz * ps for _, hz, ps in clock(outcome).points) / control.now)
    assert means == sorted(means, reverse=True)
    assert means[0] == 10**9
    assert means[-1] < 0.4 * 10**9


def test_a_hot_start_throttles_at_once_and_cools_without_work():
    """From 90 degrees, idle: the clock comes back once the die is cool, though nothing works."""
    hot = ONE | {"nodes": {"die": {"capacity": "2 J/K", "start": "90 degC"}}, "trips": [NPU_TRIP]}
    outcome, control, _ = warmed(platform(hot), until=600 * S, share=0)
    steps = trace(outcome, "frequency", "npu")
    assert steps[0][1] < 10**9
    assert steps[-1][1] == 10**9
    assert control.events < 60
    assert outcome.thermal[0].most_millicelsius == 90_000


def test_a_critical_temperature_is_warned_of():
    outcome, _, _ = warmed(platform(ONE | {"critical": "60 degC"}), until=300 * S, pj=8000)
    assert outcome.warnings == (
        "a node reached the platform's critical temperature, at which the device switches itself off",
    )


# --- periods that repeat ------------------------------------------------------------------------------


def same(one, other, kelvin):
    """Books are equal to the last picojoule, temperatures to what they swing by within a period (in mK)."""
    assert one.domains == other.domains
    assert one.clocks == other.clocks
    assert (one.static_pj, one.dynamic_pj) == (other.static_pj, other.dynamic_pj)
    assert dict(one.spent_pj) == dict(other.spent_pj)
    assert dict(one.shares_pj) == dict(other.shares_pj)
    for a, b in zip(one.thermal, other.thermal, strict=True):
        assert a.end_millicelsius == pytest.approx(b.end_millicelsius, abs=kelvin)
        assert a.most_millicelsius == pytest.approx(b.most_millicelsius, abs=kelvin)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("description", [ONE, TWO])
def test_hours_skipped_equal_hours_stepped(description, share):
    soc = platform(description)
    stepped, control, _ = warmed(soc, until=120 * S, share=share)
    jumped, other, skipped = warmed(soc, until=120 * S, share=share, skip=True)
    same(jumped, stepped, kelvin=50)
    assert skipped > 100 * S
    assert other.events < control.events / 20


def test_a_skip_stops_before_a_trip_and_goes_on_behind_it():
    soc = platform(ONE | {"trips": [NPU_TRIP]})
    stepped, _, _ = warmed(soc, until=200 * S, pj=8000, share=0.8)
    jumped, _, skipped = warmed(soc, until=200 * S, pj=8000, share=0.8, skip=True)
    assert skipped > 20 * S
    assert jumped.thermal[0].most_millicelsius == pytest.approx(stepped.thermal[0].most_millicelsius, abs=100)
    for one, other in zip(clock(jumped).points, clock(stepped).points, strict=True):
        assert one[2] == pytest.approx(other[2], abs=6 * S)
    assert jumped.energy_pj == pytest.approx(stepped.energy_pj, rel=0.02)


@pytest.mark.parametrize("name", ["schedutil", "ondemand", "conservative", "race_to_idle"])
def test_governed_hours_repeat_too(name):
    """Looks are 10 ms apart and periods 20 ms: the load repeats, and so do the points."""
    soc = load_platform("rk3588")
    chosen = PowerSettings(governor=name, has_heat=False)
    stepped, _, _ = warmed(soc, until=20 * S, share=0.3, settings=chosen)
    jumped, _, skipped = warmed(soc, until=20 * S, share=0.3, settings=chosen, skip=True)
    same(jumped, stepped, kelvin=0)
    assert skipped > 10 * S


def test_a_capped_hour_repeats_too():
    soc = load_platform("rk3588")
    chosen = PowerSettings(cap_nw=3 * 10**9, cap_window_ps=20 * MS, has_heat=False)
    stepped, _, _ = warmed(soc, until=20 * S, share=0.5, period=100 * MS, settings=chosen)
    jumped, _, skipped = warmed(soc, until=20 * S, share=0.5, period=100 * MS, settings=chosen, skip=True)
    same(jumped, stepped, kelvin=0)
    assert skipped > 10 * S


@settings(max_examples=10)
@given(st.floats(0.05, 1), st.integers(5, 60), st.sampled_from(["fitting", "immediate", "timeout", "never"]))
def test_skipping_changes_no_books(share, period_ms, idle):
    soc = platform(TWO)
    chosen = PowerSettings(idle=idle)
    stepped, _, _ = warmed(soc, until=3 * S, share=share, period=period_ms * MS, settings=chosen)
    jumped, _, _ = warmed(soc, until=3 * S, share=share, period=period_ms * MS, settings=chosen, skip=True)
    same(jumped, stepped, kelvin=5 + 4 / 0.5 * period_ms * share * (1 - share))


def test_an_hour_of_heat_takes_few_events():
    soc = platform(TWO | {"trips": [NPU_TRIP]})
    _, control, skipped = warmed(soc, until=3600 * S, share=0.3, skip=True)
    assert skipped > 3590 * S
    assert control.events < 5000


def test_memory_does_not_grow_with_time():
    """Without marks nothing is kept to be repeated, and a period that is too long is not repeated."""
    soc = platform(TWO)
    power = PlatformPower(soc, ["npu"])
    control = BenchControl(soc, power)
    control.every(20 * MS, "app", "npu", 10**7, 4000)
    control.run(20 * S)
    assert power._heat.network._period == []
    power.mark()
    control.run(30 * S)
    assert 20 < len(power._heat.network._period) < 60


# --- traces -------------------------------------------------------------------------------------------


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=6000))
@settings(max_examples=20)
def test_a_long_trace_stays_short_and_keeps_its_extremes(values):
    made = Trace("temperature", "die")
    for time, value in enumerate(values):
        made.add(time, value)
    points = made.record().points
    assert len(points) <= MOST_POINTS + 1
    assert {min(values), max(values)} <= {value for _, value in points}
    assert [time for time, _ in points] == sorted({time for time, _ in points})


def test_a_long_trace_of_power_keeps_its_energy_and_its_extremes():
    made, energy, drawn = AveragedTrace("total"), 0, []
    for step in range(1, 20_000):
        nw = 10**6 if step == 5000 else 1000 + step % 7
        energy += nw * 10**9
        drawn.append(nw)
        made.add(step * 10**9, energy)
    points = made.record().points
    assert len(points) <= MOST_POINTS + 1
    assert max(nw for _, nw in points) == 10**6
    ends = [*(time for time, _ in points[1:]), 19_999 * 10**9]
    total = sum(nw * (end - start) for (start, nw), end in zip(points, ends, strict=True))
    assert total == pytest.approx(sum(drawn) * 10**9, rel=1e-3)
