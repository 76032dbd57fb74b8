"""What the TFLite schema says: operator codes, element types and the fields of operators' options.

Source: google-ai-edge/LiteRT, tflite/converter/schema/schema.fbs (schema version 3d), commit
098fb976230858e7d5fbd2b0318e3aeafe2c9e10. A slot is a field's position in its table, deprecated ones counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTIFIER = b"TFL3"
VERSION = 3

# BuiltinOperator: position is the code.
BUILTIN_OPERATORS: tuple[str, ...] = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN",
    "SUB", "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN",
    "EXP", "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU",
    "MAXIMUM", "ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL",
    "SELECT", "SLICE", "SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL",
    "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD",
    "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT", "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN",
    "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL", "FLOOR_MOD", "RANGE",
    "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE",
    "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU", "REVERSE_SEQUENCE",
    "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D",
    "CONV_3D", "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT",
    "HASHTABLE_SIZE", "REDUCE_ALL", "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
    "BROADCAST_ARGS", "RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU",
    "DYNAMIC_UPDATE_SLICE", "RELU_0_TO_1", "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX",
    "UNSORTED_SEGMENT_SUM", "ATAN2", "UNSORTED_SEGMENT_MIN", "SIGN", "BITCAST", "BITWISE_XOR", "RIGHT_SHIFT",
    "STABLEHLO_LOGISTIC", "STABLEHLO_ADD", "STABLEHLO_DIVIDE", "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM",
    "STABLEHLO_RESHAPE", "STABLEHLO_CLAMP", "STABLEHLO_CONCATENATE", "STABLEHLO_BROADCAST_IN_DIM",
    "STABLEHLO_CONVOLUTION", "STABLEHLO_SLICE", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_REDUCE", "STABLEHLO_ABS",
    "STABLEHLO_AND", "STABLEHLO_COSINE", "STABLEHLO_EXPONENTIAL", "STABLEHLO_FLOOR", "STABLEHLO_LOG",
    "STABLEHLO_MINIMUM", "STABLEHLO_NEGATE", "STABLEHLO_OR", "STABLEHLO_POWER", "STABLEHLO_REMAINDER",
    "STABLEHLO_RSQRT", "STABLEHLO_SELECT", "STABLEHLO_SUBTRACT", "STABLEHLO_TANH", "STABLEHLO_SCATTER",
    "STABLEHLO_COMPARE", "STABLEHLO_CONVERT", "STABLEHLO_DYNAMIC_SLICE", "STABLEHLO_DYNAMIC_UPDATE_SLICE",
    "STABLEHLO_PAD", "STABLEHLO_IOTA", "STABLEHLO_DOT_GENERAL", "STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SORT",
    "STABLEHLO_WHILE", "STABLEHLO_GATHER", "STABLEHLO_TRANSPOSE", "DILATE", "STABLEHLO_RNG_BIT_GENERATOR",
    "REDUCE_WINDOW", "STABLEHLO_COMPOSITE", "STABLEHLO_SHIFT_LEFT", "STABLEHLO_CBRT", "STABLEHLO_CASE",
)  # fmt: skip
CUSTOM_CODE = BUILTIN_OPERATORS.index("CUSTOM")

# TensorType: position is the code; None for a type that graphs do not hold.
TENSOR_TYPES: tuple[tuple[str, DType | None], ...] = (
    ("FLOAT32", DType.FLOAT32),
    ("FLOAT16", DType.FLOAT16),
    ("INT32", DType.INT32),
    ("UINT8", DType.UINT8),
    ("INT64", DType.INT64),
    ("STRING", DType.STRING),
    ("BOOL", DType.BOOL),
    ("INT16", DType.INT16),
    ("COMPLEX64", None),
    ("INT8", DType.INT8),
    ("FLOAT64", DType.FLOAT64),
    ("COMPLEX128", None),
    ("UINT64", DType.UINT64),
    ("RESOURCE", DType.RESOURCE),
    ("VARIANT", None),
    ("UINT32", DType.UINT32),
    ("UINT16", DType.UINT16),
    ("INT4", DType.INT4),
    ("BFLOAT16", DType.BFLOAT16),
    ("INT2", None),
    ("UINT4", DType.UINT4),
    ("FLOAT8_E4M3FN", None),
    ("FLOAT8_E5M2", None),
)

# Names by value of the enumerations that options hold.
ENUMERATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "activation": ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"),
        "padding": ("SAME", "VALID"),
        "weights_format": ("DEFAULT", "SHUFFLED4x16INT8"),
        "kernel_type": ("FULL", "BASIC"),
        "mode": ("REFLECT", "SYMMETRIC"),
        "type": tuple(name for name, _ in TENSOR_TYPES),
    }
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an options table.

    `kind` is a `struct` format character, "string", "ints" (a vector of int32), or a key of
    `ENUMERATIONS`. `default` holds when the table leaves the field out.
    """

    slot: int
    name: str
    kind: str
    default: int | float | bool = 0


@dataclass(frozen=True, slots=True)
class Options:
    """The options table of an operator: its number in the union BuiltinOptions, and its fields."""

    union: int
    fields: tuple[Field, ...]


def _options(union: int, *fields: tuple[int, str, str] | tuple[int, str, str, int]) -> Options:
    return Options(union, tuple(Field(*field) for field in fields))


_ASYMMETRIC = "asymmetric_quantize_inputs"
_POOL = _options(
    5,
    (0, "padding", "padding"), (1, "stride_w", "i"), (2, "stride_h", "i"), (3, "filter_width", "i"),
    (4, "filter_height", "i"), (5, "activation", "activation"),
)  # fmt: skip
_REDUCER = _options(27, (0, "keep_dims", "?"))

OPTIONS: Mapping[str, Options] = MappingProxyType(
    {
        "CONV_2D": _options(
            1,
            (0, "padding", "padding"), (1, "stride_w", "i"), (2, "stride_h", "i"),
            (3, "activation", "activation"),
            (4, "dilation_w", "i", 1), (5, "dilation_h", "i", 1), (6, "quantized_bias_type", "type"),
        ),
        "DEPTHWISE_CONV_2D": _options(
            2,
            (0, "padding", "padding"), (1, "stride_w", "i"), (2, "stride_h", "i"),
            (3, "depth_multiplier", "i"),
            (4, "activation", "activation"), (5, "dilation_w", "i", 1), (6, "dilation_h", "i", 1),
        ),
        "AVERAGE_POOL_2D": _POOL,
        "MAX_POOL_2D": _POOL,
        "SVDF": _options(6, (0, "rank", "i"), (1, "activation", "activation"), (2, _ASYMMETRIC, "?")),
        "FULLY_CONNECTED": _options(
            8,
            (0, "activation", "activation"), (1, "weights_format", "weights_format"),
            (2, "keep_num_dims", "?"),
            (3, _ASYMMETRIC, "?"), (4, "quantized_bias_type", "type"),
        ),
        "SOFTMAX": _options(9, (0, "beta", "f")),
        "CONCATENATION": _options(10, (0, "axis", "i"), (1, "activation", "activation")),
        "ADD": _options(11, (0, "activation", "activation"), (1, "pot_scale_int16", "?", 1)),
        "L2_NORMALIZATION": _options(12, (0, "activation", "activation")),
        "LOCAL_RESPONSE_NORMALIZATION": _options(
            13, (0, "radius", "i"), (1, "bias", "f"), (2, "alpha", "f"), (3, "beta", "f")
        ),
        "LSTM": _options(
            14,
            (0, "activation", "activation"), (1, "cell_clip", "f"), (2, "proj_clip", "f"),
            (3, "kernel_type", "kernel_type"), (4, _ASYMMETRIC, "?"),
        ),
        "RESIZE_BILINEAR": _options(15, (2, "align_corners", "?"), (3, "half_pixel_centers", "?")),
        "RESHAPE": _options(17, (0, "new_shape", "ints")),
        "SPACE_TO_DEPTH": _options(19, (0, "block_size", "i")),
        "MUL": _options(21, (0, "activation", "activation")),
        "GATHER": _options(23, (0, "axis", "i"), (1, "batch_dims", "i")),
        "MEAN": _REDUCER,
        "SUM": _REDUCER,
        "REDUCE_PROD": _REDUCER,
        "REDUCE_MAX": _REDUCER,
        "REDUCE_MIN": _REDUCER,
        "REDUCE_ANY": _REDUCER,
        "REDUCE_ALL": _REDUCER,
        "SUB": _options(28, (0, "activation", "activation"), (1, "pot_scale_int16", "?", 1)),
        "DIV": _options(29, (0, "activation", "activation")),
        "SQUEEZE": _options(30, (0, "axes", "ints")),
        "STRIDED_SLICE": _options(
            32,
            (0, "begin_mask", "i"), (1, "end_mask", "i"), (2, "ellipsis_mask", "i"),
            (3, "new_axis_mask", "i"),
            (4, "shrink_axis_mask", "i"), (5, "offset", "?"),
        ),
        "SPLIT": _options(35, (0, "num_splits", "i")),
        "TRANSPOSE_CONV": _options(
            49,
            (0, "padding", "padding"), (1, "stride_w", "i"), (2, "stride_h", "i"),
            (3, "activation", "activation"),
            (4, "quantized_bias_type", "type"),
        ),
        "PACK": _options(59, (0, "values_count", "i"), (1, "axis", "i")),
        "ONE_HOT": _options(61, (0, "axis", "i")),
        "UNPACK": _options(64, (0, "num", "i"), (1, "axis", "i")),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": _options(
            71,
            (0, "activation", "activation"), (1, "cell_clip", "f"), (2, "proj_clip", "f"),
            (3, "time_major", "?"),
            (4, _ASYMMETRIC, "?"), (5, "diagonal_recurrent_tensors", "?"),
        ),
        "RESIZE_NEAREST_NEIGHBOR": _options(74, (0, "align_corners", "?"), (1, "half_pixel_centers", "?")),
        "LEAKY_RELU": _options(75, (0, "alpha", "f")),
        "MIRROR_PAD": _options(77, (0, "mode", "mode")),
        "SPLIT_V": _options(79, (0, "num_splits", "i")),
        "IF": _options(92, (0, "then_subgraph_index", "i"), (1, "else_subgraph_index", "i")),
        "WHILE": _options(93, (0, "cond_subgraph_index", "i"), (1, "body_subgraph_index", "i")),
        "DEPTH_TO_SPACE": _options(94, (0, "block_size", "i")),
        "BATCH_MATMUL": _options(
            101,
            (0, "transpose_a", "?"), (1, "transpose_b", "?"), (2, _ASYMMETRIC, "?"),
        ),
        "CUMSUM": _options(102, (0, "exclusive", "?"), (1, "reverse", "?")),
        "CALL_ONCE": _options(103, (0, "init_subgraph_index", "i")),
        "VAR_HANDLE": _options(111, (0, "container", "string"), (1, "shared_name", "string")),
        "GELU": _options(116, (0, "approximate", "?")),
    }
)  # fmt: skip
