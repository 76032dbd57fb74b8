"""Tensors of a TFLite file: types, shapes, constants and quantization, read and verified.

Constants are read-only views of the file's bytes. Two element types have no numpy type of their own:
int4 and uint4 stay packed (a flat uint8 view, low nibble first), bfloat16 is a uint16 view. Strings are a
flat uint8 view of the file's own encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, prod
from typing import TYPE_CHECKING

import numpy as np

from socsim.workload.dtypes import DType, tensor_bytes
from socsim.workload.graph import Quantization
from socsim.workload.importers.tflite_schema import TENSOR_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.workload.graph import Array
    from socsim.workload.importers.flatbuffer import FlatBuffer, FlatTable

    Fault = Callable[[str], None]

_NUMPY_TYPES: dict[DType, str] = {
    DType.INT4: "u1", DType.UINT4: "u1", DType.BFLOAT16: "<u2", DType.INT8: "i1", DType.UINT8: "u1",
    DType.INT16: "<i2", DType.UINT16: "<u2", DType.INT32: "<i4", DType.UINT32: "<u4", DType.INT64: "<i8",
    DType.UINT64: "<u8", DType.FLOAT16: "<f2", DType.FLOAT32: "<f4", DType.FLOAT64: "<f8", DType.BOOL: "?",
}  # fmt: skip
_PACKED = frozenset({DType.INT4, DType.UINT4})
_NO_BYTES = memoryview(b"")
_QUANTIZATION_SLOTS = {"scale": 2, "zero_point": 3, "details_type": 4, "details": 5, "dimension": 6}
_BLOCKWISE = 2
_TABLE_TYPES = {
    "scales": frozenset({DType.FLOAT16, DType.FLOAT32}),
    "zero points": frozenset({DType.INT8, DType.INT16, DType.INT32, DType.INT64}),
}
_DETAILS = ("", "custom quantization", "", "multi-axis quantization")


@dataclass(slots=True)
class TensorRecord:
    """A tensor as the file describes it.

    `obstacle` says why operators cannot use it, "" if they can. `is_stored` tells a tensor whose bytes
    the file holds, even where they are wrong and `data` is None. `signature` is the shape with -1 for
    open dimensions, () if the file has none.
    """

    what: str
    name: str
    dtype: DType
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    is_variable: bool
    data: Array | None
    obstacle: str
    quantization: Quantization | None = None
    is_stored: bool = False


def read_buffers(model: FlatTable, flat: FlatBuffer, fault: Fault) -> list[memoryview]:
    """Return the bytes of each buffer; those stored behind the FlatBuffer are found by their offset."""
    buffers = []
    for table in model.tables(4, "buffer", maximum=flat.limits.tensors):
        offset, size = table.integer(1, "Q"), table.integer(2, "Q")
        data = table.raw(0, "data")
        if offset > 1:  # smaller offsets mean "none", says the schema
            flat.span(offset, size, 1, f"{table.what}: external data")
            data = memoryview(flat.data)[offset : offset + size]
        buffers.append(data)
    if not buffers:
        fault("the model has no buffers; buffer 0, which is empty, is required")
    elif len(buffers[0]):
        fault(f"buffer 0 holds {len(buffers[0]):,} bytes; tensors without data refer to it, so it must be empty")
    return buffers


def read_tensors(
    subgraph: FlatTable, buffers: Sequence[memoryview], flat: FlatBuffer, fault: Fault
) -> list[TensorRecord]:
    """Return the tensors of a subgraph, verified one by one."""
    tables = list(subgraph.tables(0, "tensor", maximum=flat.limits.tensors))
    records = [_read_tensor(table, buffers, flat, fault) for table in tables]
    for table, record in zip(tables, records, strict=True):
        parameters = table.table(4, "quantization")
        if parameters is not None:
            record.quantization = _read_quantization(parameters, record, records, flat, fault)
    return records


def _read_tensor(table: FlatTable, buffers: Sequence[memoryview], flat: FlatBuffer, fault: Fault) -> TensorRecord:
    limits = flat.limits
    name = table.string(3, "name")
    shape = table.numbers(0, "i", "shape rank", maximum=limits.rank)
    signature = table.numbers(7, "i", "shape signature rank", maximum=limits.rank)
    type_name, dtype = _element_type(table, fault)
    obstacle = "" if dtype else f"{type_name} elements"
    record = TensorRecord(
        f"{table.what} {name!r}", name, dtype or DType.RESOURCE, shape, signature,
        bool(table.integer(5, "?")), None, _obstacle(table) or obstacle,
    )  # fmt: skip
    _check_shape(record, fault)
    record.shape = tuple(max(d, 0) for d in shape)
    # Dimensions beside a zero are bounded as well: numpy cannot make such an empty array.
    flat.exceed(f"{record.what}: elements", prod(max(d, 1) for d in shape), flat.limits.elements)
    index = table.integer(2, "I")
    if index >= len(buffers):
        fault(f"{record.what}: buffer {index} does not exist; the model has {len(buffers)} buffers")
    elif not record.obstacle:
        record.data = _constant(record, buffers[index], fault)
    record.is_stored = index >= len(buffers) or len(buffers[index]) > 0
    return record


def _element_type(table: FlatTable, fault: Fault) -> tuple[str, DType | None]:
    code = table.integer(1, "b")
    if 0 <= code < len(TENSOR_TYPES):
        return TENSOR_TYPES[code]
    fault(f"{table.what}: element type {code} is unknown; the schema has types 0 to {len(TENSOR_TYPES) - 1}")
    return "unknown", None


def _obstacle(table: FlatTable) -> str:
    if table.has(6):
        return "sparse storage"
    return "data in an external file" if table.integer(10, "I") else ""


def _check_shape(record: TensorRecord, fault: Fault) -> None:
    if any(d < 0 for d in record.shape):
        fault(f"{record.what}: shape {record.shape} has a negative dimension; only a signature may have -1")
    if not record.signature:
        return
    if len(record.signature) != len(record.shape) or any(
        s not in {-1, d} for s, d in zip(record.signature, record.shape, strict=True)
    ):
        fault(
            f"{record.what}: shape signature {record.signature} contradicts the shape {record.shape}; "
            "each entry is the dimension or -1"
        )


def _constant(record: TensorRecord, stored: memoryview, fault: Fault) -> Array | None:
    if not len(stored):
        return None
    if not record.dtype.bits:
        return constant_view(stored, DType.UINT8, (len(stored),))
    needed = tensor_bytes(prod(record.shape), record.dtype)
    if len(stored) != needed:
        fault(
            f"{record.what}: its buffer holds {len(stored):,} bytes, but shape {record.shape} of "
            f"{record.dtype.value} needs {needed:,}"
        )
        return None
    return constant_view(stored, record.dtype, record.shape)


def constant_view(stored: bytes | memoryview, dtype: DType, shape: tuple[int, ...]) -> Array:
    """Return a read-only array over `stored`; a copy only where the file does not align the data."""
    array = np.frombuffer(stored, _NUMPY_TYPES[dtype])
    if not array.flags.aligned:
        array = array.copy()
    array.flags.writeable = False
    return array if dtype in _PACKED else array.reshape(shape)


def _read_quantization(
    table: FlatTable, record: TensorRecord, records: Sequence[TensorRecord], flat: FlatBuffer, fault: Fault
) -> Quantization | None:
    details = table.integer(_QUANTIZATION_SLOTS["details_type"], "B")
    axis = table.integer(_QUANTIZATION_SLOTS["dimension"], "i")
    if details == _BLOCKWISE:
        return _read_blockwise(table, record, records, flat, fault)
    if details:
        record.obstacle = _DETAILS[details] if details < len(_DETAILS) else f"quantization of kind {details}"
        return None
    scales = table.reals(_QUANTIZATION_SLOTS["scale"], "scales")
    zero_points = table.numbers(_QUANTIZATION_SLOTS["zero_point"], "q", "zero points")
    if not scales:
        return None
    return _affine(record, scales, zero_points, axis, fault)


def _affine(
    record: TensorRecord, scales: tuple[float, ...], zero_points: tuple[int, ...], axis: int, fault: Fault
) -> Quantization | None:
    """Check the arrays of affine quantization; floats carry ranges that mean nothing, so they get None."""
    count = len(scales)
    _check_values(record, scales, zero_points, fault)
    if len(zero_points) not in {0, 1, count}:
        fault(f"{record.what}: {len(zero_points)} zero points, {count} scales; 0, 1 or {count} are allowed")
        return None
    if len(record.shape) == 1:
        axis = 0  # some converters leave the weights' dimension on a bias, which has only one
    if count > 1 and not (0 <= axis < len(record.shape) and record.shape[axis] == count):
        fault(
            f"{record.what}: {count} scales along dimension {axis} of shape {record.shape}; "
            "1 or the size of that dimension is allowed"
        )
        return None
    if not record.dtype.is_integer:
        return None
    points = zero_points * count if len(zero_points) == 1 else zero_points or (0,) * count
    along = axis if count > 1 or 0 < axis < len(record.shape) else None
    return Quantization(scales, points, along)


def _check_values(record: TensorRecord, scales: Sequence[float], zero_points: Sequence[int], fault: Fault) -> None:
    bad = next((i for i, s in enumerate(scales) if not (isfinite(s) and s > 0)), None)
    if bad is not None:
        fault(f"{record.what}: scale {bad} is {scales[bad]}; scales must be finite and greater than zero")
    if not record.dtype.is_integer or record.obstacle:
        return
    low, high = integer_range(record.dtype)
    bad = next((i for i, z in enumerate(zero_points) if not low <= z <= high), None)
    if bad is not None:
        fault(f"{record.what}: zero point {bad} is {zero_points[bad]}; {record.dtype.value} allows {low} to {high}")


def integer_range(dtype: DType) -> tuple[int, int]:
    """Return the smallest and the largest value of an integer type."""
    if dtype.value.startswith("u"):
        return 0, 2**dtype.bits - 1
    return -(2 ** (dtype.bits - 1)), 2 ** (dtype.bits - 1) - 1


def _read_blockwise(
    table: FlatTable, record: TensorRecord, records: Sequence[TensorRecord], flat: FlatBuffer, fault: Fault
) -> Quantization | None:
    """Read blocks along the last dimension, whose scales are a tensor of the same subgraph.

    Zero points are absent at index -1, and at 0, which stands for a field that was not written.

    Source: schema.fbs, BlockwiseQuantization; LiteRT's kernels split the last dimension of the weights.
    """
    details = table.table(_QUANTIZATION_SLOTS["details"], "blockwise details")
    if details is None:
        fault(f"{record.what}: blockwise quantization without its details")
        return None
    block = details.integer(2, "i")
    if not record.shape or block < 1 or record.shape[-1] % block:
        fault(f"{record.what}: blocks of {block} do not divide the last dimension of shape {record.shape}")
        return None
    count = prod(record.shape) // block
    scales = _table_of(details.integer(0, "i"), "scales", count, record, records, flat, fault)
    index = details.integer(1, "i")
    points = _table_of(index, "zero points", count, record, records, flat, fault) if index > 0 else None
    if scales is None:
        return None
    zero_points = tuple(int(p) for p in points) if points else (0,) * count
    _check_values(record, scales, zero_points, fault)
    return Quantization(scales, zero_points, len(record.shape) - 1, block)


def _table_of(
    index: int, what: str, count: int, record: TensorRecord, records: Sequence[TensorRecord],
    flat: FlatBuffer, fault: Fault,
) -> tuple[float, ...] | None:  # fmt: skip
    data = records[index].data if 0 <= index < len(records) else None
    if data is None or data.size != count or records[index].dtype not in _TABLE_TYPES[what]:
        fault(f"{record.what}: blockwise {what} in tensor {index}, which is no constant of {count:,} numbers")
        return None
    flat.charge(4 * count)
    return tuple(float(v) for v in data.ravel().tolist())
