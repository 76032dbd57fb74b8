"""The inverted residual: expand, filter each channel, project back; and its fused form.

Source: Sandler et al., MobileNetV2, arXiv 1801.04381, figure 3; with squeeze and excitation: Howard et al., Searching
for MobileNetV3, arXiv 1905.02244, section 5.3; fused: Tan and Le, EfficientNetV2, arXiv 2104.00298, figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers


@dataclass(frozen=True, slots=True)
class Inverted:
    """One block.

    Args:
        expanded: channels inside; the expansion is left out where the input has as many.
        out: channels of the result.
        kernel: of the depthwise convolution.
        stride: of the depthwise convolution.
        act: activation of expansion and filter.
        squeezed: channels of squeeze and excitation; 0 where there is none.
        squeeze_act: activation after the squeeze.
        gate: what makes weights of the excitation.
    """

    expanded: int
    out: int
    kernel: int = 3
    stride: int = 1
    act: str = "RELU6"
    squeezed: int = 0
    squeeze_act: str = "RELU"
    gate: str = "LOGISTIC"


def inverted_residual(net: Layers, x: Tensor, block: Inverted) -> Tensor:
    """Add an inverted residual; the input is added back where sizes agree."""
    y = x if block.expanded == x.shape[1] else net.conv(x, block.expanded, act=block.act)
    y = net.depthwise(y, block.kernel, block.stride, act=block.act)
    if block.squeezed:
        y = net.squeeze_excite(y, block.squeezed, act=block.squeeze_act, gate=block.gate)
    return _with_shortcut(net, x, net.conv(y, block.out), block)


def fused_inverted_residual(net: Layers, x: Tensor, block: Inverted) -> Tensor:
    """Add the form in which one dense convolution expands and filters."""
    if block.expanded == x.shape[1]:
        y = net.conv(x, block.out, block.kernel, block.stride, act=block.act)
    else:
        y = net.conv(net.conv(x, block.expanded, block.kernel, block.stride, act=block.act), block.out)
    return _with_shortcut(net, x, y, block)


def _with_shortcut(net: Layers, x: Tensor, y: Tensor, block: Inverted) -> Tensor:
    return net.add(y, x) if block.stride == 1 and x.shape[1] == block.out else y
