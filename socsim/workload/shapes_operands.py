"""Access to operand shapes, with the sentences that say what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Shape = tuple[int, ...]
    Shapes = Sequence[Shape | None]


def operand(shapes: Shapes, position: int) -> Shape:
    """Return the shape of an operand.

    Raises:
        ValueError: the operand is absent.
    """
    shape = shapes[position] if position < len(shapes) else None
    if shape is None:
        msg = f"operand {position} is absent"
        raise ValueError(msg)
    return shape


def present(shapes: Shapes) -> list[Shape]:
    """Return the shapes of the operands that exist.

    Raises:
        ValueError: none exists.
    """
    found = [s for s in shapes if s is not None]
    if not found:
        msg = "the operator has no operands"
        raise ValueError(msg)
    return found


def axis_of(axis: int, rank: int) -> int:
    """Return `axis` counted from the first dimension.

    Raises:
        ValueError: the axis is outside -rank .. rank - 1.
    """
    if not -rank <= axis < rank:
        msg = f"axis {axis} is outside a shape of {rank} dimensions"
        raise ValueError(msg)
    return axis % rank


def same_as_first(shapes: Shapes, _attributes: Mapping[str, Any]) -> list[Shape]:
    """Shape rule of operators that keep the shape of their first operand."""
    return [operand(shapes, 0)]
