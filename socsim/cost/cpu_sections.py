"""What the kernels of a CPU library do, section by section: products, copies, transformations, element-wise work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod
from typing import TYPE_CHECKING

from socsim.cost.caching import holding_level
from socsim.cost.gemm import product
from socsim.cost.model import as_fraction, cycles, nest_family
from socsim.cost.winograd import WinogradLayer, fits_winograd
from socsim.quantities import ceil_div
from socsim.workload.dtypes import DType
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.model import UnitContext
    from socsim.cost.work import Kernel
    from socsim.soc.runtimes import KernelFamily, Kernels
    from socsim.soc.schema import CpuCluster
    from socsim.workload.loops import LoopNest

# Lane bytes that finishing one accumulator takes. Integer: doubling high multiply, rounding shift and two
# saturations on 32 bits, narrowing and zero point on 16, narrowing and clamping on 8 (the epilogue of
# XNNPACK's qs8 rndnu NEON kernels; the arithmetic is that of gemmlowp). Float: bias, minimum, maximum.
_FINISH_INTEGER = 4 * 4 + 3 * 2 + 3 * 1
_FINISH_FLOAT = 3


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a kernel that cores execute side by side and end together.

    Args:
        label: what it does, in a word.
        words: the same with the arithmetic.
        arithmetic: SIMD cycles of the busiest core.
        first: cycles in which the first cache level feeds it.
        beyond: cycles in which the levels beyond bring what the first does not hold.
        cores: cores that work.
        local_bytes: bytes between registers and the first level, all cores.
        macs: multiply-accumulates that it executes, all cores.
        scheduled: whether loads are interleaved with arithmetic by hand, for cores that issue in order.
    """

    label: str
    words: str
    arithmetic: int
    first: int
    beyond: int
    cores: int
    local_bytes: int
    macs: int = 0
    scheduled: bool = False

    def cycles(self, *, in_order: bool) -> int:
        """Return the cycles of the busiest core.

        Out of order, arithmetic and loads overlap. In order, only hand-scheduled kernels overlap loads from
        the first level with arithmetic, and every kernel waits for what comes from beyond.
        """
        if not in_order:
            return max(self.arithmetic, self.first, self.beyond)
        if self.scheduled:
            return max(self.arithmetic, self.first) + self.beyond
        return self.arithmetic + self.first + self.beyond

    def __str__(self) -> str:
        feed = f"{self.first:,} from the first cache level, {self.beyond:,} from beyond"
        cores = f" on {self.cores} cores" if self.cores > 1 else ""
        return f"{self.words}{cores}; cycles of the busiest core: arithmetic {self.arithmetic:,}, loads {feed}"


class SectionMaker:
    """Divides kernels into sections, for one cluster under one runtime.

    Args:
        context: the cluster in its run.
        rates: multiply-accumulates a cycle of one core by type.
    """

    def __init__(self, context: UnitContext[CpuCluster], rates: Mapping[str, Fraction]) -> None:
        self._context = context
        self._spec = context.spec
        self._rates = rates

    @property
    def _kernels(self) -> Kernels:
        return self._context.runtime.kernels

    def _cores(self, family: KernelFamily) -> int:
        return 1 if family in self._kernels.serial else self._context.cores

    def sections(self, kernel: Kernel) -> list[Section]:
        """Return the sections of a kernel in order."""
        if kernel.category is not Category.MAC:
            moved = kernel.input_bytes + kernel.weight_bytes + kernel.output_bytes
            if self._kernels.scalar is not None:
                return [self._scalar(kernel, self._kernels.scalar, moved)]
            lanes = ceil_div(kernel.vector_elements * kernel.element_bits, 8)
            return [
                self._streaming("element-wise", f"element-wise: {kernel.vector_elements:,} operations", lanes, moved)
            ]
        *before, last = (section for nest in kernel.loops for section in self._nest(kernel, nest))
        return [*before, self._finished(kernel, last)]

    def winograd(self, kernel: Kernel, nest: LoopNest) -> tuple[WinogradLayer, str] | None:
        """Return a nest as a Winograd layer with the type of its arithmetic, where the library computes it so."""
        if not self._kernels.winograd or not fits_winograd(nest):
            return None
        rule = self._kernels.winograd_rule(kernel.dtype, nest.c, nest.k, self._spec.isa)
        return (WinogradLayer(nest, rule.tile), rule.arithmetic or kernel.dtype) if rule else None

    # --- families -------------------------------------------------------------------------------------

    def _nest(self, kernel: Kernel, nest: LoopNest) -> list[Section]:
        padded = self._padded(kernel, nest)
        if nest.is_depthwise:
            return [*padded, self._depthwise(kernel, nest)]
        if layer := self.winograd(kernel, nest):
            return [*padded, *self._transformed(kernel, *layer)]
        family = nest_family(kernel.type, nest)
        product_of = self._product(nest, family, kernel.dtype, kernel.element_bits)
        return [*padded, *self._copies(kernel, nest), product_of]

    def _padded(self, kernel: Kernel, nest: LoopNest) -> list[Section]:
        """Return the section that writes the input out with its border, where the library does.

        Assumes: every convolution with a window pads.
        """
        if not (self._kernels.padding_copies and nest.is_convolution and nest.r * nest.s > 1):
            return []
        moved = 2 * sum(o.bytes for o in kernel.root_inputs)
        return [self._streaming("padding", f"input written out with its border: {moved:,} B", moved, moved)]

    def _copies(self, kernel: Kernel, nest: LoopNest) -> list[Section]:
        pointwise = (nest.r, nest.s, nest.stride_h, nest.stride_w) == (1, 1, 1, 1)
        times = self._kernels.pointwise_copies if pointwise else self._kernels.window_copies
        if not times:
            return []
        elements = nest.g * nest.n * nest.p * nest.q * nest.c * nest.r * nest.s
        moved = ceil_div(2 * times * elements * kernel.element_bits, 8)
        what = "operand" if pointwise else "windows"
        return [self._streaming("copies", f"{what} written out {times} x: {moved:,} B", moved, moved)]

    def _product(self, nest: LoopNest, family: KernelFamily, dtype: str, bits: int) -> Section:
        made = product(nest, self._kernels.block_of(dtype), bits, self._cores(family))
        share = self._context.efficiency(family)
        first, beyond = made.feed(self._spec.caches)
        groups = f"{made.groups} x " if made.groups > 1 else ""
        words = (
            f"product {groups}[{made.rows:,}, {made.depth:,}] x [{made.depth:,}, {made.columns:,}]: {made.blocks:,} of "
            f"{made.all_blocks:,} blocks of {made.block[0]} x {made.block[1]} on one core, {made.macs:,} MACs at "
            f"{float(self._rates[dtype]):g} a cycle x {float(share):.2f} reached by {family} kernels"
        )
        return Section(
            "product", words, cycles(made.macs, self._rates[dtype] * share), first, beyond, made.cores,
            made.register_bytes(made.all_blocks), nest.macs, scheduled=True,
        )  # fmt: skip

    def _depthwise(self, kernel: Kernel, nest: LoopNest) -> Section:
        cores, share = self._cores("depthwise"), self._context.efficiency("depthwise")
        rate = self._rates[kernel.dtype]
        if kernel.element_bits == 8:
            rate = min(rate, self._rates.get("int16", rate))
        parts = max(nest.n * nest.p, nest.g)  # rows of the result, or channels
        macs = ceil_div(nest.macs * ceil_div(parts, cores), parts)
        loads = self._kernels.depthwise_loads
        first = cycles(ceil_div(macs * kernel.element_bits, 8), self._first_level / Fraction(str(loads)))
        operands = kernel.input_bytes + kernel.weight_bytes
        beyond = self._beyond(operands, cores)
        words = (
            f"depthwise: {macs:,} of {nest.macs:,} MACs on one core at {float(rate):g} a cycle x {float(share):.2f} "
            f"reached, {loads:g} vectors loaded for each"
        )
        local = int(nest.macs * kernel.element_bits * Fraction(str(loads)) / 8)
        arithmetic = cycles(macs, rate * share)
        return Section("depthwise", words, arithmetic, first, beyond, cores, local, nest.macs)

    def _transformed(self, kernel: Kernel, layer: WinogradLayer, dtype: str) -> list[Section]:
        bits, wide = kernel.element_bits, DType(dtype).bits
        nest, name = layer.nest, f"Winograd F({layer.tile} x {layer.tile}, 3 x 3)"
        taken = nest.n * nest.p * nest.q * nest.c * bits + layer.input_elements * wide
        given = nest.outputs * bits + layer.output_elements * wide
        return [
            self._streaming(
                "transformation",
                f"{name}: {layer.tiles:,} tiles of inputs transformed, {layer.input_operations:,} operations",
                ceil_div(layer.input_operations * wide, 8),
                ceil_div(taken, 8),
            ),
            self._product(layer.products, "convolution", dtype, wide),
            self._streaming(
                "transformation back",
                f"{name}: products transformed back, {layer.output_operations:,} operations",
                ceil_div(layer.output_operations * wide, 8),
                ceil_div(given, 8),
            ),
        ]

    def _finished(self, kernel: Kernel, last: Section) -> Section:
        """Return the last section with what is done to each accumulator before it is stored."""
        results = sum(nest.outputs for nest in kernel.loops)
        is_float = "float" in kernel.dtype
        each = ceil_div(_FINISH_FLOAT * kernel.element_bits, 8) if is_float else _FINISH_INTEGER
        finish = ceil_div(each * results, self._spec.vector.value * last.cores)
        fused = self._lane_cycles(
            ceil_div(max(0, kernel.vector_elements - results) * kernel.element_bits, 8), last.cores
        )
        words = f"{last.words}; finishing {results:,} accumulators ({each} lane bytes each) = {finish:,} cycles"
        words += f", fused element-wise work = {fused:,}" if fused else ""
        return replace(last, words=words, arithmetic=last.arithmetic + finish + fused)

    # --- lanes and caches -----------------------------------------------------------------------------

    @property
    def _first_level(self) -> Fraction:
        return Fraction(self._spec.caches[0].bandwidth.value)

    def _streaming(self, label: str, words: str, lane_bytes: int, moved: int) -> Section:
        """Return a section that passes once over its operands.

        Args:
            label: what it does, in a word.
            words: the same with the arithmetic.
            lane_bytes: bytes of SIMD lanes that its operations take.
            moved: bytes of the operands.
        """
        cores = self._cores("elementwise")
        first = ceil_div(moved, self._spec.caches[0].bandwidth.value * cores)
        lanes = self._lane_cycles(lane_bytes, cores)
        return Section(label, words, lanes, first, self._beyond(moved, cores), cores, moved)

    def _scalar(self, kernel: Kernel, overhead: float, moved: int) -> Section:
        """Return the section of a kernel that takes one element after the other, an instruction a cycle."""
        cores = self._cores("elementwise")
        results = sum(prod(operand.shape) for operand in kernel.outputs)
        spent = ceil(Fraction(kernel.vector_elements + as_fraction(overhead) * results, cores))
        words = f"scalar: {kernel.vector_elements:,} operations, {overhead:g} instructions more for each of {results:,}"
        first = ceil_div(moved, self._spec.caches[0].bandwidth.value * cores)
        return Section("scalar", words, spent, first, self._beyond(moved, cores), cores, moved)

    def _lane_cycles(self, lane_bytes: int, cores: int) -> int:
        rate = Fraction(self._spec.vector.value * cores) * self._context.efficiency("elementwise")
        return cycles(lane_bytes, rate)

    def _beyond(self, amount: int, cores: int) -> int:
        """Return the cycles in which the level that holds an amount brings it into the first."""
        level = holding_level(self._spec.caches, amount, cores)
        return ceil_div(amount, self._spec.caches[level].bandwidth.value * cores) if level else 0
