"""Cost model of GPUs: work-groups in waves over compute units, occupancy, launch cost, last-level cache."""

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

# Registers of a result in a blocked product: its 32-bit sum, and as much again for operands and addresses.
_BYTES_A_RESULT = 8
_RESULTS_A_THREAD = 4
"""Results that a thread of a kernel without register blocks computes (a vector of four)."""


class GpuModel(CostModel[Gpu], kind="gpu"):
    """Compute units that keep several work-groups resident and issue from whichever is ready.

    A GEMM view of each dense operator is cut into work-groups, which go to the compute units in turn; a
    partly filled work-group takes as long as a full one, and the unit with most of them decides (wave
    quantisation). As many are resident as registers and threads allow (occupancy). A unit issues in every
    cycle while its threads, times the independent results of each, cover the latency of an instruction; a
    wave with fewer runs at that share. Matrix cores serve convolutions and matrix products in the types
    they know, vector lanes the rest. Every work-group reads its rows and columns through the last-level
    cache.

    Assumes: implicit GEMM (executed = nominal MACs); one size of work-group for all layers.
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

    @property
    def resident(self) -> int:
        """Work-groups of a blocked product that are resident on one compute unit."""
        rows, columns = self.spec.workgroup
        by_registers = self.spec.occupancy.registers.value // (rows * columns * _BYTES_A_RESULT)
        return max(1, min(by_registers, self.spec.occupancy.threads // self.spec.occupancy.group))

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        arithmetic, terms = self._compute(kernel)
        cache = self.last_level_bytes
        inputs, outputs = missed(kernel.inputs, cache), missed(kernel.outputs, cache)
        weights = () if self.weights_resident else kernel.weights
        reads, writes = merged(by_memory(inputs), by_memory(weights)), by_memory(outputs)
        through = self._cache_bytes(kernel)
        feed = ceil_div(through, self.spec.cache_bandwidth.value)
        compute = max(arithmetic, feed)
        return Work(
            (Phase("steady", compute, transfers(reads, writes)),),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=through,
            core_cycles=compute * self.parallel,
            weight_bytes=sum(o.bytes for o in weights),
            setup_ps=0,
            sync_ps=0,
            terms=(
                *terms,
                f"last-level cache {self.spec.cache}: {through:,} B through it = {feed:,} cycles; "
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
        vector, words = self._vector_cycles(kernel)
        if kernel.category is not Category.MAC:
            return vector, (words,)
        parts = [self._nest_cycles(kernel, nest) for nest in kernel.loops]
        return sum(c for c, _ in parts) + vector, (*(text for _, text in parts), *([words] if vector else []))

    def _nest_cycles(self, kernel: Kernel, nest: LoopNest) -> tuple[int, str]:
        if self._is_dense(kernel, nest):
            return self._waves(kernel, nest)
        kind = nest_family(kernel.type, nest)
        filled = self._filled(nest.outputs)
        rate = self._lanes(kernel.dtype) * self.context.efficiency(kind) * filled
        count = cycles(nest.macs, rate)
        return count, (
            f"vector lanes ({kind}): {nest.macs:,} MACs at {float(rate):.1f} a cycle, "
            f"{float(filled):.2f} of the lanes covered = {count:,} cycles"
        )

    @staticmethod
    def _is_dense(kernel: Kernel, nest: LoopNest) -> bool:
        return nest_family(kernel.type, nest) in {"convolution", "matmul"}

    def _groups(self, nest: LoopNest) -> int:
        rows, columns = self.spec.workgroup
        return nest.g * ceil_div(nest.n * nest.p * nest.q, rows) * ceil_div(nest.k, columns)

    def _waves(self, kernel: Kernel, nest: LoopNest) -> tuple[int, str]:
        rows, columns = self.spec.workgroup
        groups = self._groups(nest)
        most = ceil_div(groups, self.parallel)
        full, rest = divmod(most, self.resident)
        each = rows * columns * nest.c * nest.r * nest.s
        share = self.context.efficiency(nest_family(kernel.type, nest))
        rate = self.rates()[kernel.dtype] * share / self.parallel
        passes = full * self.resident / self._covered(self.resident) + (rest / self._covered(rest) if rest else 0)
        count = cycles(each, rate / passes)
        return count, (
            f"{groups:,} work-groups of {rows} x {columns} on {self.parallel} compute units, {self.resident} resident "
            f"on each: {full} full waves and one of {rest}, {each:,} MACs a group at {float(rate):.1f} a cycle "
            f"= {count:,} cycles"
        )

    def _covered(self, groups: int) -> Fraction:
        """Return the share of issue cycles that resident work-groups of a blocked product fill."""
        rows, columns = self.spec.workgroup
        threads = groups * self.spec.occupancy.group
        independent = Fraction(rows * columns, self.spec.occupancy.group)
        needed = self.spec.occupancy.lanes * max(Fraction(1), self.spec.occupancy.latency / independent)
        return min(Fraction(1), threads / needed)

    def _filled(self, results: int) -> Fraction:
        """Return the share of issue cycles that a kernel without register blocks fills on all compute units."""
        occupancy, units = self.spec.occupancy, self.parallel
        threads = min(ceil_div(max(1, results), _RESULTS_A_THREAD), units * occupancy.threads)
        return min(Fraction(1), Fraction(threads, units * occupancy.lanes * occupancy.latency))

    def _cache_bytes(self, kernel: Kernel) -> int:
        """Return the bytes through the last-level cache: work-groups of dense nests read their own operands."""
        rows, columns = self.spec.workgroup
        dense = [nest for nest in kernel.loops if self._is_dense(kernel, nest)]
        grouped = sum(self._groups(n) * (rows + columns) * n.c * n.r * n.s for n in dense)
        once = kernel.input_bytes + kernel.weight_bytes
        return max(once, ceil_div(grouped * kernel.element_bits, 8)) + kernel.output_bytes

    def _lanes(self, dtype: str) -> Fraction:
        """Return the rate of the vector lanes; that of the matrix cores for types that lanes do not multiply."""
        rate = self.spec.macs_per_cycle.get(dtype)
        return self.rates()[dtype] if rate is None else as_fraction(rate) * self.parallel

    def _vector_cycles(self, kernel: Kernel) -> tuple[int, str]:
        """Return cycles of element-wise work: a lane does one operation where it could do one multiply-add.

        Types that the unit does not multiply (wide integers) go at its slowest rate.
        """
        slowest = min(self.rates(), key=lambda t: self.rates()[t])
        lanes = self._lanes(kernel.dtype if kernel.dtype in self.rates() else slowest)
        filled = self._filled(kernel.vector_elements)
        count = cycles(kernel.vector_elements, lanes * self.context.efficiency("elementwise") * filled)
        return count, (
            f"vector lanes: {kernel.vector_elements:,} element operations, {float(filled):.2f} of the lanes covered "
            f"= {count:,} cycles"
        )
