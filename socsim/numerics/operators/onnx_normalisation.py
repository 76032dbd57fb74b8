"""Normalisations of ONNX on real values: by batch, layer, instance, group, root mean square, length, and neighbours.

Sums are made in float64 and results rounded once, as far from ONNX Runtime's float32 sums as their order is.

Source: ONNX operators BatchNormalization, LayerNormalization, RMSNormalization, InstanceNormalization,
GroupNormalization, LpNormalization and LRN; com.microsoft SkipLayerNormalization and
SkipSimplifiedLayerNormalization (microsoft/onnxruntime contrib_ops/cpu/skip_layer_norm.cc).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import implements, implements_for
from socsim.numerics.operators.onnx_reals import quantized_or

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


def _wide(*arrays: Array) -> list[Array]:
    return [a.astype(np.float64) for a in arrays]


def _channels(table: Array, rank: int) -> Array:
    """Return a table of channels in a shape that broadcasts with [batch, channels, ...]."""
    return table.reshape(1, -1, *[1] * (rank - 2))


@implements("BATCH_NORM")
def prepare_batch_norm(node: Node) -> Run:
    """Channels scaled and moved by recorded means and variances."""
    epsilon = node.attributes["epsilon"]
    rank = len(node.input(0).shape)

    def run(x: Array, *tables: Array) -> tuple[Array, ...]:
        real, scale, bias, mean, variance = _wide(x, *tables)
        factor = scale / np.sqrt(variance + epsilon)
        if rank < 2:
            return ((real * factor + (bias - mean * factor)).astype(x.dtype),)
        moved = real * _channels(factor, rank) + _channels(bias - mean * factor, rank)
        return (moved.astype(x.dtype),)

    return quantized_or(node, run)


def _standardized(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array, Array]:
    """Return values with mean 0 and variance 1 along axes, the mean, and one over the standard deviation."""
    mean = x.mean(axis=axes, keepdims=True)
    distance = x - mean
    inverse = 1 / np.sqrt((distance * distance).mean(axis=axes, keepdims=True) + epsilon)
    return distance * inverse, mean, inverse


@implements("LAYER_NORM", "RMS_NORM")
def prepare_layer_norm(node: Node) -> Run:
    """Rows of mean 0 and variance 1, or of mean square 1, then scaled and moved."""
    if "Skip" in node.op.source_type:
        return _skip(node)
    axes, epsilon, results = tuple(node.attributes["axes"]), node.attributes["epsilon"], len(node.outputs)
    is_layer, positions = node.op.type == "LAYER_NORM", node.attributes.get("result_positions", range(results))

    def run(x: Array, scale: Array, bias: Array | None = None) -> tuple[Array, ...]:
        made = _normalised(x.astype(np.float64), axes, epsilon, centred=is_layer)
        y = made[0] * scale.astype(np.float64)
        y = y if bias is None else y + bias.astype(np.float64)
        every = (y.astype(x.dtype), *(m.astype(np.float32) for m in made[1:]))
        return tuple(every[i] for i in positions)

    return quantized_or(node, run)


def _normalised(x: Array, axes: tuple[int, ...], epsilon: float, *, centred: bool) -> tuple[Array, Array, Array]:
    if centred:
        return _standardized(x, axes, epsilon)
    inverse = 1 / np.sqrt((x * x).mean(axis=axes, keepdims=True) + epsilon)
    return x * inverse, np.zeros_like(inverse), inverse


def _skip(node: Node) -> Run:
    """Return the normalisation of a sum of two tensors and a bias; the fourth result is that sum."""
    is_layer, epsilon = node.op.type == "LAYER_NORM", node.attributes["epsilon"]
    positions = node.attributes.get("result_positions", range(len(node.outputs)))

    def run(x: Array, skip: Array, gamma: Array, *rest: Array | None) -> tuple[Array, ...]:
        beta, bias = (*rest, None, None)[:2] if is_layer else (None, (*rest, None)[0])
        total = x.astype(np.float64) + skip + (0 if bias is None else bias)
        y, mean, inverse = _normalised(total, (-1,), epsilon, centred=is_layer)
        y = y * gamma + (0 if beta is None else beta)
        every = (y.astype(x.dtype), mean.astype(np.float32), inverse.astype(np.float32), total.astype(x.dtype))
        return tuple(every[i] for i in positions)

    return quantized_or(node, run)


@implements("INSTANCE_NORM")
def prepare_instance_norm(node: Node) -> Run:
    """Each channel of each image with mean 0 and variance 1, then scaled and moved."""
    rank, epsilon = len(node.input(0).shape), node.attributes["epsilon"]

    def run(x: Array, *tables: Array) -> tuple[Array, ...]:
        real, scale, bias = _wide(x, *tables)
        y = _standardized(real, tuple(range(2, rank)), epsilon)[0]
        return ((y * _channels(scale, rank) + _channels(bias, rank)).astype(x.dtype),)

    return quantized_or(node, run)


@implements("GROUP_NORM")
def prepare_group_norm(node: Node) -> Run:
    """Each group of channels with mean 0 and variance 1; scale and bias are for channels, or for groups (opset 18)."""
    shape, groups, epsilon = node.input(0).shape, node.attributes["groups"], node.attributes["epsilon"]
    if len(shape) < 2 or groups < 1 or shape[1] % groups:
        raise NumericsError(f"{node.where}: {groups} groups do not divide the channels of {shape}")
    rank, repeats = len(shape), shape[1] // groups
    parted = (shape[0], groups, repeats, *shape[2:])

    def run(x: Array, *tables: Array) -> tuple[Array, ...]:
        real, scale, bias = _wide(x, *tables)
        y = _standardized(real.reshape(parted), tuple(range(2, rank + 1)), epsilon)[0].reshape(shape)
        scale, bias = (t if t.size == shape[1] else np.repeat(t, repeats) for t in (scale, bias))
        return ((y * _channels(scale, rank) + _channels(bias, rank)).astype(x.dtype),)

    return quantized_or(node, run)


@implements("LRN")
def prepare_lrn(node: Node) -> Run:
    """Each element over a power of the mean square of its neighbours in other channels."""
    size, alpha, beta, bias = (node.attributes[k] for k in ("size", "alpha", "beta", "bias"))
    channels = node.input(0).shape[1] if len(node.input(0).shape) > 1 else 0
    before, after = (size - 1) // 2, size // 2

    def run(x: Array) -> tuple[Array, ...]:
        squares = x.astype(np.float64) ** 2
        sums = np.zeros_like(squares)
        for c in range(channels):
            sums[:, c] = squares[:, max(0, c - before) : c + after + 1].sum(axis=1)
        return ((x / (bias + alpha / size * sums) ** beta).astype(x.dtype),)

    return quantized_or(node, run)


@implements_for("onnx", "L2_NORMALIZATION")
def prepare_length(node: Node) -> Run:
    """Elements over their Euclidean length along an axis; nothing but zeros stays zero."""
    axis = node.attributes["axis"]

    def run(x: Array) -> tuple[Array, ...]:
        real = x.astype(np.float64)
        length = np.sqrt((real * real).sum(axis=axis, keepdims=True))
        return (np.divide(real, length, out=np.zeros_like(real), where=length != 0).astype(x.dtype),)

    return quantized_or(node, run)
