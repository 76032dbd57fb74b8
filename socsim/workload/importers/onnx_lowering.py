"""From the importer's picture of a file to operators of the vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.workload.graph import ComputedQuantization, TensorKind
from socsim.workload.importers.onnx_rules import Lowered, Unsupported
from socsim.workload.importers.onnx_table import find_rule

if TYPE_CHECKING:
    from socsim.workload.builder import GraphBuilder
    from socsim.workload.importers.onnx_model import Model, Node


def lower(model: Model, builder: GraphBuilder) -> tuple[list[int], list[int]]:
    """Give a builder all tensors and operators, and return the graph's inputs and outputs.

    Operators that have no word, or a use of them that has none, are reported to the builder.
    """
    tensors = _Tensors(model, builder)
    inputs = [tensors.index(name) for name in model.inputs]
    builder.notes.extend(model.notes)
    for node in model.nodes:
        _lower_node(model, node, builder, tensors)
    outputs = [tensors.index(name) for name in model.outputs]
    return inputs, outputs


class _Tensors:
    """Tensor indices by value name; a tensor exists once an operator needs it."""

    def __init__(self, model: Model, builder: GraphBuilder) -> None:
        self._model = model
        self._builder = builder
        self._inputs = frozenset(model.inputs)
        self._indices: dict[str, int] = {}

    def index(self, name: str) -> int:
        if name not in self._indices:
            value = self._model.values[name]
            kind = TensorKind.CONSTANT if value.constant else TensorKind.ACTIVATION
            kind = TensorKind.INPUT if name in self._inputs else kind
            self._indices[name] = self._builder.tensor(
                name, value.dtype, value.shape, kind=kind, quantization=value.quantization, data=value.data
            )
        return self._indices[name]


def _lower_node(model: Model, node: Node, builder: GraphBuilder, tensors: _Tensors) -> None:
    rule = find_rule(node.domain, node.op_type)
    try:
        lowered = rule(model, node) if rule else None
        if lowered is not None:
            _check_computed(node, lowered)
    except Unsupported as reason:
        builder.unsupported(node.index, node.name, f"{node.label} ({reason})")
        return
    except ValueError as error:
        builder.fault(f"{node.at}: {error}")
        return
    if lowered is None:
        builder.unsupported(node.index, node.name, node.label)
        return
    names = _trimmed(lowered)
    attributes = {**lowered.attributes, **_origin(node), **_computed_quantization(node, names)}
    inputs = [tensors.index(name) if name else None for name in names]
    outputs = [tensors.index(name) for name in node.outputs if name]
    builder.operator(
        lowered.type, node.name or f"{node.op_type}_{node.index}", inputs, outputs, attributes, node.source
    )


def _trimmed(lowered: Lowered) -> list[str]:
    inputs = list(lowered.inputs)
    while inputs and not inputs[-1]:
        inputs.pop()
    return inputs


def _check_computed(node: Node, lowered: Lowered) -> None:
    """Check that the operands with computed scales are still the operator's.

    Raises:
        Unsupported: one is not.
    """
    if any(held.position is not None and held.position >= len(lowered.inputs) for held in node.computed):
        msg = "scales that are computed, and an addend that is no bias of one number for each column"
        raise Unsupported(msg)


def _computed_quantization(node: Node, names: list[str]) -> dict[str, Any]:
    """Add the operands that hold scales and zero points to `names`, and return the attribute that says which do."""

    def position(name: str) -> int | None:
        if not name:
            return None
        names.append(name)
        return len(names) - 1

    found = tuple(
        ComputedQuantization(held.position, position(held.scale), position(held.zero_point), held.axis)
        for held in node.computed
    )
    return {"computed_quantization": found} if found else {}


def _origin(node: Node) -> dict[str, Any]:
    """Return the attributes that tell which nodes and results of the file an operator stands for."""
    others = tuple(sorted(set(node.fused) - {node.index}))
    origin: dict[str, Any] = {"fused_nodes": (node.index, *others)}
    positions = tuple(i for i, name in enumerate(node.outputs) if name)
    if len(positions) not in (0, positions[-1] + 1 if positions else 0):
        origin["result_positions"] = positions
    return origin
