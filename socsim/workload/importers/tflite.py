"""TFLite files: verified, then converted to the graph.

Tensor i and operator i of the graph are tensor i and operator i of the file, so that values can be
compared by index. Bodies of control flow become `Graph.subgraphs`, in the order in which operators name
them. Verifying and reading are one step: `flatbuffer` checks the container, `tflite_model` and
`tflite_tensors` the contents, `tflite_operators` the operators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.errors import MalformedModelError, join_faults
from socsim.workload.builder import GraphBuilder
from socsim.workload.graph import TensorKind
from socsim.workload.importers.flatbuffer import FlatBuffer
from socsim.workload.importers.tflite_batch import rebatch
from socsim.workload.importers.tflite_model import OperatorRecord, SubgraphRecord, read_model, read_subgraph
from socsim.workload.importers.tflite_operators import SUBGRAPH_ATTRIBUTES, TYPES, OperatorView, resolve
from socsim.workload.importers.tflite_tensors import constant_view

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.workload.graph import Array, Graph, Tensor
    from socsim.workload.importers.tflite_model import Model
    from socsim.workload.importers.tflite_tensors import TensorRecord
    from socsim.workload.limits import Limits


def import_tflite(
    data: bytes,
    *,
    where: str,
    name: str,
    batch: int | None,
    shapes: Mapping[str, Sequence[int]],
    limits: Limits,
) -> Graph:
    """Convert a TFLite file to a graph.

    Args:
        data: the whole file.
        where: the file's name for messages.
        name: the graph's name.
        batch: first dimension of the inputs whose shape signature leaves it open; None keeps the file's.
        shapes: input shapes by name, which may differ from the file's in that dimension only.
        limits: budgets.

    Raises:
        MalformedModelError: the file contradicts its format; the faults of a subgraph are all listed.
        LimitExceededError: the file asks for more than `limits`.
        UnsupportedOperatorError: operators, element types or storage that graphs do not have, all listed.
        WorkloadError: `batch` or `shapes` do not fit the file.
    """
    flat = FlatBuffer(data, where, limits)
    faults: list[str] = []
    model = read_model(flat, faults.append)
    if faults:
        raise MalformedModelError(join_faults(where, faults))
    return _Converter(flat, model, batch, shapes).graph(0, name, ())


class _Converter:
    """Converts subgraphs, each once.

    Args:
        flat: the file.
        model: what its subgraphs share.
        batch: see `import_tflite`.
        shapes: see `import_tflite`.
    """

    def __init__(self, flat: FlatBuffer, model: Model, batch: int | None, shapes: Mapping[str, Sequence[int]]) -> None:
        self.flat = flat
        self.model = model
        self._batch = batch
        self._shapes = shapes
        self._done: dict[int, Graph] = {}

    def graph(self, index: int, name: str, callers: tuple[int, ...]) -> Graph:
        """Return subgraph `index`; `callers` are the subgraphs on the way to it."""
        if index in callers:
            self.flat.fail(f"subgraph {index} calls itself")
        self.flat.exceed("nesting of subgraphs", len(callers), self.flat.limits.subgraph_depth)
        if index not in self._done:
            self._done[index] = self._convert(index, name, callers)
        return self._done[index]

    def _convert(self, index: int, name: str, callers: tuple[int, ...]) -> Graph:
        where = self.flat.where if index == 0 else f"{self.flat.where}: subgraph {index}"
        builder = GraphBuilder(where, self.flat.limits)
        faults: list[str] = []
        record = read_subgraph(self.model, index, self.flat, faults.append)
        obstacles = [_obstacle(operator, record) for operator in record.operators]
        if faults and any(obstacles):  # what a damaged file asks for is no reason to refuse it
            raise MalformedModelError(join_faults(where, faults))
        for fault in faults:
            builder.fault(fault)
        if index == 0:
            rebatch(record, self._batch, self._shapes, where)
            _note_open_dimensions(record, builder)
        tensors = _add_tensors(record, builder)
        bodies: list[int] = []
        for i, (operator, label) in enumerate(zip(record.operators, obstacles, strict=True)):
            if label:
                builder.unsupported(i, _name(operator, tensors), label)
            else:
                _add_operator(i, operator, tensors, builder, bodies)
        graphs = self._bodies(bodies, builder, (*callers, index))
        if index == 0:
            self._note_uncalled(builder)
        return builder.build(name, "tflite", record.inputs, record.outputs, subgraphs=graphs, sha256=self.model.sha256)

    def _bodies(self, bodies: Sequence[int], builder: GraphBuilder, callers: tuple[int, ...]) -> tuple[Graph, ...]:
        count = len(self.model.subgraphs)
        for body in bodies:
            if not 0 <= body < count:
                builder.fault(f"an operator calls subgraph {body}; the model has subgraphs 0 to {count - 1}")
        return tuple(self.graph(body, f"subgraph {body}", callers) for body in bodies if 0 <= body < count)

    def _note_uncalled(self, builder: GraphBuilder) -> None:
        rest = [i for i in range(1, len(self.model.subgraphs)) if i not in self._done]
        if rest:
            named = ", ".join(map(str, rest[:8])) + (", …" if len(rest) > 8 else "")
            builder.notes.append(f"subgraphs that the main one does not call are left out: {named}")


def _note_open_dimensions(record: SubgraphRecord, builder: GraphBuilder) -> None:
    for i in record.inputs:
        tensor = record.tensors[i] if 0 <= i < len(record.tensors) else None
        if tensor and -1 in tensor.signature[1:]:
            builder.notes.append(
                f"input {tensor.name!r} leaves dimensions open {tensor.signature}; "
                f"the file's shape {tensor.shape} is used"
            )


def _add_tensors(record: SubgraphRecord, builder: GraphBuilder) -> list[Tensor]:
    inputs = frozenset(record.inputs)
    produced = {t for operator in record.operators for t in operator.outputs}
    for i, tensor in enumerate(record.tensors):
        kind, data = _kind(tensor, i in inputs, i in produced)
        builder.tensor(tensor.name, tensor.dtype, tensor.shape, kind=kind, quantization=tensor.quantization, data=data)
    return [builder.describe(i) for i in range(len(record.tensors))]


def _kind(tensor: TensorRecord, is_input: bool, is_produced: bool) -> tuple[TensorKind, Array | None]:
    if is_input:
        return TensorKind.INPUT, None
    if tensor.is_variable:
        return TensorKind.VARIABLE, tensor.data
    if tensor.is_stored:
        return TensorKind.CONSTANT, tensor.data
    if not is_produced and 0 in tensor.shape and tensor.dtype.bits:
        return TensorKind.CONSTANT, constant_view(b"", tensor.dtype, tensor.shape)
    return TensorKind.ACTIVATION, None


def _add_operator(
    index: int, operator: OperatorRecord, tensors: Sequence[Tensor], builder: GraphBuilder, bodies: list[int]
) -> None:
    source, attributes = operator.code.name, operator.options
    name = _name(operator, tensors)
    inputs: list[int | None] = [None if i == -1 else i for i in operator.inputs]
    if _in_range(operator, len(tensors)):
        try:
            resolve(OperatorView(source, inputs, operator.outputs, attributes, tensors))
        except ValueError as error:
            builder.fault(f"operator {index} {source} {name!r}: {error}")
    for key in SUBGRAPH_ATTRIBUTES:
        if key in attributes:
            attributes[key] = _position(bodies, attributes[key])
    builder.operator(TYPES[source], name, inputs, operator.outputs, attributes, source)


def _in_range(operator: OperatorRecord, count: int) -> bool:
    """Return whether all operands exist; the builder reports those that do not."""
    return all(-1 <= i < count for i in operator.inputs) and all(0 <= i < count for i in operator.outputs)


def _position(bodies: list[int], subgraph: int) -> int:
    if subgraph not in bodies:
        bodies.append(subgraph)
    return bodies.index(subgraph)


def _name(operator: OperatorRecord, tensors: Sequence[Tensor]) -> str:
    """Return the name of the first output: TFLite's operators have none of their own."""
    first = operator.outputs[0] if operator.outputs else -1
    return tensors[first].name if 0 <= first < len(tensors) else ""


def _obstacle(operator: OperatorRecord, record: SubgraphRecord) -> str:
    """Return the label of an operator that the graph cannot express, "" for any other."""
    if operator.code.name not in TYPES:
        return operator.code.name
    for i in (*operator.inputs, *operator.outputs):
        obstacle = record.tensors[i].obstacle if 0 <= i < len(record.tensors) else ""
        if obstacle:
            return f"{operator.code.name} with {obstacle}"
    return ""
