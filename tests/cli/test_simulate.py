"""`socsim simulate`: output, options, files, exit codes."""

from __future__ import annotations

import csv
import json
import re

import pytest

BRIEF = ("--duration", "50ms")


def test_it_says_what_became_of_each_application(socsim):
    code, out, err = socsim("simulate", "robot", "-p", "rk3588", *BRIEF)
    assert (code, err) == (0, "")
    assert re.search(r"(?m)^control +sustained, every 1 ms; deadline 1 ms, priority 20$", out)
    assert "realtime of cpu_big" in out


def test_json_is_the_result_and_comes_back(socsim):
    import socsim as ss

    code, out, _ = socsim("simulate", "robot", "-p", "rk3588", *BRIEF, "--seed", 7, "--json", "-q")
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == "socsim.simulation/1"
    assert ss.Simulation.from_json(out).record.seed == 7
    assert ss.simulate("robot", "rk3588", duration="50 ms", seed=7).to_json() == out


def test_files_are_written(socsim, tmp_path):
    trace, report, table = tmp_path / "t.pftrace", tmp_path / "r.html", tmp_path / "a.csv"
    code, _, _ = socsim(
        "simulate", "robot", "-p", "rk3588", *BRIEF, "--trace", trace, "--report", report, "--csv", table
    )
    assert code == 0
    assert trace.stat().st_size > 1000
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with table.open(encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)][:2] == ["control", "detection"]


def test_policies_and_governors_are_named_by_server_and_clock(socsim):
    code, out, _ = socsim(
        "simulate", "robot", "-p", "rk3588", *BRIEF, "--policy", "realtime=edf", "--policy", "*=fifo", "--governor",
        "npu=powersave", "--json", "-q",
    )  # fmt: skip
    record = json.loads(out)
    assert code == 0
    assert {s["name"]: s["policy"] for s in record["servers"]}["realtime"] == "edf"
    assert {s["name"]: s["policy"] for s in record["servers"]}["cpu_big"] == "fifo"
    assert {c["name"]: c["governor"] for c in record["clocks"]}["npu"] == "powersave"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--policy", "cpuu=fifo"], 2, "policy: no server 'cpuu'. Did you mean 'cpu'?"),
        (["--policy", "cpu=fifoo"], 2, "policy 'fifoo' is not known. Did you mean 'fifo'?"),
        (["--policy", "cpu"], 2, "--policy 'cpu': write NAME=VALUE"),
        (["--duration", "5"], 2, 'duration: "5" has no unit; write a time such as "25 us"'),
        (["--duration", "0 s"], 2, "duration '0 s' is not above zero; write a time such as '10 s'"),
        (["--cap", "much"], 2, 'cap: "much" does not begin with a number; write a power such as "25 mW"'),
        (["--cap", "-3W"], 2, "cap '-3 W' is below '0 W'; write a power such as '25 mW'"),
        (
            ["--ambient", "-300degC"],
            2,
            "ambient '-300 °C' is below '-273.15 °C'; write a temperature such as '25 degC'",
        ),
        (["--mode", "15W"], 2, "platform 'rk3588' has no power mode '15W'. Its file lists none."),
        (["--detail", "burst"], 2, "detail is 'burst'; give one of transaction, tile"),
        (["--seed", "-1"], 2, "seed is -1; give a whole number from 0 up"),
    ],
)
def test_options_that_do_not_exist_are_refused(socsim, options, code, message):
    assert socsim("simulate", "robot", "-p", "rk3588", *options) == (code, "", f"socsim: error: {message}\n")


def test_power_modes_caps_and_the_surroundings_are_options(socsim):
    code, out, _ = socsim(
        "simulate", "robot", "-p", "orin-agx", *BRIEF, "--mode", "15W", "--cap", "12W", "--ambient", "40degC", "--json",
        "-q",
    )  # fmt: skip
    record = json.loads(out)
    assert code == 0
    assert (record["mode"], record["power_cap_nw"], record["ambient_millicelsius"]) == ("15W", 12 * 10**9, 40_000)


def test_an_unknown_scenario_is_a_matter_of_usage(socsim):
    code, _, err = socsim("simulate", "robott", "-p", "rk3588")
    assert (code, err) == (2, "socsim: error: scenario 'robott' is not known. Did you mean 'robot'?\n")


def test_a_bad_file_has_its_own_exit_code(socsim, tmp_path):
    (tmp_path / "s.yaml").write_text("name: x\n", encoding="utf-8")
    code, _, err = socsim("simulate", tmp_path / "s.yaml", "-p", "rk3588")
    assert code == 3
    assert "s.yaml" in err
    assert "applications: missing; it is required" in err


def test_what_no_unit_can_run_is_infeasible(socsim):
    code, _, err = socsim("simulate", "phone_assistant", "-p", "stm32n657", *BRIEF)
    assert code == 4
    assert "no unit of stm32n657 can run it: demand 1 unit, bound 0, gap 1" in err


def test_an_interrupted_simulation_shows_what_had_finished(socsim, monkeypatch):
    from socsim.engine.online.agenda import Agenda

    step, seen = Agenda.step, []

    def interrupted(self, *args, **kwargs):
        seen.append(1)
        if len(seen) == 100:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(Agenda, "step", interrupted)
    code, out, _ = socsim("simulate", "robot", "-p", "rk3588", *BRIEF)
    assert code == 130
    assert "interrupted" in out
    assert "control" in out


def test_the_workload_verbs_know_scenarios(socsim):
    code, out, _ = socsim("workloads", "list", "--json")
    kinds = {row["name"]: row["kind"] for row in json.loads(out)["rows"]}
    assert code == 0
    assert kinds["smart_speaker"] == "scenario"
    code, out, _ = socsim("workloads", "show", "battery_sensor_node")
    assert code == 0
    assert out.startswith("battery_sensor_node: Battery sensor node")
    code, out, _ = socsim("workloads", "show", "robot", "--json")
    assert json.loads(out)["schema_version"] == "socsim.scenario/1"
