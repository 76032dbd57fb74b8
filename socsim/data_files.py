"""Where the data that ships with the package stands: inside a wheel, or at the top of a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def data_folder(name: str) -> Path:
    """Return the folder `platforms` or `workloads` of this installation."""
    package = Path(__file__).resolve().parent
    for folder in (package / "data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    msg = f"this installation of socsim has no {name!r} folder; install it again"
    raise FileNotFoundError(msg)
