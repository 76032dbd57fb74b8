"""Reads the plain lines that descriptions are written in: a small part of YAML 1.2, many times as fast as all of it.

Keys, one value or one flow collection a line, block lists of these, comments. Whatever goes beyond that (text over
several lines, escapes, block scalars, several documents, and anything that is wrong) is left to the full parser, which
comes to the same values and lines for what is read here, and alone says what is wrong.
"""

from __future__ import annotations

import re
from typing import Any

Path_ = tuple[str | int, ...]

MAX_NUMBER = 64

# YAML 1.2.2, section 10.3.2 (core schema): the text of a plain scalar decides its type.
_INT = re.compile(r"^[-+]?[0-9]+$|^0o[0-7]+$|^0x[0-9a-fA-F]+$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_WORDS = {"null": None, "Null": None, "NULL": None, "~": None, "": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}

_FOREIGN = re.compile("[^\n\x20-\x7e\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
"""Tabs, control characters and other line ends."""
_LINE = re.compile(r"(?:-|([A-Za-z0-9_][A-Za-z0-9_./\[\]-]{0,200}):)(?: +|$)")
_STARTS_PLAIN = re.compile("[A-Za-z0-9_(./~\u00a1-\ufffd]|-[0-9.]")
_PLAIN_IN_FLOW = re.compile(f"(?:{_STARTS_PLAIN.pattern})[^:#,\\[\\]{{}}\"'\n]*")
_KEY_IN_FLOW = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_./-]{0,200}): +(?=[^ \n])")
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\["\\])*)"|' + r"'([^'\n]*)'")
_ESCAPED = re.compile(r"\\(.)")
_END = re.compile(r" *(?: #.*)?$")
_SPACES = re.compile("[ \n]*")
_DEEPEST = 16


def resolve(text: str) -> Any:
    """Return the value that the text of a plain scalar stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def is_long_number(text: str) -> bool:
    """Whether a plain scalar is a number of more characters than are read."""
    return len(text) > MAX_NUMBER and bool(_INT.match(text) or _FLOAT.match(text))


def read_plain(text: str, most_values: int) -> tuple[Any, dict[Path_, int]] | None:
    """Return the value of a text, and the line of each value (of its key, in a mapping) by its path of keys.

    Args:
        text: of a file.
        most_values: values that it may have, keys not counted.

    Returns: None for a text that goes beyond plain lines, or has more values.
    """
    if _FOREIGN.search(text):
        return None
    reader = _Reader(text)
    try:
        reader.run()
    except _BeyondError:
        return None
    return (reader.value, reader.places) if 0 < len(reader.places) <= most_values else None


class _BeyondError(Exception):
    """The text goes beyond plain lines."""


class _UnfinishedError(Exception):
    """A flow collection goes on in the next line."""


class _Reader:
    """Builds values line by line, one frame for each open collection: indentation, collection and path."""

    def __init__(self, text: str) -> None:
        self.value: Any = None
        self.places: dict[Path_, int] = {}
        self._lines = text.split("\n")
        self._next = 0
        self._stack: list[tuple[int, dict[str, Any] | list[Any], Path_]] = []
        self._open: tuple[dict[str, Any], str, Path_] | None = None
        """Mapping, key and path of a value that the next line may begin."""

    def run(self) -> None:
        """Read all lines."""
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            content = line.lstrip(" ")
            if content and content[0] != "#":
                self._take(len(line) - len(content), content)

    def _take(self, indent: int, content: str) -> None:
        """Read a line that is no comment."""
        if content[0] in "[{" and self._open and indent > self._stack[-1][0]:
            mapping, key, path = self._open
            self._open, line = None, self.places[path]
            mapping[key] = self._value(content, path)
            self.places[path] = line
            return
        matched = _LINE.match(content)
        if matched is None:
            raise _BeyondError
        key, rest = matched[1], content[matched.end() :]
        self.places.setdefault((), self._next)
        collection, path = self._collection(indent, is_item=key is None)
        if isinstance(collection, dict):
            self._entry(collection, (*path, key), rest)
        else:
            self._item(collection, (*path, len(collection)), indent + matched.end(), rest)

    def _entry(self, mapping: dict[str, Any], path: Path_, rest: str) -> None:
        """Read what follows a key."""
        key = str(path[-1])
        if key in mapping:
            raise _BeyondError
        self.places[path] = self._next
        if rest and rest[0] != "#":
            mapping[key] = self._value(rest, path)
        else:
            mapping[key] = None
            self._open = mapping, key, path

    def _item(self, items: list[Any], path: Path_, indent: int, rest: str) -> None:
        """Read what follows a dash; a mapping that begins there has the indentation of its first key."""
        if not rest or rest[0] == "#":
            raise _BeyondError
        matched = _LINE.match(rest)
        if matched is None:
            items.append(self._value(rest, path))
        elif matched[1] is None:
            raise _BeyondError
        else:
            mapping: dict[str, Any] = {}
            items.append(mapping)
            self.places[path] = self._next
            self._push(indent, mapping, path)
            self._entry(mapping, (*path, matched[1]), rest[matched.end() :])

    def _collection(self, indent: int, *, is_item: bool) -> tuple[dict[str, Any] | list[Any], Path_]:
        """Return the collection that a line belongs to, with its path; what it ends or begins is closed or opened."""
        opened, self._open = self._open, None
        if not self._stack:
            self.value = [] if is_item else {}
            self._push(indent, self.value, ())
        elif opened and (indent > self._stack[-1][0] or (is_item and indent == self._stack[-1][0])):
            mapping, key, path = opened
            mapping[key] = [] if is_item else {}
            self._push(indent, mapping[key], path)
        while self._stack and self._is_over(indent, is_item=is_item):
            self._stack.pop()
        if not self._stack or self._stack[-1][0] != indent or isinstance(self._stack[-1][1], list) != is_item:
            raise _BeyondError
        return self._stack[-1][1:]

    def _push(self, indent: int, collection: dict[str, Any] | list[Any], path: Path_) -> None:
        if len(self._stack) == _DEEPEST:
            raise _BeyondError
        self._stack.append((indent, collection, path))

    def _is_over(self, indent: int, *, is_item: bool) -> bool:
        """Whether the innermost collection ends before a line; the items of a list may stand below their key."""
        own, collection, _ = self._stack[-1]
        return own > indent or (own == indent and isinstance(collection, list) and not is_item)

    # --- values ---------------------------------------------------------------------------------------

    def _value(self, text: str, path: Path_) -> Any:
        """Return the value that the rest of a line holds, and for a flow collection the lines after it."""
        if text[0] not in "[{\"'":
            self.places[path] = self._next
            plain = text.partition(" #")[0].rstrip(" ")
            if not _STARTS_PLAIN.match(plain) or ": " in plain or plain[-1] == ":":
                raise _BeyondError
            return _scalar(plain)
        first = self._next
        while True:
            flow = _Flow(text, first, self.places)
            try:
                value, end = flow.value(0, path)
            except _UnfinishedError:
                text += "\n" + self._continuation()
                continue
            if not _END.match(text, end):
                raise _BeyondError
            return value

    def _continuation(self) -> str:
        """Return the next line, which a flow collection goes on in."""
        if self._next == len(self._lines):
            raise _BeyondError
        line = self._lines[self._next]
        self._next += 1
        if line.strip(" ") and len(line) - len(line.lstrip(" ")) <= self._stack[-1][0]:
            raise _BeyondError
        return line


class _Flow:
    """Reads quoted text and flow collections.

    Args:
        text: lines from the first one on.
        first: number of the first line.
        places: takes the line of each value.
    """

    def __init__(self, text: str, first: int, places: dict[Path_, int]) -> None:
        self._text = text
        self._first = first
        self._places = places

    def value(self, at: int, path: Path_) -> tuple[Any, int]:
        """Return the value that begins at a place in the text, and where it ends."""
        self._note(path, at)
        opening = self._text[at : at + 1]
        if opening == "[":
            return self._sequence(at + 1, path)
        if opening == "{":
            return self._mapping(at + 1, path)
        quoted = _QUOTED.match(self._text, at)
        if quoted:
            return quoted[2] if quoted[1] is None else _ESCAPED.sub(r"\1", quoted[1]), quoted.end()
        plain = _PLAIN_IN_FLOW.match(self._text, at)
        if plain is None:
            raise _BeyondError
        return _scalar(plain[0].rstrip(" ")), plain.end()

    def _sequence(self, at: int, path: Path_) -> tuple[list[Any], int]:
        made: list[Any] = []
        at, char = self._skip(at)
        while char != "]":
            value, at = self.value(at, (*path, len(made)))
            made.append(value)
            at, char = self._separator(at, "]")
        return made, at + 1

    def _mapping(self, at: int, path: Path_) -> tuple[dict[str, Any], int]:
        made: dict[str, Any] = {}
        at, char = self._skip(at)
        while char != "}":
            matched = _KEY_IN_FLOW.match(self._text, at)
            if matched is None or matched[1] in made:
                raise _BeyondError
            line = self._line(at)
            made[matched[1]], at = self.value(matched.end(), (*path, matched[1]))
            self._places[*path, matched[1]] = line
            at, char = self._separator(at, "}")
        return made, at + 1

    def _separator(self, at: int, close: str) -> tuple[int, str]:
        """Return where the next item is, or the end of the collection, and the character there."""
        at, char = self._skip(at)
        if char == close:
            return at, char
        if char != ",":
            raise _BeyondError
        at, char = self._skip(at + 1)
        if char == close:
            raise _BeyondError
        return at, char

    def _skip(self, at: int) -> tuple[int, str]:
        """Return the next place that is no space, and the character there."""
        matched = _SPACES.match(self._text, at)
        at = matched.end() if matched else at
        if at == len(self._text):
            raise _UnfinishedError
        return at, self._text[at]

    def _note(self, path: Path_, at: int) -> None:
        if len(path) > _DEEPEST:
            raise _BeyondError
        self._places[path] = self._line(at)

    def _line(self, at: int) -> int:
        return self._first + self._text.count("\n", 0, at)


def _scalar(text: str) -> Any:
    if is_long_number(text):
        raise _BeyondError
    return resolve(text)
