"""A static analysis as tables, text and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from socsim.quantities import format_si
from socsim.records import ANALYSIS_SCHEMA_VERSION, AnalysisRow
from socsim.report.roofline_text import roofline_table, roofline_text
from socsim.report.sinks import terminal_text
from socsim.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from socsim.records import AnalysisRecord, RunRecord


class Analysis:
    """What a network asks of a platform before anything is timed.

    Args:
        record: what the analysis left behind.
    """

    def __init__(self, record: AnalysisRecord) -> None:
        self.record = record

    @property
    def operators(self) -> Table:
        """One row for each operator: MACs, parameters, bytes, the unit that would run it."""
        columns = [field.name for field in fields(AnalysisRow)]
        rows = [
            tuple(" ".join(value) if isinstance(value := getattr(row, c), tuple) else value for c in columns)
            for row in self.record.operators
        ]
        return Table(f"{self.record.model} on {self.record.platform}", columns, rows)

    @property
    def ceilings(self) -> Table:
        """Peak operations a second by unit and type, the memory rate, and the intensity where they meet."""
        columns = ["unit", "dtype", "operations_per_s", "memory", "bytes_per_s", "ridge_operations_per_byte"]
        rows = [
            (c.unit, c.dtype, c.operations_per_s, c.memory, c.bytes_per_s, c.operations_per_s / c.bytes_per_s)
            for c in self.record.ceilings
        ]
        return Table("ceilings", columns, rows)

    def summary(self) -> str:
        """Return one screen: counts, support by unit, memory peaks, ceilings."""
        r = self.record
        return "\n".join([
            f"{terminal_text(r.model)} ({r.model_format}) on {r.platform}: {len(r.operators)} operators, "
            f"{r.macs:,} MACs, {r.parameters:,} parameters in {r.parameter_bytes:,} B",
            "",
            *(f"support   {name:<12} {count:>6} of {len(r.operators)} operators" for name, count in r.support),
            *self._memory_lines(),
            *self._ceiling_lines(),
            *(f"note      {terminal_text(note)}" for note in r.notes),
        ])  # fmt: skip

    def _memory_lines(self) -> list[str]:
        return [
            f"memory    {m.name:<12} {m.weight_bytes:>14,} B weights + {m.activation_peak_bytes:>12,} B activations "
            f"at the peak = {100 * (m.weight_bytes + m.activation_peak_bytes) / m.capacity_bytes:.1f} % "
            f"of {m.capacity_bytes:,} B"
            for m in self.record.memories
            if m.weight_bytes or m.activation_peak_bytes
        ]

    def _ceiling_lines(self) -> list[str]:
        return [
            f"roof      {c.unit:<12} {c.dtype:<9} {format_si(c.operations_per_s, 'OP/s'):>12}, {c.memory} at "
            f"{format_si(c.bytes_per_s, 'B/s')}: memory-bound below {c.operations_per_s / c.bytes_per_s:.0f} OP/B"
            for c in self.record.ceilings
        ]

    def plot_roofline(self, ax: Axes | None = None) -> Axes:
        """Draw the operators' intensities under the ceilings of the units that would run them."""
        from socsim.report.figures import analysis_roofline

        return analysis_roofline(self.record, ax)

    def roofline(self, run: RunRecord) -> Table:
        """Return where each operator of a run stands under its ceilings; a row for each that multiplies."""
        return roofline_table(self.record, run)

    def roofline_text(self, run: RunRecord) -> str:
        """Return the ceilings with their ridge points, and a line for each operator of a run that multiplies."""
        return roofline_text(self.record, run)

    def to_json(self, run: RunRecord | None = None) -> str:
        """Return the analysis as one JSON document with `schema_version`; with a run also its `roofline`."""
        document: dict[str, Any] = {"schema_version": ANALYSIS_SCHEMA_VERSION} | asdict(self.record)
        document["support"] = dict(self.record.support)
        if run is not None:
            document["roofline"] = list(self.roofline(run))
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.operators._repr_html_()
