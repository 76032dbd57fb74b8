"""Servers: queues, cores, who gives way to whom; and the units that they are part of."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Literal

from socsim.engine.online.model import ServedSlice, ServerUse
from socsim.schedule.policies import Policy

if TYPE_CHECKING:
    from socsim.engine.online.agenda import Agenda
    from socsim.engine.online.model import PowerManager, Server
    from socsim.engine.online.turns import Turn

PATIENCE = 100
"""A segment that waits so many times the longest that its server has seen, and is overtaken meanwhile, is starved."""


class UnitState:
    """A unit of the platform, whose cores may belong to several servers.

    Args:
        name: of it.
        agenda: of the simulation.
        power: who is told what it does; None for nobody.
        changed: where units are put down of which more or fewer cores work.
    """

    __slots__ = ("_agenda", "_area", "_changed", "_power", "_ready_at", "_since", "_told", "busy", "name", "servers")

    def __init__(self, name: str, agenda: Agenda, power: PowerManager | None, changed: dict[UnitState, None]) -> None:
        self.name = name
        self.servers: list[ServerState] = []
        self.busy = 0
        self._agenda, self._power, self._changed = agenda, power, changed
        self._told = self._area = self._since = self._ready_at = 0

    def take(self, cores: int) -> int:
        """Occupy cores, and return how long the unit takes to be ready for work."""
        now = self._agenda.now
        if self._power is not None and not self.busy and not self._told:
            self._ready_at = now + self._power.wake_ps(self.name)
        self._change(cores)
        return max(0, self._ready_at - now)

    def give(self, cores: int) -> None:
        """Free cores."""
        self._change(-cores)

    def _change(self, by: int) -> None:
        now = self._agenda.now
        self._area += self.busy * (now - self._since)
        self._since = now
        self.busy += by
        if self._power is not None:
            self._changed[self] = None

    @property
    def busy_core_ps(self) -> int:
        """Core-time in which it was occupied until now."""
        return self._area + self.busy * (self._agenda.now - self._since)

    @property
    def is_busy(self) -> bool:
        """Whether anything occupies it, or waits for it."""
        return self.busy > 0 or any(server.waiting for server in self.servers)

    @property
    def rests_in(self) -> int:
        """How long until it is ready; 0 where it is."""
        return max(0, self._ready_at - self._agenda.now)

    def settle(self) -> int:
        """Return the core-time in which it was occupied until now, and count on from here."""
        self._area, self._since = self.busy_core_ps, self._agenda.now
        return self._area

    def repeat(self, core_ps: int, by_ps: int) -> None:
        """Add core-time of repeated periods, and move its times; it was settled."""
        self._area += core_ps
        self._since += by_ps
        self._ready_at += by_ps

    def tell(self) -> None:
        """Say how many cores work, where that has changed."""
        if self._power is not None and self.busy != self._told:
            self._told = self.busy
            self._power.working(self.name, self.busy)


class ServerState:
    """A server while time goes on.

    Args:
        spec: what it is.
        unit: that it is part of.
        agenda: of the simulation.
        dirty: where servers are put down that have to look at their queue again.
        slices: where they are kept; None where nothing is traced.
    """

    def __init__(
        self, spec: Server, unit: UnitState, agenda: Agenda, dirty: dict[ServerState, None],
        slices: list[ServedSlice] | None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.name = spec.name
        self.unit = unit
        self.policy = spec.policy.fresh()
        self.waiting = 0
        self.running: dict[Turn, None] = {}
        self.last: list[int | None] = [None] * spec.cores
        self._free = list(range(spec.cores))
        self._queue: list[tuple[int, int, Turn]] = []
        self._number = self._needed_ps = self._ends_ps = 0
        self._interrupts = self.policy.is_preemptive or self.policy.quantum_ps is not None
        self._is_told = type(self.policy).started is not Policy.started
        self._agenda, self._dirty, self._slices = agenda, dirty, slices
        self.busy_ps = self.switching_ps = self.waking_ps = 0
        self.segments = self.preemptions = self.longest_queue = 0
        self.by_application: dict[str, int] = {}
        self.longest_ps = 0
        self._newest: dict[str, int] = {}
        self.starved: dict[str, tuple[int, tuple[str, ...]]] = {}
        unit.servers.append(self)

    # --- the queue ---------------------------------------------------------------------------------------

    def number(self) -> int:
        """Return the next place among equals."""
        self._number += 1
        return self._number

    def push(self, turn: Turn) -> None:
        """Let a turn wait."""
        turn.queued_at = self._agenda.now
        turn.need_ps = turn.left_ps * turn.course.cores
        heappush(self._queue, (*turn.key, turn))
        self.waiting += 1
        self._needed_ps += turn.need_ps
        self._dirty[self] = None

    def forget(self, turn: Turn) -> None:
        """Take a turn out of the queue for good."""
        if not turn.is_gone:
            turn.is_gone = True
            self.waiting -= 1
            self._needed_ps -= turn.need_ps
            self._dirty[self] = None

    def head(self) -> Turn | None:
        """Return who goes next."""
        queue = self._queue
        while queue and queue[0][2].is_gone:
            heappop(queue)
        return queue[0][2] if queue else None

    def queued(self) -> list[Turn]:
        """Return who waits, in order."""
        return [entry[2] for entry in sorted(self._queue, key=lambda entry: entry[:2]) if not entry[2].is_gone]

    def could_start(self, cores: int) -> bool:
        """Return whether a segment that needs so many cores would start at once."""
        return not self.waiting and cores <= len(self._free)

    def backlog_ps(self) -> int:
        """Return how long its cores are busy with what runs and waits, if nothing shared memories with it."""
        running = self._ends_ps - self._agenda.now * (self.spec.cores - len(self._free))
        return (self._needed_ps + max(0, running)) // self.spec.cores

    # --- who goes, and who gives way ---------------------------------------------------------------------

    def dispatch(self) -> None:
        """Let those begin that may; ask for room for the next one."""
        queue = self._queue
        while queue:
            turn = queue[0][2]
            if turn.is_gone:
                heappop(queue)
                continue
            if turn.course.cores > len(self._free):
                if self._interrupts:
                    self._make_room(turn)
                break
            heappop(queue)
            self.waiting -= 1
            self._needed_ps -= turn.need_ps
            self._start(turn)
        if self.waiting > self.longest_queue:  # noqa: PLR1730, faster
            self.longest_queue = self.waiting

    def _make_room(self, turn: Turn) -> None:
        """Ask those to give way at their next border who rank behind, the last one first, and whose time is over."""
        if self.policy.is_preemptive:
            behind = [r for r in self.running if r.key[0] > turn.key[0] and r.batch.preemption(r.step) != "none"]
            behind.sort(key=lambda r: r.key, reverse=True)
            room = len(self._free)
            for place, other in enumerate(behind):
                room += other.course.cores
                if room >= turn.course.cores:
                    for chosen in behind[: place + 1]:
                        chosen.give_way(self._agenda.now)
                    break
        quantum = self.policy.quantum_ps
        if quantum is not None:
            for other in self.running:
                if other.is_working and other.key[0] >= turn.key[0]:
                    other.give_way(max(self._agenda.now, other.work_since + quantum))

    def _must_yield(self, turn: Turn) -> bool:
        head = self.head()
        if head is None or head.course.cores <= len(self._free):
            return False
        return (self.policy.is_preemptive and turn.key[0] > head.key[0]) or self._time_is_over(turn, head)

    def _time_is_over(self, turn: Turn, head: Turn) -> bool:
        quantum = self.policy.quantum_ps
        return quantum is not None and self._agenda.now - turn.work_since >= quantum and turn.key[0] >= head.key[0]

    def at_border(self, turn: Turn) -> None:
        """Take a turn off its cores, where somebody else must go first."""
        turn.yields_from = None
        if not self._must_yield(turn):
            self._dirty[self] = None
            return
        head = self.head()
        if head is not None and self._time_is_over(turn, head):
            turn.key = (turn.key[0], self.number())
        turn.interrupt()
        self._release(turn)
        self.preemptions += 1
        turn.is_resumed = True
        turn.batch.paused()
        self.push(turn)

    # --- cores -------------------------------------------------------------------------------------------

    def _start(self, turn: Turn) -> None:
        if turn.queued_at < self._agenda.now:
            self._check_patience(turn)
        batch, count = turn.batch, turn.course.cores
        if turn.queued_at > self._newest.get(batch.name, -1):
            self._newest[batch.name] = turn.queued_at
        turn.cores = self._take(batch.serial, count)
        switch = self.spec.switch_ps if self._changes(turn.cores, batch.serial) else 0
        turn.work_since, turn.overhead = self._agenda.now, (0, 0)
        self.running[turn] = None
        wake = self.unit.take(count)
        batch.began(turn)
        if self._is_told:
            self.policy.started(turn.request, turn.key[0])
        if turn.is_resumed:
            switch += turn.course.segment.resume_ps
        turn.overhead = wake, switch
        now = self._agenda.now
        turn.due_ps = (now + wake + switch) * count + turn.need_ps
        self._ends_ps += turn.due_ps
        if wake or switch:
            self._agenda.plan(now + wake + switch, self._begin, turn)
        else:
            turn.work()

    def _take(self, serial: int, count: int) -> tuple[int, ...]:
        """Return cores that are free, those first that worked for the same batch last."""
        free = self._free
        if count == len(free):
            self._free = []
            return tuple(free)
        taken = sorted(sorted(free, key=lambda core: self.last[core] != serial)[:count])
        self._free = [core for core in free if core not in taken]
        return tuple(taken)

    def _changes(self, cores: tuple[int, ...], serial: int) -> bool:
        """Note for whom cores work; return whether any of them worked for somebody else before."""
        last, changes = self.last, False
        for core in cores:
            before = last[core]
            if before != serial:
                last[core] = serial
                changes = changes or before is not None
        return changes

    def _begin(self, turn: Turn) -> None:
        self._book_overhead(turn, turn.overhead)
        turn.work()
        self._dirty[self] = None

    def _book_overhead(self, turn: Turn, overhead: tuple[int, int]) -> None:
        wake, switch = overhead
        self.waking_ps += wake * turn.course.cores
        self.switching_ps += switch * turn.course.cores
        turn.overhead = 0, 0
        if self._slices is not None:
            begin = turn.work_since
            overheads: tuple[tuple[Literal["wake", "switch"], int], ...] = (("wake", wake), ("switch", switch))
            for kind, length in overheads:
                for core in turn.cores if length else ():
                    what = turn.batch.name, turn.batch.number, turn.batch.step_name(turn.step), kind
                    self._slices.append(ServedSlice(self.name, core, *what, begin, begin + length, kind=kind))
                begin += length

    def ended(self, turn: Turn) -> None:
        """Take a turn off its cores at its end."""
        turn.finish()
        self._release(turn)
        self.segments += 1
        self.longest_ps = max(self.longest_ps, turn.course.total_ps)
        turn.batch.ended(turn)

    def _release(self, turn: Turn) -> None:
        self._book_work(turn)
        self._free = sorted((*self._free, *turn.cores)) if self._free else list(turn.cores)
        del self.running[turn]
        self._ends_ps -= turn.due_ps
        self.unit.give(len(turn.cores))
        self._dirty[self] = None

    def _book_work(self, turn: Turn) -> None:
        worked = (self._agenda.now - turn.work_since) * len(turn.cores)
        self.busy_ps += worked
        name = turn.batch.name
        self.by_application[name] = self.by_application.get(name, 0) + worked

    # --- starvation --------------------------------------------------------------------------------------

    def _check_patience(self, turn: Turn) -> None:
        """Note who has waited very long while others came later and went first."""
        name, queued = turn.batch.name, turn.queued_at
        waited = self._agenda.now - queued
        if waited > PATIENCE * max(self.longest_ps, turn.course.total_ps) and turn.batch.is_late:
            ahead = tuple(other for other, newest in self._newest.items() if newest > queued and other != name)
            if ahead and waited > self.starved.get(name, (0, ()))[0]:
                self.starved[name] = waited, ahead

    # --- repeated periods --------------------------------------------------------------------------------

    def turns(self) -> list[Turn]:
        """Return what runs and what waits, in the order of their keys."""
        return sorted((*self.running, *self.queued()), key=lambda turn: turn.key)

    def shift(self, since_ps: int, by_ps: int) -> None:
        """Move the times of what runs and waits, and of what has happened since a time."""
        turns = self.turns()
        self._queue.clear()
        self._ends_ps += by_ps * (self.spec.cores - len(self._free))
        for turn in turns:
            turn.shift(by_ps)
            turn.due_ps += by_ps * len(turn.cores)
            if turn not in self.running:
                heappush(self._queue, (*turn.key, turn))
        self._newest = {n: time + by_ps if time >= since_ps else time for n, time in self._newest.items()}

    # --- the end -----------------------------------------------------------------------------------------

    def worked_ps(self) -> dict[str, int]:
        """Return core-time by application until now, what runs included."""
        found = dict(self.by_application)
        for turn in self.running:
            if turn.is_working:
                name, worked = turn.batch.name, (self._agenda.now - turn.work_since) * len(turn.cores)
                found[name] = found.get(name, 0) + worked
        return found

    def check_patience(self) -> None:
        """Look at those who still wait."""
        for turn in self.queued():
            self._check_patience(turn)

    def close(self) -> None:
        """Book what is under way."""
        for turn in list(self.running):
            if turn.is_working:
                turn.interrupt()
                self._book_work(turn)
            else:
                self._book_overhead(turn, self._overhead_so_far(turn))

    def _overhead_so_far(self, turn: Turn) -> tuple[int, int]:
        wake, switch = turn.overhead
        passed = self._agenda.now - turn.work_since
        return min(wake, passed), min(switch, max(0, passed - wake))

    def use(self) -> ServerUse:
        """Return what became of it."""
        return ServerUse(
            self.name, self.unit.name, self.spec.cores, self.busy_ps, self.switching_ps, self.waking_ps,
            self.segments, self.preemptions, self.longest_queue, tuple(sorted(self.by_application.items())),
        )  # fmt: skip
