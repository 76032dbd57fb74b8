"""What the lowering rules share: their result, their refusal, and readers of shape-like operands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.workload.importers.onnx_model import Model, Node

    Rule = Callable[[Model, Node], "Lowered"]


class Unsupported(Exception):  # noqa: N818 - a refusal with a reason, caught by the lowering
    """An operator is used in a way that the graph has no word for; the text is the reason."""


@dataclass(slots=True)
class Lowered:
    """An operator of the vocabulary in terms of value names."""

    type: str
    inputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


def integers(model: Model, name: str, role: str) -> tuple[int, ...]:
    """Return the elements of a constant operand.

    Raises:
        Unsupported: it is computed.
    """
    data = model.constant(name)
    if data is None:
        msg = f"{role} are computed, not constant"
        raise Unsupported(msg)
    return tuple(int(v) for v in data.reshape(-1).tolist())


def optional_integers(model: Model, node: Node, position: int, key: str) -> tuple[int, ...] | None:
    """Return integers that newer opsets have as an operand and older ones as an attribute."""
    name = node.operand(position)
    if name:
        return integers(model, name, key)
    found = node.attribute(key)
    return None if found is None else tuple(found)


def scalar(model: Model, name: str) -> float | None:
    """Return the element of a constant with one element, else None."""
    data = model.constant(name)
    return float(data.reshape(-1)[0]) if data is not None and data.size == 1 else None


def front(axis: int, rank: int) -> int:
    """Return an axis counted from the front.

    Raises:
        ValueError: there is no such axis.
    """
    if not -rank <= axis < max(rank, 1):
        msg = f"axis {axis} is outside a tensor of rank {rank}"
        raise ValueError(msg)
    return axis + rank if axis < 0 else axis


def plain(operator_type: str, operands: int | None = None, **keys: tuple[str, Any]) -> Rule:
    """Return a rule that renames an operator.

    Args:
        operator_type: word of the vocabulary.
        operands: number of leading operands to keep; all by default.
        keys: attribute of the graph -> (attribute of ONNX, default).
    """

    def rule(_model: Model, node: Node) -> Lowered:
        attributes = {name: node.attribute(key, default) for name, (key, default) in keys.items()}
        return Lowered(operator_type, node.inputs[:operands], attributes)

    return rule
