"""What a rule for an ncnn layer sees and does: parameters, operand shapes, operators of the graph."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.shapes import infer_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.workload.builder import GraphBuilder
    from socsim.workload.importers.ncnn_param import Layer, Value
    from socsim.workload.shapes_operands import Shape

LAYOUT = "NCHW"

# Fused activations by activation_type; 0 is none.
_ACTIVATIONS = ("NONE", "RELU", "LEAKY_RELU", "CLIP", "LOGISTIC", "MISH", "HARD_SWISH", "GELU")


class UnsupportedOptionError(Exception):
    """A layer of a known type has an option that the operator vocabulary cannot express."""


class Blobs:
    """Tensor indices by blob name.

    Args:
        builder: receives the tensors.
    """

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder
        self.indices: dict[str, int] = {}
        self.pending: set[str] = set()  # cache inputs whose shape their attention layer decides
        self.data_dependent: set[str] = set()

    def add(self, name: str, shape: Shape, dtype: DType, kind: TensorKind = TensorKind.ACTIVATION) -> int:
        """Add the tensor of a blob and return its index."""
        self.indices[name] = self.builder.tensor(name, dtype, shape, kind=kind)
        return self.indices[name]

    def index(self, name: str) -> int:
        """Return the tensor of a blob.

        Raises:
            ValueError: nothing has decided the blob's shape yet.
        """
        if name not in self.indices:
            msg = f"nothing gives blob {name!r} a shape"
            raise ValueError(msg)
        return self.indices[name]

    def shape(self, name: str) -> Shape:
        """Return the shape of a blob.

        Raises:
            ValueError: nothing has decided it yet.
        """
        return self.builder.describe(self.index(name)).shape


class LayerContext:
    """One layer while its rule runs.

    Args:
        layer: the line of the file.
        blobs: all blobs so far; those that the layer reads are there, or pending.
    """

    def __init__(self, layer: Layer, blobs: Blobs) -> None:
        self.layer = layer
        self.blobs = blobs
        self._builder = blobs.builder

    @property
    def inputs(self) -> list[int]:
        """Tensor indices of the operands."""
        return [self.blobs.index(name) for name in self.layer.inputs]

    @property
    def shapes(self) -> list[Shape]:
        """Shapes of the operands."""
        return [self.blobs.shape(name) for name in self.layer.inputs]

    @property
    def shape(self) -> Shape:
        """Shape of the first operand."""
        if not self.layer.inputs:
            msg = "the layer needs an input"
            raise ValueError(msg)
        return self.blobs.shape(self.layer.inputs[0])

    def describe(self, index: int) -> Shape:
        """Return the shape of a tensor."""
        return self._builder.describe(index).shape

    @property
    def dtype(self) -> DType:
        """Element type of the first operand."""
        return self._builder.describe(self.blobs.index(self.layer.inputs[0])).dtype

    def planes(self) -> tuple[int, int, int]:
        """Return (channels, rows, columns) of the first operand.

        Raises:
            ValueError: it does not have three dimensions.
        """
        if len(self.shape) != 3:
            msg = f"the input {self.shape} must have three dimensions (channels, rows, columns)"
            raise ValueError(msg)
        return self.shape[0], self.shape[1], self.shape[2]

    def integer(self, key: int, default: int = 0) -> int:
        """Return an integer parameter.

        Raises:
            ValueError: the value is not a whole number.
        """
        value = self.layer.parameters.get(key, default)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int):
            msg = f"parameter {key} is {value!r}; it must be an integer"
            raise ValueError(msg)
        return value

    def positive(self, key: int, default: int = 0) -> int:
        """Return an integer parameter of at least 1.

        Raises:
            ValueError: the value is smaller.
        """
        value = self.integer(key, default)
        if value < 1:
            msg = f"parameter {key} is {value}; it must be at least 1"
            raise ValueError(msg)
        return value

    def number(self, key: int, default: float) -> float:
        """Return a numeric parameter as a float.

        Raises:
            ValueError: the value is not a number.
        """
        value = self.layer.parameters.get(key, default)
        if not isinstance(value, int | float):
            msg = f"parameter {key} is {value!r}; it must be a number"
            raise ValueError(msg)
        return float(value)

    def numbers(self, key: int) -> tuple[float, ...]:
        """Return an array parameter, empty where it is absent.

        Raises:
            ValueError: the value is not an array.
        """
        value: Value = self.layer.parameters.get(key, ())
        if not isinstance(value, tuple):
            msg = f"parameter {key} is {value!r}; it must be an array (key {-23300 - key})"
            raise ValueError(msg)
        return tuple(float(v) for v in value)

    def integers(self, key: int) -> tuple[int, ...]:
        """Return an array parameter of integers, empty where it is absent.

        Raises:
            ValueError: the value is not an array of whole numbers.
        """
        values = self.numbers(key)
        if not all(v.is_integer() for v in values):
            msg = f"parameter {key} is {values}; it must hold integers"
            raise ValueError(msg)
        return tuple(int(v) for v in values)

    def activation(self, kind_key: int = 9, parameters_key: int = 10) -> dict[str, Any]:
        """Return the attributes of the fused activation."""
        kind, parameters = self.integer(kind_key), self.numbers(parameters_key)
        if not 0 <= kind < len(_ACTIVATIONS):
            msg = f"activation_type is {kind}; known are 0 to {len(_ACTIVATIONS) - 1}"
            raise ValueError(msg)
        name = _ACTIVATIONS[kind]
        if name == "CLIP" and parameters == (0.0, 6.0):
            return {"activation": "RELU6"}
        return {"activation": name} | ({"activation_parameters": parameters} if parameters else {})

    def needs(self, count: int) -> None:
        """Check the number of operands.

        Raises:
            ValueError: it is smaller than `count`.
        """
        if len(self.layer.inputs) < count:
            msg = f"the layer needs {count} inputs and has {len(self.layer.inputs)}"
            raise ValueError(msg)

    def constant(self, name: str, shape: Sequence[int], dtype: DType = DType.FLOAT32) -> int:
        """Add a tensor for weights, whose values the text file does not hold, and return its index."""
        kind = TensorKind.CONSTANT
        return self._builder.tensor(f"{self.layer.name}/{name}", dtype, shape, kind=kind)

    def weights_size(self, key: int, expected: int) -> None:
        """Check the declared number of weights.

        Raises:
            ValueError: it is not `expected`.
        """
        found = self.integer(key)
        if found != expected:
            needed = f"the layer and its input {self.shape} make {expected}"
            msg = f"weight_data_size (parameter {key}) is {found}, but {needed}"
            raise ValueError(msg)

    def emit(
        self,
        operator_type: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        inputs: Sequence[int | None] | None = None,
        shapes: Sequence[Shape] | None = None,
        dtype: DType | None = None,
    ) -> None:
        """Add the layer's operator and the tensors that it writes.

        Args:
            operator_type: a word of the vocabulary.
            attributes: the operator's attributes.
            inputs: tensor indices of the operands; the layer's inputs unless given.
            shapes: output shapes; the shape rule's unless given.
            dtype: element type of the outputs; that of the first operand unless given.

        Raises:
            ValueError: the operands do not fit the operator, or the number of outputs differs.
        """
        operands = self.inputs if inputs is None else inputs
        found = [None if i is None else self._builder.describe(i).shape for i in operands]
        inferred = infer_shapes(operator_type, found, attributes or {})
        results = list(shapes if shapes is not None else inferred or ())
        names = self.layer.outputs
        if len(results) != len(names):
            msg = f"the layer writes {len(names)} blobs; its type and inputs make {len(results)}"
            raise ValueError(msg)
        outputs = [self.blobs.add(name, s, dtype or self.dtype) for name, s in zip(names, results, strict=True)]
        self._builder.operator(operator_type, self.layer.name, operands, outputs, attributes, self.layer.type)


def flattened(shape: Shape) -> Shape:
    """Return the shape as one dimension."""
    return (prod(shape),)
