"""TinyViT, as a classifier and as the image encoder of MobileSAM.

Source: Wu et al., TinyViT, arXiv 2207.10666, table 7; Zhang et al., MobileSAM, arXiv 2306.14289; microsoft/Cream
TinyViT/models/tiny_vit.py and ChaoningZhang/MobileSAM mobile_sam/modeling/tiny_vit_sam.py (structures alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.workload.zoo.attention import attend, by_head, feed_forward
from socsim.workload.zoo.network import Network, Variant
from socsim.workload.zoo.windows import cropped, padded, unwindowed, windowed

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_WIDTHS, _DEPTHS, _HEADS, _WINDOWS = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
_NECK = 256


def _inverted(net: Layers, x: Tensor) -> Tensor:
    """Add TinyViT's first stage: an inverted residual with GELU behind every part."""
    y = net.depthwise(net.conv(x, 4 * x.shape[1], act="GELU"), 3, act="GELU")
    return net.add(net.conv(y, x.shape[1]), x, act="GELU")


def _merged(net: Layers, x: Tensor, channels: int, stride: int) -> Tensor:
    y = net.depthwise(net.conv(x, channels, act="GELU"), 3, stride, groups=channels, act="GELU")
    return net.conv(y, channels)


def _layer(net: Layers, x: Tensor, heads: int, window: int) -> Tensor:
    """Attend within windows, convolve locally, feed forward; `x` is [batch, channels, rows, columns]."""
    n, c, h, w = x.shape
    image = net.transpose(x, 0, 2, 3, 1)
    whole = h <= window and w <= window
    y = image if whole else padded(net, image, window)
    shape = y.shape
    tokens = net.layer_norm(net.reshape(y, n, h * w, c) if whole else windowed(net, y, window))
    parts = net.split(net.dense(tokens, 3 * c), c, c, c, axis=2)
    side = min(window, h) if whole else window
    bias = net.table(1, heads, tokens.shape[1], tokens.shape[1], learnt=side * side * heads)
    y = net.dense(attend(net, *(by_head(net, part, heads) for part in parts), bias), c)
    y = net.reshape(y, n, h, w, c) if whole else cropped(net, unwindowed(net, y, window, shape), h, w)
    x = net.transpose(net.add(image, y), 0, 3, 1, 2)
    x = net.depthwise(x, 3)
    tokens = net.transpose(net.reshape(x, n, c, h * w), 0, 2, 1)
    tokens = net.add(tokens, feed_forward(net, net.layer_norm(tokens), 4 * c))
    return net.reshape(net.transpose(tokens, 0, 2, 1), n, c, h, w)


def _channel_norm(net: Layers, x: Tensor) -> Tensor:
    return net.transpose(net.layer_norm(net.transpose(x, 0, 2, 3, 1)), 0, 3, 1, 2)


def _body(net: Layers, variant: Variant, *, last_stride: int) -> Tensor:
    first = _WIDTHS[0]
    x = net.conv(net.input(variant.shape), first // 2, 3, 2, act="GELU")
    x = net.conv(x, first, 3, 2)
    for _ in range(_DEPTHS[0]):
        x = _inverted(net, x)
    for stage, stride in ((1, 2), (2, 2), (3, last_stride)):
        x = _merged(net, x, _WIDTHS[stage], stride)
        for _ in range(_DEPTHS[stage]):
            x = _layer(net, x, _HEADS[stage], _WINDOWS[stage])
    return x


def _tiny_vit(net: Layers, variant: Variant) -> Tensor:
    x = _body(net, variant, last_stride=2)
    return net.dense(net.layer_norm(net.flatten(net.global_pool(x))), variant.classes)


def _mobile_sam(net: Layers, variant: Variant) -> Tensor:
    x = _body(net, variant, last_stride=1)  # the last stage keeps the size, for the sake of masks
    x = _channel_norm(net, net.conv(x, _NECK, norm=False, bias=False))
    return _channel_norm(net, net.conv(x, _NECK, 3, norm=False, bias=False))


NETWORKS = (
    Network(
        "tiny_vit_5m", "tinyvit", "TinyViT 5M", _tiny_vit, "microsoft/Cream TinyViT/models/tiny_vit.py",
        aliases=("tiny_vit_5m_224",),
    ),
    Network(
        "mobilesam_encoder_tiny", "tinyvit", "MobileSAM's image encoder on TinyViT 5M", _mobile_sam,
        "ChaoningZhang/MobileSAM mobile_sam/modeling/tiny_vit_sam.py", (1, 3, 1024, 1024), _NECK,
    ),
)  # fmt: skip
