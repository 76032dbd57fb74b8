"""The weight stream of a block engine: how long it is, and by which way it comes.

Source: weight encoder and weight buffering rules of Arm Vela 5.2.0 (ethos-u-vela on PyPI, ethosu/regor/architecture/
mlw_encode.cpp and ethosu/regor/compiler/scheduler.cpp).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.arrays.block_geometry import round_up
from socsim.cost.arrays.block_traffic import weight_passes, weight_positions
from socsim.cost.compression import padded_code_bytes
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from socsim.cost.arrays.block_geometry import BlockJob, Blocks, Geometry
    from socsim.cost.arrays.block_jobs import Step
    from socsim.cost.arrays.block_memories import Memories
    from socsim.cost.work import Kernel
    from socsim.soc.arrays import Compression

_SCALE_BYTES = 10
"""Scale, shift and bias of an output channel, packed."""
_SCALE_BATCH = 256
"""Bytes of scales that are read for one latency of the memory."""
_SLICE = 16
"""Channels whose weights are staged before work on them starts."""
_UNSEEN = 1000
"""Cycles for each slice by which the compiler lets staging delay an operation, a network's first for two at most."""


@dataclass(frozen=True, slots=True)
class Constants:
    """The weight stream of a step.

    Args:
        bytes: packed weights, and scales with biases.
        passes: times that it streams in.
        slice_bytes: part that must be there before work starts.
        memory: where it is stored.
        staged: memory through which it goes; None where it streams from where it is stored.
    """

    bytes: int
    passes: int
    slice_bytes: int
    memory: str
    staged: str | None = None

    @property
    def reads(self) -> dict[str, int]:
        """Bytes read, by memory."""
        if self.staged is None:
            return {self.memory: self.bytes * self.passes}
        return {self.memory: self.bytes, self.staged: self.bytes * self.passes}

    @property
    def writes(self) -> dict[str, int]:
        """Bytes written, by memory."""
        return {self.staged: self.bytes} if self.staged is not None else {}


def constants_of(
    engine: Geometry, kernel: Kernel, step: Step, blocks: Blocks, compression: Compression | None
) -> Constants | None:
    """Return the weight stream of a step, from where it is stored; None for a step without weights."""
    job = step.job
    if not job.has_weights or not kernel.loops or not kernel.weights:
        return None
    plain = job.macs * step.repeats // job.result.area
    every = sum(nest.weights for nest in kernel.loops)
    positions = weight_positions(engine, job, by_kernel=blocks.by_kernel) * step.repeats
    stored = padded_code_bytes(kernel, compression, positions * every // plain) * plain // every
    total = stored + _SCALE_BYTES * job.result.depth * step.repeats
    first = ceil_div(total * min(_SLICE, job.result.depth), job.result.depth)
    return Constants(total, weight_passes(job, blocks) * step.stripes, first, kernel.weights[0].memory)


def scale_cycles(job: BlockJob, blocks: Blocks, constants: Constants, memories: Memories) -> int:
    """Return the cycles in which the scales of a block's channels arrive."""
    made = blocks.result.clipped(job.result).depth
    return _SCALE_BYTES * made * memories.latency(constants.staged or constants.memory) // _SCALE_BATCH


@dataclass(frozen=True, slots=True)
class StagingCase:
    """What the choice of a way for the weights depends on.

    Args:
        plain: the stream from where it is stored.
        staged: the stream by way of on-chip memory.
        busy: cycles of the operation with `plain` and with `staged`, if weights came for nothing.
        busy_outside: the same with activations in the last memory of the unit's.
        channels: channels of the result.
        block: channels of a block of results.
        slack: cycles of the unit's work before, or of its last slice; 0 where there is none.
    """

    plain: Constants
    staged: Constants
    busy: tuple[int, int]
    busy_outside: tuple[int, int]
    channels: int
    block: int
    slack: int

    @property
    def home(self) -> str:
        """Memory through which the weights would go."""
        return self.staged.staged or self.staged.memory


def slices_of(case: StagingCase, memories: Memories) -> tuple[int, ...]:
    """Return the channels of each slice in which weights are staged.

    The first slice is what comes beside the work before, about half of them at most where the array and not the
    weights decides; each other one comes beside the work on the slice before it.
    """
    every, bring = case.channels, _bring(case.plain, memories)
    if case.slack >= bring:
        return (every,)
    share = every * case.slack // bring
    if case.busy_outside[0] > bring * case.plain.passes:
        share = min(share, round_up(every // 2, _SLICE))
    first = max(share // _SLICE * _SLICE, _SLICE)
    if first >= every:
        return (every,)
    step = round_up(max(case.busy_outside[1] * first // bring, _SLICE), case.block)
    return first, *(min(step, every - start) for start in range(first, every, step))


def is_staged(case: StagingCase, slices: tuple[int, ...], memories: Memories) -> bool:
    """Whether the compiler stages the weights.

    Weights that stream in more than once are staged unless that takes longer, those that stream in once where
    the array is busy for longer than staging and reading back take, and for longer than it is with the waits for
    slices. The compiler does not know yet which activations will lie on chip.
    """
    plain, home = case.plain, case.home
    bring, take = _bring(plain, memories), memories.time(home, plain.bytes)
    if plain.passes == 1:
        take += memories.latency(home) * len(slices)
        busy, busy_staged = case.busy_outside
        return max(bring + take, busy_staged + _late(case, slices, memories)) <= busy
    take = (take + memories.latency(home)) * plain.passes
    busy, busy_staged = case.busy
    head = 0 if case.slack else memories.time(plain.memory, plain.slice_bytes)
    is_seen = head > _UNSEEN * min(2, ceil_div(case.channels, _SLICE))
    by_way = max(busy_staged, bring, take) + (head if is_seen else 0)
    return by_way <= max(busy, bring * plain.passes)


def _bring(plain: Constants, memories: Memories) -> int:
    """Return the cycles until the whole stream has come from where it is stored."""
    return memories.time(plain.memory, plain.bytes) + memories.latency(plain.memory)


def _late(case: StagingCase, slices: tuple[int, ...], memories: Memories) -> int:
    """Return the cycles that the array waits for slices, in the compiler's eyes: it takes no notice of short waits."""
    plain, every = case.plain, case.channels
    late, beside = 0, case.slack
    for part in slices:
        come = memories.time(plain.memory, plain.bytes * part // every) + memories.latency(plain.memory)
        late += max(0, come - beside)
        beside = case.busy_outside[1] * part // every
    return late if late // len(slices) >= _UNSEEN else 0
