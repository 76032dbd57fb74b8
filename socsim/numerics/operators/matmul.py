"""BATCH_MATMUL: products of two computed matrices, stacks of them broadcast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import integer_range
from socsim.numerics.gemm import exact_matmul
from socsim.numerics.mac import Family, Mac, activated, check_types, dequantized
from socsim.numerics.node import implements
from socsim.numerics.requantize import finish

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


@implements("BATCH_MATMUL")
def prepare_matmul(node: Node) -> Run:
    """Prepare a product of two stacks of matrices, with an optional bias."""
    check_types(node)
    channels = _check_shapes(node)
    mac = Mac(node, Family.MATMUL, channels)
    if mac.is_float:
        return _float_run(mac)
    bias_is_float = node.has_input(2) and node.input(2).dtype.is_float
    zero_points = mac.zero_point, mac.weight_zero_points()
    greatest = (
        _greatest(mac.limits, np.array([zero_points[0]])),
        _greatest(integer_range(mac.weights.dtype), zero_points[1]),
    )
    fixed = None if bias_is_float else mac.epilogue()

    def run(left: Array, right: Array, bias: Array | None = None, *_: Array) -> tuple[Array]:
        out = mac.empty()
        x, w = _operands(node, left, right)
        products = exact_matmul(x.astype(np.int32) - zero_points[0], w.astype(np.int32) - zero_points[1], greatest)
        offset = mac.offset(np.zeros(channels, np.int64), bias)
        epilogue = fixed or mac.epilogue(bias)
        finish(products.reshape(-1, channels), epilogue(offset, channels), 0, out.reshape(-1, channels))
        return (out,)

    return run


def _greatest(limits: tuple[int, int], zero_points: Array) -> int:
    """Return the greatest magnitude of a value less its zero point."""
    return int(max(np.abs(limits[0] - zero_points).max(), np.abs(limits[1] - zero_points).max()))


def _operands(node: Node, left: Array, right: Array) -> tuple[Array, Array]:
    a = left.swapaxes(-1, -2) if node.attributes.get("transpose_a") else left
    b = right.swapaxes(-1, -2) if node.attributes.get("transpose_b") else right
    return a, b


def _check_shapes(node: Node) -> int:
    """Return the columns of the result.

    Raises:
        NumericsError: shapes that no matrix product has.
    """
    shapes = node.input(0).shape, node.input(1).shape
    try:
        operands = (np.broadcast_to(np.int8(0), shape) for shape in shapes)
        a, b = _operands(node, *operands)
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        made = stack + a.shape[-2:-1] * (a.ndim > 1) + b.shape[-1:] * (b.ndim > 1)
        fits = a.shape[-1] == b.shape[-min(b.ndim, 2)] and np.prod(made) == node.outputs[0].elements
    except (ValueError, IndexError):
        fits = False
    if not fits:
        msg = f"{node.where}: no product of {shapes[0]} and {shapes[1]} makes {node.outputs[0].shape}"
        raise NumericsError(msg)
    return int(b.shape[-1]) if b.ndim > 1 else 1


def _float_run(mac: Mac) -> Run:
    node = mac.node
    alpha, beta = (np.float32(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))

    def run(left: Array, right: Array, bias: Array | None = None, *_: Array) -> tuple[Array]:
        a, b = _operands(node, left.astype(np.float32), dequantized(mac.weights, right))
        total = np.matmul(a, b)
        total = total if alpha == 1 else total * alpha
        total = total if bias is None else total + (bias if beta == 1 else bias * beta)
        return (activated(node, total).reshape(mac.result.shape),)

    return run
