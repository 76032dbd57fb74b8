"""Figures of a simulation: lanes, rates, curves, limits, reasons where there is nothing to draw."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from report_simulations import hostile_simulation, simulation

from socsim.errors import UsageError
from socsim.report.drawing import legend_text, offline_axes, render
from socsim.report.lanes import Bar, merged
from socsim.report.simulation import Simulation
from socsim.report.simulation_figures import frequency, latency, power, temperature, utilisation
from socsim.report.simulation_timeline import application_colours, rates, stretches, timeline
from socsim.simulation_records import TraceRecord

mpl.use("Agg")
DRAWINGS = (timeline, latency, power, temperature, frequency, utilisation)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


def lanes(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    (found,) = [drawn for drawn in ax.lines if drawn.get_label() == label]
    return found.get_data()


# --- timeline -----------------------------------------------------------------------------------------


def test_timeline_has_a_lane_for_each_core_flow_and_the_power():
    ax = timeline(simulation())
    assert lanes(ax) == [
        "cpu_big 0", "npu 0", "hub 0", "dram, of 34 GB/s", "noc, of 51 GB/s", "power, up to 5 W",
    ]  # fmt: skip
    assert ax.get_title(loc="left") == "watcher on board: 100 ms"
    assert ax.get_xlim() == pytest.approx((0, 100))
    assert legend(ax) == ["camera", "assistant", "word", "missed or dropped (2)"]


def test_bars_stand_where_their_slices_are_in_the_colour_of_their_application():
    ax = timeline(simulation())
    colours = application_colours(simulation())
    assert colours == {"camera": "#0072B2", "assistant": "#E69F00", "word": "#009E73"}
    bars = {
        (mpl.colors.to_hex(collection.get_facecolor()[0]).upper(), round(box.x0), round(box.x1))
        for collection in ax.collections[:4]
        for box in (path.get_extents() for path in collection.get_paths())
        if round((box.y0 + box.y1) / 2) == 1
    }
    assert ("#E69F00", 42, 49) in bars
    assert ("#0072B2", 49, 55) in bars
    assert len(bars) == 7
    assert {text.get_text() for text in ax.texts} >= {"answer 0", "2"}


def test_crosses_mark_what_missed_or_was_dropped():
    crosses = [drawn for drawn in timeline(simulation()).lines if drawn.get_marker() == "x"]
    assert [sorted(drawn.get_xdata()) for drawn in crosses] == [[45, 55]]


def test_a_part_of_the_time_is_shown_alone():
    ax = timeline(simulation(), start="41 ms", end="60 ms")
    assert ax.get_xlim() == pytest.approx((41, 60))
    assert lanes(ax)[0] == "cpu_big 0"
    boxes = [path.get_extents() for collection in ax.collections[:3] for path in collection.get_paths()]
    assert min(box.x0 for box in boxes) == pytest.approx(41)
    assert max(box.x1 for box in boxes) == pytest.approx(55)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"start": "2 s"}, "from 2 s to 100 ms there is nothing to show; the simulation took 100 ms"),
        ({"start": "5 ms", "end": "5 ms"}, "from 5 ms to 5 ms there is nothing to show; the simulation took 100 ms"),
        ({"end": "soon"}, "end is 'soon'; give a time such as \"20 ms\""),
        ({"start": 3}, "start is 3; give a time such as \"20 ms\""),
    ],
)  # fmt: skip
def test_a_part_that_is_none_is_refused(part, message):
    with pytest.raises(UsageError) as caught:
        Simulation(simulation()).plot.timeline(**part)
    assert str(caught.value) == message


def test_a_simulation_that_was_not_traced_has_no_timeline():
    with pytest.raises(UsageError, match=r"was not traced, .*; simulate with trace=True"):
        timeline(simulation(is_traced=False))


def test_rates_spread_bytes_over_their_stretch_and_lose_none():
    borders = np.linspace(0, 100, 11)
    found = rates([(5, 25, 40), (20, 30, 10), (90, 90, 7)], borders)
    assert found * 10 / 1e12 == pytest.approx([10, 20, 20, 0, 0, 0, 0, 0, 0, 7])
    assert rates([], borders).tolist() == [0.0] * 10


def test_specks_near_each_other_become_one_bar():
    specks = [Bar(10 * i, 10 * i + 1, "x", "x") for i in range(100)]
    wide = Bar(5_000, 9_000, "wide", "w")
    assert merged([*specks, wide], 20) == [Bar(0, 991, "", ""), wide]
    assert merged([wide, *specks], 5) == [*specks, wide]
    assert merged([], 5) == []


def test_slices_that_follow_one_another_for_one_step_become_a_stretch():
    first, _, other, *_ = simulation().slices
    parts = [replace(first, start_ps=i, end_ps=i + 1, label=f"{i} CONV_2D") for i in (0, 1, 2, 5)]
    found = stretches([*parts[:2], other, *parts[2:], replace(parts[-1], start_ps=6, end_ps=7, activation=9)])
    assert [(s.label, s.start_ps, s.end_ps) for s in found if s.server == first.server] == [
        (first.step, 0, 3), (first.step, 5, 6), (first.step, 6, 7),
    ]  # fmt: skip
    assert len(found) == 4


def test_many_slices_stay_small_as_a_vector_file():
    record = simulation()
    many = tuple(
        replace(record.slices[0], start_ps=i * 10**6, end_ps=i * 10**6 + 5 * 10**5, moved=()) for i in range(60_000)
    )
    ax = timeline(replace(record, slices=many), offline_axes((8, 4)))
    assert len(render(ax.figure, "svg")) < 500_000


# --- latency and utilisation --------------------------------------------------------------------------


def test_latency_curves_end_at_the_longest_time():
    ax = latency(simulation())
    x, y = line(ax, "camera: p99 15 ms")
    assert (x[0], x[-1]) == pytest.approx((8, 15))
    assert (y[0], y[-1]) == (0, 100)
    assert x[50] == pytest.approx(8)
    deadlines = sorted(drawn.get_xdata()[0] for drawn in ax.lines if drawn.get_linestyle() == ":")
    assert deadlines == pytest.approx([5, 10])
    assert ax.get_xscale() == "linear"


def test_latencies_far_apart_stand_on_a_logarithmic_axis():
    record = simulation()
    slow = replace(record.applications[1].latency, percentiles_ps=(), most_ps=5 * 10**12)
    ax = latency(replace(record, applications=(record.applications[2], replace(record.applications[1], latency=slow))))
    assert ax.get_xscale() == "log"
    assert line(ax, "assistant: p99 8 ms")[1].tolist() == [0, 50, 95, 99, 100]


def test_nothing_that_happened_is_said():
    record = simulation()
    ax = latency(replace(record, applications=()))
    assert [text.get_text() for text in ax.texts] == ["nothing happened"]


def test_utilisation_adds_up_by_application_and_overheads():
    ax = utilisation(simulation())
    assert lanes(ax) == ["cpu_big", "npu", "hub"]
    assert legend(ax) == ["camera", "assistant", "word", "switching", "waking"]
    assert sum(bar.get_width() for bar in ax.patches if round(bar.get_y() + 0.4) == 1) == pytest.approx(45.3)
    assert [text.get_text() for text in ax.texts] == [" 5.2 % of 2 cores", " 45 %", " 4.3 %"]


def test_an_application_may_be_called_like_an_overhead():
    record = simulation()
    server = replace(record.servers[1], applications=(("waking", 50 * 10**9),))
    named = replace(record.applications[0], name="waking")
    ax = utilisation(replace(record, applications=(named,), servers=(server,)))
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([50, 0.1, 0.2])


# --- over time ----------------------------------------------------------------------------------------


def test_power_holds_until_the_next_point_and_the_end():
    ax = power(simulation())
    x, y = line(ax, "total")
    assert list(x) == pytest.approx([0, 40, 60, 100])
    assert list(y) == pytest.approx([2, 5, 1, 1])
    assert legend(ax) == ["total", "npu", "cap 15 W"]
    assert ax.get_ylim()[1] < 10  # a cap far above does not flatten the rest
    near = power(replace(simulation(), power_cap_nw=6 * 10**9))
    assert near.get_ylim()[1] > 6


def test_temperature_shows_where_nodes_throttle():
    ax = temperature(simulation())
    assert legend(ax) == ["die", "skin", "die throttles at 85.0 °C"]
    assert list(line(ax, "die")[1]) == pytest.approx([45, 86.4, 71.25, 71.25])


def test_frequency_is_in_a_unit_that_fits():
    assert frequency(simulation()).get_ylabel() == "frequency (GHz)"
    slow = replace(simulation(), traces=(TraceRecord("frequency", "m0", ((0, 48_000_000),)),))
    assert frequency(slow).get_ylabel() == "frequency (MHz)"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (power, "no power was recorded over time"),
        (frequency, "no frequency was recorded over time"),
        (temperature, "heat is not modelled: the platform describes no thermal network"),
    ],
)
def test_what_was_not_recorded_cannot_be_drawn(draw, message):
    with pytest.raises(UsageError, match=message):
        draw(replace(simulation(), traces=()))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_figures_draw_on_given_axes_and_survive_hostile_names(draw):
    ax = offline_axes((8, 5))
    assert draw(hostile_simulation(), ax) is ax
    assert render(ax.figure, "svg").startswith(b"<?xml")
    assert render(ax.figure, "png").startswith(b"\x89PNG")


def test_names_in_legends_are_neither_mathematics_nor_hidden():
    assert (legend_text("$x$"), legend_text("_x")) == (r"\$x\$", " _x")
