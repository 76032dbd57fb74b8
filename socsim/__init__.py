"""socsim: what will this workload cost on this SoC, and why?

    import socsim as ss
    soc = ss.platform("rk3588")
    net = ss.load("mlperf_tiny_kws")
    run = ss.run(net, soc)
    print(run.summary())

Everything is imported when it is first used, so that `import socsim` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from socsim.version import __version__

if TYPE_CHECKING:
    from socsim.applications import scenario, scenarios, simulate
    from socsim.errors import (
        InfeasibleError,
        LimitExceededError,
        MalformedModelError,
        MeasurementError,
        NumericsError,
        PlatformError,
        ResultError,
        ScenarioError,
        ScheduleError,
        SimulationError,
        SocsimError,
        UnsupportedOperatorError,
        UsageError,
        WorkloadError,
    )
    from socsim.execution import execute, numerics_profile, validate_numerics
    from socsim.inputs import load, platform
    from socsim.measurements import calibrate, describe_host, measure, validate, validate_energy
    from socsim.measuring.campaign import Measured
    from socsim.numerics.profiles import Profile, Rounding
    from socsim.report.calibration import CalibrationResult
    from socsim.report.energy import EnergyValidation
    from socsim.report.simulation import Simulation
    from socsim.report.timing import TimingValidation
    from socsim.session import (
        Run,
        analyze,
        compare,
        design_points,
        operators,
        peaks,
        platforms,
        run,
        strategies,
        workloads,
    )
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph
    from socsim.workload.scenario.scenario import Scenario

_HOMES = {
    "load": "inputs", "platform": "inputs", "run": "session", "compare": "session", "analyze": "session",
    "calibrate": "measurements", "CalibrationResult": "report.calibration",
    "operators": "session", "design_points": "session", "peaks": "session", "platforms": "session",
    "workloads": "session", "strategies": "session", "Run": "session",
    "execute": "execution", "validate_numerics": "execution", "NumericsError": "errors",
    "numerics_profile": "execution", "Profile": "numerics.profiles", "Rounding": "numerics.profiles",
    "Platform": "soc.platform", "Graph": "workload.graph",
    "SocsimError": "errors", "UsageError": "errors", "PlatformError": "errors", "WorkloadError": "errors",
    "MalformedModelError": "errors", "LimitExceededError": "errors", "UnsupportedOperatorError": "errors",
    "ScheduleError": "errors", "InfeasibleError": "errors", "SimulationError": "errors", "ResultError": "errors",
    "MeasurementError": "errors", "validate": "measurements", "TimingValidation": "report.timing",
    "validate_energy": "measurements", "EnergyValidation": "report.energy",
    "scenario": "applications", "scenarios": "applications", "simulate": "applications",
    "Scenario": "workload.scenario.scenario", "ScenarioError": "errors", "Simulation": "report.simulation",
    "measure": "measurements", "Measured": "measuring.campaign", "describe_host": "measurements",
}  # fmt: skip

__all__ = [
    "CalibrationResult",
    "EnergyValidation",
    "Graph",
    "InfeasibleError",
    "LimitExceededError",
    "MalformedModelError",
    "Measured",
    "MeasurementError",
    "NumericsError",
    "Platform",
    "PlatformError",
    "Profile",
    "ResultError",
    "Rounding",
    "Run",
    "Scenario",
    "ScenarioError",
    "ScheduleError",
    "Simulation",
    "SimulationError",
    "SocsimError",
    "TimingValidation",
    "UnsupportedOperatorError",
    "UsageError",
    "WorkloadError",
    "__version__",
    "analyze",
    "calibrate",
    "compare",
    "describe_host",
    "design_points",
    "execute",
    "load",
    "measure",
    "numerics_profile",
    "operators",
    "peaks",
    "platform",
    "platforms",
    "run",
    "scenario",
    "scenarios",
    "simulate",
    "strategies",
    "validate",
    "validate_energy",
    "validate_numerics",
    "workloads",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        msg = f"module 'socsim' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"socsim.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
