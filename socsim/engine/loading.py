"""Loaded latency: what a port's window of accesses under way is worth when others keep a memory busy.

A port that waits for its bursts moves `window / latency` bytes a second. Platform files give the latency of a memory
that serves the port alone, so that only what others add to the queue counts here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.engine.fluid import fair_rates
from socsim.quantities import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.engine.fluid import Demand
    from socsim.soc.dram_bus import DramBus

_ROUNDS = 12
"""Steps towards the rates and waiting times that agree; each halves what is left of the difference, or better."""


@dataclass(frozen=True, slots=True)
class Window:
    """What bounds a port towards one memory.

    Args:
        unit: whose port it is.
        memory: where it leads.
        bytes: what may be under way.
        latency_ps: of the memory, nobody else on it.
    """

    unit: str
    memory: str
    bytes: int
    latency_ps: int


@dataclass(frozen=True)
class Loading:
    """Windows by resource, and the DRAMs whose queues they wait in."""

    windows: Mapping[str, Window]
    buses: Mapping[str, DramBus]

    def rates(self, demands: Sequence[Demand], capacities: Mapping[str, int]) -> list[int]:
        """Return the rates of activities under fair sharing, their windows shrunk by what others queue.

        Nobody is faster than without the queue of others; an initiator alone is as fast as its window allows.
        """
        rates = fair_rates(demands, capacities)
        crowded = self._crowded(demands) if len(demands) > 1 else []
        if not crowded:
            return rates
        waits: dict[tuple[str, str], int] = {}
        for _ in range(_ROUNDS):
            for key, wait in self._waits(crowded, demands, rates, capacities).items():
                waits[key] = (waits.get(key, 0) + wait + 1) // 2
            rates = fair_rates(demands, self._shrunk(capacities, waits))
        return rates

    def _crowded(self, demands: Sequence[Demand]) -> list[str]:
        """Return the DRAMs that several initiators move bytes over."""
        return [memory for memory in self.buses if len({d.initiator for d in demands if memory in d.usage}) > 1]

    def _waits(
        self, memories: Sequence[str], demands: Sequence[Demand], rates: Sequence[int], capacities: Mapping[str, int]
    ) -> dict[tuple[str, str], int]:
        """Return by unit and memory how much longer a read waits than if the unit were alone."""
        found = {}
        for memory in memories:
            bus, capacity = self.buses[memory], capacities[memory]
            loads: dict[str, int] = {}
            for demand, rate in zip(demands, rates, strict=True):
                if memory in demand.usage:
                    moved = rate * demand.usage[memory] // demand.bytes
                    loads[demand.initiator] = loads.get(demand.initiator, 0) + moved
            together = bus.waiting_ps(sum(loads.values()), capacity)
            for unit, load in loads.items():
                found[unit, memory] = together - bus.waiting_ps(load, capacity)
        return found

    def _shrunk(self, capacities: Mapping[str, int], waits: Mapping[tuple[str, str], int]) -> dict[str, int]:
        shrunk = dict(capacities)
        for name, window in self.windows.items():
            wait = waits.get((window.unit, window.memory), 0)
            if wait:
                bound = window.bytes * PS_PER_S // (window.latency_ps + wait)
                shrunk[name] = max(1, min(capacities[name], bound))
        return shrunk
