"""The JSON document of a run: written in the order of the records, read back exactly or refused."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from socsim.errors import ResultError, join_faults
from socsim.records import SCHEMA_VERSION, RunRecord
from socsim.report.decoding import Decoder, plain, schema_of
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUPPORTED_VERSIONS = (SCHEMA_VERSION,)
TIMELINE = frozenset({"slices", "rates"})
LARGEST_DOCUMENT = 256 * 2**20
"""Bytes of a stored result that `load_record` reads at most."""
_MOST_FAULTS = 20
_WRITE_ONE = "give a document that socsim wrote with --json"


def to_json(record: RunRecord, *, include_timeline: bool = False) -> str:
    """Return the run as one JSON document; equal records give equal bytes.

    Args:
        record: the run.
        include_timeline: with the slices and rates of the timeline, which are most of the bytes.
    """
    document = {"schema_version": SCHEMA_VERSION, **plain(record, RunRecord)}
    if not include_timeline:
        document = {name: value for name, value in document.items() if name not in TIMELINE}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def from_json(text: str | bytes, where: str = "result") -> RunRecord:
    """Return the record that `to_json` wrote; without a timeline its slices and rates are empty.

    Args:
        text: the document.
        where: what messages call it, such as the file's name.

    Raises:
        ResultError: not such a document; the message lists the faults.
    """
    where = terminal_text(where)
    document, repeated = _parse(text, where)
    if not isinstance(document, dict):
        msg = f"{where}: holds no JSON object; {_WRITE_ONE}"
        raise ResultError(msg)
    _check_version(document, where)
    decoder = Decoder()
    body = {name: value for name, value in document.items() if name != "schema_version"}
    record = decoder.record(RunRecord, body, "", TIMELINE)
    faults = [f"{terminal_text(name, 80)}: stands twice in one object" for name in repeated] + decoder.faults
    if not faults:
        faults = list(_contradictions(record))
    if faults:
        raise ResultError(_listed(where, faults))
    made: RunRecord = record
    return made


def load_record(path: Path) -> RunRecord:
    """Return the record of a stored document.

    Raises:
        ResultError: the file cannot be read, is too large, or is not such a document.
    """
    return from_json(read_document(path), str(path))


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


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document, made from the records."""
    body = schema_of(RunRecord, TIMELINE)
    version = {"schema_version": {"const": SCHEMA_VERSION}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "socsim run",
        **body,
        "properties": version | body["properties"],
        "required": ["schema_version", *body["required"]],
    }


def _parse(text: str | bytes, where: str) -> tuple[Any, list[str]]:
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
        return json.loads(decoded, object_pairs_hook=unique), repeated
    except RecursionError:
        reason = "its brackets nest too deep"
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except ValueError:
        reason = "a number in it has thousands of digits"
    msg = f"{where}: is not JSON: {reason}; {_WRITE_ONE}"
    raise ResultError(msg)


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{where}: is not JSON: byte {error.start} is not UTF-8; {_WRITE_ONE}"
        raise ResultError(msg) from None


def _check_version(document: dict[str, Any], where: str) -> None:
    known = ", ".join(f'"{version}"' for version in SUPPORTED_VERSIONS)
    if "schema_version" not in document:
        msg = f"{where}: has no schema_version; this socsim reads {known}"
        raise ResultError(msg)
    found = document["schema_version"]
    if found not in SUPPORTED_VERSIONS:
        shown = terminal_text(repr(found), 60) if isinstance(found, str) else "no text"
        msg = f"{where}: schema_version is {shown}; this socsim reads {known}. Make the result again"
        raise ResultError(msg)


def _contradictions(record: RunRecord) -> Iterator[str]:
    """Yield what no run could have left: indices that point nowhere, parts that miss their sum."""
    count = len(record.operators)
    for position, op in enumerate(record.operators):
        if op.index != position:
            yield f"operators[{position}].index: {op.index} stands at position {position}"
        if op.fused_into is not None and op.fused_into >= count:
            yield f"operators[{position}].fused_into: there is no operator {op.fused_into}"
        parts = (op.compute_ps, op.memory_wait_ps, op.bus_wait_ps, op.dispatch_ps, op.sync_ps)
        if op.latency_ps is not None and sum(part or 0 for part in parts) != op.latency_ps:
            yield f"operators[{position}].latency_ps: {op.latency_ps} is not the sum of its parts"
    for name, owners in (
        ("explanations", [entry.operator for entry in record.explanations]),
        ("slices", [entry.operator for entry in record.slices]),
    ):
        for position, owner in enumerate(owners):
            if owner >= count:
                yield f"{name}[{position}].operator: there is no operator {owner}"
    for position, entry in enumerate(record.slices):
        if entry.end_ps < entry.start_ps:
            yield f"slices[{position}].end_ps: {entry.end_ps} is before its start"


def _listed(where: str, faults: list[str]) -> str:
    hidden = len(faults) - _MOST_FAULTS
    more = f"\n  and {hidden} more" if hidden > 0 else ""
    return join_faults(where, faults[:_MOST_FAULTS]) + more
