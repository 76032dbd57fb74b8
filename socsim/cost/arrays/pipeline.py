"""Engine of dataflow chips: every layer has compute slices of its own, and images flow through all of them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.cost.arrays.engine import ArrayCycles, ArrayEngine, ArrayMapping, Operation, demand
from socsim.cost.tiling import Steps, stream, without_weights
from socsim.quantities import ceil_div
from socsim.soc.arrays import PipelineArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.cost.tiling import Traffic
    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest


@dataclass(frozen=True, slots=True)
class Stage:
    """A layer's place on the chip.

    Args:
        slices: compute slices that are its own.
        interval: multiply-accumulates that a slice of the slowest layer of its context does in an inference.
        context_macs: multiply-accumulates of all layers that are on the chip together with it.
    """

    slices: int
    interval: int
    context_macs: int


class PipelineEngine(ArrayEngine[PipelineArray], kind="pipeline"):
    """The slowest layer decides how often an image leaves; rows of results pass from layer to layer.

    A layer ends one row of its own after the layer before it, so that an inference takes the interval of
    the slowest layer and a row of every layer. Its operators share that interval by their multiply-accumulates
    (what an operator costs alone has no meaning on such a chip; the sum has), and each adds its row.
    Slices go one by one to the layer that is slowest so far, which makes the slowest as fast as can be.
    Of a network with more layers than slices, contexts of as many layers as there are slices follow one another.

    Assumes: a layer keeps its slices busy; where the constants exceed the buffer, all are fetched again in
    each inference (in chips that switch contexts); inputs and results of every layer pass by the memories that
    the platform names, which should be on chip.
    Valid for: chips in the manner of Hailo-8 with a network compiled as a whole; not calibrated.
    """

    divides = ()

    @classmethod
    def multipliers(cls, array: PipelineArray) -> Fraction:
        """Return the multiply-accumulates of all slices."""
        return Fraction(array.slices * array.macs_per_slice)

    def run(self, operation: Operation) -> ArrayCycles:
        """Return the operator's share of the interval, and the row by which it ends after its producer."""
        nest, stage = operation.nest, self._stage(operation.kernel.loops)
        speed = operation.rate * self.spec.macs_per_slice
        share = _ceil(Fraction(stage.interval * nest.macs, max(1, stage.context_macs)) / speed)
        row = _ceil(Fraction(nest.macs, stage.slices * max(1, nest.n * nest.p)) / speed)
        return ArrayCycles(
            share + row,
            nest.macs // max(1, nest.k),
            nest.macs // max(1, nest.q),
            nest.outputs,
            f"{stage.slices} of {self.spec.slices} slices; share of the slowest layer's interval {share} "
            f"+ a row of results {row}",
        )

    def traffic(self, kernel: Kernel, mapping: ArrayMapping) -> Traffic:
        """Return the bytes of the activations, once; and of the weights, once, where not all of them fit on chip."""
        fits = 0 < self.context.constant_bytes <= self.context.unit.buffer.value
        moved = without_weights(kernel) if fits else kernel
        # Rows pass straight on, and a context has room for the weights of its layers: nothing is fetched again.
        room = 4 * (moved.input_bytes + moved.weight_bytes + 1)
        steps = Steps.of_nest(mapping.nest, self.chunks(mapping.nest))
        return stream(moved, room, steps, demand=demand(moved, mapping))

    def _stage(self, loops: tuple[LoopNest, ...]) -> Stage:
        """Return a layer's place; of one that is not part of the network, its place alone on the chip."""
        return self._stages.get(loops) or _laid_out((loops,), self.spec.slices)[loops]

    @cached_property
    def _stages(self) -> dict[tuple[LoopNest, ...], Stage]:
        return _laid_out(self.context.nests, self.spec.slices)


def _laid_out(layers: Sequence[tuple[LoopNest, ...]], size: int) -> dict[tuple[LoopNest, ...], Stage]:
    """Return the place of each layer; layers that are alike share the last one's."""
    found: dict[tuple[LoopNest, ...], Stage] = {}
    for start in range(0, len(layers), size):
        context = layers[start : start + size]
        macs = [sum(n.macs for n in nests) for nests in context]
        slices = _dealt(macs, size)
        interval = max(ceil_div(m, s) for m, s in zip(macs, slices, strict=True))
        found |= {nests: Stage(s, interval, sum(macs)) for nests, s in zip(context, slices, strict=True)}
    return found


def _dealt(work: Sequence[int], slices: int) -> list[int]:
    """Return slices for each layer, at least one, such that the slowest layer is as fast as can be."""
    dealt = [1] * len(work)
    slowest = [(-amount, position) for position, amount in enumerate(work)]
    heapq.heapify(slowest)
    for _ in range(slices - len(work)):
        _, position = slowest[0]
        dealt[position] += 1
        heapq.heapreplace(slowest, (-ceil_div(work[position], dealt[position]), position))
    return dealt


def _ceil(amount: Fraction) -> int:
    return ceil_div(amount.numerator, amount.denominator)
