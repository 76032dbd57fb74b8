"""The layers of ncnn: which operator each becomes, and rules for those without weights.

Source: Tencent/ncnn, docs/developer-guide/operators.md, and the load_param and forward functions in
src/layer/.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers.ncnn_context import LAYOUT, LayerContext, UnsupportedOptionError, flattened
from socsim.workload.importers.ncnn_mac_layers import MAC_LAYERS, same_pads
from socsim.workload.importers.ncnn_move_layers import MOVE_LAYERS

if TYPE_CHECKING:
    from socsim.workload.importers.ncnn_mac_layers import LayerRule
    from socsim.workload.shapes_operands import Shape

_BINARY = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "SUB", "DIV", "POW")
_REVERSED = 7  # operation types from here on swap their operands
_UNARY = (
    "ABS", "NEG", "FLOOR", "CEIL", "SQUARE", "SQRT", "RSQRT", "EXP", "LOG", "SIN", "COS", None, None, None,
    None, "DIV", "TANH", "LOG", "ROUND", "ROUND",
)  # fmt: skip
_REDUCTIONS = (
    "SUM",
    "SUM",
    "SUM",
    "MEAN",
    "REDUCE_MAX",
    "REDUCE_MIN",
    "REDUCE_PROD",
    "SUM",
    "SUM",
    "SUM",
    "SUM",
)
_SCORE_OF_ZEROS = 1 / 3
_ELEMENT_TYPES = {1: DType.FLOAT32, 2: DType.FLOAT16, 3: DType.INT8, 4: DType.BFLOAT16}


def _same(operator_type: str, **numbers: tuple[int, float]) -> LayerRule:
    """Return the rule of a layer that keeps shape and type; `numbers` are attributes by (key, default)."""

    def rule(x: LayerContext) -> None:
        x.needs(1)
        attributes: dict[str, Any] = {name: x.number(key, default) for name, (key, default) in numbers.items()}
        x.emit(operator_type, attributes, inputs=x.inputs[:1])

    return rule


def _relu(x: LayerContext) -> None:
    slope = x.number(0, 0.0)
    x.emit("LEAKY_RELU" if slope else "RELU", {"alpha": slope} if slope else {})


def _clip(x: LayerContext) -> None:
    low, high = x.number(0, float("-inf")), x.number(1, float("inf"))
    x.emit("RELU6" if (low, high) == (0.0, 6.0) else "CLIP", {"min": low, "max": high})


def _constants(operator_type: str, size_key: int, names: tuple[str, ...], flag_key: int | None = None) -> LayerRule:
    """Return the rule of a layer with vectors of `size_key` elements, absent where the flag is 0."""

    def rule(x: LayerContext) -> None:
        x.needs(1)
        given = flag_key is None or bool(x.integer(flag_key, 1))
        size = x.positive(size_key) if given else 1
        if prod(x.shape) % size:
            msg = f"parameter {size_key} is {size}, which does not divide the input {x.shape}"
            raise ValueError(msg)
        vectors = [x.constant(name, (size,)) for name in names] if given else []
        x.emit(operator_type, inputs=[x.inputs[0], *vectors])

    return rule


def _scale(x: LayerContext) -> None:
    x.needs(1)
    size = x.integer(0)
    if size == -233:
        x.needs(2)
        x.emit("MUL", {"broadcast": "leading"}, inputs=x.inputs[:2], shapes=[x.shape])
        return
    size = x.positive(0)
    if x.integer(1):
        vectors = [x.constant("scale", (size,)), x.constant("bias", (size,))]
        x.emit("BATCH_NORM", inputs=[x.inputs[0], *vectors])
        return
    x.emit("MUL", {"broadcast": "leading"}, inputs=[x.inputs[0], x.constant("scale", (size,))])


def _bias(x: LayerContext) -> None:
    x.needs(1)
    vector = x.constant("bias", (x.positive(0),))
    x.emit("ADD", {"broadcast": "leading"}, inputs=[x.inputs[0], vector])


def _dropout(x: LayerContext) -> None:
    factor = x.number(0, 1.0)
    x.emit("IDENTITY" if factor == 1.0 else "MUL", {} if factor == 1.0 else {"scalar": factor})


def _binary(x: LayerContext) -> None:
    kind = x.integer(0)
    if not 0 <= kind < len(_BINARY):
        msg = f"op_type {kind}"
        raise UnsupportedOptionError(msg)
    attributes: dict[str, Any] = {"reversed": True} if kind >= _REVERSED else {}
    if x.integer(1):
        x.emit(_BINARY[kind], {**attributes, "scalar": x.number(2, 0.0)}, inputs=x.inputs[:1])
        return
    x.needs(2)
    x.emit(_BINARY[kind], {**attributes, **_alignment(*x.shapes[:2])}, inputs=x.inputs[:2])


def _alignment(a: Shape, b: Shape) -> dict[str, str]:
    """Return how ncnn aligns operands: a vector as long as the first dimension lies along that one.

    Source: src/layer/binaryop.cpp, BinaryOp::forward ("expand inner axes").
    """
    short, long = sorted((a, b), key=len)
    if len(short) == len(long):
        return {}
    leading = len(short) > 1 or short[:1] == long[:1]
    return {"broadcast": "leading"} if leading else {}


def _unary(x: LayerContext) -> None:
    kind = x.integer(0)
    name = _UNARY[kind] if 0 <= kind < len(_UNARY) else None
    if name is None:
        msg = f"op_type {kind}"
        raise UnsupportedOptionError(msg)
    x.emit(name)


def _eltwise(x: LayerContext) -> None:
    kind = x.integer(0)
    if not 0 <= kind <= 2:
        msg = f"op_type {kind}"
        raise UnsupportedOptionError(msg)
    x.needs(2)
    x.emit(("MUL", "ADD", "MAXIMUM")[kind])


def _pooling(x: LayerContext) -> None:
    x.needs(1)
    average = x.integer(0) == 1
    if x.integer(4):
        axes = tuple(range(1, len(x.shape)))
        x.emit("MEAN" if average else "REDUCE_MAX", {"axes": axes, "keep_dims": False})
        return
    h, w = x.planes()[1:]
    window = _adaptive_window(x, h, w) if x.integer(7) else _pool_window(x, h, w)
    x.emit("AVERAGE_POOL_2D" if average else "MAX_POOL_2D", {"layout": LAYOUT, **window})


def _pool_window(x: LayerContext, h: int, w: int) -> dict[str, Any]:
    """Return kernel, strides and pads; the tail of ncnn's full padding is part of the pads."""
    columns, stride = x.positive(1), x.positive(2, 1)
    kernel, strides = (x.positive(11, columns), columns), (x.positive(12, stride), stride)
    mode, left = x.integer(5), x.integer(3)
    if mode in (2, 3):
        vertical = same_pads(h, kernel[0], strides[0], lower=mode == 3)
        horizontal = same_pads(w, kernel[1], strides[1], lower=mode == 3)
    elif mode in (0, 1):
        top = x.integer(13, left)
        vertical, horizontal = (top, x.integer(15, top)), (left, x.integer(14, left))
    else:
        msg = f"pad_mode (parameter 5) is {mode}; it must be 0 to 3"
        raise ValueError(msg)
    if min(*vertical, *horizontal) < 0:
        msg = f"padding {vertical} x {horizontal} is negative"
        raise ValueError(msg)
    if mode == 0:
        vertical = _with_tail(h, kernel[0], strides[0], vertical)
        horizontal = _with_tail(w, kernel[1], strides[1], horizontal)
    pads = (vertical[0], horizontal[0], vertical[1], horizontal[1])
    return {"kernel": kernel, "strides": strides, "pads": pads}


def _with_tail(size: int, kernel: int, stride: int, pads: tuple[int, int]) -> tuple[int, int]:
    tail = (size + sum(pads) - kernel) % stride
    return pads[0], pads[1] + (stride - tail if tail else 0)


def _adaptive_window(x: LayerContext, h: int, w: int) -> dict[str, Any]:
    """Return a window that makes the wanted size; adaptive windows may differ by one element."""
    columns = x.integer(8)
    wanted = [n if n > 0 else size for n, size in ((x.integer(18, columns), h), (columns, w))]
    strides = [max(size // n, 1) for size, n in zip((h, w), wanted, strict=True)]
    kernel = [size - (n - 1) * s for size, n, s in zip((h, w), wanted, strides, strict=True)]
    return {"kernel": tuple(kernel), "strides": tuple(strides), "pads": (0, 0, 0, 0)}


def _reduction(x: LayerContext) -> None:
    kind = x.integer(0)
    if not 0 <= kind < len(_REDUCTIONS):
        msg = f"operation {kind}"
        raise UnsupportedOptionError(msg)
    axes = tuple(range(len(x.shape))) if x.integer(1, 1) else x.integers(3)
    keep = bool(x.integer(4))
    attributes = {"axes": axes, "keep_dims": keep}
    # A blob has at least one dimension, so reducing all of them leaves one element.
    whole = not keep and len(set(axes)) == len(x.shape)
    x.emit(_REDUCTIONS[kind], attributes, shapes=[(1,)] if whole else None)


def _softmax(x: LayerContext) -> None:
    x.emit("SOFTMAX", {"axis": x.integer(0)})


def _cumulative_sum(x: LayerContext) -> None:
    x.emit("CUMSUM", {"axis": x.integer(0)})


def _rotary_embedding(x: LayerContext) -> None:
    x.needs(3)
    x.emit("ROTARY_EMBEDDING", {"interleaved": bool(x.integer(0))})


def _cast(x: LayerContext) -> None:
    wanted = x.integer(1)
    if wanted not in _ELEMENT_TYPES:
        msg = f"type_to (parameter 1) is {wanted}; it must be 1 to {max(_ELEMENT_TYPES)}"
        raise ValueError(msg)
    x.emit("CAST", dtype=_ELEMENT_TYPES[wanted])


def _converted(operator_type: str, dtype: DType) -> LayerRule:
    def rule(x: LayerContext) -> None:
        x.emit(operator_type, dtype=dtype)

    return rule


def _memory_data(x: LayerContext) -> None:
    if len(x.layer.outputs) != 1:
        msg = f"the layer writes {len(x.layer.outputs)} blobs; it must write one"
        raise ValueError(msg)
    shape = declared_shape(x)
    if not shape:
        msg = "the size (parameters 0, 1, 2, 11) is missing"
        raise ValueError(msg)
    x.blobs.add(x.layer.outputs[0], shape, DType.FLOAT32, TensorKind.CONSTANT)


def declared_shape(x: LayerContext) -> Shape:
    """Return the shape that parameters 0 (w), 1 (h), 11 (d) and 2 (c) give, empty where they are absent.

    Raises:
        ValueError: a size is negative.
    """
    sizes = [x.integer(key) for key in (2, 11, 1, 0)]
    if min(sizes) < 0:
        msg = f"the size (c, d, h, w) = {tuple(sizes)} has a negative dimension"
        raise ValueError(msg)
    return tuple(size for size in sizes if size)


def _prior_box(x: LayerContext) -> None:
    """Two rows: boxes and variances, four numbers for each prior at each position."""
    x.needs(2)
    sizes, larger, ratios = (len(x.numbers(key)) for key in range(3))
    priors = sizes * ratios * (2 if x.integer(7, 1) else 1) + sizes + larger
    h, w = x.planes()[1:]
    x.emit("PRIOR_BOX", shapes=[(2, 4 * h * w * priors)], dtype=DType.FLOAT32)


def _detection_output(x: LayerContext) -> None:
    """At most keep_top_k rows."""
    _detections(x, "DETECTION_OUTPUT", x.positive(3, 100))


def _yolo_detection_output(x: LayerContext) -> None:
    """At most one row for each candidate box."""
    x.needs(1)
    boxes = x.positive(1, 5)
    _detections(x, "YOLO_DETECTION_OUTPUT", sum(prod(s[1:]) * boxes for s in x.shapes))


def _yolo3_detection_output(x: LayerContext) -> None:
    """At most one row for each candidate box; each that passes the threshold is compared with those kept before it.

    The score is 1 / (1 + exp(-box) * (1 + exp(-class))), so that a network without weights, which this format
    leaves out and which ncnn's benchmark fills with zeros, gives every box 1 / 3.

    Assumes: half of the boxes stay (846 of the 1,815 that the anchors of mobilenetv2_yolov3 make).

    Source: Tencent/ncnn, src/layer/yolov3detectionoutput.cpp, benchmark/benchncnn.cpp.
    """
    x.needs(1)
    boxes = x.positive(1, 5)
    rows = sum(prod(s[1:]) * boxes for s in x.shapes)
    passing = rows if x.number(2, 0.01) <= _SCORE_OF_ZEROS else 0
    _detections(x, "YOLO_DETECTION_OUTPUT", rows, compared=passing * passing // 4)


def _detections(x: LayerContext, operator_type: str, rows: int, **attributes: int) -> None:
    names = ", ".join(repr(name) for name in x.layer.outputs)
    x.blobs.data_dependent.update(x.layer.outputs)
    x.blobs.builder.notes.append(f"how many rows {names} has depends on the data; {rows} at most, which is used")
    x.emit(operator_type, attributes, shapes=[(rows, 6)], dtype=DType.FLOAT32)


def _embed(x: LayerContext) -> None:
    units, words = x.positive(0), x.positive(1)
    x.weights_size(3, units * words)
    table = x.constant("weight", (words, units), DType.INT8 if x.integer(18) else DType.FLOAT32)
    shape = (*flattened(x.shape), units)
    x.emit("EMBEDDING_LOOKUP", inputs=[x.inputs[0], table], shapes=[shape], dtype=DType.FLOAT32)


LAYERS: dict[str, LayerRule] = {
    **MAC_LAYERS,
    **MOVE_LAYERS,
    "AbsVal": _same("ABS"),
    "BNLL": _same("SOFTPLUS"),
    "BatchNorm": _constants("BATCH_NORM", 0, ("slope", "mean", "var", "bias")),
    "Bias": _bias,
    "BinaryOp": _binary,
    "Cast": _cast,
    "Clip": _clip,
    "CumulativeSum": _cumulative_sum,
    "Dequantize": _converted("DEQUANTIZE", DType.FLOAT32),
    "DetectionOutput": _detection_output,
    "Dropout": _dropout,
    "ELU": _same("ELU", alpha=(0, 0.1)),
    "Eltwise": _eltwise,
    "Embed": _embed,
    "Exp": _same("EXP"),
    "GELU": _same("GELU"),
    "GroupNorm": _constants("GROUP_NORM", 1, ("gamma", "beta"), 3),
    "HardSigmoid": _same("HARD_SIGMOID", alpha=(0, 0.2), beta=(1, 0.5)),
    "HardSwish": _same("HARD_SWISH", alpha=(0, 0.2), beta=(1, 0.5)),
    "InstanceNorm": _constants("INSTANCE_NORM", 0, ("gamma", "beta"), 2),
    "LRN": _same("LRN", size=(1, 5), alpha=(2, 1.0), beta=(3, 0.75), bias=(4, 1.0)),
    "LayerNorm": _constants("LAYER_NORM", 0, ("gamma", "beta"), 2),
    "Log": _same("LOG"),
    "MVN": _same("INSTANCE_NORM"),
    "MemoryData": _memory_data,
    "Mish": _same("MISH"),
    "Normalize": _same("L2_NORMALIZATION"),
    "PReLU": _constants("PRELU", 0, ("slope",)),
    "Pooling": _pooling,
    "Power": _same("POW", power=(0, 1.0), scale=(1, 1.0), shift=(2, 0.0)),
    "PriorBox": _prior_box,
    "Quantize": _converted("QUANTIZE", DType.INT8),
    "RMSNorm": _constants("RMS_NORM", 0, ("gamma",), 2),
    "ReLU": _relu,
    "Reduction": _reduction,
    "Requantize": _converted("QUANTIZE", DType.INT8),
    "RotaryEmbed": _rotary_embedding,
    "SELU": _same("ELU", alpha=(0, 1.67326324)),
    "Scale": _scale,
    "Sigmoid": _same("LOGISTIC"),
    "Softmax": _softmax,
    "Softplus": _same("SOFTPLUS"),
    "Swish": _same("SWISH"),
    "TanH": _same("TANH"),
    "UnaryOp": _unary,
    "YoloDetectionOutput": _yolo_detection_output,
    "Yolov3DetectionOutput": _yolo3_detection_output,
}
