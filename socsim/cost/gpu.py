"""Cost model of GPUs: work-groups in waves over compute units, launch cost, last-level cache."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.caching import missed
from socsim.cost.model import CostModel, as_fraction, cycles, nest_family
from socsim.cost.work import Phase, Work, by_memory, merged, transfers
from socsim.quantities import ceil_div
from socsim.soc.schema import Gpu
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest


class GpuModel(CostModel[Gpu], kind="gpu"):
    """Compute units that each finish one work-group of results at a time.

    A GEMM view of each operator is cut into work-groups; the last wave is as long as a full one (wave
    quantisation), and a partly filled work-group as long as a full one. Matrix cores serve convolutions
    and matrix products in the types they know, vector lanes the rest.

    Assumes: implicit GEMM (executed = nominal MACs); enough threads in a work-group to hide latency.
    Valid for: networks of dense layers at batch 1 and above; not calibrated.
    """

    def rates(self) -> Mapping[str, Fraction]:
        """Return the multiply-accumulates a cycle by type, matrix cores where they are faster."""
        types = {*self.spec.macs_per_cycle, *self.spec.matrix_macs_per_cycle}
        return {t: max(self._rate(t, matrix=True), self._rate(t, matrix=False)) for t in sorted(types)}

    def _rate(self, dtype: str, *, matrix: bool) -> Fraction:
        table = self.spec.matrix_macs_per_cycle if matrix else self.spec.macs_per_cycle
        return as_fraction(table.get(dtype, 0)) * self.spec.compute_units

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        compute, terms = self._compute(kernel)
        cache = self.spec.cache.value
        inputs, outputs = missed(kernel.inputs, cache), missed(kernel.outputs, cache)
        weights = () if self.context.weights_resident else kernel.weights
        reads, writes = merged(by_memory(inputs), by_memory(weights)), by_memory(outputs)
        touched = kernel.input_bytes + kernel.weight_bytes + kernel.output_bytes
        feed = ceil_div(touched, self.spec.cache_bandwidth.value)
        return Work(
            (Phase("steady", max(compute, feed), transfers(reads, writes)),),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=touched,
            core_cycles=max(compute, feed) * self.spec.compute_units,
            weight_bytes=sum(o.bytes for o in weights),
            setup_ps=0,
            sync_ps=0,
            terms=(
                *terms,
                f"last-level cache {self.spec.cache}: {touched:,} B through it = {feed:,} cycles; "
                f"{sum(reads.values()):,} B read from memory, {sum(writes.values()):,} B written",
            ),
            levers=(
                "a larger batch or more output channels, if the last wave is thin",
                "fewer, fused kernels, if launches dominate",
            ),
        )

    def _compute(self, kernel: Kernel) -> tuple[int, tuple[str, ...]]:
        vector = self._vector_cycles(kernel)
        if kernel.category is not Category.MAC:
            return vector, (f"vector lanes: {kernel.vector_elements:,} element operations = {vector:,} cycles",)
        parts = [self._waves(kernel, nest) for nest in kernel.loops]
        return sum(c for c, _ in parts) + vector, tuple(text for _, text in parts)

    def _waves(self, kernel: Kernel, nest: LoopNest) -> tuple[int, str]:
        kind = nest_family(kernel.type, nest)
        share = self.context.efficiency(kind)
        dense = kind in {"convolution", "matmul"}
        rate = self.rates()[kernel.dtype] if dense else self._lanes(kernel.dtype)
        if not dense:
            count = cycles(nest.macs, rate * share)
            return (
                count,
                f"vector lanes ({kind}): {nest.macs:,} MACs at {float(rate * share):.1f} a cycle = {count:,} cycles",
            )
        rows, columns = self.spec.workgroup
        groups = nest.g * ceil_div(nest.n * nest.p * nest.q, rows) * ceil_div(nest.k, columns)
        waves = ceil_div(groups, self.spec.compute_units)
        each = rows * columns * nest.c * nest.r * nest.s
        count = waves * cycles(each, rate * share / self.spec.compute_units)
        return count, (
            f"{groups:,} work-groups of {rows} x {columns} on {self.spec.compute_units} compute units "
            f"= {waves:,} waves x {each:,} MACs at {float(rate * share / self.spec.compute_units):.1f} a cycle "
            f"= {count:,} cycles"
        )

    def _lanes(self, dtype: str) -> Fraction:
        return self._rate(dtype, matrix=False) or self.rates()[dtype]

    def _vector_cycles(self, kernel: Kernel) -> int:
        dtype = kernel.dtype if kernel.dtype in self.spec.macs_per_cycle else "float32"
        rate = self._lanes(dtype) if dtype in self.rates() else Fraction(32 * self.spec.compute_units)
        return cycles(kernel.vector_elements, rate * self.context.efficiency("elementwise"))
