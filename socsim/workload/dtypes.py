"""Element types of tensors."""

from __future__ import annotations

from enum import Enum


class DType(Enum):
    """Element type; the value is the name that users write."""

    INT2 = "int2"
    UINT2 = "uint2"
    INT4 = "int4"
    UINT4 = "uint4"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT4E2M1 = "float4e2m1"
    FLOAT8E4M3FN = "float8e4m3fn"
    FLOAT8E4M3FNUZ = "float8e4m3fnuz"
    FLOAT8E5M2 = "float8e5m2"
    FLOAT8E5M2FNUZ = "float8e5m2fnuz"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOL = "bool"
    STRING = "string"
    RESOURCE = "resource"

    @property
    def bits(self) -> int:
        """Bits of one element; 0 for strings and resource handles, which hold no numbers."""
        return _BITS[self]

    @property
    def is_float(self) -> bool:
        """Whether the type is a floating-point type."""
        return self in _FLOATS or self in SMALL_FLOATS

    @property
    def is_integer(self) -> bool:
        """Whether the type is a signed or unsigned integer."""
        return not self.is_float and self.bits > 0 and self is not DType.BOOL


_BITS = {
    DType.INT2: 2, DType.UINT2: 2, DType.FLOAT4E2M1: 4, DType.FLOAT8E4M3FN: 8, DType.FLOAT8E4M3FNUZ: 8,
    DType.FLOAT8E5M2: 8, DType.FLOAT8E5M2FNUZ: 8,
    DType.INT4: 4, DType.UINT4: 4, DType.INT8: 8, DType.UINT8: 8, DType.INT16: 16, DType.UINT16: 16,
    DType.INT32: 32, DType.UINT32: 32, DType.INT64: 64, DType.UINT64: 64, DType.FLOAT16: 16,
    DType.BFLOAT16: 16, DType.FLOAT32: 32, DType.FLOAT64: 64, DType.BOOL: 8, DType.STRING: 0,
    DType.RESOURCE: 0,
}  # fmt: skip
_FLOATS = frozenset({DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64})
SMALL_FLOATS = frozenset({
    DType.FLOAT4E2M1, DType.FLOAT8E4M3FN, DType.FLOAT8E4M3FNUZ, DType.FLOAT8E5M2, DType.FLOAT8E5M2FNUZ,
})  # fmt: skip
"""Floats of 8 bits and fewer; arrays hold their codes, one in each uint8 (`socsim.workload.small_floats`)."""


def tensor_bytes(elements: int, dtype: DType) -> int:
    """Return the bytes of `elements` packed elements (two int4 values or four int2 values share a byte)."""
    return -(-elements * dtype.bits // 8)
