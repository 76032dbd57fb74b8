"""HTML: escaped, without script or network, small in a notebook, whole as a report."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from functools import cache

import pytest
from html_checks import assert_hostile_names_are_text, assert_offline
from report_runs import hostile, made_up

from socsim.report.html import report_html, repr_html

PLAIN, HOSTILE = made_up(), hostile()


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


@pytest.mark.parametrize("record", [made_up(), made_up(1_500), hostile(1_500)], ids=["small", "large", "hostile"])
def test_fragment_stays_under_fifty_thousand_bytes(record):
    assert len(repr_html(record).encode()) < 50_000


def test_fragment_bounds_hold_for_many_units_memories_and_warnings():
    record = hostile(1_500)
    crowded = replace(
        record, units=record.units * 300, links=record.links * 300, memories=record.memories * 300,
        energy=record.energy * 300, notes=("&" * 5_000,) * 300, warnings=("\U0001f600" * 5_000,) * 300,
        model="&" * 9_000, opps=record.opps * 300,
    )  # fmt: skip
    assert len(repr_html(crowded).encode()) < 50_000


def test_fragment_shows_tiles_slowest_operators_and_sections():
    text = repr_html(made_up(30))
    for part in ("latency (range: not known, uncalibrated)", "Slowest operators", "and 20 more",
                 "<summary>Units</summary>", "<summary>Memories</summary>", "<summary>Links</summary>",
                 "<summary>Energy</summary>", "<summary>Warnings (1)</summary>", "A made-up board"):  # fmt: skip
        assert part in text
    assert text.count('style="background:#0072B2"') >= 1


def test_report_has_every_operator_with_its_reason():
    text = report_html(made_up(40))
    assert "<h2>41 operators</h2>" in text
    assert text.count("npu has a kernel for CONV_2D in int8") >= 40
    assert "npu has no SOFTMAX; cpu has one" in text


def test_report_holds_figures_explanations_and_provenance():
    text = whole_report(PLAIN)
    images = [base64.b64decode(data) for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)]
    assert len(images) == 3
    assert b"tiny on board" in images[0]
    assert all(b"<script" not in image for image in images)
    for part in ("array: 1 passes", "would help", "3 of 12 numbers of the platform are assumed", "ab" * 32,
                 "override units.npu.clock = 800 MHz", "uncalibrated: no error range is known"):  # fmt: skip
        assert part in text


def test_reports_are_equal_byte_for_byte():
    assert report_html(made_up()) == whole_report(PLAIN)
