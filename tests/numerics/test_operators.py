"""Operators other than multiply-accumulates: recorded vectors, LiteRT as it runs, and plain-integer oracles."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec

import numpy as np
import operator_cases
import oracle_operators as oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from operator_files import Case, Operand, litert

from socsim.errors import NumericsError
from socsim.numerics import gemmlowp, libm, tables
from socsim.numerics.executor import Executable
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, TensorKind
from socsim.workload.importers.tflite import import_tflite
from socsim.workload.limits import DEFAULT_LIMITS

VECTORS = [
    "ABS_int16", "ABS_int8", "ADD_int16", "ADD_int8", "ADD_uint8", "AVERAGE_POOL_2D_int16", "AVERAGE_POOL_2D_int8",
    "AVERAGE_POOL_2D_uint8", "CONCATENATION_uint8", "DIV_int8", "DIV_uint8", "EXP_int16", "EXP_int8", "GELU_int16_0",
    "GELU_int16_1", "GELU_int8_0", "GELU_int8_1", "HARD_SWISH_int8", "HARD_SWISH_uint8", "L2_NORMALIZATION_int8",
    "L2_NORMALIZATION_uint8", "LEAKY_RELU_int16", "LEAKY_RELU_int8", "LEAKY_RELU_uint8", "LOGISTIC_int16",
    "LOGISTIC_int8", "LOGISTIC_uint8", "LOG_SOFTMAX_int8", "LOG_SOFTMAX_uint8", "LOG_int8", "MAXIMUM_int8",
    "MAX_POOL_2D_int16", "MAX_POOL_2D_int8", "MAX_POOL_2D_uint8", "MEAN_int16", "MEAN_int8", "MEAN_uint8",
    "MUL_int16", "MUL_int8", "MUL_uint8", "QUANTIZE_int16_int16", "QUANTIZE_int16_int8", "QUANTIZE_int8_int16",
    "QUANTIZE_int8_int8", "QUANTIZE_int8_uint8", "QUANTIZE_uint8_int8", "RELU6_int8", "RELU_int8",
    "RESIZE_BILINEAR_int16", "RESIZE_BILINEAR_int8", "RESIZE_BILINEAR_uint8", "RESIZE_NEAREST_NEIGHBOR_int8",
    "RSQRT_int16", "RSQRT_int8", "SOFTMAX_int16", "SOFTMAX_int8", "SOFTMAX_uint8", "SQUARED_DIFFERENCE_int8",
    "SUB_int16", "SUB_int8", "SUB_uint8", "SUM_uint8", "TANH_int16", "TANH_int8", "TANH_uint8",
]  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_op_vectors_of_the_reference_are_equal(models, name):
    with np.load(models / "golden" / "op_vectors" / f"{name}.npz") as archive:
        vectors = dict(archive)
    for i in range(8):
        data = vectors[f"model_{i}"].tobytes()
        net = import_tflite(data, where=name, name=name, batch=None, shapes={}, limits=DEFAULT_LIMITS)
        inputs = {t: vectors[f"in_{i}_{j}"] for j, t in enumerate(net.inputs)}
        found = Executable(net).run(inputs)[net.outputs[0]]
        np.testing.assert_array_equal(found, vectors[f"ref_{i}"], strict=True, err_msg=f"case {i}")


# --- LiteRT as it runs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    if find_spec("ai_edge_litert") is None:
        pytest.skip("ai-edge-litert is not installed")
    return litert(operator_cases.CASES, tmp_path_factory.mktemp("litert"))


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted({case.op for case in operator_cases.CASES}))
def test_cases_equal_the_running_reference(references, op):
    for case, expected in zip(operator_cases.CASES, references, strict=True):
        if case.op != op:
            continue
        assert expected is not None, f"LiteRT refuses {case}"
        found = run(case)
        for got, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(got, wanted, strict=True, err_msg=str(case))


def run(case: Case, *arrays: np.ndarray, profile: str = "tflite") -> list[np.ndarray]:
    net = case.graph()
    results = Executable(net, profile).run(dict(zip(net.inputs, arrays or case.arrays(), strict=True)))
    return [results[t] for t in net.outputs]


# --- fixed-point functions ------------------------------------------------------------------------------

WORDS = {32: st.integers(-(2**31), 0), 16: st.integers(-(2**15), 0)}


@pytest.mark.parametrize("bits", [32, 16])
@given(data=st.data(), integer_bits=st.integers(0, 7))
def test_exponentials_equal_the_oracle(bits, data, integer_bits):
    a = data.draw(WORDS[bits])
    assert int(gemmlowp.exp_of_negative(np.array([a]), integer_bits, bits)[0]) == oracle.exp_of_negative(
        a, integer_bits, bits
    )


@pytest.mark.parametrize("name", ["logistic", "tanh"])
@given(integer_bits=st.integers(0, 5), values=st.lists(st.integers(-(2**15) + 1, 2**15 - 1), min_size=1, max_size=20))
def test_sigmoids_of_16_bits_equal_the_oracle(name, integer_bits, values):
    found = getattr(gemmlowp, name)(np.array(values), integer_bits, 16)
    assert found.tolist() == [getattr(oracle, name)(v, integer_bits, 16) for v in values]


@given(value=st.integers(0, 2**31 - 1))
@example(value=0)
@example(value=1)
@example(value=2**29)
def test_inverse_square_roots_equal_the_oracle(value):
    assert gemmlowp.inverse_square_root(value) == oracle.inverse_root(value)


@given(values=st.lists(st.integers(-98304, 98301), min_size=1, max_size=20))
def test_tabulated_sigmoid_equals_the_oracle(values):
    from socsim.numerics.operators.activations import logistic16

    table = tables.sigmoid16().tolist()
    assert logistic16(np.array(values)).tolist() == [oracle.sigmoid_by_table(v, table) for v in values]


# Hashes of what the GNU C library 2.36 returns on the same arguments.
LIBRARY = {
    "exp32": "aaa11890f62b708588f8ff52587e4e12687c0705edb1623f69af4aa2a0a72629",
    "expm1_32": "fe64250cd2d354af70ca5feea1f5ff44f17128283ef67eac14796145949b5847",
    "tanh32": "63db12e007c8f8169b524f6ee27de3a8155ad94e744e9491c9cd80caee81a925",
    "erfc32": "368710bd84fcebfef16d86692a615c79dc887c6da008230797a0e479aeb3b64b",
}


@pytest.mark.parametrize("name", LIBRARY)
def test_float_functions_have_the_bits_of_the_library(name):
    arguments = np.arange(-(2**16), 2**16, dtype=np.int32).astype(np.float32) / np.float32(3001)
    found = getattr(libm, name)(arguments)
    assert found.dtype == np.float32
    assert hashlib.sha256(found.tobytes()).hexdigest() == LIBRARY[name]


# --- control flow ---------------------------------------------------------------------------------------


def whole(builder: GraphBuilder, name: str, kind: TensorKind = TensorKind.ACTIVATION, value: int | None = None) -> int:
    data = None if value is None else np.array(value, np.int32)
    return builder.tensor(name, DType.INT32, (), kind=kind, data=data)


def body(op: str, constant: int, dtype: DType = DType.INT32) -> Graph:
    """x op constant."""
    builder = GraphBuilder(op)
    x, c = whole(builder, "x", TensorKind.INPUT), whole(builder, "c", TensorKind.CONSTANT, constant)
    builder.operator(op, "y", [x, c], [builder.tensor("y", dtype, ())])
    return builder.build(op, "tflite", [x], [2])


def controlled(op: str, subgraphs: tuple[Graph, ...], **attributes: int) -> Executable:
    builder = GraphBuilder(op)
    inputs = [whole(builder, "x", TensorKind.INPUT)]
    if op == "IF":
        inputs.insert(0, builder.tensor("condition", DType.BOOL, (), kind=TensorKind.INPUT))
    result = whole(builder, "y")
    builder.operator(op, "y", inputs, [result], attributes)
    return Executable(builder.build(op, "tflite", inputs, [result], subgraphs=subgraphs))


@pytest.mark.parametrize(("condition", "wanted"), [(True, 12), (False, 27)])
def test_a_condition_chooses_a_subgraph(condition, wanted):
    choice = controlled("IF", (body("ADD", 3), body("MUL", 3)), then_subgraph_index=0, else_subgraph_index=1)
    assert choice.run({"condition": np.array(condition), "x": np.array(9, np.int32)})[2] == wanted


def test_a_loop_runs_while_its_condition_holds():
    loop = controlled(
        "WHILE", (body("LESS", 100, DType.BOOL), body("MUL", 3)), cond_subgraph_index=0, body_subgraph_index=1
    )
    assert [int(loop.run({"x": np.array(x, np.int32)})[1]) for x in (1, 50, 100)] == [243, 150, 100]


def test_a_missing_subgraph_is_refused():
    with pytest.raises(NumericsError, match="then_subgraph_index 5 is not one of the graph's subgraphs"):
        controlled("IF", (body("ADD", 3),), then_subgraph_index=5, else_subgraph_index=0)


# --- state ----------------------------------------------------------------------------------------------


def test_a_reset_network_starts_again(models):
    path = models / "tflm_mnist_lstm_int8.tflite"
    net = import_tflite(path.read_bytes(), where="lstm", name="lstm", batch=None, shapes={}, limits=DEFAULT_LIMITS)
    image = np.random.default_rng(0).integers(-128, 128, net.tensors[net.inputs[0]].shape, np.int8)
    executable = Executable(net)
    lstm = next(op.outputs[0] for op in net.operators if op.type == "LSTM")
    first, second = (executable.run({net.inputs[0]: image}, keep_all=True)[lstm] for _ in range(2))
    executable.reset()
    again = executable.run({net.inputs[0]: image}, keep_all=True)[lstm]
    assert (first != second).any(), "the state of the first inference reaches the second"
    np.testing.assert_array_equal(first, again)


def test_the_micro_profile_reads_gates_from_tables(models):
    path = models / "tflm_mnist_lstm_int8.tflite"
    net = import_tflite(path.read_bytes(), where="lstm", name="lstm", batch=None, shapes={}, limits=DEFAULT_LIMITS)
    image = np.random.default_rng(0).integers(-128, 128, net.tensors[net.inputs[0]].shape, np.int8)
    lstm = next(op.outputs[0] for op in net.operators if op.type == "LSTM")
    by_profile = [
        Executable(net, p).run({net.inputs[0]: image}, keep_all=True)[lstm].astype(int) for p in ("tflite", "tflm")
    ]
    difference = np.abs(by_profile[0] - by_profile[1]).max()
    assert 0 < difference <= 4, "other roundings of the same functions"


# --- refusals -------------------------------------------------------------------------------------------


def byte(shape=(4,), scale=0.1, zero=0) -> Operand:
    return Operand("int8", shape, scale, zero)


WORD = Operand("int32", (1,))
WINDOW = {"padding": "VALID", "filter_height": 2, "filter_width": 2, "stride_h": 2, "stride_w": 2}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (Case("ADD", [byte(), Operand("int8", (4,))], [byte()]), "no rule for int8"),
        (Case("CONCATENATION", [byte(), byte(scale=0.2)], [byte((8,))], {"axis": 0}), "must be equal"),
        (Case("LOGISTIC", [byte()], [byte(scale=0.3)]), "requires 0.00390625"),
        (Case("RSQRT", [byte(zero=5)], [byte()], given=[np.array([5, 6, 4, 9], np.int8)]), "an input is 4"),
        (Case("DIV", [WORD, WORD], [WORD], given=[np.ones(1, np.int32), np.zeros(1, np.int32)]), "divisor is 0"),
        (Case("GATHER", [byte(), operator_cases.const([4])], [byte((1,))]), "0 to 3 are allowed"),
        (Case("HARD_SWISH", [byte(scale=1.0)], [byte(scale=0.001)]), "1/128"),
        (Case("MUL", [byte(scale=1e9), byte(scale=1e9)], [byte(scale=1e-9)]), "left shift"),
        (Case("MAX_POOL_2D", [byte((1, 4, 4, 1))], [byte((1, 2, 2, 1), 0.2)], WINDOW), "scale/zero point differ"),
    ],
    ids=lambda v: v.op if isinstance(v, Case) else None,
)  # fmt: skip
def test_what_no_kernel_can_do_is_refused(case, words):
    with pytest.raises(NumericsError, match=words):
        run(case)
