"""The block of results that fits a banked buffer and fetches the fewest elements for each result.

Source: block search of Arm Vela 5.2.0 (ethos-u-vela on PyPI, ethosu/regor/architecture/ethosu55/ethos_u55.cpp).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from socsim.cost.arrays.block_geometry import SUBKERNEL, BlockJob, Blocks, Box, Geometry, round_up
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPLIT_DEPTH = 16
"""Channels by which the search advances while a block does not hold them all."""
_SMALL = 4
"""Rows and columns up to which a block is preferred for covering more of the input."""


def goes_by_kernel(job: BlockJob) -> bool:
    """Whether kernel elements fill the multipliers better than input channels do.

    Channels are taken 32 at a time (16 of 16 bits), or 8 at a time with 4 (2) kernel elements.
    """
    if job.family != "convolution":
        return False
    depth, is_wide = job.source.depth, job.bits == 16
    if depth <= 8:
        return True
    deep = depth / round_up(depth, 16 if is_wide else 32)
    shallow = depth / round_up(depth, 8) * job.elements / round_up(job.elements, 2 if is_wide else 4)
    return shallow >= deep


@lru_cache(maxsize=4096)
def choose_blocks(engine: Geometry, job: BlockJob) -> Blocks | None:
    """Return the block that fits and fetches least; None where none fits.

    Among equals the first in order of channels, rows and columns wins, except that of blocks up to 4 x 4 the
    one that covers more of the input does.
    """
    by_kernel = goes_by_kernel(job)
    best: Blocks | None = None
    best_cost = best_cover = float("inf")
    for source, result in _candidates(engine, job, by_kernel=by_kernel):
        cost = _cost(job, source, result)
        if cost > best_cost:
            continue
        cover = job.source.area / max(1, source.clipped(job.source).area)
        if cost < best_cost:
            best, best_cost, best_cover = Blocks(source, result, by_kernel), cost, float("inf")
        elif cover <= best_cover and result.rows <= _SMALL and result.columns <= _SMALL:
            best, best_cover = Blocks(source, result, by_kernel), cover
    return best


def _candidates(engine: Geometry, job: BlockJob, *, by_kernel: bool) -> Iterator[tuple[Box, Box]]:
    """Return input and result blocks that fit: of each depth and height the widest, and the narrowest as good.

    A wider block never fetches more, so that nothing between the two can win.
    """
    micro, limit, whole = engine.micro, engine.largest, job.result
    space = Box(
        round_up(min(whole.rows, limit.rows), micro.rows),
        round_up(min(whole.columns, limit.columns), micro.columns),
        round_up(min(whole.depth, limit.depth), micro.depth),
    )
    for depth in _depths(whole.depth, space.depth, micro.depth):
        widest = space.columns
        for rows in range(micro.rows, space.rows + 1, micro.rows):
            while widest and not _fits(
                engine, job, *_boxes(engine, job, Box(rows, widest, depth), by_kernel=by_kernel)
            ):
                widest -= micro.columns
            if not widest:
                break
            for columns in _widths(whole.columns, widest, micro.columns):
                yield _boxes(engine, job, Box(rows, columns, depth), by_kernel=by_kernel)


def _widths(columns: int, widest: int, step: int) -> tuple[int, ...]:
    narrow = round_up(ceil_div(columns, ceil_div(columns, widest)), step)
    return (narrow, widest) if narrow < widest else (widest,)


def _depths(wanted: int, most: int, step: int) -> Iterator[int]:
    depth = max(step, min(most, _SPLIT_DEPTH))
    while depth <= most:
        depth = round_up(depth, _SPLIT_DEPTH) if depth < wanted else depth
        if depth <= most:
            yield depth
        depth += step


def _boxes(engine: Geometry, job: BlockJob, result: Box, *, by_kernel: bool) -> tuple[Box, Box]:
    """Return the input that a block of results needs, in whole micro blocks, and the block."""
    rows = (result.rows - 1) * job.stride[0] + min(job.reach[0], SUBKERNEL)
    columns = (result.columns - 1) * job.stride[1] + min(job.reach[1], SUBKERNEL)
    if job.keeps_depth:
        depth = result.depth
    elif job.bits == 16:
        depth = round_up(min(job.source.depth, 16), 4)
    else:
        depth = round_up(min(job.source.depth, 16 if by_kernel else 32), engine.channels)
    return Box(round_up(rows, engine.micro.rows), round_up(columns, engine.micro.columns), depth), result


def _fits(engine: Geometry, job: BlockJob, source: Box, result: Box) -> bool:
    """Whether two blocks of input, two of sums, and tables find banks."""
    is_elementwise = job.family == "elementwise"
    inputs = round_up(
        2 * ceil_div(source.area * round_up(source.depth * job.bits // 8, 8), engine.bank_bytes),
        engine.granule("elementwise" if is_elementwise else "input", job.bits),
    )
    room = engine.free_banks - max(2 if job.table else 0, engine.table_banks)
    if is_elementwise:
        return job.operands * inputs <= room
    bits = 40 if job.wide_sums else 32
    rows = 1 if _is_flat(engine, job) else result.rows
    sums = rows * result.columns * round_up(result.depth, 8) * bits // 8
    return inputs + round_up(2 * ceil_div(sums, engine.bank_bytes), engine.granule("sums", bits)) <= room


def _is_flat(engine: Geometry, job: BlockJob) -> bool:
    """Whether a single row of results leaves the second row of micro blocks without sums."""
    return engine.micro.rows > 1 and job.result.rows == 1 and job.window[0] == 1


def _cost(job: BlockJob, source: Box, result: Box) -> float:
    """Return elements fetched for each result; half of that where both buffered blocks hold the whole input."""
    whole = job.result
    if job.family == "elementwise":
        return whole.volume / result.volume
    count = whole.parts(result)
    rows = min(result.rows, whole.rows) if whole.rows == 1 and job.window[0] == 1 else result.rows
    inputs = source.area * job.source.depth * job.subkernels * (whole.rows / rows) * (whole.columns / result.columns)
    if not job.keeps_depth:
        inputs *= count.depth
    weights = 0
    if job.has_weights:
        weights = job.elements * job.source.depth * count.area * (1 if job.family == "depthwise" else whole.depth)
    cost = (inputs + weights) / whole.volume
    return cost / 2 if job.source.volume < 2 * source.volume else cost
