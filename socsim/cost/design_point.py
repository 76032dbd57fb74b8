"""What a design offers at its peak: operations a second, what they cost in power, and the area that they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.energy import EnergyModel
from socsim.cost.models import core_rates
from socsim.cost.work import Work
from socsim.soc.arrays import InMemoryArray
from socsim.soc.schema import CpuCluster, Dsp, Gpu, Npu, SensingHub, Sram, SystemCache
from socsim.soc.technology import technology

if TYPE_CHECKING:
    from fractions import Fraction

    from socsim.soc.platform import Platform
    from socsim.soc.schema import AnyUnit
    from socsim.soc.technology import Technology

_UM2_PER_MM2 = 10**6


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """Peak figures of a unit in a type, or of an on-chip memory; a missing figure is None, and `reason` says why.

    Args:
        name: of the unit or memory.
        kind: of the unit, or "sram".
        dtype: type of the operands; None for memories.
        operations_per_s: at the peak of all cores, two for each multiply-accumulate.
        watts: power of arithmetic and busy cycles at that peak, and static power of the unit's domain.
        operations_per_joule: the ratio of the two; operands' way from buffers and memories comes on top.
        area_mm2: cores as measured on a die where the file has that, with the cells of the caches that they share;
            otherwise multipliers and local buffers, or the memory's cells with their circuits: a lower bound.
        reason: why a figure is missing.
    """

    name: str
    kind: str
    dtype: str | None
    operations_per_s: int | None
    watts: float | None
    operations_per_joule: float | None
    area_mm2: float | None
    reason: str | None


def design_points(platform: Platform) -> list[DesignPoint]:
    """Return a row for each unit and type that it multiplies, then one for each on-chip memory.

    Assumes: multipliers of the type with most of them in a cycle do the work of all others too, so that they alone
    take area; units that share a power domain each count all of its static power.
    Source: energies and areas as `sources` and `assumed` of `platforms/technology.yaml` say.
    """
    node = technology(platform.file.process)
    rows = [row for name, unit in platform.units.items() for row in _unit_rows(platform, node, name, unit)]
    on_chip = [(n, m) for n, m in platform.file.memories.items() if isinstance(m, Sram | SystemCache)]
    rows += [
        DesignPoint(n, m.kind, None, None, None, None, _sram_mm2(node, m.size.value), "memories do no arithmetic")
        for n, m in on_chip
    ]
    return rows


def _unit_rows(platform: Platform, node: Technology, name: str, unit: AnyUnit) -> list[DesignPoint]:
    parallel = _parallel(platform, name, unit)
    rates = {dtype: rate * parallel for dtype, rate in core_rates(unit).items()}
    area, reason = _area(node, unit, rates, parallel)
    return [_row(platform, name, dtype, rate, parallel, area, reason) for dtype, rate in rates.items()]


def _row(
    platform: Platform, name: str, dtype: str, rate: Fraction, parallel: int, area: float | None, reason: str | None
) -> DesignPoint:
    hz, unit = platform.unit_hz(name), platform.unit(name)
    second = Work((), int(rate * hz), 0, 0, parallel * hz, 0, 0, 0, (), ())
    model = EnergyModel(platform)
    static = dict(model.static([name], 10**12)).get(unit.power, 0)
    watts = (model.task(name, dtype, second, ()).unit + static) / 10**12
    operations = 2 * second.executed_macs
    return DesignPoint(name, unit.kind, dtype, operations, watts, operations / watts if watts else None, area, reason)


def _parallel(platform: Platform, name: str, unit: AnyUnit) -> int:
    """Return the cores, compute units or threads of a unit."""
    if isinstance(unit, Gpu):
        return unit.compute_units
    return unit.threads if isinstance(unit, Dsp) else platform.core_count(name)


def _area(
    node: Technology, unit: AnyUnit, rates: dict[str, Fraction], parallel: int
) -> tuple[float | None, str | None]:
    if unit.area is not None:
        parts = 1 if isinstance(unit, Dsp | SensingHub) else parallel
        return parts * unit.area.value / _UM2_PER_MM2 + _shared_mm2(node, unit), None
    if not isinstance(unit, Npu):
        return None, f"not measured; no coefficients for a {unit.kind}: most of it is control, registers and caches"
    if isinstance(unit.array, InMemoryArray):
        return None, "no area coefficients for cells that multiply and their converters"
    known = {dtype: rate for dtype, rate in rates.items() if dtype in node.mac_area}
    if not known:
        return None, f"no area coefficients for {', '.join(rates)}"
    largest = max(float(rate) * node.mac_area[dtype] for dtype, rate in known.items())
    return largest / _UM2_PER_MM2 + parallel * _sram_mm2(node, unit.buffer.value), None


def _shared_mm2(node: Technology, unit: AnyUnit) -> float:
    """Return the area of a cluster's own caches; one of the whole chip belongs to nobody."""
    caches = unit.caches if isinstance(unit, CpuCluster) else []
    return sum(_sram_mm2(node, c.size.value) for c in caches if c.scope == "cluster" and c.level != "SLC")


def _sram_mm2(node: Technology, size: int) -> float:
    return 8 * size * node.sram_area / _UM2_PER_MM2
