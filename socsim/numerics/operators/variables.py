"""Variables that keep their values from one inference to the next, and what fills them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import is_quantized
from socsim.numerics.tables import integer_bounds

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor


@implements("VAR_HANDLE")
def prepare_handle(node: Node) -> Run:
    """The name of a variable."""
    name = f"variable {node.attributes.get('container', '')}/{node.attributes.get('shared_name', '')}"
    handle = np.array(name, object).reshape(node.outputs[0].shape)
    return lambda: (handle,)


@implements("READ_VARIABLE")
def prepare_read(node: Node) -> Run:
    """A variable's value."""

    def run(handle: Array) -> tuple[Array, ...]:
        value = node.state.get(str(handle.item()))
        if value is None:
            raise NumericsError(f"{node.where}: {handle.item()} is read before anything is assigned to it")
        return (value,)

    return run


@implements("ASSIGN_VARIABLE")
def prepare_assign(node: Node) -> Run:
    """A new value for a variable."""

    def run(handle: Array, value: Array) -> tuple[Array, ...]:
        node.state[str(handle.item())] = value.copy()
        return ()

    return run


def initial_value(node: Node, tensor: Tensor) -> Array:
    """Return what a state tensor holds before the first inference: its data, or real zero.

    Raises:
        NumericsError: a zero point outside the type.
    """
    dtype = numpy_dtype(tensor.dtype)
    if tensor.data is not None:
        return np.asarray(tensor.data).reshape(tensor.shape).astype(dtype)
    zero = node.zero_point(tensor) if is_quantized(tensor) else 0
    if dtype.kind in "iu" and not integer_bounds(dtype)[0] <= zero <= integer_bounds(dtype)[1]:
        raise NumericsError(f"{node.where}: zero point {zero} of {tensor.name!r} is outside {tensor.dtype.value}")
    return np.full(tensor.shape, zero, dtype)
