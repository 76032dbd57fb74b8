"""Puts single values into the plain values of a description, by dotted path."""

from __future__ import annotations

from typing import Any

from socsim.errors import did_you_mean
from socsim.quantities import Quantity
from socsim.soc.inheritance import Absent, Change
from socsim.soc.paths import labels, next_step

_READ_AT_LOADING = ("preset", "based_on")


def put(tree: dict[str, Any], dotted: str, value: Any, of: str) -> Change | str:
    """Put a value into the tree; return what changed, or the sentence that says why not.

    Args:
        tree: plain values of a whole description.
        dotted: path; items of lists go by their label or position.
        value: text, numbers, quantities, or collections of them.
        of: what the description is called in sentences, such as "the platform".
    """
    if not isinstance(dotted, str):
        return f"{dotted!r}: a path is text such as 'units.npu.cores'."
    node: Any = tree
    walked: list[str] = []
    left = dotted
    while (step := next_step(node, left)) is not None and step.rest:
        node, left = node[step.key], step.rest
        walked.append(step.label)
    if step is None and not (isinstance(node, dict) and "." not in left):
        return f"{dotted!r}: {_missing(node, left, '.'.join(walked) or of)}"
    key, last = (step.key, step.label) if step else (left, left)
    if last in _READ_AT_LOADING:
        return f"{dotted!r}: {last!r} is read when a file is loaded; change the values themselves."
    old = node[key] if step else Absent
    node[key] = plain(value)
    return Change((*walked, last), old, node[key])


def _missing(node: Any, left: str, at: str) -> str:
    """Say why a path leads no further than `at`."""
    if not isinstance(node, dict | list):
        return f"{at!r} has no keys; replace it as a whole."
    first = left.split(".", maxsplit=1)[0]
    return f"no {first!r} in {at}.{did_you_mean(first, labels(node))}"


def plain(value: Any) -> Any:
    """Return a value as a file would hold it."""
    if isinstance(value, Quantity):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value
