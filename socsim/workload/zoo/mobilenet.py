"""MobileNet V1, V2 and V3, and MnasNet.

Source: Howard et al., MobileNets, arXiv 1704.04861, table 1; Sandler et al., MobileNetV2, arXiv 1801.04381, table 2;
Howard et al., Searching for MobileNetV3, arXiv 1905.02244, tables 1 and 2; Tan et al., MnasNet, arXiv 1807.11626,
figure 7. Rounding of channels as tensorflow/models research/slim/nets and torchvision do it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.inverted import Inverted, inverted_residual
from socsim.workload.zoo.layers import divisible
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

# Output channels and stride of each separable block.
_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1),
)  # fmt: skip
# Expansion, channels, blocks, stride of the first.
_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
# Kernel, channels inside, channels, squeeze and excitation, activation, stride.
_V3_LARGE = (
    (3, 16, 16, False, "RELU", 1), (3, 64, 24, False, "RELU", 2), (3, 72, 24, False, "RELU", 1),
    (5, 72, 40, True, "RELU", 2), *((5, 120, 40, True, "RELU", 1),) * 2,
    (3, 240, 80, False, "HARD_SWISH", 2), (3, 200, 80, False, "HARD_SWISH", 1),
    *((3, 184, 80, False, "HARD_SWISH", 1),) * 2,
    (3, 480, 112, True, "HARD_SWISH", 1), (3, 672, 112, True, "HARD_SWISH", 1),
    (5, 672, 160, True, "HARD_SWISH", 2), *((5, 960, 160, True, "HARD_SWISH", 1),) * 2,
)  # fmt: skip
_V3_SMALL = (
    (3, 16, 16, True, "RELU", 2), (3, 72, 24, False, "RELU", 2), (3, 88, 24, False, "RELU", 1),
    (5, 96, 40, True, "HARD_SWISH", 2), *((5, 240, 40, True, "HARD_SWISH", 1),) * 2,
    (5, 120, 48, True, "HARD_SWISH", 1), (5, 144, 48, True, "HARD_SWISH", 1),
    (5, 288, 96, True, "HARD_SWISH", 2), *((5, 576, 96, True, "HARD_SWISH", 1),) * 2,
)  # fmt: skip
# Kernel, expansion, channels, blocks, stride of the first.
_MNASNET = (
    (3, 3, 24, 3, 2), (5, 3, 40, 3, 2), (5, 6, 80, 3, 2), (3, 6, 96, 2, 1), (5, 6, 192, 4, 2), (3, 6, 320, 1, 1),
)  # fmt: skip


def _draw_v1(net: Layers, variant: Variant, *, width: float = 1.0) -> Tensor:
    factor = width * variant.width
    x = net.conv(net.input(variant.shape), max(8, int(32 * factor)), 3, 2, act="RELU6")
    for channels, stride in _V1:
        x = net.depthwise(x, 3, stride, act="RELU6")
        x = net.conv(x, max(8, int(channels * factor)), act="RELU6")
    return net.classify(x, variant.classes)


def _draw_v2(net: Layers, variant: Variant) -> Tensor:
    width = variant.width
    x = net.conv(net.input(variant.shape), divisible(32 * width), 3, 2, act="RELU6")
    for expansion, channels, blocks, stride in _V2:
        for i in range(blocks):
            block = Inverted(x.shape[1] * expansion, divisible(channels * width), stride=1 if i else stride)
            x = inverted_residual(net, x, block)
    x = net.conv(x, divisible(1280 * max(1.0, width)), act="RELU6")
    return net.classify(x, variant.classes)


def _draw_v3(
    net: Layers, variant: Variant, *, blocks: tuple[tuple[int, int, int, bool, str, int], ...], hidden: int
) -> Tensor:
    width = variant.width
    x = net.conv(net.input(variant.shape), divisible(16 * width), 3, 2, act="HARD_SWISH")
    for kernel, inside, channels, squeezes, act, stride in blocks:
        expanded = divisible(inside * width)
        squeezed = divisible(expanded // 4) if squeezes else 0
        block = Inverted(expanded, divisible(channels * width), kernel, stride, act, squeezed, gate="HARD_SIGMOID")
        x = inverted_residual(net, x, block)
    x = net.conv(x, 6 * x.shape[1], act="HARD_SWISH")
    x = net.dense(net.flatten(net.global_pool(x)), hidden, act="HARD_SWISH")
    return net.dense(x, variant.classes)


def _draw_mnasnet(net: Layers, variant: Variant, *, width: float) -> Tensor:
    x = net.conv(net.input(variant.shape), divisible(32 * width), 3, 2, act="RELU")
    x = net.conv(net.depthwise(x, 3, act="RELU"), divisible(16 * width))
    for kernel, expansion, channels, blocks, stride in _MNASNET:
        for i in range(blocks):
            out, step = divisible(channels * width), 1 if i else stride
            x = inverted_residual(net, x, Inverted(x.shape[1] * expansion, out, kernel, step, "RELU"))
    return net.classify(net.conv(x, 1280, act="RELU"), variant.classes)


NETWORKS = (
    Network(
        "mobilenet_v1", "mobilenet_v1", "MobileNetV1; widths and resolutions as _0.5_160", _draw_v1,
        "tensorflow/models research/slim/nets/mobilenet_v1.py", scales=True,
    ),
    Network(
        "mobilenetv1", "mobilenet_v1", "MobileNetV1 of width 0.5, as the RDK model zoo has it",
        partial(_draw_v1, width=0.5), "D-Robotics/rdk_model_zoo samples/vision/classification (1.33 M parameters)",
    ),
    Network(
        "mobilenet_v2", "mobilenet_v2", "MobileNetV2; widths and resolutions as _0.35_128", _draw_v2,
        "pytorch/vision torchvision/models/mobilenetv2.py", aliases=("mobilenetv2",), scales=True,
    ),
    Network(
        "mobilenet_v3_large", "mobilenet_v3", "MobileNetV3 large", partial(_draw_v3, blocks=_V3_LARGE, hidden=1280),
        "pytorch/vision torchvision/models/mobilenetv3.py",
        aliases=("mobilenet_v3", "mobilenetv3", "mobilenetv3_large_100"), scales=True,
    ),
    Network(
        "mobilenet_v3_small", "mobilenet_v3", "MobileNetV3 small", partial(_draw_v3, blocks=_V3_SMALL, hidden=1024),
        "pytorch/vision torchvision/models/mobilenetv3.py", aliases=("mobilenetv3_small_100",), scales=True,
    ),
    *(
        Network(
            f"mnasnet{str(width).replace('.', '_')}", "mnasnet", f"MnasNet B1 of width {width}",
            partial(_draw_mnasnet, width=width), "pytorch/vision torchvision/models/mnasnet.py",
        )
        for width in (0.5, 1.0)
    ),
)  # fmt: skip
