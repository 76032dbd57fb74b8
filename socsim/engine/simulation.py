"""The event loop of a run: each unit executes its jobs in order, beside all others.

Events are ordered by (time, priority, sequence number), so equal inputs give equal traces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import simpy

from socsim.engine.burst_network import BurstNetwork
from socsim.engine.network import Ledger, Network
from socsim.errors import DeadlockError, SimulationError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from socsim.cost.work import Phase
    from socsim.engine.burst_network import Region
    from socsim.engine.fabric import Fabric, Step

    Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class Job:
    """Work for one unit, with what must be done before it may start.

    Args:
        key: position in the list of jobs.
        unit: who executes it.
        hz: clock of the unit.
        dispatch_ps: host and set-up time before the first phase.
        sync_ps: hand-over, barriers and wake-up.
        phases: the Work's phases.
        after: keys of jobs that it waits for.
        regions: tensors by direction ("read", "write") that its bytes belong to; for the burst level.
    """

    key: int
    unit: str
    hz: int
    dispatch_ps: int
    sync_ps: int
    phases: tuple[Phase, ...]
    after: tuple[int, ...]
    regions: Mapping[str, tuple[Region, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """One phase as it happened."""

    label: str
    start_ps: int
    end_ps: int
    compute_ps: int
    read_bytes: int
    write_bytes: int


@dataclass(slots=True)
class JobTimes:
    """When a job ran, and where its time went: the parts add up to end - start."""

    start_ps: int = 0
    end_ps: int = 0
    compute_ps: int = 0
    memory_wait_ps: int = 0
    bus_wait_ps: int = 0
    dispatch_ps: int = 0
    sync_ps: int = 0
    overlapped_ps: int = 0
    spans: list[Span] = field(default_factory=list)


class Outcome(Protocol):
    """What a run of jobs comes to: times by job, ledgers by resource, granted rates over time."""

    @property
    def makespan_ps(self) -> int:
        """Time until the last job has ended."""

    @property
    def times(self) -> tuple[JobTimes, ...]:
        """When each job ran."""

    @property
    def ledgers(self) -> Mapping[str, Ledger]:
        """What crossed each resource."""

    @property
    def rates(self) -> tuple[tuple[str, int, int], ...]:
        """Resource, time and bytes a second, where they changed."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """An outcome that events led to."""

    makespan_ps: int
    times: tuple[JobTimes, ...]
    ledgers: Mapping[str, Ledger]
    rates: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """Background reads of a unit from a memory at a rate."""

    unit: str
    memory: str
    bytes_per_s: int


def simulate(jobs: Sequence[Job], fabric: Fabric, streams: Sequence[Stream] = (), *, bursts: bool = False) -> Outcome:
    """Run jobs to their end, all units side by side.

    Jobs of one unit run in the order of their keys.

    Args:
        jobs: what the units do.
        fabric: what they share.
        streams: background traffic.
        bursts: whether every access is simulated; by default bytes flow.

    Raises:
        DeadlockError: jobs wait for each other; the message says who for whom.
        UsageError: bursts, and a DRAM whose device is not known.
    """
    env = simpy.Environment(0)
    if bursts:
        units = list(dict.fromkeys(job.unit for job in jobs))
        network = BurstNetwork(env, fabric, units, [stream.unit for stream in streams])
        return _Simulation(jobs, fabric, env, network).run(streams)
    return _Simulation(jobs, fabric, env, Network(env, fabric.capacities, fabric.loading)).run(streams)


def account(record: JobTimes, step: Step, start: int, end: int, alone: int) -> None:
    """Divide a phase's time: compute, what memory alone adds to it, what sharing adds to that."""
    compute = step.compute_ps
    unshared = max(compute, alone)
    if end - start < unshared:
        msg = f"phase {step.label!r} took {end - start} ps, less than the {unshared} ps that it takes alone"
        raise SimulationError(msg)
    record.compute_ps += compute
    record.memory_wait_ps += unshared - compute
    record.bus_wait_ps += end - start - unshared
    record.overlapped_ps += min(compute, alone)
    record.spans.append(Span(step.label, start, end, compute, step.read_bytes, step.write_bytes))


class _Simulation:
    def __init__(
        self, jobs: Sequence[Job], fabric: Fabric, env: simpy.Environment, network: Network | BurstNetwork
    ) -> None:
        self.env = env
        self.network = network
        self.fabric = fabric
        self.jobs = jobs
        self.times = [JobTimes() for _ in jobs]
        self.done = [self.env.event() for _ in jobs]

    @property
    def now(self) -> int:
        """Simulated time; every delay is a whole number of picoseconds, so it is one too."""
        return int(self.env.now)

    def run(self, streams: Sequence[Stream]) -> Outcome:
        for stream in streams:
            self.network.stream(self.fabric.background(stream.unit, stream.memory, stream.bytes_per_s))
        queues: dict[str, list[Job]] = {}
        for job in self.jobs:
            queues.setdefault(job.unit, []).append(job)
        for queue in queues.values():
            self.env.process(self._unit(queue))
        self.env.run()
        self._check_finished()
        makespan = max((t.end_ps for t in self.times), default=0)
        self.network.close(makespan)
        rates = tuple((name, time, rate) for (name, time), rate in self.network.rate_changes.items())
        return Simulated(makespan, tuple(self.times), self.network.ledgers, rates)

    def _unit(self, queue: list[Job]) -> Process:
        for job in queue:
            for before in job.after:
                if not self.done[before].processed:
                    yield self.done[before]
            yield from self._job(job)
            self.done[job.key].succeed()

    def _job(self, job: Job) -> Process:
        record = self.times[job.key]
        record.start_ps = self.now
        record.dispatch_ps, record.sync_ps = job.dispatch_ps, job.sync_ps
        if job.dispatch_ps + job.sync_ps:
            yield self.env.timeout(job.dispatch_ps + job.sync_ps)
        for step in self.fabric.steps(job):
            yield from self._step(job, step, record)
        record.end_ps = self.now

    def _step(self, job: Job, step: Step, record: JobTimes) -> Process:
        start = self.now
        if step.demand:
            yield self.network.move(step.demand, job.regions)
        left = start + step.compute_ps - self.now
        if left > 0:
            yield self.env.timeout(left)
        alone = step.alone_ps
        if isinstance(self.network, BurstNetwork):  # single accesses may be faster than the fluid's closed form
            alone = min(alone, self.now - start)
        account(record, step, start, self.now, alone)

    def _check_finished(self) -> None:
        stuck = [job for job in self.jobs if not self.done[job.key].triggered]
        if stuck:
            waits = "; ".join(
                f"job {job.key} on {job.unit} waits for {[k for k in job.after if not self.done[k].triggered]}"
                for job in stuck[:10]
            )
            msg = f"{len(stuck)} jobs can never start: {waits}"
            raise DeadlockError(msg)
