"""The parts of a platform file that checks across sections look at, and their sentences for names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.errors import did_you_mean, shown
from socsim.soc.validation import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from socsim.soc.plain_yaml import Path_
    from socsim.soc.schema import PlatformFile


@dataclass(frozen=True)
class Sections:
    """The parts of a file that are sound in themselves, and the names of all its parts.

    Args:
        file: sections with the members that the schema accepts.
        names: names by section; None where the section itself is missing or not a mapping.
    """

    file: PlatformFile
    names: dict[str, list[str] | None]

    def unknown(self, name: str, what: str, *sections: str) -> str | None:
        """Return the sentence for a name that none of the sections has."""
        lists = [self.names[section] for section in sections]
        known = [known for names in lists if names is not None for known in names]
        if name in known or None in lists:
            return None
        return unknown(name, what, known)


def unknown(name: str, what: str, known: Iterable[str]) -> str:
    """Return the sentence for a name that is not known."""
    article = "an" if what[0] in "aeio" else "a"
    return f"{shown(name)} is not {article} {what}.{did_you_mean(name, known)}"


def repeated(path: Path_, names: Iterable[str]) -> Iterator[Fault]:
    """Yield a fault for each name that stands more than once."""
    for name, count in Counter(names).items():
        if count > 1:
            yield Fault(path, f"{shown(name)} stands {count} times; keep one of them")
