"""Engine of compute-in-memory macros: cells that hold the weights multiply, converters read the sums."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.cost.arrays.engine import ArrayCycles, ArrayEngine, ArrayMapping, Operation
from socsim.cost.model import cycles
from socsim.cost.tiling import without_weights
from socsim.quantities import ceil_div
from socsim.soc.arrays import InMemoryArray
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.cost.tiling import Traffic
    from socsim.cost.work import Kernel
    from socsim.soc.schema import Npu
    from socsim.workload.loops import LoopNest


@dataclass(frozen=True, slots=True)
class _Placed:
    """A matrix of weights on macros.

    Args:
        blocks: macro-fulls that it takes.
        rows: rows of cells that are written for all blocks.
        sums: columns that converters read for one input vector, all blocks.
    """

    blocks: int
    rows: int
    sums: int


class InMemoryEngine(ArrayEngine[InMemoryArray], kind="in_memory"):
    """A product feeds an input vector bit by bit and reads every column through its shared converter.

    Depth (input channels and kernel positions) runs along the rows, output channels along the columns, a
    weight's bits over neighbouring columns. Groups stand in the corners of a macro, so that a depthwise
    layer fills as many rows as its channels fit. Where the weights of all layers fit the macros they stay;
    otherwise each operator writes its own before it starts.

    Assumes: columns of a macro are read beside those of all others; sums of several blocks are added
    digitally beside the conversion; the macros that other layers hold stand idle.
    Valid for: macros with bit-serial inputs and converters shared by columns; not calibrated.
    Source: Shafiee et al., "ISAAC", ISCA 2016 (bit-serial inputs, a converter for the columns of an array in
    turn); Valavi et al., IEEE JSSC 54(6), 2019 (charge-domain macro).
    """

    @classmethod
    def multipliers(cls, array: InMemoryArray) -> Fraction:
        """Return the products of all cells over the cycles of a product, a cell for each weight."""
        return Fraction(array.macros * array.rows * array.columns, _product_cycles(array))

    @classmethod
    def peak(cls, unit: Npu, dtype: str) -> Fraction:
        """Return the multiply-accumulates a cycle of one core in a type, whose weights take columns by their bits."""
        array = unit.array
        if not isinstance(array, InMemoryArray):
            msg = f"an array of kind {array.kind!r} is not one of memory cells"
            raise TypeError(msg)
        share = Fraction(array.columns // array.columns_per_weight(DType(dtype).bits), array.columns)
        return super().peak(unit, dtype) * share

    def run(self, operation: Operation) -> ArrayCycles:
        """Return the products of all input vectors, and the writing of weights that do not stay."""
        nest, bits = operation.nest, operation.kernel.element_bits
        placed, vectors = self._placed(nest, bits), nest.n * nest.p * nest.q
        rounds = 1 if self._stays(bits) else ceil_div(placed.blocks, self.spec.macros)
        product = cycles(rounds * vectors * _product_cycles(self.spec), operation.rate)
        written = 0 if self._stays(bits) else self._writing(placed)
        depth = nest.c * nest.r * nest.s
        return ArrayCycles(
            product + written,
            nest.g * vectors * depth * ceil_div(nest.k * self.spec.columns_per_weight(bits), self.spec.columns),
            0 if self._stays(bits) else nest.weights,
            nest.g * vectors * nest.k * ceil_div(depth, self.spec.rows),
            f"{placed.blocks} macro-fulls of weights in {rounds} rounds x {vectors} vectors x "
            f"{_product_cycles(self.spec)}" + (f" + {written:,} to write weights" if written else ""),
            conversions=cycles(vectors * placed.sums * self.spec.input_steps, operation.rate),
        )

    def chunks(self, nest: LoopNest) -> int:
        """Return how many widths of a macro the filters take."""
        return nest.g * ceil_div(nest.k, self.spec.columns)

    def traffic(self, kernel: Kernel, mapping: ArrayMapping) -> Traffic:
        """Return the bytes of the activations; and of the weights, where they do not stay in the cells."""
        return super().traffic(without_weights(kernel) if self._stays(kernel.element_bits) else kernel, mapping)

    def _placed(self, nest: LoopNest, bits: int) -> _Placed:
        """Return the blocks of a nest; small groups share a block along its diagonal."""
        depth, width = nest.c * nest.r * nest.s, nest.k * self.spec.columns_per_weight(bits)
        down, across = ceil_div(depth, self.spec.rows), ceil_div(width, self.spec.columns)
        together = max(1, min(self.spec.rows // max(1, depth), self.spec.columns // max(1, width)))
        fulls = ceil_div(nest.g, together)
        return _Placed(fulls * down * across, nest.g * depth * across, nest.g * width * down)

    def _writing(self, placed: _Placed) -> int:
        """Return the cycles to write weights, all macros side by side."""
        return ceil_div(placed.rows, max(1, min(self.spec.macros, placed.blocks))) * self.spec.row_write_cycles

    def _stays(self, bits: int) -> bool:
        """Whether the weights of all layers of the network have cells of their own."""
        return 0 < self._blocks[bits] <= self.spec.macros

    @cached_property
    def _blocks(self) -> dict[int, int]:
        """Macro-fulls of all layers by the bits of a weight."""
        nests = [nest for layer in self.context.layers for nest in layer.nests]
        widths = {DType(t).bits for t in self.context.unit.precisions}
        return {bits: sum(self._placed(nest, bits).blocks for nest in nests) for bits in widths}


def _product_cycles(array: InMemoryArray) -> int:
    """Return the cycles of one product of a vector with all columns of a macro."""
    return array.input_steps * array.columns_per_converter * array.conversion_cycles
