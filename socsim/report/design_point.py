"""Peak operations, power and area of a design as a table, and on one screen."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING

from socsim.cost.design_point import DesignPoint
from socsim.quantities import format_si
from socsim.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = (None, "int8", "float16", "float32")


def design_table(title: str, points: Sequence[DesignPoint]) -> Table:
    """Return a row for each unit and type, and for each on-chip memory."""
    return Table(title, [field.name for field in fields(DesignPoint)], [astuple(point) for point in points])


def design_by_type(title: str, points: Sequence[DesignPoint]) -> Table:
    """Return the rows of the usual types, for people."""
    rows = [
        (
            p.name,
            p.dtype,
            None if p.operations_per_s is None else format_si(p.operations_per_s, "OP/s"),
            None if p.watts is None else format_si(p.watts, "W"),
            None if p.operations_per_joule is None else format_si(p.operations_per_joule, "OP/J"),
            None if p.area_mm2 is None else f"{p.area_mm2:.3g} mm2",
            p.reason,
        )
        for p in points
        if p.dtype in _SHOWN
    ]
    return Table(title, ["part", "type", "peak", "power", "efficiency", "area at least", "missing because"], rows)
