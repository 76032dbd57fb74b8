"""Does SVDF equal its formula in plain integers, and LiteRT as it runs, step after step?"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from litert_steps import steps
from oracle_operators import scaled

from socsim.errors import NumericsError
from socsim.numerics.executor import Executable
from socsim.workload.importers.tflite import import_tflite
from socsim.workload.limits import DEFAULT_LIMITS
from tests import tflite_writer as writer

SVDF, INT16, UNITS, MEMORY, FEATURES = 27, 7, 6, 5, 9
SCALES = {"x": 0.03, "w": 0.011, "t": 0.0002, "state": 0.005, "y": 0.04}


def network(
    *,
    rank: int = 2,
    batch: int = 1,
    kind: str = "int8",
    bias: bool = True,
    asymmetric: bool = False,
    state: int = INT16,
) -> bytes:
    rng = np.random.default_rng(rank)
    filters = UNITS * rank
    narrow = np.int8 if state == writer.INT8 else np.int16
    w = rng.integers(-127, 127, (filters, FEATURES), np.int8, endpoint=True)
    t = rng.integers(np.iinfo(narrow).min, np.iinfo(narrow).max, (filters, MEMORY), narrow, endpoint=True)
    b = rng.integers(-3000, 3000, UNITS, np.int32)
    types = [writer.INT8, writer.INT8, state, writer.INT32, state, writer.INT8]
    if kind != "int8":
        types = [0, writer.INT8 if kind == "hybrid" else 0, writer.INT8 if kind == "hybrid" else 0, 0, 0, 0]
        t, b = rng.integers(-127, 127, t.shape, np.int8), (b / 1000).astype(np.float32)
        w, t = (w, t) if kind == "hybrid" else ((w / 50).astype(np.float32), (t / 50).astype(np.float32))
    q = {k: writer.quantization([s], [{"x": -7, "y": -128}.get(k, 0)]) for k, s in SCALES.items()}
    tensors = [
        writer.tensor("x", [batch, FEATURES], types[0], quant=q["x"] if kind == "int8" else None),
        writer.tensor("w", [filters, FEATURES], types[1], buffer=1, quant=q["w"] if types[1] else None),
        writer.tensor("t", [filters, MEMORY], types[2], buffer=2, quant=q["t"] if types[2] else None),
        writer.tensor("b", [UNITS], types[3], buffer=3),
        writer.tensor(
            "state", [batch, filters * MEMORY], types[4], quant=q["state"] if kind == "int8" else None,
            more={5: ("?", True)},
        ),
        writer.tensor("y", [batch, UNITS], types[5], quant=q["y"] if kind == "int8" else None),
    ]  # fmt: skip
    options = writer.Table({0: ("i", rank), 1: ("b", 1), 2: ("?", asymmetric)})
    op = writer.operator(0, [0, 1, 2, 3 if bias else -1, 4], [5], options, 6)
    return writer.single(SVDF, tensors, [0], [5], op, tuple(a.tobytes() for a in (w, t, b)))


def loaded(content: bytes):
    return import_tflite(content, where="svdf", name="svdf", batch=None, shapes={}, limits=DEFAULT_LIMITS)


def sequence(batch: int, kind: str, count: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    if kind == "int8":
        return [rng.integers(-128, 127, (batch, FEATURES), np.int8, endpoint=True) for _ in range(count)]
    return [rng.normal(size=(batch, FEATURES)).astype(np.float32) for _ in range(count)]


def run(content: bytes, inputs: list[np.ndarray], profile: str = "tflite") -> list[np.ndarray]:
    graph = loaded(content)
    executable = Executable(graph, profile)
    return [executable.run({graph.inputs[0]: x})[graph.outputs[0]] for x in inputs]


@pytest.mark.parametrize("state", [INT16, writer.INT8])
def test_steps_equal_the_formula_in_plain_integers(state):
    rank, content = 2, network(state=state)
    graph = loaded(content)
    w, t, b = (graph.tensors[i].data.reshape(graph.tensors[i].shape).tolist() for i in (1, 2, 3))
    single = {k: float(np.float32(v)) for k, v in SCALES.items()}
    first = float(np.float32(np.float32(single["x"]) * np.float32(single["w"])) / np.float32(single["state"]))
    last = float(np.float32(np.float32(single["state"]) * np.float32(single["t"])) / np.float32(single["y"]))
    bound = 127 if state == writer.INT8 else 32767
    memory = [[0] * MEMORY for _ in range(UNITS * rank)]
    for x, found in zip(sequence(1, "int8"), run(content, sequence(1, "int8")), strict=True):
        centred = [int(v) + 7 for v in x[0]]
        for row, weights in zip(memory, w, strict=True):
            new = scaled(sum(a * c for a, c in zip(weights, centred, strict=True)), first)
            row[:] = [*row[1:], min(max(new, -bound - 1), bound)]
        filters = [sum(a * c for a, c in zip(row, times, strict=True)) for row, times in zip(memory, t, strict=True)]
        sums = [sum(filters[rank * u : rank * u + rank]) + b[u] for u in range(UNITS)]
        assert found[0].tolist() == [min(max(scaled(v, last) - 128, -128), 127) for v in sums]


def test_a_reset_forgets_the_memory():
    graph = loaded(network())
    executable = Executable(graph)
    x = {graph.inputs[0]: sequence(1, "int8")[0]}
    first, second = (executable.run(x)[graph.outputs[0]] for _ in range(2))
    executable.reset()
    assert np.array_equal(executable.run(x)[graph.outputs[0]], first)
    assert not np.array_equal(first, second)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed")
@pytest.mark.parametrize(("rank", "batch"), [(1, 1), (2, 1), (3, 4)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_integer_steps_equal_the_running_reference(rank, batch, with_bias, tmp_path):
    content, inputs = network(rank=rank, batch=batch, bias=with_bias), sequence(batch, "int8")
    wanted = steps(content, inputs, tmp_path)
    assert len({w.tobytes() for w in wanted}) > 1
    for found, right in zip(run(content, inputs), wanted, strict=True):
        np.testing.assert_array_equal(found, right, strict=True)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed")
@pytest.mark.parametrize(("kind", "asymmetric"), [("float", False), ("hybrid", False), ("hybrid", True)])
def test_real_steps_are_near_the_running_reference(kind, asymmetric, tmp_path):
    """Its vector kernels add in another order."""
    content, inputs = network(batch=2, kind=kind, asymmetric=asymmetric), sequence(2, kind)
    for found, right in zip(run(content, inputs), steps(content, inputs, tmp_path), strict=True):
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-5 * np.abs(right).max())


def test_wrong_shapes_and_activations_are_refused_together():
    graph = loaded(network())

    tensors = list(graph.tensors)
    tensors[4], tensors[3] = (
        replace(tensors[4], shape=(1, 7)),
        replace(tensors[3], shape=(5,), data=tensors[3].data[:5]),
    )
    with pytest.raises(NumericsError, match=r"state \(1, 7\), \(1, 60\) required; bias \(5,\), \(6,\) required"):
        Executable(replace(graph, tensors=tuple(tensors)))
    op = replace(graph.operators[0], attributes={**graph.operators[0].attributes, "activation": "NONE"})
    with pytest.raises(NumericsError, match="int16, int16, NONE; equal types and RELU are required"):
        Executable(replace(graph, operators=(op,)))
