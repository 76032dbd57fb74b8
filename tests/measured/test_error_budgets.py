"""Do the error budgets hold: coverage, medians and groups of predictions by fits that never saw the network?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

VALIDATION = Path(__file__).resolve().parents[2] / "validation"


@pytest.mark.slow
def test_every_budget_holds():
    made = subprocess.run(
        [sys.executable, str(VALIDATION / "report.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "all error budgets hold" in made.stdout


def test_the_report_has_the_figures_that_it_shows():
    report = (VALIDATION / "REPORT.md").read_text(encoding="utf-8")
    names = {line.split("(")[1].rstrip(")\n") for line in report.splitlines() if line.startswith("![")}
    assert names == {f"figures/{path.name}" for path in (VALIDATION / "figures").iterdir()}
