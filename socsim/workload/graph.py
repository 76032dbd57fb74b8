"""The graph: operators and tensors, in an order in which they can run.

Everything is immutable; a pass that changes a graph makes a new one. No object of a file format's own
library survives past the importer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from socsim.memo import Memo
from socsim.workload.dtypes import DType, tensor_bytes
from socsim.workload.operators import OPERATORS, Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from socsim.workload.loops import LoopNest
    from socsim.workload.weights import WeightValues

    Array = np.ndarray[Any, np.dtype[Any]]


_OPERATORS_KEPT = 20_000
_FEWEST_KEPT, _MOST_KEPT = 12, 64
"""Results that a network keeps: those of so many operators in all, within these bounds. A run has ten at most:
placement, tasks, borders, lives, places, memory plan, outlines, kernels, costs, and costs as calibrated."""


class TensorKind(Enum):
    """Where a tensor's bytes come from."""

    INPUT = "input"
    CONSTANT = "constant"
    ACTIVATION = "activation"
    VARIABLE = "variable"


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantization: real = scale x (integer - zero point).

    One scale is per tensor; several belong to the slices along `axis`, or to blocks of `block_size`
    elements along it (then `scales` is the flattened table). Files may name an axis for one scale too: it means
    nothing, but LiteRT chooses kernels by it.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None
    block_size: int | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the graph; `data` is a read-only array for constants whose bytes the file holds."""

    index: int
    name: str
    dtype: DType
    shape: tuple[int, ...]
    kind: TensorKind = TensorKind.ACTIVATION
    quantization: Quantization | None = None
    data: Array | None = field(default=None, repr=False, compare=False)

    @property
    def elements(self) -> int:
        """Product of the dimensions."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the packed elements."""
        return tensor_bytes(self.elements, self.dtype)

    @property
    def is_constant(self) -> bool:
        """Whether the tensor is the same in every inference."""
        return self.kind is TensorKind.CONSTANT


class ComputedQuantization(NamedTuple):
    """Where an operator finds the scale and zero point of a tensor, if the network computes them.

    Args:
        operand: position of the tensor; None for the first result.
        scale: position of the operand that holds the scale; None for none.
        zero_point: likewise. Without both, the tensor is a bias: its scale is the product of the first two operands'.
        axis: along which several scales lie.
    """

    operand: int | None
    scale: int | None
    zero_point: int | None
    axis: int | None


@dataclass(frozen=True, slots=True)
class Operator:
    """One node. `inputs` may hold None for an operand that the file leaves out.

    `type` is a word of `socsim.workload.operators`; `source_type` is what the file calls it. `loops` are
    the multiply-accumulate nests, empty where there are none.
    """

    index: int
    name: str
    type: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    loops: tuple[LoopNest, ...] = ()
    source_type: str = ""

    @property
    def data_inputs(self) -> tuple[int | None, ...]:
        """Operands but for those behind them that hold the scales and zero points of tensors."""
        computed = self.attributes.get("computed_quantization", ())
        held = (i for found in computed for i in (found.scale, found.zero_point) if i is not None)
        return self.inputs[: min(held, default=len(self.inputs))]

    @property
    def macs(self) -> int:
        """Nominal multiply-accumulates."""
        return sum(nest.macs for nest in self.loops)

    @property
    def category(self) -> Category:
        """What the operator does to data."""
        return OPERATORS[self.type].category

    @property
    def label(self) -> str:
        """Type, with the custom code of a custom operator."""
        code = self.attributes.get("custom_code")
        return f"{self.type} {code!r}" if code else self.type


@dataclass(frozen=True)
class Graph:
    """A network: operators in executable order, and the tensors that they index.

    Args:
        name: file stem or zoo name.
        source_format: "tflite", "onnx", "ncnn", or "zoo" for a network that the zoo draws.
        tensors: tensor i has index i.
        operators: operator i has index i; producers come before consumers.
        inputs: tensor indices that the caller fills.
        outputs: tensor indices that the caller reads.
        subgraphs: bodies of control-flow operators.
        notes: what the importer decided that the user should know.
        sha256: hash of the model file's bytes, or of what the zoo drew; "" for another graph made in memory.
    """

    name: str
    source_format: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: tuple[Graph, ...] = ()
    notes: tuple[str, ...] = ()
    sha256: str = ""

    @cached_property
    def producers(self) -> Mapping[int, int]:
        """Operator index by the tensor index that it produces."""
        return MappingProxyType({t: op.index for op in self.operators for t in op.outputs})

    @cached_property
    def consumers(self) -> Mapping[int, tuple[int, ...]]:
        """Operator indices by the tensor index that they read, in order, each once."""
        found: dict[int, list[int]] = {}
        for op in self.operators:
            for t in sorted({i for i in op.inputs if i is not None}):
                found.setdefault(t, []).append(op.index)
        return MappingProxyType({t: tuple(ops) for t, ops in found.items()})

    @cached_property
    def constants(self) -> frozenset[int]:
        """Indices of the tensors that are the same in every inference."""
        return frozenset(t.index for t in self.tensors if t.is_constant)

    @cached_property
    def macs(self) -> int:
        """Nominal multiply-accumulates of one inference."""
        return sum(op.macs for op in self.operators)

    @cached_property
    def _parameter_tensors(self) -> tuple[Tensor, ...]:
        used = sorted(t for t in self.consumers if self.tensors[t].is_constant)
        return tuple(self.tensors[t] for t in used)

    @cached_property
    def measured(self) -> dict[tuple[int, ...], WeightValues | None]:
        """Weights that were looked at, by operators: filled by `socsim.workload.weights`."""
        return {}

    @cached_property
    def memo(self) -> Memo:
        """What runs decided about the network, for the next one: the latest of it, the less the larger it is."""
        return Memo(max(_FEWEST_KEPT, min(_MOST_KEPT, _OPERATORS_KEPT // max(1, len(self.operators)))))

    @property
    def parameters(self) -> int:
        """Elements of all constants that operators read, each constant once."""
        return sum(t.elements for t in self._parameter_tensors)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all constants that operators read, each constant once."""
        return sum(t.bytes for t in self._parameter_tensors)

    @cached_property
    def operator_counts(self) -> Mapping[str, int]:
        """Number of operators by type, in alphabetical order."""
        return MappingProxyType(dict(sorted(Counter(op.type for op in self.operators).items())))

    def input_tensors(self, op: Operator) -> list[Tensor]:
        """Return the tensors that `op` reads, absent operands left out."""
        return [self.tensors[i] for i in op.inputs if i is not None]

    def output_tensors(self, op: Operator) -> list[Tensor]:
        """Return the tensors that `op` writes."""
        return [self.tensors[i] for i in op.outputs]

    def with_tensors(self, tensors: tuple[Tensor, ...]) -> Graph:
        """Return the graph with other tensor descriptions at the same indices."""
        return replace(self, tensors=tensors)

    def __repr__(self) -> str:
        return (
            f"<Graph {self.name!r}: {len(self.operators)} operators, {self.macs:,} MACs, "
            f"{self.parameters:,} parameters ({self.source_format})>"
        )
