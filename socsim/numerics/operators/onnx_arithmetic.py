"""ADD, MUL and CONCATENATION of 8 bits under the profile `onnx`: QLinearAdd, QLinearMul, QLinearConcat.

Source: microsoft/onnxruntime core/mlas/lib/{qladd,qlmul}.cpp and intrinsics/avx2/qladd_avx2.cpp,
contrib_ops/cpu/quantization/qlinear_concat.cc; x86 with AVX2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.node import implements_for
from socsim.numerics.operators.onnx_affine import affine, is_affine, is_byte, on_reals
from socsim.numerics.operators.operands import narrowed, scale32, tabulated_pairs
from socsim.numerics.tables import to_int32

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


@implements_for("onnx", "ADD")
def prepare_sum(node: Node) -> Run | None:
    """Both operands times their scale over the result's, added to what the zero points make."""
    tensors = (node.input(0), node.input(1), node.outputs[0])
    if not is_byte(*tensors):
        return on_reals(node) if any(is_affine(t) for t in tensors) else None
    scales, points = zip(*((scale32(node, t), np.float32(node.zero_point(t))) for t in tensors), strict=True)
    ratios = [scales[i] / scales[2] for i in (0, 1)]
    fixed = points[2] - (ratios[0] * points[0] + ratios[1] * points[1])
    order = (0, 1) if _is_repeated(node, 0) else (1, 0)

    def formula(*operands: Array) -> Array:
        first, second = ((operands[i].astype(np.float64), np.float64(ratios[i])) for i in order)
        part = _single(_single(first[0] * first[1] + np.float64(fixed)).astype(np.float64) + second[0] * second[1])
        return to_int32(np.rint(part))

    return tabulated_pairs(node, narrowed(formula, node, node.activation_range(tensors[2])))


def _single(values: Array) -> Array:
    """Round sums of products that are exact in float64, as a fused multiply-add does."""
    return values.astype(np.float32)


def _is_repeated(node: Node, position: int) -> bool:
    """Whether the kernel sees one element of an operand at a time: the innermost axis is broadcast."""
    shape, result = node.input(position).shape, node.outputs[0].shape
    padded = (1,) * (len(result) - len(shape)) + tuple(shape)
    innermost = next((i for i in reversed(range(len(result))) if result[i] > 1), None)
    return innermost is not None and padded[innermost] == 1


@implements_for("onnx", "MUL")
def prepare_product(node: Node) -> Run | None:
    """The integer product times one float32 ratio, plus the zero point, then rounded."""
    tensors = (node.input(0), node.input(1), node.outputs[0])
    if not is_byte(*tensors):
        return on_reals(node) if any(is_affine(t) for t in tensors) else None
    a, b, result = (scale32(node, t) for t in tensors)
    ratio, points = a * b / result, [node.zero_point(t) for t in tensors]

    def formula(x: Array, y: Array) -> Array:
        product = ((x - points[0]) * (y - points[1])).astype(np.float32)
        return to_int32(np.rint(product * ratio + np.float32(points[2])))

    return tabulated_pairs(node, narrowed(formula, node, node.activation_range(tensors[2])))


@implements_for("onnx", "CONCATENATION")
def prepare_concatenation(node: Node) -> Run | None:
    """Operands in the result's scale, one after the other."""
    result = node.outputs[0]
    if not is_affine(result):
        return None
    axis, writer = node.attributes["axis"], affine(node, result)
    tensors = [node.input(i) for i in range(len(node.op.inputs))]
    readers = [None if t.quantization == result.quantization else affine(node, t) for t in tensors]

    def run(*operands: Array) -> tuple[Array, ...]:
        pairs = zip(readers, operands, strict=True)
        parts = [x if rule is None else writer.integers(rule.real(x)) for rule, x in pairs]
        return (np.concatenate(parts, axis=axis),)

    return run
