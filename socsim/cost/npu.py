"""Cost model of NPUs: spatial unrolling, tiling through the local buffer, DMA beside the array."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from socsim.cost.model import CostModel, as_fraction, cycles
from socsim.cost.tiling import Tiling, tile
from socsim.cost.work import Work, by_memory, merged, pipelined, scaled
from socsim.platform.schema import Npu
from socsim.quantities import ceil_div
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest


class ArrayPass(NamedTuple):
    """Cycles of a loop nest on the array, and the ceilings that made them."""

    cycles: int
    ideal: int
    text: str


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
        passes = [self._array_pass(kernel, nest) for nest in kernel.loops]
        array = sum(p.cycles for p in passes)
        vector = self._vector_cycles(kernel)
        nest = kernel.loops[0]
        plan = self._tile(kernel, nest)
        inputs, weights = by_memory(kernel.inputs), by_memory(kernel.weights)
        reads = merged(scaled(inputs, plan.input_fetches, 1), scaled(weights, plan.weight_fetches, 1))
        writes = by_memory(kernel.outputs)
        rows, blocks = self._stripes(nest), self._blocks(nest)
        phases = pipelined(
            max(array, vector),
            reads,
            writes,
            first_load=merged(scaled(inputs, 1, rows), scaled(weights, 1, blocks)),
            last_store=scaled(writes, 1, nest.p),
        )
        moved = sum(reads.values()) + sum(writes.values())
        return Work(
            phases,
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=2 * moved + self._operand_bytes(kernel),
            instructions=0,
            weight_bytes=kernel.weight_bytes * plan.weight_fetches,
            setup_ps=self.spec.command.value,
            sync_ps=self.spec.core_sync.value if self.context.cores > 1 else 0,
            terms=self._terms(kernel, passes, vector, plan),
            levers=self._levers(kernel, passes, vector, plan),
        )

    def _array_pass(self, kernel: Kernel, nest: LoopNest) -> ArrayPass:
        array = self.spec.array
        unroll = array.depthwise if nest.is_depthwise else array.unroll
        bounds = {
            "N": nest.n,
            "G": nest.g,
            "K": nest.k,
            "C": nest.c,
            "P": nest.p,
            "Q": nest.q,
            "R": nest.r,
            "S": nest.s,
        }
        split = self._split(bounds, unroll)
        steps = 1
        ceilings = []
        for dim, bound in bounds.items():
            share = ceil_div(bound, self.context.cores) if dim == split else bound
            step = ceil_div(share, unroll.get(dim, 1))
            steps *= step
            if dim in unroll:
                ceilings.append(f"ceil({dim} {share}/{unroll[dim]})={step}")
            elif step > 1:
                ceilings.append(f"{dim} {step}")
        rate = as_fraction(self.spec.precisions[kernel.dtype])
        total = cycles(steps, rate) + self._fill(bounds, unroll, steps)
        text = " x ".join(ceilings) or "1"
        return ArrayPass(total, cycles(nest.macs, self._rates[kernel.dtype]), f"{text} = {total:,} cycles")

    def _split(self, bounds: dict[str, int], unroll: Mapping[str, int]) -> str:
        """Return the dimension that several cores share: the one that leaves the fewest steps."""
        cores = self.context.cores

        def steps(dim: str) -> int:
            u = unroll.get(dim, 1)
            return ceil_div(ceil_div(bounds[dim], cores), u) * 10**6 // ceil_div(bounds[dim], u)

        return min(("P", "K", "G", "N"), key=steps) if cores > 1 else ""

    def _fill(self, bounds: dict[str, int], unroll: Mapping[str, int], steps: int) -> int:
        """Return fill and drain of a systolic array: its edge lengths for each block of weights."""
        if not self.spec.array.systolic:
            return 0
        positions = bounds["N"] * bounds["P"] * bounds["Q"]
        return ceil_div(steps, positions) * (sum(unroll.values()) - 2)

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

    @staticmethod
    def _operand_bytes(kernel: Kernel) -> int:
        """Return bytes that leave the buffer for the array: each operand byte once a reuse of 32."""
        return ceil_div(kernel.macs * kernel.element_bits, 8 * 32)

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
            instructions=0,
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

    def _terms(self, kernel: Kernel, passes: list[ArrayPass], vector: int, plan: Tiling) -> tuple[str, ...]:
        ideal = sum(p.ideal for p in passes)
        array = sum(p.cycles for p in passes)
        lines = [f"array ({self.spec.dataflow}): {p.text}" for p in passes]
        lines.append(
            f"{kernel.macs:,} MACs need {ideal:,} cycles at full use: utilisation {100 * ideal / max(array, 1):.0f} %"
        )
        if kernel.vector_elements:
            lines.append(f"vector unit beside it: {kernel.vector_elements:,} element operations = {vector:,} cycles")
        lines.append(
            f"tiling through {self.spec.buffer}: {plan.bound}; reads {kernel.input_bytes:,} B x {plan.input_fetches} "
            f"of input and {kernel.weight_bytes:,} B x {plan.weight_fetches} of weights, "
            f"writes {kernel.output_bytes:,} B"
        )
        return tuple(lines)

    def _levers(self, kernel: Kernel, passes: list[ArrayPass], vector: int, plan: Tiling) -> tuple[str, ...]:
        array = sum(p.cycles for p in passes)
        found = []
        if array > 2 * sum(p.ideal for p in passes):
            found.append("more channels, or an array with a smaller unrolling: most multipliers idle")
        if vector > array:
            found.append("a wider vector unit")
        if plan.input_fetches > 1 or plan.weight_fetches > 1:
            found.append("a larger buffer: operands are fetched again")
        found.append("keeping activations on chip, if the operator waits for memory")
        return tuple(found)
