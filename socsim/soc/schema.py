"""The platform file: what may stand in `platforms/NAME.yaml`.

Frozen models that refuse unknown keys. Quantities carry units. Every field says what it is; derived
values are computed in `socsim.soc.platform`, never written.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from socsim.quantities import (
    Area,
    Bandwidth,
    BitWidth,
    BytesPerCycle,
    DataRate,
    Energy,
    EnergyPerByte,
    Power,
    Size,
    Time,
    Voltage,
)
from socsim.soc.arrays import AnyArray, Compression, OutputStages, Sparsity
from socsim.soc.dram import DramController, DramStandard
from socsim.soc.fields import Capacity, Count, Model, Ratio, Share, TypeName
from socsim.soc.instruction_sets import InstructionSet
from socsim.soc.power import Clock, PowerDomain, PowerMode
from socsim.soc.thermal import Thermal

PLATFORM_SCHEMA = "socsim.platform/1"

Process = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2} nm$", examples=["8 nm"])]
ClockName = Annotated[str, Field(examples=["800 MHz"])]
IpPath = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9.-]*)+$", examples=["arm/mali/g52"])]


# --- memories -----------------------------------------------------------------------------------------


class AccessEnergy(Model):
    """Energy of moving a byte in or out of a memory."""

    read: EnergyPerByte
    write: EnergyPerByte


class MemoryBase(Model):
    """What every memory has."""

    size: Capacity
    preset: str | None = None
    energy: AccessEnergy | None = None
    """Absent: the technology's figure, by size for on-chip SRAM, by standard for DRAM."""
    static: Power = Power.of(0)
    """Refresh, standby or leakage while a unit that can reach the memory is on."""
    rest: Power = Power.of(0)
    """Self-refresh or retention otherwise."""


class Dram(MemoryBase):
    """External DRAM: reads and writes share the pins."""

    kind: Literal["dram"]
    technology: DramStandard
    device: str | None = None
    """Device of `platforms/dram/` that each channel is made of: its banks and timings. Absent: no burst level."""
    channels: Count
    ranks: Count = 1
    """Ranks of one channel."""
    width: BitWidth
    """Data pins of one channel."""
    data_rate: DataRate
    controller: DramController = DramController()
    efficiency: Share | None = None
    """Attainable share of the pin rate, as measured: what row misses, turnaround and refresh leave. Absent: by the
    device's timings."""
    latency: Time
    """Unloaded read latency seen by an initiator, controller and fabric included."""
    write_latency: Time | None = None
    """The same of a write, until it is acknowledged. Absent: as of a read."""


class Sram(MemoryBase):
    """On-chip memory with separate read and write ports, unless it has a single one."""

    kind: Literal["sram"]
    clock: ClockName
    """Name of a clock, or a frequency."""
    read: BytesPerCycle
    write: BytesPerCycle
    single_port: bool = False
    """Whether a cycle serves a read or a write, not both."""
    latency: Time


class SystemCache(MemoryBase):
    """Cache on the memory's side of the fabric, which all units share: it keeps lines of the DRAM behind it.

    It lies where that DRAM does, so that no link names it, and units keep nothing in it by name.
    """

    kind: Literal["system_cache"]
    serves: str
    """The DRAM whose lines it keeps."""
    allocates: Annotated[dict[str, Capacity], Field(min_length=1)]
    """Most bytes that it keeps for each unit; what a unit that is absent moves passes by."""
    clock: ClockName
    """Name of a clock, or a frequency."""
    read: BytesPerCycle
    write: BytesPerCycle
    latency: Time
    """Read latency of what it holds, seen by an initiator."""


class SerialMemory(MemoryBase):
    """Flash or PSRAM behind a serial interface; `write` absent means read-only in operation."""

    kind: Literal["flash", "psram"]
    read: Bandwidth
    write: Bandwidth | None = None
    latency: Time


AnyMemory = Annotated[Dram | Sram | SystemCache | SerialMemory, Field(discriminator="kind")]


# --- units --------------------------------------------------------------------------------------------


class Port(Model):
    """The way out of a unit (of one core, where the unit has several)."""

    width: BytesPerCycle
    """Bytes each cycle of the unit's clock, in each direction."""
    outstanding: Count
    """Bursts of reads that may be under way."""
    writes: Count | None = None
    """Bursts of writes that may be under way; absent: as many as of reads."""
    together: Count | None = None
    """Bursts of both directions under way in a copy; absent: each direction as if it were alone."""
    burst: Capacity

    @property
    def under_way(self) -> int:
        """Bytes of reads that may be under way."""
        return self.outstanding * self.burst.value


class UnitEnergy(Model):
    """Energy of a unit's own work, where a figure for it exists; otherwise the technology decides."""

    voltage: Voltage | None = None
    """Voltage that the figures belong to; they scale with its square. Absent: that of the fastest point."""
    cycle: Energy | None = None
    """A busy cycle of one core (compute unit, thread): clock tree, control, registers, instruction supply."""
    mac: dict[TypeName, Energy] = {}
    vector_op: Energy | None = None
    local_byte: EnergyPerByte | None = None
    conversion: Energy | None = None
    """Reading one sum of an in-memory array through its converter."""


class UnitBase(Model):
    """What every unit has."""

    preset: str | None = None
    ip: IpPath | None = None
    """Design of the unit as a path from its maker to the version: "qualcomm/hexagon-htp/v73". Units whose paths begin
    alike are relatives, and what was fitted on one holds for the other sooner than a default."""
    clock: ClockName
    """Name of a clock, or a frequency such as "800 MHz"."""
    power: str
    """Name of a power domain."""
    runtime: str
    """Software that maps operators to this unit when a run names no other."""
    port: Port
    activations: Annotated[list[str], Field(min_length=1)]
    """Memories for activations, in order of preference."""
    weights: Annotated[list[str], Field(min_length=1)]
    """Memories for constants, in order of preference."""
    fallback: list[str] = []
    """Units that take operators which this one lacks, in order."""
    energy: UnitEnergy = UnitEnergy()
    area: Area | None = None
    """Of one core or compute unit with what is its own, as measured on a die; of a DSP or a hub as a whole."""


class Cache(Model):
    """One level of cache."""

    level: Literal["L1", "L2", "L3", "SLC"]
    size: Capacity
    scope: Literal["core", "cluster"]
    """"core": each core has one of this size."""
    bandwidth: BytesPerCycle
    """Sustained bytes each cycle into a core."""


class CpuCluster(UnitBase):
    """Cores of one kind that share a clock."""

    kind: Literal["cpu"]
    core: str
    cluster: str = "all"
    """What `--cluster` calls it: big, little, …"""
    cores: Count
    isa: list[InstructionSet] = []
    """SIMD instruction sets, which give peak rates from `vector` and `multiply` (socsim.soc.instruction_sets)."""
    macs_per_cycle: dict[TypeName, Ratio] = {}
    """Peak multiply-accumulates of one core by type of the operands, where `isa` does not give them."""
    vector: BytesPerCycle
    """SIMD bytes that one core processes in a cycle: pipes x width."""
    multiply: BytesPerCycle | None = None
    """The same of the pipes that have an integer multiplier; absent: all of them."""
    in_order: bool = False
    """Whether instructions issue in order, so that arithmetic waits for what loads bring."""
    caches: Annotated[list[Cache], Field(min_length=1)]
    thread_sync: Time = Time.of(0)
    """Cost of a parallel section's barrier."""


class Occupancy(Model):
    """What decides how many threads a compute unit has under way, and how many it needs."""

    lanes: Count
    """Threads whose instructions one compute unit issues in a cycle."""
    latency: Count
    """Cycles until the next instruction can use a result."""
    threads: Count
    """Threads that can be resident on one compute unit."""
    registers: Capacity
    """Register file of one compute unit."""
    group: Count
    """Threads of a GEMM kernel's work-group."""


class Gpu(UnitBase):
    """Compute units (SM, shader core) that run work-groups."""

    kind: Literal["gpu"]
    architecture: str
    compute_units: Count
    macs_per_cycle: dict[TypeName, Ratio]
    """Fused multiply-adds of one compute unit on its vector lanes."""
    matrix_macs_per_cycle: dict[TypeName, Ratio] = {}
    """The same on its matrix (tensor) cores, where it has them."""
    occupancy: Occupancy
    workgroup: Annotated[tuple[Count, Count], Field(strict=False)]
    """Output rows and columns (positions and channels) that one work-group of a GEMM kernel computes."""
    cache: Capacity
    cache_bandwidth: BytesPerCycle
    """Of the last-level cache, all compute units together."""


class Npu(UnitBase):
    """A neural processing unit: a multiplier array with its own buffers and DMA."""

    kind: Literal["npu"]
    architecture: str
    cores: Count = 1
    default_cores: Count = 1
    """Cores that a run uses unless it asks for more."""
    array: AnyArray
    precisions: dict[TypeName, Ratio]
    """Rate of the array by type, 1 at the type that `array` is written for."""
    sparsity: Sparsity | None = None
    compression: Compression | None = None
    buffer: Capacity
    """Local buffer of one core for inputs and weights, double buffering included."""
    vector: Count
    """Elements that the vector unit (activation, pooling, element-wise) handles in a cycle, one core."""
    vector_bits: Count | None = None
    """Width of the elements that `vector` counts: wider ones take longer in proportion; absent: any takes as long."""
    outputs: OutputStages = OutputStages()
    """Stages beside the vector unit that have rates of their own."""
    channel_group: Capacity | None = None
    """Feature maps lie in groups of channels of so many bytes, the last one padded; absent: channels as they are.
    Images of up to four channels that the caller hands over stay as they are."""
    command: Time
    """Hardware set-up of one task."""
    core_sync: Time = Time.of(0)
    """Barrier when several cores share an operator."""
    cascade: bool = False
    """Whether software runs stripes of several operators in turn, so that what lies between them is held in part."""


class Dsp(UnitBase):
    """A vector DSP with hardware threads and tightly coupled memory."""

    kind: Literal["dsp"]
    architecture: str
    threads: Count
    """Hardware threads with a vector context."""
    macs_per_cycle: dict[TypeName, Ratio]
    """Of one thread."""
    vector: BytesPerCycle
    """Vector bytes that one thread processes in a cycle."""
    load: BytesPerCycle
    """Vector bytes that one thread loads from coupled memory in a cycle, beside arithmetic."""
    tcm: Capacity
    """Tightly coupled memory that tiles stream through."""
    command: Time


class SensingHub(UnitBase):
    """An always-on island: a microcontroller, DSP or micro-NPU in its own SRAM."""

    kind: Literal["sensing_hub"]
    core: str
    macs_per_cycle: dict[TypeName, Ratio]
    vector: BytesPerCycle
    reserved: Size
    """SRAM that firmware and sensor buffers keep from networks."""
    command: Time
    """Cost of starting one operator's kernel."""
    sensors: list[str] = []


AnyUnit = Annotated[CpuCluster | Gpu | Npu | Dsp | SensingHub, Field(discriminator="kind")]


# --- fabric -------------------------------------------------------------------------------------------


class Link(Model):
    """A bus, crossbar or NoC with separate read and write channels."""

    kind: Literal["axi", "ahb", "noc", "bus"]
    width: BitWidth
    clock: ClockName
    """Name of a clock, or a frequency."""
    arbitration: Literal["round_robin", "weighted", "priority"] = "round_robin"
    weights: dict[str, Count] = {}
    """Share by unit under "weighted"; 1 where absent."""
    priorities: dict[str, int] = {}
    """Class by unit under "priority", higher first; 0 where absent."""
    connects: Annotated[list[str], Field(min_length=2)]
    """Units, memories and other links at its ports."""


class PlatformFile(Model):
    """A whole platform file."""

    model_config = ConfigDict(title="socsim platform")

    schema_: Annotated[Literal["socsim.platform/1"], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["rk3588-board.2"])]
    """Small letters, digits, ".", "_" and "-"."""
    title: str
    based_on: str | None = None
    process: Process
    """Process node, which decides energies that the file does not give."""
    clocks: dict[str, Clock]
    power_domains: Annotated[dict[str, PowerDomain], Field(min_length=1)]
    memories: Annotated[dict[str, AnyMemory], Field(min_length=1)]
    units: Annotated[dict[str, AnyUnit], Field(min_length=1)]
    links: Annotated[dict[str, Link], Field(min_length=1)]
    preference: Annotated[list[str], Field(min_length=1)]
    """Units that a run without `unit` tries for each operator, in order."""
    modes: dict[str, PowerMode] = {}
    """Power modes that its software can set; the file describes the platform without their limits."""
    mode: str | None = None
    """The power mode that its clocks and cores are as in, where they are as in one."""
    thermal: Thermal | None = None
    """How its heat flows off, and what its software does when it is warm; absent: heat is not modelled."""
    sources: dict[str, str] = {}
    """Where numbers come from, by dotted path; a path covers everything below it."""
    assumed: dict[str, str] = {}
    """Numbers without a source, by dotted path, with the reason for the value."""


class Preset(Model):
    """A named set of values that units or memories start from."""

    schema_: Annotated[Literal["socsim.preset/1"], Field(alias="schema")]
    name: str
    values: dict[str, Any]
    sources: dict[str, str] = {}
    assumed: dict[str, str] = {}
