"""A segment on its way: waiting, at work alone, at work beside others, taken off its server and put back.

Alone, it is where the prefix sums of its course say, and only its end is an event. Beside others that use the same
links or memories it goes leg by leg, its bytes at the rates that it is granted. `cut` brings either to a position
that the other, or another course of the same pieces, can go on from.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from socsim.engine.online.model import ServedSlice
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Hashable

    from socsim.engine.online.agenda import Agenda
    from socsim.engine.online.batches import Batch
    from socsim.engine.online.courses import Course, Leg
    from socsim.engine.online.servers import ServerState
    from socsim.engine.online.sharing import Sharing
    from socsim.engine.online.tallies import FlowBook
    from socsim.schedule.policies import Request


class Stage:
    """Where turns are played: time, the shared fabric, books, and who meets whom.

    Args:
        agenda: of the simulation.
        sharing: of segments that meet.
        book: of bytes.
        slices: where they are kept; None where nothing is traced.
    """

    def __init__(self, agenda: Agenda, sharing: Sharing, book: FlowBook, slices: list[ServedSlice] | None) -> None:
        self.agenda = agenda
        self.sharing = sharing
        self.book = book
        self.slices = slices
        self._users: dict[str, dict[Turn, None]] = {}

    def enter(self, turn: Turn) -> None:
        """Let a turn begin to work, beside all that use the same links or memories."""
        met: dict[Turn, None] = {}
        for name in turn.course.touches:
            users = self._users.setdefault(name, {})
            met |= users
            users[turn] = None
        for other in met:
            if other.is_alone:
                other.cut()
                other.go_beside()
        if met or not self.sharing.streaming.isdisjoint(turn.course.touches):
            turn.go_beside()
        else:
            turn.go_alone()

    def leave(self, turn: Turn) -> None:
        """Let a turn that was cut stop working; those that it leaves alone go on by their prefix sums."""
        left: dict[Turn, None] = {}
        for name in turn.course.touches:
            users = self._users[name]
            del users[turn]
            left |= users
        for other in left:
            if not other.is_alone and self._has_no_company(other):
                other.cut()
                other.go_alone()

    def _has_no_company(self, turn: Turn) -> bool:
        touches = turn.course.touches
        if not self.sharing.streaming.isdisjoint(touches):
            return False
        return all(len(self._users[name]) == 1 for name in touches)


class Turn:
    """A segment of a batch, from its queue to its end.

    Args:
        stage: where it is played.
        batch: whose it is.
        step: position of the step that it belongs to.
        segment: position of the segment in its program.
        course: what is done.
        server: where.
        request: what the server's policy knows of it.
        key: rank and number in the server's queue.
    """

    __slots__ = (
        "_anchor",
        "_booked_pj",
        "_is_moving",
        "_is_partial",
        "_left_ps",
        "_left_work",
        "_leg",
        "_leg_end",
        "_moved",
        "_since",
        "_slice_from",
        "_spent_at",
        "_stage",
        "_until",
        "batch",
        "cores",
        "course",
        "due_ps",
        "is_alone",
        "is_gone",
        "is_resumed",
        "is_working",
        "key",
        "need_ps",
        "overhead",
        "queued_at",
        "request",
        "segment",
        "server",
        "step",
        "version",
        "work_since",
        "yields_from",
    )  # fmt: skip

    def __init__(
        self, stage: Stage, batch: Batch, step: int, segment: int, course: Course, server: ServerState,
        request: Request, key: tuple[int, int],
    ) -> None:  # fmt: skip
        self._stage = stage
        self.batch = batch
        self.step = step
        self.segment = segment
        self.course = course
        self.server = server
        self.request = request
        self.key = key
        self.queued_at = self.work_since = stage.agenda.now
        self.need_ps = self.due_ps = 0
        self.cores: tuple[int, ...] = ()
        self.version = 0
        self.is_alone = self.is_working = self.is_resumed = self.is_gone = False
        self.yields_from: int | None = None
        self.overhead = 0, 0
        self._leg = self._left_ps = self._left_work = 0
        self._is_partial = self._is_moving = False
        self._anchor = self._leg_end = self._since = self._until = 0
        self._booked_pj = self._spent_at = self._slice_from = 0
        self._moved: dict[str, int] = {}

    # --- from the server ---------------------------------------------------------------------------------

    def work(self) -> None:
        """Begin to work, or go on."""
        now = self._stage.agenda.now
        self.work_since = self._spent_at = self._slice_from = now
        self.is_working = True
        self._stage.enter(self)

    def finish(self) -> None:
        """Stop working, at the end of the course."""
        self.version += 1
        self.is_working = False
        self._book_energy(self.course.energy_pj)
        self._stage.leave(self)

    def interrupt(self) -> None:
        """Stop working before the end; what was done until now is booked."""
        self.cut()
        self.spend()
        self._stage.leave(self)
        self.is_working = False
        if self._stage.slices is not None and self._leg < len(self.course.legs):
            self._slice(self._leg)

    def change(self, course: Course) -> None:
        """Go on by another course of the same pieces, at the same place in the same piece."""
        if course is self.course or len(course.segment.pieces) != len(self.course.segment.pieces):
            return
        if not self.is_working:
            self._move_to(course)
            return
        self.cut()
        self.spend()
        self._stage.leave(self)
        self._move_to(course)
        self._stage.enter(self)

    def spend(self) -> None:
        """Book the energy of what was done since the last time."""
        self._book_energy(self.course.energy_at(self._place()))

    def _book_energy(self, energy_pj: int) -> None:
        now = self._stage.agenda.now
        self.batch.spend(self.server.unit.name, energy_pj - self._booked_pj, now - self._spent_at)
        self._booked_pj, self._spent_at = energy_pj, now

    @property
    def left_ps(self) -> int:
        """How long it still takes, alone."""
        return max(0, self.course.total_ps - self._place())

    def state(self) -> Hashable:
        """Return what decides how it goes on, with times as distances from now."""
        now = self._stage.agenda.now
        moving = self._stage.sharing.left(self) if self._is_moving else None
        partial = (self._left_ps, self._left_work) if self._is_partial else None
        alone = (now - self._anchor, now - self._leg_end if partial else 0) if self.is_alone else None
        flags = self.is_alone, self.is_working, self.is_resumed
        return (
            self.step, self.segment, self.course, self.cores, flags, self.overhead, self._leg, partial, moving, alone,
            self._until and now - self._until, now - self.work_since if self.cores else 0, now - self.queued_at,
            self.yields_from is not None and now - self.yields_from,
        )  # fmt: skip

    def shift(self, by_ps: int) -> None:
        """Move all of its times."""
        self.queued_at += by_ps
        self.work_since += by_ps
        self._anchor += by_ps
        self._leg_end += by_ps
        self._since += by_ps
        self._spent_at += by_ps
        if self._until:
            self._until += by_ps
        if self.yields_from is not None:
            self.yields_from += by_ps
        self.key = self.server.policy.later(self.key[0], by_ps), self.key[1]

    # --- where it is -------------------------------------------------------------------------------------

    def _begin(self, leg: int) -> int:
        return self.course.ends[leg - 1] if leg else 0

    def _place(self) -> int:
        """Return where it would be, alone, after so long."""
        if self.is_alone:
            return self._stage.agenda.now - self._anchor
        if not self._is_partial:
            return self._begin(self._leg)
        now, left_ps, left_work = self._stage.agenda.now, self._left_ps, self._left_work
        if self.is_working and self._until:
            left_ps = max(0, self._until - now)
            left_work = self._stage.sharing.left(self) if self._is_moving else left_work
        leg = self.course.legs[self._leg]
        return self.course.ends[self._leg] - min(leg.lone_ps, _need(leg, left_ps, left_work))

    def cut(self) -> None:
        """Stand still where it is now."""
        self.version += 1
        if self.is_alone:
            self._cut_alone()
        else:
            self._cut_beside()

    # --- alone -------------------------------------------------------------------------------------------

    def go_alone(self) -> None:
        """Go by prefix sums; nobody else uses what this uses."""
        now = self._stage.agenda.now
        self.is_alone = True
        self.version += 1
        if self._is_partial:
            self._since = now
            self._leg_end = now + _need(self.course.legs[self._leg], self._left_ps, self._left_work)
            self._anchor = self._leg_end - self.course.ends[self._leg]
        else:
            self._anchor = now - self._begin(self._leg)
        self._stage.agenda.plan(self._anchor + self.course.total_ps, self._end_alone, self.version)
        self.plan_border()

    def _end_alone(self, version: int) -> None:
        if version != self.version:
            return
        if self._leg == 0 and not self._is_partial and self._stage.slices is None:
            application = self.batch.name
            for resource, amount, busy in self.course.flows:
                self._stage.book.moved(resource, application, amount)
                self._stage.book.busy(resource, busy)
        else:
            self._cut_alone()
        self.is_alone = False
        self.server.ended(self)

    def _cut_alone(self) -> None:
        self.is_alone = False
        now = self._stage.agenda.now
        if self._is_partial and now < self._leg_end:
            leg, elapsed = self.course.legs[self._leg], now - self._since
            self._busy(leg, min(elapsed, ceil_div(self._left_work, leg.rate) if leg.rate else 0))
            self._left_ps = max(0, self._left_ps - elapsed)
            self._left_work = max(0, self._left_work - leg.rate * elapsed)
            return
        legs, ends = self.course.legs, self.course.ends
        reached = bisect_right(ends, now - self._anchor)
        self._pass_alone(reached)
        elapsed = now - self._anchor - self._begin(reached)
        if elapsed and reached < len(legs):
            leg = legs[reached]
            self._is_partial = True
            self._left_ps = max(0, leg.compute_ps - elapsed)
            self._left_work = max(0, leg.work - leg.rate * elapsed)
            self._busy(leg, min(elapsed, leg.moving_ps))

    def _pass_alone(self, reached: int) -> None:
        """Book what legs moved, alone, until one is reached; one by one only where a timeline is kept."""
        legs, ends = self.course.legs, self.course.ends
        if self._is_partial:
            leg = legs[self._leg]
            self._busy(leg, ceil_div(self._left_work, leg.rate) if self._left_work else 0)
            self._pass(leg, self._anchor + ends[self._leg])
        if self._stage.slices is not None:
            for position in range(self._leg, reached):
                self._busy(legs[position], legs[position].moving_ps)
                self._pass(legs[position], self._anchor + ends[position])
            return
        for name, moved, busy in self.course.sums if reached > self._leg else ():
            if moved[reached] > moved[self._leg]:
                self._stage.book.moved(name, self.batch.name, moved[reached] - moved[self._leg])
            self._stage.book.busy(name, busy[reached] - busy[self._leg])
        self._leg = reached

    def _busy(self, leg: Leg, time_ps: int) -> None:
        if time_ps:
            for name, _ in leg.shared:
                self._stage.book.busy(name, time_ps)

    def _pass(self, leg: Leg, end_ps: int) -> None:
        """Book what a leg moved, now that it has ended; go to the next."""
        self._leg += 1
        self._is_partial = False
        for name, amount in leg.shared:
            self._stage.book.moved(name, self.batch.name, amount)
            if self._stage.slices is not None:
                self._moved[name] = self._moved.get(name, 0) + amount
        if self._stage.slices is not None and leg.is_last:
            self._slice(self._leg - 1, end_ps)

    # --- beside others -----------------------------------------------------------------------------------

    def go_beside(self) -> None:
        """Go leg by leg, sharing what others use as well."""
        self.is_alone = False
        self.version += 1
        self._until = 0
        self._stage.agenda.plan(self._stage.agenda.now, self._next_leg, self.version)
        self.plan_border()

    def _next_leg(self, version: int) -> None:
        if version != self.version:
            return
        if self._leg == len(self.course.legs):
            self.server.ended(self)
            return
        leg = self.course.legs[self._leg]
        if not self._is_partial:
            self._is_partial = True
            self._left_ps, self._left_work = leg.compute_ps, leg.work
        now = self._stage.agenda.now
        self._until = now + self._left_ps
        if self._left_work and leg.demand is not None:
            self._is_moving = True
            course = self.course
            place = f"{self.server.name}#{self.cores[0]}"
            own = self._stage.sharing.own(leg.demand, place, course.fabric, course.capacities)
            self._stage.sharing.add(self, own, self._left_work)
        else:
            self._stage.agenda.plan(self._until, self._end_leg, self.version)

    def moved(self) -> None:
        """Take note that the last byte of a leg has arrived."""
        self._is_moving = False
        self._left_work = 0
        self._stage.agenda.plan(max(self._until, self._stage.agenda.now), self._end_leg, self.version)

    def _end_leg(self, version: int) -> None:
        if version != self.version:
            return
        now = self._stage.agenda.now
        leg = self.course.legs[self._leg]
        self._pass(leg, now)
        self._until = 0
        if self.yields_from is not None and now >= self.yields_from and self._is_border(leg):
            self.server.at_border(self)
            if not self.is_working:
                return
        self._next_leg(self.version)

    def _is_border(self, leg: Leg) -> bool:
        match self.batch.preemption(self.step):
            case "operator":
                return leg.is_last
            case "tile":
                return leg.is_last or leg.is_step
            case preemption:
                return preemption == "any"

    def _cut_beside(self) -> None:
        if self._is_moving:
            self._left_work = self._stage.sharing.remove(self)
            self._is_moving = False
        now = self._stage.agenda.now
        if self._is_partial and self._until:
            self._left_ps = max(0, self._until - now)
        self._until = 0
        if self._is_partial and not self._left_ps and not self._left_work:
            self._pass(self.course.legs[self._leg], now)

    # --- borders -----------------------------------------------------------------------------------------

    def give_way(self, from_ps: int) -> None:
        """Ask the server whether to give way, at the first border from a time on."""
        if self.yields_from is not None and self.yields_from <= from_ps:
            return
        self.yields_from = from_ps
        if self.is_working:
            self.plan_border()

    def plan_border(self) -> None:
        """Plan for the next border, where somebody waits for it."""
        if self.yields_from is None:
            return
        now = self._stage.agenda.now
        start = max(now, self.yields_from)
        preemption = self.batch.preemption(self.step)
        if preemption == "any":
            self._stage.agenda.plan(start, self._border, self.version)
        elif self.is_alone:
            border = self.course.border_from(start - self._anchor, preemption)
            if border is not None and border < self.course.total_ps:
                self._stage.agenda.plan(self._anchor + border, self._border, self.version)

    def _border(self, version: int) -> None:
        if version == self.version:
            self.server.at_border(self)

    # --- other courses -----------------------------------------------------------------------------------

    def _move_to(self, course: Course) -> None:
        old, self.course = self.course, course
        if self._leg == 0 and not self._is_partial:
            self._booked_pj = 0
            return
        if self._leg == len(old.legs):
            self._leg = len(course.legs)
        else:
            self._map(old, course)
        self._booked_pj = course.energy_at(self._place())

    def _map(self, old: Course, new: Course) -> None:
        """Find the same place in the same piece: the same leg where it has as many, else the same share of its time."""
        piece = old.legs[self._leg].piece
        was = [i for i, leg in enumerate(old.legs) if leg.piece == piece]
        now = [i for i, leg in enumerate(new.legs) if leg.piece == piece]
        if len(was) == len(now):
            before, self._leg = old.legs[self._leg], now[self._leg - was[0]]
            leg = new.legs[self._leg]
            if self._is_partial:
                self._left_ps = _share(self._left_ps, before.compute_ps, leg.compute_ps)
                self._left_work = _share(self._left_work, before.work, leg.work)
            return
        done = old.ends[self._leg] - self._begin_of(old, was[0])
        if self._is_partial:
            done -= min(old.legs[self._leg].lone_ps, _need(old.legs[self._leg], self._left_ps, self._left_work))
        else:
            done -= old.legs[self._leg].lone_ps
        length = old.ends[was[-1]] - self._begin_of(old, was[0])
        place = self._begin_of(new, now[0]) + _share(done, length, new.ends[now[-1]] - self._begin_of(new, now[0]))
        self._leg = min(bisect_right(new.ends, place), now[-1])
        leg, elapsed = new.legs[self._leg], place - self._begin_of(new, self._leg)
        self._is_partial = elapsed > 0
        self._left_ps = max(0, leg.compute_ps - elapsed)
        self._left_work = max(0, leg.work - leg.rate * elapsed)

    @staticmethod
    def _begin_of(course: Course, leg: int) -> int:
        return course.ends[leg - 1] if leg else 0

    # --- the timeline ------------------------------------------------------------------------------------

    def _slice(self, leg: int, end_ps: int | None = None) -> None:
        """Keep the stretch of a piece that ends at a time, or now."""
        slices = self._stage.slices
        end = self._stage.agenda.now if end_ps is None else end_ps
        if slices is None or (end == self._slice_from and not self._moved):
            return
        legs = self.course.legs
        label = self.course.segment.pieces[legs[leg].piece].label
        moved = tuple(self._moved.items())
        for core in self.cores:
            slices.append(
                ServedSlice(
                    self.server.name, core, self.batch.name, self.batch.number, self.batch.step_name(self.step), label,
                    self._slice_from, end, moved if core == self.cores[0] else (),
                )
            )  # fmt: skip
        self._slice_from = end
        self._moved = {}


def _need(leg: Leg, left_ps: int, left_work: int) -> int:
    """Return how long what is left of a leg takes, alone."""
    return max(left_ps, ceil_div(left_work, leg.rate) if left_work else 0)


def _share(part: int, of: int, now_of: int) -> int:
    """Return the same share of another whole, rounded up; of nothing, nothing of it is done."""
    return ceil_div(part * now_of, of) if of else now_of
