"""FasterNet: convolutions over a quarter of the channels.

Source: Chen et al., Run, Don't Walk, arXiv 2303.03667, table 6.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers


def _draw(net: Layers, variant: Variant, *, width: int, depths: tuple[int, ...], act: str) -> Tensor:
    x = net.conv(net.input(variant.shape), width, 4, 4, pad=0)
    for stage, depth in enumerate(depths):
        if stage:
            x = net.conv(x, width << stage, 2, 2, pad=0)
        for _ in range(depth):
            x = _block(net, x, act)
    x = net.conv(net.global_pool(x), 1280, norm=False, bias=False, act=act)
    return net.dense(net.flatten(x), variant.classes)


def _block(net: Layers, x: Tensor, act: str) -> Tensor:
    channels = x.shape[1]
    changed, kept = net.split(x, channels // 4, channels - channels // 4)
    y = net.concat(net.conv(changed, channels // 4, 3, norm=False, bias=False), kept)
    y = net.conv(net.conv(y, 2 * channels, act=act), channels, norm=False, bias=False)
    return net.add(x, y)


# Name, width, depths, activation.
_FORMS = (
    ("t0", 40, (1, 2, 8, 2), "GELU"), ("t1", 64, (1, 2, 8, 2), "GELU"), ("t2", 96, (1, 2, 8, 2), "RELU"),
    ("s", 128, (1, 2, 13, 2), "RELU"),
)  # fmt: skip

NETWORKS = tuple(
    Network(
        f"fasternet_{name}", "fasternet", f"FasterNet-{name.upper()}",
        partial(_draw, width=width, depths=depths, act=act), "arXiv 2303.03667, table 6",
    )
    for name, width, depths, act in _FORMS
)  # fmt: skip
