"""Winograd's minimal filtering for 3 x 3 convolutions: fewer products, more additions, larger weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Collection

    from socsim.soc.runtimes import Kernels
    from socsim.workload.loops import LoopNest

# Lane operations (an addition, or a multiply-add) of a one-dimensional transformation of a tile's inputs and
# of its products, by tile. F(2) and F(4) as Lavin and Gray count them ("Fast algorithms for convolutional
# neural networks", CVPR 2016: 32 and 156 for the two-dimensional input, 24 and 90 for the output); F(6)
# counted alike from its matrices, with shared sub-expressions.
_INPUT_OPERATIONS = {2: 4, 4: 13, 6: 26}
_OUTPUT_OPERATIONS = {2: 4, 4: 9, 6: 20}
_KERNEL = 3


@dataclass(frozen=True, slots=True)
class WinogradLayer:
    """A 3 x 3 convolution of stride 1 as F(tile x tile, 3 x 3).

    Args:
        nest: the convolution, of one group.
        tile: results on each side of a tile.
    """

    nest: LoopNest
    tile: int

    @property
    def side(self) -> int:
        """Inputs on each side of a tile."""
        return self.tile + _KERNEL - 1

    @property
    def tiles(self) -> int:
        """Tiles of the batch; those that overhang the border count in full."""
        return self.nest.n * ceil_div(self.nest.p, self.tile) * ceil_div(self.nest.q, self.tile)

    @property
    def products(self) -> LoopNest:
        """The products that remain: one matrix product for each position within a tile."""
        one = replace(self.nest, n=1, g=self.side**2, p=self.tiles, q=1, r=1, s=1)
        return replace(one, is_convolution=False, output_positions=0)

    @property
    def input_operations(self) -> int:
        """Lane operations that transform the inputs, column by column and then row by row."""
        return 2 * self.side * _INPUT_OPERATIONS[self.tile] * self.tiles * self.nest.c

    @property
    def output_operations(self) -> int:
        """Lane operations that transform the products back; the second pass has fewer columns."""
        return (self.side + self.tile) * _OUTPUT_OPERATIONS[self.tile] * self.tiles * self.nest.k

    @property
    def input_elements(self) -> int:
        """Transformed inputs."""
        return self.side**2 * self.tiles * self.nest.c

    @property
    def output_elements(self) -> int:
        """Products before they are transformed back."""
        return self.side**2 * self.tiles * self.nest.k

    def grown(self, weight_bytes: int, bits: int, arithmetic_bits: int) -> int:
        """Return the bytes of the transformed weights, which the library keeps in memory instead."""
        return ceil_div(weight_bytes * self.side**2 * arithmetic_bits, _KERNEL**2 * bits)


def fits_winograd(nest: LoopNest) -> bool:
    """Return whether a nest is a 3 x 3 convolution of stride 1 without dilation or groups."""
    shape = nest.r, nest.s, nest.stride_h, nest.stride_w, nest.dilation_h, nest.dilation_w, nest.g
    return nest.is_convolution and not nest.output_positions and shape == (3, 3, 1, 1, 1, 1, 1)


def winograd_layer(
    kernels: Kernels, nest: LoopNest, dtype: str, isa: Collection[str]
) -> tuple[WinogradLayer, str] | None:
    """Return a nest as a Winograd layer with the type of its arithmetic, where a library computes it so.

    Args:
        kernels: structure of the library's kernels.
        nest: any nest.
        dtype: type of the operands.
        isa: instruction sets of the core; empty for other units.
    """
    if not kernels.winograd or not fits_winograd(nest):
        return None
    rule = kernels.winograd_rule(dtype, nest.c, nest.k, isa, max(nest.p, nest.q))
    return (WinogradLayer(nest, rule.tile), rule.arithmetic or dtype) if rule else None
