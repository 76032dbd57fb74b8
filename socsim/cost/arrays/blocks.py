"""Engine of arrays that work on blocks of results in a banked buffer: Ethos-U55 and U65."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from socsim.cost.arrays.block_cycles import BlockCycles, block_cycles, elementwise_cycles
from socsim.cost.arrays.block_geometry import BlockJob, Blocks, Box, geometry
from socsim.cost.arrays.block_jobs import Step, activation_stage, box_of, steps_of
from socsim.cost.arrays.block_memories import Memories
from socsim.cost.arrays.block_search import choose_blocks
from socsim.cost.arrays.block_traffic import (
    Feature,
    input_elements,
    moved,
    output_elements,
    read_run,
    weight_passes,
    write_run,
)
from socsim.cost.arrays.block_weights import Constants, StagingCase, constants_of, is_staged, scale_cycles, slices_of
from socsim.cost.arrays.engine import ArrayContext, ArrayCycles, ArrayEngine, Operation
from socsim.cost.model import as_fraction
from socsim.cost.work import Phase, Work, merged, transfers
from socsim.errors import InfeasibleError
from socsim.quantities import ceil_div
from socsim.soc.arrays import BlocksArray
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from socsim.cost.work import Kernel, Operand

_COPY = Blocks(Box(1, 1, 32), Box(1, 1, 16), by_kernel=False)
"""Runs of channels that a transposition reads and writes."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """One operation of a kernel, costed.

    Args:
        step: the operation.
        blocks: its blocks.
        cycles: of the array.
        edges: cycles to bring the first block, and to take the last one away.
        first: bytes of the first block, by memory.
        last: bytes of the last block of results, by memory.
        reads: activations read, by memory.
        writes: results written, by memory.
        constants: its weight stream, if it has one.
        cover: cycles of its last slice, with activations in the last memory of the unit's.
    """

    step: Step
    blocks: Blocks
    cycles: BlockCycles
    edges: tuple[int, int]
    first: dict[str, int]
    last: dict[str, int]
    reads: dict[str, int]
    writes: dict[str, int]
    constants: Constants | None
    cover: int = 0

    @property
    def blocks_made(self) -> int:
        """Blocks of results."""
        return self.step.job.result.parts(self.blocks.result).volume * self.step.times

    @property
    def waits(self) -> int:
        """Cycles of the edges; the output stage alone goes on with the next operation meanwhile."""
        return 0 if self.step.job.family == "elementwise" else sum(self.edges)

    def busy(self, waits: int | None = None) -> int:
        """Return the cycles of the array with its own waits, or with others."""
        return (self.cycles.steady + (self.waits if waits is None else waits)) * self.step.times


class BlocksEngine(ArrayEngine[BlocksArray], kind="blocks"):
    """Blocks of results accumulate while blocks of input and the weight stream pass.

    For each operation the block that fits the banks and fetches the fewest elements is taken. Multipliers
    and output stage work on successive blocks, so that the slower one counts, as do the commands of short
    blocks. Input is fetched once for each block of output channels, weights once for each block of
    positions. Weights that stream in several times, or that the multipliers leave time for, are staged in the
    memory of activations, the first channels beside the operation before.

    Assumes: activations that no other unit touches have the unit's own layout of 16 channels at a time unless
    they are reshaped; a memory moves whole bursts; intermediate results of an operator lie where its input does.
    Valid for: Ethos-U55-32 to 256 and U65-256 and 512, checked against the estimates of Arm Vela 5.2.0 (regor).
    """

    divides = ()

    def __init__(self, context: ArrayContext) -> None:
        super().__init__(context)
        self._sizes = geometry(context.unit)
        self._memories = Memories(context, self.spec)

    @classmethod
    def multipliers(cls, spec: BlocksArray) -> Fraction:
        """Return the products of a micro block and a step of input channels, of all sets."""
        return Fraction(prod(spec.micro_block.model_dump().values()) * spec.engines)

    @property
    def arena(self) -> str | None:
        """On-chip memory of the unit's activations."""
        return self._memories.arena

    def run(self, operation: Operation) -> ArrayCycles:
        """Return what the array does for a nest whose operands are at hand."""
        step = next(s for s in steps_of(operation.kernel) if s.job.has_weights)
        job, blocks, times = step.job, self._blocks(step), step.times
        done = block_cycles(self._sizes, job, blocks, self._rate(operation.kernel, step), (0, 0), 0)
        source = Feature(job.source, job.bits, "", is_brick=False)
        weights = job.macs // job.result.area * weight_passes(job, blocks)
        return ArrayCycles(
            done.steady * times,
            input_elements(job, blocks, source) * times,
            weights * times,
            job.result.volume * times,
            _shape_words(job, blocks),
        )

    # --- whole kernels --------------------------------------------------------------------------------

    def work(self, kernel: Kernel) -> Work:
        """Return the Work of a kernel of any category."""
        costs = [self._cost(kernel, step) for step in steps_of(kernel)]
        phases = tuple(p for p in self._phases(costs) if p.compute_cycles or p.transfers)
        streams = [c.constants for c in costs if c.constants]
        outside = sum(t.read_bytes + t.write_bytes for p in phases for t in p.transfers)
        return Work(
            phases,
            executed_macs=kernel.macs,
            vector_elements=kernel.vector_elements,
            local_bytes=outside + self._buffer_bytes(costs),
            core_cycles=sum(p.compute_cycles for p in phases),
            weight_bytes=sum(stream.reads[stream.memory] for stream in streams),
            setup_ps=self.context.unit.command.value,
            sync_ps=0,
            cover_cycles=costs[-1].cover,
            terms=tuple(line for cost in costs for line in _terms(cost)),
            levers=_levers(costs),
        )

    def _phases(self, costs: list[StepCost]) -> tuple[Phase, ...]:
        """Return staging, first block, steady state and last block.

        Between the operations of a kernel the multipliers wait for blocks, the output stage alone does not.
        """
        first, last = costs[0], costs[-1]
        streams = [c.constants for c in costs if c.constants]
        ends = (first.edges[0] if first.waits else 0) + (last.edges[1] if last.waits else 0)
        reads = merged(*(c.reads for c in costs), *(stream.reads for stream in streams))
        writes = merged(*(c.writes for c in costs), *(stream.writes for stream in streams))
        head, early_reads, early_writes = self._staging(first.constants)
        rest = transfers(_less(reads, first.first, early_reads), _less(writes, last.last, early_writes))
        return (
            Phase("staging", head, transfers(early_reads, early_writes), early=True),
            Phase("prologue", first.edges[0], transfers(first.first, {})),
            Phase("steady", sum(c.busy() for c in costs) - ends, rest, tiles=sum(c.blocks_made for c in costs)),
            Phase("epilogue", last.edges[1], transfers({}, last.last)),
        )

    def _staging(self, constants: Constants | None) -> tuple[int, dict[str, int], dict[str, int]]:
        """Return the latency of the first staged weights, and their bytes where they are stored and where they go."""
        if constants is None or constants.staged is None:
            return 0, {}, {}
        part = constants.slice_bytes
        return self._memories.latency(constants.memory), {constants.memory: part}, {constants.staged: part}

    def _buffer_bytes(self, costs: list[StepCost]) -> int:
        """Return bytes that multipliers and output stage read and write in the local buffer."""
        total = 0
        for cost in costs:
            job, made = cost.step.job, cost.step.job.result.volume
            inputs = job.macs // self._sizes.micro.depth if job.has_weights else made * job.elements
            total += (inputs + 4 * made) * job.bits // 8 * cost.step.times
        return total

    # --- one operation --------------------------------------------------------------------------------

    def _cost(self, kernel: Kernel, step: Step) -> StepCost:
        job, blocks = step.job, self._blocks(step)
        home = (kernel.inputs or kernel.outputs or kernel.weights)[0].memory
        sources = [_feature(o, step) for o in step.inputs] or [Feature(job.source, job.bits, home, is_brick=True)]
        result = (
            _feature(step.output, step) if step.output else Feature(job.result, job.result_bits, home, is_brick=True)
        )
        first, last = self._first(job, blocks, sources), self._last(job, blocks, result)
        edges = self._edge(first), self._last_edge(last)
        reads = merged(*({s.memory: self._read(input_elements(job, blocks, s), blocks, s)} for s in sources))
        reads = {name: amount * step.times for name, amount in reads.items()}
        writes = {result.memory: self._written(output_elements(job, result), blocks, result) * step.times}
        plain = constants_of(self._sizes, kernel, step, blocks, self.context.unit.compression)
        cost = StepCost(
            step, blocks, self._cycles(kernel, step, blocks, edges, result, plain), edges,
            {m: min(amount, reads[m]) for m, amount in first.items()},
            {m: min(amount, writes[m]) for m, amount in last.items()},
            reads, writes, plain,
        )  # fmt: skip
        outside = self._outer_edges(job, blocks, sources, result) if cost.waits else 0
        cost = replace(cost, cover=cost.busy(outside))
        staged = self._staged(kernel, plain)
        if plain is None or staged is None:
            return cost
        other = replace(cost, cycles=self._cycles(kernel, step, blocks, edges, result, staged), constants=staged)
        case = StagingCase(
            plain, staged, (cost.busy(), other.busy()), (cost.cover, other.busy(outside)),
            job.result.depth, blocks.result.depth, kernel.slack,
        )  # fmt: skip
        slices = slices_of(case, self._memories)
        if not is_staged(case, slices, self._memories):
            return cost
        return replace(other, cover=other.busy(outside) * slices[-1] // case.channels)

    def _staged(self, kernel: Kernel, constants: Constants | None) -> Constants | None:
        """Return the stream by way of the activations' memory, where that has room for two slices of it."""
        arena = self._memories.arena
        if constants is None or arena is None or arena == constants.memory:
            return None
        has_room = kernel.spare >= min(constants.bytes, 2 * constants.slice_bytes)
        return replace(constants, staged=arena) if has_room else None

    def _blocks(self, step: Step) -> Blocks:
        if step.is_copy:
            return _COPY
        blocks = choose_blocks(self._sizes, step.job)
        if blocks is None:
            job = step.job
            msg = (
                f"no block of an operation from {tuple(job.source)} to {tuple(job.result)} with a window of "
                f"{job.window} fits a buffer of {self.context.unit.buffer}; run it on another unit"
            )
            raise InfeasibleError(msg)
        return blocks

    def _cycles(
        self,
        kernel: Kernel,
        step: Step,
        blocks: Blocks,
        edges: tuple[int, int],
        result: Feature,
        constants: Constants | None,
    ) -> BlockCycles:
        if step.is_copy:
            return BlockCycles(0, 0, 0, 0)
        if kernel.category is Category.NORMALISATION and kernel.type != "SOFTMAX":
            passes = ceil_div(kernel.vector_elements, self.context.unit.vector)
            return BlockCycles(passes, 0, passes, 0)
        rate = self._rate(kernel, step)
        if step.job.family == "elementwise":
            return elementwise_cycles(step.job, blocks, rate, max(edges), output_elements(step.job, result))
        scales = scale_cycles(step.job, blocks, constants, self._memories) if constants is not None else 0
        return block_cycles(self._sizes, step.job, blocks, rate, edges, scales)

    def _rate(self, kernel: Kernel, step: Step) -> Fraction:
        """Return the cycles of the output stage for an element."""
        output = self.spec.output
        own = as_fraction(getattr(output, step.stage))
        activation = activation_stage(kernel.activation)
        return max(own, as_fraction(getattr(output, activation))) if activation else own

    # --- activations ----------------------------------------------------------------------------------

    def _first(self, job: BlockJob, blocks: Blocks, sources: list[Feature]) -> dict[str, int]:
        """Return the bytes of the first block of input; of two operands the slower one counts."""
        volume = blocks.source.clipped(job.source).volume
        return max(({s.memory: self._read(volume, blocks, s)} for s in sources), key=self._edge)

    def _last(self, job: BlockJob, blocks: Blocks, result: Feature) -> dict[str, int]:
        """Return the bytes of the last block of results."""
        return {result.memory: self._written(blocks.result.clipped(job.result).volume, blocks, result)}

    def _read(self, elements: int, blocks: Blocks, feature: Feature) -> int:
        run = read_run(feature, blocks.source, by_row=self.spec.short_run == "row")
        return moved(elements * feature.bits // 8, run, self._memories.burst(feature.memory))

    def _written(self, elements: int, blocks: Blocks, feature: Feature) -> int:
        run = write_run(feature, blocks.result, self._sizes.engines)
        return moved(elements * feature.bits // 8, run, self._memories.burst(feature.memory))

    def _edge(self, amounts: dict[str, int]) -> int:
        return sum(self._memories.latency(m) + self._memories.time(m, amount) for m, amount in amounts.items())

    def _last_edge(self, amounts: dict[str, int]) -> int:
        return sum(self._memories.write_latency(m) + self._memories.time(m, amount) for m, amount in amounts.items())

    def _outer_edges(self, job: BlockJob, blocks: Blocks, sources: list[Feature], result: Feature) -> int:
        """Return the cycles of both edges with all activations in the last memory of the unit's."""
        outer = self._memories.outer
        first = self._first(job, blocks, [replace(s, memory=outer) for s in sources])
        return self._edge(first) + self._last_edge(self._last(job, blocks, replace(result, memory=outer)))


def _feature(operand: Operand, step: Step) -> Feature:
    is_brick = operand.private and not (operand.reshaped or step.is_copy)
    return Feature(box_of(operand.shape), step.job.bits, operand.memory, is_brick)


def _less(amounts: dict[str, int], *taken: dict[str, int]) -> dict[str, int]:
    total = merged(*taken)
    return {name: max(0, amount - total.get(name, 0)) for name, amount in amounts.items()}


# --- explanation --------------------------------------------------------------------------------------


def _terms(cost: StepCost) -> tuple[str, str]:
    times = f"{cost.step.times} x " if cost.step.times > 1 else ""
    c = cost.cycles
    cycles = (
        f"{times}{_shape_words(cost.step.job, cost.blocks)}: multipliers {c.multiplying:,}, output stage "
        f"{c.writing:,}, commands {c.issuing:,} cycles; {c.steady:,} together, {cost.edges[0]:,} to bring the "
        f"first block, {cost.edges[1]:,} to take the last one away"
    )
    parts = [f"{amount:,} B in from {name}" for name, amount in sorted(cost.reads.items())]
    parts += [f"{amount:,} B out to {name}" for name, amount in sorted(cost.writes.items())]
    if cost.constants is not None:
        parts.append(_stream_words(cost.constants))
    return cycles, "with overlaps and whole bursts " + ", ".join(parts)


def _stream_words(constants: Constants) -> str:
    way = f"staged in {constants.staged} and read from there" if constants.staged else "streamed"
    often = "once" if constants.passes == 1 else f"{constants.passes} times"
    return f"{constants.bytes:,} B of weights and scales of {constants.memory}, {way} {often}"


def _levers(costs: list[StepCost]) -> tuple[str, ...]:
    main = max(costs, key=lambda c: c.busy())
    found = []
    if main.cycles.writing > main.cycles.multiplying:
        found.append("a faster output stage, or more input channels for each result")
    elif main.step.job.has_weights:
        found.append("a larger configuration of the unit")
    if main.constants and main.constants.staged is None and main.constants.passes > 1:
        found.append("room in SRAM to stage the weights: they stream in for each block of positions")
    elif main.constants:
        found.append("weights that compress better, or a faster memory for them, if the operator waits for memory")
    return tuple(found)


def _shape_words(job: BlockJob, blocks: Blocks) -> str:
    source, result, whole = ("x".join(str(n) for n in box) for box in (blocks.source, blocks.result, job.result))
    order = ", kernel elements first" if blocks.by_kernel else ""
    return f"{job.family} of {whole} in blocks of {result} from {source} of input{order}"
