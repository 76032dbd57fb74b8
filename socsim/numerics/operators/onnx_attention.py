"""ATTENTION and ROTARY_EMBEDDING of ONNX on real values, in float32 with the softmax in float64.

Source: ONNX operators Attention (opsets 23 to 25) and RotaryEmbedding; com.microsoft MultiHeadAttention
(microsoft/onnxruntime contrib_ops/cpu/bert/multihead_attention.cc).
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import implements
from socsim.numerics.operators.onnx_affine import filled
from socsim.numerics.operators.operands import unsupported

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


@implements("ATTENTION")
def prepare_attention(node: Node) -> Run:
    """Softmax(Q x K^T) x V for each head, with mask, cache, window and cap where the file has them."""
    if any(t is not None and t.dtype.is_integer and t.quantization for t in node.inputs):
        raise unsupported(node, node.input(0))
    if node.op.source_type == "MultiHeadAttention":
        return _multi_head(node)
    heads, key_heads = node.attributes["heads"], node.attributes["key_heads"]
    positions = node.attributes.get("result_positions", range(len(node.outputs)))

    def run(*operands: Array | None) -> tuple[Array, ...]:
        q, k, v, mask, past_key, past_value, lengths = filled(operands, 7)
        query, key, value = _parted(q, heads), _parted(k, key_heads), _parted(v, key_heads)
        past = 0
        if past_key is not None and past_value is not None:
            past = past_key.shape[2]
            key, value = np.concatenate((past_key, key), axis=2), np.concatenate((past_value, value), axis=2)
        bias = _bias(node, query, key, _as_bias(mask), past, lengths)
        y, shown = _attended(node, query, key, value, bias)
        whole = _joined(y) if q is not None and q.ndim == 3 else y
        every = (whole.astype(_dtype(q)), key, value, shown.astype(_dtype(q)))
        return tuple(np.ascontiguousarray(every[i]) for i in positions)

    return run


def _dtype(array: Array | None) -> np.dtype[np.generic]:
    return np.dtype(np.float32) if array is None else array.dtype


def _parted(x: Array | None, heads: int) -> Array:
    """Return [batch, length, heads x size] as [batch, heads, length, size]; four dimensions stay."""
    if x is None or x.ndim == 4:
        return np.asarray(x)
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(0, 2, 1, 3)


def _joined(x: Array) -> Array:
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def _as_bias(mask: Array | None) -> Array | None:
    """Return a mask as what is added to the products: choices become 0 and minus infinity."""
    if mask is None or mask.dtype != np.bool_:
        return mask
    return np.where(mask, np.float32(0), np.float32(-np.inf))


def _bias(node: Node, query: Array, key: Array, mask: Array | None, past: int, lengths: Array | None) -> Array:
    """Return what is added to the products, in a shape that broadcasts with [batch, heads, queries, keys]."""
    queries, keys = query.shape[2], key.shape[2]
    bias = np.zeros((1, 1, queries, keys))
    if mask is not None:
        missing = keys - mask.shape[-1]
        widths = [*[(0, 0)] * (mask.ndim - 1), (0, max(missing, 0))]
        bias = bias + np.pad(mask.astype(np.float64), widths, constant_values=-np.inf)
    start = np.full((1, 1, 1, 1), past) if lengths is None else lengths.reshape(-1, 1, 1, 1) - queries
    distance = start + np.arange(queries).reshape(-1, 1) - np.arange(keys)
    allowed = np.ones(distance.shape, np.bool_)
    if node.attributes.get("is_causal"):
        allowed &= distance >= 0
    left, right = (node.attributes.get(side, -1) for side in ("left_window", "right_window"))
    if left >= 0:
        allowed &= distance <= left
    if right >= 0:
        allowed &= -distance <= right
    if lengths is not None:
        allowed = allowed & (np.arange(keys) < lengths.reshape(-1, 1, 1, 1))
    return np.where(allowed, bias, -np.inf)


def _attended(node: Node, query: Array, key: Array, value: Array, bias: Array) -> tuple[Array, Array]:
    """Return the values that queries attend to, and the products in the stage that the file asks for.

    Stages are numbered: the products, then capped, masked, and as shares of one. A query that may attend to
    nothing gives zeros.
    """
    if query.shape[1] % key.shape[1]:
        raise NumericsError(f"{node.where}: {query.shape[1]} heads of queries for {key.shape[1]} of keys")
    repeats = query.shape[1] // key.shape[1]
    key, value = (np.repeat(x, repeats, axis=1) for x in (key, value))
    scale, cap = node.attributes.get("scale"), node.attributes.get("softcap", 0.0)
    factor = sqrt(1 / sqrt(query.shape[3]) if scale is None else scale)
    narrow = query.dtype.type(factor)
    products = np.matmul((query * narrow).astype(np.float32), (key * narrow).astype(np.float32).swapaxes(2, 3))
    capped = np.tanh(products / cap) * cap if cap > 0 else products
    biased = capped + bias
    with np.errstate(all="ignore"):
        powers = np.exp(biased - biased.max(axis=-1, keepdims=True))
        shares = powers / powers.sum(axis=-1, keepdims=True)
    shares = np.where(np.isneginf(bias.max(axis=-1, keepdims=True)), 0.0, shares).astype(query.dtype)
    stages = [products, capped, biased, shares]
    shown = stages[node.attributes.get("qk_output", 0)]
    return np.matmul(shares.astype(np.float32), value.astype(np.float32)), shown


def _multi_head(node: Node) -> Run:
    """Return com.microsoft MultiHeadAttention: operands are Q, K, V, a bias of all three, and two masks."""
    heads = node.attributes["heads"]

    def run(*operands: Array | None) -> tuple[Array, ...]:
        q, k, v, bias, key_mask, added = filled(operands, 6)
        if q is None or k is None or v is None:
            raise NumericsError(f"{node.where}: queries, keys and values are needed")
        widths = (q.shape[2], q.shape[2] + k.shape[2])
        parts = [0, 0, 0] if bias is None else np.split(bias, widths)
        query, key, value = (_parted(x + part, heads) for x, part in zip((q, k, v), parts, strict=True))
        mask = np.zeros((1, 1, 1, key.shape[2])) if key_mask is None else _key_mask(node, key_mask, key)
        mask = mask if added is None else mask + added
        return (_joined(_attended(node, query, key, value, mask)[0]).astype(q.dtype),)

    return run


_MASKED = float(np.finfo(np.float32).min)  # ONNX Runtime's bias of a masked key


def _key_mask(node: Node, mask: Array, key: Array) -> Array:
    """Return the bias of a mask of keys: numbers of valid keys, or [batch, keys] of 1 and 0."""
    batch, keys = key.shape[0], key.shape[2]
    if mask.ndim == 1 and mask.size == batch:
        valid = np.arange(keys) < mask.reshape(batch, 1)
    elif mask.shape == (batch, keys):
        valid = mask != 0
    else:
        raise NumericsError(f"{node.where}: a mask of keys of shape {mask.shape}; ({batch},) and ({batch}, {keys}) are")
    return np.where(valid, 0.0, _MASKED).reshape(batch, 1, 1, keys)


@implements("ROTARY_EMBEDDING")
def prepare_rotary_embedding(node: Node) -> Run:
    """Pairs of elements turned by angles of their position, given as cosines and sines."""
    a, shape = node.attributes, node.input(0).shape
    if len(shape) not in (3, 4) or (len(shape) == 3 and not a["heads"]):
        raise NumericsError(f"{node.where}: {shape} needs four dimensions, or three and num_heads")
    size = shape[3] if len(shape) == 4 else shape[2] // a["heads"]
    turned = a["rotary_dim"] or size
    halves = (slice(0, turned, 2), slice(1, turned, 2)) if a["interleaved"] else _halves(turned)

    def run(x: Array, cosines: Array, sines: Array, places: Array | None = None) -> tuple[Array, ...]:
        rows = x.transpose(0, 2, 1, 3) if x.ndim == 4 else x.reshape(*shape[:2], a["heads"], size)
        cos, sin = (t if places is None else t[places] for t in (cosines, sines))
        cos, sin = cos[:, :, None, :], sin[:, :, None, :]
        out = rows.copy()
        out[..., halves[0]] = cos * rows[..., halves[0]] - sin * rows[..., halves[1]]
        out[..., halves[1]] = sin * rows[..., halves[0]] + cos * rows[..., halves[1]]
        return (np.ascontiguousarray(out.transpose(0, 2, 1, 3) if x.ndim == 4 else out.reshape(shape)),)

    return run


def _halves(size: int) -> tuple[slice, slice]:
    return slice(0, size // 2), slice(size // 2, size)
