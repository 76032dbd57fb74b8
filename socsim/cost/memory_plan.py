"""Memory planning: a place for every tensor of an inference, and the peak of every memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.errors import InfeasibleError
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that must lie somewhere from one task to another.

    Args:
        key: tensor index that stands for the storage.
        name: for messages.
        bytes: size.
        first: position of the task that writes it; -1 for what is there from the start.
        last: position of the last task that reads it.
        memories: allowed places, best first.
        constant: whether it holds weights.
    """

    key: int
    name: str
    bytes: int
    first: int
    last: int
    memories: tuple[str, ...]
    constant: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a buffer lies."""

    memory: str
    offset: int


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """How full a memory gets."""

    peak_bytes: int
    weight_bytes: int
    activation_peak_bytes: int


@dataclass(frozen=True, slots=True)
class InfeasibilityReport:
    """Why something does not fit: what is wanted, what is there, and what would help."""

    what: str
    demand: int
    bound: int
    unit_of_measure: str
    levers: tuple[str, ...]

    @property
    def gap(self) -> int:
        """Demand over the bound."""
        return self.demand - self.bound


@dataclass(frozen=True)
class MemoryPlan:
    """Places by buffer key, the use of each memory, and how far it is taken up at each step.

    Args:
        places: by buffer key.
        use: by memory.
        tops: by memory, the end of what lies in it while each task runs.
        capacities: bytes of each memory.
    """

    places: Mapping[int, Place]
    use: Mapping[str, MemoryUse]
    tops: Mapping[str, tuple[int, ...]]
    capacities: Mapping[str, int]

    def free(self, memory: str, step: int) -> int:
        """Return the bytes behind all that lies in a memory while a task runs."""
        return max(0, self.capacities[memory] - self.tops[memory][step])

    def within(self, capacities: Mapping[str, int], steps: int) -> MemoryPlan:
        """Return the plan where these are the memories: those that it uses, with room for it, and any others."""
        unused = (0,) * (steps + 1)
        return MemoryPlan(
            self.places,
            {name: self.use.get(name) or MemoryUse(0, 0, 0) for name in capacities},
            {name: self.tops.get(name, unused) for name in capacities},
            capacities,
        )


class _Spans:
    """Bytes that are taken: spans apart from each other, in order."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Take what lies from start to end, and join it with what it touches."""
        low, high = bisect_left(self.ends, start), bisect_right(self.starts, end)
        if low < high:
            start, end = min(start, self.starts[low]), max(end, self.ends[high - 1])
        self.starts[low:high] = [start]
        self.ends[low:high] = [end]

    def gap_from(self, offset: int, size: int) -> int:
        """Return the lowest place from `offset` on with so many bytes free."""
        for i in range(bisect_right(self.ends, offset), len(self.ends)):
            if self.starts[i] - offset >= size:
                break
            offset = self.ends[i]
        return offset


class _Steps:
    """The steps of an inference as the leaves of a tree, for buffers to be noted at few nodes, and looked up at few.

    A node has its level, 0 for leaves, in its lowest bits, and its place on that level in the others.

    Args:
        count: number of steps.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._known: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
        self.root_level = ceil_div((count - 1).bit_length(), _FAN_BITS)

    def nodes(self, buffer: Buffer) -> tuple[list[int], list[int]]:
        """Return the nodes in some of whose steps a buffer lives, and the highest in all of whose it does."""
        ends = buffer.first + 1, buffer.last + 1
        if ends not in self._known:
            self._known[ends] = self._partly(*ends), _wholly(*ends)
        return self._known[ends]

    def _partly(self, first: int, last: int) -> list[int]:
        levels = [(level, level * _FAN_BITS) for level in range(1, self.root_level + 1)]
        return [
            place << _LEVEL_BITS | level
            for level, shift in levels
            for place in sorted({first >> shift, last >> shift})
            if place << shift < first or (place + 1 << shift) - 1 > last
        ]

    def highest(self, ends: Mapping[int, int], least: int) -> list[int]:
        """Return for each step the highest end noted at any node above it, `least` at least."""
        found = [least]
        for level in range(self.root_level, -1, -1):
            places = range((self.count - 1 >> level * _FAN_BITS) + 1)
            above = found if level == self.root_level else [found[place >> _FAN_BITS] for place in places]
            found = [max(above[place], ends.get(place << _LEVEL_BITS | level, 0)) for place in places]
        return found


_FAN_BITS = 3
"""Each node has 8 children: buffers live for two or three steps mostly, so that a flat tree has few nodes for them."""
_LEVEL_BITS = 6


def _wholly(first: int, last: int) -> list[int]:
    """Return the highest nodes of all of whose steps are between two."""
    found, low, high, level, mask = [], first, last + 1, 0, (1 << _FAN_BITS) - 1
    while low < high:
        while low & mask and low < high:
            found.append(low << _LEVEL_BITS | level)
            low += 1
        while high & mask and low < high:
            high -= 1
            found.append(high << _LEVEL_BITS | level)
        low, high, level = low >> _FAN_BITS, high >> _FAN_BITS, level + 1
    return found


class _Arena:
    """One memory under allocation: the bytes taken at each step."""

    def __init__(self, capacity: int, steps: _Steps) -> None:
        self.capacity = capacity
        self.steps = steps
        self.throughout: dict[int, _Spans] = {}
        """By node what lives in all of its steps, noted at the highest such nodes."""
        self.within: dict[int, _Spans] = {}
        """By node what lives in any of its steps."""
        self.constant_bytes = 0
        self.activation_top = 0

    def offset_for(self, buffer: Buffer) -> int:
        """Return the lowest offset at which the buffer overlaps nothing that lives beside it."""
        offset = self.constant_bytes
        if buffer.constant:
            return offset
        above, whole = self.steps.nodes(buffer)
        beside = [self.throughout[n] for n in above if n in self.throughout]
        beside += [self.within[n] for n in whole if n in self.within]
        settled = -1
        while settled != offset:
            settled = offset
            for spans in beside:
                offset = spans.gap_from(offset, buffer.bytes)
        return offset

    def put(self, buffer: Buffer, offset: int) -> None:
        """Take the bytes of a buffer for as long as it lives."""
        end = offset + buffer.bytes
        if buffer.constant:
            self.constant_bytes = end
            return
        self.activation_top = max(self.activation_top, end - self.constant_bytes)
        above, whole = self.steps.nodes(buffer)
        for node in (*above, *whole):
            _noted(self.within, node).add(offset, end)
        for node in whole:
            _noted(self.throughout, node).add(offset, end)

    def tops(self) -> tuple[int, ...]:
        """Return the end of what lies here while each task runs."""
        if not self.throughout:
            return (self.constant_bytes,) * (self.steps.count - 1)
        ends = {node: spans.ends[-1] for node, spans in self.throughout.items()}
        return tuple(self.steps.highest(ends, self.constant_bytes)[1:])


def _noted(nodes: dict[int, _Spans], node: int) -> _Spans:
    if node not in nodes:
        nodes[node] = _Spans()
    return nodes[node]


def plan_memory(buffers: Sequence[Buffer], capacities: Mapping[str, int], steps: int) -> MemoryPlan:
    """Place constants, then activations from the largest down, each in its best memory with room.

    Args:
        buffers: what needs a place.
        capacities: bytes of each memory.
        steps: number of tasks.

    Raises:
        InfeasibleError: a buffer fits nowhere; the report holds demand, bound and gap.

    Source: greedy by size with lowest offset, as in Pisarchyk and Lee, "Efficient memory management for
    deep neural net inference", 2020 (arXiv 2001.03288).
    """
    every = _Steps(steps + 2)
    arenas = {name: _Arena(capacity, every) for name, capacity in capacities.items()}
    places: dict[int, Place] = {}
    order = sorted(buffers, key=lambda b: (not b.constant, -b.bytes, b.first, b.key))
    for buffer in order:
        places[buffer.key] = _place(buffer, arenas, buffers)
    use = {
        name: MemoryUse(a.constant_bytes + a.activation_top, a.constant_bytes, a.activation_top)
        for name, a in arenas.items()
    }
    tops = {name: arena.tops() for name, arena in arenas.items()}
    return MemoryPlan(places, use, tops, capacities)


def _place(buffer: Buffer, arenas: Mapping[str, _Arena], buffers: Sequence[Buffer]) -> Place:
    for memory in buffer.memories:
        arena = arenas[memory]
        offset = arena.offset_for(buffer)
        if offset + buffer.bytes <= arena.capacity:
            arena.put(buffer, offset)
            return Place(memory, offset)
    raise _does_not_fit(buffer, arenas, buffers)


def _does_not_fit(buffer: Buffer, arenas: Mapping[str, _Arena], buffers: Sequence[Buffer]) -> InfeasibleError:
    constants = sum(b.bytes for b in buffers if b.constant and b.memories == buffer.memories)
    peak = _peak([b for b in buffers if not b.constant and b.memories == buffer.memories])
    where, demand = buffer.memories, constants + peak
    bound = sum(arenas[m].capacity for m in where)
    if demand <= bound:  # enough in all, but nowhere in one piece: take the memory that lacks least
        where = (min(where, key=lambda m: arenas[m].offset_for(buffer) - arenas[m].capacity),)
        demand, bound = arenas[where[0]].offset_for(buffer) + buffer.bytes, arenas[where[0]].capacity
    report = InfeasibilityReport(
        f"weights and activations in {', '.join(where)}",
        demand,
        bound,
        "B",
        ("a unit with more memory", "a smaller input or a smaller network", "int8 instead of wider types"),
    )
    msg = (
        f"{'constant' if buffer.constant else 'activation'} {buffer.name!r} of {buffer.bytes:,} B finds no room in "
        f"{', '.join(buffer.memories)}: demand {demand:,} B ({constants:,} B of weights, {peak:,} B of activations), "
        f"bound {bound:,} B in {', '.join(where)}, gap {demand - bound:,} B; try {', or '.join(report.levers)}"
    )
    return InfeasibleError(msg, report)


def _peak(buffers: Sequence[Buffer]) -> int:
    """Return the most bytes alive at one step, whatever their offsets."""
    changes: dict[int, int] = {}
    for b in buffers:
        changes[b.first] = changes.get(b.first, 0) + b.bytes
        changes[b.last + 1] = changes.get(b.last + 1, 0) - b.bytes
    alive = peak = 0
    for step in sorted(changes):
        alive += changes[step]
        peak = max(peak, alive)
    return peak
