"""Attention over rows of tokens, [batch, rows, width], as exporters write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers


def by_head(net: Layers, x: Tensor, heads: int) -> Tensor:
    """Return [batch, heads, rows, width / heads]."""
    n, rows, width = x.shape
    return net.transpose(net.reshape(x, n, rows, heads, width // heads), 0, 2, 1, 3)


def attend(net: Layers, q: Tensor, k: Tensor, v: Tensor, *more: Tensor) -> Tensor:
    """Weigh the rows of `v` by how well those of `k` match `q`, all by head; return [batch, rows, width].

    Args:
        net: draws.
        q: [batch, heads, rows, width of a head].
        k: as `q`, of any rows.
        v: as `k`.
        more: masks and biases that are added to the scores.
    """
    scores = net.apply("MUL", net.matmul(q, k, transpose_b=True), scalar=q.shape[-1] ** -0.5)
    for addend in more:
        scores = net.add(scores, addend)
    y = net.transpose(net.matmul(net.softmax(scores), v), 0, 2, 1, 3)
    n, rows, heads, width = y.shape
    return net.reshape(y, n, rows, heads * width)


def self_attention(net: Layers, x: Tensor, heads: int, *more: Tensor, packed: bool = False) -> Tensor:
    """Attend within `x` with learnt projections before and after.

    Args:
        net: draws.
        x: [batch, rows, width].
        heads: parts of the width that attend for themselves.
        more: as `attend`.
        packed: whether one layer makes query, key and value.
    """
    width = x.shape[-1]
    if packed:
        q, k, v = net.split(net.dense(x, 3 * width), width, width, width, axis=2)
    else:
        q, k, v = (net.dense(x, width) for _ in range(3))
    return net.dense(attend(net, *(by_head(net, t, heads) for t in (q, k, v)), *more), width)


def feed_forward(net: Layers, x: Tensor, hidden: int, act: str = "GELU") -> Tensor:
    """Two layers over the width of each row."""
    return net.dense(net.dense(x, hidden, act=act), x.shape[-1])
