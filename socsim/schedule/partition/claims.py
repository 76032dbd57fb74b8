"""Strategies of runtimes that claim what they have kernels for, unit by unit, whatever it costs."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from socsim.cost.memory_plan import InfeasibilityReport
from socsim.errors import InfeasibleError
from socsim.schedule.partition.strategy import Solution, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.schedule.partition.problem import PlacementProblem
    from socsim.schedule.partition.strategy import Goal


class Priority(Strategy, name="priority"):
    """Each operator to the first unit that has a kernel for it; the run follows the network's order."""

    weighs = False
    in_order = True

    def solve(self, problem: PlacementProblem, _goal: Goal) -> Solution:
        """Return the first allowed unit of each group."""
        units = tuple(allowed[0] for allowed in problem.allowed)
        return Solution(units, tuple(range(len(problem))), _passed_over(problem, units))


class Single(Strategy, name="single"):
    """All operators on one unit, the first of the order that has kernels for all of them, else refused."""

    weighs = False

    def solve(self, problem: PlacementProblem, _goal: Goal) -> Solution:
        """Return the first unit that may run everything.

        Raises:
            InfeasibleError: there is none; the message says for each unit what it lacks.
        """
        for v, name in enumerate(problem.units):
            if all(v in allowed for allowed in problem.allowed):
                why = dict.fromkeys(range(len(problem)), f"all on one unit: {name} has kernels for everything")
                return Solution((v,) * len(problem), tuple(range(len(problem))), why)
        raise _lacking(problem)


class MaximalSubgraphs(Strategy, name="maximal_subgraphs"):
    """Unit by unit in the order of preference, all subgraphs that it has kernels for, as large as they can be.

    Args:
        smallest: operators that a subgraph must have; smaller ones are left to the units after. The last unit takes
            what is left in any case, as a CPU provider does.

    Source: ONNX Runtime asks providers in order of priority (GetCapability, graph_partitioner.cc); providers
        such as those for NNAPI and CoreML leave out subgraphs that are too small (CreateSupportedPartitions in
        onnxruntime/core/providers/partitioning_utils.cc).
    """

    weighs = False

    def __init__(self, smallest: int = 1) -> None:
        self.smallest = smallest

    def solve(self, problem: PlacementProblem, _goal: Goal) -> Solution:
        """Return the claims of each unit in turn."""
        return _claimed(problem, range(len(problem.units)), smallest=self.smallest, most=0)


class Delegate(Strategy, name="delegate"):
    """One unit, the first, takes its largest subgraphs; the next ones take the rest.

    Args:
        most: subgraphs that the first unit takes at most; 0: any number.
        smallest: operators that each must have.

    Source: TensorFlow Lite's GPU delegate takes one partition unless told otherwise (max_delegated_partitions = 1 in
        tensorflow/lite/delegates/gpu/delegate_options.cc), the largest (GetFirstNLargestPartitions in
        tensorflow/lite/delegates/utils.cc); other delegates have min_nodes_per_partition and no limit.
    """

    weighs = False

    def __init__(self, most: int = 1, smallest: int = 1) -> None:
        self.most = most
        self.smallest = smallest

    def solve(self, problem: PlacementProblem, _goal: Goal) -> Solution:
        """Return the largest claims of the first unit, and the rest elsewhere."""
        return _claimed(problem, range(min(1, len(problem.units))), smallest=self.smallest, most=self.most)


class Engine(Strategy, name="engine"):
    """An accelerator's engine with fallback: NPU or DLA first, what it lacks to the GPU, then to DSP and CPU.

    Args:
        most: subgraphs of the accelerator at most, the largest ones; 0: any number.

    Source: TensorRT sends layers that a DLA cannot run to the GPU (GPUFallbackMode, TensorRT developer guide, DLA
        runtime configuration).
    """

    weighs = False
    by_kind = ("npu", "gpu", "dsp", "cpu")

    def __init__(self, most: int = 0) -> None:
        self.most = most

    def solve(self, problem: PlacementProblem, _goal: Goal) -> Solution:
        """Return the engine's subgraphs, then the fallbacks'."""
        rank = {kind: position for position, kind in enumerate(self.by_kind)}
        order = sorted(range(len(problem.units)), key=lambda v: (rank.get(problem.kinds[v], len(rank)), v))
        return _claimed(problem, order, smallest=1, most=self.most)


def subgraphs(problem: PlacementProblem, is_taken: Sequence[bool]) -> list[list[int]]:
    """Return the groups in subgraphs that can run one after the other, each all taken or all not.

    Each takes every group of its side whose data is there, directly or from within, so that they are as large as they
    can be.

    Source: PartitionGraphIntoIndependentNodeSubsets in tensorflow/lite/graph_info.cc.
    """
    waiting = [len(makers) for makers in problem.before]
    ready: tuple[list[int], list[int]] = ([], [])
    for g, count in enumerate(waiting):
        if not count:
            ready[is_taken[g]].append(g)
    found: list[list[int]] = []
    side = bool(ready[True]) and (not ready[False] or min(ready[True]) < min(ready[False]))
    while ready[True] or ready[False]:
        own: list[int] = []
        while ready[side]:
            g = ready[side].pop()
            own.append(g)
            for reader in problem.after[g]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready[is_taken[reader]].append(reader)
        if own:
            found.append(sorted(own))
        side = not side
    return found


def _claimed(problem: PlacementProblem, order: Sequence[int], *, smallest: int, most: int) -> Solution:
    """Return units and order where units claim subgraphs in turn; what nobody claims goes to the first that may."""
    units: list[int | None] = [None] * len(problem)
    why: dict[int, str] = {}
    last = len(problem.units) - 1
    for position, v in enumerate(order):
        taken = [units[g] is None and v in problem.allowed[g] for g in range(len(problem))]
        claims = [own for own in subgraphs(problem, taken) if taken[own[0]]]
        sizes = [sum(len(problem.operators[g]) for g in own) for own in claims]
        kept = [i for i, size in enumerate(sizes) if size >= smallest or position == last]
        if most and position == 0:
            kept = sorted(sorted(kept, key=lambda i: (-sizes[i], i))[:most])
        for i in kept:
            for g in claims[i]:
                units[g] = v
                why[g] = f"{problem.units[v]} claims it in a subgraph of {sizes[i]} operators"
    rank = [*order, *(v for v in range(len(problem.units)) if v not in order)]
    first = problem.units[rank[0]]
    for g in (g for g, v in enumerate(units) if v is None):  # what a unit has to leave goes to the next in order
        units[g] = v = min(problem.allowed[g], key=lambda u: (u == rank[0], rank.index(u)))
        why[g] = f"left to {problem.units[v]}: its subgraph on {first} is too small or one too many"
    placed = [v for v in units if v is not None]
    return Solution(tuple(placed), _partitioned_order(problem, placed), why)


def _partitioned_order(problem: PlacementProblem, units: Sequence[int]) -> tuple[int, ...]:
    """Return an order in which each unit runs what it can before another one goes on."""
    waiting = [len(makers) for makers in problem.before]
    ready: list[list[int]] = [[] for _ in problem.units]
    for g, count in enumerate(waiting):
        if not count:
            ready[units[g]].append(g)
    order: list[int] = []
    here = units[0] if units else 0
    while len(order) < len(units):
        if not ready[here]:
            here = min((own[0], v) for v, own in enumerate(ready) if own)[1]
        own = ready[here]
        g = own.pop(0)
        order.append(g)
        for reader in problem.after[g]:
            waiting[reader] -= 1
            if not waiting[reader]:
                insort(ready[units[reader]], reader)
    return tuple(order)


def _passed_over(problem: PlacementProblem, units: Sequence[int]) -> dict[int, str]:
    found = {}
    for g, v in enumerate(units):
        passed = "; ".join(problem.refusals[g, u] for u in range(v) if (g, u) in problem.refusals)
        found[g] = f"{passed}; {problem.units[v]} is next in order" if passed else f"preferred: {problem.units[v]}"
    return found


def _lacking(problem: PlacementProblem) -> InfeasibleError:
    """Return the error of a network that no unit runs as a whole, with what each of them lacks."""
    runs = [sum(v in allowed for allowed in problem.allowed) for v in range(len(problem.units))]
    best = max(runs, default=0)
    lines = []
    for v, name in enumerate(problem.units):
        missing = [g for g, allowed in enumerate(problem.allowed) if v not in allowed]
        pinned = [g for g in missing if problem.pins.get(g, v) != v]
        why = dict.fromkeys(problem.refusals.get((g, v), f"{problem.label(g)} is not on {name}") for g in missing)
        why |= dict.fromkeys(f"{problem.label(g)} is pinned to {problem.units[problem.pins[g]]}" for g in pinned)
        lines.append(f"  - {name} runs {runs[v]} of {len(problem)}: {'; '.join(why)}")
    levers = ("another strategy", "another precision", "a network without these operators")
    report = InfeasibilityReport("operator groups on one unit", len(problem), best, "groups", levers)
    return InfeasibleError(
        f"{problem.name}: no unit has kernels for all of it: demand {len(problem)} groups of operators on one unit, "
        f"bound {best}, gap {report.gap}; choose another strategy or precision\n" + "\n".join(lines),
        report,
    )
