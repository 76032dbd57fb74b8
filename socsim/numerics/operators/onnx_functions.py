"""Functions of quantized values under the profile `onnx`, such as QLinearSigmoid, QLinearLeakyRelu and QLinearSoftmax.

What ONNX Runtime has no integer kernel for, it computes on real values. So it does with multiply-accumulates
of other than 8-bit activations and weights.

Source: microsoft/onnxruntime contrib_ops/cpu/quantization/{qlinear_activations,qlinear_softmax}.cc.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp, isinf, log
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import IMPLEMENTATIONS, implements, implements_for
from socsim.numerics.operators.onnx_affine import affine, is_affine, is_byte, on_reals, renewed, tensor_at
from socsim.numerics.operators.operands import output_dtype, tabulated, unsupported
from socsim.numerics.scaling import wrapped
from socsim.numerics.tables import integer_bounds, logistic32, to_int32

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_RESERVE = 5.0  # nats below the greatest float32 that a row's sum of exponentials keeps free


@implements_for(
    "onnx", "SUB", "DIV", "POW", "PRELU", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "CLIP", "HARD_SWISH", "TANH",
    "ABS", "NEG", "SQRT", "RSQRT", "EXP", "LOG", "MEAN", "SUM", "REDUCE_PROD", "ERF", "SIN", "COS", "MIRROR_PAD",
    "SELECT", "EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL",
)  # fmt: skip
def prepare_real(node: Node) -> Run | None:
    """Whatever has no integer kernel: on real values where quantized."""
    is_quantized = any(is_affine(t) for t in (*node.inputs, *node.outputs))
    return on_reals(node) if is_quantized and node.op.type in IMPLEMENTATIONS else None


@implements_for("onnx", "GATHER")
def prepare_gather(node: Node) -> Run:
    """Slices along an axis, chosen by index; negative indices count from the end."""
    size = node.input(0).shape[node.attributes.get("axis", 0)]
    run = IMPLEMENTATIONS["GATHER"](node)
    return lambda x, indices: run(x, np.where(indices < 0, indices + size, indices))


@implements("CLIP")
def prepare_clip(node: Node) -> Run:
    """Values between two bounds, attributes or operands; without one, there is no limit on that side."""
    if any(is_affine(t) for t in (node.input(0), node.outputs[0])):
        raise unsupported(node, node.input(0))
    limits = [node.attributes.get(name) for name in ("min", "max")]
    low, high = (None if v is None or isinf(v) else v for v in limits)

    def run(x: Array, least: Array | None = None, greatest: Array | None = None) -> tuple[Array, ...]:
        bounds = (low if least is None else least, high if greatest is None else greatest)
        floor, ceiling = (None if b is None else np.asarray(b, x.dtype) for b in bounds)
        return (x if floor is None and ceiling is None else np.clip(x, floor, ceiling),)

    return run


@implements_for("onnx", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "TRANSPOSE_CONV")
def prepare_products(node: Node) -> Run | None:
    """Leave 8-bit operands to the shared integer arithmetic; other quantized activations of ONNX files are real.

    Sums are exact, as ONNX Runtime's are on x86 with VNNI; its documentation warns of saturated ones without.
    """
    left, right, bias = node.input(0), tensor_at(node, 1), tensor_at(node, 2)
    if node.graph.source_format != "onnx" or not is_affine(left) or right is None:
        return None
    if bias is not None and bias.dtype.is_integer and not is_affine(bias):
        return None  # its scale is the product of the others
    has_kernel = node.op.type != "TRANSPOSE_CONV" and left.dtype.bits == right.dtype.bits == 8
    is_plain = all(node.attributes.get(name, 1.0) == 1.0 for name in ("alpha", "beta"))
    is_integer = bias is None or not bias.dtype.is_float or not is_affine(node.outputs[0])
    return None if has_kernel and is_plain and is_integer else on_reals(node)


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
    flat = renewed(node, [replace(source, shape=rows)], [replace(result, shape=rows)], axis=1, axes=(1,))
    return on_reals(flat) if is_affine(source) else IMPLEMENTATIONS[node.op.type](flat)


def _quantized_softmax(node: Node, length: int) -> Run:
    """Return the softmax of [rows, length], with exponentials from a table of distances to the row's maximum."""
    powers = _powers(node.scale(node.input(0)), length)
    steps = np.floor(np.float32(1) / np.float32(node.scale(node.outputs[0])))
    zero, dtype = node.zero_point(node.outputs[0]), output_dtype(node)
    low, high = integer_bounds(dtype)

    def run(x: Array) -> tuple[Array, ...]:
        rows = x.astype(np.int64)
        terms = powers[255 - rows.max(axis=1, keepdims=True) + rows]
        with np.errstate(over="ignore"):
            totals = np.cumsum(terms, axis=1, dtype=np.float32)[:, -1:]
            quotient = np.rint(terms * steps / totals)
        overflow = np.int64(0 if low == 0 else -(2**31))  # what x86 makes of an infinity: uint32 or int32
        whole = np.where(np.isinf(quotient), overflow, to_int32(quotient))
        return (np.clip(wrapped(whole + zero), low, high).astype(dtype),)

    return run


def _powers(scale: float, length: int) -> Array:
    """Return float32 exponentials of 0 to 255 steps below the maximum (entry 255), as large as a sum allows."""
    room = log(np.finfo(np.float32).max / np.float32(length)) - _RESERVE
    shift = max(0.0, room) / scale
    return np.array([exp((i - 255 + shift) * scale) for i in range(256)], np.float64).astype(np.float32)
