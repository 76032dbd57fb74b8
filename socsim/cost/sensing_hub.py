"""Cost model of always-on sensing hubs: one small core in its own SRAM."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.model import CostModel, as_fraction, cycles, nest_family
from socsim.cost.work import Phase, Work, by_memory, merged, transfers
from socsim.quantities import ceil_div
from socsim.soc.schema import SensingHub
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.work import Kernel


class SensingHubModel(CostModel[SensingHub], kind="sensing_hub"):
    """A microcontroller, DSP or micro-NPU that computes straight from SRAM.

    Assumes: every operand byte is read from SRAM once beside compute (no cache), executed = nominal
    MACs. Wake-up is charged once, by the pipeline, before the first operator.
    Valid for: keyword spotting and wake-word networks; hub figures are assumed by the platform files.
    """

    @classmethod
    def core_rates(cls, spec: SensingHub) -> Mapping[str, Fraction]:
        """Return the core's multiply-accumulates a cycle by type."""
        return {t: as_fraction(r) for t, r in spec.macs_per_cycle.items()}

    @property
    def parallel(self) -> int:
        """One core."""
        return 1

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        vector = cycles(
            ceil_div(kernel.vector_elements * kernel.element_bits, 8),
            Fraction(self.spec.vector.value) * self.context.efficiency("elementwise"),
        )
        macs = 0
        if kernel.category is Category.MAC:
            peak = self.rates()[kernel.dtype]
            macs = sum(
                cycles(n.macs, peak * self.context.efficiency(nest_family(kernel.type, n))) for n in kernel.loops
            )
        reads = merged(by_memory(kernel.inputs), by_memory(kernel.weights))
        return Work(
            (Phase("steady", macs + vector, transfers(reads, by_memory(kernel.outputs))),),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=0,
            core_cycles=macs + vector,
            weight_bytes=kernel.weight_bytes,
            setup_ps=self.spec.command.value,
            sync_ps=0,
            terms=(
                f"{kernel.macs:,} MACs = {macs:,} cycles",
                f"{kernel.vector_elements:,} element operations = {vector:,} cycles",
                f"SRAM: {sum(reads.values()):,} B read, {kernel.output_bytes:,} B written",
            ),
            levers=("a smaller network; the hub trades speed for microwatts",),
        )
