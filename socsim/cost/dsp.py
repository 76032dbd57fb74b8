"""Cost model of vector DSPs: hardware threads with vector contexts, tiles through coupled memory."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.model import CostModel, as_fraction, cycles, nest_family
from socsim.cost.tiling import tile
from socsim.cost.work import Work, by_memory, merged, pipelined, scaled
from socsim.quantities import ceil_div
from socsim.soc.schema import Dsp
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.work import Kernel


class DspModel(CostModel[Dsp], kind="dsp"):
    """Threads with vector units that work on tiles in tightly coupled memory.

    Assumes: operators split evenly over the threads; DMA fills the next tile beside compute; the
    runtime's efficiency covers issue slots lost to loads and permutations.
    Valid for: integer networks; not calibrated.
    """

    def rates(self) -> Mapping[str, Fraction]:
        """Return the threads' multiply-accumulates a cycle by type."""
        return {t: as_fraction(r) * self.spec.threads for t, r in self.spec.macs_per_cycle.items()}

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        compute, terms = self._compute(kernel)
        inputs, weights = by_memory(kernel.inputs), by_memory(kernel.weights)
        writes = by_memory(kernel.outputs)
        rows = max(1, kernel.loops[0].p) if kernel.loops else self.spec.threads
        step = ceil_div(kernel.input_bytes, rows)
        plan = tile(
            kernel.input_bytes,
            kernel.weight_bytes,
            step,
            ceil_div(kernel.weight_bytes, 16),
            self.spec.tcm.value,
        )
        reads = merged(scaled(inputs, plan.input_fetches, 1), scaled(weights, plan.weight_fetches, 1))
        moved = sum(reads.values()) + sum(writes.values())
        return Work(
            pipelined(compute, reads, writes, first_load=scaled(inputs, 1, rows), last_store=scaled(writes, 1, rows)),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=2 * moved,
            core_cycles=compute * self.spec.threads,
            weight_bytes=kernel.weight_bytes * plan.weight_fetches,
            setup_ps=self.spec.command.value,
            sync_ps=0,
            terms=(
                *terms,
                f"tiling through {self.spec.tcm} of coupled memory: {plan.bound}; {moved:,} B moved",
            ),
            levers=("fewer, larger operators, if set-up dominates",),
        )

    def _compute(self, kernel: Kernel) -> tuple[int, tuple[str, ...]]:
        width = Fraction(self.spec.vector.value * self.spec.threads) * self.context.efficiency("elementwise")
        vector = cycles(ceil_div(kernel.vector_elements * kernel.element_bits, 8), width)
        terms = (f"vector: {kernel.vector_elements:,} element operations = {vector:,} cycles",)
        if kernel.category is not Category.MAC:
            return vector, terms
        peak = self.rates()[kernel.dtype]
        macs = sum(cycles(n.macs, peak * self.context.efficiency(nest_family(kernel.type, n))) for n in kernel.loops)
        return macs + vector, (
            f"{kernel.macs:,} MACs at {float(peak):g} a cycle on {self.spec.threads} threads, "
            f"kernel efficiency counted = {macs:,} cycles",
            *terms,
        )
