"""EfficientNet, EfficientNet-Lite and EfficientNetV2.

Source: Tan and Le, EfficientNet, arXiv 1905.11946, table 1; EfficientNetV2, arXiv 2104.00298, table 4; Lite: no squeeze
and excitation, ReLU6, stem and head not scaled, tensorflow/tpu models/official/efficientnet/lite. Rounding as
torchvision/models/efficientnet.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from socsim.workload.zoo.inverted import Inverted, fused_inverted_residual, inverted_residual
from socsim.workload.zoo.layers import divisible
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers


@dataclass(frozen=True, slots=True)
class _Stage:
    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int
    is_fused: bool = False


_B0 = (
    _Stage(1, 3, 1, 16, 1), _Stage(6, 3, 2, 24, 2), _Stage(6, 5, 2, 40, 2), _Stage(6, 3, 2, 80, 3),
    _Stage(6, 5, 1, 112, 3), _Stage(6, 5, 2, 192, 4), _Stage(6, 3, 1, 320, 1),
)  # fmt: skip
_V2_S = (
    _Stage(1, 3, 1, 24, 2, True), _Stage(4, 3, 2, 48, 4, True), _Stage(4, 3, 2, 64, 4, True),
    _Stage(4, 3, 2, 128, 6), _Stage(6, 3, 1, 160, 9), _Stage(6, 3, 2, 256, 15),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Form:
    stages: tuple[_Stage, ...] = _B0
    width: float = 1.0
    depth: float = 1.0
    stem: int = 32
    head: int | None = 1280
    is_lite: bool = False

    @property
    def act(self) -> str:
        return "RELU6" if self.is_lite else "SWISH"

    def blocks(self, position: int) -> int:
        """Return how often a stage's block stands; Lite leaves the first and the last stage as they are."""
        count = self.stages[position].blocks
        is_kept = self.is_lite and position in (0, len(self.stages) - 1)
        return count if is_kept else ceil(count * self.depth)


def _draw(net: Layers, variant: Variant, *, form: _Form) -> Tensor:
    scale = 1.0 if form.is_lite else form.width
    x = net.conv(net.input(variant.shape), divisible(form.stem * scale), 3, 2, act=form.act)
    for position, stage in enumerate(form.stages):
        out = divisible(stage.channels * form.width)
        for i in range(form.blocks(position)):
            x = _block(net, x, form, stage, out, 1 if i else stage.stride)
    head = form.head or 4 * x.shape[1]
    return net.classify(net.conv(x, head, act=form.act), variant.classes)


def _block(net: Layers, x: Tensor, form: _Form, stage: _Stage, out: int, stride: int) -> Tensor:
    channels = x.shape[1]
    squeezed = 0 if stage.is_fused or form.is_lite else max(1, channels // 4)
    block = Inverted(
        divisible(channels * stage.expansion), out, stage.kernel, stride, form.act, squeezed, squeeze_act="SWISH"
    )
    return (fused_inverted_residual if stage.is_fused else inverted_residual)(net, x, block)


_TORCHVISION = "pytorch/vision torchvision/models/efficientnet.py"
# Name, factor of the width, factor of the depth, resolution.
_SCALED = (
    ("b0", 1.0, 1.0, 224), ("b1", 1.0, 1.1, 240), ("b2", 1.1, 1.2, 288), ("b3", 1.2, 1.4, 300), ("b4", 1.4, 1.8, 380),
)  # fmt: skip
_LITE = (
    ("lite0", 1.0, 1.0, 224), ("lite1", 1.0, 1.1, 240), ("lite2", 1.1, 1.2, 260), ("lite3", 1.2, 1.4, 280),
    ("lite4", 1.4, 1.8, 300),
)  # fmt: skip

NETWORKS = (
    *(
        Network(
            f"efficientnet_{name}", "efficientnet", f"EfficientNet-{name.upper()}",
            partial(_draw, form=_Form(width=width, depth=depth, head=None)), _TORCHVISION, (1, 3, side, side),
        )
        for name, width, depth, side in _SCALED
    ),
    *(
        Network(
            f"efficientnet_{name}", "efficientnet_lite", f"EfficientNet-Lite{name[-1]}",
            partial(_draw, form=_Form(width=width, depth=depth, is_lite=True)),
            "tensorflow/tpu models/official/efficientnet/lite", (1, 3, side, side),
        )
        for name, width, depth, side in _LITE
    ),
    Network(
        "efficientnet_v2_s", "efficientnet_v2", "EfficientNetV2-S", partial(_draw, form=_Form(_V2_S, stem=24)),
        _TORCHVISION, (1, 3, 384, 384),
    ),
)  # fmt: skip
