"""Are WHERE and UNIQUE computed where the graph's fixed shape allows it, and refused otherwise?"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from litert_steps import steps

from socsim.errors import NumericsError
from socsim.numerics.executor import Executable
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers.tflite import import_tflite
from socsim.workload.limits import DEFAULT_LIMITS
from tests import tflite_writer as writer

WHERE, UNIQUE, INT64 = 109, 103, 4
CONDITION = np.array([[0, 3, 0], [-1, 0, 0], [0, 0, 9]], np.int8)
VALUES = np.array([7, -3, 7, 120, -3, -3, 0, 7], np.int8)


def where(rows: int) -> bytes:
    tensors = [writer.tensor("x", [3, 3]), writer.tensor("y", [rows, 2], INT64)]
    return writer.single(WHERE, tensors, [0], [1], writer.operator(0, [0], [1]))


def unique(count: int, kind: int = writer.INT32) -> bytes:
    tensors = [writer.tensor("x", [8]), writer.tensor("y", [count]), writer.tensor("i", [8], kind)]
    options = writer.Table({0: ("b", kind)})
    return writer.single(UNIQUE, tensors, [0], [1, 2], writer.operator(0, [0], [1, 2], options, 80))


def run(content: bytes, x: np.ndarray) -> list[np.ndarray]:
    graph = import_tflite(content, where="m", name="m", batch=None, shapes={}, limits=DEFAULT_LIMITS)
    results = Executable(graph).run({graph.inputs[0]: x})
    return [results[t] for t in graph.outputs]


def test_indices_of_what_is_not_zero_are_in_order():
    assert run(where(3), CONDITION)[0].tolist() == [[0, 1], [1, 0], [2, 2]]


@pytest.mark.parametrize(("kind", "dtype"), [(writer.INT32, np.int32), (INT64, np.int64)])
def test_unique_values_are_in_order_of_appearance(kind, dtype):
    values, places = run(unique(4, kind), VALUES)
    assert values.tolist() == [7, -3, 120, 0]
    assert places.dtype == dtype
    assert np.array_equal(values[places], VALUES)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed")
@pytest.mark.parametrize(("content", "x"), [(where(3), CONDITION), (unique(4), VALUES)], ids=["where", "unique"])
def test_results_equal_the_running_reference(content, x, tmp_path):
    np.testing.assert_array_equal(run(content, x)[0], steps(content, [x], tmp_path)[0], strict=True)


@pytest.mark.parametrize(
    ("content", "x", "made"),
    [(where(4), CONDITION, r"\(3, 2\)"), (unique(5), VALUES, r"\(4,\)")],
    ids=["where", "unique"],
)
def test_values_that_make_another_shape_are_refused(content, x, made):
    with pytest.raises(NumericsError, match=rf"make a result of shape {made}; the graph says .* its shapes are fixed"):
        run(content, x)


def test_onnx_gives_a_column_for_each_index():
    builder = GraphBuilder("m")
    x = builder.tensor("x", DType.INT8, (3, 3), kind=TensorKind.INPUT)
    y = builder.tensor("y", DType.INT64, (2, 3))
    builder.operator("WHERE", "op", [x], [y], {})
    graph = builder.build("m", "onnx", [x], [y])
    assert Executable(graph, "onnx").run({x: CONDITION})[y].tolist() == [[0, 1, 2], [1, 0, 2]]
