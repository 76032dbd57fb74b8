"""Cost model of NPUs: spatial unrolling, tiling through the local buffer, DMA beside the array."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.array import ArrayMapping, map_nest
from socsim.cost.model import CostModel, as_fraction
from socsim.cost.tiling import Tiling, tile
from socsim.cost.work import Work, by_memory, merged, pipelined, scaled
from socsim.quantities import ceil_div
from socsim.soc.schema import Npu
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest


class NpuModel(CostModel[Npu], kind="npu"):
    """Multiplier array with loop dimensions unrolled onto it.

    Utilisation follows from the ceilings of dimensions that do not fill the array; depthwise layers
    use the array's depthwise unrolling. Inputs and weights stream through the local buffer under the
    schedule that moves the fewest bytes, double buffered beside compute.

    Assumes: no stalls inside the array other than fill and drain; post-processing (requantization,
    activation, fused addition) runs in the vector unit beside the array; cores share an operator by
    output rows or output channels, whichever leaves fewer cycles.
    Valid for: dense integer and half-precision networks of convolutions; not calibrated.
    """

    @cached_property
    def _rates(self) -> dict[str, Fraction]:
        width = prod(self.spec.array.unroll.values())
        return {t: as_fraction(r) * width * self.context.cores for t, r in self.spec.precisions.items()}

    def rates(self) -> Mapping[str, Fraction]:
        """Return the array's multiply-accumulates a cycle by type."""
        return self._rates

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        if kernel.category is Category.MAC:
            return self._mac_work(kernel)
        return self._vector_work(kernel)

    # --- multiply-accumulate operators ----------------------------------------------------------------

    def _mac_work(self, kernel: Kernel) -> Work:
        mappings = [self._map(kernel, nest) for nest in kernel.loops]
        first, nest = mappings[0], kernel.loops[0]
        vector = self._vector_cycles(kernel)
        plan = self._tile(kernel, nest)
        inputs = scaled(by_memory(kernel.inputs), first.input_copies, 1)
        weights = scaled(by_memory(kernel.weights), first.weight_copies, 1)
        reads = merged(scaled(inputs, plan.input_fetches, 1), scaled(weights, plan.weight_fetches, 1))
        writes = by_memory(kernel.outputs)
        phases = pipelined(
            max(sum(m.cycles for m in mappings), vector),
            reads,
            writes,
            first_load=merged(scaled(inputs, 1, self._stripes(nest)), scaled(weights, 1, self._blocks(nest))),
            last_store=scaled(writes, 1, nest.p),
        )
        operands = sum(m.buffer_reads for m in mappings)
        return Work(
            phases,
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=sum(reads.values()) + sum(writes.values()) + ceil_div(operands * kernel.element_bits, 8),
            core_cycles=max(sum(m.cycles for m in mappings), vector) * self.context.cores,
            weight_bytes=kernel.weight_bytes * plan.weight_fetches * first.weight_copies,
            setup_ps=self.spec.command.value,
            sync_ps=self.spec.core_sync.value if self.context.cores > 1 else 0,
            terms=self._terms(kernel, mappings, vector, plan),
            levers=self._levers(kernel, mappings, vector, plan),
        )

    def _map(self, kernel: Kernel, nest: LoopNest) -> ArrayMapping:
        rate = as_fraction(self.spec.precisions[kernel.dtype])
        return map_nest(nest, self.spec.array, self.spec.dataflow, rate, self.context.cores)

    def _tile(self, kernel: Kernel, nest: LoopNest) -> Tiling:
        return tile(
            kernel.input_bytes,
            kernel.weight_bytes,
            ceil_div(kernel.input_bytes, self._stripes(nest)),
            ceil_div(kernel.weight_bytes, self._blocks(nest)),
            self.spec.buffer.value,
        )

    @staticmethod
    def _stripes(nest: LoopNest) -> int:
        """Return how many stripes of one output row's input the whole input holds."""
        return max(1, nest.input_rows // max(1, (nest.r - 1) * nest.dilation_h + 1))

    def _blocks(self, nest: LoopNest) -> int:
        """Return how many array-fulls of filters the weights hold."""
        unroll = self.spec.array.depthwise if nest.is_depthwise else self.spec.array.unroll
        return ceil_div(nest.k, unroll.get("K", 1)) * ceil_div(nest.g, unroll.get("G", 1))

    # --- everything else ------------------------------------------------------------------------------

    def _vector_cycles(self, kernel: Kernel) -> int:
        return ceil_div(kernel.vector_elements, self.spec.vector * self.context.cores)

    def _vector_work(self, kernel: Kernel) -> Work:
        vector = self._vector_cycles(kernel)
        reads = merged(by_memory(kernel.inputs), by_memory(kernel.weights))
        writes = by_memory(kernel.outputs)
        burst = max(1, (sum(reads.values()) + sum(writes.values())) // max(1, self.spec.buffer.value // 2))
        phases = pipelined(
            vector,
            reads,
            writes,
            first_load=scaled(reads, 1, burst + 1),
            last_store=scaled(writes, 1, burst + 1),
        )
        return Work(
            phases,
            executed_macs=0,
            vector_elements=kernel.vector_elements,
            local_bytes=2 * (kernel.input_bytes + kernel.output_bytes),
            core_cycles=vector * self.context.cores,
            weight_bytes=kernel.weight_bytes,
            setup_ps=self.spec.command.value,
            sync_ps=0,
            terms=(
                f"vector unit: {kernel.vector_elements:,} element operations / {self.spec.vector * self.context.cores} "
                f"a cycle = {vector:,} cycles",
                f"moves {kernel.input_bytes + kernel.weight_bytes:,} B in and {kernel.output_bytes:,} B out",
            ),
            levers=("fuse this operator into its producer",),
        )

    # --- explanation ----------------------------------------------------------------------------------

    def _terms(self, kernel: Kernel, mappings: list[ArrayMapping], vector: int, plan: Tiling) -> tuple[str, ...]:
        ideal = sum(m.ideal_cycles for m in mappings)
        array = sum(m.cycles for m in mappings)
        lines = [f"array ({self.spec.dataflow}): {m.text}" for m in mappings]
        share = 100 * ideal / max(array, 1)
        lines.append(f"{kernel.macs:,} MACs need {ideal:,} cycles at full use: {share:.0f} % of the array works")
        if kernel.vector_elements:
            lines.append(f"vector unit beside it: {kernel.vector_elements:,} element operations = {vector:,} cycles")
        lines.append(
            f"tiling through {self.spec.buffer}: {plan.bound}; reads {kernel.input_bytes:,} B x {plan.input_fetches} "
            f"of input and {kernel.weight_bytes:,} B x {plan.weight_fetches} of weights, "
            f"writes {kernel.output_bytes:,} B"
        )
        return tuple(lines)

    @staticmethod
    def _levers(kernel: Kernel, mappings: list[ArrayMapping], vector: int, plan: Tiling) -> tuple[str, ...]:
        array = sum(m.cycles for m in mappings)
        found = []
        if array > 2 * sum(m.ideal_cycles for m in mappings):
            found.append("more channels, or an array with a smaller unrolling: most multipliers idle")
        if vector > array:
            found.append("a wider vector unit")
        if plan.input_fetches > 1 or plan.weight_fetches > 1:
            found.append("a larger buffer: operands are fetched again")
        if kernel.weight_bytes > kernel.input_bytes + kernel.output_bytes:
            found.append("compressed weights, or weights in a faster memory, if the operator waits for memory")
        else:
            found.append("keeping activations on chip, if the operator waits for memory")
        return tuple(found)
