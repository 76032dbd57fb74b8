"""Platforms with some of their numbers changed together: slower, faster, without bounds, with other energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.cost.models import core_rates
from socsim.quantities import (
    Bandwidth,
    BitWidth,
    BytesPerCycle,
    DataRate,
    Frequency,
    Quantity,
    Time,
)
from socsim.soc.arrays import InMemoryArray
from socsim.soc.provenance import numbers
from socsim.soc.schema import Dram, Npu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime

_PER_TIME = (Frequency, DataRate, Bandwidth)
_WIDTHS = (BytesPerCycle, BitWidth)
_BURSTS = ("outstanding", "writes", "together")
_CLASSES = {unit: kind for kind in Quantity.__subclasses__() for unit in kind.units}


def stateless(platform: Platform) -> Platform:
    """Return the platform with DRAM as a plain rate: attained as before, whoever asks for what."""
    changes: dict[str, Any] = {}
    for name, memory in platform.file.memories.items():
        if isinstance(memory, Dram):
            rates = platform.memories[name]
            changes[f"memories.{name}.device"] = None
            changes[f"memories.{name}.efficiency"] = rates.read_bytes_per_s / rates.peak_bytes_per_s
    return platform.with_(changes) if changes else platform


def slower(platform: Platform, factor: int) -> Platform:
    """Return the platform with every clock and rate divided by a factor, and every time multiplied by it."""
    changes = {}
    for path, quantity in _quantities(platform):
        if isinstance(quantity, Time):
            changes[path] = str(Time.of(quantity.value * factor))
        elif isinstance(quantity, _PER_TIME):
            changes[path] = str(type(quantity).of(quantity.value // factor))
    return platform.with_(changes)


def slower_runtime(runtime: Runtime, factor: int) -> Runtime:
    """Return the runtime with every time multiplied by a factor."""
    times = {name: value for name in type(runtime).model_fields if isinstance(value := getattr(runtime, name), Time)}
    return runtime.with_(**{name: str(Time.of(time.value * factor)) for name, time in times.items()})


def faster_parts(platform: Platform, unit: str, factor: int) -> dict[str, Platform]:
    """Return variants in which one number that a unit's time may depend on is better, by what was changed.

    Rates and widths are multiplied by the factor, fixed times divided by it: those of the unit, of the memories
    that it may use and of the links on the way. The sizes of arrays, vectors and buffers stay.
    """
    made: dict[str, dict[str, Any]] = {"clock": {f"units.{unit}.clock": _hz(platform.unit_hz(unit) * factor)}}
    for path, value in _near_numbers(platform, unit):
        better = _better(path, value, factor) if path != f"units.{unit}.vector" else None
        if better is not None:  # the windows of a port belong together
            made.setdefault("windows" if _is_window(path, value) else path, {})[path] = better
    return {path: platform.with_(changes) for path, changes in made.items()}


def boundless_memory(platform: Platform, unit: str, factor: int = 10**6) -> Platform:
    """Return the platform with memories, links and the unit's port so fast that nothing waits for them."""
    changes = {}
    for path, value in _near_numbers(platform, unit):
        outside = not path.startswith(f"units.{unit}.") or path.startswith(f"units.{unit}.port.")
        better = _better(path, value, factor) if outside else None
        if better is not None:
            changes[path] = better
    return platform.with_(changes)


def boundless_compute(platform: Platform, unit: str, factor: int = 10**6) -> Platform:
    """Return the platform with a unit's clock so fast that its own cycles take no time."""
    return platform.with_({f"units.{unit}.clock": _hz(platform.unit_hz(unit) * factor)})


def with_energies(platform: Platform, unit: str, factor: int) -> Platform:
    """Return the platform with a unit and memories that have energies of their own, all multiplied by a factor."""
    spec = platform.unit(unit)
    voltage = platform.clock(spec.clock).voltage_uv
    energies: dict[str, Any] = {
        "mac": dict.fromkeys(core_rates(spec), f"{factor} pJ"),
        "vector_op": f"{2 * factor} pJ", "local_byte": f"{3 * factor} pJ/B", "cycle": f"{5 * factor} pJ",
    }  # fmt: skip
    if isinstance(spec, Npu) and isinstance(spec.array, InMemoryArray):
        energies["conversion"] = f"{7 * factor} pJ"
    if voltage:
        energies["voltage"] = f"{voltage} uV"
    memory = {"read": f"{8 * factor} pJ/B", "write": f"{9 * factor} pJ/B"}
    changes = {f"memories.{name}.energy": memory for name in platform.memories}
    return platform.with_({f"units.{unit}.energy": energies, **changes})


def at_voltage(platform: Platform, unit: str, share: Fraction) -> Platform | None:
    """Return the platform with a unit's clock at a share of its voltage and at the same frequency.

    The figures of the unit and of its power domain keep the voltage that they belong to. None where the voltage is
    not known.
    """
    spec = platform.unit(unit)
    clock = platform.clock(spec.clock)
    if clock.voltage_uv is None:
        return None
    fastest = max(platform.file.clocks[spec.clock].opps, key=lambda point: point.clock.value).voltage
    known = {
        f"units.{unit}.energy.voltage": spec.energy.voltage,
        f"power_domains.{spec.power}.voltage": platform.file.power_domains[spec.power].voltage,
    }
    point = {"name": "only", "clock": _hz(clock.hz), "voltage": f"{int(clock.voltage_uv * share)} uV"}
    changes: dict[str, Any] = {path: str(voltage or fastest) for path, voltage in known.items()}
    changes |= {f"clocks.{spec.clock}.opps": [point], f"clocks.{spec.clock}.default": None}
    return platform.with_(changes)


# --- the numbers of a platform ------------------------------------------------------------------------


def _quantities(platform: Platform) -> Iterator[tuple[str, Quantity]]:
    for path, value in numbers(platform.document.value, ()):
        quantity = _quantity(value)
        if quantity is not None:
            yield ".".join(path), quantity


def _quantity(value: Any) -> Quantity | None:
    kind = _CLASSES.get(value.partition(" ")[2]) if isinstance(value, str) else None
    return kind(value) if kind else None


def _near_numbers(platform: Platform, unit: str) -> Iterator[tuple[str, Any]]:
    """Yield the numbers of a unit, of its memories and of the links on the way, energies left out."""
    spec = platform.unit(unit)
    memories = dict.fromkeys((*spec.activations, *spec.weights))
    links = dict.fromkeys(link for memory in memories for link in platform.path(unit, memory))
    near = {("units", unit), *(("memories", m) for m in memories), *(("links", name) for name in links)}
    for path, value in numbers(platform.document.value, ()):
        if path[:2] in near and "energy" not in path:
            yield ".".join(path), value


def _better(path: str, value: Any, factor: int) -> Any:
    """Return a number that makes nothing slower; None for one that has no better or worse."""
    quantity = _quantity(value)
    if isinstance(quantity, Time):
        return str(Time.of(quantity.value // factor))
    if isinstance(quantity, (*_PER_TIME, *_WIDTHS)):
        return str(type(quantity).of(quantity.value * factor))
    return value * factor if _is_window(path, value) else None


def _is_window(path: str, value: Any) -> bool:
    return path.rpartition(".")[2] in _BURSTS and isinstance(value, int)


def _hz(value: int) -> str:
    return str(Frequency.of(value))
