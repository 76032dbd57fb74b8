"""From plain JSON values to records and back, driven by the records' own annotations.

A tuple of pairs of a name and a value is an object (`opps`, `initiators`), any other tuple a list, a record an
object of its fields. Integers are whole, fit 63 bits and are not below 0 unless marked `Signed`; floats are finite.
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from socsim.report.sinks import terminal_text
from socsim.simulation_records import Signed

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_INTEGER = 2**63 - 1
_LONGEST_VALUE = 40
_BAD = object()
_CONTAINERS: dict[type, str] = {list: "a list", dict: "an object"}


@cache
def _hints(record_type: Any) -> dict[str, Any]:
    return get_type_hints(record_type, include_extras=True)


def _is_record(hint: Any) -> bool:
    return is_dataclass(hint)


def _is_optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _present(hint: Any) -> Any:
    """Return what an optional value is where it is there."""
    (inner,) = (part for part in get_args(hint) if part is not NoneType)
    return inner


def is_mapping(hint: Any) -> bool:
    """Return whether an annotation is a tuple of pairs of a name and a value, which JSON holds as an object."""
    parts = get_args(get_args(hint)[0]) if get_origin(hint) is tuple else ()
    return len(parts) == 2 and parts[0] is str and parts[1] is not Ellipsis


def _parts(hint: Any, count: int) -> tuple[Any, ...]:
    """Return the annotation of each of the `count` items of a tuple; as many as it has where that is fixed."""
    parts = get_args(hint)
    return (parts[0],) * count if parts[1:] == (Ellipsis,) else parts


# --- records to JSON ----------------------------------------------------------------------------------


def plain(value: Any, hint: Any) -> Any:
    """Return a record's value as JSON holds it."""
    if _is_record(value):
        hints = _hints(value.__class__)
        return {field.name: plain(getattr(value, field.name), hints[field.name]) for field in fields(value)}
    if is_mapping(hint):
        return dict(value)
    if isinstance(value, tuple):
        return [plain(item, part) for item, part in zip(value, _parts(hint, len(value)), strict=True)]
    return value


# --- JSON to records ----------------------------------------------------------------------------------


class Decoder:
    """Makes records of plain values and collects what is wrong with them, each fault with its path."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def fault(self, path: str, found: object, allowed: str) -> Any:
        """Note a fault and return a stand-in, so that decoding can go on."""
        shown = _CONTAINERS.get(type(found)) or json.dumps(found)
        self.faults.append(
            f"{path or 'document'}: {terminal_text(shown, _LONGEST_VALUE)} is not allowed; give {allowed}"
        )
        return _BAD

    def record(self, record_type: type, found: Any, path: str, optional: frozenset[str] = frozenset()) -> Any:
        """Return a record of `record_type`; fields in `optional` may be absent: then their default stands, or ()."""
        if not isinstance(found, dict):
            return self.fault(path, found, "an object")
        hints = _hints(record_type)
        defaults = {f.name: f.default for f in fields(record_type) if f.default is not MISSING}
        dot = f"{path}." if path else ""
        values = {}
        for name, hint in hints.items():
            if name in found:
                values[name] = self.value(hint, found[name], f"{dot}{name}")
            elif name in optional:
                values[name] = defaults.get(name, ())
            else:
                self.faults.append(f"{dot}{name}: is missing")
        for name in found:
            if name not in hints:
                self.faults.append(f"{terminal_text(f'{dot}{name}', 100)}: is not a known key")
        return record_type(**values) if len(values) == len(hints) else _BAD

    def value(self, hint: Any, found: Any, path: str, or_null: str = "") -> Any:
        """Return a value of an annotated type."""
        if _is_optional(hint):
            return None if found is None else self.value(_present(hint), found, path, " or null")
        if is_mapping(hint):
            return self._mapping(get_args(get_args(hint)[0])[1], found, path)
        if get_origin(hint) is tuple:
            return self._sequence(hint, found, path)
        if _is_record(hint):
            return self.record(hint, found, path)
        return self._scalar(hint, found, path, or_null)

    def _mapping(self, inner: Any, found: Any, path: str) -> Any:
        if not isinstance(found, dict):
            return self.fault(path, found, "an object")
        return tuple(
            (name, self._scalar(inner, value, f"{path}[{terminal_text(repr(name), _LONGEST_VALUE)}]", ""))
            for name, value in found.items()
        )

    def _sequence(self, hint: Any, found: Any, path: str) -> Any:
        if not isinstance(found, list):
            return self.fault(path, found, "a list")
        parts = _parts(hint, len(found))
        if len(parts) != len(found):
            return self.fault(path, found, f"a list of {len(parts)}")
        return tuple(
            self.value(part, item, f"{path}[{i}]") for i, (part, item) in enumerate(zip(parts, found, strict=True))
        )

    def _scalar(self, kind: Any, found: Any, path: str, or_null: str) -> Any:
        is_valid, wanted = _SCALARS[kind]
        if not is_valid(found):
            return self.fault(path, found, wanted + or_null)
        return float(found) if kind is float else found


def _is_integer(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_INTEGER


def _is_signed(value: Any) -> bool:
    return type(value) is int and abs(value) <= LARGEST_INTEGER


def _is_finite(value: Any) -> bool:
    return _is_integer(value) or (type(value) is float and math.isfinite(value))


_SCALARS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: type(value) is str, "text"),
    int: (_is_integer, "a whole number from 0 to 2^63 - 1"),
    Signed: (_is_signed, "a whole number from 1 - 2^63 to 2^63 - 1"),
    float: (_is_finite, "a finite number"),
    bool: (lambda value: type(value) is bool, "true or false"),
}


# --- schema -------------------------------------------------------------------------------------------


def schema_of(hint: Any, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the JSON Schema of an annotated type; fields in `optional` are not required."""
    if _is_optional(hint):
        return {"anyOf": [schema_of(_present(hint)), {"type": "null"}]}
    if is_mapping(hint):
        return {"type": "object", "additionalProperties": schema_of(get_args(get_args(hint)[0])[1])}
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        if parts[1:] == (Ellipsis,):
            return {"type": "array", "items": schema_of(parts[0])}
        count = len(parts)
        return {"type": "array", "prefixItems": [schema_of(p) for p in parts], "minItems": count, "maxItems": count}
    if _is_record(hint):
        hints = _hints(hint)
        return {
            "type": "object",
            "properties": {name: schema_of(inner) for name, inner in hints.items()},
            "required": [name for name in hints if name not in optional],
            "additionalProperties": False,
        }
    return dict(_SCHEMAS[hint])


_SCHEMAS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER},
    Signed: {"type": "integer", "minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
