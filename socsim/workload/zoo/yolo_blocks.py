"""Blocks of the YOLO detectors, as they stand in inference: re-parameterised branches merged into one convolution.

Each block takes the draft, what it reads, its channels, how often its inner part repeats, and its own options.

Source: ultralytics/ultralytics nn/modules/block.py and conv.py; WongKinYiu/yolov7 and yolov9 models/common.py;
sunsmarterjie/yolov12; iMoonLab/yolov13 (structures alone).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers, Pair

    Inner = Callable[[Tensor], Tensor]

_HANDED = 64  # channels that one backbone of YOLOv9 E hands to the first level of the other


@dataclass(frozen=True, slots=True)
class Scale:
    """How a size of a detector scales its table.

    Args:
        depth: factor of the repeats.
        width: factor of the channels.
        most: channels are cut to this before they scale.
        large: the sizes m, l and x, which use the deeper inner block everywhere.
        residual: the sizes l and x, which scale and add residuals around attention.
        hyperedges: factor of the hyperedges.
    """

    depth: float = 1.0
    width: float = 1.0
    most: int = 1024
    large: bool = False
    residual: bool = False
    hyperedges: float = 1.0

    def channels(self, wanted: int) -> int:
        """Return the channels of a layer of the table: a multiple of 8, rounded up."""
        return ceil(min(wanted, self.most) * self.width / 8) * 8

    def repeats(self, wanted: int) -> int:
        """Return the repeats of a block of the table."""
        return max(round(wanted * self.depth), 1) if wanted > 1 else wanted


@dataclass(frozen=True, slots=True)
class Draft:
    """Draws convolutions with the activation of one detector; `decoded` is that of its variant."""

    net: Layers
    scale: Scale
    act: str = "SWISH"
    decoded: bool = True

    def conv(
        self, x: Tensor, channels: int, kernel: Pair = 1, stride: Pair = 1, *, groups: int = 1, act: bool = True
    ) -> Tensor:
        """Add a convolution with a folded batch normalisation and the detector's activation."""
        return self.net.conv(x, channels, kernel, stride, groups=groups, act=self.act if act else None)

    def depthwise(self, x: Tensor, kernel: int = 3, stride: int = 1, *, act: bool = True) -> Tensor:
        """Add a depthwise convolution; as `conv`."""
        return self.conv(x, x.shape[1], kernel, stride, groups=x.shape[1], act=act)


# --- convolutions and resampling ----------------------------------------------------------------------


def conv(draft: Draft, x: Tensor, channels: int, _n: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Tensor:
    """Convolution, batch normalisation, activation."""
    return draft.conv(x, channels, kernel, stride, groups=groups)


def focus(draft: Draft, x: Tensor, channels: int, _n: int, kernel: int) -> Tensor:
    """Every second row and column into the channels, then a convolution."""
    rows, columns = x.shape[2:]
    parts = [
        draft.net.apply("STRIDED_SLICE", x, axes=(2, 3), begin=(row, column), end=(rows, columns), strides=(2, 2))
        for column in (0, 1)
        for row in (0, 1)
    ]
    return draft.conv(draft.net.concat(*parts), channels, kernel)


def scdown(draft: Draft, x: Tensor, channels: int, _n: int) -> Tensor:
    """Channels first, then a depthwise convolution with stride 2 and no activation."""
    return draft.depthwise(draft.conv(x, channels), 3, 2, act=False)


def aconv(draft: Draft, x: Tensor, channels: int, _n: int) -> Tensor:
    """Average of 2 x 2, then a convolution with stride 2."""
    return draft.conv(draft.net.avg_pool(x, 2), channels, 3, 2)


def adown(draft: Draft, x: Tensor, channels: int, _n: int) -> Tensor:
    """Half of the channels by convolution, half by maximum, at stride 2."""
    half = x.shape[1] // 2
    left, right = draft.net.split(draft.net.avg_pool(x, 2), half, half)
    left = draft.conv(left, channels // 2, 3, 2)
    right = draft.conv(draft.net.max_pool(right, 3, 2, pad=1), channels // 2)
    return draft.net.concat(left, right)


def dsconv(draft: Draft, x: Tensor, channels: int, _n: int, kernel: int = 3, stride: int = 1) -> Tensor:
    """Depthwise, then 1 x 1, with one normalisation and activation behind both."""
    return draft.conv(draft.net.depthwise(x, kernel, stride, norm=False, bias=False), channels)


def max_pool(draft: Draft, x: Tensor, _channels: int, _n: int) -> Tensor:
    """Maximum of 2 x 2."""
    return draft.net.max_pool(x, 2, 2)


def same_pool(draft: Draft, x: Tensor, _channels: int, _n: int, kernel: int) -> Tensor:
    """Maximum around every position."""
    return draft.net.max_pool(x, kernel, 1, pad=kernel // 2)


# --- cross-stage partial blocks -----------------------------------------------------------------------


def bottleneck(
    draft: Draft, x: Tensor, *, shortcut: bool = True, kernels: tuple[int, int] = (3, 3), expansion: float = 1.0
) -> Tensor:
    """Two convolutions around hidden channels, with a residual."""
    channels = x.shape[1]
    y = draft.conv(draft.conv(x, int(channels * expansion), kernels[0]), channels, kernels[1])
    return draft.net.add(x, y) if shortcut else y


def _repeated(x: Tensor, n: int, inner: Inner) -> Tensor:
    for _ in range(n):
        x = inner(x)
    return x


def _c3(draft: Draft, x: Tensor, channels: int, n: int, inner: Inner) -> Tensor:
    hidden = channels // 2
    left = _repeated(draft.conv(x, hidden), n, inner)
    return draft.conv(draft.net.concat(left, draft.conv(x, hidden)), channels)


def residuals(draft: Draft, x: Tensor, _channels: int, n: int) -> Tensor:
    """Darknet's residual blocks: 1 x 1 to half the channels, then 3 x 3."""
    return _repeated(x, n, lambda y: bottleneck(draft, y, kernels=(1, 3), expansion=0.5))


def c3(draft: Draft, x: Tensor, channels: int, n: int, shortcut: bool = True) -> Tensor:
    """Two ways, one through 1 x 1 and 3 x 3 bottlenecks."""
    return _c3(draft, x, channels, n, lambda y: bottleneck(draft, y, shortcut=shortcut, kernels=(1, 3)))


def c3k(draft: Draft, x: Tensor, channels: int, n: int = 2) -> Tensor:
    """Two ways, one through 3 x 3 bottlenecks."""
    return _c3(draft, x, channels, n, lambda y: bottleneck(draft, y))


def bottleneck_csp(draft: Draft, x: Tensor, channels: int, n: int, shortcut: bool = True) -> Tensor:
    """Two ways that end in plain convolutions; normalisation and activation stand behind their concatenation."""
    net, hidden = draft.net, channels // 2
    left = _repeated(draft.conv(x, hidden), n, lambda y: bottleneck(draft, y, shortcut=shortcut, kernels=(1, 3)))
    parts = [net.conv(y, hidden) for y in (left, x)]  # the normalisation folds into either side
    return draft.conv(net.act(net.concat(*parts), draft.act), channels)


def _c2f(draft: Draft, x: Tensor, channels: int, n: int, inner: Inner, expansion: float = 0.5) -> Tensor:
    hidden = int(channels * expansion)
    parts = draft.net.split(draft.conv(x, 2 * hidden), hidden, hidden)
    for _ in range(n):
        parts.append(inner(parts[-1]))
    return draft.conv(draft.net.concat(*parts), channels)


def c2f(draft: Draft, x: Tensor, channels: int, n: int, shortcut: bool = False) -> Tensor:
    """Every bottleneck's result reaches the end."""
    return _c2f(draft, x, channels, n, lambda y: bottleneck(draft, y, shortcut=shortcut))


def c3k2(
    draft: Draft, x: Tensor, channels: int, n: int, deep: bool, expansion: float = 0.5, attention: bool = False
) -> Tensor:
    """C2f whose inner part is C3k, a narrow bottleneck, or a bottleneck with attention behind it."""

    def inner(y: Tensor) -> Tensor:
        width = y.shape[1]
        if attention:
            return psa_block(draft, bottleneck(draft, y, expansion=0.5), max(width // 64, 1))
        if deep or draft.scale.large:
            return c3k(draft, y, width)
        return bottleneck(draft, y, expansion=0.5)

    return _c2f(draft, x, channels, n, inner, expansion)


def c2fcib(draft: Draft, x: Tensor, channels: int, n: int, large_kernel: bool = False) -> Tensor:
    """C2f whose inner part is a chain of depthwise and 1 x 1 convolutions."""

    def inner(y: Tensor) -> Tensor:
        width = y.shape[1]
        z = draft.conv(draft.depthwise(y), 2 * width)
        z = draft.depthwise(z, 7 if large_kernel else 3)
        return draft.net.add(y, draft.depthwise(draft.conv(z, width)))

    return _c2f(draft, x, channels, n, inner)


def elan1(draft: Draft, x: Tensor, channels: int, _n: int, hidden: int, inner: int) -> Tensor:
    """Split, two convolutions in a row, all parts to the end."""
    parts = draft.net.split(draft.conv(x, hidden), hidden // 2, hidden // 2)
    for _ in range(2):
        parts.append(draft.conv(parts[-1], inner, 3))
    return draft.conv(draft.net.concat(*parts), channels)


def rep_elan(draft: Draft, x: Tensor, channels: int, _n: int, hidden: int, inner: int, repeats: int) -> Tensor:
    """Split, two C3k with a convolution each, all parts to the end (RepNCSPELAN4)."""
    parts = draft.net.split(draft.conv(x, hidden), hidden // 2, hidden // 2)
    for _ in range(2):
        parts.append(draft.conv(c3k(draft, parts[-1], inner, repeats), inner, 3))
    return draft.conv(draft.net.concat(*parts), channels)


def identity(_draft: Draft, x: Tensor, _channels: int, _n: int) -> Tensor:
    """What a later layer reads again."""
    return x


def handover(draft: Draft, x: Tensor, _channels: int, _n: int, parts: int) -> Tensor:
    """One convolution that makes 64, 128, … channels for as many levels of a second backbone."""
    return draft.net.conv(x, _HANDED * (2**parts - 1), norm=False)


def taken_over(draft: Draft, parts: list[Tensor], _channels: int, _n: int, level: int) -> Tensor:
    """Sum of a level's share of each handover, enlarged, and of the second backbone itself."""
    *handed, total = parts
    for x in handed:
        share = draft.net.slice(x, _HANDED * (2**level - 1), _HANDED * 2**level)
        enlarged = share if share.shape[2:] == total.shape[2:] else draft.net.resize(share, *total.shape[2:])
        total = draft.net.add(total, enlarged)
    return total


# --- pyramid pooling ----------------------------------------------------------------------------------


def spp(draft: Draft, x: Tensor, channels: int, _n: int) -> Tensor:
    """Maxima of three window sizes beside the input."""
    y = draft.conv(x, x.shape[1] // 2)
    parts = [y, *(draft.net.max_pool(y, k, 1, pad=k // 2) for k in (5, 9, 13))]
    return draft.conv(draft.net.concat(*parts), channels)


def _chained_pools(draft: Draft, y: Tensor, channels: int) -> Tensor:
    parts = [y]
    for _ in range(3):
        parts.append(draft.net.max_pool(parts[-1], 5, 1, pad=2))
    return draft.conv(draft.net.concat(*parts), channels)


def sppf(draft: Draft, x: Tensor, channels: int, _n: int) -> Tensor:
    """Three pools in a row: the same maxima at less work."""
    return _chained_pools(draft, draft.conv(x, x.shape[1] // 2), channels)


def sppf_residual(draft: Draft, x: Tensor, channels: int, _n: int) -> Tensor:
    """SPPF without activation in front, and with a residual."""
    return draft.net.add(x, _chained_pools(draft, draft.conv(x, x.shape[1] // 2, act=False), channels))


def sppelan(draft: Draft, x: Tensor, channels: int, _n: int, hidden: int) -> Tensor:
    """SPPF with hidden channels of its own."""
    return _chained_pools(draft, draft.conv(x, hidden), channels)


def sppcspc(draft: Draft, x: Tensor, channels: int, _n: int) -> Tensor:
    """Two ways, one through pyramid pooling between convolutions."""
    y = draft.conv(draft.conv(draft.conv(x, channels), channels, 3), channels)
    parts = [y, *(draft.net.max_pool(y, k, 1, pad=k // 2) for k in (5, 9, 13))]
    y = draft.conv(draft.conv(draft.net.concat(*parts), channels), channels, 3)
    return draft.conv(draft.net.concat(y, draft.conv(x, channels)), channels)


# --- attention ----------------------------------------------------------------------------------------


def _attend(draft: Draft, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend with [batch, heads, width, positions]: the scores first, then what they weigh."""
    net = draft.net
    scores = net.apply("BATCH_MATMUL", q, k, transpose_a=True, transpose_b=False)
    scores = net.softmax(net.apply("MUL", scores, scalar=q.shape[2] ** -0.5))
    return net.matmul(v, scores, transpose_b=True)


def _attention(draft: Draft, x: Tensor, heads: int) -> Tensor:
    net = draft.net
    n, c, h, w = x.shape
    width, key = c // heads, c // heads // 2
    qkv = draft.conv(x, c + 2 * key * heads, act=False)
    q, k, v = net.split(net.reshape(qkv, n, heads, 2 * key + width, h * w), key, key, width, axis=2)
    y = net.reshape(_attend(draft, q, k, v), n, c, h, w)
    y = net.add(y, draft.depthwise(net.reshape(v, n, c, h, w), act=False))
    return draft.conv(y, c, act=False)


def _feed_forward(draft: Draft, x: Tensor, ratio: float) -> Tensor:
    return draft.conv(draft.conv(x, int(x.shape[1] * ratio)), x.shape[1], act=False)


def psa_block(draft: Draft, x: Tensor, heads: int) -> Tensor:
    """Attention and two 1 x 1 convolutions, each with a residual."""
    x = draft.net.add(x, _attention(draft, x, heads))
    return draft.net.add(x, _feed_forward(draft, x, 2))


def c2psa(draft: Draft, x: Tensor, _channels: int, n: int) -> Tensor:
    """Half of the channels go through attention."""
    channels = x.shape[1]
    half = channels // 2
    left, right = draft.net.split(draft.conv(x, 2 * half), half, half)
    right = _repeated(right, n, lambda y: psa_block(draft, y, half // 64))
    return draft.conv(draft.net.concat(left, right), channels)


def _area_attention(draft: Draft, x: Tensor, heads: int, areas: int, kernel: int) -> Tensor:
    net = draft.net
    n, c, h, w = x.shape
    width, rows = c // heads, h * w // areas

    def image(y: Tensor) -> Tensor:
        return net.transpose(net.reshape(net.transpose(y, 0, 3, 1, 2), n, h, w, c), 0, 3, 1, 2)

    qkv = net.transpose(net.reshape(draft.conv(x, 3 * c, act=False), n, 3 * c, h * w), 0, 2, 1)
    qkv = net.transpose(net.reshape(qkv, n * areas, rows, heads, 3 * width), 0, 2, 3, 1)
    q, k, v = net.split(qkv, width, width, width, axis=2)
    y = image(_attend(draft, q, k, v))
    return draft.conv(net.add(y, draft.depthwise(image(v), kernel, act=False)), c, act=False)


def a2c2f(
    draft: Draft, x: Tensor, channels: int, n: int, attention: bool, areas: int, ratio: float = 1.2, kernel: int = 7
) -> Tensor:
    """Parts that go through attention over areas of the image (or through C3k), all to the end.

    Args:
        draft: draws.
        x: [batch, channels, rows, columns].
        channels: of the result.
        n: parts.
        attention: whether to attend; C3k otherwise.
        areas: stripes that attend for themselves.
        ratio: hidden channels of the feed-forward net in the sizes l and x; 2 in the others.
        kernel: of the depthwise convolution that encodes the place.
    """
    net, hidden, residual = draft.net, channels // 2, draft.scale.residual
    ratio = ratio if residual else 2.0

    def attend(y: Tensor) -> Tensor:
        for _ in range(2):
            y = net.add(y, _area_attention(draft, y, hidden // 32, areas, kernel))
            y = net.add(y, _feed_forward(draft, y, ratio))
        return y

    parts = [draft.conv(x, hidden)]
    for _ in range(n):
        parts.append(attend(parts[-1]) if attention else c3k(draft, parts[-1], hidden))
    y = draft.conv(net.concat(*parts), channels)
    return net.add(x, net.scaled(y, 1, channels, 1, 1)) if attention and residual else y


# --- hypergraphs and depthwise-separable parts --------------------------------------------------------


def _ds_bottleneck(draft: Draft, x: Tensor, kernels: tuple[int, int], *, shortcut: bool = True) -> Tensor:
    channels = x.shape[1]
    y = dsconv(draft, dsconv(draft, x, channels, 1, kernels[0]), channels, 1, kernels[1])
    return draft.net.add(x, y) if shortcut else y


def _dsc3k(draft: Draft, x: Tensor, hidden: int, *, shortcut: bool = True) -> Tensor:
    channels = x.shape[1]
    left = _repeated(draft.conv(x, hidden), 2, lambda y: _ds_bottleneck(draft, y, (3, 7), shortcut=shortcut))
    return draft.conv(draft.net.concat(left, draft.conv(x, hidden)), channels)


def dsc3k2(draft: Draft, x: Tensor, channels: int, n: int, deep: bool, expansion: float = 0.5) -> Tensor:
    """C2f of depthwise-separable parts."""

    def inner(y: Tensor) -> Tensor:
        return _dsc3k(draft, y, y.shape[1]) if deep or draft.scale.residual else _ds_bottleneck(draft, y, (3, 7))

    return _c2f(draft, x, channels, n, inner, expansion)


def _hyperedges(draft: Draft, tokens: Tensor, edges: int, heads: int) -> Tensor:
    """Return how much each position [batch, positions, width] takes part in each hyperedge."""
    net = draft.net
    n, positions, width = tokens.shape
    context = net.concat(net.mean(tokens, 1), net.apply("REDUCE_MAX", tokens, axes=(1,), keep_dims=False), axis=1)
    offsets = net.reshape(net.dense(context, edges * width), n, edges, width)
    prototypes = net.apply("ADD", offsets, net.weight(1, edges, width))
    q = net.reshape(net.dense(tokens, width), n, positions, heads, width // heads)
    k = net.reshape(prototypes, n, edges, heads, width // heads)
    scores = net.matmul(net.transpose(q, 0, 2, 1, 3), net.transpose(k, 0, 2, 1, 3), transpose_b=True)
    scores = net.apply("MUL", scores, scalar=(width // heads) ** -0.5)
    return net.softmax(net.mean(scores, 1), axis=1)


def _hypergraph(draft: Draft, x: Tensor, edges: int) -> Tensor:
    """Two ways, one through a hypergraph convolution (C3AH)."""
    net = draft.net
    n, c, h, w = x.shape
    tokens = net.transpose(net.reshape(draft.conv(x, c), n, c, h * w), 0, 2, 1)
    share = _hyperedges(draft, tokens, edges, c // 16)
    edge = net.apply("BATCH_MATMUL", share, tokens, transpose_a=True, transpose_b=False)
    node = net.matmul(share, net.dense(edge, c, act="GELU"))
    tokens = net.add(net.dense(node, c, act="GELU"), tokens)
    left = net.reshape(net.transpose(tokens, 0, 2, 1), n, c, h, w)
    return draft.conv(net.concat(left, draft.conv(x, c)), c)


def hyper_ace(draft: Draft, parts: list[Tensor], channels: int, n: int, edges: int) -> Tensor:
    """Three scales into one, then hypergraph and convolution branches."""
    net = draft.net
    fine, middle, coarse = parts
    x = draft.conv(net.concat(net.avg_pool(fine, 2, 2), middle, net.upsample(coarse)), middle.shape[1])
    hidden = channels // 2
    kept, graph, deep = net.split(draft.conv(x, 3 * hidden), hidden, hidden, hidden)
    edges = int(edges * draft.scale.hyperedges)
    first, second = (_hypergraph(draft, graph, edges) for _ in range(2))
    chain = [deep]
    for _ in range(n):
        chain.append(_dsc3k(draft, chain[-1], hidden // 2))
    return draft.conv(net.concat(kept, first, *chain, second), channels)


def downsample(draft: Draft, x: Tensor, _channels: int, _n: int) -> Tensor:
    """Average of 2 x 2; twice the channels in the small sizes."""
    y = draft.net.avg_pool(x, 2, 2)
    return y if draft.scale.residual else draft.conv(y, 2 * x.shape[1])


def gated_sum(draft: Draft, parts: list[Tensor], _channels: int, _n: int) -> Tensor:
    """The first plus the second times a learnt number."""
    return draft.net.add(parts[0], draft.net.scaled(parts[1], 1))
