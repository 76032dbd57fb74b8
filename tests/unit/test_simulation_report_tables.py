"""Tables and summary of a simulation: columns, shares, missing values, reasons, the golden text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_simulations import HOSTILE, MS, hostile_simulation, simulation

from socsim.report.formats import format_celsius, format_nanowatts, format_span
from socsim.report.simulation import Simulation
from socsim.report.simulation_tables import companions
from socsim.report.simulation_text import hottest_node, summary

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "simulation_summary.txt"
MADE = Simulation(simulation())
TABLES = ("applications", "steps", "servers", "flows", "domains", "clocks", "heat", "traces", "activations")


# --- tables -------------------------------------------------------------------------------------------


def test_applications_have_their_fates_times_and_energy():
    camera, assistant, _ = MADE.applications
    assert (camera["released"], camera["completed"], camera["missed"], camera["dropped"]) == (5, 5, 1, 0)
    assert (camera["latency_p50_ps"], camera["latency_most_ps"], camera["waiting_mean_ps"]) == (
        8 * MS,
        15 * MS,
        14 * 10**8,
    )
    assert (assistant["deadline_ps"], assistant["dropped"]) == (None, 1)
    assert list(MADE.applications.columns)[:5] == ["name", "task_class", "arrival", "deadline_ps", "priority"]
    assert len(MADE.applications.columns) == 11 + 3 * 7 + 4


def test_frame_says_missing_where_nothing_is_known():
    import pandas as pd

    frame = MADE.applications.to_pandas()
    assert frame["deadline_ps"].dtype == "Int64"
    assert frame.loc[1, "deadline_ps"] is pd.NA
    nothing = replace(simulation(), applications=(), activations=())
    assert Simulation(nothing).applications.to_pandas()["latency_p99_ps"].dtype == "Int64"


def test_utilisation_is_busy_core_time_of_all_core_time():
    cpu, npu, _ = MADE.servers
    assert (cpu["cores"], cpu["utilisation"]) == (2, pytest.approx(0.05))
    assert npu["utilisation"] == pytest.approx(0.45)
    assert npu["applications"] == "assistant 15 ms, camera 30 ms"
    assert npu["busy_ps"] + npu["switching_ps"] + npu["waking_ps"] + npu["idle_ps"] == 100 * MS


def test_flows_say_how_much_of_their_rate_was_used():
    dram, _ = MADE.flows
    assert dram["utilisation"] == pytest.approx(0.7 / 3.4)
    assert dram["busy_share"] == pytest.approx(0.45)


def test_clocks_have_a_row_for_each_operating_point():
    rows = [(row["clock"], row["point"], row["share"]) for row in MADE.clocks]
    assert rows == [("npu", "400MHz", 0.3), ("npu", "800MHz", 0.7), ("cpu_big", "1800MHz", 1.0)]


def test_domains_have_their_time_awake_and_power():
    npu = list(MADE.domains)[1]
    assert (npu["on_share"], npu["static_power_nw"]) == (0.45, 10**7)
    assert npu["states"] == "on 45 ms, off 55 ms"


def test_activations_have_no_latency_where_they_were_dropped():
    dropped = [row for row in MADE.activations if row["fate"] == "dropped"]
    assert [(row["application"], row["latency_ps"], row["deadline_ps"]) for row in dropped] == [
        ("assistant", None, None)
    ]
    late = [row for row in MADE.activations if row["fate"] == "missed"]
    assert [(row["latency_ps"], row["deadline_ps"], row["end_ps"]) for row in late] == [(15 * MS, 50 * MS, 55 * MS)]


def test_traces_are_long_rows():
    frame = MADE.traces.to_pandas()
    assert frame[frame["name"] == "die"]["value"].tolist() == [45_000, 86_400, 71_250]


def test_report_leaves_out_tables_without_rows():
    cold = replace(simulation(), thermal=())
    assert "Heat" in dict(companions(simulation()))
    assert "Heat" not in dict(companions(cold))


@pytest.mark.parametrize("name", TABLES)
def test_tables_guard_spreadsheets_and_terminals(name):
    table = getattr(Simulation(hostile_simulation()), name)
    text = table.to_csv()
    assert f",{HOSTILE[:4]}" not in text
    assert not text.startswith(HOSTILE[:4])
    assert "\x1b" not in table.to_text()
    assert "<script" not in table._repr_html_()


# --- summary ------------------------------------------------------------------------------------------


def test_summary_is_the_golden_one():
    assert summary(simulation(100)) + "\n" == GOLDEN.read_text("utf-8")


def test_lines_are_a_hundred_columns_and_hostile_names_are_clean():
    assert max(len(line) for line in summary(simulation(100)).splitlines()) <= 100
    text = summary(hostile_simulation())
    assert max(len(line) for line in text.splitlines()) <= 160
    assert not set("\x1b\u202e\r\t") & set(text)


def test_what_is_not_known_is_said_with_its_reason():
    text = summary(replace(simulation(), thermal=(), battery=None, assumed=(), ambient_millicelsius=None))
    assert "heat          not modelled: the platform describes no thermal network" in text
    assert "battery       life not known: neither scenario nor platform names a battery" in text
    assert "every number of the scenario, and of the platform's power and heat, has a source" in text


def test_application_without_deadline_can_miss_none():
    lines = [line.split() for line in summary(simulation()).splitlines() if line.startswith("assistant")]
    assert lines[1][:5] == ["assistant", "3", "2", "-", "1"]


def test_application_of_which_nothing_ended_has_no_times():
    record = simulation()
    none = replace(
        record.applications[0].latency, count=0, mean_ps=None, deviation_ps=None, least_ps=None, p50_ps=None,
        p95_ps=None, p99_ps=None, most_ps=None, percentiles_ps=(),
    )  # fmt: skip
    idle = replace(
        record.applications[0], released=0, completed=0, missed=0, latency=none, waiting=none, service=none,
        jitter_ps=None, throughput_per_s=None,
    )  # fmt: skip
    text = summary(replace(record, applications=(idle,)))
    times = [line.split() for line in text.splitlines() if line.startswith("camera")][2]
    assert times == ["camera", *["-"] * 7]


def test_interruption_mode_and_cap_are_said():
    text = summary(replace(simulation(), is_interrupted=True))
    assert "interrupted   stopped before its end; what had finished is here" in text
    assert "power mode    balanced" in text
    assert "cap 15 W" in text
    assert "interrupted" not in summary(simulation())


def test_the_node_nearest_its_limit_counts_as_the_hottest():
    record = simulation()
    assert hottest_node(record).name == "die"
    warm = replace(record.thermal[1], most_millicelsius=99_000)
    assert hottest_node(replace(record, thermal=(record.thermal[0], warm))).name == "die"
    assert hottest_node(replace(record, thermal=(warm,))).name == "skin"
    assert "nothing throttles there" in summary(replace(record, thermal=(warm,)))


def test_numbers_for_people():
    assert [format_span(s) for s in (0.25, 119, 120, 7200, 500_000, 0)] == [
        "250 ms", "119 s", "2 min", "2 h", "5.787 days", "0 s",
    ]  # fmt: skip
    assert (format_celsius(-5_000), format_celsius(86_449)) == ("-5.0 °C", "86.4 °C")
    assert format_nanowatts(1_500_000) == "1.5 mW"
