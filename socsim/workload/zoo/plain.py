"""Networks without shortcuts: AlexNet, VGG, SqueezeNet, and single-layer micro-benchmarks.

Source: Krizhevsky, One weird trick, arXiv 1404.5997; Simonyan and Zisserman, arXiv 1409.1556, table 1; Iandola et al.,
SqueezeNet, arXiv 1602.07360, table 1; all as torchvision writes them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_POOL = 0
_VGG = {
    "11": (64, _POOL, 128, _POOL, 256, 256, _POOL, 512, 512, _POOL, 512, 512, _POOL),
    "13": (64, 64, _POOL, 128, 128, _POOL, 256, 256, _POOL, 512, 512, _POOL, 512, 512, _POOL),
    "16": (64, 64, _POOL, 128, 128, _POOL, *(256,) * 3, _POOL, *(512,) * 3, _POOL, *(512,) * 3, _POOL),
    "19": (64, 64, _POOL, 128, 128, _POOL, *(256,) * 4, _POOL, *(512,) * 4, _POOL, *(512,) * 4, _POOL),
}


def _hidden_layers(net: Layers, x: Tensor, side: int, classes: int) -> Tensor:
    """Add two layers of 4096 and the last one; sizes other than the usual are averaged to side x side first."""
    if x.shape[2:] != (side, side):
        x = net.adaptive_pool(x, side, side)
    x = net.dense(net.flatten(x), 4096, act="RELU")
    return net.dense(net.dense(x, 4096, act="RELU"), classes)


def _draw_alexnet(net: Layers, variant: Variant) -> Tensor:
    x = net.conv(net.input(variant.shape), 64, 11, 4, pad=2, norm=False, act="RELU")
    x = net.conv(net.max_pool(x, 3, 2), 192, 5, norm=False, act="RELU")
    x = net.max_pool(x, 3, 2)
    for channels in (384, 256, 256):
        x = net.conv(x, channels, 3, norm=False, act="RELU")
    return _hidden_layers(net, net.max_pool(x, 3, 2), 6, variant.classes)


def _draw_vgg(net: Layers, variant: Variant, *, layers: tuple[int, ...]) -> Tensor:
    x = net.input(variant.shape)
    for channels in layers:
        x = net.max_pool(x, 2, 2) if channels == _POOL else net.conv(x, channels, 3, norm=False, act="RELU")
    return _hidden_layers(net, x, 7, variant.classes)


def _fire(net: Layers, x: Tensor, squeezed: int, expanded: int) -> Tensor:
    x = net.conv(x, squeezed, norm=False, act="RELU")
    return net.concat(
        net.conv(x, expanded, norm=False, act="RELU"), net.conv(x, expanded, 3, norm=False, act="RELU")
    )  # fmt: skip


# Channels and kernel of the first layer; then (squeezed, expanded) of each fire module, or a pool.
_SQUEEZENET = {
    "0": (96, 7, ((16, 64), (16, 64), (32, 128), None, (32, 128), (48, 192), (48, 192), (64, 256), None, (64, 256))),
    "1": (64, 3, ((16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256))),
}


def _draw_squeezenet(net: Layers, variant: Variant, *, version: str) -> Tensor:
    channels, kernel, modules = _SQUEEZENET[version]
    x = net.conv(net.input(variant.shape), channels, kernel, 2, pad=0, norm=False, act="RELU")
    x = net.max_pool(x, 3, 2, ceil=True)
    for module in modules:
        x = net.max_pool(x, 3, 2, ceil=True) if module is None else _fire(net, x, *module)
    x = net.conv(x, variant.classes, norm=False, act="RELU")
    return net.flatten(net.global_pool(x))


def _draw_layer(net: Layers, variant: Variant, *, kernel: int, depthwise: bool = False) -> Tensor:
    x = net.input(variant.shape)
    if depthwise:
        x = net.depthwise(x, kernel, norm=False, act="RELU")
    else:
        x = net.conv(x, 32, kernel, norm=False, act="RELU")
    return net.flatten(net.global_pool(x))


_BENCHMARK = "Magnus3327/stm32n6-edge-ai-benchmarks (MACs and weight bytes in Output/)"

NETWORKS = (
    Network("alexnet", "alexnet", "AlexNet, one tower", _draw_alexnet, "pytorch/vision torchvision/models/alexnet.py"),
    *(
        Network(
            f"vgg{depth}", "vgg", f"VGG-{depth}", partial(_draw_vgg, layers=layers),
            "pytorch/vision torchvision/models/vgg.py",
        )
        for depth, layers in _VGG.items()
    ),
    *(
        Network(
            f"squeezenet1_{version}", "squeezenet", f"SqueezeNet 1.{version}",
            partial(_draw_squeezenet, version=version), "pytorch/vision torchvision/models/squeezenet.py",
            aliases=("squeezenet",) if version == "1" else (),
        )
        for version in _SQUEEZENET
    ),
    *(
        Network(
            f"microbench/conv2d_32f_{k}x{k}_relu_globalavgpool", "microbench", f"one {k} x {k} convolution",
            partial(_draw_layer, kernel=k), _BENCHMARK, (1, 3, 64, 64),
        )
        for k in (1, 3, 5, 7)
    ),
    Network(
        "microbench/depthwise_3x3_relu_globalavgpool", "microbench", "one depthwise 3 x 3 convolution",
        partial(_draw_layer, kernel=3, depthwise=True), _BENCHMARK, (1, 3, 64, 64),
    ),
)  # fmt: skip
