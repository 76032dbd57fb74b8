"""One simulation: scenario and platform, servers and places, the engine with its power manager, the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.engine.online.engine import run
from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.settings import DEFAULT_GOVERNOR, PowerSettings
from socsim.simulation.options import ALL
from socsim.simulation.record import Recorder
from socsim.simulation.world import prepare_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.simulation.options import SimulationOptions
    from socsim.simulation.world import Prepared
    from socsim.simulation_records import SimulationRecord
    from socsim.soc.platform import Platform
    from socsim.workload.scenario.scenario import Scenario

_KINDS = frozenset({"cpu", "gpu", "npu", "dsp", "sensing_hub"})


def simulate_scenario(
    scenario: Scenario, platform: Platform, options: SimulationOptions, tell: Callable[[str], object] = lambda _: None
) -> SimulationRecord:
    """Return the record of a simulation; arguments and errors are those of `socsim.simulate`."""
    return run_scenario(scenario, platform, options, tell).record()


def run_scenario(
    scenario: Scenario, platform: Platform, options: SimulationOptions, tell: Callable[[str], object] = lambda _: None
) -> Recorder:
    """Simulate a scenario on a platform, and return what its record is made from."""
    mode = options.mode or scenario.file.power.mode
    soc = platform if mode in {None, platform.mode} else platform.in_mode(str(mode))
    settings = power_settings(scenario, soc, options)
    tell(f"placing the steps of {scenario.name} on {soc.name}")
    prepared = prepare_world(scenario, soc, options)
    power = PlatformPower(soc, used_units(prepared, soc), settings)
    tell(f"simulating {scenario.name} on {soc.name}")
    outcome = run(prepared.world, power, skips=options.skips)
    return Recorder(scenario, soc, prepared, outcome, power.outcome(), soc.mode or soc.file.mode)


def power_settings(scenario: Scenario, platform: Platform, options: SimulationOptions) -> PowerSettings:
    """Return what the scenario and the options decide about power.

    Governors of kinds of unit that the platform lacks are left out where the scenario names them, so that one scenario
    runs on many platforms; options name what is there.
    """
    file = scenario.file.power
    kinds = {unit.kind for unit in platform.units.values()}
    named = {key: name for key, name in file.governors.items() if key in kinds or key not in _KINDS}
    if ALL in options.governor:
        named = {}
    given = {key: name for key, name in options.governor.items() if key != ALL}
    return PowerSettings(
        governors={**named, **given},
        governor=options.governor.get(ALL, DEFAULT_GOVERNOR),
        idle=file.idle,
        cap_nw=options.cap_nw(scenario),
        ambient_millicelsius=options.ambient_millicelsius(scenario),
    )


def used_units(prepared: Prepared, platform: Platform) -> list[str]:
    """Return the units that any way of any step may use, in the platform's order."""
    unit_of = {served.name: served.unit for served in prepared.world.servers}
    used = {unit_of[place] for d in prepared.decisions.values() for way in d.ways for place in way.places}
    used |= {unit for unit, _, _ in prepared.world.streams}
    return [unit for unit in platform.units if unit in used]
