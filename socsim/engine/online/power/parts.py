"""The parts of a platform that draw power whatever they do, and who needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.cost.energy import EnergyModel
from socsim.engine.online.power.caps import Drawn
from socsim.engine.online.power.resting import RestingPart, RestingState
from socsim.engine.online.power.tally import ZJ_PER_PJ
from socsim.soc.schema import SensingHub

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping

    from socsim.engine.online.power.drives import ClockDrive
    from socsim.engine.online.power.tally import Tally
    from socsim.soc.platform import Platform

DOMAIN, MEMORY = "domain", "memory"
_REST = "rest"


class PlatformParts:
    """Domains and memories, each on while a unit that needs it is up; see `PlatformPower` for the rules.

    Args:
        platform: whose parts they are.
        units: that are used.
        drives: clocks of units, by name.
        policy: how idle domains take to their states; None: as the platform says. Governors that rest at once have
            their domains take to them at once.
        tally: books.
    """

    def __init__(
        self,
        platform: Platform,
        units: Collection[str],
        drives: Mapping[str, ClockDrive],
        policy: str | None,
        tally: Tally,
    ) -> None:
        self._platform, self._drives, self._tally = platform, drives, tally
        self._used = [name for name in platform.units if name in set(units)]
        self._shared = set(platform.file.power_domains) - {u.power for u in platform.units.values()}
        self._powers: dict[tuple[str, ...], int] = {}
        self._clocks_of = {name: self._clocks(name) for name in platform.file.power_domains}
        self.domains = {name: self._domain(name, policy) for name in platform.file.power_domains}
        self.memories = {name: self._memory(name) for name in platform.memories}
        self.of_unit = {unit: self._needed_by(unit) for unit in self._used}

    def __iter__(self) -> Iterator[RestingPart]:
        """Yield all parts in a fixed order."""
        yield from self.domains.values()
        yield from self.memories.values()

    # --- what they are --------------------------------------------------------------------------------

    def _clocks(self, domain: str) -> list[str]:
        units = self._platform.units.values()
        return sorted({u.clock for u in units if u.power == domain and u.clock in self._drives})

    def _domain(self, name: str, policy: str | None) -> RestingPart:
        spec = self._platform.file.power_domains[name]
        states = [
            RestingState(s.name, s.power.value, s.enter.value, s.wake.value, s.transition.value) for s in spec.states
        ]
        if not self._is_needed(name):
            least = min(states, key=lambda s: s.nw, default=RestingState("off", 0))
            return RestingPart((DOMAIN, name), 0, [RestingState(least.name, least.nw)], "immediate", self._tally)
        governors = [self._drives[clock].governor for clock in self._clocks_of[name]]
        races = bool(governors) and all(governor.rests_at_once for governor in governors)
        policy = "immediate" if races else policy or spec.idle
        if any(isinstance(u, SensingHub) and u.power == name for u in self._platform.units.values()):
            states, policy = states[:1], "immediate"
        return RestingPart((DOMAIN, name), self._on_nw(name), states, policy, self._tally)

    def _is_needed(self, domain: str) -> bool:
        """Whether a unit that is used needs a domain."""
        used = [self._platform.units[name] for name in self._used]
        if domain in self._shared:
            return any(not isinstance(unit, SensingHub) for unit in used)
        return any(unit.power == domain for unit in used)

    def _memory(self, name: str) -> RestingPart:
        spec = self._platform.memories[name]
        return RestingPart(
            (MEMORY, name), spec.static_nw, [RestingState(_REST, spec.rest_nw)], "immediate", self._tally
        )

    def _needed_by(self, unit: str) -> list[RestingPart]:
        spec = self._platform.units[unit]
        own = {spec.power} | (set() if isinstance(spec, SensingHub) else self._shared)
        parts = [part for name, part in self.domains.items() if name in own]
        return [*parts, *(self.memories[name] for name in sorted(self._platform.reachable(unit)))]

    def _on_nw(self, domain: str) -> int:
        points = {clock: self._drives[clock].point for clock in self._clocks_of[domain]}
        key = (domain, *points.values())
        if key not in self._powers:
            self._powers[key] = EnergyModel(self._platform.at(points)).domain_nw(domain, is_on=True)
        return self._powers[key]

    # --- what they do ---------------------------------------------------------------------------------

    def rise(self, unit: str, now: int) -> int:
        """Wake what a unit needs, and return how long that takes."""
        return max([part.rise(now) for part in self.of_unit[unit]])

    def fall(self, unit: str, now: int) -> None:
        """Let go of what a unit needed."""
        for part in self.of_unit[unit]:
            part.fall(now)

    def settle(self, now: int) -> None:
        """Book everything until now."""
        for part in self:
            part.settle(now)

    def clocks_moved(self, clocks: Collection[str], now: int) -> None:
        """Draw what domains draw at the points that these clocks have from now on."""
        for name, part in self.domains.items():
            if any(clock in clocks for clock in self._clocks_of[name]) and self._is_needed(name):
                part.change(self._on_nw(name), now)

    def key(self, now: int) -> Hashable:
        """Return what decides how they go on; they have been settled."""
        return tuple(part.key(now) for part in self)

    # --- what they have drawn -------------------------------------------------------------------------

    def _static(self, kind: str, name: str) -> int:
        return self._tally[kind, name, "static"]

    def drawn(self, dynamic_pj: Mapping[str, int]) -> Drawn:
        """Return all energies; what units spent on work is given by unit."""
        units, clocks = self._platform.units, dict.fromkeys(self._drives, 0)
        for name, spent in dynamic_pj.items():
            if name in units and units[name].clock in clocks:
                clocks[units[name].clock] += ZJ_PER_PJ * spent
        for name, own in self._clocks_of.items():
            if own:
                clocks[own[0]] += self._static(DOMAIN, name)
        return Drawn(self.total(dynamic_pj), clocks)

    def total(self, dynamic_pj: Mapping[str, int]) -> int:
        """Return the energy of everything, in nanowatts times picoseconds."""
        static = sum(self._static(DOMAIN, name) for name in self.domains)
        static += sum(self._static(MEMORY, name) for name in self.memories)
        return static + ZJ_PER_PJ * sum(dynamic_pj.values())

    def warmth(self, heat: Mapping[str, str], nodes: Collection[str], dynamic_pj: Mapping[str, int]) -> list[int]:
        """Return what has warmed each thermal node, in nanowatts times picoseconds."""
        sums = dict.fromkeys(nodes, 0)
        for part, node in heat.items():
            sums[node] += self._static(DOMAIN if part in self.domains else MEMORY, part)
        for unit, spent in dynamic_pj.items():
            if unit in self._platform.units:
                sums[heat[self._platform.units[unit].power]] += ZJ_PER_PJ * spent
        return list(sums.values())
