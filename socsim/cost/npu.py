"""Cost model of NPUs: spatial unrolling, tiling through the local buffer, DMA beside the array."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from socsim.cost.array import ArrayMapping, map_nest, splits
from socsim.cost.model import CostModel, as_fraction
from socsim.cost.tiling import Tiling, Traffic, stream
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
    schedule that moves the fewest bytes, double buffered beside compute. Cores share an operator by output
    rows, output channels, groups or images: the way with the fewest cycles, then the fewest bytes; where no
    way takes fewer cycles than one core, one core does it.

    Assumes: no stalls inside the array other than fill and drain; post-processing (requantization,
    activation, fused addition) runs in the vector unit beside the array; of an operator with several
    nests (LSTM, attention), the largest decides how all operands are tiled and copied; both operands of
    a product of activations count as input.
    Valid for: dense integer and half-precision networks of convolutions; not calibrated.
    """

    @classmethod
    def core_rates(cls, spec: Npu) -> Mapping[str, Fraction]:
        """Return the multiply-accumulates a cycle of one core's array by type."""
        width = prod(spec.array.unroll.values())
        return {t: as_fraction(r) * width for t, r in spec.precisions.items()}

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        if kernel.category is Category.MAC:
            return self._mac_work(kernel)
        return self._vector_work(kernel)

    # --- multiply-accumulate operators ----------------------------------------------------------------

    def _mac_work(self, kernel: Kernel) -> Work:
        mappings = [self._map(kernel, nest) for nest in kernel.loops]
        main = max(mappings, key=lambda m: m.nest.macs * m.cores)
        used = max(m.cores for m in mappings)
        vector = self._vector_cycles(kernel, used)
        compute = max(sum(m.cycles for m in mappings), vector)
        traffic = self._stream(kernel, main)
        writes = by_memory(kernel.outputs)
        operands = sum(m.buffer_reads for m in mappings)
        return Work(
            pipelined(
                compute,
                traffic.reads,
                writes,
                first_load=traffic.first_load,
                last_store=scaled(writes, 1, max(1, main.nest.n * main.nest.p)),
            ),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=traffic.read_bytes + kernel.output_bytes + ceil_div(operands * kernel.element_bits, 8),
            core_cycles=compute * used,
            weight_bytes=traffic.weight_bytes,
            setup_ps=self.spec.command.value,
            sync_ps=self.spec.core_sync.value if used > 1 else 0,
            terms=self._terms(kernel, mappings, vector, traffic),
            levers=self._levers(kernel, mappings, vector, traffic.tiling),
        )

    def _map(self, kernel: Kernel, nest: LoopNest) -> ArrayMapping:
        rate, cores = as_fraction(self.spec.precisions[kernel.dtype]), self.context.cores
        ways = [map_nest(nest, self.spec.array, self.spec.dataflow, rate, cores, d) for d in splits(nest, cores)]
        return min(ways, key=lambda m: (m.cycles, m.split != "", self._stream(kernel, m).read_bytes))

    def _stream(self, kernel: Kernel, mapping: ArrayMapping) -> Traffic:
        return stream(
            kernel,
            self.spec.buffer.value,
            stripes=mapping.nest.stripes,
            chunks=self._chunks(mapping.nest),
            cores=mapping.cores,
            input_copies=mapping.input_copies,
            weight_copies=mapping.weight_copies,
        )

    def _chunks(self, nest: LoopNest) -> int:
        """Return how many array-fulls of filters the weights hold."""
        unroll = self.spec.array.depthwise if nest.is_depthwise else self.spec.array.unroll
        return ceil_div(nest.k, unroll.get("K", 1)) * ceil_div(nest.g, unroll.get("G", 1))

    # --- everything else ------------------------------------------------------------------------------

    def _vector_cycles(self, kernel: Kernel, cores: int) -> int:
        return ceil_div(kernel.vector_elements, self.spec.vector * cores)

    def _vector_work(self, kernel: Kernel) -> Work:
        vector = self._vector_cycles(kernel, self.context.cores)
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
            levers=("fusion with a neighbouring operator",),
        )

    # --- explanation ----------------------------------------------------------------------------------

    def _terms(self, kernel: Kernel, mappings: list[ArrayMapping], vector: int, traffic: Traffic) -> tuple[str, ...]:
        ideal = sum(m.ideal_cycles for m in mappings)
        array = sum(m.cycles for m in mappings)
        lines = [f"array ({self.spec.dataflow}): {m.text}" for m in mappings]
        share = 100 * ideal / max(array, 1)
        lines.append(f"{kernel.macs:,} MACs need {ideal:,} cycles at full use: {share:.0f} % of the array works")
        if kernel.vector_elements:
            lines.append(f"vector unit beside it: {kernel.vector_elements:,} element operations = {vector:,} cycles")
        plan = traffic.tiling
        lines.append(
            f"tiling through {self.spec.buffer}: {plan.bound}, in steps of {plan.stripe_bytes:,} B and "
            f"{plan.chunk_bytes:,} B; of {kernel.input_bytes:,} B of input and "
            f"{kernel.weight_bytes:,} B of weights {traffic.read_bytes:,} B are read (input x {plan.input_fetches}, "
            f"weights x {plan.weight_fetches}), {kernel.output_bytes:,} B written"
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
