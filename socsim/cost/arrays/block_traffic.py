"""Bytes that a block engine moves: blocks fetched again, runs shorter than a burst, weights staged on chip.

Source: element access, transfer and weight buffering rules of Arm Vela 5.2.0 (ethos-u-vela on PyPI,
ethosu/regor/architecture/ethosu55/ethos_u55_performance.cpp and ethosu/regor/compiler/scheduler.cpp).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.arrays.block_geometry import Box, round_up
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from socsim.cost.arrays.block_geometry import BlockJob, Blocks, Geometry

BRICK = 16
"""Channels that lie beside each other in the layout that the unit keeps for itself."""
_WRITE_RUN = 64
"""Bytes that one set of multipliers writes in a run at most, in a linear layout."""


@dataclass(frozen=True, slots=True)
class Feature:
    """An activation in memory.

    Args:
        box: its shape.
        bits: of an element.
        memory: where it lies.
        is_brick: whether it has the unit's own layout of 16 channels at a time; rows of channels otherwise.
    """

    box: Box
    bits: int
    memory: str
    is_brick: bool

    @property
    def stored(self) -> Box:
        """Shape with the padding of the layout."""
        return Box(self.box.rows, self.box.columns, round_up(self.box.depth, BRICK)) if self.is_brick else self.box


def read_run(feature: Feature, block: Box, *, by_row: bool) -> int:
    """Return the bytes in a row that a block reads at once.

    Args:
        feature: what it reads.
        block: its size.
        by_row: whether pixels with fewer channels than the block has are read on end.
    """
    size = feature.bits // 8
    if feature.is_brick:
        return BRICK * size * block.columns
    if by_row and feature.box.depth <= block.depth:
        return feature.box.depth * size * block.columns
    return block.depth * size * (block.columns if feature.box.depth * size == block.depth else 1)


def write_run(feature: Feature, block: Box, engines: int) -> int:
    """Return the bytes in a row that a block writes at once."""
    size = feature.bits // 8
    if feature.is_brick:
        return BRICK * size * block.columns * engines
    if block.depth <= BRICK and feature.box.depth * size == block.depth:
        return block.depth * size * block.columns
    return min(_WRITE_RUN, BRICK * size * engines, block.depth * size)


def moved(amount: int, run: int, burst: int) -> int:
    """Return the bytes that a memory moves for an amount in runs: a run shorter than a burst takes as long."""
    return ceil_div(amount * burst, max(1, min(burst, run)))


def input_elements(job: BlockJob, blocks: Blocks, feature: Feature) -> int:
    """Return elements of an input that blocks fetch, overlaps and repeats included."""
    if job.family == "elementwise":
        depth = round_up(job.result.depth, BRICK) if feature.is_brick else job.result.depth
        return job.result.area * depth
    count = job.result.parts(blocks.result.clipped(job.result))
    depths = 1 if job.keeps_depth else count.depth
    depth = round_up(job.source.depth, BRICK) if feature.is_brick else job.source.depth
    return blocks.source.clipped(job.source).area * depth * job.subkernels * count.area * depths


def output_elements(job: BlockJob, feature: Feature) -> int:
    """Return elements of a result as they are stored."""
    depth = round_up(job.result.depth, BRICK) if feature.is_brick else job.result.depth
    return job.result.area * depth


def weight_positions(engine: Geometry, job: BlockJob, *, by_kernel: bool) -> int:
    """Return the positions of a weight stream: channels and kernel elements in the steps in which they are used."""
    elements, depth = job.elements, round_up(job.result.depth, engine.micro.depth * engine.engines)
    if job.family == "depthwise":
        return round_up(elements, 4) * depth
    if by_kernel:
        elements = round_up(elements, 2 if job.bits == 16 else 4)
    return elements * depth * round_up(job.source.depth, engine.channels)


def weight_passes(job: BlockJob, blocks: Blocks) -> int:
    """Return how often the weights stream in: once for each block of positions."""
    return job.result.parts(blocks.result.clipped(job.result)).area if job.has_weights else 0
