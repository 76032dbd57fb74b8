"""What a run leaves behind: plain records, integers in picoseconds, bytes and picojoules.

Nothing here computes; reports are made from these records alone, and JSON is their image.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = "socsim.run/1"

ON_CHIP = frozenset({"sram", "system_cache"})
"""Kinds of memory whose bytes do not cross the chip's pins."""
LATENCY_PARTS = ("compute_ps", "memory_wait_ps", "bus_wait_ps", "dispatch_ps", "sync_ps")


@dataclass(frozen=True, slots=True)
class OperatorRecord:
    """One row of the operator table.

    `latency_ps` is the sum of compute, memory wait, bus wait, dispatch and sync, exactly. An operator
    that was folded into another has None in every cost column, `fused_into` names the operator that
    carries its cost, and `placement_reason` says why.
    """

    index: int
    name: str
    type: str
    unit: str
    placement_reason: str
    start_ps: int | None
    end_ps: int | None
    latency_ps: int | None
    compute_ps: int | None
    memory_wait_ps: int | None
    bus_wait_ps: int | None
    dispatch_ps: int | None
    sync_ps: int | None
    bound: str | None
    macs: int
    executed_macs: int | None
    utilisation: float | None
    arithmetic_intensity: float | None
    read_bytes: int | None
    write_bytes: int | None
    weight_bytes: int | None
    dram_bytes: int | None
    energy_pj: int | None
    fused_into: int | None
    overlapped_ps: int | None
    """Transfer time that compute hid."""


@dataclass(frozen=True, slots=True)
class SliceRecord:
    """A stretch of time on a track of the timeline."""

    unit: str
    track: str
    """compute, dma or dispatch; load and store in place of dma where tiles are shown"""
    label: str
    operator: int
    start_ps: int
    end_ps: int
    read_bytes: int
    write_bytes: int


@dataclass(frozen=True, slots=True)
class RateRecord:
    """The granted rate on a link or memory from a moment on."""

    resource: str
    time_ps: int
    bytes_per_s: int


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """What a unit did: busy + idle = makespan."""

    name: str
    kind: str
    runtime: str
    opp: str
    clock_hz: int
    cores: int
    operators: int
    busy_ps: int
    idle_ps: int
    executed_macs: int
    peak_macs_per_s: int | None
    memory: str
    """The memory off chip with which it exchanged most; its last one where all are on chip."""
    memory_bytes_per_s: int
    """The most that it can move to and from that memory when nobody else does."""
    energy_pj: int


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """What went over a link, and for whom."""

    name: str
    bytes_per_s: int
    read_bytes: int
    write_bytes: int
    busy_ps: int
    initiators: tuple[tuple[str, int], ...]
    energy_pj: int


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """What a memory held and moved."""

    name: str
    kind: str
    capacity_bytes: int
    peak_bytes: int
    weight_bytes: int
    activation_peak_bytes: int
    bytes_per_s: int
    """Attainable read rate."""
    read_bytes: int
    write_bytes: int
    busy_ps: int
    initiators: tuple[tuple[str, int], ...]
    energy_pj: int

    @property
    def is_external(self) -> bool:
        """Whether its bytes cross the chip's pins."""
        return self.kind not in ON_CHIP


@dataclass(frozen=True, slots=True)
class EnergyAccount:
    """One line of the energy books; the accounts add up to the total.

    `kind` is unit, memory or link for work done, static for power that flowed over the makespan.
    """

    kind: str
    name: str
    energy_pj: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The arithmetic behind one operator's cost, and what would help."""

    operator: int
    terms: tuple[str, ...]
    levers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlternativeRecord:
    """What an operator, with those that its unit's runtime keeps together with it, would take on a unit.

    Time and energy are those of the unit alone: without what the borders to other units cost, which depends on
    where its neighbours are. Null with a reason where the unit cannot run it.
    """

    operator: int
    unit: str
    latency_ps: int | None
    energy_pj: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class PlacementRecord:
    """How a strategy chose units and order, and what it expected of them."""

    strategy: str
    objective: str
    """latency, energy or throughput; preference where the strategy weighs no costs"""
    expected_ps: int
    """Latency of the schedule where nothing is shared; the run's own latency adds what sharing costs."""
    expected_pj: int
    bound: int | None
    """What no schedule of these units can fall below, in picoseconds or picojoules of the objective; null where the
    strategy proves none."""
    gap: float | None
    """Share by which the schedule may lie above the best one."""
    period_ps: int | None
    """Time between results where inferences follow one another; null for strategies of single inferences."""
    deadline_ps: int | None
    alternatives: tuple[AlternativeRecord, ...]
    """By operator and unit, operators that others carry left out."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that a run leaves behind."""

    version: str
    model: str
    model_format: str
    model_sha256: str
    platform: str
    platform_title: str
    overrides: tuple[str, ...]
    opps: tuple[tuple[str, str], ...]
    preferred_unit: str
    detail: str
    precision: str | None
    batch: int
    background: tuple[tuple[str, int], ...]
    """Bytes a second that other units read meanwhile, by unit."""
    latency_ps: int
    energy_pj: int
    macs: int
    parameters: int
    operators: tuple[OperatorRecord, ...]
    units: tuple[UnitRecord, ...]
    links: tuple[LinkRecord, ...]
    memories: tuple[MemoryRecord, ...]
    energy: tuple[EnergyAccount, ...]
    explanations: tuple[Explanation, ...]
    slices: tuple[SliceRecord, ...]
    rates: tuple[RateRecord, ...]
    assumed_numbers: int
    platform_numbers: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    calibration: str | None = None
    """What the calibration of the times was fitted to; absent: structure and datasheet numbers alone."""
    calibrated: bool = False
    """Whether that was this platform's unit with this runtime, and not relatives of it."""
    calibration_error: float | None = None
    """Mean error of predictions of networks that were left out of that fit."""
    placement: PlacementRecord | None = None
    """How units were chosen, where a strategy weighed them."""


# --- static analysis ----------------------------------------------------------------------------------

ANALYSIS_SCHEMA_VERSION = "socsim.analysis/1"


@dataclass(frozen=True, slots=True)
class AnalysisRow:
    """One operator before it is timed; `unsupported_on` names the units that lack it."""

    index: int
    name: str
    type: str
    unit: str
    dtype: str
    macs: int
    parameters: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int
    arithmetic_intensity: float | None
    """Operations for each byte, if every operand moved once."""
    unsupported_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemoryUseRecord:
    """How full a memory would get."""

    name: str
    capacity_bytes: int
    weight_bytes: int
    activation_peak_bytes: int


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A roofline: peak operations a second of a unit in a type, and the memory rate below it."""

    unit: str
    dtype: str
    operations_per_s: int
    memory: str
    bytes_per_s: int


@dataclass(frozen=True, slots=True)
class AnalysisRecord:
    """What a static analysis leaves behind."""

    version: str
    model: str
    model_format: str
    model_sha256: str
    platform: str
    macs: int
    parameters: int
    parameter_bytes: int
    operators: tuple[AnalysisRow, ...]
    support: tuple[tuple[str, int], ...]
    """Operators with a kernel, by unit."""
    memories: tuple[MemoryUseRecord, ...]
    ceilings: tuple[Ceiling, ...]
    notes: tuple[str, ...]
