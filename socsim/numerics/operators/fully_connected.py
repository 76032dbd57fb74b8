"""FULLY_CONNECTED: rows of activations times a constant matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.convolution import Convolution
from socsim.numerics.hybrid import is_asymmetric, is_hybrid, matrix_product, quantized_rows, weight_scales
from socsim.numerics.mac import Family, Mac, activated, bind, check_types
from socsim.numerics.node import Kernels, implements
from socsim.numerics.ordered import ordered_product
from socsim.numerics.windows import Window

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.calls import Call
    from socsim.numerics.mac import Step
    from socsim.numerics.node import Node, Run


@implements("FULLY_CONNECTED")
def prepare_fully_connected(node: Node) -> Run:
    """Prepare a fully connected layer; see `hybrid` for float activations and integer weights."""
    check_types(node)
    depth, channels = _sizes(node)
    mac = Mac(node, Family.FULLY_CONNECTED, channels)

    def build(weights: Array, bias: Array | None) -> Step:
        make = _hybrid_step if is_hybrid(node) else _float_step if mac.is_float else _integer_step
        return make(mac, _matrix(node, weights), depth, bias)

    return bind(node, build)


def _sizes(node: Node) -> tuple[int, int]:
    """Return the number of activations in a row and of channels.

    Raises:
        NumericsError: weights, activations and result do not fit together.
    """
    shape, result = node.input(1).shape, node.outputs[0]
    depth, channels = (0, 0) if len(shape) != 2 else shape if not node.attributes.get("transpose_b") else shape[::-1]
    elements = node.input(0).elements
    if not depth or not channels or elements % depth or elements // depth * channels != result.elements:
        msg = (
            f"{node.where}: {node.input(0).shape} times weights {shape} cannot make {result.shape}; "
            "rows as long as the weights are needed"
        )
        raise NumericsError(msg)
    return depth, channels


def _matrix(node: Node, weights: Array) -> Array:
    """Return weights as [K, channels]."""
    return weights.T if node.attributes.get("transpose_b") else weights


def _rows(node: Node, activations: Array, depth: int) -> Array:
    if node.attributes.get("transpose_a"):
        activations = activations.T
    return np.ascontiguousarray(activations).reshape(-1, depth)


def _integer_step(mac: Mac, weights: Array, depth: int, bias: Array | None) -> Step:
    product = Convolution(mac.centred(weights)[None, None], 1, Window((1, 1)), mac.limits, mac.node.team)
    plan = mac.epilogue(bias)(mac.offset(product.offset(mac.zero_point), bias), mac.channels)

    def call(out: Array, rows: Array) -> Call:
        return product.call(rows.reshape(1, -1, 1, depth), plan, out.reshape(1, -1, 1, mac.channels))

    if not mac.node.attributes.get("transpose_a"):
        made, dtype = mac.result, numpy_dtype(mac.result.dtype)
        return Kernels(mac.node.team, made.shape, dtype, lambda _, out, activations: [call(out, activations)])

    def step(activations: Array) -> tuple[Array, ...]:
        out = mac.empty()
        mac.node.team.run(call(out, _rows(mac.node, activations, depth)))
        return (out,)

    return step


def _hybrid_step(mac: Mac, weights: Array, depth: int, bias: Array | None) -> Step:
    node, scales, asymmetric = mac.node, weight_scales(mac.node), is_asymmetric(mac.node)

    def step(activations: Array) -> tuple[Array, ...]:
        rows, row_scales = quantized_rows(_rows(node, activations, depth), is_asymmetric=asymmetric)
        total = matrix_product(rows, row_scales, weights, scales)
        return (activated(node, total if bias is None else total + bias).reshape(mac.result.shape),)

    return step


def _float_step(mac: Mac, weights: Array, depth: int, bias: Array | None) -> Step:
    node = mac.node
    alpha, beta = (np.float32(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))

    def step(activations: Array) -> tuple[Array, ...]:
        total = ordered_product(_rows(node, activations, depth), weights, node.team)
        total = total if alpha == 1 else total * alpha
        total = total if bias is None else total + (bias if beta == 1 else bias * beta)
        return (activated(node, total).reshape(mac.result.shape),)

    return step
