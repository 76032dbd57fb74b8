"""Networks that enlarge images four times: QuickSRNet, SESR, XLSR."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_IMAGE = (1, 3, 128, 128)
_COLOURS = 3
_FACTOR = 4
_EXPANDED = 256  # channels inside a linear block


def _enlarged(net: Layers, x: Tensor) -> Tensor:
    return net.depth_to_space(x, _FACTOR)


def _quicksrnet(net: Layers, variant: Variant, *, channels: int, depth: int, anchor: bool) -> Tensor:
    image = net.input(variant.shape)
    x = image
    for _ in range(depth + 1):
        x = net.conv(x, channels, 3, norm=False, act="RELU_0_TO_1")
    out = _COLOURS * _FACTOR**2
    x = net.conv(x, out, 3, norm=False)
    if anchor:
        x = net.add(net.conv(image, out, norm=False), x)
    return _enlarged(net, net.act(x, "RELU_0_TO_1"))


def _linear_block(net: Layers, x: Tensor, channels: int, kernel: int, *, collapsed: bool) -> Tensor:
    """Add SESR's linear block: a wide convolution and 1 x 1, or the one convolution that both collapse to."""
    if collapsed:
        return net.conv(x, channels, kernel, norm=False)
    return net.conv(net.conv(x, _EXPANDED, kernel, norm=False, bias=False), channels, norm=False)


def _sesr(net: Layers, variant: Variant, *, channels: int, depth: int, collapsed: bool) -> Tensor:
    image = net.input(variant.shape)
    first = net.act(_linear_block(net, image, channels, 5, collapsed=collapsed), "RELU")
    x = first
    for _ in range(depth):
        y = _linear_block(net, x, channels, 3, collapsed=collapsed)
        x = net.act(y if collapsed else net.add(x, y), "RELU")  # collapsing takes the residual into the weights
    out = _COLOURS * _FACTOR**2
    x = _linear_block(net, net.add(x, first), out, 5, collapsed=collapsed)
    return _enlarged(net, net.add(x, net.conv(image, out, norm=False)))


def _grouped(net: Layers, x: Tensor) -> Tensor:
    """Add XLSR's block: four groups of 3 x 3, then 1 x 1."""
    return net.conv(net.conv(x, 32, 3, groups=4, norm=False, act="RELU"), 32, norm=False)


def _xlsr(net: Layers, variant: Variant) -> Tensor:
    image = net.input(variant.shape)
    x = net.conv(net.conv(image, 32, 3, norm=False, act="RELU"), 32, norm=False)
    for _ in range(3):
        x = _grouped(net, x)
    x = net.concat(x, net.conv(image, 16, 3, norm=False))
    x = net.conv(net.conv(x, 32, norm=False, act="RELU"), _COLOURS * _FACTOR**2, 3, norm=False)
    return net.act(_enlarged(net, x), "RELU_0_TO_1")


_AIMET = "quic/aimet-model-zoo aimet_zoo_torch"
_QUICK = {"small": (32, 2, False), "medium": (32, 5, False), "large": (64, 11, True)}

NETWORKS = (
    *(
        Network(
            f"quicksrnet_{size}", "quicksrnet", f"QuickSRNet {size}, x4",
            partial(_quicksrnet, channels=channels, depth=depth, anchor=anchor), f"{_AIMET}/quicksrnet", _IMAGE,
            aliases=(f"quicksrnet{size}",),
        )
        for size, (channels, depth, anchor) in _QUICK.items()
    ),
    *(
        Network(
            f"sesr_m{depth}{suffix}", "sesr", f"SESR-M{depth}, x4, linear blocks {words}",
            partial(_sesr, channels=16, depth=depth, collapsed=bool(suffix)), f"{_AIMET}/sesr", _IMAGE,
        )
        for depth in (3, 5, 7, 11)
        for suffix, words in (("", "as trained"), ("_collapsed", "collapsed"))
    ),
    Network("xlsr", "xlsr", "XLSR, x4", _xlsr, f"{_AIMET}/xlsr", _IMAGE),
)  # fmt: skip
