"""Which element types operands and results of a TFLite operator may have together.

Kernels are chosen by the type of one operand and would read the others as if they had it too.

Source: TFLite kernels/*.cc, Prepare (TF_LITE_ENSURE_TYPES_EQ).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.errors import NumericsError, join_faults
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socsim.numerics.node import Node
    from socsim.workload.graph import Tensor

_PAIRS = (
    "ADD", "DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "MUL", "POW", "PRELU", "SQUARED_DIFFERENCE", "SUB",
)  # fmt: skip
_COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")
_LOGIC = ("LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "REDUCE_ALL", "REDUCE_ANY")
_LIKE_FIRST = (
    "ABS", "AVERAGE_POOL_2D", "BATCH_TO_SPACE_ND", "CEIL", "COS", "CUMSUM", "DEPTH_TO_SPACE", "ELU", "EXP",
    "EXPAND_DIMS", "FLOOR", "GATHER", "GATHER_ND", "GELU", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU",
    "LOG", "LOGISTIC", "LOG_SOFTMAX", "MAX_POOL_2D", "MEAN", "MIRROR_PAD", "NEG", "PAD", "REDUCE_MAX",
    "REDUCE_MIN", "REDUCE_PROD", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "REVERSE", "ROUND", "RSQRT", "SIGN", "SIN", "SLICE", "SPACE_TO_BATCH_ND",
    "SPACE_TO_DEPTH", "SQRT", "SQUARE", "SQUEEZE", "STRIDED_SLICE", "SUM", "TANH", "TILE", "TOPK", "TRANSPOSE",
    "UNPACK",
)  # fmt: skip
_ALL_ALIKE = ("CONCATENATION", "PACK")
_PRODUCTS = ("BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_WEIGHTS = {
    DType.INT8: (DType.INT8, DType.INT4, DType.INT2),
    DType.UINT8: (DType.UINT8,),
    DType.INT16: (DType.INT8, DType.INT4, DType.INT2),
}
_BIASES = {
    DType.INT8: (DType.INT32,),
    DType.UINT8: (DType.INT32,),
    DType.INT16: (DType.INT32, DType.INT64),
    DType.FLOAT32: (DType.FLOAT32,),
}


def check_signature(node: Node) -> None:
    """Check the types of an operator's operands and results against each other.

    Raises:
        NumericsError: some have a type that the kernels do not take beside the others; all are listed.
    """
    faults = list(_faults(node))
    if faults:
        raise NumericsError(join_faults(node.where, faults))


def _faults(node: Node) -> Iterable[str]:
    kind = node.op.type
    inputs, outputs = [t for t in node.inputs if t is not None], node.outputs
    if not inputs or not outputs:
        return
    if kind in _PRODUCTS:
        yield from _product_faults(node, inputs, outputs[0])
    elif kind in _PAIRS:
        yield from _unlike([*inputs[1:2], outputs[0]], (inputs[0].dtype,))
    elif kind in _LIKE_FIRST:
        yield from _unlike(outputs[:1], (inputs[0].dtype,))
    elif kind in _ALL_ALIKE:
        yield from _unlike([*inputs[1:], outputs[0]], (inputs[0].dtype,))
    elif kind in _COMPARISONS:
        yield from _unlike(inputs[1:2], (inputs[0].dtype,))
        yield from _unlike(outputs, (DType.BOOL,))
    elif kind in _LOGIC:
        yield from _unlike([*(inputs if kind.startswith("LOGICAL") else inputs[:1]), *outputs], (DType.BOOL,))
    elif kind == "SOFTMAX" and inputs[0].dtype.is_integer:
        yield from _unlike(outputs, (inputs[0].dtype, DType.INT16))
    elif kind == "SELECT" and len(inputs) == 3:
        yield from _unlike(inputs[:1], (DType.BOOL,))
        yield from _unlike([inputs[2], outputs[0]], (inputs[1].dtype,))


def _product_faults(node: Node, inputs: list[Tensor], result: Tensor) -> Iterable[str]:
    left = inputs[0].dtype
    wider = (DType.INT32,) if node.op.type == "BATCH_MATMUL" and left is DType.INT8 else ()
    yield from _unlike([result], (left, *wider))
    like_left = (left,) if left is DType.INT16 and node.op.type in ("BATCH_MATMUL", "FULLY_CONNECTED") else ()
    yield from _unlike(inputs[1:2], (*_WEIGHTS.get(left, ()), *like_left))
    if node.op.type != "BATCH_MATMUL" and node.has_input(2):
        yield from _unlike([node.input(2)], _BIASES.get(left, ()))


def _unlike(tensors: Iterable[Tensor], allowed: tuple[DType, ...]) -> Iterable[str]:
    """Say which tensors have other types than those allowed; every type is where none is named."""
    names = " or ".join(dtype.value for dtype in allowed)
    for t in tensors:
        if allowed and t.dtype not in allowed:
            yield f"tensor {t.index} {t.name!r} is {t.dtype.value}; {names} is required beside the other operands"
