"""Finds platform files and presets by name."""

from __future__ import annotations

from pathlib import Path

from socsim.data_files import data_folder
from socsim.errors import UnknownNameError, did_you_mean

SUFFIXES = frozenset({".yaml", ".yml"})


def platform_names() -> list[str]:
    """Return the names of the platforms that ship with socsim."""
    return sorted(path.stem for path in data_folder("platforms").glob("*.yaml") if path.stem != "technology")


def preset_names() -> list[str]:
    """Return the names of the presets that ship with socsim."""
    return sorted(path.stem for path in (data_folder("platforms") / "presets").glob("*.yaml"))


def preset_path(name: str) -> Path:
    """Return the file of a preset of `preset_names`."""
    return data_folder("platforms") / "presets" / f"{name}.yaml"


def find_platform(name_or_path: str | Path, beside: Path | None = None) -> Path:
    """Return the file of a platform that ships with socsim, or the path as it is.

    Args:
        name_or_path: a path has a folder in it or ends in ".yaml" or ".yml".
        beside: folder that a relative path starts from; the working directory where None.

    Raises:
        UnknownNameError: not a path, and no platform of that name.
    """
    path = Path(name_or_path)
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        return beside / path if beside else path
    if str(name_or_path) not in platform_names():
        hint = did_you_mean(str(name_or_path), platform_names())
        msg = f"platform {str(name_or_path)!r} is not known.{hint}"
        raise UnknownNameError(msg)
    return data_folder("platforms") / f"{name_or_path}.yaml"
