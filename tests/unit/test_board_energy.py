"""Does a board's energy follow from its fitted coefficients, from its own group's first, else its relatives'?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from socsim.accuracy import board_energy
from socsim.accuracy.board_energy import board_energy_j
from socsim.accuracy.cases import question
from socsim.accuracy.energy_books import EnergyBooks
from socsim.accuracy.predictions import predict
from socsim.accuracy.table import Measurement
from socsim.soc import board_energy as data
from socsim.soc.board_energy import BoardEnergyFile, board_coefficients, board_energy_file

ROW = Measurement(
    line=2, platform="bcm2711", unit="cpu", cluster="", cores=None, runtime="armnn-neon", runtime_version="",
    workload="mobilenet_v1_0.25_160", input_shape="1x3x160x160", precision="int8", batch=1,
    metric="energy_per_inference", value=23.5, unit_of_value="mJ", board="", recorded="",
)  # fmt: skip
BOOKS = EnergyBooks(
    latency_s=0.01, static_w=1.0, cycles_j=0.02, arithmetic_j=0.001, traffic_j=0.0005, macs=10**8, is_integer=True,
    is_microcontroller=False,
)  # fmt: skip
GROUP = {
    "platform": "bcm2711", "unit": "cpu", "runtime": "armnn-neon", "workloads": 4, "targets": 4, "static_w": 4.0,
    "cycles": 0.5, "integer_mac_pj": 30.0, "float_mac_pj": 60.0, "traffic": 2.0,
}  # fmt: skip
POOL = {
    "unit": "cpu", "groups": 2, "static": 1.5, "cycles": 0.5, "integer_mac": 10.0, "float_mac": 20.0, "traffic": 1.0
}  # fmt: skip


@pytest.fixture
def known(monkeypatch):
    """Replace what ships."""

    def use(groups, pools=(), idle=None):
        document = {
            "schema": "socsim.board-energy/1", "measurements": "t", "idle_w": idle or {}, "groups": groups,
            "pools": list(pools),
        }  # fmt: skip
        file = BoardEnergyFile.model_validate(document)
        monkeypatch.setattr(data, "board_energy_file", lambda: file)

    return use


@pytest.fixture(scope="module")
def case():
    return question(ROW).case


def test_energy_adds_up_by_hand(known, case):
    known([GROUP])
    assert board_energy_j(case, BOOKS, 0.02) == pytest.approx(4 * 0.02 + 0.5 * 0.02 + 30e-12 * 1e8 + 2 * 0.0005)
    floats = replace(BOOKS, is_integer=False)
    assert board_energy_j(case, floats, 0.02) == pytest.approx(4 * 0.02 + 0.5 * 0.02 + 60e-12 * 1e8 + 2 * 0.0005)


def test_the_own_runtime_comes_first_then_the_one_of_the_most_networks(known):
    other = GROUP | {"runtime": "ncnn", "workloads": 30, "static_w": 7.0}
    few = GROUP | {"runtime": "mnn", "workloads": 9, "static_w": 8.0}
    known([GROUP, few, other])
    own = board_coefficients("bcm2711", "cpu", "", "armnn-neon")
    assert (own.static_w, own.is_own) == (4.0, True)
    relative = board_coefficients("bcm2711", "cpu", "", "tflite-ruy")
    assert (relative.static_w, relative.is_own) == (7.0, False)
    assert board_coefficients("bcm2711", "gpu", "", "armnn-neon") is None


def test_a_board_without_a_group_scales_its_idle_floor(known, case):
    known([], [POOL], {"bcm2711": 3.0})
    expected = 1.5 * 3.0 * 0.02 + 0.5 * 0.02 + 10 * 0.001 + 0.0005
    assert board_energy_j(case, BOOKS, 0.02) == pytest.approx(expected)
    known([], [POOL], {"rk3588": 3.0})
    assert board_energy_j(case, BOOKS, 0.02) is None


def test_predictions_of_energy_and_power_are_of_the_board_and_latency_stays(monkeypatch, case):
    with_board = predict([case])[case]
    monkeypatch.setattr(board_energy, "board_coefficients", lambda *_: None)
    chip = predict([case])[case]
    assert (chip.board_pj, with_board.latency_ps) == (None, chip.latency_ps)
    assert with_board.value("latency", 1) == chip.value("latency", 1)
    for metric in ("energy_per_inference", "power"):
        assert with_board.value(metric, 1) > chip.value(metric, 1)
    joules = with_board.board_pj / 1e12
    assert with_board.value("energy_per_inference", 1) == pytest.approx(joules)
    assert with_board.value("power", 1) == pytest.approx(joules / (with_board.latency_ps / 1e12))


def test_energy_of_a_batch_is_that_of_its_inferences(case):
    four = replace(case, batch=4)
    found = predict([case, four])
    one, batch = found[case].board_pj, found[four].board_pj
    assert found[four].value("energy_per_inference", 4) == pytest.approx(batch / 4 / 1e12)
    assert one < batch <= 4 * one * 1.01


def test_uncalibrated_predictions_are_of_the_chip(case):
    assert predict([case], calibrated=False)[case].board_pj is None


def test_what_ships_has_no_faults_and_names_platforms_that_exist():
    from socsim.soc.library import platform_names

    file = board_energy_file()
    assert file is not None
    assert {g.platform for g in file.groups} | set(file.idle_w) <= set(platform_names())
    keys = [(g.platform, g.unit, g.cluster, g.runtime) for g in file.groups]
    assert len(keys) == len(set(keys))
    assert [p.unit for p in file.pools] == ["cpu"]
