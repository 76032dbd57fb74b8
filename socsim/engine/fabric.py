"""The resources between units and memories, and what a phase demands of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from socsim.engine.fluid import Demand
from socsim.quantities import PS_PER_S, ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.cost.work import Transfer
    from socsim.soc.platform import Platform


class Fabric:
    """Capacities of ports, links and memories, and the demands that phases make.

    A port is bounded by its width in each direction, and towards each memory by the bursts that it
    keeps under way over the memory's latency. Links have a read and a write channel; DRAM and serial
    memories serve both directions over the same pins.

    Args:
        platform: the SoC at its operating points.
        cores: cores in use by unit; each brings its own port.
    """

    def __init__(self, platform: Platform, cores: Mapping[str, int]) -> None:
        self._platform = platform
        self._cores = cores

    @cached_property
    def capacities(self) -> dict[str, int]:
        """Bytes a second by resource."""
        rates: dict[str, int] = {}
        for name, memory in self._platform.memories.items():
            rates[f"{name}.read"] = memory.read_bytes_per_s
            rates[f"{name}.write"] = max(1, memory.write_bytes_per_s)
            if memory.shared_pins:
                rates[name] = max(memory.read_bytes_per_s, memory.write_bytes_per_s)
        for name, link in self._platform.links.items():
            rates[f"{name}.read"] = rates[f"{name}.write"] = link.bytes_per_s
        for unit in self._platform.units:
            rates |= self._port_rates(unit)
        return rates

    def _port_rates(self, unit: str) -> dict[str, int]:
        spec = self._platform.unit(unit)
        cores = self._cores.get(unit, self._platform.default_cores(unit))
        width = spec.port.width.value * self._platform.unit_hz(unit) * cores
        rates = {f"{unit}.read": width, f"{unit}.write": width}
        for memory in dict.fromkeys((*spec.activations, *spec.weights)):
            window = self._platform.port_bytes_per_s(unit, memory, cores)
            rates[f"{unit}>{memory}.read"] = rates[f"{unit}>{memory}.write"] = window
        return rates

    def demand(self, unit: str, transfers: Sequence[Transfer], compute_ps: int = 0) -> Demand | None:
        """Return what a phase demands; None where it moves nothing.

        Compute caps the rate: with double buffers, a unit takes bytes no faster than it uses them.
        """
        total = sum(t.read_bytes + t.write_bytes for t in transfers)
        if not total:
            return None
        usage: dict[str, int] = {}
        for t in transfers:
            for resource in self._crossed(unit, t.memory, "read") if t.read_bytes else ():
                usage[resource] = usage.get(resource, 0) + t.read_bytes
            for resource in self._crossed(unit, t.memory, "write") if t.write_bytes else ():
                usage[resource] = usage.get(resource, 0) + t.write_bytes
        cap = ceil_div(total * PS_PER_S, compute_ps) if compute_ps else None
        weight, priority = self._standing(unit, transfers)
        return Demand(unit, total, usage, cap, weight, priority)

    def background(self, unit: str, memory: str, bytes_per_s: int) -> Demand:
        """Return background reads at a rate."""
        usage = dict.fromkeys(self._crossed(unit, memory, "read"), bytes_per_s)
        weight, priority = self._standing_to(unit, memory)
        return Demand(unit, bytes_per_s, usage, bytes_per_s, weight, priority)

    def _crossed(self, unit: str, memory: str, direction: str) -> tuple[str, ...]:
        key = (unit, memory, direction)
        if key not in self._routes:
            links = (f"{link}.{direction}" for link in self._platform.path(unit, memory))
            shared = (memory,) if self._platform.memories[memory].shared_pins else ()
            self._routes[key] = (
                f"{unit}.{direction}", f"{unit}>{memory}.{direction}", *links, f"{memory}.{direction}", *shared,
            )  # fmt: skip
        return self._routes[key]

    @cached_property
    def _routes(self) -> dict[tuple[str, str, str], tuple[str, ...]]:
        return {}

    def _standing(self, unit: str, transfers: Iterable[Transfer]) -> tuple[int, int]:
        return self._standing_to(unit, next(iter(transfers)).memory)

    def _standing_to(self, unit: str, memory: str) -> tuple[int, int]:
        """Return weight and priority class at the first arbiter on the way that knows any."""
        for name in self._platform.path(unit, memory):
            link = self._platform.links[name]
            if link.arbitration == "weighted":
                return link.weights.get(unit, 1), 0
            if link.arbitration == "priority":
                return 1, link.priorities.get(unit, 0)
        return 1, 0
