"""Static analysis: what a network asks of a platform before anything is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.pipeline import Options, make_plan
from socsim.records import AnalysisRecord, AnalysisRow, Ceiling, MemoryUseRecord
from socsim.schedule.placement import candidates, refusal_reason
from socsim.version import __version__
from socsim.workload.graph import Graph, Operator
from socsim.workload.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.recording import Plan
    from socsim.schedule.placement import Candidate
    from socsim.soc.platform import Platform


def analyze_graph(graph: Graph, platform: Platform, options: Options) -> AnalysisRecord:
    """Return operators, MACs, bytes, support on every unit, memory peaks and ceilings.

    Raises:
        UsageError, UnsupportedOperatorError, InfeasibleError: as for a run.
    """
    plan = make_plan(graph, platform, options)
    units = candidates(platform, list(platform.units), {})
    return AnalysisRecord(
        version=__version__,
        model=graph.name,
        model_format=graph.source_format,
        model_sha256=graph.sha256,
        platform=platform.name,
        macs=graph.macs * options.batch,
        parameters=plan.graph.parameters,
        parameter_bytes=plan.graph.parameter_bytes,
        operators=tuple(_row(plan, op, units) for op in plan.graph.operators),
        support=tuple((c.name, _supported(plan.graph, c)) for c in units),
        memories=tuple(
            MemoryUseRecord(name, platform.memories[name].bytes, use.weight_bytes, use.activation_peak_bytes)
            for name, use in plan.memory.use.items()
        ),
        ceilings=tuple(_ceilings(plan)),
        notes=graph.notes,
    )


def _row(plan: Plan, op: Operator, units: Sequence[Candidate]) -> AnalysisRow:
    graph, placed = plan.graph, plan.placed[op.index]
    tensors = graph.input_tensors(op)
    read = sum(t.bytes for t in tensors if not t.is_constant) * plan.batch
    constants = [t for t in tensors if t.is_constant]
    written = sum(t.bytes for t in graph.output_tensors(op)) * plan.batch
    moved = read + written + sum(t.bytes for t in constants)
    macs = op.macs * plan.batch
    return AnalysisRow(
        index=op.index,
        name=op.name,
        type=op.type,
        unit=placed.unit,
        dtype=placed.dtype,
        macs=macs,
        parameters=sum(t.elements for t in constants),
        input_bytes=read,
        weight_bytes=sum(t.bytes for t in constants),
        output_bytes=written,
        arithmetic_intensity=2 * macs / moved if macs and moved else None,
        unsupported_on=tuple(c.name for c in units if refusal_reason(c, graph, op) is not None),
    )


def _supported(graph: Graph, unit: Candidate) -> int:
    return sum(refusal_reason(unit, graph, op) is None for op in graph.operators)


def _ceilings(plan: Plan) -> list[Ceiling]:
    found = []
    for name, model in plan.models.items():
        home = plan.platform.outer_memory(name)
        rate = plan.platform.reach_bytes_per_s(name, home, plan.cores[name])
        reached = set(plan.runtimes[name].executes.values())
        for dtype in [known for known in model.rates() if known in reached]:
            peak = model.peak_macs_per_s(dtype)
            if peak:
                found.append(Ceiling(name, dtype, 2 * peak, home, rate))
    return found


def operator_support(platform: Platform) -> list[dict[str, Any]]:
    """Return one row for each operator of the vocabulary: the types that each unit computes it in."""
    units = candidates(platform, list(platform.units), {})
    rows = []
    for name, spec in OPERATORS.items():
        row: dict[str, Any] = {"operator": name, "category": spec.category.value}
        for unit in units:
            row[unit.name] = " ".join(_kernel_types(unit, name)) or None
        rows.append(row)
    return rows


_NO_GRAPH = Graph("", "", (), (), (), ())


def _kernel_types(unit: Candidate, operator_type: str) -> list[str]:
    """Return the types that an operator may compute in, in the order of the runtime's own."""
    found: dict[str, None] = {}
    for dtype, runs in unit.runtime.executes.items():
        op = Operator(0, "", operator_type, (), (), {"compute_dtype": dtype})
        if refusal_reason(unit, _NO_GRAPH, op) is None:
            found[runs] = None
    return list(found)
