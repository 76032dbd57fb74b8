"""The quantized LSTM with 8-bit activations and 16-bit cell state.

Source: TFLite kernels/lstm.cc (PopulateQuantizedLstmParams8x8_16), kernels/lstm_eval.cc
(LstmStepInteger8x8_16), reference/portable_tensor_utils.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics import gemmlowp, lookup
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import scale32, unsupported
from socsim.numerics.operators.variables import initial_value
from socsim.numerics.scaling import Scaling, scaling, wrapped
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_STATE, _CELL = 18, 19  # operands
_GATE_SCALE = np.float32(2.0**-12)
_INT16 = np.dtype(np.int16)


@dataclass(frozen=True)
class Gate:
    """One gate: activation(x weights + h recurrent + bias), as 16-bit fixed point."""

    weights: Array
    recurrent: Array
    bias: Array
    recurrent_bias: Array
    input_scaling: Scaling
    recurrent_scaling: Scaling
    activation: Callable[[Array], Array]

    def __call__(self, x: Array, hidden: Array) -> Array:
        """Return int64 values of the gate for one step."""
        own = gemmlowp.saturate(self.input_scaling.apply(wrapped(x @ self.weights.T + self.bias)), 16)
        fed_back = self.recurrent_scaling.apply(wrapped(hidden @ self.recurrent.T + self.recurrent_bias))
        total = gemmlowp.saturate(own + fed_back, 16)
        return self.activation(total.astype(np.int16)).astype(np.int64)


@implements("LSTM")
def prepare_lstm(node: Node) -> Run:
    """A sequence through an LSTM; state and cell stay from one inference to the next."""
    _check(node)
    sigmoid = lookup.Table(_INT16, _sigmoid(node))
    tanh = lookup.Table(_INT16, _tanh(node, 3))
    gates = [_gate(node, i, tanh if i == 2 else sigmoid) for i in range(4)]
    step = _Step(node, gates)
    names = [f"state {node.op.inputs[i]} of {node.graph.name}" for i in (_STATE, _CELL)]
    start = [initial_value(node, node.input(i)) for i in (_STATE, _CELL)]
    time_axis = 0 if node.attributes.get("time_major") else 1

    def run(x: Array, *_: Array | None) -> tuple[Array, ...]:
        hidden, cell = (node.state.get(name, value).astype(np.int64) for name, value in zip(names, start, strict=True))
        results = []
        for t in range(x.shape[time_axis]):
            hidden, cell = step(np.take(x, t, axis=time_axis).astype(np.int64), hidden, cell)
            results.append(hidden.astype(np.int8))
        node.state[names[0]], node.state[names[1]] = hidden.astype(np.int8), cell.astype(np.int16)
        return (np.stack(results, axis=time_axis),)

    return run


def _check(node: Node) -> None:
    """Raise NumericsError for variants without a rule."""
    tensor = node.input(0)
    if tensor.dtype is not DType.INT8 or node.input(1 if node.has_input(1) else 2).dtype is not DType.INT8:
        raise unsupported(node, tensor)
    variants = {
        "coupled input and forget gates": not node.has_input(1),
        "peepholes": any(node.has_input(i) for i in (9, 10, 11)),
        "a projection": node.has_input(16),
        "layer normalisation": any(node.has_input(i) for i in range(20, 24)),
        "an activation other than TANH": node.attributes.get("activation") != "TANH",
        "no scales of internal values": len(node.attributes.get("intermediates", ())) < 5,
        "an input that is no sequence": len(tensor.shape) != 3,
        "weights that are computed": any(node.constant(i) is None for i in (*range(1, 9), *range(12, 16))),
        "no state of 16 bits": not node.has_input(_CELL) or node.input(_CELL).dtype is not DType.INT16,
    }
    found = [name for name, present in variants.items() if present]
    if found:
        msg = f"{node.where}: it has {', '.join(found)}; only the plain form with 16-bit cell state has rules"
        raise NumericsError(msg)


def _gate(node: Node, position: int, activation: Callable[[Array], Array]) -> Gate:
    """Return gate 0 to 3: input, forget, cell, output."""
    w, r = node.input(1 + position), node.input(5 + position)
    weights, recurrent, bias = (node.constant(i) for i in (1 + position, 5 + position, 12 + position))
    if weights is None or recurrent is None or bias is None:
        raise unsupported(node, w)
    weights, recurrent = weights.astype(np.int64), recurrent.astype(np.int64)
    zero_x, zero_h = node.zero_point(node.input(0)), node.zero_point(node.input(_STATE))
    scale_x, scale_h = scale32(node, node.input(0)), scale32(node, node.input(_STATE))
    return Gate(
        weights,
        recurrent,
        bias.astype(np.int64) - zero_x * weights.sum(axis=1),
        -zero_h * recurrent.sum(axis=1),
        scaling(node, scale32(node, w) * scale_x / _GATE_SCALE),
        scaling(node, scale32(node, r) * scale_h / _GATE_SCALE),
        activation,
    )


def _sigmoid(node: Node) -> Callable[[Array], Array]:
    """Return sigmoid of Q3.12 as Q0.15: by polynomial, or by the table of TFLite Micro."""
    if node.profile.table_gates:
        from socsim.numerics.operators.activations import logistic16

        return lambda q: logistic16(q * 3).astype(np.int16)
    return lambda q: gemmlowp.logistic(q, 3, 16).astype(np.int16)


def _tanh(node: Node, integer_bits: int) -> Callable[[Array], Array]:
    """Return tanh of a 16-bit number with that many integer bits, as Q0.15."""
    if node.profile.table_gates and integer_bits in (3, 4):
        from socsim.numerics.operators.activations import tanh16

        return lambda q: tanh16(q * (3 << (integer_bits - 3))).astype(np.int16)
    return lambda q: gemmlowp.tanh(q, integer_bits, 16).astype(np.int16)


class _Step:
    """One step of time."""

    def __init__(self, node: Node, gates: list[Gate]) -> None:
        self._gates = gates
        cell_scale = float(scale32(node, node.input(_CELL)))
        power = round(float(np.log2(cell_scale)))
        if cell_scale != 2.0**power or not -15 <= power <= -9:
            msg = f"{node.where}: the cell state's scale is {cell_scale:g}; powers of two of -15 to -9 are allowed"
            raise NumericsError(msg)
        self._shift = power
        self._squash = lookup.Table(_INT16, _tanh(node, 15 + power))
        hidden = node.graph.tensors[node.attributes["intermediates"][4]]
        self._hidden_scaling = scaling(node, np.float32(2.0**-30) / scale32(node, hidden))
        self._hidden_zero = node.zero_point(hidden)
        clip = node.attributes.get("cell_clip", 0.0)
        self._clip = min(max(int(np.float32(clip) / np.float32(cell_scale)), 0), 32767) if clip > 0 else 0

    def __call__(self, x: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
        """Return the next hidden state and cell state."""
        i, f, g, o = (gate(x, hidden) for gate in self._gates)
        kept = gemmlowp.wrap(gemmlowp.rounding_shift(f * cell, 15), 16)
        added = gemmlowp.wrap(gemmlowp.rounding_shift(i * g, 30 + self._shift), 16)
        cell = gemmlowp.saturate(kept + added, 16)
        if self._clip:
            cell = np.clip(cell, -self._clip, self._clip)
        squashed = self._squash(cell.astype(np.int16)).astype(np.int64)
        scaled = self._hidden_scaling.apply(o * squashed) + self._hidden_zero
        return gemmlowp.saturate(scaled, 8), cell
