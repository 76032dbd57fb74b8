"""Where the data that ships with the package stands: inside a wheel, or at the top of a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from socsim.errors import SocsimError


@cache
def data_folder(name: str) -> Path:
    """Return the folder `platforms` or `workloads` of this installation.

    Raises:
        SocsimError: the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    msg = f"this installation of socsim lacks its data folder {name!r}; run pip install --force-reinstall socsim"
    raise SocsimError(msg)
