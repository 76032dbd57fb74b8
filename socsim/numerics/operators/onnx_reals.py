"""Functions of real values that ONNX has and TFLite has not, or has in another form.

They are evaluated in float64 and rounded to the tensor's type once. ONNX Runtime evaluates them in float32, by
polynomials of its own: results agree within a few units in the last place, and quantized results almost always.

Source: ONNX operators Swish, Mish, Softplus, HardSigmoid, Elu, Selu, Gelu, Max, Min and Dropout.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.node import IMPLEMENTATIONS, implements, implements_for
from socsim.numerics.operators.onnx_affine import is_affine, on_reals
from socsim.numerics.operators.operands import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

    Function = Callable[[Array], Array]


def quantized_or(node: Node, run: Run) -> Run:
    """Return `run` for reals; for integers with a scale, the operator on the reals behind them."""
    if any(is_affine(t) for t in (*node.inputs, *node.outputs) if t is not None):
        return on_reals(node)
    if not node.input(0).dtype.is_float:
        raise unsupported(node, node.input(0))
    return run


def _logistic(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x)


def _exponential(node: Node) -> Function:
    alpha, gamma = float(node.attributes.get("alpha", 1.0)), float(node.attributes.get("gamma", 1.0))
    return lambda x: gamma * np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _hard_logistic(node: Node) -> Function:
    alpha, beta = float(node.attributes.get("alpha", 0.2)), float(node.attributes.get("beta", 0.5))
    return lambda x: np.clip(alpha * x + beta, 0.0, 1.0)


def _swish(node: Node) -> Function:
    alpha = float(node.attributes.get("alpha", 1.0))
    return lambda x: x * _logistic(alpha * x)


_FUNCTIONS: dict[str, Callable[[Node], Function]] = {
    "ELU": _exponential,
    "HARD_SIGMOID": _hard_logistic,
    "MISH": lambda _: lambda x: x * np.tanh(_softplus(x)),
    "SOFTPLUS": lambda _: _softplus,
    "SWISH": _swish,
}


@implements_for("onnx", "ELU")
@implements("HARD_SIGMOID", "MISH", "SOFTPLUS", "SWISH")
def prepare_function(node: Node) -> Run:
    """A function of each element, with the slopes that the file gives."""
    function = _FUNCTIONS[node.op.type](node)

    def run(x: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            return (np.asarray(function(x.astype(np.float64))).astype(x.dtype),)

    return quantized_or(node, run)


@implements_for("onnx", "GELU")
def prepare_gelu(node: Node) -> Run:
    """Gaussian error linear unit, of the sum of two operands where there is a bias."""
    plain = IMPLEMENTATIONS["GELU"]
    if any(is_affine(t) for t in (*node.inputs, *node.outputs) if t is not None):
        return on_reals(node)
    run = plain(node)
    return run if len(node.op.inputs) == 1 else lambda x, bias: run(x + bias)


@implements_for("onnx", "MAXIMUM", "MINIMUM")
def prepare_extremum(node: Node) -> Run:
    """The greatest or least of any number of operands."""
    function = np.maximum if node.op.type == "MAXIMUM" else np.minimum
    if any(is_affine(t) for t in (*node.inputs, *node.outputs) if t is not None):
        return on_reals(node)
    return lambda *operands: (reduce(function, operands),)


@implements_for("onnx", "IDENTITY")
def prepare_identity(node: Node) -> Run | None:
    """Dropout with its mask, which drops nothing in inference."""
    if len(node.outputs) == 1:
        return None
    return lambda x, *_: (x, np.ones(x.shape, np.bool_))
