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
def test_traffic_lies_between_every_byte_once_and_no_reuse(case, buffer):
    inputs, weights, stripe, chunk = case
    no_reuse = min(
        ceil_div(weights, chunk) * inputs + weights,
        ceil_div(inputs, stripe) * weights + inputs,
    )
    assert inputs + weights <= traffic(case, buffer) <= no_reuse


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
