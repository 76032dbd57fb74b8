"""Tiling through a local buffer: never less than every byte once, never more than no reuse at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.cost.tiling import tile
from socsim.quantities import ceil_div

sizes = st.integers(1, 10**7)


@st.composite
def operands(draw):
    """Draw (input, weights, smallest stripe of input, smallest chunk of weights)."""
    inputs, weights = draw(sizes), draw(sizes)
    return inputs, weights, draw(st.integers(1, inputs)), draw(st.integers(1, weights))


def traffic(case, buffer):
    plan = tile(*case, buffer)
    return plan.input_fetches * case[0] + plan.weight_fetches * case[1]


@PROPERTY
@given(operands(), sizes)
def test_traffic_lies_between_every_byte_once_and_blocks_of_half_a_buffer(case, buffer):
    inputs, weights, *_ = case
    half = ceil_div(buffer, 2)
    most = min(ceil_div(weights, half) * inputs + weights, ceil_div(inputs, half) * weights + inputs)
    assert inputs + weights <= traffic(case, buffer) <= most


@PROPERTY
@given(operands(), st.integers(4, 10**7))
def test_what_is_held_and_two_steps_of_what_streams_fit_the_buffer(case, buffer):
    inputs, weights, stripe, chunk = case
    plan = tile(*case, buffer)
    if plan.bound.startswith(("weights", "all weights")):
        held, step = ceil_div(weights, plan.input_fetches), plan.stripe_bytes
    else:
        held, step = ceil_div(inputs, plan.weight_fetches), plan.chunk_bytes
    assert held + 2 * step <= buffer
    assert 0 < plan.stripe_bytes <= stripe
    assert 0 < plan.chunk_bytes <= chunk


def test_a_step_that_does_not_fit_is_split():
    plan = tile(10_000, 300, 4000, 100, 1200)  # a row of 4,000 B: columns of 450 B beside 300 B of weights
    assert (plan.input_fetches, plan.weight_fetches, plan.stripe_bytes) == (1, 1, 450)
    plan = tile(10_000, 1_200, 4000, 100, 1200)  # half the buffer for columns, half for weights
    assert (plan.input_fetches, plan.weight_fetches, plan.stripe_bytes) == (2, 1, 300)


@PROPERTY
@given(operands(), sizes, sizes)
def test_a_larger_buffer_never_moves_more(case, buffer, more):
    assert traffic(case, buffer + more) <= traffic(case, buffer)


@PROPERTY
@given(operands())
def test_a_buffer_for_everything_moves_everything_once(case):
    plan = tile(*case, case[1] + 2 * case[2])
    assert (plan.input_fetches, plan.weight_fetches) == (1, 1)


def test_weights_in_blocks_fetch_the_input_for_each_block():
    plan = tile(2000, 4400, 100, 500, 1200)  # 1000 B of weights at a time beside two stripes of 100 B
    assert (plan.input_fetches, plan.weight_fetches) == (5, 1)
    assert plan.bound == "weights in 5 blocks, input fetched for each"


def test_input_in_blocks_fetches_the_weights_for_each_block():
    plan = tile(2100, 4000, 300, 100, 1200)  # 1000 B of input at a time beside two chunks of 100 B
    assert (plan.input_fetches, plan.weight_fetches) == (1, 3)
    assert plan.bound == "input in 3 blocks, weights fetched for each"


def test_what_stays_is_said():
    assert tile(10_000, 1000, 100, 10, 1200).bound == "all weights stay, input streams once"
    assert tile(10_000, 1001, 100, 10, 1200).bound != "all weights stay, input streams once"
    assert tile(1000, 10_000, 500, 100, 1200).bound == "all input stays, weights stream once"
    assert tile(1001, 10_000, 500, 100, 1200).bound != "all input stays, weights stream once"
