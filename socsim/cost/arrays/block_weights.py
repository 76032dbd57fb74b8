"""The weight stream of a block engine: how long it is, and by which way it comes.

Source: weight encoder and weight buffering rules of Arm Vela 5.2.0 (ethos-u-vela on PyPI, ethosu/regor/architecture/
mlw_encode.cpp and ethosu/regor/compiler/scheduler.cpp).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
"""Cycles, for each of two slices, by which the compiler lets staging delay a network's first operation."""


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
        busy: cycles of the operation with `plain`, if weights came for nothing.
        busy_staged: the same with `staged`.
        busy_outside: `busy` with activations in the last memory of the unit's.
        channels: channels of the result.
        follows: whether the unit works on something before.
    """

    plain: Constants
    staged: Constants
    busy: int
    busy_staged: int
    busy_outside: int
    channels: int
    follows: bool


def is_staged(case: StagingCase, memories: Memories) -> bool:
    """Whether the compiler stages the weights.

    Weights that stream in more than once are staged unless that takes longer, those that stream in once where
    the array is busy for longer than staging and reading back take. The compiler does not know yet which
    activations will lie on chip.
    """
    plain, staged = case.plain, case.staged
    home = staged.staged or staged.memory
    bring = memories.time(plain.memory, plain.bytes) + memories.latency(plain.memory)
    take = (memories.time(home, staged.bytes) + memories.latency(home)) * plain.passes
    if plain.passes == 1:
        return bring + take <= case.busy_outside
    head = 0 if case.follows else memories.time(plain.memory, plain.slice_bytes)
    is_seen = head > _UNSEEN * min(2, ceil_div(case.channels, _SLICE))
    by_way = max(case.busy_staged, bring, take) + (head if is_seen else 0)
    return by_way <= max(case.busy, bring * plain.passes)
