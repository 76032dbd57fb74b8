"""Mapping of a loop nest onto a multiplier array: steps from ceilings, operand reads from the dataflow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.model import cycles
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction

    from socsim.soc.schema import NpuArray
    from socsim.workload.loops import LoopNest

_INPUT_DIMENSIONS = ("N", "G", "C", "P", "Q", "R", "S")
_WEIGHT_DIMENSIONS = ("G", "K", "C", "R", "S")
_OUTPUT_DIMENSIONS = ("N", "G", "K", "P", "Q")
_STATIONARY = {
    "weight_stationary": _WEIGHT_DIMENSIONS,
    "input_stationary": _INPUT_DIMENSIONS,
    "output_stationary": _OUTPUT_DIMENSIONS,
}
_PARTS: dict[str, Callable[[LoopNest, int], LoopNest]] = {
    "P": lambda nest, part: replace(nest, p=part),
    "K": lambda nest, part: replace(nest, k=part),
    "G": lambda nest, part: replace(nest, g=part),
    "N": lambda nest, part: replace(nest, n=part),
}
"""Dimensions that cores can divide between them: rows, channels, groups, images."""


@dataclass(frozen=True, slots=True)
class ArrayMapping:
    """A loop nest on the array of each core.

    Args:
        nest: the part of the nest that one core works on.
        split: dimension that cores divide between them, "" where one core does it all.
        cores: cores that work.
        cycles: from the first operand in to the last result out.
        ideal_cycles: with every multiplier of every core that the run uses busy.
        buffer_reads: operand elements that leave the local buffers, all cores.
        text: the ceilings, in words.
    """

    nest: LoopNest
    split: str
    cores: int
    cycles: int
    ideal_cycles: int
    buffer_reads: int
    text: str

    @property
    def input_copies(self) -> int:
        """Cores that fetch the same inputs."""
        return self.cores if self.split == "K" else 1

    @property
    def weight_copies(self) -> int:
        """Cores that fetch the same weights."""
        return self.cores if self.split in {"P", "N"} else 1


def splits(nest: LoopNest, cores: int) -> tuple[str, ...]:
    """Return the ways to share a nest: not at all, or along a dimension of more than one."""
    return ("", *(d for d in _PARTS if cores > 1 and nest.bounds[d] > 1))


def map_nest(
    nest: LoopNest, array: NpuArray, dataflow: str, rate: Fraction, cores: int, split: str = ""
) -> ArrayMapping:
    """Return the mapping of a nest that cores share along one dimension.

    Steps are the product of ceil(bound / unrolled) over the loop dimensions; a dimension that does not
    fill its unrolling leaves multipliers idle.

    Args:
        nest: loop bounds.
        array: the unrolling, and whether operands ripple through the array.
        dataflow: which operand stays in the array while the others stream.
        rate: speed of the type relative to the type that the array is written for.
        cores: cores that the run uses.
        split: dimension that they divide; "" leaves the nest to one of them.
    """
    unroll = array.depthwise if nest.is_depthwise else array.unroll
    part, used = _share(nest, split, cores)
    counts = {d: ceil_div(b, unroll.get(d, 1)) for d, b in part.bounds.items()}
    steps = prod(counts.values())
    fill = _fill(counts, unroll, dataflow) if array.systolic else 0
    total = cycles(steps, rate) + fill
    return ArrayMapping(
        part,
        split,
        used,
        total,
        cycles(nest.macs, rate * prod(array.unroll.values()) * cores),
        used * _buffer_reads(counts, unroll, steps, dataflow),
        _words(part.bounds, counts, unroll, fill) + f" = {total:,} cycles" + _shared_words(split, used),
    )


def _share(nest: LoopNest, split: str, cores: int) -> tuple[LoopNest, int]:
    """Return the largest part that a core gets, and how many cores get one."""
    if not split:
        return nest, 1
    bound = nest.bounds[split]
    part = ceil_div(bound, cores)
    return _PARTS[split](nest, part), ceil_div(bound, part)


def _fill(counts: Mapping[str, int], unroll: Mapping[str, int], dataflow: str) -> int:
    """Return fill and drain of a systolic array.

    Operands ripple along every unrolled dimension, so that the last multiplier starts the sum of
    (width - 1) cycles after the first; the array pays this once for each block of the operand that stays.

    Assumes: the next block of that operand shifts in beside compute.
    Source: Samajdar et al., "SCALE-Sim", 2018 (arXiv 1811.02883), without the cycles that load the block.
    """
    blocks = prod(counts[d] for d in _STATIONARY[dataflow])
    return blocks * sum(width - 1 for width in unroll.values())


def _buffer_reads(counts: Mapping[str, int], unroll: Mapping[str, int], steps: int, dataflow: str) -> int:
    """Return elements read from the buffers: the operand that stays is read once for each of its blocks."""
    inputs = prod(unroll.get(d, 1) for d in _INPUT_DIMENSIONS)
    weights = prod(unroll.get(d, 1) for d in _WEIGHT_DIMENSIONS)
    held = prod(counts[d] for d in _STATIONARY[dataflow])
    input_steps = held if dataflow == "input_stationary" else steps
    weight_steps = held if dataflow == "weight_stationary" else steps
    return inputs * input_steps + weights * weight_steps


def _words(bounds: Mapping[str, int], counts: Mapping[str, int], unroll: Mapping[str, int], fill: int) -> str:
    parts = [
        f"ceil({d} {bounds[d]}/{unroll[d]})={count}" if d in unroll else f"{d} {count}"
        for d, count in counts.items()
        if d in unroll or count > 1
    ]
    return (" x ".join(parts) or "1") + (f" + {fill:,} fill and drain" if fill else "")


def _shared_words(split: str, used: int) -> str:
    return f" on each of {used} cores, which divide {split}" if split else ""
