"""Exact integer convolutions: windows laid out as rows of a matrix, times the weights, scaled block by block.

A matrix product is the convolution of an image of one column with a kernel of one element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.calls import Call, shared, span
from socsim.numerics.gemm import PackedMatrix
from socsim.numerics.requantize import requantize
from socsim.numerics.tiles import HEIGHT, WIDTH, multiply, sums_for
from socsim.numerics.windows import Window, gather_windows

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.requantize import Plan
    from socsim.numerics.threads import Team
    from socsim.numerics.windows import Geometry

    Sizes = tuple[int, int, int, int]

_BLOCK_ELEMENTS = 1 << 16  # of the windows of a block, and of its sums, which stay in the cache

_LEAST_MACS = 1 << 17  # of a block that a thread gains from

_LEAST_TILES = 4  # for each thread, so that each has about as many


class Convolution:
    """An exact integer convolution.

    Args:
        weights: [kernel rows, kernel columns, inputs of a group, outputs] integers, zero points subtracted.
        groups: each reads its share of the input channels.
        window: geometry; `call` takes images that are padded.
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

    def call(self, image: Array, plan: Plan, out: Array) -> Call:
        """Return the call that convolves padded images [B, H, W, C] into `out` [B, rows, columns, outputs].

        Args:
            image: integers, contiguous; borders hold the zero point.
            plan: scales accumulators, whose offset it holds.
            out: written; contiguous.
        """
        flat = out.reshape(len(out), -1, out.shape[3])
        split = self._split(flat.shape[1])
        sizes = (out.shape[2], self._inner, self._pack.shape[2], self._pack.centre)
        args = (image, self._window.geometry, self._pack.panels, sizes, split, plan, flat)
        return Call(_convolve, len(out) * self._groups * split[0] * split[1], args)

    def _split(self, pixels: int) -> tuple[int, int]:
        """Return into how many parts rows and panels of weights are split.

        Panels are where there are too few rows for all threads; each part of them gathers the rows again.
        """
        _, depth, columns = self._pack.shape
        tiles, panels, threads = -(-pixels // HEIGHT), self._pack.panels.shape[1], self._team.threads
        limit = max(_BLOCK_ELEMENTS // max(depth, columns) // HEIGHT, 1)
        worth = pixels * depth * columns // _LEAST_MACS
        if tiles >= _LEAST_TILES * threads:
            return self._team.parts(tiles, limit, worth), 1
        return max(-(-tiles // limit), 1), min(threads, panels) if worth > 1 else 1


@shared
def _convolve(
    index: int,
    image: Array,
    geometry: Geometry,
    weights: Array,
    sizes: Sizes,
    split: tuple[int, int],
    plan: Plan,
    out: Array,
) -> None:
    """Compute a block of rows and columns of one image and group.

    Args:
        index: of the block: by image, group, rows, columns.
        image: [B, H, W, C], padded.
        geometry: see `Window.geometry`.
        weights: [groups, panels, steps, columns of a step].
        sizes: pixels of a result row, inputs and outputs of a group, centre of the activations.
        split: into how many parts rows and panels are split.
        plan: scales sums.
        out: [B, pixels, outputs], written.
    """
    width, inner, columns, centre = sizes
    part, last_part = span(index % split[1], split[1], weights.shape[1])
    tile, last_tile = span(index // split[1] % split[0], split[0], -(-out.shape[1] // HEIGHT))
    group = index // (split[1] * split[0]) % weights.shape[0]
    number = index // (split[1] * split[0] * weights.shape[0])
    first, room, taken = tile * HEIGHT, (last_tile - tile) * HEIGHT, last_part - part
    count = min(room, out.shape[1] - first)
    depth = weights.shape[2] * weights.shape[3] // WIDTH
    windows, sums = np.empty((room, depth), weights.dtype), sums_for(weights, (room, taken * WIDTH))
    channels = (group * inner, (group + 1) * inner)
    gather_windows(image[number], (first, width), geometry, channels, centre, windows[:count])
    multiply(windows, count, weights[group], part, sums)
    start, stop = group * columns + part * WIDTH, group * columns + min((part + taken) * WIDTH, columns)
    requantize(sums[:count], plan, start, out[number, first : first + count, start:stop])
