"""Tables: columns, order, missing values, frames, CSV, text and HTML."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from dataclasses import replace

import pytest
from report_runs import HOSTILE, hostile, made_up

from socsim.report.tables import Table, energy_table, links_table, memories_table, operators_table, units_table

PROMISED = [
    "index", "name", "type", "unit", "placement_reason", "start_ps", "end_ps", "latency_ps", "compute_ps",
    "memory_wait_ps", "bus_wait_ps", "dispatch_ps", "sync_ps", "bound", "macs", "executed_macs", "utilisation",
    "arithmetic_intensity", "read_bytes", "write_bytes", "weight_bytes", "dram_bytes", "energy_pj",
]  # fmt: skip
EXTENSIONS = ["fused_into", "overlapped_ps"]


def test_operator_columns_are_the_promised_ones_then_the_extensions():
    assert list(operators_table(made_up()).columns) == PROMISED + EXTENSIONS


def test_frame_keeps_order_and_says_missing_where_a_cost_is_missing():
    import pandas as pd

    frame = operators_table(made_up()).to_pandas()
    assert list(frame.columns) == PROMISED + EXTENSIONS
    assert frame["latency_ps"].dtype == "Int64"
    assert frame["utilisation"].dtype == "Float64"
    assert frame["bound"].dtype == "string"
    assert frame.loc[1, "latency_ps"] is pd.NA
    assert frame.loc[1, "fused_into"] == 0
    assert frame["latency_ps"].sum() == sum(op.latency_ps or 0 for op in made_up().operators)


def test_column_without_any_value_keeps_its_type():
    record = made_up()
    folded = replace(record, operators=(record.operators[1],))
    frame = operators_table(folded).to_pandas()
    assert frame["energy_pj"].dtype == "Int64"
    assert frame["energy_pj"].isna().all()


def test_rows_are_dicts_and_a_wrong_column_lists_the_right_ones():
    table = units_table(made_up())
    assert [row["name"] for row in table] == ["npu", "cpu"]
    assert len(table) == 2
    with pytest.raises(KeyError, match="has no column 'nam'; it has name, kind"):
        table.column("nam")


def test_units_table_has_busy_share_and_utilisation_of_busy_time():
    npu, cpu = units_table(made_up())
    assert npu["busy_share"] == pytest.approx(npu["busy_ps"] / (npu["busy_ps"] + npu["idle_ps"]))
    assert npu["utilisation"] == pytest.approx(3_000_000 / (1e12 * npu["busy_ps"] * 1e-12))
    assert cpu["utilisation"] is None


def test_traffic_tables_name_their_initiators():
    assert next(iter(links_table(made_up())))["initiators"] == "cpu 50,000 B, npu 150,000 B"
    assert next(iter(memories_table(made_up())))["peak_bytes"] == 90_000


def test_energy_shares_add_up():
    assert sum(energy_table(made_up()).column("share")) == pytest.approx(1)


def test_csv_guards_formulas_and_leaves_missing_cells_empty():
    rows = list(csv.DictReader(io.StringIO(operators_table(hostile()).to_csv())))
    assert rows[0]["name"] == "'" + HOSTILE
    assert rows[1]["latency_ps"] == ""
    assert rows[0]["macs"] == "1000000"


def test_csv_file_holds_the_same_text(tmp_path):
    table = energy_table(made_up())
    assert table.to_csv(tmp_path / "e.csv") is None
    assert (tmp_path / "e.csv").read_text("utf-8") == table.to_csv()


def test_representation_is_one_screen():
    lines = repr(operators_table(made_up(200))).splitlines()
    assert lines[0] == "Operators of tiny on board: 201 rows"
    assert lines[-2:] == ["... and 181 more rows", "... and 18 more columns (.columns names them)"]
    assert len(lines) == 24
    assert max(map(len, lines)) <= 100


def test_all_rows_and_columns_stand_in_the_text():
    lines = operators_table(made_up(30)).to_text().splitlines()
    assert len(lines) == 32
    assert lines[0].split() == PROMISED + EXTENSIONS


def test_html_escapes_names_and_bounds_rows():
    shown = operators_table(hostile(500))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "and 461 more" in shown
    assert len(shown.encode()) < 150_000


def test_empty_table_has_a_header_only():
    table = Table("nothing", ["a", "b"], [])
    assert table.to_csv() == "a,b\n"
    assert table.to_text() == "a  b"
    assert table.to_pandas().empty


def test_reports_import_only_the_standard_library_until_used():
    code = (
        "import sys, socsim.report.tables, socsim.report.text, socsim.report.documents, socsim.report.comparison, "
        "socsim.report.figures, socsim.report.html, socsim.report.trace, socsim.report.simulation, "
        "socsim.report.simulation_comparison, socsim.report.simulation_figures, socsim.report.simulation_html, "
        "socsim.report.simulation_timeline, socsim.report.simulation_trace\n"
        "print([m for m in ('pandas', 'numpy', 'matplotlib', 'perfetto', 'google.protobuf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
