"""Symbolic dimensions of graph inputs: replaced by numbers before any shape is inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.errors import WorkloadError, did_you_mean, join_faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Dimension = int | str | None


def bind_dimensions(
    inputs: Sequence[Any], batch: int | None, shapes: Mapping[str, Sequence[int]], where: str
) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Return the shape of each graph input, and notes on what was assumed.

    Args:
        inputs: ValueInfoProto of the graph inputs that the caller fills.
        batch: value of symbolic leading dimensions; None makes them 1.
        shapes: dimensions by input name.
        where: the model's name for messages.

    Raises:
        WorkloadError: symbolic dimensions without a value, or options that contradict the file.
    """
    declared = {value.name: _declared(value) for value in inputs}
    binding = _Binding(declared)
    binding.use_shapes(shapes)
    binding.use_batch(batch)
    if binding.faults:
        raise WorkloadError(join_faults(where, binding.faults))
    return binding.resolve(where), binding.notes


def _declared(value: Any) -> list[Dimension] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [_dimension(d) for d in tensor.shape.dim]


def _dimension(dimension: Any) -> Dimension:
    kind = dimension.WhichOneof("value")
    if kind == "dim_value":
        return int(dimension.dim_value)
    return str(dimension.dim_param) or None if kind == "dim_param" else None


class _Binding:
    """What is known about the inputs' dimensions while the options are applied."""

    def __init__(self, declared: dict[str, list[Dimension] | None]) -> None:
        self.declared = declared
        self.values: dict[str, int] = {}
        self.faults: list[str] = []
        self.notes: list[str] = []

    def use_shapes(self, shapes: Mapping[str, Sequence[int]]) -> None:
        for name, given in shapes.items():
            if name not in self.declared:
                self.faults.append(f"--shape names {name!r}, which is no input.{did_you_mean(name, self.declared)}")
            elif any(d < 0 for d in given):
                self.faults.append(f"--shape of input {name!r}: {list(given)} has a negative dimension")
            else:
                self._use_shape(name, given)

    def _use_shape(self, name: str, given: Sequence[int]) -> None:
        dimensions = self.declared[name]
        if dimensions is None:
            self.declared[name] = list(given)
            return
        if len(given) != len(dimensions):
            self.faults.append(
                f"--shape of input {name!r} has {len(given)} dimensions, the file has {_text(dimensions)}"
            )
            return
        if any(isinstance(found, int) and found != value for found, value in zip(dimensions, given, strict=True)):
            self.faults.append(f"--shape of input {name!r} says {list(given)}, the file fixes {_text(dimensions)}")
        for found, value in zip(dimensions, given, strict=True):
            if isinstance(found, str) and self.values.setdefault(found, value) != value:
                self.faults.append(
                    f"--shape gives {found!r} the values {self.values[found]} and {value}; it can have one"
                )
        self.declared[name] = list(given)

    def use_batch(self, batch: int | None) -> None:
        leading = {name: d[0] for name, d in self.declared.items() if d}
        symbolic = {
            name: d for name, d in leading.items() if not isinstance(d, int) and self.values.get(str(d)) is None
        }
        fixed = sorted({d for d in leading.values() if isinstance(d, int)})
        if batch is not None and batch < 1:
            self.faults.append(f"batch {batch} is not allowed; it is 1 or more")
        elif batch is not None and not symbolic and batch not in fixed:
            self.faults.append(
                f"batch {batch} is asked for, but the file fixes the leading dimension to "
                f"{', '.join(map(str, fixed)) or 'nothing'}; export the model with a symbolic batch"
            )
        for name, dimension in symbolic.items():
            self._set_leading(name, dimension, 1 if batch is None else batch)
            if batch is None:
                self.notes.append(f"input {name!r}: the symbolic batch {_text([dimension])} is taken as 1")

    def _set_leading(self, name: str, dimension: Dimension, value: int) -> None:
        dimensions = self.declared[name]
        if dimensions:
            dimensions[0] = value
        if isinstance(dimension, str):
            self.values[dimension] = value

    def resolve(self, where: str) -> dict[str, tuple[int, ...]]:
        """Return all shapes; Raises WorkloadError for what has no value, negative ones included."""
        shapes, open_inputs = {}, []
        for name, dimensions in self.declared.items():
            bound = (
                None if dimensions is None else [self.values.get(d) if isinstance(d, str) else d for d in dimensions]
            )
            if bound is None or None in bound:
                shown = "no shape" if bound is None else f"shape {_text(dimensions or [])}"
                open_inputs.append(f"input {name!r} has {shown}; give its dimensions with --shape {name}=DIMS")
            elif any(d is not None and d < 0 for d in bound):
                open_inputs.append(f"input {name!r} has shape {_text(dimensions or [])}; dimensions are 0 or more")
            else:
                shapes[name] = tuple(d for d in bound if d is not None)
        if open_inputs:
            raise WorkloadError(join_faults(where, open_inputs))
        return shapes


def _text(dimensions: Sequence[Dimension]) -> str:
    return "[" + ", ".join("?" if d is None else str(d) for d in dimensions) + "]"
