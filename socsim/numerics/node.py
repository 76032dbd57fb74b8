"""What an operator's implementation is given, and the table of implementations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import constant_array, integer_range
from socsim.numerics.threads import ALONE, Team
from socsim.workload.dtypes import SMALL_FLOATS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from socsim.numerics.arrays import Array
    from socsim.numerics.calls import Call
    from socsim.numerics.profiles import Profile
    from socsim.workload.graph import Graph, Operator, Tensor

    Run = Callable[..., tuple[Array, ...]]
    Room = Callable[[tuple[int, ...], Any], Array]
    """Returns an array of a shape and element type, not initialized, that calls may write."""
    Prepare = Callable[["Node"], Run]
    Override = Callable[["Node"], Run | None]


@dataclass(frozen=True)
class Kernels:
    """A run function of one result that is made of kernel calls alone, so that it can be part of a program.

    Args:
        team: threads that share the calls where the function is called by itself.
        shape: of the result.
        dtype: of the result.
        calls: returns the calls: calls(room, out, *operands). It is given arrays before they have values, so it
            looks at their shapes and types alone; all are contiguous.
    """

    team: Team
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    calls: Callable[..., list[Call]]

    def __call__(self, *operands: Array | None) -> tuple[Array, ...]:
        """Return the result of operands."""
        out = np.empty(self.shape, self.dtype)
        contiguous = (None if x is None else np.ascontiguousarray(x).reshape(x.shape) for x in operands)
        self.team.run(*self.calls(np.empty, out, *contiguous))
        return (out,)


def first_alone(run: Kernels) -> Kernels:
    """Return a run function that leaves all operands but the first alone."""
    return replace(run, calls=lambda room, out, first, *_: run.calls(room, out, first))


@dataclass(frozen=True)
class Node:
    """One operator of a graph under a profile, before it runs.

    An implementation is a function `prepare(node) -> run`. It is called once for a network: everything
    that depends on constants, scales and shapes alone (packed weights, multipliers, tables) is made
    there. `run(*inputs)` is called for each inference with one array for each operand in order (None for
    an absent one, constants included) and returns one array for each result, in the result's type and
    shape.
    """

    graph: Graph
    op: Operator
    profile: Profile
    state: dict[str, Array]
    """Values of variables, shared by all operators of one executable."""
    team: Team = ALONE
    """Threads that share an operator's work."""

    @property
    def inputs(self) -> list[Tensor | None]:
        """Tensors read, by position."""
        return [None if i is None else self.graph.tensors[i] for i in self.op.inputs]

    @property
    def outputs(self) -> list[Tensor]:
        """Tensors written, by position."""
        return [self.graph.tensors[i] for i in self.op.outputs]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The operator's attributes."""
        return self.op.attributes

    def input(self, position: int) -> Tensor:
        """Return the tensor of an operand that must be there."""
        tensors = self.inputs
        tensor = tensors[position] if position < len(tensors) else None
        if tensor is None:
            raise NumericsError(f"{self.where}: operand {position} is absent")
        return tensor

    def has_input(self, position: int) -> bool:
        """Whether an operand is there."""
        return position < len(self.op.inputs) and self.op.inputs[position] is not None

    def constant(self, position: int) -> Array | None:
        """Return the values of a constant operand; None where it is absent or not a constant."""
        if not self.has_input(position):
            return None
        tensor = self.input(position)
        return constant_array(tensor) if tensor.is_constant else None

    def scale(self, tensor: Tensor) -> float:
        """Return the one scale of a per-tensor quantized tensor."""
        return float(np.float32(self.quantization(tensor).scales[0]))

    def zero_point(self, tensor: Tensor) -> int:
        """Return the one zero point of a per-tensor quantized tensor."""
        points = self.quantization(tensor).zero_points
        return int(points[0]) if points else 0

    def quantization(self, tensor: Tensor) -> Any:
        """Return a tensor's quantization.

        Raises:
            NumericsError: it has none.
        """
        if tensor.quantization is None or not tensor.quantization.scales:
            raise NumericsError(f"{self.where}: tensor {tensor.index} {tensor.name!r} has no scale")
        return tensor.quantization

    def activation_range(self, tensor: Tensor) -> tuple[int, int]:
        """Return the clamp that the operator's fused activation leaves of an integer result's range.

        Source: TFLite kernels/kernel_util.cc, CalculateActivationRangeQuantized.
        """
        low, high = integer_range(tensor.dtype)
        limits = _CLAMPS.get(self.attributes.get("activation", "NONE"))
        if limits is None:
            return low, high
        scale, zero = self.scale(tensor), self.zero_point(tensor)
        nearest = _nearest_even if self.profile.spec == "onnx" else _nearest
        bounds = [None if limit is None else zero + nearest(limit, scale) for limit in limits]
        return (
            low if bounds[0] is None else max(low, bounds[0]),
            high if bounds[1] is None else min(high, bounds[1]),
        )

    @property
    def where(self) -> str:
        """Name of the operator for messages."""
        return f"{self.graph.name}: operator {self.op.index} {self.op.type} {self.op.name!r}"


_CLAMPS: dict[str, tuple[float | None, float | None]] = {
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


def _nearest(value: float, scale: float) -> int:
    quotient = float(np.float32(np.float32(value) / np.float32(scale)))
    return int(np.floor(abs(quotient) + 0.5)) * (1 if quotient >= 0 else -1)


def _nearest_even(value: float, scale: float) -> int:
    return round(float(np.float32(value) / np.float32(scale)))


IMPLEMENTATIONS: dict[str, Prepare] = {}


def implements(*operator_types: str) -> Callable[[Prepare], Prepare]:
    """Register a `prepare` function for operators of the vocabulary.

    Raises:
        ValueError: an operator has an implementation already.
    """

    def register(prepare: Prepare) -> Prepare:
        for name in operator_types:
            if name in IMPLEMENTATIONS:
                msg = f"operator {name} is already implemented by {IMPLEMENTATIONS[name].__qualname__}"
                raise ValueError(msg)
            IMPLEMENTATIONS[name] = prepare
        return prepare

    return register


ONNX_FILES = "onnx files"
"""Stands for a profile in `implements_for`: operators of ONNX files under profiles that follow another definition."""

OVERRIDES: dict[tuple[str, str], Callable[[Node], Run | None]] = {}


def implements_for(profile: str, *operator_types: str) -> Callable[[Override], Override]:
    """Register a `prepare` function for operators under one profile; it returns None for what it leaves alone.

    Raises:
        ValueError: the profile has an implementation of the operator already.
    """

    def register(prepare: Override) -> Override:
        for name in operator_types:
            if (profile, name) in OVERRIDES:
                msg = f"operator {name} is already implemented for profile {profile}"
                raise ValueError(msg)
            OVERRIDES[profile, name] = prepare
        return prepare

    return register


_ON_CODES = frozenset(
    {
        "QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "IDENTITY", "TRANSPOSE", "CONCATENATION",
        "SPLIT", "SLICE", "STRIDED_SLICE", "GATHER", "GATHER_ND", "TILE", "BROADCAST_TO", "DEPTH_TO_SPACE",
        "SPACE_TO_DEPTH",
    }
)  # fmt: skip
"""Operators that convert small floats or move their codes; to others the codes would be integers."""


def prepared(node: Node) -> Run:
    """Return the run function of an operator: that of the profile, else that of those it falls back to.

    Raises:
        NumericsError: it would compute with small floats.
    """
    small = [t for t in (*node.inputs, *node.outputs) if t is not None and t.dtype in SMALL_FLOATS]
    if small and node.op.type not in _ON_CODES:
        msg = f"{node.where}: no rule for {small[0].dtype.value} (tensor {small[0].index} {small[0].name!r})"
        raise NumericsError(msg)
    is_foreign = node.graph.source_format == "onnx" and node.profile.spec != "onnx"
    for name in (*([ONNX_FILES] if is_foreign else []), node.profile.name, *node.profile.fallbacks):
        override = OVERRIDES.get((name, node.op.type))
        run = override(node) if override else None
        if run is not None:
            return run
    return IMPLEMENTATIONS[node.op.type](node)
