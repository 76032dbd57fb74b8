"""Groups, repeats and scores: what is compared with what, checked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from socsim.accuracy.groups import groups
from socsim.accuracy.scores import percentile, score, spearman
from socsim.accuracy.table import Measurement

ROW = Measurement(
    line=2, platform="rk3588", unit="cpu", cluster="big", cores=4, runtime="ncnn", runtime_version="", workload="a",
    input_shape="1x3x224x224", precision="fp16", batch=1, metric="latency", value=10.0, unit_of_value="ms",
    board="one", recorded="2024",
)  # fmt: skip


def rows(*changes) -> list[Measurement]:
    return [replace(ROW, line=2 + n, **change) for n, change in enumerate(changes)]


def test_boards_versions_cores_and_precisions_stand_in_one_group() -> None:
    found = groups(rows({}, {"board": "two"}, {"cores": 1}, {"precision": "int8"}, {"runtime_version": "2"}))
    assert len(found) == 1
    assert len(found[0].targets) == 3  # four cores fp16, one core, int8


@pytest.mark.parametrize("change", [{"unit": "gpu"}, {"cluster": "little"}, {"runtime": "mnn"}, {"platform": "x"}])
def test_units_clusters_and_runtimes_are_groups_of_their_own(change) -> None:
    assert len(groups(rows({}, change))) == 2


def test_metrics_are_not_mixed() -> None:
    power = {"metric": "power", "unit_of_value": "W"}
    assert [group.key.metric for group in groups(rows({}, power))] == ["latency", "power"]


def test_the_target_is_the_median_of_the_repeats() -> None:
    (group,) = groups(rows({"value": 8.0}, {"value": 10.0, "board": "two"}, {"value": 13.0, "board": "three"}))
    assert group.targets[0].value == pytest.approx(0.010)
    assert group.noise_floor == pytest.approx((0.2 + 0.0 + 0.3) / 3)


def test_the_newest_version_counts() -> None:
    versions = [("2.9.1", 30.0), ("2.10", 20.0), ("2.10", 22.0), ("", 90.0)]
    (group,) = groups(rows(*({"runtime_version": v, "value": value} for v, value in versions)))
    assert [row.value for row in group.targets[0].rows] == [20.0, 22.0]
    assert group.targets[0].value == pytest.approx(0.021)


def test_repeats_in_other_units_of_the_same_metric_compare() -> None:
    (group,) = groups(rows({"value": 10.0}, {"value": 0.012, "unit_of_value": "s"}))
    assert group.targets[0].value == pytest.approx(0.011)


def test_without_repeats_there_is_no_noise_floor() -> None:
    (group,) = groups(rows({}, {"workload": "b"}))
    assert group.noise_floor is None


def test_a_score_by_hand() -> None:
    found = score([(10.0, 10.5), (10.0, 8.0), (10.0, 15.0), (10.0, 10.0)])  # +5, -20, +50, 0 %
    assert found.mape == pytest.approx(0.1875)
    assert found.median == pytest.approx(0.125)
    assert found.p90 == pytest.approx(0.41)  # 0.2 + 0.7 x (0.5 - 0.2)
    assert (found.within_10, found.within_25) == (0.5, 0.75)
    assert found.bias == pytest.approx(0.0875)
    assert found.spearman is None


def test_one_pair_is_its_own_percentile() -> None:
    assert percentile([0.3], 0.9) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], -1.0), ([1, 3, 2, 4], 0.8), ([1, 1, 2, 2], 0.894427191)],
)
def test_rank_correlation(predicted, expected) -> None:
    assert spearman(list(zip([10, 20, 30, 40], predicted, strict=True))) == pytest.approx(expected)
