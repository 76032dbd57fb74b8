"""Cycles of a block engine: multipliers, output stage, and the issue of a block's commands.

Source: performance model of Arm Vela 5.2.0 (ethos-u-vela on PyPI, ethosu/regor/architecture/ethosu55/
ethos_u55_performance.cpp).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from socsim.cost.arrays.block_geometry import SUBKERNEL, Box
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from socsim.cost.arrays.block_geometry import BlockJob, Blocks, Geometry

_MICRO = 4
"""Cycles of a micro block for one kernel element and 32 input channels (or what takes their place)."""
_DEPTH = 32
"""Input channels (or kernel elements and channels) whose weights a micro block takes in a pass."""
_STAGES = 4
"""Stages whose commands share an issuer: a block's commands take a quarter of its work and traffic together."""


@dataclass(frozen=True, slots=True)
class BlockCycles:
    """Cycles of one operation.

    Args:
        steady: from the first block's input to the last block's results.
        multiplying: of the multipliers alone.
        writing: of the output stage alone.
        issuing: of the commands alone.
    """

    steady: int
    multiplying: int
    writing: int
    issuing: int


def block_cycles(
    engine: Geometry, job: BlockJob, blocks: Blocks, rate: Fraction, edges: tuple[int, int], bias: int
) -> BlockCycles:
    """Return the cycles of an operation that goes through the multipliers.

    Args:
        engine: sizes of the array.
        job: the operation.
        blocks: its blocks.
        rate: cycles of the output stage for an element.
        edges: cycles to bring the first block of input, and to take the last block of results away.
        bias: cycles to read the scales and biases of a block.
    """
    made = blocks.result.clipped(job.result)
    micro = _micro_block(engine, job)
    count = Fraction(job.result.parts(micro).volume, made.parts(micro).volume)
    writing = max(ceil(rate * made.volume), bias)
    multiplying = _multiply(engine, job, blocks, made.parts(micro))
    fetch = abs(edges[1] - edges[0]) if count > 1 else 0
    issuing = Fraction(fetch + multiplying + writing, _STAGES)
    stages = max(Fraction(multiplying), issuing), max(Fraction(writing), issuing)
    slow, fast = max(stages), min(stages)
    return BlockCycles(int(slow * count + fast), int(multiplying * count), int(writing * count), int(issuing * count))


def elementwise_cycles(job: BlockJob, blocks: Blocks, rate: Fraction, edge: int, elements: int) -> BlockCycles:
    """Return the cycles of an operation of the output stage alone.

    Args:
        job: the operation.
        blocks: its blocks.
        rate: cycles of the output stage for an element.
        edge: cycles to bring a block in or to take it away, whichever is longer.
        elements: results, padded as they are stored.
    """
    writing = ceil(rate * elements)
    issuing = ceil((Fraction(edge, blocks.result.volume) + rate) / _STAGES * elements)
    return BlockCycles(max(writing, issuing), 0, writing, issuing)


def _micro_block(engine: Geometry, job: BlockJob) -> Box:
    """Return the results that are made together: four in a row where there is a single row of them."""
    is_flat = job.family == "convolution" and job.result.rows == 1 and job.window[0] == 1
    if is_flat and job.result.columns % 2 == 0 and engine.micro.rows > 1:
        return Box(1, engine.micro.area, engine.micro.depth)
    return engine.micro


def _multiply(engine: Geometry, job: BlockJob, blocks: Blocks, micros: Box) -> int:
    """Return the cycles of the multipliers for one block of results of so many micro blocks."""
    source = blocks.source.clipped(job.source)
    total = sum(
        _subkernel(engine, job, blocks, micros, rows * columns)
        for rows in _pieces(job.window[0])
        for columns in _pieces(job.window[1])
    )
    if job.family == "convolution" and blocks.by_kernel:
        total *= ceil_div(source.depth, engine.channels)
    if job.family in {"convolution", "reduce"}:
        total *= ceil_div(job.source.depth, source.depth)
    return total // engine.engines


def _pieces(size: int) -> list[int]:
    return [min(SUBKERNEL, size - start) for start in range(0, size, SUBKERNEL)]


def _subkernel(engine: Geometry, job: BlockJob, blocks: Blocks, micros: Box, elements: int) -> int:
    """Return the cycles of one subkernel, of a step of input channels where kernel elements come first.

    The weights of a micro block's channels and 32 input channels are unpacked once for all positions of the block.
    """
    if job.family == "pool":
        cycles = max(_MICRO, elements) * micros.volume * (1 if engine.narrow else job.bits // 2)
        return cycles + _stall(engine, job, micros, 1)
    positions = _MICRO * micros.area * (job.bits // 8 if job.family == "depthwise" else 1)
    if job.family == "depthwise":
        steps = ceil_div(elements, 4)
    elif blocks.by_kernel:
        steps = ceil_div(elements, 2 if job.bits == 16 else 4)
    else:
        steps = elements
    unpacked = ceil_div(_DEPTH * engine.micro.depth, engine.decode)
    return max(unpacked, positions) * steps * micros.depth + _stall(engine, job, micros, steps)


def _stall(engine: Geometry, job: BlockJob, micros: Box, steps: int) -> int:
    """Return cycles in which a sum waits for its own last addition, where a block has a single position."""
    delays = (3, 7) if engine.narrow else (2, 3 if engine.multipliers <= 128 else 2)
    delay = delays[job.wide_sums]
    lost = 0
    if micros.area == 1:
        lost = delay * steps if micros.depth == 1 else delay * (steps - 1) * micros.depth
    if engine.narrow and job.wide_sums and micros.depth > 1 and 1 in {micros.rows, micros.columns}:
        lost += delay * micros.depth
    return lost
