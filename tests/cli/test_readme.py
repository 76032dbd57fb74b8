"""Does the README say what is true: its commands run, and print what stands there?"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from socsim.cli import main

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """Return the command between two markers."""
    match = re.search(rf"<!-- {name} -->\n```\n(.*?)\n```\n<!-- end -->", README, re.DOTALL)
    assert match, f"the README has no block {name!r}"
    return match[1]


def test_the_first_command_prints_what_the_readme_shows(monkeypatch, capsys):
    command = block("run").split(" && ")[-1].replace(".venv/bin/", "")
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    shown = re.search(r"and prints:\n\n```\n(.*?)```", README, re.DOTALL)
    assert shown
    assert capsys.readouterr().out == shown[1]


@pytest.mark.parametrize(
    "line", [text for text in README.splitlines() if text.startswith("socsim ") and "model." not in text]
)
def test_the_example_lines_name_verbs_that_exist(line, monkeypatch, capsys):
    for text in re.split(r"\s{3,}", line.split("#")[0].strip()):
        verb = text.split()[1]
        monkeypatch.setattr(sys, "argv", ["socsim", verb, "--help"])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
        assert "Usage" in capsys.readouterr().out


def test_the_platforms_that_the_readme_names_ship():
    from socsim import session

    table = README.split("## What it knows")[1].split("A platform is")[0]
    named = set(re.findall(r"`([a-z0-9-]+)`", table))
    assert len(named) > 20
    assert named <= set(session.platforms())
