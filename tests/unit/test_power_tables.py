"""Are tables of idle boards and busy cores read, and refused with all faults at once?"""

from __future__ import annotations

import pytest

from socsim.calibration.busy_cores import busy_points
from socsim.calibration.power_tables import BusyCores, read_busy_cores, read_idle_floors
from socsim.cost.energy import EnergyModel
from socsim.errors import MeasurementError
from socsim.soc.loader import load_platform

FLOORS = "platform,value,unit_of_value,source_repo\n"
BUSY = "platform,cluster,cores,clock_mhz,value,unit_of_value,board,meter\n"


def written(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_floor_is_that_of_its_source_else_the_platforms_median(tmp_path):
    rows = "bcm2711,2.8,W,a/x\nbcm2711,3000,mW,a/x\nbcm2711,4,W,a/y\n"
    floors = read_idle_floors(written(tmp_path, FLOORS + rows))
    assert floors.of("bcm2711", "a/x") == pytest.approx(2.9)
    assert floors.of("bcm2711", "a/z") == pytest.approx(3.45)
    assert floors.of("rk3588", "a/x") is None


def test_all_faults_of_a_table_are_listed(tmp_path):
    path = written(tmp_path, FLOORS + "nowhere,2.8,W,a\nbcm2711,-1,hours,a\n")
    with pytest.raises(MeasurementError) as caught:
        read_idle_floors(path)
    for words in ("3 faults", "row 1: platform", "row 2: unit_of_value", "row 2: value"):
        assert words in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [
    ("platform,value\n", "column 'unit_of_value' is missing"),
    (BUSY + "sm8150,big,none,710,1,W,b,battery\n", "cores"),
    (BUSY + "sm8150,big,1,fast,1,W,b,battery\n", "clock_mhz"),
    (BUSY + 'sm8150,big,"1\n', "is not CSV"),
])  # fmt: skip
def test_what_is_no_table_of_busy_cores_is_refused(tmp_path, text, words):
    with pytest.raises(MeasurementError, match=words):
        read_busy_cores(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MeasurementError, match="cannot be read"):
        read_idle_floors(tmp_path / "none.csv")


def busy(cluster, cores, mhz, watts, **changes):
    values = {"platform": "sm8150", "board": "b", "meter": "battery"} | changes
    return BusyCores(cluster=cluster, cores=cores, clock_hz=mhz and mhz * 1e6, watts=watts, **values)


def test_a_busy_core_draws_its_cycles_and_its_domain_by_hand():
    """349 pJ a cycle and 150 mW at 2419 MHz and 1 V; 756 mV at 710 MHz."""
    fast, slow = busy_points([busy("big", 1, 2419, 0.9), busy("big", 1, 711, 0.1)])[::-1]
    assert fast.predicted_w == pytest.approx(0.349 * 2.419 + 0.15, rel=1e-3)
    assert slow.predicted_w == pytest.approx((0.349 * 0.710 + 0.15) * 0.756**2, rel=1e-3)
    assert slow.clock_hz == 710_000_000
    assert fast.error == pytest.approx(fast.predicted_w / 0.9 - 1)


def test_repeats_count_once_with_their_median():
    (point,) = busy_points([busy("big", 1, 2419, watts, board=str(watts)) for watts in (0.8, 0.9, 1.3)])
    assert (point.measured_w, point.boards) == (0.9, 3)
    assert point.spread == pytest.approx(1.3 / 0.9 - 1)


def test_all_cores_are_those_of_every_cluster():
    (point,) = busy_points([busy("all", 8, None, 4.0, meter="wall")])
    soc = load_platform("sm8150")
    cores = 4 * (EnergyModel(soc).busy_nw("cpu_big") + EnergyModel(soc).busy_nw("cpu_little")) / 1e9
    assert point.predicted_w == pytest.approx(cores + 0.2)


@pytest.mark.parametrize("row", [busy("huge", 1, 710, 1.0), busy("big", 1, 750, 1.0), busy("all", 6, None, 1.0)])
def test_cores_and_clocks_that_a_platform_lacks_are_left_out(row):
    assert busy_points([row]) == ()
