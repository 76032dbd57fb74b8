"""Tasks: operators grouped as the runtime of their unit fuses them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.cost.work import Layer
from socsim.workload.dtypes import DType, tensor_bytes
from socsim.workload.graph import TensorKind
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.schedule.placement import Placed
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph, Operator, Tensor
    from socsim.workload.loops import LoopNest

LIMITS = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "CLIP"})
ACTIVATIONS = LIMITS | {"LEAKY_RELU", "PRELU"}
FUNCTIONS = frozenset({
    "ELU", "LOGISTIC", "TANH", "HARD_SWISH", "HARD_SIGMOID", "GELU", "SWISH", "MISH", "SOFTPLUS", "EXP", "SQRT", "ERF",
})  # fmt: skip
"""Functions of one operand that need a table, or many operations."""
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

    def nests(self, batch: int) -> tuple[LoopNest, ...]:
        """Return the loop nests of its operators for a batch."""
        return tuple(nest.batched(batch) for member in self.members for nest in member.loops)


@dataclass(frozen=True)
class TaskGraph:
    """Tasks in order, and which storage each tensor lives in."""

    graph: Graph
    tasks: tuple[Task, ...]
    storage: Mapping[int, int]
    task_of: Mapping[int, int]
    folded: Mapping[int, str]
    """Operators that cost nothing of their own, with the reason."""
    runtimes: Mapping[str, Runtime]
    """Software of each unit, which decides the types in which tensors are kept there."""

    @cached_property
    def before(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the tasks whose results each task reads, through views that are compiled away."""
        makers = {t: frozenset((task.position,)) for task in self.tasks for m in task.members for t in m.outputs}
        for op in self.graph.operators:
            if not makers.keys() & set(op.outputs):
                seen = _union(makers[t] for t in op.inputs if t in makers)
                makers |= dict.fromkeys(op.outputs, seen)
        return tuple(
            tuple(sorted(_union(makers[t] for t in task.inputs if t in makers) - {task.position}))
            for task in self.tasks
        )

    @cached_property
    def stored(self) -> Mapping[str, tuple[int, ...]]:
        """Bytes of each tensor, by index, in the type in which the runtime of each unit with tasks keeps it."""
        units = dict.fromkeys(task.unit for task in self.tasks)
        return {u: tuple(stored_bytes(tensor, self.runtimes[u]) for tensor in self.graph.tensors) for u in units}

    def constant_bytes(self, unit: str) -> int:
        """Return the bytes of the constants that a unit's tasks read, each once, as its runtime keeps them."""
        used = {t for task in self.tasks if task.unit == unit for t in task.weights}
        return sum(self.stored[unit][t] for t in used)

    def layers(self, unit: str, batch: int) -> tuple[Layer, ...]:
        """Return a unit's tasks in order, without those that no hardware runs."""
        return tuple(
            Layer(task.root.type, task.nests(batch), self._largest(task))
            for task in self.tasks
            if task.unit == unit and task.root.category not in {Category.VIEW, Category.STATE}
        )

    def _largest(self, task: Task) -> int:
        return max((self.graph.tensors[t].elements for t in (*task.inputs, *task.outputs)), default=0)


def _union(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    """Return what is in any of the sets; the one set itself where only one holds anything."""
    filled = [found for found in sets if found]
    return filled[0] if len(filled) == 1 else frozenset().union(*filled)


def build_tasks(
    graph: Graph, placed: Sequence[Placed], runtimes: Mapping[str, Runtime], apart: Sequence[int] | None = None
) -> TaskGraph:
    """Group operators by the fusion rules of the runtime on each operator's unit.

    Args:
        graph: the network.
        placed: a place for each operator.
        runtimes: runtime of each unit in use.
        apart: a number for each operator; those with different ones are not fused. None: nothing is kept apart.
    """
    return _Fuser(graph, placed, runtimes, apart).run()


def in_other_order(tasks: TaskGraph, ranks: Sequence[int]) -> TaskGraph:
    """Return the tasks in another order: each unit goes through its own by rank.

    Between units, one goes on as long as its next task waits for none of another, as software that submits whole
    subgraphs has it.

    Args:
        tasks: in the network's order.
        ranks: of each operator, so that none is below those that it waits for; a task has the highest of its own.
    """
    by_unit: dict[str, list[tuple[int, int]]] = {}
    for task in tasks.tasks:
        rank = max(ranks[member.index] for member in task.members)
        by_unit.setdefault(task.unit, []).append((rank, task.position))
    queues = {unit: deque(sorted(own)) for unit, own in by_unit.items()}
    done: set[int] = set()
    order: list[int] = []
    here: str | None = None
    while len(order) < len(tasks.tasks):
        if here is None or not queues[here] or not done.issuperset(tasks.before[queues[here][0][1]]):
            here = min((own[0], unit) for unit, own in queues.items() if own)[1]
        position = queues[here].popleft()[1]
        done.add(position)
        order.append(position)
    return _renumbered(tasks, order)


def _renumbered(tasks: TaskGraph, order: Sequence[int]) -> TaskGraph:
    if all(position == before for position, before in enumerate(order)):
        return tasks
    now = {before: position for position, before in enumerate(order)}
    moved = tuple(replace(tasks.tasks[before], position=position) for position, before in enumerate(order))
    task_of = {op: now[before] for op, before in tasks.task_of.items()}
    return replace(tasks, tasks=moved, task_of=task_of)


class _Fuser:
    def __init__(
        self,
        graph: Graph,
        placed: Sequence[Placed],
        runtimes: Mapping[str, Runtime],
        apart: Sequence[int] | None = None,
    ) -> None:
        self.apart = apart
        self.graph = graph
        self.placed = placed
        self.runtimes = runtimes
        self.tasks: list[Task] = []
        self.task_of: dict[int, int] = {}
        self.folded: dict[int, str] = {}
        self.storage: dict[int, int] = {}
        self.viewed: dict[int, int] = {}
        """By operator that is compiled away, the last task that makes anything of what it views."""
        self.outputs = frozenset(graph.outputs)

    def run(self) -> TaskGraph:
        for op in self.graph.operators:
            host = self._host(op)
            if host is not None:
                task, reason = host
                self._join(task, op, reason)
            elif self._is_free_view(op) or self._is_pending_pad(op):
                self.viewed[op.index] = max((self._made_at(t) for t in op.inputs if t is not None), default=-1)
            else:
                self._open(op)
        self._collect_borders()
        return TaskGraph(self.graph, tuple(self.tasks), self.storage, self.task_of, self.folded, self.runtimes)

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
        if (op.type in LIMITS and "limit" in fuses) or (op.type in ACTIVATIONS and "activation" in fuses):
            return self._follows(op, "activation")
        if op.type in FUNCTIONS and "function" in fuses:
            return self._follows(op, "function")
        if op.type in _AFFINE and "batch_norm" in fuses:
            host = self._follows(op, "per-channel scale and shift")
            if host and self._is_per_channel(op, host[0].root):
                return host
        if op.type == "ADD" and "residual_add" in fuses:
            return self._residual(op)
        return self._pool(op)

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
        if any(self._made_at(t) > task.position for t in operands):  # not there yet when the task runs
            return None
        return task, f"residual addition folded into {task.root.index} {task.root.type}"

    def _pool(self, op: Operator) -> tuple[Task, str] | None:
        """Return the convolution that hands its results to a pool, or to a mean over positions."""
        runtime = self.runtimes[self.placed[op.index].unit]
        if not runtime.pools or op.type not in {"AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN"}:
            return None
        host = self._follows(op, "pool")
        return host if host and _convolution(host[0].root) in runtime.pools else None

    def _made_at(self, tensor: int) -> int:
        """Return the position of the task after which a tensor is there, also as a view; -1 for before all."""
        producer = self.graph.producers.get(tensor)
        return -1 if producer is None else self.task_of.get(producer, self.viewed.get(producer, -1))

    def _open_ended(self, tensor: int, op: Operator) -> Task | None:
        """Return the task whose last operator makes `tensor` for `op` alone, on the same unit."""
        producer = self.graph.producers.get(tensor)
        if producer is None or producer not in self.task_of or tensor in self.outputs:
            return None
        task = self.tasks[self.task_of[producer]]
        is_last = task.members[-1].index == producer
        alone = self.graph.consumers.get(tensor) == (op.index,)
        fits = task.root.category is Category.MAC and task.unit == self.placed[op.index].unit
        return task if is_last and alone and fits and self._may_join(task.root, op) else None

    def _may_join(self, a: Operator, b: Operator) -> bool:
        return self.apart is None or self.apart[a.index] == self.apart[b.index]

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
        same_unit = self.placed[reader.index].unit == self.placed[op.index].unit and self._may_join(reader, op)
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
        self.storage = shared_storage(self.graph)
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


def shared_storage(graph: Graph) -> dict[int, int]:
    """Return by tensor that views another one the tensor whose storage it shares."""
    storage: dict[int, int] = {}
    for op in graph.operators:
        source = next((t for t in op.inputs if t is not None), None)
        if op.category is Category.VIEW and op.type not in {"SHAPE", "RANK"} and source is not None:
            for t in op.outputs:
                storage[t] = storage.get(source, source)
    return storage


def _convolution(op: Operator) -> str | None:
    """Return the kind of a convolution: depthwise, pointwise or any other; None where it is none."""
    if op.type not in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
        return None
    if any(nest.is_depthwise for nest in op.loops):
        return "depthwise"
    return "pointwise" if all(nest.r * nest.s == 1 for nest in op.loops) else "convolution"


def _varies_along(shape: tuple[int, ...], rank: int, *, leading: bool) -> set[int]:
    """Return the axes of `rank` dimensions along which an operand of a broadcast differs."""
    first = 0 if leading else rank - len(shape)
    return {first + axis for axis, size in enumerate(shape) if size > 1}


def _channel_axis(root: Operator, rank: int) -> int:
    """Return the axis of an operator's result that holds channels: the last one unless its layout says otherwise."""
    return rank - 3 if root.attributes.get("layout") == "NCHW" else rank - 1


def graph_layout(graph: Graph) -> str:
    """Return the order of dimensions of a network's images: that of its first operator that says one."""
    return next((str(op.attributes["layout"]) for op in graph.operators if "layout" in op.attributes), "NHWC")


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
