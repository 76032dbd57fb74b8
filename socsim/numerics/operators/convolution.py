"""CONV_2D."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.convolution import Convolution
from socsim.numerics.hybrid import LIMITS, is_asymmetric, is_hybrid, quantized_rows, weight_scales
from socsim.numerics.mac import Family, Mac, activated, bind, channels_last, check_types, image_shape, on_images
from socsim.numerics.node import Kernels, implements
from socsim.numerics.operators.depthwise import depthwise_step
from socsim.numerics.ordered import ordered_product
from socsim.numerics.requantize import unscaled
from socsim.numerics.windows import Window, check_output

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.calls import Call
    from socsim.numerics.mac import Step
    from socsim.numerics.node import Node, Room, Run


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


def _integer_step(mac: Mac, window: Window, weights: Array, groups: int, bias: Array | None) -> Kernels:
    convolution = Convolution(mac.centred(weights), groups, window, mac.limits, mac.node.team)
    zero_point = mac.zero_point
    offset = mac.offset(convolution.offset(zero_point), bias)
    plan = mac.epilogue(bias)(offset, mac.channels)
    team, dtype = mac.node.team, numpy_dtype(mac.result.dtype)

    def calls(room: Room, out: Array, image: Array) -> list[Call]:
        before, padded = window.padding(team, room, image, zero_point)
        return [*before, convolution.call(padded, plan, out)]

    return Kernels(team, image_shape(mac.node, mac.result), dtype, calls)


def _hybrid_step(mac: Mac, window: Window, weights: Array, groups: int, bias: Array | None) -> Step:
    convolution = Convolution(weights.astype(np.int64), groups, window, LIMITS, mac.node.team)
    plan, scales = unscaled(convolution.offset(0), mac.channels), weight_scales(mac.node)[0]
    asymmetric = is_asymmetric(mac.node)
    shape = image_shape(mac.node, mac.result)

    def step(image: Array) -> tuple[Array, ...]:
        rows, image_scales = quantized_rows(image.reshape(len(image), -1), is_asymmetric=asymmetric)
        sums = np.empty(shape, np.int32)
        mac.node.team.run(convolution.call(window.padded(rows.reshape(image.shape), 0), plan, sums))
        by_image, total = image_scales[:, None, None, None], sums.astype(np.float32)
        total = total * (scales * by_image) if len(scales) == 1 else total * scales * by_image
        return (activated(mac.node, total if bias is None else total + bias),)

    return step


def _float_step(mac: Mac, window: Window, weights: Array, groups: int, bias: Array | None) -> Step:
    rows, columns = image_shape(mac.node, mac.result)[1:3]
    matrices = np.split(weights.reshape(-1, weights.shape[3]), groups, axis=1)

    def step(image: Array) -> tuple[Array, ...]:
        padded = window.padded(image.astype(np.float32), 0.0)
        taps = [window.tap(padded, tap, (rows, columns)) for tap in window.taps()]
        shares = zip(*(np.split(tap, groups, axis=3) for tap in taps), strict=True)
        parts = [
            ordered_product(np.concatenate(share, axis=3), m, mac.node.team)
            for share, m in zip(shares, matrices, strict=True)
        ]
        total = np.concatenate(parts, axis=3)
        return (activated(mac.node, total if bias is None else total + bias),)

    return step
