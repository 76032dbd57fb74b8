"""Do domains rest and wake as they say, and do the books add up?"""

from __future__ import annotations

import pytest
from bench_control import MS, BenchControl, S
from hypothesis import given
from hypothesis import strategies as st

from socsim.cost.energy import EnergyModel
from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.outcome import battery_life
from socsim.engine.online.power.resting import RestingPart, RestingState
from socsim.engine.online.power.settings import PowerSettings
from socsim.engine.online.power.tally import Tally
from socsim.errors import UsageError
from socsim.soc.loader import load_platform

COLD = PowerSettings(has_heat=False)


@pytest.fixture(scope="module")
def soc():
    return load_platform("rk3588")


def worked(soc, settings=COLD, *, until=100 * MS, period=None, unit="npu", cycles=5_000_000):
    """A manager after jobs of 5 ms at 1 GHz, 100 pJ a cycle, one or one in each period."""
    power = PlatformPower(soc, [unit], settings)
    control = BenchControl(soc, power)
    if period:
        control.every(period, "app", unit, cycles, 100)
    else:
        control.release(10 * MS, "app", unit, cycles, 100)
    control.finish(until)
    return power.outcome(), control


def domain(outcome, name):
    return next(record for record in outcome.domains if record.name == name)


def state(name="off", nw=0, enter=0, wake=0, transition=0):
    return RestingState(name, nw, enter, wake, transition)


# --- one part -----------------------------------------------------------------------------------------


def test_a_state_pays_off_when_what_it_saves_covers_what_it_costs():
    """1 mW on, 0.2 mW resting: waking for 4 us costs 4 nJ, entering for 1 us saves nothing."""
    resting = state(nw=200_000, enter=10**6, wake=4 * 10**6)
    assert resting.pays_off_ps(10**6) == 10**6 + 5 * 10**6
    assert state(nw=200_000, transition=8 * 10**9).pays_off_ps(10**6) == 10**7
    assert state(nw=10**6).pays_off_ps(10**6) is None


@pytest.mark.parametrize("policy", ["fitting", "immediate", "timeout", "never"])
@given(data=st.data())
def test_times_of_a_part_add_up_and_cost_what_its_states_say(policy, data):
    numbers = st.integers(0, 50)
    states = [state(f"s{i}", *data.draw(st.tuples(st.integers(0, 90), numbers, numbers, st.just(0)))) for i in range(2)]
    tally = Tally()
    part = RestingPart(("domain", "x"), 100, states, policy, tally)
    now = 0
    for gap, span in data.draw(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=6)):
        now += gap
        part.rise(now)
        now += span
        part.fall(now)
        part.settle(now)
    times = {key[3]: ps for key, ps in tally.items() if key[2] == "time"}
    assert sum(times.values()) == now
    powers = {"on": 100} | {s.name: s.nw for s in states}
    assert tally["domain", "x", "static"] == sum(powers[name] * ps for name, ps in times.items())


def test_a_transition_costs_its_energy_once_for_each_rest():
    """7 aJ are 7000 nanowatt picoseconds; three rests cost three times that, beside 20 ps of entering at full power."""
    tally = Tally()
    part = RestingPart(("domain", "x"), 100, [state(nw=0, enter=20, transition=7)], "immediate", tally)
    for now in (100, 200):
        part.rise(now)
        part.fall(now)
    part.settle(300)
    assert tally["domain", "x", "static"] == 3 * (7000 + 20 * 100)
    assert tally["domain", "x", "wakes"] == 2


def test_entering_is_seen_to_its_end_before_it_wakes():
    part = RestingPart(("domain", "x"), 100, [state(enter=50, wake=20)], "immediate", Tally())
    assert part.rise(30) == 20 + 20
    part.fall(40)
    assert part.rise(140) == 20


def test_a_timeout_costs_at_most_twice_what_foresight_does():
    """Staying on until a state pays off, and going there then, is 2-competitive, as renting skis is."""
    for idle in range(1, 400, 7):
        tally = Tally()
        part = RestingPart(("domain", "x"), 100, [state(nw=10, wake=90)], "timeout", tally)
        part.rise(0)
        part.fall(0)
        tally.clear()
        waited = part.rise(idle)
        cost = tally["domain", "x", "static"] + 100 * waited
        assert cost <= 2 * min(100 * idle, 10 * idle + 100 * 90)


def test_the_fitting_state_is_the_deepest_that_paid_off_last_time():
    light, deep = state("light", 50, wake=10), state("deep", 0, wake=200)  # they pay off after 20 and 200
    tally = Tally()
    part = RestingPart(("domain", "x"), 100, [light, deep], "fitting", tally)
    now, seen = 0, []
    for idle in (300, 50, 300, 5, 1):  # the first one is not known of any before it
        part.rise(now + idle)
        now += idle
        part.fall(now)
        before = dict(tally)
        part.settle(now + 10)
        now += 10
        seen += [key[3] for key, ps in tally.items() if key[2] == "time" and ps > before.get(key, 0)]
    assert seen == ["deep", "light", "deep", "on", "on"]


# --- a platform ---------------------------------------------------------------------------------------


def test_static_energy_is_that_of_a_run_while_the_unit_works(soc):
    """Always at work, an NPU's platform draws what EnergyModel says that a run of that length does."""
    power = PlatformPower(soc, ["npu"], COLD)
    control = BenchControl(soc, power)
    control.release(0, "app", "npu", 10**9, 1)
    control.finish(100 * MS)
    wanted = dict(EnergyModel(soc).static(["npu"], 100 * MS))
    wake = power.outcome()
    assert {d.name: d.static_pj for d in wake.domains if d.static_pj} == wanted


def test_a_unit_waits_for_its_domain_and_its_domain_rests_afterwards(soc):
    outcome, control = worked(soc, PowerSettings(idle="immediate", has_heat=False))
    spec = soc.file.power_domains["npu"].states[0]
    assert control.woken == [spec.wake.value]
    assert control.done == [("app", 10 * MS + spec.wake.value + 5 * MS)]
    assert dict(domain(outcome, "npu").states) == {"on": spec.wake.value + 5 * MS, "off": 95 * MS - spec.wake.value}
    assert domain(outcome, "npu").wakes == 1


@pytest.mark.parametrize("idle", [None, "timeout", "never"])
def test_a_domain_of_clocks_that_race_to_idle_rests_at_once_whatever_others_do(soc, idle):
    racing = PowerSettings(governors={"npu": "race_to_idle"}, idle=idle, has_heat=False)
    outcome, control = worked(soc, racing)
    at_once, _ = worked(soc, PowerSettings(idle="immediate", has_heat=False))
    assert domain(outcome, "npu") == domain(at_once, "npu")
    wake = soc.file.power_domains["npu"].states[0].wake.value
    assert control.woken == [wake]
    if idle == "never":
        plain, _ = worked(soc, PowerSettings(idle=idle, has_heat=False))
        assert dict(domain(plain, "npu").states) == {"on": 100 * MS}


@pytest.mark.parametrize("idle", ["fitting", "immediate", "timeout", "never"])
def test_the_books_add_up(soc, idle):
    outcome, control = worked(soc, PowerSettings(idle=idle, has_heat=False), period=20 * MS)
    assert all(sum(ps for _, ps in record.states) == control.now for record in outcome.domains)
    assert all(sum(ps for _, _, ps in clock.points) == control.now for clock in outcome.clocks)
    assert outcome.energy_pj == sum(d.static_pj for d in outcome.domains) + sum(outcome.spent_pj.values())
    assert outcome.dynamic_pj == 5 * 5_000_000 * 100
    shares = sum(outcome.shares_pj.values())
    assert outcome.dynamic_pj < shares <= outcome.energy_pj
    trace = next(t for t in outcome.traces if t.quantity == "power")
    ends = [*(time for time, _ in trace.points[1:]), control.now]
    drawn = sum(nw * (end - start) for (start, nw), end in zip(trace.points, ends, strict=True)) / 10**9
    assert drawn == pytest.approx(outcome.energy_pj, rel=1e-6)


def test_shares_go_by_time(soc):
    power = PlatformPower(soc, ["npu"], COLD)
    control = BenchControl(soc, power)
    control.release(0, "long", "npu", 30_000_000, 1)
    control.release(0, "short", "npu", 10_000_000, 1)
    control.finish(50 * MS)
    shares = power.outcome().shares_pj
    assert shares["long"] == pytest.approx(3 * shares["short"], rel=1e-6)


def test_a_unit_that_nobody_uses_is_off_and_an_idle_platform_costs_no_events(soc):
    power = PlatformPower(soc, ["npu"])
    control = BenchControl(soc, power)
    control.finish(3600 * S)
    outcome = power.outcome()
    assert control.events == 0
    assert dict(domain(outcome, "gpu").states) == {"off": 3600 * S}
    assert domain(outcome, "cpu_big").static_pj == 15 * 3600 * 10**9  # 15 mW for an hour
    assert domain(outcome, "soc").static_pj == 400 * 3600 * 10**9


def test_a_hub_that_waits_rests_in_its_first_state_and_the_chip_is_off():
    soc = load_platform("qcs6490")
    hub = next(name for name, unit in soc.units.items() if unit.kind == "sensing_hub")
    power = PlatformPower(soc, [hub])
    BenchControl(soc, power).finish(S)
    outcome = power.outcome()
    own = soc.file.power_domains[soc.units[hub].power].states[0]
    assert dict(domain(outcome, soc.units[hub].power).states) == {own.name: S}
    assert outcome.energy_pj == pytest.approx(EnergyModel(soc).waiting_nw([hub]) * S / 10**9, rel=1e-9)


@given(millivolts=st.integers(500, 849))
def test_a_lower_voltage_never_costs_more(soc, millivolts):
    lower = soc.with_({"clocks.npu.opps.1000MHz.voltage": f"{millivolts} mV"})
    lower = lower.with_({"power_domains.npu.voltage": "850 mV"})
    assert worked(lower)[0].static_pj <= worked(soc)[0].static_pj


def test_an_idle_policy_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match=r"^idle policy 'imediate' is not known\. Did you mean 'immediate'\?"):
        PowerSettings(idle="imediate")


# --- batteries ----------------------------------------------------------------------------------------


def test_a_battery_lasts_as_long_as_its_energy():
    """220 mAh at 3 V are 2376 J; behind a regulator of 90 %, 1 mW lasts 24.75 days."""
    record = battery_life(10**9, S, 220_000, 3_000_000, 0.9)
    assert record.life_s == pytest.approx(2376 * 0.9 / 1e-3, abs=1)
    assert record.average_current_na == pytest.approx(1e-3 / 0.9 / 3 * 1e9, abs=1)
    assert record.energy_pj == 2376 * 10**12
    assert battery_life(0, S, 220_000, 3_000_000, 0.9) is None
