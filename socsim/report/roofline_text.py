"""The roofline of a network in figures: ceilings and ridge points, and where each operator stands under its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.quantities import PS_PER_S, format_si
from socsim.report.formats import format_share, plural, text_table
from socsim.report.sinks import terminal_text
from socsim.report.tables import Table

if TYPE_CHECKING:
    from socsim.records import AnalysisRecord, Ceiling, OperatorRecord, RunRecord

_COLUMNS = (
    "index", "type", "unit", "dtype", "operations", "external_bytes", "arithmetic_intensity",
    "attainable_operations_per_s", "roof", "achieved_operations_per_s", "share", "bound",
)  # fmt: skip
_RIGHT = ("operator", "intensity", "attainable", "achieved", "share")


def roofline_table(analysis: AnalysisRecord, run: RunRecord) -> Table:
    """Return a row for each operator that multiplies and has a cost of its own.

    `arithmetic_intensity` is operations for each byte to and from memories off chip in the run, None where there are
    none; `roof` names the ceiling above the operator, memory or compute; `share` is achieved over attainable and
    counts nominal operations, so that Winograd's algorithm and zeros may exceed 1; `bound` is what decided its time.

    Args:
        analysis: of the same network, platform and options: it has the ceilings.
        run: what the operators achieved.
    """
    types = {row.index: row.dtype for row in analysis.operators}
    roofs = {(ceiling.unit, ceiling.dtype): ceiling for ceiling in analysis.ceilings}
    rows = [
        _row(op, types[op.index], roofs[op.unit, types[op.index]])
        for op in run.operators
        if op.macs and op.latency_ps and (op.unit, types[op.index]) in roofs
    ]
    return Table(f"Roofline of {run.model} on {run.platform}", _COLUMNS, rows)


def _row(op: OperatorRecord, dtype: str, roof: Ceiling) -> tuple[Any, ...]:
    intensity = op.arithmetic_intensity
    slope = float("inf") if intensity is None else intensity * roof.bytes_per_s
    attainable = int(min(float(roof.operations_per_s), slope))
    achieved = 2 * op.macs * PS_PER_S // (op.latency_ps or 1)
    below = "memory" if slope < roof.operations_per_s else "compute"
    share = achieved / attainable if attainable else None
    return (
        op.index, op.type, op.unit, dtype, 2 * op.macs, op.dram_bytes, intensity, attainable, below, achieved, share,
        op.bound,
    )  # fmt: skip


def roofline_text(analysis: AnalysisRecord, run: RunRecord) -> str:
    """Return the ceilings that operators stand under, and a line for each operator."""
    table = roofline_table(analysis, run)
    used = {(row["unit"], row["dtype"]) for row in table}
    ceilings = [_ceiling(c) for c in analysis.ceilings if (c.unit, c.dtype) in used]
    header = ("unit", "type", "peak", "memory", "rate", "ridge")
    operators = [_line(row) for row in table]
    columns = (
        "operator",
        "type",
        "unit",
        "computes in",
        "intensity",
        "attainable",
        "roof",
        "achieved",
        "share",
        "bound",
    )
    left = sum(op.latency_ps is not None for op in run.operators) - len(operators)
    return "\n".join([
        table.title, "", *text_table(header, ceilings, ("peak", "rate", "ridge")), "",
        *text_table(columns, operators, _RIGHT),
        f"{plural(left, 'other operator')} without multiply-accumulates; times are those of detail {run.detail!r}",
    ])  # fmt: skip


def _ceiling(roof: Ceiling) -> tuple[str, ...]:
    ridge = f"{roof.operations_per_s / roof.bytes_per_s:.4g} OP/B" if roof.bytes_per_s else "-"
    peak, rate = format_si(roof.operations_per_s, "OP/s"), format_si(roof.bytes_per_s, "B/s")
    return terminal_text(roof.unit, 20), roof.dtype, peak, terminal_text(roof.memory, 20), rate, ridge


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    intensity = row["arithmetic_intensity"]
    return (
        str(row["index"]),
        terminal_text(row["type"], 24),
        terminal_text(row["unit"], 20),
        row["dtype"],
        "no bytes" if intensity is None else f"{intensity:.4g} OP/B",
        format_si(row["attainable_operations_per_s"], "OP/s"),
        row["roof"],
        format_si(row["achieved_operations_per_s"], "OP/s"),
        "-"
        if row["share"] is None
        else format_share(row["achieved_operations_per_s"], row["attainable_operations_per_s"]),
        terminal_text(row["bound"] or "-", 10),
    )
