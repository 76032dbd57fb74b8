"""Residual networks: ResNet, Wide ResNet, ResNeXt.

Source: He et al., Deep Residual Learning for Image Recognition, arXiv 1512.03385, table 1, with the stride in the
3 x 3 convolution (torchvision "v1.5"); Zagoruyko and Komodakis, arXiv 1605.07146; Xie et al., arXiv 1611.05431;
pre-activation: He et al., Identity Mappings in Deep Residual Networks, arXiv 1603.05027, in the form of MXNet Gluon,
which the ONNX model zoo distributes (resnet50-v2-7); TF-Slim's v1: strides in the last block of a stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_TORCHVISION = "pytorch/vision torchvision/models/resnet.py"


@dataclass(frozen=True, slots=True)
class _Form:
    depths: tuple[int, ...]
    expansion: int = 4
    groups: int = 1
    group_width: int = 64


def _stem(net: Layers, x: Tensor) -> Tensor:
    x = net.conv(x, 64, 7, 2, act="RELU")
    return net.max_pool(x, 3, 2, pad=1)


def _block(net: Layers, x: Tensor, planes: int, stride: int, form: _Form) -> Tensor:
    out = planes * form.expansion
    short = x if stride == 1 and x.shape[1] == out else net.conv(x, out, 1, stride)
    if form.expansion == 1:
        y = net.conv(x, planes, 3, stride, act="RELU")
        return net.add(net.conv(y, planes, 3), short, act="RELU")
    width = planes * form.group_width // 64 * form.groups
    y = net.conv(x, width, 1, act="RELU")
    y = net.conv(y, width, 3, stride, groups=form.groups, act="RELU")
    return net.add(net.conv(y, out, 1), short, act="RELU")


def _draw(net: Layers, variant: Variant, *, form: _Form) -> Tensor:
    x = _stem(net, net.input(variant.shape))
    for stage, depth in enumerate(form.depths):
        for i in range(depth):
            x = _block(net, x, 64 << stage, 2 if stage and not i else 1, form)
    return net.classify(x, variant.classes)


def _slim_block(net: Layers, x: Tensor, planes: int, stride: int) -> Tensor:
    """Return a bottleneck whose shortcut leaves out positions where its channels stay the same."""
    out = planes * 4
    kept = x if stride == 1 else net.max_pool(x, 1, stride)
    short = kept if x.shape[1] == out else net.conv(x, out, 1, stride)
    y = net.conv(x, planes, act="RELU")
    y = net.conv(y, planes, 3, stride, act="RELU")
    return net.add(net.conv(y, out), short, act="RELU")


def _draw_slim(net: Layers, variant: Variant, *, depths: tuple[int, ...]) -> Tensor:
    """Return a network of the form of TF-Slim, with strides in the last block of a stage; none in the last stage."""
    x = _stem(net, net.input(variant.shape))
    for stage, depth in enumerate(depths):
        for i in range(depth):
            x = _slim_block(net, x, 64 << stage, 2 if stage < len(depths) - 1 and i == depth - 1 else 1)
    return net.classify(x, variant.classes)


def _preactivation_block(net: Layers, x: Tensor, planes: int, stride: int) -> Tensor:
    before = net.batch_norm(x, act="RELU")
    out = planes * 4
    short = x if stride == 1 and x.shape[1] == out else _bare(net, before, out, stride)
    y = net.conv(before, planes, act="RELU")
    y = net.conv(y, planes, 3, stride, act="RELU")
    return net.add(_bare(net, y, out), short)


def _bare(net: Layers, x: Tensor, channels: int, stride: int = 1) -> Tensor:
    return net.conv(x, channels, 1, stride, norm=False, bias=False)


def _draw_v2(net: Layers, variant: Variant, *, depths: tuple[int, ...]) -> Tensor:
    x = _stem(net, net.batch_norm(net.input(variant.shape)))
    for stage, depth in enumerate(depths):
        for i in range(depth):
            x = _preactivation_block(net, x, 64 << stage, 2 if stage and not i else 1)
    return net.classify(net.batch_norm(x, act="RELU"), variant.classes)


def _network(name: str, title: str, form: _Form, family: str = "resnet") -> Network:
    return Network(name, family, title, partial(_draw, form=form), _TORCHVISION)


NETWORKS = (
    _network("resnet18", "ResNet-18", _Form((2, 2, 2, 2), expansion=1)),
    _network("resnet34", "ResNet-34", _Form((3, 4, 6, 3), expansion=1)),
    _network("resnet50", "ResNet-50 (v1.5)", _Form((3, 4, 6, 3))),
    _network("resnet101", "ResNet-101 (v1.5)", _Form((3, 4, 23, 3))),
    _network("resnet152", "ResNet-152 (v1.5)", _Form((3, 8, 36, 3))),
    _network("wide_resnet50_2", "Wide ResNet-50, twice the width", _Form((3, 4, 6, 3), group_width=128)),
    _network("resnext50_32x4d", "ResNeXt-50, 32 groups", _Form((3, 4, 6, 3), groups=32, group_width=4), "resnext"),
    _network("resnext101_32x8d", "ResNeXt-101, 32 groups", _Form((3, 4, 23, 3), groups=32, group_width=8), "resnext"),
    Network(
        "resnet50_slim", "resnet", "ResNet-50 (v1) of TF-Slim", partial(_draw_slim, depths=(3, 4, 6, 3)),
        "tensorflow/models research/slim/nets/resnet_v1.py",
    ),
    Network(
        "resnet50_v2", "resnet", "ResNet-50, pre-activation", partial(_draw_v2, depths=(3, 4, 6, 3)),
        "apache/mxnet python/mxnet/gluon/model_zoo/vision/resnet.py",
    ),
)  # fmt: skip
