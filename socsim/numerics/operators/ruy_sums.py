"""ADD as LiteRT's optimized kernels on x86 compute it: in vectors, whose roundings differ from the reference's.

Source: TFLite kernels/internal/optimized/{optimized_ops.h,integer_ops/add.h}, in the form for NEON that x86 wheels
translate; kernels/internal/reference/process_broadcast_shapes.h; verified against LiteRT 2.3.0.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics import lookup
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.node import implements_for
from socsim.numerics.operators.arithmetic import ScaledSum, scaled_sum, shifts_words
from socsim.numerics.operators.operands import is_quantized, narrowed
from socsim.numerics.profiles import Rounding
from socsim.numerics.scaling import scaling_of
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

    Function2 = Callable[[Array, Array], Array]


@implements_for("ruy", "ADD")
def prepare_sum(node: Node) -> Run | None:
    """Quantized sums; what fills no vector at the end of a run of elements is left to the reference's rule."""
    a, b, result = node.input(0), node.input(1), node.outputs[0]
    if not is_quantized(a) or len({t.dtype for t in (a, b, result)}) > 1 or shifts_words(node):
        return None
    run_length, is_scalar = _fast_runs(a.shape, b.shape)
    is_word = a.dtype is DType.INT16
    if not run_length or (is_word and a.shape != b.shape):
        return None
    rule = scaled_sum(node)
    signed = a.dtype is not DType.UINT8 and not is_scalar
    in_vectors = _shifted_early(rule) if signed else _truncated(rule)
    if in_vectors is None:
        return None
    width = 16 if signed else 8
    vectors = run_length // width * width
    first, last = (r.words if is_word else _table(node, r) for r in (in_vectors, rule))

    def run(x: Array, y: Array) -> tuple[Array, ...]:
        runs = [np.broadcast_to(v, result.shape).reshape(-1, run_length) for v in (x, y)]
        made = first(*(r[:, :vectors] for r in runs))
        if vectors < run_length:
            made = np.concatenate([made, last(*(r[:, vectors:] for r in runs))], axis=1)
        return (made.reshape(result.shape),)

    return run


def _table(node: Node, rule: ScaledSum) -> Function2:
    dtype = numpy_dtype(node.input(0).dtype)
    return lookup.PairTable(dtype, dtype, narrowed(rule.total, node, rule.limits))


def _fast_runs(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, bool]:
    """Return how many elements the kernels take in one run, and whether one operand is a scalar in it.

    The length is 0 where shapes differ in so many places that the kernels leave them to the reference.
    """
    rank = max(len(a), len(b))
    padded = ((1,) * (rank - len(shape)) + shape for shape in (a, b))
    pairs = [pair for pair in zip(*padded, strict=True) if pair != (1, 1)]
    blocks = [(side, prod(max(pair) for pair in group)) for side, group in groupby(pairs, _broadcast_operand)]
    sides = [side for side, _ in blocks if side is not None]
    if len(sides) > len(set(sides)):
        return 0, False
    side, length = blocks[-1] if blocks else (None, 1)
    return length, side is not None


def _broadcast_operand(sizes: tuple[int, int]) -> int | None:
    """Return which operand repeats along a dimension; None where sizes are equal."""
    return None if sizes[0] == sizes[1] else sizes.index(1)


def _shifted_early(rule: ScaledSum) -> ScaledSum | None:
    """Return the sum whose operands are shifted left by as much less as their scaling shifts right; None below 0."""
    lefts = tuple(left + 31 - s.right for left, s in zip(rule.lefts, rule.scalings[:2], strict=True))
    if min(lefts) < 0:
        return None
    first, second = (scaling_of(s.mantissa, 0, Rounding.DOUBLE) for s in rule.scalings[:2])
    return replace(rule, lefts=(lefts[0], lefts[1]), scalings=(first, second, rule.scalings[2]))


def _truncated(rule: ScaledSum) -> ScaledSum:
    """Return the sum whose scaled operands are shifted right without rounding."""
    first, second = (replace(scaling_of(s.mantissa, 0, Rounding.DOUBLE), right=s.right) for s in rule.scalings[:2])
    return replace(rule, scalings=(first, second, rule.scalings[2]))
