"""What micro-benchmarks would measure on a platform: peak rates by unit and type, bandwidths and latencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.model import as_fraction
from socsim.cost.models import core_rates
from socsim.soc.instruction_sets import instruction_rates
from socsim.soc.schema import CpuCluster, Dsp, Gpu, Npu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from socsim.soc.platform import Platform
    from socsim.soc.schema import AnyUnit


@dataclass(frozen=True, slots=True)
class Peak:
    """One figure of a unit, alone on the platform at its operating point.

    Args:
        unit: the unit.
        cores: cores (compute units, threads) that work.
        quantity: "operations" (two for each multiply-accumulate), "read", "write", "copy" (bytes copied
            once) or "latency" (of one unloaded read).
        of: the type that is multiplied, or the memory.
        by: the instruction or the part of the unit that does it.
        value: the figure.
        unit_of_value: "OP/s", "B/s" or "ps".
    """

    unit: str
    cores: int
    quantity: str
    of: str
    by: str
    value: int
    unit_of_value: str


def peaks(platform: Platform) -> list[Peak]:
    """Return the peaks of every unit, in the order of the platform file."""
    return [
        peak for name in platform.units for peak in (*_operations(platform, name), *_memory_figures(platform, name))
    ]


def _parallel(unit: AnyUnit) -> int:
    match unit:
        case CpuCluster() | Npu():
            return unit.cores
        case Gpu():
            return unit.compute_units
        case Dsp():
            return unit.threads
        case _:
            return 1


def _operations(platform: Platform, name: str) -> Iterator[Peak]:
    unit, hz = platform.unit(name), platform.unit_hz(name)
    for cores in dict.fromkeys((1, _parallel(unit))):
        for of, by, rate in _rates(unit):
            yield Peak(name, cores, "operations", of, by, int(2 * cores * rate * hz), "OP/s")


def _rates(unit: AnyUnit) -> Iterator[tuple[str, str, Fraction]]:
    """Yield type, instruction or part, and multiply-accumulates a cycle of one core."""
    match unit:
        case CpuCluster():
            multiply = unit.multiply or unit.vector
            for row, dtype, rate in instruction_rates(unit.isa, unit.vector.value, multiply.value):
                if dtype not in unit.macs_per_cycle:
                    yield dtype, f"{row.isa} {row.mnemonic}", rate
            yield from ((t, "as stated", as_fraction(r)) for t, r in unit.macs_per_cycle.items())
        case Gpu():
            yield from ((t, "vector lanes", as_fraction(r)) for t, r in unit.macs_per_cycle.items())
            yield from ((t, "matrix cores", as_fraction(r)) for t, r in unit.matrix_macs_per_cycle.items())
        case _:
            yield from ((t, "array" if unit.kind == "npu" else "core", r) for t, r in core_rates(unit).items())


def _memory_figures(platform: Platform, name: str) -> Iterator[Peak]:
    unit = platform.unit(name)
    whole = platform.core_count(name)
    for memory in dict.fromkeys((*unit.activations, *unit.weights)):
        for cores in dict.fromkeys((1, whole)):
            shown = cores if whole > 1 else _parallel(unit)  # compute units and threads share one port
            for quantity, rate in _bandwidths(platform, name, memory, cores).items():
                yield Peak(name, shown, quantity, memory, "port, links and memory", rate, "B/s")
        yield Peak(name, 1, "latency", memory, "memory", platform.memories[memory].latency_ps, "ps")


def _bandwidths(platform: Platform, unit: str, memory: str, cores: int) -> dict[str, int]:
    """Return bytes a second of streams between a unit and a memory; a copy reads as much as it writes."""
    port, spec = platform.port_rates(unit, memory, cores), platform.memories[memory]
    links = min(platform.links[link].bytes_per_s for link in platform.path(unit, memory))
    read = min(port.read, links, spec.read_bytes_per_s)
    write = min(port.write, links, spec.write_bytes_per_s)
    if not write:
        return {"read": read}
    pins = max(spec.read_bytes_per_s, spec.write_bytes_per_s) if spec.shared_pins else 2 * min(read, write)
    return {"read": read, "write": write, "copy": min(read, write, port.together // 2, pins // 2)}
