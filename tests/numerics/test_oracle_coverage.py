"""Every implemented operator, type and profile has an oracle, or a reason to have none.

An operator that is new here needs a row: a test that compares it with plain integers, or the reason.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from oracle_run import Given, Wanted, run

from socsim.errors import SocsimError
from socsim.numerics import operators  # noqa: F401  (fills the tables)
from socsim.numerics.node import IMPLEMENTATIONS, OVERRIDES

INTEGER, ONNX, OPTIMIZED = "tflite tflm single-rounding", "onnx", "ruy xnnpack"
BYTES, WORDS, REALS = "int8 uint8", "int8 uint8 int16", "float32"
ANY = f"{WORDS} int32 {REALS} bool"
COMPARISONS = "EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER GREATER_EQUAL"
RECTIFIERS = "RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1"
CURVES = "SWISH MISH SOFTPLUS HARD_SIGMOID"
PRODUCTS = "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV"

# (test, profiles, types, operators): it compares these operators, of these types, with an oracle.
COVERED = [
    ("test_mac_operators.test_convolutions_equal_the_oracle", f"tflite single-rounding {OPTIMIZED} {ONNX}", WORDS,
     PRODUCTS),
    ("test_mac_operators.test_fully_connected_equals_the_oracle", f"{INTEGER} {OPTIMIZED}", WORDS, "FULLY_CONNECTED"),
    ("test_mac_operators.test_batch_matmul_equals_the_oracle", "tflite", "int8 int16", "BATCH_MATMUL"),
    ("test_mac_operators.test_float_convolutions_equal_a_direct_sum", "tflite", REALS, PRODUCTS),
    ("test_mac_operators.test_blocks_of_scales_are_applied_to_float_rows", "tflite", REALS, "FULLY_CONNECTED"),
    ("test_oracle_elementwise.test_sums", INTEGER, WORDS, "ADD SUB"),
    ("test_oracle_elementwise.test_products", INTEGER, WORDS, "MUL"),
    ("test_oracle_elementwise.test_squares_and_slopes", INTEGER, WORDS, "SQUARED_DIFFERENCE PRELU"),
    ("test_oracle_elementwise.test_quotients", INTEGER, WORDS, "DIV"),
    ("test_oracle_elementwise.test_comparisons", INTEGER, BYTES, COMPARISONS),
    ("test_oracle_elementwise.test_comparisons_of_words_are_plain", INTEGER, "int16", COMPARISONS),
    ("test_oracle_elementwise.test_comparisons_of_numbers", INTEGER, "int32 float32", COMPARISONS),
    ("test_oracle_elementwise.test_extrema", INTEGER, WORDS, "MAXIMUM MINIMUM"),
    ("test_oracle_elementwise.test_selection", INTEGER, WORDS, "SELECT"),
    ("test_oracle_elementwise.test_requantization", INTEGER, WORDS, "QUANTIZE"),
    ("test_oracle_elementwise.test_leaky_relu", INTEGER, WORDS, "LEAKY_RELU"),
    ("test_oracle_elementwise.test_rectifiers", INTEGER, WORDS, RECTIFIERS),
    ("test_oracle_elementwise.test_hard_swish", INTEGER, BYTES, "HARD_SWISH"),
    ("test_oracle_elementwise.test_magnitudes", INTEGER, WORDS, "ABS"),
    ("test_oracle_elementwise.test_inverse_square_roots", INTEGER, "int8", "RSQRT"),
    ("test_oracle_elementwise.test_integers_wrap", INTEGER, "int32",
     "ADD SUB MUL SQUARED_DIFFERENCE MAXIMUM MINIMUM FLOOR_DIV FLOOR_MOD DIV"),
    ("test_oracle_elementwise.test_functions_of_integers_wrap", INTEGER, "int32", "NEG ABS SQUARE SIGN"),
    ("test_oracle_elementwise.test_logic", INTEGER, "bool", "LOGICAL_AND LOGICAL_OR LOGICAL_NOT"),
    ("test_oracle_elementwise.test_casts_keep_the_low_bits", INTEGER, "int8 int16 int32", "CAST"),
    ("test_oracle_elementwise.test_casts_of_reals_truncate", INTEGER, REALS, "CAST"),
    ("test_oracle_elementwise.test_float_arithmetic_rounds_once", INTEGER, REALS,
     "ADD SUB MUL DIV MAXIMUM MINIMUM PRELU SQUARED_DIFFERENCE"),
    ("test_oracle_elementwise.test_float_functions_round_once", INTEGER, REALS,
     f"ABS NEG SQUARE FLOOR CEIL ROUND SIGN {RECTIFIERS} SQRT RSQRT HARD_SWISH LEAKY_RELU"),
    ("test_oracle_elementwise.test_powers", INTEGER, REALS, "POW"),
    ("test_oracle_elementwise.test_clips", ONNX, REALS, "CLIP"),
    ("test_oracle_functions.test_functions_of_bytes_are_tables", INTEGER, BYTES, "LOGISTIC TANH EXP ELU GELU"),
    ("test_oracle_functions.test_logarithms_of_bytes_give_the_least_for_what_is_not_positive", INTEGER, BYTES, "LOG"),
    ("test_oracle_functions.test_functions_of_words_are_interpolated", INTEGER, "int16", "EXP LOG GELU ELU RSQRT"),
    ("test_oracle_functions.test_sigmoids_of_words_are_looked_up", INTEGER, "int16", "LOGISTIC TANH"),
    ("test_oracle_functions.test_float_functions_are_near", INTEGER, REALS,
     "LOGISTIC TANH EXP ELU GELU ERF SIN COS LOG"),
    ("test_oracle_functions.test_quantize_and_dequantize", INTEGER, f"{WORDS} {REALS}", "QUANTIZE DEQUANTIZE"),
    ("test_oracle_functions.test_concatenation_rescales_unsigned_bytes", INTEGER, "uint8", "CONCATENATION"),
    ("test_oracle_functions.test_square_roots_truncate", INTEGER, WORDS, "SQRT"),
    ("test_oracle_functions.test_softmax", INTEGER, BYTES, "SOFTMAX"),
    ("test_oracle_functions.test_softmax_of_words", INTEGER, "int16", "SOFTMAX"),
    ("test_oracle_functions.test_log_softmax", INTEGER, BYTES, "LOG_SOFTMAX"),
    ("test_oracle_functions.test_rows_of_reals_are_near", INTEGER, REALS, "SOFTMAX LOG_SOFTMAX L2_NORMALIZATION"),
    ("test_oracle_functions.test_l2_normalization", INTEGER, BYTES, "L2_NORMALIZATION"),
    ("test_oracle_functions.test_means_and_sums", INTEGER, WORDS, "MEAN SUM"),
    ("test_oracle_functions.test_pools", INTEGER, WORDS, "AVERAGE_POOL_2D MAX_POOL_2D"),
    ("test_oracle_functions.test_pools_of_reals", INTEGER, REALS, "AVERAGE_POOL_2D MAX_POOL_2D"),
    ("test_oracle_functions.test_resizing", INTEGER, WORDS, "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR"),
    ("test_oracle_functions.test_resizing_of_reals_rounds_every_step", INTEGER, REALS, "RESIZE_BILINEAR"),
    ("test_oracle_lstm.test_sequences", INTEGER, "int8", "LSTM"),
    ("test_svdf.test_steps_equal_the_formula_in_plain_integers", INTEGER, "int8", "SVDF"),
    ("test_oracle_movement.test_views_keep_the_order", f"{INTEGER} {ONNX}", ANY,
     "RESHAPE SQUEEZE EXPAND_DIMS IDENTITY"),
    ("test_oracle_movement.test_transpose", INTEGER, ANY, "TRANSPOSE"),
    ("test_oracle_movement.test_reverse", INTEGER, ANY, "REVERSE"),
    ("test_oracle_movement.test_slice", INTEGER, ANY, "SLICE"),
    ("test_oracle_movement.test_strided_slice", INTEGER, ANY, "STRIDED_SLICE"),
    ("test_oracle_movement.test_gather", f"{INTEGER} {ONNX}", ANY, "GATHER"),
    ("test_oracle_movement.test_gather_nd_and_embedding", INTEGER, ANY, "GATHER_ND EMBEDDING_LOOKUP"),
    ("test_oracle_movement.test_onnx_gather_nd_in_batches", ONNX, ANY, "GATHER_ND"),
    ("test_oracle_movement.test_scatter_nd", f"{INTEGER} {ONNX}", "int32", "SCATTER_ND"),
    ("test_oracle_movement.test_dynamic_update_slice_moves_the_box_inside", INTEGER, ANY, "DYNAMIC_UPDATE_SLICE"),
    ("test_oracle_movement.test_one_hot", INTEGER, "int32", "ONE_HOT"),
    ("test_oracle_movement.test_onnx_one_hot_counts_from_the_end", ONNX, "int32", "ONE_HOT"),
    ("test_oracle_movement.test_tile_and_broadcast", INTEGER, ANY, "TILE BROADCAST_TO"),
    ("test_oracle_movement.test_what_makes_tensors_from_numbers", INTEGER, ANY, "SHAPE RANK FILL RANGE"),
    ("test_oracle_movement.test_joining_and_parting", f"{INTEGER} {ONNX}", ANY, "CONCATENATION SPLIT"),
    ("test_oracle_movement.test_packing_and_unpacking", INTEGER, ANY, "PACK UNPACK"),
    ("test_oracle_movement.test_borders", INTEGER, ANY, "PAD MIRROR_PAD"),
    ("test_oracle_movement.test_onnx_borders_repeat", ONNX, ANY, "PAD"),
    ("test_oracle_movement.test_blocks_of_pixels", f"{INTEGER} {ONNX}", ANY, "DEPTH_TO_SPACE SPACE_TO_DEPTH"),
    ("test_oracle_movement.test_blocks_of_batches", INTEGER, ANY, "SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND"),
    ("test_oracle_movement.test_reductions", INTEGER, ANY,
     "REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN SUM REDUCE_PROD MEAN"),
    ("test_oracle_movement.test_places_of_extremes", f"{INTEGER} {ONNX}", f"{WORDS} int32", "ARG_MAX ARG_MIN"),
    ("test_oracle_movement.test_the_k_greatest_or_least", f"{INTEGER} {ONNX}", f"{WORDS} int32", "TOPK"),
    ("test_oracle_movement.test_running_sums", INTEGER, "int32", "CUMSUM"),
    ("test_oracle_optimized.test_conversions", OPTIMIZED, BYTES, "QUANTIZE"),
    ("test_oracle_optimized.test_sums", OPTIMIZED, BYTES, "ADD SUB"),
    ("test_oracle_optimized.test_products", OPTIMIZED, BYTES, "MUL"),
    ("test_oracle_optimized.test_leaky_relu", OPTIMIZED, BYTES, "LEAKY_RELU"),
    ("test_oracle_optimized.test_means", OPTIMIZED, BYTES, "MEAN"),
    ("test_oracle_optimized.test_sums_of_elements_are_scaled_in_float", OPTIMIZED, BYTES, "SUM"),
    ("test_oracle_optimized.test_bilinear_resizing", OPTIMIZED, BYTES, "RESIZE_BILINEAR"),
    ("test_oracle_optimized.test_sigmoids_of_power_of_two_scales_are_polynomials", OPTIMIZED, "int16", "LOGISTIC TANH"),
    ("test_onnx_profile.test_sums_and_products_equal_exact_fractions", ONNX, BYTES, "ADD MUL"),
    ("test_onnx_profile.test_quantize_and_dequantize_equal_exact_fractions", ONNX, WORDS, "QUANTIZE DEQUANTIZE"),
    ("test_onnx_profile.test_matrix_products_equal_exact_integers", ONNX, BYTES, "BATCH_MATMUL"),
    ("test_onnx_profile.test_average_pools_equal_exact_fractions", ONNX, BYTES, "AVERAGE_POOL_2D"),
    ("test_onnx_profile.test_concatenation_rescales_by_way_of_float32", ONNX, BYTES, "CONCATENATION"),
    ("test_onnx_profile.test_dynamic_quantization_spans_the_values_and_zero", ONNX, REALS, "QUANTIZE"),
    ("test_oracle_onnx.test_functions_of_integers_go_by_way_of_reals", ONNX, WORDS,
     f"ABS NEG {RECTIFIERS} CLIP SQRT LEAKY_RELU TANH LOGISTIC EXP ERF SIN COS ELU GELU HARD_SWISH LOG RSQRT {CURVES}"),
    ("test_oracle_onnx.test_pairs_of_integers_go_by_way_of_reals", ONNX, WORDS,
     f"SUB DIV MAXIMUM MINIMUM PRELU POW SELECT {COMPARISONS}"),
    ("test_oracle_onnx.test_reductions_go_by_way_of_reals", ONNX, BYTES, "SUM MEAN REDUCE_MAX REDUCE_MIN REDUCE_PROD"),
    ("test_oracle_onnx.test_softmax", ONNX, BYTES, "SOFTMAX"),
    ("test_oracle_onnx.test_pools", ONNX, BYTES, "AVERAGE_POOL_2D MAX_POOL_2D"),
    ("test_oracle_onnx.test_resizing", ONNX, BYTES, "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR"),
    ("test_oracle_onnx.test_matmul_integer_leaves_its_sums", ONNX, BYTES, "BATCH_MATMUL"),
    ("test_oracle_onnx.test_functions_of_reals_round_once", ONNX, REALS, CURVES),
]  # fmt: skip

FLOATS = "floats alone, in an order of sums that its definition leaves open: ONNX's own tests of operators compare it"
CONTROL = "no arithmetic: it runs subgraphs or keeps values; test_operators and test_executor follow them"
DYNAMIC = "results of a size that the values decide: test_data_dependent"
WITHOUT = {
    **dict.fromkeys(
        ("ATTENTION", "BATCH_NORM", "GROUP_NORM", "INSTANCE_NORM", "LAYER_NORM", "LRN", "RMS_NORM"), FLOATS
    ),
    **dict.fromkeys(("ROTARY_EMBEDDING", "GRU"), FLOATS),
    **dict.fromkeys(("CALL_ONCE", "IF", "WHILE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"), CONTROL),
    **dict.fromkeys(("UNIQUE", "WHERE"), DYNAMIC),
}
WITHOUT_ONNX = {
    **dict.fromkeys(("BATCH_NORM", "LSTM", "L2_NORMALIZATION", "LOG_SOFTMAX"), FLOATS),
    "MIRROR_PAD": "the same places as under the others, of reals between two conversions that have oracles",
    "FULLY_CONNECTED": "QGemm is its product with a bias: test_onnx_profile compares it with the running reference",
    "FLOOR_MOD": "C's fmod where the file asks for it: ONNX's own tests of operators compare it",
    "CAST": "floats of fewer bits, whose encodings test_onnx_floats compares exhaustively",
}


def covered(*profiles: str) -> dict[str, set[str]]:
    """Types with an oracle by operator, under any of the profiles."""
    found: dict[str, set[str]] = {}
    for _, under, types, names in COVERED:
        if set(profiles) & set(under.split()):
            for name in names.split():
                found.setdefault(name, set()).update(types.split())
    return found


def test_the_tests_that_compare_exist():
    missing = []
    for where, *_ in COVERED:
        module, name = where.split(".")
        if not callable(getattr(import_module(module), name, None)):
            missing.append(where)
    assert not missing


def test_every_operator_has_an_oracle_or_a_reason():
    under = covered(*f"{INTEGER} {ONNX}".split())
    without = [name for name in IMPLEMENTATIONS if name not in under and name not in WITHOUT]
    assert not without, "write an oracle for each, or say why there is none"
    assert not [name for name in (*under, *WITHOUT) if name not in IMPLEMENTATIONS], "operators that are gone"
    assert not set(under) & set(WITHOUT), "operators that have an oracle by now"


@pytest.mark.parametrize("profile", ["ruy", "xnnpack", "onnx"])
def test_every_override_has_an_oracle_or_a_reason(profile):
    under = covered(profile)
    reasons = WITHOUT_ONNX if profile == "onnx" else {}
    own = {name for where, name in OVERRIDES if where.split()[0] == profile}  # "onnx files" are of its profile
    assert not [name for name in own if name not in under and name not in reasons], "write an oracle for each"
    assert not [name for name in reasons if name not in own], "overrides that are gone"


QUANT = {"int8": (0.05, 0), "uint8": (0.05, 0), "int16": (0.05, 0), "float32": None}
FIXED = {"LOGISTIC": 2.0**-8, "SOFTMAX": 2.0**-8}  # scale of 8-bit results that kernels require


def accepts(name: str, dtype: str, count: int) -> bool:
    """Whether the operator takes vectors of a type."""
    x, quant = np.ones(4, dtype), QUANT[dtype]
    required = {"int16": 2.0**-15}.get(dtype, FIXED.get(name, 0.05))
    result = "bool" if name in COMPARISONS.split() else dtype
    of_result = (
        None if quant is None or result == "bool" else (required if name in (*FIXED, "TANH") else 0.05, quant[1])
    )
    try:
        run(name, [Given(x, quant=quant)] * count, [Wanted((4,), result, of_result)], alpha=0.5)
    except SocsimError:
        return False
    return True


UNARY = (
    f"ABS NEG SQUARE SIGN FLOOR CEIL ROUND EXP LOG SQRT RSQRT LOGISTIC TANH GELU ELU HARD_SWISH {RECTIFIERS} "
    "LEAKY_RELU SOFTMAX LOG_SOFTMAX L2_NORMALIZATION QUANTIZE ERF SIN COS"
)
BINARY = f"ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE PRELU POW {COMPARISONS}"


@pytest.mark.parametrize(("names", "count"), [(UNARY, 1), (BINARY, 2)], ids=["one operand", "two operands"])
def test_every_type_that_an_operator_takes_has_an_oracle(names, count):
    under = covered(*INTEGER.split())
    without = [
        f"{name} {dtype}"
        for name in names.split()
        for dtype in QUANT
        if dtype not in under[name] and accepts(name, dtype, count)
    ]
    assert not without, "write an oracle for each, or refuse the type"
