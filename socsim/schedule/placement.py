"""Placement: each operator to the first unit that has a kernel for it, with the reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.memory_plan import InfeasibilityReport
from socsim.cost.models import core_rates
from socsim.errors import InfeasibleError, UnsupportedOperatorError
from socsim.memo import Same
from socsim.soc.schema import CpuCluster
from socsim.workload.dtypes import DType
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime
    from socsim.soc.schema import AnyUnit
    from socsim.workload.graph import Graph, Operator

LOOKUPS = frozenset({"GATHER", "EMBEDDING_LOOKUP"})
"""Operators that take rows of their first operand, a table where that is constant."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A unit that operators may go to: all of it that decides which do.

    Two are equal if they are one unit to every network: the same name, types and runtime.

    Args:
        name: of the unit.
        multiplies: types that the hardware multiplies.
        runtime: the software that drives it.
    """

    name: str
    multiplies: frozenset[str]
    runtime: Runtime

    def _key(self) -> tuple[str, frozenset[str], Same]:
        return self.name, self.multiplies, Same(self.runtime)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an operator goes, in which type its kernel computes, and why."""

    unit: str
    dtype: str
    reason: str


def candidates(platform: Platform, order: Sequence[str], runtimes: Mapping[str, Runtime]) -> list[Candidate]:
    """Return the units of `order` with the runtime of each; `runtimes` replaces defaults."""
    return [_candidate(platform.unit(u), u, runtimes.get(u) or platform.runtime(u)) for u in order]


def _candidate(unit: AnyUnit, name: str, stack: Runtime) -> Candidate:
    """Return a unit with its runtime as it is on the unit's cores."""
    own = stack.on(unit.isa) if isinstance(unit, CpuCluster) else stack
    return Candidate(name, frozenset(core_rates(unit)), own)


def graph_dtype(graph: Graph, op: Operator) -> str:
    """Return the type of an operator's data: its first activation's, or its result's; of rows of a table, theirs."""
    declared = op.attributes.get("compute_dtype")
    if declared is not None:
        return str(declared)
    if op.type in LOOKUPS and graph.input_tensors(op)[0].is_constant:
        return graph.output_tensors(op)[0].dtype.value
    tensors = [*graph.input_tensors(op), *graph.output_tensors(op)]
    data = next((t for t in tensors if not t.is_constant), tensors[0] if tensors else None)
    return data.dtype.value if data is not None else DType.RESOURCE.value


def place(graph: Graph, units: Sequence[Candidate], *, forced: bool = False) -> list[Placed]:
    """Return a place for every operator, in the graph's order.

    Args:
        graph: the network.
        units: allowed units, best first.
        forced: whether the first unit was asked for by name, so that it must run some arithmetic.

    Views and variable handles stay with the operator that makes their data, so that a reshape does not
    send it to another unit.

    Raises:
        UnsupportedOperatorError: operators that no unit has a kernel for, all listed.
        InfeasibleError: the first unit has a kernel for none of the network's arithmetic.
    """
    placed: list[Placed | None] = []
    refused: list[tuple[Operator, list[str]]] = []
    for op in graph.operators:
        choice, reasons = _choose(graph, op, units, placed)
        if choice is None:
            refused.append((op, reasons))
        placed.append(choice)
    if forced:
        _check_preferred(graph, units, placed)
    if refused:
        raise UnsupportedOperatorError(refusal(graph, units, refused))
    return [p for p in placed if p is not None]


def _choose(
    graph: Graph, op: Operator, units: Sequence[Candidate], placed: Sequence[Placed | None]
) -> tuple[Placed | None, list[str]]:
    dtype = graph_dtype(graph, op)
    if op.category in {Category.VIEW, Category.STATE}:
        home = next((p for t in op.inputs if (p := _maker(graph, t, placed))), None)
        unit = home.unit if home else units[0].name
        return Placed(unit, dtype, f"moves no data: stays on {unit}"), []
    reasons: list[str] = []
    for candidate in units:
        problem = _problem(candidate, op, dtype)
        if problem is None:
            runs = candidate.runtime.executes[dtype]
            shown = dtype if runs == dtype else f"{dtype} as {runs}"
            reason = f"{candidate.name} has a {candidate.runtime.name} kernel for {op.label} in {shown}"
            return Placed(candidate.name, runs, "; ".join([*reasons, reason])), reasons
        reasons.append(problem)
    return None, reasons


def refusal_reason(unit: Candidate, graph: Graph, op: Operator) -> str | None:
    """Return why a unit cannot run an operator, or None if it can."""
    if op.category in {Category.VIEW, Category.STATE}:
        return None
    return _problem(unit, op, graph_dtype(graph, op))


def _maker(graph: Graph, tensor: int | None, placed: Sequence[Placed | None]) -> Placed | None:
    producer = graph.producers.get(tensor) if tensor is not None else None
    return placed[producer] if producer is not None else None


def _problem(candidate: Candidate, op: Operator, dtype: str) -> str | None:
    """Return why a unit cannot run an operator, or None if it can."""
    runtime = candidate.runtime
    who = f"{candidate.name} ({runtime.name})"
    runs = runtime.executes.get(dtype)
    if runs is None:
        return f"{who} takes {', '.join(runtime.executes)}, not {dtype}"
    if not runtime.supports_operator(op.type, runs):
        types = runtime.types_for(op.type)
        return f"{who} has {op.type} in {', '.join(types)}, not {runs}" if types else f"{who} has no {op.label}"
    widest = max((side for nest in op.loops if nest.is_convolution for side in (nest.r, nest.s)), default=0)
    if runtime.widest_window is not None and widest > runtime.widest_window:
        return f"{who} has {op.type} with windows up to {runtime.widest_window}, not {widest}"
    if runs not in candidate.multiplies and (op.category is Category.MAC or DType(runs).is_float):
        return f"{who} cannot multiply {runs}"
    return None


def _check_preferred(graph: Graph, units: Sequence[Candidate], placed: Sequence[Placed | None]) -> None:
    """Refuse a preferred unit that would run none of the arithmetic it was chosen for."""
    first = units[0]
    heavy = [op for op in graph.operators if op.category is Category.MAC]
    runs = [op for op in heavy if (p := placed[op.index]) is not None and p.unit == first.name]
    if not heavy or runs:
        return
    problems = Counter(_problem(first, op, graph_dtype(graph, op)) or "" for op in heavy)
    found = "; ".join(f"{count} operators: {text}" for text, count in sorted(problems.items()))
    accepted = ", ".join(first.runtime.executes)
    report = InfeasibilityReport(
        f"multiply-accumulate operators on {first.name}", len(heavy), 0, "operators",
        (f"another precision ({accepted})", "another unit"),
    )  # fmt: skip
    msg = (
        f"{graph.name}: {first.name!r} can run none of the network's arithmetic ({found}): "
        f"demand {len(heavy)} operators, bound 0, gap {len(heavy)}; "
        f"quantize the network or choose a precision of {accepted}, or another unit"
    )
    raise InfeasibleError(msg, report)


def refusal(graph: Graph, units: Sequence[Candidate], refused: Sequence[tuple[Operator, Sequence[str]]]) -> str:
    """Return the message for operators that no unit has a kernel for, each with why not."""
    counts = Counter(op.label for op, _ in refused)
    total = ", ".join(f"{n} x {label}" for label, n in sorted(counts.items()))
    lines = "\n".join(f"  - {op.index} {op.label} {op.name!r}: {'; '.join(why)}" for op, why in refused)
    names = ", ".join(c.name for c in units)
    return (
        f"{graph.name}: {len(refused)} operators have no kernel on any allowed unit ({names}): {total}; "
        f"allow another unit, or change the network\n{lines}"
    )
