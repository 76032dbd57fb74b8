"""What implementations of operators share: quantizations, broadcasting, clamps, and the choice of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics import lookup
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.node import Kernels
from socsim.numerics.tables import integer_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor

    Function = Callable[[Array], Array]
    Function2 = Callable[[Array, Array], Array]

_FLOAT_CLAMPS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}  # fmt: skip


def is_quantized(tensor: Tensor) -> bool:
    """Whether a tensor holds integers of 16 bits or fewer that stand for reals."""
    quantized = tensor.quantization is not None and bool(tensor.quantization.scales)
    return quantized and tensor.dtype.is_integer and tensor.dtype.bits <= 16


def unsupported(node: Node, tensor: Tensor) -> NumericsError:
    """Return the error for an element type that the operator has no rule for."""
    kind = "quantized " if is_quantized(tensor) else ""
    return NumericsError(
        f"{node.where}: no rule for {kind}{tensor.dtype.value} (tensor {tensor.index} {tensor.name!r})"
    )


def scale32(node: Node, tensor: Tensor) -> np.float32:
    """Return a tensor's scale as float32."""
    return np.float32(node.scale(tensor))


def quantizations(node: Node) -> tuple[float, int, float, int]:
    """Return scale and zero point of the first operand, then of the first result."""
    first, result = node.input(0), node.outputs[0]
    return node.scale(first), node.zero_point(first), node.scale(result), node.zero_point(result)


def narrowed(formula: Callable[..., Array], node: Node, limits: tuple[int, int] | None = None) -> Callable[..., Array]:
    """Return the formula with its int64 results clamped and in the result's type."""
    dtype = numpy_dtype(node.outputs[0].dtype)
    low, high = limits or integer_bounds(dtype)

    def evaluate(*values: Array) -> Array:
        return np.clip(formula(*values), low, high).astype(dtype)

    return evaluate


def tabulated(node: Node, formula: Function) -> Kernels:
    """Return a run function that looks up a unary formula of 8- or 16-bit values."""
    table = lookup.Table(numpy_dtype(node.input(0).dtype), formula, node.team)
    return Kernels(node.team, node.input(0).shape, table.dtype, lambda _, out, x, *__: [table.call(out, x)])


def tabulated_pairs(node: Node, formula: Function2) -> Run:
    """Return a run function of two operands: a table where both have 8 bits, else the formula itself."""
    tensors = [node.input(i) for i in (0, 1)]
    first, second = (numpy_dtype(t.dtype) for t in tensors)
    if not first.itemsize == second.itemsize == 1:
        return lambda a, b: (formula(a.astype(np.int64), b.astype(np.int64)),)
    table = lookup.PairTable(first, second, formula, node.team)
    if tensors[0].shape != tensors[1].shape:
        return lambda a, b: (table(a, b),)
    return Kernels(node.team, tensors[0].shape, table.dtype, lambda _, out, a, b: [table.call(out, a, b)])


def clamped_float(node: Node) -> Function:
    """Return the fused activation of a result that is not quantized.

    Raises:
        NumericsError: an activation that the operator cannot have.
    """
    name = node.attributes.get("activation", "NONE")
    if name not in _FLOAT_CLAMPS:
        msg = f"{node.where}: fused activation {name} has no rule; {', '.join(_FLOAT_CLAMPS)} have"
        raise NumericsError(msg)
    low, high = _FLOAT_CLAMPS[name]
    if low is None and high is None:
        return lambda x: x
    return lambda x: np.clip(x, *(None if v is None else x.dtype.type(v) for v in (low, high)))


def output_dtype(node: Node) -> np.dtype[Any]:
    """Return the NumPy type of the first result."""
    return numpy_dtype(node.outputs[0].dtype)


def same_quantization(node: Node, *tensors: Tensor) -> None:
    """Check that tensors share one scale and zero point.

    Raises:
        NumericsError: they do not.
    """
    known = [t for t in tensors if is_quantized(t)]
    pairs = {(node.scale(t), node.zero_point(t)) for t in known}
    if len(pairs) > 1:
        found = ", ".join(f"{t.name!r} {node.scale(t):g}/{node.zero_point(t)}" for t in known)
        msg = f"{node.where}: scale/zero point differ ({found}); this operator requires equal ones"
        raise NumericsError(msg)
