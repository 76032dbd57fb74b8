"""The JSON document of a run: written in the order of the records, read back exactly or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.records import SCHEMA_VERSION, RunRecord
from socsim.report.storage import DocumentKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def to_json(record: RunRecord, *, include_timeline: bool = False) -> str:
    """Return the run as one JSON document; equal records give equal bytes.

    Args:
        record: the run.
        include_timeline: with the slices and rates of the timeline, which are most of the bytes.
    """
    return RUNS.to_json(record, include_timeline=include_timeline)


def from_json(text: str | bytes, where: str = "result") -> RunRecord:
    """Return the record that `to_json` wrote; without a timeline its slices and rates are empty.

    Args:
        text: the document.
        where: what messages call it, such as the file's name.

    Raises:
        ResultError: not such a document; the message lists the faults.
    """
    return RUNS.from_json(text, where)


def load_record(path: Path) -> RunRecord:
    """Return the record of a stored document.

    Raises:
        ResultError: the file cannot be read, is too large, or is not such a document.
    """
    return RUNS.load(path)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document, made from the records."""
    return RUNS.schema()


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
        ("placement.alternatives", [e.operator for e in record.placement.alternatives] if record.placement else []),
    ):
        for position, owner in enumerate(owners):
            if owner >= count:
                yield f"{name}[{position}].operator: there is no operator {owner}"
    for position, entry in enumerate(record.slices):
        if entry.end_ps < entry.start_ps:
            yield f"slices[{position}].end_ps: {entry.end_ps} is before its start"


RUNS = DocumentKind(
    title="socsim run", version=SCHEMA_VERSION, record=RunRecord, timeline=frozenset({"slices", "rates"}),
    contradictions=_contradictions, rare=frozenset({"placement"}),
)  # fmt: skip
"""Placement is there where a strategy weighed units."""
