"""The LSTM with 8-bit activations and 16-bit cell state, in plain integers, one unit and one step at a time.

Written from TFLite kernels/lstm_eval.cc (LstmStepInteger8x8_16); nothing here calls the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle_mac import clamp, decompose, single, wrap
from oracle_operators import INT8, INT16, double, logistic, shift_away, sigmoid_by_table, tanh
from oracle_tables import tabulated_tanh

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[int], int]

GATE = 2.0**-12


@dataclass
class Gate:
    """Weights [units][inputs], recurrent weights [units][units], biases [units], and both scales."""

    weights: list[list[int]]
    recurrent: list[list[int]]
    bias: list[int]
    scales: tuple[float, float]


@dataclass
class Network:
    """Gates input, forget, cell, output; `x` and `hidden`: scale and zero point; `power` of the cell state's scale."""

    gates: list[Gate]
    x: tuple[float, int]
    hidden: tuple[float, int]
    power: int
    clip: float
    table: list[int] | None
    scale: Callable[[int, int, int], int] = double

    def sigmoid(self, q: int) -> int:
        return logistic(q, 3, 16) if self.table is None else sigmoid_by_table(3 * q, self.table)

    def tanh(self, q: int, integer_bits: int) -> int:
        if self.table is None or integer_bits not in (3, 4):
            return tanh(q, integer_bits, 16)
        return tabulated_tanh((3 << (integer_bits - 3)) * q, self.table)

    def gate(self, gate: Gate, unit: int, x: list[int], hidden: list[int]) -> int:
        own = gate.bias[unit] + sum(w * (v - self.x[1]) for w, v in zip(gate.weights[unit], x, strict=True))
        back = sum(w * (v - self.hidden[1]) for w, v in zip(gate.recurrent[unit], hidden, strict=True))
        reals = [
            single(single(single(s) * single(q[0])) / GATE)
            for s, q in zip(gate.scales, (self.x, self.hidden), strict=True)
        ]
        first = clamp(self.scale(wrap(own, 32), *decompose(reals[0])), *INT16)
        return clamp(first + self.scale(wrap(back, 32), *decompose(reals[1])), *INT16)

    def step(self, x: list[int], hidden: list[int], cell: list[int]) -> tuple[list[int], list[int]]:
        """Next hidden and cell states."""
        units = range(len(cell))
        sums = [[self.gate(g, u, x, hidden) for u in units] for g in self.gates]
        new_hidden, new_cell = [], []
        most = min(int(single(single(self.clip) / single(2.0**self.power))), 32767)
        to_hidden = decompose(single(2.0**-30 / single(self.hidden[0])))
        for u in units:
            i, f, o = (self.sigmoid(sums[k][u]) for k in (0, 1, 3))
            added = shift_away(i * self.tanh(sums[2][u], 3), 30 + self.power)
            c = clamp(wrap(shift_away(f * cell[u], 15), 16) + wrap(added, 16), *INT16)
            c = clamp(c, -most, most) if self.clip > 0 else c
            h = self.scale(o * self.tanh(c, 15 + self.power), *to_hidden)
            new_cell.append(c)
            new_hidden.append(clamp(h + self.hidden[1], *INT8))
        return new_hidden, new_cell
