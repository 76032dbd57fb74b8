"""Peak figures of a platform as a table, and on one screen."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING

from socsim.cost.peaks import Peak
from socsim.quantities import format_si, format_time
from socsim.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence


def peaks_table(title: str, peaks: Sequence[Peak]) -> Table:
    """Return a row for each figure."""
    return Table(title, [field.name for field in fields(Peak)], [astuple(peak) for peak in peaks])


def peaks_by_cores(title: str, peaks: Sequence[Peak]) -> Table:
    """Return a row for each kind of figure: of one core, and of all where the unit has several."""
    found: dict[tuple[str, ...], dict[int, str]] = {}
    for peak in peaks:
        found.setdefault((peak.unit, peak.quantity, peak.of, peak.by), {})[peak.cores] = _shown(peak)
    rows = []
    for key, by_cores in found.items():
        most = max(by_cores)
        rows.append((*key, by_cores.get(1), f"{by_cores[most]} ({most})" if most > 1 else None))
    return Table(title, ["unit", "quantity", "of", "by", "one core", "all cores"], rows)


def _shown(peak: Peak) -> str:
    return format_time(peak.value) if peak.unit_of_value == "ps" else format_si(peak.value, peak.unit_of_value)
