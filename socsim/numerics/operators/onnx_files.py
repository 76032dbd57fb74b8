"""ONNX files under profiles of other software: ONNX says what an operator means, the profile how it rounds.

So a QDQ network runs by the rules of a platform's NPU. On reals there is nothing to round, and the definitions
of ONNX hold; quantized images [B, C, H, W] go to the profile's own kernels as [B, H, W, C]. Where such a kernel
wants one scale and the file has two, its result is requantized, as converters do; an average over a whole image
is a MEAN, which scales by itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import ONNX_FILES, OVERRIDES, implements_for, prepared
from socsim.numerics.operators.onnx_affine import is_affine, renewed
from socsim.workload.dtypes import SMALL_FLOATS, DType

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run
    from socsim.workload.graph import Tensor

_IMAGES = ("AVERAGE_POOL_2D", "RESIZE_BILINEAR")
_UNROUNDED = (
    "ARG_MAX", "ARG_MIN", "DEPTH_TO_SPACE", "GATHER", "GATHER_ND", "IDENTITY", "MAX_POOL_2D", "ONE_HOT", "SCATTER_ND",
    "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "TOPK",
)  # fmt: skip
"""Operators that choose or move elements."""
_COORDINATES = ("half_pixel", "align_corners", "asymmetric")  # those that other software has too


def _own(node: Node) -> Run | None:
    override = OVERRIDES.get(("onnx", node.op.type))
    return override(node) if override else None


def _is_quantized(node: Node) -> bool:
    return any(t is not None and is_affine(t) for t in (*node.inputs, *node.outputs))


@implements_for(ONNX_FILES, *_UNROUNDED)
def prepare_choice(node: Node) -> Run | None:
    """As ONNX defines it, whatever the profile."""
    return _requantized(node) if _has_two_scales(node) else _own(node)


def _has_two_scales(node: Node) -> bool:
    tensor, result = node.input(0), node.outputs[0]
    return is_affine(tensor) and is_affine(result) and tensor.quantization != result.quantization


def _requantized(node: Node) -> Run:
    """Return the operator in the scale of its operand, with the profile's QUANTIZE behind it."""
    result = node.outputs[0]
    middle = replace(result, dtype=node.input(0).dtype, quantization=node.input(0).quantization)
    first = prepared(renewed(node, node.inputs, [middle, *node.outputs[1:]]))
    quantizer = renewed(node, [middle], [result])
    last = prepared(replace(quantizer, op=replace(quantizer.op, type="QUANTIZE")))

    def run(*operands: Array) -> tuple[Array, ...]:
        made, *rest = first(*operands)
        return (*last(made), *rest)

    return run


@implements_for(ONNX_FILES, *_IMAGES)
def prepare_image(node: Node) -> Run | None:
    """The profile's kernel on images with channels last, where quantized.

    Raises:
        NumericsError: a form that only ONNX has.
    """
    if not _is_quantized(node):
        return _own(node)
    if node.attributes.get("layout") != "NCHW":
        return None
    a, strange = node.attributes, []
    if a.get("count_include_pad") and any(a["pads"]):
        strange.append("count_include_pad")
    if a.get("coordinates", "half_pixel") not in _COORDINATES or a.get("antialias"):
        strange.append(f"coordinates {a['coordinates']}" + " with antialias" * bool(a.get("antialias")))
    if "scales" in a and not _are_exact(node):
        strange.append("scales that are no ratio of the sizes")
    if strange:
        raise NumericsError(f"{node.where}: {', '.join(strange)} has a rule under the profile onnx alone")
    if _has_two_scales(node):
        return _mean(node) if _is_global(node) else _requantized(node)
    run = prepared(renewed(node, [_last(node.input(0))], [_last(node.outputs[0])], layout="NHWC"))

    def on_last(*operands: Array) -> tuple[Array, ...]:
        image = np.ascontiguousarray(operands[0].transpose(0, 2, 3, 1))
        return (np.ascontiguousarray(run(image)[0].transpose(0, 3, 1, 2)),)

    return on_last


def _is_global(node: Node) -> bool:
    a = node.attributes
    is_pool = node.op.type == "AVERAGE_POOL_2D"
    return is_pool and tuple(a["kernel"]) == node.input(0).shape[2:] and not any(a["pads"])


def _mean(node: Node) -> Run:
    found = renewed(node, node.inputs, node.outputs, axes=(2, 3), keep_dims=True)
    return prepared(replace(found, op=replace(found.op, type="MEAN")))


def _are_exact(node: Node) -> bool:
    before, after = node.input(0).shape[2:], node.outputs[0].shape[2:]
    return all(n * s == m for n, s, m in zip(before, node.attributes["scales"], after, strict=True))


def _last(tensor: Tensor) -> Tensor:
    """Return an image's tensor with its channels last."""
    if len(tensor.shape) != 4:
        raise NumericsError(f"tensor {tensor.name!r} has shape {tensor.shape}; an image has four dimensions")
    b, c, h, w = tensor.shape
    return replace(tensor, shape=(b, h, w, c))


@implements_for(
    ONNX_FILES, "BATCH_NORM", "CLIP", "ELU", "FLOOR_MOD", "GELU", "L2_NORMALIZATION", "LOG_SOFTMAX", "LSTM", "MAXIMUM",
    "MINIMUM", "PAD", "REDUCE_MAX", "REDUCE_MIN", "SOFTMAX", "CAST", "ADD",
)  # fmt: skip
def prepare_real(node: Node) -> Run | None:
    """As ONNX defines it on reals; the profile's own kernel where quantized."""
    if not _is_quantized(node):
        return _own(node)
    if node.op.type == "PAD" and node.attributes.get("value", 0.0) != 0.0:
        msg = f"{node.where}: a border of {node.attributes['value']} has a rule under the profile onnx alone"
        raise NumericsError(msg)
    return None


@implements_for(ONNX_FILES, "QUANTIZE", "DEQUANTIZE")
def prepare_conversion(node: Node) -> Run | None:
    """As ONNX defines it for small floats, for scales that are computed, and for reals other than float32."""
    tensors = (node.input(0), node.outputs[0])
    is_plain = len(node.outputs) == 1 and not node.has_input(1)
    is_common = all(t.dtype not in SMALL_FLOATS and t.dtype is not DType.FLOAT16 for t in tensors)
    return None if is_plain and is_common else _own(node)
