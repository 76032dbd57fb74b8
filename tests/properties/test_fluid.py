"""Fluid sharing is max-min fair, on integers, whatever shares it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.engine.fluid import Demand, alone_ps, fair_rates
from socsim.quantities import PS_PER_S

ONE = 1 << 32
RESOURCES = ("a", "b", "c", "d")

sizes = st.integers(1, 10**9)
capacities_ = st.fixed_dictionaries({name: st.integers(10**3, 10**11) for name in RESOURCES})


@st.composite
def demands(draw):
    size = draw(sizes)
    crossed = draw(st.lists(st.sampled_from(RESOURCES), min_size=1, unique=True))
    usage = {name: draw(st.integers(1, size)) for name in crossed}
    cap = draw(st.none() | st.integers(1, 10**11))
    return Demand("unit", size, usage, cap, draw(st.integers(1, 8)), draw(st.integers(0, 2)))


crowds = st.lists(demands(), min_size=1, max_size=7)


def used(everyone, rates, resource, least_priority=0):
    """Return what crosses a resource in 2**-32 bytes a second, without the 1 B/s that all are granted."""
    return sum(
        rate * share
        for demand, rate in zip(everyone, rates, strict=True)
        for name, share in demand.shares
        if name == resource and rate > 1 and demand.priority >= least_priority
    )


@PROPERTY
@given(crowds, capacities_)
def test_no_resource_and_no_cap_is_exceeded(everyone, capacities):
    rates = fair_rates(everyone, capacities)
    assert all(isinstance(rate, int) and rate >= 1 for rate in rates)
    for demand, rate in zip(everyone, rates, strict=True):
        assert demand.cap_bytes_per_s is None or rate <= max(1, demand.cap_bytes_per_s)
    for name, capacity in capacities.items():
        crossing = zip(everyone, rates, strict=True)
        load = sum(Fraction(rate * d.usage.get(name, 0), d.bytes) for d, rate in crossing if rate > 1)
        assert load <= capacity


@PROPERTY
@given(crowds, capacities_)
def test_everyone_is_at_its_cap_or_has_the_largest_share_of_a_full_resource(everyone, capacities):
    rates = fair_rates(everyone, capacities)
    for demand, rate in zip(everyone, rates, strict=True):
        at_cap = demand.cap_bytes_per_s is not None and rate >= demand.cap_bytes_per_s
        assert at_cap or any(
            is_bottleneck(name, demand, rate, everyone, rates, capacities) for name, _ in demand.shares
        )


def is_bottleneck(name, demand, rate, everyone, rates, capacities):
    """Whether a resource is full but for what whole bytes a second leave, and nobody has more of it."""
    peers = [
        (other, other_rate, dict(other.shares)[name])
        for other, other_rate in zip(everyone, rates, strict=True)
        if name in other.usage and other.priority == demand.priority
    ]
    room = capacities[name] * ONE - used(everyone, rates, name, demand.priority)
    step = sum(2 * other.weight * share for other, _, share in peers) + len(everyone) * ONE
    fair = all(other_rate * demand.weight <= (rate + demand.weight) * other.weight for other, other_rate, _ in peers)
    return room <= step and fair


@PROPERTY
@given(crowds, capacities_, st.randoms(use_true_random=False))
def test_rates_do_not_depend_on_the_order_of_arrival(everyone, capacities, random):
    order = list(range(len(everyone)))
    random.shuffle(order)
    rates = fair_rates(everyone, capacities)
    assert fair_rates([everyone[i] for i in order], capacities) == [rates[i] for i in order]


@PROPERTY
@given(st.lists(demands(), min_size=2, max_size=7), capacities_)
def test_company_never_makes_anyone_faster(everyone, capacities):
    together = fair_rates(everyone, capacities)
    for demand, rate in zip(everyone, together, strict=True):
        assert rate <= fair_rates([demand], capacities)[0]


@PROPERTY
@given(st.integers(1, 10), st.integers(1, 10), st.integers(10**6, 10**12))
def test_weights_divide_a_full_resource_in_their_proportion(left, right, capacity):
    pair = [Demand("x", 10, {"a": 10}, None, left), Demand("y", 10, {"a": 10}, None, right)]
    step = capacity // (left + right)
    assert fair_rates(pair, {"a": capacity}) == [step * left, step * right]


@PROPERTY
@given(st.integers(1, 10**9), st.integers(10**6, 10**12))
def test_a_higher_class_takes_what_it_wants_and_leaves_the_rest(cap, capacity):
    pair = [Demand("low", 10, {"a": 10}), Demand("high", 10, {"a": 10}, cap, 1, 1)]
    low, high = fair_rates(pair, {"a": capacity})
    assert high == min(cap, capacity)
    assert low == max(1, capacity - high)


@PROPERTY
@given(demands(), capacities_)
def test_time_alone_is_the_first_picosecond_at_which_all_bytes_have_moved(demand, capacities):
    """Whatever compute allows: a cap says how fast bytes are used, not how fast they could come."""
    free = replace(demand, cap_bytes_per_s=None)
    time, rate = alone_ps(demand, capacities), fair_rates([free], capacities)[0]
    assert (time - 1) * rate < demand.bytes * PS_PER_S <= time * rate


def test_freed_shares_go_to_those_who_can_use_them():
    capped = Demand("x", 100, {"a": 100}, 100)
    others = [Demand("y", 100, {"a": 100}), Demand("z", 100, {"a": 100, "b": 100})]
    assert fair_rates([capped, *others], {"a": 1000, "b": 300}) == [100, 600, 300]


def test_a_resource_that_half_of_the_bytes_cross_allows_twice_the_rate():
    assert fair_rates([Demand("x", 100, {"a": 50})], {"a": 1000}) == [2000]
