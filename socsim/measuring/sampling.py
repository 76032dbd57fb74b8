"""How a run is timed: until it is warm, then in blocks, whose medians tell how far figures scatter."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FEWEST_RUNS = 3
"""Runs of the shortest block: a median of fewer is any run."""
SETTLED = 0.03
"""Change from one window of the warm-up to the next below which the run counts as warm."""
_WINDOW_S = 0.05
_MOST_WINDOWS = 40
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure.

    Args:
        blocks: blocks of runs.
        block_s: least time of a block in seconds.
        warm_up_s: most time of the warm-up in seconds.
    """

    blocks: int
    block_s: float
    warm_up_s: float


@dataclass(frozen=True, slots=True)
class Samples:
    """What the clock said.

    Args:
        medians_ns: median run of each block.
        fastest_ns: shortest run of all blocks.
        runs: runs in all blocks.
        warm_up_runs: runs before them.
        is_settled: whether the warm-up ended because the run no longer became faster or slower.
    """

    medians_ns: tuple[int, ...]
    fastest_ns: int
    runs: int
    warm_up_runs: int
    is_settled: bool

    @property
    def median_ns(self) -> float:
        """Median over the blocks: the figure."""
        return median(self.medians_ns)

    @property
    def spread(self) -> float:
        """Distance of the slowest block from the fastest one, relative to the figure."""
        return (max(self.medians_ns) - min(self.medians_ns)) / self.median_ns


def warm_up(run: Callable[[], object], clock: Callable[[], int], limit_s: float) -> tuple[int, bool]:
    """Run until two windows after each other agree; return the runs, and whether they did.

    Args:
        run: one inference.
        clock: nanoseconds, never falling.
        limit_s: seconds after which no further window begins; two there are in any case.
    """
    start, runs, before = clock(), 0, None
    for _ in range(_MOST_WINDOWS):
        times = _window(run, clock, _WINDOW_S)
        runs += len(times)
        now = median(times)
        if before is not None:
            if abs(now - before) <= SETTLED * before:
                return runs, True
            if clock() - start >= limit_s * NS_PER_S:
                break
        before = now
    return runs, False


def sample(run: Callable[[], object], clock: Callable[[], int], plan: Plan, between: Callable[[], object]) -> Samples:
    """Time a run as the plan says.

    Args:
        run: one inference.
        clock: nanoseconds, never falling.
        plan: how long.
        between: called when the run is warm, and again after the last block.
    """
    warm_up_runs, is_settled = warm_up(run, clock, plan.warm_up_s)
    between()
    blocks = [_window(run, clock, plan.block_s) for _ in range(plan.blocks)]
    between()
    return Samples(
        medians_ns=tuple(round(median(block)) for block in blocks),
        fastest_ns=min(map(min, blocks)),
        runs=sum(map(len, blocks)),
        warm_up_runs=warm_up_runs,
        is_settled=is_settled,
    )


def _window(run: Callable[[], object], clock: Callable[[], int], least_s: float) -> Sequence[int]:
    """Return the nanoseconds of each run, as many as fill the time."""
    times: list[int] = []
    begin = clock()
    while len(times) < FEWEST_RUNS or clock() - begin < least_s * NS_PER_S:
        start = clock()
        run()
        times.append(max(clock() - start, 1))
    return times
