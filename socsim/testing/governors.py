"""What every governor must satisfy, as a class of tests that a new one gets by one line.

    TestMine = governor_conformance("mine")

The class runs under pytest as it stands; `governor_faults` needs no test framework.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from socsim.errors import join_faults
from socsim.schedule.governors import CAPACITY, Look, governor, position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from socsim.schedule.governors import Governor

_TABLES = ((100_000_000,), (300_000_000, 1_000_000_000), tuple(range(408_000_000, 2_400_000_001, 192_000_000)))
_WINDOW_PS = 10 * 10**9
_SHARES = 21
_IDLE_LOOKS = 200


def _looks(points: tuple[int, ...]) -> Iterator[Look]:
    for asked in (points[0], points[-1], (points[0] + points[-1]) // 2):
        for step in range(_SHARES):
            busy, average = _WINDOW_PS * step // (_SHARES - 1), CAPACITY * step // (_SHARES - 1)
            yield Look(points, asked, busy, _WINDOW_PS, average)


def answers_repeat(made: Governor) -> list[str]:
    """The same look leads to the same frequency."""
    looks = [look for points in _TABLES for look in _looks(points)]
    pairs = [(made.asks(look), made.asks(look)) for look in looks] if made.period_ps else []
    pairs += [(made.first(points), made.first(points)) for points in _TABLES]
    return [f"asked for {one} Hz, then for {other} Hz" for one, other in pairs if one != other]


def frequencies_are_whole_and_positive(made: Governor) -> list[str]:
    """Frequencies are whole numbers from 0 up, and the first one is between the ends."""
    looks = [look for points in _TABLES for look in _looks(points)]
    asked = [made.asks(look) for look in looks] if made.period_ps else []
    faults = [f"asked for {hz!r}; frequencies are whole numbers of hertz" for hz in asked if not _is_hertz(hz)]
    firsts = [(made.first(points), points) for points in _TABLES]
    return faults + [f"begins with {hz} Hz outside of {p}" for hz, p in firsts if not p[0] <= hz <= p[-1]]


def _is_hertz(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def more_load_asks_for_no_less(made: Governor) -> list[str]:
    """A clock whose units worked longer is asked for no lower frequency."""
    faults = []
    for points in _TABLES if made.period_ps else ():
        looks = [(look, made.asks(look)) for look in _looks(points)]
        for (one, less), (other, more) in pairwise(looks):
            if one.busy_ps < other.busy_ps and more < less:
                faults.append(
                    f"asked for {less} Hz at {one.busy_ps} ps of work and for {more} Hz at {other.busy_ps} ps"
                )
    return faults


def an_idle_clock_comes_to_rest(made: Governor) -> list[str]:
    """A clock whose units rest ends up at one operating point."""
    faults = []
    for points in _TABLES if made.period_ps else ():
        asked = points[-1]
        seen = []
        for _ in range(_IDLE_LOOKS):
            asked = made.asks(Look(points, asked, 0, _WINDOW_PS, 0))
            seen.append(position(asked, points, made.takes))
        if len(set(seen[_IDLE_LOOKS // 2 :])) > 1:
            faults.append(f"goes on to change the operating point of an idle clock with points {points}")
    return faults


GOVERNOR_RELATIONS: tuple[Callable[[Governor], list[str]], ...] = (
    answers_repeat, frequencies_are_whole_and_positive, more_load_asks_for_no_less, an_idle_clock_comes_to_rest,
)  # fmt: skip


class GovernorConformance:
    """One test for each relation, of one governor; a subclass names it as `governor` does."""

    name: ClassVar[str]


def governor_conformance(name: str) -> type[GovernorConformance]:
    """Return the tests of a governor, by its name."""
    return type(f"TestConformanceOf_{name}", (GovernorConformance,), {"name": name})


def governor_faults(name: str) -> list[str]:
    """Return what a governor violates, each with its relation."""
    made = governor(name)
    return [f"{relation.__name__}: {fault}" for relation in GOVERNOR_RELATIONS for fault in relation(made)]


def _test(relation: Callable[[Governor], list[str]]) -> Callable[[GovernorConformance], None]:
    def test(self: GovernorConformance) -> None:
        if found := relation(governor(self.name)):
            raise AssertionError(join_faults(f"governor {self.name!r}", found))

    test.__doc__ = relation.__doc__
    test.__name__ = f"test_{relation.__name__}"
    return test


for _relation in GOVERNOR_RELATIONS:
    setattr(GovernorConformance, f"test_{_relation.__name__}", _test(_relation))
