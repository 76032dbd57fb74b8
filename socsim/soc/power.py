"""Clocks, power domains and power modes: what a platform file says about them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from socsim.quantities import DataRate, Energy, Frequency, Power, Time, Voltage
from socsim.soc.fields import Model


class OperatingPoint(Model):
    """One step of a clock."""

    name: str
    clock: Frequency
    voltage: Voltage | None = None


class Clock(Model):
    """A clock domain with its operating points."""

    opps: Annotated[list[OperatingPoint], Field(min_length=1)]
    default: str | None = None
    """The operating point of a run that names none, and the fastest that a governor takes; the fastest of all where
    absent."""


class PowerState(Model):
    """A state that a power domain can rest in."""

    name: str
    power: Power
    enter: Time = Time.of(0)
    """Time until it draws that power, at the power of the domain that is on."""
    wake: Time = Time.of(0)
    """Time from the first request until units work again, at the power of the domain that is on."""
    transition: Energy = Energy.of(0)
    """What entering and leaving it cost beside that, together."""


class PowerDomain(Model):
    """Parts that are powered together."""

    static: Power
    """Leakage and clock tree while the domain is on, whatever it does."""
    voltage: Voltage | None = None
    """Voltage that `static` belongs to; it scales with its square. Absent: that of the units' fastest point."""
    states: list[PowerState] = []
    """Resting states; a sensing hub waits for its trigger in the first of its domain's."""
    idle: Literal["fitting", "immediate", "timeout"] = "fitting"
    """How an idle domain takes to them: "fitting" goes to the deepest one that would have paid off in the last idle
    stretch, "immediate" to the deepest at once, "timeout" to each once it has been idle for as long as it pays off."""


class PowerMode(Model):
    """Limits that software sets together, such as a module's "15 W" mode."""

    title: str
    cap: Power | None = None
    """Most average power that a simulation of applications lets the platform draw; absent: none."""
    clocks: dict[str, Frequency] = {}
    """Most frequency by clock; clocks that are absent keep theirs."""
    units: dict[str, Annotated[int, Field(ge=0)]] = {}
    """Cores (compute units of a GPU) that are on, by unit; 0 takes the unit away."""
    data_rates: dict[str, DataRate] = {}
    """Most data rate by DRAM."""
