"""Local improvement: groups that move between units one by one as long as that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.schedule.partition.problem import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from socsim.schedule.partition.problem import PlacementProblem, Timed


def improved(
    problem: PlacementProblem,
    schedule: Timed,
    value: Callable[[Timed], tuple[int, ...]],
    most: int,
    busy: Callable[[Timed], Collection[int]] | None = None,
) -> Timed:
    """Return a schedule that no single move makes better, or as good as so many tries make it.

    Args:
        problem: what is placed.
        schedule: to begin with; its order stays.
        value: what is made smaller.
        most: moves that are tried.
        busy: units from which moves can help; None: any.
    """
    left = most
    while left > 0:
        before = schedule
        for g in range(len(problem)):
            for v in problem.allowed[g]:
                if left <= 0 or v == schedule.units[g] or (busy and schedule.units[g] not in busy(schedule)):
                    continue
                left -= 1
                units = (*schedule.units[:g], v, *schedule.units[g + 1 :])
                schedule = min(schedule, timed(problem, units, schedule.order), key=value)
        if schedule is before:
            break
    return schedule
