"""Activations from their release to their end: arrival, admission, places, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.engine.online.batches import Batch, Member
from socsim.engine.online.draws import ONE, Draws
from socsim.engine.online.model import Followed, Periodic, Poisson, Served, Trace, Triggered
from socsim.engine.online.tallies import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from socsim.engine.online.batches import Surroundings
    from socsim.engine.online.courses import Ready
    from socsim.engine.online.model import Application, AppStep, Fate

_TOGETHER = 1024
"""Activations whose times are counted at once."""


class ApplicationState:
    """An application while time goes on.

    Args:
        index: its position.
        app: what it is.
        around: the simulation.
        seed: of everything random.
    """

    def __init__(self, index: int, app: Application, around: Surroundings, seed: int) -> None:
        self.index, self.app, self.around = index, app, around
        self.followers: list[list[int]] = [[] for _ in app.steps]
        for position, step in enumerate(app.steps):
            for before in step.after:
                self.followers[before].append(position)
        self.triggers: list[tuple[ApplicationState, Triggered]] = []
        self.left = 0
        self.period_ps = _period(app)
        self.released = self.done = self.dropped = self.missed = self.energy_pj = 0
        self.latency, self.waiting, self.service, self.gaps = Tally(), Tally(), Tally(), Tally()
        self.first_release_ps: int | None = None
        self.last_end_ps: int | None = None
        self.pending: dict[int, Batch] = {}
        self.going: dict[int, Batch] = {}
        self._inside = 0
        self._open: Batch | None = None
        self._arrivals = Draws(seed, app.name, "arrival")
        self._chances = Draws(seed, app.name, "trigger")
        self._factors = [Draws(seed, app.name, f"variation of step {i}") for i in range(len(app.steps))]

    # --- arrival -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Plan the first release."""
        arrival = self.app.arrival
        match arrival:
            case Periodic(period, offset, 0):
                self._plan(self._periodic, offset, period)
            case Periodic(_, offset, _):
                self._plan(self._due, offset, arrival, moves=False)
            case Poisson():
                self._plan_poisson(arrival)
            case Trace(times):
                self._plan_trace(times, 0)
            case Triggered(_, probability, every):
                self.left = every * self._chances.trials(probability)

    def _plan(self, call: Callable[[Any], None], time_ps: int, what: object = None, *, moves: bool = True) -> None:
        if time_ps < self.around.duration_ps:
            self.around.agenda.plan(time_ps, call, what, moves=moves)

    def _periodic(self, period_ps: int) -> None:
        self.release(None)
        self._plan(self._periodic, self.around.agenda.now + period_ps, period_ps)

    def _due(self, arrival: Periodic) -> None:
        now = self.around.agenda.now
        self._plan(self.release, now + self._arrivals.below(arrival.jitter_ps + 1), moves=False)
        self._plan(self._due, now + arrival.period_ps, arrival, moves=False)

    def _poisson(self, arrival: Poisson) -> None:
        self.release(None)
        self._plan_poisson(arrival)

    def _plan_poisson(self, arrival: Poisson) -> None:
        gap = arrival.mean_gap_ps * self._arrivals.exponential() // ONE
        self._plan(self._poisson, self.around.agenda.now + gap, arrival, moves=False)

    def _traced(self, what: tuple[Sequence[int], int]) -> None:
        times, position = what
        self.release(None)
        self._plan_trace(times, position + 1)

    def _plan_trace(self, times: Sequence[int], position: int) -> None:
        if position < len(times):
            self._plan(self._traced, times[position], (times, position), moves=False)

    def trigger(self, arrival: Triggered) -> None:
        """Take note that an activation that this one follows has completed."""
        self.left -= 1
        if not self.left:
            self.left = arrival.every * self._chances.trials(arrival.probability)
            self._plan(self.release, self.around.agenda.now + arrival.delay_ps)

    # --- admission and batches ---------------------------------------------------------------------------

    def release(self, _: object) -> None:
        """Let an activation in, or drop it or another one; none when the duration is over."""
        now = self.around.agenda.now
        if now >= self.around.duration_ps:
            return
        member = Member(self.released, now)
        self.released += 1
        if self.first_release_ps is None:
            self.first_release_ps = now
        admission = self.app.admission
        if admission.depth is not None and self._inside >= admission.depth:
            oldest = next(iter(self.pending.values()), None) if admission.when_full == "oldest" else None
            if oldest is None:
                self._lose(member, "dropped")
                return
            self._expel(oldest, oldest.members[0])
        self._inside += 1
        batch = self._admit(member)
        if admission.late == "drop" and self.app.deadline_ps is not None:
            self.around.agenda.plan(now + self.app.deadline_ps, self._expire, (batch, member))

    def _admit(self, member: Member) -> Batch:
        most, batch = self.app.batching.most, self._open
        if batch is not None and self._join(batch, member):
            return batch
        batch = Batch(self, self.around.serial(), member)
        self.pending[batch.serial] = batch
        if most == 1:
            batch.submit()
            return batch
        self._open = batch
        if self.app.batching.wait_ps:
            self.around.agenda.plan(self.around.agenda.now + self.app.batching.wait_ps, self._waited, batch)
        else:
            batch.submit()
        return batch

    def _join(self, batch: Batch, member: Member) -> bool:
        batch.members.append(member)
        if not batch.resize():
            batch.members.pop()
            return False
        if len(batch.members) == self.app.batching.most:
            self._open = None
            if not batch.is_submitted:
                batch.submit()
        return True

    def _waited(self, batch: Batch) -> None:
        if not batch.is_submitted and batch.members:
            batch.submit()

    def _expire(self, what: tuple[Batch, Member]) -> None:
        batch, member = what
        if not batch.has_begun and member in batch.members:
            self._expel(batch, member)

    def _expel(self, batch: Batch, member: Member) -> None:
        """Drop an activation that has not begun."""
        self._inside -= 1
        batch.members.remove(member)
        self._lose(member, "dropped")
        if not batch.members:
            self._forget(batch)
        elif not batch.resize():
            batch.begin_anew()

    def _forget(self, batch: Batch) -> None:
        batch.withdraw()
        del self.pending[batch.serial]
        if self._open is batch:
            self._open = None

    def _lose(self, member: Member, fate: Fate) -> None:
        if fate == "dropped":
            self.dropped += 1
            self.missed += 1
        self._follow(member, self.around.agenda.now if fate == "dropped" else None, fate)

    def _follow(self, member: Member, end_ps: int | None, fate: Fate) -> None:
        if self.around.followed is not None:
            entry = Followed(self.app.name, member.number, member.release_ps, end_ps, fate)
            self.around.followed.append(entry)

    # --- places ------------------------------------------------------------------------------------------

    def pick(self, position: int, step: AppStep, count: int) -> int:
        """Return the way to do a step."""
        around = self.around
        found = [around.ready(self.index, position, choice, count) for choice in range(len(step.choices))]
        if step.pick == "first_free":
            free = (i for i, ready in enumerate(found) if self._is_free(ready))
            return next(free, 0)
        ends = [self._finish_ps(position, choice, count, ready) for choice, ready in enumerate(found)]
        return ends.index(min(ends))

    def _is_free(self, ready: Ready) -> bool:
        servers = self.around.servers
        return all(servers[course.server].could_start(course.cores) for course in ready.courses)

    def _finish_ps(self, position: int, choice: int, count: int, ready: Ready) -> int:
        servers = self.around.servers
        backlog = max([servers[server].backlog_ps() for server in ready.servers], default=0)
        own = ready.service_ps
        return backlog + (self.around.service_ps(self.index, position, choice, count) if own is None else own)

    def factor(self, position: int) -> int:
        """Return a factor on what a step has to do."""
        return self._factors[position].factor(self.app.steps[position].variation)

    # --- from batches ------------------------------------------------------------------------------------

    def began(self, batch: Batch) -> None:
        """Take note that a batch has begun."""
        self.going[batch.serial] = batch
        del self.pending[batch.serial]
        if self._open is batch:
            self._open = None

    def completed(self, batch: Batch) -> None:
        """Take note that a batch is done."""
        now = self.around.agenda.now
        if batch.has_begun:
            del self.going[batch.serial]
        else:
            self._forget(batch)
        for member in batch.members:
            self._inside -= 1
            self._complete(member, now, batch.service_ps)
            for other, trigger in self.triggers:
                other.trigger(trigger)

    def _complete(self, member: Member, now: int, service_ps: int) -> None:
        latency = now - member.release_ps
        self.done += 1
        self.latency.add(latency)
        self.service.add(service_ps)
        self.waiting.add(latency - service_ps)
        if self.last_end_ps is not None:
            self.gaps.add(now - self.last_end_ps)
        self.last_end_ps = now
        if not self.done % _TOGETHER:
            self._count()
        is_late = self.app.deadline_ps is not None and latency > self.app.deadline_ps
        self.missed += is_late
        self._follow(member, now, "missed" if is_late else "completed")

    def _count(self) -> None:
        for tally in (self.latency, self.waiting, self.service, self.gaps):
            tally.count_new()

    def abandon(self) -> None:
        """Say of what is under way that it will not be done."""
        for batch in self.going.values():
            for member in batch.members:
                self._lose(member, "unfinished")

    def close(self) -> None:
        """Give up what has not begun."""
        for batch in list(self.pending.values()):
            for member in batch.members:
                self._lose(member, "unfinished")
            batch.members.clear()
            self._forget(batch)

    # --- repeated periods --------------------------------------------------------------------------------

    @property
    def draws(self) -> int:
        """How many random numbers were drawn for it."""
        return self._arrivals.count + self._chances.count + sum(draws.count for draws in self._factors)

    @property
    def countdown(self) -> int:
        """How many completions of another application are left until a release that no chance decides."""
        arrival = self.app.arrival
        return self.left if isinstance(arrival, Triggered) and arrival.probability >= 1 else 0

    def is_open(self, batch: Batch) -> bool:
        """Return whether others may still join a batch."""
        return batch is self._open

    def shift(self, since_ps: int, by_ps: int, released: int) -> None:
        """Move the times of batches and of what has happened since a time, and numbers of activations."""
        for batch in (*self.going.values(), *self.pending.values()):
            batch.shift(by_ps, released)
        if self.last_end_ps is not None and self.last_end_ps >= since_ps:
            self.last_end_ps += by_ps

    # --- the end -----------------------------------------------------------------------------------------

    def served(self) -> Served:
        """Return what became of it."""
        unfinished = self.released - self.done - self.dropped
        return Served(
            self.app.name, self.released, self.done, self.dropped, self.missed, unfinished,
            self.latency.distribution(), self.waiting.distribution(), self.service.distribution(),
            self.gaps.distribution(), self.energy_pj, self.first_release_ps, self.last_end_ps,
        )  # fmt: skip


def _period(app: Application) -> int | None:
    match app.arrival:
        case Periodic(period_ps=period):
            return period
        case Poisson(mean_gap_ps=gap):
            return gap
        case _:
            return None
