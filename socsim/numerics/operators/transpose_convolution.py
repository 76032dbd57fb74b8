"""TRANSPOSE_CONV: every input pixel times the weights, added into the window that it spreads over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.gemm import PackedMatrix
from socsim.numerics.mac import Family, Mac, activated, bind, channels_last, check_types, image_shape, on_images
from socsim.numerics.node import implements
from socsim.numerics.ordered import ordered_product
from socsim.numerics.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.mac import Step
    from socsim.numerics.node import Node, Run


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


def _integer_step(mac: Mac, window: Window, weights: list[Array], bias: Array | None) -> Step:
    channels, wide = mac.channels, np.int64 if mac.is_wide else np.int32
    zero_points = np.broadcast_to(mac.weight_zero_points(), (channels,))
    centred = [w - z for w, z in zip(weights, np.split(zero_points, len(weights)), strict=True)]
    packs = [PackedMatrix(w.reshape(w.shape[0], -1), mac.limits, centre=mac.zero_point) for w in centred]
    offset, epilogue = mac.offset(np.zeros(channels, np.int64), bias), mac.epilogue(bias)
    shape, dtype = image_shape(mac.node, mac.result), mac.empty().dtype

    def products(group: int, pixels: Array) -> Array:
        return packs[group].product(pixels).astype(np.int64).astype(wide)

    def step(image: Array) -> Array:
        out = np.empty(shape, dtype)
        sums = _spread(image, window, shape, products, len(packs))
        epilogue(sums.reshape(-1, channels), offset, out.reshape(-1, channels))
        return out

    return step


def _float_step(mac: Mac, window: Window, weights: list[Array], bias: Array | None) -> Step:
    shape = image_shape(mac.node, mac.result)

    turned = [w[:, ::-1, ::-1].transpose(1, 2, 0, 3) for w in weights]
    matrices = [w.reshape(-1, w.shape[3]) for w in turned]
    dense = replace(window, strides=(1, 1))

    def step(image: Array) -> Array:
        stretched = _stretched(image, window, shape)
        taps = [dense.tap(stretched, tap, shape[1:3]) for tap in window.taps()]
        shares = zip(*(np.split(tap, len(weights), axis=3) for tap in taps), strict=True)
        parts = [ordered_product(np.concatenate(share, axis=3), m) for share, m in zip(shares, matrices, strict=True)]
        total = np.concatenate(parts, axis=3)
        return activated(mac.node, total if bias is None else total + bias)

    return step


def _stretched(image: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """Return pixels apart by the strides in zeros, so that turned windows read what spreads to a result pixel."""
    batch, rows, columns, depth = image.shape
    (sh, sw), reach = window.strides, [(k - 1) * d for k, d in zip(window.kernel, window.dilations, strict=True)]
    sizes = [max(window.pads[i] + shape[1 + i], (image.shape[1 + i] - 1) * window.strides[i] + 1) for i in (0, 1)]
    out = np.zeros((batch, sizes[0] + reach[0], sizes[1] + reach[1], depth), np.float32)
    out[:, reach[0] : reach[0] + (rows - 1) * sh + 1 : sh, reach[1] : reach[1] + (columns - 1) * sw + 1 : sw] = image
    return out[:, window.pads[0] :, window.pads[1] :]


def _spread(
    image: Array, window: Window, shape: tuple[int, ...], products: Callable[[int, Array], Array], groups: int
) -> Array:
    """Return sums [B, rows, columns, channels] of all spread pixels.

    Args:
        image: [B, H, W, C].
        window: geometry; pads are cut off.
        shape: of the result; what no pixel reaches is zero.
        products: of a group's pixels [pixels, C / groups]: [pixels, kernel rows x kernel columns x channels].
        groups: number of groups.
    """
    batch, rows, columns, _ = image.shape
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.strides, window.dilations
    full = ((rows - 1) * sh + (kh - 1) * dh + 1, (columns - 1) * sw + (kw - 1) * dw + 1)
    size = tuple(max(full[i], window.pads[i] + shape[1 + i]) for i in (0, 1))
    parts = []
    for g, pixels in enumerate(np.split(image, groups, axis=3)):
        spread = products(g, np.ascontiguousarray(pixels).reshape(-1, pixels.shape[3]))
        spread = spread.reshape(batch, rows, columns, kh, kw, -1)
        sums = np.zeros((batch, *size, spread.shape[5]), spread.dtype)
        for ky, kx in window.taps():
            y, x = ky * dh, kx * dw
            sums[:, y : y + (rows - 1) * sh + 1 : sh, x : x + (columns - 1) * sw + 1 : sw] += spread[:, :, :, ky, kx]
        parts.append(sums)
    top, left = window.pads[:2]
    total = np.concatenate(parts, axis=3)
    return np.ascontiguousarray(total[:, top : top + shape[1], left : left + shape[2]])
