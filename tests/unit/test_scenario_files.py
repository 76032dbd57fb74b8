"""Scenarios as data: names, variants, origins of numbers, schema, arrivals in files."""

from __future__ import annotations

import json

import pytest

import socsim as ss
from socsim.errors import ScenarioError
from socsim.quantities import Time
from socsim.workload.scenario.arrival_files import read_arrivals
from socsim.workload.scenario.description import is_scenario, scenario_description, scenario_json
from socsim.workload.scenario.json_schema import scenario_json_schema

SMALL = {
    "schema": "socsim.scenario/1",
    "name": "small",
    "title": "one stage",
    "duration": "1 s",
    "applications": {
        "loop": {
            "class": "sustained",
            "arrival": {"kind": "periodic", "period": Time("10 ms")},
            "steps": [{"name": "turn", "kind": "stage", "time": "1 ms", "unit": "cpu"}],
        }
    },
}


def test_the_six_scenarios_ship():
    expected = {
        "adas_two_cameras", "battery_sensor_node", "inspection_line", "phone_assistant", "robot", "smart_speaker",
    }  # fmt: skip
    assert expected <= set(ss.scenarios())


@pytest.mark.parametrize("name", ss.scenarios())
def test_every_number_of_a_shipped_scenario_has_a_source_or_a_reason(name):
    scenario = ss.scenario(name)
    assert scenario.name == name
    assert [row.path for row in scenario.provenance if row.assumed == "no source given"] == []


@pytest.mark.parametrize("name", ss.scenarios())
def test_a_scenario_comes_back_from_its_own_values(name):
    scenario = ss.scenario(name)
    again = ss.scenario(scenario.file.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert again.file == scenario.file


def test_some_scenario_sends_work_elsewhere():
    steps = [s for name in ss.scenarios() for a in ss.scenario(name).file.applications.values() for s in a.steps]
    assert any(step.kind == "offload" for step in steps)


def test_values_with_quantities_make_a_scenario():
    scenario = ss.scenario(SMALL)
    assert scenario.file.applications["loop"].arrival.period == Time("10 ms")
    assert ss.scenario(scenario) is scenario


def test_with_changes_values_by_path_and_leaves_the_original():
    scenario = ss.scenario("robot")
    fast = scenario.with_(
        {"applications.control.arrival.period": "500 us", "applications.control.steps.loop.time": "1 ms"}
    )
    assert fast.file.applications["control"].arrival.period == Time("500 us")
    assert scenario.file.applications["control"].arrival.period == Time("1 ms")
    assert fast.overrides == (
        "applications.control.arrival.period: 1 ms -> 500 us",
        "applications.control.steps.loop.time: 150 us -> 1 ms",
    )
    assert fast.sha256 != scenario.sha256
    assert scenario.with_(seed=9).file.seed == 9


def test_what_with_changes_loses_its_source():
    changed = ss.scenario("smart_speaker").with_(links__wifi__energy="1 nJ/B")
    [row] = [row for row in changed.provenance if row.path == "links.wifi.energy"]
    assert row.source is None
    assert row.assumed == "set by with_"


def test_with_says_which_paths_lead_nowhere():
    with pytest.raises(ScenarioError) as caught:
        ss.scenario("robot").with_({"applications.contrl.priority": 1, "links.wifi.rate.x": 1})
    assert str(caught.value) == (
        "scenario 'robot': 'applications.contrl.priority': no 'contrl' in applications. Did you mean 'control'? "
        "'links.wifi.rate.x': 'links.wifi.rate' has no keys; replace it as a whole."
    )


def test_with_refuses_what_a_file_would():
    with pytest.raises(
        ScenarioError, match=r"^scenario 'robot', changed by with_: applications.control.deadline: 5 has no unit"
    ):
        ss.scenario("robot").with_(applications__control__deadline=5)


def test_the_json_schema_knows_all_sections_and_refuses_others():
    schema = scenario_json_schema()
    assert set(schema["properties"]) >= {"applications", "servers", "links", "background", "power"}
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("name", ss.scenarios())
def test_a_scenario_describes_itself(name):
    scenario = ss.scenario(name)
    words, document = scenario_description(scenario), json.loads(scenario_json(scenario))
    assert all(f"application  {application}:" in words for application in scenario.file.applications)
    assert document["scenario"]["name"] == name
    assert len(document["numbers"]) == len(scenario.provenance)
    assert is_scenario(name)
    assert not is_scenario("resnet50")


def test_arrivals_are_read_from_a_file(tmp_path):
    (tmp_path / "a.csv").write_text("time,what\n0 ms,x\n1.5 ms,y\n1.5 ms,z\n", encoding="utf-8")
    assert read_arrivals(tmp_path / "a.csv") == (0, 1_500_000_000, 1_500_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when\n1 ms\n", "a.csv:1: no column `time`, found when; name one so"),
        ("time\n", "a.csv: no arrivals; write a line for each"),
        (
            "time\n" + "1" * 140_000,
            "a.csv: is no CSV file: field larger than field limit (131072); write a line for each time",
        ),
        (
            "time\n1 ms\nsoon\n0 ms\n",
            'a.csv:3: time: "soon" does not begin with a number; write a time such as "25 us"\n'
            'a.csv:4: time: "0 ms" comes before the one above; write times in order',
        ),
    ],
)
def test_arrivals_that_are_none_are_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        read_arrivals((tmp_path / "a.csv").relative_to(tmp_path))
    assert str(caught.value) == message


def test_no_module_takes_the_name_of_a_public_function():
    from pathlib import Path

    folder = Path(ss.__file__).parent
    assert [n for n in ss.__all__ if (folder / f"{n}.py").exists() or (folder / n / "__init__.py").exists()] == []
