"""MatMulNBits of com.microsoft: weights of four or eight bits in blocks, unpacked to a constant matrix.

The weights are packed [K, blocks, bytes of a block], the scales [K, blocks], the zero points packed like
the weights, 2^(bits - 1) where they are left out. The node becomes a MatMul with transposed weights.

Source: microsoft/onnxruntime, docs/ContribOperators.md, com.microsoft.MatMulNBits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.workload.dtypes import DType
from socsim.workload.graph import Quantization
from socsim.workload.importers.onnx_model import DEFAULT_DOMAIN, Value
from socsim.workload.importers.onnx_tensors import read_only

if TYPE_CHECKING:
    from socsim.workload.graph import Array
    from socsim.workload.importers.onnx_model import Model, Node

_TYPES = {4: DType.UINT4, 8: DType.UINT8}
_GROUP_INDEX = 4


def unpack_weights(model: Model) -> None:
    """Rewrite MatMulNBits nodes whose weights are constant; the others stay as they are."""
    for node in model.nodes:
        if node.op_type == "MatMulNBits" and node.domain and not node.operand(_GROUP_INDEX):
            _unpack_node(model, node)


def _unpack_node(model: Model, node: Node) -> None:
    depth, units, bits, block = (
        int(node.attribute(k, d)) for k, d in (("K", 0), ("N", 0), ("bits", 4), ("block_size", 32))
    )
    packed, scales = model.constant(node.operand(1)), model.constant(node.operand(2))
    points = model.constant(node.operand(3))
    if bits not in _TYPES or packed is None or scales is None or min(depth, units, block) < 1:
        return
    blocks = -(-depth // block)
    if packed.dtype != "uint8" or packed.size * 8 != units * blocks * block * bits or scales.size != units * blocks:
        model.faults.append(
            f"{node.at}: weights and scales do not hold {units} x {depth} elements in blocks of {block}"
        )
        return
    zero_points = _zero_points(points, units, blocks, bits)
    if zero_points is None:
        return
    name = model.fresh(f"{node.inputs[1]}:unpacked")
    value = Value(name, _TYPES[bits], (units, depth), True)
    if model.may_compute(value):
        value.data = read_only(_unpack(packed, bits).reshape(units, blocks * block)[:, :depth])
    table = tuple(float(s) for s in scales.reshape(-1))
    value.quantization = Quantization(table, zero_points, 1, block)
    model.values[name] = value
    node.domain, node.op_type = DEFAULT_DOMAIN, "MatMul"
    node.inputs = [node.inputs[0], name, node.operand(5)]
    node.attributes = {"transB": 1}


def _unpack(packed: Array, bits: int) -> Array:
    import numpy as np

    if bits == 8:
        return packed
    return np.stack((packed & 0x0F, packed >> 4), axis=-1)


def _zero_points(points: Array | None, units: int, blocks: int, bits: int) -> tuple[int, ...] | None:
    """Return one zero point for each block, or None where they are stored in another form."""
    if points is None:
        return (2 ** (bits - 1),) * (units * blocks)
    row = -(-blocks * bits // 8)
    if points.dtype != "uint8" or points.size != units * row:
        return None
    found = _unpack(points, bits).reshape(units, row * 8 // bits)[:, :blocks]
    return tuple(int(z) for z in found.reshape(-1))
