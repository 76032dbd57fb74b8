"""From plain JSON values to records and back, driven by the records' own annotations.

A tuple of pairs is an object (`opps`, `initiators`), any other tuple a list, a record an object of its
fields. Integers are whole and fit 63 bits; floats are finite.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_INTEGER = 2**63 - 1
_LONGEST_VALUE = 40
_BAD = object()
_CONTAINERS: dict[type, str] = {list: "a list", dict: "an object"}


@cache
def _hints(record_type: Any) -> dict[str, Any]:
    return get_type_hints(record_type)


def _is_record(hint: Any) -> bool:
    return is_dataclass(hint)


def is_mapping(hint: Any) -> bool:
    """Return whether an annotation is a tuple of pairs, which JSON holds as an object."""
    return get_origin(hint) is tuple and get_origin(get_args(hint)[0]) is tuple


# --- records to JSON ----------------------------------------------------------------------------------


def plain(value: Any, hint: Any) -> Any:
    """Return a record's value as JSON holds it."""
    if _is_record(value):
        hints = _hints(value.__class__)
        return {field.name: plain(getattr(value, field.name), hints[field.name]) for field in fields(value)}
    if is_mapping(hint):
        return dict(value)
    if isinstance(value, tuple):
        return [plain(item, get_args(hint)[0]) for item in value]
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
        """Return a record of `record_type`; fields in `optional` may be absent and are then empty."""
        if not isinstance(found, dict):
            return self.fault(path, found, "an object")
        hints = _hints(record_type)
        dot = f"{path}." if path else ""
        values = {}
        for name, hint in hints.items():
            if name in found:
                values[name] = self.value(hint, found[name], f"{dot}{name}")
            elif name in optional:
                values[name] = ()
            else:
                self.faults.append(f"{dot}{name}: is missing")
        for name in found:
            if name not in hints:
                self.faults.append(f"{terminal_text(f'{dot}{name}', 100)}: is not a known key")
        return record_type(**values) if len(values) == len(hints) else _BAD

    def value(self, hint: Any, found: Any, path: str) -> Any:
        """Return a value of an annotated type."""
        if isinstance(hint, UnionType):
            return self._optional(hint, found, path)
        if is_mapping(hint):
            return self._mapping(get_args(get_args(hint)[0])[1], found, path)
        if get_origin(hint) is tuple:
            return self._sequence(get_args(hint)[0], found, path)
        if _is_record(hint):
            return self.record(hint, found, path)
        return self._scalar(hint, found, path, "")

    def _optional(self, hint: Any, found: Any, path: str) -> Any:
        if found is None:
            return None
        (inner,) = (part for part in get_args(hint) if part is not NoneType)
        return self._scalar(inner, found, path, " or null")

    def _mapping(self, inner: Any, found: Any, path: str) -> Any:
        if not isinstance(found, dict):
            return self.fault(path, found, "an object")
        return tuple(
            (name, self._scalar(inner, value, f"{path}[{terminal_text(repr(name), _LONGEST_VALUE)}]", ""))
            for name, value in found.items()
        )

    def _sequence(self, inner: Any, found: Any, path: str) -> Any:
        if not isinstance(found, list):
            return self.fault(path, found, "a list")
        return tuple(self.value(inner, item, f"{path}[{i}]") for i, item in enumerate(found))

    def _scalar(self, kind: type, found: Any, path: str, or_null: str) -> Any:
        is_valid, wanted = _SCALARS[kind]
        if not is_valid(found):
            return self.fault(path, found, wanted + or_null)
        return float(found) if kind is float else found


def _is_integer(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_INTEGER


def _is_finite(value: Any) -> bool:
    return _is_integer(value) or (type(value) is float and math.isfinite(value))


_SCALARS: dict[type, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: type(value) is str, "text"),
    int: (_is_integer, "a whole number from 0 to 2^63 - 1"),
    float: (_is_finite, "a finite number"),
    bool: (lambda value: type(value) is bool, "true or false"),
}


# --- schema -------------------------------------------------------------------------------------------


def schema_of(hint: Any, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the JSON Schema of an annotated type; fields in `optional` are not required."""
    if isinstance(hint, UnionType):
        (inner,) = (part for part in get_args(hint) if part is not NoneType)
        return {"anyOf": [schema_of(inner), {"type": "null"}]}
    if is_mapping(hint):
        return {"type": "object", "additionalProperties": schema_of(get_args(get_args(hint)[0])[1])}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": schema_of(get_args(hint)[0])}
    if _is_record(hint):
        hints = _hints(hint)
        return {
            "type": "object",
            "properties": {name: schema_of(inner) for name, inner in hints.items()},
            "required": [name for name in hints if name not in optional],
            "additionalProperties": False,
        }
    return dict(_SCHEMAS[hint])


_SCHEMAS: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
