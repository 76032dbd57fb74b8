"""Cost model of CPU clusters: SIMD rates by instruction set, kernel families, caches, cores."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from socsim.cost.caching import missed
from socsim.cost.cpu_sections import SectionMaker, as_built
from socsim.cost.model import CostModel, as_fraction
from socsim.cost.work import Operand, Phase, Work, by_memory, merged, transfers
from socsim.soc.instruction_sets import peak_rates
from socsim.soc.schema import CpuCluster
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from fractions import Fraction

    from socsim.cost.cpu_sections import Section
    from socsim.cost.winograd import WinogradLayer
    from socsim.cost.work import Kernel


def _left(kernel: Kernel, section: Section) -> tuple[Operand, ...]:
    """Return what a section leaves to the next one as an operand in the memory of the results."""
    if not (section.leaves and kernel.outputs):
        return ()
    return (Operand(section.leaves, kernel.outputs[0].memory, private=True),)


class CpuModel(CostModel[CpuCluster], kind="cpu"):
    """Cores with SIMD units behind private and shared caches.

    A kernel is a row of sections, each with a barrier (`socsim.cost.cpu_sections`). Convolutions and matrix
    products become blocked products at the SIMD rate times the share that the runtime's kernels reach, after
    as many copies of their windows as the library makes, or Winograd's products between two transformations
    where its rules say so. Depthwise kernels load vectors for each that they multiply; those of 8-bit types
    run at the rate of 16-bit multiplies, because dot products sum over channels, of which they have one.
    Accumulators are then requantized. Element-wise kernels are bound by lanes or by the cache that holds
    their operands; sorting and selecting take one core, and one of its pipes for a cycle for each operation.
    Kernels of 8 bits convert inputs that a network keeps in a wider type first. Activations that stay on the
    cluster and fit half of the last-level cache do not touch memory, weights always do unless half of that
    cache holds all of them. The same holds for what a library writes out whole between two sections; what it
    copies tile by tile stays in cache.

    Assumes: transformations of weights are made when the
    network is loaded; hardware prefetch hides the latency of memory, so that the transfers of a section run
    beside its arithmetic, but for what cores read that issue in order; of a private last level, one core's counts.
    Valid for: quantized and float convolutional networks in interpreters; not calibrated.
    """

    @classmethod
    def core_rates(cls, spec: CpuCluster) -> Mapping[str, Fraction]:
        """Return the multiply-accumulates a cycle of one core by type: of its instruction sets, or as stated."""
        multiply = spec.multiply or spec.vector
        stated = {t: as_fraction(r) for t, r in spec.macs_per_cycle.items()}
        return peak_rates(spec.isa, spec.vector.value, multiply.value) | stated

    @cached_property
    def _maker(self) -> SectionMaker:
        built = as_built(self.spec, self.context.runtime.kernels)
        return SectionMaker(replace(self.context, spec=built), self.core_rates(built))

    @property
    def last_level_bytes(self) -> int:
        """Bytes of the outermost cache, one core's where each has its own."""
        return self.spec.caches[-1].size.value

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task: a phase for each section."""
        sections = self._maker.sections(kernel)
        spent = [section.cycles(in_order=self.spec.in_order) for section in sections]
        layers = [found for nest in kernel.loops if (found := self._maker.winograd(kernel, nest))]
        weights = {} if self.weights_resident else self._weights(kernel, layers)
        phases = self._phases(kernel, sections, spent, weights)
        read, written = (sum(getattr(t, n) for p in phases for t in p.transfers) for n in ("read_bytes", "write_bytes"))
        return Work(
            phases,
            executed_macs=sum(section.macs for section in sections),
            vector_elements=kernel.vector_elements
            + sum(layer.input_operations + layer.output_operations for layer, _ in layers),
            local_bytes=sum(section.local_bytes for section in sections),
            core_cycles=sum(s.cores * count for s, count in zip(sections, spent, strict=True)),
            weight_bytes=sum(weights.values()),
            setup_ps=0,
            sync_ps=self.spec.thread_sync.value * sum(section.cores > 1 for section in sections),
            terms=(
                *(f"{section} = {count:,} cycles" for section, count in zip(sections, spent, strict=True)),
                self._traffic_term(kernel, read, written),
            ),
            levers=self._levers(kernel, read),
        )

    def _phases(
        self, kernel: Kernel, sections: Sequence[Section], spent: Sequence[int], weights: dict[str, int]
    ) -> tuple[Phase, ...]:
        """Return the sections with their traffic: the first takes the inputs, the last gives the results.

        Constants come with the first section that multiplies, what fused operators add with the last.
        """
        cache = self.last_level_bytes
        multiplying = next((i for i, section in enumerate(sections) if section.macs), 0)
        reads: list[dict[str, int]] = [{} for _ in sections]
        for index, amounts in (
            (0, by_memory(missed(kernel.root_inputs, cache))),
            (multiplying, weights),
            (-1, by_memory(missed(kernel.fused_inputs, cache))),
        ):
            reads[index] = merged(reads[index], amounts)
        writes: list[dict[str, int]] = [{} for _ in sections]
        writes[-1] = by_memory(missed(kernel.outputs, cache))
        for index, (section, following) in enumerate(pairwise(sections)):
            left = by_memory(missed(_left(kernel, section), cache))
            writes[index] = merged(writes[index], left)
            reads[index + 1] = merged(reads[index + 1], {m: following.passes * n for m, n in left.items()})
        return tuple(
            phase
            for section, count, taken, given in zip(sections, spent, reads, writes, strict=True)
            for phase in self._section_phases(section.label, count, taken, given)
        )

    def _section_phases(self, label: str, count: int, taken: dict[str, int], given: dict[str, int]) -> Iterator[Phase]:
        """Yield the phases of a section: cores that issue in order wait for what they read from memory."""
        if self.spec.in_order and taken:
            yield Phase(label, 0, transfers(taken, {}))
            taken = {}
        yield Phase(label, count, transfers(taken, given))

    @staticmethod
    def _weights(kernel: Kernel, layers: Sequence[tuple[WinogradLayer, str]]) -> dict[str, int]:
        """Return the constants read by memory; transformed ones are larger."""
        found = by_memory(kernel.weights)
        if not layers:
            return found
        winograd, dtype = layers[0]
        return {m: winograd.grown(n, kernel.element_bits, DType(dtype).bits) for m, n in found.items()}

    def _traffic_term(self, kernel: Kernel, read: int, written: int) -> str:
        cache = self.spec.caches[-1]
        return (
            f"{cache.level} of {cache.size} keeps the cluster's own activations up to "
            f"{self.last_level_bytes // 2:,} B: of {kernel.input_bytes + kernel.weight_bytes:,} B in and "
            f"{kernel.output_bytes:,} B out, {read:,} B are read from memory and {written:,} B written"
        )

    def _levers(self, kernel: Kernel, read: int) -> tuple[str, ...]:
        found = []
        if kernel.dtype.startswith("float"):
            found.append("int8 instead of float: more multiply-accumulates a cycle")
        if self.context.cores < self.spec.cores:
            found.append(f"more cores: the cluster has {self.spec.cores}")
        if read:
            found.append("a larger last-level cache or fewer weights, if the operator waits for memory")
        return tuple(found)
