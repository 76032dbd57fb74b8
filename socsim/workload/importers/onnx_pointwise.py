"""Lowering of element-wise operators, reductions and normalisations that need more than a new name."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from socsim.workload.dtypes import DType
from socsim.workload.importers.onnx_model import Value
from socsim.workload.importers.onnx_rules import Lowered, Unsupported, front, optional_integers, scalar
from socsim.workload.importers.onnx_tensors import read_only

if TYPE_CHECKING:
    from socsim.workload.importers.onnx_model import Model, Node
    from socsim.workload.importers.onnx_rules import Rule

_OLD_SOFTMAX = 13  # before this opset the axis splits the shape in two, and is 1 by default
_CLIPS = {(0.0, 6.0): "RELU6", (0.0, inf): "RELU", (-1.0, 1.0): "RELU_N1_TO_1", (0.0, 1.0): "RELU_0_TO_1"}


def binary(operator_type: str) -> Rule:
    """Return the rule of an arithmetic operator of two operands."""

    def rule(_model: Model, node: Node) -> Lowered:
        return Lowered(operator_type, node.inputs, {"activation": node.activation})

    return rule


def variadic(operator_type: str) -> Rule:
    """Return the rule of Max, Min or Sum, which may have any number of operands."""

    def rule(_model: Model, node: Node) -> Lowered:
        return Lowered("IDENTITY" if len(node.inputs) == 1 else operator_type, node.inputs, {"activation": "NONE"})

    return rule


def clip(model: Model, node: Node) -> Lowered:
    """Lower Clip; bounds that are computed stay operands."""
    bounds: list[float | None] = []
    for position, key, default in ((1, "min", -inf), (2, "max", inf)):
        name = node.operand(position)
        bounds.append(scalar(model, name) if name else float(node.attribute(key, default)))
    low, high = bounds
    if low is None or high is None:
        return Lowered("CLIP", node.inputs)
    if (low, high) in _CLIPS:
        return Lowered(_CLIPS[low, high], node.inputs[:1])
    return Lowered("CLIP", node.inputs[:1], {"min": low, "max": high})


def reciprocal(model: Model, node: Node) -> Lowered:
    """Lower Reciprocal: one divided by the operand."""
    import numpy as np

    one = model.fresh("one")
    dtype = model.values[node.inputs[0]].dtype
    storage = {DType.FLOAT16: np.float16, DType.FLOAT64: np.float64}.get(dtype, np.float32)
    model.values[one] = Value(one, dtype, (), True, read_only(np.ones((), storage)))
    return Lowered("DIV", [one, node.inputs[0]], {"activation": "NONE"})


def gelu(_model: Model, node: Node) -> Lowered:
    """Lower Gelu and its com.microsoft relatives."""
    approximate = node.op_type == "FastGelu" or node.attribute("approximate", "none") == "tanh"
    return Lowered("GELU", node.inputs, {"approximate": approximate})


def selu(_model: Model, node: Node) -> Lowered:
    """Lower Elu and Selu: gamma x (alpha x (exp(x) - 1)) below zero, gamma x x above."""
    is_selu = node.op_type == "Selu"
    alpha = node.attribute("alpha", 1.67326319 if is_selu else 1.0)
    return Lowered(
        "ELU", node.inputs, {"alpha": alpha, "gamma": node.attribute("gamma", 1.05070102) if is_selu else 1.0}
    )


def softmax(operator_type: str) -> Rule:
    """Return the rule of Softmax or LogSoftmax; `axes` are the dimensions that sum to one."""

    def rule(model: Model, node: Node) -> Lowered:
        rank = len(model.shape(node.inputs[0]))
        old = int(node.attribute("opset", model.opset)) < _OLD_SOFTMAX
        axis = front(int(node.attribute("axis", 1 if old else -1)), rank)
        axes = tuple(range(axis, rank)) if old else (axis,)
        return Lowered(operator_type, node.inputs, {"axis": axis, "axes": axes, "beta": 1.0})

    return rule


def layer_norm(operator_type: str) -> Rule:
    """Return the rule of LayerNormalization or RMSNormalization."""

    def rule(model: Model, node: Node) -> Lowered:
        rank = len(model.shape(node.inputs[0]))
        axis = front(int(node.attribute("axis", -1)), rank)
        attributes = {
            "axis": axis,
            "axes": tuple(range(axis, rank)),
            "epsilon": float(node.attribute("epsilon", 1e-5)),
        }
        return Lowered(operator_type, node.inputs, attributes)

    return rule


def batch_norm(_model: Model, node: Node) -> Lowered:
    """Lower BatchNormalization of inference."""
    if node.attribute("training_mode", 0):
        msg = "training_mode = 1"
        raise Unsupported(msg)
    return Lowered("BATCH_NORM", node.inputs, {"epsilon": float(node.attribute("epsilon", 1e-5)), "layout": "NCHW"})


def lp_norm(model: Model, node: Node) -> Lowered:
    """Lower LpNormalization with p = 2."""
    if node.attribute("p", 2) != 2:
        msg = f"p = {node.attribute('p')}"
        raise Unsupported(msg)
    axis = front(int(node.attribute("axis", -1)), len(model.shape(node.inputs[0])))
    return Lowered("L2_NORMALIZATION", node.inputs, {"axis": axis})


def reduce(operator_type: str) -> Rule:
    """Return the rule of a reduction; without axes it reduces all, or nothing where it says so."""

    def rule(model: Model, node: Node) -> Lowered:
        rank = len(model.shape(node.inputs[0]))
        axes = optional_integers(model, node, 1, "axes")
        if not axes and node.attribute("noop_with_empty_axes", 0):
            return Lowered("IDENTITY", node.inputs[:1])
        found = tuple(sorted(front(a, rank) for a in axes)) if axes else tuple(range(rank))
        return Lowered(
            operator_type, node.inputs[:1], {"axes": found, "keep_dims": bool(node.attribute("keepdims", 1))}
        )

    return rule


def arg(operator_type: str) -> Rule:
    """Return the rule of ArgMax or ArgMin."""

    def rule(model: Model, node: Node) -> Lowered:
        axis = front(int(node.attribute("axis", 0)), len(model.shape(node.inputs[0])))
        attributes: dict[str, Any] = {
            "axis": axis, "keep_dims": bool(node.attribute("keepdims", 1)),
            "select_last_index": bool(node.attribute("select_last_index", 0)),
        }  # fmt: skip
        return Lowered(operator_type, node.inputs, attributes)

    return rule


def identity(_model: Model, node: Node) -> Lowered:
    """Lower Identity, and Dropout of inference."""
    return Lowered("IDENTITY", node.inputs[:1])
