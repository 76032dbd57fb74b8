"""Tasks: operators grouped as the runtime of their unit fuses them, and the kernels they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.work import Kernel, Operand
from socsim.workload.dtypes import DType, tensor_bytes
from socsim.workload.operators import OPERATORS, Category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.schedule.placement import Placed
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph, Operator, Tensor

_ACTIVATIONS = frozenset({
    "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "CLIP",
})  # fmt: skip
_AFFINE = frozenset({"MUL", "ADD", "SUB", "BATCH_NORM"})


@dataclass
class Task:
    """Operators that a runtime executes as one kernel.

    `root` is the operator that gives the kernel its name; `members` are all of them in graph order, with
    the reason why each other one was folded in. `inputs` and `outputs` are the tensors that cross the
    task's border, by storage key (a view shares the storage of what it views).
    """

    position: int
    unit: str
    dtype: str
    root: Operator
    members: list[Operator] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class TaskGraph:
    """Tasks in order, and which storage each tensor lives in."""

    graph: Graph
    tasks: tuple[Task, ...]
    storage: Mapping[int, int]
    task_of: Mapping[int, int]
    folded: Mapping[int, str]
    """Operators that cost nothing of their own, with the reason."""


def build_tasks(graph: Graph, placed: Sequence[Placed], runtimes: Mapping[str, Runtime]) -> TaskGraph:
    """Group operators by the fusion rules of the runtime on each operator's unit.

    Args:
        graph: the network.
        placed: a place for each operator.
        runtimes: runtime of each unit in use.
    """
    return _Fuser(graph, placed, runtimes).run()


class _Fuser:
    def __init__(self, graph: Graph, placed: Sequence[Placed], runtimes: Mapping[str, Runtime]) -> None:
        self.graph = graph
        self.placed = placed
        self.runtimes = runtimes
        self.tasks: list[Task] = []
        self.task_of: dict[int, int] = {}
        self.folded: dict[int, str] = {}
        self.storage: dict[int, int] = {}
        self.outputs = frozenset(graph.outputs)

    def run(self) -> TaskGraph:
        for op in self.graph.operators:
            host = self._host(op)
            if host is not None:
                task, reason = host
                self._join(task, op, reason)
            elif not self._is_free_view(op) and not self._is_pending_pad(op):
                self._open(op)
        self._collect_borders()
        return TaskGraph(self.graph, tuple(self.tasks), self.storage, self.task_of, self.folded)

    # --- joining --------------------------------------------------------------------------------------

    def _open(self, op: Operator) -> None:
        here = self.placed[op.index]
        task = Task(len(self.tasks), here.unit, here.dtype, op, [op])
        for pad in self._pads_before(op):
            task.members.insert(0, pad)
            self.task_of[pad.index] = task.position
            self.folded[pad.index] = f"padding folded into {op.index} {op.type}"
        self.task_of[op.index] = task.position
        self.tasks.append(task)

    def _join(self, task: Task, op: Operator, reason: str) -> None:
        task.members.append(op)
        self.task_of[op.index] = task.position
        self.folded[op.index] = reason

    def _host(self, op: Operator) -> tuple[Task, str] | None:
        """Return the task that an operator folds into, and why."""
        fuses = self._fuses(op)
        if op.type in _ACTIVATIONS and "activation" in fuses:
            return self._follows(op, "activation")
        if op.type in _AFFINE and "batch_norm" in fuses and self._is_per_channel(op):
            return self._follows(op, "per-channel scale and shift")
        if op.type == "ADD" and "residual_add" in fuses:
            return self._residual(op)
        return None

    def _fuses(self, op: Operator) -> list[str]:
        return list(self.runtimes[self.placed[op.index].unit].fuses)

    def _follows(self, op: Operator, what: str) -> tuple[Task, str] | None:
        tensor = self._data_inputs(op)[0] if self._data_inputs(op) else None
        task = self._open_ended(tensor, op) if tensor is not None else None
        return (task, f"{what} folded into {task.root.index} {task.root.type}") if task else None

    def _residual(self, op: Operator) -> tuple[Task, str] | None:
        operands = self._data_inputs(op)
        shapes = {self.graph.tensors[t].shape for t in operands}
        if len(operands) != 2 or len(shapes) != 1:
            return None
        later = max(operands, key=lambda t: self.graph.producers.get(t, -1))
        task = self._open_ended(later, op)
        if task is None or any(m.type == "ADD" for m in task.members[1:]):
            return None
        if not all(self._precedes(t, task) for t in operands):
            return None
        return task, f"residual addition folded into {task.root.index} {task.root.type}"

    def _precedes(self, tensor: int, task: Task) -> bool:
        """Whether a tensor is made by this task or before it, so that the task can read it when it runs."""
        pending = [tensor]
        while pending:
            producer = self.graph.producers.get(pending.pop())
            if producer is None:
                continue
            if producer not in self.task_of:  # compiled away: look at what it views
                pending.extend(t for t in self.graph.operators[producer].inputs if t is not None)
            elif self.task_of[producer] > task.position:
                return False
        return True

    def _open_ended(self, tensor: int, op: Operator) -> Task | None:
        """Return the task whose last operator makes `tensor` for `op` alone, on the same unit."""
        producer = self.graph.producers.get(tensor)
        if producer is None or producer not in self.task_of or tensor in self.outputs:
            return None
        task = self.tasks[self.task_of[producer]]
        is_last = task.members[-1].index == producer
        alone = self.graph.consumers.get(tensor) == (op.index,)
        fits = task.root.category is Category.MAC and task.unit == self.placed[op.index].unit
        return task if is_last and alone and fits else None

    def _data_inputs(self, op: Operator) -> list[int]:
        return [t for t in op.inputs if t is not None and not self.graph.tensors[t].is_constant]

    def _is_per_channel(self, op: Operator) -> bool:
        constants = [t for t in op.inputs if t is not None and self.graph.tensors[t].is_constant]
        return op.type == "BATCH_NORM" or (len(constants) == 1 and len(self._data_inputs(op)) == 1)

    # --- views and pads -------------------------------------------------------------------------------

    def _is_free_view(self, op: Operator) -> bool:
        """Note an operator that moves no data where its runtime does not dispatch such operators."""
        if op.category not in {Category.VIEW, Category.STATE} or "view" not in self._fuses(op):
            return False
        self.folded[op.index] = "moves no data and is compiled away"
        return True

    def _is_pending_pad(self, op: Operator) -> bool:
        """Whether a PAD will be folded into the convolution that alone reads it."""
        if op.type != "PAD" or "pad" not in self._fuses(op) or op.outputs[0] in self.outputs:
            return False
        readers = self.graph.consumers.get(op.outputs[0], ())
        if len(readers) != 1:
            return False
        reader = self.graph.operators[readers[0]]
        same_unit = self.placed[reader.index].unit == self.placed[op.index].unit
        return same_unit and reader.type in {"CONV_2D", "DEPTHWISE_CONV_2D"} and reader.inputs[0] == op.outputs[0]

    def _pads_before(self, op: Operator) -> list[Operator]:
        producer = self.graph.producers.get(op.inputs[0]) if op.inputs and op.inputs[0] is not None else None
        if producer is None:
            return []
        pad = self.graph.operators[producer]
        waiting = pad.type == "PAD" and pad.index not in self.task_of and self._is_pending_pad(pad)
        return [pad] if waiting else []

    # --- borders --------------------------------------------------------------------------------------

    def _collect_borders(self) -> None:
        self._share_storage()
        for task in self.tasks:
            made = {t for m in task.members for t in m.outputs}
            seen: set[int] = set()
            for op in task.members:
                for t in op.inputs:
                    if t is not None and t not in made and t not in seen:
                        seen.add(t)
                        (task.weights if self.graph.tensors[t].is_constant else task.inputs).append(t)
            inside = {m.index for m in task.members}
            for op in task.members:
                for t in op.outputs:
                    readers = self.graph.consumers.get(t, ())
                    if t in self.outputs or not readers or any(r not in inside for r in readers):
                        task.outputs.append(t)

    def _share_storage(self) -> None:
        for op in self.graph.operators:
            source = next((t for t in op.inputs if t is not None), None)
            if op.category is Category.VIEW and op.type not in {"SHAPE", "RANK"} and source is not None:
                for t in op.outputs:
                    self.storage[t] = self.storage.get(source, source)


# --- kernels ------------------------------------------------------------------------------------------


class KernelMaker:
    """Turns tasks into kernels, once it is known where tensors lie.

    Args:
        graph: the network.
        runtimes: runtime of each unit, which decides the type of tensors there.
        places: memory by storage key.
        storage: storage key by tensor.
        batch: inferences that go through each operator together.
    """

    def __init__(
        self,
        graph: Graph,
        runtimes: Mapping[str, Runtime],
        places: Mapping[int, str],
        storage: Mapping[int, int],
        batch: int,
    ) -> None:
        self._graph = graph
        self._runtimes = runtimes
        self._places = places
        self._storage = storage
        self._batch = batch

    def kernel(self, task: Task) -> Kernel:
        """Return the kernel of a task."""
        moves = task.root.category not in {Category.VIEW, Category.STATE}
        return Kernel(
            type=task.root.type,
            category=task.root.category,
            dtype=task.dtype,
            loops=tuple(n.batched(self._batch) for m in task.members for n in m.loops),
            vector_elements=self._batch * sum(vector_elements(self._graph, m) for m in task.members),
            element_bits=DType(task.dtype).bits or 8,
            inputs=self._operands(task, task.inputs) if moves else (),
            weights=self._operands(task, task.weights) if moves else (),
            outputs=self._operands(task, task.outputs) if moves else (),
        )

    def _operands(self, task: Task, tensors: Sequence[int]) -> tuple[Operand, ...]:
        return tuple(
            Operand(self._bytes(task, self._graph.tensors[t]), self._places[key])
            for t in tensors
            if (key := self._storage.get(t, t)) in self._places and self._graph.tensors[t].bytes
        )

    def _bytes(self, task: Task, tensor: Tensor) -> int:
        return stored_bytes(tensor, self._runtimes[task.unit]) * (1 if tensor.is_constant else self._batch)


def stored_bytes(tensor: Tensor, runtime: Runtime) -> int:
    """Return the bytes of a tensor in the type in which a runtime keeps it.

    Constants of two or more dimensions and activations take the kernels' type where that differs from
    the graph's (a GPU that runs int8 graphs in float16); packed weights narrower than the activations
    (int8x16, w4a16) stay packed.
    """
    runs = runtime.executes.get(tensor.dtype.value)
    if runs is None or (tensor.is_constant and len(tensor.shape) < 2):
        return tensor.bytes
    return tensor_bytes(tensor.elements, DType(runs))


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
        case _:
            return count * made
