"""Engine of arrays with named loop dimensions unrolled onto multipliers that are all fed at once."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.arrays.engine import ArrayCycles, ArrayEngine, Operation
from socsim.cost.model import cycles
from socsim.quantities import ceil_div
from socsim.soc.arrays import UnrolledArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.workload.loops import LoopNest

_INPUT_DIMENSIONS = ("N", "G", "C", "P", "Q", "R", "S")
_WEIGHT_DIMENSIONS = ("G", "K", "C", "R", "S")
_OUTPUT_DIMENSIONS = ("N", "G", "K", "P", "Q")
_STATIONARY = {
    "weight_stationary": _WEIGHT_DIMENSIONS,
    "input_stationary": _INPUT_DIMENSIONS,
    "output_stationary": _OUTPUT_DIMENSIONS,
}


class UnrolledEngine(ArrayEngine[UnrolledArray], kind="unrolled"):
    """Steps are the product of ceil(bound / unrolled) over the loop dimensions.

    A dimension that does not fill its unrolling leaves multipliers idle; depthwise layers use the array's
    depthwise unrolling, others the one with the fewest steps. Rows of a matrix product have no neighbours, so that
    they lie in both spatial dimensions. The operand that stays is read from the buffers
    once for each of its blocks.

    Assumes: the next block of the operand that stays enters beside compute; operands reach all multipliers
    in the cycle in which they are read.
    Valid for: arrays in the manner of NVDLA and of Ethos-U; not calibrated.
    """

    @classmethod
    def multipliers(cls, array: UnrolledArray) -> Fraction:
        """Return the product of what is unrolled."""
        return Fraction(prod(array.unroll.values()))

    def run(self, operation: Operation) -> ArrayCycles:
        """Return the steps of a nest, at the type's rate."""
        unroll = self._unroll(operation.nest)
        nest = _laid_out(operation.nest, unroll)
        counts = _counts(nest, unroll)
        steps = prod(counts.values())
        return ArrayCycles(
            cycles(steps, operation.rate),
            self._moved(counts, unroll, "input_stationary"),
            self._moved(counts, unroll, "weight_stationary"),
            self._moved(counts, unroll, "output_stationary"),
            _words(nest.bounds, counts, unroll),
        )

    def chunks(self, nest: LoopNest) -> int:
        """Return how many array-fulls of filters the weights hold."""
        unroll = self._unroll(nest)
        return ceil_div(nest.k, unroll.get("K", 1)) * ceil_div(nest.g, unroll.get("G", 1))

    def results(self, nest: LoopNest) -> int:
        """Return the results of a nest with output channels and groups in whole blocks."""
        unroll = self._unroll(nest)
        channels = prod(ceil_div(nest.bounds[d], unroll.get(d, 1)) * unroll.get(d, 1) for d in "GK")
        return nest.outputs // max(1, nest.g * nest.k) * channels

    def _unroll(self, nest: LoopNest) -> Mapping[str, int]:
        if nest.is_depthwise:
            return self.spec.depthwise
        ways = (self.spec.unroll, *self.spec.alternatives)
        return min(ways, key=lambda way: prod(_counts(_laid_out(nest, way), way).values()))

    def _moved(self, counts: Mapping[str, int], unroll: Mapping[str, int], operand: str) -> int:
        """Return elements of an operand that move: in each step, or once for each block where it stays."""
        dimensions = _STATIONARY[operand]
        moves = dimensions if operand == self.spec.dataflow else counts
        return prod(counts[d] for d in moves) * prod(unroll.get(d, 1) for d in dimensions)


def _laid_out(nest: LoopNest, unroll: Mapping[str, int]) -> LoopNest:
    """Return a nest with the rows of a matrix product, which stand in P, in as many columns as are unrolled."""
    columns = min(nest.p, unroll.get("Q", 1))
    if nest.is_convolution or nest.output_positions or nest.q != 1 or columns == 1:
        return nest
    return replace(nest, p=ceil_div(nest.p, columns), q=columns)


def _counts(nest: LoopNest, unroll: Mapping[str, int]) -> dict[str, int]:
    """Return the steps of each dimension."""
    return {d: ceil_div(b, unroll.get(d, 1)) for d, b in nest.bounds.items()}


def _words(bounds: Mapping[str, int], counts: Mapping[str, int], unroll: Mapping[str, int]) -> str:
    parts = [
        f"ceil({d} {bounds[d]}/{unroll[d]})={count}" if d in unroll else f"{d} {count}"
        for d, count in counts.items()
        if d in unroll or count > 1
    ]
    return " x ".join(parts) or "1"
