"""What all multiply-accumulate operators share: operands, zero points, offsets, and the epilogue of a profile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import integer_range, numpy_dtype
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.hybrid import integer_weights, is_hybrid
from socsim.numerics.node import Kernels, first_alone
from socsim.numerics.profiles import Rounding
from socsim.numerics.requantize import (
    Scales,
    Target,
    fixed_point,
    float_away,
    float_even,
    to_float,
    unscaled,
    wide_fixed_point,
)
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Room, Run
    from socsim.numerics.requantize import Epilogue
    from socsim.numerics.threads import Team
    from socsim.workload.graph import Tensor

    Step = Run
    """A run function of activations alone."""
    Build = Callable[[Array, Array | None], Step]

_ACTIVATIONS = {
    "NONE": (-np.inf, np.inf), "RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}  # fmt: skip
_LEAST_ELEMENTS = 1 << 14  # that change places, of a block that a thread gains from
_SHORT = (DType.INT4, DType.UINT4, DType.INT8, DType.UINT8)
_INTEGERS = (*_SHORT, DType.INT16, DType.UINT16)


class Family(Enum):
    """Operators that a profile scales alike."""

    CONVOLUTION = "convolution"
    DEPTHWISE = "depthwise"
    TRANSPOSE = "transpose"
    FULLY_CONNECTED = "fully_connected"
    MATMUL = "matmul"


@dataclass(frozen=True)
class Mac:
    """The arithmetic of one operator: activations x weights + bias, scaled into the result.

    Args:
        node: the operator; operands 0, 1 and 2 are activations, weights and an optional bias.
        family: which of the profile's rules applies.
        channels: of the result.
    """

    node: Node
    family: Family
    channels: int

    @property
    def activations(self) -> Tensor:
        """Operand 0."""
        return self.node.input(0)

    @property
    def weights(self) -> Tensor:
        """Operand 1."""
        return self.node.input(1)

    @property
    def result(self) -> Tensor:
        """The result."""
        return self.node.outputs[0]

    @property
    def is_float(self) -> bool:
        """Whether the activations are floating point."""
        return self.activations.dtype.is_float

    @property
    def is_wide(self) -> bool:
        """Whether accumulators have 64 bits: 16-bit activations without a 32-bit bias."""
        short = self.activations.dtype in _SHORT
        return not short and not (self.node.has_input(2) and self.node.input(2).dtype is DType.INT32)

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest activation."""
        return integer_range(self.activations.dtype)

    @property
    def zero_point(self) -> int:
        """Zero point of the activations."""
        points = self._points(0)
        if points.size != 1:
            msg = f"{self.node.where}: {points.size} zero points of the activations; 1 is supported"
            raise NumericsError(msg)
        return int(points[0])

    def weight_zero_points(self) -> Array:
        """Return the int64 zero points of the weights, [1] or [channels].

        TFLite takes 8-bit signed and 4-bit weights of convolutions as symmetric.
        """
        convolution = self.family not in (Family.FULLY_CONNECTED, Family.MATMUL)
        signed = self.weights.dtype in (DType.INT8, DType.INT4)
        if convolution and signed and self.node.graph.source_format == "tflite":
            return np.zeros(1, np.int64)
        return self._per_channel(self._points(1), "zero points")

    def centred(self, weights: Array) -> Array:
        """Return int64 weights [..., channels] less their zero points."""
        return weights.astype(np.int64) - self.weight_zero_points()

    def offset(self, sums: Array, bias: Array | None) -> Array:
        """Return the int64 offset [channels]: what zero points add, plus the bias."""
        if bias is None or bias.dtype.kind == "f":
            return sums.astype(np.int64)
        if bias.size not in (1, self.channels):
            msg = f"{self.node.where}: its bias has {bias.size} elements for {self.channels} channels"
            raise NumericsError(msg)
        return sums.astype(np.int64) + bias.ravel().astype(np.int64)

    def epilogue(self, bias: Array | None = None) -> Epilogue:
        """Return what turns accumulators into results under the profile."""
        if self.result.dtype in (DType.INT32, DType.INT64) and self.result.quantization is None:
            return unscaled
        scales = self._scales()
        if self.result.dtype.is_float:
            return to_float(scales.product_single(), bias if bias is not None and bias.dtype.kind == "f" else None)
        low, high = self.node.activation_range(self.result)
        target = Target(self.node.zero_point(self.result), low, high)
        if self.family is Family.FULLY_CONNECTED:
            return self._fully_connected_epilogue(scales, target)
        return self._convolution_epilogue(scales, target)

    def empty(self) -> Array:
        """Return an uninitialized array for the result."""
        return np.empty(self.result.shape, numpy_dtype(self.result.dtype))

    # --- rules ----------------------------------------------------------------------------------------

    def _fully_connected_epilogue(self, scales: Scales, target: Target) -> Epilogue:
        profile = self.node.profile
        rounding = profile.fully_connected
        if self.activations.dtype not in _SHORT and rounding in (Rounding.DOUBLE_UP, Rounding.FLOAT_EVEN):
            rounding = Rounding.DOUBLE_UP if self._adds_short_sums() else None
        if rounding is None:
            return float_away(scales.double(), target, wraps=not self.is_wide)
        if self.is_wide and rounding is not Rounding.DOUBLE_UP:
            return wide_fixed_point(self._short_product(scales), target)
        if rounding is Rounding.FLOAT_EVEN:
            return float_even(scales.single(), target)
        return fixed_point(self._short_product(scales), rounding, target)

    def _adds_short_sums(self) -> bool:
        """Whether the optimized FULLY_CONNECTED adds products of 16-bit activations in 32 bits.

        Source: TFLite kernels/fully_connected.cc, EvalQuantized: no 64-bit bias, and no zero points.
        """
        has_wide_bias = self.node.has_input(2) and self.node.input(2).dtype is DType.INT64
        is_asked = self.node.attributes.get("quantized_bias_type") == "INT64"
        points = (self.zero_point, self.node.zero_point(self.result), *self.weight_zero_points())
        return not (has_wide_bias or is_asked or any(points))

    def _short_product(self, scales: Scales) -> Array:
        """Return the real multiplier of kernels that compute the per-tensor one from a float32 product."""
        return scales.product_in_single() if scales.right.size == 1 else scales.double()

    def _convolution_epilogue(self, scales: Scales, target: Target) -> Epilogue:
        matmul = self.family is Family.MATMUL
        rounding, tail = (self.node.profile.elementwise, 0) if matmul else self._convolution_rounding()
        unsigned = self.activations.dtype in (DType.UINT8, DType.UINT4)
        real = scales.product_in_single() if matmul or unsigned else scales.double()
        if self.is_wide:
            return wide_fixed_point(real, target)
        if rounding is Rounding.FLOAT_EVEN:
            return float_even(scales.single(), target)
        real = np.broadcast_to(real, (self.channels,)) if tail else real
        return fixed_point(real, rounding, target, tail=tail)

    def _convolution_rounding(self) -> tuple[Rounding, int]:
        """Return the profile's rounding, or that of the kernels which its software falls back to.

        The optimized kernels leave depthwise convolutions to the reference unless they are int8. Where
        optimized signed kernels take eight channels at once, what is left over (the second number) rounds as
        the reference does.

        Source: found by experiment with LiteRT 2.3.0 on x86.
        """
        rounding, family = self.node.profile.convolution, self.family
        left, right = self.activations.dtype, self.weights.dtype
        if rounding is not Rounding.DOUBLE_UP or family is Family.CONVOLUTION:
            return rounding, 0
        takes_words = left is DType.INT16 and family is Family.TRANSPOSE
        if right is DType.INT8 and (left is DType.INT8 or takes_words):
            return rounding, self.channels % 8
        return (Rounding.DOUBLE if family is Family.DEPTHWISE else rounding), 0

    # --- quantization ---------------------------------------------------------------------------------

    def _scales(self) -> Scales:
        node = self.node
        right = np.array(node.quantization(self.weights).scales, np.float32)
        result = 1.0 if self.result.dtype.is_float else node.scale(self.result)
        scales = Scales(node.scale(self.activations), self._per_channel(right, "scales"), result)
        wrong = [s for s in (scales.left, scales.result, *right.tolist()) if not (isfinite(s) and s > 0)]
        if wrong:
            raise NumericsError(f"{node.where}: scale {wrong[0]!r}; scales must be finite and greater than zero")
        return scales

    def _points(self, position: int) -> Array:
        stated = self.node.attributes.get(f"zero_point_{position}")
        quantization = self.node.input(position).quantization
        points: Any = stated or (quantization.zero_points if quantization else ())
        return np.array(points or (0,), np.int64)

    def _per_channel(self, values: Array, what: str) -> Array:
        if values.size in (1, self.channels):
            return values
        msg = f"{self.node.where}: {values.size} {what} of weights for {self.channels} channels; 1 or {self.channels}"
        raise NumericsError(msg)


def check_types(node: Node) -> None:
    """Check element types and the fused activation of a multiply-accumulate operator.

    Raises:
        NumericsError: a combination without a kernel; all faults listed.
    """
    faults = []
    left, right = node.input(0).dtype, node.input(1).dtype
    if not (left in _INTEGERS and right in _INTEGERS) and not left.is_float:
        faults.append(f"{left.value} x {right.value} operands; 4- to 16-bit integers or floats are supported")
    activation = node.attributes.get("activation", "NONE")
    if activation not in _ACTIVATIONS:
        faults.append(f"fused activation {activation}; {', '.join(_ACTIVATIONS)} are supported")
    if faults:
        raise NumericsError(f"{node.where}: " + "; ".join(faults))


def activated(node: Node, values: Array) -> Array:
    """Return float32 results clamped by the fused activation."""
    low, high = _ACTIVATIONS[node.attributes.get("activation", "NONE")]
    return np.clip(values, np.float32(low), np.float32(high)).astype(np.float32)


def dequantized(tensor: Tensor, values: Array) -> Array:
    """Return a tensor's values in float32: per tensor, per slice along an axis, or per block along one."""
    q = tensor.quantization
    if tensor.dtype.is_float or q is None or not q.scales:
        return values.astype(np.float32)
    scales, points = (np.array(table or (0,)) for table in (q.scales, q.zero_points))
    if len(q.scales) > 1:
        scales, points = (_along(tensor, table) for table in (scales, points))
    return (values.astype(np.float32) - points.astype(np.float32)) * scales.astype(np.float32)


def _along(tensor: Tensor, table: Array) -> Array:
    """Return a table of scales or zero points in a shape that broadcasts with the tensor."""
    q = tensor.quantization
    axis = 0 if q is None or q.axis is None else q.axis
    if table.size == 1:
        return table
    if q is None or not q.block_size:
        return table.reshape([-1 if i == axis else 1 for i in range(len(tensor.shape))])
    blocks = [-(-n // q.block_size) if i == axis else n for i, n in enumerate(tensor.shape)]
    return np.repeat(table.reshape(blocks), q.block_size, axis=axis).take(range(tensor.shape[axis]), axis=axis)


def bind(node: Node, build: Build) -> Run:
    """Return the run function: weights that are constant are packed now, others in every run.

    Integer weights of float activations are given to `build` in float32, except those of hybrid operators.

    Args:
        node: the operator.
        build: makes the step of activations to result from weights and bias.
    """
    is_float = node.input(0).dtype.is_float

    def made(weights: Array, bias: Array | None) -> Step:
        if is_hybrid(node):
            return build(integer_weights(weights), bias)
        return build(dequantized(node.input(1), weights) if is_float else weights, bias)

    if node.input(1).is_constant and (not node.has_input(2) or node.input(2).is_constant):
        weights = node.constant(1)
        assert weights is not None  # noqa: S101  (the operand is a constant)
        step = made(weights, node.constant(2))
        return first_alone(step) if isinstance(step, Kernels) else lambda activations, *_: step(activations)
    return lambda activations, weights, bias=None, *_: made(weights, bias)(activations)


def channels_last(node: Node) -> bool:
    """Whether images are [B, H, W, C], as in TFLite, rather than [B, C, H, W], as in ONNX."""
    return bool(node.attributes.get("layout", "NHWC") == "NHWC")


def image_shape(node: Node, tensor: Tensor) -> tuple[int, int, int, int]:
    """Return (B, H, W, C) of an image.

    Raises:
        NumericsError: not four dimensions of 1 or more.
    """
    if len(tensor.shape) != 4 or 0 in tensor.shape:
        msg = f"{node.where}: tensor {tensor.index} {tensor.name!r} has shape {tensor.shape}; four dimensions needed"
        raise NumericsError(msg)
    a, b, c, d = tensor.shape
    return (a, b, c, d) if channels_last(node) else (a, c, d, b)


def on_images(node: Node, step: Step) -> Step:
    """Return a step on arrays in the operator's layout of one on [B, H, W, C]."""
    if channels_last(node):
        return step
    if isinstance(step, Kernels):
        return _turned(node, step)

    def transposed(image: Array) -> tuple[Array, ...]:
        (made,) = step(np.ascontiguousarray(image.transpose(0, 2, 3, 1)))
        return (np.ascontiguousarray(made.transpose(0, 3, 1, 2)),)

    return transposed


def _turned(node: Node, step: Kernels) -> Kernels:
    """Return a step on [B, C, H, W] of one on [B, H, W, C]."""
    batch, rows, columns, channels = step.shape

    def calls(room: Room, out: Array, image: Array) -> list[Call]:
        b, c, h, w = image.shape
        turned, made = room((b, h, w, c), image.dtype), room(step.shape, step.dtype)
        before = _transposition(node.team, image.reshape(b, c, h * w), turned.reshape(b, h * w, c))
        flat = made.reshape(batch, rows * columns, channels), out.reshape(batch, channels, rows * columns)
        return [before, *step.calls(room, made, turned), _transposition(node.team, *flat)]

    return replace(step, shape=(batch, channels, rows, columns), calls=calls)


def _transposition(team: Team, matrices: Array, out: Array) -> Call:
    parts = team.parts(out.shape[1], max(out.shape[1], 1), out.size // _LEAST_ELEMENTS)
    return Call(_transpose, len(out) * parts, (matrices, parts, out))


@shared
def _transpose(index: int, matrices: Array, parts: int, out: Array) -> None:
    """Write a block of rows of a transposed matrix.

    Args:
        index: of the block: by matrix, rows.
        matrices: [B, M, N].
        parts: blocks of a matrix.
        out: [B, N, M], written.
    """
    source, target = matrices[index // parts], out[index // parts]
    first, last = span(index % parts, parts, target.shape[0])
    for start in range(0, target.shape[1], 64):  # rows of the source that stay in the cache
        for r in range(first, last):
            for c in range(start, min(start + 64, target.shape[1])):
                target[r, c] = source[c, r]
