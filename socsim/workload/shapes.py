"""Shape rules: the output shapes that an operator must have, from its operands and attributes.

One place for all file formats. Importers that must infer shapes (ncnn) and the check of built graphs use
the same rules. Attributes that a rule reads, beside those of `socsim.workload.operators`:
    output_padding: (rows, columns) of a transposed convolution, or output_shape: the whole result
    ceil_mode: bool of a pool
    broadcast: "leading" aligns operands of fewer dimensions at the first dimension instead of the last
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.nests import cache_shapes, spatial
from socsim.workload.operators import OPERATORS, Category
from socsim.workload.shapes_movement import MOVEMENT_RULES
from socsim.workload.shapes_operands import axis_of, operand, present, same_as_first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from socsim.workload.shapes_operands import Shape, Shapes

    Rule = Callable[[Shapes, Mapping[str, Any]], list[Shape] | None]


def infer_shapes(operator_type: str, input_shapes: Shapes, attributes: Mapping[str, Any]) -> list[Shape] | None:
    """Return the output shapes of an operator.

    Args:
        operator_type: a word of the vocabulary.
        input_shapes: operand shapes in order, None for absent operands.
        attributes: see `socsim.workload.operators`.

    Returns:
        The shapes of the leading outputs, or None where they depend on data or the attributes do not
        determine them.

    Raises:
        ValueError: the operands cannot fit each other; the text says why.
    """
    rule = _RULES.get(operator_type)
    if rule is None:
        return None
    try:
        return rule(input_shapes, attributes)
    except KeyError:
        return None


def broadcast_shapes(shapes: Sequence[Shape], *, leading: bool = False) -> Shape:
    """Return the common shape of operands that broadcast against each other.

    Args:
        shapes: operand shapes, at least one.
        leading: align shorter shapes at the first dimension instead of the last.

    Raises:
        ValueError: two dimensions differ and neither is 1.
    """
    rank = max(len(s) for s in shapes)
    ones = [(1,) * (rank - len(s)) for s in shapes]
    aligned = [s + o if leading else o + s for s, o in zip(shapes, ones, strict=True)]
    result = []
    for dims in zip(*aligned, strict=True):
        found = {d for d in dims if d != 1}
        if len(found) > 1:
            msg = f"operands of shapes {' and '.join(str(s) for s in shapes)} do not broadcast"
            raise ValueError(msg)
        result.append(found.pop() if found else 1)
    return tuple(result)


def window_positions(size: int, kernel: int, stride: int, pads: tuple[int, int], *, ceil: bool = False) -> int:
    """Return how many positions a window takes along one dimension.

    Args:
        size: elements of the dimension.
        kernel: extent of the window, dilation included.
        stride: step between positions.
        pads: elements added before and after.
        ceil: count a last window that ends past the padding, if it starts before it.

    Raises:
        ValueError: the window is larger than the padded dimension, or the stride is not positive.
    """
    if stride < 1 or kernel < 1:
        msg = f"kernel {kernel} and stride {stride} must be at least 1"
        raise ValueError(msg)
    room = size + sum(pads) - kernel
    if room < 0:
        msg = f"a kernel of extent {kernel} does not fit {size} elements with padding {pads[0]} + {pads[1]}"
        raise ValueError(msg)
    count = (-(-room // stride) if ceil else room // stride) + 1
    # The last window of a rounded-up pool must start inside the data or the leading padding.
    return count - 1 if ceil and (count - 1) * stride >= size + pads[0] else count


def _spatial_shape(like: Shape, layout: str, rows: int, columns: int, channels: int) -> Shape:
    tail = (rows, columns, channels) if layout == "NHWC" else (channels, rows, columns)
    return (*like[:-3], *tail)


def _windows(x: Shape, a: Mapping[str, Any]) -> tuple[int, int]:
    _, h, w, _ = spatial(x, a["layout"])
    (r, s), (sh, sw), (dh, dw) = a["kernel"], a["strides"], a.get("dilations", (1, 1))
    top, left, bottom, right = a["pads"]
    ceil = a.get("ceil_mode", False)
    rows = window_positions(h, (r - 1) * dh + 1, sh, (top, bottom), ceil=ceil)
    return rows, window_positions(w, (s - 1) * dw + 1, sw, (left, right), ceil=ceil)


def _is_planar(shape: Shape) -> bool:
    return len(shape) in (3, 4)


# Positions of (output channels, input channels of a group) in the weights.
_CHANNEL_POSITIONS = {
    ("CONV_2D", "NHWC"): (0, 3),
    ("CONV_2D", "NCHW"): (0, 1),
    ("DEPTHWISE_CONV_2D", "NHWC"): (3, 0),
    ("DEPTHWISE_CONV_2D", "NCHW"): (0, 1),
    ("TRANSPOSE_CONV", "NHWC"): (0, 3),
    ("TRANSPOSE_CONV", "NCHW"): (1, 0),
}


def _convolution(operator_type: str) -> Rule:
    def rule(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
        x, weights = operand(shapes, 0), operand(shapes, 1)
        if not _is_planar(x) or len(weights) != 4:
            return None
        channels = spatial(x, a["layout"])[3]
        out_position, in_position = _CHANNEL_POSITIONS[operator_type, a["layout"]]
        groups, out_channels = a.get("groups", 1), weights[out_position]
        if weights[in_position] * groups != channels:
            msg = (
                f"weights {weights} take {weights[in_position]} input channels in each of {groups} groups, "
                f"but the input {x} has {channels}"
            )
            raise ValueError(msg)
        if groups < 1 or out_channels % groups:
            msg = f"{out_channels} output channels do not divide into {groups} groups"
            raise ValueError(msg)
        return [_spatial_shape(x, a["layout"], *_windows(x, a), out_channels)]

    return rule


def _transpose_convolution(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x, weights = operand(shapes, 0), operand(shapes, 1)
    if not _is_planar(x) or len(weights) != 4:
        return None
    layout, groups = a["layout"], a.get("groups", 1)
    _, h, w, channels = spatial(x, layout)
    out_position, in_position = _CHANNEL_POSITIONS["TRANSPOSE_CONV", layout]
    if weights[in_position] != channels:
        msg = f"weights {weights} take {weights[in_position]} input channels, but the input {x} has {channels}"
        raise ValueError(msg)
    if len(shapes) > 3:  # the operand that gives the result's shape
        return None
    if "output_shape" in a:
        return [tuple(a["output_shape"])]
    (r, s), (sh, sw), (dh, dw) = a["kernel"], a["strides"], a.get("dilations", (1, 1))
    top, left, bottom, right = a["pads"]
    extra_h, extra_w = a.get("output_padding", (0, 0))
    rows = (h - 1) * sh + (r - 1) * dh + 1 - top - bottom + extra_h
    columns = (w - 1) * sw + (s - 1) * dw + 1 - left - right + extra_w
    if min(rows, columns) < 1:
        msg = f"the result would have {rows} x {columns} elements"
        raise ValueError(msg)
    return [_spatial_shape(x, layout, rows, columns, weights[out_position] * groups)]


def _pool(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x = operand(shapes, 0)
    if not _is_planar(x):
        return None
    return [_spatial_shape(x, a["layout"], *_windows(x, a), spatial(x, a["layout"])[3])]


def _fully_connected(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x, weights = operand(shapes, 0), operand(shapes, 1)
    if len(weights) != 2:
        msg = f"weights {weights} must have two dimensions"
        raise ValueError(msg)
    units, depth = weights if a.get("transpose_b", True) else weights[::-1]
    if depth < 1 or prod(x) % depth:
        msg = f"the input {x} has {prod(x)} elements, not a multiple of the {depth} that weights {weights} take"
        raise ValueError(msg)
    rows = x[:-1] if x and x[-1] == depth else (prod(x) // depth,)
    return [(*rows, units)]


def _batch_matmul(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    left, right = operand(shapes, 0), operand(shapes, 1)
    if min(len(left), len(right)) < 2:
        return None
    m, k = left[-2:][::-1] if a.get("transpose_a", False) else left[-2:]
    depth, n = right[-2:][::-1] if a.get("transpose_b", False) else right[-2:]
    if k != depth:
        msg = f"operands {left} and {right} have {k} and {depth} elements along the summed dimension"
        raise ValueError(msg)
    return [(*broadcast_shapes([left[:-2] or (1,), right[:-2] or (1,)]), m, n)[-max(len(left), len(right)) :]]


def _attention(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    query, key, value = (operand(shapes, i) for i in range(3))
    if len(query) != len(key) or len(query) < 3:
        return None
    # Operands of three dimensions may hold several heads side by side: [batch, rows, heads x width].
    packed = len(query) == 3 and "heads" in a
    heads, key_heads = (max(a["heads"], 1), max(a["key_heads"], 1)) if packed else (1, 1)
    if query[-1] * key_heads != key[-1] * heads:
        widths = f"{query[-1] // heads} and {key[-1] // key_heads}"
        msg = f"query {query} and key {key} have heads of {widths} elements"
        raise ValueError(msg)
    if key[-2] != value[-2]:
        msg = f"key {key} and value {value} have {key[-2]} and {value[-2]} rows"
        raise ValueError(msg)
    caches = [(*cache[:-2], cache[-2] + key[-2], cache[-1]) for cache in cache_shapes(shapes)]
    return [(*query[:-1], value[-1] // key_heads * heads), *caches]


def _elementwise(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    return [broadcast_shapes(present(shapes), leading=a.get("broadcast") == "leading")]


def _select(shapes: Shapes, _a: Mapping[str, Any]) -> list[Shape]:
    condition, *branches = (operand(shapes, i) for i in range(3))
    result = broadcast_shapes(branches)
    # The older form of the operator takes a vector that selects whole rows.
    if len(condition) == 1 and condition == result[:1]:
        return [result]
    return [broadcast_shapes([condition, result])]


def _reduction(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape] | None:
    x, keep = operand(shapes, 0), a["keep_dims"]
    axes = {axis_of(axis, len(x)) for axis in a["axes"]}
    if not axes:
        return None
    return [tuple(1 if i in axes else d for i, d in enumerate(x) if keep or i not in axes)]


def _arg_reduction(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x = operand(shapes, 0)
    axis = axis_of(a["axis"], len(x))
    middle = (1,) if a.get("keep_dims", False) else ()
    return [(*x[:axis], *middle, *x[axis + 1 :])]


def _top_k(shapes: Shapes, a: Mapping[str, Any]) -> list[Shape]:
    x = operand(shapes, 0)
    axis = axis_of(a.get("axis", -1), len(x))
    return [(*x[:axis], a["k"], *x[axis + 1 :])] * 2


# Element-wise types with one data operand; the others broadcast.
_UNARY = (
    "ABS", "NEG", "SQUARE", "SQRT", "RSQRT", "EXP", "LOG", "SIN", "COS", "ERF", "FLOOR", "CEIL", "ROUND",
    "SIGN", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "ELU", "LOGISTIC",
    "TANH", "HARD_SWISH", "HARD_SIGMOID", "GELU", "SWISH", "MISH", "SOFTPLUS", "CLIP", "QUANTIZE",
    "DEQUANTIZE", "CAST", "LOGICAL_NOT", "BATCH_NORM", "ROTARY_EMBEDDING",
)  # fmt: skip

_RULES: dict[str, Rule] = {
    **{name: _elementwise for name, spec in OPERATORS.items() if spec.category is Category.ELEMENTWISE},
    **{name: _reduction for name, spec in OPERATORS.items() if spec.category is Category.REDUCTION},
    **{name: same_as_first for name, spec in OPERATORS.items() if spec.category is Category.NORMALISATION},
    **dict.fromkeys(_UNARY, same_as_first),
    **MOVEMENT_RULES,
    "CONV_2D": _convolution("CONV_2D"),
    "DEPTHWISE_CONV_2D": _convolution("DEPTHWISE_CONV_2D"),
    "TRANSPOSE_CONV": _transpose_convolution,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "ATTENTION": _attention,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "SELECT": _select,
    "ARG_MAX": _arg_reduction,
    "ARG_MIN": _arg_reduction,
    "CUMSUM": same_as_first,
    "TOPK": _top_k,
}
