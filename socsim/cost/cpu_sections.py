"""What the kernels of a CPU library do, section by section: products, copies, transformations, element-wise work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod
from typing import TYPE_CHECKING

from socsim.cost.caching import holding_level
from socsim.cost.gemm import product
from socsim.cost.model import as_fraction, cycles, nest_family
from socsim.cost.winograd import winograd_layer
from socsim.quantities import BytesPerCycle, ceil_div
from socsim.workload.dtypes import DType
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.cost.model import UnitContext
    from socsim.cost.winograd import WinogradLayer
    from socsim.cost.work import Kernel, Operand
    from socsim.soc.runtimes import KernelFamily, Kernels, PlainLoops
    from socsim.soc.schema import CpuCluster
    from socsim.workload.loops import LoopNest

# Lane bytes that finishing one accumulator takes. Integer: doubling high multiply, rounding shift and two
# saturations on 32 bits, narrowing and zero point on 16, narrowing and clamping on 8 (the epilogue of
# XNNPACK's qs8 rndnu NEON kernels; the arithmetic is that of gemmlowp). Float: bias, minimum, maximum.
_FINISH_INTEGER = 4 * 4 + 3 * 2 + 3 * 1
_FINISH_FLOAT = 3

# Lane bytes that converting one float to 8 bits takes: scaling and rounding in 32 bits, narrowing to 16 and to 8,
# limits in 8 (float2int8 of Tencent/ncnn src/layer/arm/arm_usability.h).
_QUANTIZE = 2 * 4 + 2 + 2 * 1

_PACKED_BITS = 128
_WIDE_BITS = 32
_SUM_BYTES = 4
_IMAGE_RANK = 3
_SCALAR = {**dict.fromkeys(("int8", "uint8", "int16", "int32", "float32", "float64"), 1.0), "float16": 0.5}
"""Multiply-accumulates a cycle of a core without SIMD, by type."""


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
        leaves: bytes that it writes out whole for the next section, which may pass through memory.
        passes: times that it reads what the section before left.
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
    leaves: int = 0
    passes: int = 1

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


def as_built(spec: CpuCluster, kernels: Kernels) -> CpuCluster:
    """Return a cluster as a library sees it that is not built for all of its instruction sets.

    Assumes: scalar code does one multiply-add or one 32-bit operation a cycle, half floats at half that rate.
    """
    left = [name for name in spec.isa if name not in kernels.unused]
    if left or not spec.isa:
        return spec.model_copy(update={"isa": left}) if len(left) < len(spec.isa) else spec
    return spec.model_copy(update={"isa": [], "macs_per_cycle": _SCALAR, "vector": BytesPerCycle.of(4)})


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
            if kernel.category is Category.HOST:  # lists that one core goes through
                return [self._scalar(kernel, ceil_div(kernel.vector_elements, self._pipes), 0, moved, 1)]
            return [*self._bordered_pool(kernel), *self._elementwise(kernel, moved)]
        *before, last = (section for nest in kernel.loops for section in self._nest(kernel, nest))
        if kernel.dtype in self._kernels.finished_apart:
            return [*before, *self._converted(kernel, last)]
        return [*before, self._finished(kernel, last)]

    def winograd(self, kernel: Kernel, nest: LoopNest) -> tuple[WinogradLayer, str] | None:
        """Return a nest as a Winograd layer with the type of its arithmetic, where the library computes it so."""
        if self._kernels.plain_loops(kernel.dtype, self._spec.isa):
            return None
        return winograd_layer(self._kernels, nest, kernel.dtype, self._spec.isa)

    def _elementwise(self, kernel: Kernel, moved: int) -> list[Section]:
        """Return the sections of an operator without products; some libraries have it in 32-bit floats alone."""
        count, bits = kernel.vector_elements, kernel.element_bits
        if kernel.type in self._kernels.operations:
            count = self._kernels.operations[kernel.type] * sum(prod(o.shape) for o in kernel.root_inputs)
        parts, conversions = self._parts(kernel.outputs), []
        if kernel.type in self._kernels.widened and bits < _WIDE_BITS and "float" in kernel.dtype:
            words = f"converted to {_WIDE_BITS}-bit floats and back: {moved:,} B"
            grown = ceil_div(moved * (bits + _WIDE_BITS), bits)
            conversions = [self._streaming("conversion", words, moved * _WIDE_BITS // bits, grown, parts)]
            moved, bits = moved * _WIDE_BITS // bits, _WIDE_BITS
        scalar, meant = self._kernels.scalar, self._kernels.scalar_operators
        if scalar is not None and ("*" in meant or kernel.type in meant):
            return [*conversions, self._scalar(kernel, count, scalar, moved, self._cores("elementwise"))]
        words, lanes = f"element-wise: {count:,} operations", ceil_div(count * bits, 8)
        return [*conversions, self._streaming("element-wise", words, lanes, moved, parts)]

    # --- families -------------------------------------------------------------------------------------

    def _nest(self, kernel: Kernel, nest: LoopNest) -> list[Section]:
        padded = [*self._quantized(kernel), *self._padded(kernel, nest)]
        if loops := self._kernels.plain_loops(kernel.dtype, self._spec.isa):
            return [*padded, self._plain(nest, loops)]
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
        return self._written_out(kernel) if nest.is_convolution and nest.r * nest.s > 1 else []

    def _written_out(self, kernel: Kernel) -> list[Section]:
        """Return the section that writes the input out with its border, where the library does."""
        if not self._kernels.padding_copies:
            return []
        moved = 2 * self._taken_bytes(kernel)
        words, parts = f"input written out with its border: {moved:,} B", self._parts(kernel.root_inputs)
        return [replace(self._streaming("padding", words, moved, moved, parts), leaves=moved // 2)]

    def _bordered_pool(self, kernel: Kernel) -> list[Section]:
        """Return the section that writes a pool's input out with its border, where the library does.

        Assumes: pools whose windows overlap pad.
        """
        is_bordered = any(size > step for size, step in zip(kernel.window, kernel.stride, strict=True))
        return self._written_out(kernel) if is_bordered else []

    def _quantized(self, kernel: Kernel) -> list[Section]:
        """Return the section that converts an input of a wider type, as kernels of 8 bits in float networks do."""
        given, left = sum(o.bytes for o in kernel.root_inputs), self._taken_bytes(kernel)
        if given <= left:
            return []
        words, parts = f"input quantized: {given:,} B to {left:,} B", self._parts(kernel.root_inputs)
        lanes = _QUANTIZE * ceil_div(8 * left, kernel.element_bits)
        return [replace(self._streaming("quantization", words, lanes, given + left, parts), leaves=left)]

    @staticmethod
    def _taken_bytes(kernel: Kernel) -> int:
        """Return the bytes of the inputs in the type that the kernel computes in, where they are kept in a wider one.

        Vectors count as they are: converting them takes no time to speak of.
        """
        converted = (ceil_div(prod(o.shape) * kernel.element_bits, 8) for o in kernel.root_inputs)
        return sum(
            min(o.bytes, n) if len(o.shape) > 1 else o.bytes for o, n in zip(kernel.root_inputs, converted, strict=True)
        )

    def _copies(self, kernel: Kernel, nest: LoopNest) -> list[Section]:
        pointwise = (nest.r, nest.s, nest.stride_h, nest.stride_w) == (1, 1, 1, 1)
        times = self._kernels.pointwise_copies if pointwise else self._kernels.window_copies
        if not times:
            return []
        elements = nest.g * nest.n * nest.p * nest.q * nest.c * nest.r * nest.s
        moved = ceil_div(2 * times * elements * kernel.element_bits, 8)
        what = "operand" if pointwise else "windows"
        words = f"{what} written out {times} x: {moved:,} B"
        if self._kernels.copy_tile is None:
            return [self._streaming("copies", words, moved, moved)]
        written = ceil_div(elements * kernel.element_bits, 8)
        tiles = ceil_div(written, self._tile_bytes)
        return [replace(self._streaming("copies", words, moved, moved, tiles), leaves=written)]

    @property
    def _tile_bytes(self) -> int:
        """Bytes of one tile of copies: those of the cache level that it fills, the outermost where a core has none."""
        caches = self._spec.caches
        return next((c.size.value for c in caches if c.level == self._kernels.copy_tile), caches[-1].size.value)

    def _product(self, nest: LoopNest, family: KernelFamily, dtype: str, bits: int) -> Section:
        made = product(
            nest, self._kernels.block_of(dtype), bits, self._cores(family),
            step=self._kernels.channel_step, panel=self._kernels.panel,
        )  # fmt: skip
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
            made.register_bytes(made.all_blocks), nest.macs, scheduled=True, passes=made.passes,
        )  # fmt: skip

    def _plain(self, nest: LoopNest, loops: PlainLoops) -> Section:
        """Return the section of loops that compute one result after the other; cores divide the channels."""
        cores = self._cores("convolution")
        depth = nest.c * (nest.r * nest.s * loops.tap + loops.channel)
        channels = nest.g * nest.k
        results = ceil_div(nest.outputs * ceil_div(channels, cores), channels)
        words = (
            f"plain loops: {results:,} of {nest.outputs:,} results on one core, {loops.tap} instructions for each of "
            f"{nest.c * nest.r * nest.s:,} products and {loops.channel} for each of {nest.c:,} channels"
        )
        local = 3 * nest.macs
        return Section("plain loops", words, results * depth, 0, 0, cores, local, nest.macs)

    def _depthwise(self, kernel: Kernel, nest: LoopNest) -> Section:
        cores, share = self._cores("depthwise"), self._context.efficiency("depthwise")
        rate = self._rates[kernel.dtype]
        if kernel.element_bits == 8:
            rate = min(rate, self._rates.get("int16", rate))
        parts = max(nest.n * nest.p, nest.g)  # rows of the result, or channels
        if self._kernels.channel_step:
            parts = nest.n * ceil_div(nest.g, self._vector_channels(kernel.element_bits))
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
        written = ceil_div(layer.input_elements * wide, 8) if self._kernels.copy_tile else 0
        before = self._streaming(
            "transformation",
            f"{name}: {layer.tiles:,} tiles of inputs transformed, {layer.input_operations:,} operations",
            ceil_div(layer.input_operations * wide, 8),
            ceil_div(taken, 8),
        )
        return [
            replace(before, leaves=written),
            self._product(layer.products, "convolution", dtype, wide),
            self._streaming(
                "transformation back",
                f"{name}: products transformed back, {layer.output_operations:,} operations",
                ceil_div(layer.output_operations * wide, 8),
                ceil_div(given, 8),
            ),
        ]

    def _finish_bytes(self, kernel: Kernel) -> tuple[int, int, int]:
        """Return the accumulators, the lane bytes that each takes before it is stored, and those of fused operators."""
        results = sum(nest.outputs for nest in kernel.loops)
        is_float = "float" in kernel.dtype
        each = ceil_div(_FINISH_FLOAT * kernel.element_bits, 8) if is_float else _FINISH_INTEGER
        return results, each, ceil_div(max(0, kernel.vector_elements - results) * kernel.element_bits, 8)

    def _finished(self, kernel: Kernel, last: Section) -> Section:
        """Return the last section with what is done to each accumulator before it is stored."""
        results, each, others = self._finish_bytes(kernel)
        finish = ceil_div(each * results, self._spec.vector.value * last.cores)
        fused = self._lane_cycles(others, last.cores)
        words = f"{last.words}; finishing {results:,} accumulators ({each} lane bytes each) = {finish:,} cycles"
        words += f", fused element-wise work = {fused:,}" if fused else ""
        return replace(last, words=words, arithmetic=last.arithmetic + finish + fused)

    def _converted(self, kernel: Kernel, last: Section) -> list[Section]:
        """Return the last section, which leaves its accumulators, and the one that converts them."""
        results, each, others = self._finish_bytes(kernel)
        left = _SUM_BYTES * results
        words = f"{results:,} accumulators of {_SUM_BYTES} B converted, {each} lane bytes each"
        moved = left + kernel.output_bytes
        after = self._streaming("conversion", words, each * results + others, moved, self._parts(kernel.outputs))
        return [replace(last, leaves=left), after]

    def _parts(self, operands: Sequence[Operand]) -> int | None:
        """Return the vectors of channels that cores divide, or None where the library divides work in other ways."""
        if not (self._kernels.channel_step and operands and operands[0].shape):
            return None
        shape, elements = operands[0].shape, prod(operands[0].shape)
        bits = max(1, 8 * operands[0].bytes // max(1, elements))
        rows = elements if len(shape) < _IMAGE_RANK else shape[0] * shape[-1]
        return ceil_div(rows, self._vector_channels(bits))

    @staticmethod
    def _vector_channels(bits: int) -> int:
        """Return the channels that lie together in memory, in a vector of 128 bits."""
        return max(1, _PACKED_BITS // bits)

    @property
    def _pipes(self) -> int:
        """Operations of single floats that a core starts in a cycle: one in order, else one on each of its pipes."""
        return 1 if self._spec.in_order else max(1, 8 * self._spec.vector.value // _PACKED_BITS)

    # --- lanes and caches -----------------------------------------------------------------------------

    @property
    def _first_level(self) -> Fraction:
        return Fraction(self._spec.caches[0].bandwidth.value)

    def _streaming(self, label: str, words: str, lane_bytes: int, moved: int, parts: int | None = None) -> Section:
        """Return a section that passes once over its operands.

        Args:
            label: what it does, in a word.
            words: the same with the arithmetic.
            lane_bytes: bytes of SIMD lanes that its operations take.
            moved: bytes of the operands.
            parts: parts that can be worked on apart; None: as many as there are cores.
        """
        cores = self._cores("elementwise")
        cores = cores if parts is None else min(cores, parts)
        first = ceil_div(moved, self._spec.caches[0].bandwidth.value * cores)
        lanes = self._lane_cycles(lane_bytes, cores)
        return Section(label, words, lanes, first, self._beyond(moved, cores), cores, moved)

    def _scalar(self, kernel: Kernel, count: int, overhead: float, moved: int, cores: int) -> Section:
        """Return the section of a kernel that takes one element after the other, an instruction a cycle.

        Args:
            kernel: what is computed.
            count: operations.
            overhead: instructions for each result beside the operations.
            moved: bytes of the operands.
            cores: that share the results.
        """
        results = sum(prod(operand.shape) for operand in kernel.outputs)
        spent = ceil(Fraction(count + as_fraction(overhead) * results, cores))
        words = f"scalar: {count:,} operations, {overhead:g} instructions more for each of {results:,}"
        first = ceil_div(moved, self._spec.caches[0].bandwidth.value * cores)
        return Section("scalar", words, spent, first, self._beyond(moved, cores), cores, moved)

    def _lane_cycles(self, lane_bytes: int, cores: int) -> int:
        rate = Fraction(self._spec.vector.value * cores) * self._context.efficiency("elementwise")
        return cycles(lane_bytes, rate)

    def _beyond(self, amount: int, cores: int) -> int:
        """Return the cycles in which the level that holds an amount brings it into the first."""
        level = holding_level(self._spec.caches, amount, cores)
        return ceil_div(amount, self._spec.caches[level].bandwidth.value * cores) if level else 0
