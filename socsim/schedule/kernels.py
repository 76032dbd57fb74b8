"""Kernels: what tasks ask of a unit, once it is known where their tensors lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.work import Kernel, Operand, Staged
from socsim.memo import Same
from socsim.schedule.placement import LOOKUPS
from socsim.schedule.tasks import ACTIVATIONS, FUNCTIONS, graph_layout
from socsim.workload.dtypes import DType
from socsim.workload.operators import OPERATORS, Category
from socsim.workload.weights import stated_values, weight_values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from socsim.schedule.tasks import Task, TaskGraph
    from socsim.workload.graph import Graph, Operator, Tensor
    from socsim.workload.loops import LoopNest
    from socsim.workload.weights import StatedSparsity, WeightValues


def _nothing(_task: Task) -> int:
    return 0


@dataclass(frozen=True)
class Residence:
    """Where tensors lie, and what that leaves to tasks.

    Args:
        places: memory by storage key.
        stripes: stripes in which tasks of cascades run, by position.
        spare: bytes that a task's constants could use on chip while it runs.
    """

    places: Mapping[int, str]
    stripes: Mapping[int, int] = field(default_factory=dict)
    spare: Callable[[Task], int] = _nothing


class KernelMaker:
    """Turns tasks into kernels, once it is known where tensors lie.

    Args:
        tasks: of the network.
        residence: where tensors lie.
        batch: inferences that go through each operator together.
        valued: units that make use of the values of weights.
        stated: zeros among the weights as the user states them; None: as the graph holds them.
    """

    def __init__(
        self,
        tasks: TaskGraph,
        residence: Residence,
        batch: int,
        valued: Collection[str] = (),
        stated: StatedSparsity | None = None,
    ) -> None:
        self._graph = tasks.graph
        self._residence = residence
        self._valued = valued
        self._stated = stated
        key = "outlines", Same(tasks), batch
        self._outlines = tasks.graph.memo.get(key, lambda: _Outliner(tasks, batch).outlines())

    def kernel(self, task: Task) -> Kernel:
        """Return the kernel of a task."""
        outline, places = self._outlines[task.position], self._residence.places
        weights = _located(outline.weights, places)
        attributes = task.root.attributes
        return Kernel(
            type=task.root.type,
            category=outline.category,
            dtype=task.dtype,
            loops=outline.loops,
            vector_elements=outline.vector_elements,
            element_bits=outline.element_bits,
            inputs=_located(outline.inputs, places),
            weights=weights,
            outputs=_located(outline.outputs, places),
            weight_values=self._values(task),
            window=attributes.get("kernel", (1, 1)),
            stride=attributes.get("strides", (1, 1)) if "kernel" in attributes else (1, 1),  # slices have strides, too
            activation=outline.activation,
            staged=outline.staged,
            entering=outline.entering,
            leaving=outline.leaving,
            stripes=self._residence.stripes.get(task.position, 1),
            spare=min(self._residence.spare(task), 2 * sum(o.bytes for o in weights)),
        )

    def _values(self, task: Task) -> WeightValues | None:
        """Return what a task's unit can make use of in its weights: as stated, or as the graph holds them."""
        if task.unit not in self._valued or task.root.category is not Category.MAC:
            return None
        if self._stated is not None:
            return stated_values(self._graph, task.members, self._stated)
        return weight_values(self._graph, task.members)


# --- what does not depend on places -------------------------------------------------------------------


class _Slot:
    """An operand without its memory; operands in the same memory are one object.

    Args:
        key: storage that it lies in.
        operand: the operand, in no memory.
    """

    __slots__ = ("_made", "key", "operand")

    def __init__(self, key: int, operand: Operand) -> None:
        self.key = key
        self.operand = operand
        self._made: dict[str, Operand] = {}

    def at(self, memory: str) -> Operand:
        """Return the operand in a memory."""
        found = self._made.get(memory)
        if found is None:
            o = self.operand
            found = self._made[memory] = Operand(o.bytes, memory, o.private, o.fused, o.shape, o.reshaped, o.sole)
        return found


def _located(slots: Sequence[_Slot], places: Mapping[int, str]) -> tuple[Operand, ...]:
    return tuple([slot.at(places[slot.key]) for slot in slots if slot.key in places])


@dataclass(frozen=True, slots=True)
class _Outline:
    """What of a kernel is known before its tensors have places: the same on platforms with the same units."""

    category: Category
    loops: tuple[LoopNest, ...]
    vector_elements: int
    element_bits: int
    activation: str
    staged: Staged
    entering: int
    leaving: int
    inputs: tuple[_Slot, ...]
    weights: tuple[_Slot, ...]
    outputs: tuple[_Slot, ...]


class _Outliner:
    """Looks at each task of a network.

    Args:
        tasks: of the network.
        batch: inferences that go through each operator together.
    """

    def __init__(self, tasks: TaskGraph, batch: int) -> None:
        self._tasks = tasks
        self._graph = tasks.graph
        self._batch = batch
        self._layout = graph_layout(tasks.graph)
        self._reshaped = _reshaped(tasks)
        self._first_reader = {t: task.position for task in reversed(tasks.tasks) for t in task.inputs}
        self._readers = Counter(tasks.storage.get(t, t) for task in tasks.tasks for t in task.inputs)

    def outlines(self) -> tuple[_Outline, ...]:
        """Return the outline of each task, by position."""
        return tuple(self._outline(task) for task in self._tasks.tasks)

    def _outline(self, task: Task) -> _Outline:
        moves = task.root.category not in {Category.VIEW, Category.STATE}
        elements = [vector_elements(self._graph, member) for member in task.members]
        return _Outline(
            category=task.root.category,
            loops=task.nests(self._batch),
            vector_elements=self._batch * sum(elements),
            element_bits=DType(task.dtype).bits or 8,
            activation=_activation(task),
            staged=self._staged(task, elements),
            entering=self._crossing(t for t in self._graph.inputs if self._first_reader.get(t) == task.position),
            leaving=self._crossing(t for t in task.outputs if t in self._graph.outputs),
            inputs=self._slots(task, task.inputs, _read_by_root(task)) if moves else (),
            weights=self._slots(task, task.weights) if moves else (),
            outputs=self._slots(task, task.outputs) if moves else (),
        )

    def _crossing(self, tensors: Iterable[int]) -> int:
        """Return the bytes of tensors as the caller keeps them."""
        return self._batch * sum(self._graph.tensors[t].bytes for t in tensors)

    def _staged(self, task: Task, elements: Sequence[int]) -> Staged:
        """Return what of a task's element operations a unit may have stages for."""
        made = taken = function_operations = pool_operations = 0
        for member, count in zip(task.members, elements, strict=True):
            if member.type in FUNCTIONS:
                made += sum(t.elements for t in self._graph.output_tensors(member))
                function_operations += count
            if member.category in {Category.POOL, Category.REDUCTION}:
                taken = max(taken, *(t.elements for t in self._graph.input_tensors(member)[:1]), 0)
                pool_operations += count
        return Staged(*(self._batch * n for n in (made, function_operations, taken, pool_operations)))

    def _slots(self, task: Task, tensors: Sequence[int], own: frozenset[int] | None = None) -> tuple[_Slot, ...]:
        """Return operands; those that are not the root's `own` are fused ones."""
        graph, storage, stored = self._graph, self._tasks.storage, self._tasks.stored[task.unit]
        found = []
        table = task.root.inputs[0] if task.root.type in LOOKUPS else None
        for t in tensors:
            tensor, key = graph.tensors[t], storage.get(t, t)
            if tensor.bytes:
                size = stored[t] * (1 if tensor.is_constant else self._batch)
                if tensor.is_constant and t == table:  # rows that nobody asks for stay where they are
                    size = min(size, self._batch * sum(stored[made] for made in task.outputs))
                operand = Operand(
                    size,
                    "",
                    private=t in task.private,
                    fused=own is not None and t not in own,
                    shape=self._channels_last(task.root, tensor),
                    reshaped=key in self._reshaped,
                    sole=self._readers[key] == 1,
                )
                found.append(_Slot(key, operand))
        return tuple(found)

    def _channels_last(self, root: Operator, tensor: Tensor) -> tuple[int, ...]:
        """Return the dimensions of an operand of the batch, channels last; those of a constant as they are.

        Operators that do not say in which order they see channels follow the network's where all of its images
        have one.
        """
        shape = tensor.shape
        if tensor.is_constant or len(shape) < 2:
            return shape
        is_image = len(shape) == 4 or (len(shape) == 3 and self._graph.source_format == "ncnn")
        layout = root.attributes.get("layout", self._layout if is_image else "NHWC")
        if layout == "NCHW" and len(shape) >= 3:
            shape = (*shape[:-3], *shape[-2:], shape[-3])
        return (shape[0] * self._batch, *shape[1:])


def _reshaped(tasks: TaskGraph) -> frozenset[int]:
    """Return the storage that is seen with several numbers of channels.

    A fully-connected operator sees an image as channels of a single position.
    """
    depths: dict[int, set[int]] = {}
    for t, key in tasks.storage.items():
        for tensor in (tasks.graph.tensors[t], tasks.graph.tensors[key]):
            depths.setdefault(key, set()).add(_channels(tensor))
    for root in (task.root for task in tasks.tasks if task.root.type == "FULLY_CONNECTED"):
        source = root.inputs[0]
        if source is not None:
            key = tasks.storage.get(source, source)
            depths.setdefault(key, {_channels(tasks.graph.tensors[source])}).add(root.loops[0].c)
    return frozenset(key for key, found in depths.items() if len(found) > 1)


def _channels(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.shape else 1


def _activation(task: Task) -> str:
    """Return the function that a kernel applies to its results: the operator's own, or one folded in."""
    folded = next((m.type for m in task.members if m.type in ACTIVATIONS and m is not task.root), None)
    return folded or str(task.root.attributes.get("activation", "NONE"))


def _read_by_root(task: Task) -> frozenset[int]:
    """Return the tensors that a task's own operator reads, or one that was folded in before it (a pad)."""
    until = task.members.index(task.root) + 1
    return frozenset(t for op in task.members[:until] for t in op.inputs if t is not None)


_COMPARISON = 9
"""Operations that compare two boxes: mostly two limits until they turn out apart, two areas added, the overlap
subtracted, a division of 4 and its comparison."""


def vector_elements(graph: Graph, op: Operator) -> int:
    """Return the element operations of an operator outside the multiplier array."""
    count = OPERATORS[op.type].vector_ops
    made = sum(t.elements for t in graph.output_tensors(op))
    match op.category:
        case Category.POOL:
            window: tuple[int, int] = op.attributes.get("kernel", (1, 1))
            return count * made * prod(window)
        case Category.REDUCTION | Category.NORMALISATION:
            return count * max(made, sum(t.elements for t in graph.input_tensors(op)[:1]))
        case Category.HOST:
            return count * made + _COMPARISON * int(op.attributes.get("compared", 0))
        case _:
            return count * made
