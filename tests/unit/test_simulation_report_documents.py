"""The JSON document of a simulation: exact round trip, stable bytes, tampered ones refused with all their faults."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_runs import made_up
from report_simulations import hostile_simulation, simulation

from socsim.errors import ResultError
from socsim.report.documents import RUNS
from socsim.report.simulation import Simulation
from socsim.report.simulation_documents import SIMULATIONS
from socsim.report.storage import kind_of

GOOD = SIMULATIONS.to_json(simulation(), include_timeline=True)


def read(document):
    return SIMULATIONS.from_json(json.dumps(document), "result")


def faults_of(document):
    with pytest.raises(ResultError) as caught:
        read(document)
    first, *rest = str(caught.value).splitlines()
    return [line.removeprefix("  - ") for line in rest] or [first.removeprefix("result: ")]


@pytest.mark.parametrize("record", [simulation(), simulation(300), simulation(is_traced=False), hostile_simulation()])
def test_round_trip_is_exact(record):
    text = SIMULATIONS.to_json(record, include_timeline=True)
    assert SIMULATIONS.from_json(text, "result") == record
    assert SIMULATIONS.from_json(text.encode(), "result") == record
    assert text.isascii()


def test_short_document_lacks_what_grows_with_time_and_nothing_else():
    document = json.loads(SIMULATIONS.to_json(simulation()))
    assert set(json.loads(GOOD)) - set(document) == {"slices", "activations"}
    assert read(document) == replace(simulation(), slices=(), activations=())
    assert document["traces"][0]["points"][1] == [40_000_000_000, 86_400]


def test_document_begins_with_its_version_and_keeps_missing_null():
    document = json.loads(GOOD)
    assert next(iter(document.items())) == ("schema_version", "socsim.simulation/1")
    assert document["applications"][1]["deadline_ps"] is None
    assert document["thermal"][1]["throttle_millicelsius"] is None
    assert document["servers"][1]["applications"] == {"assistant": 15_000_000_000, "camera": 30_000_000_000}
    assert document["clocks"][0]["points"][0] == ["400MHz", 400_000_000, 30_000_000_000]


def test_a_simulation_without_battery_and_heat_reads_back():
    record = replace(simulation(), battery=None, thermal=(), ambient_millicelsius=None, mode=None, power_cap_nw=None)
    text = SIMULATIONS.to_json(record)
    assert json.loads(text)["battery"] is None
    assert SIMULATIONS.from_json(text, "x") == replace(record, slices=(), activations=())


def test_times_and_energies_are_not_below_zero_but_temperatures_and_priorities_may_be():
    document = json.loads(GOOD)
    assert document["ambient_millicelsius"] == -5_000
    assert document["applications"][1]["priority"] == -1
    document["seed"] = -1
    document["ambient_millicelsius"] = -(2**63)
    assert faults_of(document) == [
        "seed: -1 is not allowed; give a whole number from 0 to 2^63 - 1",
        "ambient_millicelsius: -9223372036854775808 is not allowed; "
        "give a whole number from 1 - 2^63 to 2^63 - 1 or null",
    ]


def test_lists_of_fixed_length_have_it():
    document = json.loads(GOOD)
    document["traces"][0]["points"][0] = [1]
    document["clocks"][0]["points"][1] = ["800MHz", "fast", 7]
    assert faults_of(document) == [
        "clocks[0].points[1][1]: \"fast\" is not allowed; give a whole number from 0 to 2^63 - 1",
        "traces[0].points[0]: a list is not allowed; give a list of 2",
    ]  # fmt: skip


def test_all_contradictions_stand_in_one_error():
    document = json.loads(GOOD)
    document["dynamic_pj"] += 1
    document["skipped_ps"] = document["duration_ps"] + 1
    camera = document["applications"][0]
    camera["released"] += 2
    camera["missed"] = 77
    camera["latency"] |= {"count": 3, "p50_ps": 10**12, "mean_ps": None, "percentiles_ps": [2, 1]}
    document["servers"][0]["idle_ps"] += 1
    document["domains"][0]["states"]["on"] += 1
    document["clocks"][0]["points"][0][2] += 1
    document["steps"][0]["application"] = "nobody"
    document["slices"][0]["server"] = "nowhere"
    document["slices"][1] |= {"core": 9, "end_ps": 0, "start_ps": 4}
    document["activations"][0]["fate"] = "lost"
    document["activations"][1]["end_ps"] = None
    document["activations"][3]["end_ps"] = 0
    document["traces"][0]["quantity"] = "taste"
    document["traces"][1]["points"] = [[5, 1], [4, 1]]
    faults = faults_of(document)
    assert faults == [
        f"energy_pj: {document['energy_pj']} is not static_pj + dynamic_pj",
        "skipped_ps: 100000000001 is more than duration_ps",
        "applications[0].released: 7 is not completed + dropped + unfinished",
        "applications[0].missed: 77 is not from dropped to completed + dropped",
        "applications[0].latency.count: 3 is not completed",
        "applications[0].latency.mean_ps: null does not go with a count of 3",
        "applications[0].latency.percentiles_ps: 2 of them; there are 101, or none",
        "applications[0].latency.p50_ps to p99_ps: do not rise",
        "applications[0].latency.percentiles_ps: do not rise",
        "servers[0]: busy, switching, waking and idle do not add up to cores x duration_ps",
        "domains[0].states: do not add up to duration_ps",
        "clocks[0].points: do not add up to duration_ps",
        "steps[0].application: there is no such application",
        "slices[0].server: there is no such server",
        "slices[1].core: the server has 1",
        "activations[0].fate: is none of completed, missed, dropped, unfinished",
        "traces[0].quantity: is none of temperature, frequency, power",
        "slices[1].end_ps: 0 is before its start",
        "activations[1].end_ps: is null where, and only where, the activation is unfinished",
        "activations[3].end_ps: 0 is before its release",
        "  and 1 more",
    ]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3))
def test_damaged_bytes_are_read_or_refused_and_nothing_else(position, patch):
    raw = GOOD.encode()
    damaged = raw[:position] + patch + raw[position + len(patch) + 1 :]
    try:
        found = SIMULATIONS.from_json(damaged, "result")
    except ResultError:
        return
    assert SIMULATIONS.from_json(SIMULATIONS.to_json(found, include_timeline=True), "result") == found


def test_documents_of_other_versions_and_kinds_are_refused_by_name():
    document = json.loads(GOOD)
    assert faults_of(document | {"schema_version": "socsim.simulation/7"}) == [
        "schema_version is 'socsim.simulation/7'; this socsim reads \"socsim.simulation/1\". Make the result again"
    ]
    run = RUNS.to_json(made_up())
    with pytest.raises(ResultError, match=r"schema_version is 'socsim\.run/1'; this socsim reads"):
        SIMULATIONS.from_json(run, "x")
    assert kind_of(run, "x", (RUNS, SIMULATIONS)) is RUNS
    assert kind_of(GOOD, "x", (RUNS, SIMULATIONS)) is SIMULATIONS
    with pytest.raises(ResultError, match=r'this socsim reads "socsim\.run/1", "socsim\.simulation/1"'):
        kind_of('{"schema_version": "socsim.timing/1"}', "x", (RUNS, SIMULATIONS))


def test_schema_names_every_key_and_what_lists_hold():
    schema = SIMULATIONS.schema()
    assert list(schema["properties"]) == list(json.loads(GOOD))
    assert set(schema["properties"]) - set(schema["required"]) == {"slices", "activations"}
    points = schema["properties"]["traces"]["items"]["properties"]["points"]["items"]
    assert (points["minItems"], points["maxItems"], len(points["prefixItems"])) == (2, 2, 2)
    assert points["prefixItems"][1]["minimum"] < 0
    assert schema["properties"]["battery"]["anyOf"][0]["type"] == "object"


def test_saved_whole_and_given_back(tmp_path):
    path = tmp_path / "s.json"
    Simulation(simulation()).save(path)
    assert Simulation.from_json(path.read_text()).record == simulation()
    assert Simulation.from_json(Simulation(simulation()).to_json()).record.slices == ()
