"""Activations that go together through the steps of an application; mostly one by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from socsim.engine.online.draws import ONE
from socsim.engine.online.turns import Turn
from socsim.schedule.policies import Request

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from socsim.engine.online.activations import ApplicationState
    from socsim.engine.online.agenda import Agenda
    from socsim.engine.online.courses import Course, Ready
    from socsim.engine.online.model import Followed, Preemption
    from socsim.engine.online.servers import ServerState
    from socsim.engine.online.turns import Stage


class Surroundings(Protocol):
    """What activations need of the simulation that they are part of."""

    agenda: Agenda
    stage: Stage
    servers: list[ServerState]
    duration_ps: int
    followed: list[Followed] | None
    epoch: int

    def ready(self, application: int, step: int, choice: int, batch: int) -> Ready:
        """Return a program at the operating points of now."""

    def service_ps(self, application: int, step: int, choice: int, batch: int) -> int:
        """Return how long it takes with nothing beside it."""

    def spend(self, application: str, unit: str, energy_pj: int, time_ps: int) -> None:
        """Book dynamic energy."""

    def serial(self) -> int:
        """Return a number for a batch."""


class Member:
    """An activation in a batch."""

    __slots__ = ("number", "release_ps")

    def __init__(self, number: int, release_ps: int) -> None:
        self.number = number
        self.release_ps = release_ps


class _StepState:
    """A step that a batch has begun.

    Args:
        choice: the place that was picked.
        ready: its program.
        factor: on what it has to do, in 2**-32.
        epoch: how often operating points had changed when it was made.
    """

    __slots__ = ("choice", "courses", "epoch", "factor", "ready", "remaining", "turns", "waits")

    def __init__(self, choice: int, ready: Ready, factor: int, epoch: int) -> None:
        self.choice = choice
        self.factor = factor
        self.epoch = epoch
        self.turns: dict[int, Turn] = {}
        self.waits = list(ready.waits)
        self.remaining = len(ready.courses)
        self.follow(ready)

    def follow(self, ready: Ready) -> None:
        """Go on by a program of the same segments."""
        self.ready = ready
        self.courses: Sequence[Course] = ready.courses
        if self.factor != ONE:
            self.courses = [course.scaled(self.factor) for course in ready.courses]


class Batch:
    """Activations of an application that go together; mostly one.

    Args:
        state: the application's.
        serial: a number that no other batch has.
        member: the first one.
    """

    __slots__ = (
        "_around", "_on", "_since", "_waits", "has_begun", "is_submitted", "members", "name", "serial",
        "service_ps", "state", "steps", "unfinished",
    )  # fmt: skip

    def __init__(self, state: ApplicationState, serial: int, member: Member) -> None:
        self.state = state
        self.name = state.app.name
        self.serial = serial
        self.members = [member]
        self.steps: dict[int, _StepState] = {}
        self.unfinished = len(state.app.steps)
        self.has_begun = self.is_submitted = False
        self.service_ps = self._on = self._since = 0
        self._waits = [len(step.after) for step in state.app.steps]
        self._around = state.around

    @property
    def number(self) -> int:
        """The first one's."""
        return self.members[0].number

    def preemption(self, step: int) -> Preemption:
        """Return where a step may be interrupted."""
        return self.state.app.steps[step].preemption

    def step_name(self, step: int) -> str:
        """Return the name of a step."""
        return self.state.app.steps[step].name

    @property
    def deadline_ps(self) -> int | None:
        """When the first one should be done."""
        relative = self.state.app.deadline_ps
        return None if relative is None else self.members[0].release_ps + relative

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed, or there is none that it could keep."""
        deadline = self.deadline_ps
        return deadline is None or self._around.agenda.now > deadline

    # --- steps -------------------------------------------------------------------------------------------

    def submit(self) -> None:
        """Let its first steps wait for their servers."""
        self.is_submitted = True
        if not self.unfinished:
            self.state.completed(self)
        for step, count in enumerate(self._waits):
            if not count:
                self._start_step(step)

    def _start_step(self, position: int) -> None:
        state, step = self.state, self.state.app.steps[position]
        choice = state.pick(position, step, len(self.members)) if len(step.choices) > 1 else 0
        ready = self._around.ready(state.index, position, choice, len(self.members))
        factor = state.factor(position) if step.variation.kind != "constant" else ONE
        begun = self.steps[position] = _StepState(choice, ready, factor, self._around.epoch)
        if not begun.remaining:
            self._end_step(position)
        for segment in ready.roots:
            self._queue(position, begun, segment)

    def _queue(self, position: int, step: _StepState, segment: int) -> None:
        course, app = step.courses[segment], self.state.app
        server = self._around.servers[course.server]
        period = self.state.period_ps
        release = self.members[0].release_ps
        request = Request(app.name, app.priority, release, self.deadline_ps, period, course.total_ps)
        key = server.policy.rank(request), server.number()
        turn = step.turns[segment] = Turn(self._around.stage, self, position, segment, course, server, request, key)
        server.push(turn)

    def _end_step(self, position: int) -> None:
        self.unfinished -= 1
        if not self.unfinished:
            self.state.completed(self)
            return
        for follower in self.state.followers[position]:
            self._waits[follower] -= 1
            if not self._waits[follower]:
                self._start_step(follower)

    def steps_left(self) -> list[str]:
        """Return the names of steps that have begun and not ended."""
        return [self.step_name(position) for position, step in self.steps.items() if step.remaining]

    # --- from servers ------------------------------------------------------------------------------------

    def began(self, turn: Turn) -> None:
        """Take note that a segment occupies its server."""
        if not self.has_begun:
            self.has_begun = True
            self.state.began(self)
        if not self._on:
            self._since = self._around.agenda.now
        self._on += 1
        self.renew(turn)

    def renew(self, turn: Turn) -> None:
        """Go on by the program of the operating points of now, where it has the same segments and pieces."""
        step = self.steps[turn.step]
        if step.epoch != self._around.epoch:
            self._follow_points(turn.step, step)
        course = step.courses[turn.segment]
        if course is not turn.course:
            turn.change(course)

    def _follow_points(self, position: int, step: _StepState) -> None:
        step.epoch = self._around.epoch
        newest = self._around.ready(self.state.index, position, step.choice, len(self.members))
        if newest is not step.ready and _are_alike(newest, step.ready):
            step.follow(newest)

    def paused(self) -> None:
        """Take note that a segment was taken off its server."""
        self._on -= 1
        if not self._on:
            self.service_ps += self._around.agenda.now - self._since

    def ended(self, turn: Turn) -> None:
        """Take note that a segment has ended; start what waited for it."""
        self.paused()
        step = self.steps[turn.step]
        del step.turns[turn.segment]
        step.remaining -= 1
        if not step.remaining:
            self._end_step(turn.step)
            return
        for follower in step.ready.followers[turn.segment]:
            step.waits[follower] -= 1
            if not step.waits[follower]:
                self._queue(turn.step, step, follower)

    def spend(self, unit: str, energy_pj: int, time_ps: int) -> None:
        """Book dynamic energy."""
        self.state.energy_pj += energy_pj
        self._around.spend(self.name, unit, energy_pj, time_ps)

    # --- repeated periods --------------------------------------------------------------------------------

    def state_key(self) -> Hashable:
        """Return what decides how it goes on, its turns left out, with times as distances from now."""
        now = self._around.agenda.now
        steps = tuple(
            (position, step.choice, step.factor, step.epoch == self._around.epoch, tuple(step.waits), step.remaining)
            for position, step in self.steps.items()
        )
        members = tuple(now - member.release_ps for member in self.members)
        on = (self._on, now - self._since) if self._on else 0
        return members, steps, self.has_begun, self.is_submitted, tuple(self._waits), on, self.service_ps

    def shift(self, by_ps: int, released: int) -> None:
        """Move all of its times, and the numbers of its activations."""
        self._since += by_ps
        for member in self.members:
            member.release_ps += by_ps
            member.number += released

    # --- others that join, and the end -------------------------------------------------------------------

    def resize(self) -> bool:
        """Go on with as many as there are now, where that takes the same segments; return whether it does."""
        if not self.is_submitted:
            return True
        count = len(self.members)
        found = {p: self._around.ready(self.state.index, p, s.choice, count) for p, s in self.steps.items()}
        if not all(_are_alike(ready, self.steps[position].ready) for position, ready in found.items()):
            return False
        for position, ready in found.items():
            step = self.steps[position]
            step.follow(ready)
            for segment, turn in step.turns.items():
                turn.course = step.courses[segment]
        return True

    def withdraw(self) -> None:
        """Leave all queues; it has not begun."""
        for step in self.steps.values():
            for turn in step.turns.values():
                turn.server.forget(turn)
        self.steps.clear()

    def begin_anew(self) -> None:
        """Queue for other segments than before, since fewer go on together; it has not begun."""
        self.withdraw()
        self.unfinished = len(self.state.app.steps)
        self._waits = [len(step.after) for step in self.state.app.steps]
        self.submit()


def _are_alike(one: Ready, other: Ready) -> bool:
    """Whether two programs have the same segments on the same servers, after one another alike."""
    if one.waits != other.waits or one.followers != other.followers:
        return False
    return all(a.server == b.server and a.cores == b.cores for a, b in zip(one.courses, other.courses, strict=True))
