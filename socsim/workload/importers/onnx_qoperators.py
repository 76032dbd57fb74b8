"""Operators with quantization operands (QLinearConv, QGemm, …): read as their plain counterparts.

Scales and zero points move into the quantization of the tensors; the operator keeps its data operands. Those that
are computed cannot move: the node lists them, see `ScaleOperands`.

Source: ONNX operators of the default domain; microsoft/onnxruntime, docs/ContribOperators.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from socsim.workload.importers.onnx_model import DEFAULT_DOMAIN, MICROSOFT_DOMAIN, ScaleOperands
from socsim.workload.importers.onnx_quantization import assign, bias_quantization, read_quantization

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.workload.importers.onnx_model import Model, Node


class _Operand(NamedTuple):
    """Positions of an operand and of its scale and zero point; -1 for none."""

    data: int
    scale: int = -1
    zero_point: int = -1


class _Form(NamedTuple):
    """How one quantized operator is laid out."""

    op_type: str
    operands: tuple[_Operand, ...]
    result: tuple[int, int] | None = None
    bias: int = -1


_X = _Operand(0, 1, 2)
_W = _Operand(3, 4, 5)
_UNARY = (_X,)
_BINARY = (_X, _W)

FORMS = {
    (DEFAULT_DOMAIN, "QLinearConv"): _Form("Conv", _BINARY, (6, 7), bias=8),
    (DEFAULT_DOMAIN, "QLinearMatMul"): _Form("MatMul", _BINARY, (6, 7)),
    (DEFAULT_DOMAIN, "ConvInteger"): _Form("Conv", (_Operand(0, -1, 2), _Operand(1, -1, 3))),
    (DEFAULT_DOMAIN, "MatMulInteger"): _Form("MatMul", (_Operand(0, -1, 2), _Operand(1, -1, 3))),
    (MICROSOFT_DOMAIN, "QGemm"): _Form("Gemm", _BINARY, (7, 8), bias=6),
    (MICROSOFT_DOMAIN, "QLinearAdd"): _Form("Add", _BINARY, (6, 7)),
    (MICROSOFT_DOMAIN, "QLinearMul"): _Form("Mul", _BINARY, (6, 7)),
    (MICROSOFT_DOMAIN, "QLinearSigmoid"): _Form("Sigmoid", _UNARY, (3, 4)),
    (MICROSOFT_DOMAIN, "QLinearLeakyRelu"): _Form("LeakyRelu", _UNARY, (3, 4)),
    (MICROSOFT_DOMAIN, "QLinearSoftmax"): _Form("Softmax", _UNARY, (3, 4)),
    (MICROSOFT_DOMAIN, "QLinearGlobalAveragePool"): _Form("GlobalAveragePool", _UNARY, (3, 4)),
    (MICROSOFT_DOMAIN, "QLinearAveragePool"): _Form("AveragePool", _UNARY, (3, 4)),
    (MICROSOFT_DOMAIN, "QLinearReduceMean"): _Form("ReduceMean", _UNARY, (3, 4)),
    (MICROSOFT_DOMAIN, "QLinearWhere"): _Form("Where", (_Operand(0), _Operand(1, 2, 3), _Operand(4, 5, 6)), (7, 8)),
    (MICROSOFT_DOMAIN, "MatMulIntegerToFloat"): _Form("MatMul", (_Operand(0, 2, 4), _Operand(1, 3, 5)), bias=6),
    (MICROSOFT_DOMAIN, "DynamicQuantizeMatMul"): _Form("MatMul", (_Operand(0), _Operand(1, 2, 3)), bias=4),
}
_CONCAT = (MICROSOFT_DOMAIN, "QLinearConcat")
QUANTIZED_OPERATORS = frozenset({*FORMS, _CONCAT})


def read_quantized_operators(model: Model) -> None:
    """Replace every quantized operator by its plain counterpart on quantized values."""
    for node in model.nodes:
        key = (node.domain, node.op_type)
        if key == _CONCAT:
            _rewrite(model, node, _concat_form(node))
        elif key in FORMS:
            _rewrite(model, node, FORMS[key])


def _concat_form(node: Node) -> _Form:
    operands = tuple(_Operand(i, i + 1, i + 2) for i in range(2, len(node.inputs) - 2, 3))
    return _Form("Concat", operands, (0, 1))


def _rewrite(model: Model, node: Node, form: _Form) -> None:
    inputs = [_quantize_operand(model, node, form, i, operand) for i, operand in enumerate(form.operands)]
    if form.result and node.operand(form.result[0]):
        scale, zero_point = (node.operand(i) for i in form.result)
        if _are_constant(model, scale, zero_point):
            assign(model, node, node.outputs[0], read_quantization(model, node, node.outputs[0], scale, zero_point))
        else:
            node.computed.append(ScaleOperands(None, scale, zero_point))
    bias = node.operand(form.bias) if form.bias >= 0 else ""
    if bias:
        inputs.append(_quantize_bias(model, node, inputs, bias))
    node.domain, node.op_type, node.inputs = DEFAULT_DOMAIN, form.op_type, inputs


def _quantize_operand(model: Model, node: Node, form: _Form, position: int, operand: _Operand) -> str:
    """Move an operand's scale and zero point into its quantization, and return its name."""
    name = node.operand(operand.data)
    scale = node.operand(operand.scale) if operand.scale >= 0 else ""
    zero_point = node.operand(operand.zero_point) if operand.zero_point >= 0 else ""
    axis = _axis(node, form, position, len(model.shape(name)))
    if not _are_constant(model, scale, zero_point):
        node.computed.append(ScaleOperands(position, scale, zero_point, axis))
    elif scale:
        found = read_quantization(model, node, name, scale, zero_point, axis=axis)
        return assign(model, node, name, found)
    elif zero_point:
        node.attributes[f"zero_point_{position}"] = tuple(int(z) for z in _flat(model, zero_point))
    return name


def _are_constant(model: Model, *names: str) -> bool:
    return all(model.is_constant(name) for name in names if name)


def _flat(model: Model, name: str) -> list[int]:
    data = model.constant(name)
    return [] if data is None else data.reshape(-1).tolist()


def _conv_axis(_node: Node, position: int, _rank: int) -> int | None:
    return 0 if position else None


def _matmul_axis(_node: Node, position: int, rank: int) -> int | None:
    return rank - 1 if position else max(rank - 2, 0)


def _gemm_axis(node: Node, position: int, _rank: int) -> int | None:
    return (0 if node.attribute("transB", 0) else 1) if position else None


_AXES: dict[str, Callable[[Node, int, int], int | None]] = {
    "Conv": _conv_axis,
    "MatMul": _matmul_axis,
    "Gemm": _gemm_axis,
}


def _axis(node: Node, form: _Form, position: int, rank: int) -> int | None:
    """Return the axis along which an operand may have several scales."""
    rule = _AXES.get(form.op_type)
    return rule(node, position, rank) if rule else None


def _quantize_bias(model: Model, node: Node, inputs: list[str], bias: str) -> str:
    if not model.values[bias].dtype.is_integer:
        return bias
    if any(found.position is not None and found.scale for found in node.computed):
        node.computed.append(ScaleOperands(len(inputs)))
        return bias
    left, right = (model.values[name].quantization for name in inputs[:2])
    return assign(model, node, bias, bias_quantization(left, right))
