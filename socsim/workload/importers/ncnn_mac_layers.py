"""Rules of ncnn layers with weights or matrix products.

Source: Tencent/ncnn, docs/developer-guide/operators.md, and the load_param and forward functions of
src/layer/{convolution,convolutiondepthwise,deconvolution,innerproduct,gemm,sdpa,multiheadattention,lstm,
gru}.cpp.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers.ncnn_context import LAYOUT, LayerContext, UnsupportedOptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.workload.shapes_operands import Shape

    LayerRule = Callable[[LayerContext], None]

_SAME_UPPER, _SAME_LOWER = -233, -234
_REQUANTIZED = 100  # int8_scale_term above this writes int8 for the next layer


def same_pads(size: int, kernel: int, stride: int, *, lower: bool) -> tuple[int, int]:
    """Return the padding before and after that makes ceil(size / stride) positions of a window."""
    total = max(kernel + (size - 1) // stride * stride - size, 0)
    less, more = total // 2, total - total // 2
    return (more, less) if lower else (less, more)


def _pair(x: LayerContext, row_key: int, column_key: int, default: int = 0) -> tuple[int, int]:
    """Return (rows, columns) of a size whose row value defaults to its column value."""
    columns = x.positive(column_key, default)
    return x.positive(row_key, columns), columns


def _pads(x: LayerContext, kernel: tuple[int, int], strides: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return (top, left, bottom, right), SAME resolved; `kernel` is the extent with dilation."""
    left = x.integer(4)
    top = x.integer(14, left)
    if left in (_SAME_UPPER, _SAME_LOWER):
        h, w = x.shape[-2:] if len(x.shape) == 3 else (1, 1)
        lower = left == _SAME_LOWER
        vertical = same_pads(h, kernel[0], strides[0], lower=lower)
        horizontal = same_pads(w, kernel[1], strides[1], lower=lower)
        return vertical[0], horizontal[0], vertical[1], horizontal[1]
    pads = (top, left, x.integer(16, top), x.integer(15, left))
    if min(pads) < 0:
        msg = f"padding {pads} (top, left, bottom, right) is negative"
        raise ValueError(msg)
    return pads


def _window(x: LayerContext) -> dict[str, Any]:
    kernel, strides, dilations = _pair(x, 11, 1), _pair(x, 13, 3, 1), _pair(x, 12, 2, 1)
    extent = ((kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1)
    pads = _pads(x, extent, strides)
    return {"layout": LAYOUT, "kernel": kernel, "strides": strides, "dilations": dilations, "pads": pads}


def _precision(x: LayerContext, key: int) -> tuple[DType, DType, dict[str, Any]]:
    """Return the element types of weights and result, and the attribute of layers that compute in int8.

    A float blob stays float: the layer quantizes its own copy when it runs.
    """
    term = x.integer(key)
    if not term:
        return DType.FLOAT32, DType.FLOAT32, {}
    result = DType.INT8 if term > _REQUANTIZED else DType.FLOAT32
    return DType.INT8, result, {"compute_dtype": "int8"}


def _divided(what: str, value: int, groups: int) -> int:
    if value % groups:
        msg = f"{value} {what} channels do not divide into {groups} groups"
        raise ValueError(msg)
    return value // groups


def _weights_and_bias(x: LayerContext, shape: Shape, dtype: DType, *, bias: int) -> list[int]:
    weights = [x.constant("weight", shape, dtype)]
    return [*weights, x.constant("bias", (bias,))] if bias else weights


def _convolution(x: LayerContext, *, grouped: bool = False) -> None:
    x.needs(1)
    if x.integer(19):
        msg = "dynamic_weight (the weights are a blob)"
        raise UnsupportedOptionError(msg)
    window = _window(x)
    if len(x.shape) == 1 and window["kernel"] == (1, 1) and not grouped:
        _dense(x, units=x.positive(0), size_key=6, bias=x.integer(5))
        return
    channels, out = x.planes()[0], x.positive(0)
    groups = x.positive(7, 1) if grouped else 1
    shape = (out, _divided("input", channels, groups), *window["kernel"])
    _divided("output", out, groups)
    x.weights_size(6, prod(shape))
    weight_type, result, precision = _precision(x, 8)
    operands = [*x.inputs[:1], *_weights_and_bias(x, shape, weight_type, bias=out if x.integer(5) else 0)]
    depthwise = groups > 1 and groups == channels
    attributes = {**window, "groups": groups, **x.activation(), **precision}
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    x.emit(name, attributes, inputs=operands, dtype=result)


def _depthwise_convolution(x: LayerContext) -> None:
    _convolution(x, grouped=True)


def _deconvolution(x: LayerContext, *, grouped: bool = False) -> None:
    if x.integer(28):
        msg = "dynamic_weight (the weights are a blob)"
        raise UnsupportedOptionError(msg)
    window, channels, out = _window_of_deconvolution(x), x.planes()[0], x.positive(0)
    groups = x.positive(7, 1) if grouped else 1
    _divided("input", channels, groups)
    shape = (channels, _divided("output", out, groups), *window["kernel"])
    x.weights_size(6, prod(shape))
    weight_type, result, precision = _precision(x, 8)
    operands = [*x.inputs[:1], *_weights_and_bias(x, shape, weight_type, bias=out if x.integer(5) else 0)]
    attributes = {**window, "groups": groups, **x.activation(), **precision}
    x.emit("TRANSPOSE_CONV", attributes, inputs=operands, dtype=result)


def _window_of_deconvolution(x: LayerContext) -> dict[str, Any]:
    """Return the window attributes; a given output size decides the padding that is cut off."""
    kernel, strides, dilations = _pair(x, 11, 1), _pair(x, 13, 3, 1), _pair(x, 12, 2, 1)
    extra_w, out_w, left = x.integer(18), x.integer(20), x.integer(4)
    extra, wanted = (x.integer(19, extra_w), extra_w), (x.integer(21, out_w), out_w)
    top = x.integer(14, left)
    pads = (top, left, x.integer(16, top), x.integer(15, left))
    if max(pads) <= 0 and min(wanted) > 0:
        sizes = zip(x.planes()[1:], strides, kernel, dilations, extra, strict=True)
        found = [(n - 1) * s + (k - 1) * d + 1 + e for n, s, k, d, e in sizes]
        lower = left == _SAME_LOWER
        vertical, horizontal = (_cut(f, w, lower=lower) for f, w in zip(found, wanted, strict=True))
        pads = (vertical[0], horizontal[0], vertical[1], horizontal[1])
    window = {"layout": LAYOUT, "kernel": kernel, "strides": strides, "dilations": dilations}
    return {**window, "pads": tuple(max(p, 0) for p in pads), "output_padding": extra}


def _cut(found: int, wanted: int, *, lower: bool) -> tuple[int, int]:
    total = max(found - wanted, 0)
    less, more = total // 2, total - total // 2
    return (more, less) if lower else (less, more)


def _depthwise_deconvolution(x: LayerContext) -> None:
    _deconvolution(x, grouped=True)


def _dense(x: LayerContext, *, units: int, size_key: int, bias: int) -> None:
    size = x.integer(size_key)
    depth = size // units
    rows = x.shape[:-1] if len(x.shape) == 2 and x.shape[-1] == depth else ()
    expected = x.shape[-1] if rows else prod(x.shape)
    x.weights_size(size_key, units * expected)
    weight_type, result, precision = _precision(x, 8)
    operands = [*x.inputs[:1], *_weights_and_bias(x, (units, depth), weight_type, bias=units if bias else 0)]
    attributes = {"transpose_b": True, **x.activation(), **precision}
    x.emit("FULLY_CONNECTED", attributes, inputs=operands, shapes=[(*rows, units)], dtype=result)


def _inner_product(x: LayerContext) -> None:
    _dense(x, units=x.positive(0), size_key=2, bias=x.integer(1))


def _gemm_types(x: LayerContext) -> tuple[DType, dict[str, Any]]:
    """Return the type of constant operands and the attribute of layers that compute in int8.

    From 400 on, quantize_term is 100 x bits of weights quantized in blocks; the products are float.
    """
    term = x.integer(18)
    if term < 400:
        return (DType.INT8, {"compute_dtype": "int8"}) if term else (DType.FLOAT32, {})
    by_bits = {4: DType.INT4, 8: DType.INT8}
    if term // 100 not in by_bits:
        msg = f"quantize_term {term} ({term // 100}-bit weights)"
        raise UnsupportedOptionError(msg)
    return by_bits[term // 100], {}


def _gemm(x: LayerContext) -> None:
    m, n, k = x.integer(7), x.integer(8), x.integer(9)
    dtype, precision = _gemm_types(x)
    trans_a, trans_b = bool(x.integer(2)), bool(x.integer(3))
    blobs = list(x.inputs)
    stored = ((4, "A", (k, m) if trans_a else (m, k)), (5, "B", (n, k) if trans_b else (k, n)))
    operands: list[int] = []
    for key, name, shape in stored:
        if not x.integer(key) and not blobs:
            msg = f"operand {name} is neither constant nor an input"
            raise ValueError(msg)
        operands.append(x.constant(name, shape, dtype) if x.integer(key) else blobs.pop(0))
    a_shape, b_shape = (_matrix(x.describe(i)) for i in operands)
    rows, depth = a_shape[::-1] if trans_a else a_shape
    b_depth, columns = b_shape[::-1] if trans_b else b_shape
    if depth != b_depth:
        msg = f"operands {a_shape} and {b_shape} have {depth} and {b_depth} elements along the summed dimension"
        raise ValueError(msg)
    operands += _gemm_addend(x, (m, n), blobs)
    attributes: dict[str, Any] = {"transpose_b": trans_b, "activation": "NONE", **precision}
    dense = x.integer(5) and not x.integer(4) and not trans_a
    if dense and all(prod(x.describe(i)) == columns for i in operands[2:]):
        name = "FULLY_CONNECTED"
    else:
        name, attributes["transpose_a"] = "BATCH_MATMUL", trans_a
    shapes = [_gemm_output(x, rows, columns)]
    x.emit(name, attributes, inputs=operands, shapes=shapes, dtype=DType.FLOAT32)


def _matrix(shape: Shape) -> tuple[int, int]:
    """Return (rows, columns) of a matrix operand, whose rows may lie in the channels."""
    return (shape[0] if len(shape) > 1 else 1), shape[-1]


def _gemm_addend(x: LayerContext, constant_size: tuple[int, int], blobs: list[int]) -> list[int]:
    """Return the tensor of the added operand, if there is one."""
    if not x.integer(6):
        return blobs[:1]
    m, n = constant_size
    form = x.integer(10)
    shapes: dict[int, Shape] = {0: (1,), 1: (m,), 2: (m, 1), 3: (m, n), 4: (n,)}
    if form == -1:
        return []
    if form not in shapes:
        msg = f"constant_broadcast_type_C (parameter 10) is {form}; it must be -1 to 4"
        raise ValueError(msg)
    return [x.constant("C", shapes[form])]


def _gemm_output(x: LayerContext, rows: int, columns: int) -> Shape:
    shape = (columns, rows) if x.integer(14) else (rows, columns)
    return (shape[0], 1, shape[1]) if x.integer(11) else shape


def _attention(x: LayerContext) -> None:
    masked, cached = bool(x.integer(5)), bool(x.integer(7))
    x.needs(3 + masked + 2 * cached)
    query, key, value, *rest = x.layer.inputs
    for name in (query, key, value):
        if len(x.blobs.shape(name)) != 3:
            msg = f"the input {name!r} {x.blobs.shape(name)} must have three dimensions (heads, rows, elements)"
            raise ValueError(msg)
    mask = rest[0] if masked else None
    caches = rest[masked : masked + 2] if cached else []
    for cache, new in zip(caches, (key, value), strict=False):
        _complete_cache(x, cache, new, mask)
    at = x.blobs.index
    operands = [at(query), at(key), at(value), None if mask is None else at(mask), *(at(c) for c in caches)]
    heads, groups = x.blobs.shape(query)[0], x.blobs.shape(key)[0]
    _divided("query", heads, max(groups, 1))
    _check_caches(x, caches, (key, value))
    rows = x.blobs.shape(key)[-2] + (x.blobs.shape(caches[0])[-2] if caches else 0)
    if mask is not None and x.blobs.shape(mask)[-1] != rows:
        msg = f"the mask {mask!r} {x.blobs.shape(mask)} must have {rows} columns, one for each key row"
        raise ValueError(msg)
    precision = {"compute_dtype": "int8"} if x.integer(18) else {}
    x.emit("ATTENTION", {"scale": x.number(6, 0.0), **precision}, inputs=operands, dtype=DType.FLOAT32)


def _check_caches(x: LayerContext, caches: Sequence[str], new: tuple[str, str]) -> None:
    for cache, name in zip(caches, new, strict=False):
        found, wanted = x.blobs.shape(cache), x.blobs.shape(name)
        if len(found) != 3 or (found[0], found[2]) != (wanted[0], wanted[2]):
            msg = f"the cache {cache!r} {found} must be like the new rows {wanted}, apart from their number"
            raise ValueError(msg)


def _complete_cache(x: LayerContext, cache: str, new: str, mask: str | None) -> None:
    """Give a cache input the shape that the mask leaves for it: the mask's columns less the new rows."""
    if cache not in x.blobs.pending:
        return
    heads, rows, size = x.blobs.shape(new)
    past = x.blobs.shape(mask)[-1] - rows if mask else 0
    x.blobs.add(cache, (heads, max(past, 0), size), DType.FLOAT32, TensorKind.INPUT)
    x.blobs.pending.discard(cache)


def _multi_head_attention(x: LayerContext) -> None:
    if x.integer(7):
        msg = "kv_cache"
        raise UnsupportedOptionError(msg)
    masked = bool(x.integer(5))
    x.needs(1 + masked)
    embed, heads, size = x.positive(0), x.positive(1, 1), x.positive(2)
    query_size, key_size, value_size = size // embed, x.positive(3, embed), x.positive(4, embed)
    data = x.inputs[: len(x.inputs) - masked]
    query, key, value = (data[min(i, len(data) - 1)] for i in range(3))
    for index, width in ((query, query_size), (key, key_size), (value, value_size)):
        if len(x.describe(index)) != 2 or x.describe(index)[1] != width:
            msg = f"the input {x.describe(index)} must have two dimensions, the last of {width} elements"
            raise ValueError(msg)
    _divided("embedding", embed, heads)
    dtype, precision = _gemm_types(x)
    widths = (
        ("q", embed, query_size),
        ("k", embed, key_size),
        ("v", embed, value_size),
        ("out", query_size, embed),
    )
    weights = [
        index
        for name, rows, columns in widths
        for index in (
            x.constant(f"{name}_weight", (rows, columns), dtype),
            x.constant(f"{name}_bias", (rows,)),
        )
    ]
    attributes = {
        "embed_dim": embed, "heads": heads, "key_rows": x.describe(key)[0], "key_dim": key_size,
        "value_dim": value_size, **precision,
    }  # fmt: skip
    operands = [query, key, value, x.inputs[-1] if masked else None, *weights]
    shapes = [(x.describe(query)[0], query_size)]
    x.emit("MULTI_HEAD_ATTENTION", attributes, inputs=operands, shapes=shapes, dtype=DType.FLOAT32)


def _recurrent(operator_type: str, gates: int, bias_rows: int) -> LayerRule:
    def rule(x: LayerContext) -> None:
        if len(x.shape) != 2:
            msg = f"the input {x.shape} must have two dimensions (steps, features)"
            raise ValueError(msg)
        (steps, features), units = x.shape, x.positive(0)
        hidden = x.positive(3, units) if operator_type == "LSTM" else units
        ways = 2 if x.integer(2) == 2 else 1
        x.weights_size(1, ways * gates * hidden * features)
        weight_type, _, precision = _precision(x, 8)
        weights = [
            x.constant("weight_xc", (ways, gates * hidden, features), weight_type),
            x.constant("bias_c", (ways, bias_rows, hidden)),
            x.constant("weight_hc", (ways, gates * hidden, units), weight_type),
        ]
        if hidden != units:
            weights.append(x.constant("weight_hr", (ways, units, hidden), weight_type))
        states = [(ways, units), (ways, hidden)][: len(x.layer.outputs) - 1]
        operands = [*x.inputs, *weights]
        attributes = {
            "units": hidden, "recurrent_size": units, "has_projection": hidden != units, "directions": ways,
            **precision,
        }  # fmt: skip
        x.emit(
            operator_type,
            attributes,
            inputs=operands,
            shapes=[(steps, ways * units), *states],
            dtype=DType.FLOAT32,
        )

    return rule


def _mat_mul(x: LayerContext) -> None:
    x.emit("BATCH_MATMUL", {"transpose_a": False, "transpose_b": bool(x.integer(0))})


MAC_LAYERS: dict[str, LayerRule] = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _depthwise_convolution,
    "Deconvolution": _deconvolution,
    "DeconvolutionDepthWise": _depthwise_deconvolution,
    "InnerProduct": _inner_product,
    "Gemm": _gemm,
    "MatMul": _mat_mul,
    "SDPA": _attention,
    "MultiHeadAttention": _multi_head_attention,
    "LSTM": _recurrent("LSTM", gates=4, bias_rows=4),
    "GRU": _recurrent("GRU", gates=3, bias_rows=4),
}
