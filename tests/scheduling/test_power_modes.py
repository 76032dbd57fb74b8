"""Do power modes limit what they name, and are Jetson's those of the published tables?"""

from __future__ import annotations

import csv
import re
from collections import defaultdict

import pytest
from bench_control import MS, BenchControl, S

import socsim as ss
from socsim.engine.online.power.manager import PlatformPower
from socsim.engine.online.power.settings import PowerSettings
from socsim.errors import PlatformError, UnsupportedOperatorError, UsageError
from socsim.inputs import as_platform
from socsim.pipeline import Options, run_graph
from socsim.soc.loader import load_platform, platform_names
from socsim.workload.zoo import load_model

DEVICES = {
    "orin-agx": "Jetson AGX Orin 32GB devkit module",  # the developer kit has the 64 GB module's units
    "orin-nx": "Jetson Orin NX 16GB",
    "orin-nano": "Jetson Orin Nano 8GB",
}
WITH_MODES = [name for name in platform_names() if load_platform(name).file.modes]


@pytest.fixture(scope="module")
def published(shared):
    """Limits by device and mode: cores on line, TPCs on, greatest frequencies in MHz; -1 and 0 mean none."""
    path = shared / "measurements" / "raw" / "jetson_power_modes.csv"
    limits = defaultdict(lambda: defaultdict(dict))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            mode = re.match(r"mode \d+ (\S+);", row["conditions"])[1].removeprefix("MODE_")
            of = limits[row["device"]][mode]
            if "CPU_ONLINE" in row["model"]:
                of["cores"] = of.get("cores", 0) + int(row["value"])
            elif "TPC_PG_MASK" in row["model"]:
                of["gated"] = int(row["value"]).bit_count()
            elif "MAX_FREQ" in row["model"]:
                of[row["model"].split()[0]] = float(row["value"])
    return limits


def test_each_jetson_has_the_modes_that_are_published(published):
    for name, device in DEVICES.items():
        assert set(load_platform(name).file.modes) == set(published[device])


@pytest.mark.parametrize("name", DEVICES)
def test_every_limit_of_a_mode_is_the_published_one(published, name):
    soc = load_platform(name)
    full = published[DEVICES[name]]
    most_gated = min(of["gated"] for of in full.values())
    tpcs = soc.units["gpu"].compute_units // 2 + most_gated
    for mode, of in full.items():
        limited = soc.in_mode(mode)
        assert limited.units["cpu"].cores == of["cores"]
        assert limited.units["gpu"].compute_units == 2 * (tpcs - of["gated"])
        for clock, key in (("cpu", "CPU_A78_0"), ("gpu", "GPU"), ("dla", "DLA0_CORE")):
            if clock in soc.file.clocks:
                wanted = of[key] * 1e6 if of[key] > 0 else soc.clock(clock).hz
                assert limited.clock(clock).hz == wanted, (mode, clock)
        transfers = 2e6 * of["EMC"] if of["EMC"] else soc.file.memories["dram"].data_rate.value
        assert limited.file.memories["dram"].data_rate.value == pytest.approx(transfers, rel=1e-4)


@pytest.mark.parametrize("name", WITH_MODES)
def test_the_mode_that_a_file_is_in_changes_nothing(name):
    soc = load_platform(name)
    assert soc.in_mode(soc.file.mode).overrides == soc.overrides
    assert soc.power_mode is soc.file.modes[soc.file.mode]


@pytest.mark.parametrize("name", WITH_MODES)
def test_less_power_is_never_faster(name):
    """A network on the GPU takes longer in each mode than in the one that allows the most."""
    soc, net = load_platform(name), load_model("mobilenet_v2")
    full = run_graph(net, soc, Options(unit="gpu")).latency_ps
    assert all(run_graph(net, soc.in_mode(mode), Options(unit="gpu")).latency_ps >= full for mode in soc.file.modes)


def test_clocks_are_governed_within_the_mode():
    soc = load_platform("orin-agx").in_mode("30W")
    power = PlatformPower(soc, ["gpu"], PowerSettings(has_heat=False))
    control = BenchControl(soc, power)
    control.release(0, "app", "gpu", 10**9, 100)
    control.finish(S)
    outcome = power.outcome()
    clock = next(c for c in outcome.clocks if c.name == "gpu")
    assert [point for point, _, _ in clock.points] == ["408MHz", "612MHz"]
    assert outcome.power_cap_nw == 30 * 10**9


def test_a_cap_of_a_scenario_goes_before_that_of_the_mode():
    soc = load_platform("orin-agx").in_mode("30W")
    power = PlatformPower(soc, ["gpu"], PowerSettings(cap_nw=10**10))
    BenchControl(soc, power).finish(MS)
    assert power.outcome().power_cap_nw == 10**10


def test_a_unit_that_a_mode_switches_off_is_gone():
    modes = {"eco": {"title": "no NPU", "units": {"npu": 0}}}
    soc = load_platform("rk3588").with_({"modes": modes}).in_mode("eco")
    assert "npu" not in soc.units
    assert soc.file.preference == ["cpu_big", "cpu_little"]
    assert "npu" not in soc.file.links["noc"].connects
    assert soc.overrides[-1] == "units.npu: switched off by mode eco"
    assert run_graph(load_model("mobilenet_v2"), soc, Options()).latency_ps > 0
    with pytest.raises((UsageError, UnsupportedOperatorError, PlatformError), match="npu"):
        run_graph(load_model("mobilenet_v2"), soc, Options(unit="npu"))


@pytest.mark.parametrize(("name", "unit"), [("rk3588", "npu"), ("orin-agx", "gpu")])
def test_a_unit_that_a_mode_switches_off_draws_nothing_any_more(name, unit):
    board = load_platform(name)
    domain = board.unit(unit).power
    modes = {**board.document.value.get("modes", {}), "eco": {"title": "less", "units": {unit: 0}}}
    soc = board.with_({"modes": modes}).in_mode("eco")
    power = PlatformPower(soc, ["cpu_big" if name == "rk3588" else "cpu"], PowerSettings())
    BenchControl(soc, power).finish(MS)
    assert domain in board.file.power_domains
    assert domain not in {row.name for row in power.outcome().domains}


def test_variants_and_operating_points_keep_the_mode():
    soc = load_platform("orin-agx").in_mode("15W")
    assert soc.with_({"units.cpu.thread_sync": "1 us"}).power_mode.title == soc.power_mode.title
    assert soc.at({"cpu": "2202MHz"}).mode == "15W"  # a point that is asked for by name goes beyond the mode


def test_an_unknown_mode_and_a_second_one_are_refused():
    soc = load_platform("orin-agx")
    with pytest.raises(PlatformError, match=r"^platform 'orin-agx' has no power mode '15'\. Did you mean '15W'"):
        soc.in_mode("15")
    with pytest.raises(PlatformError, match=r"^platform 'orin-agx' is in mode '15W' already; begin with the platform"):
        soc.in_mode("15W").in_mode("30W")
    with pytest.raises(PlatformError, match=r"^platform 'rk3588' has no power mode '15W'\. Its file lists none\.$"):
        load_platform("rk3588").in_mode("15W")
    assert as_platform("orin-agx", mode="30W").units["cpu"].cores == 8
    with pytest.raises(UsageError, match=r"^mode is 15; give the name of one of the platform's power modes"):
        as_platform("orin-agx", mode=15)


def test_a_run_takes_a_mode_and_says_so():
    full, limited = (ss.run("resnet50", "orin-agx", mode=mode).record for mode in (None, "15W"))
    assert limited.latency_ps > full.latency_ps
    assert full.platform_title.endswith("in MAXN mode")
    assert limited.platform_title.endswith(" in 15W mode")
    with pytest.raises(PlatformError, match=r"no power mode '1W'\. Did you mean '15W'"):
        ss.run("resnet50", "orin-agx", mode="1W")
