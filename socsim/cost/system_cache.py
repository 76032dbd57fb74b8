"""What a system cache takes off the DRAM behind it: the transfers of a kernel, divided between the two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from socsim.cost.work import Lines, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socsim.cost.work import Phase, Work


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a task's operands a system cache holds.

    Args:
        cache: the cache.
        memory: the DRAM behind it.
        reads: bytes of the operands that are read, each once.
        found: those that are still in the cache.
        writes: bytes of the results.
        stays: those that are written over before they must leave it.
        holds_all: whether everything that the task touches fits, so that what it moves again is there.
    """

    cache: str
    memory: str
    reads: int
    found: int
    writes: int
    stays: int
    holds_all: bool


def through_cache(work: Work, kept: Kept) -> Work:
    """Return Work whose transfers to a DRAM are divided between it and the system cache before it.

    A unit's own caches have the shortest reuse, so what they keep away from the fabric would have been found
    here: it is the first to be missing from what is found.

    Assumes: lookups, and filling lines that miss, cost no time or energy beside the DRAM's; what is found is
    spread evenly over the kernel.
    """
    mine = [t for phase in work.phases for t in phase.transfers if t.memory == kept.memory]
    read, written = sum(t.read_bytes for t in mine), sum(t.write_bytes for t in mine)
    found = _held(read, kept.reads, kept.found, holds_all=kept.holds_all)
    stays = _held(written, kept.writes, kept.stays, holds_all=kept.holds_all)
    if not found + stays:
        return work
    reads, writes = _Spread(found, read), _Spread(stays, written)
    phases = tuple(replace(p, transfers=tuple(_divided(p, kept, reads, writes))) for p in work.phases)
    terms = work.terms
    reads_held = f"{found:,} of {read:,} B read from {kept.memory}"
    line = f"{kept.cache} holds {reads_held} and {stays:,} of {written:,} B written to it"
    return replace(work, phases=phases, terms=Lines(lambda: (*terms, line)))


def _held(moved: int, once: int, held: int, *, holds_all: bool) -> int:
    """Return the bytes of those that move which the cache holds: of the first passes, and of repeated ones."""
    first = min(moved, once)
    return max(0, first - (once - held)) + (moved - first if holds_all else 0)


class _Spread:
    """Hands out a part of an amount in proportion, and all of it in the end."""

    def __init__(self, part: int, whole: int) -> None:
        self._part, self._whole, self._done = part, whole, 0

    def take(self, amount: int) -> int:
        """Return what of the part falls to the next so many of the whole."""
        before = self._done
        self._done += amount
        return self._part * self._done // self._whole - self._part * before // self._whole if amount else 0


def _divided(phase: Phase, kept: Kept, reads: _Spread, writes: _Spread) -> Iterable[Transfer]:
    for t in phase.transfers:
        if t.memory != kept.memory:
            yield t
            continue
        hit, stay = reads.take(t.read_bytes), writes.take(t.write_bytes)
        for memory, read, written in (
            (kept.cache, hit, stay),
            (kept.memory, t.read_bytes - hit, t.write_bytes - stay),
        ):
            if read or written:
                yield Transfer(memory, read, written)
