"""Networks whose training branches fold into single convolutions: RepVGG, MobileOne, RepGhost, RepViT, FastViT.

Drawn as they are deployed, with the branches folded. Source: Ding et al., RepVGG, arXiv 2101.03697, table 2; Vasu et
al., MobileOne, arXiv 2206.04040, table 2; Chen et al., RepGhost, arXiv 2211.06088, table 2; Wang et al., RepViT,
arXiv 2307.09283, table 6; Vasu et al., FastViT, arXiv 2303.14189, table 2. Details as timm/models writes them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.layers import divisible
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

# --- RepVGG -------------------------------------------------------------------------------------------


def _draw_repvgg(
    net: Layers, variant: Variant, *, depths: tuple[int, ...], widths: tuple[int, ...], groups: int = 1
) -> Tensor:
    x = net.conv(net.input(variant.shape), min(64, widths[0]), 3, 2, act="RELU")
    position = 0
    for depth, width in zip(depths, widths, strict=True):
        for i in range(depth):
            position += 1
            in_groups = groups if position % 2 == 0 else 1  # every other layer
            x = net.conv(x, width, 3, 1 if i else 2, groups=in_groups, act="RELU")
    return net.classify(x, variant.classes)


# --- MobileOne ----------------------------------------------------------------------------------------

_MOBILEONE_DEPTHS = (2, 8, 10, 1)


def _draw_mobileone(
    net: Layers, variant: Variant, *, widths: tuple[int, ...], weighed: tuple[int, ...] = (0, 0, 0, 0)
) -> Tensor:
    """Draw MobileOne; the last `weighed` blocks of each stage have squeeze and excitation."""
    x = net.conv(net.input(variant.shape), min(64, widths[0]), 3, 2, act="RELU")
    for depth, width, last in zip(_MOBILEONE_DEPTHS, widths, weighed, strict=True):
        for i in range(depth):
            ratio = 16 if i >= depth - last else 0
            x = _weighed(net, net.depthwise(x, 3, 1 if i else 2), ratio, "RELU")
            x = _weighed(net, net.conv(x, width), ratio, "RELU")
    return net.classify(x, variant.classes)


def _weighed(net: Layers, x: Tensor, ratio: int, act: str) -> Tensor:
    """Apply squeeze and excitation (not for ratio 0), then the activation."""
    if ratio:
        x = net.squeeze_excite(x, divisible(x.shape[1] / ratio, least=0))
    return net.act(x, act)


# --- RepGhost -----------------------------------------------------------------------------------------

# Kernel, channels inside, channels, squeeze and excitation, stride.
_REPGHOST = (
    (3, 8, 16, False, 1), (3, 24, 24, False, 2), (3, 36, 24, False, 1), (5, 36, 40, True, 2), (5, 60, 40, True, 1),
    (3, 120, 80, False, 2), (3, 100, 80, False, 1), *((3, 120, 80, False, 1),) * 2, (3, 240, 112, True, 1),
    (3, 336, 112, True, 1), (5, 336, 160, True, 2), *((5, 480, 160, False, 1), (5, 480, 160, True, 1)) * 2,
)  # fmt: skip


def _draw_repghost(net: Layers, variant: Variant, *, width: float) -> Tensor:
    x = net.conv(net.input(variant.shape), divisible(16 * width, 4), 3, 2, act="RELU")
    for kernel, inside, channels, is_weighed, stride in _REPGHOST:
        short = x
        out, middle = divisible(channels * width, 4), divisible(inside * width, 4)
        y = _ghost(net, x, middle, act="RELU")
        if stride > 1:
            y = net.depthwise(y, kernel, stride)
        if is_weighed:
            y = net.squeeze_excite(y, divisible(middle / 4, 4), gate="HARD_SIGMOID")
        if stride > 1 or x.shape[1] != out:
            short = net.conv(net.depthwise(x, kernel, stride), out)
        x = net.add(_ghost(net, y, out), short)
    x = net.conv(x, divisible(480 * width * 2, 4), act="RELU")
    x = net.conv(net.global_pool(x), 1280, norm=False, act="RELU")
    return net.dense(net.flatten(x), variant.classes)


def _ghost(net: Layers, x: Tensor, channels: int, *, act: str | None = None) -> Tensor:
    return net.depthwise(net.conv(x, channels, act=act), 3, act=act)


# --- RepViT -------------------------------------------------------------------------------------------


def _draw_repvit(net: Layers, variant: Variant, *, widths: tuple[int, ...], depths: tuple[int, ...]) -> Tensor:
    x = net.conv(net.input(variant.shape), widths[0] // 2, 3, 2, act="GELU")
    x = net.conv(x, widths[0], 3, 2)
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage:
            x = _channel_mixer(net, net.depthwise(x, 3))
            x = _channel_mixer(net, net.conv(net.depthwise(x, 3, 2), width))
        for i in range(depth):
            x = net.depthwise(x, 3)
            if i % 2 == 0:
                x = net.squeeze_excite(x, divisible(width / 4, least=0))
            x = _channel_mixer(net, x)
    return net.classify(x, variant.classes)


def _channel_mixer(net: Layers, x: Tensor) -> Tensor:
    return net.add(x, net.conv(net.conv(x, 2 * x.shape[1], act="GELU"), x.shape[1]))


# --- FastViT ------------------------------------------------------------------------------------------


def _draw_fastvit(net: Layers, variant: Variant, *, widths: tuple[int, ...], depths: tuple[int, ...]) -> Tensor:
    x = net.conv(net.input(variant.shape), widths[0], 3, 2, act="GELU")
    x = net.conv(net.depthwise(x, 3, 2, act="GELU"), widths[0], act="GELU")
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage:
            x = net.conv(net.conv(x, width, 7, 2, groups=x.shape[1]), width, act="GELU")
        for _ in range(depth):
            x = _mixer_block(net, x)
    x = net.conv(x, 2 * widths[-1], 3, groups=widths[-1])
    return net.classify(net.act(net.squeeze_excite(x, x.shape[1] // 16), "GELU"), variant.classes)


def _mixer_block(net: Layers, x: Tensor) -> Tensor:
    width = x.shape[1]
    x = net.depthwise(x, 3)
    y = net.conv(net.depthwise(x, 7), 3 * width, norm=False, act="GELU")
    return net.add(x, net.scaled(net.conv(y, width, norm=False), width, 1, 1))


_REPVGGS = (
    ("a0", (2, 4, 14, 1), (48, 96, 192, 1280), 1), ("a1", (2, 4, 14, 1), (64, 128, 256, 1280), 1),
    ("b0", (4, 6, 16, 1), (64, 128, 256, 1280), 1), ("b1g4", (4, 6, 16, 1), (128, 256, 512, 2048), 4),
)  # fmt: skip
_MOBILEONES = (
    ("s0", (48, 128, 256, 1024), (0, 0, 0, 0)), ("s1", (96, 192, 512, 1280), (0, 0, 0, 0)),
    ("s2", (96, 256, 640, 2048), (0, 0, 0, 0)), ("s3", (128, 320, 768, 2048), (0, 0, 0, 0)),
    ("s4", (192, 448, 896, 2048), (0, 0, 5, 1)),
)  # fmt: skip
_REPVITS = (
    ("m0_9", (48, 96, 192, 384), (2, 2, 14, 2), ("repvit",)), ("m1_0", (56, 112, 224, 448), (2, 2, 14, 2), ()),
    ("m1_1", (64, 128, 256, 512), (2, 2, 12, 2), ()),
)  # fmt: skip

NETWORKS = (
    *(
        Network(
            f"repvgg_{name}", "repvgg", f"RepVGG-{name.upper()}, deployed",
            partial(_draw_repvgg, depths=depths, widths=widths, groups=groups), "arXiv 2101.03697, table 2",
        )
        for name, depths, widths, groups in _REPVGGS
    ),
    *(
        Network(
            f"mobileone_{name}", "mobileone", f"MobileOne-{name.upper()}, deployed",
            partial(_draw_mobileone, widths=widths, weighed=weighed), "arXiv 2206.04040, table 2",
        )
        for name, widths, weighed in _MOBILEONES
    ),
    *(
        Network(
            f"repghostnet_{round(100 * width)}", "repghost", f"RepGhostNet of width {width}, deployed",
            partial(_draw_repghost, width=width), "arXiv 2211.06088, table 2; timm/models/repghost.py",
        )
        for width in (1.0, 1.11, 1.3, 1.5, 2.0)
    ),
    *(
        Network(
            f"repvit_{name}", "repvit", f"RepViT-{name.upper().replace('_', '.')}, deployed",
            partial(_draw_repvit, widths=widths, depths=depths), "arXiv 2307.09283, table 6; timm/models/repvit.py",
            aliases=aliases,
        )
        for name, widths, depths, aliases in _REPVITS
    ),
    Network(
        "fastvit_t8", "fastvit", "FastViT-T8, deployed",
        partial(_draw_fastvit, widths=(48, 96, 192, 384), depths=(2, 2, 4, 2)),
        "arXiv 2303.14189, table 2; timm/models/fastvit.py", (1, 3, 256, 256),
    ),
)  # fmt: skip
