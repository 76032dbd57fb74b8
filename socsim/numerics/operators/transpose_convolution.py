"""TRANSPOSE_CONV: every input pixel times the weights, added into the window that it spreads over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.convolution import Convolution
from socsim.numerics.jit import kernel
from socsim.numerics.mac import Family, Mac, activated, bind, channels_last, check_types, image_shape, on_images
from socsim.numerics.node import Kernels, implements
from socsim.numerics.ordered import ordered_product
from socsim.numerics.requantize import requantize, unscaled
from socsim.numerics.windows import Window

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.mac import Step
    from socsim.numerics.node import Node, Room, Run
    from socsim.numerics.requantize import Plan
    from socsim.numerics.windows import Geometry

_BLOCK_ELEMENTS = 1 << 16  # accumulators that stay in the cache between the two passes

_LEAST_ELEMENTS = 1 << 12  # of the results of a block that a thread gains from


@implements("TRANSPOSE_CONV")
def prepare_transpose_convolution(node: Node) -> Run:
    """Prepare a transposed convolution; pads are cut from the spread image."""
    check_types(node)
    window = Window.of(node)
    image, result = image_shape(node, node.input(0)), image_shape(node, node.outputs[0])
    groups = int(node.attributes.get("groups", 1))
    _check_weights(node, window, image, result, groups)
    mac = Mac(node, Family.TRANSPOSE, result[3])

    def build(weights: Array, bias: Array | None) -> Step:
        order = (3, 1, 2, 0) if channels_last(node) else (0, 2, 3, 1)
        make = _float_step if mac.is_float else _integer_step
        return on_images(node, make(mac, window, np.split(weights.transpose(order), groups, axis=0), bias))

    return bind(node, build)


def _check_weights(node: Node, window: Window, image: tuple[int, ...], result: tuple[int, ...], groups: int) -> None:
    fits = groups >= 1 and image[3] % groups == 0 and result[3] % groups == 0 and image[0] == result[0]
    share = result[3] // max(groups, 1)
    last = channels_last(node)
    wanted = (result[3], *window.kernel, image[3]) if last else (image[3], share, *window.kernel)
    if not fits or node.input(1).shape != wanted:
        msg = f"{node.where}: weights of shape {node.input(1).shape}; {groups} groups need {wanted}"
        raise NumericsError(msg)


def _integer_step(mac: Mac, window: Window, weights: list[Array], bias: Array | None) -> Kernels:
    channels, wide = mac.channels, np.int64 if mac.is_wide else np.int32
    zero_points = np.broadcast_to(mac.weight_zero_points(), (channels,))
    centred = [w - z for w, z in zip(weights, np.split(zero_points, len(weights)), strict=True)]
    kernels = np.concatenate([w.reshape(1, 1, w.shape[0], -1) for w in centred], axis=3)
    team = mac.node.team
    spread = Convolution(kernels, len(centred), Window((1, 1)), mac.limits, team, centre=mac.zero_point)
    as_they_are = unscaled(np.zeros(1, np.int64), kernels.shape[3])
    plan = mac.epilogue(bias)(mac.offset(np.zeros(channels, np.int64), bias), channels)
    shape, dtype = image_shape(mac.node, mac.result), mac.empty().dtype
    width = shape[2] * channels
    parts = team.parts(shape[1], max(_BLOCK_ELEMENTS // width, 1), shape[1] * width // _LEAST_ELEMENTS)

    def calls(room: Room, out: Array, image: Array) -> list[Call]:
        products = room((*image.shape[:3], kernels.shape[3]), wide)
        spreads = products.reshape(*image.shape[:3], len(centred), *window.kernel, -1)
        args = (spreads, window.geometry, window.pads[:2], parts, plan, out)
        return [spread.call(image, as_they_are, products), Call(_collect_block, shape[0] * parts, args)]

    return Kernels(team, shape, dtype, calls)


@shared
def _collect_block(
    index: int, spreads: Array, geometry: Geometry, pads: tuple[int, int], parts: int, plan: Plan, out: Array
) -> None:
    """Compute a block of result rows of one image.

    Args:
        index: of the block: by image, rows.
        spreads: [B, H, W, groups, kernel rows, kernel columns, channels of a group], what each pixel adds to the
            window that it spreads over.
        geometry: see `Window.geometry`.
        pads: rows and columns that are cut from the top and the left.
        parts: blocks of an image.
        plan: scales sums.
        out: [B, rows, columns, C], written.
    """
    channels, share = out.shape[3], spreads.shape[6]
    number, (first, last) = index // parts, span(index % parts, parts, out.shape[1])
    sums = np.empty((last - first, out.shape[2], channels), spreads.dtype)
    for group in range(spreads.shape[3]):
        target = sums[:, :, group * share : (group + 1) * share]
        _collect(spreads[number, :, :, group], geometry, (pads[0] + first, pads[1]), target)
    requantize(sums.reshape(-1, channels), plan, 0, out[number, first:last].reshape(-1, channels))


@kernel
def _collect(products: Array, geometry: Geometry, corner: tuple[int, int], out: Array) -> None:
    """Write sums [rows, columns, C] of the pixels that spread to them; they wrap in the type of `out`.

    Args:
        products: [H, W, kernel rows, kernel columns, C] of one image.
        geometry: see `Window.geometry`.
        corner: row and column of the first result in the spread image.
        out: written; what no pixel reaches is zero.
    """
    size, strides, dilations = geometry
    for r in range(out.shape[0]):
        out[r] = 0
        for ky in range(size[0]):
            y = corner[0] + r - ky * dilations[0]
            if y < 0 or y % strides[0] or y // strides[0] >= products.shape[0]:
                continue
            for column in range(products.shape[1]):
                for kx in range(size[1]):
                    x = column * strides[1] + kx * dilations[1] - corner[1]
                    if 0 <= x < out.shape[1]:
                        for c in range(out.shape[2]):
                            out[r, x, c] += products[y // strides[0], column, ky, kx, c]


def _float_step(mac: Mac, window: Window, weights: list[Array], bias: Array | None) -> Step:
    shape = image_shape(mac.node, mac.result)

    turned = [w[:, ::-1, ::-1].transpose(1, 2, 0, 3) for w in weights]
    matrices = [w.reshape(-1, w.shape[3]) for w in turned]
    dense = replace(window, strides=(1, 1))

    def step(image: Array) -> tuple[Array, ...]:
        stretched = _stretched(image, window, shape)
        taps = [dense.tap(stretched, tap, shape[1:3]) for tap in window.taps()]
        shares = zip(*(np.split(tap, len(weights), axis=3) for tap in taps), strict=True)
        parts = [
            ordered_product(np.concatenate(share, axis=3), m, mac.node.team)
            for share, m in zip(shares, matrices, strict=True)
        ]
        total = np.concatenate(parts, axis=3)
        return (activated(mac.node, total if bias is None else total + bias),)

    return step


def _stretched(image: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """Return pixels apart by the strides in zeros, so that turned windows read what spreads to a result pixel."""
    batch, rows, columns, depth = image.shape
    (sh, sw), reach = window.strides, [(k - 1) * d for k, d in zip(window.kernel, window.dilations, strict=True)]
    sizes = [max(window.pads[i] + shape[1 + i], (image.shape[1 + i] - 1) * window.strides[i] + 1) for i in (0, 1)]
    out = np.zeros((batch, sizes[0] + reach[0], sizes[1] + reach[1], depth), np.float32)
    out[:, reach[0] : reach[0] + (rows - 1) * sh + 1 : sh, reach[1] : reach[1] + (columns - 1) * sw + 1 : sw] = image
    return out[:, window.pads[0] :, window.pads[1] :]
