"""Atomic accesses to int64 arrays in kernels: sequentially consistent, on every processor that LLVM knows."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_ORDER = "seq_cst"
_BYTES = 8


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return the address of the element that the first two arguments name."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]])


def _loaded(_: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_address(context, builder, signature, args), _ORDER, _BYTES, typ=ir.IntType(64))

    return types.int64(array, types.int64), generate


def _stored(_: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _address(context, builder, signature, args), _ORDER, _BYTES)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


def _added(_: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _address(context, builder, signature, args), args[2], _ORDER)

    return types.int64(array, types.int64, types.int64), generate


loaded: Any = intrinsic(_loaded)
"""loaded(array, index): return an element of a contiguous array."""

stored: Any = intrinsic(_stored)
"""stored(array, index, value): write an element of a contiguous array."""

added: Any = intrinsic(_added)
"""added(array, index, value): add to an element of a contiguous array; return what it was before."""
