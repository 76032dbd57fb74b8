"""Ways to do a step: what it takes on one server, at any operating point and for any number of activations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from socsim.cost.energy import EnergyModel
from socsim.cost.work import Transfer, Work
from socsim.costing import hub_wake_ps
from socsim.engine.fabric import Fabric, Step
from socsim.engine.fluid import alone_ps
from socsim.engine.online.model import Piece, Program, Segment
from socsim.memo import Same
from socsim.pipeline import prepare_as_placed
from socsim.quantities import PS_PER_S, ceil_div, cycles_to_ps
from socsim.simulation.resuming import resume_ps
from socsim.soc.schema import Sram, SystemCache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from socsim.costing import Prepared
    from socsim.engine.simulation import Job
    from socsim.pipeline import Options
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph
    from socsim.workload.scenario.schema import NetworkLink, OffloadStep, Stream


class Way(Protocol):
    """One way to do a step."""

    @property
    def name(self) -> str:
        """The server that it begins on."""

    @property
    def places(self) -> tuple[str, ...]:
        """Servers that it uses, in order of their first use."""

    def units(self, platform: Platform) -> tuple[str, ...]:
        """Return the units whose clocks decide how long it takes."""

    def program(self, platform: Platform, batch: int) -> Program:
        """Return its segments on a platform at its operating points, for activations that go together."""


def clocks_of(platform: Platform, units: Sequence[str]) -> tuple[str, ...]:
    """Return the clocks that decide how long units take: their own, and those of links and on-chip memories.

    Without units there are none.
    """
    if not units:
        return ()
    names = [platform.unit(unit).clock for unit in units if unit in platform.units]
    names += [link.clock for link in platform.file.links.values()]
    names += [m.clock for m in platform.file.memories.values() if isinstance(m, Sram | SystemCache)]
    return tuple(name for name in dict.fromkeys(names) if name in platform.file.clocks)


def length_ps(program: Program) -> int:
    """Return how long a program takes with nothing beside it: its longest chain of segments."""
    ends: list[int] = []
    for segment in program.segments:
        own = sum(piece.fixed_ps + sum(step.lone_ps for step in piece.steps) for piece in segment.pieces)
        ends.append(own + max((ends[before] for before in segment.after), default=0))
    return max(ends, default=0)


def energy_pj(program: Program) -> int:
    """Return the dynamic energy of a program."""
    return sum(piece.energy_pj for segment in program.segments for piece in segment.pieces)


# --- networks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NetworkWay:
    """Inferences of a network, one after the other.

    Args:
        graph: the network.
        options: of each inference's run; unit and calibration among them.
        home: the platform at the operating points that decide where operators go.
        servers: by unit that may run some of its operators: the server, and its cores.
        detail: "transaction" or "tile".
        repeat: inferences of an activation.
        places: servers that run some of its operators, in order of their first.
    """

    graph: Graph
    options: Options
    home: Platform
    servers: Mapping[str, tuple[str, int]]
    detail: str
    repeat: int
    places: tuple[str, ...]

    @property
    def name(self) -> str:
        """The server of the unit that the network is sent to."""
        return self.servers[str(self.options.unit)][0]

    def units(self, _platform: Platform) -> tuple[str, ...]:
        """Return the units that run its operators."""
        return tuple(unit for unit, (server, _) in self.servers.items() if server in self.places)

    def prepared(self, platform: Platform, batch: int) -> Prepared:
        """Return plan and costs of an inference; where operators go stays what it is at home."""
        return prepare_as_placed(self.graph, platform, replace(self.options, batch=batch), self.home)

    def program(self, platform: Platform, batch: int) -> Program:
        """Return its segments: consecutive operators of one unit."""
        prepared = self.prepared(platform, batch)
        once = list(_segments(prepared, self.servers, self.detail))
        return Program(tuple(_repeated(once, self.repeat)), prepared.fabric)


def _segments(prepared: Prepared, servers: Mapping[str, tuple[str, int]], detail: str) -> Iterator[Segment]:
    jobs = prepared.jobs(detail)
    woken: set[str] = set()
    home: dict[int, int] = {}
    last: dict[str, int] = {}
    for position, (unit, run) in enumerate(groupby(jobs, key=lambda job: job.unit)):
        own = list(run)
        after = {home[before] for job in own for before in job.after if home.get(before, position) != position}
        after |= {last[unit]} if unit in last else set()  # operators of one unit keep their order
        home |= {job.key: position for job in own}
        last[unit] = position
        server, cores = servers[unit]
        yield Segment(
            server,
            min(cores, prepared.plan.cores[unit]),
            tuple(_piece(prepared, job, woken) for job in own),
            tuple(sorted(after)),
            resume_ps(prepared, own),
        )


def _piece(prepared: Prepared, job: Job, woken: set[str]) -> Piece:
    """Return a job without a hub's wake-up, which is the business of whoever manages power."""
    task, cost = prepared.plan.tasks.tasks[job.key], prepared.costs[job.key]
    waking = 0 if job.unit in woken else hub_wake_ps(prepared.plan.platform, job.unit)
    woken.add(job.unit)
    return Piece(
        f"{task.root.index} {task.root.type}",
        job.dispatch_ps + job.sync_ps - waking,
        prepared.fabric.steps(job),
        cost.energy.total if cost.energy else 0,
        task.root.index,
    )


def _repeated(once: Sequence[Segment], times: int) -> Iterator[Segment]:
    """Yield segments several times over, each time when all of the time before have ended."""
    if len(once) == 1:
        yield replace(once[0], pieces=once[0].pieces * times)
        return
    followed = {before for segment in once for before in segment.after}
    ends = [position for position in range(len(once)) if position not in followed]
    for turn in range(times):
        base = turn * len(once)
        for segment in once:
            before = segment.after or (() if not turn else tuple(end - len(once) for end in ends))
            yield replace(segment, after=tuple(base + position for position in before))


# --- stages -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StageWay:
    """Work with a given cost on some cores.

    Args:
        label: for timelines.
        server: where it queues.
        unit: of the server.
        cores: at once.
        time_ps: of computing; None where cycles are given.
        at_hz: clock that the time belongs to; None: any.
        cycles: of computing.
        read_bytes, write_bytes: from and to the memory that the unit keeps its activations in.
        accesses: to that memory, one after the other.
        beside: streams that keep bursts of the unit under way meanwhile, by unit.

    Assumes: what others queue at the memory does not change the latency of single accesses, but for streams of the
    unit's own cores.
    """

    label: str
    server: str
    unit: str
    cores: int
    time_ps: int | None
    at_hz: int | None
    cycles: int | None
    read_bytes: int
    write_bytes: int
    accesses: int
    beside: Mapping[str, Stream]

    @property
    def name(self) -> str:
        """The server."""
        return self.server

    @property
    def places(self) -> tuple[str, ...]:
        """The server."""
        return (self.server,)

    def units(self, _platform: Platform) -> tuple[str, ...]:
        """Return the unit."""
        return (self.unit,)

    def program(self, platform: Platform, batch: int) -> Program:
        """Return one segment of one piece; its parts for several activations follow one another."""
        fabric = Fabric(platform, {self.unit: self.cores})
        hz = platform.unit_hz(self.unit)
        time = cycles_to_ps(self.cycles or 0, hz) if self.time_ps is None else self._scaled_ps(self.time_ps, hz)
        cycles = (time * hz + PS_PER_S // 2) // PS_PER_S if self.cycles is None else self.cycles
        memory = platform.unit(self.unit).activations[0]
        time += self.accesses * self._latency_ps(platform, memory)
        moved = [t for t in (Transfer(memory, self.read_bytes, self.write_bytes),) if t.read_bytes or t.write_bytes]
        demand = fabric.demand(self.unit, moved, time)
        alone = alone_ps(demand, fabric.capacities) if demand else 0
        step = Step(self.label, time, demand, alone, self.read_bytes, self.write_bytes)
        work = Work((), 0, 0, 0, cycles * self.cores, 0, 0, 0, (), ())
        spent = EnergyModel(platform).task(self.unit, "float32", work, moved).total
        piece = Piece(self.label, 0, (step,) * batch, spent * batch)
        return Program((Segment(self.server, self.cores, (piece,)),), fabric)

    def _scaled_ps(self, time_ps: int, hz: int) -> int:
        return time_ps if self.at_hz is None else ceil_div(time_ps * self.at_hz, hz)

    def _latency_ps(self, platform: Platform, memory: str) -> int:
        """Return the latency of a read: the memory's, or what bursts of the unit's streams under way take to be served.

        Source: Little's law: bytes under way over bytes a second.
        """
        unloaded, stream = platform.memories[memory].latency_ps, self.beside.get(self.unit)
        if stream is None or stream.cores is None:
            return unloaded
        under_way = stream.cores * platform.unit(self.unit).port.under_way
        return max(unloaded, ceil_div(under_way * PS_PER_S, stream.rate.value))


# --- offload ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OffloadWay:
    """A request over a link: bytes there, work elsewhere, bytes back.

    Args:
        step: what is asked.
        link: the way.
        remote: name of the server that stands for the other side.
    """

    step: OffloadStep
    link: NetworkLink
    remote: str

    @property
    def name(self) -> str:
        """The link."""
        return self.step.link

    @property
    def places(self) -> tuple[str, ...]:
        """The link and the other side."""
        return self.step.link, self.remote

    def units(self, _platform: Platform) -> tuple[str, ...]:
        """Return nothing: no clock of the platform matters."""
        return ()

    def program(self, _platform: Platform, batch: int) -> Program:
        """Return three segments; several activations are one request with the bytes of all."""
        step, link, name = self.step, self.link, self.step.name
        wake = link.wake.value if link.wake else 0

        def transfer(label: str, size: int, more_aj: int) -> Piece:
            spent = (size * batch * link.energy.value + more_aj + 500_000) // 10**6
            return Piece(f"{name} {label}", ceil_div(size * batch * PS_PER_S, link.rate.value), (), spent)

        away = link.latency.value + step.remote.value * batch
        return Program((
            Segment(step.link, 1, (transfer("up", step.up.value, wake),)),
            Segment(self.remote, 1, (Piece(f"{name} remote", away, (), 0),), (0,)),
            Segment(step.link, 1, (transfer("down", step.down.value, 0),), (1,)),
        ))  # fmt: skip


# --- programs -----------------------------------------------------------------------------------------


class WayPrograms:
    """Programs of ways, made when the engine first asks for them, and kept.

    Args:
        platform: at the operating points that the simulation begins with.
        ways: by application and position of the step.
    """

    def __init__(self, platform: Platform, ways: Mapping[tuple[str, int], Sequence[Way]]) -> None:
        self._platform, self._ways = platform, ways
        self._clocks: dict[Same, tuple[str, ...]] = {}
        self._made: dict[tuple[Same, int, tuple[tuple[str, str], ...]], tuple[Program, int]] = {}

    def program(self, application: str, step: int, choice: int, batch: int, points: Mapping[str, str]) -> Program:
        """Return the program of a step at operating points, for activations that go together."""
        return self._of(application, step, choice, batch, points)[0]

    def service_ps(self, application: str, step: int, choice: int, batch: int, points: Mapping[str, str]) -> int:
        """Return how long that program takes with nothing beside it."""
        return self._of(application, step, choice, batch, points)[1]

    def _of(
        self, application: str, step: int, choice: int, batch: int, points: Mapping[str, str]
    ) -> tuple[Program, int]:
        way = self._ways[application, step][choice]
        identity = Same(way)
        if identity not in self._clocks:
            self._clocks[identity] = clocks_of(self._platform, way.units(self._platform))
        at = tuple((clock, points[clock]) for clock in self._clocks[identity] if clock in points)
        key = identity, batch, at
        if key not in self._made:
            program = way.program(self._platform.at(dict(at)), batch)
            self._made[key] = program, length_ps(program)
        return self._made[key]
