"""MobileNetV4, convolutional.

Source: Qin et al., MobileNetV4, arXiv 2404.10518, tables 11 and 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.layers import divisible
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers


@dataclass(frozen=True, slots=True)
class _Conv:
    channels: int
    kernel: int = 1
    stride: int = 1


@dataclass(frozen=True, slots=True)
class _Fused:
    channels: int
    expansion: int = 4


@dataclass(frozen=True, slots=True)
class _Universal:
    """Universal inverted bottleneck: a depthwise convolution before the expansion, after it, both or none (0)."""

    before: int
    after: int
    expansion: int
    channels: int
    stride: int = 1


_Block = _Conv | _Fused | _Universal
_SMALL: tuple[_Block, ...] = (
    _Conv(32, 3, 2), _Conv(32), _Conv(96, 3, 2), _Conv(64),
    _Universal(5, 5, 3, 96, 2), *(_Universal(0, 3, 2, 96),) * 4, _Universal(3, 0, 4, 96),
    _Universal(3, 3, 6, 128, 2), _Universal(5, 5, 4, 128), _Universal(0, 5, 4, 128), _Universal(0, 5, 3, 128),
    *(_Universal(0, 3, 4, 128),) * 2, _Conv(960),
)  # fmt: skip
_MEDIUM: tuple[_Block, ...] = (
    _Fused(48), _Universal(3, 5, 4, 80, 2), _Universal(3, 3, 2, 80),
    _Universal(3, 5, 6, 160, 2), *(_Universal(3, 3, 4, 160),) * 2, _Universal(3, 5, 4, 160),
    _Universal(3, 3, 4, 160), _Universal(3, 0, 4, 160), _Universal(0, 0, 2, 160), _Universal(3, 0, 4, 160),
    _Universal(5, 5, 6, 256, 2), _Universal(5, 5, 4, 256), *(_Universal(3, 5, 4, 256),) * 2,
    _Universal(0, 0, 4, 256), _Universal(3, 0, 4, 256), _Universal(3, 5, 2, 256), _Universal(5, 5, 4, 256),
    *(_Universal(0, 0, 4, 256),) * 2, _Universal(5, 0, 2, 256), _Conv(960),
)  # fmt: skip


def _draw(net: Layers, variant: Variant, *, blocks: tuple[_Block, ...]) -> Tensor:
    x = net.conv(net.input(variant.shape), 32, 3, 2, act="RELU")
    for block in blocks:
        x = _block(net, x, block)
    x = net.conv(net.global_pool(x), 1280, act="RELU")
    return net.dense(net.flatten(x), variant.classes)


def _block(net: Layers, x: Tensor, block: _Block) -> Tensor:
    if isinstance(block, _Conv):
        return net.conv(x, block.channels, block.kernel, block.stride, act="RELU")
    if isinstance(block, _Fused):
        return net.conv(net.conv(x, x.shape[1] * block.expansion, 3, 2, act="RELU"), block.channels)
    return _universal(net, x, block)


def _universal(net: Layers, x: Tensor, block: _Universal) -> Tensor:
    y = net.depthwise(x, block.before, 1 if block.after else block.stride) if block.before else x
    y = net.conv(y, divisible(x.shape[1] * block.expansion), act="RELU")
    if block.after:
        y = net.depthwise(y, block.after, block.stride, act="RELU")
    y = net.conv(y, block.channels)
    return net.add(y, x) if block.stride == 1 and x.shape[1] == block.channels else y


_SOURCE = "arXiv 2404.10518, tables 11 and 12; timm/models/mobilenetv3.py"

NETWORKS = (
    Network(
        "mobilenetv4_conv_small", "mobilenet_v4", "MobileNetV4 conv small", partial(_draw, blocks=_SMALL), _SOURCE,
        aliases=("mobilenetv4", "mobilenet_v4"),
    ),
    Network(
        "mobilenetv4_conv_medium", "mobilenet_v4", "MobileNetV4 conv medium", partial(_draw, blocks=_MEDIUM), _SOURCE
    ),
)  # fmt: skip
