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


# --- oracles --------------------------------------------------------------------------------------------

SCALES = st.one_of(
    st.floats(2.0**-10, 1.0, width=32), st.sampled_from([2.0**-7, 2.0**-5, 0.5, 1 / 255, float(np.float32(1 / 3))])
)
ZEROS = {"int8": st.integers(-128, 127), "uint8": st.integers(0, 255), "int16": st.just(0)}
LIMITS = {"int8": oracle.INT8, "uint8": oracle.UINT8, "int16": oracle.INT16}
ROUNDINGS = {"tflite": oracle.double, "single-rounding": oracle.one_rounding}


@st.composite
def operands(draw, count, dtypes=("int8", "uint8", "int16")):
    """(type, [(scale, zero point)], arrays) of `count` tensors, the last of them the result."""
    dtype = draw(st.sampled_from(dtypes))
    quant = [(draw(SCALES), draw(ZEROS[dtype])) for _ in range(count)]
    values = st.one_of(st.integers(*LIMITS[dtype]), st.sampled_from(LIMITS[dtype]))
    arrays = [np.array(draw(st.lists(values, min_size=8, max_size=8)), dtype) for _ in range(count - 1)]
    return dtype, quant, arrays


def case_of(op, dtype, quant, shape=(8,), **options) -> Case:
    tensors = [Operand(dtype, shape, s, z) for s, z in quant]
    return Case(op, tensors[:-1], tensors[-1:], options)


@pytest.mark.parametrize("profile", ROUNDINGS)
@pytest.mark.parametrize(("op", "sign"), [("ADD", 1), ("SUB", -1)])
@given(drawn=operands(3))
@example(
    drawn=("int8", [(0.5, -128), (0.5, -128), (0.25, -128)], [np.full(8, 127, np.int8), np.full(8, -128, np.int8)])
)
def test_sums_equal_the_oracle(op, sign, profile, drawn):
    dtype, quant, (a, b) = drawn
    found = run(case_of(op, dtype, quant, pot_scale_int16=False), a, b, profile=profile)[0]
    bits = 16 if dtype == "int16" else 8
    wanted = [
        oracle.addition(int(x), int(y), quant, sign, LIMITS[dtype], bits, ROUNDINGS[profile])
        for x, y in zip(a, b, strict=True)
    ]
    assert found.tolist() == wanted


@given(drawn=operands(3, ("int16",)), exponent=st.integers(-15, -2), less=st.integers(0, 6), swapped=st.booleans())
def test_sums_of_power_of_two_scales_shift(drawn, exponent, less, swapped):
    _, _, (a, b) = drawn
    exponents = [exponent - less, exponent, exponent] if swapped else [exponent, exponent - less, exponent]
    quant = [(2.0**e, 0) for e in exponents]
    found = run(case_of("ADD", "int16", quant, pot_scale_int16=True), a, b)[0]
    pairs = zip(a, b, strict=True)
    assert found.tolist() == [oracle.shifted_addition(int(x), int(y), exponents, 1, oracle.INT16) for x, y in pairs]


@pytest.mark.parametrize("profile", ROUNDINGS)
@given(drawn=operands(3))
def test_products_equal_the_oracle(profile, drawn):
    dtype, quant, (a, b) = drawn
    found = run(case_of("MUL", dtype, quant), a, b, profile=profile)[0]
    pairs = zip(a, b, strict=True)
    limits, rounding = LIMITS[dtype], ROUNDINGS[profile]
    assert found.tolist() == [oracle.multiplication(int(x), int(y), quant, limits, rounding) for x, y in pairs]


@pytest.mark.parametrize(
    ("op", "reference", "dtypes"),
    [
        ("SQUARED_DIFFERENCE", oracle.squared_difference, ("int8",)),
        ("PRELU", oracle.prelu, ("int8", "uint8")),
    ],
)
@given(data=st.data())
def test_tabulated_pairs_equal_the_oracle(op, reference, dtypes, data):
    dtype, quant, (a, b) = data.draw(operands(3, dtypes))
    found = run(case_of(op, dtype, quant), a, b)[0]
    assert found.tolist() == [reference(int(x), int(y), quant, LIMITS[dtype]) for x, y in zip(a, b, strict=True)]


@given(drawn=operands(2), alpha=st.floats(-2, 2, width=32))
def test_leaky_relu_equals_the_oracle(drawn, alpha):
    dtype, quant, (a,) = drawn
    found = run(case_of("LEAKY_RELU", dtype, quant, alpha=alpha), a)[0]
    assert found.tolist() == [oracle.leaky_relu(int(x), alpha, quant, LIMITS[dtype]) for x in a]


@pytest.mark.parametrize("profile", ROUNDINGS)
@given(drawn=operands(2))
def test_requantization_equals_the_oracle(profile, drawn):
    dtype, quant, (a,) = drawn
    found = run(case_of("QUANTIZE", dtype, quant), a, profile=profile)[0]
    assert found.tolist() == [oracle.requantized(int(x), quant, LIMITS[dtype], ROUNDINGS[profile]) for x in a]


@pytest.mark.parametrize(("op", "low", "high"), [("RELU", 0.0, None), ("RELU6", 0.0, 6.0), ("RELU_N1_TO_1", -1.0, 1.0)])
@given(drawn=operands(2, ("int8",)))
def test_rectifiers_equal_the_oracle(op, low, high, drawn):
    dtype, quant, (a,) = drawn
    wanted = [oracle.relu(int(x), quant, low, high) for x in a]
    assert run(case_of(op, dtype, quant), a)[0].tolist() == wanted


@given(drawn=operands(2, ("int8",)))
def test_hard_swish_equals_the_oracle(drawn):
    dtype, ((s1, z1), (s2, z2)), (a,) = drawn
    quant = [(s1, z1), (max(s2, s1 / 100), z2)]
    assert run(case_of("HARD_SWISH", dtype, quant), a)[0].tolist() == [oracle.hard_swish(int(x), quant) for x in a]


@st.composite
def windows(draw):
    rows, columns, channels = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    steps = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    same = draw(st.booleans()) or kernel[0] > rows or kernel[1] > columns
    seed = draw(st.integers(0, 2**16))
    image = np.random.default_rng(seed).integers(-128, 128, (1, rows, columns, channels), np.int8)
    return image, kernel, steps, same


@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@given(drawn=windows())
def test_pools_equal_the_oracle(op, drawn):
    image, kernel, steps, same = drawn
    size = image.shape[1:3]
    if same:
        result = [-(-n // s) for n, s in zip(size, steps, strict=True)]
        need = [max((r - 1) * s + k - n, 0) for r, s, k, n in zip(result, steps, kernel, size, strict=True)]
    else:
        result, need = [(n - k) // s + 1 for n, k, s in zip(size, kernel, steps, strict=True)], [0, 0]
    window = (kernel, steps, (need[0] // 2, need[1] // 2))
    options = {
        "padding": "SAME" if same else "VALID", "filter_height": kernel[0], "filter_width": kernel[1],
        "stride_h": steps[0], "stride_w": steps[1],
    }  # fmt: skip
    channels = image.shape[3]
    case = Case(op, [Operand("int8", image.shape, 0.1)], [Operand("int8", (1, *result, channels), 0.1)], options)
    nested, average = image[0].tolist(), op == "AVERAGE_POOL_2D"
    wanted = [
        [
            [oracle.pool(nested, y, x, c, window, average, oracle.INT8) for c in range(channels)]
            for x in range(result[1])
        ]
        for y in range(result[0])
    ]
    assert run(case, image)[0][0].tolist() == wanted


@pytest.mark.parametrize("profile", ROUNDINGS)
@given(drawn=operands(2), op=st.sampled_from(["MEAN", "SUM"]))
def test_means_and_sums_equal_the_oracle(profile, drawn, op):
    dtype, quant, (a,) = drawn
    axes = Operand("int32", (1,), values=[0])
    case = Case(op, [Operand(dtype, (8,), *quant[0]), axes], [Operand(dtype, (1,), *quant[1])], {"keep_dims": True})
    wanted = oracle.mean(a.tolist(), quant, LIMITS[dtype], op == "MEAN", ROUNDINGS[profile])
    assert run(case, a, profile=profile)[0].tolist() == [wanted]


@pytest.mark.parametrize("profile", ROUNDINGS)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 2), size=st.tuples(*[st.integers(1, 9)] * 2),
    mode=st.sampled_from([(False, False), (True, False), (False, True)]), seed=st.integers(0, 2**16),
)  # fmt: skip
def test_bilinear_resizing_equals_the_oracle(profile, shape, size, mode, seed):
    image = np.random.default_rng(seed).integers(-128, 128, (1, *shape, 2), np.int8)
    options = dict(zip(("align_corners", "half_pixel_centers"), mode, strict=True))
    tensors = [Operand("int8", image.shape, 0.1), Operand("int32", (2,), values=size)]
    found = run(
        Case("RESIZE_BILINEAR", tensors, [Operand("int8", (1, *size, 2), 0.1)], options), image, profile=profile
    )
    nested, up = image[0].tolist(), profile != "tflite"
    wanted = [
        [[oracle.bilinear(nested, y, x, c, size, *mode, up) for c in range(2)] for x in range(size[1])]
        for y in range(size[0])
    ]
    assert found[0][0].tolist() == wanted


@given(drawn=operands(2, ("int8", "uint8")), beta=st.sampled_from([1.0, 0.5, 2.0]))
@example(drawn=("int8", [(1.0, 0), (1.0, 0)], [np.array([127] + [-128] * 7, np.int8)]), beta=1.0)
@example(drawn=("uint8", [(0.001, 0), (1.0, 0)], [np.zeros(8, np.uint8)]), beta=1.0)
def test_softmax_equals_the_oracle(drawn, beta):
    dtype, quant, (a,) = drawn
    result = (2.0**-8, -128 if dtype == "int8" else 0)
    found = run(case_of("SOFTMAX", dtype, [quant[0], result], (1, 8), beta=beta), a[None])[0]
    assert found[0].tolist() == oracle.softmax(a.tolist(), quant[0][0], beta, LIMITS[dtype])


@given(drawn=operands(2, ("int8",)))
@example(drawn=("int8", [(1.0, 5), (1.0, 0)], [np.full(8, 5, np.int8)]))
def test_l2_normalization_equals_the_oracle(drawn):
    dtype, quant, (a,) = drawn
    found = run(case_of("L2_NORMALIZATION", dtype, [quant[0], (2.0**-7, 0)], (1, 8)), a[None])[0]
    assert found[0].tolist() == oracle.l2_normalized(a.tolist(), quant[0][1])


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


# --- other profiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["ruy", "xnnpack"])
@pytest.mark.parametrize(("op", "exponent"), [("LOGISTIC", -12), ("TANH", -12), ("TANH", -11)])
@given(values=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=8, max_size=8))
def test_optimized_kernels_use_polynomials_for_power_of_two_scales(op, exponent, profile, values):
    case = case_of(op, "int16", [(2.0**exponent, 0), (2.0**-15, 0)])
    found = run(case, np.array(values, np.int16), profile=profile)[0]
    function = oracle.tanh if op == "TANH" else oracle.logistic
    assert found.tolist() == [function(oracle.left(v, exponent + 12, 16), 3, 16) for v in values]


@given(drawn=operands(2, ("int8", "uint8")))
def test_optimized_sums_are_scaled_in_float(drawn):
    dtype, quant, (a,) = drawn
    axes = Operand("int32", (1,), values=[0])
    case = Case("SUM", [Operand(dtype, (8,), *quant[0]), axes], [Operand(dtype, (1,), *quant[1])], {"keep_dims": True})
    assert run(case, a, profile="ruy")[0].tolist() == [oracle.real_sum(a.tolist(), quant, LIMITS[dtype])]


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
