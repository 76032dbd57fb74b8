"""A clock that a governor drives, below ceilings that caps and heat set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.schedule.governors import CAPACITY, Look, decayed, position

if TYPE_CHECKING:
    from collections.abc import Hashable

    from socsim.engine.online.power.tally import Tally
    from socsim.schedule.governors import Governor
    from socsim.soc.platform import Platform


class ClockDrive:
    """Books how long a clock runs at each of its points.

    Args:
        name: of the clock.
        governor: that drives it.
        platform: at whose operating point the clock runs at most.
        tally: books.
    """

    def __init__(self, name: str, governor: Governor, platform: Platform, tally: Tally) -> None:
        self.name, self.governor, self._tally = name, governor, tally
        every = sorted(platform.file.clocks[name].opps, key=lambda p: p.clock.value)
        pinned = governor.pinned([p.name for p in every])
        most = platform.clock(name).hz if pinned is None else every[pinned].clock.value
        points = [p for p in every if p.clock.value <= most]
        self.names = tuple(p.name for p in points)
        self.hz = tuple(p.clock.value for p in points)
        self.top = len(points) - 1
        self._squares = [float(platform.at({name: p.name}).voltage_squared(name)) for p in points]
        self._asked = governor.first(self.hz)
        self.wanted = self.top if pinned is not None else position(self._asked, self.hz, governor.takes)
        self.ceilings: dict[str, int] = {}
        self.at = self.wanted
        self._point_keys = tuple(("clock", name, "time", point) for point in self.names)
        self._since = self._looked = self._busy_since = 0
        self._busy_ps = self._working = self._utilisation = 0
        self.is_looking = False

    # --- what its units do ----------------------------------------------------------------------------

    def rise(self, now: int) -> bool:
        """Take note that one more unit works; return whether the governor begins to look."""
        self._working += 1
        if self._working == 1:
            self._busy_since = now
        if self.is_looking or self.governor.period_ps is None:
            return False
        self._utilisation = decayed(self._utilisation, now - self._looked, 0)
        self._looked, self._busy_ps, self.is_looking = now, 0, True
        return True

    def fall(self, now: int) -> None:
        """Take note that one unit less works."""
        self._working -= 1
        if not self._working:
            self._busy_ps += now - self._busy_since

    def look(self, now: int) -> bool:
        """Let the governor decide; return whether it looks on."""
        busy = self._take_busy(now)
        window = now - self._looked
        level = CAPACITY * self.hz[self.at] // self.hz[-1] * busy // window
        self._utilisation = decayed(self._utilisation, window, level)
        asked = self.governor.asks(Look(self.hz, self._asked, busy, window, self._utilisation))
        rests = not busy and not self._working and (asked == self._asked or asked <= self.hz[0])
        self._asked, self._looked, self.is_looking = asked, now, not rests
        self.settle(now)
        self.wanted = position(asked, self.hz, self.governor.takes)
        return self.is_looking

    def _take_busy(self, now: int) -> int:
        busy = self._busy_ps
        if self._working:
            busy += now - self._busy_since
            self._busy_since = now
        self._busy_ps = 0
        return busy

    # --- its point ------------------------------------------------------------------------------------

    @property
    def point(self) -> str:
        """Name of the operating point that it is at."""
        return self.names[self.at]

    @property
    def period_ps(self) -> int:
        """How often its governor looks; 0: never."""
        return self.governor.period_ps or 0

    @property
    def due(self) -> int:
        """Position that it should be at: what the governor wants, below all ceilings."""
        return min(self.wanted, *self.ceilings.values()) if self.ceilings else self.wanted

    def move(self, now: int) -> bool:
        """Go to the point that is due; return whether it is another one."""
        if self.at == self.due:
            return False
        self.settle(now)
        self.at = self.due
        self._tally["clock", self.name, "changes"] += 1
        return True

    def power(self, at: int) -> float:
        """Return frequency times voltage squared at a position, which its units' dynamic power goes with."""
        return self.hz[at] * self._squares[at]

    def settle(self, now: int) -> None:
        """Book everything until now."""
        self._tally[self._point_keys[self.at]] += now - self._since
        if self.at < self.wanted:
            self._tally["clock", self.name, "throttled"] += now - self._since
        self._since = now

    def key(self, now: int) -> Hashable:
        """Return what decides how it goes on, times as distances."""
        seen: tuple[int, ...] = ()
        if self.is_looking:
            busy = self._busy_ps + (now - self._busy_since if self._working else 0)
            seen = now - self._looked, busy, self._utilisation
        elif decayed(self._utilisation, now - self._looked, 0):
            seen = now - self._looked, self._utilisation
        return self.at, self.wanted, self._asked, self._working, self.is_looking, seen

    def shift(self, by_ps: int) -> None:
        """Move all of its times."""
        self._since += by_ps
        self._looked += by_ps
        self._busy_since += by_ps
