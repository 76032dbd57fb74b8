"""Do groups' models find the coefficients that made their energies, leave workloads out, and pool across platforms?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from socsim.accuracy.energy_books import EnergyBooks
from socsim.accuracy.groups import GroupKey
from socsim.accuracy.table import Measurement
from socsim.calibration.energy import EnergyGroupResult, EnergyRow, Estimate, _Fitter
from socsim.calibration.energy_model import fit_model, form_of, pool, seconds
from socsim.calibration.energy_targets import EnergyGroup, EnergyTarget

ROW = Measurement(
    line=2, platform="one", unit="cpu", cluster="", cores=4, runtime="r", runtime_version="", workload="a",
    input_shape="", precision="int8", batch=1, metric="energy_per_inference", value=1.0, unit_of_value="J",
    board="b", recorded="",
)  # fmt: skip
BOOKS = EnergyBooks(
    latency_s=0.01, static_w=1.0, cycles_j=0.02, arithmetic_j=0.001, traffic_j=0.0005, macs=10**8, is_integer=True,
    is_microcontroller=False,
)  # fmt: skip
TRUE = {"static": 1.5, "cycles": 0.8, "MAC": 30.0, "traffic": 1.0}


def target(number, *, platform="one", metric="energy_per_inference", is_integer=True, floor=2.0, scale=1.0):
    """A target whose value follows `TRUE`: work and time differ from workload to workload, in their own ways."""
    macs = 10**8 * (1 + number % 7)
    books = replace(
        BOOKS,
        cycles_j=0.01 * (1 + (number * 5) % 11),
        arithmetic_j=macs * 10e-12,
        traffic_j=0.0005 * (1 + number % 3),
        macs=macs,
        is_integer=is_integer,
    )
    time = 0.01 * (1 + (number * 3) % 5)
    row = replace(ROW, platform=platform, metric=metric, workload=f"w{number:02}")
    joules = (
        TRUE["static"] * floor * time
        + TRUE["cycles"] * books.cycles_j
        + TRUE["MAC"] * books.arithmetic_j
        + TRUE["traffic"] * books.traffic_j
    )
    value = joules if metric == "energy_per_inference" else joules / time - floor
    return EnergyTarget((row,), value * scale, floor, time, 2 * time, books)


def group(count, **changes) -> EnergyGroup:
    targets = tuple(target(n, **changes) for n in range(count))
    first = targets[0].rows[0]
    return EnergyGroup(GroupKey(first.platform, "cpu", "", "r", first.metric), targets, (), None)


def named(model):
    return dict(zip((p.name for p in model.form.parameters), model.fit.values, strict=True))


@pytest.mark.parametrize(("count", "names", "free"), [
    (3, ("running", "MAC"), 2), (4, ("running", "MAC"), 2), (5, ("running", "MAC"), 1), (8, ("running", "MAC"), 2),
    (9, ("static", "cycles", "integer MAC", "float MAC", "traffic"), 3),
    (12, ("static", "cycles", "integer MAC", "float MAC", "traffic"), 4),
    (30, ("static", "cycles", "integer MAC", "float MAC", "traffic"), 5),
])  # fmt: skip
def test_the_number_of_parameters_follows_that_of_workloads(count, names, free):
    form = form_of(group(count))
    assert tuple(p.name for p in form.parameters) == names
    assert form.free == free
    assert free <= 2 or free <= count / 3


def test_a_large_group_gives_its_coefficients_back():
    found = group(28)
    model = fit_model(form_of(found), found.targets, "measured")
    assert {name: named(model)[name] for name in ("static", "cycles", "integer MAC")} == pytest.approx(
        {"static": 1.5, "cycles": 0.8, "integer MAC": 30.0}, rel=0.05
    )
    assert named(model)["float MAC"] == 1.0  # no row decides it


def test_power_above_the_floor_counts_the_floor_once():
    found = group(28, metric="power")
    model = fit_model(form_of(found), found.targets, "measured")
    assert named(model)["static"] == pytest.approx(0.5, rel=0.05)
    one = found.targets[3]
    assert model.value(one, one.measured_s) == pytest.approx(one.value, rel=0.02)


def test_latencies_are_the_ones_that_were_asked_for():
    one = target(1)
    assert seconds(one, "measured") == one.measured_s
    assert seconds(one, "predicted") == 2 * one.measured_s
    assert seconds(replace(one, measured_s=None), "measured") == one.predicted_s


def test_what_is_left_out_has_no_part_in_its_own_prediction():
    found = group(28)
    wild = replace(
        found, targets=tuple(replace(t, value=t.value * 7) if t.workload == "w05" else t for t in found.targets)
    )
    calm, upset = (_Fitter([g]).estimate(g, g.targets[5], "measured") for g in (found, wild))
    assert calm == upset


def test_a_workload_left_out_is_left_out_of_the_platforms_that_priors_come_from():
    here, there = group(4), group(28, platform="two")
    wild = replace(
        there, targets=tuple(replace(t, value=t.value * 7) if t.workload == "w01" else t for t in there.targets)
    )
    calm, upset = (_Fitter([here, g]).estimate(here, here.targets[1], "measured") for g in (there, wild))
    assert calm == upset


def test_other_platforms_decide_what_transfers():
    here, there = group(28), group(28, platform="two")
    fitter = _Fitter([here, there])
    estimate = fitter.estimate(here, here.targets[2], "measured")
    assert estimate.transfer == pytest.approx(here.targets[2].value, rel=0.05)
    alone = _Fitter([here]).estimate(here, here.targets[2], "measured")
    assert abs(alone.transfer / here.targets[2].value - 1) > 0.1


def test_microcontrollers_and_other_units_are_not_pooled():
    here, there = group(28), group(28, platform="two")
    small = replace(
        there, targets=tuple(replace(t, books=replace(t.books, is_microcontroller=True)) for t in there.targets)
    )
    other = replace(there, key=there.key._replace(unit="gpu"))
    alone = _Fitter([here]).estimate(here, here.targets[2], "measured")
    for unrelated in (small, other):
        assert _Fitter([here, unrelated]).estimate(here, here.targets[2], "measured") == alone


def test_pools_hold_what_rows_decide():
    found = group(28)
    assert set(pool([(fit_model(form_of(found), found.targets, "measured"), found.targets)])) == {
        "static", "cycles", "integer MAC", "traffic"
    }  # fmt: skip


def test_constant_power_is_the_median_of_the_other_workloads():
    found = group(4)
    powers = sorted(t.value / t.measured_s for t in found.targets[1:])
    estimate = _Fitter([found]).estimate(found, found.targets[0], "measured")
    assert estimate.baseline == pytest.approx(powers[1] * found.targets[0].measured_s)


def test_a_single_workload_has_no_model_of_its_own():
    found = group(1)
    estimate = _Fitter([found]).estimate(found, found.targets[0], "measured")
    assert (estimate.model, estimate.baseline) == (None, None)
    assert estimate.transfer > 0


def test_scores_are_means_of_the_sizes_of_errors():
    rows = tuple(
        EnergyRow(t, {time: Estimate(1.0, t.value * f, t.value * 2, t.value) for time in ("measured", "predicted")})
        for t, f in zip(group(2).targets, (1.1, 0.7), strict=True)
    )
    score = EnergyGroupResult(group(2).key, rows, (), 2, None, ()).scores["measured"]
    assert (score.mape, score.baseline_mape, score.transfer_mape) == pytest.approx((0.2, 1.0, 0.0))
    assert score.improvement == pytest.approx(0.8)
