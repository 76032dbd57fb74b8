"""Lowering of operators that multiply and accumulate, and of pools, whose windows are like theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.workload.importers.onnx_rules import Lowered, Unsupported

if TYPE_CHECKING:
    from socsim.workload.importers.onnx_model import Model, Node
    from socsim.workload.importers.onnx_rules import Rule

_FUSED_ACTIVATIONS = {
    "": "NONE",
    "Relu": "RELU",
    "Tanh": "TANH",
    "Sigmoid": "LOGISTIC",
    "LeakyRelu": "LEAKY_RELU",
}


def _pair(values: Any, default: tuple[int, int]) -> tuple[int, int]:
    if values is None:
        return default
    if len(values) != 2:
        msg = f"{len(values)} spatial dimensions"
        raise Unsupported(msg)
    return int(values[0]), int(values[1])


def _spatial(model: Model, name: str) -> tuple[int, int]:
    shape = model.shape(name)
    if len(shape) != 4:
        msg = f"{len(shape) - 2} spatial dimensions"
        raise Unsupported(msg)
    return shape[2], shape[3]


def _window(model: Model, node: Node, kernel: tuple[int, int]) -> dict[str, Any]:
    """Return the attributes that convolutions and pools share, automatic padding resolved."""
    strides = _pair(node.attribute("strides"), (1, 1))
    dilations = _pair(node.attribute("dilations"), (1, 1))
    if min(*strides, *dilations, *kernel) < 1:
        msg = f"kernel {kernel}, strides {strides} and dilations {dilations} must be 1 or more"
        raise ValueError(msg)
    pads = _pads(node, _spatial(model, node.inputs[0]), kernel, strides, dilations)
    return {"layout": "NCHW", "kernel": kernel, "strides": strides, "dilations": dilations, "pads": pads}


Pads = tuple[int, int, int, int]


def _pads(
    node: Node,
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> Pads:
    """Return (top, left, bottom, right). Source: ONNX operator Conv, attribute auto_pad."""
    mode = node.attribute("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return _same_pads(size, kernel, strides, dilations, lower=mode == "SAME_LOWER")
    explicit = node.attribute("pads") if mode in ("NOTSET", "") else None
    if explicit is None:
        return 0, 0, 0, 0
    if len(explicit) != 4:
        msg = f"{len(explicit)} pads where 4 are needed"
        raise ValueError(msg)
    top, left, bottom, right = explicit
    return top, left, bottom, right


def _same_pads(
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    *,
    lower: bool,
) -> Pads:
    before, after = [], []
    for n, k, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-n // stride) - 1) * stride + (k - 1) * dilation + 1 - n, 0)
        small = total // 2
        before.append(total - small if lower else small)
        after.append(small if lower else total - small)
    return before[0], before[1], after[0], after[1]


def _fused_activation(node: Node) -> str:
    """Return the activation of a node: fused by the quantization, or by a com.microsoft operator."""
    name = node.attribute("activation", "")
    if name == "Clip" and [float(v) for v in node.attribute("activation_params", ())] == [0.0, 6.0]:
        return "RELU6"
    if name not in _FUSED_ACTIVATIONS:
        msg = f"fused activation {name}"
        raise Unsupported(msg)
    return node.activation if not name else _FUSED_ACTIVATIONS[name]


def _zero_points(node: Node) -> dict[str, Any]:
    """Return the zero points that ConvInteger and MatMulInteger have as operands."""
    return {key: value for key, value in node.attributes.items() if key.startswith("zero_point_")}


def conv(model: Model, node: Node) -> Lowered:
    """Lower Conv and its quantized and fused forms."""
    weights, groups = model.shape(node.inputs[1]), int(node.attribute("group", 1))
    if node.operand(3):
        msg = "a fourth operand, which is added to the result"
        raise Unsupported(msg)
    channels = model.shape(node.inputs[0])[1]
    if groups < 1 or len(weights) < 3 or channels != weights[1] * groups or weights[0] % groups:
        msg = f"weights of shape {list(weights)} and {groups} groups do not fit {channels} input channels"
        raise ValueError(msg)
    attributes = _window(model, node, _pair(weights[2:], (1, 1)))
    attributes |= {"groups": groups, "activation": _fused_activation(node), **_zero_points(node)}
    depthwise = groups > 1 and groups == channels
    if depthwise:
        attributes["depth_multiplier"] = weights[0] // groups
    return Lowered("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", node.inputs, attributes)


def conv_transpose(model: Model, node: Node) -> Lowered:
    """Lower ConvTranspose; weights stay [input channels, output channels of a group, rows, columns]."""
    weights = model.shape(node.inputs[1])
    attributes = _window(model, node, _pair(weights[2:], (1, 1)))
    result = _spatial(model, node.outputs[0])
    extra = _pair(node.attribute("output_padding"), (0, 0))
    attributes["pads"] = _transpose_pads(node, _spatial(model, node.inputs[0]), result, extra, attributes)
    attributes |= {
        "groups": int(node.attribute("group", 1)), "activation": _fused_activation(node),
        "output_padding": extra,
    }  # fmt: skip
    if node.attribute("output_shape") is not None:
        attributes["output_shape"] = model.shape(node.outputs[0])
    return Lowered("TRANSPOSE_CONV", node.inputs, attributes)


def _transpose_pads(
    node: Node, size: tuple[int, int], result: tuple[int, int], extra: tuple[int, int], window: dict[str, Any]
) -> Pads:
    """Return the pads that lead to the result's size. Source: ONNX operator ConvTranspose."""
    mode = node.attribute("auto_pad", "NOTSET")
    if node.attribute("output_shape") is None and mode in ("NOTSET", ""):
        return window["pads"]  # type: ignore[no-any-return]
    before, after = [], []
    for i in range(2):
        full = window["strides"][i] * (size[i] - 1) + extra[i] + (window["kernel"][i] - 1) * window["dilations"][i] + 1
        total = max(full - result[i], 0)
        small = total // 2
        before.append(small if mode == "SAME_UPPER" else total - small)
        after.append(total - before[-1])
    return before[0], before[1], after[0], after[1]


def gemm(model: Model, node: Node) -> Lowered:
    """Lower Gemm: fully connected where its right operand is constant."""
    attributes = {
        "transpose_a": bool(node.attribute("transA", 0)), "transpose_b": bool(node.attribute("transB", 0)),
        "alpha": float(node.attribute("alpha", 1.0)), "beta": float(node.attribute("beta", 1.0)),
        "activation": _fused_activation(node),
    }  # fmt: skip
    constant = model.is_constant(node.inputs[1])
    return Lowered("FULLY_CONNECTED" if constant else "BATCH_MATMUL", node.inputs, attributes)


def matmul(model: Model, node: Node) -> Lowered:
    """Lower MatMul and FusedMatMul: fully connected where the right operand is a constant matrix."""
    right = node.inputs[1]
    attributes: dict[str, Any] = {
        "transpose_a": bool(node.attribute("transA", 0)), "transpose_b": bool(node.attribute("transB", 0)),
        "alpha": float(node.attribute("alpha", 1.0)), "activation": _fused_activation(node),
        **_zero_points(node),
    }  # fmt: skip
    if model.is_constant(right) and len(model.shape(right)) == 2 and not attributes["transpose_a"]:
        return Lowered("FULLY_CONNECTED", node.inputs, attributes)
    return Lowered("BATCH_MATMUL", node.inputs, attributes)


def packed_weights(_model: Model, _node: Node) -> Lowered:
    """Refuse a MatMulNBits that `onnx_nbits` could not unpack."""
    msg = "weights that are not constant, or not in plain blocks of 4 or 8 bits"
    raise Unsupported(msg)


def pool(operator_type: str) -> Rule:
    """Return the rule of MaxPool or AveragePool."""

    def rule(model: Model, node: Node) -> Lowered:
        if node.attribute("channels_last", 0):
            msg = "channels_last = 1"
            raise Unsupported(msg)
        attributes = _window(model, node, _pair(node.attribute("kernel_shape"), (1, 1)))
        attributes |= {"ceil_mode": bool(node.attribute("ceil_mode", 0)), "activation": "NONE"}
        if operator_type == "AVERAGE_POOL_2D":
            attributes["count_include_pad"] = bool(node.attribute("count_include_pad", 0))
        return Lowered(operator_type, node.inputs, attributes)

    return rule


def global_pool(operator_type: str) -> Rule:
    """Return the rule of a pool over all rows and columns."""

    def rule(model: Model, node: Node) -> Lowered:
        if node.attribute("channels_last", 0):
            msg = "channels_last = 1"
            raise Unsupported(msg)
        kernel = _spatial(model, node.inputs[0])
        attributes = {
            "layout": "NCHW", "kernel": kernel, "strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0),
            "ceil_mode": False, "activation": "NONE",
        }  # fmt: skip
        return Lowered(operator_type, node.inputs, attributes)

    return rule


_LAST_STAGE = 3  # of what Attention may show of its products


def attention(model: Model, node: Node) -> Lowered:
    """Lower Attention (opset 23): softmax(Q x K^T) x V, with an optional mask and cache."""
    query, key = (model.shape(node.inputs[i]) for i in range(2))
    heads, key_heads = int(node.attribute("q_num_heads", 0)), int(node.attribute("kv_num_heads", 0))
    if len(query) == 3 and not heads:
        msg = "three-dimensional operands without q_num_heads"
        raise ValueError(msg)
    if min(heads, key_heads) < 0:
        msg = f"{heads} heads of the query and {key_heads} of the key must be 1 or more"
        raise ValueError(msg)
    stage = int(node.attribute("qk_matmul_output_mode", 0))
    if not 0 <= stage <= _LAST_STAGE:
        msg = f"qk_matmul_output_mode is {stage}; 0 to {_LAST_STAGE} are allowed"
        raise ValueError(msg)
    attributes = {
        "heads": heads or query[1], "key_heads": key_heads or (key[1] if len(key) == 4 else heads),
        "is_causal": bool(node.attribute("is_causal", 0)),
        "scale": node.attribute("scale"), "softcap": float(node.attribute("softcap", 0.0)),
        "qk_output": stage,
        "left_window": int(node.attribute("left_window_size", -1)),
        "right_window": int(node.attribute("right_window_size", -1)),
    }  # fmt: skip
    return Lowered("ATTENTION", node.inputs, attributes)


def multi_head_attention(model: Model, node: Node) -> Lowered:
    """Lower com.microsoft MultiHeadAttention, which has no projections of its own."""
    key, value = node.operand(1), node.operand(2)
    if not key or not value or len(model.shape(key)) != 3 or any(node.inputs[6:]):
        msg = "packed operands or a cache"
        raise Unsupported(msg)
    heads = max(int(node.attribute("num_heads", 1)), 1)
    attributes = {
        "heads": heads,
        "key_heads": heads,
        "scale": node.attribute("scale"),
    }
    return Lowered("ATTENTION", node.inputs, attributes)


def recurrent(operator_type: str) -> Rule:
    """Return the rule of LSTM or GRU."""

    def rule(model: Model, node: Node) -> Lowered:
        weights = model.shape(node.inputs[2])
        direction = node.attribute("direction", "forward")
        attributes = {
            "units": int(node.attribute("hidden_size", weights[-1])), "direction": direction,
            "directions": 2 if direction == "bidirectional" else 1,
            "batch_first": bool(node.attribute("layout", 0)),
            "linear_before_reset": bool(node.attribute("linear_before_reset", 0)),
            "activations": tuple(node.attribute("activations", ())), "clip": node.attribute("clip"),
            "input_forget": bool(node.attribute("input_forget", 0)),
        }  # fmt: skip
        return Lowered(operator_type, node.inputs, attributes)

    return rule
