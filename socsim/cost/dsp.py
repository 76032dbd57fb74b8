"""Cost model of vector DSPs: hardware threads with vector contexts, tiles through coupled memory."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.model import CostModel, as_fraction, cycles, nest_family
from socsim.cost.tiling import Steps, Traffic, stream
from socsim.cost.work import Work, by_memory, pipelined, scaled
from socsim.quantities import ceil_div
from socsim.soc.schema import Dsp
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest

# Positions whose sums a kernel keeps in vector registers at once: a quarter of 32 registers.
_POSITIONS = 8


class DspModel(CostModel[Dsp], kind="dsp"):
    """Threads with vector units that work on tiles in tightly coupled memory.

    Vector multiplies and vector loads issue side by side, so that the slower of the two decides.

    Assumes: operators split evenly over the threads; DMA fills the next tile beside compute; the
    runtime's efficiency covers issue slots lost to permutations; of an operator with several nests, the
    largest decides how its operands are tiled.
    Valid for: integer networks; not calibrated.
    """

    @classmethod
    def core_rates(cls, spec: Dsp) -> Mapping[str, Fraction]:
        """Return the multiply-accumulates a cycle of one thread by type."""
        return {t: as_fraction(r) for t, r in spec.macs_per_cycle.items()}

    @property
    def parallel(self) -> int:
        """Hardware threads."""
        return self.spec.threads

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of one task."""
        compute, terms = self._compute(kernel)
        writes, traffic = by_memory(kernel.outputs), self._stream(kernel)
        moved = traffic.read_bytes + kernel.output_bytes
        return Work(
            pipelined(
                compute,
                traffic.reads,
                writes,
                first_load=traffic.first_load,
                last_store=scaled(writes, 1, self._steps(kernel)),
                tiles=traffic.tiling.steps,
            ),
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=2 * moved,
            core_cycles=compute * self.parallel,
            weight_bytes=traffic.weight_bytes,
            setup_ps=self.spec.command.value,
            sync_ps=0,
            terms=(
                *terms,
                f"tiling through {self.spec.tcm} of coupled memory: {traffic.tiling.bound}; {moved:,} B moved",
            ),
            levers=("fewer, larger operators, if set-up dominates",),
        )

    def _steps(self, kernel: Kernel) -> int:
        """Return in how many steps results leave: rows of every image, or a part for each thread."""
        return max(1, max((nest.n * nest.p for nest in kernel.loops), default=self.parallel))

    def _stream(self, kernel: Kernel) -> Traffic:
        """Return the traffic through coupled memory, which the threads share.

        A step takes the filters whose 32-bit accumulators fill one vector register, and the input rows of
        one output row.
        """
        nest = max(kernel.loops, key=lambda n: n.macs, default=None)
        if nest is None:
            return stream(kernel, self.spec.tcm.value, Steps(self.parallel, 1))
        chunks = ceil_div(nest.g * nest.k, max(1, self.spec.vector.value * 8 // 32))
        return stream(kernel, self.spec.tcm.value, Steps.of_nest(nest, chunks))

    def _compute(self, kernel: Kernel) -> tuple[int, tuple[str, ...]]:
        width = Fraction(self.spec.vector.value * self.spec.threads) * self.context.efficiency("elementwise")
        vector = cycles(ceil_div(kernel.vector_elements * kernel.element_bits, 8), width)
        terms = (f"vector: {kernel.vector_elements:,} element operations = {vector:,} cycles",)
        if kernel.category is not Category.MAC:
            return vector, terms
        parts = [self._nest_cycles(kernel, nest) for nest in kernel.loops]
        return sum(count for count, _ in parts) + vector, (*(words for _, words in parts), *terms)

    def _nest_cycles(self, kernel: Kernel, nest: LoopNest) -> tuple[int, str]:
        """Return the cycles of a nest, and why: multiplies and loads have issue slots of their own."""
        kind = nest_family(kernel.type, nest)
        rate = self.rates()[kernel.dtype] * self.context.efficiency(kind)
        macs = cycles(nest.macs, rate)
        amount = ceil_div(self._loads(nest) * kernel.element_bits, 8)
        loads = ceil_div(amount, self.spec.load.value * self.spec.threads)
        return max(macs, loads), (
            f"{nest.macs:,} MACs at {float(rate):g} a cycle on {self.spec.threads} threads, kernel efficiency counted "
            f"= {macs:,} cycles; beside them {amount:,} B loaded from coupled memory = {loads:,} cycles"
        )

    def _loads(self, nest: LoopNest) -> int:
        """Return the elements that vector registers take from coupled memory.

        Depthwise kernels load a vector for each that they multiply. Others keep sums of some positions for a
        vector of channels: each input serves all of these channels, each weight all of these positions.
        """
        if nest.is_depthwise:
            return nest.macs
        channels = max(1, self.spec.vector.value * 8 // 32)
        positions = nest.n * nest.p * nest.q
        depth = nest.g * nest.c * nest.r * nest.s
        inputs = depth * positions * ceil_div(nest.k, channels)
        return inputs + depth * nest.k * ceil_div(positions, _POSITIONS)
