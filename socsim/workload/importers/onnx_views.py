"""Nodes that become several: one-dimensional operators with views around them, and Gemm with a full addend.

Convolutions and pools over [batch, channels, length] become ones over a single row; matrix multiplications
with a vector get the missing dimension. The views move no bytes.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from socsim.workload.importers.onnx_model import Node, Value
from socsim.workload.importers.onnx_tensors import read_only

if TYPE_CHECKING:
    from socsim.workload.importers.onnx_model import Model

_FILTERED = frozenset({"Conv", "ConvTranspose", "FusedConv"})
_POOLED = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"})
# Attribute -> what the added row has before (and, where there are two numbers, after) the given ones.
_SINGLE = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0, "output_shape": 1}


def add_rows(model: Model) -> None:
    """Rewrite one-dimensional convolutions, pools and matrix multiplications with a vector."""
    nodes: list[Node] = []
    one_dimensional = 0
    for node in model.nodes:
        before: list[Node] = []
        after: list[Node] = []
        if node.op_type in _FILTERED | _POOLED and len(model.shape(node.inputs[0])) == 3:
            _widen(model, node, before, after)
            one_dimensional += 1
        elif node.op_type == "MatMul":
            _complete_vectors(model, node, before, after)
        nodes += [*before, node, *after]
    model.nodes = nodes
    if one_dimensional:
        text = "one-dimensional convolutions and pools are read as two-dimensional ones of one row"
        model.notes.append(f"{one_dimensional} {text}")


def split_sums(model: Model) -> None:
    """Give a Gemm whose addend is no bias of one number for each column an addition of its own."""
    nodes: list[Node] = []
    for node in model.nodes:
        nodes.append(node)
        addend = node.operand(2)
        if node.op_type == "Gemm" and addend and prod(model.shape(addend)) != model.shape(node.outputs[0])[-1]:
            nodes.append(_split_sum(model, node, addend))
    model.nodes = nodes


def _split_sum(model: Model, node: Node, addend: str) -> Node:
    total = node.outputs[0]
    result = model.values[total]
    if float(node.attribute("beta", 1.0)) != 1.0:
        addend = _scaled(model, addend, float(node.attribute("beta", 1.0)), node)
    product = model.fresh(f"{total}:product")
    model.values[product] = Value(product, result.dtype, result.shape)
    node.inputs, node.outputs = node.inputs[:2], [product]
    inputs = [product, addend]
    return Node(
        node.index,
        f"{node.name}:add",
        "",
        "Add",
        inputs,
        [total],
        {},
        node.source,
        node.source_domain,
        node.fused,
    )


def _scaled(model: Model, addend: str, beta: float, node: Node) -> str:
    """Return the addend times beta, as another constant."""
    value = model.values[addend]
    if value.data is None:
        msg = f"{node.at}: beta {beta} with an addend that is computed; it can be 1"
        raise ValueError(msg)
    name = model.fresh(f"{addend}:scaled")
    data = read_only((value.data * beta).astype(value.data.dtype))
    model.values[name] = Value(name, value.dtype, value.shape, True, data)
    return name


def _widen(model: Model, node: Node, before: list[Node], after: list[Node]) -> None:
    operands = range(2) if node.op_type in _FILTERED else range(1)
    for position in operands:
        shape = model.shape(node.inputs[position])
        _view_input(model, node, position, (*shape[:2], 1, shape[2]), before)
    for position, name in enumerate(node.outputs):
        if name:
            shape = model.shape(name)
            _view_output(model, node, position, (*shape[:2], 1, shape[2]), after)
    for key, value in _SINGLE.items():
        if node.attribute(key) is not None:
            node.attributes[key] = [value, *node.attributes[key]]
    if node.attribute("pads") is not None:
        start, end = node.attributes["pads"]
        node.attributes["pads"] = [0, start, 0, end]


def _complete_vectors(model: Model, node: Node, before: list[Node], after: list[Node]) -> None:
    left, right = (model.shape(name) for name in node.inputs[:2])
    result = model.shape(node.outputs[0])
    if len(left) == 1 and len(right) > 1:
        _view_input(model, node, 0, (1, *left), before)
        result = (*result[:-1], 1, result[-1])
    elif len(right) == 1:
        _view_input(model, node, 1, (*right, 1), before)
        result = (*result, 1) if len(left) > 1 else (1, 1)
        if len(left) == 1:
            _view_input(model, node, 0, (1, *left), before)
    if result != model.shape(node.outputs[0]):
        _view_output(model, node, 0, result, after)


def _view_input(model: Model, node: Node, position: int, shape: tuple[int, ...], before: list[Node]) -> None:
    name = node.inputs[position]
    value = model.values[name]
    seen = model.fresh(f"{name}:2d")
    data = None if value.data is None else read_only(value.data.reshape(shape))
    model.values[seen] = Value(seen, value.dtype, shape, value.constant, data, value.quantization)
    if not value.constant:
        before.append(_view(node, name, seen))
    node.inputs[position] = seen


def _view_output(model: Model, node: Node, position: int, shape: tuple[int, ...], after: list[Node]) -> None:
    name = node.outputs[position]
    value = model.values[name]
    seen = model.fresh(f"{name}:2d")
    model.values[seen] = Value(seen, value.dtype, shape, quantization=value.quantization)
    node.outputs[position] = seen
    after.append(_view(node, seen, name))


def _view(node: Node, source: str, target: str) -> Node:
    return Node(
        node.index,
        f"{node.name}:view",
        "",
        "Reshape",
        [source],
        [target],
        {},
        node.source,
        node.source_domain,
        node.fused,
    )
