"""Fixtures that several folders of tests use, and the profiles of property tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SOCSIM_SHARED") or ROOT.parent / "shared").resolve()
"""Models and measurements too large for the repository: SOCSIM_SHARED, or a folder beside the checkout."""

# "ci": the same examples on every machine, and no limit on time. "nightly": many more, new ones each time;
# what fails is printed so that it can be replayed.
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile("nightly", max_examples=2000, deadline=None, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "ci")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and measurements; tests skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("no folder of models and measurements: set SOCSIM_SHARED, or put 'shared' beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def models(shared: Path) -> Path:
    """Real quantized models."""
    return shared / "models"


@pytest.fixture
def socsim(monkeypatch, capsys):
    """Run the command line in this process; return exit code, stdout and stderr."""

    from socsim.cli import main

    def invoke(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["socsim", *map(str, args)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return invoke
