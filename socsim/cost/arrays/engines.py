"""Every built-in array engine; importing this module fills the table of engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.cost.arrays import blocks, in_memory, pipeline, systolic, unrolled, vector_matrix
from socsim.cost.arrays.engine import ENGINES

if TYPE_CHECKING:
    from fractions import Fraction

    from socsim.cost.arrays.engine import ArrayContext, ArrayEngine
    from socsim.soc.schema import Npu

__all__ = ["array_engine", "blocks", "in_memory", "peak", "pipeline", "systolic", "unrolled", "vector_matrix"]


def array_engine(context: ArrayContext) -> ArrayEngine[Any]:
    """Return the engine for the kind of array of the unit in `context`."""
    return ENGINES[context.unit.array.kind](context)


def peak(unit: Npu, dtype: str) -> Fraction:
    """Return the multiply-accumulates a cycle of one core of a unit in a type."""
    return ENGINES[unit.array.kind].peak(unit, dtype)
