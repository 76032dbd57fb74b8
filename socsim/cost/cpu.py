"""Cost model of CPU clusters: SIMD rates, kernel families, caches between core and memory."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.caching import gemm_cache_bytes, missed
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
    reaches; the cache that feeds the register blocks may bind instead. Depthwise layers of 8-bit types run
    at the rate of 16-bit multiplies: dot products sum over channels, of which they have one. Each
    accumulator is then requantized. Activations that fit half of the last-level cache do not touch memory,
    weights always do unless the whole network's constants fit.

    Assumes: direct or GEMM kernels (executed = nominal MACs); perfect split over the cores with one
    barrier; hardware prefetch hides latency, so that transfers run beside compute.
    Valid for: quantized and float convolutional networks in interpreters; not calibrated.
    """

    def rates(self) -> Mapping[str, Fraction]:
        """Return the cores' multiply-accumulates a cycle by type."""
        return {t: as_fraction(r) * self.context.cores for t, r in self.spec.macs_per_cycle.items()}

    @property
    def last_level(self) -> int:
        """Bytes of the outermost cache."""
        cache = self.spec.caches[-1]
        return cache.size.value * (self.context.cores if cache.scope == "core" else 1)

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        compute, terms = self._compute(kernel)
        inputs = missed(kernel.inputs, self.last_level)
        outputs = missed(kernel.outputs, self.last_level)
        weights = () if self.context.weights_resident else kernel.weights
        reads, writes = merged(by_memory(inputs), by_memory(weights)), by_memory(outputs)
        phase = Phase("steady", compute, transfers(reads, writes))
        return Work(
            (phase,),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=self._cache_traffic(kernel),
            core_cycles=compute * self.context.cores,
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
        feed = ceil_div(self._cache_traffic(kernel), self._feed * self.context.cores)
        share = self.context.efficiency(family(kernel))
        return max(macs, feed) + finish + fused, (
            f"SIMD: {kernel.macs:,} MACs / ({float(self._peak(kernel, kernel.loops[0])):g} a cycle on "
            f"{self.context.cores} cores x {float(share):.2f} reached by {family(kernel)} kernels) = {macs:,} cycles",
            f"cache feeds register blocks {_BLOCK_ROWS} x {_BLOCK_COLUMNS}: {self._cache_traffic(kernel):,} B "
            f"= {feed:,} cycles",
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
        return ceil_div(lanes, self.spec.vector.value * self.context.cores)

    def _vector_cycles(self, kernel: Kernel, elements: int) -> int:
        amount = ceil_div(elements * kernel.element_bits, 8)
        rate = Fraction(self.spec.vector.value * self.context.cores) * self.context.efficiency("elementwise")
        return cycles(amount, rate)

    @property
    def _feed(self) -> int:
        """Bytes a cycle of the cache that holds packed blocks: the first level."""
        return self.spec.caches[0].bandwidth.value

    def _cache_traffic(self, kernel: Kernel) -> int:
        if kernel.category is Category.MAC and not kernel.loops[0].is_depthwise:
            return gemm_cache_bytes(kernel, _BLOCK_ROWS, _BLOCK_COLUMNS)
        return kernel.input_bytes + kernel.weight_bytes + kernel.output_bytes

    def _traffic_term(self, kernel: Kernel, read: int, written: int) -> str:
        cache = self.spec.caches[-1]
        return (
            f"{cache.level} of {cache.size} keeps activations up to {self.last_level // 2:,} B: of "
            f"{kernel.input_bytes + kernel.weight_bytes:,} B in and {kernel.output_bytes:,} B out, "
            f"{read:,} B are read from memory and {written:,} B written"
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
