"""RegNet X and Y, and ShuffleNet V2.

Source: Radosavovic et al., Designing Network Design Spaces, arXiv 2003.13678, with the widths that
torchvision/models/regnet.py rounds to; Ma et al., ShuffleNet V2, arXiv 1807.11164, table 5.
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
    widths: tuple[int, ...]
    group_width: int
    squeezes: bool = False


def _draw(net: Layers, variant: Variant, *, form: _Form) -> Tensor:
    x = net.conv(net.input(variant.shape), 32, 3, 2, act="RELU")
    for depth, width in zip(form.depths, form.widths, strict=True):
        for i in range(depth):
            x = _block(net, x, width, 1 if i else 2, form)
    return net.classify(x, variant.classes)


def _block(net: Layers, x: Tensor, width: int, stride: int, form: _Form) -> Tensor:
    short = x if stride == 1 and x.shape[1] == width else net.conv(x, width, 1, stride)
    y = net.conv(x, width, act="RELU")
    y = net.conv(y, width, 3, stride, groups=width // form.group_width, act="RELU")
    if form.squeezes:
        y = net.squeeze_excite(y, round(x.shape[1] / 4))
    return net.add(short, net.conv(y, width), act="RELU")


def _draw_shufflenet(net: Layers, variant: Variant, *, widths: tuple[int, ...]) -> Tensor:
    x = net.max_pool(net.conv(net.input(variant.shape), 24, 3, 2, act="RELU"), 3, 2, pad=1)
    for depth, width in zip((4, 8, 4), widths, strict=False):
        x = _shrinking_unit(net, x, width // 2)
        for _ in range(depth - 1):
            kept, changed = net.split(x, width // 2, width // 2)
            x = net.shuffle(net.concat(kept, _branch(net, changed, width // 2, 1)), 2)
    return net.classify(net.conv(x, widths[-1], act="RELU"), variant.classes)


def _branch(net: Layers, x: Tensor, width: int, stride: int) -> Tensor:
    y = net.depthwise(net.conv(x, width, act="RELU"), 3, stride)
    return net.conv(y, width, act="RELU")


def _shrinking_unit(net: Layers, x: Tensor, width: int) -> Tensor:
    first = net.conv(net.depthwise(x, 3, 2), width, act="RELU")
    return net.shuffle(net.concat(first, _branch(net, x, width, 2)), 2)


# Name, depths, widths, group width.
_REGNETS = (
    ("x_400mf", (1, 2, 7, 12), (32, 64, 160, 400), 16),
    ("x_800mf", (1, 3, 7, 5), (64, 128, 288, 672), 16),
    ("x_3_2gf", (2, 6, 15, 2), (96, 192, 432, 1008), 48),
    ("y_400mf", (1, 3, 6, 6), (48, 104, 208, 440), 8),
    ("y_800mf", (1, 3, 8, 2), (64, 144, 320, 784), 16),
)
_SHUFFLENETS = (
    ("x0_5", (48, 96, 192, 1024)), ("x1_0", (116, 232, 464, 1024)), ("x1_5", (176, 352, 704, 1024)),
    ("x2_0", (244, 488, 976, 2048)),
)  # fmt: skip

NETWORKS = (
    *(
        Network(
            f"regnet_{name}", f"regnet_{name[0]}", f"RegNet {name.upper()}",
            partial(_draw, form=_Form(depths, widths, group, squeezes=name.startswith("y"))),
            "pytorch/vision torchvision/models/regnet.py",
        )
        for name, depths, widths, group in _REGNETS
    ),
    *(
        Network(
            f"shufflenet_v2_{name}", "shufflenet_v2", f"ShuffleNet V2 {name}",
            partial(_draw_shufflenet, widths=widths), "pytorch/vision torchvision/models/shufflenetv2.py",
        )
        for name, widths in _SHUFFLENETS
    ),
)  # fmt: skip
