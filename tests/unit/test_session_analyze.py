"""`analyze` takes the options of `run` that decide units and ceilings."""

from __future__ import annotations

import json

import pytest

import socsim as ss
from socsim import cli
from socsim.errors import UsageError

NETWORK = "mlperf_tiny_kws"


def ceilings(**options):
    return {(c.unit, c.dtype): c for c in ss.analyze(NETWORK, "rk3588", **options).record.ceilings}


def test_a_cluster_is_chosen_as_for_a_run() -> None:
    assert {unit for unit, _ in ceilings(unit="cpu", cluster="little")} == {"cpu_little"}
    with pytest.raises(UsageError, match="huge"):
        ss.analyze(NETWORK, "rk3588", unit="cpu", cluster="huge")


def test_peaks_grow_with_the_cores() -> None:
    one, two = (ceilings(unit="npu", cores=n)["npu", "int8"] for n in (1, 2))
    assert two.operations_per_s == 2 * one.operations_per_s
    with pytest.raises(UsageError, match="cores 9"):
        ss.analyze(NETWORK, "rk3588", unit="npu", cores=9)


def test_peaks_follow_the_clock() -> None:
    fast, slow = (ceilings(opp={"npu": name})["npu", "int8"] for name in ("1000MHz", "500MHz"))
    assert fast.operations_per_s == 2 * slow.operations_per_s


def test_the_command_line_has_the_same_options(monkeypatch, capsys) -> None:
    options = "--unit cpu --cluster little --cores 2 --opp cpu_little=1200MHz --json"
    monkeypatch.setattr("sys.argv", ["socsim", "analyze", NETWORK, "-p", "rk3588", *options.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    units = {row["unit"] for row in json.loads(capsys.readouterr().out)["operators"]}
    assert units == {"cpu_little"}
