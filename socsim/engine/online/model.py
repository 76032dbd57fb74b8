"""What the online engine runs: applications, their steps, servers; and what it asks others for while it does.

Plain immutable data. Times are integer picoseconds, energies integer picojoules. A *server* is what steps queue for: a
unit of the platform, or those of its cores that are set apart. An *activation* is one run through an application, from
its release to its last step's end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from socsim.engine.fabric import Fabric, Step
    from socsim.schedule.policies import Policy

Preemption = Literal["none", "operator", "tile", "any"]
"""Where a step may be interrupted: nowhere, between operators, between tiles, anywhere (a thread of an OS)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a server does without a border at which it could be taken away: an operator's kernel, or a stage.

    Args:
        label: for timelines.
        fixed_ps: host's time, set-up and synchronisation before anything is computed or moved.
        steps: what it computes and moves, in order, each alone on its cores; tiles at that level of detail.
        energy_pj: dynamic energy.
        operator: index in its network; None for a stage.
    """

    label: str
    fixed_ps: int
    steps: tuple[Step, ...]
    energy_pj: int
    operator: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive pieces on one server.

    Args:
        server: where they run.
        cores: of it that they need at once.
        pieces: in order.
        after: positions of the program's segments that must have ended.
        resume_ps: what it costs to go on after a preemption: state that was saved and is loaded again.
    """

    server: str
    cores: int
    pieces: tuple[Piece, ...]
    after: tuple[int, ...] = ()
    resume_ps: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One way to do a step of an application: its segments, at given operating points.

    Args:
        segments: in an order that respects `after`.
        fabric: ports, links and memories that their demands name, for the cores that they use.
    """

    segments: tuple[Segment, ...]
    fabric: Fabric | None = None


class Programs(Protocol):
    """Where programs come from; made when first asked for, then the same object again."""

    def program(self, application: str, step: int, choice: int, batch: int, points: Mapping[str, str]) -> Program:
        """Return the program of a step at operating points (by clock), for activations that go together."""

    def service_ps(self, application: str, step: int, choice: int, batch: int, points: Mapping[str, str]) -> int:
        """Return how long that program takes with nothing beside it."""


# --- applications -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Periodic:
    """Releases at offset, offset + period, …, each late by up to `jitter_ps`, drawn uniformly."""

    period_ps: int
    offset_ps: int = 0
    jitter_ps: int = 0


@dataclass(frozen=True, slots=True)
class Poisson:
    """Releases with exponentially distributed gaps."""

    mean_gap_ps: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Releases at given times, in order."""

    times_ps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Triggered:
    """Releases when another application's activation completes: each `every`-th one, with a probability, later."""

    application: str
    probability: float = 1.0
    every: int = 1
    delay_ps: int = 0


Arrival = Periodic | Poisson | Trace | Triggered


@dataclass(frozen=True, slots=True)
class Variation:
    """How much a stage has to do differs between activations: a factor of mean 1 on its times, bytes and energies."""

    kind: Literal["constant", "exponential", "uniform"] = "constant"
    spread: float = 0.0
    """Of uniform: half its width, as a share of the mean."""


@dataclass(frozen=True, slots=True)
class AppStep:
    """A step of an application: a network, a CPU stage, a transfer to somewhere else.

    Args:
        name: for records.
        choices: ways to do it, best first; the engine takes the only one, or picks as `pick` says.
        after: positions of steps that must have ended.
        preemption: where it may be interrupted.
        variation: of its times.
        pick: "first_free" (the first whose servers are idle, else the first), or "earliest_finish".
    """

    name: str
    choices: tuple[str, ...]
    after: tuple[int, ...] = ()
    preemption: Preemption = "operator"
    variation: Variation = Variation()
    pick: Literal["first_free", "earliest_finish"] = "first_free"


@dataclass(frozen=True, slots=True)
class Admission:
    """What becomes of activations that wait.

    Args:
        depth: activations that may be in the system, the running ones included; None: any number.
        when_full: which one is dropped then; "oldest" is the oldest that has not begun.
        late: whether activations past their deadline go on, or are dropped where they have not begun.
    """

    depth: int | None = None
    when_full: Literal["new", "oldest"] = "new"
    late: Literal["run", "drop"] = "run"


@dataclass(frozen=True, slots=True)
class Batching:
    """Activations that go through an application together.

    Args:
        most: of them.
        wait_ps: how long the first one waits for others.
    """

    most: int = 1
    wait_ps: int = 0


@dataclass(frozen=True, slots=True)
class Application:
    """What is released again and again.

    Args:
        name: of it.
        arrival: when it is released.
        steps: what an activation does.
        deadline_ps: after its release; None for none.
        priority: higher ones go first where a server's policy looks at it.
        admission: what becomes of activations that wait.
        batching: activations that go together.
    """

    name: str
    arrival: Arrival
    steps: tuple[AppStep, ...]
    deadline_ps: int | None = None
    priority: int = 0
    admission: Admission = Admission()
    batching: Batching = Batching()


@dataclass(frozen=True, slots=True)
class Server:
    """What segments queue for.

    Args:
        name: of it.
        unit: of the platform that it is, or is part of; a name of its own for a link to elsewhere.
        cores: that it has.
        policy: who goes next.
        switch_ps: time to change from one activation to another on a core.
    """

    name: str
    unit: str
    cores: int
    policy: Policy
    switch_ps: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """All that the online engine needs to know before time begins.

    Args:
        applications: in the order in which ties are resolved.
        servers: likewise.
        programs: where programs come from.
        duration_ps: when releases end; what has begun until then goes on to its end.
        seed: of everything random: one independent stream for each application and purpose.
        capacities: bytes a second of links and memories, which everyone shares.
        streams: unit, memory and bytes a second of background traffic.
        is_traced: whether slices are kept, which makes memory grow with time.
        fabric: that background traffic crosses; None: that of the first program that has one.
    """

    applications: tuple[Application, ...]
    servers: tuple[Server, ...]
    programs: Programs
    duration_ps: int
    seed: int = 0
    capacities: Mapping[str, int] = field(default_factory=dict)
    streams: tuple[tuple[str, str, int], ...] = ()
    is_traced: bool = False
    fabric: Fabric | None = None


# --- power --------------------------------------------------------------------------------------------


class Control(Protocol):
    """What the engine offers to whoever manages its power."""

    @property
    def now(self) -> int:
        """Simulated time in picoseconds."""

    def at(self, time_ps: int, call: Callable[[], None]) -> None:
        """Call something at a time, after all that was already planned for it."""

    def is_busy(self, unit: str) -> bool:
        """Whether anything runs on a unit, or waits for it."""

    def busy_core_ps(self, unit: str) -> int:
        """Return the core-time that a unit has been busy until now."""

    def points_changed(self) -> None:
        """Take note that `PowerManager.points` answers differently from now on."""

    def settle(self) -> None:
        """Book what running steps have spent until now, by `PowerManager.spend`."""


class PowerManager(Protocol):
    """Operating points, sleep, caps and heat, beside the engine; it sees what units do, not what is due."""

    def start(self, control: Control) -> None:
        """Begin, before the first event."""

    def points(self) -> Mapping[str, str]:
        """Return the operating point of each clock."""

    def wake_ps(self, unit: str) -> int:
        """Return how long a unit that is about to work takes to be ready; it is on from now on."""

    def working(self, unit: str, cores: int) -> None:
        """Take note that so many cores of a unit work from now on; 0: it is idle."""

    def spend(self, application: str, unit: str, energy_pj: int, time_ps: int) -> None:
        """Book dynamic energy that a unit spent for an application over the time until now."""

    def state_key(self) -> Hashable:
        """Return what decides how it goes on, heat left out, with times as distances from now."""

    def mark(self) -> None:
        """Begin a period: `skip` repeats what is booked from here on. All that was spent before has been booked."""

    def skip(self, periods: int) -> int:
        """Repeat what happened since `mark`, and return how often; less than asked where heat interferes.

        All that was spent until now has been booked, and `state_key` is what it was at the mark. Whoever calls moves
        its time, and all that is planned with `Control.at`, by as many periods; `now` is still the old time meanwhile.
        """

    def finish(self) -> None:
        """End, at the time of the last event."""


# --- what it leaves ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServedSlice:
    """A stretch of time in which a server worked for an activation."""

    server: str
    core: int
    application: str
    activation: int
    step: str
    label: str
    start_ps: int
    end_ps: int
    moved: tuple[tuple[str, int], ...] = ()
    """Bytes over each shared link and memory meanwhile."""
    kind: Literal["work", "switch", "wake"] = "work"
    """Whether it worked, changed from one activation to another (or loaded what it had saved), or woke up."""


Fate = Literal["completed", "missed", "dropped", "unfinished"]
"""What becomes of an activation; missed: completed after its deadline."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of one activation.

    Args:
        application: whose it is.
        activation: its number, from 0.
        release_ps: when it was released.
        end_ps: when it completed or was dropped; None where it did neither.
        fate: what that was.
    """

    application: str
    activation: int
    release_ps: int
    end_ps: int | None
    fate: Fate


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations that were seen: exact count, sum, least and most; percentiles to one part in 1024.

    Args:
        count: of them.
        total_ps: their sum.
        squares: sum of their squares, in square picoseconds.
        least_ps: the shortest.
        most_ps: the longest.
        buckets: lower border of a bucket, and how many fell into it, in order.
    """

    count: int
    total_ps: int
    squares: int
    least_ps: int
    most_ps: int
    buckets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Served:
    """What became of an application.

    Args:
        released, completed, dropped, missed, unfinished: activations; missed ones completed after their deadline, or
            were dropped.
        latency: from release to end, of those that completed.
        waiting: of that, the time in which no server worked for them: in queues, for a batch to fill, put aside.
        service: the rest: one server or several worked for them, changes and wake-ups included.
        gaps: between ends of activations, for jitter and throughput.
        energy_pj: dynamic energy.
        first_release_ps, last_end_ps: None where there was none.
    """

    name: str
    released: int
    completed: int
    dropped: int
    missed: int
    unfinished: int
    latency: Distribution
    waiting: Distribution
    service: Distribution
    gaps: Distribution
    energy_pj: int
    first_release_ps: int | None
    last_end_ps: int | None


@dataclass(frozen=True, slots=True)
class ServerUse:
    """What became of a server: core-time by what it was spent on, and how often things happened."""

    name: str
    unit: str
    cores: int
    busy_ps: int
    """Core-time in which it worked for activations."""
    switching_ps: int
    """Core-time for changes between activations and for resuming."""
    waking_ps: int
    segments: int
    preemptions: int
    longest_queue: int
    applications: tuple[tuple[str, int], ...]
    """Core-time by application."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What went over a link or memory."""

    resource: str
    bytes: int
    busy_ps: int
    applications: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class WorldOutcome:
    """What the online engine saw.

    Args:
        end_ps: time of the last event, at least the duration where nobody interrupted it.
        served: by application, in order.
        servers: likewise.
        flows: by shared resource.
        slices: where the world was traced.
        activations: in order of their release, where the world was traced.
        events: that were handled.
        is_interrupted: whether it was stopped before its end; what it had finished is there.
        warnings: starvation and the like.
    """

    end_ps: int
    served: tuple[Served, ...]
    servers: tuple[ServerUse, ...]
    flows: tuple[Flow, ...]
    slices: Sequence[ServedSlice]
    events: int
    is_interrupted: bool
    warnings: tuple[str, ...]
    activations: Sequence[Followed] = ()
    skipped_ps: int = 0
    """Part of the time that repeated what came before, and was counted without being stepped through."""
