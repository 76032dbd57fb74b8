"""Runs one operator on arrays, for comparison with an oracle: as a graph in memory, or its refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from oracle_mac import RefusedError

from socsim.errors import NumericsError
from socsim.numerics.executor import Executable
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Quantization, TensorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray[Any, Any]


@dataclass
class Given:
    """An operand: its values, its type where NumPy's says too little, and (scale, zero point) where it has them."""

    values: Any
    dtype: str | None = None
    quant: tuple[float, int] | None = None
    constant: bool = False

    @property
    def array(self) -> Array:
        return np.asarray(self.values)

    @property
    def type(self) -> DType:
        return DType(self.dtype or self.array.dtype.name)


@dataclass
class Wanted:
    """A result: its shape, its type, and (scale, zero point) where it has them."""

    shape: Sequence[int]
    dtype: str
    quant: tuple[float, int] | None = None


def run(
    op: str, operands: Sequence[Given | None], results: Sequence[Wanted], profile: str = "tflite", /,
    source_type: str = "", **attributes: Any,
) -> list[Array]:  # fmt: skip
    """Results of one operator; under the profile `onnx` its graph counts as one of an ONNX file."""
    builder = GraphBuilder("test")
    indices: list[int | None] = []
    inputs: dict[int, Array] = {}
    for i, operand in enumerate(operands):
        if operand is None:
            indices.append(None)
            continue
        kind = TensorKind.CONSTANT if operand.constant else TensorKind.INPUT
        index = builder.tensor(
            f"i{i}", operand.type, operand.array.shape, kind=kind, quantization=quantization(operand.quant),
            data=operand.array if operand.constant else None,
        )  # fmt: skip
        indices.append(index)
        if not operand.constant:
            inputs[index] = operand.array
    outputs = [
        builder.tensor(f"y{i}", DType(r.dtype), r.shape, quantization=quantization(r.quant))
        for i, r in enumerate(results)
    ]
    builder.operator(op, "op", indices, outputs, attributes, source_type=source_type)
    graph = builder.build("test", "onnx" if profile == "onnx" else "tflite", list(inputs), outputs)
    found = Executable(graph, profile).run(inputs)
    return [found[t] for t in outputs]


def quantization(quant: tuple[float, int] | None) -> Quantization | None:
    """Per tensor, or none."""
    return None if quant is None else Quantization((quant[0],), (quant[1],))


def same(found: Callable[[], Array], expected: Callable[[], list[Any]]) -> None:
    """Check that the operator makes what the oracle says, or is refused where the oracle refuses."""
    try:
        wanted = expected()
    except RefusedError:
        with pytest.raises(NumericsError):
            found()
        return
    assert found().ravel().tolist() == wanted
