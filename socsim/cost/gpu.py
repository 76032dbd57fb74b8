"""Cost model of GPUs: work-groups in waves over compute units, occupancy, launch cost, last-level cache."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.caching import missed
from socsim.cost.model import CostModel, as_fraction, cycles, nest_family
from socsim.cost.winograd import winograd_layer
from socsim.cost.work import Operand, Phase, Work, by_memory, merged, transfers
from socsim.quantities import ceil_div
from socsim.soc.schema import Gpu
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.cost.winograd import WinogradLayer
    from socsim.cost.work import Kernel
    from socsim.soc.runtimes import KernelFamily
    from socsim.workload.loops import LoopNest

# Registers of a result in a blocked product: its 32-bit sum, and as much again for operands and addresses.
_BYTES_A_RESULT = 8
_RESULTS_A_THREAD = 4
"""Results that a thread of a kernel without register blocks computes (a vector of four)."""
_LANE_BITS = 32


@dataclass(frozen=True, slots=True)
class _Pass:
    """One dispatch of a kernel.

    Args:
        label: what it does.
        arithmetic: cycles of the compute units.
        through: bytes through the last-level cache.
        reads: bytes read by memory.
        writes: bytes written by memory.
        words: the arithmetic in words.
        macs: multiply-accumulates that it executes.
        operations: element operations beside the kernel's own.
    """

    label: str
    arithmetic: int
    through: int
    reads: dict[str, int]
    writes: dict[str, int]
    words: tuple[str, ...]
    macs: int = 0
    operations: int = 0


class GpuModel(CostModel[Gpu], kind="gpu"):
    """Compute units that keep several work-groups resident and issue from whichever is ready.

    A GEMM view of each dense operator is cut into work-groups, which go to the compute units in turn; a
    partly filled work-group takes as long as a full one, and the unit with most of them decides (wave
    quantisation). As many are resident as registers and threads allow (occupancy). A unit issues in every
    cycle while its threads, times the independent results of each, cover the latency of an instruction; a
    wave with fewer runs at that share. Matrix cores serve convolutions and matrix products in the types
    they know, vector lanes the rest. Every work-group reads its rows and columns through the last-level
    cache. A convolution in groups takes the blocked kernel or one that computes result by result, whichever is
    faster. Where the runtime's library says so, inputs are written out with their border first, and 3 x 3
    convolutions go through Winograd's three steps: each is a dispatch of its own, and what lies between them
    passes through memory unless half of the last-level cache holds it.

    Assumes: implicit GEMM otherwise (executed = nominal MACs); one size of work-group for all layers.
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
        """Return the Work of one task: a phase for each dispatch."""
        passes = self._passes(kernel)
        weights = () if self.weights_resident else kernel.weights
        through = sum(p.through for p in passes)
        spent = [max(p.arithmetic, ceil_div(p.through, self.spec.cache_bandwidth.value)) for p in passes]
        moved = [transfers(p.reads, p.writes) for p in passes]
        read, written = (sum(getattr(t, n) for part in moved for t in part) for n in ("read_bytes", "write_bytes"))
        return Work(
            tuple(Phase(p.label, count, part) for p, count, part in zip(passes, spent, moved, strict=True)),
            executed_macs=sum(p.macs for p in passes),
            vector_elements=kernel.vector_elements + sum(p.operations for p in passes),
            local_bytes=through,
            core_cycles=sum(spent) * self.parallel,
            weight_bytes=sum(o.bytes for o in weights),
            setup_ps=(len(passes) - 1) * self.context.runtime.per_operator.value,
            sync_ps=0,
            terms=(
                *(text for p in passes for text in p.words),
                f"last-level cache {self.spec.cache}: {through:,} B through it = "
                f"{ceil_div(through, self.spec.cache_bandwidth.value):,} cycles; "
                f"{read:,} B read from memory, {written:,} B written",
            ),
            levers=self._levers(kernel, sum(p.arithmetic for p in passes), through),
        )

    def _levers(self, kernel: Kernel, arithmetic: int, through: int) -> tuple[str, ...]:
        found = []
        if ceil_div(through, self.spec.cache_bandwidth.value) > arithmetic:
            found.append("a last-level cache with more bandwidth")
        elif kernel.macs and 2 * cycles(kernel.macs, self.rates()[kernel.dtype]) < arithmetic:
            found.append("a larger batch or more output channels: work-groups or lanes are not full")
        found.append("fewer, fused kernels, if dispatch dominates")
        return tuple(found)

    # --- dispatches -----------------------------------------------------------------------------------

    def _passes(self, kernel: Kernel) -> list[_Pass]:
        """Return the dispatches of a kernel in order: the first takes the inputs, the last gives the results."""
        bordered = self._bordered(kernel)
        padded = [self._padding(kernel, bordered)] if bordered else []
        inputs = (bordered, *kernel.inputs[1:]) if bordered else kernel.inputs
        layer = self._winograd(kernel)
        if layer is None:
            return [*padded, self._main(kernel, inputs)]
        return [*padded, *self._transformed(kernel, inputs, *layer)]

    def _bordered(self, kernel: Kernel) -> Operand | None:
        """Return the first input with its border, where the library writes that out before a convolution.

        Assumes: every convolution with a window pads.
        """
        nests = [nest for nest in kernel.loops if nest.is_convolution and nest.r * nest.s > 1]
        if not (self.context.runtime.kernels.padding_copies and nests and kernel.inputs):
            return None
        nest = nests[0]
        elements = nest.n * nest.g * nest.c * nest.input_rows * nest.input_columns
        return _scratch(kernel, elements * kernel.element_bits)

    def _padding(self, kernel: Kernel, bordered: Operand) -> _Pass:
        source = kernel.inputs[:1]
        moved = source[0].bytes + bordered.bytes
        count, _ = self._lane_cycles(kernel, bordered.bytes * 8 // kernel.element_bits)
        words = (f"padding: input written out with its border, {moved:,} B = {count:,} cycles",)
        return _Pass("padding", count, moved, self._moving(source), self._moving((bordered,)), words)

    def _main(self, kernel: Kernel, inputs: tuple[Operand, ...]) -> _Pass:
        arithmetic, words = self._compute(kernel)
        weights = () if self.weights_resident else kernel.weights
        reads = merged(self._moving(inputs), by_memory(weights))
        through = self._cache_bytes(kernel, kernel.loops, sum(o.bytes for o in inputs) + kernel.weight_bytes)
        writes = self._moving(kernel.outputs)
        return _Pass("steady", arithmetic, through + kernel.output_bytes, reads, writes, words, kernel.macs)

    def _transformed(self, kernel: Kernel, inputs: tuple[Operand, ...], layer: WinogradLayer, rule: str) -> list[_Pass]:
        """Return Winograd's three dispatches, between which the transformed values pass through memory."""
        bits = kernel.element_bits
        taken, made = (_scratch(kernel, n * bits) for n in (layer.input_elements, layer.output_elements))
        grown = {m: layer.grown(n, bits, bits) for m, n in by_memory(kernel.weights).items()}
        before, into = self._lane_cycles(kernel, layer.input_operations)
        after, back = self._lane_cycles(kernel, layer.output_operations)
        product, words = self._waves(kernel, layer.products)
        fused, folded = self._vector_cycles(kernel)
        once = taken.bytes + sum(grown.values())
        reads = merged(self._moving((taken,)), {} if self.weights_resident else grown)
        return [
            _Pass(
                "transformation", before, sum(o.bytes for o in inputs) + taken.bytes, self._moving(inputs),
                self._moving((taken,)), (f"{rule}: inputs transformed, {into}",), operations=layer.input_operations,
            ),
            _Pass(
                "product", product, self._cache_bytes(kernel, (layer.products,), once) + made.bytes, reads,
                self._moving((made,)), (words,), layer.products.macs,
            ),
            _Pass(
                "transformation back", after + fused, made.bytes + kernel.output_bytes, self._moving((made,)),
                self._moving(kernel.outputs), (f"{rule}: products transformed back, {back}", folded),
                operations=layer.output_operations,
            ),
        ]  # fmt: skip

    def _winograd(self, kernel: Kernel) -> tuple[WinogradLayer, str] | None:
        """Return the kernel as a Winograd layer with its name, where the library computes it so."""
        if len(kernel.loops) != 1:
            return None
        found = winograd_layer(self.context.runtime.kernels, kernel.loops[0], kernel.dtype, ())
        return (found[0], f"Winograd F({found[0].tile} x {found[0].tile}, 3 x 3)") if found else None

    def _moving(self, operands: tuple[Operand, ...]) -> dict[str, int]:
        """Return the bytes of operands that do not stay in the last-level cache, by memory."""
        return by_memory(missed(operands, self.last_level_bytes))

    def _slowdown(self, nest: LoopNest, bits: int) -> Fraction:
        """Return how much longer loads take for each product where channels are no whole vectors.

        A thread adds up four positions of one vector of output channels: for each vector of input channels it
        loads one of each position, and the weights between them. Depthwise, it loads an input and a weight for
        each product. A lane loads 32 bits in a cycle, and one element takes as long as 32 bits.
        """
        width = self.context.runtime.kernels.channel_vector
        if width == 1 or not nest.is_convolution:
            return Fraction(1)
        if nest.is_depthwise:
            made = width if nest.g % width == 0 else 1
            return _load(made, bits) / made * width / _load(width, bits)
        taken, made = (width if n % width == 0 else 1 for n in (nest.c, nest.k))
        return _product_loads(taken, made, bits) / _product_loads(width, width, bits)

    # --- arithmetic -----------------------------------------------------------------------------------

    def _compute(self, kernel: Kernel) -> tuple[int, tuple[str, ...]]:
        vector, words = self._vector_cycles(kernel)
        if kernel.category is not Category.MAC:
            return vector, (words,)
        parts = [self._nest_cycles(kernel, nest) for nest in kernel.loops]
        return sum(c for c, _ in parts) + vector, (*(text for _, text in parts), *([words] if vector else []))

    def _nest_cycles(self, kernel: Kernel, nest: LoopNest) -> tuple[int, str]:
        """Return the cycles of a nest, and why; of a convolution in groups, those of the faster of two kernels."""
        if not self._is_dense(kernel, nest):
            return self._direct(kernel, nest, nest_family(kernel.type, nest))
        blocked = self._waves(kernel, nest)
        if nest.g == 1 or not nest.is_convolution:
            return blocked
        return min(blocked, self._direct(kernel, nest, "depthwise"))

    def _direct(self, kernel: Kernel, nest: LoopNest, kind: KernelFamily) -> tuple[int, str]:
        """Return the cycles of a kernel whose threads compute their results one by one, and why."""
        filled = self._filled(nest.outputs)
        slower = self._slowdown(nest, kernel.element_bits)
        rate = self._lanes(kernel.dtype) * self.context.efficiency(kind) * filled / slower
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
        rate = self.rates()[kernel.dtype] * share / self.parallel / self._slowdown(nest, kernel.element_bits)
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

    def _cache_bytes(self, kernel: Kernel, nests: Sequence[LoopNest], once: int) -> int:
        """Return the bytes read through the last-level cache: work-groups of dense nests read their own operands.

        Args:
            kernel: the task.
            nests: what it computes.
            once: bytes of all operands.
        """
        rows, columns = self.spec.workgroup
        dense = [nest for nest in nests if self._is_dense(kernel, nest) and (nest.g == 1 or not nest.is_convolution)]
        grouped = sum(self._groups(n) * (rows + columns) * n.c * n.r * n.s for n in dense)
        return max(once, ceil_div(grouped * kernel.element_bits, 8))

    def _lanes(self, dtype: str) -> Fraction:
        """Return the rate of the vector lanes; that of the matrix cores for types that lanes do not multiply."""
        rate = self.spec.macs_per_cycle.get(dtype)
        return self.rates()[dtype] if rate is None else as_fraction(rate) * self.parallel

    def _vector_cycles(self, kernel: Kernel) -> tuple[int, str]:
        """Return the cycles of a kernel's element-wise work, and why."""
        return self._lane_cycles(kernel, kernel.vector_elements)

    def _lane_cycles(self, kernel: Kernel, operations: int) -> tuple[int, str]:
        """Return cycles of element-wise work: a lane does one operation where it could do one multiply-add.

        Types that the unit does not multiply (wide integers) go at its slowest rate.
        """
        slowest = min(self.rates(), key=lambda t: self.rates()[t])
        lanes = self._lanes(kernel.dtype if kernel.dtype in self.rates() else slowest)
        filled = self._filled(operations)
        count = cycles(operations, lanes * self.context.efficiency("elementwise") * filled)
        return count, (
            f"vector lanes: {operations:,} element operations, {float(filled):.2f} of the lanes covered "
            f"= {count:,} cycles"
        )


def _load(elements: int, bits: int) -> Fraction:
    """Return the cycles in which a lane loads some elements that lie together."""
    return max(Fraction(1), Fraction(elements * bits, _LANE_BITS))


def _product_loads(taken: int, made: int, bits: int) -> Fraction:
    """Return the cycles of loads for each product of a thread's step over input channels and output channels."""
    weights = ceil_div(taken * made, _RESULTS_A_THREAD)
    loads = _RESULTS_A_THREAD * _load(taken, bits) + weights * _load(min(taken * made, _RESULTS_A_THREAD), bits)
    return loads / (_RESULTS_A_THREAD * taken * made)


def _scratch(kernel: Kernel, bits: int) -> Operand:
    """Return an operand that one dispatch of a kernel leaves to the next."""
    return Operand(ceil_div(bits, 8), kernel.outputs[0].memory, private=True)
