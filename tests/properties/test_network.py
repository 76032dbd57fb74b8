"""The network in time: nothing lost, nothing early, and no worse than one after the other."""

from __future__ import annotations

import simpy
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.engine.fluid import Demand, alone_ps
from socsim.engine.network import Network
from socsim.quantities import PS_PER_S, ceil_div

CAPACITIES = {"a": 10**9, "b": 7 * 10**8}


@st.composite
def arrivals(draw):
    size = draw(st.integers(1, 10**5))
    crossed = draw(st.sampled_from([("a",), ("b",), ("a", "b")]))
    usage = {name: draw(st.integers(1, size)) for name in crossed}
    who = draw(st.sampled_from(["x", "y", "z"]))
    demand = Demand(who, size, usage, draw(st.none() | st.integers(10**6, 10**9)), draw(st.integers(1, 3)))
    return draw(st.integers(0, 10**8)), demand


def run(plan, capacities=CAPACITIES):
    """Return the network after all arrivals have been served, and when each was done."""
    env = simpy.Environment(0)
    network = Network(env, capacities)
    done = [0] * len(plan)

    def one(position, start, demand):
        yield env.timeout(start)
        yield network.move(demand)
        done[position] = env.now

    for position, (start, demand) in enumerate(plan):
        env.process(one(position, start, demand))
    env.run()
    return network, done


@PROPERTY
@given(st.lists(arrivals(), min_size=1, max_size=8))
def test_books_hold_exactly_the_bytes_that_were_asked_for(plan):
    network, _ = run(plan)
    for name, capacity in CAPACITIES.items():
        ledger = network.ledgers[name]
        by = {}
        for _, demand in plan:
            if name in demand.usage:
                by[demand.initiator] = by.get(demand.initiator, 0) + demand.usage[name]
        assert ledger.bytes == sum(by.values())
        assert (ledger.initiators or {}) == by
        assert ledger.bytes * PS_PER_S <= (capacity + len(plan)) * ledger.busy_ps


@PROPERTY
@given(st.lists(arrivals(), min_size=1, max_size=8))
def test_nobody_is_faster_than_alone(plan):
    _, done = run(plan)
    for (start, demand), end in zip(plan, done, strict=True):
        assert end - start >= alone_ps(demand, CAPACITIES)


@PROPERTY
@given(st.lists(st.integers(1, 10**5), min_size=2, max_size=8))
def test_sharing_one_resource_ends_when_one_after_the_other_would(sizes):
    everyone = [(0, Demand(f"unit{i}", size, {"a": size})) for i, size in enumerate(sizes)]
    network, done = run(everyone)
    in_sequence = sum(sizes) * 1000  # 10**9 B/s: 1000 ps a byte
    assert max(done) >= in_sequence
    lost = sum(sizes) * len(sizes) * 1000 // (10**9 // len(sizes)) + len(sizes)  # shares are whole B/s
    assert max(done) <= in_sequence + lost
    assert network.ledgers["a"].busy_ps == max(done)


@PROPERTY
@given(st.lists(arrivals(), min_size=1, max_size=8))
def test_granted_rates_stay_within_capacity_and_end_at_zero(plan):
    network, _ = run(plan)
    last = {}
    for (name, time), rate in network.rate_changes.items():
        assert 0 <= rate <= CAPACITIES[name] + len(plan)
        assert time >= last.get(name, (0, 0))[0]
        last[name] = (time, rate)
    assert last
    assert all(rate == 0 for _, rate in last.values())


@PROPERTY
@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_stream_books_what_its_rate_moved_until_the_end(rate, size):
    env = simpy.Environment(0)
    network = Network(env, {"a": 10**9})
    network.stream(Demand("camera", rate, {"a": rate}, rate))
    network.move(Demand("unit", size, {"a": size}))
    env.run()
    end = env.now
    network.close(end)
    moved = network.ledgers["a"].initiators
    assert moved["unit"] == size
    assert moved["camera"] == min(rate, 10**9 // 2) * end // PS_PER_S
    assert end >= ceil_div(size * PS_PER_S, 10**9)
