"""Levels of detail agree on the same Work: the closed form, events, and events for every tile."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from random_networks import networks, soc_of
from small_world import PROPERTY, one_conv

from socsim.cost.work import Phase, Transfer
from socsim.pipeline import Options, run_graph
from socsim.quantities import PS_PER_S, ceil_div
from socsim.schedule import tiles
from socsim.schedule.tiles import MOST_TILES, in_tiles
from socsim.testing.verify import verify

PLATFORMS = ["small", "rk3588", "imx93", "qcs6490", "ethos-u65-256", "stm32n657"]


def costed(record):
    return [row for row in record.operators if row.start_ps is not None]


def meet(record):
    """Whether two operators run at once."""
    return any(a.start_ps < b.end_ps and b.start_ps < a.end_ps for a, b in combinations(costed(record), 2))


@PROPERTY
@given(networks(), st.sampled_from(PLATFORMS), st.sampled_from(["npu", "cpu", None]), st.sampled_from([1, 2]))
def test_the_closed_form_equals_events_where_nothing_shares_the_fabric(graph, name, unit, batch):
    heavy = any(op.macs for op in graph.operators)
    options = Options(unit=unit if heavy else None, batch=batch)
    events, closed = (
        run_graph(graph, soc_of(name), Options(unit=options.unit, batch=batch, detail=detail))
        for detail in ("transaction", "analytic")
    )
    assert verify(closed, graph) == verify(events, graph) == []
    rows = list(zip(costed(events), costed(closed), strict=True))
    if not any(a.bus_wait_ps for a, _ in rows):
        assert [a.latency_ps for a, _ in rows] == [b.latency_ps for _, b in rows]
        assert events.latency_ps <= closed.latency_ps
    if not meet(events):
        assert (events.operators, events.latency_ps) == (closed.operators, closed.latency_ps)
        assert events.energy == closed.energy


def slack_ps(platform, record):
    """Return what whole cycles and bytes may cost: for each step a cycle, and a byte in each direction."""
    steps = len({(s.operator, s.start_ps) for s in record.slices})
    rates = [rate for m in platform.memories.values() for rate in (m.read_bytes_per_s, m.write_bytes_per_s) if rate]
    return steps * (ceil_div(PS_PER_S, min(u.clock_hz for u in record.units)) + 2 * ceil_div(PS_PER_S, min(rates)))


@PROPERTY
@given(networks(), st.sampled_from(PLATFORMS))
def test_tiles_take_as_long_as_their_phases(graph, name):
    heavy = any(op.macs for op in graph.operators)
    options = {"unit": "npu" if heavy else None}
    phases, each = (run_graph(graph, soc_of(name), Options(detail=d, **options)) for d in ("transaction", "tile"))
    assert verify(each, graph) == []
    assert [row.read_bytes for row in costed(each)] == [row.read_bytes for row in costed(phases)]
    assert [row.energy_pj for row in costed(each)] == [row.energy_pj for row in costed(phases)]
    if not meet(phases):
        assert -len(each.slices) <= each.latency_ps - phases.latency_ps <= slack_ps(soc_of(name), each)  # 1 ps down


def test_each_tile_is_loaded_computed_and_stored_on_the_timeline():
    graph = one_conv(32, 32, 32, 3)
    record = run_graph(graph, soc_of("small"), Options(unit="npu", detail="tile"))
    assert verify(record, graph) == []
    tracks = {track: [s for s in record.slices if s.track == track] for track in ("compute", "load", "store", "dma")}
    assert not tracks["dma"]
    (phase,) = {s.label.rsplit(" of ", 1)[1] for s in tracks["load"] if " tile " in s.label}
    count = int(phase)
    assert count > 4
    assert len(tracks["compute"]) == count
    assert [s.label for s in tracks["load"]][-1] == f"0 CONV_2D tile {count} of {count}"
    assert sum(s.read_bytes for s in tracks["load"]) == record.operators[0].read_bytes
    assert sum(s.write_bytes for s in tracks["store"]) == record.operators[0].write_bytes
    assert sum(s.end_ps - s.start_ps for s in tracks["compute"]) == record.operators[0].compute_ps


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=20),
    st.sampled_from([1, 7, 500, MOST_TILES]),
)
def test_steps_add_up_to_their_phase_and_stay_within_the_most(drawn, most):
    def phase(count, cycles, read):
        return Phase("steady", cycles, (Transfer("dram", read, cycles // 3),), tiles=count)

    given_phases = [(Phase("prologue", 0, ()), phase(*values)) for values in drawn]
    before, tiles.MOST_TILES = tiles.MOST_TILES, most
    try:
        found, together = in_tiles(given_phases)
    finally:
        tiles.MOST_TILES = before
    for whole, steps in zip(given_phases, found, strict=True):
        assert sum(s.compute_cycles for s in steps) == whole[1].compute_cycles
        moved = [t for s in steps for t in s.transfers]
        assert sum(t.read_bytes for t in moved) == whole[1].transfers[0].read_bytes
        assert sum(t.write_bytes for t in moved) == whole[1].transfers[0].write_bytes
    assert sum(map(len, found)) <= most + 2 * len(drawn)
    assert (together == 1) == (sum(1 + count for count, *_ in drawn) <= most or max(drawn)[0] == 1)


def test_a_timeline_of_too_many_tiles_says_what_it_left_out():
    phases, together = in_tiles([(Phase("steady", 10**9, (), tiles=10**7),)])
    assert together == 500
    assert len(phases[0]) == MOST_TILES
    assert phases[0][0].label == f"part 1 of {MOST_TILES}"
