"""QUANTIZE and DEQUANTIZE under the profile `onnx`: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import implements_for
from socsim.numerics.operators.onnx_affine import Affine, affine, is_affine

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor

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
        rule = writer or _from_operands(result, rest)
        return (rule.integers(x if reader is None else reader.real(x)),)

    return run


@implements_for("onnx", "DEQUANTIZE")
def prepare_dequantize(node: Node) -> Run | None:
    """Integers to reals."""
    source = node.input(0)
    if source.dtype.is_float:
        return None
    given = _computed(node, source)
    fixed = None if given else affine(node, source)
    dtype = np.float16 if node.outputs[0].dtype.value == "float16" else np.float32
    return lambda x, *rest: ((fixed or _from_operands(source, rest)).real(x).astype(dtype),)


def _computed(node: Node, tensor: Tensor) -> bool:
    """Whether the one scale is an operand that is computed.

    Raises:
        NumericsError: several computed scales.
    """
    if is_affine(tensor) or not node.has_input(1):
        return False
    if node.input(1).elements != 1:
        msg = f"{node.where}: {node.input(1).elements} computed scales; several scales must be constants"
        raise NumericsError(msg)
    return True


def _from_operands(tensor: Tensor, operands: tuple[Array, ...]) -> Affine:
    scale, point = (operands[i].reshape(()) if len(operands) > i else np.int64(0) for i in (0, 1))
    return Affine(np.asarray(scale, np.float32), np.asarray(point, np.int64), tensor.dtype)


def _dynamic(result: Tensor) -> Run:
    """Return DynamicQuantizeLinear: integers, and the scale and zero point that span the values and zero."""

    def run(x: Array, *_: Array) -> tuple[Array, ...]:
        low, high = (np.float32(f(x, initial=np.float32(0))) for f in (np.min, np.max))
        scale = np.float32(1) if low == high else (high - low) / _STEPS
        point = np.rint(np.clip(-low / scale, np.float32(0), _STEPS))
        rule = Affine(np.asarray(scale, np.float32), np.asarray(point, np.int64), result.dtype)
        return rule.integers(x), np.asarray(scale, np.float32), np.asarray(point, np.uint8)

    return run
