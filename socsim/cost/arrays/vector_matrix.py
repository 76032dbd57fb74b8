"""Engine of vector-matrix units: lanes that share an input vector and each add up a slice of the depth."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.arrays.engine import ArrayCycles, ArrayEngine, Operation
from socsim.cost.model import cycles
from socsim.quantities import ceil_div
from socsim.soc.arrays import VectorMatrixArray

if TYPE_CHECKING:
    from socsim.workload.loops import LoopNest


class VectorMatrixEngine(ArrayEngine[VectorMatrixArray], kind="vector_matrix"):
    """A step multiplies `depth` inputs with a tile of depth x lanes weights.

    Held weights pay for each tile that enters while too few vectors pass the one before (a fully-connected
    layer of one row waits for every tile); held inputs read a tile of weights in each step.

    Assumes: depth runs over input channels and kernel positions together; all lanes see the same inputs, so
    that a depthwise layer works on one lane at a time; partial sums stay in accumulators.
    Valid for: engines made for matrix-vector products; not calibrated.
    """

    @classmethod
    def multipliers(cls, array: VectorMatrixArray) -> Fraction:
        """Return lanes x depth."""
        return Fraction(array.lanes * array.depth)

    def run(self, operation: Operation) -> ArrayCycles:
        """Return the steps of a nest, and what its tiles wait for."""
        nest, held = operation.nest, self.spec.held == "weights"
        vectors, depth = nest.n * nest.p * nest.q, nest.c * nest.r * nest.s
        slices, tiles_along = ceil_div(depth, self.spec.depth), ceil_div(nest.k, self.spec.lanes)
        # What is held changes once for each tile of weights, or once for each slice of each vector.
        changes, uses = (slices * tiles_along, vectors) if held else (slices * vectors, tiles_along)
        changes *= nest.g
        busy = cycles(uses, operation.rate)
        total = self.spec.load + (changes - 1) * max(busy, self.spec.load) + busy
        return ArrayCycles(
            total,
            nest.g * vectors * depth * (tiles_along if held else 1),
            nest.g * depth * nest.k * (1 if held else vectors),
            nest.g * vectors * nest.k,
            self._words(nest, uses),
        )

    def chunks(self, nest: LoopNest) -> int:
        """Return how many groups of lanes the filters fill."""
        return nest.g * ceil_div(nest.k, self.spec.lanes)

    def _words(self, nest: LoopNest, uses: int) -> str:
        depth, groups = nest.c * nest.r * nest.s, f"{nest.g} groups x " if nest.g > 1 else ""
        waits = f", {self.spec.load} to load each" if self.spec.load > uses else ""
        return (
            f"{groups}ceil(depth {depth}/{self.spec.depth}) x ceil(K {nest.k}/{self.spec.lanes}) tiles "
            f"x {nest.n * nest.p * nest.q} vectors{waits}"
        )
