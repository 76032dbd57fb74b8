"""How runs are timed: warm first, then blocks, on a clock that the test turns."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from socsim.measuring.sampling import FEWEST_RUNS, Plan, sample, warm_up

MS = 1_000_000


class Bench:
    """A run whose times are given, and the clock that they move."""

    def __init__(self, *times_ms: float, then: float) -> None:
        self._now = 0
        self._times = chain(times_ms, repeat(then))
        self.seen: list[int] = []

    def clock(self) -> int:
        return self._now

    def run(self) -> None:
        self._now += int(next(self._times) * MS)

    def look(self) -> None:
        self.seen.append(self._now)


def test_a_steady_run_is_warm_after_two_windows() -> None:
    bench = Bench(then=10)
    assert warm_up(bench.run, bench.clock, 3.0) == (10, True)  # five runs of 10 ms fill a window of 50 ms


def test_a_run_that_becomes_faster_is_repeated_until_it_no_longer_does() -> None:
    bench = Bench(*[80.0] * 3, *[40.0] * 3, *[20.0] * 3, then=10)
    runs, is_settled = warm_up(bench.run, bench.clock, 3.0)
    assert is_settled
    assert runs == 3 + 3 + 3 + 5 + 5


def test_a_run_that_never_settles_ends_with_the_time() -> None:
    bench = Bench(*(100.0 * 1.1**n for n in range(60)), then=1)
    runs, is_settled = warm_up(bench.run, bench.clock, 1.0)
    assert not is_settled
    assert bench.clock() < 3e9
    assert runs % FEWEST_RUNS == 0


def test_a_slow_run_gets_its_two_windows() -> None:
    bench = Bench(then=4000)
    assert warm_up(bench.run, bench.clock, 3.0) == (2 * FEWEST_RUNS, True)


def test_the_figure_is_the_median_of_medians_and_the_spread_is_theirs() -> None:
    settled = [10.0] * 10
    blocks = [10.0, 11.0, 12.0, 20.0, 21.0, 22.0, 10.0, 10.0, 90.0]
    bench = Bench(*settled, *blocks, then=1)
    found = sample(bench.run, bench.clock, Plan(blocks=3, block_s=0.001, warm_up_s=1.0), bench.look)
    assert found.medians_ns == (11 * MS, 21 * MS, 10 * MS)
    assert found.median_ns == 11 * MS
    assert found.spread == pytest.approx(1.0)
    assert (found.fastest_ns, found.runs, found.warm_up_runs, found.is_settled) == (10 * MS, 9, 10, True)


def test_the_machine_is_looked_at_when_warm_and_at_the_end() -> None:
    bench = Bench(then=10)
    sample(bench.run, bench.clock, Plan(blocks=2, block_s=0.1, warm_up_s=1.0), bench.look)
    assert bench.seen == [100 * MS, 300 * MS]


def test_a_block_lasts_as_long_as_the_plan_says() -> None:
    bench = Bench(then=1)
    found = sample(bench.run, bench.clock, Plan(blocks=4, block_s=0.2, warm_up_s=1.0), bench.look)
    assert found.runs == 4 * 200


def test_a_clock_that_stands_still_gives_no_zero() -> None:
    found = sample(lambda: None, iter(range(0, 10**9, 7)).__next__, Plan(1, 1e-9, 1.0), lambda: None)
    assert found.fastest_ns >= 1
