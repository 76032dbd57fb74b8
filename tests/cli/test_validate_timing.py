"""Does `socsim validate timing` print rows, groups and reasons, and refuse bad tables with lines?"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import socsim as ss

MEASUREMENTS = Path(__file__).resolve().parents[2] / "validation" / "measurements.csv"
ROW_KEYS = {
    "line", "platform", "unit", "runtime", "workload", "precision", "batch", "metric", "unit_of_value", "measured",
    "predicted", "error", "calibrated", "reason",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with MEASUREMENTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def table(tmp_path, rows):
    """Write some of the rows, and return the file."""

    def write(chosen, **changes) -> Path:
        path = tmp_path / "some.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(row | changes for row in chosen)
        return path

    return write


@pytest.fixture
def few(rows) -> list[dict[str, str]]:
    """A group to be scored, a smaller one, a language model and a network that nobody describes."""
    small = {"resnet50", "mobilenet_v2", "squeezenet1_1", "quicksrnet_small", "quicksrnet_medium"}
    npu = [r for r in rows if (r["platform"], r["runtime"]) == ("qcs8550", "qnn") and r["workload"] in small]
    ethos = [r for r in rows if (r["platform"], r["unit"]) == ("imx93", "npu") and r["workload"].startswith("mlperf")]
    language = [r for r in rows if r["metric"] == "ttft"][:1]
    return [*npu, *ethos, *language, npu[0] | {"workload": "fcos"}]


def test_the_document_has_rows_and_groups(socsim, table, few) -> None:
    code, out, err = socsim("validate", "timing", "--measurements", table(few), "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["schema_version"] == "socsim.timing/1"
    assert [row["line"] for row in document["rows"]] == list(range(2, len(few) + 2))
    for row, source in zip(document["rows"], few, strict=True):
        assert set(row) >= ROW_KEYS
        assert row["measured"] == float(source["value"])
        assert (row["predicted"] is None) == (row["reason"] is not None)
        if row["predicted"] is not None:
            assert row["predicted"] > 0
            assert row["error"] == pytest.approx(row["predicted"] / row["measured"] - 1)
    reasons = [row["reason"] for row in document["rows"] if row["reason"]]
    assert len(reasons) == 2
    assert reasons[0].startswith("language model")
    assert reasons[1].startswith("no network definition")
    assert document["totals"]["coverage"] == pytest.approx(1 - 1 / (len(few) - 1))


def test_groups_are_made_of_their_rows_and_small_ones_are_not_scored(socsim, table, few) -> None:
    document = json.loads(socsim("validate", "timing", "--measurements", table(few), "--json")[1])
    by_platform = {group["platform"]: group for group in document["groups"] if group["n"]}
    assert by_platform["qcs8550"]["scored"] is True
    assert by_platform["imx93"]["scored"] is False
    errors = [abs(row["error"]) for row in document["rows"] if row["platform"] == "qcs8550" and row["predicted"]]
    group = by_platform["qcs8550"]
    assert (group["n"], group["workloads"], group["noise_floor"]) == (len(errors), 5, None)  # no repeats among them
    assert group["mape"] == pytest.approx(sum(errors) / len(errors))
    assert document["groups"][0]["platform"] == "qcs8550"
    assert group["within_10"] <= group["within_25"]


def test_equal_tables_give_equal_bytes(socsim, table, few) -> None:
    path = table(few[:4])
    assert socsim("validate", "timing", "--measurements", path) == socsim("validate", "timing", "--measurements", path)


def test_the_text_names_groups_and_reasons(socsim, table, few) -> None:
    code, out, _ = socsim("validate", "timing", "--measurements", table(few))
    assert code == 0
    assert "groups, largest error first" in out
    assert "rows without a prediction" in out
    assert "qcs8550" in out


def test_the_report_works_offline(socsim, table, few, tmp_path) -> None:
    report = tmp_path / "r.html"
    code, _, _ = socsim("validate", "timing", "--measurements", table(few), "--html", report)
    text = report.read_text(encoding="utf-8")
    assert code == 0
    assert text.count("data:image/svg+xml") == 2
    assert "http" not in text.replace("http-equiv", "")


def test_bad_rows_refuse_the_table_with_their_lines(socsim, table, few) -> None:
    bad = [few[0], few[1] | {"value": "-1"}, few[2] | {"platform": "nowhere", "unit_of_value": "hours"}]
    code, out, err = socsim("validate", "timing", "--measurements", table(bad))
    assert (code, out) == (3, "")
    assert "3 faults" in err
    assert "line 3: value" in err
    assert "line 4: unit_of_value" in err
    assert "line 4: platform" in err


def test_good_rows_are_still_evaluated(socsim, table, few) -> None:
    bad = [few[0], few[1] | {"value": "fast"}]
    code, out, err = socsim("validate", "timing", "--measurements", table(bad), "--skip-bad", "--json")
    document = json.loads(out)
    assert code == 0
    assert [row["line"] for row in document["rows"]] == [2]
    assert document["rows"][0]["predicted"] is not None
    assert document["skipped"] == ['line 3: value is "fast"; write a number above 0']
    assert "left out: line 3" in err


def test_the_report_never_replaces_the_table(socsim, table, few) -> None:
    path = table(few[:1])
    code, _, err = socsim("validate", "timing", "--measurements", path, "--html", path)
    assert code == 3
    assert "is a file that this command reads" in err


@pytest.mark.parametrize("change", [{"detail": "rough"}, {"processes": 0}, {"processes": True}])
def test_misuse_is_refused(table, few, change) -> None:
    with pytest.raises(ss.UsageError):
        ss.validate(table(few[:1]), **change)
