"""Counting while time goes on, in memory that does not grow with it."""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING, Any

from socsim.engine.online.model import Distribution, Flow

if TYPE_CHECKING:
    from collections.abc import Mapping

_MANTISSA_BITS = 11
"""Leading bits of a duration that choose its bucket, the first one included: one part in 1024."""


class Tally:
    """Durations as they are seen; counted many at a time, whenever the owner says so."""

    __slots__ = ("_new", "add", "buckets", "count", "least", "most", "squares", "total")

    def __init__(self) -> None:
        self.count = self.total = self.squares = self.most = 0
        self.least: int | None = None
        self.buckets: dict[int, int] = {}
        self._new: list[int] = []
        self.add = self._new.append
        """Take note of a duration."""

    def count_new(self) -> None:
        """Count what was added."""
        new, buckets = self._new, self.buckets
        if not new:
            return
        self.count += len(new)
        self.total += sum(new)
        self.squares += sum(map(mul, new, new))
        new.sort()
        self.most = max(self.most, new[-1])
        self.least = new[0] if self.least is None else min(self.least, new[0])
        for duration in new:
            shift = duration.bit_length() - _MANTISSA_BITS
            key = duration >> shift << shift if shift > 0 else duration
            buckets[key] = buckets.get(key, 0) + 1
        new.clear()

    def copy(self) -> Tally:
        """Return the same counts, apart."""
        self.count_new()
        other = Tally()
        other.count, other.total, other.squares = self.count, self.total, self.squares
        other.least, other.most, other.buckets = self.least, self.most, dict(self.buckets)
        return other

    def repeat(self, before: Tally, times: int) -> None:
        """Count so many times more what was counted since `before`."""
        self.count_new()
        self.count += times * (self.count - before.count)
        self.total += times * (self.total - before.total)
        self.squares += times * (self.squares - before.squares)
        repeat(self.buckets, before.buckets, times)

    def distribution(self) -> Distribution:
        """Return what was counted."""
        self.count_new()
        buckets = tuple(sorted(self.buckets.items()))
        return Distribution(self.count, self.total, self.squares, self.least or 0, self.most, buckets)


def repeat(counts: dict[Any, int], before: Mapping[Any, int], times: int) -> None:
    """Count so many times more what was counted since `before`."""
    for key, count in counts.items():
        counts[key] = count + times * (count - before.get(key, 0))


class FlowBook:
    """Bytes over shared resources, by application, and for how long they moved."""

    def __init__(self) -> None:
        self.bytes: dict[str, dict[str, int]] = {}
        self.busy_ps: dict[str, int] = {}

    def moved(self, resource: str, application: str, amount: int) -> None:
        """Book bytes."""
        own = self.bytes.get(resource)
        if own is None:
            own = self.bytes[resource] = {}
        own[application] = own.get(application, 0) + amount

    def busy(self, resource: str, time_ps: int) -> None:
        """Book time in which bytes moved."""
        self.busy_ps[resource] = self.busy_ps.get(resource, 0) + time_ps

    def copy(self) -> FlowBook:
        """Return the same books, apart."""
        other = FlowBook()
        other.bytes = {name: dict(own) for name, own in self.bytes.items()}
        other.busy_ps = dict(self.busy_ps)
        return other

    def repeat(self, before: FlowBook, times: int) -> None:
        """Book so many times more what was booked since `before`."""
        repeat(self.busy_ps, before.busy_ps, times)
        for name, own in self.bytes.items():
            repeat(own, before.bytes.get(name, {}), times)

    def flows(self, resources: Mapping[str, int]) -> tuple[Flow, ...]:
        """Return what was booked, by resource; those that nothing crossed included."""
        found = []
        for name in sorted({*resources, *self.bytes, *self.busy_ps}):
            own = self.bytes.get(name, {})
            applications = tuple(sorted(own.items()))
            found.append(Flow(name, sum(own.values()), self.busy_ps.get(name, 0), applications))
        return tuple(found)
