"""Groups of operators that stay together: what any candidate's runtime would execute as one kernel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from socsim.schedule.placement import Placed, graph_dtype, refusal_reason
from socsim.schedule.tasks import build_tasks
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.schedule.placement import Candidate
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph, Operator

_ELSEWHERE = ""
"""Name that stands for any other unit while one candidate is asked what it would fuse."""


@dataclass(frozen=True)
class Groups:
    """A network's operators in groups, in an order in which these can run.

    Args:
        of: group of each operator.
        members: operators of each group, in the network's order.
        refusals: why a unit cannot run a group, by group and index of the unit.
    """

    of: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]
    refusals: Mapping[tuple[int, int], str]


def group(graph: Graph, units: Sequence[Candidate], pins: Mapping[int, int]) -> Groups:
    """Return the groups of a network.

    Operators that a runtime of a candidate would fuse are one group if the same candidates have kernels for them, so
    that nothing is kept from a unit by its neighbour. Views and variable handles stay with the operator that makes
    their data, or with the first that reads it. Groups that would wait for each other, or whose operators are pinned
    to different units, are taken apart.

    Args:
        graph: the network.
        units: candidates, best first.
        pins: index of a candidate by operator.
    """
    reasons = [_reasons(graph, op, units) for op in graph.operators]
    joined = _Joined(len(graph.operators))
    for v in range(len(units)):
        _join_fused(graph, units[v], v, reasons, joined)
    _join_views(graph, joined)
    _take_apart(graph, joined, pins)
    labels = _sorted(graph, joined)
    members: list[list[int]] = [[] for _ in set(labels)]
    for op, own in enumerate(labels):
        members[own].append(op)
    refusals: dict[tuple[int, int], str] = {}
    for op, why in enumerate(reasons):
        for v, reason in why.items():
            refusals.setdefault((labels[op], v), reason)
    return Groups(tuple(labels), tuple(tuple(own) for own in members), refusals)


class _Joined:
    """Sets of operators that grow together; each goes by its first operator.

    Args:
        count: operators.
    """

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def of(self, op: int) -> int:
        """Return the set of an operator."""
        while self._above[op] != op:
            self._above[op] = self._above[self._above[op]]
            op = self._above[op]
        return op

    def join(self, a: int, b: int) -> None:
        """Make one set of two."""
        low, high = sorted((self.of(a), self.of(b)))
        self._above[high] = low

    def dissolve(self, sets: set[int], keep: Mapping[int, int]) -> None:
        """Make every operator of some sets one of its own, but for those that `keep` leaves with another."""
        loose = [op for op in range(len(self._above)) if self.of(op) in sets]
        for op in loose:
            self._above[op] = op
        for op in loose:
            if op in keep:
                self.join(op, keep[op])


def _reasons(graph: Graph, op: Operator, units: Sequence[Candidate]) -> dict[int, str]:
    found = {v: refusal_reason(unit, graph, op) for v, unit in enumerate(units)}
    return {v: reason for v, reason in found.items() if reason is not None}


def _join_fused(graph: Graph, unit: Candidate, v: int, reasons: Sequence[Mapping[int, str]], joined: _Joined) -> None:
    """Join what a candidate's runtime would fuse."""
    plain: Runtime = unit.runtime.model_copy(update={"fuses": [], "pools": []})
    placed: list[Placed] = []
    for op, why in zip(graph.operators, reasons, strict=True):
        name = _ELSEWHERE if v in why else unit.name
        maker = next((p for t in op.inputs if t is not None and (p := graph.producers.get(t)) is not None), None)
        if op.category in {Category.VIEW, Category.STATE} and maker is not None:
            name = placed[maker].unit
        placed.append(Placed(name, unit.runtime.executes.get(graph_dtype(graph, op), "int8"), ""))
    tasks = build_tasks(graph, placed, {unit.name: unit.runtime, _ELSEWHERE: plain})
    for task in tasks.tasks:
        for member in task.members:
            if set(reasons[member.index]) == set(reasons[task.root.index]):
                joined.join(member.index, task.root.index)


def _join_views(graph: Graph, joined: _Joined) -> None:
    for op, other in _anchors(graph).items():
        joined.join(op, other)


def _anchors(graph: Graph) -> dict[int, int]:
    """Return by operator that moves no data the one that it stays with."""
    found, free = {}, _input_views(graph)
    for op in graph.operators:
        if op.category not in {Category.VIEW, Category.STATE}:
            continue
        makers = [p for t in op.inputs if t is not None and (p := graph.producers.get(t)) is not None]
        readers = [r for t in op.outputs for r in graph.consumers.get(t, ())]
        if op.index in free or not makers:
            if readers:
                found[op.index] = min(readers)
        else:
            found[op.index] = makers[0]
    return found


def _input_views(graph: Graph) -> set[int]:
    """Return the operators that only view inputs of the network, so that nothing waits for them."""
    found: set[int] = set()
    for op in graph.operators:
        makers = {graph.producers[t] for t in op.inputs if t is not None and t in graph.producers}
        if op.category is Category.VIEW and makers <= found:
            found.add(op.index)
    return found


def _take_apart(graph: Graph, joined: _Joined, pins: Mapping[int, int]) -> None:
    """Take apart the groups whose pins differ, then those that wait for each other, until none does."""
    wanted: dict[int, set[int]] = {}
    for op, v in pins.items():
        wanted.setdefault(joined.of(op), set()).add(v)
    anchors = _anchors(graph)
    joined.dissolve({own for own, units in wanted.items() if len(units) > 1}, anchors)
    while torn := _circular(graph, joined):
        joined.dissolve(torn, anchors)
        anchors = {}  # a view between two operators of a circle is a group of its own the second time


def _edges(graph: Graph, joined: _Joined) -> set[tuple[int, int]]:
    """Return which group waits for which, views of the network's inputs left out."""
    found, free = set(), _input_views(graph)
    for op in graph.operators:
        for t in op.inputs:
            maker = graph.producers.get(t) if t is not None else None
            if maker is not None and maker not in free and joined.of(maker) != joined.of(op.index):
                found.add((joined.of(maker), joined.of(op.index)))
    return found


def _circular(graph: Graph, joined: _Joined) -> set[int]:
    """Return the groups of several operators that cannot be put in order."""
    sizes = Counter(joined.of(op.index) for op in graph.operators)
    waiting = _left_over(_edges(graph, joined), sizes)
    return {own for own in waiting if sizes[own] > 1}


def _left_over(edges: set[tuple[int, int]], groups: Mapping[int, int]) -> set[int]:
    """Return the groups that stay when all that wait for nobody, and all that nobody waits for, are taken away."""
    left = set(groups)
    for here, there in ((0, 1), (1, 0)):
        follow: dict[int, list[int]] = {}
        count: Counter[int] = Counter()
        for edge in edges:
            if edge[0] in left and edge[1] in left:
                follow.setdefault(edge[here], []).append(edge[there])
                count[edge[there]] += 1
        ready = [own for own in left if not count[own]]
        while ready:
            own = ready.pop()
            left.discard(own)
            for other in follow.get(own, ()):
                count[other] -= 1
                if not count[other]:
                    ready.append(other)
    return left


def _sorted(graph: Graph, joined: _Joined) -> list[int]:
    """Return each operator's group by its place among groups, each after those that it waits for."""
    edges = _edges(graph, joined)
    follow: dict[int, list[int]] = {}
    count: Counter[int] = Counter()
    for maker, reader in edges:
        follow.setdefault(maker, []).append(reader)
        count[reader] += 1
    last = {joined.of(op.index): op.index for op in graph.operators}
    ready = [(last[own], own) for own in last if not count[own]]
    heapify(ready)
    rank: dict[int, int] = {}
    while ready:
        own = heappop(ready)[1]
        rank[own] = len(rank)
        for other in follow.get(own, ()):
            count[other] -= 1
            if not count[other]:
                heappush(ready, (last[other], other))
    return [rank[joined.of(op.index)] for op in graph.operators]
