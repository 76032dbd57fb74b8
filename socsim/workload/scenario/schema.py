"""The scenario file: what may stand in `workloads/scenarios/NAME.yaml`.

Frozen models that refuse unknown keys. Quantities carry units. The units that steps name are wishes, so that one
scenario runs on many platforms: where a platform lacks a unit, the next best takes the work, and the result says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from socsim.quantities import Bandwidth, Charge, Energy, EnergyPerByte, Power, Size, Temperature, Time, Voltage
from socsim.soc.fields import Count, Duration, Model, Share

SCENARIO_SCHEMA = "socsim.scenario/1"

TaskClass = Literal["on_demand", "sustained", "pervasive"]
"""Asked for now and then; always going on while the device is used; always on, also while the rest sleeps."""
Preemption = Literal["none", "operator", "tile", "any"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,47}$", examples=["camera"])]
ModelName = Annotated[str, Field(pattern=r"\S", examples=["mobilenet_v2"])]
Word = Annotated[str, Field(pattern=r"^\S(.*\S)?$", examples=["npu"])]
Factor = Annotated[int, Field(ge=1, le=100_000)]
Repeats = Annotated[int, Field(ge=1, le=4096)]
"""Every operator of every inference of an activation is timed, so that more would take minutes."""
Chance = Annotated[float, Field(gt=0, le=1)]
Spread = Annotated[float, Field(ge=0, lt=1)]
_NOTHING = Time.of(0)


# --- arrivals -----------------------------------------------------------------------------------------


class PeriodicArrival(Model):
    """Released at the offset, and then once in each period."""

    kind: Literal["periodic"]
    period: Duration
    offset: Time = _NOTHING
    jitter: Time = _NOTHING
    """Each release is late by up to this, drawn uniformly."""


class PoissonArrival(Model):
    """Released at random, with exponentially distributed gaps."""

    kind: Literal["poisson"]
    gap: Duration
    """Mean time between releases."""


class TraceArrival(Model):
    """Released at recorded times: written out, or in the column `time` of a CSV file."""

    kind: Literal["trace"]
    times: list[Time] = []
    """In order."""
    file: Annotated[str, Field(examples=["arrivals.csv"])] | None = None
    """CSV beside the scenario's file; its column `time` holds quantities such as "12.5 ms"."""


class AfterArrival(Model):
    """Released when an activation of another application completes."""

    kind: Literal["after"]
    application: Name
    probability: Chance = 1.0
    every: Count = 1
    """Only each so many-th completion counts."""
    delay: Time = _NOTHING


AnyArrival = Annotated[PeriodicArrival | PoissonArrival | TraceArrival | AfterArrival, Field(discriminator="kind")]


# --- steps --------------------------------------------------------------------------------------------


class TimeVariation(Model):
    """How the time of a step differs between activations."""

    kind: Literal["constant", "exponential", "uniform"]
    spread: Spread = 0.0
    """Of "uniform": half its width, as a share of the mean."""


class StepBase(Model):
    """What every step has."""

    name: Name
    after: list[Name] | None = None
    """Steps that must have ended; absent: the step before. `[]`: none, from the activation's start on."""


class PlacedStep(StepBase):
    """What a step that runs on the platform has."""

    unit: Word | None = None
    """Kind of unit (cpu gpu npu dsp sensing_hub) or its name; absent: as the application's class wants it."""
    cluster: Word | None = None
    """CPU cluster: big, little, …"""
    server: Name | None = None
    """Server of `servers`, in place of a unit."""
    cores: Count | None = None
    """Cores at once; absent: a stage takes one, a network as many as a run of it."""
    preemption: Preemption | None = None
    """Where it may be interrupted; absent: "operator" for a network, "any" for a stage."""


class NetworkStep(PlacedStep):
    """Inferences of a network."""

    kind: Literal["network"]
    network: ModelName
    """Name of the zoo, or a model file; a relative path starts at the scenario's file, else where one works."""
    precision: Word | None = None
    """Types to cost it in; absent: the file's own."""
    shape: Annotated[list[Count], Field(min_length=1)] | None = None
    """Of the first input of a network of the zoo."""
    decoded: bool | None = None
    """false: a detector of the zoo ends with what each level says, and decoding is a stage of its own."""
    runtime: Word | None = None
    """Software stack of the unit, where it drives it; absent: the unit's own."""
    strategy: Word | None = None
    """How operators are divided among units; absent: each goes to the first unit that has a kernel for it."""
    others: list[Word] = []
    """Further units that take an activation when the first is busy, as `pick` says."""
    pick: Literal["first_free", "earliest_finish"] = "first_free"
    repeat: Repeats = 1
    """Inferences one after the other, such as the tokens of a reply."""


class StageCost(Model):
    """What a stage takes on a kind of unit."""

    time: Duration | None = None
    cycles: Count | None = None


class StageStep(PlacedStep):
    """Work with a given cost: pre- and post-processing, a control loop, a driver."""

    kind: Literal["stage"]
    time: Duration | None = None
    """Of computing on one unit at the fastest operating point of its clock; a slower one takes longer. Or `cycles`."""
    cycles: Count | None = None
    """Of the unit's clock."""
    fixed: bool = False
    """`time` is the same at any clock: a wait for a device, a block with a clock of its own."""
    by_unit: dict[Word, StageCost] = {}
    """The same for a kind of unit, or a unit, that differs."""
    reads: Size = Size.of(0)
    """Bytes from the memory that the unit keeps its activations in, beside computing."""
    writes: Size = Size.of(0)
    accesses: Annotated[int, Field(ge=0)] = 0
    """Reads that wait for one another, such as of a device's registers or along pointers: each takes that memory's
    latency, after computing."""
    variation: TimeVariation = TimeVariation(kind="constant")


class OffloadStep(StepBase):
    """A request to a computer elsewhere, over a link."""

    kind: Literal["offload"]
    link: Name
    up: Size
    down: Size
    remote: Time
    """What the other side takes."""
    variation: TimeVariation = TimeVariation(kind="constant")


AnyStep = Annotated[NetworkStep | StageStep | OffloadStep, Field(discriminator="kind")]


# --- applications -------------------------------------------------------------------------------------


class Queue(Model):
    """What becomes of activations that wait."""

    depth: Count | None = None
    """Activations that may be in the system, the running one included; absent: any number."""
    drop: Literal["new", "oldest"] = "new"
    """Which one is dropped when there are more; "oldest": the oldest that has not begun."""
    late: Literal["run", "drop"] = "run"
    """Whether activations past their deadline begin."""


class Batch(Model):
    """Activations that go through an application together."""

    most: Annotated[int, Field(ge=1, le=256)] = 1
    wait: Time = _NOTHING
    """How long the first one waits for others."""


class ApplicationFile(Model):
    """What is released again and again, and what it does each time."""

    class_: Annotated[TaskClass, Field(alias="class")]
    arrival: AnyArrival
    deadline: Duration | None = None
    """After its release."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Higher ones go first."""
    queue: Queue = Queue()
    batch: Batch = Batch()
    steps: Annotated[list[AnyStep], Field(min_length=1)]


# --- platform side ------------------------------------------------------------------------------------


class ServerFile(Model):
    """How a unit, or some of its cores that are set apart, serve."""

    unit: Word | None = None
    """Kind or name of the unit; absent: the server's own name says it."""
    cluster: Word | None = None
    cores: Count | None = None
    """Cores that are taken from the unit for this server alone; absent: those that no other server takes."""
    policy: Word | None = None
    """Who goes next: fifo, priority, edf, round_robin; absent: priority."""
    quantum: Duration | None = None
    """Of "round_robin": how long one may run before the next takes its turn."""
    preemption: Preemption | None = None
    """The most that it interrupts a step for another; absent: what each step allows."""
    switch: Time = _NOTHING
    """What a core takes to change from one activation to another."""


class NetworkLink(Model):
    """A way to computers elsewhere."""

    rate: Bandwidth
    """Of bytes, one request at a time."""
    latency: Time
    """From here to there and back, beside the bytes' own time."""
    energy: EnergyPerByte
    """Of the radio or the port, for each byte in either direction."""
    wake: Energy | None = None
    """Of leaving its sleep state and going back to it, for each request."""
    requests: Count = 64
    """Requests that may be under way on the other side."""


class Stream(Model):
    """Reads of a unit from its memory that nobody schedules."""

    rate: Bandwidth
    cores: Count | None = None
    """Cores that reach the rate together by reading without pause, all their bursts under way; absent: a pace of their
    own, which leaves the unit's other accesses their latency."""


class Battery(Model):
    """Where the energy comes from."""

    capacity: Charge
    voltage: Voltage
    """Mean over a discharge."""
    efficiency: Share = 1.0
    """Share of the battery's energy that arrives behind regulators and self-discharge."""


class PowerFile(Model):
    """Operating points, sleep and heat, as far as the scenario decides them."""

    mode: Word | None = None
    """Power mode of the platform."""
    cap: Power | None = None
    governors: dict[Word, Word] = {}
    """By clock, unit or kind of unit: performance, powersave, schedutil, …"""
    idle: Literal["fitting", "immediate", "timeout", "never"] | None = None
    """How idle domains take to their resting states; absent: as the platform says."""
    ambient: Temperature | None = None
    battery: Battery | None = None


class ScenarioFile(Model):
    """A whole scenario file."""

    model_config = ConfigDict(title="socsim scenario")

    schema_: Annotated[Literal["socsim.scenario/1"], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["smart_speaker"])]
    """Small letters, digits, ".", "_" and "-"."""
    title: str
    description: str = ""
    duration: Duration
    """Simulated time in which activations are released."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    applications: Annotated[dict[Name, ApplicationFile], Field(min_length=1)]
    servers: dict[Name, ServerFile] = {}
    links: dict[Name, NetworkLink] = {}
    background: dict[Word, Stream] = {}
    """Reads all the time, by unit or kind of unit."""
    power: PowerFile = PowerFile()
    sources: dict[str, str] = {}
    """Where numbers come from, by dotted path; a path covers everything below it."""
    assumed: dict[str, str] = {}
    """Numbers without a source, by dotted path, with the reason for the value."""
