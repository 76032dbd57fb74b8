"""Contexts of dataflow chips: what fits stays whole, what does not is cut, and nothing is handed out twice."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from socsim.cost.arrays.pipeline_contexts import Chip, Demand, laid_out

CHIP = Chip(
    slices=32, controllers=12, weights=1000, context_slices=24, context_controllers=8, context_weights=600,
    part=4, macs_per_s=10**9, switch_ps=10**6,
)  # fmt: skip
LAYERS = st.lists(
    st.builds(Demand, st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 3), st.integers(0, 500)),
    min_size=1, max_size=40,
).map(tuple)  # fmt: skip


def used(slices):
    parts = -(-slices // CHIP.part)
    return parts + (parts > 1)


@given(LAYERS)
def test_every_layer_has_its_place_and_what_is_handed_out_was_there(layers):
    contexts = laid_out(layers, CHIP)
    assert sum(len(c.slices) for c in contexts) == len(layers)
    assert sum(c.macs for c in contexts) == sum(layer.macs for layer in layers)
    several = len(contexts) > 1
    slices, controllers = (
        (CHIP.context_slices, CHIP.context_controllers) if several else (CHIP.slices, CHIP.controllers)
    )
    rest = iter(layers)
    for context in contexts:
        own = [next(rest) for _ in context.slices]
        least = sum(layer.controllers for layer in own)
        assert sum(context.slices) <= max(slices, least)
        given_more = sum(used(n) for n, layer in zip(context.slices, own, strict=True) if n > layer.controllers)
        kept = sum(layer.controllers for n, layer in zip(context.slices, own, strict=True) if n <= layer.controllers)
        assert given_more + kept <= max(controllers, least)
        passed = [-(-n // CHIP.part) for n in context.slices]
        slowest = max(
            max(Fraction(layer.macs, n), Fraction(layer.passed, p))
            for layer, n, p in zip(own, context.slices, passed, strict=True)
        )
        assert context.interval == slowest


@given(LAYERS)
def test_one_context_where_everything_fits(layers):
    fits = (
        sum(layer.controllers for layer in layers) <= CHIP.controllers
        and sum(layer.weights for layer in layers) <= CHIP.weights
    )
    assert not fits or len(laid_out(layers, CHIP)) == 1


def test_cheap_changes_make_more_and_faster_contexts():
    layers = (Demand(10**6, 0, 1, 10), Demand(10**3, 0, 1, 10)) * 12
    cheap, dear = (laid_out(layers, replace(CHIP, switch_ps=ps)) for ps in (0, 10**12))
    assert len(cheap) > len(dear)
    assert sum(c.interval for c in cheap) < sum(c.interval for c in dear)


@given(LAYERS)
def test_more_controllers_never_slow_a_network_that_stays_whole(layers):
    whole = replace(CHIP, controllers=150, weights=10**9)
    (fewer,), (more,) = laid_out(layers, whole), laid_out(layers, replace(whole, controllers=200))
    assert more.interval <= fewer.interval
