"""Networks that find and read text in images: LPRNet, PP-OCRv4.

Source: Zherzdev and Gruzdev, LPRNet, arXiv 1806.10447, as sirius-ai/LPRNet_Pytorch writes it; PaddlePaddle/PaddleOCR
configs/rec/PP-OCRv4/ch_PP-OCRv4_rec.yml and configs/det/ch_PP-OCRv4/ch_PP-OCRv4_det_student.yml,
ppocr/modeling/backbones/rec_lcnetv3.py, necks/rnn.py, necks/db_fpn.py, heads/det_db_head.py, in the form that its
export merges (structures alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.workload.zoo.attention import feed_forward, self_attention
from socsim.workload.zoo.layers import divisible
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers, Pair

_CHARACTERS = 68


def _small_block(net: Layers, x: Tensor, channels: int) -> Tensor:
    """Add 1 x 1, 3 x 1, 1 x 3, 1 x 1 convolutions, the inner ones a quarter as wide."""
    inner = channels // 4
    y = net.conv(x, inner, norm=False, act="RELU")
    y = net.conv(y, inner, (3, 1), norm=False, act="RELU")
    y = net.conv(y, inner, (1, 3), norm=False, act="RELU")
    return net.conv(y, channels, norm=True, bias=True, act="RELU")


def _thinned(net: Layers, x: Tensor, step: int) -> Tensor:
    """Take maxima of 3 x 3 at half the columns, and every so many channels."""
    y = net.max_pool(x, 3, (1, 2))
    return net.apply("STRIDED_SLICE", y, axes=(1,), begin=(0,), end=(y.shape[1],), strides=(step,))


def _levelled(net: Layers, x: Tensor) -> Tensor:
    """Divide by the mean of the squares."""
    power = net.mean(net.act(x, "SQUARE"), 0, 1, 2, 3, keep_dims=True)
    return net.apply("DIV", x, power)


def _lprnet(net: Layers, variant: Variant) -> Tensor:
    first = net.conv(net.input(variant.shape), 64, 3, pad=0, norm=True, bias=True, act="RELU")
    second = _small_block(net, net.max_pool(first, 3), 128)
    third = _small_block(net, _small_block(net, _thinned(net, second, 2), 256), 256)
    x = net.conv(_thinned(net, third, 4), 256, (1, 4), pad=0, norm=True, bias=True, act="RELU")
    last = net.conv(x, variant.classes, (13, 1), pad=0, norm=True, bias=True, act="RELU")
    parts = [net.avg_pool(first, 5, 5), net.avg_pool(second, 5, 5), net.avg_pool(third, (4, 10), (4, 2)), last]
    x = net.concat(*(_levelled(net, part) for part in parts))
    return net.mean(net.conv(x, variant.classes, norm=False), 2)


# --- PP-OCRv4 -----------------------------------------------------------------------------------------

_SCALE, _FINDER_SCALE = 0.95, 0.75
_WORDS = 6625
_HIDDEN, _HEADS, _DEPTH = 120, 8, 2
_BLOCKS = (
    (3, 32, 1, False), (3, 64, 1, False), (3, 64, 1, False), (3, 128, (2, 1), False), (3, 128, 1, False),
    (3, 256, (1, 2), False), (5, 256, 1, False), (5, 256, 1, False), (5, 256, 1, False), (5, 256, 1, False),
    (5, 512, (2, 1), True), (5, 512, 1, True), (5, 512, (2, 1), False), (5, 512, 1, False),
)  # fmt: skip


def _activated(net: Layers, x: Tensor) -> Tensor:
    """Add a hard swish with a learnt scale and offset for the whole tensor."""
    return net.add(net.scaled(net.act(x, "HARD_SWISH"), 1), net.weight(1))


def _lcnet_block(net: Layers, x: Tensor, channels: int, kernel: int, stride: Pair, *, weighed: bool) -> Tensor:
    """Add depthwise and 1 x 1 convolutions; a depthwise one of stride 2 both ways has no activation."""
    x = net.depthwise(x, kernel, stride)
    x = _activated(net, x) if stride != 2 else net.add(net.scaled(x, 1), net.weight(1))
    x = net.squeeze_excite(x, x.shape[1] // 4, gate="HARD_SIGMOID") if weighed else x
    return _activated(net, net.conv(x, channels))


def _lcnet(net: Layers, x: Tensor) -> Tensor:
    x = net.conv(x, 16, 3, 2)
    for kernel, channels, stride, weighed in _BLOCKS:
        x = _lcnet_block(net, x, divisible(channels * _SCALE, 16), kernel, stride, weighed=weighed)
    return net.avg_pool(x, (3, 2), (3, 2))


def _mixed(net: Layers, x: Tensor) -> Tensor:
    """Let all columns see each other between convolutions, beside the way around."""
    channels = x.shape[1]
    y = net.conv(net.conv(x, channels // 8, (1, 3), act="SWISH"), _HIDDEN, act="SWISH")
    n, c, h, w = y.shape
    y = net.transpose(net.reshape(y, n, c, h * w), 0, 2, 1)
    for _ in range(_DEPTH):
        y = net.layer_norm(net.add(y, self_attention(net, y, _HEADS, packed=True)))
        y = net.layer_norm(net.add(y, feed_forward(net, y, 2 * c, "SWISH")))
    y = net.reshape(net.transpose(net.layer_norm(y), 0, 2, 1), n, c, h, w)
    y = net.concat(x, net.conv(y, channels, act="SWISH"))
    return net.conv(net.conv(y, channels // 8, (1, 3), act="SWISH"), _HIDDEN, act="SWISH")


def _ppocr(net: Layers, variant: Variant) -> Tensor:
    x = _mixed(net, _lcnet(net, net.input(variant.shape)))
    n, c, h, w = x.shape
    rows = net.transpose(net.reshape(x, n, c, h * w), 0, 2, 1)
    return net.softmax(net.dense(rows, variant.classes))


# --- the finder of PP-OCRv4 ---------------------------------------------------------------------------

_FINDER_STEPS = (1, 3, 5, 10)  # blocks of stride 2
_LEVEL_ENDS = {2: 16, 4: 24, 9: 56, 13: 480}  # block that ends a level, its channels before scaling
_PYRAMID = 96


def _finder_levels(net: Layers, x: Tensor) -> list[Tensor]:
    x = net.conv(x, divisible(16 * _FINDER_SCALE, 16), 3, 2)
    levels = []
    for i, (kernel, channels, _, weighed) in enumerate(_BLOCKS):
        wanted = divisible(channels * _FINDER_SCALE, 16)
        x = _lcnet_block(net, x, wanted, kernel, 2 if i in _FINDER_STEPS else 1, weighed=weighed)
        if i in _LEVEL_ENDS:
            levels.append(net.conv(x, int(_LEVEL_ENDS[i] * _FINDER_SCALE), norm=False))
    return levels


def _weighed_conv(net: Layers, x: Tensor, channels: int, kernel: int) -> Tensor:
    y = net.conv(x, channels, kernel, norm=False, bias=False)
    return net.add(y, net.squeeze_excite(y, channels // 4, gate="HARD_SIGMOID"))


def _ppocr_finder(net: Layers, variant: Variant) -> Tensor:
    levels = [_weighed_conv(net, x, _PYRAMID, 1) for x in _finder_levels(net, net.input(variant.shape))]
    for i in (2, 1, 0):
        levels[i] = net.add(levels[i], net.upsample(levels[i + 1]))
    parts = [_weighed_conv(net, x, _PYRAMID // 4, 3) for x in levels]
    enlarged = [part if not i else net.upsample(part, 1 << i) for i, part in enumerate(parts)]
    x = net.conv(net.concat(*reversed(enlarged)), _PYRAMID // 4, 3, act="RELU")
    x = net.conv_transpose(x, _PYRAMID // 4, norm=True, bias=True, act="RELU")
    return net.conv_transpose(x, variant.classes, norm=False, act="LOGISTIC")


NETWORKS = (
    Network(
        "lprnet", "lprnet", "LPRNet, number plates", _lprnet, "sirius-ai/LPRNet_Pytorch model/LPRNet.py",
        (1, 3, 24, 94), _CHARACTERS, ("lpr.bin",),
    ),
    Network(
        "ppocrv4_rec", "ppocr", "PP-OCRv4, mobile text recognition", _ppocr,
        "PaddlePaddle/PaddleOCR configs/rec/PP-OCRv4/ch_PP-OCRv4_rec.yml", (1, 3, 48, 320), _WORDS,
    ),
    Network(
        "ppocrv4_det", "ppocr", "PP-OCRv4, mobile text detection", _ppocr_finder,
        "PaddlePaddle/PaddleOCR configs/det/ch_PP-OCRv4/ch_PP-OCRv4_det_student.yml", (1, 3, 480, 480), 1,
    ),
)  # fmt: skip
