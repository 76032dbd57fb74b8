"""Scales and zero points as ONNX Runtime applies them, and operators on the real values behind integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import constant_array, integer_range, numpy_dtype
from socsim.numerics.node import prepared
from socsim.workload.dtypes import SMALL_FLOATS, DType
from socsim.workload.small_floats import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor


@dataclass(frozen=True)
class Affine:
    """Real = scale x (integer - zero point), for one integer type; of a small float, scale x its number.

    Args:
        scales: float32, in a shape that broadcasts with the tensor.
        points: int64 zero points, alike.
        dtype: element type of the integers.
        saturate: whether small floats hold the greatest number for what is beyond it.
    """

    scales: Array
    points: Array
    dtype: DType
    saturate: bool = True

    def real(self, integers: Array) -> Array:
        """Return float32 values."""
        if self.dtype in SMALL_FLOATS:
            return np.asarray(decoded(integers, self.dtype) * self.scales, np.float32)
        distance = (integers.astype(np.int64) - self.points).astype(np.float32)
        return np.asarray(distance * self.scales, np.float32)

    def integers(self, real: Array) -> Array:
        """Return the nearest integers, ties to even; what does not fit saturates, and NaN gives the least.

        Source: ONNX operator QuantizeLinear; microsoft/onnxruntime core/mlas/lib/quantize.cpp.
        """
        with np.errstate(all="ignore"):
            quotient = np.asarray(real, np.float32) / self.scales
        if self.dtype in SMALL_FLOATS:
            positive = np.float32(self.dtype is DType.FLOAT4E2M1)  # its zero point is added, which makes -0 to 0
            return encoded(quotient + positive * np.float32(0), self.dtype, saturate=self.saturate)
        low, high = integer_range(self.dtype)
        quotient = np.where(np.isnan(quotient), np.float32(-np.inf), quotient)
        clamped = np.clip(quotient, (low - self.points).astype(np.float32), (high - self.points).astype(np.float32))
        return (np.rint(clamped).astype(np.int64) + self.points).astype(numpy_dtype(self.dtype))


def affine(node: Node, tensor: Tensor) -> Affine:
    """Return a tensor's quantization: per tensor, for each slice along an axis, or for each block along one."""
    quantization = node.quantization(tensor)
    scales = np.array(quantization.scales, np.float32)
    points = np.zeros(scales.size, np.int64) + np.array(quantization.zero_points or (0,), np.int64)
    saturate = bool(node.attributes.get("saturate", 1))
    axis, block = quantization.axis or 0, quantization.block_size
    scales, points = (along(tensor.shape, table, axis, block) for table in (scales, points))
    return Affine(scales, points, tensor.dtype, saturate)


def along(shape: tuple[int, ...], table: Array, axis: int, block: int | None) -> Array:
    """Return a table of scales or zero points in a shape that broadcasts with a tensor of `shape`."""
    if table.size == 1:
        return table.reshape(())
    if not block:
        return table.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    blocks = [-(-n // block) if i == axis else n for i, n in enumerate(shape)]
    return table.reshape(blocks).take(np.arange(shape[axis]) // block, axis=axis)


def is_affine(tensor: Tensor | None) -> bool:
    """Whether a tensor holds integers that stand for reals."""
    quantized = tensor is not None and tensor.quantization is not None and bool(tensor.quantization.scales)
    return quantized and tensor is not None and tensor.dtype.is_integer


def is_byte(*tensors: Tensor) -> bool:
    """Whether all tensors are quantized per tensor with 8 bits."""
    return all(is_affine(t) and t.dtype.bits == 8 and _scale_count(t) == 1 for t in tensors)


def _scale_count(tensor: Tensor) -> int:
    return len(tensor.quantization.scales) if tensor.quantization else 0


def tensor_at(node: Node, position: int) -> Tensor | None:
    """Return an operand's tensor, None for an absent one."""
    return node.input(position) if node.has_input(position) else None


def filled(operands: Sequence[Array | None], count: int) -> list[Array | None]:
    """Return `count` operands, None for those that the file leaves out at the end."""
    return [*operands, *[None] * (count - len(operands))]


def on_reals(node: Node) -> Run:
    """Return the operator between a DequantizeLinear of each operand and a QuantizeLinear of each result.

    So ONNX Runtime computes what it has no integer kernel for.

    Raises:
        NumericsError: the operator has no rule for floats.
    """
    run = prepared(_real_node(node))
    readers = [affine(node, t) if t is not None and is_affine(t) else None for t in node.inputs]
    writers = [affine(node, t) if is_affine(t) else None for t in node.outputs]
    _refuse_unscaled(node)

    def evaluate(*operands: Array | None) -> tuple[Array, ...]:
        pairs = zip(readers, operands, strict=True)
        results = run(*(x if rule is None or x is None else rule.real(x) for rule, x in pairs))
        return tuple(x if rule is None else rule.integers(x) for rule, x in zip(writers, results, strict=True))

    return evaluate


def _refuse_unscaled(node: Node) -> None:
    """Raise where integers without a scale would be taken for reals."""
    first = node.input(0)
    if is_affine(node.outputs[0]) and not is_affine(first) and first.dtype.is_integer:
        msg = f"{node.where}: its input {first.name!r} is {first.dtype.value} without a scale, its result has one"
        raise NumericsError(msg)


def _real_node(node: Node) -> Node:
    """Return the operator on float32 tensors instead of quantized ones, alone in a graph."""
    return renewed(node, [_real_tensor(node, t) for t in node.inputs], [_real_tensor(node, t) for t in node.outputs])


def _real_tensor(node: Node, tensor: Tensor | None) -> Any:
    if tensor is None or not is_affine(tensor):
        return tensor
    data = affine(node, tensor).real(constant_array(tensor)) if tensor.data is not None else None
    return replace(tensor, dtype=DType.FLOAT32, quantization=None, data=data)


def renewed(node: Node, inputs: list[Tensor | None], outputs: list[Tensor], **attributes: Any) -> Node:
    """Return the operator on other tensors, with some attributes replaced, alone in a graph."""
    tensors = [*inputs, *outputs]
    kept = tuple(replace(t, index=i) for i, t in enumerate(t for t in tensors if t is not None))
    indices = iter(range(len(kept)))
    op = replace(
        node.op,
        inputs=tuple(None if t is None else next(indices) for t in inputs),
        outputs=tuple(next(indices) for _ in outputs),
        attributes=MappingProxyType({**node.attributes, **attributes}),
    )
    graph = replace(node.graph, tensors=kept, operators=(), inputs=(), outputs=())
    return replace(node, graph=graph, op=op)
