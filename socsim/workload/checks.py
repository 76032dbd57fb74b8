"""Shape checks of a built graph: what the file declares must be what the operators compute."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from socsim.workload.operators import Category
from socsim.workload.shapes import infer_shapes

if TYPE_CHECKING:
    from socsim.workload.graph import Graph, Operator
    from socsim.workload.shapes_operands import Shape

# Formats agree on the elements that these make, but not on dimensions of size 1 or on merged rows.
_COUNTED_CATEGORIES = frozenset({Category.VIEW, Category.REDUCTION})
_COUNTED_TYPES = frozenset({"FULLY_CONNECTED", "BATCH_MATMUL"})
_WEIGHTED_TYPES = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"})


def shape_faults(graph: Graph) -> list[str]:
    """Return one sentence for each operator whose shapes contradict each other.

    Operators whose shapes depend on data, or whose type has no rule, are taken as declared. Weights and
    bias of convolutions and fully-connected operators must have the elements that their loop nest uses.
    """
    found = []
    for op in graph.operators:
        text = _output_fault(graph, op) or _weight_fault(graph, op)
        if text:
            found.append(f"operator {op.index} {op.type} {op.name!r}: {text}")
    return found


def _output_fault(graph: Graph, op: Operator) -> str:
    inputs = [None if i is None else graph.tensors[i].shape for i in op.data_inputs]
    try:
        inferred = infer_shapes(op.type, inputs, op.attributes)
    except ValueError as error:
        return str(error)
    if inferred is None:
        return ""
    if op.type == "IDENTITY":
        inferred = inferred * len(op.outputs)
    # A rule knows the leading outputs only: states and caches may follow.
    for position, (index, expected) in enumerate(zip(op.outputs, inferred, strict=False)):
        declared = graph.tensors[index].shape
        if declared != expected and not _same_elements(op, declared, expected):
            return f"output {position} has shape {declared}, but the inputs {inputs} make {expected}"
    return ""


def _same_elements(op: Operator, declared: Shape, expected: Shape) -> bool:
    counted = op.category in _COUNTED_CATEGORIES or op.type in _COUNTED_TYPES
    elements = prod(declared)
    return elements == prod(expected) and (counted or elements == 1)


def _broadcasts(graph: Graph, op: Operator) -> bool:
    """Return whether the third operand of a fully-connected operator is added like any other (ONNX Gemm)."""
    addend = op.data_inputs[2] if len(op.data_inputs) > 2 else None
    if op.type != "FULLY_CONNECTED" or addend is None:
        return False
    added, result = graph.tensors[addend].shape, graph.tensors[op.outputs[0]].shape
    tail = result[len(result) - len(added) :]
    return len(added) <= len(result) and all(d in (1, e) for d, e in zip(added, tail, strict=True))


def _weight_fault(graph: Graph, op: Operator) -> str:
    if op.type not in _WEIGHTED_TYPES or not op.loops:
        return ""
    nest = op.loops[0]
    channels = nest.g * nest.k
    wanted = [("weights", 1, nest.weights)]
    if not _broadcasts(graph, op):
        wanted.append(("bias", 2, channels))
    for name, position, elements in wanted:
        index = op.data_inputs[position] if position < len(op.data_inputs) else None
        if index is not None and graph.tensors[index].elements != elements:
            tensor = graph.tensors[index]
            held = f"{name} {tensor.name!r} {tensor.shape} hold {tensor.elements} elements"
            return f"{held}, but the operator uses {elements}"
    return ""
