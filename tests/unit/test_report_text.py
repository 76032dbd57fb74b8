"""The summary block, the explanation of an operator and the compact operator table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_runs import LATENCY, hostile, made_up

from socsim.report.text import bottleneck, explain, operators_text, slowest, summary

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "report_summary.txt"
LABELS = ["model", "platform", "OPPs", "runtime", "run", "latency", "throughput", "energy", "placement", "memory",
          "operator", "bottleneck", "provenance", "overrides", "notes", "warnings"]  # fmt: skip


def test_summary_is_the_golden_one():
    assert summary(made_up()) + "\n" == GOLDEN.read_text("utf-8")


def test_summary_keeps_the_order_of_its_blocks():
    starts = [line.split()[0] for line in summary(made_up()).splitlines() if line and not line.startswith(" ")]
    assert [label for label in starts if label in LABELS] == LABELS


def test_energy_says_average_power_and_static_share():
    (line,) = [line for line in summary(made_up()).splitlines() if line.startswith("energy")]
    assert line == "energy        1 uJ, average power 25 mW, static share 40 %"


def test_batch_counts_in_throughput_and_is_said():
    text = summary(replace(made_up(), batch=8))
    assert "latency       40 us for a batch of 8 (range: not known, uncalibrated)" in text
    assert f"throughput    {8e12 / (5 * LATENCY):,.0f} inferences/s" in text


def test_operators_off_the_preferred_unit_are_grouped_by_reason():
    record = made_up(12)
    ops = tuple(
        replace(op, unit="cpu", placement_reason="npu has no GELU") if op.index % 2 and op.index > 2 else op
        for op in record.operators
    )
    text = summary(replace(record, operators=ops))
    assert "5 on cpu: npu has no GELU (5 CONV_2D)" in text
    assert "1 on cpu: npu has no SOFTMAX (1 CONV_2D)" in text


def test_lines_are_a_hundred_columns_and_hostile_names_are_clean():
    for text in (summary(hostile()), operators_text(hostile()), explain(hostile(), 1)):
        assert max(len(line) for line in text.splitlines()) <= 130
        assert not set("\x1b\u202e\r\t") & set(text)
    assert max(len(line) for line in summary(made_up()).splitlines()) <= 100


def test_slowest_come_first_and_equal_ones_in_order():
    record = made_up()
    ops = list(record.operators)
    ops[2] = replace(ops[2], latency_ps=LATENCY + 5)
    assert [op.index for op in slowest(replace(record, operators=tuple(ops)), 3)] == [2, 0, 3]


def test_bottleneck_is_a_sentence_about_shares_of_time():
    assert bottleneck(made_up()) == "compute binds 75 % of the operators' time; dispatch 25 %"
    assert bottleneck(replace(made_up(), operators=())) == "no operator takes time"


def test_a_run_of_nothing_has_a_summary():
    empty = replace(made_up(), operators=(), units=(), memories=(), energy=(), latency_ps=0, energy_pj=0, macs=0)
    text = summary(empty)
    assert "throughput    -, one run after the other" in text
    assert "average power -" in text


def test_explanation_shows_header_arithmetic_and_levers():
    text = explain(made_up(), 2)
    assert text.splitlines()[0] == "operator 2  CONV_2D"
    for part in (
        "npu has a kernel for CONV_2D in int8",
        "8.001 us, 20 % of the run, bound by compute",
        "array: 3 passes",
        "all weights stay",
        "would help    more channels",
        "12 % of the unit's peak",
    ):
        assert part in text


def test_folded_operator_is_explained_by_its_carrier():
    text = explain(made_up(), 1)
    assert "has no cost of its own: operator 0 CONV_2D carries it" in text
    assert "array: 1 passes" in text


@pytest.mark.parametrize("index", [-1, 5, 99])
def test_unknown_operator_says_the_range(index):
    with pytest.raises(IndexError, match=f"^there is no operator {index}; this run has operators 0 to 4$"):
        explain(made_up(), index)


def test_operator_table_is_in_order_and_counts_what_it_leaves_out():
    lines = operators_text(made_up(10), 3).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["0", "2", "3"]
    assert lines[4:] == [
        "... and 7 faster operators that take 56.01 us together",
        "1 operator without a cost of their own, folded into others",
    ]
    assert len(operators_text(made_up(10)).splitlines()) == 12


def test_real_run_says_where_its_time_goes(models):
    from socsim.pipeline import Options, run_graph
    from socsim.soc.loader import load_platform
    from socsim.workload.importers import load_graph

    graph = load_graph(models / "mlperf_tiny_kws_dscnn_int8.tflite")
    record = run_graph(graph, load_platform("rk3588"), Options())
    text = summary(record)
    assert "mlperf_tiny_kws_dscnn_int8 (tflite, sha256 aeea43680070)" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    for op in record.operators:
        assert explain(record, op.index).startswith(f"operator {op.index}  {op.type}")
