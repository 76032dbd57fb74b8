"""Reads YAML 1.2 from strangers: plain values only, each with its line.

Aliases, tags, duplicate keys and documents beyond the limits are refused on the event stream, before
anything is built.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from socsim.errors import PlatformError, shown
from socsim.soc.plain_yaml import MAX_NUMBER, Path_, is_long_number, read_plain, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 2**20
MAX_DEPTH = 32
MAX_NODES = 100_000

_TAG_HANDLE = re.compile(r"undefined tag handle .*", re.DOTALL)
"""The one problem whose sentence quotes more of the file than a character."""

_REMEDIES = {
    "mapping values are not allowed here": 'quote text with ": " in it, and indent evenly',
    r"found character '\t' that cannot start any token": "indent with spaces, not tabs",
    "found unexpected end of stream": "close the quotation mark",
}


class Place(NamedTuple):
    """Where a value stands."""

    where: str
    line: int

    def __str__(self) -> str:
        return f"{self.where}:{self.line}"


@dataclass
class YamlDocument:
    """A parsed file: plain values, and the place of each (of its key, in a mapping) by its path of keys."""

    where: str
    value: Any
    places: dict[Path_, Place] = field(default_factory=dict)

    def place(self, path: Path_) -> Place | None:
        """Return the place of the value at `path`, or of its nearest enclosing value."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)

    def at(self, path: Path_) -> str:
        """Return "file:line" of the value at `path`, or of its nearest enclosing value."""
        return str(self.place(path) or self.where)


def read_yaml(path: Path) -> YamlDocument:
    """Read one YAML document of plain values.

    Raises:
        PlatformError: unreadable, too large, not YAML, or using aliases, tags or duplicate keys.
    """
    raw = _read(path)
    if len(raw) > MAX_BYTES:
        msg = f"{path}: larger than the limit of {MAX_BYTES} bytes; a description is a few kilobytes"
        raise PlatformError(msg)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        msg = f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        raise PlatformError(msg) from None
    return parse_yaml(text, str(path))


def _read(path: Path) -> bytes:
    """Return the bytes of a regular file, one more than the limit at most."""
    try:
        if not path.exists():
            msg = f"{path}: no such file; give the path of a YAML file"
            raise PlatformError(msg)
        if not path.is_file():  # a pipe or a device would block or never end
            msg = f"{path}: not a regular file; give the path of a YAML file"
            raise PlatformError(msg)
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"{path}: cannot be read: {reason}; give the path of a YAML file"
        raise PlatformError(msg) from None


def parse_yaml(text: str, where: str) -> YamlDocument:
    """Parse one YAML document of plain values; errors as for `read_yaml`."""
    kept = _parsed(text, where)
    return YamlDocument(where, _copied(kept.value), dict(kept.places))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


@lru_cache(maxsize=512)
def _parsed(text: str, where: str) -> YamlDocument:
    """Return what a text says; kept, since many platforms share presets and runtimes."""
    plain = read_plain(text, MAX_NODES // 2)  # a value and its key are two nodes
    if plain is None:
        return parse_fully(text, where)
    value, lines = plain
    return YamlDocument(where, value, {path: Place(where, line) for path, line in lines.items()})


def parse_fully(text: str, where: str) -> YamlDocument:
    """Parse one YAML document by the full parser, however plain it is; errors as for `read_yaml`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    document = YamlDocument(where, None)
    try:
        events = YAML(typ="safe", pure=True).parse(text)
        _Builder(document).run(events)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = _TAG_HANDLE.sub("undefined tag", str(error.problem or error.context))
        msg = f"{where}:{line}: not YAML: {problem}; {_REMEDIES.get(problem, 'correct this line or those above')}"
        raise PlatformError(msg) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        msg = f"{where}:{line}: not YAML: control character U+{error.character:04X}; take it out"
        raise PlatformError(msg) from None
    except (YAMLError, ValueError, RecursionError):  # their words may quote the file
        msg = f"{where}: not YAML: the parser gave up; correct the file"
        raise PlatformError(msg) from None
    return document


class _Builder:
    """Builds values from parser events, one frame for each open collection."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self.stack: list[tuple[Any, Path_]] = []
        self.keys: list[tuple[str, int] | None] = []
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
                self._refuse(event, f"key {shown(key)} a second time; keep one of them")
            self.keys[-1] = (key, event.start_mark.line + 1)
            return
        if event.style:
            self._add(event.value, event)
        elif is_long_number(event.value):
            self._refuse(event, f"a number of {len(event.value)} characters; at most {MAX_NUMBER} are read")
        else:
            self._add(resolve(event.value), event)

    def _open(self, collection: Any, event: Any) -> None:
        self._count(event)
        if self.stack and isinstance(self.stack[-1][0], dict) and self.keys[-1] is None:
            self._refuse(event, "a collection as a key; keys are words")
        path = self._add(collection, event)
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(event, f"more than {MAX_DEPTH} levels of nesting; write it flatter")
        self.stack.append((collection, path))
        self.keys.append(None)

    def _add(self, value: Any, event: Any) -> Path_:
        line = event.start_mark.line + 1
        path: Path_ = ()
        if not self.stack:
            self.document.value = value
        elif isinstance(parent := self.stack[-1][0], dict):
            key, line = self.keys[-1] or ("", line)
            parent[key] = value
            self.keys[-1] = None
            path = (*self.stack[-1][1], key)
        else:
            path = (*self.stack[-1][1], len(parent))
            parent.append(value)
        self.document.places[path] = Place(self.document.where, line)
        return path

    def _count(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._refuse(event, f"more than {MAX_NODES} values; a description has some hundreds")
        if event.anchor is not None:
            self._refuse(event, f"an anchor (&{event.anchor}); write the value out where it is used")
        if getattr(event, "tag", None) is not None and str(event.tag) not in {"!", "None"}:
            self._refuse(event, f"a tag ({event.tag}); only plain values are allowed")

    def _refuse(self, event: Any, what: str) -> None:
        msg = f"{self.document.where}:{event.start_mark.line + 1}: found {what}"
        raise PlatformError(msg)
