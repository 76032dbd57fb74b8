"""Governors: which operating point a clock takes, by how busy its units have been.

A governor is one class. It asks for a frequency; who drives the clock takes an operating point for it. Amounts are
integers, so that the same load leads to the same points anywhere.

Source: Linux, drivers/cpufreq/cpufreq_{ondemand,conservative,performance,powersave}.c and
kernel/sched/cpufreq_schedutil.c with the defaults of their tunables; the decaying average is that of
kernel/sched/pelt.c.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from socsim.errors import UsageError
from socsim.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

GOVERNORS: Registry[Governor] = Registry("governor")
CAPACITY = 1 << 20
"""Utilisation of a clock whose units never rest at its fastest point."""
HALF_LIFE_PS = 32 * 10**9
"""In which the average forgets half: 32 ms, as y^32 = 1/2 for periods of a millisecond."""
_MS = 10**9


@dataclass(frozen=True, slots=True)
class Look:
    """What a governor sees of its clock.

    Args:
        points: frequencies in hertz that it may take, ascending.
        asked: frequency that it asked for last, in hertz.
        busy_ps: time since its last look in which one of the clock's units worked.
        window_ps: time since its last look.
        utilisation: decaying average of the busy share times the frequency over the fastest, of `CAPACITY`.
    """

    points: tuple[int, ...]
    asked: int
    busy_ps: int
    window_ps: int
    utilisation: int


class Governor(ABC):
    """Decides how fast a clock runs.

    Life cycle: one instance serves any number of clocks; it keeps no state. Subclasses name themselves:
    `class Mine(Governor, name="mine")`.

    Contract: what `first` and `asks` return depends on their arguments alone; with `period_ps` None, `asks` is never
    called; a clock whose units rest is asked for less and less, until the same frequency is asked for again.
    """

    name: ClassVar[str]
    period_ps: ClassVar[int | None] = None
    """How often it looks while units of its clock work; None: never."""
    takes: ClassVar[Literal["above", "below", "nearest"]] = "above"
    """The operating point for a frequency between two of them."""
    rests_at_once: ClassVar[bool] = False
    """Whether a domain all of whose clocks have such a governor goes to its deepest resting state as soon as it can,
    whatever else says how idle domains rest."""

    def __init_subclass__(cls, *, name: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = name
        GOVERNORS.add(name, cls)

    @classmethod
    def of(cls, point: str) -> Governor:
        """Return the governor for what stands after the colon of its name.

        Raises:
            UsageError: it takes nothing there.
        """
        if point:
            msg = f"governor {cls.name!r} takes no operating point; write {cls.name!r} alone"
            raise UsageError(msg)
        return cls()

    def pinned(self, points: Sequence[str]) -> int | None:
        """Return the position of the operating point that the clock stays at; None where the governor decides.

        Raises:
            UsageError: the clock has no such point.
        """
        del points
        return None

    @abstractmethod
    def first(self, points: Sequence[int]) -> int:
        """Return the frequency in hertz to begin with; `points` as in `Look`."""

    def asks(self, look: Look) -> int:
        """Return the frequency in hertz to go on with."""
        return look.asked


def governor(name: str) -> Governor:
    """Return a governor by its name: "schedutil", or "fixed:816MHz" with an operating point of the clock.

    Raises:
        UsageError: no such governor; the message lists near or known ones.
    """
    kind, _, point = name.partition(":")
    return GOVERNORS[kind].of(point)


def position(frequency: int, points: Sequence[int], takes: str) -> int:
    """Return the position of the operating point for a frequency; the nearest end outside of the points."""
    above = min(bisect_left(points, frequency), len(points) - 1)
    below = max(bisect_right(points, frequency) - 1, 0)
    if takes == "nearest":
        return below if frequency - points[below] <= points[above] - frequency else above
    return above if takes == "above" else below


def decayed(average: int, time_ps: int, level: int) -> int:
    """Return a decaying average after a time in which the level was `level`, both of `CAPACITY`."""
    kept = _kept(time_ps)
    return (average * kept + level * (CAPACITY - kept)) // CAPACITY


@cache
def _kept(time_ps: int) -> int:
    """Return the share of an average that is left after a time, of `CAPACITY`; in whole periods of a millisecond."""
    whole, rest = divmod(time_ps, HALF_LIFE_PS)
    return 0 if whole >= CAPACITY.bit_length() else round(CAPACITY * 0.5 ** (rest / HALF_LIFE_PS)) >> whole


class Performance(Governor, name="performance"):
    """The fastest point, always."""

    def first(self, points: Sequence[int]) -> int:
        """Return the fastest frequency."""
        return points[-1]


class Powersave(Governor, name="powersave"):
    """The slowest point, always."""

    def first(self, points: Sequence[int]) -> int:
        """Return the slowest frequency."""
        return points[0]


class RaceToIdle(Governor, name="race_to_idle"):
    """The fastest point while anything works, and the deepest resting state as soon as nothing does."""

    rests_at_once = True

    def first(self, points: Sequence[int]) -> int:
        """Return the fastest frequency."""
        return points[-1]


class Schedutil(Governor, name="schedutil"):
    """A quarter more than the utilisation needs.

    Assumes: work that wakes up stays on one core, so that the busiest core is busy whenever its cluster is; looks
    are 10 ms apart, as the kernel's rate limit for clocks that take long to change.
    Source: get_next_freq of kernel/sched/cpufreq_schedutil.c: 1.25 x utilisation x fastest frequency.
    """

    period_ps = 10 * _MS

    def first(self, points: Sequence[int]) -> int:
        """Return the slowest frequency: nothing has worked yet."""
        return points[0]

    def asks(self, look: Look) -> int:
        """Return 1.25 x utilisation x the fastest frequency."""
        fastest = look.points[-1]
        return (fastest + (fastest >> 2)) * look.utilisation // CAPACITY


class Ondemand(Governor, name="ondemand"):
    """The fastest point above a load of 80 %, in proportion to the load below it.

    Source: od_update of drivers/cpufreq/cpufreq_ondemand.c with up_threshold 80; looks are 10 ms apart.
    """

    period_ps = 10 * _MS
    takes = "nearest"
    _UP = 80

    def first(self, points: Sequence[int]) -> int:
        """Return the slowest frequency."""
        return points[0]

    def asks(self, look: Look) -> int:
        """Return the fastest frequency under load, otherwise one between the ends in proportion."""
        load = 100 * look.busy_ps // look.window_ps
        slowest, fastest = look.points[0], look.points[-1]
        return fastest if load > self._UP else slowest + load * (fastest - slowest) // 100


class Conservative(Governor, name="conservative"):
    """A twentieth of the fastest frequency up above a load of 80 %, down below 20 %.

    Source: cs_dbs_update of drivers/cpufreq/cpufreq_conservative.c with up_threshold 80, down_threshold 20 and
    freq_step 5; looks are 10 ms apart.
    """

    period_ps = 10 * _MS
    takes = "below"
    _UP, _DOWN, _STEP = 80, 20, 5

    def first(self, points: Sequence[int]) -> int:
        """Return the slowest frequency."""
        return points[0]

    def asks(self, look: Look) -> int:
        """Return the frequency asked for last, a step up or down, between the ends."""
        load = 100 * look.busy_ps // look.window_ps
        step = look.points[-1] * self._STEP // 100
        change = step if load > self._UP else -step if load < self._DOWN else 0
        return min(max(look.asked + change, look.points[0]), look.points[-1])


class Fixed(Governor, name="fixed"):
    """One operating point: "fixed:816MHz"."""

    def __init__(self, point: str) -> None:
        self.point = point

    @classmethod
    def of(cls, point: str) -> Governor:
        """Return the governor that stays at a point.

        Raises:
            UsageError: no point is named.
        """
        if not point:
            msg = "governor 'fixed' needs an operating point; write one of the clock's, such as 'fixed:816MHz'"
            raise UsageError(msg)
        return cls(point)

    def pinned(self, points: Sequence[str]) -> int:
        """Return the position of the point.

        Raises:
            UsageError: the clock has no such point.
        """
        if self.point not in points:
            allowed = ", ".join(points)
            msg = f"governor 'fixed:{self.point}': the clock has no such operating point; use one of {allowed}"
            raise UsageError(msg)
        return list(points).index(self.point)

    def first(self, points: Sequence[int]) -> int:
        """Return the fastest frequency, which `pinned` overrides."""
        return points[-1]
