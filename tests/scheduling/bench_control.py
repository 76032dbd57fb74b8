"""A small deterministic engine that runs jobs of so many cycles on units, to see what a power manager does."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S, ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.engine.online.power.manager import PlatformPower
    from socsim.soc.platform import Platform

MS = 10**9
S = PS_PER_S


@dataclass
class Job:
    """Cycles left of a job, what a cycle costs at the fastest point, and since when it goes at which rate."""

    application: str
    unit: str
    cycles: int
    pj_at_most: float
    since: int
    hz: int
    pj: float
    started: int
    end: int = 0
    plan: int = 0
    billed: int = 0


class BenchControl:
    """Runs one job at a time on each unit; jobs that wait go in order."""

    def __init__(self, platform: Platform, manager: PlatformPower) -> None:
        self.platform, self.manager = platform, manager
        self.now = 0
        self.changes = 0
        self.events = 0
        self.done: list[tuple[str, int]] = []
        self.woken: list[int] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._running: dict[str, Job] = {}
        self._waiting: dict[str, list[tuple[str, int, float]]] = {}
        self._waking: set[str] = set()
        self._core_ps: dict[str, int] = {}
        manager.start(self)

    # --- the contract ---------------------------------------------------------------------------------

    def at(self, time_ps: int, call: Callable[[], None]) -> None:
        assert time_ps >= self.now, "planned in the past"
        self._sequence += 1
        heapq.heappush(self._heap, (time_ps, self._sequence, call))

    def is_busy(self, unit: str) -> bool:
        return unit in self._running or bool(self._waiting.get(unit)) or unit in self._waking

    def busy_core_ps(self, unit: str) -> int:
        return self._core_ps.get(unit, 0)

    def points_changed(self) -> None:
        self.changes += 1
        for job in list(self._running.values()):
            self._bill(job)
            self._go_on(job)

    def settle(self) -> None:
        for job in self._running.values():
            self._bill(job)

    # --- jobs -----------------------------------------------------------------------------------------

    def release(self, time_ps: int, application: str, unit: str, cycles: int, pj_per_cycle: float) -> None:
        self.at(time_ps, lambda: self._arrive(application, unit, cycles, pj_per_cycle))

    def every(self, period_ps: int, application: str, unit: str, cycles: int, pj_per_cycle: float) -> None:
        def again() -> None:
            self.at(self.now + period_ps, again)
            self._arrive(application, unit, cycles, pj_per_cycle)

        self.at(self.now, again)

    def run(self, until_ps: int) -> None:
        while self._heap and self._heap[0][0] <= until_ps:
            self.now, _, call = heapq.heappop(self._heap)
            self.events += 1
            call()
        self.now = until_ps
        self.settle()

    def finish(self, until_ps: int) -> None:
        self.run(until_ps)
        self.manager.finish()

    def skip(self, period_ps: int, periods: int) -> int:
        """Skip periods like the one that ends now, where the state is that of its start."""
        self.settle()
        skipped = self.manager.skip(periods)
        by_ps = skipped * period_ps
        self._heap = [(time + by_ps, sequence, call) for time, sequence, call in self._heap]
        heapq.heapify(self._heap)
        self.now += by_ps
        for job in self._running.values():
            job.since += by_ps
            job.end += by_ps
            job.started += by_ps
        return skipped

    def run_skipping(self, until_ps: int, period_ps: int) -> int:
        """Run in periods, and skip what repeats; return the time that was skipped."""
        skipped = 0
        while self.now + 2 * period_ps <= until_ps:
            before = self._key()
            self.manager.mark()
            self.run(self.now + period_ps)
            if self._key() == before:
                skipped += period_ps * self.skip(period_ps, (until_ps - self.now) // period_ps)
        self.finish(until_ps)
        return skipped

    def _key(self) -> object:
        self.settle()
        jobs = sorted((j.unit, j.cycles, j.application) for j in self._running.values())
        return jobs, sorted(self._waiting.items()), sorted(self._waking), self.manager.state_key()

    def _arrive(self, application: str, unit: str, cycles: int, pj: float) -> None:
        self._waiting.setdefault(unit, []).append((application, cycles, pj))
        if unit not in self._running and unit not in self._waking:
            waited = self.manager.wake_ps(unit)
            self.woken.append(waited)
            self._waking.add(unit)
            self.at(self.now + waited, lambda: self._start(unit))

    def _start(self, unit: str) -> None:
        self._waking.discard(unit)
        application, cycles, pj = self._waiting[unit].pop(0)
        job = Job(application, unit, cycles, pj, self.now, 1, pj, self.now)
        self._running[unit] = job
        self.manager.working(unit, 1)
        self._go_on(job)

    def _go_on(self, job: Job) -> None:
        clock = self.platform.units[job.unit].clock
        at = self.platform.at({clock: self.manager.points()[clock]})
        job.hz = at.unit_hz(job.unit)
        job.pj = job.pj_at_most * float(at.voltage_squared(clock))
        job.plan += 1
        plan = job.plan
        job.end = self.now + ceil_div(job.cycles * S, job.hz)
        self.at(job.end, lambda: self._end(job, plan))

    def _bill(self, job: Job) -> None:
        span = self.now - job.since
        cycles = min(job.cycles, span * job.hz // S)
        if self.now >= job.end:
            cycles = job.cycles
        elif cycles * S // job.hz != span:
            span = ceil_div(cycles * S, job.hz)
        job.cycles -= cycles
        job.since += min(span, self.now - job.since)
        self._core_ps[job.unit] = self._core_ps.get(job.unit, 0) + span
        self.manager.spend(job.application, job.unit, round(cycles * job.pj), span)

    def _end(self, job: Job, plan: int) -> None:
        if plan != job.plan or self._running.get(job.unit) is not job:
            return
        self._bill(job)
        del self._running[job.unit]
        self.done.append((job.application, self.now))
        self.manager.working(job.unit, 0)
        if self._waiting.get(job.unit):
            self.manager.wake_ps(job.unit)
            self._start(job.unit)
