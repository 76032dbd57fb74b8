"""The YAML reader: plain values of YAML 1.2, each with its line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socsim.errors import PlatformError
from socsim.soc.plain_yaml import MAX_NUMBER
from socsim.soc.yaml_reader import YamlDocument, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1e9", 1e9),
        ("1.0e9", 1e9),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ('"5"', "5"),
        ("'true'", "true"),
        ("800 MHz", "800 MHz"),
        ("[1, a]", [1, "a"]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("|\n  one\n  two\n", "one\ntwo\n"),
        ("1e999", float("inf")),
        (".inf", ".inf"),
        (".nan", ".nan"),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse_yaml(f"key: {text}", "f.yaml").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_a_yaml_1_1_directive_does_not_bring_back_its_booleans() -> None:
    assert parse_yaml("%YAML 1.1\n---\nkey: yes\n", "f.yaml").value == {"key": "yes"}


def test_each_value_has_the_line_of_its_key() -> None:
    document = parse_yaml("# comment\na: 1\nb:\n  c:\n    - x\n    - {d: 2}\ne: >\n  long\n  text\n", "f.yaml")
    lines = {path: place.line for path, place in document.places.items()}
    assert lines == {
        (): 2,
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "c", 0): 5,
        ("b", "c", 1): 6,
        ("b", "c", 1, "d"): 6,
        ("e",): 7,
    }


def test_a_missing_value_stands_where_its_parent_does() -> None:
    document = parse_yaml("a:\n  b: 1\n", "f.yaml")
    assert document.at(("a", "b", "c", 0)) == "f.yaml:2"
    assert document.at(("z",)) == "f.yaml:1"
    assert YamlDocument("values from a call", {}).at(("z",)) == "values from a call"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", 'f.yaml:2: found key "a" a second time; keep one of them'),
        ("a: {b: 1, b: 2}", 'f.yaml:1: found key "b" a second time; keep one of them'),
        ("a: &x 1", "f.yaml:1: found an anchor (&x); write the value out where it is used"),
        ("a: 1\nb: *x", "f.yaml:2: found an alias (*name); write the value out"),
        ("a: !!str 1", "f.yaml:1: found a tag (tag:yaml.org,2002:str); only plain values are allowed"),
        ("!map\na: 1", "f.yaml:1: found a tag (!map); only plain values are allowed"),
        ("a: 1\n---\nb: 1", "f.yaml:2: found a second document; write one document a file"),
        ("? {a: 1}\n: 2", "f.yaml:1: found a collection as a key; keys are words"),
        (
            "a: 1\n\tb: 2",
            "f.yaml:2: not YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs",
        ),
        ("a: 'b", "f.yaml:1: not YAML: found unexpected end of stream; close the quotation mark"),
        ("a: ]", "f.yaml:1: not YAML: expected the node content, but found ']'; correct this line or those above"),
        ("%YAML 2.0\n---\na: 1", None),
    ],
)
def test_refused_constructs(text: str, message: str | None) -> None:
    with pytest.raises(PlatformError) as caught:
        parse_yaml(text, "f.yaml")
    assert message is None or str(caught.value) == message
    assert str(caught.value).startswith("f.yaml:")


def test_numbers_have_a_length() -> None:
    assert parse_yaml(f"a: {'9' * MAX_NUMBER}", "f.yaml").value == {"a": int("9" * MAX_NUMBER)}
    with pytest.raises(PlatformError, match=f"a number of {MAX_NUMBER + 1} characters"):
        parse_yaml(f"a: {'9' * (MAX_NUMBER + 1)}", "f.yaml")


def test_a_file_is_named_in_its_places(tmp_path: Any) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    assert read_yaml(path).at(("a",)) == f"{path}:1"


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="ascii", categories=["L", "N"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_json_is_yaml(value: Any) -> None:
    import json

    assert parse_yaml(json.dumps(value), "f.yaml").value == value


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`, \n\t?~01", max_size=40))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        document = parse_yaml(text, "f.yaml")
    except PlatformError as error:
        assert str(error).startswith("f.yaml:")  # noqa: PT017
    else:
        assert document.where == "f.yaml"
