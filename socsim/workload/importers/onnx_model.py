"""The importer's own picture of an ONNX file: plain values and nodes, free of protobuf objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from socsim.errors import MalformedModelError, join_faults

if TYPE_CHECKING:
    import numpy as np

    from socsim.workload.dtypes import DType
    from socsim.workload.graph import Array, Quantization

    FloatArray = np.ndarray[Any, np.dtype[np.float32]]

DEFAULT_DOMAIN = ""
MICROSOFT_DOMAIN = "com.microsoft"
COMPUTED_ELEMENTS = 2**26  # of all constants that are computed; the rest have no data
SUPPORTED_OPSETS = range(10, 29)
PROMISED_OPSETS = range(13, 27)


@dataclass(slots=True)
class Value:
    """A named tensor. `data` holds a constant's elements, read-only, where they are numbers.

    Integers and floats of fewer than eight bits are stored one to a byte, small floats as their codes, bfloat16
    elements as float32 (which is exact).
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    constant: bool = False
    data: Array | None = field(default=None, repr=False)
    quantization: Quantization | None = None


class ScaleOperands(NamedTuple):
    """Values that hold the scale and the zero point of one of a node's operands, or of its result.

    Args:
        position: of the operand; None for the first result.
        scale: name, "" for none.
        zero_point: name, "" for none. Without both, the operand is a bias: its scale is the product of the first two.
        axis: along which several scales lie.
    """

    position: int | None
    scale: str = ""
    zero_point: str = ""
    axis: int | None = None


@dataclass(slots=True)
class Node:
    """A node; an absent operand has the name "".

    `index`, `source` and `source_domain` are what the file says; `fused` lists the indices of all nodes of
    the file that this one stands for, `activation` the function that a quantized operator applies before
    it rounds, `computed` the scales and zero points that are no constants.
    """

    index: int
    name: str
    domain: str
    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    source: str
    source_domain: str = ""
    fused: tuple[int, ...] = ()
    activation: str = "NONE"
    computed: list[ScaleOperands] = field(default_factory=list)

    @property
    def reads(self) -> list[str]:
        """Names of all values that the node reads, "" for absent ones."""
        return [*self.inputs, *(name for found in self.computed for name in (found.scale, found.zero_point))]

    @property
    def at(self) -> str:
        """The node's place, for messages."""
        return f"node {self.index} {self.label} {self.name!r}"

    @property
    def label(self) -> str:
        """Operator type with its domain, unless that is the default one."""
        return f"{self.source_domain}.{self.source}" if self.source_domain else self.source

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or `default` where the file leaves it out."""
        return self.attributes.get(name, default)

    def operand(self, position: int) -> str:
        """Return the name of an operand, "" where it is absent."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(slots=True)
class Model:
    """Nodes in executable order and the values that they name."""

    where: str
    opset: int
    nodes: list[Node]
    values: dict[str, Value]
    inputs: list[str]
    outputs: list[str]
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    computed: int = 0
    copies: dict[str, int] = field(default_factory=dict)

    def constant(self, name: str) -> Array | None:
        """Return the elements of a constant, or None for "" and for anything else."""
        value = self.values.get(name)
        return value.data if value is not None else None

    def is_constant(self, name: str) -> bool:
        """Whether `name` is the same in every inference."""
        value = self.values.get(name)
        return value is not None and value.constant

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value."""
        return self.values[name].shape

    def consumers(self) -> dict[str, list[Node]]:
        """Return the nodes that read each value, once for each operand, in order."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.reads:
                if name:
                    found.setdefault(name, []).append(node)
        return found

    def producers(self) -> dict[str, Node]:
        """Return the node that writes each value."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def fresh(self, stem: str) -> str:
        """Return a value name that the file does not use."""
        name = stem
        while name in self.values:
            self.copies[stem] = self.copies.get(stem, 0) + 1
            name = f"{stem}:{self.copies[stem]}"
        return name

    def may_compute(self, value: Value) -> bool:
        """Whether the elements of another constant may be computed from `value`; they count from then on.

        A small file can name one large constant many times, so this bounds what comes of it.
        """
        self.computed += prod(value.shape)
        return self.computed <= COMPUTED_ELEMENTS

    def raise_faults(self) -> None:
        """Raise what has been collected.

        Raises:
            MalformedModelError: there are faults.
        """
        if self.faults:
            raise MalformedModelError(join_faults(self.where, self.faults))
