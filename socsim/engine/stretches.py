"""Events only where jobs can overlap: a run in stretches, each of which begins when all before it has ended.

What is left over when a stretch ends is nothing: no byte is under way, and every later job waits for all earlier ones.
So stretches add up, and a stretch of one job is its closed form: its bytes move at the rate that the fabric grants to
one activity alone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from socsim.engine.closed_form import analyse
from socsim.engine.network import Ledger
from socsim.engine.simulation import simulate
from socsim.quantities import PS_PER_S
from socsim.schedule.order import waits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from socsim.engine.fabric import Fabric, Step
    from socsim.engine.simulation import Job, JobTimes, Outcome


def simulate_in_stretches(jobs: Sequence[Job], fabric: Fabric) -> Outcome:
    """Run jobs to their end, as `simulate` does, with events for those alone that can overlap.

    Everything is equal to what events come to, in another order at most where rates change at one time. Jobs that
    wait for later ones, and transfers so slow that events refuse them, are left to events, which say what is wrong.

    Raises:
        DeadlockError: as `simulate`.
    """
    if any(before >= job.key for job in jobs for before in job.after) or _any_starves(jobs, fabric):
        return simulate(jobs, fabric)
    parts: list[Outcome] = []
    for first, last in _parts(jobs):
        own = jobs[first:last]
        parts.append(analyse(own, fabric) if _is_chain(own) else simulate(_renumbered(own, first), fabric))
    return parts[0] if len(parts) == 1 else InTurn(parts, fabric)


def stretches(jobs: Sequence[Job]) -> list[int]:
    """Return the positions of the jobs that wait, as all later ones do, for every job before them."""
    if _is_chain(jobs):
        return list(range(len(jobs)))
    units = [job.unit for job in jobs]
    found = waits(units, [job.after for job in jobs])
    least = dict.fromkeys(units, len(jobs))
    floors = []
    for levels in reversed(found):
        least = {unit: min(level, levels.get(unit, -1)) for unit, level in least.items()}
        floors.append(least)
    newest = dict.fromkeys(units, -1)
    starts = []
    for position, (unit, floor) in enumerate(zip(units, reversed(floors), strict=True)):
        if all(floor[name] >= last for name, last in newest.items()):
            starts.append(position)
        newest[unit] = position
    return starts


def _parts(jobs: Sequence[Job]) -> Iterator[tuple[int, int]]:
    """Yield where stretches begin and end, those of one job after the other together."""
    ends = pairwise([*stretches(jobs), len(jobs)])
    for is_single, own in groupby(ends, key=lambda ends: ends[1] - ends[0] == 1):
        found = list(own)
        if is_single:
            yield found[0][0], found[-1][1]
        else:
            yield from found


def _is_chain(jobs: Sequence[Job]) -> bool:
    """Whether each job waits for the one before it: as the next of its unit, or because it says so."""
    return all(before.unit == job.unit or before.key in job.after for before, job in pairwise(jobs))


def _renumbered(jobs: Sequence[Job], first: int) -> list[Job]:
    """Return the jobs of a stretch as if it were all."""
    return [
        replace(job, key=job.key - first, after=tuple(before - first for before in job.after if before >= first))
        for job in jobs
    ]


def _any_starves(jobs: Sequence[Job], fabric: Fabric) -> bool:
    return any(_starves(step) for job in jobs for step in fabric.steps(job))


def _starves(step: Step) -> bool:
    """Whether a step is down to one byte a second."""
    demand = step.demand
    return demand is not None and step.alone_ps > PS_PER_S and step.alone_ps == demand.bytes * PS_PER_S


class InTurn:
    """The outcome of parts that follow one another: the makespan at once, the rest when it is asked for.

    Args:
        parts: outcomes, each from time zero on.
        fabric: what they use.
    """

    def __init__(self, parts: Sequence[Outcome], fabric: Fabric) -> None:
        self._parts, self._fabric = parts, fabric
        self.makespan_ps = sum(part.makespan_ps for part in parts)

    @cached_property
    def times(self) -> tuple[JobTimes, ...]:
        """When each job ran."""
        return tuple(_later(times, start) for start, part in self._starts() for times in part.times)

    @cached_property
    def ledgers(self) -> dict[str, Ledger]:
        """What crossed each resource."""
        ledgers = {name: Ledger() for name in self._fabric.capacities}
        for part in self._parts:
            for name, own in part.ledgers.items():
                ledgers[name].busy_ps += own.busy_ps
                for initiator, moved in (own.initiators or {}).items():
                    ledgers[name].book(initiator, moved)
        return ledgers

    @cached_property
    def rates(self) -> tuple[tuple[str, int, int], ...]:
        """Resource, time and bytes a second, where they changed."""
        changes = {(name, start + time): rate for start, part in self._starts() for name, time, rate in part.rates}
        return tuple((name, time, rate) for (name, time), rate in changes.items())

    def _starts(self) -> Iterator[tuple[int, Outcome]]:
        start = 0
        for part in self._parts:
            yield start, part
            start += part.makespan_ps


def _later(times: JobTimes, by_ps: int) -> JobTimes:
    spans = [replace(span, start_ps=span.start_ps + by_ps, end_ps=span.end_ps + by_ps) for span in times.spans]
    return replace(times, start_ps=times.start_ps + by_ps, end_ps=times.end_ps + by_ps, spans=spans)
