"""Mapping of a loop nest onto a multiplier array: steps from ceilings, operand reads from the dataflow."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.model import cycles
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from socsim.soc.schema import NpuArray
    from socsim.workload.loops import LoopNest

_INPUT_DIMENSIONS = ("N", "G", "C", "P", "Q", "R", "S")
_WEIGHT_DIMENSIONS = ("G", "K", "C", "R", "S")


@dataclass(frozen=True, slots=True)
class ArrayMapping:
    """A loop nest on the array of each core.

    Args:
        cycles: from the first operand in to the last result out.
        ideal_cycles: with every multiplier busy.
        input_copies: cores that fetch the same inputs.
        weight_copies: cores that fetch the same weights.
        buffer_reads: operand elements that leave the local buffers, all cores.
        text: the ceilings, in words.
    """

    cycles: int
    ideal_cycles: int
    input_copies: int
    weight_copies: int
    buffer_reads: int
    text: str


def map_nest(nest: LoopNest, array: NpuArray, dataflow: str, rate: Fraction, cores: int) -> ArrayMapping:
    """Return the mapping of a nest that `cores` cores share.

    Steps are the product of ceil(bound / unrolled) over the loop dimensions; a dimension that does not
    fill its unrolling leaves multipliers idle. Cores divide the dimension that leaves the fewest steps.

    Args:
        nest: loop bounds.
        array: the unrolling, and whether operands ripple through the array.
        dataflow: which operand stays in the array while the others stream.
        rate: speed of the type relative to the type that the array is written for.
        cores: cores that share the nest.
    """
    unroll = array.depthwise if nest.is_depthwise else array.unroll
    split = _shared_dimension(nest, unroll, cores)
    bounds = {d: ceil_div(b, cores) if d == split else b for d, b in nest.bounds.items()}
    counts = {d: ceil_div(b, unroll.get(d, 1)) for d, b in bounds.items()}
    steps = prod(counts.values())
    fill = _fill(counts, unroll) if array.systolic else 0
    total = cycles(steps, rate) + fill
    return ArrayMapping(
        total,
        cycles(nest.macs, rate * prod(array.unroll.values()) * cores),
        cores if split in {"K"} else 1,
        cores if split in {"P", "Q", "N"} else 1,
        cores * _buffer_reads(counts, unroll, steps, dataflow),
        _words(bounds, counts, unroll, fill) + f" = {total:,} cycles",
    )


def _shared_dimension(nest: LoopNest, unroll: Mapping[str, int], cores: int) -> str:
    if cores == 1:
        return ""

    def left(dimension: str) -> float:
        bound, width = nest.bounds[dimension], unroll.get(dimension, 1)
        return ceil_div(ceil_div(bound, cores), width) / ceil_div(bound, width)

    return min(("P", "K", "G", "N"), key=left)


def _fill(counts: Mapping[str, int], unroll: Mapping[str, int]) -> int:
    """Return fill and drain of a systolic array: its edge lengths, once for each block of weights."""
    blocks = prod(counts[d] for d in _WEIGHT_DIMENSIONS)
    return blocks * (sum(unroll.values()) - 2)


def _buffer_reads(counts: Mapping[str, int], unroll: Mapping[str, int], steps: int, dataflow: str) -> int:
    """Return elements read from the buffers: the operand that stays is read once for each of its blocks."""
    inputs = prod(unroll.get(d, 1) for d in _INPUT_DIMENSIONS)
    weights = prod(unroll.get(d, 1) for d in _WEIGHT_DIMENSIONS)
    input_steps = weight_steps = steps
    if dataflow == "weight_stationary":
        weight_steps = prod(counts[d] for d in _WEIGHT_DIMENSIONS)
    elif dataflow == "input_stationary":
        input_steps = prod(counts[d] for d in _INPUT_DIMENSIONS)
    return inputs * input_steps + weights * weight_steps


def _words(bounds: Mapping[str, int], counts: Mapping[str, int], unroll: Mapping[str, int], fill: int) -> str:
    parts = [
        f"ceil({d} {bounds[d]}/{unroll[d]})={count}" if d in unroll else f"{d} {count}"
        for d, count in counts.items()
        if d in unroll or count > 1
    ]
    return (" x ".join(parts) or "1") + (f" + {fill:,} fill and drain" if fill else "")
