"""Cost model of NPUs: an array engine, tiling through the local buffer, DMA beside the array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from socsim.cost.arrays.engine import ArrayContext, ArrayMapping, Operation, map_operation
from socsim.cost.arrays.engines import array_engine, peak
from socsim.cost.compression import Gain, decode_cycles, gain, packed
from socsim.cost.layout import grouped
from socsim.cost.model import CostModel, UnitContext, as_fraction, cycles
from socsim.cost.output_stages import stages
from socsim.cost.work import Lines, Phase, Work, by_memory, merged, pipelined, scaled
from socsim.quantities import PS_PER_S, ceil_div
from socsim.soc.schema import Npu
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from socsim.cost.output_stages import Stage
    from socsim.cost.tiling import Traffic
    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest


_OPERANDS = ("inputs", "weights", "results or partial sums")


class NpuModel(CostModel[Npu], kind="npu"):
    """An array with local buffers, a vector unit beside it and DMA.

    The engine of the array's kind says what a loop nest takes. Inputs and weights stream through the local
    buffer under the schedule that moves the fewest bytes, double buffered beside compute. Cores share an
    operator by output rows, output channels, groups or images: the way with the fewest cycles, then the
    fewest bytes; where no way takes fewer cycles than one core, one core does it all. Zeros among the weights
    and packed weights save what the unit can make of them, if their values are known.

    Assumes: no stalls inside the array but those of its engine; post-processing (requantization,
    activation, fused addition) runs in the vector unit beside the array; of an operator with several
    nests (LSTM, attention), the largest decides how all operands are tiled and copied; both operands of
    a product of activations count as input; packed weights stay packed in the local buffer.
    Valid for: dense integer and half-precision networks of convolutions; not calibrated.
    """

    def __init__(self, context: UnitContext[Npu]) -> None:
        super().__init__(context)
        self.engine = array_engine(
            ArrayContext(
                context.spec, context.cores, context.layers, context.constant_bytes, context.hz, context.memories
            )
        )

    @classmethod
    def core_rates(cls, spec: Npu) -> Mapping[str, Fraction]:
        """Return the multiply-accumulates a cycle of one core's array by type, weights without a zero."""
        return {t: peak(spec, t) for t in spec.precisions}

    @property
    def reads_weight_values(self) -> bool:
        """Whether zeros or packing of weights matter."""
        return self.spec.sparsity is not None or self.spec.compression is not None

    @property
    def arena(self) -> str | None:
        """On-chip memory through which constants are staged; None where the engine stages none."""
        return self.engine.arena

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        whole = self.engine.work(kernel)
        if whole is not None:
            return whole
        laid_out = grouped(kernel, self.spec.channel_group)
        made = self._mac_work(_by_stripes(laid_out)) if kernel.category is Category.MAC else self._vector_work(laid_out)
        return self._converted(kernel, made)

    def _converted(self, kernel: Kernel, work: Work) -> Work:
        """Return a kernel's Work with the phases in which the caller's tensors change their layout, where they do."""
        each = as_fraction(self.context.runtime.conversion)
        before, after = (cycles(kernel.entering, 1 / each), cycles(kernel.leaving, 1 / each)) if each else (0, 0)
        if not before + after:
            return work
        ends = [Phase(label, n, ()) for label, n in (("layout of inputs", before), ("layout of results", after)) if n]
        phases = (*ends[: before > 0], *work.phases, *ends[before > 0 :])
        words = f"{kernel.entering + kernel.leaving:,} B of the caller change their layout in {before + after:,} cycles"
        return replace(work, phases=phases, core_cycles=work.core_cycles + before + after, terms=(*work.terms, words))

    # --- multiply-accumulate operators ----------------------------------------------------------------

    def _mac_work(self, plain: Kernel) -> Work:
        kernel = packed(plain, self.spec.compression)
        gained = gain(kernel.weight_values, self.spec.sparsity)
        mappings = tuple(self._map(kernel, nest, gained.rate) for nest in kernel.loops)
        main = max(mappings, key=lambda m: m.nest.macs * m.cores)
        used = max(m.cores for m in mappings)
        traffic = self.engine.traffic(kernel, main)
        parts = _Parts(
            mappings,
            array=sum(m.cycles for m in mappings),
            stages=stages(kernel, self.spec, self.context.cores, sum(self._results(m) for m in mappings)),
            decode=self._decode_cycles(plain, kernel, traffic, used),
            gained=gained,
        )
        writes = by_memory(kernel.outputs)
        operands = sum(m.buffer_reads for m in mappings)
        return Work(
            pipelined(
                parts.cycles,
                traffic.reads,
                writes,
                first_load=traffic.first_load if self.context.runtime.prefetch else traffic.input_reads,
                last_store=scaled(writes, 1, max(1, main.nest.n * main.nest.p)),
                tiles=traffic.tiling.steps,
            ),
            executed_macs=_executed(kernel, gained.rate),
            vector_elements=kernel.vector_elements,
            local_bytes=traffic.read_bytes + kernel.output_bytes + ceil_div(operands * kernel.element_bits, 8),
            core_cycles=parts.cycles * used,
            weight_bytes=traffic.weight_bytes,
            setup_ps=self.spec.command.value + self.engine.setup_ps,
            sync_ps=self.spec.core_sync.value if used > 1 else 0,
            terms=Lines(lambda: self._terms(plain, kernel, parts, traffic)),
            levers=_levers(kernel, parts, traffic),
            conversions=sum(m.conversions for m in mappings),
        )

    def _map(self, kernel: Kernel, nest: LoopNest, gained: Fraction) -> ArrayMapping:
        rate = as_fraction(self.spec.precisions[kernel.dtype]) * gained
        full = self._rates[kernel.dtype] / self.parallel * gained
        return map_operation(self.engine, Operation(nest, kernel, rate, full))

    def _results(self, mapping: ArrayMapping) -> int:
        """Return what leaves the arrays of all cores, in whole blocks of channels."""
        return mapping.cores * self.engine.results(mapping.nest)

    def _decode_cycles(self, plain: Kernel, kernel: Kernel, traffic: Traffic, cores: int) -> int:
        """Return the cycles in which each core unpacks its weights, as often as it fetches them."""
        unpacked = traffic.weight_bytes * plain.weight_bytes // max(1, kernel.weight_bytes)
        return decode_cycles(ceil_div(unpacked, cores), self.spec.compression)

    # --- everything else ------------------------------------------------------------------------------

    def _vector_work(self, kernel: Kernel) -> Work:
        if self._is_joined_in_place(kernel):
            words = f"{len(kernel.inputs)} inputs lie where the result does, each in whole blocks of channels"
            return Work((), 0, 0, 0, 0, 0, self.spec.command.value, 0, (words,), ())
        passed = stages(kernel, self.spec, self.context.cores, 0)
        vector = self.engine.vector_cycles(kernel, max((stage.cycles for stage in passed), default=0))
        reads = merged(by_memory(kernel.inputs), by_memory(kernel.weights))
        writes = by_memory(kernel.outputs)
        return Work(
            pipelined(
                vector,
                reads,
                writes,
                first_load=self._unhidden(reads, is_write=False) if self.context.runtime.prefetch else reads,
                last_store=self._unhidden(writes, is_write=True),
                tiles=ceil_div(2 * sum(reads.values()), self.spec.buffer.value * self.context.cores),
            ),
            executed_macs=0,
            vector_elements=kernel.vector_elements,
            local_bytes=2 * (kernel.input_bytes + kernel.output_bytes),
            core_cycles=vector * self.context.cores,
            weight_bytes=kernel.weight_bytes,
            setup_ps=self.spec.command.value,
            sync_ps=0,
            terms=(
                *(str(stage) for stage in passed),
                f"moves {kernel.input_bytes + kernel.weight_bytes:,} B in and {kernel.output_bytes:,} B out",
            ),
            levers=("fusion with a neighbouring operator",),
        )

    def _is_joined_in_place(self, kernel: Kernel) -> bool:
        """Return whether the inputs of a concatenation are written where its result lies.

        They come from the unit itself and fill whole blocks of channels, and either need no other scale (floats) or
        are made for it alone, so that their makers can give them the scale of the result.
        """
        block, made = self.context.runtime.joined_channels, kernel.outputs[0].shape if kernel.outputs else ()
        if not block or kernel.type != "CONCATENATION" or made[-1:] != (sum(o.shape[-1] for o in kernel.inputs),):
            return False
        if not all(o.private for o in (*kernel.inputs, *kernel.outputs)):
            return False
        return all(o.shape[-1] % block == 0 and (o.sole or "float" in kernel.dtype) for o in kernel.inputs)

    def _unhidden(self, amounts: Mapping[str, int], *, is_write: bool) -> dict[str, int]:
        """Return what nothing hides: the bytes that pass within a memory's latency, whatever the buffer holds.

        Where the memory's rate is not known, it is what the ports have under way.
        """
        return {name: min(amount, self._window(name, is_write=is_write)) for name, amount in amounts.items()}

    def _window(self, memory: str, *, is_write: bool) -> int:
        access = self.context.memories.get(memory)
        if access is None:
            return self.spec.port.under_way * self.context.cores
        written = access.written_bytes_per_s if is_write else None
        rate = access.bytes_per_s if written is None else written
        return rate * access.latency_ps // PS_PER_S

    # --- explanation ----------------------------------------------------------------------------------

    def _terms(self, plain: Kernel, kernel: Kernel, parts: _Parts, traffic: Traffic) -> tuple[str, ...]:
        lines = [f"array ({self.spec.array.kind}): {m.text}" for m in parts.mappings]
        share = 100 * parts.ideal / max(parts.array, 1)
        lines.append(f"{kernel.macs:,} MACs need {parts.ideal:,} cycles at full use: {share:.0f} % of the array works")
        if parts.gained.text:
            lines.append(parts.gained.text)
        reads = [sum(m.cores * n for m, n in zip(parts.mappings, counts, strict=True)) for counts in parts.operands]
        counts = (f"{count:,} {what}" for count, what in zip(reads, _OPERANDS, strict=True))
        lines.append(f"from and to local buffers: {', '.join(counts)}")
        lines += [f"beside it: {stage}" for stage in parts.stages]
        if parts.decode:
            lines.append(
                f"{plain.weight_bytes:,} B of weights stored in {kernel.weight_bytes:,} B, unpacked beside it in "
                f"{parts.decode:,} cycles"
            )
        plan = traffic.tiling
        lines.append(
            f"tiling through {self.spec.buffer}: {plan.bound}, {plan.held_bytes:,} B held at once, in steps of "
            f"{plan.step_bytes:,} B; of "
            f"{kernel.input_bytes:,} B of input and {kernel.weight_bytes:,} B of weights {traffic.read_bytes:,} B "
            f"are read ({traffic.weight_bytes:,} B of them weights), {kernel.output_bytes:,} B written"
        )
        return tuple(lines)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What binds a kernel inside the unit: cycles of the array, and of what works beside it."""

    mappings: tuple[ArrayMapping, ...]
    array: int
    stages: tuple[Stage, ...]
    decode: int
    gained: Gain

    @property
    def cycles(self) -> int:
        """Cycles of the slowest."""
        return max(self.array, self.decode, *(stage.cycles for stage in self.stages))

    @property
    def ideal(self) -> int:
        """Cycles of an array whose multipliers are all busy."""
        return sum(m.ideal_cycles for m in self.mappings)

    @property
    def operands(self) -> tuple[tuple[int, ...], ...]:
        """Inputs, weights and results that move at one core's array, by nest."""
        parts = [m.part for m in self.mappings]
        return (
            tuple(p.input_reads for p in parts),
            tuple(p.weight_reads for p in parts),
            tuple(p.output_writes for p in parts),
        )


def _executed(kernel: Kernel, gained: Fraction) -> int:
    """Return the products that the array does not skip."""
    return sum(ceil_div(nest.macs * gained.denominator, gained.numerator) for nest in kernel.loops)


def _levers(kernel: Kernel, parts: _Parts, traffic: Traffic) -> tuple[str, ...]:
    found = []
    if parts.array > 2 * parts.ideal:
        found.append("more channels, or an array with a smaller unrolling: most multipliers idle")
    slowest = max(parts.stages, key=lambda stage: stage.cycles, default=None)
    if slowest and slowest.cycles > parts.array:
        found.append(f"a faster stage beside the array: {slowest.what}")
    if parts.decode > parts.array:
        found.append("a faster decoder of weights")
    if traffic.read_bytes > kernel.input_bytes + kernel.weight_bytes:
        found.append("a larger buffer: operands are fetched again")
    if kernel.weight_bytes > kernel.input_bytes + kernel.output_bytes:
        found.append("compressed weights, or weights in a faster memory, if the operator waits for memory")
    else:
        found.append("keeping activations on chip, if the operator waits for memory")
    return tuple(found)


def _by_stripes(kernel: Kernel) -> Kernel:
    """Return a kernel of a cascade with its weights as often as they are fetched: once for each stripe."""
    if kernel.stripes == 1:
        return kernel
    return replace(kernel, weights=tuple(replace(o, bytes=o.bytes * kernel.stripes) for o in kernel.weights))
