"""Constant folding: shape arithmetic, and views of constants of any size.

Exporters compute shapes with chains of Shape, Gather, Concat and the like. With static shapes they are
constants, and the operators that read them need numbers. Arithmetic is bounded by `MAX_ELEMENTS`; a view
(Reshape, Transpose, Expand, …) copies nothing and needs no bound.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.dtypes import SMALL_FLOATS, DType
from socsim.workload.importers.onnx_tensors import read_only

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.workload.graph import Array
    from socsim.workload.importers.onnx_model import Node, Value

MAX_ELEMENTS = 4096
# Operators whose work is bounded by the elements that they read and write, which an attribute cannot stretch.
_ARITHMETIC = frozenset(
    {
        "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "CastLike", "Ceil", "Clip", "Concat", "Constant",
        "ConstantOfShape", "CumSum", "Div", "Equal", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements",
        "GatherND", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min",
        "Mod", "Mul", "Neg", "NonZero", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax", "ReduceMean",
        "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round", "ScatterElements", "ScatterND", "Shape", "Sign",
        "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tile", "Transpose", "Trilu", "Unsqueeze",
        "Where", "Xor",
    }
)  # fmt: skip
_UNLIKE_NUMPY = {DType.INT2, DType.UINT2, DType.INT4, DType.UINT4, DType.BFLOAT16, DType.STRING, DType.RESOURCE}
_PLAIN = frozenset(DType) - _UNLIKE_NUMPY - SMALL_FLOATS


def fold(
    node: Node, proto: Any, values: dict[str, Value], results: Sequence[Value | None], opset: int
) -> list[Array] | None:
    """Return the results of a node that only depends on constants, or None where it is not to be folded.

    Args:
        node: the node.
        proto: the same as a NodeProto.
        values: all values known so far.
        results: the node's results, None where type or shape are unknown.
        opset: version of the default domain.
    """
    if node.op_type in ("Shape", "Size") and node.inputs[0] in values:
        return [read_only(_measure(node, values[node.inputs[0]].shape))]
    operands = [values.get(name) for name in node.inputs if name]
    data = [v.data for v in operands if v is not None and v.constant and v.data is not None]
    if node.domain or len(data) != len(operands) or node.op_type not in _ARITHMETIC:
        return None
    known = [v for v in results if v is not None]
    if len(known) != len(results) or not known:
        return None
    if node.op_type in _VIEWS and (data[0].flags.c_contiguous or not _copies(node, data[0])):
        return [read_only(_VIEWS[node.op_type](node, data, known[0]))]
    if any(v.dtype not in _PLAIN for v in (*known, *(v for v in operands if v is not None))):
        return None
    small = sum(d.size for d in data) <= MAX_ELEMENTS and all(prod(v.shape) <= MAX_ELEMENTS for v in known)
    return _evaluate(proto, node, data, known, opset) if small else None


def _measure(node: Node, shape: tuple[int, ...]) -> Array:
    import numpy as np

    if node.op_type == "Size":
        return np.array(prod(shape), np.int64)
    return np.array(shape[node.attribute("start", 0) : node.attribute("end")], np.int64)


def _reshape(_node: Node, data: list[Array], result: Value) -> Array:
    return data[0].reshape(result.shape)


def _copies(node: Node, data: Array) -> bool:
    """Whether the view of an array whose elements do not follow each other needs a large copy."""
    return _VIEWS[node.op_type] is _reshape and data.size > MAX_ELEMENTS


def _transpose(node: Node, data: list[Array], _result: Value) -> Array:
    return data[0].transpose(node.attribute("perm"))


def _expand(_node: Node, data: list[Array], result: Value) -> Array:
    import numpy as np

    return np.broadcast_to(data[0], result.shape)


def _constant_of_shape(node: Node, _data: list[Array], result: Value) -> Array:
    import numpy as np

    fill = node.attribute("value")
    return np.broadcast_to(np.float32(0) if fill is None else fill.reshape(()), result.shape)


_VIEWS: dict[str, Callable[[Node, list[Array], Value], Array]] = {
    "Identity": _reshape,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": _transpose,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
}


def _evaluate(proto: Any, node: Node, data: list[Array], results: list[Value], opset: int) -> list[Array] | None:
    """Run the library's reference implementation; anything it cannot do stays in the graph."""
    import warnings

    import numpy as np
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.inputs if name]
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(d.dtype), d.shape)
        for n, d in zip(names, data, strict=True)
    ]
    outputs = [helper.make_empty_tensor_value_info(v.name) for v in results]
    model = helper.make_model(
        helper.make_graph([proto], "fold", inputs, outputs), opset_imports=[helper.make_opsetid("", opset)]
    )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = ReferenceEvaluator(model).run(None, dict(zip(names, data, strict=True)))
    except Exception:  # the reference raises whatever numpy or its own code raises
        return None
    arrays = [np.asarray(a) for a in found]
    fits = len(arrays) == len(results) and all(a.dtype != object and a.size <= MAX_ELEMENTS for a in arrays)
    return [read_only(a.copy()) for a in arrays] if fits else None
