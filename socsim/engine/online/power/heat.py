"""Temperatures while the platform works, and the clocks that heat slows down."""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, floor
from typing import TYPE_CHECKING

from socsim.engine.online.power.modes import Course, Modes
from socsim.engine.online.power.traces import Trace
from socsim.quantities import PS_PER_S, ceil_div
from socsim.simulation_records import ThermalRecord

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from socsim.engine.online.power.drives import ClockDrive
    from socsim.soc.thermal import Thermal, Trip

_MS = 10**9
_SHORTEST_PS, _LONGEST_PS = _MS, 1000 * _MS
_STEPS_OF_FASTEST = 8
"""Steps of a working platform in the time in which its fastest mode decays to 1/e."""
_HORIZON = 12
"""Time constants of the slowest mode after which nothing changes any more."""
_NW_PER_W = 1e9
_NEAR = 1e-9
"""Kelvin by which rounding may leave a temperature short of a crossing that was solved for."""
_SHOWN_OF_A_SKIP = 16
_LONGEST_PERIOD = 65_536
"""Steps of a period that are remembered, to be repeated; without a mark none are."""


class TripState:
    """How far a trip has slowed its clocks down.

    Args:
        name: of its ceilings.
        trip: as the platform describes it.
        node: position of its node.
        drives: clocks by name.
        ambient: of the surroundings, in thousandths of a degree Celsius.
    """

    def __init__(self, name: str, trip: Trip, node: int, drives: Mapping[str, ClockDrive], ambient: int) -> None:
        self.node, self.trip, self._name = node, trip, name
        self.at, self.clear = ((t.value - ambient) / 1000 for t in (trip.at, trip.clear))
        """In kelvin above the surroundings."""
        known = [drives[clock] for clock in trip.clocks if clock in drives]
        self._ceilings = [(drive, positions) for drive in known if (positions := _ceilings(trip, drive))]
        self.most = max((len(positions) for _, positions in self._ceilings), default=0)
        self.every_ps = trip.every.value
        self.level = 0
        self.acted = -self.every_ps

    def wants(self, kelvin: float) -> int:
        """Return 1 where its node is so warm that clocks must lose points, -1 where they get some back, else 0."""
        if kelvin >= self.at - _NEAR and self.level < self.most:
            return 1
        return -1 if self.level and kelvin <= self.clear + _NEAR else 0

    def act(self, change: int, now: int) -> None:
        """Set ceilings one step further down, or up."""
        self.level += change
        self.acted = now
        for drive, positions in self._ceilings:
            if self.level:
                drive.ceilings[self._name] = positions[min(self.level, len(positions)) - 1]
            else:
                drive.ceilings.pop(self._name, None)

    def levels(self) -> list[tuple[float, bool]]:
        """Return temperatures that it waits for, and whether it does so from below."""
        rising = [(self.at, True)] if self.level < self.most else []
        return rising + ([(self.clear, False)] if self.level else [])


def _ceilings(trip: Trip, drive: ClockDrive) -> list[int]:
    """Return the positions that a trip keeps a clock at or below, the first step's first; none where it has none."""
    if trip.to is None:
        return [max(0, drive.top - steps * trip.steps) for steps in range(1, ceil_div(drive.top, trip.steps) + 1)]
    return [max((i for i, hz in enumerate(drive.hz) if hz <= trip.to.value), default=0)]


@dataclass
class _Node:
    """Extremes of a node, in kelvin above the surroundings, and for how long a trip of it slowed clocks down."""

    start: float
    most: float
    throttled_ps: int = 0


class Heat:
    """Follows temperatures by the energies that parts have drawn, and sets ceilings of clocks.

    Assumes: power is even over a step, of an eighth of the fastest time constant at most while the platform works.

    Args:
        thermal: the network.
        ambient: of the surroundings, in thousandths of a degree Celsius.
        drives: clocks by name.
    """

    def __init__(self, thermal: Thermal, ambient: int, drives: Mapping[str, ClockDrive]) -> None:
        self.ambient = ambient
        self.modes = Modes.of(thermal)
        self.traces = [Trace("temperature", name) for name in self.modes.nodes]
        starts = [thermal.nodes[name].start for name in self.modes.nodes]
        kelvin = [(s.value - ambient) / 1000 if s else 0.0 for s in starts]
        self._z = self.modes.from_temperatures(kelvin)
        self._rise = [0.0] * len(self._z)
        self._nodes = [_Node(k, k) for k in kelvin]
        self.trips = [
            TripState(f"trip {i}", trip, self.modes.nodes.index(trip.node), drives, ambient)
            for i, trip in enumerate(thermal.trips)
        ]
        fastest_ps = round(PS_PER_S / self.modes.rates[-1])
        self.step_ps = min(max(fastest_ps // _STEPS_OF_FASTEST, _SHORTEST_PS), _LONGEST_PS)
        self._horizon = _HORIZON / self.modes.rates[0]
        self._critical = (thermal.critical.value - ambient) / 1000 if thermal.critical else None
        self._since = 0
        self._energies = [0] * len(self._z)
        self._mark_z: list[float] = self._z
        self._period: list[tuple[int, list[float]]] = []
        self._is_marked = False
        self._show(0, kelvin)

    @property
    def kelvin(self) -> list[float]:
        """Temperatures of the nodes above the surroundings, when they were last followed."""
        return self.modes.temperatures(self._z)

    @property
    def is_critical(self) -> bool:
        """Whether a node has been as warm as nothing stands."""
        return self._critical is not None and any(node.most >= self._critical for node in self._nodes)

    def is_behind(self, now: int) -> bool:
        """Whether temperatures have not been followed for a step or longer."""
        return now - self._since >= self.step_ps

    # --- steps ----------------------------------------------------------------------------------------

    def follow(self, now: int, energies: Sequence[int]) -> None:
        """Go on to now, by what has warmed each node since the beginning, in nanowatts times picoseconds."""
        span = now - self._since
        if not span:
            return
        power = [(e - before) / (span * _NW_PER_W) for e, before in zip(energies, self._energies, strict=True)]
        self._rise = self.modes.rise(power)
        self._remember(span)
        self._step(now, span, self._rise)
        self._energies = list(energies)

    def _remember(self, span: int) -> None:
        """Keep a step of the period, unless that has become so long that it is not worth repeating."""
        if self._is_marked:
            self._period.append((span, self._rise))
            self._is_marked = len(self._period) < _LONGEST_PERIOD

    def _step(self, now: int, span: int, rise: Sequence[float]) -> None:
        self._z = self.modes.after(self._z, rise, span / PS_PER_S)
        self._since = now
        kelvin = self.kelvin
        for node, value in zip(self._nodes, kelvin, strict=True):
            node.most = max(node.most, value)
        for trip in {t.node: t for t in self.trips if t.level}.values():
            self._nodes[trip.node].throttled_ps += span
        self._show(now, kelvin)

    def act(self, now: int) -> bool:
        """Let trips act on the temperatures of now; return whether one did."""
        kelvin = self.kelvin
        acted = False
        for trip in self.trips:
            change = trip.wants(kelvin[trip.node])
            if change and now >= trip.acted + trip.every_ps:
                trip.act(change, now)
                acted = True
        return acted

    def next_ps(self, now: int) -> int | None:
        """Return when a trip will act if power stays as it was in the last step; None: never."""
        return min((time for trip in self.trips if (time := self._next_of(trip, now)) is not None), default=None)

    def _next_of(self, trip: TripState, now: int) -> int | None:
        earliest = max(now, trip.acted + trip.every_ps)
        if trip.wants(self.kelvin[trip.node]):
            return max(earliest, now + _MS)
        course = self.modes.course(trip.node, self._z, self._rise)
        times = [course.first_at(at, self._horizon, rising=up, step=1e-4) for at, up in trip.levels()]
        found = [time for time in times if time is not None]
        return max(earliest, now + max(_MS, round(min(found) * PS_PER_S))) if found else None

    def _show(self, now: int, kelvin: Sequence[float]) -> None:
        for trace, value in zip(self.traces, kelvin, strict=True):
            trace.add(now, self._millicelsius(value))

    def _millicelsius(self, kelvin: float) -> int:
        return self.ambient + round(1000 * kelvin)

    # --- periods --------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Begin a period."""
        self._mark_z, self._period, self._is_marked = self._z, [], True

    def repeatable(self, periods: int) -> int:
        """Return how many periods like the one since the mark bring no trip to act, so many at most.

        A period multiplies what is left of each mode and adds the same to it: temperatures at the ends of periods lie
        on a sum of exponentials again, which is solved for the first one too warm, or too cool. What temperatures do
        within a period is added to that.
        """
        span = sum(ps for ps, _ in self._period)
        kelvin = self.kelvin
        if not (span and self._is_marked) or any(trip.wants(kelvin[trip.node]) for trip in self.trips):
            return 0
        highs, lows = self._swings()
        for trip in self.trips:
            course = self._repeated_course(trip.node, span)
            for level, rising in trip.levels():
                border = level - highs[trip.node] if rising else level + lows[trip.node]
                seconds = periods * span / PS_PER_S
                first = course.first_at(border, seconds, rising=rising, step=span / PS_PER_S / 4)
                if first is not None:
                    periods = max(0, min(periods, floor(first * PS_PER_S / span) - 1))
        return periods

    def _swings(self) -> tuple[list[float], list[float]]:
        """Return by how much each node was warmer, and cooler, within the period than at its end."""
        seen = [self.modes.temperatures(self._mark_z)]
        z: Sequence[float] = self._mark_z
        for span, rise in self._period:
            z = self.modes.after(z, rise, span / PS_PER_S)
            seen.append(self.modes.temperatures(z))
        columns = list(zip(*seen, strict=True))
        return [max(c) - c[-1] for c in columns], [c[-1] - min(c) for c in columns]

    def _repeated_course(self, node: int, span: int) -> Course:
        """Return the temperature at the ends of periods as a function of time."""
        row = self.modes.to_nodes[node]
        steady = self._steady(span)
        parts = tuple(a * (z - s) for a, z, s in zip(row, self._z, steady, strict=True))
        return Course(sum(a * s for a, s in zip(row, steady, strict=True)), parts, self.modes.rates)

    def _steady(self, span: int) -> list[float]:
        """Return the modes that a period leads back to: z = kept z + gained, solved for z."""
        seconds = span / PS_PER_S
        lost = [-expm1(-rate * seconds) for rate in self.modes.rates]
        return [(z - m * (1 - one)) / one for z, m, one in zip(self._z, self._mark_z, lost, strict=True)]

    def repeat(self, periods: int, energies: Sequence[int]) -> None:
        """Go on by as many periods like the one since the mark, the last one step by step."""
        if not periods:
            return
        span = sum(ps for ps, _ in self._period)
        shown = sorted({periods - 1, *(2**i for i in range(_SHOWN_OF_A_SKIP) if 2**i < periods)} - {0})
        done, steady = 0, self._steady(span)
        for count in shown:
            self._jump(count - done, span, steady)
            done = count
        for ps, rise in list(self._period):
            self._step(self._since + ps, ps, rise)
        self._energies = list(energies)
        for trip in self.trips:
            trip.acted += periods * span

    def _jump(self, periods: int, span: int, steady: Sequence[float]) -> None:
        seconds = periods * span / PS_PER_S
        lost = [-expm1(-rate * seconds) for rate in self.modes.rates]
        self._z = [z + (s - z) * one for z, s, one in zip(self._z, steady, lost, strict=True)]
        self._since += periods * span
        kelvin = self.kelvin
        for node, value in zip(self._nodes, kelvin, strict=True):
            node.most = max(node.most, value)
        for trip in {t.node: t for t in self.trips if t.level}.values():
            self._nodes[trip.node].throttled_ps += periods * span
        self._show(self._since, kelvin)

    def key(self, now: int) -> Hashable:
        """Return what decides how clocks go on, temperatures left out, times as distances."""
        return tuple((t.level, max(0, t.acted + t.every_ps - now)) for t in self.trips)

    # --- what it leaves -------------------------------------------------------------------------------

    def records(self) -> tuple[ThermalRecord, ...]:
        """Return how warm each node became."""
        rows = zip(self.modes.nodes, self._nodes, self.kelvin, strict=True)
        return tuple(
            ThermalRecord(
                name, self._millicelsius(node.start), self._millicelsius(node.most), self._millicelsius(end),
                min((t.trip.at.value for t in self.trips if self.modes.nodes[t.node] == name), default=None),
                node.throttled_ps,
            )
            for name, node, end in rows
        )  # fmt: skip
