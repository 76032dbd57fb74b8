"""Engine of systolic arrays: operands and sums ripple from cell to cell, so that each block fills and drains."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.arrays.engine import ArrayContext, ArrayCycles, ArrayEngine, Operation
from socsim.cost.model import cycles
from socsim.quantities import ceil_div
from socsim.soc.arrays import SystolicArray

if TYPE_CHECKING:
    from socsim.workload.loops import LoopNest


@dataclass(frozen=True, slots=True)
class Conventions:
    """What a count of cycles takes in.

    Args:
        results_leave: whether shifting finished results out of the cells takes cycles.
        last_cycle: whether the count is the index of the last cycle, from 0, rather than the number of cycles.
    """

    results_leave: bool = True
    last_cycle: bool = False


PHYSICAL = Conventions()
SCALE_SIM = Conventions(results_leave=False, last_cycle=True)
"""Source: SCALE-Sim 3.0.0, whose reports these reproduce for arrays that are not `doubled`."""


@dataclass(frozen=True, slots=True)
class _Folds:
    """A matrix product of inputs [positions, depth] and weights [depth, channels] cut to the array's size.

    Args:
        count: blocks of the operand that stays, all groups.
        streamed: cycles for which operands enter each block.
        input_passes: times that each input is read from the buffers.
        weight_passes: times that each weight is.
        output_passes: times that each result, or a part of its sum, leaves the array.
        text: the ceilings, in words.
    """

    count: int
    streamed: int
    input_passes: int
    weight_passes: int
    output_passes: int
    text: str


class SystolicEngine(ArrayEngine[SystolicArray], kind="systolic"):
    """Convolutions and products as a matrix product in blocks of rows x columns.

    Weights stay (rows take the depth, columns the channels, positions stream), inputs stay (rows depth,
    columns positions, channels stream), or sums stay (rows positions, columns channels, depth streams).
    The wave of operands needs rows + columns - 2 cycles to reach the last cell. What stays takes `rows`
    cycles to shift in; sums that stay take as long to shift out. With doubled registers both pass beside the
    neighbouring blocks, and waves follow each other without a gap; only the first and the last are seen.

    Assumes: depth runs over input channels and kernel positions together (im2col in the address generator);
    groups follow one another; all cells slow down alike for a type below rate 1.
    Valid for: arrays in the manner of TPU v1 (doubled) and of SCALE-Sim (not doubled).
    Source: Samajdar et al., "SCALE-Sim: Systolic CNN Accelerator Simulator", 2018 (arXiv 1811.02883), for the
    blocks; Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing Unit", ISCA 2017, section 2,
    for weights that shift in beside compute.
    """

    def __init__(self, context: ArrayContext, conventions: Conventions = PHYSICAL) -> None:
        super().__init__(context)
        self.conventions = conventions

    @classmethod
    def multipliers(cls, array: SystolicArray) -> Fraction:
        """Return rows x columns."""
        return Fraction(array.rows * array.columns)

    def run(self, operation: Operation) -> ArrayCycles:
        """Return the blocks of a nest with their fill and drain."""
        nest = operation.nest
        folds = self._folds(nest)
        positions, depth = nest.n * nest.p * nest.q, nest.c * nest.r * nest.s
        count = self._cycles(folds) - self.conventions.last_cycle
        return ArrayCycles(
            cycles(count, operation.rate),
            nest.g * positions * depth * folds.input_passes,
            nest.g * depth * nest.k * folds.weight_passes,
            nest.g * positions * nest.k * folds.output_passes,
            self._words(folds),
        )

    def chunks(self, nest: LoopNest) -> int:
        """Return how many widths of the array the filters take."""
        return nest.g * ceil_div(nest.k, self.spec.columns)

    def _folds(self, nest: LoopNest) -> _Folds:
        rows, columns = self.spec.rows, self.spec.columns
        bounds = {"positions": nest.n * nest.p * nest.q, "depth": nest.c * nest.r * nest.s, "channels": nest.k}

        def blocks(name: str, size: int) -> int:
            return ceil_div(bounds[name], size)

        match self.spec.dataflow:
            case "weight_stationary":
                across, along, streams = "depth", "channels", "positions"
                passes = blocks("channels", columns), 1, blocks("depth", rows)
            case "input_stationary":
                across, along, streams = "depth", "positions", "channels"
                passes = 1, blocks("positions", columns), blocks("depth", rows)
            case _:
                across, along, streams = "positions", "channels", "depth"
                passes = blocks("channels", columns), blocks("positions", rows), 1
        text = (
            f"{f'{nest.g} groups x ' if nest.g > 1 else ''}ceil({across} {bounds[across]}/{rows}) x "
            f"ceil({along} {bounds[along]}/{columns}) blocks"
        )
        return _Folds(nest.g * blocks(across, rows) * blocks(along, columns), bounds[streams], *passes, text)

    def _skew(self) -> int:
        """Return the cycles until a wave of operands has reached the last cell."""
        return self.spec.rows + self.spec.columns - 2

    def _shift(self) -> int:
        """Return the cycles in which what stays shifts in, or results that stayed shift out."""
        leaves = self.spec.dataflow == "output_stationary"
        return 0 if leaves and not self.conventions.results_leave else self.spec.rows

    def _cycles(self, folds: _Folds) -> int:
        shift, skew = self._shift(), self._skew()
        if not self.spec.doubled:
            return folds.count * (shift + folds.streamed + skew)
        return shift + (folds.count - 1) * max(folds.streamed, shift) + folds.streamed + skew

    def _words(self, folds: _Folds) -> str:
        shift, skew = self._shift(), self._skew()
        if not self.spec.doubled:
            return f"{folds.text} of {folds.streamed} streamed + {skew} fill and drain + {shift} shift"
        return f"{folds.text} of {max(folds.streamed, shift)} + {skew} fill and drain + {shift} shift once"
