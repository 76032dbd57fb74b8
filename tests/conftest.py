"""Fixtures that several folders of tests use."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and measurements beside the checkout; tests skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the folder 'shared' with models and measurements is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def models(shared: Path) -> Path:
    """Real quantized models."""
    return shared / "models"
