"""HTML of a simulation: escaped, without script or network, small in a notebook, whole as a report."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from functools import cache

import pytest
from html_checks import assert_hostile_names_are_text, assert_offline
from report_simulations import hostile_simulation, simulation

from socsim.report.simulation import Simulation
from socsim.report.simulation_html import report_html, repr_html

PLAIN, HOSTILE = simulation(), hostile_simulation()


@cache
def whole_report(record):
    return report_html(record)


@pytest.mark.parametrize("make", [repr_html, whole_report])
@pytest.mark.parametrize("record", [PLAIN, HOSTILE], ids=["plain", "hostile"])
def test_html_is_balanced_without_script_and_without_network(make, record):
    assert_offline(make(record))


@pytest.mark.parametrize("make", [repr_html, whole_report])
def test_hostile_names_are_text(make):
    assert_hostile_names_are_text(make(HOSTILE))


def test_fragment_stays_under_fifty_thousand_bytes_whatever_there_is():
    crowded = replace(
        HOSTILE, applications=HOSTILE.applications * 300, steps=HOSTILE.steps * 300, servers=HOSTILE.servers * 300,
        flows=HOSTILE.flows * 300, domains=HOSTILE.domains * 300, clocks=HOSTILE.clocks * 300,
        thermal=HOSTILE.thermal * 300, notes=("&" * 5_000,) * 300, warnings=("\U0001f600" * 5_000,) * 300,
        scenario_title="&" * 9_000,
    )  # fmt: skip
    assert len(repr_html(crowded).encode()) < 50_000


def test_fragment_shows_tiles_applications_and_sections():
    text = repr_html(simulation(100))
    for part in ("<b>10 s</b>", "of 900 deadlines missed", "npu busy, more than others", "die at most", "battery life",
                 "<summary>Servers</summary>", "<summary>Clocks</summary>", "camera misses deadlines",
                 'style="background:#E69F00"', "99 % of the time repeated"):  # fmt: skip
        assert part in text


def test_report_holds_all_figures_tables_and_provenance():
    text = whole_report(PLAIN)
    images = [base64.b64decode(data) for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)]
    assert len(images) == 6
    assert all(b"watcher on board" in image for image in images)
    for part in ("<h2>3 applications</h2>", "sustained: npu preferred", "12 SOFTMAX on cpu_big: npu has none",
                 "assumed: thermal.paths[0].resistance", "override units.npu.clock = 800 MHz", "cd" * 32,
                 "calibration: detect: 40 rows of board npu", "All times of applications"):  # fmt: skip
        assert part in text


def test_report_says_why_a_figure_is_missing():
    bare = replace(simulation(is_traced=False), traces=(), thermal=(), battery=None, applications=())
    text = report_html(bare)
    for part in (
        "the simulation was not traced",
        "heat is not modelled",
        "no power was recorded over time",
        "no frequency was recorded over time",
        "no application has a deadline",
        "battery life not known",
    ):
        assert part in text
    assert text.count("<img") == 2


def test_report_of_many_slices_shows_the_first_of_them():
    record = simulation()
    many = tuple(
        replace(record.slices[0], start_ps=i * 10**7, end_ps=i * 10**7 + 5 * 10**6, moved=()) for i in range(5_000)
    )
    assert "the first 1.5 ms of 100 ms" in report_html(replace(record, slices=many))


def test_reports_are_equal_byte_for_byte(tmp_path):
    Simulation(simulation()).report(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text("utf-8") == whole_report(PLAIN)
