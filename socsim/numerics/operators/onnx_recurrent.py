"""LSTM and GRU of ONNX on real values: sums in float32, gates in float64 rounded to float32.

Source: ONNX operators LSTM and GRU; microsoft/onnxruntime core/providers/cpu/rnn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import implements, implements_for
from socsim.numerics.operators.onnx_affine import filled
from socsim.numerics.operators.operands import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

    Step = Callable[["_Layer", Array, list[Array]], list[Array]]

_DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x.astype(np.float64)))).astype(x.dtype)


def _tanh(x: Array) -> Array:
    return np.asarray(np.tanh(x.astype(np.float64))).astype(x.dtype)


def _relu(x: Array) -> Array:
    return np.asarray(np.maximum(x, x.dtype.type(0)))


_ACTIVATIONS = {"Sigmoid": _sigmoid, "Tanh": _tanh, "Relu": _relu}


@dataclass(frozen=True)
class _Layer:
    """One direction: weights of the input and of the state, biases of both, peepholes, and activations."""

    w: Array
    r: Array
    b: Array
    p: Array
    functions: list[Callable[[Array], Array]]
    resets_late: bool


@implements_for("onnx", "LSTM")
@implements("GRU")
def prepare_recurrent(node: Node) -> Run:
    """A layer over all steps, in one direction or both; results are every state, the last, and the last cell."""
    if not node.input(0).dtype.is_float:
        raise unsupported(node, node.input(0))
    a = node.attributes
    positions = a.get("result_positions", range(len(node.outputs)))
    step = _lstm_step if node.op.type == "LSTM" else _gru_step
    states = 2 if node.op.type == "LSTM" else 1
    functions = _functions(node)

    def run(*operands: Array | None) -> tuple[Array, ...]:
        x, w, r, b, lengths, *first = filled(operands, 8)
        if x is None or w is None or r is None:
            raise NumericsError(f"{node.where}: a sequence and two tables of weights are needed")
        if lengths is not None and np.any(lengths != (x.shape[1] if a["batch_first"] else x.shape[0])):
            raise NumericsError(f"{node.where}: sequences of unequal lengths have no rule")
        sequence = x.swapaxes(0, 1) if a["batch_first"] else x
        made = []
        for d in range(w.shape[0]):
            backwards = d == 1 or a["direction"] == "reverse"
            begin = [_initial(first[i], d, sequence, r.shape[2], a["batch_first"]) for i in range(states)]
            peepholes = first[2] if node.op.type == "LSTM" else None
            layer = _Layer(
                w[d],
                r[d],
                np.zeros(2 * w.shape[1], x.dtype) if b is None else b[d],
                np.zeros(3 * r.shape[2], x.dtype) if peepholes is None else peepholes[d],
                functions[d],
                bool(a["linear_before_reset"]),
            )
            made.append(_unrolled(step, layer, sequence, begin, backwards=backwards))
        every = _arranged(made, batch_first=a["batch_first"])
        return tuple(np.ascontiguousarray(every[i]) for i in positions)

    return run


def _functions(node: Node) -> list[list[Callable[[Array], Array]]]:
    """Return the activations of each direction.

    Raises:
        NumericsError: activations that have no rule, all named; a clip.
    """
    defaults = _DEFAULTS[node.op.type]
    names = node.attributes.get("activations") or defaults * node.attributes["directions"]
    unknown = sorted(set(names) - set(_ACTIVATIONS))
    if unknown or node.attributes.get("clip") or node.attributes.get("input_forget"):
        found = [*unknown, *(k for k in ("clip", "input_forget") if node.attributes.get(k))]
        known = ", ".join(_ACTIVATIONS)
        raise NumericsError(f"{node.where}: {', '.join(found)} has no rule; activations may be {known}")
    count = len(defaults)
    return [[_ACTIVATIONS[n] for n in names[i : i + count]] for i in range(0, len(names), count)]


def _initial(given: Array | None, direction: int, sequence: Array, units: int, batch_first: bool) -> Array:
    if given is None:
        return np.zeros((sequence.shape[1], units), sequence.dtype)
    return given[:, direction] if batch_first else given[direction]


def _unrolled(
    step: Step, layer: _Layer, sequence: Array, begin: list[Array], *, backwards: bool
) -> tuple[Array, list[Array]]:
    """Return the state after each element of a sequence, in its order, and the last state and cell."""
    states, made = begin, []
    for x in sequence[::-1] if backwards else sequence:
        states = step(layer, x, states)
        made.append(states[0])
    every = np.stack(made[::-1] if backwards else made)
    return every, states


def _arranged(made: list[tuple[Array, list[Array]]], *, batch_first: bool) -> list[Array]:
    """Return [steps, directions, batch, units] and the last states, with the batch first where asked for."""
    every = np.stack([states for states, _ in made], axis=1)
    last = [np.stack(kind) for kind in zip(*(ends for _, ends in made), strict=True)]
    if not batch_first:
        return [every, *last]
    return [every.transpose(2, 0, 1, 3), *(x.swapaxes(0, 1) for x in last)]


def _lstm_step(layer: _Layer, x: Array, states: list[Array]) -> list[Array]:
    """Gates in the file's order: input, output, forget, cell; peepholes weigh the cell into the first three."""
    h, c = states
    gate, squash, show = layer.functions
    units = h.shape[1]
    total = x @ layer.w.T + h @ layer.r.T + (layer.b[: 4 * units] + layer.b[4 * units :])
    i, o, f, g = np.split(total, 4, axis=-1)
    peep_i, peep_o, peep_f = np.split(layer.p, 3)
    cell = gate(f + peep_f * c) * c + gate(i + peep_i * c) * squash(g)
    return [gate(o + peep_o * cell) * show(cell), cell]


def _gru_step(layer: _Layer, x: Array, states: list[Array]) -> list[Array]:
    """Gates in the file's order: update, reset, hidden; the reset comes before or after the recurrent product."""
    (h,) = states
    gate, squash = layer.functions
    of_x = np.split(x @ layer.w.T, 3, axis=-1)
    of_h = np.split(layer.r, 3)
    bias_x, bias_h = (np.split(part, 3) for part in np.split(layer.b, 2))
    update, reset = (gate(of_x[i] + h @ of_h[i].T + (bias_x[i] + bias_h[i])) for i in (0, 1))
    if layer.resets_late:
        candidate = squash(of_x[2] + reset * (h @ of_h[2].T + bias_h[2]) + bias_x[2])
    else:
        candidate = squash(of_x[2] + (reset * h) @ of_h[2].T + bias_x[2] + bias_h[2])
    return [((1 - update) * candidate + update * h).astype(h.dtype)]
