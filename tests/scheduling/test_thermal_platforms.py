"""Are the thermal models of shipped platforms plausible, and do they throttle where devices do?"""

from __future__ import annotations

from itertools import pairwise

import pytest
from bench_control import MS, BenchControl, S

from socsim.cost.energy import EnergyModel
from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.modes import Modes
from socsim.engine.online.power.settings import PowerSettings
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.provenance import provenance

WARM = [name for name in platform_names() if load_platform(name).file.thermal]


def warmed(name, watts, minutes, **settings):
    """The die after minutes of so much dynamic power in the first unit, from all its cores."""
    soc = load_platform(name)
    unit = next(iter(soc.units))
    power = PlatformPower(soc, [unit], PowerSettings(**settings))
    control = BenchControl(soc, power)
    hz = soc.unit_hz(unit)
    control.release(0, "load", unit, hz * 60 * minutes * 4, watts / hz * 1e12)
    control.finish(60 * minutes * S)
    return power.outcome()


def die(outcome):
    return next(node for node in outcome.thermal if node.name == "die")


def test_the_named_platforms_have_thermal_models():
    wanted = {
        "rk3588", "bcm2711", "bcm2712", "orin-agx", "orin-nano", "orin-nx", "sm8650", "sm8750", "qcs8550", "imx93",
        "stm32n657", "apple-m1",
    }  # fmt: skip
    assert wanted <= set(WARM)


@pytest.mark.parametrize("name", WARM)
def test_each_number_of_a_thermal_model_has_a_source_or_a_reason(name):
    rows = [row for row in provenance(load_platform(name)) if row.path.startswith(("thermal", "modes"))]
    assert rows
    assert [row.path for row in rows if row.assumed in ("no source given", "")] == []


@pytest.mark.parametrize("name", WARM)
def test_idle_devices_are_warm_and_not_hot(name):
    """What the chip draws whatever it does lifts no die by more than 30 K, and some by at least a tenth of one."""
    soc = load_platform(name)
    modes = Modes.of(soc.file.thermal)
    model = EnergyModel(soc)
    watts = sum(model.domain_nw(d, is_on=True) for d in soc.file.power_domains) / 1e9
    heat = [watts if node == "die" else 0.0 for node in modes.nodes]
    after = modes.temperatures(modes.after([0.0] * len(heat), modes.rise(heat), 1e6))
    assert 0.1 < after[modes.nodes.index("die")] < 30


@pytest.mark.parametrize("name", WARM)
def test_time_constants_are_those_of_dies_and_of_boards(name):
    """A die follows within seconds, a board or a case within minutes up to half an hour."""
    rates = Modes.of(load_platform(name).file.thermal).rates
    assert 0.3 < 1 / rates[-1] < 30
    assert 60 < 1 / rates[0] < 2400


def test_a_bare_raspberry_pi_4_is_as_warm_as_measured():
    """65.8 degC at its lid under a benchmark of all cores, in surroundings of 27.3 degC.

    Source: pi-plates.com, "Using a THERMOplate to measure temperatures on the RPi4"; 2.9 W of work beside the 1.8 W
    that the chip draws anyway, together the 4.7 W that boards like it draw then.
    """
    at = {"ambient_millicelsius": 27_300}
    assert die(warmed("bcm2711", 2.9, 40, **at)).end_millicelsius == pytest.approx(65_800, abs=6000)


def test_a_phone_cannot_keep_up_eight_watts():
    """It begins at full speed, and its frame limits it within minutes."""
    outcome = warmed("sm8650", 8, 20)
    clock = next(c for c in outcome.clocks if c.name == "cpu_prime")
    assert 0.2 < clock.throttled_ps / (20 * 60 * S) < 1
    frame = next(node for node in outcome.thermal if node.name == "frame")
    assert 43_000 <= frame.most_millicelsius < 46_000
    assert frame.throttled_ps > 0


def test_a_jetson_keeps_its_greatest_power():
    outcome = warmed("orin-agx", 50, 30)
    assert die(outcome).throttled_ps == 0
    assert 60_000 < die(outcome).most_millicelsius < 99_000


@pytest.mark.parametrize(("name", "unit_watts"), [("rk3588", 12), ("bcm2711", 9), ("imx93", 5)])
def test_boards_throttle_at_their_trip_points_and_stay_near_them(name, unit_watts):
    outcome = warmed(name, unit_watts, 30)
    node = die(outcome)
    assert node.throttled_ps > 0
    assert node.throttle_millicelsius <= node.most_millicelsius < node.throttle_millicelsius + 4000
    steps = next(t.points for t in outcome.traces if t.quantity == "frequency")
    assert all(later - earlier >= 100 * MS for (earlier, _), (later, _) in pairwise(steps))
