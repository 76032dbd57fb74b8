"""SVDF: a fully connected layer over time as two layers of low rank, one over features and one over a memory of them.

Source: TFLite kernels/svdf.cc, kernels/internal/reference/svdf.h; with 8-bit state TFLite Micro kernels/svdf_common.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import integer_range, numpy_dtype
from socsim.numerics.hybrid import integer_weights, quantized_rows
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import clamped_float, narrowed, scale32, unsupported
from socsim.numerics.operators.variables import initial_value
from socsim.numerics.scaling import scaling, wrapped
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

    Layer = Callable[[Array], Array]

_FEATURES, _TIME, _BIAS, _STATE = 1, 2, 3, 4  # operands


@implements("SVDF")
def prepare_svdf(node: Node) -> Run:
    """One step: features of the input enter the memory, whose oldest ones leave it; the memory stays for the next."""
    _check_shapes(node)
    is_float = node.input(0).dtype is DType.FLOAT32
    features, output = (_real_layers if is_float else _integer_layers)(node)
    filters, memory = node.input(_TIME).shape
    name, start = f"state {node.op.inputs[_STATE]} of {node.graph.name}", initial_value(node, node.input(_STATE))

    def run(x: Array, *_: Array | None) -> tuple[Array, ...]:
        held = node.state.get(name, start).reshape(len(x), filters, memory)
        state = np.concatenate([held[:, :, 1:], features(x)[:, :, None]], axis=2)
        node.state[name] = state.reshape(start.shape)
        return (output(state),)

    return run


def _check_shapes(node: Node) -> None:
    """Raise NumericsError, with all faults, for operands whose shapes contradict each other."""
    x, weights, time, state = (node.input(i).shape for i in (0, _FEATURES, _TIME, _STATE))
    rank, result = int(node.attributes.get("rank", 0)), node.outputs[0].shape
    if any(len(shape) != 2 for shape in (x, weights, time, state)) or rank < 1 or weights[0] % rank:
        msg = (
            f"{node.where}: rank {rank} and shapes {x}, {weights}, {time}, {state} of input, feature weights, time "
            "weights and state; two dimensions each, and filters in a multiple of a rank of 1 or more, are required"
        )
        raise NumericsError(msg)
    units = weights[0] // rank
    wanted: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "feature weights": (weights, (weights[0], x[1])),
        "time weights": (time, (weights[0], time[1])),
        "state": (state, (x[0], weights[0] * time[1])),
        "result": (result, (x[0], units)),
    }
    if node.has_input(_BIAS):
        wanted["bias"] = node.input(_BIAS).shape, (units,)
    faults = [f"{what} {found}, {right} required" for what, (found, right) in wanted.items() if found != right]
    if faults:
        raise NumericsError(f"{node.where}: shapes do not fit: {'; '.join(faults)}")


def _constants(node: Node) -> tuple[Array, Array, Array | None]:
    """Return feature weights, time weights and bias."""
    features, time = node.constant(_FEATURES), node.constant(_TIME)
    if features is None or time is None or (node.has_input(_BIAS) and node.constant(_BIAS) is None):
        raise NumericsError(f"{node.where}: its weights or bias are computed; constants are required")
    return features, time, node.constant(_BIAS)


def _summed(products: Array, rank: int, bias: Array | None) -> Array:
    """Return sums of `rank` neighbouring filters each, plus the bias: [B, filters] to [B, units]."""
    sums: Array = products.reshape(len(products), -1, rank).sum(axis=2)
    return sums if bias is None else sums + bias


def _integer_layers(node: Node) -> tuple[Layer, Layer]:
    """Return both layers of 8-bit inputs and a state of 8 or 16 bits; sums have 32 bits.

    The kernels take RELU as the only activation and leave it to the zero point of the result.
    """
    x, state, result = node.input(0), node.input(_STATE), node.outputs[0]
    weights, time, bias = _constants(node)
    types = (x.dtype, node.input(_FEATURES).dtype, result.dtype)
    if set(types) != {DType.INT8} or state.dtype not in (DType.INT8, DType.INT16):
        raise unsupported(node, state if set(types) == {DType.INT8} else x)
    if node.input(_TIME).dtype is not state.dtype or node.attributes.get("activation") != "RELU":
        found = f"{node.input(_TIME).dtype.value}, {state.dtype.value}, {node.attributes.get('activation')}"
        msg = f"{node.where}: time weights, state and activation are {found}; equal types and RELU are required"
        raise NumericsError(msg)
    zero_x, zero_state, zero_out = (node.zero_point(t) for t in (x, state, result))
    first = scaling(node, scale32(node, x) * scale32(node, node.input(_FEATURES)) / scale32(node, state))
    last = scaling(node, scale32(node, state) * scale32(node, node.input(_TIME)) / scale32(node, result))
    wide, wide_time = weights.astype(np.int64).T, time.astype(np.int64)
    wide_bias = None if bias is None else bias.astype(np.int64)
    low, high = integer_range(state.dtype)

    def features(values: Array) -> Array:
        scaled = first.apply(wrapped((values.astype(np.int64) - zero_x) @ wide)) + zero_state
        entered: Array = np.clip(scaled, low, high).astype(numpy_dtype(state.dtype))
        return entered

    def total(held: Array) -> Array:
        products = wrapped(((held.astype(np.int64) - zero_state) * wide_time).sum(axis=2))
        return last.apply(wrapped(_summed(products, int(node.attributes["rank"]), wide_bias))) + zero_out

    return features, narrowed(total, node)


def _real_layers(node: Node) -> tuple[Layer, Layer]:
    """Return both layers of float inputs; integer weights of features take inputs quantized row by row."""
    weights, time, bias = _constants(node)
    real_time, clamp = _real(node, _TIME, time), clamped_float(node)

    def output(held: Array) -> Array:
        products = (held * real_time).sum(axis=2, dtype=np.float32)
        return clamp(_summed(products, int(node.attributes["rank"]), bias).astype(np.float32))

    if node.input(_FEATURES).dtype.is_float:
        real = weights.astype(np.float32).T
        return lambda x: x @ real, output
    wide, scale = integer_weights(weights).astype(np.int64).T, scale32(node, node.input(_FEATURES))
    is_asymmetric = bool(node.attributes.get("asymmetric_quantize_inputs"))

    def features(x: Array) -> Array:
        values, scales = quantized_rows(x, is_asymmetric=is_asymmetric)
        return (values.astype(np.int64) @ wide).astype(np.float32) * (scales * scale)[:, None]

    return features, output


def _real(node: Node, position: int, values: Array) -> Array:
    """Return weights in float32, times their scale where they are integers."""
    if node.input(position).dtype.is_float:
        return values.astype(np.float32)
    return integer_weights(values).astype(np.float32) * scale32(node, node.input(position))
