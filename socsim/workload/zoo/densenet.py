"""DenseNet.

Source: Huang et al., Densely Connected Convolutional Networks, arXiv 1608.06993, table 1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_GROWTH = 32


def _draw(net: Layers, variant: Variant, *, depths: tuple[int, ...]) -> Tensor:
    x = net.conv(net.input(variant.shape), 64, 7, 2, act="RELU")
    x = net.max_pool(x, 3, 2, pad=1)
    for stage, depth in enumerate(depths):
        if stage:
            x = net.conv(net.batch_norm(x, act="RELU"), x.shape[1] // 2, norm=False, bias=False)
            x = net.avg_pool(x, 2, 2)
        x = _dense_block(net, x, depth)
    return net.classify(net.batch_norm(x, act="RELU"), variant.classes)


def _dense_block(net: Layers, x: Tensor, depth: int) -> Tensor:
    features = [x]
    for _ in range(depth):
        y = net.batch_norm(net.concat(*features) if len(features) > 1 else x, act="RELU")
        y = net.conv(y, 4 * _GROWTH, act="RELU")
        features.append(net.conv(y, _GROWTH, 3, norm=False, bias=False))
    return net.concat(*features)


NETWORKS = tuple(
    Network(
        f"densenet{name}", "densenet", f"DenseNet-{name}", partial(_draw, depths=depths),
        "pytorch/vision torchvision/models/densenet.py",
    )
    for name, depths in (("121", (6, 12, 24, 16)), ("169", (6, 12, 32, 32)))
)  # fmt: skip
