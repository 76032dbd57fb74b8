"""DEPTHWISE_CONV_2D: one input channel for each result channel, accumulated directly, channels innermost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.jit import kernel
from socsim.numerics.mac import Family, Mac, activated, bind, channels_last, check_types, image_shape, on_images
from socsim.numerics.node import Kernels, implements
from socsim.numerics.requantize import requantize
from socsim.numerics.windows import Window, check_output, copy_rows

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.mac import Step
    from socsim.numerics.node import Node, Room, Run
    from socsim.numerics.requantize import Plan
    from socsim.numerics.windows import Border, Geometry

_BLOCK_ELEMENTS = 1 << 16  # accumulators that stay in the cache between the two passes

_RUN_ELEMENTS = 512  # of neighbouring results that one pass accumulates

_LEAST_MACS = 1 << 15  # of a block that a thread gains from


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


def _integer_step(mac: Mac, window: Window, weights: Array, bias: Array | None) -> Kernels:
    accumulator = np.dtype(np.int64 if mac.is_wide else np.int32)
    centred = mac.centred(weights).reshape(-1, weights.shape[2])
    side_by_side = max(_RUN_ELEMENTS // mac.channels, 1) if window.strides[1] == 1 else 1
    taps = np.tile(centred.astype(accumulator), side_by_side)
    zero_point = mac.zero_point
    plan = mac.epilogue(bias)(mac.offset(-zero_point * centred.sum(axis=0), bias), mac.channels)
    shape, dtype = image_shape(mac.node, mac.result), mac.empty().dtype
    repeats = shape[3] // image_shape(mac.node, mac.activations)[3]
    width, team = shape[2] * shape[3], mac.node.team
    worth = shape[1] * width * len(centred) // _LEAST_MACS
    parts = team.parts(shape[1], max(_BLOCK_ELEMENTS // width, 1), worth)

    def calls(room: Room, out: Array, image: Array) -> list[Call]:
        before, wide = [], image
        if repeats > 1:
            wide = room((*image.shape[:3], shape[3]), image.dtype)
            before = [Call(_repeat, len(wide), (image, repeats, wide.reshape(*wide.shape[:2], -1)))]
        lines = wide.reshape(*wide.shape[:2], -1)
        border = window.border(wide, zero_point)
        args = (lines, taps, window.geometry, border, parts, plan, out)
        return [*before, Call(_convolve, shape[0] * parts, args)]

    return Kernels(team, shape, dtype, calls)


@shared
def _repeat(index: int, images: Array, times: int, out: Array) -> None:
    """Write every element of image number `index` so many times."""
    for r in range(images.shape[1]):
        elements, target = images[index, r].reshape(-1), out[index, r]
        for i in range(elements.size):
            target[i * times : (i + 1) * times] = elements[i]


@shared
def _convolve(
    index: int, images: Array, weights: Array, geometry: Geometry, border: Border, parts: int, plan: Plan, out: Array
) -> None:
    """Compute a block of result rows of one image.

    Args:
        index: of the block: by image, rows.
        images: [B, H, W x C].
        weights: see `_accumulate`.
        geometry: see `Window.geometry`.
        border: see `copy_rows`.
        parts: blocks of an image.
        plan: scales accumulators.
        out: [B, rows, columns, C], written.
    """
    depth, (size, strides, dilations) = out.shape[3], geometry
    number, (first, last) = index // parts, span(index % parts, parts, out.shape[1])
    block = np.empty((last - first, out.shape[2] * depth), weights.dtype)
    read = (last - first - 1) * strides[0] + (size[0] - 1) * dilations[0] + 1
    lines = np.empty((read, border[1] + images.shape[2] + border[2]), images.dtype)
    copy_rows(images[number], first * strides[0], border, lines)
    _accumulate(lines, weights, depth, geometry, block)
    requantize(block.reshape(-1, depth), plan, 0, out[number, first:last].reshape(-1, depth))


@kernel
def _accumulate(image: Array, weights: Array, depth: int, geometry: Geometry, out: Array) -> None:
    """Write accumulators [rows, columns x C]; sums wrap in the type of `out`.

    Args:
        image: [rows that are read, W x C], padded.
        weights: [kernel rows x kernel columns, n x C] in the type of `out`: those of a pixel, n times, where n
            result pixels lie side by side in the image as well.
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
                row = image[r * strides[0] + ky * dilations[0], start * strides[1] :]
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

    def step(image: Array) -> tuple[Array, ...]:
        padded = window.padded(image.astype(np.float32), 0.0)
        padded = padded if repeats == 1 else np.repeat(padded, repeats, axis=3)
        total = np.zeros(shape, np.float32)
        for tap in window.taps():
            total += window.tap(padded, tap, shape[1:3]) * taps[tap]
        return (activated(mac.node, total if bias is None else total + bias),)

    return step
