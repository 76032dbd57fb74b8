"""DEPTHWISE_CONV_2D: one input channel for each result channel, accumulated directly, channels innermost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.jit import kernel
from socsim.numerics.mac import Family, Mac, activated, bind, channels_last, check_types, image_shape, on_images
from socsim.numerics.node import implements
from socsim.numerics.requantize import requantize
from socsim.numerics.threads import shared
from socsim.numerics.windows import Window, check_output

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.mac import Step
    from socsim.numerics.node import Node, Run
    from socsim.numerics.requantize import Plan
    from socsim.numerics.windows import Geometry

_BLOCK_ELEMENTS = 1 << 16  # accumulators that stay in the cache between the two passes

_RUN_ELEMENTS = 512  # of neighbouring results that one pass accumulates

_SHARED_MACS = 1 << 17  # from which threads gain more than they cost


@implements("DEPTHWISE_CONV_2D")
def prepare_depthwise(node: Node) -> Run:
    """Prepare a depthwise convolution; every input channel has one or more result channels."""
    check_types(node)
    window = Window.of(node)
    image, result = image_shape(node, node.input(0)), image_shape(node, node.outputs[0])
    check_output(node, window, image, result)
    mac = Mac(node, Family.DEPTHWISE, result[3])
    wanted = (1, *window.kernel, result[3]) if channels_last(node) else (result[3], 1, *window.kernel)
    if node.input(1).shape != wanted or result[3] % image[3]:
        msg = (
            f"{node.where}: weights of shape {node.input(1).shape} for {image[3]} input and {result[3]} result "
            f"channels; {wanted} and a multiple of the input channels are needed"
        )
        raise NumericsError(msg)

    def build(weights: Array, bias: Array | None) -> Step:
        taps = weights[0] if channels_last(node) else weights[:, 0].transpose(1, 2, 0)
        return on_images(node, depthwise_step(mac, window, taps, bias))

    return bind(node, build)


def depthwise_step(mac: Mac, window: Window, weights: Array, bias: Array | None) -> Step:
    """Return the step of a depthwise convolution on [B, H, W, C].

    Args:
        mac: the arithmetic.
        window: geometry.
        weights: [kernel rows, kernel columns, result channels].
        bias: [result channels] or None.
    """
    return (_float_step if mac.is_float else _integer_step)(mac, window, weights, bias)


def _integer_step(mac: Mac, window: Window, weights: Array, bias: Array | None) -> Step:
    accumulator = np.dtype(np.int64 if mac.is_wide else np.int32)
    centred = mac.centred(weights).reshape(-1, weights.shape[2])
    side_by_side = max(_RUN_ELEMENTS // mac.channels, 1) if window.strides[1] == 1 else 1
    taps = np.tile(centred.astype(accumulator), side_by_side)
    zero_point = mac.zero_point
    plan = mac.epilogue(bias)(mac.offset(-zero_point * centred.sum(axis=0), bias), mac.channels)
    shape, dtype = image_shape(mac.node, mac.result), mac.empty().dtype
    repeats = shape[3] // image_shape(mac.node, mac.activations)[3]
    width, team = shape[2] * shape[3], mac.node.team
    is_shared = shape[1] * width * len(centred) >= _SHARED_MACS
    rows = team.rows(shape[1], max(_BLOCK_ELEMENTS // width, 1), is_shared=is_shared)
    blocks = shape[0] * -(-shape[1] // rows)

    def step(image: Array) -> Array:
        out = np.empty(shape, dtype)
        padded = window.padded(image, zero_point)
        padded = padded if repeats == 1 else np.repeat(padded, repeats, axis=3)
        lines = padded.reshape(*padded.shape[:2], -1)
        team.run(_convolve, blocks, lines, taps, window.geometry, rows, plan, out)
        return out

    return step


@shared
def _convolve(index: int, images: Array, weights: Array, geometry: Geometry, rows: int, plan: Plan, out: Array) -> None:
    """Compute a block of result rows of one image.

    Args:
        index: of the block: by image, rows.
        images: [B, H, W x C], padded.
        weights: see `_accumulate`.
        geometry: see `Window.geometry`.
        rows: of a block.
        plan: scales accumulators.
        out: [B, rows, columns, C], written.
    """
    parts, depth = -(-out.shape[1] // rows), out.shape[3]
    number, first = index // parts, index % parts * rows
    count = min(rows, out.shape[1] - first)
    block = np.empty((count, out.shape[2] * depth), weights.dtype)
    _accumulate(images[number], weights, first, depth, geometry, block)
    requantize(block.reshape(-1, depth), plan, 0, out[number, first : first + count].reshape(-1, depth))


@kernel
def _accumulate(image: Array, weights: Array, first: int, depth: int, geometry: Geometry, out: Array) -> None:
    """Write accumulators [rows, columns x C] of result rows from `first`; sums wrap in the type of `out`.

    Args:
        image: [H, W x C] of one padded image.
        weights: [kernel rows x kernel columns, n x C] in the type of `out`: those of a pixel, n times, where n
            result pixels lie side by side in the image as well.
        first: first result row.
        depth: C.
        geometry: see `Window.geometry`.
        out: written.
    """
    size, strides, dilations = geometry
    whole, step = weights.shape[1], dilations[1] * depth
    triples = size[1] // 3 * 3
    for r in range(out.shape[0]):
        for start in range(0, out.shape[1], whole):
            target = out[r, start : min(start + whole, out.shape[1])]
            length = target.shape[0]
            for c in range(length):
                target[c] = 0
            for ky in range(size[0]):
                row = image[(first + r) * strides[0] + ky * dilations[0], start * strides[1] :]
                for kx in range(0, triples, 3):  # three taps for each pass over the accumulators
                    k, x = ky * size[1] + kx, kx * step
                    a, b, d = row[x : x + length], row[x + step : x + step + length], row[x + 2 * step :]
                    u, v, w = weights[k], weights[k + 1], weights[k + 2]
                    for c in range(length):
                        target[c] += a[c] * u[c] + b[c] * v[c] + d[c] * w[c]
                for kx in range(triples, size[1]):
                    source, tap = row[kx * step : kx * step + length], weights[ky * size[1] + kx]
                    for c in range(length):
                        target[c] += source[c] * tap[c]


def _float_step(mac: Mac, window: Window, weights: Array, bias: Array | None) -> Step:
    shape = image_shape(mac.node, mac.result)
    repeats = shape[3] // image_shape(mac.node, mac.activations)[3]
    taps = weights

    def step(image: Array) -> Array:
        padded = window.padded(image.astype(np.float32), 0.0)
        padded = padded if repeats == 1 else np.repeat(padded, repeats, axis=3)
        total = np.zeros(shape, np.float32)
        for tap in window.taps():
            total += window.tap(padded, tap, shape[1:3]) * taps[tap]
        return activated(mac.node, total if bias is None else total + bias)

    return step
