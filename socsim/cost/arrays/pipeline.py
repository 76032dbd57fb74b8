"""Engine of dataflow chips: every layer has compute slices of its own, and images flow through all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.cost.arrays.engine import ArrayCycles, ArrayEngine, ArrayMapping, Operation, demand
from socsim.cost.arrays.pipeline_contexts import Chip, Demand, Layout, laid_out
from socsim.cost.model import as_fraction
from socsim.cost.tiling import Steps, stream, without_weights
from socsim.cost.work import by_memory, merged
from socsim.quantities import ceil_div
from socsim.soc.arrays import PipelineArray

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socsim.cost.tiling import Traffic
    from socsim.cost.work import Kernel, Layer
    from socsim.workload.loops import LoopNest


@dataclass(frozen=True, slots=True)
class Stage:
    """A layer's place on the chip; of layers that are alike, the mean of theirs.

    Args:
        slices: compute slices that are its own.
        interval: multiply-accumulates that a slice of the slowest layer of its context does in an inference.
        share: part of that interval that counts as the layer's: its part of the context's multiply-accumulates.
    """

    slices: Fraction
    interval: Fraction
    share: Fraction


class PipelineEngine(ArrayEngine[PipelineArray], kind="pipeline"):
    """The slowest layer decides how often an image leaves; rows of results pass from layer to layer.

    An inference takes the interval of the slowest layer, and for every layer the time in which the rows arrive that
    its first row of results needs, all layers being held to that interval. Its operators share the interval by their
    multiply-accumulates (what an operator costs alone has no meaning on such a chip; the sum has).
    Slices go one by one to the layer that is slowest so far, which makes the slowest as fast as controllers allow.
    A network that does not fit runs in contexts, which follow one another: each loads its weights, then takes all
    images of a batch.

    Assumes: a layer keeps its slices busy; what passes from context to context stays beside compute; constants are as
    large as the right operands of products make expect; inputs and results of every layer pass by the memories that
    the platform names, which should be on chip.
    Valid for: chips in the manner of Hailo-8 with a network compiled as a whole; not calibrated.
    """

    divides = ()

    @classmethod
    def multipliers(cls, array: PipelineArray) -> Fraction:
        """Return the multiply-accumulates of all slices."""
        return Fraction(array.slices * array.macs_per_slice)

    @property
    def setup_ps(self) -> int:
        """Its part of the changes of context: they are spread evenly over layers that multiply."""
        contexts, layers = len(self._contexts), sum(1 for layer in self.context.layers if layer.nests)
        return ceil_div(contexts * self.spec.switch.value, max(1, layers)) if contexts > 1 else 0

    def run(self, operation: Operation) -> ArrayCycles:
        """Return the operator's share of the interval, and the time until its first row can begin."""
        nest, stage = operation.nest, self._stage(operation.kernel.loops)
        speed = operation.rate * self.spec.macs_per_slice
        part = Fraction(self._taken([nest]), max(1, self._taken(operation.kernel.loops)))
        share = _ceil(stage.share * part * nest.n / speed)
        row = _ceil(stage.interval * _awaited(nest) / speed)
        return ArrayCycles(
            share + row,
            nest.macs // max(1, nest.k),
            nest.macs // max(1, nest.q),
            nest.outputs,
            f"{float(stage.slices):g} of {self.spec.slices} slices in {max(1, len(self._contexts))} contexts; share of "
            f"the slowest layer's interval {share} + rows that the first row of results needs {row}",
        )

    def vector_cycles(self, kernel: Kernel, alone: int) -> int:
        """Return the cycles until its first row can begin, beside other layers; as a layer it is never slow."""
        if not self._contexts:
            return alone
        interval = sum((c.interval for c in self._contexts), Fraction()) / len(self._contexts)
        rows = [_rows(operand.shape) for operands in (kernel.inputs, kernel.outputs) for operand in operands[:1]]
        awaited = Fraction(1) if rows[-1:] == [1] else Fraction(kernel.window[0] // 2 + 1, max(1, *rows))
        return min(alone, _ceil(interval * awaited / self.spec.macs_per_slice))

    def traffic(self, kernel: Kernel, mapping: ArrayMapping) -> Traffic:
        """Return the bytes of the activations, once; and of the weights, once and beforehand, in several contexts."""
        stays = len(self._contexts) == 1 and self.context.constant_bytes > 0
        moved = without_weights(kernel) if stays else kernel
        # Rows pass straight on, and a context has room for the weights of its layers: nothing is fetched again.
        room = 4 * (moved.input_bytes + moved.weight_bytes + 1)
        steps = Steps.of_nest(mapping.nest, self.chunks(mapping.nest))
        found = stream(moved, room, steps, demand=demand(moved, mapping))
        if stays:
            return found
        rows = stream(without_weights(kernel), room, steps).first_load
        return replace(found, first_load=merged(rows, by_memory(kernel.weights)))

    def _stage(self, loops: tuple[LoopNest, ...]) -> Stage:
        """Return a layer's place; of one that is not part of the network, its place alone on the chip."""
        if loops not in self._stages:
            alone = (Demand(self._taken(loops), 0, 1, 0),)
            return next(iter(_stages([loops], alone, laid_out(alone, self._chip)).values()))
        return self._stages[loops]

    @cached_property
    def _stages(self) -> dict[tuple[LoopNest, ...], Stage]:
        return _stages((layer.nests for layer in self.context.layers), self._demands, self._contexts)

    @cached_property
    def _contexts(self) -> tuple[Layout, ...]:
        return laid_out(self._demands, self._chip) if self._demands else ()

    @cached_property
    def _demands(self) -> tuple[Demand, ...]:
        weights = sum(nest.weights for layer in self.context.layers for nest in layer.nests)
        return tuple(
            self._demand(layer, Fraction(self.context.constant_bytes, max(1, weights))) for layer in self.context.layers
        )

    def _demand(self, layer: Layer, bytes_per_weight: Fraction) -> Demand:
        weights = sum(nest.weights for nest in layer.nests) * bytes_per_weight
        rate = self.spec.elements_per_part
        passed = ceil_div(layer.elements * self.spec.macs_per_slice, rate) if rate else 0
        return Demand(self._taken(layer.nests), passed, self.spec.layers.get(layer.type, 1), _ceil(weights))

    def _taken(self, nests: Iterable[LoopNest]) -> int:
        """Return the multiplications of a layer in one inference, those of idle multipliers included."""
        return sum(nest.macs // max(1, nest.n * nest.c) * self._lanes(nest) for nest in nests)

    def _lanes(self, nest: LoopNest) -> int:
        lanes = self.spec.inputs_per_slice if nest.is_convolution and nest.g > 1 else 1
        return ceil_div(nest.c, lanes) * lanes

    @cached_property
    def _chip(self) -> Chip:
        array, room = self.spec, self.context.unit.buffer.value
        controllers = array.controllers or array.slices
        whole, several = as_fraction(array.filled), as_fraction(array.context_filled)
        return Chip(
            slices=int(array.slices * whole),
            controllers=int(controllers * whole),
            weights=int(room * whole),
            context_slices=int(array.slices * several),
            context_controllers=int(controllers * several),
            context_weights=int(room * several),
            part=array.slices_per_controller or array.slices,
            macs_per_s=max(1, self.context.hz) * array.macs_per_slice,
            switch_ps=array.switch.value,
        )


def _stages(
    layers: Iterable[tuple[LoopNest, ...]], demands: Iterable[Demand], contexts: Iterable[Layout]
) -> dict[tuple[LoopNest, ...], Stage]:
    """Return the place of each layer that multiplies; layers that are alike share the mean of theirs."""
    places = [(slices, context) for context in contexts for slices in context.slices]
    alike: dict[tuple[LoopNest, ...], list[Stage]] = {}
    for nests, own, (slices, context) in zip(layers, demands, places, strict=True):
        if nests:
            part = context.interval * own.macs / max(1, context.macs)
            alike.setdefault(nests, []).append(Stage(Fraction(slices), context.interval, part))
    return {nests: _mean(found) for nests, found in alike.items()}


def _mean(stages: list[Stage]) -> Stage:
    amount = len(stages)
    return Stage(
        sum((s.slices for s in stages), Fraction()) / amount,
        sum((s.interval for s in stages), Fraction()) / amount,
        sum((s.share for s in stages), Fraction()) / amount,
    )


def _awaited(nest: LoopNest) -> Fraction:
    """Return the part of its input that an operator waits for: rows up to the middle of the first window.

    A product of two activations waits for all of the second.
    """
    if not nest.is_convolution and nest.g > 1:
        return Fraction(1)
    rows = (nest.r - 1) * nest.dilation_h // 2 + 1
    return min(Fraction(1), Fraction(rows, max(1, nest.p if nest.output_positions else nest.input_rows)))


def _rows(shape: tuple[int, ...]) -> int:
    return shape[-3] if len(shape) > 3 else shape[-2] if len(shape) > 1 else 1


def _ceil(amount: Fraction) -> int:
    return ceil_div(amount.numerator, amount.denominator)
