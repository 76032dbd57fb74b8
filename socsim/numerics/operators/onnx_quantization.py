"""QUANTIZE, DEQUANTIZE and CAST under the profile `onnx`.

Source: ONNX operators QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear and Cast; microsoft/onnxruntime
core/providers/cpu/tensor/cast_op.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import integer_range, numpy_dtype
from socsim.numerics.node import implements_for
from socsim.numerics.operators.onnx_affine import Affine, affine, along, is_affine
from socsim.numerics.tables import rounded
from socsim.workload.dtypes import SMALL_FLOATS, DType
from socsim.workload.small_floats import decoded, encoded

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor

_EXACT = np.float32(2.0**31)  # what is beyond has no integer; its lowest bits are 0
_STEPS = np.float32(255)  # of DynamicQuantizeLinear, whose results are uint8


@implements_for("onnx", "QUANTIZE")
def prepare_quantize(node: Node) -> Run:
    """Reals to integers; integers of another scale by way of reals."""
    source, result = node.input(0), node.outputs[0]
    if len(node.outputs) == 3:
        return _dynamic(result)
    given = _computed(node, result)
    reader = affine(node, source) if is_affine(source) else None
    writer = None if given else affine(node, result)

    def run(x: Array, *rest: Array) -> tuple[Array, ...]:
        rule = writer or _from_operands(node, result, rest)
        return (rule.integers(x if reader is None else reader.real(x)),)

    return run


@implements_for("onnx", "DEQUANTIZE")
def prepare_dequantize(node: Node) -> Run | None:
    """Integers to reals."""
    source = node.input(0)
    if source.dtype.is_float and source.dtype not in SMALL_FLOATS:
        return None
    given = _computed(node, source)
    fixed = None if given else affine(node, source)
    dtype = np.float16 if node.outputs[0].dtype.value == "float16" else np.float32
    return lambda x, *rest: ((fixed or _from_operands(node, source, rest)).real(x).astype(dtype),)


def _computed(node: Node, tensor: Tensor) -> bool:
    """Whether scale and zero point are operands that are computed.

    Raises:
        NumericsError: their number fits no axis.
    """
    if is_affine(tensor) or not node.has_input(1):
        return False
    shape = node.input(1).shape
    if node.input(1).elements != 1 and shape not in _table_shapes(node, tensor):
        msg = f"{node.where}: scales of shape {shape} fit {tensor.shape} neither by axis nor by block"
        raise NumericsError(msg)
    return True


def _table_shapes(node: Node, tensor: Tensor) -> list[tuple[int, ...]]:
    """Return the shapes that computed scales may have."""
    axis, block = node.attributes.get("axis"), node.attributes.get("block_size")
    if axis is None or axis >= len(tensor.shape):
        return []
    if not block:
        return [(tensor.shape[axis],)]
    return [tuple(-(-n // block) if i == axis else n for i, n in enumerate(tensor.shape))]


def _from_operands(node: Node, tensor: Tensor, operands: tuple[Array, ...]) -> Affine:
    scales = np.asarray(operands[0], np.float32)
    points = np.asarray(operands[1] if len(operands) > 1 else 0, np.int64)
    axis, block, saturate = (node.attributes.get(k) for k in ("axis", "block_size", "saturate"))
    scales, points = (along(tensor.shape, table, axis or 0, block) for table in (scales, points))
    return Affine(scales, points, tensor.dtype, saturate is not False)


@implements_for("onnx", "CAST")
def prepare_cast(node: Node) -> Run | None:
    """Small floats by their numbers; integers of fewer than eight bits keep the lowest bits, floats rounded first."""
    source, result = node.input(0).dtype, node.outputs[0].dtype
    narrow = result.is_integer and result.bits < 8
    if source not in SMALL_FLOATS and result not in SMALL_FLOATS and not narrow:
        return None
    saturate, dtype = bool(node.attributes.get("saturate", 1)), numpy_dtype(result)

    def run(x: Array) -> tuple[Array, ...]:
        real = decoded(x, source) if source in SMALL_FLOATS else x
        if result in SMALL_FLOATS:
            return (encoded(real, result, saturate=saturate),)
        if narrow:
            return (_lowest_bits(real, result),)
        with np.errstate(invalid="ignore"):
            return (real.astype(np.int64).astype(dtype) if dtype.kind in "iu" else real.astype(dtype),)

    return run


def _lowest_bits(x: Array, dtype: DType) -> Array:
    """Return numbers as integers of few bits: ties round away from zero, and only the lowest bits stay."""
    if x.dtype.kind == "f":
        wide = np.asarray(x, np.float32)
        x = rounded(np.where(np.isfinite(wide) & (np.abs(wide) < _EXACT), wide, np.float32(0)))
    low, _ = integer_range(dtype)
    span = 1 << dtype.bits
    return ((x.astype(np.int64) - low) % span + low).astype(numpy_dtype(dtype))


def _dynamic(result: Tensor) -> Run:
    """Return DynamicQuantizeLinear: integers, and the scale and zero point that span the values and zero."""

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        low, high = (np.float32(f(x, initial=np.float32(0))) for f in (np.min, np.max))
        scale = np.float32(1) if low == high else (high - low) / _STEPS
        point = np.rint(np.clip(-low / scale, np.float32(0), _STEPS))
        rule = Affine(np.asarray(scale, np.float32), np.asarray(point, np.int64), result.dtype)
        return rule.integers(x), np.asarray(scale, np.float32), np.asarray(point, np.uint8)

    return run
