"""Checks of a platform file's power modes and thermal network: every name leads somewhere, every limit can be met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.errors import shown
from socsim.soc.schema import Dram
from socsim.soc.sections import repeated, unknown
from socsim.soc.thermal import AMBIENT
from socsim.soc.validation import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.soc.plain_yaml import Path_
    from socsim.soc.power import PowerMode
    from socsim.soc.sections import Sections
    from socsim.soc.thermal import Thermal


def mode_faults(sections: Sections) -> Iterator[Fault]:
    """Yield what is wrong with power modes."""
    modes, current = sections.file.modes, sections.file.mode
    if current is not None and current not in modes:
        yield Fault(("mode",), unknown(current, "power mode", modes))
    for name, mode in modes.items():
        at: Path_ = ("modes", name)
        yield from _limited_clocks(at, sections, mode)
        yield from _limited_units(at, sections, mode)
        yield from _limited_memories(at, sections, mode)


def _limited_clocks(at: Path_, sections: Sections, mode: PowerMode) -> Iterator[Fault]:
    for clock, most in mode.clocks.items():
        path = (*at, "clocks", clock)
        if text := sections.unknown(clock, "clock", "clocks"):
            yield Fault(path, text)
        elif clock in sections.file.clocks:
            slowest = min(p.clock for p in sections.file.clocks[clock].opps)
            if most < slowest:
                text = f'found "{most}"; the slowest operating point of {clock} is at "{slowest}", write that or more'
                yield Fault(path, text)


def _limited_units(at: Path_, sections: Sections, mode: PowerMode) -> Iterator[Fault]:
    for name in mode.units:
        if text := sections.unknown(name, "unit", "units"):
            yield Fault((*at, "units", name), text)
    if sections.file.units and all(mode.units.get(name) == 0 for name in sections.names["units"] or ()):
        yield Fault((*at, "units"), "takes all units away; leave one on")


def _limited_memories(at: Path_, sections: Sections, mode: PowerMode) -> Iterator[Fault]:
    for name in mode.data_rates:
        path, memory = (*at, "data_rates", name), sections.file.memories.get(name)
        if text := sections.unknown(name, "memory", "memories"):
            yield Fault(path, text)
        elif memory is not None and not isinstance(memory, Dram):
            yield Fault(path, f"memory {shown(name)} is {memory.kind}; only DRAM has a data rate, leave it out")


# --- heat ---------------------------------------------------------------------------------------------


def thermal_faults(sections: Sections) -> Iterator[Fault]:
    """Yield what is wrong with the thermal network."""
    thermal = sections.file.thermal
    if thermal is None:
        return
    at: Path_ = ("thermal",)
    if AMBIENT in thermal.nodes:
        yield Fault((*at, "nodes", AMBIENT), f"{shown(AMBIENT)} stands for the surroundings; choose another name")
    yield from _path_faults(at, thermal)
    yield from _heat_faults(at, sections, thermal)
    yield from _trip_faults(at, sections, thermal)


def _path_faults(at: Path_, thermal: Thermal) -> Iterator[Fault]:
    known = [*thermal.nodes, AMBIENT]
    sound = True
    for position, path in enumerate(thermal.paths):
        place = (*at, "paths", position, "between")
        if path.between[0] == path.between[-1]:
            yield Fault(place, f"{shown(path.between[0])} stands at both ends; a path joins two parts")
        for end, name in enumerate(path.between):
            if name not in known:
                sound = False
                yield Fault((*place, end), unknown(name, "thermal node", known))
    if sound:
        for name in thermal.nodes:
            if name not in _cooled(thermal):
                text = (
                    f"no path leads from {shown(name)} to {shown(AMBIENT)}; add what its heat flows through to `paths`"
                )
                yield Fault((*at, "nodes", name), text)


def _cooled(thermal: Thermal) -> set[str]:
    """Return what has a way to the surroundings."""
    seen, frontier = {AMBIENT}, [AMBIENT]
    while frontier:
        end = frontier.pop()
        joined = {name for path in thermal.paths if end in path.between for name in path.between} - seen
        seen |= joined
        frontier += sorted(joined)
    return seen


def _heat_faults(at: Path_, sections: Sections, thermal: Thermal) -> Iterator[Fault]:
    for part, node in thermal.heat.items():
        path = (*at, "heat", part)
        if text := sections.unknown(part, "power domain or memory", "power_domains", "memories"):
            yield Fault(path, text)
        if node not in thermal.nodes:
            yield Fault(path, unknown(node, "thermal node", thermal.nodes))


def _trip_faults(at: Path_, sections: Sections, thermal: Thermal) -> Iterator[Fault]:
    for position, trip in enumerate(thermal.trips):
        path = (*at, "trips", position)
        if trip.node not in thermal.nodes:
            yield Fault((*path, "node"), unknown(trip.node, "thermal node", thermal.nodes))
        if trip.clear.value >= trip.at.value:
            yield Fault((*path, "clear"), f'found "{trip.clear}"; it is below `at`, write less than "{trip.at}"')
        yield from repeated((*path, "clocks"), trip.clocks)
        for i, clock in enumerate(trip.clocks):
            if text := sections.unknown(clock, "clock", "clocks"):
                yield Fault((*path, "clocks", i), text)
