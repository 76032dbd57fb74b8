"""Scales and zero points of ONNX: from operands to the graph's Quantization, and arithmetic on constants."""

from __future__ import annotations

from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from socsim.workload.dtypes import SMALL_FLOATS, DType
from socsim.workload.graph import Quantization
from socsim.workload.importers.onnx_model import Value
from socsim.workload.importers.onnx_rules import Lowered, front
from socsim.workload.importers.onnx_tensors import read_only
from socsim.workload.small_floats import decoded, encoded

if TYPE_CHECKING:
    from socsim.workload.graph import Array, Tensor
    from socsim.workload.importers.onnx_model import Model, Node
    from socsim.workload.importers.onnx_rules import Rule


_LISTED = 5  # bad scales that a message shows of one value


def read_quantization(
    model: Model,
    node: Node,
    of: str,
    scale: str,
    zero_point: str,
    *,
    axis: int | None = None,
    block_size: int = 0,
) -> Quantization | None:
    """Return the quantization that two operands describe, or None where they are not constant.

    Args:
        model: the model; faults of the operands are added to it.
        node: the node that has the operands, for messages.
        of: name of the quantized value.
        scale: name of the scale operand.
        zero_point: name of the zero point operand, "" for zero.
        axis: axis of several scales, negative ones counted from the end.
        block_size: elements along `axis` that share a scale, 0 for whole slices.
    """
    scales = model.constant(scale)
    points = model.constant(zero_point)
    if scales is None or (zero_point and points is None):
        return None
    try:
        return quantization_of(model.values[of], scales, points, axis=axis, block_size=block_size)
    except ValueError as fault:
        model.faults.append(f"{node.at}: quantization of {of!r}: {fault}")
        return None


def quantization_of(
    value: Value | Tensor, scales: Array, points: Array | None, *, axis: int | None, block_size: int = 0
) -> Quantization:
    """Return the quantization of a value by arrays of scales and zero points (None for zero).

    Args:
        value: what is quantized.
        scales: one, or several along `axis`.
        points: one, or as many as scales.
        axis: see `read_quantization`.
        block_size: see `read_quantization`.

    Raises:
        ValueError: scales or zero points that the value cannot have.
    """
    count = scales.size
    points = points if points is not None else _zeros(count)
    fault = _fault(scales, points, value.shape, axis, block_size, value.dtype)
    if fault:
        raise ValueError(fault)
    zero_points = tuple(int(z) for z in points.reshape(-1))
    zero_points = zero_points * count if len(zero_points) == 1 else zero_points
    along = None if count == 1 or axis is None else axis % len(value.shape)
    return Quantization(tuple(float(s) for s in scales.reshape(-1)), zero_points, along, block_size or None)


def _zeros(count: int) -> Array:
    import numpy as np

    return np.zeros(count, np.int64)


def _fault(
    scales: Array, points: Array, shape: tuple[int, ...], axis: int | None, block_size: int, dtype: DType
) -> str:
    count = scales.size
    if block_size < 0:
        return f"block size {block_size}; it is 0 or more"
    bad = [(i, s) for i, s in enumerate(map(float, scales.reshape(-1))) if not (isfinite(s) and s > 0)]
    if bad:
        found = ", ".join(f"scale {i} is {s}" for i, s in bad[:_LISTED]) + ", …" * (len(bad) > _LISTED)
        return f"{found}; scales must be finite and greater than zero"
    if points.size not in (1, count):
        return f"{points.size} zero points for {count} scales"
    low, high = integer_range(dtype)
    if any(not low <= int(z) <= high for z in points.reshape(-1)):
        return f"a zero point is outside {low} to {high} of {dtype.value}"
    return "" if count == 1 else _count_fault(count, shape, axis, block_size)


def _count_fault(count: int, shape: tuple[int, ...], axis: int | None, block_size: int) -> str:
    if axis is None or not -len(shape) <= axis < len(shape):
        return f"{count} scales along axis {axis} of shape {list(shape)}"
    length = shape[axis]
    expected = prod(shape) // max(length, 1) * -(-length // block_size) if block_size else length
    if count != expected:
        return f"{count} scales where axis {axis} of shape {list(shape)} needs {expected} (or one)"
    return ""


def integer_range(dtype: DType) -> tuple[int, int]:
    """Return the smallest and the largest value of an integer type; (0, 0) for other types."""
    if not dtype.is_integer:
        return 0, 0
    if dtype.value.startswith("u"):
        return 0, 2**dtype.bits - 1
    return -(2 ** (dtype.bits - 1)), 2 ** (dtype.bits - 1) - 1


def assign(model: Model, node: Node, name: str, quantization: Quantization | None) -> str:
    """Give a value its quantization, and return its name.

    Exporters merge equal constants, so a constant may be read with two quantizations: the second reader
    gets a twin of it. Two quantizations of any other value are a fault.
    """
    if quantization is None:
        return name
    value = model.values[name]
    if value.quantization is None:
        value.quantization = quantization
    elif value.quantization != quantization and value.constant:
        twin = model.fresh(f"{name}:twin")
        model.values[twin] = Value(twin, value.dtype, value.shape, True, value.data, quantization)
        return twin
    elif value.quantization != quantization:
        model.faults.append(
            f"{node.at}: {name!r} has another quantization elsewhere; give each value one scale and one zero point"
        )
    return name


def _along(values: tuple[float, ...] | tuple[int, ...], value: Value, quantization: Quantization, dtype: str) -> Array:
    """Return scales or zero points in a shape that broadcasts against the value."""
    import numpy as np

    table = np.array(values, dtype)
    axis, block = quantization.axis, quantization.block_size
    if axis is None:
        return table.reshape(())
    shape = list(value.shape)
    if block is None:
        return table.reshape([d if i == axis else 1 for i, d in enumerate(shape)])
    blocks = np.arange(shape[axis]) // block
    shape[axis] = -(-shape[axis] // block)
    return table.reshape(shape).take(blocks, axis=axis)


def dequantize(value: Value, quantization: Quantization) -> Array | None:
    """Return a constant's real values as float32: f32(integer - zero point) x scale."""
    import numpy as np

    if value.data is None:
        return None
    points = _along(quantization.zero_points, value, quantization, "i8")
    scales = _along(quantization.scales, value, quantization, "f4")
    if value.dtype in SMALL_FLOATS:
        return read_only(decoded(value.data, value.dtype) * scales)
    return read_only((value.data.astype(np.int64) - points).astype(np.float32) * scales)


def quantize(value: Value, quantization: Quantization, dtype: DType, *, saturate: bool = True) -> Array | None:
    """Return a constant's integers: x / scale in float32, rounded half to even, plus zero point, saturated.

    Of a small float, the codes; `saturate` is for them.

    Source: ONNX operator QuantizeLinear.
    """
    import numpy as np

    if value.data is None:
        return None
    low, high = integer_range(dtype)
    points = _along(quantization.zero_points, value, quantization, "f8")
    scales = _along(quantization.scales, value, quantization, "f4")
    if dtype in SMALL_FLOATS:
        with np.errstate(all="ignore"):
            return read_only(encoded(value.data.astype(np.float32) / scales, dtype, saturate=saturate))
    with np.errstate(all="ignore"):
        rounded = np.rint(value.data.astype(np.float32) / scales).astype(np.float64) + points
    clipped = np.clip(np.nan_to_num(rounded), low, high)
    return read_only(clipped.astype(storage_type(dtype)))


def storage_type(dtype: DType) -> str:
    """Return the numpy type that stores an integer type, one byte for those of fewer than eight bits."""
    if dtype.bits < 8:
        return "uint8" if dtype.value.startswith("u") else "int8"
    return dtype.value


def bias_quantization(data: Quantization | None, weights: Quantization | None, axis: int = 0) -> Quantization | None:
    """Return the quantization of an int32 bias: the product of both scales, zero point 0."""
    if data is None or weights is None or len(data.scales) != 1 or weights.block_size:
        return None
    scales = tuple(data.scales[0] * s for s in weights.scales)
    return Quantization(scales, (0,) * len(scales), axis if len(scales) > 1 else None)


def convert(operator_type: str) -> Rule:
    """Return the rule of QuantizeLinear or DequantizeLinear.

    Scales and zero points that are computed stay operands; `axis` and `block_size` say what several are for.
    """

    def rule(model: Model, node: Node) -> Lowered:
        attributes: dict[str, Any] = {"saturate": bool(node.attribute("saturate", 1))}
        scale = node.operand(1)
        if scale and len(model.shape(scale)) > 0 and model.shape(scale) != (1,):
            attributes["axis"] = front(int(node.attribute("axis", 1)), len(model.shape(node.inputs[0])))
            attributes["block_size"] = int(node.attribute("block_size", 0))
        return Lowered(operator_type, node.inputs, attributes)

    return rule
