"""Cost model of GPUs: work-groups in waves over compute units, launch cost, last-level cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.cost.caching import missed
from socsim.cost.model import CostModel, as_fraction, cycles, nest_family
from socsim.cost.work import Phase, Work, by_memory, merged, transfers
from socsim.quantities import ceil_div
from socsim.soc.schema import Gpu
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

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

    @classmethod
    def core_rates(cls, spec: Gpu) -> Mapping[str, Fraction]:
        """Return the multiply-accumulates a cycle of a compute unit, on matrix cores where they are faster."""
        tables = spec.macs_per_cycle, spec.matrix_macs_per_cycle
        types = sorted({t for table in tables for t in table})
        return {t: max(as_fraction(table.get(t, 0)) for table in tables) for t in types}

    @property
    def parallel(self) -> int:
        """Compute units."""
        return self.spec.compute_units

    @property
    def last_level_bytes(self) -> int:
        """Bytes of the cache that all compute units share."""
        return self.spec.cache.value

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        arithmetic, terms = self._compute(kernel)
        cache = self.last_level_bytes
        inputs, outputs = missed(kernel.inputs, cache), missed(kernel.outputs, cache)
        weights = () if self.weights_resident else kernel.weights
        reads, writes = merged(by_memory(inputs), by_memory(weights)), by_memory(outputs)
        touched = kernel.input_bytes + kernel.weight_bytes + kernel.output_bytes
        feed = ceil_div(touched, self.spec.cache_bandwidth.value)
        compute = max(arithmetic, feed)
        return Work(
            (Phase("steady", compute, transfers(reads, writes)),),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=touched,
            core_cycles=compute * self.parallel,
            weight_bytes=sum(o.bytes for o in weights),
            setup_ps=0,
            sync_ps=0,
            terms=(
                *terms,
                f"last-level cache {self.spec.cache}: {touched:,} B through it = {feed:,} cycles; "
                f"{sum(reads.values()):,} B read from memory, {sum(writes.values()):,} B written",
            ),
            levers=self._levers(kernel, arithmetic, feed),
        )

    def _levers(self, kernel: Kernel, arithmetic: int, feed: int) -> tuple[str, ...]:
        found = []
        if feed > arithmetic:
            found.append("a last-level cache with more bandwidth")
        elif kernel.macs and 2 * cycles(kernel.macs, self.rates()[kernel.dtype]) < arithmetic:
            found.append("a larger batch or more output channels: work-groups or lanes are not full")
        found.append("fewer, fused kernels, if dispatch dominates")
        return tuple(found)

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
        waves = ceil_div(groups, self.parallel)
        each = rows * columns * nest.c * nest.r * nest.s
        count = waves * cycles(each, rate * share / self.parallel)
        return count, (
            f"{groups:,} work-groups of {rows} x {columns} on {self.parallel} compute units "
            f"= {waves:,} waves x {each:,} MACs at {float(rate * share / self.parallel):.1f} a cycle "
            f"= {count:,} cycles"
        )

    def _lanes(self, dtype: str) -> Fraction:
        """Return the rate of the vector lanes; that of the matrix cores for types that lanes do not multiply."""
        rate = self.spec.macs_per_cycle.get(dtype)
        return self.rates()[dtype] if rate is None else as_fraction(rate) * self.parallel

    def _vector_cycles(self, kernel: Kernel) -> int:
        """Return cycles of element-wise work: a lane does one operation where it could do one multiply-add.

        Types that the unit does not multiply (wide integers) go at its slowest rate.
        """
        slowest = min(self.rates(), key=lambda t: self.rates()[t])
        rate = self._lanes(kernel.dtype if kernel.dtype in self.rates() else slowest)
        return cycles(kernel.vector_elements, rate * self.context.efficiency("elementwise"))
