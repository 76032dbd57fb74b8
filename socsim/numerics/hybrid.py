"""Hybrid operators: float activations times integer weights, as TFLite computes them.

Activations are quantized to 8 bits when they arrive, each row (or image) with its own scale; integers are
multiplied and added, and the sums become float32 again. So results have the noise of 8-bit activations:
they are not those of weights turned into floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.fixed_point import round_half_away
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node

LIMITS = (-255, 255)
"""Least and greatest quantized activation less its zero point."""

_WEIGHTS = (DType.INT4, DType.INT8, DType.UINT8)


def is_hybrid(node: Node) -> bool:
    """Whether an operator is computed here: float activations and integer weights in a TFLite graph.

    Others with such operands (grouped and transposed convolutions, ONNX) turn their weights into floats.
    """
    known = node.op.type == "FULLY_CONNECTED" or (node.op.type == "CONV_2D" and node.attributes.get("groups", 1) == 1)
    is_tflite = known and node.graph.source_format == "tflite"
    return is_tflite and node.input(0).dtype is DType.FLOAT32 and node.input(1).dtype in _WEIGHTS


def integer_weights(weights: Array) -> Array:
    """Return weights as hybrid kernels read them: 8-bit unsigned ones by their bits, as signed."""
    return weights.view(np.int8) if weights.dtype == np.uint8 else weights


def quantized_rows(rows: Array, *, is_asymmetric: bool) -> tuple[Array, Array]:
    """Return rows of activations as int16, less their zero points, and the float32 scale of each row.

    Args:
        rows: [B, K] float32, finite.
        is_asymmetric: whether rows use their own zero point, or 0.

    Source: TFLite kernels/internal/reference/portable_tensor_utils.cc, SymmetricQuantizeFloats and
    AsymmetricQuantizeFloats.
    """
    quantize = _asymmetric if is_asymmetric else _symmetric
    values, scales = np.zeros(rows.shape, np.int16), np.ones(len(rows), np.float32)
    for b in np.flatnonzero(np.any(rows != 0, axis=1)):
        values[b], scales[b] = quantize(rows[b])
    return values, scales


def _symmetric(row: Array) -> tuple[Array, np.float32]:
    largest = np.float32(np.abs(row).max())
    return np.clip(_nearest(row * (np.float32(127) / largest)), -127, 127), largest / np.float32(127)


def _asymmetric(row: Array) -> tuple[Array, np.float32]:
    one, least, most = (np.float32(v) for v in (1, -128, 127))
    low, high = min(np.float32(0), row.min()), max(np.float32(0), row.max())
    scale = (high - low) / (most - least)
    from_low, from_high = least - low / scale, most - high / scale
    chosen = from_low if -least + abs(low / scale) < most + abs(high / scale) else from_high
    zero_point = np.float32(max(-128, min(round_half_away(float(chosen)), 127)))
    values = np.clip(_nearest(zero_point + row * (one / scale)), least, most)
    return values - zero_point, scale


def _nearest(values: Array) -> Array:
    """Return the nearest integers, ties away from zero, in the float type of the values."""
    whole = np.trunc(values)
    step: Array = np.where(np.abs(values - whole) >= 0.5, np.copysign(values.dtype.type(1), values), 0)
    return whole + step


def is_asymmetric(node: Node) -> bool:
    """Whether activations have a zero point: where the file asks for it, and in per-channel convolutions."""
    if node.op.type == "FULLY_CONNECTED":
        return bool(node.attributes.get("asymmetric_quantize_inputs"))
    return len(node.quantization(node.input(1)).scales) > 1


def weight_scales(node: Node) -> Array:
    """Return scales of the weights as float32 [1, 1], [1, channels] or [blocks, channels]."""
    quantization = node.quantization(node.input(1))
    scales = np.array(quantization.scales, np.float32)
    if not quantization.block_size:
        return scales.reshape(1, -1)
    weights = node.input(1)
    if quantization.axis != 1 or scales.size * quantization.block_size != weights.elements:
        msg = f"{node.where}: blocks of {quantization.block_size} weights along axis {quantization.axis} do not fit"
        raise NumericsError(f"{msg} {weights.shape}; blocks that fill axis 1 are supported")
    return scales.reshape(weights.shape[0], -1).T


def matrix_product(rows: Array, scales: Array, weights: Array, by_block: Array) -> Array:
    """Return [B, channels] float32 products of quantized rows and weights.

    Args:
        rows: [B, K] int16 of `quantized_rows`.
        scales: [B] float32.
        weights: [K, channels] integers.
        by_block: what `weight_scales` returns.
    """
    blocks = len(by_block)
    parts = zip(np.split(rows, blocks, axis=1), np.split(weights, blocks, axis=0), strict=True)
    # float64 holds every sum of 8-bit products exactly
    sums = [(r.astype(np.float64) @ w.astype(np.float64)).astype(np.float32) for r, w in parts]
    if blocks == 1:
        return np.asarray(sums[0] * (scales[:, None] * by_block))
    total = np.zeros_like(sums[0])
    for part, block_scales in zip(sums, by_block, strict=True):
        total += part * block_scales
    return total * scales[:, None]
