"""Loop nests of multiply-accumulate operators, from shapes and attributes alone.

One place for all file formats, so that MAC counts cannot differ between importers.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.workload.loops import LoopNest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Shape = tuple[int, ...]
    Shapes = Sequence[Shape | None]


def loop_nests(
    operator_type: str, inputs: Shapes, outputs: Shapes, attributes: Mapping[str, Any]
) -> tuple[LoopNest, ...]:
    """Return the loop nests of an operator; empty for one that multiplies nothing.

    Args:
        operator_type: a word of the vocabulary.
        inputs: operand shapes in order, None for absent operands.
        outputs: result shapes in order.
        attributes: see `socsim.workload.operators`.
    """
    build = _NESTS.get(operator_type)
    return build(inputs, outputs, attributes) if build else ()


def spatial(shape: Shape, layout: str) -> tuple[int, int, int, int]:
    """Return (batch, rows, columns, channels) of a four-dimensional activation.

    Shapes of three dimensions, which ncnn writes without a batch, have batch 1.
    """
    n, *rest = shape if len(shape) == 4 else (1, *shape)
    if layout == "NHWC":
        h, w, c = rest
    else:
        c, h, w = rest
    return n, h, w, c


def cache_shapes(inputs: Shapes) -> tuple[Shape, ...]:
    """Return the shapes of the keys and values that ATTENTION has cached, empty where there are none.

    They are operands 4 and 5 (after query, key, value and mask), alike in rank; the new rows follow them.
    """
    key, value = (*inputs[4:6], None, None)[:2]
    if key is None or value is None or len(key) != len(value) or len(key) < 3:
        return ()
    return key, value


def _shape(shapes: Shapes, position: int) -> Shape:
    shape = shapes[position]
    if shape is None:
        msg = f"operand {position} is absent"
        raise ValueError(msg)
    return shape


def _conv_2d(inputs: Shapes, outputs: Shapes, a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
    _, _, _, in_c = spatial(_shape(inputs, 0), a["layout"])
    n, p, q, out_c = spatial(_shape(outputs, 0), a["layout"])
    groups = a.get("groups", 1)
    (r, s), (sh, sw), (dh, dw) = a["kernel"], a["strides"], a["dilations"]
    return (LoopNest(n, groups, out_c // groups, in_c // groups, p, q, r, s, sh, sw, dh, dw, is_convolution=True),)


def _transpose_conv(inputs: Shapes, outputs: Shapes, a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
    n, h, w, in_c = spatial(_shape(inputs, 0), a["layout"])
    _, out_h, out_w, out_c = spatial(_shape(outputs, 0), a["layout"])
    groups = a.get("groups", 1)
    r, s = a["kernel"]
    return (
        LoopNest(
            n, groups, out_c // groups, in_c // groups, h, w, r, s, is_convolution=True, output_positions=out_h * out_w
        ),
    )


def _fully_connected(inputs: Shapes, _outputs: Shapes, a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
    weights = _shape(inputs, 1)
    k, c = weights if a.get("transpose_b", True) else weights[::-1]
    return (LoopNest(k=k, c=c, p=prod(_shape(inputs, 0)) // c if c else 0),)


def _batch_matmul(inputs: Shapes, outputs: Shapes, a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
    left = _shape(inputs, 0)
    *batch, m, n = _shape(outputs, 0)
    depth = left[-2] if a.get("transpose_a", False) else left[-1]
    return (LoopNest(g=prod(batch), k=n, c=depth, p=m),)


def _attention(inputs: Shapes, _outputs: Shapes, a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
    *batch, m, d = _shape(inputs, 0)
    past = cache_shapes(inputs)
    rows = _shape(inputs, 1)[-2] + (past[0][-2] if past else 0)
    value = _shape(inputs, 2)[-1]
    heads = prod(batch)
    if len(batch) == 1 and "heads" in a:  # [batch, rows, heads x width]
        heads, d, value = heads * a["heads"], d // a["heads"], value // a["key_heads"]
    return (LoopNest(g=heads, k=rows, c=d, p=m), LoopNest(g=heads, k=value, c=rows, p=m))


def _multi_head_attention(inputs: Shapes, outputs: Shapes, a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
    m, q_dim = _shape(inputs, 0)[-2:]
    rows, k_dim, v_dim = a["key_rows"], a["key_dim"], a["value_dim"]
    embed, heads = a["embed_dim"], a["heads"]
    d = embed // heads
    return (
        LoopNest(k=embed, c=q_dim, p=m),
        LoopNest(k=embed, c=k_dim, p=rows),
        LoopNest(k=embed, c=v_dim, p=rows),
        LoopNest(g=heads, k=rows, c=d, p=m),
        LoopNest(g=heads, k=d, c=rows, p=m),
        LoopNest(k=_shape(outputs, 0)[-1], c=embed, p=m),
    )


def _recurrent(gates: int) -> Callable[[Shapes, Shapes, Mapping[str, Any]], tuple[LoopNest, ...]]:
    def build(inputs: Shapes, outputs: Shapes, a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
        x = _shape(inputs, 0)
        units = a.get("units", _shape(outputs, 0)[-1])
        recurrent = a.get("recurrent_size", units)
        width, steps = a.get("gates", gates) * units, prod(x[:-1])
        g = a.get("directions", 1)
        nests = (LoopNest(g=g, k=width, c=x[-1], p=steps), LoopNest(g=g, k=width, c=recurrent, p=steps))
        return (*nests, LoopNest(k=recurrent, c=units, p=steps)) if a.get("has_projection") else nests

    return build


def _svdf(inputs: Shapes, _outputs: Shapes, _a: Mapping[str, Any]) -> tuple[LoopNest, ...]:
    batch, features = _shape(inputs, 0)
    filters = _shape(inputs, 1)[0]
    memory = _shape(inputs, 2)[1]
    return (LoopNest(n=batch, k=filters, c=features), LoopNest(n=batch, g=filters, c=memory))


_NESTS: dict[str, Callable[[Shapes, Shapes, Mapping[str, Any]], tuple[LoopNest, ...]]] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _conv_2d,
    "TRANSPOSE_CONV": _transpose_conv,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "ATTENTION": _attention,
    "MULTI_HEAD_ATTENTION": _multi_head_attention,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "SVDF": _svdf,
}
