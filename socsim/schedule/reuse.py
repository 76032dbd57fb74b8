"""Which bytes a system cache still holds when a task asks for them: reuse distances over the order of tasks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.system_cache import Kept
from socsim.soc.schema import SystemCache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from socsim.cost.memory_plan import MemoryPlan
    from socsim.schedule.tasks import Task, TaskGraph
    from socsim.soc.platform import Platform

_ONE = 1 << 16
"""All of a tensor, in the parts that shares are counted in."""


def kept_by_task(tasks: TaskGraph, plan: MemoryPlan, platform: Platform, batch: int) -> Sequence[tuple[Kept, ...]]:
    """Return what the platform's system caches hold of each task's operands."""
    kept: list[tuple[Kept, ...]] = [()] * len(tasks.tasks)
    for name, cache in platform.file.memories.items():
        if isinstance(cache, SystemCache):
            operands = Operands(tasks, plan, batch, cache.serves)
            found = _Reuse(name, cache, operands).run()
            kept = [(*before, *own) for before, own in zip(kept, found, strict=True)]
    return kept


@dataclass(frozen=True, slots=True)
class Use:
    """A storage that a task touches."""

    key: int
    offset: int
    bytes: int
    is_read: bool
    is_written: bool


class Operands:
    """The operands of tasks that lie in one memory.

    Args:
        tasks: in order.
        plan: where their tensors lie.
        batch: inferences that go through each operator together.
        memory: the one that counts.
    """

    def __init__(self, tasks: TaskGraph, plan: MemoryPlan, batch: int, memory: str) -> None:
        self._constants, self._storage, self._places = tasks.graph.constants, tasks.storage, plan.places
        self._stored, self._batch, self._memory = tasks.stored, batch, memory
        self.by_task = [self._of(task) for task in tasks.tasks]
        self.units = [task.unit for task in tasks.tasks]
        inputs = {self._storage.get(t, t) for t in tasks.graph.inputs}
        self.handed_in = tuple({use.key: use for uses in self.by_task for use in uses if use.key in inputs}.values())

    def _of(self, task: Task) -> tuple[Use, ...]:
        read, written = dict(self._sizes(task, (*task.inputs, *task.weights))), dict(self._sizes(task, task.outputs))
        return tuple(
            Use(key, self._places[key].offset, max(read.get(key, 0), written.get(key, 0)), key in read, key in written)
            for key in {**read, **written}
        )

    def _sizes(self, task: Task, tensors: Sequence[int]) -> Iterator[tuple[int, int]]:
        for tensor in tensors:
            key = self._storage.get(tensor, tensor)
            place = self._places.get(key)
            size = self._stored[task.unit][tensor] * (1 if tensor in self._constants else self._batch)
            if place is not None and place.memory == self._memory and size:
                yield key, size


@dataclass(slots=True)
class _Last:
    """The last use of a storage, what of it went into the cache, and what never left since it was written."""

    use: Use
    position: int
    bytes: int
    room: int
    written_at: int = -1
    low: int = 0
    high: int = _ONE

    def share(self, address: int) -> int:
        """Return where in the storage an address lies."""
        return (address - self.use.offset) * _ONE // self.use.bytes


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes that a task writes over: from an address on, those of a storage that was there before."""

    writer: Use
    key: int
    start: int
    bytes: int


class _Reuse:
    """Least recently used lines over inferences that follow each other, as at the burst level: the operands of a
    task advance side by side.

    A line is still there when no more bytes than the cache keeps were touched since its last use. For the line at
    a share x of a tensor these are the rest (1 - x) of what the task of that use touches, everything between, and
    the first x of what this task touches, what is in both counted once: a straight line in x. Results die when
    others are written over them; lines that stay until then never reach the DRAM. The first inference fills the
    cache, the second one is counted.

    Args:
        name: of the cache.
        cache: its description.
        operands: what each task touches.

    Assumes: full associativity; each unit's lines compete with all others; the caller writes inputs past the cache.
    Source: stack distances as in Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems
    Journal 1970.
    """

    def __init__(self, name: str, cache: SystemCache, operands: Operands) -> None:
        self._name, self._memory = name, cache.serves
        self._rooms = {unit: min(room.value, cache.size.value) for unit, room in cache.allocates.items()}
        self._operands, self._count = operands, len(operands.by_task)
        self._touched = _Sums(2 * self._count)
        self._lives: dict[int, _Last] = {}
        self._owners = _Owners()
        self._found = [0] * self._count
        self._stays = [0] * self._count

    def run(self) -> list[tuple[Kept, ...]]:
        """Return what the cache holds for each task; nothing where the task moves nothing over the DRAM."""
        for position in range(2 * self._count):
            if position == self._count:
                self._hand_in()
            self._step(position)
        return [self._kept(position) for position in range(self._count)]

    def _kept(self, position: int) -> tuple[Kept, ...]:
        uses = self._operands.by_task[position]
        if not uses:
            return ()
        reads, writes = sum(u.bytes for u in uses if u.is_read), sum(u.bytes for u in uses if u.is_written)
        room = self._rooms.get(self._operands.units[position], 0)
        holds_all = sum(u.bytes for u in uses) <= room
        found, stays = self._found[position], self._stays[position]
        return (Kept(self._name, self._memory, reads, found, writes, stays, holds_all),)

    def _hand_in(self) -> None:
        """Forget the inputs, which the caller writes anew, and what lay there."""
        for use in self._operands.handed_in:
            for piece in self._owners.take(use):
                self._bury(piece)
            if use.key in self._lives:
                self._bury(_Piece(use, use.key, use.offset, use.bytes))

    def _bury(self, piece: _Piece) -> None:
        """Take bytes that are written over out of the cache."""
        dying = self._lives[piece.key]
        gone = min(piece.bytes, dying.bytes)
        self._touched.add(dying.position, -gone)
        dying.bytes -= gone

    def _step(self, position: int) -> None:
        """Let a task touch its operands."""
        uses = self._operands.by_task[position % self._count]
        room = self._rooms.get(self._operands.units[position % self._count], 0)
        before = {use.key: self._lives.get(use.key) for use in uses}
        pieces = [piece for use in uses if use.is_written for piece in self._owners.take(use)]
        for use in uses:
            self._move(use, before[use.key], position, room)
        task = _Step(self._touched, self._lives, before, [p for p in pieces if room and p.key not in before])
        for use in uses:
            last = before[use.key]
            if last is not None:
                self._reuse(use, last, task, position)
        for piece in pieces:
            self._write_over(piece, before.get(piece.key) or self._lives[piece.key], task)
        for piece in pieces:
            if piece.key not in before:
                self._bury(piece)
        for use in uses:
            if use.is_written:
                now = self._lives[use.key]
                now.written_at, now.low, now.high = position, 0, _ONE

    def _move(self, use: Use, last: _Last | None, position: int, room: int) -> None:
        """Make a storage the one touched last."""
        if last is not None:
            self._touched.add(last.position, -last.bytes)
        kept = use.bytes if room else 0
        self._touched.add(position, kept)
        self._lives[use.key] = _Last(use, position, kept, room)

    def _reuse(self, use: Use, last: _Last, task: _Step, position: int) -> None:
        """Count what of a storage is found, and what of it has been in the cache ever since it was written."""
        low, high = task.survivors(last, (0, _ONE), (0, _ONE)) if last.bytes >= use.bytes else (0, 0)
        if use.is_read and position >= self._count:
            self._found[position - self._count] += use.bytes * (high - low) // _ONE
        if last.written_at >= 0:
            now = self._lives[use.key]
            now.written_at, now.low, now.high = last.written_at, max(low, last.low), min(high, last.high)

    def _write_over(self, piece: _Piece, dying: _Last, task: _Step) -> None:
        """Count what of the bytes that are written over is in the cache still, so that it never reaches the DRAM."""
        if not 0 <= dying.written_at < self._count or not dying.bytes:
            return
        writer, ends = self._lives[piece.writer.key], (piece.start, piece.start + piece.bytes)
        then, now = tuple(map(dying.share, ends)), tuple(map(writer.share, ends))
        low, high = (then[0] + part * (then[1] - then[0]) // _ONE for part in task.survivors(dying, then, now))
        lasting = min(high, dying.high) - max(low, dying.low)
        self._stays[dying.written_at] += dying.use.bytes * max(0, lasting) // _ONE


class _Step:
    """What a task touches, once it has.

    Args:
        touched: bytes by position of their last use, those of the task included.
        lives: last uses, those of the task included.
        before: last uses of its operands before it.
        renewed: bytes of others that it writes over, and so touches twice.
    """

    def __init__(
        self,
        touched: _Sums,
        lives: Mapping[int, _Last],
        before: Mapping[int, _Last | None],
        renewed: Sequence[_Piece],
    ) -> None:
        self._touched, self._lives, self._before, self._renewed = touched, lives, before, renewed

    def survivors(self, last: _Last, then: tuple[int, ...], now: tuple[int, ...]) -> tuple[int, int]:
        """Return the part of a span, from a share of it to another, that is in the cache since its last use.

        Args:
            last: that use.
            then: where the span begins and ends in what was used then.
            now: the same in what is used now.
        """
        if not last.room:
            return 0, 0
        whole, only_then, only_now = self._between(last)
        first, final = (whole - (only_then * y + only_now * (_ONE - x)) // _ONE for y, x in zip(then, now, strict=True))
        if max(first, final) <= last.room:
            return 0, _ONE
        if min(first, final) > last.room:
            return 0, 0
        if first <= last.room:
            return 0, (last.room - first) * _ONE // (final - first)
        return _ONE - (last.room - final) * _ONE // (first - final), _ONE

    def _between(self, last: _Last) -> tuple[int, int, int]:
        """Return the bytes touched since a use, by its task alone, and by this task alone."""
        since = last.position
        whole, only_then = self._touched.since(since), self._touched.at(since)
        only_now = sum(self._lives[key].bytes for key in self._before)
        only_now -= sum(u.bytes for u in self._before.values() if u is not None and u.position >= since)
        for piece in self._renewed:
            touched = self._lives[piece.key].position
            if touched >= since:
                whole -= piece.bytes
                only_now -= piece.bytes
                only_then -= piece.bytes if touched == since else 0
        if last.use.key in self._before:
            whole += last.use.bytes - self._lives[last.use.key].bytes
        return whole, only_then, only_now


class _Sums:
    """Bytes by position, and their sums (a binary indexed tree: Fenwick, Software: Practice and Experience 1994)."""

    def __init__(self, count: int) -> None:
        self._tree = [0] * (count + 1)
        self._values = [0] * count
        self._total = 0

    def add(self, position: int, amount: int) -> None:
        """Add bytes at a position."""
        self._values[position] += amount
        self._total += amount
        i = position + 1
        while i < len(self._tree):
            self._tree[i] += amount
            i += i & -i

    def at(self, position: int) -> int:
        """Return the bytes at a position."""
        return self._values[position]

    def since(self, position: int) -> int:
        """Return the bytes from a position on."""
        before, i = 0, position
        while i:
            before += self._tree[i]
            i -= i & -i
        return self._total - before


class _Owners:
    """Whose bytes lie where: spans in the order of their starts, none over another."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._spans: list[tuple[int, int]] = []
        """End and owner of each span."""

    def take(self, use: Use) -> list[_Piece]:
        """Give bytes to a storage; return those that had some of them."""
        start, end = use.offset, use.offset + use.bytes
        first, last = bisect_right(self._starts, start), bisect_left(self._starts, end)
        if first and self._spans[first - 1][0] > start:
            first -= 1
        taken, left = [], []
        for begin, (stop, owner) in zip(self._starts[first:last], self._spans[first:last], strict=True):
            shared = max(begin, start)
            taken.append(_Piece(use, owner, shared, min(stop, end) - shared))
            left += [(a, b, owner) for a, b in ((begin, min(stop, start)), (max(begin, end), stop)) if a < b]
        spans = sorted([*left, (start, end, use.key)])
        self._starts[first:last] = [a for a, _, _ in spans]
        self._spans[first:last] = [(b, owner) for _, b, owner in spans]
        return taken
