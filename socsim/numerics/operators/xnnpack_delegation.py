"""Multiply-accumulates that LiteRT does not hand to XNNPACK: its optimized kernels compute them.

Source: google-ai-edge/LiteRT tflite/delegates/xnnpack/xnnpack_delegate.cc (VisitConv2DNode, VisitDepthwiseConv2DNode,
VisitTransposeConvNode, VisitFullyConnectedNode), commit f67457790c9c2ab67347d6fe53270e8d3df20868; verified against
LiteRT 2.3.0 on x86.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from socsim.numerics.node import implements_for, prepared
from socsim.numerics.profiles import profile
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.numerics.node import Node, Run


@implements_for("xnnpack", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
def prepare_not_delegated(node: Node) -> Run | None:
    """Quantized operators with operands or geometry that the delegate refuses."""
    if node.input(0).dtype.is_float or not (_has_refused_operands(node) or _has_refused_geometry(node)):
        return None
    return prepared(replace(node, profile=profile(node.profile.fallbacks[0])))


def _has_refused_operands(node: Node) -> bool:
    """Whether operands have a type that the delegate does not take there, or weights or bias are computed."""
    weights = node.input(1)
    if node.input(0).dtype not in (DType.INT8, DType.UINT8):
        return True
    if any(not node.input(i).is_constant for i in (1, 2) if node.has_input(i)):
        return True
    if weights.dtype is DType.INT4:
        return node.op.type != "FULLY_CONNECTED" or weights.shape[-1] % 2 == 1
    has_axis = weights.quantization is not None and bool(weights.quantization.axis)
    return weights.dtype is DType.UINT8 and has_axis


def _has_refused_geometry(node: Node) -> bool:
    """Whether a transposed convolution with padding SAME strides further than its window reaches."""
    if node.op.type != "TRANSPOSE_CONV" or node.attributes.get("padding") != "SAME":
        return False
    return any(k < s for k, s in zip(node.input(1).shape[1:3], node.attributes["strides"], strict=True))
