"""Plain lines: what is read fast is what the full parser reads, value by value and line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.errors import PlatformError
from socsim.soc.plain_yaml import read_plain
from socsim.soc.yaml_reader import MAX_NODES, parse_fully, parse_yaml

FILES = sorted((Path(__file__).parents[2] / "platforms").rglob("*.yaml"))

TOKENS = [
    "a", "b.c", "units[0]", "12", "-3", "0x1f", "4.5e3", "null", "~", "true", "800 MHz", "x: y", "x:y", "a #b", "a#b",
    "é", '"q: # {"', r'"\"q\" \\"', r'"\n"', '"open', "'s'", "'it''s'", "[1, a b, 'c']", "{k: v, w: [1, {z: 0}]}",
    "[", "]", "{", "}", ",", "[a,", "b]", "{k: v,", "w: x}", "[]", "{}", "{a}", "[a: b]", "- ", "-", ": ", ":", "? ",
    "| ", ">-", "&a ", "*a", "!t ", "# c", " # c", "---", "...", "%YAML", "@", "\t", "  ", " ", "<<", "=", "(x)",
    "10:30", "\u2028", "7" * 65,
]  # fmt: skip
lines = st.builds(
    lambda indent, key, parts: " " * indent + key + "".join(parts),
    st.integers(0, 4),
    st.sampled_from(["", "", "- ", "a: ", "b:", "- a: ", "- - ", "c:  ", '"d": ', "a.b: "]),
    st.lists(st.sampled_from(TOKENS), max_size=2),
)
texts = st.lists(lines, max_size=7).map("\n".join)
nested = st.recursive(
    st.sampled_from([token for token in TOKENS if token.strip()]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


def written(value, indent=0):
    """Write nested values as block collections, whatever their texts are."""
    pad = " " * indent
    if isinstance(value, dict):
        return "".join(f"\n{pad}{key}: {written(inner, indent + 2)}" for key, inner in value.items())
    if isinstance(value, list):
        return "".join(f"\n{pad}- {written(inner, indent + 2).lstrip()}" for inner in value)
    return value


def assert_same(text):
    """Assert that what is read fast is right; return whether it was."""
    found = read_plain(text, MAX_NODES)
    if found is not None:
        full = parse_fully(text, "file")
        assert repr(found[0]) == repr(full.value)
        assert found[1] == {path: place.line for path, place in full.places.items()}
    return found is not None


@PROPERTY
@given(texts)
@example("a:\n- b\n- c: 1\n  d: [1,\n   2]\ne: f")
@example("a: b\n  c")
@example("a:\n  [1,\n 2]")
@example("a: [1,\n2]")
@example("a: {b: 1, b: 2}")
@example("- a: 1\n b: 2")
@example("a:\n # c\n\n b: 1")
def test_lines_in_any_order_are_read_right_or_left_to_the_full_parser(text):
    assert_same(text)


@PROPERTY
@given(nested)
def test_nested_values_are_read_right_or_left_to_the_full_parser(value):
    assert_same(written(value).lstrip("\n"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_that_ship_are_read_right(path):
    assert_same(path.read_text())


def test_nearly_all_files_that_ship_are_plain():
    left = [path.name for path in FILES if read_plain(path.read_text(), MAX_NODES) is None]
    assert len(left) <= len(FILES) // 20, left


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "just text", "a: b: c", "a:\tb", "a: 1\r\nb: 2", "a: &x 1", "a: !t 1"]
)
def test_what_is_not_plain_is_left_to_the_full_parser(text):
    assert read_plain(text, MAX_NODES) is None


def test_a_fault_after_plain_lines_is_left_to_the_full_parser():
    assert read_plain("a: 1\na: 2", MAX_NODES) is None
    with pytest.raises(PlatformError, match=r'^file:2: found key "a" a second time; keep one of them$'):
        parse_yaml("a: 1\na: 2", "file")


def test_more_values_than_allowed_are_left_to_the_full_parser():
    assert read_plain("a: 1\nb: 2", 3) is not None
    assert read_plain("a: 1\nb: 2", 2) is None
