"""What goes with a measured energy: the clock its source names, the latency beside it, its board's floor, the books."""

from __future__ import annotations

from dataclasses import replace

import pytest

import socsim as ss
from socsim.accuracy.cases import question
from socsim.accuracy.energy_books import is_microcontroller
from socsim.accuracy.table import Measurement
from socsim.calibration.energy_books import book, clocked
from socsim.calibration.energy_targets import energy_groups
from socsim.calibration.power_tables import IdleFloors
from socsim.pipeline import Options, run_graph

ENERGY = Measurement(
    line=2, platform="bcm2711", unit="cpu", cluster="", cores=None, runtime="armnn-neon", runtime_version="21.11",
    workload="mobilenet_v1_0.25_160", input_shape="1x3x160x160", precision="int8", batch=1,
    metric="energy_per_inference", value=23.5, unit_of_value="mJ", board="pi", recorded="",
    conditions="Arm Cortex-A72 r0p3 x4 1800 MHz; wall power", source_repo="results/v2",
)  # fmt: skip
POWER = replace(ENERGY, line=3, metric="power", value=4.9, unit_of_value="W")
LATENCY = replace(ENERGY, line=4, metric="latency", value=4.8, unit_of_value="ms")
FLOORS = IdleFloors({("bcm2711", "results/v2"): 2.84, ("bcm2711", "results/v1"): 3.9})


@pytest.fixture(scope="module")
def case():
    return question(ENERGY).case


def targets(*rows, floors=FLOORS, latencies=None):
    return [target for group in energy_groups(rows, floors, latencies) for target in group.targets]


@pytest.mark.parametrize(("conditions", "opps"), [
    ("x4 1800 MHz", (("cpu", "1800MHz"),)), ("MP4 x4 1500 MHz", ()), ("A72 @ 1000MHz", (("cpu", "1000MHz"),)),
    ("bus 400 MHz, cpu 1800.1 MHz", (("cpu", "1800MHz"),)), ("at 1700 MHz", ()), ("", ()),
])  # fmt: skip
def test_the_clock_that_a_source_names_is_the_operating_point(case, conditions, opps):
    assert clocked(case, conditions).opps == opps


def test_books_are_those_of_a_run_at_that_clock(case):
    one = clocked(case, ENERGY.conditions)
    books = book([one])[one]
    soc = ss.platform("bcm2711").at({"cpu": "1800MHz"})
    options = Options(runtime=case.runtime, unit="cpu", precision="int8")
    record = run_graph(ss.load("mobilenet_v1_0.25_160"), soc, options)
    assert books.latency_s == pytest.approx(record.latency_ps / 1e12)
    total = books.cycles_j + books.arithmetic_j + books.traffic_j + books.static_w * books.latency_s
    assert total == pytest.approx(record.energy_pj / 1e12)
    assert min(books.cycles_j, books.arithmetic_j, books.traffic_j, books.static_w) > 0
    assert books.is_integer
    assert not books.is_microcontroller


def test_books_of_a_batch_are_those_of_one_inference(case):
    one, eight = (clocked(replace(case, batch=n), "") for n in (1, 8))
    books = book([one, eight])
    assert books[eight].macs == books[one].macs
    assert books[eight].arithmetic_j == pytest.approx(books[one].arithmetic_j, rel=0.05)
    assert books[eight].static_w == pytest.approx(books[one].static_w, rel=0.01)


def test_chips_without_dram_are_microcontrollers():
    assert is_microcontroller("stm32l4r5")
    assert not is_microcontroller("bcm2711")


def test_the_latency_beside_an_energy_is_that_of_its_board_software_and_source():
    others = [
        replace(LATENCY, line=5, value=9.0, board="other"),
        replace(LATENCY, line=6, value=9.0, source_repo="results/v1"),
        replace(LATENCY, line=7, value=9.0, precision="fp32"),
    ]
    (found,) = targets(ENERGY, LATENCY, *others)
    assert found.measured_s == pytest.approx(4.8e-3)
    (alone,) = targets(ENERGY, *others)
    assert alone.measured_s is None


def test_throughput_stands_for_latency_too():
    (found,) = targets(ENERGY, replace(LATENCY, metric="throughput", value=200.0, unit_of_value="FPS"))
    assert found.measured_s == pytest.approx(5e-3)


def test_power_counts_above_the_floor_of_its_source():
    (found,) = targets(POWER)
    assert (found.value, found.floor_w) == (pytest.approx(4.9 - 2.84), 2.84)
    (other,) = targets(replace(POWER, source_repo="results/v1"))
    assert other.value == pytest.approx(4.9 - 3.9)


@pytest.mark.parametrize(("row", "floors", "words"), [
    (POWER, IdleFloors({}), "no idle power of the board"),
    (replace(POWER, value=2.0), FLOORS, "not above the 2.84 W"),
    (replace(ENERGY, batch=None), FLOORS, "how many inferences"),
])  # fmt: skip
def test_what_cannot_be_judged_says_why(row, floors, words):
    (group,) = energy_groups([row], floors)
    assert group.targets == ()
    assert words in group.refusals[0].reason


def test_latencies_from_elsewhere_take_the_place_of_the_models():
    (found,) = targets(ENERGY, LATENCY, replace(LATENCY, line=5, board="other"), latencies={4: 0.25, 5: 9.0})
    assert found.predicted_s == 0.25
    assert found.measured_s == pytest.approx(4.8e-3)
    (usual,) = targets(ENERGY, LATENCY)
    assert usual.predicted_s == usual.books.latency_s


def test_repeats_are_one_target_whatever_their_order():
    repeats = [replace(ENERGY, line=2, board="b"), replace(ENERGY, line=3, board="a", conditions="x4 1500 MHz")]
    first, second = targets(*repeats), targets(*reversed(repeats))
    assert len(first) == 1
    assert first[0].books == second[0].books
    assert first[0].value == second[0].value
