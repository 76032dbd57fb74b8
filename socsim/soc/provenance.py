"""Which numbers of a platform have a source, and which are assumed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from socsim.quantities import Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.soc.platform import Platform

_NAMES_ONLY = {"schema", "name", "title", "based_on", "preference", "sources", "assumed"}
_QUANTITY = re.compile(r"[0-9][0-9_.]*(?:[eE][+-]?[0-9]+)? *(.*)")
_UNITS = frozenset(unit for kind in Quantity.__subclasses__() for unit in kind.units)


@dataclass(frozen=True, slots=True)
class Provenance:
    """One number: its path and value, and the source or the reason for assuming it."""

    path: str
    value: str
    source: str | None
    assumed: str | None


def provenance(platform: Platform) -> list[Provenance]:
    """Return every number of the platform in the file's order; the longest matching path decides."""
    file = platform.file
    rows = []
    for path, value in numbers(platform.document.value, ()):
        source = _covering(path, file.sources)
        assumed = _covering(path, file.assumed)
        if source and assumed:
            source, assumed = (source, None) if len(source[0]) > len(assumed[0]) else (None, assumed)
        reason = None if source else (assumed[1] if assumed else "no source given")
        rows.append(Provenance(".".join(path), str(value), source[1] if source else None, reason))
    return rows


def _covering(path: tuple[str, ...], table: dict[str, str]) -> tuple[str, str] | None:
    for length in range(len(path), 0, -1):
        prefix = ".".join(path[:length])
        if prefix in table:
            return prefix, table[prefix]
    return None


def numbers(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the numbers below a value, each with its path; entries of lists go by their name or position."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if path or key not in _NAMES_ONLY:
                yield from numbers(inner, (*path, str(key)))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            label = inner["name"] if isinstance(inner, dict) and isinstance(inner.get("name"), str) else str(position)
            yield from numbers(inner, (*path, label))
    elif _is_number(path[-1], value):
        yield path, value


def _is_number(name: str, value: Any) -> bool:
    """Whether a value is a number or a quantity; operating points have names that look like quantities."""
    if isinstance(value, str):
        match = _QUANTITY.match(value)
        return match is not None and (" " in value or (match[1] in _UNITS and name not in {"name", "default"}))
    return isinstance(value, int | float) and not isinstance(value, bool)
