"""The roofline in figures: each operator under its own ceiling, by hand and on the command line."""

from __future__ import annotations

import json

import pytest

import socsim as ss

KWS = ("mlperf_tiny_kws", "-p", "rk3588")


@pytest.fixture(scope="module")
def pair():
    options = {"unit": "npu", "cores": 1}
    return ss.analyze(KWS[0], "rk3588", **options), ss.run(KWS[0], "rk3588", detail="analytic", **options)


def test_each_row_follows_from_ceiling_and_operator(pair):
    analysis, run = pair
    ceiling = next(c for c in analysis.record.ceilings if (c.unit, c.dtype) == ("npu", "int8"))
    for row in analysis.roofline(run.record):
        op = run.record.operators[row["index"]]
        slope = 2 * op.macs / op.dram_bytes * ceiling.bytes_per_s
        assert row["attainable_operations_per_s"] == pytest.approx(min(slope, ceiling.operations_per_s), abs=1)
        assert row["roof"] == ("memory" if slope < ceiling.operations_per_s else "compute")
        assert row["achieved_operations_per_s"] == 2 * op.macs * 10**12 // op.latency_ps
        assert 0 < row["share"] <= 1
        assert row["bound"] == op.bound


def test_operators_without_arithmetic_are_counted(pair):
    analysis, run = pair
    costed = [op for op in run.record.operators if op.latency_ps]
    rows = len(analysis.roofline(run.record))
    assert rows == sum(bool(op.macs) for op in costed)
    assert f"{len(costed) - rows} other operators without multiply-accumulates" in analysis.roofline_text(run.record)


def test_the_option_without_a_file_prints_text(socsim):
    code, out, _ = socsim("analyze", *KWS, "--roofline")
    assert code == 0
    assert "162.5 OP/B" in out  # 2.048 TOP/s over 12.6 GB/s
    assert "attainable" in out
    assert socsim("analyze", KWS[0], "--roofline", *KWS[1:])[1] == out


def test_json_holds_the_same_rows(socsim, pair):
    document = json.loads(socsim("analyze", *KWS, "--unit", "npu", "--cores", 1, "--roofline", "--json")[1])
    assert document["roofline"] == list(pair[0].roofline(pair[1].record))
    assert "roofline" not in json.loads(socsim("analyze", *KWS, "--json")[1])


@pytest.mark.parametrize(
    ("unit", "index", "words"),
    [("npu", 2, ["tiling through", "MACs for each byte moved", "of rknn on the host"]), ("cpu", 2, ["arithmetic"])],
)
def test_an_explanation_has_cycles_bytes_energy_and_a_lever(unit, index, words):
    text = " ".join(str(ss.run(KWS[0], "rk3588", unit=unit).explain(index)).split())
    for expected in ["cycles:", "bytes:", "energy:", "dispatch:", "would help", "without it", *words]:
        assert expected in text
