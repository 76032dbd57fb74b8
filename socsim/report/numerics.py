"""An execution against a golden file: text, tables and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from socsim.report.formats import labelled, plural, text_table
from socsim.report.sinks import terminal_text
from socsim.report.tables import Table

if TYPE_CHECKING:
    from socsim.numerics.comparison import NumericsComparison, TensorRow

SCHEMA_VERSION = "socsim.numerics/1"
_TYPES = {
    "index": "int", "type": "str", "tensor": "int", "name": "str", "elements": "int", "mismatches": "int",
    "max_difference": "float", "first_difference": "int", "mode": "str", "reason": "str",
}  # fmt: skip
_HEADER = ("index", "type", "tensor", "name", "elements", "mismatches", "largest", "first at", "mode")
_NUMBERS = ("index", "tensor", "elements", "mismatches", "largest", "first at")
_WIDEST_NAME = 36
_LISTED = 10


class NumericsValidation:
    """What `socsim.validate_numerics` returns: each recorded tensor against the one that was made.

    Args:
        comparison: the comparison behind it.
    """

    def __init__(self, comparison: NumericsComparison) -> None:
        self.comparison = comparison

    @property
    def mismatches(self) -> int:
        """Elements that differ; a tensor with an unknown number counts as one."""
        return self.comparison.mismatches

    @property
    def is_equal(self) -> bool:
        """Whether every tensor is equal, floats within their tolerance."""
        return self.comparison.is_equal

    @cached_property
    def operators(self) -> Table:
        """One row for each tensor compared, in the order of the operators."""
        rows = [tuple(getattr(row, column) for column in _TYPES) for row in self.comparison.operators]
        return Table(f"Numerics of {self.comparison.model}", tuple(_TYPES), rows, _TYPES)

    def to_json(self) -> str:
        """Return the comparison as one JSON document with `schema_version`."""
        found = self.comparison
        document = {
            "schema_version": SCHEMA_VERSION,
            "model": found.model,
            "model_sha256": found.model_sha256,
            "profile": found.profile,
            "golden": found.golden,
            "modes": list(found.modes),
            "equal": found.is_equal,
            "mismatches": found.mismatches,
            "operators": [_finite(row) for row in self.operators],
            "not_compared": [asdict(left) for left in found.not_compared],
            "notes": list(found.notes),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def __repr__(self) -> str:
        """Return the verdict and one line for each tensor."""
        found = self.comparison
        lines = [*labelled("numerics", [_verdict(found)]), *labelled("modes", [terminal_text(", ".join(found.modes))])]
        for note in found.notes:
            lines += labelled("note", [terminal_text(note)])
        lines += ["", *text_table(_HEADER, [_cells(row) for row in found.operators], _NUMBERS)]
        lines += [f"{row.index} {row.type}: {terminal_text(row.reason)}" for row in found.operators if row.reason]
        return "\n".join([*lines, *_left_out(found)])


def _verdict(found: NumericsComparison) -> str:
    tensors = plural(len(found.operators), "tensor")
    wrong = sum(row.is_failure for row in found.operators)
    outcome = f"{wrong:,} of {tensors} differ" if wrong else f"all of {tensors} equal"
    elements = sum(row.elements for row in found.operators)
    at_least = "at least " if any(row.mismatches is None for row in found.operators) else ""
    return (
        f"{terminal_text(found.model)} under {found.profile} against {terminal_text(found.golden)}: {outcome}, "
        f"{at_least}{plural(found.mismatches, 'mismatch').replace('mismatchs', 'mismatches')} in {elements:,} elements"
    )


def _cells(row: TensorRow) -> tuple[str, ...]:
    return (
        _shown(row.index), row.type, str(row.tensor), terminal_text(row.name, _WIDEST_NAME), f"{row.elements:,}",
        _shown(row.mismatches), _shown(row.max_difference), _shown(row.first_difference), row.mode or "",
    )  # fmt: skip


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _left_out(found: NumericsComparison) -> list[str]:
    if not found.not_compared:
        return []
    listed = [f"  {terminal_text(left.tensor, _WIDEST_NAME)}: {left.reason}" for left in found.not_compared[:_LISTED]]
    rest = len(found.not_compared) - _LISTED
    more = [f"  ... and {plural(rest, 'more tensor')}"] if rest > 0 else []
    return ["", f"not compared: {plural(len(found.not_compared), 'tensor')}", *listed, *more]


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for JSON, which has no infinity: a NaN against a number is no finite difference."""
    if row["max_difference"] != float("inf"):
        return row
    return row | {"max_difference": None, "reason": "a NaN or an infinity stands against another value"}
