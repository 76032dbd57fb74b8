"""Networks of convolutions and attention for small devices: EdgeNeXt, EfficientViT.

Source: Maaz et al., EdgeNeXt, arXiv 2206.10589, figure 2; Liu et al., EfficientViT: Memory Efficient Vision Transformer
with Cascaded Group Attention, arXiv 2305.07027, table 1. Details as timm/models writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.convnext import channel_norm
from socsim.workload.zoo.layers import divisible
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

# --- EdgeNeXt -----------------------------------------------------------------------------------------

_EPSILON = 1e-6
_POSITION_CHANNELS = 64


@dataclass(frozen=True, slots=True)
class _EdgeForm:
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: int = 8


def _draw_edgenext(net: Layers, variant: Variant, *, form: _EdgeForm) -> Tensor:
    x = channel_norm(net, net.conv(net.input(variant.shape), form.widths[0], 4, 4, pad=0, norm=False))
    for stage, (width, depth) in enumerate(zip(form.widths, form.depths, strict=True)):
        if stage:
            x = net.conv(channel_norm(net, x), width, 2, 2, pad=0, norm=False)
        for i in range(depth):
            is_split = stage > 0 and i == depth - 1
            x = _split_block(net, x, stage, form.heads) if is_split else _conv_block(net, x, 3 + 2 * stage)
    x = channel_norm(net, net.global_pool(x))
    return net.dense(net.flatten(x), variant.classes)


def _conv_block(net: Layers, x: Tensor, kernel: int) -> Tensor:
    y = net.transpose(net.depthwise(x, kernel, norm=False), 0, 2, 3, 1)
    return net.add(x, net.transpose(_scaled_mlp(net, y), 0, 3, 1, 2))


def _scaled_mlp(net: Layers, x: Tensor) -> Tensor:
    width = x.shape[-1]
    y = net.dense(net.layer_norm(x, epsilon=_EPSILON), 4 * width, act="GELU")
    return net.scaled(net.dense(y, width), width)


def _split_block(net: Layers, x: Tensor, scales: int, heads: int) -> Tensor:
    """Add the block that filters shares of the channels one after another, then attends across channels."""
    n, c, h, w = x.shape
    y = _filtered_in_steps(net, x, scales)
    y = net.transpose(net.reshape(y, n, c, h * w), 0, 2, 1)
    if scales == 1:  # one position code in the network, computed from sines
        y = net.add(y, net.table(1, h * w, c, learnt=_POSITION_CHANNELS * c + c))
    y = net.add(y, net.scaled(_channel_attention(net, net.layer_norm(y, epsilon=_EPSILON), heads), c))
    y = _scaled_mlp(net, net.reshape(y, n, h, w, c))
    return net.add(x, net.transpose(y, 0, 3, 1, 2))


def _filtered_in_steps(net: Layers, x: Tensor, steps: int) -> Tensor:
    share = -(-x.shape[1] // (steps + 1))
    parts = net.split(x, *(share for _ in range(steps)), x.shape[1] - steps * share)
    made = [net.depthwise(parts[0], 3, norm=False)]
    for part in parts[1:-1]:
        made.append(net.depthwise(net.add(made[-1], part), 3, norm=False))
    return net.concat(*made, parts[-1])


def _channel_attention(net: Layers, x: Tensor, heads: int) -> Tensor:
    n, positions, c = x.shape
    y = net.reshape(net.dense(x, 3 * c), n, positions, 3, heads, c // heads)
    parts = net.split(net.transpose(y, 2, 0, 3, 4, 1), 1, 1, 1, axis=0)
    query, key, value = (net.reshape(part, n, heads, c // heads, positions) for part in parts)
    query, key = (net.apply("L2_NORMALIZATION", t, axis=-1) for t in (query, key))
    y = net.scaled(net.matmul(query, key, transpose_b=True), heads, 1, 1)
    y = net.matmul(net.softmax(y), value)
    return net.dense(net.reshape(net.transpose(y, 0, 3, 1, 2), n, positions, c), c)


# --- EfficientViT of MSRA -----------------------------------------------------------------------------

_KEYS, _WINDOW = 16, 7


@dataclass(frozen=True, slots=True)
class _VitForm:
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    kernels: tuple[int, ...]


def _draw_efficientvit(net: Layers, variant: Variant, *, form: _VitForm) -> Tensor:
    first = form.widths[0]
    x = net.input(variant.shape)
    for share in (8, 4, 2):
        x = net.conv(x, first // share, 3, 2, act="RELU")
    x = net.conv(x, first, 3, 2)
    for stage, (width, depth, heads) in enumerate(zip(form.widths, form.depths, form.heads, strict=True)):
        if stage:
            x = _local_pair(net, _merged(net, _local_pair(net, x), width))
        for _ in range(depth):
            x = _local_pair(net, x)
            x = net.add(x, _in_windows(net, x, heads, form.kernels))
            x = _local_pair(net, x)
    return net.classify(x, variant.classes)


def _local_pair(net: Layers, x: Tensor) -> Tensor:
    x = net.add(x, net.depthwise(x, 3))
    return net.add(x, net.conv(net.conv(x, 2 * x.shape[1], act="RELU"), x.shape[1]))


def _merged(net: Layers, x: Tensor, width: int) -> Tensor:
    inside = 4 * x.shape[1]
    y = net.depthwise(net.conv(x, inside, act="RELU"), 3, 2, act="RELU")
    return net.conv(net.squeeze_excite(y, divisible(inside / 4, least=0)), width)


def _in_windows(net: Layers, x: Tensor, heads: int, kernels: tuple[int, ...]) -> Tensor:
    """Attend in windows of 7 x 7, where the image is larger than one."""
    n, c, h, w = x.shape
    if h <= _WINDOW and w <= _WINDOW:
        return _cascaded_attention(net, x, heads, kernels)
    bottom, right = -h % _WINDOW, -w % _WINDOW
    if bottom or right:
        x = net.pad(x, 0, 0, bottom, right)
    rows, columns = (h + bottom) // _WINDOW, (w + right) // _WINDOW
    y = net.reshape(net.transpose(x, 0, 2, 3, 1), n, rows, _WINDOW, columns, _WINDOW, c)
    y = net.reshape(net.transpose(y, 0, 1, 3, 2, 4, 5), n * rows * columns, _WINDOW, _WINDOW, c)
    y = _cascaded_attention(net, net.transpose(y, 0, 3, 1, 2), heads, kernels)
    y = net.reshape(net.transpose(y, 0, 2, 3, 1), n, rows, columns, _WINDOW, _WINDOW, c)
    y = net.reshape(net.transpose(y, 0, 1, 3, 2, 4, 5), n, h + bottom, w + right, c)
    y = net.transpose(y, 0, 3, 1, 2)
    return net.slice(net.slice(y, 0, h, axis=2), 0, w, axis=3) if bottom or right else y


def _cascaded_attention(net: Layers, x: Tensor, heads: int, kernels: tuple[int, ...]) -> Tensor:
    """Add attention in which each head also reads what the head before it made."""
    n, c, h, w = x.shape
    width = c // heads
    made: list[Tensor] = []
    for head, part in enumerate(net.split(x, *(width for _ in range(heads)))):
        feature = net.add(made[-1], part) if made else part
        parts = net.split(net.conv(feature, 2 * _KEYS + width), _KEYS, _KEYS, width)
        query = net.depthwise(parts[0], kernels[head])
        query, key, value = (net.reshape(t, n, t.shape[1], h * w) for t in (query, *parts[1:]))
        scores = net.matmul(net.transpose(net.scaled(query, 1), 0, 2, 1), key)
        scores = net.softmax(net.add(scores, net.table(h * w, h * w, learnt=h * w)))
        made.append(net.reshape(net.matmul(value, scores, transpose_b=True), n, width, h, w))
    return net.conv(net.act(net.concat(*made), "RELU"), c)


_EDGENEXTS = (
    ("xx_small", _EdgeForm((24, 48, 88, 168), (2, 2, 6, 2), heads=4)),
    ("x_small", _EdgeForm((32, 64, 100, 192), (3, 3, 9, 3), heads=4)),
    ("small", _EdgeForm((48, 96, 160, 304), (3, 3, 9, 3))),
    ("base", _EdgeForm((80, 160, 288, 584), (3, 3, 9, 3))),
)

NETWORKS = (
    *(
        Network(
            f"edgenext_{name}", "edgenext", f"EdgeNeXt {name.replace('_', '-')}", partial(_draw_edgenext, form=form),
            "arXiv 2206.10589; timm/models/edgenext.py", (1, 3, 256, 256),
        )
        for name, form in _EDGENEXTS
    ),
    Network(
        "efficientvit_msra_m5", "efficientvit_msra", "EfficientViT-M5",
        partial(_draw_efficientvit, form=_VitForm((192, 288, 384), (1, 3, 4), (3, 3, 4), (7, 5, 3, 3))),
        "arXiv 2305.07027, table 1; timm/models/efficientvit_msra.py",
    ),
)  # fmt: skip
