"""Constants: from TensorProto to read-only arrays, with their byte counts checked."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from socsim.workload.dtypes import DType, tensor_bytes
from socsim.workload.importers.onnx_external import ExternalDataError
from socsim.workload.importers.onnx_model import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.workload.graph import Array
    from socsim.workload.importers.onnx_external import ExternalData
    from socsim.workload.limits import Limits


class _Storage(NamedTuple):
    """How TensorProto stores a type: `raw` in `raw_data`, `typed` after reading `field`."""

    dtype: DType
    raw: str
    field: str
    typed: str


# Keys are numbers of TensorProto.DataType. Source: onnx/onnx.proto, TensorProto.
_STORAGE = {
    1: _Storage(DType.FLOAT32, "<f4", "float_data", "<f4"),
    2: _Storage(DType.UINT8, "u1", "int32_data", "u1"),
    3: _Storage(DType.INT8, "i1", "int32_data", "i1"),
    4: _Storage(DType.UINT16, "<u2", "int32_data", "<u2"),
    5: _Storage(DType.INT16, "<i2", "int32_data", "<i2"),
    6: _Storage(DType.INT32, "<i4", "int32_data", "<i4"),
    7: _Storage(DType.INT64, "<i8", "int64_data", "<i8"),
    8: _Storage(DType.STRING, "", "string_data", ""),
    9: _Storage(DType.BOOL, "u1", "int32_data", "u1"),
    10: _Storage(DType.FLOAT16, "<f2", "int32_data", "<u2"),
    11: _Storage(DType.FLOAT64, "<f8", "double_data", "<f8"),
    12: _Storage(DType.UINT32, "<u4", "uint64_data", "<u4"),
    13: _Storage(DType.UINT64, "<u8", "uint64_data", "<u8"),
    16: _Storage(DType.BFLOAT16, "<u2", "int32_data", "<u2"),
    17: _Storage(DType.FLOAT8E4M3FN, "u1", "int32_data", "u1"),
    18: _Storage(DType.FLOAT8E4M3FNUZ, "u1", "int32_data", "u1"),
    19: _Storage(DType.FLOAT8E5M2, "u1", "int32_data", "u1"),
    20: _Storage(DType.FLOAT8E5M2FNUZ, "u1", "int32_data", "u1"),
    21: _Storage(DType.UINT4, "u1", "int32_data", "u1"),
    22: _Storage(DType.INT4, "u1", "int32_data", "u1"),
    23: _Storage(DType.FLOAT4E2M1, "u1", "int32_data", "u1"),
    25: _Storage(DType.UINT2, "u1", "int32_data", "u1"),
    26: _Storage(DType.INT2, "u1", "int32_data", "u1"),
}
ELEMENT_TYPES = {storage.dtype: number for number, storage in _STORAGE.items()}
_PACKED = frozenset({DType.INT2, DType.UINT2, DType.INT4, DType.UINT4, DType.FLOAT4E2M1})  # several share a byte
_EXTERNAL = 1


class TensorError(Exception):
    """A TensorProto contradicts itself; the caller names it."""


def element_type(number: int) -> DType | None:
    """Return the element type of a TensorProto.DataType number, or None where the graph has none."""
    storage = _STORAGE.get(number)
    return storage.dtype if storage else None


def element_type_name(number: int) -> str:
    """Return the name of a TensorProto.DataType number, for messages."""
    import onnx

    names = {value: name for name, value in onnx.TensorProto.DataType.items()}
    return str(names.get(number, number))


def read_tensor(tensor: Any, name: str, external: ExternalData | None, limits: Limits) -> Value:
    """Return a constant.

    Args:
        tensor: a TensorProto.
        name: the value's name.
        external: reader of external data, or None where such data is not allowed.
        limits: budgets.

    Raises:
        TensorError: negative dimensions, an unknown type, or bytes that do not fit the shape.
        LimitExceededError: external data exceeds its budget.
    """
    shape = tuple(tensor.dims)
    if any(d < 0 for d in shape):
        msg = f"dimensions {list(shape)}; a constant's dimensions are 0 or more"
        raise TensorError(msg)
    storage = _STORAGE.get(tensor.data_type)
    if storage is None:
        found = element_type_name(tensor.data_type)
        msg = f"element type {found} is not supported; allowed are {_allowed_types()}"
        raise TensorError(msg)
    if len(shape) > limits.rank or prod(shape) > limits.elements:
        allowed = f"{limits.rank} dimensions and {limits.elements:,} elements"
        msg = f"dimensions {list(shape)} exceed the limits of {allowed}"
        raise TensorError(msg)
    return Value(name, storage.dtype, shape, True, _elements(tensor, storage, shape, external))


def _allowed_types() -> str:
    return ", ".join(storage.dtype.value for storage in _STORAGE.values())


def _elements(tensor: Any, storage: _Storage, shape: tuple[int, ...], external: ExternalData | None) -> Array | None:
    count = prod(shape)
    if storage.dtype is DType.STRING:
        _check_strings(tensor, count)
        return None
    if tensor.data_location == _EXTERNAL:
        return _external(tensor, storage, shape, external)
    if tensor.HasField("raw_data"):
        return _from_bytes(tensor.raw_data, storage, shape)
    return _typed(getattr(tensor, storage.field), storage, shape)


def _check_strings(tensor: Any, count: int) -> None:
    if len(tensor.string_data) != count:
        msg = f"{len(tensor.string_data)} strings where the shape needs {count}"
        raise TensorError(msg)


def _external(tensor: Any, storage: _Storage, shape: tuple[int, ...], external: ExternalData | None) -> Array:
    if external is None:
        msg = "external data is not allowed here; only initializers may have it"
        raise TensorError(msg)
    try:
        data = external.read(tensor, tensor_bytes(prod(shape), storage.dtype))
    except ExternalDataError as error:
        raise TensorError(str(error)) from error
    return _from_bytes(data, storage, shape)


def _from_bytes(data: bytes | Array, storage: _Storage, shape: tuple[int, ...]) -> Array:
    import numpy as np

    expected = tensor_bytes(prod(shape), storage.dtype)
    if len(data) != expected:
        msg = f"{len(data)} bytes of data where shape {list(shape)} of {storage.dtype.value} needs {expected}"
        raise TensorError(msg)
    elements = np.frombuffer(data, storage.raw) if isinstance(data, bytes) else data.view(storage.raw)
    return _finish(elements, storage.dtype, shape)


def _typed(values: Sequence[Any], storage: _Storage, shape: tuple[int, ...]) -> Array:
    import numpy as np

    count = prod(shape)
    expected = tensor_bytes(count, storage.dtype) if storage.dtype in _PACKED else count
    if len(values) != expected:
        msg = f"{len(values)} elements in {storage.field} where shape {list(shape)} needs {expected}"
        raise TensorError(msg)
    wide = np.array(values, np.float64 if storage.typed.endswith(("f4", "f8")) else object)
    try:
        elements = wide.astype(storage.typed, casting="unsafe") if count else np.empty(0, storage.typed)
    except (OverflowError, ValueError) as error:
        msg = f"{storage.field} holds numbers outside {storage.dtype.value}"
        raise TensorError(msg) from error
    if storage.dtype is DType.FLOAT16:
        elements = elements.view("<f2")
    return _finish(elements, storage.dtype, shape)


def _finish(elements: Array, dtype: DType, shape: tuple[int, ...]) -> Array:
    import numpy as np

    if dtype in _PACKED:
        elements = _unpack(elements, prod(shape), dtype)
    elif dtype is DType.BFLOAT16:
        elements = (elements.astype(np.uint32) << np.uint32(16)).view(np.float32)
    elif dtype is DType.BOOL:
        elements = elements != 0
    return read_only(elements.reshape(shape))


def _unpack(packed: Array, count: int, dtype: DType) -> Array:
    """Return one element a byte; the first is in a byte's lowest bits."""
    import numpy as np

    bits, top = dtype.bits, 1 << (dtype.bits - 1)
    parts = [packed >> shift & (2 * top - 1) for shift in range(0, 8, bits)]
    elements = np.stack(parts, axis=-1).reshape(-1)[:count]
    signed = dtype in (DType.INT2, DType.INT4)
    return ((elements ^ top).astype(np.int8) - np.int8(top)) if signed else elements


def read_only(array: Array) -> Array:
    """Return the array without write permission."""
    array.flags.writeable = False
    return array
