"""Tiling of one operator through a local buffer: the order of loops that moves the fewest bytes.

Source: the three schedules are the classic ones for a single level of buffer (weights held while inputs
stream, inputs held while weights stream, and blocks of one re-fetched for each block of the other); see
Chen, Emer, Sze, "Eyeriss", ISCA 2016, and Parashar et al., "Timeloop", ISPASS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.work import by_memory, merged, scaled
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from socsim.cost.work import Kernel


@dataclass(frozen=True, slots=True)
class Tiling:
    """How often each operand is fetched and in steps of which size, and why.

    Args:
        input_fetches: times that the input is fetched.
        weight_fetches: times that the weights are fetched.
        stripe_bytes: input in one step.
        chunk_bytes: weights in one step.
        bound: the schedule in words.
    """

    input_fetches: int
    weight_fetches: int
    stripe_bytes: int
    chunk_bytes: int
    bound: str


def tile(input_bytes: int, weight_bytes: int, stripe_bytes: int, chunk_bytes: int, buffer_bytes: int) -> Tiling:
    """Return the schedule with the least traffic.

    Args:
        input_bytes: all activations of the operator.
        weight_bytes: all constants of the operator.
        stripe_bytes: activations that a step needs (the input rows of one output row).
        chunk_bytes: constants that a step needs (the filters that the array holds at once).
        buffer_bytes: local buffer, at least 4; half of what streams is being filled while the other half is used.

    A step that would take more than half of the buffer is split: a stripe by columns, a chunk by input
    channels and kernel rows. What is held and two steps of what streams never exceed the buffer.

    Assumes: outputs leave as they are finished; partial sums stay in accumulators; the halo that stripes
    and their columns share is not fetched again.
    """
    half = buffer_bytes // 2
    weight_room = buffer_bytes - min(2 * stripe_bytes, half)
    input_room = buffer_bytes - min(2 * chunk_bytes, half)
    weight_blocks = max(1, ceil_div(weight_bytes, weight_room))
    input_blocks = max(1, ceil_div(input_bytes, input_room))
    if weight_blocks * input_bytes + weight_bytes <= input_blocks * weight_bytes + input_bytes:
        held = min(weight_bytes, weight_room)
        bound = _words("weights", weight_blocks, "input")
        return Tiling(weight_blocks, 1, _step(stripe_bytes, buffer_bytes - held), min(chunk_bytes, held), bound)
    held = min(input_bytes, input_room)
    bound = _words("input", input_blocks, "weights")
    return Tiling(1, input_blocks, min(stripe_bytes, held), _step(chunk_bytes, buffer_bytes - held), bound)


def _step(wanted: int, room: int) -> int:
    """Return a step of what streams, of which two must find room."""
    return min(wanted, max(1, room // 2))


def _words(held: str, blocks: int, streams: str) -> str:
    if blocks > 1:
        return f"{held} in {blocks} blocks, {streams} fetched for each"
    return f"all {held} stay{'s' if held == 'input' else ''}, {streams} stream{'s' if streams == 'input' else ''} once"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of a kernel that streams through local buffers, by memory.

    Args:
        tiling: the schedule of each core.
        reads: all bytes read, repeats included.
        first_load: part of `reads` that must arrive before the first cycle: the stripe and the chunk of the
            first row of results, in however many steps they come.
        weight_bytes: constants within `reads`.
    """

    tiling: Tiling
    reads: dict[str, int]
    first_load: dict[str, int]
    weight_bytes: int

    @property
    def read_bytes(self) -> int:
        """Bytes read from all memories."""
        return sum(self.reads.values())


def stream(
    kernel: Kernel,
    buffer_bytes: int,
    *,
    stripes: int,
    chunks: int,
    cores: int = 1,
    input_copies: int = 1,
    weight_copies: int = 1,
) -> Traffic:
    """Return the traffic of a kernel whose operands stream through the buffers of its cores.

    Args:
        kernel: operands; those of fused operators are fetched once and pass beside the results.
        buffer_bytes: local buffer of one core.
        stripes: steps in which one core's input can stream.
        chunks: steps in which one core's weights can stream.
        cores: cores that share the kernel.
        input_copies: cores that fetch the same inputs.
        weight_copies: cores that fetch the same weights.
    """
    inputs = scaled(by_memory(kernel.root_inputs), input_copies, 1)
    weights = scaled(by_memory(kernel.weights), weight_copies, 1)
    core_inputs, core_weights = (ceil_div(sum(amounts.values()), cores) for amounts in (inputs, weights))
    stripe, chunk = ceil_div(core_inputs, stripes), ceil_div(core_weights, chunks)
    plan = tile(core_inputs, core_weights, stripe, chunk, buffer_bytes)
    return Traffic(
        plan,
        merged(
            scaled(inputs, plan.input_fetches, 1),
            scaled(weights, plan.weight_fetches, 1),
            by_memory(kernel.fused_inputs),
        ),
        merged(
            scaled(inputs, stripe, max(1, core_inputs)),
            scaled(weights, chunk, max(1, core_weights)),
        ),
        sum(weights.values()) * plan.weight_fetches,
    )
