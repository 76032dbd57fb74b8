"""CONV_2D: windows laid out as rows of a matrix, times the weights, a block of rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.gemm import PackedMatrix, convert
from socsim.numerics.hybrid import LIMITS, is_asymmetric, is_hybrid, quantized_rows, weight_scales
from socsim.numerics.mac import Family, Mac, activated, bind, channels_last, check_types, image_shape, on_images
from socsim.numerics.node import implements
from socsim.numerics.operators.depthwise import depthwise_step
from socsim.numerics.ordered import ordered_product
from socsim.numerics.requantize import unscaled
from socsim.numerics.windows import Window, check_output, gather_windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.numerics.arrays import Array
    from socsim.numerics.mac import Step
    from socsim.numerics.node import Node, Run
    from socsim.numerics.requantize import Epilogue

_BLOCK_ELEMENTS = 1 << 19  # of the matrix of windows: half a megabyte of float32, which stays in the cache


@implements("CONV_2D")
def prepare_convolution(node: Node) -> Run:
    """Prepare a convolution with groups 1 or more."""
    check_types(node)
    window = Window.of(node)
    image, result = image_shape(node, node.input(0)), image_shape(node, node.outputs[0])
    check_output(node, window, image, result)
    groups = int(node.attributes.get("groups", 1))
    mac = Mac(node, Family.CONVOLUTION, result[3])
    _check_weights(node, window, image[3], result[3], groups)

    def build(weights: Array, bias: Array | None) -> Step:
        by_window = _by_window(node, weights)
        if groups > 1 and groups == image[3]:
            return on_images(node, depthwise_step(mac, window, by_window[:, :, 0], bias))
        make = _hybrid_step if is_hybrid(node) else _float_step if mac.is_float else _integer_step
        return on_images(node, make(mac, window, by_window, groups, bias))

    return bind(node, build)


def _check_weights(node: Node, window: Window, depth: int, channels: int, groups: int) -> None:
    kernel = window.kernel
    fits = groups >= 1 and depth % groups == 0 and channels % groups == 0
    inner = depth // groups if fits else 0
    wanted = (channels, *kernel, inner) if channels_last(node) else (channels, inner, *kernel)
    if not fits or node.input(1).shape != wanted:
        msg = f"{node.where}: weights of shape {node.input(1).shape}; {groups} groups need {wanted}"
        raise NumericsError(msg)


def _by_window(node: Node, weights: Array) -> Array:
    """Return weights as [kernel rows, kernel columns, inputs of a group, outputs]."""
    return weights.transpose((1, 2, 3, 0) if channels_last(node) else (2, 3, 1, 0))


def _integer_step(mac: Mac, window: Window, weights: Array, groups: int, bias: Array | None) -> Step:
    convolution = Convolution(mac.centred(weights), groups, window, mac.limits)
    zero_point = mac.zero_point
    offset = mac.offset(convolution.offset(zero_point), bias)
    epilogue = mac.epilogue(bias)
    shape = image_shape(mac.node, mac.result)
    dtype = mac.empty().dtype

    def step(image: Array) -> Array:
        out = np.empty(shape, dtype)
        convolution.run(window.padded(image, zero_point), epilogue, offset, out)
        return out

    return step


class Convolution:
    """An exact integer convolution.

    Args:
        weights: [kernel rows, kernel columns, inputs of a group, outputs] integers, zero points subtracted.
        groups: each reads its share of the input channels.
        window: geometry; `run` takes images that are padded.
        limits: least and greatest activation.
    """

    def __init__(self, weights: Array, groups: int, window: Window, limits: tuple[int, int]) -> None:
        self.window = window
        rows = weights.reshape(-1, weights.shape[3])
        self._packs = [PackedMatrix(part, limits) for part in np.split(rows, groups, axis=1)]
        self._inner = weights.shape[2]

    def offset(self, zero_point: int) -> Array:
        """Return the int64 [outputs] that makes accumulators relative to the zero point of the activations."""
        return np.concatenate([pack.offset(zero_point) for pack in self._packs])

    def run(self, image: Array, epilogue: Epilogue, offset: Array, out: Array) -> None:
        """Convolve padded images [B, H, W, C] into `out` [B, rows, columns, outputs].

        Args:
            image: integers; borders hold the zero point.
            epilogue: scales accumulators.
            offset: [outputs], added to accumulators.
            out: written.
        """
        channels = out.shape[3]
        blocks = list(self._blocks(out.shape[1] * out.shape[2]))
        longest = blocks[0][1]
        sums = np.empty((longest, channels), np.result_type(*(pack.dtype for pack in self._packs)))
        buffers = [np.empty((longest, pack.shape[0]), pack.dtype) for pack in self._packs]
        for b in range(out.shape[0]):
            flat = out[b].reshape(-1, channels)
            for first, last in blocks:
                accumulators = sums[: last - first]
                for group, buffer in enumerate(buffers):
                    self._accumulate(image[b], (first, out.shape[2], group), buffer[: last - first], accumulators)
                epilogue(accumulators, offset, flat[first:last])

    def _blocks(self, pixels: int) -> Iterator[tuple[int, int]]:
        """Yield first and last pixel of blocks."""
        depth = max(self._packs[0].shape[0], self._packs[0].shape[1] * len(self._packs), 1)
        step = max(_BLOCK_ELEMENTS // depth, 1)
        for first in range(0, pixels, step):
            yield first, min(first + step, pixels)

    def _accumulate(self, image: Array, part: tuple[int, int, int], windows: Array, accumulators: Array) -> None:
        """Multiply the windows of (first pixel, pixels in a row, group)."""
        group = part[2]
        pack = self._packs[group]
        columns = pack.shape[1]
        self._gather(image, part, pack, windows)
        if len(self._packs) == 1:
            np.matmul(windows, pack.values, out=accumulators)
        else:
            accumulators[:, group * columns : (group + 1) * columns] = np.matmul(windows, pack.values)

    def _gather(self, image: Array, part: tuple[int, int, int], pack: PackedMatrix, windows: Array) -> None:
        first, width, group = part
        w, channels = self.window, (group * self._inner, (group + 1) * self._inner)
        if w.is_pointwise:
            rows = image.reshape(-1, image.shape[2])[first : first + len(windows), channels[0] : channels[1]]
            convert(rows, pack.centre, windows)
        else:
            gather_windows(image, (first, width), w.geometry, channels, pack.centre, windows)


def _hybrid_step(mac: Mac, window: Window, weights: Array, groups: int, bias: Array | None) -> Step:
    convolution = Convolution(weights.astype(np.int64), groups, window, LIMITS)
    offset, scales, asymmetric = convolution.offset(0), weight_scales(mac.node)[0], is_asymmetric(mac.node)
    shape = image_shape(mac.node, mac.result)

    def step(image: Array) -> Array:
        rows, image_scales = quantized_rows(image.reshape(len(image), -1), is_asymmetric=asymmetric)
        sums = np.empty(shape, np.int32)
        convolution.run(window.padded(rows.reshape(image.shape), 0), unscaled, offset, sums)
        by_image, total = image_scales[:, None, None, None], sums.astype(np.float32)
        total = total * (scales * by_image) if len(scales) == 1 else total * scales * by_image
        return activated(mac.node, total if bias is None else total + bias)

    return step


def _float_step(mac: Mac, window: Window, weights: Array, groups: int, bias: Array | None) -> Step:
    rows, columns = image_shape(mac.node, mac.result)[1:3]
    matrices = np.split(weights.reshape(-1, weights.shape[3]), groups, axis=1)

    def step(image: Array) -> Array:
        padded = window.padded(image.astype(np.float32), 0.0)
        taps = [window.tap(padded, tap, (rows, columns)) for tap in window.taps()]
        shares = zip(*(np.split(tap, groups, axis=3) for tap in taps), strict=True)
        parts = [ordered_product(np.concatenate(share, axis=3), m) for share, m in zip(shares, matrices, strict=True)]
        total = np.concatenate(parts, axis=3)
        return activated(mac.node, total if bias is None else total + bias)

    return step
