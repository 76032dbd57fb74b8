"""JSON documents of records: written in the order of the record's fields, read back exactly or refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from socsim.errors import ResultError, join_faults
from socsim.report.decoding import Decoder, plain, schema_of
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

T = TypeVar("T")
LARGEST_DOCUMENT = 256 * 2**20
"""Bytes of a stored result that are read at most."""
_MOST_FAULTS = 20
_WRITE_ONE = "give a document that socsim wrote with --json"


@dataclass(frozen=True, slots=True)
class DocumentKind(Generic[T]):
    """What the documents of one kind of record hold.

    Args:
        title: of its JSON Schema.
        version: the `schema_version` that is written, and the only one that is read.
        record: type of the record.
        timeline: fields that are most of the bytes; a short document lacks them, and they are empty when it is read.
        rare: fields that may be None, and which a document lacks then.
        contradictions: yields what no result could have left, of a record whose values all have their types.
    """

    title: str
    version: str
    record: type[T]
    timeline: frozenset[str]
    contradictions: Callable[[T], Iterable[str]]
    rare: frozenset[str] = frozenset()

    def to_json(self, record: T, *, include_timeline: bool = False) -> str:
        """Return a record as one JSON document; equal records give equal bytes."""
        document = {"schema_version": self.version, **plain(record, self.record)}
        left_out = (frozenset() if include_timeline else self.timeline) | {n for n in self.rare if document[n] is None}
        kept = {name: value for name, value in document.items() if name not in left_out}
        return json.dumps(kept, indent=1, allow_nan=False) + "\n"

    def from_json(self, text: str | bytes, where: str) -> T:
        """Return the record that `to_json` wrote.

        Args:
            text: the document.
            where: what messages call it, such as the file's name.

        Raises:
            ResultError: not such a document; the message lists the faults.
        """
        where = terminal_text(where)
        document, repeated = _parse(text, where)
        self._check_version(document, where)
        decoder = Decoder()
        body = {name: value for name, value in document.items() if name != "schema_version"}
        record: T = decoder.record(self.record, body, "", self.timeline | self.rare)
        faults = [f"{terminal_text(name, 80)}: stands twice in one object" for name in repeated] + decoder.faults
        if not faults:
            faults = list(self.contradictions(record))
        if faults:
            raise ResultError(_listed(where, faults))
        return record

    def load(self, path: Path) -> T:
        """Return the record of a stored document.

        Raises:
            ResultError: the file cannot be read, is too large, or is not such a document.
        """
        return self.from_json(read_document(path), str(path))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the document, made from the records."""
        body = schema_of(self.record, self.timeline | self.rare)
        version = {"schema_version": {"const": self.version}}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.title,
            **body,
            "properties": version | body["properties"],
            "required": ["schema_version", *body["required"]],
        }

    def _check_version(self, document: dict[str, Any], where: str) -> None:
        found = _version(document, where, [self.version])
        if found != self.version:
            raise _unknown_version(found, where, [self.version])


def read_document(path: Path) -> str:
    """Return the text of a stored document.

    Raises:
        ResultError: the file cannot be read, is too large, or is not UTF-8.
    """
    shown = terminal_text(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_DOCUMENT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        msg = f"{shown}: cannot be read: {reason or error}; {_WRITE_ONE}"
        raise ResultError(msg) from None
    if len(raw) > LARGEST_DOCUMENT:
        msg = f"{shown}: is larger than {LARGEST_DOCUMENT:,} bytes; write it without its timeline"
        raise ResultError(msg)
    return _decoded(raw, shown)


def kind_of(text: str, where: str, kinds: Iterable[DocumentKind[Any]]) -> DocumentKind[Any]:
    """Return the kind that a document says it is.

    Raises:
        ResultError: none of these kinds.
    """
    by_version = {kind.version: kind for kind in kinds}
    where = terminal_text(where)
    document, _ = _parse(text, where)
    found = _version(document, where, by_version)
    if found not in by_version:
        raise _unknown_version(found, where, by_version)
    return by_version[found]


def _parse(text: str | bytes, where: str) -> tuple[dict[str, Any], list[str]]:
    """Return the plain document and the keys that an object holds twice."""
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counts.items() if count > 1)
        return made

    decoded = _decoded(text, where) if isinstance(text, bytes) else text
    try:
        document = json.loads(decoded, object_pairs_hook=unique)
    except RecursionError:
        reason = "its brackets nest too deep"
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except ValueError:
        reason = "a number in it has thousands of digits"
    else:
        if isinstance(document, dict):
            return document, repeated
        msg = f"{where}: holds no JSON object; {_WRITE_ONE}"
        raise ResultError(msg)
    msg = f"{where}: is not JSON: {reason}; {_WRITE_ONE}"
    raise ResultError(msg)


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{where}: is not JSON: byte {error.start} is not UTF-8; {_WRITE_ONE}"
        raise ResultError(msg) from None


def _version(document: dict[str, Any], where: str, known: Iterable[str]) -> Any:
    if "schema_version" not in document:
        msg = f"{where}: has no schema_version; this socsim reads {_quoted(known)}"
        raise ResultError(msg)
    found = document["schema_version"]
    return found if isinstance(found, str) else None


def _unknown_version(found: str | None, where: str, known: Iterable[str]) -> ResultError:
    shown = "no text" if found is None else terminal_text(repr(found), 60)
    return ResultError(f"{where}: schema_version is {shown}; this socsim reads {_quoted(known)}. Make the result again")


def _quoted(versions: Iterable[str]) -> str:
    return ", ".join(f'"{version}"' for version in versions)


def _listed(where: str, faults: list[str]) -> str:
    hidden = len(faults) - _MOST_FAULTS
    more = f"\n  and {hidden} more" if hidden > 0 else ""
    return join_faults(where, faults[:_MOST_FAULTS]) + more
