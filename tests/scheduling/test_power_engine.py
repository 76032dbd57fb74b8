"""Do the online engine and the power manager of a platform agree, also over stretches that are not stepped through?"""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from online_worlds import app, server, stage, world

from socsim.engine.online.engine import run
from socsim.engine.online.model import Periodic, Poisson
from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.settings import PowerSettings
from socsim.soc.loader import load_platform

MS = 10**9
S = 10**12


@cache
def at(point):
    return load_platform("rk3588").at({"npu": point})


def on_npu(cycles, pj=4000):
    """Programs of so many cycles on the NPU, with its energy a cycle at the voltage of the point."""

    @cache
    def made(point):
        soc = at(point)
        energy = round(cycles * pj * float(soc.voltage_squared("npu")))
        return stage(cycles * S // soc.unit_hz("npu"), "npu", energy_pj=energy)

    return lambda _, __, points: made(points["npu"])


def simulated(share=0.3, *, until=60 * S, chosen=None, skips=True, soc="rk3588", period=20 * MS, arrival=None, pj=4000):
    soc = load_platform(soc) if isinstance(soc, str) else soc
    power = PlatformPower(soc, ["npu"], chosen or PowerSettings())
    cycles = int(share * period * soc.unit_hz("npu") // S)
    made = world([app("a", arrival or Periodic(period))], {"a": on_npu(cycles, pj)}, [server("npu", unit="npu")], until)
    outcome = run(made, power, skips=skips)
    return outcome, power.outcome()


def clock(power, name="npu"):
    return next(record for record in power.clocks if record.name == name)


def same(one, other, kelvin):
    assert one[0].served == other[0].served
    assert one[1].domains == other[1].domains
    assert one[1].clocks == other[1].clocks
    assert one[1].shares_pj == other[1].shares_pj
    for a, b in zip(one[1].thermal, other[1].thermal, strict=True):
        assert a.end_millicelsius == pytest.approx(b.end_millicelsius, abs=kelvin)
        assert a.most_millicelsius == pytest.approx(b.most_millicelsius, abs=kelvin)


def test_energy_of_the_engine_is_that_of_the_manager():
    outcome, power = simulated()
    assert outcome.served[0].energy_pj == power.dynamic_pj == sum(power.spent_pj.values())
    assert power.energy_pj == power.static_pj + power.dynamic_pj
    assert all(sum(ps for _, ps in d.states) == outcome.end_ps for d in power.domains)
    assert all(sum(ps for _, _, ps in c.points) == outcome.end_ps for c in power.clocks)


@pytest.mark.parametrize("name", ["performance", "schedutil", "ondemand", "race_to_idle", "fixed:600MHz"])
def test_skipped_minutes_equal_stepped_ones(name):
    chosen = PowerSettings(governor=name)
    if name == "fixed:600MHz":
        chosen = PowerSettings(governors={"npu": name})
    stepped = simulated(chosen=chosen, skips=False, until=20 * S)
    jumped = simulated(chosen=chosen, until=20 * S)
    assert jumped[0].skipped_ps > 10 * S
    assert jumped[0].events < stepped[0].events / 3
    same(jumped, stepped, kelvin=60)


@settings(max_examples=10)
@given(
    share=st.floats(0.05, 0.95),
    period=st.sampled_from([10, 16, 20, 33]),
    idle=st.sampled_from(["fitting", "immediate", "timeout", "never"]),
    name=st.sampled_from(["performance", "schedutil", "conservative"]),
)
def test_any_load_repeats_exactly(share, period, idle, name):
    chosen = PowerSettings(governor=name, idle=idle)
    stepped = simulated(share, chosen=chosen, skips=False, until=3 * S, period=period * MS)
    jumped = simulated(share, chosen=chosen, until=3 * S, period=period * MS)
    same(jumped, stepped, kelvin=60)


def test_arrivals_at_random_are_followed_too():
    outcome, power = simulated(arrival=Poisson(40 * MS), until=30 * S)
    assert outcome.served[0].energy_pj == power.dynamic_pj
    assert 26_000 < power.thermal[0].most_millicelsius < 40_000


def test_an_hour_is_a_matter_of_moments():
    """An hour of a camera's frames on a warm board: counted, not stepped, and yet as warm as the closed form says."""
    started = time.process_time()
    outcome, power = simulated(0.3, until=3600 * S)
    assert time.process_time() - started < 2
    assert outcome.served[0].completed == 180_000
    assert outcome.skipped_ps > 3590 * S
    watts = power.energy_pj / outcome.end_ps
    dram = next(d.static_pj for d in power.domains if d.name == "dram") / outcome.end_ps
    die = next(node for node in power.thermal if node.name == "die")
    wanted = 25_000 + 1000 * (6 * watts + 1.5 * (watts - dram))
    assert die.end_millicelsius == pytest.approx(wanted, rel=0.01)


def test_heat_throttles_the_engine_and_latency_grows():
    """The shipped board slows its CPUs down; here its NPU instead."""
    soc = load_platform("rk3588").with_({"thermal.trips.0.clocks": ["npu"]})
    cool = simulated(0.28, until=600 * S, soc=soc)
    hot = simulated(0.28, until=600 * S, soc=soc, chosen=PowerSettings(ambient_millicelsius=78_000))
    assert clock(cool[1]).throttled_ps == 0
    assert clock(hot[1]).throttled_ps > 0
    assert cool[0].served[0].latency.most_ps < hot[0].served[0].latency.most_ps
    assert hot[1].thermal[0].most_millicelsius < 87_000


def test_a_cap_holds_in_the_engine():
    outcome, power = simulated(1.0, until=20 * S, chosen=PowerSettings(cap_nw=2_500_000_000, has_heat=False))
    assert power.energy_pj / outcome.end_ps <= 2.5
    assert clock(power).throttled_ps > 0
    assert not power.warnings


def test_a_hot_beginning_needs_no_engine():
    """Clocks that heat has slowed down at time zero are slow when the first program is asked for."""
    warm = load_platform("rk3588").with_({"thermal.nodes.die.start": "90 degC"})
    power = PlatformPower(warm, ["cpu_big"], PowerSettings())
    made = world([app("a", Periodic(20 * MS))], {"a": stage(MS, "cpu_big")}, [server("cpu_big")], S)
    run(made, power)
    assert clock(power.outcome(), "cpu_big").throttled_ps > 0
