"""The resources between units and memories, and what a phase demands of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.cost.work import Transfer
from socsim.engine.fluid import Demand, alone_ps
from socsim.engine.loading import Loading, Window
from socsim.memo import Same
from socsim.quantities import PS_PER_S, ceil_div, cycles_to_ps
from socsim.soc.schema import Npu

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.cost.work import Phase
    from socsim.engine.simulation import Job
    from socsim.soc.platform import Platform, PortRates


@dataclass(frozen=True, slots=True)
class Step:
    """A phase of a job as the engine runs it.

    Args:
        label: of the phase.
        compute_ps: its compute time.
        demand: what it moves meanwhile; None for nothing.
        alone_ps: how long that takes alone on the fabric.
        read_bytes: what it reads, from all memories.
        write_bytes: what it writes.
    """

    label: str
    compute_ps: int
    demand: Demand | None
    alone_ps: int
    read_bytes: int
    write_bytes: int

    @property
    def lone_ps(self) -> int:
        """How long it takes where nobody shares the fabric."""
        return max(self.compute_ps, self.alone_ps)


class Fabric:
    """Capacities of ports, links and memories, and the demands that phases make.

    A port is bounded by its width in each direction, and towards each memory by the bursts that it
    keeps under way over the memory's latency: of each direction, and of both where it says so. Links have a
    read and a write channel; DRAM and serial memories serve both directions over the same pins. What a system cache
    holds comes back sooner, so that it takes less of the window towards the memory behind it.

    Args:
        platform: the SoC at its operating points.
        cores: cores in use by unit; each brings its own port.
        slow: factor on the time that bytes need at a unit's port, as measurements show it; 1 where absent.
    """

    def __init__(self, platform: Platform, cores: Mapping[str, int], slow: Mapping[str, float] | None = None) -> None:
        self._platform = platform
        self._cores = cores
        self._slow = slow or {}

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
        width = spec.port.width.value * self._platform.unit_hz(unit) * self.cores_of(unit)
        rates = {f"{unit}.read": width, f"{unit}.write": width}
        for memory in dict.fromkeys((*spec.activations, *spec.weights)):
            port = self._windows(unit, memory)
            rates[f"{unit}>{memory}.read"], rates[f"{unit}>{memory}.write"] = port.read, port.write
            if spec.port.together is not None:
                rates[f"{unit}>{memory}"] = port.together
        slow = self.slow_of(unit)
        return rates if slow == 1.0 else {name: max(1, round(rate / slow)) for name, rate in rates.items()}

    @staticmethod
    def is_port(resource: str, unit: str) -> bool:
        """Return whether a resource is a unit's own port, or its window towards a memory."""
        return resource.startswith((f"{unit}>", f"{unit}."))

    @cached_property
    def loading(self) -> Loading:
        """Windows of ports, and the DRAMs in whose queues they wait."""
        windows: dict[str, Window] = {}
        for unit, spec in self._platform.units.items():
            port = spec.port
            unit_bytes = port.burst.value * self.cores_of(unit)
            slow = self.slow_of(unit)
            under_way = {".read": port.outstanding, ".write": port.writes or port.outstanding, "": port.together or 0}
            for memory in dict.fromkeys((*spec.activations, *spec.weights)):
                ends = self._platform.memories[memory]
                for direction, bursts in under_way.items():
                    latency = max(1, ends.write_latency_ps if direction == ".write" else ends.latency_ps)
                    window = Window(unit, memory, round(bursts * unit_bytes / slow), latency)
                    if f"{unit}>{memory}{direction}" in self.capacities:
                        windows[f"{unit}>{memory}{direction}"] = window
        buses = {name: memory.bus for name, memory in self._platform.memories.items() if memory.bus}
        return Loading(windows, buses)

    def _windows(self, unit: str, memory: str) -> PortRates:
        return self._platform.port_rates(unit, memory, self.cores_of(unit))

    @property
    def platform(self) -> Platform:
        """The SoC."""
        return self._platform

    def slow_of(self, unit: str) -> float:
        """Return by what factor bytes take longer at a unit's port than its description says."""
        return self._slow.get(unit, 1.0)

    def cores_of(self, unit: str) -> int:
        """Return the cores of a unit that are in use."""
        return self._cores.get(unit, self._platform.default_cores(unit))

    def demand(self, unit: str, transfers: Sequence[Transfer], compute_ps: int = 0) -> Demand | None:
        """Return what a phase demands; None where it moves nothing.

        Compute caps the rate: with double buffers, a unit takes bytes no faster than it uses them.
        """
        total = sum([t.read_bytes + t.write_bytes for t in transfers])
        if not total:
            return None
        usage: dict[str, int] = {}
        for memory, (read, written) in self._under_way(transfers).items():
            together, reads, writes = self._port(unit, memory)
            if together is not None:
                usage[f"{unit}>{memory}"] = together.occupied(read, written)
            usage |= {name: n for name, n in ((reads, read), (writes, written)) if n}
        for t in transfers:
            for direction, amount in (("read", t.read_bytes), ("write", t.write_bytes)):
                for resource in self.crossed(unit, t.memory, direction) if amount else ():
                    usage[resource] = usage.get(resource, 0) + amount
        cap = ceil_div(total * PS_PER_S, compute_ps) if compute_ps else None
        weight, priority = self.standing(unit, transfers[0].memory)
        return Demand(unit, total, usage, cap, weight, priority, tuple(transfers))

    def _port(self, unit: str, memory: str) -> tuple[PortRates | None, str, str]:
        """Return the rates of a port towards a memory, where copies have their own, and the names of its windows."""
        key = unit, memory
        if key not in self._ports:
            rates = self._windows(unit, memory) if self._platform.unit(unit).port.together is not None else None
            self._ports[key] = rates, f"{unit}>{memory}.read", f"{unit}>{memory}.write"
        return self._ports[key]

    @cached_property
    def _ports(self) -> dict[tuple[str, str], tuple[PortRates | None, str, str]]:
        return {}

    def _under_way(self, transfers: Iterable[Transfer]) -> dict[str, tuple[int, int]]:
        """Return by memory the bytes read and written that occupy a port's windows as long as transfers do."""
        held: dict[str, tuple[int, int]] = {}
        for t in transfers:
            spec = self._platform.memories[t.memory]
            home = spec.serves or t.memory
            read, written = held.get(home, (0, 0))
            if spec.serves:
                behind = max(1, self._platform.memories[home].latency_ps)
                own = min(behind, spec.latency_ps)
                more = ceil_div(t.read_bytes * own, behind), ceil_div(t.write_bytes * own, behind)
            else:
                more = t.read_bytes, t.write_bytes
            held[home] = read + more[0], written + more[1]
        return held

    def steps(self, job: Job) -> tuple[Step, ...]:
        """Return a job's phases with what they demand; equal ones share theirs for as long as the fabric exists."""
        key = job.unit, job.hz, Same(job.phases)
        if key not in self._steps:
            self._steps[key] = tuple(self._step(job, phase) for phase in job.phases)
        return self._steps[key]

    @cached_property
    def _steps(self) -> dict[tuple[str, int, Same], tuple[Step, ...]]:
        return {}

    def _step(self, job: Job, phase: Phase) -> Step:
        compute = cycles_to_ps(phase.compute_cycles, job.hz)
        demand = self.demand(job.unit, phase.transfers, compute)
        return Step(
            label=phase.label,
            compute_ps=compute,
            demand=demand,
            alone_ps=alone_ps(demand, self.capacities) if demand else 0,
            read_bytes=sum(t.read_bytes for t in phase.transfers),
            write_bytes=sum(t.write_bytes for t in phase.transfers),
        )

    def background(self, unit: str, memory: str, bytes_per_s: int) -> Demand:
        """Return background reads at a rate."""
        usage = dict.fromkeys((f"{unit}>{memory}.read", *self.crossed(unit, memory, "read")), bytes_per_s)
        weight, priority = self.standing(unit, memory)
        reads = (Transfer(memory, bytes_per_s, 0),)
        return Demand(unit, bytes_per_s, usage, bytes_per_s, weight, priority, reads)

    def crossed(self, unit: str, memory: str, direction: str) -> tuple[str, ...]:
        """Return the resources that reads or writes of a unit pass, from its port to the memory, windows left out."""
        key = (unit, memory, direction)
        if key not in self._routes:
            links = (f"{link}.{direction}" for link in self._platform.path(unit, memory))
            shared = (memory,) if self._platform.memories[memory].shared_pins else ()
            self._routes[key] = (
                f"{unit}.{direction}", *links, f"{memory}.{direction}", *shared,
            )  # fmt: skip
        return self._routes[key]

    @cached_property
    def _routes(self) -> dict[tuple[str, str, str], tuple[str, ...]]:
        return {}

    def standing(self, unit: str, memory: str) -> tuple[int, int]:
        """Return weight and priority class at the first arbiter on the way that knows any.

        Otherwise ports take turns: each core of an NPU has its own, those of a CPU cluster share one.
        """
        ports = self.cores_of(unit) if isinstance(self._platform.unit(unit), Npu) else 1
        for name in self._platform.path(unit, memory):
            link = self._platform.links[name]
            if link.arbitration == "weighted":
                return link.weights.get(unit, 1), 0
            if link.arbitration == "priority":
                return ports, link.priorities.get(unit, 0)
        return ports, 0
