"""A checked platform, and what the layers above ask of it: rates, paths, operating points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from socsim.errors import PlatformError, UnknownNameError, did_you_mean
from socsim.memo import Memo
from socsim.quantities import PS_PER_S, Frequency, ceil_div
from socsim.records import ON_CHIP
from socsim.soc.dram_bus import dram_bus
from socsim.soc.provenance import provenance
from socsim.soc.runtimes import Runtime, runtime
from socsim.soc.schema import AnyUnit, CpuCluster, Dram, Link, Npu, PlatformFile, SerialMemory, Sram, SystemCache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.soc.dram_bus import DramBus
    from socsim.soc.power import PowerMode
    from socsim.soc.schema import AnyMemory
    from socsim.soc.yaml_reader import YamlDocument


_OPERATING_POINTS_KEPT = 16


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """The frequency and voltage that a clock runs at."""

    name: str
    opp: str
    hz: int
    voltage_uv: int | None


@dataclass(frozen=True, slots=True)
class MemorySpec:
    """A memory as initiators see it; `shared_pins` means that reads and writes share one rate."""

    name: str
    kind: str
    bytes: int
    read_bytes_per_s: int
    write_bytes_per_s: int
    shared_pins: bool
    peak_bytes_per_s: int
    latency_ps: int
    write_latency_ps: int
    static_nw: int
    rest_nw: int
    read_aj_per_byte: int | None
    write_aj_per_byte: int | None
    bus: DramBus | None = None
    """Timings of DRAM whose device is known."""
    is_measured: bool = True
    """Whether the rate is given, and not derived from timings."""
    serves: str | None = None
    """The DRAM behind a system cache."""

    @property
    def is_external(self) -> bool:
        """Whether its bytes cross the chip's pins."""
        return self.kind not in ON_CHIP

    @property
    def burst_bytes_per_s(self) -> int:
        """What single bursts may reach: the given rate, or the peak that derived losses are taken from."""
        return self.read_bytes_per_s if self.is_measured else self.peak_bytes_per_s


@dataclass(frozen=True, slots=True)
class PortRates:
    """Bytes a second through a port to one memory.

    Args:
        read: reads alone.
        write: writes alone.
        together: both directions of a copy.
    """

    read: int
    write: int
    together: int

    @property
    def most(self) -> int:
        """The highest total of both directions, of any mix."""
        return max(self.read, self.write, self.together)

    def occupied(self, read_bytes: int, write_bytes: int) -> int:
        """Return how many bytes of a copy take the port as long as a mix of reads and writes does.

        Assumes: what is read and written in equal amounts goes at the copy's rate, the rest at that of its
        own direction; so the figure is exact for the three streams that are measured.
        """
        mixed = min(read_bytes, write_bytes)
        reads = ceil_div((read_bytes - mixed) * self.together, self.read)
        writes = ceil_div((write_bytes - mixed) * self.together, self.write)
        return 2 * mixed + reads + writes


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A link as flows see it: one rate in each direction."""

    name: str
    bytes_per_s: int
    arbitration: str
    weights: Mapping[str, int]
    priorities: Mapping[str, int]


def _shares_pins(memory: AnyMemory) -> bool:
    """Whether reads and writes of a memory take turns."""
    return not isinstance(memory, Sram | SystemCache) or (isinstance(memory, Sram) and memory.single_port)


def neighbours(links: Mapping[str, Link], name: str) -> list[str]:
    """Return in order of name what a link joins: its own ends, and links that have it as an end."""
    return sorted({*links[name].connects, *(other for other, link in links.items() if name in link.connects)})


@dataclass(frozen=True)
class Platform:
    """A platform ready to run on.

    Args:
        file: the checked description.
        document: the plain values that it was checked from, for `with_`.
        overrides: "path: old -> new" for each value that inheritance, a preset or `with_` changed.
        opps: operating point by clock, where a run asked for another than the default.
        changed: dotted paths that `with_` set.
        mode: power mode that `in_mode` put it into.
    """

    file: PlatformFile
    document: YamlDocument
    overrides: tuple[str, ...] = ()
    opps: tuple[tuple[str, str], ...] = ()
    changed: tuple[str, ...] = ()
    mode: str | None = None

    @property
    def name(self) -> str:
        """Name of the platform file."""
        return self.file.name

    @property
    def units(self) -> Mapping[str, AnyUnit]:
        """Units by name, in the file's order."""
        return self.file.units

    def unit(self, name: str) -> AnyUnit:
        """Return the unit of that name.

        Raises:
            PlatformError: no such unit.
        """
        if name not in self.units:
            msg = f"platform {self.name!r} has no unit {name!r}.{did_you_mean(name, self.units)}"
            raise PlatformError(msg)
        return self.units[name]

    def runtime(self, unit: str) -> Runtime:
        """Return the runtime that a unit uses by default."""
        return runtime(self.unit(unit).runtime)

    # --- clocks ---------------------------------------------------------------------------------------

    def clock(self, name: str) -> ClockSetting:
        """Return the setting of a clock: a name of `clocks`, or a frequency written in its place."""
        spec = self.file.clocks.get(name)
        if spec is None:
            return ClockSetting(name, name, Frequency(name).value, None)
        wanted = dict(self.opps).get(name, spec.default)
        points = sorted(spec.opps, key=lambda p: p.clock.value)
        point = next((p for p in points if p.name == wanted), points[-1])
        return ClockSetting(name, point.name, point.clock.value, point.voltage.value if point.voltage else None)

    def voltage_squared(self, clock: str, reference_uv: int | None = None) -> Fraction:
        """Return the square of a clock's voltage over a reference, by default that of its fastest point.

        It is 1 where a voltage is not known.
        """
        spec = self.file.clocks.get(clock)
        fastest = max(spec.opps, key=lambda p: p.clock.value).voltage if spec else None
        reference = reference_uv or (fastest.value if fastest else None)
        voltage = self.clock(clock).voltage_uv
        return Fraction(voltage, reference) ** 2 if voltage and reference else Fraction(1)

    def unit_hz(self, name: str) -> int:
        """Return the clock of a unit in hertz."""
        return self.clock(self.unit(name).clock).hz

    def at(self, opps: Mapping[str, str]) -> Platform:
        """Return the platform at other operating points, by clock name.

        Raises:
            UnknownNameError: unknown clocks or operating points, all listed.
        """
        faults = []
        for clock, opp in opps.items():
            if clock not in self.file.clocks:
                faults.append(f"no clock {clock!r}.{did_you_mean(clock, self.file.clocks)}")
            elif opp not in (known := [p.name for p in self.file.clocks[clock].opps]):
                faults.append(f"clock {clock!r} has no operating point {opp!r}.{did_you_mean(opp, known)}")
        if faults:
            raise UnknownNameError(f"platform {self.name!r}: " + " ".join(faults))
        merged = tuple(sorted((dict(self.opps) | dict(opps)).items()))
        return self if merged == self.opps else self._at.get(merged, lambda: replace(self, opps=merged))

    @cached_property
    def _at(self) -> Memo:
        """The platform at operating points that were asked for, so that runs there share what they decide."""
        return Memo(_OPERATING_POINTS_KEPT)

    # --- memories and fabric --------------------------------------------------------------------------

    @cached_property
    def memories(self) -> Mapping[str, MemorySpec]:
        """Memories as initiators see them, by name."""
        return {name: self._memory(name) for name in self.file.memories}

    def _memory(self, name: str) -> MemorySpec:
        m = self.file.memories[name]
        bus = None
        written = m.latency.value
        match m:
            case Dram():
                bus = dram_bus(m)
                peak = bus.peak_bytes_per_s if bus else m.channels * m.width.value * m.data_rate.value // 8
                share = m.efficiency if m.efficiency is not None or bus is None else bus.efficiency()
                read = write = int(peak * (1 if share is None else share))
                written = m.write_latency.value if m.write_latency else written
            case Sram() | SystemCache():
                hz = self.clock(m.clock).hz
                read, write = m.read.value * hz, m.write.value * hz
                peak = max(read, write)
            case SerialMemory():
                read, write = m.read.value, m.write.value if m.write else 0
                peak = max(read, write)
        return MemorySpec(
            name, m.kind, m.size.value, read, write, _shares_pins(m), peak, m.latency.value, written,
            m.static.value, m.rest.value,
            m.energy.read.value if m.energy else None,
            m.energy.write.value if m.energy else None,
            bus,
            not (isinstance(m, Dram) and bus and m.efficiency is None),
            m.serves if isinstance(m, SystemCache) else None,
        )  # fmt: skip

    @cached_property
    def links(self) -> Mapping[str, LinkSpec]:
        """Links as flows see them, by name."""
        return {
            name: LinkSpec(
                name, link.width.value * self.clock(link.clock).hz // 8, link.arbitration,
                link.weights, link.priorities,
            )
            for name, link in self.file.links.items()
        }  # fmt: skip

    def path(self, unit: str, memory: str) -> tuple[str, ...]:
        """Return the links between a unit and a memory, nearest first; the shortest way, ties by name.

        Raises:
            PlatformError: no way leads there.
        """
        if unit not in self._routes:
            self._routes[unit] = self._routes_from(unit)
        cache = self.file.memories.get(memory)
        route = self._routes[unit].get(cache.serves if isinstance(cache, SystemCache) else memory)
        if route is None:
            msg = f"no link leads from unit {unit!r} to memory {memory!r}; add both to a link's `connects`"
            raise PlatformError(f"platform {self.name!r}: {msg}")
        return route

    @cached_property
    def _routes(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Ways out of each unit, found when first asked for."""
        return {}

    def _routes_from(self, start: str) -> dict[str, tuple[str, ...]]:
        routes: dict[str, tuple[str, ...]] = {}
        first = [name for name in sorted(self.file.links) if start in self.file.links[name].connects]
        frontier: list[tuple[str, tuple[str, ...]]] = [(name, (name,)) for name in first]
        seen = set(first)
        while frontier:
            name, route = frontier.pop(0)
            for end in neighbours(self.file.links, name):
                if end in self.file.links and end not in seen:
                    seen.add(end)
                    frontier.append((end, (*route, end)))
                elif end not in self.file.links and end != start:
                    routes.setdefault(end, route)
        return routes

    def reachable(self, unit: str) -> set[str]:
        """Return the memories that links lead to from a unit."""
        if unit not in self._routes:
            self._routes[unit] = self._routes_from(unit)
        ends = {end for end in self._routes[unit] if end in self.file.memories}
        return ends | {self.system_caches[end] for end in ends if end in self.system_caches}

    @cached_property
    def system_caches(self) -> Mapping[str, str]:
        """System caches by the DRAM that they serve."""
        return {m.serves: name for name, m in self.file.memories.items() if isinstance(m, SystemCache)}

    def port_rates(self, unit: str, memory: str, cores: int = 1) -> PortRates:
        """Return what a unit's port can move to and from a memory: width, and bursts under way over latency."""
        port = self.unit(unit).port
        width = port.width.value * self.unit_hz(unit)
        latencies = self.memories[memory].latency_ps, self.memories[memory].write_latency_ps
        behind, written = (max(1, latency) for latency in latencies)
        writes = port.writes or port.outstanding
        together = port.together or port.outstanding + writes
        windows = (port.outstanding, behind), (writes, written), (together, max(behind, written))
        read, write, both = (bursts * port.burst.value * PS_PER_S // latency for bursts, latency in windows)
        return PortRates(cores * min(width, read), cores * min(width, write), cores * min(2 * width, both))

    def port_bytes_per_s(self, unit: str, memory: str, cores: int = 1) -> int:
        """Return what a unit's port can read from a memory."""
        return self.port_rates(unit, memory, cores).read

    def outer_memory(self, unit: str) -> str:
        """Return the off-chip memory of a unit's activations; its last one where all are on chip."""
        names = self.unit(unit).activations
        return next((n for n in names if self.memories[n].is_external), names[-1])

    def reach_bytes_per_s(self, unit: str, memory: str, cores: int) -> int:
        """Return the most that a unit can move to and from a memory alone, both directions together.

        A port reads and writes at once; the pins of DRAM do one or the other.
        """
        spec, port = self.memories[memory], self.port_rates(unit, memory, cores)
        inside = spec.read_bytes_per_s + (0 if spec.shared_pins else spec.write_bytes_per_s)
        return min(port.most, inside)

    def default_cores(self, unit: str) -> int:
        """Return the cores that a run uses when it asks for none."""
        match self.unit(unit):
            case CpuCluster(cores=cores):
                return cores
            case Npu(default_cores=cores):
                return cores
        return 1

    def core_count(self, unit: str) -> int:
        """Return the cores that a unit has."""
        spec = self.unit(unit)
        return spec.cores if isinstance(spec, CpuCluster | Npu) else 1

    @cached_property
    def _provenance(self) -> tuple[bool, ...]:
        """Whether each number of the description has a source."""
        return tuple(row.source is not None for row in provenance(self))

    @property
    def numbers(self) -> int:
        """How many numbers the description has."""
        return len(self._provenance)

    @property
    def assumed_numbers(self) -> int:
        """How many of them have no source."""
        return self._provenance.count(False)

    # --- variations -----------------------------------------------------------------------------------

    def with_(self, changes: Mapping[str, Any] | None = None, /, **named: Any) -> Platform:
        """Return a platform with some values changed: `soc.with_({"units.npu.clock": "800 MHz"})`.

        Keyword form: `soc.with_(units__npu__clock="800 MHz")`.

        Raises:
            PlatformError: unknown paths, or values that the schema refuses.
        """
        from socsim.soc.loader import changed

        merged = dict(changes or {}) | {key.replace("__", "."): value for key, value in named.items()}
        return changed(self, merged)

    def in_mode(self, name: str) -> Platform:
        """Return the platform within the limits of one of its power modes: `soc.in_mode("15W")`.

        Clocks run at most as fast as the mode lets them, in runs and under any governor; an operating point that a run
        names goes beyond it. `with_` and `at` keep the mode.

        Raises:
            PlatformError: no such mode, or it is in one already.
        """
        from socsim.soc.modes import limited

        return limited(self, name)

    @property
    def power_mode(self) -> PowerMode | None:
        """The power mode that it is in: that of `in_mode`, or the one that its file is as in."""
        return self.file.modes.get(self.mode or self.file.mode or "")

    def __repr__(self) -> str:
        units = ", ".join(f"{name} ({unit.kind})" for name, unit in self.units.items())
        return f"<Platform {self.name!r}: {self.file.title}; units {units}>"
