"""Platforms that do not ship: files and folders that a user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from socsim.errors import UsageError
from socsim.soc.library import SUFFIXES
from socsim.soc.loader import load_platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def own_platforms(places: Sequence[str | Path]) -> dict[str, Path]:
    """Return the files of platforms by the name that each gives itself.

    Args:
        places: YAML files, or folders of them.

    Raises:
        PlatformError: a file that is wrong.
        UsageError: no such file, a folder without one, or two of the same name.
    """
    found: dict[str, Path] = {}
    for file in (file for place in places for file in _files(Path(place))):
        name = load_platform(file).name
        if name in found and found[name] != file:
            raise UsageError(f"platform {name!r} is described twice, in {found[name]} and {file}; keep one of them")
        found[name] = file
    return found


def _is_platform(file: Path) -> bool:
    """Whether a file of a folder is a platform, and not what was fitted to one (`NAME.calibration.yaml`)."""
    return file.suffix in SUFFIXES and not file.stem.endswith(".calibration")


def _files(place: Path) -> Iterator[Path]:
    """Yield the platform files that a file or a folder stands for, as absolute paths."""
    files = sorted(filter(_is_platform, place.iterdir())) if place.is_dir() else [place]
    if not files:
        raise UsageError(f"{place}: holds no platform; give a .yaml file, or a folder of them")
    for file in files:
        if file.suffix not in SUFFIXES or not file.is_file():
            raise UsageError(f"{file}: no such platform file; give a .yaml file, or a folder of them")
        yield file.resolve()
