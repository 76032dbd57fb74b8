"""Reads YAML 1.2 from strangers: plain values only, each with its line.

Aliases, tags, duplicate keys and documents beyond the limits are refused on the event stream, before
anything is built.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from socsim.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 2**20
MAX_DEPTH = 32
MAX_NODES = 100_000

# YAML 1.2.2, section 10.3.2 (core schema): the text of a plain scalar decides its type.
_INT = re.compile(r"^[-+]?[0-9]+$|^0o[0-7]+$|^0x[0-9a-fA-F]+$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_WORDS = {"null": None, "Null": None, "NULL": None, "~": None, "": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}

Path_ = tuple[str | int, ...]


@dataclass
class YamlDocument:
    """A parsed file: plain values, and the line of each by its path of keys."""

    where: str
    value: Any
    lines: dict[Path_, int] = field(default_factory=dict)

    def at(self, path: Path_) -> str:
        """Return "file:line" of the value at `path`, or of its nearest enclosing value."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.where}:{self.lines.get(path, 1)}"


def read_yaml(path: Path) -> YamlDocument:
    """Read one YAML document of plain values.

    Raises:
        PlatformError: unreadable, too large, not YAML, or using aliases, tags or duplicate keys.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as UTF-8 text ({error}); give a YAML file"
        raise PlatformError(msg) from None
    if len(raw) > MAX_BYTES:
        msg = f"{path}: larger than the limit of {MAX_BYTES} bytes"
        raise PlatformError(msg)
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> YamlDocument:
    """Parse one YAML document of plain values; errors as for `read_yaml`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    document = YamlDocument(where, None)
    try:
        events = YAML(typ="safe", pure=True).parse(text)
        _Builder(document).run(events)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        msg = f"{where}:{line}: not YAML: {error.problem or error.context}"
        raise PlatformError(msg) from None
    except (YAMLError, ValueError, RecursionError) as error:
        msg = f"{where}: not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise PlatformError(msg) from None
    return document


class _Builder:
    """Builds values from parser events, one frame for each open collection."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self.stack: list[tuple[Any, Path_]] = []
        self.keys: list[str | None] = []
        self.nodes = 0

    def run(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    self._refuse(event, "a second document; write one document a file")
            elif kind == "AliasEvent":
                self._refuse(event, "an alias (*name); write the value out")
            elif kind in {"MappingStartEvent", "SequenceStartEvent"}:
                self._open({} if kind.startswith("M") else [], event)
            elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
                self.stack.pop()
                self.keys.pop()
            elif kind == "ScalarEvent":
                self._scalar(event)

    def _scalar(self, event: Any) -> None:
        self._count(event)
        if self.stack and isinstance(self.stack[-1][0], dict) and self.keys[-1] is None:
            key = event.value
            if key in self.stack[-1][0]:
                self._refuse(event, f"key {key!r} a second time; keep one of them")
            self.keys[-1] = key
            return
        plain = event.style is None or event.style == ""
        self._add(_resolve(event.value) if plain else event.value, event)

    def _open(self, collection: Any, event: Any) -> None:
        self._count(event)
        if self.stack and isinstance(self.stack[-1][0], dict) and self.keys[-1] is None:
            self._refuse(event, "a collection as a key; keys are words")
        path = self._add(collection, event)
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(event, f"nesting deeper than {MAX_DEPTH}")
        self.stack.append((collection, path))
        self.keys.append(None)

    def _add(self, value: Any, event: Any) -> Path_:
        line = event.start_mark.line + 1
        if not self.stack:
            self.document.value = value
            self.document.lines[()] = line
            return ()
        parent, path = self.stack[-1]
        if isinstance(parent, dict):
            key: str | int = self.keys[-1] or ""
            parent[key] = value
            self.keys[-1] = None
        else:
            key = len(parent)
            parent.append(value)
        self.document.lines[(*path, key)] = line
        return (*path, key)

    def _count(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._refuse(event, f"more than {MAX_NODES} values")
        if event.anchor is not None:
            self._refuse(event, f"an anchor (&{event.anchor}); write the value out where it is used")
        if getattr(event, "tag", None) is not None and str(event.tag) not in {"!", "None"}:
            self._refuse(event, f"a tag ({event.tag}); only plain values are allowed")

    def _refuse(self, event: Any, what: str) -> None:
        msg = f"{self.document.where}:{event.start_mark.line + 1}: found {what}"
        raise PlatformError(msg)


def _resolve(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
