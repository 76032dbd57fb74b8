"""Does energy follow work, voltage, time and what is awake?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from socsim.cost.energy import EnergyModel
from socsim.cost.work import Transfer, Work
from socsim.soc.loader import load_platform

WORK = Work((), 10**6, 10**5, 10**4, 10**5, 0, 0, 0, (), ())


@pytest.fixture(scope="module")
def soc():
    return load_platform("rk3588")


def test_work_adds_up_by_hand(soc):
    """A76 at its fastest point: 349 pJ a busy cycle, the rest from the 8 nm technology."""
    model = EnergyModel(soc)
    node = model._technology
    wanted = 10**6 * node.mac["int8"] + 10**5 * node.vector_op + 10**4 * node.local_byte + 10**5 * 349 * 10**6
    assert model.task("cpu_big", "int8", WORK, []).unit == round(wanted / 10**6)


def test_energy_of_work_falls_with_the_square_of_the_voltage(soc):
    fast = EnergyModel(soc).task("npu", "int8", WORK, []).unit
    slow = EnergyModel(soc.at({"npu": "600MHz"})).task("npu", "int8", WORK, []).unit
    assert slow / fast == pytest.approx((700 / 850) ** 2, rel=1e-6)


def test_static_power_falls_with_the_voltage_too(soc):
    fast = dict(EnergyModel(soc).static(["npu"], 10**12))["npu"]
    slow = dict(EnergyModel(soc.at({"npu": "300MHz"})).static(["npu"], 10**12))["npu"]
    assert slow / fast == pytest.approx((700 / 850) ** 2, rel=1e-6)


def test_bytes_cost_what_their_memory_and_the_links_on_the_way_say(soc):
    model = EnergyModel(soc)
    task = model.task("npu", "int8", replace(WORK, executed_macs=0), [Transfer("dram", 1000, 500)])
    read = soc.memories["dram"].read_aj_per_byte
    write = soc.memories["dram"].write_aj_per_byte
    assert task.memories == (("dram", round((1000 * read + 500 * write) / 10**6)),)
    assert [name for name, _ in task.links] == list(soc.path("npu", "dram"))


def test_a_hub_alone_leaves_the_rest_of_the_chip_asleep():
    soc = load_platform("qcs6490")
    hub = dict(EnergyModel(soc).static(["sensing_hub"], 10**12))
    npu = dict(EnergyModel(soc).static(["npu"], 10**12))
    assert hub["dram"] < npu["dram"] / 5
    assert hub["soc"] < npu["soc"] / 5
    assert hub["hub"] > npu["hub"]


def test_parts_of_one_name_are_booked_apart(soc):
    """A domain and a memory may share a name; neither hides the other."""
    same = soc.with_({"power_domains.dram": {"static": "5 W"}})
    rows = EnergyModel(same).static(["npu"], 10**12)
    assert [name for name, _ in rows].count("dram") == 2


def test_another_voltage_at_an_operating_point_changes_work_and_static_power(soc):
    """The figures keep the voltage that they were given at, so that undervolting shows."""
    low = soc.with_({"clocks.npu.opps.1000MHz.voltage": "425 mV"})
    for before, after in (
        (EnergyModel(soc).task("npu", "int8", WORK, []).unit, EnergyModel(low).task("npu", "int8", WORK, []).unit),
        (dict(EnergyModel(soc).static(["npu"], 10**12))["npu"], dict(EnergyModel(low).static(["npu"], 10**12))["npu"]),
    ):
        assert after / before == pytest.approx(1 / 4, rel=1e-6)
