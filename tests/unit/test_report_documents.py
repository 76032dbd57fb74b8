"""The JSON document: exact round trip, stable bytes, and every malformed text refused with its faults."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_runs import hostile, made_up

from socsim.errors import ResultError
from socsim.report.documents import from_json, json_schema, load_record, to_json
from socsim.report.storage import read_document

WRITE_ONE = "give a document that socsim wrote with --json"
GOOD = to_json(made_up(), include_timeline=True)


def changed(**values):
    return json.dumps(json.loads(GOOD) | values)


def test_round_trip_is_exact():
    assert from_json(GOOD) == made_up()
    assert from_json(GOOD.encode()) == made_up()
    assert from_json(to_json(hostile(), include_timeline=True)) == hostile()
    assert to_json(from_json(GOOD), include_timeline=True) == GOOD


def test_without_a_timeline_slices_and_rates_come_back_empty():
    assert from_json(to_json(made_up())) == replace(made_up(), slices=(), rates=())


def test_document_has_the_promised_keys_first_its_version():
    document = json.loads(to_json(made_up()))
    assert next(iter(document)) == "schema_version"
    assert document["schema_version"] == "socsim.run/1"
    assert {"latency_ps", "energy_pj", "units", "links", "memories", "operators", "energy", "explanations"} <= set(
        document
    )
    assert "slices" not in document
    assert document["opps"] == {"cpu": "1800MHz", "npu": "800MHz"}
    assert document["operators"][1]["latency_ps"] is None
    assert document["links"][0]["initiators"] == {"cpu": 50_000, "npu": 150_000}


def test_text_is_ascii_so_that_no_name_reaches_the_terminal_raw():
    assert to_json(hostile()).isascii()
    assert "\x1b" not in to_json(hostile())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "result: is not JSON: Expecting value at line 1, column 1; give a document that socsim wrote with --json"),
        ("[]", "result: holds no JSON object; give a document that socsim wrote with --json"),
        ("{}", 'result: has no schema_version; this socsim reads "socsim.run/1"'),
        (
            '{"schema_version": "socsim.run/7"}',
            "result: schema_version is 'socsim.run/7'; this socsim reads \"socsim.run/1\". Make the result again",
        ),
        (
            '{"schema_version": [1]}',
            'result: schema_version is no text; this socsim reads "socsim.run/1". Make the result again',
        ),
        (b"\xff{}", "result: is not JSON: byte 0 is not UTF-8; give a document that socsim wrote with --json"),
        ("[" * 200_000, f"result: is not JSON: its brackets nest too deep; {WRITE_ONE}"),
        (
            '{"a": ' + "9" * 5_000 + "}",
            f"result: is not JSON: a number in it has thousands of digits; {WRITE_ONE}",
        ),
        (changed(batch=True), "result: batch: true is not allowed; give a whole number from 0 to 2^63 - 1"),
        (changed(batch=-1), "result: batch: -1 is not allowed; give a whole number from 0 to 2^63 - 1"),
        (
            changed(batch=2**63),
            "result: batch: 9223372036854775808 is not allowed; give a whole number from 0 to 2^63 - 1",
        ),
        (changed(precision=8), "result: precision: 8 is not allowed; give text or null"),
        (changed(opps=[]), "result: opps: a list is not allowed; give an object"),
        (changed(opps={"npu": None}), "result: opps['npu']: null is not allowed; give text"),
        (changed(units={}), "result: units: an object is not allowed; give a list"),
        (changed(links=[3]), "result: links[0]: 3 is not allowed; give an object"),
        (changed(colour="red"), "result: colour: is not a known key"),
        (GOOD.replace('"batch": 1', '"batch": 1, "batch": 2'), "result: batch: stands twice in one object"),
    ],
)  # fmt: skip
def test_malformed_document_is_refused_with_its_fault(text, message):
    with pytest.raises(ResultError) as caught:
        from_json(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number):
    with pytest.raises(
        ResultError, match=r"operators\[0\]\.utilisation: .* is not allowed; give a finite number or null"
    ):
        from_json(GOOD.replace('"utilisation": 0.125', f'"utilisation": {number}', 1))


def test_all_faults_stand_in_one_error():
    document = json.loads(GOOD)
    del document["model"]
    document["latency_ps"] = "long"
    document["operators"][2]["macs"] = None
    with pytest.raises(ResultError) as caught:
        from_json(json.dumps(document), "old.json")
    assert str(caught.value) == (
        "old.json: 3 faults\n"
        "  - model: is missing\n"
        '  - latency_ps: "long" is not allowed; give a whole number from 0 to 2^63 - 1\n'
        "  - operators[2].macs: null is not allowed; give a whole number from 0 to 2^63 - 1"
    )


def test_many_faults_are_counted():
    with pytest.raises(ResultError) as caught:
        from_json(changed(notes=[1] * 500))
    assert str(caught.value).splitlines()[-1] == "  and 480 more"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latency_ps": 1}, r"operators\[0\]\.latency_ps: 1 is not the sum of its parts"),
        ({"index": 3}, r"operators\[0\]\.index: 3 stands at position 0"),
        ({"fused_into": 77}, r"operators\[0\]\.fused_into: there is no operator 77"),
    ],
)
def test_document_that_contradicts_itself_is_refused(change, message):
    document = json.loads(GOOD)
    document["operators"][0] |= change
    with pytest.raises(ResultError, match=message):
        from_json(json.dumps(document))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3))
def test_damaged_bytes_are_read_or_refused_and_nothing_else(position, patch):
    raw = GOOD.encode()
    damaged = raw[:position] + patch + raw[position + len(patch) + 1 :]
    try:
        read = from_json(damaged)
    except ResultError:
        return
    assert from_json(to_json(read, include_timeline=True)) == read


def test_stored_file_is_read_and_named_in_errors(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(GOOD)
    assert load_record(path) == made_up()
    assert read_document(path) == GOOD
    path.write_text("{")
    with pytest.raises(ResultError, match=r"run\.json: is not JSON: Expecting property name"):
        load_record(path)
    with pytest.raises(ResultError, match=r"none\.json: cannot be read: No such file or directory"):
        load_record(tmp_path / "none.json")


def test_schema_names_every_key_of_the_document():
    schema, document = json_schema(), json.loads(GOOD)
    assert list(schema["properties"]) == [*document, "placement"]
    assert set(document) - set(schema["required"]) == {"slices", "rates"}
    rows = schema["properties"]["operators"]["items"]
    assert list(rows["properties"]) == list(document["operators"][0])
    assert rows["properties"]["energy_pj"]["anyOf"][1] == {"type": "null"}
    assert schema["properties"]["opps"] == {"type": "object", "additionalProperties": {"type": "string"}}
