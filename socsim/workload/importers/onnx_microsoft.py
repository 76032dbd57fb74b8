"""Shapes of com.microsoft operators, through equivalents of the default domain.

The onnx package has no schemas of that domain. Its operators are quantized or fused forms of common ones,
whose inference can stand in: it sees the data operands' shapes under a floating-point type.

Source: microsoft/onnxruntime, docs/ContribOperators.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.workload.importers.onnx_model import Node, Value

EQUIVALENT_OPSET = 13


class Equivalent(NamedTuple):
    """An operator of the default domain (opset 13) whose result has the same shape.

    Args:
        op_type: operator of the default domain.
        operands: positions of the data operands.
        attributes: names of the attributes that shape the result.
        zero_point: position of the result's zero point, whose type the result has.
        floating: the result is float32 where the zero point is absent.
        results: positions of the results that have this shape.
    """

    op_type: str
    operands: tuple[int, ...] = (0,)
    attributes: tuple[str, ...] = ()
    zero_point: int | None = None
    floating: bool = False
    results: tuple[int, ...] = (0,)


_WINDOW = ("auto_pad", "kernel_shape", "strides", "pads", "dilations", "group")
_GEMM = ("transA", "transB")

EQUIVALENTS = {
    "QLinearAdd": Equivalent("Add", (0, 3), (), 7),
    "QLinearMul": Equivalent("Mul", (0, 3), (), 7),
    "QLinearSigmoid": Equivalent("Identity", (0,), (), 4),
    "QLinearLeakyRelu": Equivalent("Identity", (0,), (), 4),
    "QLinearSoftmax": Equivalent("Identity", (0,), (), 4),
    "QLinearGlobalAveragePool": Equivalent("GlobalAveragePool", (0,), (), 4),
    "QLinearAveragePool": Equivalent("AveragePool", (0,), (*_WINDOW[:4], "ceil_mode", "count_include_pad"), 4),
    "QLinearReduceMean": Equivalent("ReduceMean", (0,), ("axes", "keepdims"), 4),
    "QLinearConcat": Equivalent("Concat", (), ("axis",), 1),
    "QLinearWhere": Equivalent("Where", (0, 1, 4), (), 8),
    "QGemm": Equivalent("Gemm", (0, 3), _GEMM, 8, floating=True),
    "MatMulIntegerToFloat": Equivalent("MatMul", (0, 1), floating=True),
    "DynamicQuantizeMatMul": Equivalent("MatMul", (0, 1), floating=True),
    "FusedMatMul": Equivalent("MatMul", (0, 1), _GEMM),
    "FusedConv": Equivalent("Conv", (0, 1), _WINDOW),
    "FusedGemm": Equivalent("Gemm", (0, 1), _GEMM),
    "Gelu": Equivalent("Identity"),
    "FastGelu": Equivalent("Identity"),
    "QuickGelu": Equivalent("Identity"),
    "BiasGelu": Equivalent("Identity"),
    "SkipLayerNormalization": Equivalent("Identity", results=(0, 3)),
    "SkipSimplifiedLayerNormalization": Equivalent("Identity", results=(0, 3)),
    "MultiHeadAttention": Equivalent("Identity"),
}
# These have the default domain's own definition, for more element types.
SAME_AS_DEFAULT = frozenset({"QuantizeLinear", "DequantizeLinear"})


def operands(node: Node) -> list[str]:
    """Return the names of the data operands of a com.microsoft node."""
    if node.op_type == "QLinearConcat":
        return node.inputs[2::3]
    return [node.operand(i) for i in EQUIVALENTS[node.op_type].operands]


def equivalent_shapes(node: Node, shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return the operands' shapes as the equivalent sees them (FusedMatMul transposes its operands)."""
    if node.op_type != "FusedMatMul":
        return shapes
    flags = (node.attribute("transA", 0), node.attribute("transB", 0))
    return [_swapped(s) if flag and len(s) > 1 else s for s, flag in zip(shapes, flags, strict=True)]


def equivalent_attributes(node: Node) -> dict[str, Any]:
    """Return the attributes that the equivalent needs."""
    if node.op_type == "FusedMatMul":
        return {}
    return {k: v for k, v in node.attributes.items() if k in EQUIVALENTS[node.op_type].attributes}


def result_type(node: Node, values: dict[str, Value]) -> DType | None:
    """Return the element type of the first result."""
    equivalent = EQUIVALENTS[node.op_type]
    zero_point = values.get(node.operand(equivalent.zero_point)) if equivalent.zero_point is not None else None
    if zero_point is not None:
        return zero_point.dtype
    if equivalent.floating:
        return DType.FLOAT32
    first = values.get(operands(node)[-1])
    return first.dtype if first is not None else None


def matmul_nbits_shape(node: Node, left: tuple[int, ...]) -> tuple[int, ...]:
    """Return the result's shape of MatMulNBits, whose weights are packed."""
    return (*left[:-1], int(node.attribute("N", 0)))


def _swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])
