"""Loaded latency: a busy memory slows the ports that wait for it, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.engine.fluid import Demand, fair_rates
from socsim.engine.loading import Loading, Window
from socsim.quantities import PS_PER_S
from socsim.soc.dram import DramController, dram_device
from socsim.soc.dram_bus import DramBus

BUS = DramBus(dram_device("lpddr4x-4266"), 4, 1, DramController(), 4266 * 10**6)
PINS = int(BUS.peak_bytes_per_s * BUS.efficiency())
LATENCY = 120_000
WIDE = 10**12

windows_ = st.lists(st.integers(64, 16_384), min_size=1, max_size=4)
caps_ = st.lists(st.none() | st.integers(10**8, 4 * 10**10), min_size=4, max_size=4)


def world(windows, pins=PINS):
    """Return the loading and capacities of units with windows on one memory."""
    names = [f"u{i}>dram.read" for i in range(len(windows))]
    found = {n: Window(f"u{i}", "dram", w, LATENCY) for i, (n, w) in enumerate(zip(names, windows, strict=True))}
    capacities = {n: w.bytes * PS_PER_S // LATENCY for n, w in found.items()} | {"dram": pins}
    return Loading(found, {"dram": BUS}), capacities


def demands(windows, caps):
    return [
        Demand(f"u{i}", 1000, {f"u{i}>dram.read": 1000, "dram": 1000}, cap)
        for i, (_, cap) in enumerate(zip(windows, caps, strict=False))
    ]


@PROPERTY
@given(windows_, caps_)
def test_nobody_is_faster_than_alone_and_alone_is_as_fast_as_the_window_says(windows, caps):
    loading, capacities = world(windows)
    everyone = demands(windows, caps)
    together = loading.rates(everyone, capacities)
    for demand, rate in zip(everyone, together, strict=True):
        alone = loading.rates([demand], capacities)
        assert alone == fair_rates([demand], capacities)
        assert rate <= alone[0]
    assert sum(together) <= capacities["dram"] + len(together)


@PROPERTY
@given(windows_, caps_)
def test_together_takes_no_longer_than_one_after_the_other(windows, caps):
    """The shares of their own speed that initiators keep add up to one at least."""
    assume(len(windows) > 1)
    loading, capacities = world(windows)
    everyone = demands(windows, caps)
    together = loading.rates(everyone, capacities)
    kept = [rate / loading.rates([demand], capacities)[0] for demand, rate in zip(everyone, together, strict=True)]
    assert sum(kept) >= 0.98


@PROPERTY
@given(windows_, caps_)
def test_rates_are_the_same_each_time_and_in_any_order(windows, caps):
    loading, capacities = world(windows)
    everyone = demands(windows, caps)
    forward = loading.rates(everyone, capacities)
    assert forward == loading.rates(everyone, capacities)
    assert forward == loading.rates(everyone[::-1], capacities)[::-1]


@pytest.mark.parametrize("load", [0, 5, 10, 15, 20, 25, 29])
def test_a_window_is_worth_less_the_busier_the_memory(load):
    loading, capacities = world([1344, 16_384])
    light, heavy = (
        loading.rates(demands([1344, 1], [None, max(1, rate * 10**9)]), capacities)[0] for rate in (load, load + 1)
    )
    assert heavy <= light


def test_more_bandwidth_is_never_slower():
    rates = []
    for gb_per_s in range(10, 60, 5):
        loading, capacities = world([1344, 7424], gb_per_s * 10**9)
        rates.append(loading.rates(demands([1, 1], [None, 20 * 10**9]), capacities))
    assert [r[0] for r in rates] == sorted(r[0] for r in rates)


def test_ports_that_do_not_wait_for_the_memory_keep_their_rate():
    loading, capacities = world([16_384, 16_384])
    capacities["u0>dram.read"] = 10**9  # width of the port: a sixteenth of what its window allows
    assert loading.rates(demands([1, 1], [None, None]), capacities)[0] == 10**9
