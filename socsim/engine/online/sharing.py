"""Running segments that share links and memories: their bytes flow at max-min fair rates.

Only segments that use the same links or memories at the same time come here; all others go by their prefix sums. Each
segment has ports, and windows of accesses under way, of its own: its resources are renamed before they meet others'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from socsim.engine.loading import Loading
from socsim.engine.online.courses import is_port
from socsim.errors import DeadlockError
from socsim.quantities import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.engine.fabric import Fabric
    from socsim.engine.fluid import Demand
    from socsim.engine.loading import Window
    from socsim.engine.online.agenda import Agenda
    from socsim.engine.online.tallies import FlowBook
    from socsim.soc.dram_bus import DramBus

_MOST_KEPT = 1 << 14
"""Results that are remembered before all of them are made anew."""


class Mover(Protocol):
    """Who moves bytes, and is told when the last one has arrived."""

    def moved(self) -> None:
        """Take note; go on by an event."""


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """A demand with ports of its own, and what bounds them.

    Args:
        number: in the order in which they were made.
        demand: its ports and initiator renamed.
        shared: links and memories that it crosses.
        capacities: bytes a second of its resources.
        windows: of its ports.
        buses: DRAMs in whose queues they wait.
        original: the demand that it was made from, so that it lives as long.
    """

    number: int
    demand: Demand
    shared: tuple[str, ...]
    capacities: Mapping[str, int]
    windows: Mapping[str, Window]
    buses: Mapping[str, DramBus]
    original: Demand


@dataclass(eq=False, slots=True)
class _Activity:
    own: Own
    mover: Mover | None
    remaining: int
    """Byte-picoseconds still to move."""
    rate: int = 0


_by_number = attrgetter("own.number")


class Sharing:
    """Activities that move bytes at once.

    Args:
        agenda: of the simulation.
        book: where bytes and busy times are booked.
    """

    def __init__(self, agenda: Agenda, book: FlowBook) -> None:
        self._agenda = agenda
        self._book = book
        self._active: dict[Mover, _Activity] = {}
        self._streams: list[tuple[str, _Activity]] = []
        self._owns: dict[tuple[int, str], Own] = {}
        self._rates: dict[tuple[int, ...], tuple[list[int], tuple[str, ...]]] = {}
        self._moving: list[_Activity] = []
        self._touched: tuple[str, ...] = ()
        self._settled_at = 0
        self._version = 0
        self._made = 0
        self.is_stale = False

    def own(self, demand: Demand, place: str, fabric: Fabric | None, capacities: Mapping[str, int]) -> Own:
        """Return a demand with ports of its own.

        Args:
            demand: as its program has it.
            place: what nobody else has at the time, such as a server and one of its cores.
            fabric: that the demand refers to.
            capacities: bytes a second of its resources.
        """
        key = id(demand), place
        found = self._owns.get(key)
        if found is None:
            if len(self._owns) >= _MOST_KEPT:
                self._owns.clear()
                self._rates.clear()
            found = self._owns[key] = self._make(demand, place, fabric, capacities)
        return found

    def _make(self, demand: Demand, place: str, fabric: Fabric | None, capacities: Mapping[str, int]) -> Own:
        names = {name: f"{place}/{name}" if is_port(name, demand) else name for name in demand.usage}
        initiator = f"{place}/{demand.initiator}"
        renamed = replace(demand, initiator=initiator, usage={names[name]: used for name, used in demand.usage.items()})
        loading = fabric.loading if fabric is not None else Loading({}, {})
        windows = {
            names[name]: replace(window, unit=initiator) for name, window in loading.windows.items() if name in names
        }
        self._made += 1
        rates = {new: capacities[name] for name, new in names.items()}
        shared = tuple(name for name, new in names.items() if name == new)
        return Own(self._made, renamed, shared, rates, windows, loading.buses, demand)

    def stream(self, name: str, own: Own) -> None:
        """Start background traffic at up to its cap, for as long as the simulation lasts."""
        self._settle()
        self._streams.append((name, _Activity(own, None, 0)))
        self.is_stale = True

    @property
    def streaming(self) -> frozenset[str]:
        """Links and memories that background traffic crosses."""
        return frozenset(name for _, stream in self._streams for name in stream.own.shared)

    def add(self, mover: Mover, own: Own, remaining: int) -> None:
        """Start moving bytes; the mover is told when the last one has arrived."""
        self._settle()
        self._active[mover] = _Activity(own, mover, remaining)
        self.is_stale = True

    def remove(self, mover: Mover) -> int:
        """Stop moving bytes, and return the byte-picoseconds that are left."""
        self._settle()
        self.is_stale = True
        return max(0, self._active.pop(mover).remaining)

    def left(self, mover: Mover) -> int:
        """Return the byte-picoseconds that are left."""
        self._settle()
        return max(0, self._active[mover].remaining)

    def is_current(self, version: int) -> bool:
        """Return whether a plan for the first one to finish still holds."""
        return version == self._version

    def streamed(self) -> list[int]:
        """Return what streams have left, which is below nothing; it is up to date."""
        self._settle()
        return [stream.remaining for _, stream in self._streams]

    def repeat(self, before: list[int], periods: int, by_ps: int) -> None:
        """Let streams move so many times more what they have moved since `before`; it was settled."""
        self._settled_at += by_ps
        for (_, stream), was in zip(self._streams, before, strict=True):
            stream.remaining += periods * (stream.remaining - was)

    def close(self) -> None:
        """Book what streams have moved until now."""
        self._settle()
        for name, stream in self._streams:
            demand, moved = stream.own.demand, -stream.remaining // PS_PER_S
            for resource in stream.own.shared:
                self._book.moved(resource, name, moved * demand.usage[resource] // demand.bytes)

    def share(self) -> None:
        """Grant rates to those that move bytes now, and plan for the first one to finish."""
        self.is_stale = False
        self._version += 1
        self._moving = everyone = [*self._active.values(), *[stream for _, stream in self._streams]]
        everyone.sort(key=_by_number)
        rates, self._touched = self._granted(everyone)
        for activity, rate in zip(everyone, rates, strict=True):
            activity.rate = rate
        if self._active:
            if max(rates) <= 1:
                self._check_starvation()
            wait = min([-(-a.remaining // a.rate) for a in self._active.values()])
            self._agenda.plan(self._agenda.now + max(0, wait), self._finish, self._version)

    def _granted(self, everyone: list[_Activity]) -> tuple[list[int], tuple[str, ...]]:
        """Return what each may move, and the links and memories that they cross."""
        key = tuple([activity.own.number for activity in everyone])
        found = self._rates.get(key)
        if found is None:
            if len(self._rates) >= _MOST_KEPT:
                self._rates.clear()
            owns = [activity.own for activity in everyone]
            touched = tuple(dict.fromkeys(name for own in owns for name in own.shared))
            found = self._rates[key] = _rates(owns), touched
        return found

    def _settle(self) -> None:
        """Bring remaining work up to date: everything moved at its rate since the last change."""
        elapsed = self._agenda.now - self._settled_at
        if not elapsed:
            return
        self._settled_at = self._agenda.now
        for activity in self._moving:
            activity.remaining -= activity.rate * elapsed
        for name in self._touched:
            self._book.busy(name, elapsed)

    def _finish(self, version: int) -> None:
        if version != self._version:
            return
        self._settle()
        finished = [mover for mover, activity in self._active.items() if activity.remaining <= 0]
        for mover in finished:
            del self._active[mover]
        self.is_stale = True
        for mover in finished:
            mover.moved()

    def _check_starvation(self) -> None:
        """Refuse to wait for years: everyone is down to the one byte a second that is always granted."""
        active = list(self._active.values())
        if any(a.remaining <= PS_PER_S or a.own.demand.cap_bytes_per_s == 1 for a in active):
            return
        starving = ", ".join(sorted({a.own.original.initiator for a in active}))
        feeding = ", ".join(sorted({name for name, _ in self._streams})) or "nobody"
        msg = (
            f"{starving} can never finish: traffic of a higher priority ({feeding}) takes all of the fabric; "
            "lower its rate, or give the link another arbitration"
        )
        raise DeadlockError(msg)


def _rates(owns: list[Own]) -> list[int]:
    """Return what each may move; a resource that programs see at several rates has the lowest of them."""
    capacities: dict[str, int] = {}
    windows: dict[str, Window] = {}
    buses: dict[str, DramBus] = {}
    for own in owns:
        for name, rate in own.capacities.items():
            capacities[name] = min(rate, capacities.get(name, rate))
        windows |= own.windows
        buses |= own.buses
    return Loading(windows, buses).rates([own.demand for own in owns], capacities)
