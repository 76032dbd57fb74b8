"""Do fits find the parameters that made the times, leave out what they say, and stay within their means?"""

from __future__ import annotations

import numpy as np
import pytest

from socsim.accuracy.anatomy import Anatomy
from socsim.accuracy.groups import GroupKey
from socsim.calibration.baseline import fit_additive
from socsim.calibration.baseline import left_out as additive_left_out
from socsim.calibration.crossing import carried_over, left_out, own_parameters, pool_of_groups
from socsim.calibration.relatives import expected, nearest
from socsim.calibration.samples import Sample, SampleGroup
from socsim.calibration.scores import mean_error
from socsim.cost.corrections import parameters
from socsim.cost.families import KernelClass

PARAMETERS = parameters("npu")
NAMES = [p.name for p in PARAMETERS]
CLASSES = tuple(
    KernelClass(family, "int8", at_home)
    for family in ("conv3x3", "pointwise", "depthwise", "arithmetic", "movement")
    for at_home in (True, False)
)
US = 1e6


def anatomy(rng) -> Anatomy:
    steps = 30
    return Anatomy(
        classes=CLASSES,
        step_class=rng.integers(len(CLASSES), size=steps).astype(np.int32),
        compute_ps=rng.uniform(1, 100, steps) * US,
        port_ps=rng.uniform(0, 60, steps) * US,
        shared_ps=rng.uniform(0, 40, steps) * US,
        operators=float(rng.integers(5, 60)),
        submissions=1.0,
        setup_ps=float(rng.uniform(1, 20) * US),
        fixed_ps=float(rng.uniform(0, 5) * US),
        width="int8",
        cores=1,
        totals=rng.uniform(1, 100, 6),
    )


def made_group(rng, truth, *, platform="a", workloads=12, noise=0.0, design="") -> SampleGroup:
    """Return a group whose times follow parameters, in the scale of the fit."""
    drawn = [Sample(f"net{i}", f"family{i // 2}", anatomy(rng), 1.0, (i + 2,)) for i in range(workloads)]
    key = GroupKey(platform, "npu", "", "rknn", "latency")
    times, _ = SampleGroup(key, "npu", drawn, PARAMETERS).times(truth)
    times = times * np.exp(rng.normal(0, noise, workloads))
    samples = [Sample(s.workload, s.family, s.anatomy, float(t), s.lines) for s, t in zip(drawn, times, strict=True)]
    return SampleGroup(key, "npu", samples, PARAMETERS, design=design)


def start(**changes) -> np.ndarray:
    values = np.array([p.start for p in PARAMETERS])
    for name, value in changes.items():
        values[NAMES.index(name)] += value
    return values


def test_slopes_are_those_of_the_times():
    rng = np.random.default_rng(0)
    group = made_group(rng, start())
    at = start() + rng.normal(0, 0.3, len(PARAMETERS))
    times, slopes = group.times(at)
    for index in range(len(PARAMETERS)):
        moved = at.copy()
        moved[index] += 1e-6
        numeric = (np.log(group.times(moved)[0]) - np.log(times)) / 1e-6
        assert slopes[:, index] == pytest.approx(numeric, abs=1e-4)


def test_a_pool_finds_what_made_its_times():
    rng = np.random.default_rng(1)
    truths = {"a": start(dense=0.6, operator=1.0), "b": start(dense=0.1, operator=0.3), "c": start(dense=-0.4)}
    groups = [made_group(rng, truth, platform=name, workloads=20) for name, truth in truths.items()]
    fit = pool_of_groups(groups).fit()
    pool = pool_of_groups(groups)
    for index, group in enumerate(groups):
        times, _ = group.times(fit.of_group(index, pool.free))
        assert times == pytest.approx(group.measured, rel=0.05)


def test_one_figure_far_off_hardly_pulls():
    truth = start(dense=0.5)
    group = made_group(np.random.default_rng(2), truth, workloads=20)
    clean = pool_of_groups([group]).fit()
    group.measured[3] *= 30
    pool = pool_of_groups([group])
    times, _ = group.times(pool.fit().of_group(0, pool.free))
    others = np.arange(20) != 3
    unhurt, _ = group.times(clean.of_group(0, pool.free))
    assert times[others] == pytest.approx(unhurt[others], rel=0.15)


@pytest.mark.parametrize("which", ["workloads", "families"])
def test_what_is_left_out_is_never_seen(which):
    """A network's figures on any chip change nothing of what is predicted for it."""

    def predicted(factor):
        rng = np.random.default_rng(3)
        groups = [made_group(rng, start(dense=d), platform=name, noise=0.1) for name, d in (("a", 0.3), ("b", -0.2))]
        for group in groups:
            group.measured[getattr(group, which) == getattr(group, which)[4]] *= factor
        pool = pool_of_groups(groups)
        folds = [getattr(group, which) for group in groups]
        return [times[folds[0] == folds[0][4]] for times in left_out(pool, pool.fit(), folds)]

    for one, other in zip(predicted(1.0), predicted(1.5), strict=True):
        assert one == pytest.approx(other, rel=0.03)  # fits that start elsewhere stop within their tolerance


def test_a_platform_that_is_left_out_is_never_seen():
    def predicted(factor):
        rng = np.random.default_rng(4)
        groups = [made_group(rng, start(dense=0.3), platform=name, noise=0.1) for name in "abc"]
        groups[0].measured *= factor
        pool = pool_of_groups(groups)
        return carried_over(pool, pool.fit())[0]

    assert predicted(1.0) == pytest.approx(predicted(1.6), rel=0.03)


def test_the_order_of_groups_does_not_matter():
    rng = np.random.default_rng(5)
    groups = [
        made_group(rng, start(dense=d), platform=name, noise=0.1) for d, name in zip((0, 0.5, 1), "abc", strict=True)
    ]
    fits = [pool_of_groups(order).fit() for order in (groups, groups[::-1])]
    assert fits[0].shared == pytest.approx(fits[1].shared, abs=0.02)


@pytest.mark.parametrize(("workloads", "own"), [(1, 0), (2, 0), (3, 1), (5, 1), (7, 2), (8, 6), (99, 6)])
def test_a_group_has_at_most_six_parameters_and_a_third_of_its_networks_below_eight(workloads, own):
    assert own_parameters(workloads) == own
    group = made_group(np.random.default_rng(6), start(dense=1.0, vector=1.0), workloads=workloads)
    pool = pool_of_groups([group])
    assert np.count_nonzero(pool.fit().own[0]) <= own


def test_held_parameters_do_not_move():
    held = start(pointwise=0.7)
    group = made_group(np.random.default_rng(7), start(dense=0.5))
    fit = pool_of_groups([group], held).fit()
    assert fit.shared == pytest.approx(held, abs=1e-3)
    assert np.any(fit.own[0] != 0)


def test_parameters_stay_within_their_bounds():
    group = made_group(np.random.default_rng(8), start(), workloads=12)
    group.measured *= 1e4
    fit = pool_of_groups([group]).fit()
    for value, parameter in zip(fit.shared, PARAMETERS, strict=True):
        assert parameter.low * 0.999 <= parameter.value(float(value)) <= parameter.high * 1.001


def test_relatives_count_by_how_near_their_design_is():
    own = [np.array([0.0]), np.array([1.0]), np.array([4.0])]
    table = expected(own, ["arm/big/a76", "arm/big/a78", "intel/atom"])
    mean = 5 / 3
    arm = mean + 2 / 3 * (0.5 - mean)
    assert table[""] == pytest.approx([mean])
    assert table["arm"] == pytest.approx([arm])
    assert nearest(table, "arm/big/a76")[0] < nearest(table, "arm/big/x9")[0] < nearest(table, "intel/atom")[0]
    assert nearest(table, "riscv/c910") == pytest.approx([mean])
    assert nearest(table, "") == pytest.approx([mean])


def test_the_baseline_is_a_sum_that_never_subtracts():
    totals = np.random.default_rng(9).uniform(1, 10, (12, 3))
    truth = np.array([2.0, 0.0, 0.5])
    assert fit_additive(totals, totals @ truth) == pytest.approx(truth, abs=1e-6)
    rest = additive_left_out(totals, totals @ truth, np.array([f"n{i}" for i in range(12)]))
    assert rest == pytest.approx(totals @ truth, rel=1e-6)
    assert np.isnan(additive_left_out(totals[:1], np.array([1.0]), np.array(["only"]))).all()


def test_anatomies_of_shares_add_up():
    whole = anatomy(np.random.default_rng(10))
    parts = [whole.part(share) for share in (0.25, 0.75)]
    for name in ("compute_ps", "port_ps", "shared_ps", "operators", "setup_ps", "fixed_ps"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(getattr(whole, name))


def test_every_parameter_says_what_it_means():
    for kind in ("cpu", "npu"):
        for parameter in parameters(kind):
            assert parameter.meaning
            assert parameter.low < parameter.prior < parameter.high
        assert sum(p.of_group > 0 for p in parameters(kind)) == 6


@pytest.mark.parametrize(("metric", "error"), [("latency", 1.0), ("throughput", 0.5)])
def test_errors_are_those_of_what_was_measured(metric, error):
    """Twice the time is half the rate."""
    assert mean_error(np.array([2.0, 6.0]), np.array([1.0, 3.0]), metric) == pytest.approx(error)
