"""Multiply-accumulate operators: every op vector, and plain-integer oracles over drawn geometry and numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import oracle_mac as oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mac_cases import EXTREME, RANGES, TYPES, Case, cases, graph_of
from oracle_run import same
from small_world import PROPERTY

import socsim as ss
from socsim.errors import NumericsError
from socsim.numerics import convolution, tiles
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.convolution import Convolution
from socsim.numerics.executor import Executable
from socsim.numerics.gemm import PackedMatrix, exact_matmul
from socsim.numerics.operators import depthwise
from socsim.numerics.profiles import PROFILES, Rounding
from socsim.numerics.requantize import (
    Target,
    finish,
    fixed_point,
    float_away,
    float_even,
    unscaled,
    wide_fixed_point,
)
from socsim.numerics.threads import ALONE
from socsim.numerics.windows import Window
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, Quantization, TensorKind

VECTORS = [
    *(f"{op}_{t}" for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") for t in ("int16_int8", "int8_int4")),
    *(f"{op}_int8_int8" for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")),
    *(f"{op}_uint8_uint8" for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")),
    "FULLY_CONNECTED_int16_int4", "TRANSPOSE_CONV_int16_int8", "BATCH_MATMUL_int8", "BATCH_MATMUL_int16",
]  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_op_vectors_of_the_reference_are_equal(models, tmp_path, name):
    with np.load(models / "golden" / "op_vectors" / f"{name}.npz") as vectors:
        cases = dict(vectors)
    for i in range(8):
        file = tmp_path / f"case_{i}.tflite"
        file.write_bytes(cases[f"model_{i}"].tobytes())
        net = ss.load(str(file))
        inputs = {t: cases[f"in_{i}_{j}"] for j, t in enumerate(net.inputs)}
        found = Executable(net).run(inputs)[net.outputs[0]]
        np.testing.assert_array_equal(found, cases[f"ref_{i}"], strict=True, err_msg=f"case {i}")


# --- epilogues ------------------------------------------------------------------------------------------

REALS = st.one_of(
    st.floats(2.0**-31, 0.999, allow_subnormal=False),
    st.floats(1e-4, 0.1),
    st.sampled_from([0.5, 0.25, 2.0**-31, 2.0**-30, 1.0, 1.5, 3.0, 1 - 2.0**-40, 0.5 + 2.0**-33, 0.0]),
)
INT32 = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-4096, 4096),
    st.sampled_from([-(2**31), 2**31 - 1, -(2**30), 2**30, 0, 1, -1]),
)
ROUNDINGS = {
    Rounding.DOUBLE: oracle.double, Rounding.DOUBLE_UP: oracle.double_up, Rounding.SINGLE: oracle.single_rounding,
}  # fmt: skip


def scaled(epilogue, accumulators, offset, dtype=np.int64):
    values = np.array(accumulators).reshape(-1, 1)
    out = np.empty(values.shape, dtype)
    finish(values, epilogue(np.array([offset], np.int64), 1), 0, out)
    return out.ravel().tolist()


@PROPERTY
@given(st.sampled_from(sorted(ROUNDINGS)), REALS, st.lists(INT32, min_size=1, max_size=40), INT32)
@example(Rounding.DOUBLE, 0.25, [2, -2, 6, -6, 1, -1], 0)
@example(Rounding.DOUBLE_UP, 0.25, [2, -2, 6, -6, 1, -1], 0)
@example(Rounding.SINGLE, 0.25, [2, -2, 6, -6, 1, -1], 0)
@example(Rounding.DOUBLE, 2.0**-31, [2**31 - 1, -(2**31), 2**30, -(2**30)], 1)
def test_fixed_point_rounds_as_the_two_step_definition(rounding, real, accumulators, offset):
    epilogue = fixed_point(np.array([real]), rounding, Target(3, -(2**40), 2**40))
    expected = [ROUNDINGS[rounding](oracle.wrap(a + offset, 32), real) + 3 for a in accumulators]
    assert scaled(epilogue, np.array(accumulators, np.float64), offset) == expected


@PROPERTY
@given(st.floats(2.0**-30, 1000.0), st.lists(st.integers(-(2**47), 2**47), min_size=1, max_size=40), INT32)
def test_wide_fixed_point_uses_a_16_bit_multiplier(real, accumulators, offset):
    found = scaled(wide_fixed_point(np.array([real]), Target(0, -(2**62), 2**62)), np.float64(accumulators), offset)
    assert found == [oracle.wrap(oracle.wide(a + offset, real), 64) for a in accumulators]


@PROPERTY
@given(st.floats(2.0**-30, 8.0, width=32), st.lists(INT32, min_size=1, max_size=40), st.integers(-128, 127))
@example(0.5, [1, 3, 5, -1, -3, -5], 0)
def test_float_even_rounds_ties_to_even(scale, accumulators, zero):
    epilogue = float_even(np.array([scale], np.float32), Target(zero, -128, 127))
    expected = [oracle.clamp(oracle.float_even(a, scale) + zero, -128, 127) for a in accumulators]
    assert scaled(epilogue, np.array(accumulators, np.int32), 0, np.int8) == expected


@PROPERTY
@given(st.floats(2.0**-30, 8.0), st.lists(INT32, min_size=1, max_size=40), INT32)
@example(0.5, [1, 3, 5, -1, -3, -5], 0)
@example(0.49999999999999994, [1, -1], 0)
def test_float_away_rounds_ties_away_from_zero(real, accumulators, offset):
    epilogue = float_away(np.array([real]), Target(0, -32768, 32767), wraps=True)
    sums = [oracle.wrap(a + offset, 32) for a in accumulators]
    expected = [oracle.clamp(oracle.half_away(s * real), -32768, 32767) for s in sums]
    assert scaled(epilogue, np.array(accumulators, np.float64), offset, np.int16) == expected


def test_channels_beyond_whole_vectors_round_as_the_reference():
    ties = np.full((1, 10), -2, np.int32)  # a quarter of it is half-way between -1 and 0
    out = np.empty((1, 10), np.int8)
    epilogue = fixed_point(np.full(10, 0.25), Rounding.DOUBLE_UP, Target(0, -128, 127), tail=2)
    finish(ties, epilogue(np.zeros(1, np.int64), 10), 0, out)
    assert out.tolist() == [[0] * 8 + [-1] * 2]


def test_a_multiplier_that_no_wide_kernel_can_shift_is_refused():
    with pytest.raises(NumericsError, match="2\\*\\*14"):
        wide_fixed_point(np.array([2.0**14]), Target(0, 0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("rounding", sorted(ROUNDINGS))
def test_many_multipliers_and_ties_round_as_the_definition(rounding):
    """Every exponent from the least to the greatest, powers of two and others, with sums at the edges and near ties."""
    rng = np.random.default_rng(int(rounding))
    edges = [-(2**31), 2**31 - 1, -(2**30), 2**30, 0, 1, -1]
    for exponent, mantissa in product(range(-32, 31), (0.5, 1 - 2.0**-31, 0.75, *rng.uniform(0.5, 1, 12))):
        real = mantissa * 2.0**exponent
        step = 2.0 ** min(max(1 - exponent, 0), 31)  # the distance of ties where the multiplier is a power of two
        ties = (rng.integers(-(2**31), 2**31, 60) // step + 0.5) * step + rng.integers(-1, 2, 60)
        sums = np.clip(np.concatenate([edges, ties, rng.integers(-(2**31), 2**31, 30)]), -(2**31), 2**31 - 1)
        found = scaled(fixed_point(np.array([real]), rounding, Target(0, -(2**62), 2**62)), sums, 0)
        assert found == [ROUNDINGS[rounding](int(v), real) for v in sums]


# --- exact products -------------------------------------------------------------------------------------


def exact_product(weights, rows, limits):
    """The exact product of rows and weights, and the type of the weights in which it was made."""
    convolution = Convolution(weights[None, None], 1, Window((1, 1)), limits, ALONE)
    plan = unscaled(convolution.offset(0), weights.shape[1])
    out = np.empty((1, len(rows), 1, weights.shape[1]), np.int64)
    ALONE.run(convolution.call(rows[None, :, None], plan, out))
    return out[0, :, 0], PackedMatrix(weights[None], limits).panels.dtype


@pytest.mark.parametrize(("depth", "dtype"), [(65535, np.int16), (65536, np.float64), (65795, np.float64)])
def test_the_type_of_a_product_is_proved_from_the_weights(depth, dtype):
    """256 x 128 x 65535 is the last sum below 2**31."""
    found, made = exact_product(np.full((depth, 1), -256), np.full((1, depth), -128, np.int8), (-128, 127))
    assert made == dtype
    assert found.tolist() == [[depth * 256 * 128]]


@pytest.mark.parametrize("greatest", [32767, 32768])
def test_words_are_chosen_only_where_operands_fit_into_them(greatest):
    found, made = exact_product(np.array([[greatest], [-greatest]]), np.array([[1, -1], [-1, -1]], np.int8), (-1, 1))
    assert made == (np.int16 if greatest == 32767 else np.float64)
    assert found.tolist() == [[2 * greatest], [0]]


@PROPERTY
@given(
    rows=st.integers(1, 40), depth=st.integers(1, 40), columns=st.integers(1, 40), bits=st.sampled_from([8, 16]),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_products_are_those_of_integers(rows, depth, columns, bits, seed):
    rng, limits = np.random.default_rng(seed), (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    left = rng.integers(*limits, (rows, depth), np.int16, endpoint=True)
    right = rng.choice([limits[0], limits[1], -1, 0, 1], (depth, columns))
    np.testing.assert_array_equal(exact_product(right, left, limits)[0], left.astype(np.int64) @ right)


@pytest.mark.parametrize(
    ("rows", "panels", "sums"),
    [
        ((7, 4), (1, 2, 32), (8, 16)), ((8, 4), (1, 2, 32), (7, 16)), ((8, 4), (1, 2, 32), (8, 32)),
        ((8, 6), (1, 2, 32), (8, 16)), ((8, 4), (1, 2, 32), (8, 15)),
    ],
)  # fmt: skip
def test_products_beyond_their_operands_are_refused(rows, panels, sums):
    with pytest.raises(IndexError, match="product"):
        tiles.multiply(np.zeros(rows, np.int16), 8, np.zeros(panels, np.int16), 0, np.zeros(sums, np.int32))


def test_products_that_float64_cannot_hold_are_refused():
    with pytest.raises(NumericsError, match="not exact"):
        exact_matmul(np.zeros((1, 2)), np.zeros((2, 1)), (2**26, 2**26))


# --- whole operators ------------------------------------------------------------------------------------


def expected_of(case: Case, profile_name: str = "tflite") -> np.ndarray[Any, Any]:
    strides, dilations, pads = case.geometry
    arguments = (case.image.tolist(), case.weights.tolist(), case.zero, case.weight_zero, case.bias.tolist())
    geometry, bits = (strides, dilations, pads[:2]), 64 if case.wide else 32
    if case.type == "TRANSPOSE_CONV":
        sums = oracle.transpose_convolution(*arguments, geometry, case.size, bits)
    else:
        sums = oracle.convolution(*arguments, geometry, case.groups, case.size, bits)
    out = np.empty((len(case.image), *case.size, len(case.weights)), numpy_dtype(case.types[0]))
    low, high = oracle.activation_limits(case.activation, case.scales[2], case.result_zero, RANGES[case.types[0]])
    for key, total in sums.items():
        out[key] = oracle.clamp(scale_of(case, profile_name, key[3], total) + case.result_zero, low, high)
    return out


def scale_of(case: Case, profile_name: str, channel: int, total: int) -> int:
    left, right, quotient = case.scales
    numbers = (left, right[channel % len(right)], quotient)
    real = (oracle.real_product_single if case.types[0] is DType.UINT8 else oracle.real_double)(*numbers)
    if case.wide:
        return oracle.wide(total, real)
    rounding = rounding_of(case, profile_name, channel)
    if rounding is Rounding.FLOAT_EVEN:
        return oracle.float_even(total, oracle.real_single(*numbers))
    return ROUNDINGS[rounding](total, real)


def rounding_of(case: Case, profile_name: str, channel: int) -> Rounding:
    """What the profile's software does: other kernels for some types, and for channels beyond whole eights."""
    rounding = PROFILES[profile_name].convolution
    if profile_name == "xnnpack" and (case.types[0] is DType.INT16 or case.types[1] is DType.INT4):
        rounding = Rounding.DOUBLE_UP
    if rounding is not Rounding.DOUBLE_UP or case.type == "CONV_2D":
        return rounding
    if case.types[:2] == (DType.INT8, DType.INT8):
        return rounding if channel < len(case.weights) // 8 * 8 else Rounding.DOUBLE
    return Rounding.DOUBLE if case.type == "DEPTHWISE_CONV_2D" else rounding


def run(net: Graph, image, profile_name: str = "tflite"):
    return Executable(net, profile_name).run({"x": image})[net.outputs[0]]


@pytest.mark.parametrize("operator_type", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
@pytest.mark.parametrize("profile_name", ["tflite", "single-rounding", "onnx", "ruy", "xnnpack"])
@PROPERTY
@given(data=st.data())
def test_convolutions_equal_the_oracle(operator_type, profile_name, data):
    case = data.draw(cases(operator_type, EXTREME))
    if min(case.size) < 1 or (profile_name == "onnx" and case.wide):
        return
    same(
        lambda: run(graph_of(case), case.image, profile_name), lambda: expected_of(case, profile_name).ravel().tolist()
    )


@pytest.mark.parametrize("operator_type", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
@PROPERTY
@given(data=st.data())
def test_channels_first_is_channels_last_transposed(operator_type, data):
    case = data.draw(cases(operator_type))
    if min(case.size) < 1:
        return
    found = run(graph_of(case, "NCHW"), np.ascontiguousarray(case.image.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), run(graph_of(case), case.image))


@PROPERTY
@given(cases("CONV_2D"), st.sampled_from([1, 7, 40]))
def test_any_block_of_rows_gives_the_same_bits(case, block):
    whole = run(graph_of(case), case.image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_BLOCK_ELEMENTS", block)
        patch.setattr(depthwise, "_BLOCK_ELEMENTS", block)
        np.testing.assert_array_equal(run(graph_of(case), case.image), whole)


@PROPERTY
@given(
    st.sampled_from(TYPES), st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.booleans(),
    st.integers(0, 2**32), EXTREME, st.sampled_from(["tflite", "tflm", "ruy", "xnnpack", "single-rounding"]),
)  # fmt: skip
def test_fully_connected_equals_the_oracle(types, rows, depth, channels, per_channel, seed, quotient, profile_name):
    rng = np.random.default_rng(seed)
    image = rng.integers(*RANGES[types[0]], (rows, depth), numpy_dtype(types[0]), endpoint=True)
    weights = rng.integers(*RANGES[types[1]], (channels, depth), numpy_dtype(types[1]), endpoint=True)
    bias = rng.integers(-1000, 1000, channels, numpy_dtype(types[2]), endpoint=True)
    unsigned, symmetric = types[0] is DType.UINT8, types[0] is DType.INT16
    zeros = (0, 0, 0) if symmetric else (7, 131 if unsigned else 0, 11)
    right = [0.25 * (i + 1) / 3 for i in range(channels if per_channel and not unsigned else 1)]
    net = _matrix_graph("FULLY_CONNECTED", types, (image, weights, bias), zeros, (0.03, right, quotient))
    sums = oracle.matrix_product(
        image.tolist(), weights.T.tolist(), zeros[0], [zeros[1]] * channels, bias.tolist(),
        64 if types[2] is DType.INT64 else 32,
    )  # fmt: skip

    def element(n, total):
        numbers = (0.03, right[n % len(right)], quotient)
        value = _fully_connected(profile_name, total, numbers, types, len(right) == 1, depth) + zeros[2]
        return oracle.clamp(value, *RANGES[types[0]])

    same(lambda: run(net, image, profile_name), lambda: [element(n, total) for (_, n), total in sums.items()])


def _fully_connected(profile_name, total, numbers, types, per_tensor, depth):
    rounding, wide = PROFILES[profile_name].fully_connected, types[2] is DType.INT64
    if rounding in (Rounding.FLOAT_EVEN, Rounding.DOUBLE_UP) and types[0] is DType.INT16:
        rounding = None if wide else Rounding.DOUBLE_UP
    if rounding is Rounding.FLOAT_EVEN and types[1] is DType.INT4 and depth % 2:
        rounding = Rounding.DOUBLE_UP
    if rounding is None:
        return oracle.half_away(float(total) * oracle.real_double(*numbers))
    real = (oracle.real_product_single if per_tensor else oracle.real_double)(*numbers)
    if wide:
        return oracle.wide(total, real)
    if rounding is Rounding.FLOAT_EVEN:
        return oracle.float_even(total, oracle.real_single(*numbers))
    return ROUNDINGS[rounding](total, real)


def _matrix_graph(operator_type, types, arrays, zeros, scales, *, right_is_input=False):
    image, weights, bias = arrays
    builder = GraphBuilder("test")
    x = builder.tensor(
        "x", types[0], image.shape, kind=TensorKind.INPUT, quantization=Quantization((scales[0],), (zeros[0],))
    )
    several = len(scales[1]) > 1
    w = builder.tensor(
        "w", types[1], weights.shape, kind=TensorKind.INPUT if right_is_input else TensorKind.CONSTANT,
        data=None if right_is_input else weights,
        quantization=Quantization(tuple(scales[1]), (zeros[1],) * len(scales[1]), 0 if several else None),
    )  # fmt: skip
    operands = [x, w]
    if bias is not None:
        operands.append(builder.tensor("b", types[2], bias.shape, kind=TensorKind.CONSTANT, data=bias))
    shape = (*image.shape[:-1], weights.shape[-2])
    y = builder.tensor("y", types[0], shape, quantization=Quantization((scales[2],), (zeros[2],)))
    builder.operator(operator_type, "op", operands, [y], {"transpose_b": True, "activation": "NONE"})
    return builder.build("test", "tflite", [x, w] if right_is_input else [x], [y])


@PROPERTY
@given(
    st.sampled_from([DType.INT8, DType.INT16]), st.integers(1, 2), st.integers(1, 3), st.integers(1, 5),
    st.integers(1, 4), st.integers(0, 2**32), EXTREME,
)  # fmt: skip
def test_batch_matmul_equals_the_oracle(dtype, batch, rows, depth, channels, seed, quotient):
    rng = np.random.default_rng(seed)
    left = rng.integers(*RANGES[dtype], (batch, rows, depth), numpy_dtype(dtype), endpoint=True)
    right = rng.integers(*RANGES[dtype], (batch, channels, depth), numpy_dtype(dtype), endpoint=True)
    zeros, wide = ((0, 0, 0), True) if dtype is DType.INT16 else ((-5, 9, 3), False)
    net = _matrix_graph(
        "BATCH_MATMUL", (dtype, dtype, None), (left, right, None), zeros, (0.02, [0.01], quotient), right_is_input=True
    )
    real = oracle.real_product_single(0.02, 0.01, quotient)
    nothing, bits = [0] * channels, 64 if wide else 32
    pairs = zip(left.tolist(), right.transpose(0, 2, 1).tolist(), strict=True)
    stacks = [oracle.matrix_product(a, b, zeros[0], [zeros[1]] * channels, nothing, bits) for a, b in pairs]

    def element(total):
        value = (oracle.wide if wide else oracle.double)(total, real) + zeros[2]
        return oracle.clamp(value, *RANGES[dtype])

    same(
        lambda: Executable(net).run({"x": left, "w": right})[net.outputs[0]],
        lambda: [element(total) for sums in stacks for total in sums.values()],
    )


# --- geometry, wrapping, faults -------------------------------------------------------------------------


def _plain_case(operator_type="CONV_2D", *, bias=0, groups=1, depth=2) -> Case:
    inner = 1 if operator_type == "DEPTHWISE_CONV_2D" else depth // groups
    weights = np.full((2, 1, 1, inner), 127, np.int8)
    image = np.full((1, 2, 2, depth), 127, np.int8)
    return Case(
        operator_type, image, weights, np.full(2, bias, np.int32), TYPES[0], -128, [0, 0], (0.5, [2.0**-10], 1.0),
        0, "NONE", ((1, 1), (1, 1), (0, 0, 0, 0)), groups,
    )  # fmt: skip


@pytest.mark.parametrize("profile_name", PROFILES)
@pytest.mark.parametrize("operator_type", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
@pytest.mark.parametrize(("bias", "side"), [(2**31 - 1, -128), (-(2**31), 127)])
def test_accumulators_of_32_bits_wrap_around(operator_type, profile_name, bias, side):
    case = _plain_case(operator_type, bias=bias, groups=2 if operator_type == "DEPTHWISE_CONV_2D" else 1)
    case.image = np.full_like(case.image, 127 if bias > 0 else -128)
    case.zero = -128 if bias > 0 else 127
    found = run(graph_of(case), case.image, profile_name)
    assert set(found.ravel().tolist()) == {side}, "a sum beyond 32 bits has changed its sign"
    np.testing.assert_array_equal(found, expected_of(case, profile_name))


@pytest.mark.parametrize("profile_name", PROFILES)
@pytest.mark.parametrize(("bias", "side"), [(2**31 - 1, -128), (-(2**31), 127)])
def test_sums_of_fully_connected_wrap_around(profile_name, bias, side):
    image = np.full((1, 4), 127 if bias > 0 else -128, np.int8)
    arrays = (image, np.full((2, 4), 127, np.int8), np.full(2, bias, np.int32))
    zeros = (-128 if bias > 0 else 127, 0, 0)
    net = _matrix_graph("FULLY_CONNECTED", TYPES[0], arrays, zeros, (0.5, [2.0**-10], 1.0))
    assert run(net, image, profile_name).tolist() == [[side, side]]


@pytest.mark.parametrize("operator_type", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
@pytest.mark.parametrize("bias", [2**47 - 1, -(2**47), 2**62, 2**63 - 1, -(2**63)])
def test_sums_of_64_bits_wrap_around_and_so_do_their_products(operator_type, bias):
    """The reference defines sums below 2**47 in magnitude; beyond, the product with the multiplier wraps too."""
    case = _plain_case(operator_type, groups=2 if operator_type == "DEPTHWISE_CONV_2D" else 1)
    case.types = (DType.INT16, DType.INT8, DType.INT64)
    case.image, case.bias, case.zero = np.full(case.image.shape, 3, np.int16), np.full(2, bias, np.int64), 0
    case.scales = (1.0, [2.0**-30], 1.0)
    sums = oracle.wrap(bias + 3 * 127 * case.weights.shape[3], 64)
    half = 1 << 43  # of the last place of 2**-29 x 2**15, by which 2**-30 is written
    wanted = oracle.clamp(oracle.wrap(sums * 2**14 + half, 64) >> 44, -32768, 32767)
    assert set(run(graph_of(case), case.image).ravel().tolist()) == {wanted}


def test_an_absent_bias_is_zero():
    case = _plain_case()
    np.testing.assert_array_equal(run(graph_of(case, with_bias=False), case.image), run(graph_of(case), case.image))


def test_many_sizes_of_images_and_windows_keep_exactness_in_float64():
    rng = np.random.default_rng(1)
    case = _plain_case(depth=2000)
    case.image = rng.integers(-128, 127, (1, 3, 3, 2000), np.int8, endpoint=True)
    case.weights = rng.integers(-128, 127, (2, 1, 1, 2000), np.int8, endpoint=True)
    np.testing.assert_array_equal(run(graph_of(case), case.image), expected_of(case))


@pytest.mark.parametrize("operator_type", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_float_convolutions_equal_a_direct_sum(operator_type):
    rng = np.random.default_rng(2)
    case = _plain_case(operator_type, groups=2 if operator_type == "DEPTHWISE_CONV_2D" else 1)
    case.types = (DType.FLOAT32, DType.FLOAT32, DType.FLOAT32)
    case.geometry = ((2, 1), (1, 1), (1, 0, 0, 1))
    case.image = rng.uniform(-1, 1, (1, 5, 4, 2)).astype(np.float32)
    case.weights = rng.uniform(-1, 1, (2, 3, 2, case.weights.shape[3])).astype(np.float32)
    case.bias = np.float32([0.5, -0.25])
    case.activation = "RELU"
    expected = np.zeros((1, *case.size, 2))
    strides, _, pads = case.geometry
    for y, x, o, ky, kx in product(range(case.size[0]), range(case.size[1]), range(2), range(3), range(2)):
        for iy, ix in product(range(5), range(4)):
            if operator_type == "TRANSPOSE_CONV":
                meets = iy * strides[0] - pads[0] + ky == y and ix * strides[1] - pads[1] + kx == x
            else:
                meets = iy == y * strides[0] - pads[0] + ky and ix == x * strides[1] - pads[1] + kx
            if meets:
                pixel = case.image[0, iy, ix]
                values = pixel[o : o + 1] if operator_type.startswith("DEPTH") else pixel
                expected[0, y, x, o] += float(values @ case.weights[o, ky, kx])
    found = run(graph_of(case), case.image)
    np.testing.assert_allclose(found, np.maximum(expected + case.bias, 0), rtol=1e-5, atol=1e-6)


def test_blocks_of_scales_are_applied_to_float_rows():
    builder = GraphBuilder("test")
    x = builder.tensor("x", DType.FLOAT32, (2, 4), kind=TensorKind.INPUT)
    weights = np.array([[1, 2, 3, 4], [-1, -2, -3, -4]], np.int8)
    q = Quantization((1.0, 10.0, 0.5, 2.0), (0, 0, 0, 0), axis=1, block_size=2)
    w = builder.tensor("w", DType.INT8, (2, 4), kind=TensorKind.CONSTANT, data=weights, quantization=q)
    y = builder.tensor("y", DType.FLOAT32, (2, 2))
    builder.operator("FULLY_CONNECTED", "op", [x, w], [y], {"transpose_b": True})
    net = builder.build("test", "tflite", [x], [y])
    found = run(net, np.float32([[1, 1, 1, 1], [1, 0, 0, 1]]))
    np.testing.assert_allclose(found, [[73, -15.5], [41, -8.5]])


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_that_are_no_positive_numbers_are_refused(scale):
    case = _plain_case()
    case.scales = (0.5, [scale], 1.0)
    with pytest.raises(NumericsError, match=r"operator 0 CONV_2D.*scale"):
        Executable(graph_of(case))


@pytest.mark.parametrize(
    "change", [{"strides": (0, 1)}, {"strides": (2, 2)}, {"groups": 3}, {"activation": "TANH"}, {"kernel": (3, 3)}]
)
def test_wrong_geometry_is_refused_before_anything_runs(change):
    net = graph_of(_plain_case())
    op = net.operators[0]
    wrong = replace(op, attributes={**op.attributes, **change})
    with pytest.raises(NumericsError, match="operator 0 CONV_2D"):
        Executable(replace(net, operators=(wrong,)))
