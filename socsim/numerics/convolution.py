"""Exact integer convolutions: windows laid out as rows of a matrix, times the weights, scaled block by block.

A matrix product is the convolution of an image of one column with a kernel of one element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.gemm import PackedMatrix
from socsim.numerics.requantize import requantize
from socsim.numerics.threads import shared
from socsim.numerics.tiles import HEIGHT, WIDTH, multiply, sums_for
from socsim.numerics.windows import Window, gather_windows

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.requantize import Plan
    from socsim.numerics.threads import Team
    from socsim.numerics.windows import Geometry

    Split = tuple[int, int, int, int]

_BLOCK_ELEMENTS = 1 << 16  # of the windows of a block, and of its sums, which stay in the cache

SHARED_MACS = 1 << 17  # from which threads gain more than they cost

_LEAST_ROWS = 16  # of a block that threads share: fewer read the weights too often
_LEAST_PANELS = 4  # likewise: each block gathers its rows


class Convolution:
    """An exact integer convolution.

    Args:
        weights: [kernel rows, kernel columns, inputs of a group, outputs] integers, zero points subtracted.
        groups: each reads its share of the input channels.
        window: geometry; `run` takes images that are padded.
        limits: least and greatest activation.
        team: threads that share the blocks.
        centre: subtracted from activations; by default what centres their range.
    """

    def __init__(
        self, weights: Array, groups: int, window: Window, limits: tuple[int, int], team: Team,
        centre: int | None = None,
    ) -> None:  # fmt: skip
        self._window, self._team, self._groups, self._inner = window, team, groups, weights.shape[2]
        rows = weights.reshape(-1, weights.shape[3])
        self._pack = PackedMatrix(np.stack(np.split(rows, groups, axis=1)), limits, centre)

    def offset(self, zero_point: int) -> Array:
        """Return the int64 [outputs] that makes accumulators relative to the zero point of the activations."""
        return self._pack.offset(zero_point)

    def run(self, image: Array, plan: Plan, out: Array) -> None:
        """Convolve padded images [B, H, W, C] into `out` [B, rows, columns, outputs].

        Args:
            image: integers, contiguous; borders hold the zero point.
            plan: scales accumulators, whose offset it holds.
            out: written; contiguous.
        """
        flat = out.reshape(len(out), -1, out.shape[3])
        rows, panels = self._block(flat.shape[1])
        split = (rows, -(-flat.shape[1] // rows), panels, -(-self._pack.panels.shape[1] // panels))
        sizes = (out.shape[2], self._inner, self._pack.shape[2], self._pack.centre)
        blocks = len(out) * self._groups * split[1] * split[3]
        args = (image, self._window.geometry, self._pack.panels, sizes, split, plan, flat)
        self._team.run(_convolve, blocks, *args)

    def _block(self, pixels: int) -> tuple[int, int]:
        """Return how many rows and how many panels of weights make a block."""
        (_, depth, columns), panels = self._pack.shape, self._pack.panels.shape[1]
        limit = max(_BLOCK_ELEMENTS // max(depth, columns) // HEIGHT * HEIGHT, HEIGHT)
        is_shared = self._team.threads > 1 and pixels * depth * columns * self._groups >= SHARED_MACS
        rows = self._team.rows(pixels, limit, is_shared=is_shared)
        if not is_shared:
            return rows, panels
        rows = min(-(-max(rows, _LEAST_ROWS) // HEIGHT) * HEIGHT, limit, pixels)
        wanted = -(-self._team.blocks // -(-pixels // rows))
        return rows, min(max(-(-panels // wanted), _LEAST_PANELS), panels)


@shared
def _convolve(
    index: int, image: Array, geometry: Geometry, weights: Array, sizes: Split, split: Split, plan: Plan, out: Array
) -> None:
    """Compute a block of rows and columns of one image and group.

    Args:
        index: of the block: by image, group, rows, columns.
        image: [B, H, W, C], padded.
        geometry: see `Window.geometry`.
        weights: [groups, panels, steps, columns of a step].
        sizes: pixels of a result row, inputs and outputs of a group, centre of the activations.
        split: rows of a block, blocks of rows, panels of a block, blocks of panels.
        plan: scales sums.
        out: [B, pixels, outputs], written.
    """
    rows, row_blocks, panels, panel_blocks = split
    width, inner, columns, centre = sizes
    first, part = index // panel_blocks % row_blocks * rows, index % panel_blocks * panels
    group = index // (panel_blocks * row_blocks) % weights.shape[0]
    number = index // (panel_blocks * row_blocks * weights.shape[0])
    count, taken = min(rows, out.shape[1] - first), min(panels, weights.shape[1] - part)
    room = -(-count // HEIGHT) * HEIGHT
    depth = weights.shape[2] * weights.shape[3] // WIDTH
    windows, sums = np.empty((room, depth), weights.dtype), sums_for(weights, (room, taken * WIDTH))
    channels = (group * inner, (group + 1) * inner)
    gather_windows(image[number], (first, width), geometry, channels, centre, windows[:count])
    multiply(windows, count, weights[group], part, sums)
    start, stop = group * columns + part * WIDTH, group * columns + min((part + taken) * WIDTH, columns)
    requantize(sums[:count], plan, start, out[number, first : first + count, start:stop])
