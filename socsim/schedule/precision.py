"""The precision pass: the same graph in other types, for cost."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.errors import UsageError, did_you_mean
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind

if TYPE_CHECKING:
    from socsim.workload.graph import Graph, Tensor

# Weights x activations by the names that measurement tables use.
PRECISIONS: dict[str, tuple[DType, DType]] = {
    "int4": (DType.INT4, DType.INT4),
    "int8": (DType.INT8, DType.INT8),
    "uint8": (DType.UINT8, DType.UINT8),
    "int16": (DType.INT16, DType.INT16),
    "float16": (DType.FLOAT16, DType.FLOAT16),
    "bfloat16": (DType.BFLOAT16, DType.BFLOAT16),
    "float32": (DType.FLOAT32, DType.FLOAT32),
    "int8x16": (DType.INT8, DType.INT16),
    "w8a8": (DType.INT8, DType.INT8),
    "w8a16": (DType.INT8, DType.FLOAT16),
    "w8a32": (DType.INT8, DType.FLOAT32),
    "w4a16": (DType.INT4, DType.FLOAT16),
    "w4a16_g128": (DType.INT4, DType.FLOAT16),
    "fp16": (DType.FLOAT16, DType.FLOAT16),
    "fp16_storage": (DType.FLOAT16, DType.FLOAT32),
    "fp32": (DType.FLOAT32, DType.FLOAT32),
}
_NUMERIC = frozenset({
    DType.INT4, DType.UINT4, DType.INT8, DType.UINT8, DType.INT16, DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32,
})  # fmt: skip


def at_precision(graph: Graph, precision: str | None) -> Graph:
    """Return the graph with activations and weights in another precision.

    Biases, indices and shapes keep their types. Values are not converted: weights of another type than the file's lose
    them, so that the network can be costed and not executed.

    Raises:
        UsageError: an unknown precision.
    """
    if precision is None:
        return graph
    if precision not in PRECISIONS:
        msg = f"precision {precision!r} is not known.{did_you_mean(precision, PRECISIONS)}"
        raise UsageError(msg)
    return graph.memo.get(("precision", precision), lambda: _recast(graph, *PRECISIONS[precision]))


def _recast(graph: Graph, weights: DType, activations: DType) -> Graph:
    tensors = tuple(_retyped(t, weights, activations) for t in graph.tensors)
    operators = tuple(
        replace(op, attributes=MappingProxyType({k: v for k, v in op.attributes.items() if k != "compute_dtype"}))
        if "compute_dtype" in op.attributes
        else op
        for op in graph.operators
    )
    return replace(graph, tensors=tensors, operators=operators)


def _retyped(tensor: Tensor, weights: DType, activations: DType) -> Tensor:
    if tensor.dtype not in _NUMERIC:
        return tensor
    if tensor.kind is not TensorKind.CONSTANT:
        return replace(tensor, dtype=activations)
    if len(tensor.shape) < 2 or tensor.dtype is weights:
        return tensor
    return replace(tensor, dtype=weights, data=None)
