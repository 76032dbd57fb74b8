"""Are results right when tensors share memory, when runs follow, overlap, fail or are interrupted?"""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.errors import NumericsError
from socsim.numerics.calls import Call, shared
from socsim.numerics.executor import Executable
from socsim.numerics.inference import _Memory
from socsim.numerics.node import IMPLEMENTATIONS, Kernels
from socsim.numerics.threads import Team
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, Quantization, TensorKind

Q = Quantization((0.5,), (0,))
SHAPE = (2, 24)
UNARY = ["RELU", "NEG", "RESHAPE", "ABS"]  # a table, one that is evaluated by NumPy, a view, a table


def network(layers: list[tuple[str, int, int]]) -> Graph:
    """Layers of (type, operand, second operand of an ADD), operands counted from the last tensor back."""
    b = GraphBuilder("mixed")
    made = [b.tensor("x", DType.INT8, SHAPE, kind=TensorKind.INPUT, quantization=Q)]
    for number, (kind, first, second) in enumerate(layers):
        operands = [made[-1 - first % len(made)], made[-1 - second % len(made)]][: 2 if kind == "ADD" else 1]
        result = b.tensor(f"t{number}", DType.INT8, SHAPE, quantization=Q)
        b.operator(kind, f"op{number}", operands, [result], {"activation": "NONE"} if kind == "ADD" else {})
        made.append(result)
    return b.build("mixed", "tflite", made[:1], made[-1:])


def negated(x):
    """NEG of integers, of which socsim has no quantized form, by NumPy."""
    return (np.maximum(x, -127) * np.int8(-1),)


@pytest.fixture(autouse=True, scope="module")
def _negation():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(IMPLEMENTATIONS, "NEG", lambda _: negated)
        yield


def expected(layers: list[tuple[str, int, int]], x: np.ndarray) -> list[np.ndarray]:
    made = [x.astype(np.int64)]
    for kind, first, second in layers:
        a, b = made[-1 - first % len(made)], made[-1 - second % len(made)]
        made.append({
            "RELU": np.maximum(a, 0), "NEG": -np.maximum(a, -127), "RESHAPE": a, "ABS": np.minimum(np.abs(a), 127),
            "ADD": np.clip(a + b, -128, 127),
        }[kind])  # fmt: skip
    return made[1:]


LAYERS = st.lists(
    st.tuples(st.sampled_from([*UNARY, "ADD"]), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12
)
TEAMS = {n: Team(n) for n in (1, 2)}


@PROPERTY
@given(layers=LAYERS, seeds=st.lists(st.integers(0, 99), min_size=2, max_size=3), threads=st.sampled_from([1, 2]))
def test_memory_that_tensors_share_changes_no_result(layers, seeds, threads):
    """Results of earlier runs stay as they are, and every tensor is right when all are kept."""
    executable = Executable(network(layers), team=TEAMS[threads])
    images = [np.random.default_rng(s).integers(-128, 127, SHAPE).astype(np.int8) for s in seeds]
    found = [executable.run({"x": x}) for x in images]
    for x, results in zip(images, found, strict=True):
        (last,) = results.values()
        np.testing.assert_array_equal(last, expected(layers, x)[-1])
    kept = executable.run({"x": images[0]}, keep_all=True)
    for array, wanted in zip(kept.values(), expected(layers, images[0]), strict=True):
        np.testing.assert_array_equal(array, wanted)


CHAIN = [("RELU", 0, 0), ("ADD", 0, 1), ("NEG", 0, 0), ("ADD", 0, 1), ("RESHAPE", 0, 0), ("ADD", 0, 2)]


def test_runs_of_one_executable_in_several_threads_at_once_do_not_meet():
    executable, wrong = Executable(network(CHAIN), team=TEAMS[2]), []

    def runs(seed):
        x = np.random.default_rng(seed).integers(-128, 127, SHAPE).astype(np.int8)
        for _ in range(100):
            (found,) = executable.run({"x": x}).values()
            if not np.array_equal(found, expected(CHAIN, x)[-1]):
                wrong.append(seed)

    callers = [threading.Thread(target=runs, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not wrong
    assert not any(caller.is_alive() for caller in callers)


def test_inputs_and_results_are_the_users_own():
    executable, x = Executable(network([("RESHAPE", 0, 0), ("RELU", 0, 0)])), np.full(SHAPE, 5, np.int8)
    (first,) = executable.run({"x": x}).values()
    x[:] = 7
    first[:] = 9
    (again,) = executable.run({"x": x}).values()
    assert set(again.reshape(-1).tolist()) == {7}
    assert set(first.reshape(-1).tolist()) == {9}


@shared
def fail_at(index, unlucky, x, out):
    out[index] = x[index]
    if index == unlucky:
        raise IndexError("no such element")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("unlucky", [0, 1])
def test_what_a_kernel_raises_names_its_operator_and_the_next_run_is_whole(monkeypatch, threads, unlucky):
    wrong = [unlucky]

    def prepare(node):
        def calls(_, out, x):
            return [Call(fail_at, 2, (wrong[0], x, out))]

        return Kernels(node.team, SHAPE, np.dtype(np.int8), calls)

    monkeypatch.setitem(IMPLEMENTATIONS, "ABS", prepare)
    executable, x = Executable(network([("RELU", 0, 0), ("ABS", 0, 0)]), team=TEAMS[threads]), np.ones(SHAPE, np.int8)
    with pytest.raises(NumericsError, match="operator 1 ABS does not fit its operands: no such element"):
        executable.run({"x": x})
    wrong[0] = -1
    (found,) = executable.run({"x": x}).values()
    np.testing.assert_array_equal(found, x)


def test_kernels_whose_result_is_unlike_its_tensor_are_refused(monkeypatch):
    def prepare(node):
        return Kernels(node.team, (2, 3), np.dtype(np.int8), lambda *_: [])

    monkeypatch.setitem(IMPLEMENTATIONS, "ABS", prepare)
    with pytest.raises(
        NumericsError, match=r"operator 0 made int8 \(2, 3\) for tensor 1 't0', which is int8 \(2, 24\)"
    ):
        Executable(network([("ABS", 0, 0)])).run({"x": np.ones(SHAPE, np.int8)})


@PROPERTY
@given(moves=st.lists(st.tuples(st.booleans(), st.integers(0, 300), st.sampled_from([np.int8, np.int32])), max_size=30))
def test_arrays_that_are_taken_at_once_do_not_overlap(moves):
    memory, taken = _Memory(), []
    for gives_back, size, dtype in moves:
        if gives_back and taken:
            memory.give_back([taken.pop(size % len(taken))])
        else:
            taken.append(memory.take((size, 2), np.dtype(dtype)))
            assert taken[-1].ctypes.data % 64 == 0
    spans = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in taken)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_memory_is_used_again():
    memory = _Memory()
    first = memory.take((100,), np.dtype(np.int8))
    memory.give_back([first])
    assert np.shares_memory(first, memory.take((25,), np.dtype(np.int32)))
    assert not np.shares_memory(first, memory.take((100,), np.dtype(np.int8)))


INTERRUPTED = """
import signal, sys, threading, time
import numpy as np
from socsim.numerics.calls import Call, shared
from socsim.numerics.threads import Team

@shared
def work(index, values):
    for i in range(2000):
        values[index] = values[index] * 5 + i

team, values, turns = Team(2), np.zeros(4096, np.int64), 0
calls = [Call(work, 4096, (values,))] * 200
team.run(calls[0])
threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
start = time.perf_counter()
try:
    while True:
        team.run(*calls)
except KeyboardInterrupt:
    seconds = time.perf_counter() - start
values[:] = 0
team.run(calls[0])
print(len(set(values.tolist())), seconds)
"""


def test_an_interrupt_ends_a_run_soon_and_the_team_goes_on():
    """A run of minutes that two threads share; after the interrupt no helper writes into its arrays."""
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    different, seconds = done.stdout.split()
    assert different == "1"
    assert float(seconds) < 20
    assert not done.stderr
