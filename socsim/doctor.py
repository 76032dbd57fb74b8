"""Checks of an installation: versions, data, every platform, one small run."""

from __future__ import annotations

import platform as host
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from socsim.errors import SocsimError
from socsim.session import load, platform, run
from socsim.soc.loader import platform_names
from socsim.soc.runtimes import runtime, runtime_names
from socsim.version import __version__
from socsim.workload.zoo import zoo

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUIRED = ("numpy", "onnx", "pydantic", "ruamel.yaml", "simpy", "typer", "pandas", "matplotlib", "perfetto")
_OPTIONAL = {"notebook": "jupyterlab", "solve": "ortools", "explore": "optuna", "cosim": "systemrdl-compiler"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, whether it passed, and what was seen."""

    check: str
    is_ok: bool
    detail: str


def examine() -> list[Finding]:
    """Return the findings, in a fixed order."""
    return [
        Finding(
            "socsim",
            True,
            f"{__version__} on Python {host.python_version()}, {host.system()} {host.machine()}",
        ),
        *(_package(name) for name in _REQUIRED),
        *(_extra(extra, name) for extra, name in _OPTIONAL.items()),
        _guarded("runtimes", lambda: ", ".join(runtime(n).name for n in runtime_names())),
        _guarded("platforms", lambda: ", ".join(platform(n).name for n in platform_names())),
        _guarded(
            "zoo",
            lambda: f"{sum(e.file.is_file() for e in zoo().values())} of {len(zoo())} network files present",
        ),
        _guarded("self-test", _self_test),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, False, f"not installed; pip install {name}")


def _extra(extra: str, name: str) -> Finding:
    try:
        return Finding(f"[{extra}]", True, f"{name} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        return Finding(f"[{extra}]", True, f"optional, not installed; pip install 'socsim[{extra}]'")


def _guarded(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, look())
    except (SocsimError, OSError) as error:
        return Finding(check, False, str(error))


def _self_test() -> str:
    result = run(load("mlperf_tiny_kws"), platform(platform_names()[0]))
    total = sum(row.latency_ps or 0 for row in result.record.operators)
    if not 0 < result.latency_ps <= total:
        msg = f"mlperf_tiny_kws: latency {result.latency_ps} ps, operators {total} ps"
        raise SocsimError(msg)
    return f"mlperf_tiny_kws on {result.record.platform}: {result.latency}"
