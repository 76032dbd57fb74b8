"""Two runs side by side."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from report_runs import LATENCY, hostile, made_up

from socsim.report.comparison import Comparison


def without(record, index):
    left = [op for op in record.operators if op.index != index]
    return replace(record, operators=tuple(replace(op, index=i, fused_into=None) for i, op in enumerate(left)))


def slower(record, index, by):
    ops = tuple(
        replace(op, latency_ps=op.latency_ps + by, compute_ps=op.compute_ps + by) if op.index == index else op
        for op in record.operators
    )
    return replace(record, operators=ops, latency_ps=record.latency_ps + by)


def test_a_run_against_itself_changes_nothing():
    found = Comparison(made_up(), made_up())
    assert set(found.table.column("status")) == {"same"}
    assert found.totals.column("change") == (0, 0, 0, 0)
    assert found.biggest() == []


def test_totals_are_latency_energy_and_bytes_over_external_memory():
    b = replace(made_up(), latency_ps=made_up().latency_ps * 2)
    found = Comparison(made_up(), b)
    assert found.totals.column("quantity") == ("latency_ps", "energy_pj", "dram_bytes", "background_bytes")
    assert found.totals.column("relative_change")[0] == 1.0
    assert found.totals.column("a")[2] == 200_000


def test_bytes_of_other_units_are_not_the_network_s():
    quiet = replace(made_up(), background=())
    busy = replace(quiet, background=(("cpu", 10**9),), memories=(replace(quiet.memories[0], read_bytes=5_120_000),))
    assert Comparison(quiet, quiet).totals.column("quantity") == ("latency_ps", "energy_pj", "dram_bytes")
    rows = {row["quantity"]: row for row in Comparison(quiet, busy).totals}
    assert (rows["dram_bytes"]["a"], rows["dram_bytes"]["b"]) == (200_000, 200_000)
    assert (rows["background_bytes"]["a"], rows["background_bytes"]["b"]) == (0, 5_000_000)


def test_background_traffic_stands_in_the_headers():
    quiet = replace(made_up(), background=())
    text = repr(Comparison(quiet, made_up()))
    first, second = text.split("\nb  ")[0], text.split("\nb  ")[1].split("\n\n")[0]
    assert "background" not in first
    assert "background cpu reads 1 GB/s" in " ".join(second.split())
    document = json.loads(Comparison(quiet, made_up()).to_json())
    assert (document["a"]["background"], document["b"]["background"]) == ({}, {"cpu": 10**9})


def test_changed_operators_come_first_in_the_biggest():
    found = Comparison(made_up(), slower(slower(made_up(), 2, 500), 3, -900))
    assert [(row["index"], row["latency_change_ps"]) for row in found.biggest()] == [(3, -900), (2, 500)]
    assert found.biggest()[0]["latency_change"] == pytest.approx(-900 / LATENCY)


def test_removed_operator_does_not_shift_the_others():
    found = Comparison(made_up(), without(made_up(), 2))
    by_name = {row["name"]: row["status"] for row in found.table}
    assert by_name == {
        "layer/0": "same",
        "layer/1": "changed",
        "layer/2": "removed",
        "layer/3": "same",
        "layer/4": "same",
    }
    assert [r["status"] for r in Comparison(without(made_up(), 2), made_up()).table].count("added") == 1


def test_operators_of_one_name_are_told_apart_by_index_and_order():
    ops = tuple(replace(op, name="x", fused_into=None) for op in made_up().operators)
    a = replace(made_up(), operators=ops)
    found = Comparison(a, replace(a, operators=ops[:3]))
    assert [row["status"] for row in found.table] == ["same", "same", "same", "removed", "removed"]


def test_missing_cost_stays_missing():
    row = list(Comparison(made_up(), made_up()).table)[1]
    assert row["latency_a_ps"] is None
    assert row["latency_change"] is None
    assert Comparison(made_up(), made_up()).to_pandas()["latency_change_ps"].isna().sum() == 1


def test_text_names_both_runs_totals_and_changes():
    text = repr(Comparison(made_up(), slower(made_up(), 2, LATENCY)))
    assert text.startswith("a             tiny on board (vendor on npu 800MHz, tflite on cpu 1800MHz;")
    assert "latency_ps 40 us 48.01 us +20.0 %" in " ".join(text.split())
    assert "5 operators: 4 same, 1 changed" in text
    assert "+100.0 %" in text


def test_json_has_its_version_and_the_rows():
    document = json.loads(Comparison(made_up(), slower(made_up(), 2, 500)).to_json())
    assert document["schema_version"] == "socsim.compare/1"
    assert document["a"]["model"] == "tiny"
    assert document["totals"][0]["change"] == 500
    assert [row["status"] for row in document["operators"]] == ["same", "same", "changed", "same", "same"]


def test_hostile_names_are_escaped_in_html_and_clean_in_text():
    found = Comparison(hostile(), slower(hostile(), 0, 10**6))
    assert "<script>" not in found._repr_html_()
    assert "\x1b" not in repr(found)
    assert len(found._repr_html_().encode()) < 50_000
