"""Stretches that repeat themselves are counted, not stepped through.

Releases without chance repeat after the least common multiple of their periods. Where everything that is going on is
the same at the end of such a stretch as it was at its beginning, relative to the time, the next ones will be the same
too, until something comes that does not repeat: an arrival at random, a trigger that is due, a limit of heat, the
end. So many whole stretches are left out: books grow by what the last one added, and all times move on.

Moments are compared with one earlier moment, the mark, which moves on in growing steps, so that stretches of several
common multiples are found too (R. P. Brent, "An improved Monte Carlo factorization algorithm", BIT 20 (1980)).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any

from socsim.engine.online.activations import ApplicationState
from socsim.engine.online.batches import Batch
from socsim.engine.online.model import Periodic, Triggered
from socsim.engine.online.servers import ServerState
from socsim.engine.online.sharing import Sharing
from socsim.engine.online.tallies import FlowBook, Tally, repeat
from socsim.engine.online.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from socsim.engine.online.agenda import Agenda
    from socsim.engine.online.model import PowerManager, World
    from socsim.engine.online.servers import UnitState

_FEWEST = 4
"""Common multiples that a duration must have for it to be worth looking."""
_LONGEST_REST = 1024
"""Common multiples to wait, at most, after stretches that did not repeat."""
_COUNTERS = ("released", "done", "dropped", "missed", "energy_pj")
_TALLIES = ("latency", "waiting", "service", "gaps")
_USES = ("busy_ps", "switching_ps", "waking_ps", "segments", "preemptions")


@dataclass(frozen=True, slots=True)
class Parts:
    """What repeats: all parts of a simulation that have a state."""

    agenda: Agenda
    applications: Sequence[ApplicationState]
    servers: Sequence[ServerState]
    units: Sequence[UnitState]
    sharing: Sharing
    book: FlowBook
    power: PowerManager | None
    settle: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A moment that later ones are compared with, and the books as they were."""

    time_ps: int
    counts: tuple[int, ...]
    key: Hashable
    draws: int
    ends: tuple[int | None, ...]
    counters: tuple[tuple[int, ...], ...]
    tallies: tuple[tuple[Tally, ...], ...]
    uses: tuple[tuple[int, ...], ...]
    by_application: tuple[dict[str, int], ...]
    occupied: tuple[int, ...]
    streamed: list[int]
    book: FlowBook


class Steady:
    """Looks for stretches that repeat themselves.

    Args:
        world: what is simulated.
        parts: of the simulation.
        period_ps: after which releases without chance repeat.
    """

    def __init__(self, world: World, parts: Parts, period_ps: int) -> None:
        self._world, self._parts, self._period_ps = world, parts, period_ps
        self._mark: _Mark | None = None
        self._steps = self._allowed = 1
        self._misses = 0
        self.next_ps = 0
        self.skipped_ps = 0

    @classmethod
    def of(cls, world: World, parts: Parts) -> Steady | None:
        """Return one for a world in which stretches can repeat; None for any other."""
        arrivals = [app.arrival for app in world.applications]
        periods = [a.period_ps for a in arrivals if isinstance(a, Periodic) and not a.jitter_ps]
        if not periods or world.is_traced:
            return None
        period = lcm(*periods)
        return cls(world, parts, period) if period * _FEWEST <= world.duration_ps else None

    # --- looking -----------------------------------------------------------------------------------------

    def look(self) -> None:
        """Compare this moment with the mark; nothing that is due now has been done yet."""
        parts = self._parts
        parts.agenda.stand_at(self.next_ps)
        mark = self._mark
        if mark is not None and mark.draws == self._draws():
            parts.settle()
            if mark.counts == self._counts() and mark.key == self._key() and self._ends_agree(mark):
                self._skip(mark)
            elif self._steps < self._allowed:
                self._steps += 1
            else:
                self._allowed *= 2
                self._set_mark()
            self.next_ps = parts.agenda.now + self._period_ps
        else:
            self._miss()

    def _miss(self) -> None:
        """Begin anew: at once at first, after longer and longer rests where nothing repeats."""
        if self._mark is not None:
            self._mark = None
            self._misses += 1
            rest = min(_LONGEST_REST, 1 << self._misses) - 2
            if rest:
                self.next_ps += rest * self._period_ps
                return
        self._steps = self._allowed = 1
        if self._repeats_left(self._period_ps) > 1:
            self._parts.settle()
            self._set_mark()
        self.next_ps += self._period_ps

    def _draws(self) -> int:
        return sum(state.draws for state in self._parts.applications)

    def _repeats_left(self, period_ps: int) -> int:
        """Return how often a stretch could follow before something that does not repeat."""
        fixed = self._parts.agenda.next_fixed_ps()
        return 0 if fixed is None else (fixed - self._parts.agenda.now) // period_ps

    def _ends_agree(self, mark: _Mark) -> bool:
        """Whether applications that completed something since the mark did so as long ago as they had then."""
        by = self._parts.agenda.now - mark.time_ps
        return all(
            state.last_end_ps == end or (end is not None and state.last_end_ps == end + by)
            for state, end in zip(self._parts.applications, mark.ends, strict=True)
        )

    # --- the mark ----------------------------------------------------------------------------------------

    def _set_mark(self) -> None:
        parts = self._parts
        self._steps = 1
        key = self._key()
        if parts.power is not None:
            parts.power.mark()
        self._mark = _Mark(
            time_ps=parts.agenda.now,
            counts=self._counts(),
            key=key,
            draws=self._draws(),
            ends=tuple(state.last_end_ps for state in parts.applications),
            counters=tuple(tuple(getattr(s, name) for name in _COUNTERS) for s in parts.applications),
            tallies=tuple(tuple(getattr(s, name).copy() for name in _TALLIES) for s in parts.applications),
            uses=tuple(tuple(getattr(s, name) for name in _USES) for s in parts.servers),
            by_application=tuple(dict(s.by_application) for s in parts.servers),
            occupied=tuple(unit.settle() for unit in parts.units),
            streamed=parts.sharing.streamed(),
            book=parts.book.copy(),
        )

    def _counts(self) -> tuple[int, ...]:
        """Return how many batches and turns there are: where that differs the key does, at no walk through a queue."""
        batches = [len(held) for state in self._parts.applications for held in (state.going, state.pending)]
        return (*batches, *(number for s in self._parts.servers for number in (len(s.running), s.waiting)))

    def _key(self) -> Hashable:
        """Return what decides how everything goes on, with times as distances from now."""
        parts = self._parts
        batches = [b for s in parts.applications for b in (*s.going.values(), *s.pending.values())]
        numbers: dict[object, int] = {batch: i for i, batch in enumerate(batches)}
        serials = {batch.serial: i for i, batch in enumerate(batches)}
        turns = [turn for server in parts.servers for turn in server.turns()]
        numbers |= {turn: i for i, turn in enumerate(turns)}
        power = parts.power.state_key() if parts.power is not None else None
        return (
            tuple((batch.state.index, batch.state.is_open(batch), batch.state_key()) for batch in batches),
            tuple((numbers[turn.batch], turn.state(), self._rank(turn)) for turn in turns),
            tuple(self._server(server, serials) for server in parts.servers),
            tuple((unit.busy, unit.rests_in) for unit in parts.units),
            tuple(state.countdown for state in parts.applications),
            tuple(self._due(numbers)),
            power,
        )

    def _rank(self, turn: Turn) -> int:
        return turn.server.policy.later(turn.key[0], -self._parts.agenda.now)

    @staticmethod
    def _server(server: ServerState, serials: dict[int, int]) -> Hashable:
        last = tuple(None if serial is None else serials.get(serial, -1) for serial in server.last)
        return last, server.policy.state_key()

    def _due(self, numbers: dict[object, int]) -> Iterator[Hashable]:
        """Yield what is due and still counts, without what the power manager has planned."""
        for distance, call, what in self._parts.agenda.moving():
            owner: Any = getattr(call, "__self__", None)
            match owner:
                case Turn() if what == owner.version:
                    yield distance, call.__name__, numbers[owner]
                case ServerState():
                    yield distance, call.__name__, numbers[what]
                case Sharing() if owner.is_current(what):
                    yield distance, call.__name__
                case ApplicationState():
                    batch, member = what if isinstance(what, tuple) else (what, None)
                    if not isinstance(batch, Batch):
                        yield distance, call.__name__, owner.index
                    elif not batch.has_begun and (member is None or member in batch.members):
                        place = 0 if member is None else batch.members.index(member)
                        yield distance, call.__name__, numbers.get(batch), place

    # --- skipping ----------------------------------------------------------------------------------------

    def _skip(self, mark: _Mark) -> None:
        parts = self._parts
        period = parts.agenda.now - mark.time_ps
        chances = list(self._chances(mark))
        times = min([self._repeats_left(period), *((state.left - 1) // each for state, each in chances)])
        for unit in parts.units:
            unit.settle()
        parts.sharing.streamed()
        if times > 0 and parts.power is not None:
            times = parts.power.skip(times)
        self._mark = None
        if times <= 0:
            self._misses += 1
            return
        self._misses = 0
        for state, each in chances:
            state.left -= times * each
        released = [s.released - before[0] for s, before in zip(parts.applications, mark.counters, strict=True)]
        self._repeat_books(mark, times, times * period)
        for server in parts.servers:
            server.shift(mark.time_ps, times * period)
        for state, each in zip(parts.applications, released, strict=True):
            state.shift(mark.time_ps, times * period, times * each)
        parts.agenda.skip(times * period)
        self.skipped_ps += times * period

    def _chances(self, mark: _Mark) -> Iterator[tuple[ApplicationState, int]]:
        """Yield who is triggered by chance, and how many completions a stretch has that may do so."""
        states = self._parts.applications
        done = {s.app.name: s.done - before[1] for s, before in zip(states, mark.counters, strict=True)}
        for state in states:
            arrival = state.app.arrival
            if isinstance(arrival, Triggered) and arrival.probability < 1 and done[arrival.application]:
                yield state, done[arrival.application]

    def _repeat_books(self, mark: _Mark, times: int, by_ps: int) -> None:
        parts = self._parts
        for state, counters, tallies in zip(parts.applications, mark.counters, mark.tallies, strict=True):
            _repeat_fields(state, _COUNTERS, counters, times)
            for name, before in zip(_TALLIES, tallies, strict=True):
                getattr(state, name).repeat(before, times)
        for server, uses, shares in zip(parts.servers, mark.uses, mark.by_application, strict=True):
            _repeat_fields(server, _USES, uses, times)
            repeat(server.by_application, shares, times)
        for unit, before_ps in zip(parts.units, mark.occupied, strict=True):
            unit.repeat(times * (unit.busy_core_ps - before_ps), by_ps)
        parts.sharing.repeat(mark.streamed, times, by_ps)
        parts.book.repeat(mark.book, times)


def _repeat_fields(owner: object, names: Sequence[str], before: Sequence[int], times: int) -> None:
    for name, was in zip(names, before, strict=True):
        value = getattr(owner, name)
        setattr(owner, name, value + times * (value - was))
