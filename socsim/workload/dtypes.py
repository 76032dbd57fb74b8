"""Element types of tensors."""

from __future__ import annotations

from enum import Enum


class DType(Enum):
    """Element type; the value is the name that users write."""

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
        return self in _FLOATS

    @property
    def is_integer(self) -> bool:
        """Whether the type is a signed or unsigned integer."""
        return not self.is_float and self.bits > 0 and self is not DType.BOOL


_BITS = {
    DType.INT4: 4, DType.UINT4: 4, DType.INT8: 8, DType.UINT8: 8, DType.INT16: 16, DType.UINT16: 16,
    DType.INT32: 32, DType.UINT32: 32, DType.INT64: 64, DType.UINT64: 64, DType.FLOAT16: 16,
    DType.BFLOAT16: 16, DType.FLOAT32: 32, DType.FLOAT64: 64, DType.BOOL: 8, DType.STRING: 0,
    DType.RESOURCE: 0,
}  # fmt: skip
_FLOATS = frozenset({DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64})


def tensor_bytes(elements: int, dtype: DType) -> int:
    """Return the bytes of `elements` packed elements (two int4 values share a byte)."""
    return -(-elements * dtype.bits // 8)
