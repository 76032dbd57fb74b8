"""Tasks: operators grouped as the runtime of their unit fuses them, and the kernels they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.work import Kernel, Operand
from socsim.workload.dtypes import DType, tensor_bytes
from socsim.workload.graph import TensorKind
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
    private: frozenset[int] = frozenset()
    """Inputs and outputs that tasks of this unit alone make and read."""


@dataclass(frozen=True)
class TaskGraph:
    """Tasks in order, and which storage each tensor lives in."""

    graph: Graph
    tasks: tuple[Task, ...]
    storage: Mapping[int, int]
    task_of: Mapping[int, int]
    folded: Mapping[int, str]
    """Operators that cost nothing of their own, with the reason."""

    @cached_property
    def before(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the tasks whose results each task reads, through views that are compiled away."""
        makers = {t: task.position for task in self.tasks for m in task.members for t in m.outputs}
        return tuple(self._makers_of(task, makers) for task in self.tasks)

    def _makers_of(self, task: Task, makers: Mapping[int, int]) -> tuple[int, ...]:
        found = set()
        pending = list(task.inputs)
        while pending:
            tensor = pending.pop()
            if tensor in makers:
                if makers[tensor] != task.position:
                    found.add(makers[tensor])
                continue
            producer = self.graph.producers.get(tensor)
            if producer is not None:
                pending.extend(t for t in self.graph.operators[producer].inputs if t is not None)
        return tuple(sorted(found))

    def constant_bytes(self, unit: str, runtime: Runtime) -> int:
        """Return the bytes of the constants that a unit's tasks read, each once, as its runtime keeps them."""
        used = {t for task in self.tasks if task.unit == unit for t in task.weights}
        return sum(stored_bytes(self.graph.tensors[t], runtime) for t in used)


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
        if op.type in _AFFINE and "batch_norm" in fuses:
            host = self._follows(op, "per-channel scale and shift")
            if host and self._is_per_channel(op, host[0].root):
                return host
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

    def _is_per_channel(self, op: Operator, root: Operator) -> bool:
        """Whether an operator applies one number, or one for each channel that `root` makes."""
        if op.type == "BATCH_NORM":
            return True
        constants = [t for t in self.graph.input_tensors(op) if t.is_constant]
        data = self._data_inputs(op)
        if len(constants) != 1 or len(data) != 1:
            return False
        shape = self.graph.tensors[data[0]].shape
        kept = self.graph.output_tensors(op)[0].shape == shape
        leading = op.attributes.get("broadcast") == "leading"
        return kept and _varies_along(constants[0].shape, len(shape), leading=leading) <= {
            _channel_axis(root, len(shape))
        }

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
        self._mark_private()

    def _mark_private(self) -> None:
        """Note what one unit keeps to itself; the caller and the next inference are other parties."""
        graph = self.graph
        states = (t.index for t in graph.tensors if t.kind is TensorKind.VARIABLE)
        public = {self.storage.get(t, t) for t in (*graph.inputs, *graph.outputs, *states)}
        units: dict[int, set[str]] = {}
        for task in self.tasks:
            for t in (*task.inputs, *task.outputs):
                units.setdefault(self.storage.get(t, t), set()).add(task.unit)
        alone = {key for key, found in units.items() if len(found) == 1} - public
        for task in self.tasks:
            task.private = frozenset(t for t in (*task.inputs, *task.outputs) if self.storage.get(t, t) in alone)

    def _share_storage(self) -> None:
        for op in self.graph.operators:
            source = next((t for t in op.inputs if t is not None), None)
            if op.category is Category.VIEW and op.type not in {"SHAPE", "RANK"} and source is not None:
                for t in op.outputs:
                    self.storage[t] = self.storage.get(source, source)


def _varies_along(shape: tuple[int, ...], rank: int, *, leading: bool) -> set[int]:
    """Return the axes of `rank` dimensions along which an operand of a broadcast differs."""
    first = 0 if leading else rank - len(shape)
    return {first + axis for axis, size in enumerate(shape) if size > 1}


def _channel_axis(root: Operator, rank: int) -> int:
    """Return the axis of an operator's result that holds channels: the last one unless its layout says otherwise."""
    return rank - 3 if root.attributes.get("layout") == "NCHW" else rank - 1


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
        own = _read_by_root(task)
        return Kernel(
            type=task.root.type,
            category=task.root.category,
            dtype=task.dtype,
            loops=tuple(n.batched(self._batch) for m in task.members for n in m.loops),
            vector_elements=self._batch * sum(vector_elements(self._graph, m) for m in task.members),
            element_bits=DType(task.dtype).bits or 8,
            inputs=self._operands(task, task.inputs, own) if moves else (),
            weights=self._operands(task, task.weights) if moves else (),
            outputs=self._operands(task, task.outputs) if moves else (),
        )

    def _operands(self, task: Task, tensors: Sequence[int], own: frozenset[int] | None = None) -> tuple[Operand, ...]:
        """Return operands; those that are not the root's `own` are fused ones."""
        return tuple(
            Operand(
                self._bytes(task, self._graph.tensors[t]),
                self._places[key],
                private=t in task.private,
                fused=own is not None and t not in own,
            )
            for t in tensors
            if (key := self._storage.get(t, t)) in self._places and self._graph.tensors[t].bytes
        )

    def _bytes(self, task: Task, tensor: Tensor) -> int:
        return stored_bytes(tensor, self._runtimes[task.unit]) * (1 if tensor.is_constant else self._batch)


def stored_bytes(tensor: Tensor, runtime: Runtime) -> int:
    """Return the bytes of a tensor in the type in which a runtime keeps it.

    Activations take the kernels' type where that differs from the graph's (a GPU that runs int8 graphs in
    float16). Constants of two or more dimensions take it where it is narrower (float32 weights as float16),
    and stay as packed as the graph has them otherwise (int8 or int4 weights of a kernel that computes in
    float16). Constants of one dimension (biases) keep the graph's type.
    """
    runs = runtime.executes.get(tensor.dtype.value)
    if runs is None:
        return tensor.bytes
    stored = tensor_bytes(tensor.elements, DType(runs))
    if not tensor.is_constant:
        return stored
    return tensor.bytes if len(tensor.shape) < 2 else min(stored, tensor.bytes)


def _read_by_root(task: Task) -> frozenset[int]:
    """Return the tensors that a task's own operator reads, or one that was folded in before it (a pad)."""
    until = task.members.index(task.root) + 1
    return frozenset(t for op in task.members[:until] for t in op.inputs if t is not None)


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
