"""What a power manager leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S
from socsim.simulation_records import BatteryRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.simulation_records import ClockRecord, DomainRecord, ThermalRecord, TraceRecord


@dataclass(frozen=True, slots=True)
class PowerOutcome:
    """Energies in picojoules, and what became of clocks, domains and temperatures.

    Args:
        static_pj: of domains and memories, whatever they did.
        dynamic_pj: of work.
        spent_pj: of that, by application and unit.
        shares_pj: by application, its dynamic energy and its part of what domains drew while their units worked.
        domains: power domains, then memories.
        clocks: those of units.
        thermal: empty where heat is not modelled.
        ambient_millicelsius: None where heat is not modelled.
        power_cap_nw: None where there is none.
        traces: temperatures, frequencies and the power of everything.
        notes: what is not modelled, and why.
        warnings: a cap that cannot be held, a critical temperature.
    """

    static_pj: int
    dynamic_pj: int
    spent_pj: Mapping[tuple[str, str], int]
    shares_pj: Mapping[str, int]
    domains: tuple[DomainRecord, ...]
    clocks: tuple[ClockRecord, ...]
    thermal: tuple[ThermalRecord, ...]
    ambient_millicelsius: int | None
    power_cap_nw: int | None
    traces: tuple[TraceRecord, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def energy_pj(self) -> int:
        """Everything."""
        return self.static_pj + self.dynamic_pj


def battery_life(
    energy_pj: int, time_ps: int, capacity_uah: int, voltage_uv: int, efficiency: float
) -> BatteryRecord | None:
    """Return how long a battery lasts at an average power; None where nothing is drawn.

    Assumes: the battery has its mean voltage throughout, and gives its whole capacity at any current.

    Args:
        energy_pj: drawn behind the regulators.
        time_ps: in which it was drawn.
        capacity_uah: of the battery.
        voltage_uv: its mean over a discharge.
        efficiency: share of its energy that regulators hand on.
    """
    if energy_pj <= 0 or time_ps <= 0:
        return None
    held_pj = capacity_uah * voltage_uv * 3600  # uA h x uV = pW h
    drawn_w = energy_pj / time_ps / efficiency
    life_s = int(held_pj / PS_PER_S / drawn_w)
    return BatteryRecord(held_pj, efficiency, life_s, round(drawn_w / (voltage_uv / 1e6) * 1e9), voltage_uv)
