"""Networks that label every pixel: DeepLabV3+, FCN, U-Net, PP-LiteSeg."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING

from socsim.workload.dtypes import DType
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_VOC = 21
_CITYSCAPES = 19


def _labels(net: Layers, scores: Tensor, image: Tensor) -> Tensor:
    """Return the class of each pixel of the image."""
    full = net.resize(scores, *image.shape[2:], mode="bilinear")
    return net.apply("ARG_MAX", full, axis=1, keep_dims=False, dtype=DType.INT32)


# --- DeepLabV3+ on MobileNetV2 ------------------------------------------------------------------------

_INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_OUTPUT_STRIDE = 16
_ATROUS_RATES = (6, 12, 18)


def _inverted(net: Layers, x: Tensor, channels: int, stride: int, expansion: int, dilation: int) -> Tensor:
    """Add an inverted residual whose input is padded before it expands, as its source does."""
    hidden = x.shape[1] * expansion
    y = net.pad(x, dilation, dilation, dilation, dilation)
    if expansion > 1:
        y = net.conv(y, hidden, act="RELU6")
    y = net.depthwise(y, 3, stride, dilation=dilation, pad=0, act="RELU6")
    y = net.conv(y, channels)
    return net.add(x, y) if stride == 1 and x.shape[1] == channels else y


def _atrous_backbone(net: Layers, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features at a quarter of the size and those at the output stride."""
    x = net.conv(x, 32, 3, 2, act="RELU6")
    reached, rate, fine = 2, 1, x
    for expansion, channels, repeats, wanted in _INVERTED:
        stride, dilation = (1, rate) if reached == _OUTPUT_STRIDE else (wanted, 1)
        rate *= wanted if reached == _OUTPUT_STRIDE else 1
        reached *= stride
        for i in range(repeats):
            x = _inverted(net, x, channels, 1 if i else stride, expansion, dilation)
        fine = x if channels == 24 else fine
    return fine, x


def _atrous_pyramid(net: Layers, x: Tensor) -> Tensor:
    parts = [net.conv(x, 256, act="RELU")]
    parts += [net.conv(x, 256, 3, dilation=rate, act="RELU") for rate in _ATROUS_RATES]
    mean = net.conv(net.global_pool(x), 256, act="RELU")
    parts.append(net.resize(mean, *x.shape[2:], mode="bilinear"))
    return net.conv(net.concat(*parts), 256, act="RELU")


def _deeplab(net: Layers, variant: Variant) -> Tensor:
    image = net.input(variant.shape)
    fine, coarse = _atrous_backbone(net, image)
    fine = net.conv(fine, 48, act="RELU")
    x = net.resize(_atrous_pyramid(net, coarse), *fine.shape[2:], mode="bilinear")
    x = net.concat(x, fine)
    for _ in range(2):
        x = net.conv(x, 256, 3, act="RELU")
    scores = net.conv(x, variant.classes, norm=False)
    return _labels(net, scores, image) if variant.decoded else scores


# --- FCN on ResNet-50 ---------------------------------------------------------------------------------


def _bottleneck(net: Layers, x: Tensor, planes: int, stride: int, dilation: int) -> Tensor:
    short = x if x.shape[1] == 4 * planes else net.conv(x, 4 * planes, 1, stride)
    y = net.conv(x, planes, act="RELU")
    y = net.conv(y, planes, 3, stride, dilation=dilation, act="RELU")
    return net.add(net.conv(y, 4 * planes), short, act="RELU")


def _fcn(net: Layers, variant: Variant) -> Tensor:
    image = net.input(variant.shape)
    x = net.max_pool(net.conv(image, 64, 7, 2, act="RELU"), 3, 2, pad=1)
    before = 1
    for stage, (depth, stride, dilation) in enumerate(((3, 1, 1), (4, 2, 1), (6, 1, 2), (3, 1, 4))):
        for i in range(depth):
            first = not i
            x = _bottleneck(net, x, 64 << stage, stride if first else 1, before if first else dilation)
        before = dilation
    return _labels(net, net.conv(net.conv(x, 512, 3, act="RELU"), variant.classes, norm=False), image)


# --- U-Net --------------------------------------------------------------------------------------------


def _twice(net: Layers, x: Tensor, channels: int) -> Tensor:
    for _ in range(2):
        x = net.conv(x, channels, 3, act="RELU")
    return x


def _unet(net: Layers, variant: Variant) -> Tensor:
    levels = [_twice(net, net.input(variant.shape), 64)]
    for channels in (128, 256, 512, 1024):
        levels.append(_twice(net, net.max_pool(levels[-1], 2, 2), channels))
    x = levels.pop()
    for skip in reversed(levels):
        up = net.conv_transpose(x, skip.shape[1], norm=False)
        below, right = skip.shape[2] - up.shape[2], skip.shape[3] - up.shape[3]
        if below or right:
            up = net.pad(up, below // 2, right // 2, below - below // 2, right - right // 2)
        x = _twice(net, net.concat(skip, up), skip.shape[1])
    return net.conv(x, variant.classes, norm=False)


# --- PP-LiteSeg on STDC -------------------------------------------------------------------------------


def _short_term(net: Layers, x: Tensor, channels: int, stride: int) -> Tensor:
    """Add STDC's block: four convolutions of falling width whose results all reach the end."""
    first = net.conv(x, channels // 2, act="RELU")
    y = net.depthwise(first, 3, 2) if stride > 1 else first
    kept = net.avg_pool(first, 3, 2, pad=1) if stride > 1 else first
    parts = [kept]
    for width in (channels // 4, channels // 8, channels // 8):
        y = net.conv(y, width, 3, act="RELU")
        parts.append(y)
    return net.concat(*parts)


def _stdc(net: Layers, x: Tensor, depths: tuple[int, ...]) -> list[Tensor]:
    x = net.conv(net.conv(x, 32, 3, 2, act="RELU"), 64, 3, 2, act="RELU")
    levels = []
    for channels, depth in zip((256, 512, 1024), depths, strict=True):
        for i in range(depth):
            x = _short_term(net, x, channels, 1 if i else 2)
        levels.append(x)
    return levels


def _pooled_context(net: Layers, x: Tensor, channels: int) -> Tensor:
    parts = []
    for bins in (1, 2, 4):
        y = net.conv(net.adaptive_pool(x, bins, bins), channels, norm=True, bias=True, act="RELU")
        parts.append(net.resize(y, *x.shape[2:], mode="bilinear"))
    total = reduce(net.add, parts)
    return net.conv(total, channels, 3, norm=True, bias=True, act="RELU")


def _attended_sum(net: Layers, high: Tensor, low: Tensor, channels: int) -> Tensor:
    """Blend two levels by what the means and maxima of their channels say of each position."""
    low = net.conv(low, high.shape[1], 3, norm=True, bias=True, act="RELU")
    high = net.resize(high, *low.shape[2:], mode="bilinear")
    maps = [net.mean(t, 1, keep_dims=True) for t in (low, high)]
    maps += [net.apply("REDUCE_MAX", t, axes=(1,), keep_dims=True) for t in (low, high)]
    share = net.conv(net.concat(*maps), 2, 3, act="RELU")
    share = net.act(net.conv(share, 1, 3), "LOGISTIC")
    rest = net.apply("SUB", share, scalar=1.0)
    both = net.add(net.mul(low, share), net.mul(high, rest))
    return net.conv(both, channels, 3, norm=True, bias=True, act="RELU")


def _liteseg(net: Layers, variant: Variant, *, depths: tuple[int, ...], widths: tuple[int, int, int]) -> Tensor:
    image = net.input(variant.shape)
    levels = _stdc(net, image, depths)
    x = _pooled_context(net, levels[-1], 128)
    for level, channels in zip(reversed(levels), reversed(widths), strict=True):
        x = _attended_sum(net, x, level, channels)
    x = net.conv(net.conv(x, widths[0], 3, act="RELU"), variant.classes, norm=False, bias=False)
    return _labels(net, x, image)


NETWORKS = (
    Network(
        "deeplabv3plus_mobilenet", "deeplabv3plus", "DeepLabV3+ on MobileNetV2, output stride 16", _deeplab,
        "jfzhang95/pytorch-deeplab-xception modeling", (1, 3, 513, 513), _VOC, ("deeplabv3_plus_mobilenet",),
        decodes=True,
    ),
    Network(
        "fcn_resnet50", "fcn", "FCN on ResNet-50 with dilation", _fcn,
        "pytorch/vision torchvision/models/segmentation/fcn.py", classes=_VOC,
    ),
    Network("unet", "unet", "U-Net, transposed convolutions", _unet, "milesial/Pytorch-UNet unet", classes=2),
    Network(
        "ppliteseg_stdc1", "ppliteseg", "PP-LiteSeg T on STDC1",
        partial(_liteseg, depths=(2, 2, 2), widths=(32, 64, 128)),
        "PaddlePaddle/PaddleSeg paddleseg/models/pp_liteseg.py", (1, 3, 512, 1024), _CITYSCAPES,
        ("ppseg_lite_1024x512",),
    ),
)  # fmt: skip
