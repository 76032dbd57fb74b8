"""The table of ONNX operators: domain and type to the rule that lowers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.workload.importers import onnx_mac as mac
from socsim.workload.importers import onnx_movement as movement
from socsim.workload.importers import onnx_pointwise as pointwise
from socsim.workload.importers import onnx_quantization as quantization
from socsim.workload.importers.onnx_model import DEFAULT_DOMAIN, MICROSOFT_DOMAIN
from socsim.workload.importers.onnx_qoperators import QUANTIZED_OPERATORS
from socsim.workload.importers.onnx_rules import plain

if TYPE_CHECKING:
    from socsim.workload.importers.onnx_rules import Rule

_RENAMED = {
    "Abs": "ABS", "Neg": "NEG", "Sqrt": "SQRT", "Exp": "EXP", "Log": "LOG", "Sin": "SIN", "Cos": "COS",
    "Erf": "ERF",
    "Floor": "FLOOR", "Ceil": "CEIL", "Round": "ROUND", "Sign": "SIGN", "Relu": "RELU", "PRelu": "PRELU",
    "Sigmoid": "LOGISTIC", "Tanh": "TANH", "HardSwish": "HARD_SWISH", "Mish": "MISH", "Softplus": "SOFTPLUS",
    "Equal": "EQUAL", "Greater": "GREATER", "GreaterOrEqual": "GREATER_EQUAL", "Less": "LESS",
    "LessOrEqual": "LESS_EQUAL", "And": "LOGICAL_AND", "Or": "LOGICAL_OR", "Not": "LOGICAL_NOT",
    "Where": "SELECT",
    "NonZero": "WHERE", "Unique": "UNIQUE", "Range": "RANGE", "NonMaxSuppression": "NON_MAX_SUPPRESSION",
    "DynamicQuantizeLinear": "QUANTIZE",
}  # fmt: skip
_BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV", "Pow": "POW"}
_REDUCTIONS = {
    "ReduceMean": "MEAN", "ReduceSum": "SUM", "ReduceMax": "REDUCE_MAX", "ReduceMin": "REDUCE_MIN",
    "ReduceProd": "REDUCE_PROD",
}  # fmt: skip

_DEFAULT: dict[str, Rule] = {
    **{name: plain(word) for name, word in _RENAMED.items()},
    **{name: pointwise.binary(word) for name, word in _BINARY.items()},
    **{name: pointwise.reduce(word) for name, word in _REDUCTIONS.items()},
    "ArgMax": pointwise.arg("ARG_MAX"),
    "ArgMin": pointwise.arg("ARG_MIN"),
    "Attention": mac.attention,
    "AveragePool": mac.pool("AVERAGE_POOL_2D"),
    "BatchNormalization": pointwise.batch_norm,
    "Cast": plain("CAST", saturate=("saturate", 1)),
    "CastLike": plain("CAST", 1, saturate=("saturate", 1)),
    "Clip": pointwise.clip,
    "Concat": movement.concat,
    "Conv": mac.conv,
    "ConvTranspose": mac.conv_transpose,
    "CumSum": movement.cumsum,
    "DepthToSpace": movement.rearrange("DEPTH_TO_SPACE"),
    "DequantizeLinear": quantization.convert("DEQUANTIZE"),
    "Dropout": pointwise.identity,
    "Elu": pointwise.selu,
    "Expand": movement.broadcast,
    "Flatten": movement.reshape,
    "GRU": mac.recurrent("GRU"),
    "Gather": movement.gather,
    "GatherND": plain("GATHER_ND", batch_dims=("batch_dims", 0)),
    "Gelu": pointwise.gelu,
    "Gemm": mac.gemm,
    "GlobalAveragePool": mac.global_pool("AVERAGE_POOL_2D"),
    "GlobalMaxPool": mac.global_pool("MAX_POOL_2D"),
    "GroupNormalization": plain("GROUP_NORM", epsilon=("epsilon", 1e-5), groups=("num_groups", 1)),
    "HardSigmoid": plain("HARD_SIGMOID", alpha=("alpha", 0.2), beta=("beta", 0.5)),
    "Identity": pointwise.identity,
    "InstanceNormalization": plain("INSTANCE_NORM", epsilon=("epsilon", 1e-5)),
    "LRN": plain("LRN", size=("size", 1), alpha=("alpha", 1e-4), beta=("beta", 0.75), bias=("bias", 1.0)),
    "LSTM": mac.recurrent("LSTM"),
    "LayerNormalization": pointwise.layer_norm("LAYER_NORM"),
    "LeakyRelu": plain("LEAKY_RELU", alpha=("alpha", 0.01)),
    "LogSoftmax": pointwise.softmax("LOG_SOFTMAX"),
    "LpNormalization": pointwise.lp_norm,
    "MatMul": mac.matmul,
    "Max": pointwise.variadic("MAXIMUM"),
    "MaxPool": mac.pool("MAX_POOL_2D"),
    "Min": pointwise.variadic("MINIMUM"),
    "Mod": plain("FLOOR_MOD", fmod=("fmod", 0)),
    "OneHot": movement.one_hot,
    "Pad": movement.pad,
    "QuantizeLinear": quantization.convert("QUANTIZE"),
    "RMSNormalization": pointwise.layer_norm("RMS_NORM"),
    "Reciprocal": pointwise.reciprocal,
    "Reshape": movement.reshape,
    "Resize": movement.resize,
    "RotaryEmbedding": plain(
        "ROTARY_EMBEDDING",
        interleaved=("interleaved", 0),
        heads=("num_heads", 0),
        rotary_dim=("rotary_embedding_dim", 0),
    ),
    "ScatterND": plain("SCATTER_ND", reduction=("reduction", "none")),
    "Selu": pointwise.selu,
    "Slice": movement.slice_,
    "Softmax": pointwise.softmax("SOFTMAX"),
    "SpaceToDepth": movement.rearrange("SPACE_TO_DEPTH"),
    "Split": movement.split,
    "Squeeze": movement.squeeze,
    "Sum": pointwise.variadic("ADD"),
    "Swish": plain("SWISH", alpha=("alpha", 1.0)),
    "Tile": movement.tile,
    "TopK": movement.top_k,
    "Transpose": movement.transpose,
    "Unsqueeze": movement.unsqueeze,
}
_MICROSOFT: dict[str, Rule] = {
    "BiasGelu": pointwise.gelu,
    "DequantizeLinear": quantization.convert("DEQUANTIZE"),
    "FastGelu": pointwise.gelu,
    "FusedConv": mac.conv,
    "FusedGemm": mac.gemm,
    "FusedMatMul": mac.matmul,
    "Gelu": pointwise.gelu,
    "MatMulNBits": mac.packed_weights,
    "MultiHeadAttention": mac.multi_head_attention,
    "QuantizeLinear": quantization.convert("QUANTIZE"),
    "QuickGelu": plain("SWISH", alpha=("alpha", 1.702)),
    "SkipLayerNormalization": plain("LAYER_NORM", epsilon=("epsilon", 1e-12)),
    "SkipSimplifiedLayerNormalization": plain("RMS_NORM", epsilon=("epsilon", 1e-12)),
}


def is_supported(domain: str, op_type: str) -> bool:
    """Return whether the graph has a word for an operator of a file."""
    return (domain, op_type) in QUANTIZED_OPERATORS or find_rule(domain, op_type) is not None


def find_rule(domain: str, op_type: str) -> Rule | None:
    """Return the rule of an operator; a quantized form that became plain has the default domain's."""
    if domain == DEFAULT_DOMAIN:
        return _DEFAULT.get(op_type)
    if domain == MICROSOFT_DOMAIN:
        return _MICROSOFT.get(op_type)
    return None
