"""The power manager of a platform: domains, clocks, caps and heat, beside the online engine."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from socsim.engine.online.power.caps import Drawn, PowerCap
from socsim.engine.online.power.drives import ClockDrive
from socsim.engine.online.power.heat import Heat
from socsim.engine.online.power.outcome import PowerOutcome
from socsim.engine.online.power.parts import PlatformParts
from socsim.engine.online.power.records import clock_record, domain_records, shares_pj
from socsim.engine.online.power.settings import PowerSettings
from socsim.engine.online.power.tally import ZJ_PER_PJ, Tally
from socsim.engine.online.power.traces import AveragedTrace, Trace

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping

    from socsim.engine.online.model import Control
    from socsim.soc.platform import Platform
    from socsim.soc.thermal import Thermal


class PlatformPower:
    """Manages the power of a platform; see `PowerManager`.

    Domains of units that are used are on while one of them works, and otherwise rest as their states and the policy
    say; domains without units are on while any unit but a sensing hub works. Domains that nobody needs are in their
    least powerful state throughout, or off where they have none. A memory is awake while a unit that reaches it works.
    Governors look, power is averaged and temperatures are followed only while something works; what happens in an
    idle stretch is settled when it is looked at.

    Assumes: static power goes with the square of the voltage, whatever the temperature; a change of the operating
    point takes no time; what a memory's accesses cost warms the unit that makes them.

    Args:
        platform: at the operating points that governors take at most.
        units: that are used.
        settings: of the scenario.

    Raises:
        UnknownNameError, UsageError: governors that do not exist, or do not fit.
    """

    def __init__(self, platform: Platform, units: Collection[str], settings: PowerSettings | None = None) -> None:
        self._platform, self._settings = platform, settings or PowerSettings()
        self._tally = Tally()
        governors = self._settings.clock_governors(platform)
        self._drives = {name: ClockDrive(name, g, platform, self._tally) for name, g in governors.items()}
        self._parts = PlatformParts(platform, units, self._drives, self._settings.idle, self._tally)
        clock_of = {name: unit.clock for name, unit in platform.units.items()}
        self._drive_of = {unit: self._drives[clock] for unit, clock in clock_of.items() if clock in self._drives}
        self._dynamic: Counter[str] = Counter()
        self._up: set[str] = set()
        self._at_work: set[str] = set()
        self._points: dict[str, str] = {}
        self._hz_traces = {name: Trace("frequency", name) for name in self._drives}
        self._power_trace = AveragedTrace("total")
        self._cap = self._made_cap()
        self._heat = _HeatWatch.of(platform, self._settings, self._drives)
        self._control: Control
        self._marked_at = 0

    def _made_cap(self) -> PowerCap | None:
        mode = self._platform.power_mode
        of_mode = mode.cap.value if mode and mode.cap else None
        cap = self._settings.cap_nw if self._settings.cap_nw is not None else of_mode
        return None if cap is None else PowerCap(cap, self._settings.cap_window_ps, self._drives)

    # --- what the engine asks and tells ---------------------------------------------------------------

    def start(self, control: Control) -> None:
        """Begin, before the first event."""
        self._control = control
        if self._heat and self._heat.network.act(control.now):
            self._place(control.now)  # the surroundings are so warm; nobody has asked for points yet
        self._show_points(control.now)
        if self._heat:
            self._plan_heat(self._heat)

    def points(self) -> Mapping[str, str]:
        """Return the operating point of each clock of a unit."""
        return self._points

    def wake_ps(self, unit: str) -> int:
        """Return how long a unit that is about to work takes to be ready; it is on from now on."""
        if unit in self._up or unit not in self._parts.of_unit:
            return 0
        now = self._control.now
        self._show_power(now)
        self._up.add(unit)
        waited = self._parts.rise(unit, now)
        if len(self._up) == 1:
            self._begin_watching(now)
        return waited

    def working(self, unit: str, cores: int) -> None:
        """Take note that so many cores of a unit work from now on; 0: it is idle."""
        if unit not in self._parts.of_unit:
            return
        if cores and unit not in self._up:
            self.wake_ps(unit)
        now = self._control.now
        if bool(cores) != (unit in self._at_work):
            self._at_work ^= {unit}
            self._turn(unit, now)
        if not cores and unit in self._up:
            self._up.remove(unit)
            self._parts.fall(unit, now)

    def _turn(self, unit: str, now: int) -> None:
        """Tell a unit's clock that the unit has begun to work, or has ended."""
        drive = self._drive_of.get(unit)
        if drive is None:
            return
        if unit not in self._at_work:
            drive.fall(now)
        elif drive.rise(now):
            self._control.at(now + drive.period_ps, partial(self._look, drive))

    def spend(self, application: str, unit: str, energy_pj: int, time_ps: int) -> None:
        """Book dynamic energy that a unit spent for an application over the time until now."""
        self._tally["energy", application, unit] += energy_pj
        self._tally["worked", application, unit] += time_ps
        self._dynamic[unit] += energy_pj
        now = self._control.now
        self._power_trace.spread(now - time_ps, now, ZJ_PER_PJ * energy_pj)
        self._show_power(now)

    def finish(self) -> None:
        """End, at the time of the last event."""
        now = self._control.now
        self._settle(now)
        if self._heat:
            self._follow(self._heat, now)
        self._power_trace.add(now, self._parts.total(self._dynamic))
        self._show_points(now)

    # --- periods --------------------------------------------------------------------------------------

    def state_key(self) -> Hashable:
        """Return what decides how it goes on, heat left out, with times as distances from now."""
        now = self._control.now
        self._settle(now)
        clocks = tuple(drive.key(now) for drive in self._drives.values())
        cap = self._cap.key(now, self._drawn()) if self._cap else None
        heat = self._heat.network.key(now) if self._heat else None
        return self._parts.key(now), clocks, cap, heat, frozenset(self._up), frozenset(self._at_work)

    def mark(self) -> None:
        """Begin a period: `skip` repeats what is booked from here on. All that was spent before has been booked."""
        now = self._control.now
        self._settle(now)
        if self._heat:
            self._follow(self._heat, now)
            self._heat.network.mark()
        self._tally.mark()
        self._marked_at = now

    def skip(self, periods: int) -> int:
        """Repeat what happened since `mark`, and return how often; less than asked where heat interferes."""
        now = self._control.now
        self._settle(now)
        if self._heat:
            self._follow(self._heat, now)
            periods = self._heat.network.repeatable(periods)
        if periods <= 0:
            return 0
        before, by_ps = self._drawn(), periods * (now - self._marked_at)
        self._power_trace.add(now, before.total)
        self._tally.repeat(periods)
        self._dynamic.update(self._repeated_dynamic(periods))
        for part in (*self._parts, *self._drives.values()):
            part.shift(by_ps)
        after = self._drawn()
        self._power_trace.add(now + by_ps, after.total)
        if self._cap:
            self._cap.shift(by_ps, before, after)
        if self._heat:
            self._heat.network.repeat(periods, self._warmth(self._heat))
            self._plan_heat(self._heat, by_ps)
        return periods

    def _repeated_dynamic(self, periods: int) -> Counter[str]:
        """Return what repeated periods added to the energy of each unit; the tally has been repeated."""
        grown: Counter[str] = Counter()
        for (_, _, unit), added in self._tally.added("energy", periods):
            grown[unit] += added
        return grown

    # --- governors and caps ---------------------------------------------------------------------------

    def _look(self, drive: ClockDrive) -> None:
        now = self._control.now
        if drive.look(now):
            self._control.at(now + drive.period_ps, partial(self._look, drive))
        self._move()

    def _begin_watching(self, now: int) -> None:
        if self._cap and not self._cap.is_watching:
            self._settle(now)
            self._cap.begin(now, self._drawn())
            self._control.at(now + self._cap.window_ps, partial(self._watch_cap, self._cap))
        if self._heat and self._heat.network.is_behind(now):  # what was idle is not averaged with what works now
            self._settle(now)
            self._follow(self._heat, now)
        if self._heat and self._heat.is_late(now):
            self._plan_heat(self._heat)

    def _watch_cap(self, cap: PowerCap) -> None:
        self._control.settle()
        now = self._control.now
        self._settle(now)
        cap.look(now, self._drawn())
        cap.is_watching = bool(self._up)
        if self._up:
            self._control.at(now + cap.window_ps, partial(self._watch_cap, cap))
        self._move()

    def _move(self) -> None:
        """Bring all clocks to the points that are due."""
        now = self._control.now
        if self._place(now):
            self._show_points(now)
            self._control.points_changed()

    def _place(self, now: int) -> bool:
        moved = [drive.name for drive in self._drives.values() if drive.move(now)]
        if moved:
            self._parts.clocks_moved(moved, now)
        return bool(moved)

    # --- heat -----------------------------------------------------------------------------------------

    def _warmth(self, heat: _HeatWatch) -> list[int]:
        return self._parts.warmth(heat.warms, heat.network.modes.nodes, self._dynamic)

    def _follow(self, heat: _HeatWatch, now: int) -> None:
        heat.network.follow(now, self._warmth(heat))

    def _plan_heat(self, heat: _HeatWatch, ahead_ps: int = 0) -> None:
        """Plan the next look at temperatures, which are so far ahead of the control's time."""
        time = heat.next_ps(self._control.now + ahead_ps, is_working=bool(self._up))
        if time is not None:
            self._control.at(time - ahead_ps, partial(self._watch_heat, heat, heat.plan(time)))

    def _watch_heat(self, heat: _HeatWatch, plan: int) -> None:
        if not heat.holds(plan):
            return
        self._control.settle()
        now = self._control.now
        self._settle(now)
        self._follow(heat, now)
        if heat.network.act(now):
            self._move()
        self._plan_heat(heat)

    # --- books ----------------------------------------------------------------------------------------

    def _settle(self, now: int) -> None:
        self._parts.settle(now)
        for drive in self._drives.values():
            drive.settle(now)

    def _drawn(self) -> Drawn:
        return self._parts.drawn(self._dynamic)

    def _show_power(self, now: int) -> None:
        if self._power_trace.is_due(now):
            self._parts.settle(now)
            self._power_trace.add(now, self._parts.total(self._dynamic))

    def _show_points(self, now: int) -> None:
        self._points = {name: drive.point for name, drive in self._drives.items()}
        for name, drive in self._drives.items():
            self._hz_traces[name].add(now, drive.hz[drive.at])

    # --- what it leaves -------------------------------------------------------------------------------

    def outcome(self) -> PowerOutcome:
        """Return what became of power, after `finish`."""
        spent = {(key[1], key[2]): pj for key, pj in sorted(self._tally.items()) if key[0] == "energy"}
        domains = domain_records(self._tally, self._parts)
        traces = [*(trace.record() for trace in self._hz_traces.values()), self._power_trace.record()]
        network = self._heat.network if self._heat else None
        return PowerOutcome(
            sum(domain.static_pj for domain in domains),
            sum(spent.values()),
            spent,
            shares_pj(self._tally, self._platform, spent),
            domains,
            tuple(clock_record(self._tally, drive) for drive in self._drives.values()),
            network.records() if network else (),
            network.ambient if network else None,
            self._cap.cap_nw if self._cap else None,
            (*(trace.record() for trace in network.traces), *traces) if network else tuple(traces),
            tuple(self._notes()),
            tuple(self._warnings()),
        )

    def _notes(self) -> Iterator[str]:
        if self._platform.file.thermal is None:
            yield f"platform {self._platform.name!r} has no thermal model: heat is not modelled"
        elif self._heat is None:
            yield "heat is left out, as the scenario asks"

    def _warnings(self) -> Iterator[str]:
        if self._cap and self._cap.is_exceeded:
            yield (
                f"the cap of {self._cap.cap_nw / 1e9:g} W cannot be held: "
                "more is drawn with all clocks at their slowest points"
            )
        if self._heat and self._heat.network.is_critical:
            yield "a node reached the platform's critical temperature, at which the device switches itself off"


class _HeatWatch:
    """The thermal network, and when it is looked at next.

    Args:
        thermal: as the platform describes it.
        domains: names of power domains.
        network: that follows it.
    """

    def __init__(self, thermal: Thermal, domains: Collection[str], network: Heat) -> None:
        self.warms = dict.fromkeys(domains, next(iter(thermal.nodes))) | thermal.heat
        self.network = network
        self._plans = 0
        self._time: int | None = None

    @classmethod
    def of(cls, platform: Platform, settings: PowerSettings, drives: Mapping[str, ClockDrive]) -> _HeatWatch | None:
        """Return the watch over a platform's heat; None where it is not modelled, or not wanted."""
        thermal = platform.file.thermal
        if thermal is None or not settings.has_heat:
            return None
        wanted = settings.ambient_millicelsius
        network = Heat(thermal, thermal.ambient.value if wanted is None else wanted, drives)
        return cls(thermal, platform.file.power_domains, network)

    def next_ps(self, now: int, *, is_working: bool) -> int | None:
        """Return when temperatures must be looked at next; None: not before something changes."""
        acts = self.network.next_ps(now)
        steps = [now + self.network.step_ps] if is_working else []
        return min([*steps, *([] if acts is None else [acts])], default=None)

    def is_late(self, now: int) -> bool:
        """Whether the next look is later than one of a platform that works."""
        return self._time is None or self._time > now + self.network.step_ps

    def plan(self, time_ps: int) -> int:
        """Take note of the next look, in place of any other; return what it is told by."""
        self._plans += 1
        self._time = time_ps
        return self._plans

    def holds(self, plan: int) -> bool:
        """Whether a look is the one that was planned last; it is over from now on."""
        if plan != self._plans or self._time is None:
            return False
        self._time = None
        return True
