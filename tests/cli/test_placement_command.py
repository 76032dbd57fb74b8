"""Strategies, pins and deadlines on the command line."""

from __future__ import annotations

import json

import pytest

RUN = ("run", "mlperf_tiny_ic", "-p", "rk3588")


def test_a_strategy_with_pins_runs_and_says_so(socsim):
    code, out, _ = socsim(*RUN, "--strategy", "heft", "--pin", "0=cpu_big", "--pin", "1=npu")
    assert code == 0
    assert "strategy heft for latency" in out


def test_the_document_holds_the_placement(socsim):
    code, out, _ = socsim(*RUN, "--strategy", "cp_sat", "--objective", "energy", "--deadline", "1 s", "--json", "-q")
    placement = json.loads(out)["placement"]
    assert code == 0
    assert (placement["strategy"], placement["objective"]) == ("cp_sat", "energy")
    assert placement["deadline_ps"] == 10**12
    assert 0 < placement["bound"] <= placement["expected_pj"]
    assert {row["unit"] for row in placement["alternatives"]} >= {"npu", "cpu_big", "gpu"}


def test_a_plain_run_has_no_placement_in_its_document(socsim):
    code, out, _ = socsim(*RUN, "--json", "-q")
    assert code == 0
    assert "placement" not in json.loads(out)


@pytest.mark.parametrize("strategy", ["priority", "heft"])
def test_a_deadline_that_cannot_be_met_ends_with_4(socsim, strategy):
    code, out, err = socsim(*RUN, "--strategy", strategy, "--deadline", "1us")
    assert (code, out) == (4, "")
    assert "demand" in err
    assert "gap" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strategy", "best"), "placement strategy 'best' is not known."),
        (("--objective", "energy"), "strategy 'priority' weighs no costs"),
        (("--pin", "0"), "--pin '0': write NAME=VALUE"),
        (("--pin", "0=npu", "--pin", "0=gpu"), "--pin 0: given twice"),
        (("--pin", "first=npu"), "there is no operator 'first'"),
    ],
)
def test_misuse_ends_with_2(socsim, options, message):
    code, out, err = socsim(*RUN, *options)
    assert (code, out) == (2, "")
    assert message in err


def test_names_of_operators_may_hold_equal_signs(socsim):
    code, _, err = socsim(*RUN, "--pin", "a=b=npu")
    assert code == 2
    assert "there is no operator 'a=b'" in err


def test_strategies_are_listed(socsim):
    code, out, _ = socsim("strategies")
    assert code == 0
    assert "maximal_subgraphs" in out
    code, out, _ = socsim("strategies", "--json")
    document = json.loads(out)
    assert document["schema_version"] == "socsim.strategies/1"
    assert {"heft", "cp_sat", "pipelined"} <= {row["name"] for row in document["rows"]}
