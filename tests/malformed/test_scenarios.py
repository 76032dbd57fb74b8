"""Scenario files that are wrong: the message says where, what was found, and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from socsim.errors import ScenarioError, UsageError
from socsim.workload.scenario.loader import load_scenario
from socsim.workload.scenario.schema import ScenarioFile

FOLDER = Path(__file__).resolve().parent
GOOD = (FOLDER / "scenario.yaml").read_text(encoding="utf-8")
PARTS = re.split(r"(?m)^== ", (FOLDER / "scenarios.txt").read_text(encoding="utf-8"))[1:]


def case(part):
    """Return the edited text and the message that it deserves."""
    lines = [line for line in part.split("\n")[1:] if line]
    olds, news = ([line[1:] for line in lines if line[0] == mark] for mark in "-+")
    text = GOOD
    for old, new in zip(olds, news, strict=True):
        assert old in text
        text = text.replace(old, new, 1)
    return text, "\n".join(f"kitchen.yaml:{line}" for line in lines if line[0] not in "-+")


def refusal(folder, monkeypatch, text):
    monkeypatch.chdir(folder)
    Path("kitchen.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario("kitchen.yaml")
    return str(caught.value)


def test_the_unedited_scenario_is_fine(tmp_path):
    (tmp_path / "kitchen.yaml").write_text(GOOD, encoding="utf-8")
    assert isinstance(load_scenario(tmp_path / "kitchen.yaml").file, ScenarioFile)


@pytest.mark.parametrize("part", PARTS, ids=[part.split("\n")[0] for part in PARTS])
def test_a_fault_has_its_line_and_its_remedy(tmp_path, monkeypatch, part):
    text, message = case(part)
    assert refusal(tmp_path, monkeypatch, text) == message


def test_what_is_no_yaml_is_a_fault_of_the_scenario(tmp_path, monkeypatch):
    assert refusal(tmp_path, monkeypatch, GOOD + "\tx: 1\n").startswith("kitchen.yaml:34: not YAML: ")


def test_no_truncation_of_a_file_escapes_the_loader(tmp_path):
    path = tmp_path / "kitchen.yaml"
    for end in range(0, len(GOOD), 23):
        path.write_text(GOOD[:end], encoding="utf-8")
        with pytest.raises(ScenarioError):
            load_scenario(path)


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(UsageError, match=r"scenario 'smart_speeker' is not known. Did you mean 'smart_speaker'\?"):
        load_scenario("smart_speeker")


@pytest.mark.parametrize("wanted", [None, 5, ""])
def test_something_else_than_a_scenario_is_refused(wanted):
    with pytest.raises(UsageError, match=r"give its name, its YAML file or values with the keys of one"):
        load_scenario(wanted)
