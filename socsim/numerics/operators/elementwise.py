"""Functions of one element: roots, exponentials, rounding and sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.fixed_point import quantize_multiplier
from socsim.numerics.gemmlowp import inverse_square_root
from socsim.numerics.libm import exp32
from socsim.numerics.node import implements
from socsim.numerics.operators.activations import by_function
from socsim.numerics.operators.operands import (
    is_quantized,
    narrowed,
    quantizations,
    scale32,
    tabulated,
    unsupported,
)
from socsim.numerics.scaling import scaling, scaling_of
from socsim.numerics.tables import cos32, erf32, log32, sin32
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_ROOT_SHIFT = 20  # fractional bits that keep 1 / sqrt(q) an integer


def _reciprocal_root(x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.float32(1) / np.sqrt(x)


def _root(x: Array) -> Array:
    with np.errstate(all="ignore"):
        result: Array = np.sqrt(x)
        return result


_PLAIN: dict[str, Callable[[Array], Array]] = {
    "CEIL": np.ceil,
    "COS": cos32,
    "ERF": erf32,
    "FLOOR": np.floor,
    "LOGICAL_NOT": np.logical_not,
    "NEG": np.negative,
    "ROUND": np.rint,
    "SIGN": np.sign,
    "SIN": sin32,
    "SQUARE": lambda x: x * x,
}


@implements(*_PLAIN)
def prepare_plain(node: Node) -> Run:
    """Functions that have no quantized form."""
    if is_quantized(node.input(0)):
        raise unsupported(node, node.input(0))
    function = _PLAIN[node.op.type]
    return lambda x: (function(x),)


@implements("EXP")
def prepare_exp(node: Node) -> Run:
    """Exponential."""
    return by_function(node, exp32)


@implements("LOG")
def prepare_log(node: Node) -> Run:
    """Natural logarithm; quantized, what is not positive gives the least output."""
    if not is_quantized(node.input(0)):
        return by_function(node, log32)
    result = node.outputs[0]
    least = -128 if result.dtype is DType.INT8 else -32768
    low = np.float32(least - node.zero_point(result)) * scale32(node, result)
    return by_function(node, lambda x: np.where(x <= 0, low, log32(x)))


@implements("ABS")
def prepare_abs(node: Node) -> Run:
    """Magnitude; quantized, rescaled where the scales differ."""
    tensor = node.input(0)
    if not is_quantized(tensor):
        return lambda x: (np.abs(x),)
    scale_in, zero_in, scale_out, zero_out = quantizations(node)
    if scale_in == scale_out:
        return tabulated(node, narrowed(lambda q: np.abs(q - zero_in) + zero_out, node))
    multiplier = scaling(node, np.float32(scale_in) / np.float32(scale_out))
    return tabulated(node, narrowed(lambda q: multiplier.apply(np.abs(q - zero_in)) + zero_out, node))


@implements("SQRT")
def prepare_sqrt(node: Node) -> Run:
    """Square root; quantized, in float32 and truncated."""
    tensor = node.input(0)
    if not is_quantized(tensor):
        return lambda x: (_root(x),)
    scale_in, zero_in, scale_out, zero_out = quantizations(node)

    def formula(q: Array) -> Array:
        real = np.float32(scale_in) * np.maximum(q - zero_in, 0).astype(np.float32)
        root: Array = np.trunc(np.sqrt(real) / np.float32(scale_out)).astype(np.int64) + zero_out
        return root

    return _not_negative(node, tabulated(node, narrowed(formula, node)))


@implements("RSQRT")
def prepare_rsqrt(node: Node) -> Run:
    """One over the square root; zero gives the greatest output."""
    tensor = node.input(0)
    if not is_quantized(tensor):
        return lambda x: (_reciprocal_root(x),)
    scale_out = scale32(node, node.outputs[0])
    if tensor.dtype.bits == 16:
        top = np.float32(32767) * scale_out
        return _not_negative(node, by_function(node, lambda x: np.where(x <= 0, top, _reciprocal_root(np.abs(x)))))
    if tensor.dtype is not DType.INT8:
        raise unsupported(node, tensor)
    zero_in, zero_out = node.zero_point(tensor), node.zero_point(node.outputs[0])
    roots = _integer_roots(node, 1.0 / float(np.sqrt(scale32(node, tensor)) * scale_out))
    greatest = int(np.iinfo(np.int8).max)

    def formula(q: Array) -> Array:
        v = np.maximum(q - zero_in, 0)
        return np.where(v == 0, greatest, roots[v] + zero_out)

    return _not_negative(node, tabulated(node, narrowed(formula, node)))


def _integer_roots(node: Node, real: float) -> Array:
    """Return real / sqrt(v) for v = 0 to 255, in two steps of fixed point.

    Source: TFLite kernels/elementwise.cc, RsqrtEvalQuantizedInt8.
    """
    mantissa, shift = quantize_multiplier(real)
    last = scaling_of(mantissa, shift - _ROOT_SHIFT, node.profile.elementwise)
    first = np.zeros(256, np.int64)
    for v in range(1, 256):
        root, right = inverse_square_root(v)
        first[v] = int(scaling_of(root, _ROOT_SHIFT - right, node.profile.elementwise).apply(np.array(1)))
    return last.apply(first)


def _not_negative(node: Node, run: Run) -> Run:
    """Return `run` for inputs from the zero point up only, as the kernels require."""
    zero = node.zero_point(node.input(0))

    def checked(x: Array) -> tuple[Array, ...]:
        if x.size and int(x.min()) < zero:
            msg = f"{node.where}: an input is {int(x.min())}; the operator is defined from the zero point {zero} up"
            raise NumericsError(msg)
        return run(x)

    return checked
