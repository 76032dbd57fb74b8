"""The platform file: what may stand in `platforms/NAME.yaml`.

Frozen models that refuse unknown keys. Quantities carry units. Every field says what it is; derived
values are computed in `socsim.soc.platform`, never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from socsim.quantities import (
    Bandwidth,
    BitWidth,
    BytesPerCycle,
    DataRate,
    Energy,
    EnergyPerByte,
    Frequency,
    Power,
    Size,
    Time,
    Voltage,
)

PLATFORM_SCHEMA = "socsim.platform/1"

if TYPE_CHECKING:  # a table with literal keys could not be asked for a key that is only known to be text
    TypeName = str
    DimensionName = str
else:
    TypeName = Literal["int4", "uint4", "int8", "uint8", "int16", "int32", "float16", "bfloat16", "float32", "float64"]
    DimensionName = Literal["N", "G", "K", "C", "P", "Q", "R", "S"]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0)]
Process = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2} nm$", examples=["8 nm"])]
ClockName = Annotated[str, Field(examples=["800 MHz"])]


def _above_zero(size: Size) -> Size:
    if size.value:
        return size
    reason = f'"{size}" is zero; write a size such as "{Size.example}"'
    raise PydanticCustomError("quantity", "{reason}", {"reason": reason})


Capacity = Annotated[Size, AfterValidator(_above_zero)]


class Model(BaseModel):
    """Base of all models: frozen, strict, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


# --- clocks and power ---------------------------------------------------------------------------------


class OperatingPoint(Model):
    """One step of a clock."""

    name: str
    clock: Frequency
    voltage: Voltage | None = None


class Clock(Model):
    """A clock domain with its operating points."""

    opps: Annotated[list[OperatingPoint], Field(min_length=1)]
    default: str | None = None
    """The operating point of a run that names none; the fastest where absent."""


class PowerState(Model):
    """A state that a power domain can rest in."""

    name: str
    power: Power
    wake: Time = Time.of(0)


class PowerDomain(Model):
    """Parts that are powered together."""

    static: Power
    """Leakage and clock tree while the domain is on, whatever it does."""
    voltage: Voltage | None = None
    """Voltage that `static` belongs to; it scales with its square. Absent: that of the units' fastest point."""
    states: list[PowerState] = []
    """Resting states; a sensing hub waits for its trigger in the first of its domain's."""


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
    """Absent: the technology's figure for on-chip SRAM."""
    static: Power = Power.of(0)
    """Refresh, standby or leakage while a unit that can reach the memory is on."""
    rest: Power = Power.of(0)
    """Self-refresh or retention otherwise."""


class Dram(MemoryBase):
    """External DRAM: reads and writes share the pins."""

    kind: Literal["dram"]
    technology: Literal["lpddr4", "lpddr4x", "lpddr5", "lpddr5x", "ddr3", "ddr4", "ddr5", "hbm2", "hbm3"]
    channels: Count
    width: BitWidth
    """Data pins of one channel."""
    data_rate: DataRate
    efficiency: Share
    """Attainable share of the pin rate with several initiators: row misses, turnaround, refresh."""
    latency: Time
    """Unloaded read latency seen by an initiator, controller and fabric included."""


class Sram(MemoryBase):
    """On-chip memory with separate read and write ports."""

    kind: Literal["sram"]
    clock: ClockName
    """Name of a clock, or a frequency."""
    read: BytesPerCycle
    write: BytesPerCycle
    latency: Time


class SerialMemory(MemoryBase):
    """Flash or PSRAM behind a serial interface; `write` absent means read-only in operation."""

    kind: Literal["flash", "psram"]
    read: Bandwidth
    write: Bandwidth | None = None
    latency: Time


AnyMemory = Annotated[Dram | Sram | SerialMemory, Field(discriminator="kind")]


# --- units --------------------------------------------------------------------------------------------


class Port(Model):
    """The way out of a unit (of one core, where the unit has several)."""

    width: BytesPerCycle
    """Bytes each cycle of the unit's clock, in each direction."""
    outstanding: Count
    """Bursts that may be under way."""
    burst: Capacity


class UnitEnergy(Model):
    """Energy of a unit's own work, where a figure for it exists; otherwise the technology decides."""

    voltage: Voltage | None = None
    """Voltage that the figures belong to; they scale with its square. Absent: that of the fastest point."""
    cycle: Energy | None = None
    """A busy cycle of one core (compute unit, thread): clock tree, control, registers, instruction supply."""
    mac: dict[TypeName, Energy] = {}
    vector_op: Energy | None = None
    local_byte: EnergyPerByte | None = None


class UnitBase(Model):
    """What every unit has."""

    preset: str | None = None
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
    isa: list[str] = []
    macs_per_cycle: dict[TypeName, Ratio]
    """Peak multiply-accumulates of one core by type of the operands."""
    vector: BytesPerCycle
    """SIMD bytes that one core processes in a cycle in element-wise code."""
    caches: Annotated[list[Cache], Field(min_length=1)]
    thread_sync: Time = Time.of(0)
    """Cost of a parallel section's barrier."""


class Gpu(UnitBase):
    """Compute units (SM, shader core) that run work-groups."""

    kind: Literal["gpu"]
    architecture: str
    compute_units: Count
    macs_per_cycle: dict[TypeName, Ratio]
    """Fused multiply-adds of one compute unit on its vector lanes."""
    matrix_macs_per_cycle: dict[TypeName, Ratio] = {}
    """The same on its matrix (tensor) cores, where it has them."""
    workgroup: Annotated[tuple[Count, Count], Field(strict=False)]
    """Output rows and columns (positions and channels) that one work-group of a GEMM kernel computes."""
    cache: Capacity
    cache_bandwidth: BytesPerCycle
    """Of the last-level cache, all compute units together."""


class NpuArray(Model):
    """Spatial unrolling of loop dimensions onto multipliers at base precision."""

    unroll: dict[DimensionName, Count]
    depthwise: dict[DimensionName, Count]
    """Unrolling for depthwise layers, which leave the input-channel dimension empty."""
    systolic: bool = False
    """Whether operands ripple through the array, so that each pass pays fill and drain."""


class Npu(UnitBase):
    """A neural processing unit: a multiplier array with its own buffers and DMA."""

    kind: Literal["npu"]
    architecture: str
    cores: Count = 1
    default_cores: Count = 1
    """Cores that a run uses unless it asks for more."""
    array: NpuArray
    dataflow: Literal["weight_stationary", "output_stationary", "input_stationary"]
    precisions: dict[TypeName, Ratio]
    """Rate of the array by type, 1 at the type that `array` is written for."""
    buffer: Capacity
    """Local buffer of one core for inputs and weights, double buffering included."""
    vector: Count
    """Elements that the vector unit (activation, pooling, element-wise) handles in a cycle, one core."""
    command: Time
    """Hardware set-up of one task."""
    core_sync: Time = Time.of(0)
    """Barrier when several cores share an operator."""


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
