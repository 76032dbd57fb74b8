"""Checks of an installation: versions, data, every platform, one small run."""

from __future__ import annotations

import platform as host
import re
from dataclasses import dataclass
from importlib import metadata
from itertools import zip_longest
from typing import TYPE_CHECKING

from socsim.errors import SocsimError
from socsim.inputs import load, platform
from socsim.session import run
from socsim.soc.loader import platform_names
from socsim.soc.runtimes import runtime, runtime_names
from socsim.version import __version__
from socsim.workload.zoo import StoredNetwork, zoo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_REQUIREMENT = re.compile(r'([A-Za-z0-9._-]+) *>= *([0-9][0-9.]*)(?: *; *extra *== *["\']([a-z]+)["\'])?')
_UNUSED = frozenset({"solve", "explore", "cosim"})
"""Extras whose names are reserved: no code of this version uses what they install."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, whether it passed, and what was seen."""

    check: str
    is_ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """A library with the least version that will do; `extra` is None for what socsim always needs."""

    name: str
    least: str
    extra: str | None


def examine() -> list[Finding]:
    """Return the findings, in a fixed order."""
    return [
        Finding(
            "socsim",
            True,
            f"{__version__} on Python {host.python_version()}, {host.system()} {host.machine()}",
        ),
        *_libraries(),
        _guarded("runtimes", lambda: ", ".join(runtime(n).name for n in runtime_names())),
        _guarded("platforms", lambda: ", ".join(platform(n).name for n in platform_names())),
        _guarded(
            "zoo",
            _zoo,
        ),
        _guarded("self-test", _self_test),
    ]


# --- libraries ----------------------------------------------------------------------------------------


def parse_requirements(lines: Iterable[str]) -> list[Requirement]:
    """Return the "name>=version" requirements of a distribution, those of extras marked; others are left out."""
    matches = filter(None, map(_REQUIREMENT.fullmatch, lines))
    return [Requirement(match[1], match[2], match[3]) for match in matches]


def is_at_least(version: str, least: str) -> bool:
    """Whether a version reaches another, number by number; suffixes such as "rc1" do not count."""
    pairs = zip_longest(_release(version), _release(least), fillvalue=0)
    return next((found > wanted for found, wanted in pairs if found != wanted), True)


def _release(version: str) -> list[int]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return [int(part) for part in match[0].split(".")] if match else []


def _libraries() -> list[Finding]:
    try:
        known = parse_requirements(metadata.requires("socsim") or ())
    except metadata.PackageNotFoundError:
        return [Finding("libraries", False, "socsim itself is not installed, so nothing says which; pip install .")]
    extras = dict.fromkeys(r.extra for r in known if r.extra is not None and r.extra != "all")
    return [
        *(_library(r) for r in known if r.extra is None),
        *(_extra(extra, [r for r in known if r.extra == extra]) for extra in extras),
    ]


def _library(needed: Requirement) -> Finding:
    found = _installed(needed.name)
    if found is None:
        return Finding(needed.name, False, f"not installed; pip install '{needed.name}>={needed.least}'")
    if not is_at_least(found, needed.least):
        remedy = f"pip install '{needed.name}>={needed.least}'"
        return Finding(needed.name, False, f"{found} is older than {needed.least}; {remedy}")
    return Finding(needed.name, True, found)


def _extra(extra: str, needed: Iterable[Requirement]) -> Finding:
    """Report an extra; none is needed, so none can fail."""
    if extra in _UNUSED:
        return Finding(f"[{extra}]", True, "reserved; nothing in this version uses it")
    lacking = [f"{r.name}>={r.least}" for r in needed if not is_at_least(_installed(r.name) or "", r.least)]
    if lacking:
        return Finding(f"[{extra}]", True, f"optional, lacks {', '.join(lacking)}; pip install 'socsim[{extra}]'")
    return Finding(f"[{extra}]", True, "installed")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


# --- data and behaviour -------------------------------------------------------------------------------


def _guarded(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, look())
    except (SocsimError, OSError) as error:
        return Finding(check, False, str(error))


def _zoo() -> str:
    files = [n.file for n in zoo().values() if isinstance(n, StoredNetwork)]
    present = sum(f.is_file() for f in files)
    return f"{present} of {len(files)} network files present, {len(zoo()) - len(files)} networks are drawn"


def _self_test() -> str:
    result = run(load("mlperf_tiny_kws"), platform(platform_names()[0]))
    total = sum(row.latency_ps or 0 for row in result.record.operators)
    if not 0 < result.latency_ps <= total:
        msg = f"mlperf_tiny_kws: latency {result.latency_ps} ps, operators {total} ps"
        raise SocsimError(msg)
    return f"mlperf_tiny_kws on {result.record.platform}: {result.latency}"
