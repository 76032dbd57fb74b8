"""How heat flows off a platform, and what its software does when it is warm: what a platform file says about it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from socsim.quantities import Frequency, HeatCapacity, Temperature, ThermalResistance, Time
from socsim.soc.fields import Count, Duration, Model

AMBIENT = "ambient"
"""The name that paths give to the surroundings, whose temperature nothing changes."""


class ThermalNode(Model):
    """Something that is equally warm everywhere: a die, a case, a heat sink."""

    capacity: HeatCapacity
    start: Temperature | None = None
    """Temperature at the beginning; absent: that of the surroundings."""


class ThermalPath(Model):
    """A way for heat, as strong as the difference of temperatures."""

    between: Annotated[list[str], Field(min_length=2, max_length=2)]
    """Two nodes, or a node and "ambient"."""
    resistance: ThermalResistance


class Trip(Model):
    """A temperature at which software slows clocks down, step by step.

    When the node is as warm as `at`, clocks lose `steps` operating points, and so again for each `every` that passes
    while it still is. When it is cooler than `clear`, they get them back in the same way.
    """

    node: str
    at: Temperature
    clear: Temperature
    clocks: Annotated[list[str], Field(min_length=1)]
    steps: Count = 1
    to: Frequency | None = None
    """Instead of steps: the most that the clocks may run at until it is cool."""
    every: Duration = Time("100 ms")


class Thermal(Model):
    """A network of thermal resistances and capacities, and what happens when it is warm."""

    ambient: Temperature
    nodes: Annotated[dict[str, ThermalNode], Field(min_length=1)]
    paths: Annotated[list[ThermalPath], Field(min_length=1)]
    heat: dict[str, str] = {}
    """The node that a power domain, or a memory, warms; what a memory's accesses cost warms the node of the unit that
    makes them. Domains that are absent warm the first node, memories that are absent nothing here."""
    trips: list[Trip] = []
    critical: Temperature | None = None
    """Where hardware or software switches the device off; a simulation warns."""
