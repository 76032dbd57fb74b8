"""Cost model of CPU clusters: SIMD rates, kernel families, caches between core and memory."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.caching import gemm_reads, holding_level, missed
from socsim.cost.model import CostModel, as_fraction, cycles, family, nest_family
from socsim.cost.work import Phase, Work, by_memory, merged, transfers
from socsim.quantities import ceil_div
from socsim.soc.schema import CpuCluster
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest

# Register blocks of common NEON kernels: XNNPACK's 4x16 (int8 dot product) and ruy's 8x8 lie around it.
_BLOCK_ROWS, _BLOCK_COLUMNS = 4, 16

# Lane bytes that finishing one accumulator takes. Integer: doubling high multiply, rounding shift and two
# saturations on 32 bits, narrowing and zero point on 16, narrowing and clamping on 8 (the epilogue of
# XNNPACK's qs8 rndnu NEON kernels; the arithmetic is that of gemmlowp). Float: bias, minimum, maximum.
_FINISH_INTEGER = 4 * 4 + 3 * 2 + 3 * 1
_FINISH_FLOAT = 3


class CpuModel(CostModel[CpuCluster], kind="cpu"):
    """Cores with SIMD units behind private and shared caches.

    Multiply-accumulates run at the cores' SIMD rate times the share that the runtime's kernel family
    reaches; the caches that feed the register blocks may bind instead: inputs come from the first level,
    weights, read again for each block of rows, from the innermost level that holds a group's. Depthwise
    layers of 8-bit types run at the rate of 16-bit multiplies: dot products sum over channels, of which they
    have one. Each accumulator is then requantized. Activations that stay on the cluster and fit half of the
    last-level cache do not touch memory, weights always do unless half of that cache holds all of them.

    Assumes: direct or GEMM kernels (executed = nominal MACs); perfect split of the positions over the cores
    with one barrier; hardware prefetch hides latency, so that transfers run beside compute; of a private
    last level, one core's counts.
    Valid for: quantized and float convolutional networks in interpreters; not calibrated.
    """

    @classmethod
    def core_rates(cls, spec: CpuCluster) -> Mapping[str, Fraction]:
        """Return the multiply-accumulates a cycle of one core by type."""
        return {t: as_fraction(r) for t, r in spec.macs_per_cycle.items()}

    @property
    def last_level_bytes(self) -> int:
        """Bytes of the outermost cache, one core's where each has its own."""
        return self.spec.caches[-1].size.value

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        compute, terms = self._compute(kernel)
        inputs = missed(kernel.inputs, self.last_level_bytes)
        outputs = missed(kernel.outputs, self.last_level_bytes)
        weights = () if self.weights_resident else kernel.weights
        reads, writes = merged(by_memory(inputs), by_memory(weights)), by_memory(outputs)
        phase = Phase("steady", compute, transfers(reads, writes))
        return Work(
            (phase,),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=sum(self._cache_reads(kernel).values()),
            core_cycles=compute * self.parallel,
            weight_bytes=sum(o.bytes for o in weights),
            setup_ps=0,
            sync_ps=self.spec.thread_sync.value if self.context.cores > 1 else 0,
            terms=(*terms, self._traffic_term(kernel, sum(reads.values()), sum(writes.values()))),
            levers=self._levers(kernel, reads),
        )

    def _compute(self, kernel: Kernel) -> tuple[int, tuple[str, ...]]:
        if kernel.category is not Category.MAC:
            vector = self._vector_cycles(kernel, kernel.vector_elements)
            return vector, (f"element-wise: {kernel.vector_elements:,} operations = {vector:,} cycles",)
        macs, finish = self._mac_cycles(kernel), self._finish_cycles(kernel)
        results = sum(nest.outputs for nest in kernel.loops)
        fused = self._vector_cycles(kernel, max(0, kernel.vector_elements - results))
        feed, fed_by = self._feed(kernel)
        share = self.context.efficiency(family(kernel))
        return max(macs, feed) + finish + fused, (
            f"SIMD: {kernel.macs:,} MACs / ({float(self._peak(kernel, kernel.loops[0])):g} a cycle on "
            f"{self.context.cores} cores x {float(share):.2f} reached by {family(kernel)} kernels) = {macs:,} cycles",
            f"caches feed register blocks {_BLOCK_ROWS} x {_BLOCK_COLUMNS}: {fed_by} = {feed:,} cycles",
            f"finishing {results:,} accumulators ({self._finish_bytes(kernel)} lane bytes each) = {finish:,} cycles",
            *([f"fused element-wise work = {fused:,} cycles"] if fused else []),
        )

    def _peak(self, kernel: Kernel, nest: LoopNest) -> Fraction:
        rates = self.rates()
        widened = nest.is_depthwise and kernel.element_bits == 8
        return min(rates[kernel.dtype], rates.get("int16", rates[kernel.dtype])) if widened else rates[kernel.dtype]

    def _mac_cycles(self, kernel: Kernel) -> int:
        return sum(
            cycles(nest.macs, self._peak(kernel, nest) * self.context.efficiency(nest_family(kernel.type, nest)))
            for nest in kernel.loops
        )

    @staticmethod
    def _finish_bytes(kernel: Kernel) -> int:
        is_float = "float" in kernel.dtype
        return ceil_div(_FINISH_FLOAT * kernel.element_bits, 8) if is_float else _FINISH_INTEGER

    def _finish_cycles(self, kernel: Kernel) -> int:
        lanes = self._finish_bytes(kernel) * sum(nest.outputs for nest in kernel.loops)
        return ceil_div(lanes, self.spec.vector.value * self.parallel)

    def _vector_cycles(self, kernel: Kernel, elements: int) -> int:
        amount = ceil_div(elements * kernel.element_bits, 8)
        rate = Fraction(self.spec.vector.value * self.parallel) * self.context.efficiency("elementwise")
        return cycles(amount, rate)

    def _cache_reads(self, kernel: Kernel) -> dict[int, int]:
        """Return the bytes that pass between registers and each level of cache, by index of the level.

        Depthwise and element-wise kernels touch every operand once, in the first level.
        """
        if kernel.category is not Category.MAC or kernel.loops[0].is_depthwise:
            return {0: kernel.input_bytes + kernel.weight_bytes + kernel.output_bytes}
        found = {0: kernel.output_bytes}
        for nest in kernel.loops:
            inputs, weights = gemm_reads(nest, _BLOCK_ROWS, _BLOCK_COLUMNS)
            group = ceil_div(nest.k * nest.c * nest.r * nest.s * kernel.element_bits, 8)
            level = holding_level(self.spec.caches, group)
            for index, elements in ((0, inputs), (level, weights)):
                found[index] = found.get(index, 0) + ceil_div(elements * kernel.element_bits, 8)
        return found

    def _feed(self, kernel: Kernel) -> tuple[int, str]:
        """Return the cycles in which the caches feed the registers of all cores, and from where."""
        total, words = 0, []
        for index, amount in sorted(self._cache_reads(kernel).items()):
            cache = self.spec.caches[index]
            total += ceil_div(amount, cache.bandwidth.value * self.parallel)
            words.append(f"{amount:,} B from {cache.level}")
        return total, " + ".join(words)

    def _traffic_term(self, kernel: Kernel, read: int, written: int) -> str:
        cache = self.spec.caches[-1]
        return (
            f"{cache.level} of {cache.size} keeps the cluster's own activations up to "
            f"{self.last_level_bytes // 2:,} B: of {kernel.input_bytes + kernel.weight_bytes:,} B in and "
            f"{kernel.output_bytes:,} B out, {read:,} B are read from memory and {written:,} B written"
        )

    def _levers(self, kernel: Kernel, reads: dict[str, int]) -> tuple[str, ...]:
        found = []
        if kernel.dtype.startswith("float"):
            found.append("int8 instead of float: more multiply-accumulates a cycle")
        if self.context.cores < self.spec.cores:
            found.append(f"more cores: the cluster has {self.spec.cores}")
        if any(reads.values()):
            found.append("a larger last-level cache or fewer weights, if the operator waits for memory")
        return tuple(found)
