"""Tiling through a local buffer: never less than every byte once, and nothing in the schedule space moves less."""

from __future__ import annotations

from itertools import count
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.cost.tiling import Steps, tile
from socsim.quantities import ceil_div
from socsim.workload.loops import LoopNest

sizes = st.integers(1, 10**7)
buffers = st.integers(4, 10**7)


@st.composite
def operands(draw, most=10**7, longest=60):
    """Draw (input bytes, weight bytes, steps) of a convolution, with or without windows that overlap."""
    p, q, r, s = (draw(st.integers(1, longest)) for _ in range(4))
    stride_h, stride_w = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    nest = LoopNest(
        draw(st.integers(1, 3)), draw(st.integers(1, 3)), 1, 1, p, q, r, s, stride_h, stride_w, is_convolution=True
    )
    steps = Steps.of_nest(nest, draw(st.integers(1, 64)))
    return draw(st.integers(1, most)), draw(st.integers(1, most)), steps


def schedules(case, buffer, least=1):
    """Return the traffic of each schedule that fits, one after the other: what `tile` must not exceed."""
    inputs, weights, steps = case
    rows, columns = steps.positions
    shared_rows, shared_columns = (ceil(inputs * s / n) for s, n in zip(steps.shared, steps.size, strict=True))
    stripe = ceil_div(inputs, steps.stripes)

    def two(operand):
        return max(2, min(2 * least, 2 * operand, buffer // 2))

    def held(size, both):  # the fewest blocks that leave room for two steps
        return next(b for b in count(1) if ceil_div(size, b) + both <= buffer)

    if not steps.shared[0]:
        yield weights + held(weights, two(stripe)) * inputs
    else:
        yield weights + held(weights, two(stripe)) * max(inputs, rows * stripe)
        for strips in range(1, columns + 1):
            shared_stripe = ceil(stripe * steps.shared[1] / steps.size[1]) if strips > 1 else 0
            both = max(two(stripe), 2 * (ceil_div(stripe, strips) + shared_stripe))
            if both < buffer:
                yield weights + held(weights, both) * (inputs + (strips - 1) * shared_columns)
    both = two(ceil_div(weights, steps.chunks))
    for blocks in range(1, rows + 1):
        block = inputs if blocks == 1 else ceil_div(inputs - shared_rows, blocks) + shared_rows
        if block + both <= buffer:
            yield inputs + (blocks - 1) * shared_rows + blocks * weights


@PROPERTY
@given(operands(most=400, longest=12), st.integers(4, 500), st.integers(1, 64))
def test_no_schedule_moves_less(case, buffer, least):
    inputs, weights, steps = case
    alone = inputs, weights, Steps(steps.stripes, steps.chunks, steps.positions, steps.size, steps.shared)
    assert tile(*alone, buffer, least_step=least).read == min(schedules(alone, buffer, least))


@PROPERTY
@given(operands(), buffers)
def test_every_byte_is_read_once_at_least(case, buffer):
    inputs, weights, _ = case
    plan = tile(*case, buffer)
    assert plan.input_read >= inputs
    assert plan.weight_read >= weights


@PROPERTY
@given(operands(), buffers, sizes, sizes)
def test_nothing_moves_more_than_the_array_asks_for(case, buffer, more_input, more_weights):
    inputs, weights, _ = case
    demand = inputs + more_input, weights + more_weights
    assert inputs + weights <= tile(*case, buffer, demand=demand).read <= sum(demand)


@PROPERTY
@given(operands(), buffers, st.integers(1, 4096))
def test_what_is_held_and_two_steps_of_what_streams_fit_the_buffer(case, buffer, least):
    plan = tile(*case, buffer, least_step=least)
    assert plan.held_bytes + 2 * plan.step_bytes <= buffer
    assert plan.held_bytes > 0
    assert plan.step_bytes > 0


@PROPERTY
@given(operands(), buffers, sizes, st.integers(1, 4096))
def test_a_larger_buffer_never_moves_more(case, buffer, more, least):
    assert tile(*case, buffer + more, least_step=least).read <= tile(*case, buffer, least_step=least).read


@PROPERTY
@given(operands(most=400, longest=12), st.integers(4, 500), st.integers(1, 9), st.integers(1, 64))
def test_a_few_bytes_more_never_move_more(case, buffer, more, least):
    assert tile(*case, buffer + more, least_step=least).read <= tile(*case, buffer, least_step=least).read


@PROPERTY
@given(operands())
def test_a_buffer_for_everything_moves_everything_once(case):
    inputs, weights, _ = case
    plan = tile(*case, 4 * (inputs + weights))
    assert (plan.input_read, plan.weight_read) == (inputs, weights)


PLAIN = Steps(stripes=20, chunks=10, positions=(20, 20), size=(20, 20))
WINDOWS = Steps(stripes=8, chunks=10, positions=(15, 15), size=(32, 32), shared=(2, 2))
"""Windows of 4 x 4 at stride 2 over 32 x 32 positions: of 3,200 B, a row has 100 B and a stripe 400 B."""


@pytest.mark.parametrize(
    ("inputs", "weights", "steps", "buffer", "read", "bound"),
    [
        # 1,000 B of weights stay beside two steps of 100 B.
        (10_000, 1000, PLAIN, 1200, (10_000, 1000), "all weights stay, input streams once"),
        # Two blocks of weights; ten of input would read 29,000 B.
        (10_000, 1900, PLAIN, 1200, (20_000, 1900), "weights in 2 blocks, input fetched for each"),
        (1000, 10_000, PLAIN, 1200, (1000, 10_000), "all input stays, weights stream once"),
        (1900, 10_000, PLAIN, 1200, (1900, 20_000), "input in 2 blocks, weights fetched for each"),
        # Two stripes of 400 B beside 800 B of weights.
        (3200, 800, WINDOWS, 1600, (3200, 800), "all weights stay, input streams once"),
        # Two strips of (200 + 25) B leave 1,150 B for weights; they share two columns, 200 B.
        (3200, 1100, WINDOWS, 1600, (3400, 1100), "all weights stay, input streams once in 2 strips of columns"),
        # Blocks of 1,000 B of input share two rows, 200 B: (3,200 - 200) / 800 makes four.
        (3200, 100_000, WINDOWS, 1200, (3800, 400_000), "input in 4 blocks, weights fetched for each"),
    ],
)
def test_schedules_by_hand(inputs, weights, steps, buffer, read, bound):
    plan = tile(inputs, weights, steps, buffer, least_step=100)
    assert ((plan.input_read, plan.weight_read), plan.bound) == (read, bound)


def test_groups_meet_their_own_weights_alone():
    steps = Steps(1, 4, groups=4)
    # In each group, 100 B of input stay while 900 B of weights stream past.
    plan = tile(400, 3600, steps, 200, least_step=50)
    assert (plan.input_read, plan.weight_read) == (400, 3600)
    assert plan.bound == "4 groups in turn: all input stays, weights stream once"
    assert tile(400, 3600, Steps(1, 4), 200, least_step=50).read > plan.read


def test_an_array_that_asks_for_less_is_given_what_it_asks_for():
    plan = tile(1000, 10_000, PLAIN, 40, least_step=10, demand=(3000, 12_000))
    assert (plan.input_read, plan.weight_read, plan.held_bytes) == (3000, 12_000, 0)
    assert plan.bound == "nothing is held, operands are fetched as the array asks for them"
