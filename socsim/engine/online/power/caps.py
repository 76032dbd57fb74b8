"""A controller that holds a cap on average power: it slows down the clock that draws most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from socsim.engine.online.power.drives import ClockDrive

CAP = "cap"
"""The name of its ceilings."""
_ROOM = 0.95
"""Clocks get points back where the power that is expected then stays below this share of what is allowed."""
_REPAID_IN = 10
"""Windows in which what was drawn above the cap is saved again."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Energies since the beginning, in nanowatts times picoseconds.

    Args:
        total: of everything.
        clocks: of the units and domains of each clock.
    """

    total: int
    clocks: Mapping[str, int]


class PowerCap:
    """Looks at each window's average and sets ceilings of clocks.

    Above what is allowed, the clock that drew most loses points until the expected power fits; below it, the clock
    that lost points and draws least gets one back, if the expected power leaves room. What was drawn too much in a
    window is saved in the next ones, so that the average holds.

    Assumes: a clock's power goes with frequency times voltage squared.

    Args:
        cap_nw: the cap.
        window_ps: over which power is averaged.
        drives: clocks, by name.
    """

    def __init__(self, cap_nw: int, window_ps: int, drives: Mapping[str, ClockDrive]) -> None:
        self.cap_nw, self.window_ps = cap_nw, window_ps
        self._drives = drives
        self._began = 0
        self._before = Drawn(0, {})
        self._debt = 0
        self.is_watching = False
        self.is_exceeded = False
        """Whether a window was above what is allowed with all clocks at their slowest points."""

    def begin(self, now: int, drawn: Drawn) -> None:
        """Begin a window."""
        self._began, self._before, self.is_watching = now, drawn, True

    def look(self, now: int, drawn: Drawn) -> None:
        """End a window: set the ceilings for the next one."""
        window = now - self._began
        spent = drawn.total - self._before.total
        self._debt = max(0, self._debt + spent - self.cap_nw * window)
        allowed = max(0, self.cap_nw - self._debt // (_REPAID_IN * window))
        clocks = {name: (energy - self._before.clocks.get(name, 0)) / window for name, energy in drawn.clocks.items()}
        power = spent / window
        if power > self.cap_nw and not self._able(clocks):
            self.is_exceeded = True
        if power > allowed:
            self._lower(power, allowed, clocks)
        else:
            self._raise(power, allowed, clocks)
        self._began, self._before = now, drawn

    def _lower(self, power: float, allowed: int, clocks: dict[str, float]) -> None:
        while power > allowed and (able := self._able(clocks)):
            name = max(able, key=lambda n: (clocks[n], n))
            drive = self._drives[name]
            ratio = self._ratio(name, drive.due, drive.due - 1)
            power -= clocks[name] * (1 - ratio)
            clocks[name] *= ratio
            drive.ceilings[CAP] = drive.due - 1

    def _able(self, clocks: dict[str, float]) -> list[str]:
        """Return the clocks that draw power and are not at their slowest points yet."""
        return [name for name, power in clocks.items() if self._drives[name].due > 0 and power > 0]

    def _raise(self, power: float, allowed: int, clocks: dict[str, float]) -> None:
        lowered = [name for name, drive in self._drives.items() if CAP in drive.ceilings]
        for name in sorted(lowered, key=lambda n: (clocks.get(n, 0), n)):
            drive = self._drives[name]
            ceiling = drive.ceilings[CAP] + 1
            ratio = self._ratio(name, min(drive.at, ceiling), ceiling)
            if power + clocks.get(name, 0) * (ratio - 1) <= _ROOM * allowed:
                drive.ceilings[CAP] = ceiling
                if ceiling == drive.top:
                    del drive.ceilings[CAP]
                return

    def _ratio(self, name: str, before: int, after: int) -> float:
        """Return the expected power of a clock at a point over that at another."""
        return self._drives[name].power(after) / self._drives[name].power(before)

    def key(self, now: int, drawn: Drawn) -> Hashable:
        """Return what decides how it goes on, times as distances."""
        ceilings = tuple(drive.ceilings.get(CAP) for drive in self._drives.values())
        clocks = tuple(energy - self._before.clocks.get(name, 0) for name, energy in drawn.clocks.items())
        return now - self._began, drawn.total - self._before.total, clocks, self._debt, self.is_watching, ceilings

    def shift(self, by_ps: int, before: Drawn, after: Drawn) -> None:
        """Move its window over repeated periods, in which so much was drawn from `before` to `after`."""
        self._began += by_ps
        grown = {
            name: self._before.clocks.get(name, 0) + energy - before.clocks[name]
            for name, energy in after.clocks.items()
        }
        self._before = Drawn(self._before.total + after.total - before.total, grown)
