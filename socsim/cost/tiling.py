"""Tiling of one operator through a local buffer: the order of loops that moves the fewest bytes.

Source: the three schedules are the classic ones for a single level of buffer (weights held while inputs
stream, inputs held while weights stream, and blocks of one re-fetched for each block of the other); see
Chen, Emer, Sze, "Eyeriss", ISCA 2016, and Parashar et al., "Timeloop", ISPASS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

from socsim.quantities import ceil_div


@dataclass(frozen=True, slots=True)
class Tiling:
    """How often each operand is fetched, and why."""

    input_fetches: int
    weight_fetches: int
    bound: str


def tile(input_bytes: int, weight_bytes: int, stripe_bytes: int, chunk_bytes: int, buffer_bytes: int) -> Tiling:
    """Return the schedule with the least traffic.

    Args:
        input_bytes: all activations of the operator.
        weight_bytes: all constants of the operator.
        stripe_bytes: activations that the smallest step needs (the input rows of one output row).
        chunk_bytes: constants that the smallest step needs (the filters that the array holds at once).
        buffer_bytes: local buffer; half of what streams is being filled while the other half is used.

    Assumes: outputs leave as they are finished; partial sums stay in accumulators.
    """
    if not weight_bytes or weight_bytes + 2 * stripe_bytes <= buffer_bytes:
        return Tiling(1, 1, "all weights stay, input streams once")
    if input_bytes + 2 * chunk_bytes <= buffer_bytes:
        return Tiling(1, 1, "all input stays, weights stream once")
    room_for_weights = max(chunk_bytes, (buffer_bytes - 2 * stripe_bytes))
    room_for_input = max(stripe_bytes, (buffer_bytes - 2 * chunk_bytes))
    again_input = ceil_div(weight_bytes, room_for_weights)
    again_weights = ceil_div(input_bytes, room_for_input)
    if again_input * input_bytes + weight_bytes <= again_weights * weight_bytes + input_bytes:
        return Tiling(again_input, 1, f"weights in {again_input} blocks, input fetched for each")
    return Tiling(1, again_weights, f"input in {again_weights} blocks, weights fetched for each")
