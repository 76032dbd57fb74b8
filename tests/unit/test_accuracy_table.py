"""Tables of measurements: every fault with its line, all at once; what is good is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from socsim.accuracy.table import read_measurements
from socsim.accuracy.vocabulary import OPTIONAL, REQUIRED, undescribed
from socsim.errors import MeasurementError
from socsim.soc.library import platform_names

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "platform": "rk3588", "unit": "npu", "cluster": "", "cores": "1", "runtime": "rknn", "runtime_version": "2.3.2",
    "workload": "resnet50", "input_shape": "1x3x224x224", "precision": "int8", "batch": "1", "metric": "latency",
    "value": "9.5", "unit_of_value": "ms",
}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    """Write rows, each the good one with changes, and return the file."""

    def write(*changes, columns=tuple(GOOD)) -> Path:
        lines = [",".join(columns), *(",".join((GOOD | change)[c] for c in columns) for change in changes)]
        path = tmp_path / "t.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def faults(path: Path) -> list[str]:
    with pytest.raises(MeasurementError) as caught:
        read_measurements(path)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]] or [str(caught.value)]


def test_a_row_is_read_with_its_types(table) -> None:
    row = read_measurements(table({"cluster": "big", "cores": "4", "unit": "cpu"})).rows[0]
    assert (row.line, row.cluster, row.cores, row.batch, row.value) == (2, "big", 4, 1, 9.5)
    assert row.scale == 1e-3


def test_what_the_source_is_silent_about_is_none(table) -> None:
    row = read_measurements(table({"cores": "", "batch": "", "input_shape": ""})).rows[0]
    assert (row.cores, row.batch, row.input_shape) == (None, None, "")


def test_only_columns_that_decide_a_prediction_are_required(table) -> None:
    row = read_measurements(table({}, columns=REQUIRED)).rows[0]
    assert (row.cluster, row.cores, row.board) == ("", None, "")


@pytest.mark.parametrize("column", REQUIRED)
def test_a_missing_column_is_named(table, column) -> None:
    path = table({}, columns=[c for c in GOOD if c != column])
    assert faults(path) == [f"{path}: line 1: column '{column}' is missing; add it"]
    with pytest.raises(MeasurementError):
        read_measurements(path, skip_bad=True)


def test_all_missing_columns_are_named_at_once(table) -> None:
    assert len(faults(table({}, columns=["platform", "unit"]))) == len(REQUIRED) - 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": "-3"}, 'value is "-3"'),
        ({"value": "0"}, 'value is "0"'),
        ({"value": "nan"}, 'value is "nan"'),
        ({"value": "inf"}, 'value is "inf"'),
        ({"value": "fast"}, 'value is "fast"; write a number above 0'),
        ({"value": ""}, 'value is ""'),
        ({"unit": "tpu"}, 'unit "tpu" is not known. Did you mean'),
        ({"unit": ""}, "Known: cpu, gpu"),
        ({"unit_of_value": "parsec"}, 'unit_of_value "parsec" of latency is not known. Known: ms, s, us'),
        ({"unit_of_value": "FPS"}, 'unit_of_value "FPS" of latency is not known'),
        ({"metric": "latancy"}, "Did you mean 'latency'"),
        ({"precision": "int9"}, "Did you mean 'int8'"),
        ({"cores": "two"}, 'cores is "two"; write a whole number'),
        ({"batch": "0"}, 'batch is "0"'),
        ({"batch": "1.5"}, 'batch is "1.5"'),
        ({"platform": "rk3589"}, "platform \"rk3589\" is not known. Did you mean"),
        ({"platform": ""}, "platform is empty"),
        ({"workload": "resnet51"}, "workload \"resnet51\" is not known. Did you mean"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line(table, change, words) -> None:
    (found,) = faults(table({}, change))
    assert "line 3: " in found
    assert words in found


def test_all_faults_of_all_rows_are_listed_and_good_rows_kept(table) -> None:
    path = table({"value": "-1"}, {}, {"platform": "nowhere", "workload": "nothing", "value": "x"}, {})
    assert [fault.partition(":")[0] for fault in faults(path)] == ["line 2", "line 4", "line 4", "line 4"]
    kept = read_measurements(path, skip_bad=True)
    assert [row.line for row in kept.rows] == [3, 5]
    assert len(kept.faults) == 4


def test_lines_are_those_of_the_file_where_a_cell_goes_over_several(tmp_path) -> None:
    header = ",".join([*GOOD, "conditions"])
    good = ",".join([*GOOD.values(), '"two\nlines"'])
    bad = ",".join([*(GOOD | {"value": "-1"}).values(), "x"])
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n{good}\n{bad}\n", encoding="utf-8")
    assert faults(path)[0].startswith(f"{path}: line 4: value")


def test_rows_of_another_length_are_faults(tmp_path, table) -> None:
    path = table({})
    path.write_text(path.read_text() + "rk3588,npu\n", encoding="utf-8")
    assert f"line 3: has 2 cells for {len(GOOD)} columns" in faults(path)[0]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "has no rows"),
        (",".join(GOOD).encode(), "has no rows"),
        (b"platform\xff", "byte 8 is not UTF-8"),
        (",".join(GOOD).encode() + b'\n"open', "line 2: is not CSV"),
        (b"platform,platform", "column 'platform' stands twice"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, raw, words) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(raw)
    with pytest.raises(MeasurementError, match=words):
        read_measurements(path, skip_bad=True)


def test_a_file_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(MeasurementError, match="cannot be read"):
        read_measurements(tmp_path / "none.csv")


def test_rows_of_language_models_are_told_apart(table) -> None:
    path = table({"workload": "some-model", "metric": "ttft"}, {"workload": "llama-7b"}, {})
    assert [row.is_language_model for row in read_measurements(path).rows] == [True, True, False]


def test_no_undescribed_platform_ships() -> None:
    assert not set(undescribed().platforms) & set(platform_names())


def test_no_column_is_both_required_and_optional() -> None:
    assert not set(REQUIRED) & set(OPTIONAL)
