"""Puts a platform into one of its power modes."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from socsim.errors import PlatformError, UnknownNameError, did_you_mean
from socsim.soc.loader import changed
from socsim.soc.schema import CpuCluster, Dram, Gpu, Npu
from socsim.soc.yaml_reader import YamlDocument

if TYPE_CHECKING:
    from socsim.soc.platform import Platform
    from socsim.soc.power import PowerMode
    from socsim.soc.schema import AnyUnit

_MODE_OF_FILE = re.compile(r" in .* mode$")
"""What a title says of the mode that the file is as in."""


def limited(platform: Platform, name: str) -> Platform:
    """Return a platform within the limits of a power mode; see `Platform.in_mode`."""
    modes = platform.file.modes
    if name not in modes:
        known = did_you_mean(name, modes) if modes else " Its file lists none."
        msg = f"platform {platform.name!r} has no power mode {name!r}.{known}"
        raise UnknownNameError(msg)
    if platform.mode is not None:
        msg = (
            f"platform {platform.name!r} is in mode {platform.mode!r} already; begin with the platform as it is loaded"
        )
        raise PlatformError(msg)
    mode = modes[name]
    gone = [unit for unit, count in mode.units.items() if count == 0]
    changes = _clock_changes(platform, mode) | _unit_changes(platform, mode) | _memory_changes(platform, mode)
    document = YamlDocument(platform.document.where, copy.deepcopy(platform.document.value), platform.document.places)
    document.value["title"] = f"{_MODE_OF_FILE.sub('', platform.file.title)} in {name} mode"
    for unit in gone:
        _take_away(document.value, unit)
    made = changed(replace(platform, document=document), changes, f"mode {name}")
    taken = tuple(f"units.{unit}: switched off by mode {name}" for unit in gone)
    return replace(made, mode=name, changed=platform.changed, overrides=(*made.overrides, *taken))


def _clock_changes(platform: Platform, mode: PowerMode) -> dict[str, Any]:
    changes = {}
    for name, most in mode.clocks.items():
        points = platform.file.clocks[name].opps
        fastest = max((p for p in points if p.clock.value <= most.value), key=lambda p: p.clock.value)
        if fastest.clock.value < platform.clock(name).hz:
            changes[f"clocks.{name}.default"] = fastest.name
    return changes


def _unit_changes(platform: Platform, mode: PowerMode) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, count in mode.units.items():
        unit = platform.units[name]
        if not 0 < count < _cores(unit):
            continue
        changes[f"units.{name}.{'compute_units' if isinstance(unit, Gpu) else 'cores'}"] = count
        if isinstance(unit, Npu) and unit.default_cores > count:
            changes[f"units.{name}.default_cores"] = count
    return changes


def _cores(unit: AnyUnit) -> int:
    """Return what a mode may switch off of a unit: cores, compute units of a GPU, or the unit as one."""
    if isinstance(unit, Gpu):
        return unit.compute_units
    return unit.cores if isinstance(unit, CpuCluster | Npu) else 1


def _memory_changes(platform: Platform, mode: PowerMode) -> dict[str, Any]:
    """Return lower data rates; who names them has checked that they are those of DRAM."""
    drams = {name: memory for name, memory in platform.file.memories.items() if isinstance(memory, Dram)}
    lower = {name: most for name, most in mode.data_rates.items() if most.value < drams[name].data_rate.value}
    return {f"memories.{name}.data_rate": str(most) for name, most in lower.items()}


def _take_away(tree: dict[str, Any], unit: str) -> None:
    """Take a unit out of the plain values of a platform, wherever it is named, and its domain where it was alone there.

    A domain without units would count as the rest of the chip, which is on while anything works.
    """
    domain = tree["units"].pop(unit)["power"]
    is_empty = all(other["power"] != domain for other in tree["units"].values())
    tree["preference"] = [name for name in tree["preference"] if name != unit] or list(tree["units"])
    for other in tree["units"].values():
        if "fallback" in other:
            other["fallback"] = [name for name in other["fallback"] if name != unit]
    for link in tree["links"].values():
        link["connects"] = [name for name in link["connects"] if name != unit]
        for table in ("weights", "priorities"):
            link.get(table, {}).pop(unit, None)
    for memory in tree["memories"].values():
        memory.get("allocates", {}).pop(unit, None)
    for mode in tree["modes"].values():
        mode.get("units", {}).pop(unit, None)
    if is_empty:
        del tree["power_domains"][domain]
        tree.get("thermal", {}).get("heat", {}).pop(domain, None)
    gone = [f"units.{unit}", *([f"power_domains.{domain}", f"thermal.heat.{domain}"] if is_empty else [])]
    for table in ("sources", "assumed"):
        kept = tree.get(table, {}).items()
        tree[table] = {path: text for path, text in kept if not any(f"{path}.".startswith(f"{g}.") for g in gone)}
