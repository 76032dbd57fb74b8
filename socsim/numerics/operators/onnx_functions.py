"""Functions of quantized values under the profile `onnx`: QLinearSigmoid, QLinearLeakyRelu, QLinearSoftmax, and the rest.

What ONNX Runtime has no integer kernel for, it computes on real values. So it does with multiply-accumulates
of other than 8-bit activations and weights.

Source: microsoft/onnxruntime contrib_ops/cpu/quantization/{qlinear_activations,qlinear_softmax}.cc.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import IMPLEMENTATIONS, implements_for
from socsim.numerics.operators.onnx_affine import affine, is_affine, is_byte, on_reals, renewed, tensor_at
from socsim.numerics.operators.operands import output_dtype, tabulated
from socsim.numerics.tables import logistic32

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_RESERVE = 5.0  # nats below the greatest float32 that a row's sum of exponentials keeps free


@implements_for(
    "onnx", "SUB", "DIV", "POW", "PRELU", "MAXIMUM", "MINIMUM", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "CLIP",
    "HARD_SWISH", "TANH", "GELU", "ELU", "ABS", "NEG", "SQRT", "RSQRT", "EXP", "LOG", "MEAN", "SUM", "REDUCE_MAX",
    "REDUCE_MIN", "REDUCE_PROD", "TRANSPOSE_CONV", "L2_NORMALIZATION",
)  # fmt: skip
def prepare_real(node: Node) -> Run | None:
    """Whatever has no integer kernel: on real values where quantized."""
    is_quantized = any(is_affine(t) for t in (*node.inputs, *node.outputs))
    return on_reals(node) if is_quantized and node.op.type in IMPLEMENTATIONS else None


@implements_for("onnx", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")
def prepare_products(node: Node) -> Run | None:
    """Leave 8-bit operands to the shared integer arithmetic; other quantized activations are real."""
    left, right = node.input(0), tensor_at(node, 1)
    if not is_affine(left) or right is None:
        return None
    is_plain = all(node.attributes.get(name, 1.0) == 1.0 for name in ("alpha", "beta"))
    bias = tensor_at(node, 2)
    is_integer = bias is None or not bias.dtype.is_float or not is_affine(node.outputs[0])
    return None if left.dtype.bits == right.dtype.bits == 8 and is_plain and is_integer else on_reals(node)


@implements_for("onnx", "LOGISTIC")
def prepare_logistic(node: Node) -> Run | None:
    """Sigmoid of the real value."""
    return _table(node, logistic32)


@implements_for("onnx", "LEAKY_RELU")
def prepare_leaky_relu(node: Node) -> Run | None:
    """Negative real values times alpha."""
    alpha = np.float32(node.attributes["alpha"])
    return _table(node, lambda x: np.where(x >= 0, x, alpha * x))


def _table(node: Node, function: Callable[[Array], Array]) -> Run | None:
    source, result = node.input(0), node.outputs[0]
    if not is_affine(source):
        return None
    if not is_byte(source, result):
        return on_reals(node)
    reader, writer = affine(node, source), affine(node, result)
    return tabulated(node, lambda q: writer.integers(function(reader.real(q))))


# --- softmax ------------------------------------------------------------------------------------------


@implements_for("onnx", "SOFTMAX", "LOG_SOFTMAX")
def prepare_softmax(node: Node) -> Run | None:
    """Softmax over any axis, or over all from one on where the file is of an old opset."""
    shape = node.input(0).shape
    axes = tuple(node.attributes.get("axes") or (len(shape) - 1,))
    if 0 in shape or not shape:
        raise NumericsError(f"{node.where}: its input of shape {shape} has no rows")
    kept = [i for i in range(len(shape)) if i not in axes]
    order = (*kept, *axes)
    moved = tuple(shape[i] for i in order)
    rows = (int(np.prod(moved[: len(kept)])), int(np.prod(moved[len(kept) :])))
    step, back = _softmax_of_rows(node, rows), np.argsort(order)

    def run(x: Array) -> tuple[Array, ...]:
        made = step(np.ascontiguousarray(x.transpose(order)).reshape(rows))[0]
        return (np.ascontiguousarray(made.reshape(moved).transpose(back)),)

    return run


def _softmax_of_rows(node: Node, rows: tuple[int, int]) -> Run:
    source, result = node.input(0), node.outputs[0]
    if node.op.type == "SOFTMAX" and is_byte(source, result):
        return _quantized_softmax(node, rows[1])
    from dataclasses import replace

    flat = renewed(node, [replace(source, shape=rows)], [replace(result, shape=rows)], axis=1, axes=(1,))
    return on_reals(flat) if is_affine(source) else IMPLEMENTATIONS[node.op.type](flat)


def _quantized_softmax(node: Node, length: int) -> Run:
    """Return the softmax of [rows, length], with exponentials from a table of distances to the row's maximum.

    A result beyond int8 wraps around in ONNX Runtime, as a probability of 1 in 1/256 does; it does here.
    """
    powers = _powers(node.scale(node.input(0)), length)
    steps = np.floor(np.float32(1) / np.float32(node.scale(node.outputs[0])))
    zero, dtype = node.zero_point(node.outputs[0]), output_dtype(node)

    def run(x: Array) -> tuple[Array, ...]:
        rows = x.astype(np.int64)
        terms = powers[255 - rows.max(axis=1, keepdims=True) + rows]
        with np.errstate(over="ignore"):
            totals = np.cumsum(terms, axis=1, dtype=np.float32)[:, -1:]
            quotient = np.rint(terms * steps / totals)
        return (np.minimum(quotient.astype(np.int64) + zero, 255).astype(dtype),)

    return run


def _powers(scale: float, length: int) -> Array:
    """Return float32 exponentials of 0 to 255 steps below the maximum (entry 255), as large as a sum allows."""
    room = log(np.finfo(np.float32).max / np.float32(length)) - _RESERVE
    shift = max(0.0, room) / scale
    return np.array([exp((i - 255 + shift) * scale) for i in range(256)], np.float64).astype(np.float32)
