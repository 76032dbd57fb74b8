"""Memory planning: a place for every tensor of an inference, and the peak of every memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.errors import InfeasibleError

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
    """Places by buffer key, and the use of each memory."""

    places: Mapping[int, Place]
    use: Mapping[str, MemoryUse]


class _Arena:
    """One memory under allocation: buffers that are alive at each step."""

    def __init__(self, capacity: int, steps: int) -> None:
        self.capacity = capacity
        self.live: list[list[tuple[int, int]]] = [[] for _ in range(steps)]
        self.constant_bytes = 0
        self.activation_top = 0

    def offset_for(self, buffer: Buffer) -> int:
        """Return the lowest offset at which the buffer overlaps nothing that lives beside it."""
        if buffer.constant:
            return self.constant_bytes
        taken = sorted({span for step in range(buffer.first + 1, buffer.last + 2) for span in self.live[step]})
        offset = self.constant_bytes
        for start, end in taken:
            if start - offset >= buffer.bytes:
                break
            offset = max(offset, end)
        return offset

    def put(self, buffer: Buffer, offset: int) -> None:
        end = offset + buffer.bytes
        if buffer.constant:
            self.constant_bytes = end
            return
        self.activation_top = max(self.activation_top, end - self.constant_bytes)
        for step in range(buffer.first + 1, buffer.last + 2):
            self.live[step].append((offset, end))


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
    arenas = {name: _Arena(capacity, steps + 2) for name, capacity in capacities.items()}
    places: dict[int, Place] = {}
    order = sorted(buffers, key=lambda b: (not b.constant, -b.bytes, b.first, b.key))
    for buffer in order:
        places[buffer.key] = _place(buffer, arenas, buffers)
    use = {
        name: MemoryUse(a.constant_bytes + a.activation_top, a.constant_bytes, a.activation_top)
        for name, a in arenas.items()
    }
    return MemoryPlan(places, use)


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
