"""Matrix products on the cores of a cluster: register blocks, their division over cores, what caches feed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from socsim.cost.caching import blocked
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.soc.schema import Cache
    from socsim.workload.loops import LoopNest


@dataclass(frozen=True)
class Product:
    """`groups` products of [rows, depth] by [depth, columns], as a library's micro-kernels compute them.

    A micro-kernel keeps a block of results in registers; a block at the edge takes as long as a whole one.
    The blocks are dealt out to the cores, or the channels are, and the core with most of them decides.

    Args:
        groups: independent products.
        rows: positions.
        columns: channels.
        depth: products summed for each result, filled up to what one instruction sums.
        block: rows and columns of a register block.
        bits: width of an element.
        cores: cores that share the work.
        step: channels by which cores divide each product; 0: blocks are dealt out.
        panel: channels that one pass over all positions computes; 0: as many as caches suggest.
    """

    groups: int
    rows: int
    columns: int
    depth: int
    block: tuple[int, int]
    bits: int
    cores: int
    step: int = 0
    panel: int = 0

    @cached_property
    def all_blocks(self) -> int:
        """Register blocks of the product."""
        rows, columns = self.block
        return self.groups * ceil_div(self.rows, rows) * ceil_div(self.columns, columns)

    @property
    def blocks(self) -> int:
        """Blocks that the busiest core computes."""
        rows, columns = self.block
        if not self.step:
            return ceil_div(self.all_blocks, self.cores)
        return self.groups * ceil_div(self.rows, rows) * ceil_div(self.own_columns, columns)

    @property
    def own_columns(self) -> int:
        """Channels of the busiest core, where cores divide channels."""
        return min(self.columns, ceil_div(ceil_div(self.columns, self.step), self.cores) * self.step)

    @property
    def passes(self) -> int:
        """Passes of the busiest core over all positions, where channels are divided: cores make theirs together."""
        return ceil_div(self.own_columns, self.panel) if self.step and self.panel else 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the busiest core, edges counted in full."""
        return self.blocks * self.block[0] * self.block[1] * self.depth

    def register_bytes(self, blocks: int) -> int:
        """Return the bytes that a number of blocks loads into registers: each reads its rows and its columns."""
        return ceil_div(blocks * sum(self.block) * self.depth * self.bits, 8)

    def level_bytes(self, cache: Cache) -> int:
        """Return the bytes that the busiest core brings into one level of its caches.

        Cores divide the groups, then the rows; each reads all columns of its groups. Half of the cache holds a
        block; in a cache that cores share, their blocks of rows lie side by side. Where cores divide channels,
        each reads all positions once in every pass, beside the weights of its channels.
        """
        if self.step and self.panel:
            each = self.passes * self.rows + self.own_columns
            return ceil_div(self.groups * each * self.depth * self.bits, 8)
        sharing = min(self.groups, self.cores)
        rows = ceil_div(self.rows, self.cores // sharing)
        left, right = (ceil_div(n * self.depth * self.bits, 8) for n in (rows, self.columns))
        half = cache.size.value // 2
        own = max(1, half // self.cores) if cache.scope == "cluster" else half
        return ceil_div(self.groups, sharing) * blocked(left, right, own, half)

    def feed(self, caches: Sequence[Cache]) -> tuple[int, int]:
        """Return the cycles in which the first level feeds the registers, and the others the first.

        The levels beyond the first work side by side, so that the slowest decides.
        """
        first = ceil_div(self.register_bytes(self.blocks), caches[0].bandwidth.value)
        beyond = (ceil_div(self.level_bytes(inner), outer.bandwidth.value) for inner, outer in pairwise(caches))
        return first, max(beyond, default=0)


def product(
    nest: LoopNest, block: tuple[int, int, int], bits: int, cores: int, *, step: int = 0, panel: int = 0
) -> Product:
    """Return the product that a loop nest becomes.

    Args:
        nest: any nest that is not depthwise.
        block: positions and channels of a register block, and the depth that one instruction sums.
        bits: width of an element.
        cores: cores that share the work.
        step: channels by which cores divide it; 0: its blocks are dealt out.
        panel: channels that one pass over all positions computes; 0: as many as caches suggest.

    A product of fewer rows than a block has runs on a micro-kernel made for them.
    """
    rows, columns, summed = block
    positions = nest.n * nest.p * nest.q
    depth = nest.r * nest.s * ceil_div(nest.c, summed) * summed
    return Product(nest.g, positions, nest.k, depth, (min(rows, positions), columns), bits, cores, step, panel)
