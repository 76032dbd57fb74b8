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
    from socsim.errors import (
        InfeasibleError,
        LimitExceededError,
        MalformedModelError,
        NumericsError,
        PlatformError,
        ResultError,
        ScheduleError,
        SimulationError,
        SocsimError,
        UnsupportedOperatorError,
        UsageError,
        WorkloadError,
    )
    from socsim.session import (
        Run,
        analyze,
        compare,
        execute,
        load,
        operators,
        platform,
        platforms,
        run,
        validate_numerics,
        workloads,
    )
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph

_HOMES = {
    "load": "session", "platform": "session", "run": "session", "compare": "session", "analyze": "session",
    "operators": "session", "platforms": "session", "workloads": "session", "Run": "session",
    "execute": "session", "validate_numerics": "session", "NumericsError": "errors",
    "Platform": "soc.platform", "Graph": "workload.graph",
    "SocsimError": "errors", "UsageError": "errors", "PlatformError": "errors", "WorkloadError": "errors",
    "MalformedModelError": "errors", "LimitExceededError": "errors", "UnsupportedOperatorError": "errors",
    "ScheduleError": "errors", "InfeasibleError": "errors", "SimulationError": "errors", "ResultError": "errors",
}  # fmt: skip

__all__ = [
    "Graph",
    "InfeasibleError",
    "LimitExceededError",
    "MalformedModelError",
    "NumericsError",
    "Platform",
    "PlatformError",
    "ResultError",
    "Run",
    "ScheduleError",
    "SimulationError",
    "SocsimError",
    "UnsupportedOperatorError",
    "UsageError",
    "WorkloadError",
    "__version__",
    "analyze",
    "compare",
    "execute",
    "load",
    "operators",
    "platform",
    "platforms",
    "run",
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
