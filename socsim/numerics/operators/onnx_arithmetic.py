"""ADD, MUL, CONCATENATION and PAD under the profile `onnx`: QLinearAdd, QLinearMul, QLinearConcat.

Source: microsoft/onnxruntime core/mlas/lib/{qladd,qlmul}.cpp and intrinsics/avx2/qladd_avx2.cpp,
contrib_ops/cpu/quantization/qlinear_concat.cc; x86 with AVX2.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

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
    """Both operands times their scale over the result's, added to what the zero points make; of others, plain sums."""
    if len(node.op.inputs) != 2:
        return on_reals(node) if is_affine(node.input(0)) else lambda *operands: (reduce(np.add, operands),)
    tensors = (node.input(0), node.input(1), node.outputs[0])
    if not is_byte(*tensors):
        return on_reals(node) if any(is_affine(t) for t in tensors) else None
    order = (1, 0) if _is_repeated(node, 0) else (0, 1)
    (ratio_a, zero_a), (ratio_b, zero_b) = (_ratio(node, i) for i in order)
    zero = np.float32(node.zero_point(tensors[2]))
    fixed = zero - _fused(zero_a, ratio_a, ratio_b * zero_b)

    def formula(*operands: Array) -> Array:
        a, b = (operands[i] for i in order)
        return to_int32(np.rint(_fused(a, ratio_a, _fused(b, ratio_b, fixed))))

    return tabulated_pairs(node, narrowed(formula, node, node.activation_range(tensors[2])))


def _ratio(node: Node, position: int) -> tuple[np.float32, np.float32]:
    """Return an operand's scale over the result's, and its zero point."""
    tensor = node.input(position)
    return scale32(node, tensor) / scale32(node, node.outputs[0]), np.float32(node.zero_point(tensor))


def _fused(a: Array | np.float32, b: np.float32, c: Array | np.float32) -> Array:
    """Return a x b + c rounded to float32 once; the product of an integer of 8 bits is exact in float64."""
    return np.asarray(np.asarray(a, np.float64) * np.float64(b) + np.asarray(c, np.float64)).astype(np.float32)


def _is_repeated(node: Node, position: int) -> bool:
    """Whether an operand's innermost axis is broadcast; the kernel exchanges its operands if that is the first."""
    shape, result = node.input(position).shape, node.outputs[0].shape
    if node.input(position).elements == 1:
        return True
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


_PADS: dict[str, Any] = {"edge": "edge", "wrap": "wrap"}


@implements_for("onnx", "PAD")
def prepare_pad(node: Node) -> Run | None:
    """A border of one real value, of the edge, or of the other side."""
    is_told = "value" in node.attributes or (node.graph.source_format == "onnx" and node.has_input(1))
    if "paddings" not in node.attributes or not is_told:
        return None
    tensor, result, widths = node.input(0), node.outputs[0], node.attributes["paddings"]
    mode, fixed = _PADS.get(node.attributes.get("mode", "constant"), "constant"), node.attributes.get("value")
    reader, writer = (affine(node, t) if is_affine(t) else None for t in (tensor, result))

    def run(x: Array, computed: Array | None = None) -> tuple[Array, ...]:
        real = x if reader is None else reader.real(x)
        border = fixed if computed is None else computed.reshape(())
        padded = np.pad(real, widths, mode, **({"constant_values": border} if mode == "constant" else {}))
        return (padded if writer is None else writer.integers(padded),)

    return run
