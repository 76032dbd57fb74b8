"""Whole applications: scenarios by name or file, and what becomes of them on a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.inputs import as_platform
from socsim.simulation.options import SimulationOptions
from socsim.simulation.run import simulate_scenario
from socsim.workload.scenario.loader import load_scenario, scenario_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from socsim.quantities import Power, Temperature, Time
    from socsim.report.simulation import Simulation
    from socsim.soc.platform import Platform
    from socsim.workload.scenario.scenario import Scenario


def scenario(wanted: Scenario | str | Path | Mapping[str, Any]) -> Scenario:
    """Return a scenario by name (`socsim.scenarios()` lists them), from a YAML file, or from values with its keys.

    Raises:
        UsageError: no scenario of that name.
        ScenarioError: a file or values with faults, all of them listed.
    """
    return load_scenario(wanted)


def scenarios() -> list[str]:
    """Return the names of the scenarios that ship with socsim."""
    return scenario_names()


def simulate(
    scenario: Scenario | str | Path | Mapping[str, Any],
    soc: Platform | str | Path,
    *,
    duration: str | Time | None = None,
    seed: int | None = None,
    policy: str | Mapping[str, str] | None = None,
    governor: str | Mapping[str, str] | None = None,
    mode: str | None = None,
    cap: str | Power | None = None,
    ambient: str | Temperature | None = None,
    detail: str = "transaction",
    calibration: str | Path = "auto",
    trace: bool = False,
    skip: bool = True,
    progress: Callable[[str], object] | None = None,
) -> Simulation:
    """Simulate many applications at once on a platform: queues, preemption, a shared bus, power and heat.

    Args:
        scenario: a scenario, its name, its file, or values with the keys of a file.
        soc: a platform, its name or its file.
        duration: time in which activations are released; as the scenario says where absent.
        seed: of everything random; as the scenario says where absent.
        policy: who goes next on servers (fifo, priority, edf, round_robin, …): one for all, or by server, unit or kind.
        governor: of clocks (performance, powersave, schedutil, …): one for all, or by clock, unit or kind.
        mode: power mode of the platform.
        cap: most average power, such as "15 W".
        ambient: temperature of the surroundings, such as "40 degC".
        detail: "transaction", or "tile" so that networks can be interrupted between tiles too.
        calibration: "auto" (what measurements say of units with their runtimes), "none", or a file that `calibrate`
            wrote, for the units that it holds.
        trace: keep the timeline, which makes memory grow with time.
        skip: count stretches that repeat exactly instead of stepping through them; the result is the same.
        progress: called with a line before each part of the work.

    Returns:
        What became of it. A simulation that is interrupted (Ctrl-C) returns what had finished, and says so.

    Raises:
        UsageError: an option that does not exist here.
        ScenarioError: a scenario with faults.
        InfeasibleError: a step that no unit can do; `report` says why.
    """
    from socsim.report.simulation import Simulation

    options = SimulationOptions.of(
        duration=duration, seed=seed, policy=policy, governor=governor, mode=mode, cap=cap, ambient=ambient,
        detail=detail, calibration=calibration, is_traced=trace, skips=skip,
    )  # fmt: skip
    return Simulation(
        simulate_scenario(load_scenario(scenario), as_platform(soc), options, progress or (lambda _: None))
    )
