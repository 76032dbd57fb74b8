"""Are results the same bits for any number of threads, size of blocks and split of the input?"""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mac_cases import cases, graph_of
from small_world import PROPERTY
from threadpoolctl import threadpool_info, threadpool_limits

import socsim as ss
from socsim.errors import UsageError
from socsim.numerics import convolution, lookup, mac, ordered, windows
from socsim.numerics.atomics import added, loaded
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.executor import Executable
from socsim.numerics.operators import depthwise, pooling, softmax, transpose_convolution
from socsim.numerics.threads import SINGLE_BLAS, Team
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, Quantization, TensorKind

LEAST = [
    (convolution, "_LEAST_MACS"), (convolution, "_LEAST_TILES"), (depthwise, "_LEAST_MACS"), (ordered, "_LEAST_MACS"),
    (transpose_convolution, "_LEAST_ELEMENTS"), (pooling, "_LEAST_TAPS"), (windows, "_LEAST_ELEMENTS"),
    (mac, "_LEAST_ELEMENTS"), (lookup, "_LEAST_ELEMENTS"), (softmax, "_LEAST_ELEMENTS"),
]  # fmt: skip
BLOCKS = [
    (convolution, "_BLOCK_ELEMENTS"), (depthwise, "_BLOCK_ELEMENTS"), (transpose_convolution, "_BLOCK_ELEMENTS"),
    (pooling, "_BLOCK_TAPS"),
]  # fmt: skip
TEAMS = {n: Team(n) for n in range(1, 6)}


def shared_run(graph: Graph, image, threads: int, block: int):
    """The result with blocks of at most about `block` elements, every one of them shared however small it is."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in LEAST:
            patch.setattr(module, name, 1)
        for module, name in BLOCKS:
            patch.setattr(module, name, block)
        return run(graph, image, TEAMS[threads])


def run(graph: Graph, image, team: Team = TEAMS[1]):
    return Executable(graph, team=team).run({"x": image})[graph.outputs[0]]


THREADS, BLOCK = st.integers(1, 5), st.sampled_from([1, 7, 40, 1 << 16])


@pytest.mark.parametrize("operator_type", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@PROPERTY
@given(data=st.data(), threads=THREADS, block=BLOCK)
def test_convolutions_are_the_same_for_any_threads_blocks_and_split(operator_type, layout, data, threads, block):
    case = data.draw(cases(operator_type))
    if min(case.size) < 1:
        return

    def images(numbers):
        """The operator on some of the images, as a graph and its input."""
        chosen = replace(case, image=np.ascontiguousarray(case.image[numbers]))
        order = (0, 1, 2, 3) if layout == "NHWC" else (0, 3, 1, 2)
        return graph_of(chosen, layout), np.ascontiguousarray(chosen.image.transpose(order))

    whole = run(*images(slice(None)))
    np.testing.assert_array_equal(shared_run(*images(slice(None)), threads, block), whole, strict=True)
    parts = [shared_run(*images(slice(i, i + 1)), threads, block) for i in range(len(case.image))]
    np.testing.assert_array_equal(np.concatenate(parts), whole, strict=True)


def one_operator(kind: str, dtype: DType, shape, constants, result, attributes) -> Graph:
    b, is_float = GraphBuilder(kind), dtype.is_float
    q, narrow = (None, None) if is_float else (Quantization((0.05,), (3,)), Quantization((0.004,), (0,)))
    x = b.tensor("x", dtype, shape, kind=TensorKind.INPUT, quantization=q)
    made = [
        b.tensor(f"c{i}", dtype, c.shape, kind=TensorKind.CONSTANT, data=c, quantization=narrow)
        for i, c in enumerate(constants)
    ]
    y = b.tensor("y", dtype, result, quantization=q)
    b.operator(kind, "op", [x, *made], [y], attributes | {"activation": "NONE"})
    return b.build(kind, "tflite", [x], [y])


def values(rng: np.random.Generator, dtype: DType, shape):
    if dtype.is_float:
        return rng.normal(0, 3, shape).astype(np.float32)
    return rng.integers(-128, 127, shape, np.int8, endpoint=True)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@PROPERTY
@given(
    rows=st.integers(1, 9), depth=st.integers(1, 9), channels=st.integers(1, 9), seed=st.integers(0, 2**32),
    threads=THREADS, block=BLOCK, cut=st.integers(1, 8),
)  # fmt: skip
def test_fully_connected_is_the_same_for_any_threads_and_split(dtype, rows, depth, channels, seed, threads, block, cut):
    rng = np.random.default_rng(seed)
    weights, x = values(rng, dtype, (channels, depth)), values(rng, dtype, (rows, depth))

    def made(part):
        return one_operator(
            "FULLY_CONNECTED", dtype, part.shape, [weights], (len(part), channels), {"transpose_b": True}
        ), part

    whole = run(*made(x))
    parts = [shared_run(*made(part), threads, block) for part in (x, x[:cut], x[cut:]) if len(part)]
    np.testing.assert_array_equal(parts[0], whole, strict=True)
    np.testing.assert_array_equal(np.concatenate(parts[1:]), whole, strict=True)


@PROPERTY
@given(
    rows=st.integers(1, 9), depth=st.integers(1, 9), seed=st.integers(0, 2**32), threads=THREADS, cut=st.integers(1, 8)
)
def test_softmax_is_the_same_for_any_threads_and_split(rows, depth, seed, threads, cut):
    x = values(np.random.default_rng(seed), DType.INT8, (rows, depth))

    def made(part):
        return one_operator("SOFTMAX", DType.INT8, part.shape, [], part.shape, {"beta": 1.0}), part

    whole = run(*made(x))
    parts = [shared_run(*made(part), threads, 1) for part in (x, x[:cut], x[cut:]) if len(part)]
    np.testing.assert_array_equal(parts[0], whole, strict=True)
    np.testing.assert_array_equal(np.concatenate(parts[1:]), whole, strict=True)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@PROPERTY
@given(data=st.data(), threads=THREADS, block=BLOCK)
def test_pools_are_the_same_for_any_threads_blocks_and_split(kind, dtype, data, threads, block):
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, strides, extra = data.draw(pairs), data.draw(pairs), data.draw(st.tuples(*[st.integers(0, 5)] * 2))
    pads = tuple(data.draw(st.integers(0, kernel[i % 2] - 1)) for i in range(4))
    batch, channels = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    size = [k + e for k, e in zip(kernel, extra, strict=True)]
    result = [(n + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i, n in enumerate(size)]
    if any((result[i] - 1) * strides[i] - pads[i] >= size[i] for i in (0, 1)):
        return
    image = values(np.random.default_rng(data.draw(st.integers(0, 2**32))), dtype, (batch, *size, channels))
    attributes = {"layout": "NHWC", "kernel": kernel, "strides": strides, "dilations": (1, 1), "pads": pads}

    def made(part):
        return one_operator(kind, dtype, part.shape, [], (len(part), *result, channels), attributes), part

    whole = run(*made(image))
    np.testing.assert_array_equal(shared_run(*made(image), threads, block), whole, strict=True)
    parts = [shared_run(*made(image[i : i + 1]), threads, block) for i in range(batch)]
    np.testing.assert_array_equal(np.concatenate(parts), whole, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coral_tf2_mobilenet_v2_1.0_224_ptq_int8", "coral_mobilenet_edgetpu_0.75_224_int8"])
def test_every_tensor_of_a_network_is_the_same_with_two_threads_and_three(models, name):
    graph = ss.load(str(models / f"{name}.tflite"))
    image = (
        np.random.default_rng(0)
        .integers(0, 127, graph.tensors[graph.inputs[0]].shape)
        .astype(np.uint8 if graph.tensors[graph.inputs[0]].dtype is DType.UINT8 else np.int8)
    )
    found = [Executable(graph, team=Team(n)).run({graph.inputs[0]: image}, keep_all=True) for n in (1, 2, 3)]
    for other, tensor in product(found[1:], found[0]):
        assert other[tensor].tobytes() == found[0][tensor].tobytes()


def test_execute_takes_a_number_of_threads():
    rng = np.random.default_rng(0)
    graph = one_operator("FULLY_CONNECTED", DType.INT8, (99, 64), [values(rng, DType.INT8, (128, 64))], (99, 128),
                         {"transpose_b": True})  # fmt: skip
    x = values(rng, DType.INT8, (99, 64))
    np.testing.assert_array_equal(ss.execute(graph, {"x": x}, threads=2)["y"], ss.execute(graph, {"x": x})["y"])
    with pytest.raises(UsageError, match="threads is 0"):
        ss.execute(graph, {"x": x}, threads=0)


# --- teams ----------------------------------------------------------------------------------------------


@shared
def meet(index, met, done):
    """Blocks that end only when as many threads have come as `met` counts down from."""
    if added(done, index, 1) == 0 and index < met.size:
        added(met, 0, -1)
        while loaded(met, 0) > 0:
            pass


@shared
def fail(index, met, who):
    """Of two blocks that two threads take, one fails."""
    added(met, 0, -1)
    while loaded(met, 0) > 0:
        pass
    if index == who:
        raise ZeroDivisionError


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_block_is_done_once_in_several_threads_at_once(threads):
    team, done = TEAMS[threads], np.zeros(100, np.int64)
    met = np.zeros(threads, np.int64)
    met[0] = threads
    team.run(Call(meet, 100, (met, done)))
    assert done.tolist() == [1] * 100


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("_", range(5))
def test_what_fails_in_any_thread_is_raised_and_the_team_goes_on(who, _):
    team = Team(2)
    with pytest.raises(ZeroDivisionError):
        team.run(Call(fail, 2, (np.array([2]), who)))
    done = np.zeros(50, np.int64)
    team.run(Call(meet, 50, (np.zeros(1, np.int64), done)))
    assert done.tolist() == [1] * 50


def test_a_team_serves_callers_in_several_threads():
    team, results = Team(3), [np.zeros(40, np.int64) for _ in range(4)]

    def calls(done):
        for _ in range(50):
            team.run(Call(meet, 40, (np.zeros(1, np.int64), done)))

    callers = [threading.Thread(target=calls, args=(done,)) for done in results]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert all(done.tolist() == [50] * 40 for done in results)


def test_threads_end_with_their_team_and_none_start_unasked():
    before = set(threading.enumerate())

    def helpers():
        return [t for t in threading.enumerate() if t.name == "socsim-numerics" and t not in before]

    def work(team, blocks):
        team.run(Call(meet, blocks, (np.zeros(1, np.int64), np.zeros(blocks, np.int64))))

    team = Team(4)
    work(team, 1)
    assert not helpers()
    work(team, 2)
    assert len(helpers()) == 3
    del team
    for thread in helpers():
        thread.join(30)
    assert not helpers()


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_blocks_are_within_the_limit_and_enough_for_all_threads(count, limit):
    alone = max(-(-count // limit), 1)
    assert Team().parts(count, limit, 99) == Team(3).parts(count, limit, 1) == alone
    parts = Team(3).parts(count, limit, 99)
    spans = [span(index, parts, count) for index in range(parts)]
    assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
    assert spans[-1][1] == count
    assert max(stop - start for start, stop in spans) <= limit
    assert parts % 3 == 0 or parts == max(alone, min(count, 12))


@pytest.mark.parametrize("threads", [0, -1, 257, 1.0, True, "2", None])
def test_numbers_of_threads_that_cannot_be_are_refused(threads):
    with pytest.raises(UsageError, match="give an integer from 1 to 256"):
        Team(threads)


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_keeps_to_one_thread_during_runs_that_overlap_and_has_its_own_again_after():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = SINGLE_BLAS, SINGLE_BLAS
        with first:
            second.__enter__()
        assert set(blas_threads()) == {1}
        second.__exit__()
        assert blas_threads() == before
