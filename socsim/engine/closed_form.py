"""The closed form of a run: jobs one after the other, each alone on the fabric."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from socsim.engine.fluid import fair_rates
from socsim.engine.network import Ledger
from socsim.engine.simulation import JobTimes, account
from socsim.quantities import PS_PER_S, ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from socsim.engine.fabric import Fabric
    from socsim.engine.fluid import Demand
    from socsim.engine.simulation import Job


def analyse(jobs: Sequence[Job], fabric: Fabric) -> ClosedForm:
    """Return the closed form: every job one after the other, alone on the fabric.

    Equal to `simulate` where no two jobs can overlap.
    """
    return ClosedForm(jobs, fabric)


class ClosedForm:
    """The outcome of jobs that run one after the other: the makespan at once, the rest when it is asked for.

    Args:
        jobs: in order.
        fabric: what they use.
    """

    def __init__(self, jobs: Sequence[Job], fabric: Fabric) -> None:
        self._jobs, self._fabric = jobs, fabric
        self.makespan_ps = sum(
            job.dispatch_ps + job.sync_ps + sum(step.lone_ps for step in fabric.steps(job)) for job in jobs
        )

    @cached_property
    def times(self) -> tuple[JobTimes, ...]:
        """When each job ran."""
        found, now = [], 0
        for job in self._jobs:
            record = JobTimes(start_ps=now, dispatch_ps=job.dispatch_ps, sync_ps=job.sync_ps)
            now += job.dispatch_ps + job.sync_ps
            for step in self._fabric.steps(job):
                account(record, step, now, now + step.lone_ps, step.alone_ps)
                now += step.lone_ps
            record.end_ps = now
            found.append(record)
        return tuple(found)

    @cached_property
    def ledgers(self) -> dict[str, Ledger]:
        """What crossed each resource; it is busy while bytes move, not while their unit computes on."""
        ledgers = {name: Ledger() for name in self._fabric.capacities}
        for demand, rate, _ in self._moves():
            for name, used in demand.usage.items():
                ledgers[name].book(demand.initiator, used)
            for name, _ in demand.shares:
                ledgers[name].busy_ps += _moving_ps(demand, rate)
        return ledgers

    @cached_property
    def rates(self) -> tuple[tuple[str, int, int], ...]:
        """Resource, time and bytes a second, where they changed."""
        changes: dict[tuple[str, int], int] = {}
        for demand, rate, start in self._moves():
            end = start + _moving_ps(demand, rate)
            changes |= {(name, start): rate * share >> 32 for name, share in demand.shares}
            changes |= {(name, end): 0 for name, _ in demand.shares}
        return tuple((name, time, rate) for (name, time), rate in changes.items())

    def _moves(self) -> Iterator[tuple[Demand, int, int]]:
        """Yield what moves, at how many bytes a second, and from when on."""
        for job, times in zip(self._jobs, self.times, strict=True):
            for step, span in zip(self._fabric.steps(job), times.spans, strict=True):
                if step.demand:
                    (rate,) = fair_rates([step.demand], self._fabric.capacities)
                    yield step.demand, rate, span.start_ps


def _moving_ps(demand: Demand, rate: int) -> int:
    return max(0, ceil_div(demand.bytes * PS_PER_S, rate))
