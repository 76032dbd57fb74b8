"""Peak operations, power and area of a design follow from the file and the technology table, by hand."""

from __future__ import annotations

import json

import pytest

import socsim as ss
from socsim.cost.energy import EnergyModel
from socsim.cost.work import Transfer
from socsim.errors import PlatformError
from socsim.soc.loader import load_platform
from socsim.soc.technology import technology


def rows(name):
    return {(row["name"], row["dtype"]): row for row in ss.design_points(name)}


def test_npu_figures_by_hand():
    """3 cores x 1024 MACs at 1 GHz; 31.5 fJ a MAC, 340 pJ a cycle and 100 mW static."""
    row = rows("rk3588")["npu", "int8"]
    assert row["operations_per_s"] == 2 * 3 * 1024 * 10**9
    assert row["watts"] == pytest.approx(3072e9 * 31.5e-15 + 3 * 340e-12 * 1e9 + 0.1)
    assert row["operations_per_joule"] == pytest.approx(row["operations_per_s"] / row["watts"])


def test_area_by_hand():
    """At 16 nm: multipliers for int8, or half as many for int16, and cells of 0.07 um2 that fill 70 % of the buffer."""
    buffer = load_platform("ethos-u55-256").unit("npu").buffer.value
    multipliers = max(256 * 419, 128 * 1265) * 0.21
    area = (multipliers + 8 * buffer * 0.07 / 0.7) / 10**6
    assert rows("ethos-u55-256")["npu", "int8"]["area_mm2"] == pytest.approx(area)


def test_area_of_cores_that_were_measured():
    """Four cores of 2.28 mm2, and the cells of 12 MiB of L2; the cache of the whole chip is nobody's."""
    node, row = technology("5 nm"), rows("apple-m1")["cpu_big", "float32"]
    assert row["area_mm2"] == pytest.approx(4 * 2.28 + 8 * 12 * 2**20 * node.sram_area / 10**6)
    assert row["reason"] is None
    little = rows("apple-m1")["cpu_little", "float32"]
    assert little["area_mm2"] is None
    assert little["reason"].startswith("not measured; no coefficients for a cpu")


def test_an_area_of_ones_own_counts_for_each_core():
    soc = load_platform("rk3588").with_({"units.npu.area": "1.5 mm2", "units.gpu.area": "2 mm2"})
    found = {row["name"]: row["area_mm2"] for row in ss.design_points(soc)}
    assert (found["npu"], found["gpu"]) == (4.5, 8.0)


def test_missing_figures_have_a_reason():
    for name in ("rk3588", "qcs6490", "stm32n657"):
        for row in ss.design_points(name):
            assert (row["reason"] is None) == _complete(row)


def _complete(row):
    return all(row[figure] is not None for figure in ("operations_per_s", "watts", "operations_per_joule", "area_mm2"))


def test_a_lower_clock_and_voltage_are_more_efficient():
    fast, slow = (
        next(r for r in ss.design_points("rk3588", opp={"npu": opp}) if (r["name"], r["dtype"]) == ("npu", "int8"))
        for opp in ("1000MHz", "700MHz")
    )
    assert slow["operations_per_s"] == fast["operations_per_s"] * 7 // 10
    assert slow["operations_per_joule"] > fast["operations_per_joule"]
    assert slow["area_mm2"] == fast["area_mm2"]


def test_platforms_show_prints_them(socsim):
    assert "area at least" in socsim("platforms", "show", "rk3588")[1]
    shown = json.loads(socsim("platforms", "show", "rk3588", "--json")[1])["design_points"]
    assert shown == list(ss.design_points("rk3588"))


@pytest.mark.parametrize(("size", "published"), [(8192, 10), (32768, 20), (2**20, 100)])
def test_energy_of_sram_grows_as_published(size, published):
    """Horowitz, ISSCC 2014: picojoules of 64 bits at 45 nm."""
    assert technology("45 nm").sram_byte_at(size) * 8 / 10**6 == pytest.approx(published, rel=0.14)


def test_a_larger_sram_costs_more_for_each_byte():
    small, large = (
        EnergyModel(load_platform("stm32n657").with_({"memories.npu_ram.size": size})) for size in ("1 MiB", "4 MiB")
    )
    move = Transfer("npu_ram", 10**6, 0)
    assert large._memory_aj(move) == pytest.approx(2 * small._memory_aj(move), rel=1e-6)


def test_dram_without_a_figure_costs_what_its_standard_does():
    soc = load_platform("rk3588")
    bare = soc.with_({"memories.dram.energy": None})
    assert EnergyModel(bare)._memory_aj(Transfer("dram", 1, 0)) == technology("8 nm").off_chip["lpddr4x"]
    assert EnergyModel(soc)._memory_aj(Transfer("dram", 1, 0)) == soc.memories["dram"].read_aj_per_byte


def test_every_dram_standard_has_an_energy():
    from typing import get_args

    from socsim.soc.dram import DramStandard

    assert {*get_args(DramStandard), "flash", "psram"} == set(technology("45 nm").off_chip)


@pytest.mark.parametrize("finer", [("45 nm", "28 nm"), ("28 nm", "16 nm"), ("16 nm", "7 nm"), ("7 nm", "5 nm")])
def test_finer_nodes_cost_less(finer):
    coarse, fine = map(technology, finer)
    assert fine.mac["int8"] < coarse.mac["int8"]
    assert fine.mac_area["int8"] < coarse.mac_area["int8"]
    assert fine.sram_area < coarse.sram_area


def test_a_node_beyond_the_table_is_refused():
    with pytest.raises(PlatformError, match="coarser than the technology table, which ends at 90 nm"):
        technology("130 nm")
