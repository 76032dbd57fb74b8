"""ConvNeXt.

Source: Liu et al., A ConvNet for the 2020s, arXiv 2201.03545; torchvision/models/convnext.py for tiny to base (linear
layers on channels-last tensors between transposes); the smaller ones of timm/models/convnext.py use 1 x 1 convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers


@dataclass(frozen=True, slots=True)
class _Form:
    depths: tuple[int, ...]
    width: int
    is_convolutional: bool = False


def channel_norm(net: Layers, x: Tensor) -> Tensor:
    """Normalise the channels of each position, as exporters write it: between two transposes."""
    y = net.layer_norm(net.transpose(x, 0, 2, 3, 1), epsilon=1e-6)
    return net.transpose(y, 0, 3, 1, 2)


def _draw(net: Layers, variant: Variant, *, form: _Form) -> Tensor:
    x = channel_norm(net, net.conv(net.input(variant.shape), form.width, 4, 4, pad=0, norm=False))
    for stage, depth in enumerate(form.depths):
        if stage:
            x = net.conv(channel_norm(net, x), form.width << stage, 2, 2, pad=0, norm=False)
        for _ in range(depth):
            x = _block(net, x, is_convolutional=form.is_convolutional)
    return net.dense(net.layer_norm(net.flatten(net.global_pool(x)), epsilon=1e-6), variant.classes)


def _block(net: Layers, x: Tensor, *, is_convolutional: bool) -> Tensor:
    width = x.shape[1]
    y = net.depthwise(x, 7, norm=False)
    if is_convolutional:
        y = net.conv(channel_norm(net, y), 4 * width, norm=False, act="GELU")
        y = net.conv(y, width, norm=False)
    else:
        y = net.layer_norm(net.transpose(y, 0, 2, 3, 1), epsilon=1e-6)
        y = net.dense(net.dense(y, 4 * width, act="GELU"), width)
        y = net.transpose(y, 0, 3, 1, 2)
    return net.add(x, net.scaled(y, width, 1, 1))


_TORCHVISION, _TIMM = "pytorch/vision torchvision/models/convnext.py", "timm/models/convnext.py"
_FORMS = (
    ("atto", _Form((2, 2, 6, 2), 40, is_convolutional=True), _TIMM),
    ("femto", _Form((2, 2, 6, 2), 48, is_convolutional=True), _TIMM),
    ("pico", _Form((2, 2, 6, 2), 64, is_convolutional=True), _TIMM),
    ("nano", _Form((2, 2, 8, 2), 80, is_convolutional=True), _TIMM),
    ("tiny", _Form((3, 3, 9, 3), 96), _TORCHVISION),
    ("small", _Form((3, 3, 27, 3), 96), _TORCHVISION),
    ("base", _Form((3, 3, 27, 3), 128), _TORCHVISION),
)

NETWORKS = tuple(
    Network(f"convnext_{name}", "convnext", f"ConvNeXt {name}", partial(_draw, form=form), source)
    for name, form, source in _FORMS
)
