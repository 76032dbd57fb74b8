"""What a list of platforms shows: read from the files alone, without loading what they describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from socsim.soc.library import find_platform, platform_names
from socsim.soc.yaml_reader import read_yaml

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Heading:
    """A platform that ships with socsim.

    Args:
        name: of its file.
        title: as the file gives it.
        units: names, in the order of the loaded platform.
    """

    name: str
    title: str
    units: tuple[str, ...]


def headings() -> list[Heading]:
    """Return the heading of each platform that ships, by name.

    Raises:
        PlatformError: a file cannot be read or has no heading; as for loading it.
    """
    return [_heading(name) for name in platform_names()]


def _heading(name: str) -> Heading:
    found = _lines(find_platform(name), ())
    if found is None:  # says what is wrong with the file
        from socsim.soc.loader import load_platform

        platform = load_platform(name)
        return Heading(platform.name, platform.file.title, tuple(platform.units))
    title, units = found
    return Heading(name, title, units)


def _lines(path: Path, derived: tuple[Path, ...]) -> tuple[str, tuple[str, ...]] | None:
    """Return title and units of a file and those that it is based on; None where it is no such description."""
    value: Any = read_yaml(path).value
    if path in derived or not isinstance(value, dict):
        return None
    title, units, base = value.get("title"), value.get("units", {}), value.get("based_on")
    if not isinstance(units, dict) or not isinstance(base, str | None):
        return None
    below = _lines(find_platform(base, beside=path.parent), (*derived, path)) if base else ("", ())
    shown = below and (title or below[0])
    return (shown, tuple(dict.fromkeys((*units, *below[1])))) if below and shown and isinstance(shown, str) else None
