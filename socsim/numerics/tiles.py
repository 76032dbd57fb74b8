"""Products of small blocks of two matrices, whose sums stay in vector registers.

Weights lie in panels of 16 columns. A tile is a few rows of the left matrix times one panel: each step reads one
vector of the panel and multiplies it by one element of each row. Words (int16) go in pairs along the depth, since
processors multiply and add two of them at once into 32 bits; sums wrap there. Doubles go one by one, and may be
multiplied and added with one rounding or two: sums are exact either way, see `gemm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from socsim.numerics.jit import kernel

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array

WIDTH = 16  # columns of a panel
HEIGHT = 8 if binding.get_host_cpu_features().get("avx512f") else 4  # rows whose sums fit into vector registers


def pairs_of(dtype: np.dtype[Any]) -> int:
    """Return how many neighbours along the depth go into one step."""
    return 2 if dtype == np.int16 else 1


def packed(weights: Array) -> Array:
    """Return int16 or float64 weights [K, N] as panels [N / 16, K / pairs, 16 x pairs], filled up with zeros."""
    pairs, (depth, columns) = pairs_of(weights.dtype), weights.shape
    steps, panels = -(-depth // pairs), -(-columns // WIDTH)
    whole = np.zeros((steps * pairs, panels * WIDTH), weights.dtype)
    whole[:depth, :columns] = weights
    ordered = whole.reshape(steps, pairs, panels, WIDTH).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(ordered).reshape(panels, steps, WIDTH * pairs)


def sums_for(panels: Any, shape: tuple[int, int]) -> Array:
    """Return room for the sums of products with panels: int32 of words, float64 of doubles."""
    return np.empty(shape, np.int32 if panels.dtype == np.int16 else np.float64)


@overload(sums_for)
def _sums_for(panels: Any, shape: tuple[int, int]) -> Any:
    dtype = np.int32 if panels.dtype == types.int16 else np.float64

    def room(panels: Any, shape: tuple[int, int]) -> Array:
        return np.empty(shape, dtype)

    return room


@kernel
def multiply(rows: Array, count: int, panels: Array, first: int, sums: Array) -> None:
    """Write products of rows and panels.

    Args:
        rows: [count or more, K], in the type of the weights; K fills whole steps.
        count: rows to multiply; those up to the next multiple of `HEIGHT` are read too.
        panels: what `packed` returns.
        first: panel from which on as many are taken as `sums` has room for.
        sums: [rows, columns] int32 or float64, written; whole panels wide.

    Raises:
        IndexError: rows, panels and sums do not fit together.
    """
    whole, width = -(-count // HEIGHT) * HEIGHT, sums.shape[1] // WIDTH
    is_wide = first + width <= panels.shape[0] and width * WIDTH == sums.shape[1]
    if rows.shape[0] < whole or sums.shape[0] < whole or not is_wide:
        raise IndexError("a block of a matrix product lies outside of its operands")
    if rows.shape[1] * WIDTH != panels.shape[1] * panels.shape[2]:
        raise IndexError("the depths of a matrix product differ")
    for panel in range(width):
        r = 0
        while r < count:
            if count - r > 2:
                _many(rows, r, panels, first + panel, sums, panel * WIDTH)
                r += HEIGHT
            else:
                _one(rows, r, panels, first + panel, sums, panel * WIDTH)
                r += 1


def _tile(height: int) -> Any:
    """Return what multiplies `height` rows by a panel in a kernel."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def address(position: int, *indices: Any) -> Any:
            made = context.make_array(signature.args[position])(context, builder, args[position])
            sizes = cgutils.unpack_tuple(builder, made.shape)
            offset, rest = indices[0], indices[1:]
            for i, size in enumerate(sizes[1:]):
                offset = builder.mul(offset, size)
                offset = builder.add(offset, rest[i]) if i < len(rest) else offset
            return builder.gep(made.data, [offset]), sizes

        left = [address(0, builder.add(args[1], ir.IntType(64)(r)))[0] for r in range(height)]
        panel, sizes = address(2, args[3])
        is_pairs = signature.args[0].dtype == types.int16
        sums = _sums(builder, left, panel, sizes[1], is_pairs=is_pairs)
        for r, total in enumerate(sums):
            target = address(4, builder.add(args[1], ir.IntType(64)(r)), args[5])[0]
            builder.store(total, builder.bitcast(target, total.type.as_pointer()), align=1)
        return context.get_dummy_value()

    def typed(_: Any, rows: Any, row: Any, panels: Any, panel: Any, sums: Any, column: Any) -> Any:
        return types.void(rows, types.int64, panels, types.int64, sums, types.int64), generate

    return intrinsic(typed)


def _sums(builder: Any, left: list[Any], panel: Any, steps: Any, *, is_pairs: bool) -> list[Any]:
    """Return the vectors of sums of each row, made by a loop over the depth."""
    one = ir.IntType(32) if is_pairs else ir.DoubleType()
    vector = ir.VectorType(one, WIDTH)
    read = ir.VectorType(ir.IntType(16), 2 * WIDTH) if is_pairs else vector
    left, panel = [builder.bitcast(p, one.as_pointer()) for p in left], builder.bitcast(panel, read.as_pointer())
    before, loop, after = builder.block, builder.append_basic_block("tile"), builder.append_basic_block("tile.end")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(ir.IntType(64))
    totals = [builder.phi(vector) for _ in left]
    weights = builder.load(builder.gep(panel, [step]), align=1)
    values = [builder.load(builder.gep(p, [step]), align=1) for p in left]
    more = [
        _added_pairs(builder, x, weights, t) if is_pairs else _added(builder, x, weights, t)
        for x, t in zip(values, totals, strict=True)
    ]
    following = builder.add(step, ir.IntType(64)(1))
    for phi, start, value in zip([step, *totals], [ir.IntType(64)(0)] + [vector(None)] * len(left),
                                 [following, *more], strict=True):  # fmt: skip
        phi.add_incoming(start, before)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following, steps), loop, after)
    builder.position_at_end(after)
    return more


def _spread(builder: Any, value: Any) -> Any:
    """Return a vector whose elements are all the value."""
    vector = ir.VectorType(value.type, WIDTH)
    single = builder.insert_element(vector(ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(single, vector(ir.Undefined), ir.VectorType(ir.IntType(32), WIDTH)(None))


def _added(builder: Any, value: Any, weights: Any, total: Any) -> Any:
    """Return total + value x weights."""
    kind = ir.FunctionType(total.type, [total.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{WIDTH}f64")
    return builder.call(function, [_spread(builder, value), weights, total])


def _added_pairs(builder: Any, pair: Any, weights: Any, total: Any) -> Any:
    """Return total + the two products of a pair of words; LLVM makes one instruction of this form."""
    wide = ir.VectorType(ir.IntType(32), 2 * WIDTH)
    pairs = builder.bitcast(_spread(builder, pair), weights.type)
    products = builder.mul(builder.sext(pairs, wide), builder.sext(weights, wide))
    halves = [
        builder.shuffle_vector(
            products, wide(ir.Undefined), ir.VectorType(ir.IntType(32), WIDTH)(list(range(i, 2 * WIDTH, 2)))
        )
        for i in (0, 1)
    ]
    return builder.add(total, builder.add(*halves))


_many, _one = _tile(HEIGHT), _tile(1)
