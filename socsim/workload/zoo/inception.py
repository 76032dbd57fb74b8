"""GoogLeNet and Inception V3.

Source: Szegedy et al., Going Deeper with Convolutions, arXiv 1409.4842, table 1; Rethinking the Inception Architecture,
arXiv 1512.00567; both as torchvision writes them (batch normalisation; 3 x 3 in GoogLeNet's third branch), without the
classifiers that only training has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

# 1 x 1; before and in 3 x 3; before and in the third branch; after the pool. An empty row is a pool.
_GOOGLENET = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (),
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), (),
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip


def _draw_googlenet(net: Layers, variant: Variant) -> Tensor:
    x = net.max_pool(_conv(net, net.input(variant.shape), 64, 7, 2), 3, 2, ceil=True)
    x = _conv(net, _conv(net, x, 64), 192, 3)
    x = net.max_pool(x, 3, 2, ceil=True)
    pools = [3, 2]
    for row in _GOOGLENET:
        x = _module(net, x, row) if row else net.max_pool(x, pools.pop(0), 2, ceil=True)
    return net.classify(x, variant.classes)


def _module(net: Layers, x: Tensor, channels: tuple[int, ...]) -> Tensor:
    first, before, second, narrow, third, pooled = channels
    return net.concat(
        _conv(net, x, first),
        _conv(net, _conv(net, x, before), second, 3),
        _conv(net, _conv(net, x, narrow), third, 3),
        _conv(net, net.max_pool(x, 3, pad=1, ceil=True), pooled),
    )


def _conv(net: Layers, x: Tensor, channels: int, kernel: int | tuple[int, int] = 1, stride: int = 1) -> Tensor:
    return net.conv(x, channels, kernel, stride, act="RELU")


def _shrunk(net: Layers, x: Tensor, channels: int, stride: int = 2) -> Tensor:
    return net.conv(x, channels, 3, stride, pad=0, act="RELU")


def _draw_inception_v3(net: Layers, variant: Variant) -> Tensor:
    x = _shrunk(net, _shrunk(net, net.input(variant.shape), 32), 32, 1)
    x = net.max_pool(_conv(net, x, 64, 3), 3, 2)
    x = net.max_pool(_shrunk(net, _conv(net, x, 80), 192, 1), 3, 2)
    for pooled in (32, 64, 64):
        x = _square(net, x, pooled)
    x = _first_reduction(net, x)
    for width in (128, 160, 160, 192):
        x = _factorised(net, x, width)
    x = _second_reduction(net, x)
    for _ in range(2):
        x = _widened(net, x)
    return net.classify(x, variant.classes)


def _pooled(net: Layers, x: Tensor, channels: int) -> Tensor:
    return _conv(net, net.avg_pool(x, 3, pad=1), channels)


def _square(net: Layers, x: Tensor, pooled: int) -> Tensor:
    double = _conv(net, _conv(net, _conv(net, x, 64), 96, 3), 96, 3)
    return net.concat(_conv(net, x, 64), _conv(net, _conv(net, x, 48), 64, 5), double, _pooled(net, x, pooled))


def _first_reduction(net: Layers, x: Tensor) -> Tensor:
    double = _shrunk(net, _conv(net, _conv(net, x, 64), 96, 3), 96)
    return net.concat(_shrunk(net, x, 384), double, net.max_pool(x, 3, 2))


def _factorised(net: Layers, x: Tensor, width: int) -> Tensor:
    once, twice = _conv(net, x, width), _conv(net, x, width)
    once = _conv(net, _conv(net, once, width, (1, 7)), 192, (7, 1))
    twice = _conv(net, _conv(net, twice, width, (7, 1)), width, (1, 7))
    twice = _conv(net, _conv(net, twice, width, (7, 1)), 192, (1, 7))
    return net.concat(_conv(net, x, 192), once, twice, _pooled(net, x, 192))


def _second_reduction(net: Layers, x: Tensor) -> Tensor:
    factorised = _conv(net, _conv(net, _conv(net, x, 192), 192, (1, 7)), 192, (7, 1))
    return net.concat(_shrunk(net, _conv(net, x, 192), 320), _shrunk(net, factorised, 192), net.max_pool(x, 3, 2))


def _widened(net: Layers, x: Tensor) -> Tensor:
    once = _conv(net, x, 384)
    twice = _conv(net, _conv(net, x, 448), 384, 3)
    branches = [net.concat(_conv(net, y, 384, (1, 3)), _conv(net, y, 384, (3, 1))) for y in (once, twice)]
    return net.concat(_conv(net, x, 320), *branches, _pooled(net, x, 192))


NETWORKS = (
    Network(
        "googlenet", "googlenet", "GoogLeNet (Inception V1)", _draw_googlenet,
        "pytorch/vision torchvision/models/googlenet.py",
    ),
    Network(
        "inception_v3", "inception_v3", "Inception V3", _draw_inception_v3,
        "pytorch/vision torchvision/models/inception.py", (1, 3, 299, 299),
    ),
)  # fmt: skip
