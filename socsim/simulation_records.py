"""What a simulation of applications leaves behind: plain records, integers in picoseconds, bytes and picojoules.

Nothing here computes; reports are made from these records alone, and JSON is their image. Missing is None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

SIMULATION_SCHEMA_VERSION = "socsim.simulation/1"
Signed = Annotated[int, "may be below 0"]


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """Times of one kind over the activations of an application; None where there was none.

    Percentiles are true to one part in 1024, the others exact.
    """

    count: int
    mean_ps: int | None
    deviation_ps: int | None
    """Standard deviation."""
    least_ps: int | None
    p50_ps: int | None
    p95_ps: int | None
    p99_ps: int | None
    most_ps: int | None
    percentiles_ps: tuple[int, ...] = ()
    """The 0th to the 100th, for curves; empty where there was none."""


@dataclass(frozen=True, slots=True)
class ApplicationRecord:
    """One row of the application table."""

    name: str
    task_class: str
    """on_demand, sustained or pervasive."""
    arrival: str
    """In words."""
    deadline_ps: int | None
    priority: Signed
    released: int
    completed: int
    dropped: int
    missed: int
    """Completed after their deadline, or dropped."""
    unfinished: int
    throughput_per_s: float | None
    latency: LatencyRecord
    waiting: LatencyRecord
    service: LatencyRecord
    jitter_ps: int | None
    """Standard deviation of the gaps between ends."""
    energy_pj: int
    """Dynamic energy of its work."""
    share_pj: int
    """That, and its share of what domains drew while its units worked."""
    average_power_nw: int
    """The share over the simulated time."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Where a step of an application runs, and why."""

    application: str
    step: str
    what: str
    """The network or stage."""
    places: tuple[str, ...]
    """Units, in order of use."""
    reason: str
    alone_ps: int
    """Its time with nothing beside it, at the first operating points."""
    energy_pj: int
    fallbacks: tuple[str, ...]
    """Operators that another unit runs than the step's first one, and why."""


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """What a unit, or the cores of it that are set apart, did; core-times over `cores`."""

    name: str
    unit: str
    kind: str
    """Of the unit; "link" for a way to elsewhere."""
    policy: str
    cores: int
    busy_ps: int
    switching_ps: int
    waking_ps: int
    idle_ps: int
    """The parts add up to cores x simulated time."""
    segments: int
    preemptions: int
    longest_queue: int
    applications: tuple[tuple[str, int], ...]
    """Core-time by application."""


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """What went over a link or memory."""

    name: str
    kind: str
    """link, or the kind of memory."""
    bytes_per_s: int
    bytes: int
    busy_ps: int
    applications: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """What a power domain or memory drew whatever it did."""

    name: str
    states: tuple[tuple[str, int], ...]
    """Time in each state: "on", or a resting state; they add up to the simulated time."""
    wakes: int
    static_pj: int


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """How a clock was governed."""

    name: str
    governor: str
    changes: int
    points: tuple[tuple[str, int, int], ...]
    """Operating point, its frequency in Hz, and the time spent at it; they add up to the simulated time."""
    throttled_ps: int
    """Time in which heat or a cap on power kept it below what its governor wanted."""


@dataclass(frozen=True, slots=True)
class ThermalRecord:
    """How warm a node of the thermal network became."""

    name: str
    start_millicelsius: Signed
    most_millicelsius: Signed
    end_millicelsius: Signed
    throttle_millicelsius: Signed | None
    throttled_ps: int


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """A quantity over time: pairs of time and value; it holds from then on until the next pair.

    `quantity` is temperature (thousandths of a degree Celsius), frequency (Hz) or power (nW, averaged until the next
    pair). Long traces are thinned, so that memory does not grow with time; extremes are kept.
    """

    quantity: str
    name: str
    points: tuple[tuple[int, Signed], ...]


@dataclass(frozen=True, slots=True)
class ServedRecord:
    """A stretch of the timeline."""

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


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """What became of an activation."""

    application: str
    activation: int
    release_ps: int
    end_ps: int | None
    """When it completed or was dropped; None where it did neither."""
    fate: str
    """completed, missed (completed after its deadline), dropped or unfinished."""


@dataclass(frozen=True, slots=True)
class BatteryRecord:
    """How long a battery lasts at the average power of the simulated time."""

    energy_pj: int
    efficiency: float
    life_s: int
    average_current_na: int
    voltage_uv: int


@dataclass(frozen=True, slots=True)
class SimulationRecord:
    """Everything that a simulation leaves behind."""

    version: str
    scenario: str
    scenario_title: str
    scenario_sha256: str
    platform: str
    platform_title: str
    overrides: tuple[str, ...]
    mode: str | None
    """Power mode of the platform."""
    duration_ps: int
    """Simulated time, until the last activation ended."""
    seed: int
    events: int
    skipped_ps: int
    """Part of the time that repeated what came before, and was counted without being stepped through."""
    energy_pj: int
    static_pj: int
    dynamic_pj: int
    average_power_nw: int
    power_cap_nw: int | None
    applications: tuple[ApplicationRecord, ...]
    steps: tuple[StepRecord, ...]
    servers: tuple[ServerRecord, ...]
    flows: tuple[FlowRecord, ...]
    domains: tuple[DomainRecord, ...]
    clocks: tuple[ClockRecord, ...]
    thermal: tuple[ThermalRecord, ...]
    ambient_millicelsius: Signed | None
    traces: tuple[TraceRecord, ...]
    slices: tuple[ServedRecord, ...]
    battery: BatteryRecord | None
    calibrations: tuple[str, ...]
    """What the calibrations of its networks' times were fitted to, by step."""
    assumed: tuple[str, ...]
    """Numbers of the scenario, and of the platform's power and heat, that have no source."""
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    is_interrupted: bool
    activations: tuple[ActivationRecord, ...] = ()
    """Where the simulation was traced, in order of release."""
