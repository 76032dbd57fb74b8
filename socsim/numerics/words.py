"""Integers that compiled kernels reach by positions which are never negative.

Numba lets an index count from the end, which costs a comparison and a selection in each access; a kernel that does
little but follow positions takes a third longer for it. Kernels that check bounds get an ordinary array.
"""

from __future__ import annotations

import operator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numba.core import types
from numba.extending import lower_builtin, models, register_model, typeof_impl
from numba.np.arrayobj import make_array

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Words(np.ndarray[tuple[int], np.dtype[np.int64]]):
    """An array that Numba takes for what it is, not for any array."""

    __numba_array_subtype_dispatch__ = True


class _WordsType(types.Array):
    """The compiler's type of words; its name changes with this file, and compiled kernels with it."""

    def __init__(self) -> None:
        super().__init__(types.int64, 1, "C", name=f"words {sha256(Path(__file__).read_bytes()).hexdigest()[:16]}")


_WORDS = _WordsType()
register_model(_WordsType)(models.ArrayModel)


def words(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a row of integers as kernels shall see them; both share their memory."""
    checked = numba.config.BOUNDSCHECK  # type: ignore[attr-defined]
    return values if checked else values.view(_Words)


@typeof_impl.register(_Words)
def _typeof(_value: _Words, _context: Any) -> _WordsType:
    return _WORDS


def _place(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    """Return the address of an element."""
    position = context.cast(builder, values[1], kinds[1], types.intp)
    return builder.gep(make_array(kinds[0])(context, builder, values[0]).data, [position])


@lower_builtin(operator.getitem, _WordsType, types.Integer)  # type: ignore[untyped-decorator]
def _get(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    return builder.load(_place(context, builder, signature.args, values))


@lower_builtin(operator.setitem, _WordsType, types.Integer, types.Any)  # type: ignore[untyped-decorator]
def _set(context: Any, builder: Any, signature: Any, values: Any) -> None:
    value = context.cast(builder, values[2], signature.args[2], types.int64)
    builder.store(value, _place(context, builder, signature.args, values))
