"""The shared fabric in time: activities come, share, finish; bytes are booked when they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.engine.fluid import fair_rates
from socsim.errors import DeadlockError
from socsim.quantities import PS_PER_S, ceil_div

if TYPE_CHECKING:
    from collections.abc import Mapping

    import simpy

    from socsim.engine.burst_network import Region
    from socsim.engine.fluid import Demand
    from socsim.engine.loading import Loading


@dataclass(eq=False, slots=True)
class _Activity:
    demand: Demand
    remaining: int
    """Byte-picoseconds still to move."""
    done: simpy.Event
    rate: int = 0


@dataclass(slots=True)
class Ledger:
    """What crossed one resource."""

    bytes: int = 0
    busy_ps: int = 0
    initiators: dict[str, int] | None = None

    def book(self, initiator: str, moved: int) -> None:
        """Add bytes for an initiator."""
        self.bytes += moved
        by = self.initiators = self.initiators or {}
        by[initiator] = by.get(initiator, 0) + moved


class Network:
    """All resources that move bytes, shared by fluid max-min fairness.

    Args:
        env: the simulation's environment; its time is integer picoseconds.
        capacities: bytes a second by resource.
        loading: what others in a memory's queue do to the windows of ports; None for nothing.
    """

    def __init__(self, env: simpy.Environment, capacities: Mapping[str, int], loading: Loading | None = None) -> None:
        self.capacities = capacities
        self._granted = loading.rates if loading else fair_rates
        self.ledgers = {name: Ledger() for name in capacities}
        self.rate_changes: dict[tuple[str, int], int] = {}
        self._env = env
        self._active: list[_Activity] = []
        self._streams: list[_Activity] = []
        self._settled_at = 0
        self._version = 0
        self._last_rates: dict[str, int] = {}

    @property
    def _now(self) -> int:
        return int(self._env.now)

    def move(self, demand: Demand, _regions: Mapping[str, tuple[Region, ...]] | None = None) -> simpy.Event:
        """Start moving bytes; the event fires when the last one has arrived. Where they lie does not matter here."""
        activity = _Activity(demand, demand.bytes * PS_PER_S, self._env.event())
        self._settle(self._now)
        self._active.append(activity)
        self._share()
        return activity.done

    def stream(self, demand: Demand) -> None:
        """Start background traffic at up to its cap, for as long as the simulation lasts."""
        self._settle(self._now)
        self._streams.append(_Activity(demand, 0, self._env.event()))
        self._share()

    def close(self, end_ps: int) -> None:
        """Book what streams have moved until the end of the run."""
        self._settle(end_ps)
        for stream in self._streams:
            self._book(stream, -stream.remaining // PS_PER_S)

    def _settle(self, now: int) -> None:
        """Bring remaining work up to date: everything moved at its rate since the last change."""
        elapsed = now - self._settled_at
        self._settled_at = now
        if not elapsed:
            return
        touched: set[str] = set()
        for activity in (*self._active, *self._streams):
            activity.remaining -= activity.rate * elapsed
            touched.update(name for name, _ in activity.demand.shares)
        for name in touched:
            self.ledgers[name].busy_ps += elapsed

    def _share(self) -> None:
        everyone = (*self._active, *self._streams)
        rates = self._granted([a.demand for a in everyone], self.capacities)
        for activity, rate in zip(everyone, rates, strict=True):
            activity.rate = rate
        self._note_rates(everyone)
        self._version += 1
        if self._active:
            self._check_starvation()
            wait = min(max(0, ceil_div(a.remaining, a.rate)) for a in self._active)
            self._alarm(wait, self._version)

    def _check_starvation(self) -> None:
        """Refuse to wait for years: everyone is down to the one byte a second that is always granted."""
        if any(a.rate > 1 or a.remaining <= PS_PER_S or a.demand.cap_bytes_per_s == 1 for a in self._active):
            return
        starving = ", ".join(sorted({a.demand.initiator for a in self._active}))
        feeding = ", ".join(sorted({s.demand.initiator for s in self._streams})) or "nobody"
        msg = (
            f"{starving} can never finish: traffic of a higher priority ({feeding}) takes all of the fabric; "
            "lower its rate, or give the link another arbitration"
        )
        raise DeadlockError(msg)

    def _alarm(self, wait: int, version: int) -> None:
        timer = self._env.timeout(wait)
        timer.callbacks.append(lambda _: self._finish(version))

    def _finish(self, version: int) -> None:
        if version != self._version:
            return
        self._settle(self._now)
        finished = [a for a in self._active if a.remaining <= 0]
        self._active = [a for a in self._active if a.remaining > 0]
        for activity in finished:
            self._book(activity, activity.demand.bytes)
            activity.done.succeed()
        self._share()

    def _book(self, activity: _Activity, moved: int) -> None:
        demand = activity.demand
        for name, used in demand.usage.items():
            self.ledgers[name].book(demand.initiator, used if moved == demand.bytes else moved * used // demand.bytes)

    def _note_rates(self, everyone: tuple[_Activity, ...]) -> None:
        """Record granted rates by resource, where they changed."""
        rates: dict[str, int] = {}
        for activity in everyone:
            for name, share in activity.demand.shares:
                rates[name] = rates.get(name, 0) + (activity.rate * share >> 32)
        now, last = self._now, self._last_rates
        for name, rate in rates.items():
            if last.get(name) != rate:
                self.rate_changes[name, now] = rate
        for name in last:
            if name not in rates:
                self.rate_changes[name, now] = 0
        self._last_rates = rates
