"""Burst-level DRAM under load: who is served, how rows are found, and books that balance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.engine.dram.layout import LATENCY_BINS
from socsim.engine.dram.system import FOREVER, BurstSystem, DramMemory, Flow, Source
from socsim.soc.dram import DramController, dram_device, dram_device_names

DEVICE = dram_device("lpddr5-6400")


def served(*sources, count=20_000, channels=1):
    """Return how many reads each source has done when the first has done its own, all as fast as they can."""
    system = BurstSystem([DramMemory(DEVICE, channels)], sources)
    for i in range(1, len(sources)):
        system.add(Flow(i, FOREVER, base=i << 24, size=1 << 20))
    system.add(Flow(0, count, base=0))
    system.advance()
    return [system.traffic(i).reads for i in range(len(sources))]


def test_round_robin_serves_everyone_alike_whatever_their_windows():
    small, large = served(Source(reads=64), Source(reads=1024))
    assert large == pytest.approx(small, rel=0.05)


def test_weights_divide_what_a_full_channel_serves():
    one, three = served(Source(weight=1), Source(weight=3))
    assert three == pytest.approx(3 * one, rel=0.05)


def test_a_higher_class_goes_first_and_leaves_what_it_does_not_want():
    urgent = Source(reads=16, priority=1)  # 16 reads of 32 B under way do not fill the channel
    mine, others = served(urgent, Source())
    alone = BurstSystem([DramMemory(DEVICE)], [urgent])
    alone.add(Flow(0, 20_000))
    _, free = alone.advance()
    crowd = BurstSystem([DramMemory(DEVICE)], [urgent, Source()])
    crowd.add(Flow(1, FOREVER, base=1 << 24, size=1 << 20))
    crowd.add(Flow(0, 20_000))
    _, shared = crowd.advance()
    low = BurstSystem([DramMemory(DEVICE)], [Source(reads=16), Source(priority=1)])
    low.add(Flow(1, FOREVER, base=1 << 24, size=1 << 20))
    low.add(Flow(0, 200))
    _, starved = low.advance(shared)
    assert others > 0
    assert mine == 20_000
    assert shared < 5 * free
    assert starved >= shared  # 200 accesses of the lower class take longer than 20,000 of the higher


def passed(*sources, count=20_000, away=0):
    """Return how many reads each source has done when the first has done its own, all over one link.

    Args:
        sources: the initiators.
        count: reads of the first.
        away: reads that the others do before the first begins.
    """
    link = ((0, 2000),)  # an access each 2 ns, where the DRAM could take one each 1.25 ns
    system = BurstSystem([DramMemory(DEVICE, 2)], sources, resources=1)
    for i in range(1, len(sources)):
        system.add(Flow(i, FOREVER, base=i << 24, size=1 << 20, route=link))
    if away:
        system.advance(away * 2000)
    before = [system.traffic(i).reads for i in range(len(sources))]
    system.add(Flow(0, count, start_ps=away * 2000, route=link))
    system.advance()
    return [system.traffic(i).reads - before[i] for i in range(len(sources))]


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 3), (4, 1)])
def test_weights_divide_what_a_full_link_passes(first, second):
    mine, others = passed(Source(weight=first), Source(weight=second))
    assert others / mine == pytest.approx(second / first, rel=0.02)


def test_three_sources_take_turns_at_a_link():
    mine, *others = passed(Source(), Source(), Source())
    assert others == pytest.approx([mine, mine], rel=0.02)


def test_a_higher_class_passes_a_full_link_first():
    _, others = passed(Source(priority=1), Source())
    assert others < 100


def test_a_source_that_was_away_takes_turns_from_then_on():
    mine, others = passed(Source(), Source(), away=50_000)
    assert others == pytest.approx(mine, rel=0.02)


@pytest.mark.parametrize("pattern", ["sequential", "random"])
@pytest.mark.parametrize("channels", [3, 6, 24])
def test_any_number_of_channels_adds_up(channels, pattern):
    """Accesses go to all of them alike; two that share a channel lie at different places."""
    times = []
    for n in (1, channels):
        system = BurstSystem([DramMemory(DEVICE, n)], [Source(reads=4096)])
        system.add(Flow(0, 20_000 * n, pattern=pattern, size=1 << 22))
        system.drain()
        times.append(system.counts().end_ps)
    assert times[1] == pytest.approx(times[0], rel=0.01 if pattern == "sequential" else 0.15)


def test_a_window_bounds_the_rate_of_its_source():
    latency = 10**6
    system = BurstSystem([DramMemory(DEVICE, front_ps=latency)], [Source(reads=8)])
    system.add(Flow(0, 8000))
    _, end = system.advance()
    assert end == pytest.approx(1000 * (latency + 17 * 1250 + 2500), rel=0.02)


def test_streams_hit_open_rows_and_random_accesses_do_not():
    shares = []
    for pattern in ("sequential", "random"):
        system = BurstSystem([DramMemory(DEVICE)], [Source()])
        system.add(Flow(0, 50_000, pattern=pattern, size=1 << 22))
        system.drain()
        counts = system.counts()
        assert counts.hits + counts.misses + counts.conflicts == 50_000
        shares.append(counts.hits / 50_000)
    assert shares[0] > 0.95
    assert shares[1] < 0.01


def test_channels_add_up():
    times = []
    for channels in (1, 4):
        system = BurstSystem([DramMemory(DEVICE, channels)], [Source()])
        system.add(Flow(0, 80_000))
        system.drain()
        times.append(system.counts().end_ps)
    assert times[0] == pytest.approx(4 * times[1], rel=0.01)


def test_a_paced_flow_keeps_its_rate_and_makes_up_for_delays():
    system = BurstSystem([DramMemory(DEVICE)], [Source()])
    system.add(Flow(0, 10_000, pace_ps=10_000))
    _, end = system.advance()
    assert end == pytest.approx(10_000 * 10_000, rel=0.01)


def test_flows_of_one_gate_advance_side_by_side():
    system = BurstSystem([DramMemory(DEVICE)], [Source()])
    gate = system.add(Flow(0, 30_000), Flow(0, 10_000, base=1 << 22))
    assert system.advance(40_000_000)[0] == -1
    half = system.moved(gate)
    assert 0 < half < 40_000
    found, _ = system.advance()
    assert found == gate


def test_a_memory_without_banks_is_as_fast_as_its_port():
    system = BurstSystem([], [Source()], resources=1)
    system.add(Flow(0, 1000, memory=-1, latency_ps=5000, route=((0, 250),)))
    _, end = system.advance()
    assert end == 999 * 250 + 5000


@PROPERTY
@given(
    st.sampled_from(dram_device_names()),
    st.integers(1, 6),
    st.lists(
        st.tuples(st.integers(0, 1 << 20), st.integers(1, 300), st.floats(0, 1), st.booleans(), st.integers(1, 64)),
        min_size=1,
        max_size=4,
    ),
)
def test_nothing_is_lost_and_no_rate_exceeds_the_pins(name, channels, plans):
    m = DramMemory(dram_device(name), channels, controller=DramController(reads=8, writes=8, drain_from=6, drain_to=2))

    def run():
        system = BurstSystem([m], [Source(reads=window, writes=window) for *_, window in plans])
        gates = {
            system.add(
                Flow(i, count, base=base, size=1 << 16, write_share=share, pattern="random" if rnd else "sequential")
            )
            for i, (base, count, share, rnd, _) in enumerate(plans)
        }
        while gates:
            gate, time = system.advance()
            assert gate in gates
            assert time >= 0
            gates.remove(gate)
        system.drain()
        return system

    system, again = run(), run()
    counts = system.counts()
    assert counts == again.counts()
    assert counts.reads + counts.writes == sum(count for _, count, *_ in plans)
    assert counts.busy_ps <= m.channels * counts.end_ps
    for i, (_, count, *_) in enumerate(plans):
        traffic = system.traffic(i)
        assert traffic.reads + traffic.writes == count
        assert traffic.histogram.shape == (LATENCY_BINS,)
        assert int(traffic.histogram.sum()) == traffic.reads
        assert np.array_equal(traffic.histogram, again.traffic(i).histogram)
