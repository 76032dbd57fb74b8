"""Which numbers of a platform have a source, and which are assumed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from socsim.quantities import Quantity
from socsim.soc.paths import canonical, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from socsim.soc.platform import Platform

_NAMES_ONLY = {"schema", "name", "title", "version", "based_on", "preference", "sources", "assumed"}
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
    return numbers_with_reasons(platform.document.value, platform.file.sources, platform.file.assumed)


def numbers_with_reasons(tree: Any, *tables: Mapping[str, str]) -> list[Provenance]:
    """Return every number of a file's plain values, by its tables of sources and of assumptions."""
    sources, assumptions = ({canonical(tree, path): text for path, text in table.items()} for table in tables)
    rows = []
    for path, value in numbers(tree, ()):
        source = _covering(path, sources)
        assumed = _covering(path, assumptions)
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
    """Yield the numbers below a value, each with its path; items of lists go by their label."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if path or key not in _NAMES_ONLY:
                yield from numbers(inner, (*path, str(key)))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from numbers(inner, (*path, label(inner, position)))
    elif _is_number(path[-1], value):
        yield path, value


def _is_number(name: str, value: Any) -> bool:
    """Whether a value is a number or a quantity; operating points have names that look like quantities."""
    if isinstance(value, str):
        match = _QUANTITY.match(value)
        return match is not None and (" " in value or (match[1] in _UNITS and name not in {"name", "default"}))
    return isinstance(value, int | float) and not isinstance(value, bool)
