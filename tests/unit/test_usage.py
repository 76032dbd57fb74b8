"""A platform field that nothing reads is found, and a change that has no part in a run is said."""

from __future__ import annotations

import json

import pytest
from small_world import Net, one_conv, small_soc

import socsim as ss
from socsim.cost.npu import NpuModel
from socsim.cost.work import Phase, Transfer, Work
from socsim.pipeline import Options, run_graph
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.usage import DESCRIPTIVE, watched
from socsim.testing.coverage import unread_fields


@pytest.fixture
def soc(tmp_path):
    return small_soc(tmp_path)


SOME = ("ethos-u65-256", "qcs6490", "rk3588", "stm32n657")
ALL = [name if name in SOME else pytest.param(name, marks=pytest.mark.slow) for name in platform_names()]


@pytest.mark.parametrize("name", ALL)
def test_every_field_of_a_platform_is_read_or_has_a_reason(name):
    assert [field.path for field in unread_fields(load_platform(name)) if field.reason is None] == []


def test_a_field_that_no_model_reads_is_found(soc, monkeypatch):
    """A cost model that always answers the same asks nobody about the vector unit."""
    assert unread_fields(soc) == []
    phase = Phase("steady", 10**6, (Transfer("dram", 1000, 100),))
    constant = Work((phase,), 1, 0, 0, 10**6, 0, 0, 0, ("the same",), ())
    monkeypatch.setattr(NpuModel, "work", lambda *_: constant)
    found = {field.path for field in unread_fields(soc)}
    assert {"units.npu.vector", "units.npu.command", "units.npu.core_sync"} <= found
    assert "units.npu.port.width" not in found


def test_a_watched_platform_gives_the_same_run(soc):
    copy, usage = watched(soc)
    assert run_graph(one_conv(), copy, Options(unit="npu")) == run_graph(one_conv(), soc, Options(unit="npu"))
    assert usage.covers("units.npu.buffer")
    assert usage.covers("units.npu.array.unroll")
    assert not usage.covers("units.cpu.caches.L1.bandwidth")
    assert usage.covers("units.npu.array")


def warnings(soc, **options):
    return [w for w in run_graph(one_conv(), soc, Options(**options)).warnings if "was changed" in w]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("units.cpu.cores", 2, "nothing in this run uses cpu"),
        ("clocks.cpu.opps.only.clock", "500 MHz", "nothing in this run uses cpu"),
        ("units.npu.architecture", "another", "no model reads it: the name of the hardware"),
        ("power_domains.npu.states", [{"name": "off", "power": "0 mW"}], None),
        ("units.npu.buffer", "1 MiB", None),
        ("memories.dram.latency", "64 ns", None),
        ("links.bus.width", "64 bit", None),
    ],
)
def test_a_change_without_a_part_in_the_run_is_said(soc, path, value, reason):
    found = warnings(soc.with_({path: value}), unit="npu")
    assert [f"{path} was changed, but {reason}" in text for text in found] == [True] * (reason is not None)


def test_a_wake_up_that_no_run_waits_for_is_said(soc):
    states = soc.with_({"power_domains.npu.states": [{"name": "off", "power": "0 mW", "wake": "1 ms"}]})
    assert any("wake was changed" in w for w in warnings(states.with_({"power_domains.npu.states.off.wake": "2 ms"})))


def test_shipped_platforms_as_they_are_have_no_such_warning():
    for name in ("orin-nano-super", "ethos-u55-128", "rk3588"):
        assert warnings(load_platform(name)) == []


def test_changes_stay_with_an_operating_point(soc):
    assert soc.with_({"units.cpu.cores": 2}).at({"npu": "only"}).changed == ("units.cpu.cores",)


def test_what_is_descriptive_has_a_reason():
    assert all(reason for reason in DESCRIPTIVE.values())


@pytest.mark.parametrize("change", ["compute_cycles", "executed_macs"])
def test_a_wrong_cost_model_is_a_warning_of_the_run(soc, monkeypatch, change):
    from dataclasses import replace

    original = NpuModel.work

    def work(model, kernel):
        right = original(model, kernel)
        if change == "executed_macs":
            return replace(right, executed_macs=10**9)
        return replace(right, phases=tuple(replace(p, compute_cycles=0) for p in right.phases))

    monkeypatch.setattr(NpuModel, "work", work)
    net = Net()
    record = run_graph(net.graph(net.conv(net.conv(net.input(1, 8, 8, 8), 8), 8)), soc, Options(unit="npu"))
    assert any("operator 0 CONV_2D: the cost model of npu is wrong" in warning for warning in record.warnings)


def test_platforms_check_lists_fields_that_nobody_reads(socsim):
    code, out, _ = socsim("platforms", "check", "ethos-u65-256")
    assert code == 0
    assert "units.npu.vector" in out.split("read by no model")[1]
    rows = json.loads(socsim("platforms", "check", "ethos-u65-256", "--json")[1])["unread"]
    assert any(row["path"] == "units.npu.vector" for row in rows)
    assert all(row["reason"] for row in rows)


def test_public_changes_reach_the_run():
    run = ss.run("mlperf_tiny_kws", ss.platform("rk3588").with_({"units.gpu.cache": "2 MiB"}))
    assert any("units.gpu.cache was changed, but nothing in this run uses gpu" in w for w in run.record.warnings)
