"""Memories and initiators at burst level: what the compiled loop works on, and what it leaves."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from socsim.engine.dram import layout as at
from socsim.engine.dram.mapping import address_map
from socsim.soc.dram import DramController, DramDevice, dram_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Table = NDArray[np.int64]

_PATTERNS = {"sequential": at.SEQUENTIAL, "random": at.RANDOM, "trace": at.TRACE}
_REFRESH = {"off": at.REFRESH_OFF, "all_bank": at.REFRESH_ALL, "per_bank": at.REFRESH_BANK}
_CONTROLLER = DramController()
_LONG_AGO = -(10**9)
"""Of the last command of each kind at the start: longer than any rule looks back."""
_VIRTUAL = 1 << 40
FOREVER = 1 << 60
"""Accesses of a flow that lasts as long as the simulation."""


@dataclass(frozen=True)
class DramMemory:
    """Channels of one kind of device behind one mapping.

    Args:
        device: the device of a channel.
        channels: how many there are.
        ranks: of each channel.
        controller: queues, mapping and refresh.
        data_rate: transfers a second; None for the device's own.
        front_ps: from the initiator to the channel's queue and back, without the device.
    """

    device: DramDevice
    channels: int = 1
    ranks: int = 1
    controller: DramController = _CONTROLLER
    data_rate: int | None = None
    front_ps: int = 0

    @property
    def peak_bytes_per_s(self) -> int:
        """Payload at the data rate with the bus never idle."""
        rate = self.data_rate or self.device.data_rate.value
        return self.channels * self.device.access.value * rate // self.device.beats


@dataclass(frozen=True)
class Source:
    """An initiator.

    Args:
        reads: reads that it may have under way, in accesses.
        writes: the same for writes.
        weight: its share among sources of its class, wherever they wait for one another.
        priority: its class; a higher one goes first.
    """

    reads: int = 1 << 12
    writes: int = 1 << 12
    weight: int = 1
    priority: int = 0


@dataclass(frozen=True)
class Flow:
    """A sequence of accesses of one source.

    Args:
        source: index of the source.
        count: accesses; `FOREVER` for background traffic.
        memory: index of the DRAM; -1 for a memory without banks.
        base: first access of the region.
        size: accesses of the region, which a longer sequence starts over; None for `count`.
        pattern: "sequential" or "random"; "trace" takes rows of a trace from `base` on.
        write_share: probability that an access writes; 0 and 1 are exact.
        start_ps: earliest time of the first.
        pace_ps: mean time between two, if nothing holds them up.
        slack_ps: delay that later ones may make up for.
        latency_ps: there and back, of a memory without banks or of a posted write.
        route: resources that each access passes, with the time that it holds each.
        seed: of random addresses and directions.
    """

    source: int
    count: int
    memory: int = 0
    base: int = 0
    size: int | None = None
    pattern: str = "sequential"
    write_share: float = 0.0
    start_ps: int = 0
    pace_ps: int = 0
    slack_ps: int = FOREVER
    latency_ps: int = 0
    route: tuple[tuple[int, int], ...] = ()
    seed: int = 1


@dataclass(frozen=True)
class Counts:
    """What a set of channels did."""

    reads: int
    writes: int
    hits: int
    misses: int
    conflicts: int
    refreshes: int
    busy_ps: int
    end_ps: int


@dataclass(frozen=True)
class Traffic:
    """What a source has seen: latencies from the time when an access might leave it, and from its queue on."""

    reads: int
    writes: int
    mean_latency_ps: int
    mean_queue_latency_ps: int
    histogram: Table
    """Reads by latency, one bin for each nanosecond."""


class BurstSystem:
    """DRAMs, sources and flows as integer tables.

    Args:
        memories: the DRAMs.
        sources: the initiators.
        resources: number of ports, links and memories that flows may pass.
        trace: [accesses, 3] address in accesses, write flag and earliest time, for flows with that pattern.
    """

    def __init__(
        self, memories: Sequence[DramMemory], sources: Sequence[Source], resources: int = 0, trace: Table | None = None
    ) -> None:
        self.memories = tuple(memories)
        self._build = _Vector()
        self._memories = [self._build.row(_memory_row(m)) for m in memories]
        self._trace = self._build.row(np.zeros(0, np.int64) if trace is None else trace.reshape(-1))
        self._resources = [self._build.row(np.array([0, -1], np.int64)) for _ in range(resources)]
        self._passing: list[set[int]] = [set() for _ in range(resources)]
        self._gates = [self._build.row(np.zeros(at.GATE_ROW, np.int64)) for _ in range(2 * len(sources) + 8)]
        self._channels = self._add_channels()
        for m in self._memories:
            self._build.set(m + at.DOOR, self._build.row(_arbiter(len(sources))))
        self._sources = self._add_sources(sources)
        self._add_due()
        self._flows: list[int] = []
        self._x = self._build.vector()

    def _add_channels(self) -> list[int]:
        """Lay out channels in a row, then what each of them points at, all at rest."""
        owners = [m for m in range(len(self.memories)) for _ in range(self.memories[m].channels)]
        rows = [self._build.row(np.zeros(at.CHANNEL_ROW, np.int64)) for _ in owners]
        self._build.header(at.H_CHANNELS, rows, at.CHANNEL_ROW)
        for c, owner in zip(rows, owners, strict=True):
            self._build.put(c, self._channel_row(owner))
            if c == rows[0] or owners[rows.index(c) - 1] != owner:
                self._build.set(self._memories[owner] + at.CHANNELS, c)
        return rows

    def _add_due(self) -> None:
        """Lay out when each source and channel is due, in a row."""
        owners = [s + at.S_DUE for s in self._sources] + [c + at.C_DUE for c in self._channels]
        first = self._build.row(np.full(len(owners), at.NEVER))
        self._build.header(at.H_DUE, [first], len(owners))
        for i, pointer in enumerate(owners):
            self._build.set(pointer, first + i)

    def _channel_row(self, owner: int) -> Table:
        m, row = self.memories[owner], np.zeros(at.CHANNEL_ROW, np.int64)
        groups = m.ranks * m.device.bank_groups
        row[at.C_MEMORY] = self._memories[owner]
        row[at.C_RANKS] = row[at.C_LAST_RANK] = self._build.row(np.full(m.ranks * at.RANK_ROW, _LONG_AGO))
        row[at.C_GROUPS] = self._build.row(np.full(groups * at.GROUP_ROW, _LONG_AGO))
        banks = np.full((groups * m.device.banks, at.BANK_ROW), _LONG_AGO)
        banks[:, [at.B_READ_HITS, at.B_WRITE_HITS]] = 0
        row[at.C_BANKS] = row[at.C_REFRESH_BANK] = self._build.row(banks.reshape(-1))
        row[at.C_TALLY] = self._build.row(np.zeros(at.TALLY, np.int64))
        row[[at.C_LAST_READ, at.C_LAST_WRITE]] = _LONG_AGO
        depth = m.controller.reads + m.controller.writes
        queue = np.zeros((depth, at.REQUEST_ROW), np.int64)
        first = self._build.row(queue.reshape(-1))
        queue[:, at.Q_NEXT] = first + np.arange(1, depth + 1) * at.REQUEST_ROW
        self._build.put(first, queue.reshape(-1))
        row[at.C_FREE] = first
        row[[at.C_READ_HEAD, at.C_WRITE_HEAD, at.C_OLDEST]] = -1
        interval = dram_times(m.device, m.data_rate).refresh_interval
        each = m.controller.refresh == "per_bank"
        row[at.C_NEXT_REFRESH] = interval // len(banks) if each else interval
        return row

    def _add_sources(self, sources: Sequence[Source]) -> list[int]:
        rows = [self._build.row(np.zeros(at.SOURCE_ROW, np.int64)) for _ in sources]
        self._build.header(at.H_SOURCES, rows, at.SOURCE_ROW)
        for place, (s, source) in enumerate(zip(rows, sources, strict=True)):
            row = np.zeros(at.SOURCE_ROW, np.int64)
            row[[at.S_PLACE, at.S_STEP, at.S_CLASS]] = place, max(1, at.TURN // source.weight), source.priority
            for slots, count in ((at.S_READ_SLOTS, source.reads), (at.S_WRITE_SLOTS, source.writes)):
                ring = self._build.row(np.zeros(count, np.int64))
                row[slots : slots + 4] = count, ring, ring, ring + count
            row[at.S_HISTOGRAM] = self._build.row(np.zeros(at.LATENCY_BINS, np.int64))
            row[[at.S_FLOWS, at.S_HEAD_FLOW, at.S_HEAD_WAIT]] = -1
            self._build.put(s, row)
        return rows

    def add(self, *flows: Flow) -> int:
        """Add flows that are done together; return their gate, which is free again once it is done."""
        gate = next(g for g in self._gates if self._x[g + at.GATE_LEFT] == 0)
        self._x[gate : gate + at.GATE_ROW] = len(flows), 0
        for flow in flows:
            self._share(flow)
            self._chain(flow, self._free_row(), gate)
        return gate

    def _share(self, flow: Flow) -> None:
        """Put an arbiter where sources meet for the first time."""
        for resource, _ in flow.route:
            users, place = self._passing[resource], self._resources[resource] + at.R_ARBITER
            users.add(flow.source)
            if len(users) > 1 and self._x[place] < 0:
                self._x[place] = self._append(_arbiter(len(self._sources)))

    def _append(self, row: Table) -> int:
        """Put a row behind the others and return its place."""
        place = len(self._x)
        self._x = np.concatenate([self._x, row])
        return place

    def _chain(self, flow: Flow, place: int, gate: int) -> None:
        """Put a flow into a row, before the others of its source, and drop those that are done."""
        x, source = self._x, self._sources[flow.source]
        row = self._flow_row(flow, gate)
        x[place : place + at.FLOW_ROW] = row
        mine = [f for f in self._flows if x[f + at.F_SOURCE] == source and x[f + at.F_DONE] < x[f + at.F_COUNT]]
        for f, following in zip([source + at.S_FLOWS - at.F_CHAIN, *mine], [*mine, -1], strict=True):
            x[f + at.F_CHAIN] = following

    def _free_row(self) -> int:
        x = self._x
        for f in self._flows:
            if x[f + at.F_DONE] >= x[f + at.F_COUNT]:
                return f
        self._flows.append(self._append(np.zeros(at.FLOW_ROW, np.int64)))
        return self._flows[-1]

    def _flow_row(self, flow: Flow, gate: int) -> Table:
        row = np.zeros(at.FLOW_ROW, np.int64)
        memory = self._memories[flow.memory] if flow.memory >= 0 else -1
        base, end = flow.base, flow.base + (flow.size or flow.count)
        if flow.pattern == "trace":
            base, end = self._trace + flow.base * at.TRACE_ROW, at.NEVER
        row[at.F_CHAIN : at.F_ROUTE] = (
            -1, self._sources[flow.source], gate, memory, _PATTERNS[flow.pattern], base, end, base, flow.count, 0, 0,
            max(1, _VIRTUAL // flow.count), round(flow.write_share * at.ALWAYS), flow.pace_ps,
            flow.slack_ps, flow.start_ps,
            flow.seed * 0x9E3779B9 + 1, 0, flow.latency_ps,
        )  # fmt: skip
        row[at.F_ROUTE : at.F_ROUTE + at.ROUTE_LENGTH] = -1
        for i, (resource, time) in enumerate(flow.route):
            row[[at.F_ROUTE + i, at.F_ROUTE + at.ROUTE_LENGTH + i]] = self._resources[resource], time
        return row

    def advance(self, until_ps: int = at.NEVER) -> tuple[int, int]:
        """Serve accesses until a gate is done or nothing happens before a time.

        Returns: the gate that was done and its time, or -1 and the time of the next event (`NEVER` where
        nothing is left).
        """
        gate, now = _advance()(self._x, until_ps)
        return (gate, int(self._x[gate + at.GATE_END])) if gate >= 0 else (-1, now)

    def drain(self) -> None:
        """Serve everything that is left, writes in queues too."""
        while self.advance()[0] >= 0:
            pass

    def moved(self, gate: int) -> int:
        """Return the accesses that the flows of an open gate have completed."""
        x = self._x
        return int(sum(x[f + at.F_DONE] for f in self._flows if x[f + at.F_GATE] == gate))

    def counts(self, memory: int = 0) -> Counts:
        """Return what the channels of a memory did."""
        mine = [c for c in self._channels if self._x[c + at.C_MEMORY] == self._memories[memory]]
        rows = np.array([self._x[c : c + at.CHANNEL_ROW] for c in mine])
        reads, writes, hits, misses, conflicts, refreshes, busy = map(int, rows[:, at.C_READS : at.C_END].sum(axis=0))
        return Counts(reads, writes, hits, misses, conflicts, refreshes, busy, int(rows[:, at.C_END].max()))

    def traffic(self, source: int) -> Traffic:
        """Return what a source has seen."""
        s = self._sources[source]
        row = self._x[s : s + at.SOURCE_ROW]
        reads, place = int(row[at.S_READS]), int(row[at.S_HISTOGRAM])
        mean, queued = (int(row[n]) // max(1, reads) for n in (at.S_READ_LATENCY, at.S_QUEUE_LATENCY))
        histogram = self._x[place : place + at.LATENCY_BINS].copy()
        return Traffic(reads, int(row[at.S_WRITES]), mean, queued, histogram)


class _Vector:
    """Lays rows out one behind the other."""

    def __init__(self) -> None:
        self._parts: list[Table] = [np.zeros(at.HEADER, np.int64)]
        self._length = at.HEADER
        self._later: list[tuple[int, Table]] = []

    def row(self, values: Table) -> int:
        """Append a row and return its place."""
        place = self._length
        self._parts.append(values)
        self._length += len(values)
        return place

    def put(self, place: int, values: Table) -> None:
        """Write a row over one that stands."""
        self._later.append((place, values))

    def set(self, place: int, value: int) -> None:
        """Write one element."""
        self._later.append((place, np.array([value], np.int64)))

    def header(self, field: int, rows: Sequence[int], length: int) -> None:
        """Note where rows of one kind begin and end."""
        first = rows[0] if rows else 0
        self.put(field, np.array([first, first + len(rows) * length], np.int64))

    def vector(self) -> Table:
        """Return everything."""
        x = np.concatenate(self._parts)
        for place, values in self._later:
            x[place : place + len(values)] = values
        return x


def _advance() -> Callable[[Table, int], tuple[int, int]]:
    """Return the compiled loop: Numba is loaded when a simulation first needs it."""
    from socsim.engine.dram.kernel import advance
    from socsim.numerics.words import words

    loop: Any = advance  # compiled code takes arrays for sequences
    return lambda x, until: cast("tuple[int, int]", loop(words(x), until))


def _arbiter(sources: int) -> Table:
    """Return an arbiter that has served nobody yet."""
    return np.zeros(at.ARBITER_TAGS + sources, np.int64)


def _memory_row(m: DramMemory) -> Table:
    control, row = m.controller, np.zeros(at.MEMORY_ROW, np.int64)
    row[: at.READS] = astuple(dram_times(m.device, m.data_rate))
    row[at.READS : at.MAP] = (
        control.reads, control.writes, control.drain_from, control.drain_to, _REFRESH[control.refresh], 0, m.ranks,
        m.device.bank_groups, m.device.banks, m.front_ps, 0,
    )  # fmt: skip
    row[at.MAP :] = address_map(control.mapping, _sizes(m)).reshape(-1)
    return row


def _sizes(m: DramMemory) -> dict[str, int]:
    device = m.device
    return {
        "channel": m.channels,
        "rank": m.ranks,
        "group": device.bank_groups,
        "bank": device.banks,
        "row": device.rows,
        "column": device.row.value // device.access.value,
    }
