"""The shared fabric at burst level: the same activities as `Network`, moved access by access.

A port issues accesses as fast as its width, the links, the window of accesses under way and its own compute
allow; DRAM serves them bank by bank. The events of the run and the accesses advance in turn: accesses are
simulated up to the run's next event, or to the end of an activity that comes before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from socsim.engine.dram.system import FOREVER, BurstSystem, DramMemory, Flow, Source
from socsim.engine.network import Ledger
from socsim.errors import DeadlockError, UsageError
from socsim.quantities import PS_PER_S, ceil_div
from socsim.soc.schema import Dram

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Any

    import simpy

    from socsim.engine.fabric import Fabric
    from socsim.engine.fluid import Demand
    from socsim.soc.platform import Platform

_ACCESS = 64
"""Bytes of an access to a memory without banks."""
_PATIENCE_PS = 10**10
"""Simulated time in which nobody who waits gets a single access: then nobody ever will, unless accesses are so slow."""
_TURNS = 1000
"""Accesses of others for which an access waits at most, unless it waits for ever."""
_SLACK_PS = 10**6
"""Delay that background traffic makes up for: a camera's buffer, a prefetcher's lead."""


@dataclass(frozen=True, slots=True)
class Region:
    """A tensor that a job reads or writes, where the memory plan has put it."""

    memory: str
    offset: int
    bytes: int


@dataclass(eq=False, slots=True)
class _Activity:
    demand: Demand
    start_ps: int
    done: simpy.Event


@dataclass(slots=True)
class _Busy:
    """Time in which a resource has somebody on it."""

    since_ps: int = 0
    users: int = 0
    changes: dict[int, int] = field(default_factory=dict)


class BurstNetwork:
    """All resources that move bytes, access by access.

    Args:
        env: the simulation's environment; its time is integer picoseconds.
        fabric: ports, links and memories.
        units: who moves bytes.
        streams: whose background traffic there is.

    Raises:
        UsageError: a DRAM of the platform whose device is not known.
    """

    def __init__(
        self, env: simpy.Environment, fabric: Fabric, units: Sequence[str], streams: Sequence[str] = ()
    ) -> None:
        self.capacities = fabric.capacities
        self.ledgers = {name: Ledger() for name in fabric.capacities}
        self.rate_changes: dict[tuple[str, int], int] = {}
        self._env, self._fabric = env, fabric
        self._drams = _drams(fabric.platform)
        self._longest_wait = 0
        self._resources = {name: i for i, name in enumerate(fabric.capacities)}
        self._sources = {(unit, False): i for i, unit in enumerate(units)}
        self._sources |= {(unit, True): len(units) + i for i, unit in enumerate(streams)}
        sources = [_source(fabric, unit, self._bytes_per_access) for unit, _ in self._sources]
        self._system = BurstSystem(list(self._drams.values()), sources, len(self._resources))
        self._positions = {name: i for i, name in enumerate(self._drams)}
        self._open: dict[int, _Activity] = {}
        self._streams: dict[int, Demand] = {}
        self._busy = {name: _Busy() for name in fabric.capacities}
        self._is_advancing = False

    @property
    def _bytes_per_access(self) -> int:
        return min((m.device.access.value for m in self._drams.values()), default=_ACCESS)

    def move(self, demand: Demand, regions: Mapping[str, Sequence[Region]] | None = None) -> simpy.Event:
        """Start moving bytes; the event fires when the last one has arrived.

        Args:
            demand: what moves.
            regions: tensors by direction ("read", "write") that the bytes belong to; None for anywhere.
        """
        now = int(self._env.now)
        activity = _Activity(demand, now, self._env.event())
        gate = self._system.add(*self._flows(demand, now, regions or {}))
        self._open[gate] = activity
        self._occupy(demand, now, 1)
        if not self._is_advancing:
            self._is_advancing = True
            self._env.process(self._advance())
        return activity.done

    def stream(self, demand: Demand) -> None:
        """Start background traffic at up to its cap, for as long as the simulation lasts."""
        gate = self._system.add(*self._background(demand, int(self._env.now)))
        self._streams[gate] = demand
        self._occupy(demand, int(self._env.now), 1)

    def close(self, end_ps: int) -> None:
        """Book what streams have moved until the end of the run."""
        self._system.advance(end_ps)
        for gate, demand in self._streams.items():
            access = self._access(demand.transfers[0].memory)
            moved = self._system.moved(gate) * access
            for name in demand.usage:
                self.ledgers[name].book(demand.initiator, moved)
            self._note_rate(demand, moved, 0, end_ps)
            self._occupy(demand, end_ps, -1)
        self._write_rates()

    def _advance(self) -> Generator[simpy.Event, Any, None]:
        """Let accesses and events take turns as long as an activity is open."""
        while self._open:
            now, horizon = int(self._env.now), self._env.peek()
            until = now + max(_PATIENCE_PS, self._longest_wait) if horizon == inf else int(horizon)
            before = self._moved()
            gate, time = self._system.advance(until)
            if gate >= 0:
                self._finish_at(max(now, time), self._open.pop(gate))
                continue
            if horizon == inf and self._moved() == before:
                raise DeadlockError(self._starvation())
            yield self._env.timeout(until - now)
        self._is_advancing = False

    def _moved(self) -> int:
        return sum(self._system.moved(gate) for gate in self._open)

    def _starvation(self) -> str:
        starving = ", ".join(sorted({a.demand.initiator for a in self._open.values()}))
        feeding = ", ".join(sorted({d.initiator for d in self._streams.values()})) or "nobody"
        return (
            f"{starving} can never finish: traffic of a higher priority ({feeding}) takes all of the fabric; "
            "lower its rate, or give the link another arbitration"
        )

    def _finish_at(self, time: int, activity: _Activity) -> None:
        timer = self._env.timeout(time - int(self._env.now))
        timer.callbacks.append(lambda _: self._finish(activity))

    def _finish(self, activity: _Activity) -> None:
        now, demand = int(self._env.now), activity.demand
        for name, used in demand.usage.items():
            self.ledgers[name].book(demand.initiator, used)
        self._note_rate(demand, demand.bytes, activity.start_ps, now)
        self._occupy(demand, now, -1)
        activity.done.succeed()

    # --- books ----------------------------------------------------------------------------------------

    def _occupy(self, demand: Demand, now: int, change: int) -> None:
        for name in demand.usage:
            busy = self._busy[name]
            if busy.users:
                self.ledgers[name].busy_ps += now - busy.since_ps
            busy.since_ps, busy.users = now, busy.users + change

    def _note_rate(self, demand: Demand, moved: int, start: int, end: int) -> None:
        """Note the mean rate of an activity at each resource, from its start to its end."""
        if end <= start:
            return
        for name, used in demand.usage.items():
            rate = moved * used // demand.bytes * PS_PER_S // (end - start)
            changes = self._busy[name].changes
            changes[start] = changes.get(start, 0) + rate
            changes[end] = changes.get(end, 0) - rate

    def _write_rates(self) -> None:
        for name, busy in self._busy.items():
            rate = 0
            for time, change in sorted(busy.changes.items()):
                rate += change
                self.rate_changes[name, time] = min(rate, self.capacities[name])

    # --- accesses -------------------------------------------------------------------------------------

    def _access(self, memory: str) -> int:
        return self._drams[memory].device.access.value if memory in self._drams else self._bytes_per_access

    def _flows(self, demand: Demand, now: int, regions: Mapping[str, Sequence[Region]]) -> list[Flow]:
        """Return the accesses of a demand: a sequence for each tensor, side by side."""
        flows = []
        for transfer in demand.transfers:
            for direction, moved in (("read", transfer.read_bytes), ("write", transfer.write_bytes)):
                here = [r for r in regions.get(direction, ()) if r.memory == transfer.memory and r.bytes]
                for region, share in _divided(moved, here or [Region(transfer.memory, 0, max(1, moved))]):
                    flows.append(self._flow(demand, region, direction, share, now))
        return flows

    def _background(self, demand: Demand, now: int) -> list[Flow]:
        """Return a sequence of reads for each core, spread over the memory."""
        memory, cores = demand.transfers[0].memory, self._fabric.cores_of(demand.initiator)
        part = self._fabric.platform.memories[memory].bytes // (cores + 1)
        regions = [Region(memory, (core + 1) * part, part) for core in range(cores)]
        return [self._flow(demand, r, "read", demand.bytes // cores, now, forever=True) for r in regions]

    def _flow(
        self, demand: Demand, region: Region, direction: str, moved: int, now: int, *, forever: bool = False
    ) -> Flow:
        access = self._access(region.memory)
        count = FOREVER if forever else ceil_div(moved, access)
        cap = demand.cap_bytes_per_s
        pace = 0 if cap is None else access * demand.bytes * PS_PER_S // (max(1, moved) * cap)
        self._longest_wait = max(self._longest_wait, 2 * pace)
        return Flow(
            source=self._sources[demand.initiator, forever],
            count=count,
            memory=self._positions.get(region.memory, -1),
            base=region.offset // access,
            size=max(1, ceil_div(region.bytes, access)),
            write_share=float(direction == "write"),
            start_ps=now,
            pace_ps=pace,
            slack_ps=_SLACK_PS if forever else FOREVER,
            latency_ps=self._fabric.platform.memories[region.memory].latency_ps,
            route=self._route(demand, region.memory, direction, access),
        )

    def _rate(self, name: str) -> int:
        """Return the rate at which a resource passes accesses.

        Pins run at their peak, and idle where the timings say so. Where a lower rate was measured, the controller
        takes in no more than that.
        """
        memory, _, _ = name.partition(".")
        spec = self._fabric.platform.memories.get(memory)
        return spec.burst_bytes_per_s if spec and memory in self._drams else self.capacities[name]

    def _route(self, demand: Demand, memory: str, direction: str, access: int) -> tuple[tuple[int, int], ...]:
        """Return the resources of an access with the time it holds each; windows are the sources' own."""
        unit = demand.initiator
        held = {
            name: ceil_div(access * PS_PER_S, self._rate(name))
            for name in self._fabric.crossed(unit, memory, direction)
        }
        home = self._fabric.platform.memories[memory].serves or memory
        copy, mixed = f"{unit}>{home}", len({n for n in demand.usage if n.startswith(f"{unit}>{home}.")}) > 1
        if mixed and copy in demand.usage:  # a copy occupies the port longer than its bytes
            hold = ceil_div(access * demand.usage[copy] * PS_PER_S, demand.bytes * self.capacities[copy])
            bus = self._fabric.platform.memories[home].bus
            held[copy] = int(hold * (1 - bus.refresh_share)) if bus else hold  # what is measured has refresh in it
        self._longest_wait = max(self._longest_wait, *(_TURNS * time for time in held.values()))
        return tuple((self._resources[name], time) for name, time in held.items())


def _divided(moved: int, regions: Sequence[Region]) -> list[tuple[Region, int]]:
    """Return each region with its part of the bytes that move, in proportion to its size."""
    whole, parts, done = sum(r.bytes for r in regions), [], 0
    for region in regions:
        part = moved * region.bytes // whole
        parts.append((region, part))
        done += part
    parts[-1] = (parts[-1][0], parts[-1][1] + moved - done)
    return [(region, part) for region, part in parts if part]


def _source(fabric: Fabric, unit: str, access: int) -> Source:
    port = fabric.platform.unit(unit).port
    each = port.burst.value * fabric.cores_of(unit) / fabric.slow_of(unit)
    weight, priority = fabric.standing(unit, fabric.platform.outer_memory(unit))
    return Source(
        reads=max(1, int(port.outstanding * each / access)),
        writes=max(1, int((port.writes or port.outstanding) * each / access)),
        weight=weight,
        priority=priority,
    )


def _drams(platform: Platform) -> dict[str, DramMemory]:
    """Return the DRAMs of a platform at burst level.

    Raises:
        UsageError: one whose device is not known.
    """
    found = {}
    for name, memory in platform.file.memories.items():
        if not isinstance(memory, Dram):
            continue
        bus = platform.memories[name].bus
        if bus is None:
            msg = (
                f"platform {platform.name!r}: memories.{name} names no device, so that its banks are not known; "
                f'add `device:`, or use detail "transaction"'
            )
            raise UsageError(msg)
        mean = int(memory.latency.value * (1 - bus.refresh_share))  # what is measured has refresh in it
        front = max(0, mean - bus.times.rl - bus.times.burst)
        found[name] = DramMemory(bus.device, bus.channels, bus.ranks, bus.controller, bus.data_rate, front)
    return found
