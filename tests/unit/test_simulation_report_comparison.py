"""Simulations side by side."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from report_runs import made_up
from report_simulations import hostile_simulation, simulation

import socsim as ss
from socsim.errors import UsageError
from socsim.report.simulation import Simulation
from socsim.report.simulation_comparison import SimulationComparison


def changed(record, *, policy="fifo", slower=2):
    """Return a simulation in which all latencies and energies are so many times larger, under another policy."""
    applications = tuple(
        replace(
            entry,
            energy_pj=entry.energy_pj * slower,
            latency=replace(entry.latency, p99_ps=entry.latency.p99_ps * slower),
        )
        for entry in record.applications
    )
    servers = tuple(replace(server, policy=policy) for server in record.servers)
    energy = record.energy_pj * slower
    return replace(
        record, applications=applications, servers=servers, energy_pj=energy, dynamic_pj=energy - record.static_pj
    )


def test_each_application_has_a_row_for_each_simulation():
    found = SimulationComparison([simulation(), changed(simulation()), changed(simulation(), slower=3)])
    assert found.table.column("application") == ("camera",) * 3 + ("assistant",) * 3 + ("word",) * 3
    assert found.table.column("simulation") == ("a", "b", "c") * 3
    assert found.table.column("p99_change")[:3] == (0, 1, 2)
    assert found.table.column("energy_change")[:3] == (0, 1, 2)
    assert found.to_pandas()["p99_ps"].dtype == "Int64"


def test_an_application_without_deadline_has_no_misses():
    rows = {row["application"]: row for row in SimulationComparison([simulation(), simulation()]).table}
    assert (rows["assistant"]["missed"], rows["assistant"]["dropped"], rows["camera"]["missed"]) == (None, 1, 1)


def test_applications_of_one_simulation_alone_have_no_change():
    record = simulation()
    fewer = replace(record, applications=record.applications[1:])
    rows = list(SimulationComparison([fewer, record]).table)
    assert [(row["application"], row["simulation"]) for row in rows][-1] == ("camera", "b")
    assert rows[-1]["p99_change"] is None


def test_totals_compare_energy_heat_battery_and_use():
    cooler = replace(changed(simulation()), thermal=(), battery=None)
    found = SimulationComparison([simulation(), cooler])
    rows = {(row["name"], row["quantity"], row["simulation"]): row for row in found.totals}
    assert rows["", "energy_pj", "b"]["change"] == 1
    assert rows["hottest node", "most_millicelsius", "a"]["value"] == 86_400
    assert rows["hottest node", "most_millicelsius", "b"]["value"] is None
    assert rows["battery", "life_s", "b"]["value"] is None
    assert rows["npu", "utilisation", "a"]["value"] == pytest.approx(0.45)
    assert rows["npu", "mean_hz", "a"]["value"] == pytest.approx(680e6)
    warmer = replace(simulation(), thermal=(replace(simulation().thermal[0], most_millicelsius=90_000),))
    assert {
        row["change"]
        for row in SimulationComparison([simulation(), warmer]).totals
        if row["quantity"] == "most_millicelsius"
    } == {None}


def test_text_names_policies_totals_and_applications():
    text = repr(SimulationComparison([simulation(10), changed(simulation(10))]))
    assert text.startswith(
        "a             watcher on board (edf on cpu_big, npu, hub; schedutil on npu; performance on cpu_big;"
    )
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "energy 1.07 J 2.14 J (+100.0 %)" in lines
    assert "camera b 8 ms 15 ms 30 ms 15 ms +100.0 % 10 0 50 1.4 J 710 mW" in lines
    assert "assistant a 8 ms 8 ms 8 ms 8 ms - 10 20 300 mJ 310 mW" in lines
    assert "hottest node reaches 86.4 °C 86.4 °C" in lines


def test_overrides_that_differ_are_named_and_what_nobody_knows_has_no_row():
    cold = replace(simulation(), thermal=(), battery=None)
    other = replace(cold, overrides=(*cold.overrides, "units.npu.cores: 1 -> 3"))
    text = repr(SimulationComparison([cold, other]))
    assert "units.npu.cores: 1 -> 3" in text
    assert "units.npu.clock = 800 MHz" not in text
    assert "hottest" not in text
    assert "battery" not in text
    assert "hottest node reaches" in repr(SimulationComparison([cold, simulation()]))


def test_json_has_its_version_and_says_what_was_compared():
    document = json.loads(SimulationComparison([simulation(), changed(simulation())]).to_json())
    assert document["schema_version"] == "socsim.compare_simulations/1"
    assert document["simulations"]["b"]["policies"] == {"cpu_big": "fifo", "npu": "fifo", "hub": "fifo"}
    assert document["simulations"]["a"]["governors"] == {"npu": "schedutil", "cpu_big": "performance"}
    assert len(document["applications"]) == 6


def test_hostile_names_are_escaped_in_html_and_clean_in_text():
    found = SimulationComparison([hostile_simulation(), hostile_simulation()])
    assert "<script>" not in found._repr_html_()
    assert "\x1b" not in repr(found)


# --- compare ------------------------------------------------------------------------------------------

SIM, RUN = Simulation(simulation()), ss.Run(made_up())


def test_compare_takes_two_simulations_or_more():
    assert len(ss.compare(SIM, SIM, SIM).records) == 3
    assert len(SIM.compare(SIM).records) == 2


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((SIM, RUN), "a run is one inference, a simulation whole applications; give runs alone, or simulations alone"),
        ((RUN, RUN, RUN), "the number of runs is 3; give 2; of simulations there may be more"),
        ((SIM,) * 27, "the number of simulations is 27; give 2 to 26"),
        (
            (SIM, 3),
            "b is 3; give a run, from socsim.run or Run.from_json, or a simulation, from socsim.simulate",
        ),
    ],
)  # fmt: skip
def test_what_does_not_compare_is_refused(sides, message):
    with pytest.raises(UsageError) as caught:
        ss.compare(*sides)
    assert str(caught.value) == message


def test_one_simulation_has_nothing_to_compare_with():
    with pytest.raises(UsageError, match="the number of simulations is 1; give 2 to 26"):
        SIM.compare()


def test_command_line_compares_stored_simulations_and_refuses_to_mix(socsim, tmp_path):
    for name, text in (
        ("a", SIM.to_json()),
        ("b", Simulation(changed(simulation())).to_json()),
        ("run", RUN.to_json()),
    ):
        (tmp_path / name).write_text(text)
    code, out, _ = socsim("compare", tmp_path / "a", tmp_path / "b", tmp_path / "a")
    assert (code, "(+100.0 %)" in out) == (0, True)
    document = json.loads(socsim("compare", tmp_path / "a", tmp_path / "b", "--json")[1])
    assert document["schema_version"] == "socsim.compare_simulations/1"
    code, out, err = socsim("compare", tmp_path / "a", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "give runs alone, or simulations alone" in err
    assert socsim("compare", tmp_path / "run", tmp_path / "run")[0] == 0
    assert socsim("compare", tmp_path / "run")[0] == 2
    (tmp_path / "a").write_text('{"schema_version": "socsim.timing/1"}')
    code, _, err = socsim("compare", tmp_path / "a", tmp_path / "b")
    assert code == 3
    assert 'this socsim reads "socsim.run/1", "socsim.simulation/1"' in err
