"""The operator vocabulary of the graph: one name for each operator, whatever file it came from.

Names are TFLite's where TFLite has the operator. Importers turn shape-like constant operands (the new
shape of RESHAPE, the axes of MEAN, the paddings of PAD) into attributes, so that the inputs of an
operator are data, and quantization operands (of QLinearConv, say) into the tensors' quantization.

Attributes, where they apply:
    strides, dilations: (rows, columns);  pads: (top, left, bottom, right), resolved to numbers
    kernel: (rows, columns) of a pool or convolution;  groups: int;  layout: "NHWC" or "NCHW" of activations
    activation: "NONE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH", … fused into the operator by the file
    axes: tuple of int, keep_dims: bool (reductions);  axis: int;  shape, permutation, paddings: tuples
    transpose_a, transpose_b: bool (BATCH_MATMUL); FULLY_CONNECTED: transpose_b True means weights [K, C]
    align_corners, half_pixel_centers: bool (resizes);  custom_code: str (CUSTOM)
    compute_dtype: element type of the products where the operator converts its float operands itself
    compared: pairs of boxes that a detection output compares
    scalar: the second operand of an element-wise operator that the file holds as a number
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Category(Enum):
    """What an operator does to data, which decides how its cost is modelled."""

    MAC = "mac"  # multiply-accumulate loop nests
    ELEMENTWISE = "elementwise"  # a few operations for each output element
    POOL = "pool"  # a window for each output element
    REDUCTION = "reduction"  # every input element once, fewer out
    NORMALISATION = "normalisation"  # several passes over the input
    MOVEMENT = "movement"  # bytes move, nothing is computed
    VIEW = "view"  # the same bytes under another shape
    STATE = "state"  # handles of variables and one-time initialisation
    HOST = "host"  # control-heavy work that vendors leave to the CPU


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """One word of the vocabulary.

    `vector_ops` counts simple vector operations for each element (of the output; of the input for
    reductions): 1 for an addition; transcendental functions count as the polynomial or table passes
    that kernels use. The counts above 2 are assumed, within a factor of two.
    """

    type: str
    category: Category
    vector_ops: int = 1


def _specs(category: Category, **ops: int) -> list[OperatorSpec]:
    return [OperatorSpec(name, category, count) for name, count in ops.items()]


OPERATORS: dict[str, OperatorSpec] = {
    spec.type: spec
    for spec in [
        *_specs(
            Category.MAC,
            CONV_2D=1, DEPTHWISE_CONV_2D=1, TRANSPOSE_CONV=1, FULLY_CONNECTED=1, BATCH_MATMUL=1,
            ATTENTION=10, MULTI_HEAD_ATTENTION=10, LSTM=16, SVDF=1, GRU=16,
        ),
        *_specs(
            Category.ELEMENTWISE,
            ADD=1, SUB=1, MUL=1, DIV=4, MAXIMUM=1, MINIMUM=1, POW=12, SQUARED_DIFFERENCE=2, FLOOR_DIV=4,
            FLOOR_MOD=4, ABS=1, NEG=1, SQUARE=1, SQRT=4, RSQRT=5, EXP=8, LOG=8, SIN=8, COS=8, ERF=10, FLOOR=1,
            CEIL=1, ROUND=1, SIGN=1, RELU=1, RELU6=2, RELU_N1_TO_1=2, RELU_0_TO_1=2, LEAKY_RELU=2, PRELU=2,
            ELU=9, LOGISTIC=8, TANH=8, HARD_SWISH=4, HARD_SIGMOID=3, GELU=12, SWISH=9, MISH=12, SOFTPLUS=10,
            CLIP=2, QUANTIZE=3, DEQUANTIZE=2, CAST=1, EQUAL=1, NOT_EQUAL=1, GREATER=1, GREATER_EQUAL=1, LESS=1,
            LESS_EQUAL=1, LOGICAL_AND=1, LOGICAL_OR=1, LOGICAL_NOT=1, SELECT=2, BATCH_NORM=2,
            ROTARY_EMBEDDING=4,
        ),
        *_specs(Category.POOL, AVERAGE_POOL_2D=1, MAX_POOL_2D=1),
        *_specs(
            Category.REDUCTION,
            MEAN=1, SUM=1, REDUCE_MAX=1, REDUCE_MIN=1, REDUCE_PROD=1, REDUCE_ANY=1, REDUCE_ALL=1, ARG_MAX=2,
            ARG_MIN=2, CUMSUM=1,
        ),
        *_specs(
            Category.NORMALISATION,
            SOFTMAX=14, LOG_SOFTMAX=18, LAYER_NORM=8, RMS_NORM=6, L2_NORMALIZATION=6, LRN=16, INSTANCE_NORM=8,
            GROUP_NORM=8,
        ),
        *_specs(
            Category.MOVEMENT,
            CONCATENATION=1, SPLIT=1, SLICE=1, STRIDED_SLICE=1, PAD=1, MIRROR_PAD=1, TRANSPOSE=1, GATHER=1,
            GATHER_ND=1, SCATTER_ND=1, PACK=1, UNPACK=1, TILE=1, BROADCAST_TO=1, FILL=1, RANGE=1, REVERSE=1,
            SPACE_TO_DEPTH=1, DEPTH_TO_SPACE=1, SPACE_TO_BATCH_ND=1, BATCH_TO_SPACE_ND=1, SHUFFLE_CHANNEL=1,
            RESIZE_NEAREST_NEIGHBOR=1, RESIZE_BILINEAR=7, EMBEDDING_LOOKUP=1, ONE_HOT=1, READ_VARIABLE=1,
            ASSIGN_VARIABLE=1, DYNAMIC_UPDATE_SLICE=1,
        ),
        *_specs(
            Category.VIEW,
            RESHAPE=0, SQUEEZE=0, EXPAND_DIMS=0, IDENTITY=0, SHAPE=0, RANK=0,
        ),
        *_specs(Category.STATE, VAR_HANDLE=0, CALL_ONCE=0),
        *_specs(
            Category.HOST,
            TOPK=16, NON_MAX_SUPPRESSION=32, DETECTION_OUTPUT=32, PRIOR_BOX=4, YOLO_DETECTION_OUTPUT=32, CUSTOM=16,
            WHERE=4, UNIQUE=16, IF=0, WHILE=0,
        ),
    ]
}  # fmt: skip


def category(operator_type: str) -> Category:
    """Return the category of an operator of the vocabulary."""
    return OPERATORS[operator_type].category
