"""The online engine: applications on servers, from the first release to the end of what has begun.

    outcome = run(world)                        # units that are always on, at one operating point
    outcome = run(world, power)                 # with sleep, governors, caps and heat

Events are ordered by time, then by the order in which they were planned. At one time, everything that is due happens
first (ends, releases, calls of the power manager); then each server looks at its queue; then rates are shared anew;
then the power manager hears what works. So what is released at one time queues before anybody goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.engine.online.activations import ApplicationState
from socsim.engine.online.agenda import Agenda
from socsim.engine.online.checks import check_world, expectations
from socsim.engine.online.findings import Load, findings
from socsim.engine.online.interrupts import Interrupts
from socsim.engine.online.library import Library
from socsim.engine.online.model import Followed, ServedSlice, Triggered, WorldOutcome
from socsim.engine.online.servers import ServerState, UnitState
from socsim.engine.online.sharing import Sharing
from socsim.engine.online.steady import Parts, Steady
from socsim.engine.online.tallies import FlowBook
from socsim.engine.online.turns import Stage
from socsim.errors import DeadlockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.engine.online.courses import Ready
    from socsim.engine.online.model import PowerManager, World


def run(world: World, power: PowerManager | None = None, *, skips: bool = True) -> WorldOutcome:
    """Simulate a world until its duration is over and everything that has begun until then has ended.

    Activations that have not begun when the duration is over count as unfinished. Ctrl-C ends the simulation early,
    between two moments; what was finished until then is in the outcome. A second one raises KeyboardInterrupt.

    Args:
        world: applications, servers, programs.
        power: operating points, sleep, caps and heat; None: everything is always on.
        skips: whether stretches that repeat themselves are counted instead of stepped through. Nothing but the number
            of events depends on it.

    Raises:
        SimulationError: a world that could never run; the message lists all faults.
        DeadlockError: steps or segments that wait for each other, a million events with no progress in time, traffic
            that never ends.
    """
    return _Engine(world, power, skips=skips).run()


class _Engine:
    def __init__(self, world: World, power: PowerManager | None, *, skips: bool) -> None:
        self.world, self.power = world, power
        self.agenda = Agenda()
        self.duration_ps = world.duration_ps
        self.slices: list[ServedSlice] | None = [] if world.is_traced else None
        self.followed: list[Followed] | None = [] if world.is_traced else None
        self.book = FlowBook()
        self.sharing = Sharing(self.agenda, self.book)
        self.stage = Stage(self.agenda, self.sharing, self.book, self.slices)
        self.dirty: dict[ServerState, None] = {}
        self.changed: dict[UnitState, None] = {}
        self.units = {server.unit: UnitState(server.unit, self.agenda, power, self.changed) for server in world.servers}
        self.servers = [
            ServerState(server, self.units[server.unit], self.agenda, self.dirty, self.slices)
            for server in world.servers
        ]
        self.applications = [ApplicationState(i, app, self, world.seed) for i, app in enumerate(world.applications)]
        self.epoch = 0
        self.load: tuple[Load, ...] = ()
        parts = Parts(
            self.agenda, self.applications, self.servers, tuple(self.units.values()), self.sharing, self.book, power,
            self.settle,
        )  # fmt: skip
        self.steady = Steady.of(world, parts) if skips else None
        self._serial = 0
        self._is_closed = False

    # --- what activations ask for ------------------------------------------------------------------------

    def ready(self, application: int, step: int, choice: int, batch: int) -> Ready:
        return self.library.ready(application, step, choice, batch)

    def service_ps(self, application: int, step: int, choice: int, batch: int) -> int:
        return self.library.service_ps(application, step, choice, batch)

    def spend(self, application: str, unit: str, energy_pj: int, time_ps: int) -> None:
        if self.power is not None and (energy_pj or time_ps):
            self.power.spend(application, unit, energy_pj, time_ps)

    def serial(self) -> int:
        self._serial += 1
        return self._serial

    # --- control of whoever manages power ----------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.agenda.now

    def at(self, time_ps: int, call: Callable[[], None]) -> None:
        self.agenda.plan(time_ps, _call, call)

    def is_busy(self, unit: str) -> bool:
        return unit in self.units and self.units[unit].is_busy

    def busy_core_ps(self, unit: str) -> int:
        return self.units[unit].busy_core_ps if unit in self.units else 0

    def points_changed(self) -> None:
        if self.power is None:
            return
        self.epoch += 1
        self.library.move_to(self.power.points())
        for server in self.servers:
            for turn in list(server.running):
                if turn.is_working:
                    turn.batch.renew(turn)

    def settle(self) -> None:
        for server in self.servers:
            for turn in server.running:
                if turn.is_working:
                    turn.spend()

    # --- time --------------------------------------------------------------------------------------------

    def run(self) -> WorldOutcome:
        self._begin()
        with Interrupts() as interrupts:
            try:
                self._loop(interrupts)
            except KeyboardInterrupt:
                if interrupts.came:  # the second one: nobody waits for books any more
                    raise
                interrupts.came = True
            return self._outcome(is_interrupted=interrupts.came)

    def _begin(self) -> None:
        if self.power is not None:
            self.power.start(self)
        self.library = Library(self.world, self.power.points() if self.power is not None else {})
        check_world(self.world, self.library)
        self.expected = expectations(self.world, self.library)
        self._start_streams()
        by_name = {state.app.name: state for state in self.applications}
        for state in self.applications:
            arrival = state.app.arrival
            if isinstance(arrival, Triggered):
                by_name[arrival.application].triggers.append((state, arrival))
        self.agenda.plan(self.duration_ps, self._close, moves=False)
        for state in self.applications:
            state.start()

    def _start_streams(self) -> None:
        for number, (unit, memory, rate) in enumerate(self.world.streams):
            fabric = self.world.fabric or self.library.any_fabric()
            demand = fabric.background(unit, memory, rate)
            own = self.sharing.own(demand, f"background {number}", fabric, self.library.capacities(fabric))
            self.sharing.stream(f"background {unit}", own)

    def _loop(self, interrupts: Interrupts) -> None:
        agenda, dirty, sharing, changed = self.agenda, self.dirty, self.sharing, self.changed
        steady = self.steady
        self._settle_instant()
        while not (interrupts.came or (self._is_closed and self._is_idle())):
            due = agenda.next_ps
            if due is None:
                self._explain_deadlock()
            elif steady is not None and due >= steady.next_ps and not self._is_closed:
                steady.look()
            agenda.step()
            if dirty or sharing.is_stale or changed:
                self._settle_instant()

    def _settle_instant(self) -> None:
        while self.dirty:
            servers = list(self.dirty)
            self.dirty.clear()
            for server in servers:
                server.dispatch()
        if self.sharing.is_stale:
            self.sharing.share()
        if self.changed and self.agenda.next_ps != self.agenda.now:
            for unit in self.changed:
                unit.tell()
            self.changed.clear()

    def _is_idle(self) -> bool:
        return not any(state.going for state in self.applications)

    def _close(self, _: object) -> None:
        self._is_closed = True
        self.load = tuple(Load.of(server) for server in self.servers)
        for server in self.servers:
            server.check_patience()
        for state in self.applications:
            state.close()

    def _explain_deadlock(self) -> None:
        stuck = [batch for state in self.applications for batch in state.going.values()]
        waits = "; ".join(f"{batch.name} {batch.number} in {batch.steps_left()}" for batch in stuck[:10])
        msg = f"{len(stuck)} activations can never end: {waits}"
        raise DeadlockError(msg)

    # --- what it leaves ----------------------------------------------------------------------------------

    def _outcome(self, *, is_interrupted: bool) -> WorldOutcome:
        for state in self.applications:
            state.abandon()
            state.close()
        for server in self.servers:
            server.close()
        self.sharing.close()
        if self.power is not None:
            for unit in self.changed:
                unit.tell()
            self.power.finish()
        followed = sorted(self.followed or (), key=lambda f: f.release_ps)
        return WorldOutcome(
            end_ps=self.agenda.now,
            served=tuple(state.served() for state in self.applications),
            servers=tuple(server.use() for server in self.servers),
            flows=self.book.flows(self.world.capacities),
            slices=tuple(self.slices or ()),
            events=self.agenda.events,
            is_interrupted=is_interrupted,
            warnings=(*self.expected, *findings(self.servers, self.load, self.duration_ps)),
            activations=tuple(followed),
            skipped_ps=self.steady.skipped_ps if self.steady is not None else 0,
        )


def _call(call: Callable[[], None]) -> None:
    call()
