"""NumPy arrays by socsim's element types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

_NUMPY = {
    DType.INT2: np.int8, DType.UINT2: np.uint8, DType.FLOAT4E2M1: np.uint8, DType.FLOAT8E4M3FN: np.uint8,
    DType.FLOAT8E4M3FNUZ: np.uint8, DType.FLOAT8E5M2: np.uint8, DType.FLOAT8E5M2FNUZ: np.uint8,
    DType.INT4: np.int8, DType.UINT4: np.uint8, DType.INT8: np.int8, DType.UINT8: np.uint8, DType.INT16: np.int16,
    DType.UINT16: np.uint16, DType.INT32: np.int32, DType.UINT32: np.uint32, DType.INT64: np.int64,
    DType.UINT64: np.uint64, DType.FLOAT16: np.float16, DType.FLOAT32: np.float32, DType.FLOAT64: np.float64,
    DType.BOOL: np.bool_, DType.RESOURCE: np.object_,
}  # fmt: skip
_RANGES = {
    DType.INT2: (-2, 1), DType.UINT2: (0, 3), DType.INT4: (-8, 7), DType.UINT4: (0, 15), DType.FLOAT4E2M1: (0, 15),
}  # fmt: skip


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """Return the NumPy type that holds an element; smaller ones take a byte each, small floats as their codes."""
    return np.dtype(_NUMPY[dtype])


def has_arrays(dtype: DType) -> bool:
    """Whether NumPy holds such elements."""
    return dtype in _NUMPY


def integer_range(dtype: DType) -> tuple[int, int]:
    """Return the least and greatest value of an integer type, or code of a small float."""
    if dtype in _RANGES:
        return _RANGES[dtype]
    info = np.iinfo(_NUMPY[dtype])
    return int(info.min), int(info.max)


def constant_array(tensor: Tensor) -> Array:
    """Return a constant's elements in its shape; packed 4-bit elements are unpacked, one a byte."""
    data = tensor.data
    if data is None:
        msg = f"tensor {tensor.index} {tensor.name!r} has no values"
        raise ValueError(msg)
    if tensor.dtype in (DType.INT4, DType.UINT4) and data.size != tensor.elements:
        return _unpacked(np.asarray(data, np.uint8).ravel(), tensor)
    return np.asarray(data).reshape(tensor.shape)


def _unpacked(packed: Array, tensor: Tensor) -> Array:
    """Return 4-bit elements, the low half of each byte first."""
    nibbles = np.empty(2 * packed.size, np.uint8)
    nibbles[0::2], nibbles[1::2] = packed & 0x0F, packed >> 4
    nibbles = nibbles[: tensor.elements].reshape(tensor.shape)
    if tensor.dtype is DType.UINT4:
        return nibbles
    return ((nibbles.astype(np.int8) ^ 8) - 8).astype(np.int8)
