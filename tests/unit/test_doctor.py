"""What the doctor says of libraries that are absent, old or new enough."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from socsim import doctor
from socsim.doctor import Requirement, examine, is_at_least, parse_requirements

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize(
    ("version", "least", "expected"),
    [
        ("3.10.0", "3.10", True),
        ("3.9.4", "3.10", False),
        ("3.10", "3.10.0", True),
        ("2", "2.0.1", False),
        ("10.0", "9.11", True),
        ("2026.1", "2025.12.31", True),
        ("3.10rc1", "3.10", True),
        ("1.0.post1", "1.0", True),
        ("", "0.1", False),
    ],
)
def test_versions_compare_number_by_number(version: str, least: str, expected: bool) -> None:
    assert is_at_least(version, least) is expected


def test_requirements_are_read_with_their_extra() -> None:
    lines = ["numpy>=2.0", "ruamel-yaml>=0.18.6", "ortools>=9.11; extra == 'solve'", 'pytest>=8.3 ; extra == "test"']
    assert parse_requirements(lines) == [
        Requirement("numpy", "2.0", None),
        Requirement("ruamel-yaml", "0.18.6", None),
        Requirement("ortools", "9.11", "solve"),
        Requirement("pytest", "8.3", "test"),
    ]


def test_every_requirement_of_the_project_is_of_a_form_that_the_doctor_understands() -> None:
    extras = {k: v for k, v in PROJECT["optional-dependencies"].items() if k != "all"}
    lines = [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]
    assert [f"{r.name}>={r.least}" for r in parse_requirements(lines)] == lines


@pytest.fixture
def installation(monkeypatch):
    """Return a function that replaces what is installed and needed, and says what the doctor finds."""

    def install(requires, installed):
        def version(name):
            if name not in installed:
                raise metadata.PackageNotFoundError(name)
            return installed[name]

        monkeypatch.setattr(doctor.metadata, "requires", lambda _: requires)
        monkeypatch.setattr(doctor.metadata, "version", version)
        return {f.check: f for f in examine()}

    return install


def test_an_old_library_fails_and_the_message_says_what_to_do(installation) -> None:
    found = installation(["numpy>=2.0", "typer>=0.15.4"], {"numpy": "1.26.4", "typer": "0.15.4"})
    assert not found["numpy"].is_ok
    assert found["numpy"].detail == "1.26.4 is older than 2.0; pip install 'numpy>=2.0'"
    assert found["typer"].is_ok


def test_an_absent_library_fails(installation) -> None:
    found = installation(["numpy>=2.0"], {})["numpy"]
    assert (found.is_ok, found.detail) == (False, "not installed; pip install 'numpy>=2.0'")


def test_extras_never_fail_and_reserved_ones_say_so(installation) -> None:
    requires = ["jupyterlab>=4.2; extra == 'notebook'", "ortools>=9.11; extra == 'solve'", "x>=1; extra == 'all'"]
    found = installation(requires, {})
    assert found["[notebook]"].is_ok
    assert "lacks jupyterlab>=4.2" in found["[notebook]"].detail
    assert found["[solve]"].detail == "reserved; nothing in this version uses it"
    assert "[all]" not in found
    assert installation(requires, {"jupyterlab": "4.2.1"})["[notebook]"].detail == "installed"


def test_a_checkout_that_is_not_installed_fails(monkeypatch) -> None:
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", absent)
    found = {f.check: f for f in examine()}["libraries"]
    assert not found.is_ok
    assert "pip install ." in found.detail
