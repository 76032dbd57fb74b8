"""The tables of a TFLite file as plain records: operator codes, buffers, subgraphs, operators."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from socsim.workload.importers.tflite_schema import (
    BUILTIN_OPERATORS,
    CUSTOM_CODE,
    ENUMERATIONS,
    IDENTIFIER,
    OPTIONS,
    TENSOR_TYPES,
    VERSION,
    Field,
)
from socsim.workload.importers.tflite_tensors import TensorRecord, read_buffers, read_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.workload.dtypes import DType
    from socsim.workload.importers.flatbuffer import FlatBuffer, FlatTable

    Fault = Callable[[str], None]

_OPTIONS_TYPE, _OPTIONS, _CUSTOM_OPTIONS, _INTERMEDIATES = 3, 4, 5, 8
_LARGE_OFFSET, _LARGE_SIZE = 9, 10


@dataclass(frozen=True, slots=True)
class OperatorCode:
    """An entry of the operator-code table; `name` is the schema's, `custom` the code of a custom operator."""

    name: str
    custom: str


@dataclass(slots=True)
class OperatorRecord:
    """An operator as the file describes it; -1 in `inputs` stands for an operand that is left out."""

    code: OperatorCode
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(slots=True)
class SubgraphRecord:
    """A subgraph as the file describes it."""

    name: str
    tensors: list[TensorRecord]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: list[OperatorRecord]


@dataclass(slots=True)
class Model:
    """The parts of a file that all subgraphs share."""

    codes: list[OperatorCode]
    buffers: list[memoryview]
    subgraphs: list[FlatTable]
    sha256: str


def read_model(flat: FlatBuffer, fault: Fault) -> Model:
    """Read everything but the contents of the subgraphs."""
    root = flat.root(IDENTIFIER)
    version = root.integer(0, "I")
    if version != VERSION:
        fault(f"schema version {version}; version {VERSION} is required")
    codes = [_read_code(table, fault) for table in root.tables(1, "operator code", maximum=flat.limits.operators)]
    subgraphs = list(root.tables(2, "subgraph", maximum=flat.limits.operators))
    if not subgraphs:
        fault("the model has no subgraph")
    buffers = read_buffers(root, flat, fault)
    return Model(codes, buffers, subgraphs, hashlib.sha256(flat.data).hexdigest())


def _read_code(table: FlatTable, fault: Fault) -> OperatorCode:
    # Codes below 127 are in the old field of one byte, larger ones in the new field (schema.fbs, 3a).
    code = max(table.integer(0, "b"), table.integer(3, "i"))
    name = BUILTIN_OPERATORS[code] if 0 <= code < len(BUILTIN_OPERATORS) else f"operator code {code}"
    custom = table.string(1, "custom code") if code == CUSTOM_CODE else ""
    if code == CUSTOM_CODE and not custom:
        fault(f"{table.what}: a custom operator without a custom code")
    return OperatorCode(name, custom)


def read_subgraph(model: Model, index: int, flat: FlatBuffer, fault: Fault) -> SubgraphRecord:
    """Read subgraph `index` completely."""
    table = model.subgraphs[index]
    limits = flat.limits
    return SubgraphRecord(
        table.string(4, "name"),
        read_tensors(table, model.buffers, flat, fault),
        table.numbers(1, "i", "inputs", maximum=limits.tensors),
        table.numbers(2, "i", "outputs", maximum=limits.tensors),
        [
            _read_operator(operator, model, flat, fault)
            for operator in table.tables(3, "operator", maximum=limits.operators)
        ],
    )


def _read_operator(table: FlatTable, model: Model, flat: FlatBuffer, fault: Fault) -> OperatorRecord:
    index = table.integer(0, "I")
    code = OperatorCode("unknown", "")
    if index < len(model.codes):
        code = model.codes[index]
    else:
        fault(f"{table.what}: operator code {index} does not exist; the model has {len(model.codes)}")
    options = _read_custom(table, code, flat) if code.custom else _read_options(table, code.name, fault)
    intermediates = table.numbers(_INTERMEDIATES, "i", "intermediates", maximum=flat.limits.tensors)
    if intermediates:
        options["intermediates"] = intermediates
    return OperatorRecord(
        code,
        table.numbers(1, "i", "inputs", maximum=flat.limits.tensors),
        table.numbers(2, "i", "outputs", maximum=flat.limits.tensors),
        options,
    )


def _read_custom(table: FlatTable, code: OperatorCode, flat: FlatBuffer) -> dict[str, Any]:
    raw = table.raw(_CUSTOM_OPTIONS, "custom options")
    offset, size = table.integer(_LARGE_OFFSET, "Q"), table.integer(_LARGE_SIZE, "Q")
    if offset > 1:  # smaller offsets mean "none", says the schema
        flat.span(offset, size, 1, f"{table.what}: custom options")
        raw = memoryview(flat.data)[offset : offset + size]
    flat.exceed(f"{table.what}: bytes of custom options", len(raw), flat.limits.attribute_bytes)
    flat.charge(len(raw))
    return {"custom_code": code.custom, "custom_options": bytes(raw)}


def _read_options(table: FlatTable, name: str, fault: Fault) -> dict[str, Any]:
    """Read the options of a builtin operator; without a table all are zero, as in the runtime's structs."""
    expected = OPTIONS.get(name)
    if expected is None:
        return {}
    found = table.integer(_OPTIONS_TYPE, "B")
    options = table.table(_OPTIONS, "options") if found == expected.union else None
    if found not in {0, expected.union}:
        fault(f"{table.what}: {name} has options of type {found}; type {expected.union} or none is allowed")
    return {f.name: _read_field(options, f, fault) for f in expected.fields}


def _read_field(table: FlatTable | None, field: Field, fault: Fault) -> Any:
    reader = _FIELD_READERS.get(field.kind, _read_enumeration)
    return reader(table, field, fault)


def _read_integer(table: FlatTable | None, field: Field, _fault: Fault) -> int:
    return table.integer(field.slot, field.kind, int(field.default)) if table else 0


def _read_bool(table: FlatTable | None, field: Field, _fault: Fault) -> bool:
    return bool(table.integer(field.slot, "B", int(field.default))) if table else False


def _read_real(table: FlatTable | None, field: Field, _fault: Fault) -> float:
    return table.real(field.slot, float(field.default)) if table else 0.0


def _read_string(table: FlatTable | None, field: Field, _fault: Fault) -> str:
    return table.string(field.slot, field.name) if table else ""


def _read_integers(table: FlatTable | None, field: Field, _fault: Fault) -> tuple[int, ...]:
    return table.numbers(field.slot, "i", field.name) if table else ()


def _read_enumeration(table: FlatTable | None, field: Field, fault: Fault) -> str:
    names = ENUMERATIONS[field.kind]
    value = table.integer(field.slot, "b", int(field.default)) if table else 0
    if table and not 0 <= value < len(names):
        fault(f"{table.what}: {field.name} is {value}; 0 to {len(names) - 1} are allowed")
        return names[0]
    return names[value]


def _read_bias_type(table: FlatTable | None, field: Field, fault: Fault) -> DType | None:
    """Read a type whose value 0 means that none is given."""
    value = table.integer(field.slot, "b") if table else 0
    if table and not 0 <= value < len(TENSOR_TYPES):
        fault(f"{table.what}: {field.name} is {value}; 0 to {len(TENSOR_TYPES) - 1} are allowed")
        return None
    return TENSOR_TYPES[value][1] if value else None


_FIELD_READERS: dict[str, Callable[[FlatTable | None, Field, Fault], Any]] = {
    "i": _read_integer,
    "?": _read_bool,
    "f": _read_real,
    "string": _read_string,
    "ints": _read_integers,
    "type": _read_bias_type,
}
