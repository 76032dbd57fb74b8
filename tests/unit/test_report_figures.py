"""Figures: lanes, points, roofs, colours, files, and names that must not be taken for mathematics."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import pytest
from report_runs import hostile, made_up

from socsim.errors import ResultError, UsageError
from socsim.records import AnalysisRecord, AnalysisRow, Ceiling
from socsim.report.drawing import Labels, offline_axes, record_colours, render
from socsim.report.figures import analysis_roofline, energy, roofline, save_figure, timeline, unit_colours

mpl.use("Agg")
DRAWINGS = (timeline, roofline, energy)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


def axes():
    return offline_axes((8, 5))


def test_timeline_has_a_lane_for_each_unit_and_track():
    ax = timeline(made_up())
    lanes = [label.get_text() for label in ax.get_yticklabels()]
    assert lanes == ["npu compute", "npu dma", "npu dispatch", "cpu compute", "cpu dma", "cpu dispatch"]
    assert [len(collection.get_paths()) for collection in ax.collections] == [3, 3, 3, 1, 1, 1]
    assert ax.get_title(loc="left") == "tiny on board: 40 us"
    assert ax.get_xlabel() == "time (us)"
    assert ax.get_xlim() == pytest.approx((0, 40.004995))


def test_bars_stand_where_their_slices_are():
    boxes = [path.get_extents() for path in timeline(made_up()).collections[0].get_paths()]
    compute = [s for s in made_up().slices if (s.unit, s.track) == ("npu", "compute")]
    assert [(box.x0, box.x1) for box in boxes] == [pytest.approx((s.start_ps / 1e6, s.end_ps / 1e6)) for s in compute]


def test_record_without_slices_shows_its_operators():
    ax = timeline(replace(made_up(), slices=()))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["npu operators", "cpu operators"]
    assert {text.get_text() for text in ax.texts} >= {"0 CONV_2D"}


def test_labels_of_bars_fit_their_bars():
    ax = timeline(made_up(60))
    ax.figure.canvas.draw()
    boxes = {}
    for text in ax.texts:
        boxes.setdefault(text.get_position()[1], []).append(text.get_window_extent())
    for lane in boxes.values():
        ordered = sorted(lane, key=lambda box: box.x0)
        assert all(a.x1 <= b.x0 for a, b in pairwise(ordered))


def test_crowded_timeline_stays_small_as_a_vector_file():
    ax = timeline(made_up(1_500), axes())
    assert all(collection.get_rasterized() for collection in ax.collections)
    assert len(render(ax.figure, "svg")) < 500_000


def test_roofline_has_a_point_for_each_operator_with_external_bytes():
    ax = roofline(made_up())
    assert sum(len(c.get_offsets()) for c in ax.collections) == 4
    x, y = ax.collections[0].get_offsets()[0]
    assert (x, y) == pytest.approx((40.0, 2e6 / 8.000999e-6))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_roof_bends_at_the_ridge():
    xs, ys = roofline(made_up(), unit="npu").lines[0].get_data()
    assert xs[1] == pytest.approx(100)  # the unit draws 20 GB/s of the memory's 25
    assert ys[1] == ys[2] == 2e12
    assert ys[0] == pytest.approx(20e9 * xs[0])


def test_roofline_of_one_unit_shows_it_alone():
    ax = roofline(made_up(), unit="cpu")
    assert sum(len(c.get_offsets()) for c in ax.collections) == 1
    with pytest.raises(ValueError, match="the run did not use a unit 'gpu'; it used npu, cpu"):
        roofline(made_up(), unit="gpu")


def test_roofline_counts_operators_that_have_no_place():
    ops = tuple(replace(op, arithmetic_intensity=None) if op.index == 2 else op for op in made_up().operators)
    ax = roofline(replace(made_up(), operators=ops))
    assert ax.get_xlabel().endswith("1 of 4 operators without MACs or external bytes are not shown")


def test_energy_bars_add_up_and_are_ordered():
    ax = energy(made_up())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["npu", "dram", "cpu"]
    assert ax.get_xlabel() == "energy (nJ)"
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(1000)
    assert ax.texts[0].get_text() == " 700 nJ, 70 %"


def test_a_unit_keeps_its_colour():
    assert unit_colours(["a", "b", "a"]) == {"a": "#0072B2", "b": "#E69F00"}
    assert len(set(unit_colours("abcdefg").values())) == 7
    reordered = replace(made_up(), units=made_up().units[::-1])
    assert record_colours(reordered) == record_colours(made_up())


@pytest.mark.parametrize("draw", DRAWINGS)
def test_figures_draw_on_given_axes_and_survive_hostile_names(draw):
    ax = axes()
    assert draw(hostile(), ax) is ax
    assert render(ax.figure, "svg").startswith(b"<?xml")
    assert render(ax.figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("draw", DRAWINGS)
def test_figures_of_an_empty_run_are_empty_but_drawn(draw):
    empty = replace(
        made_up(), operators=(), units=(), memories=(), energy=(), slices=(), rates=(), latency_ps=0, energy_pj=0
    )
    ax = draw(empty, axes())
    assert render(ax.figure, "png").startswith(b"\x89PNG")


def test_labels_do_not_overlap_and_give_up_where_there_is_no_room():
    ax = axes()
    labels = Labels(ax)
    written = [labels.add(0.5, 0.5, "the same place") for _ in range(40)]
    assert written[0]
    assert not written[-1]
    boxes = labels.taken
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a, b in pairs)


def test_figure_is_saved_by_suffix_and_equal_figures_give_equal_bytes(tmp_path):
    for name in ("a.svg", "a.png", "a.pdf"):
        save_figure(timeline(made_up(), axes()), tmp_path / name)
        save_figure(timeline(made_up(), axes()), tmp_path / f"again{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"again{name}").read_bytes()
    with pytest.raises(UsageError, match=r"a\.gif: \.gif is not a format of figures; use \.png, \.svg, \.pdf"):
        save_figure(timeline(made_up(), axes()), tmp_path / "a.gif")
    with pytest.raises(ResultError, match="its folder does not exist"):
        save_figure(timeline(made_up(), axes()), tmp_path / "no" / "a.svg")


def test_analysis_roofline_puts_operators_under_the_ceiling_of_their_unit():
    rows = tuple(
        AnalysisRow(i, f"op{i}", "CONV_2D", "npu", "int8", 10**6, 100, 10, 10, 10, 10.0**i, ()) for i in range(4)
    )
    ceilings = (Ceiling("npu", "int8", 2 * 10**12, "dram", 20 * 10**9), Ceiling("cpu", "int8", 10**11, "dram", 10**10))
    record = AnalysisRecord("0", "tiny", "tflite", "ab", "board", 4, 4, 4, rows, (("npu", 4),), (), ceilings, ())
    ax = analysis_roofline(record, axes())
    heights = [float(c.get_offsets()[0][1]) for c in ax.collections]
    assert heights == pytest.approx([2e10, 2e11, 2e12, 2e12])
    assert len(ax.lines) == 2
