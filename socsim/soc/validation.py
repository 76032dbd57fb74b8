"""From a YAML document to a checked model, with every fault at its line."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from socsim.errors import PlatformError, did_you_mean, shown
from socsim.soc.yaml_reader import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic.fields import FieldInfo

    from socsim.soc.plain_yaml import Path_
    from socsim.soc.yaml_reader import YamlDocument

M = TypeVar("M", bound=BaseModel)

_MOST_FAULTS = 50


class Fault(NamedTuple):
    """Something wrong at a path of a document: what was found, and what is allowed."""

    path: Path_
    text: str


def validate(model: type[M], document: YamlDocument) -> M:
    """Return the model that the document describes.

    Raises:
        PlatformError: one line for each fault, with file, line, field, value and what is allowed.
    """
    made = check(model, document)
    if isinstance(made, list):
        raise faults_error(document, made)
    return made


def check(model: type[M], document: YamlDocument) -> M | list[Fault]:
    """Return the model that the document describes, or its faults."""
    if document.value is None:
        return [Fault((), "the file is empty; write a mapping of keys and values")]
    if not isinstance(document.value, dict):
        found = "a list" if isinstance(document.value, list) else "a single value"  # not quoted: it may be any text
        return [Fault((), f"found {found}; write a mapping of keys and values")]
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        return _faults(model, error.errors(include_url=False)[: 4 * _MOST_FAULTS])


def faults_error(document: YamlDocument, faults: Iterable[Fault]) -> PlatformError:
    """Return the error that lists faults in the order of their lines, each once."""
    last = Place("", 0)

    def order(fault: Fault) -> tuple[bool, Place]:
        place = document.place(fault.path) or last
        return place.where != document.where, place

    lines = dict.fromkeys(_line(document, fault) for fault in sorted(faults, key=order))
    if len(lines) > _MOST_FAULTS:
        more = f"{document.where}: more faults follow; correct these {_MOST_FAULTS} first"
        lines = dict.fromkeys([*list(lines)[:_MOST_FAULTS], more])
    return PlatformError("\n".join(lines))


def _line(document: YamlDocument, fault: Fault) -> str:
    dotted = f"{dotted_path(fault.path)}: " if fault.path else ""
    return f"{document.at(fault.path)}: {dotted}{fault.text}"


def dotted_path(path: Path_) -> str:
    """Write a path of keys as users do: units.npu.clock, units[1].clock."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_key(step)}"
    return text.removeprefix(".")


def _key(key: str) -> str:
    return key if key.isprintable() and len(key) <= 40 else shown(key)


# --- from pydantic's faults to sentences --------------------------------------------------------------


class _Entry(NamedTuple):
    """The types of a mapping's keys and values."""

    key: Any
    value: Any


@dataclass(frozen=True)
class _Spot:
    """A place in the schema, reached by the steps of a fault's location."""

    path: Path_ = ()
    annotation: Any = None
    field: FieldInfo | None = None


def _faults(model: type[BaseModel], errors: list[Any]) -> list[Fault]:
    """Return the faults; of an entry whose key is wrong, its value is of no interest."""
    wrong_keys = {error["loc"][:-1] for error in errors if error["loc"][-1:] == ("[key]",)}
    return [_fault(model, error) for error in errors if error["loc"] not in wrong_keys]


def _fault(model: type[BaseModel], fault: Any) -> Fault:
    spot = _spot(model, fault["loc"])
    say = _SENTENCES.get(fault["type"], _not_allowed)
    text = say(spot, fault["input"], fault.get("ctx", {}))
    return Fault((*spot.path, "kind") if fault["type"].startswith("union_tag") else spot.path, text)


def _spot(model: type[BaseModel], loc: Path_) -> _Spot:
    """Follow a location through the schema; pydantic adds steps for union members and for keys."""
    spot = _Spot(annotation=model)
    for step in loc:
        spot = _next_spot(spot, step)
    return spot


def _next_spot(spot: _Spot, step: str | int) -> _Spot:
    if isinstance(spot.annotation, _Entry) and step == "[key]":
        return _Spot(spot.path, spot.annotation.key)
    here = _bare(spot.annotation)
    arguments = get_args(here)
    if _is_model(here):
        name, field = _field(here, step)
        return _Spot((*spot.path, name), field.annotation if field else here, field)
    if get_origin(here) is dict:
        return _Spot((*spot.path, step), _Entry(*arguments))
    if get_origin(here) in {Union, UnionType}:
        chosen = [member for member in arguments if step in get_args(member.model_fields["kind"].annotation)]
        return _Spot(spot.path, chosen[0], spot.field)
    return _Spot((*spot.path, step), arguments[0] if arguments else None)


def _bare(annotation: Any) -> Any:
    """Return the annotation of a value without metadata and without "or None"."""
    if isinstance(annotation, _Entry):
        return _bare(annotation.value)
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        rest = [member for member in get_args(annotation) if member is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _field(model: type[BaseModel], step: str | int) -> tuple[str | int, FieldInfo | None]:
    named = {field.alias or name: field for name, field in model.model_fields.items()}
    return step, named.get(str(step))


def _example(spot: _Spot) -> str:
    """Return an example of the field's text: its own, or that of its type."""
    examples = spot.field.examples if spot.field else None
    return f" such as {shown(examples[0])}" if examples else ""


def _unknown_key(spot: _Spot, _found: Any, _ctx: dict[str, Any]) -> str:
    known = [field.alias or name for name, field in spot.annotation.model_fields.items()]
    kind = get_args(spot.annotation.model_fields["kind"].annotation) if "kind" in known else ()
    of_kind = f" of kind {shown(kind[0])}" if len(kind) == 1 else ""
    return f"unknown key {shown(spot.path[-1])}{of_kind}.{did_you_mean(str(spot.path[-1]), known)}"


def _wrong_literal(spot: _Spot, found: Any, _ctx: dict[str, Any]) -> str:
    allowed = get_args(_bare(spot.annotation))
    return f"found {shown(found)}; write {_one_of(allowed)}"


def _one_of(allowed: Iterable[Any]) -> str:
    words = [shown(word) for word in allowed]
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0]


def _kinds(spot: _Spot) -> str:
    return _one_of(_keys_by_kind(spot.annotation))


def _keys_by_kind(annotation: Any) -> dict[str, list[str]]:
    members = get_args(_bare(annotation))
    return {kind: list(m.model_fields) for m in members for kind in get_args(m.model_fields["kind"].annotation)}


def keys_by_kind(model: type[BaseModel], section: str) -> dict[str, list[str]]:
    """Return the keys that a section's members may have, by their kind."""
    return _keys_by_kind(get_args(model.model_fields[section].annotation)[1])


def _wrong_length(spot: _Spot, found: Any, ctx: dict[str, Any]) -> str:
    bound = f"{ctx['min_length']} or more" if "min_length" in ctx else f"{ctx['max_length']} or fewer"
    return f"found {shown(found)} of {len(found)} entries; write {bound}"


def _write(what: str) -> Callable[[_Spot, Any, dict[str, Any]], str]:
    return lambda _spot, found, ctx: f"found {shown(found)}; write {what.format(**ctx)}"


def _not_allowed(_spot: _Spot, found: Any, _ctx: dict[str, Any]) -> str:
    return f"found {shown(found)}, which is not allowed here"


_LIST = _write("a list such as [a, b]")
_MAPPING = _write("a mapping of keys and values")

_SENTENCES: dict[str, Callable[[_Spot, Any, dict[str, Any]], str]] = {
    "extra_forbidden": _unknown_key,
    "missing": lambda _spot, _found, _ctx: "missing; it is required",
    "quantity": lambda _spot, _found, ctx: str(ctx["reason"]),
    "union_tag_not_found": lambda spot, _found, _ctx: f"missing; write {_kinds(spot)}",
    "union_tag_invalid": lambda spot, found, _ctx: f"found {shown(found['kind'])}; write {_kinds(spot)}",
    "literal_error": _wrong_literal,
    "enum": _wrong_literal,
    "string_type": lambda spot, found, _ctx: f"found {shown(found)}; write text{_example(spot)}",
    "string_pattern_mismatch": lambda spot, found, _ctx: f"found {shown(found)}; write text{_example(spot)}",
    "int_type": _write("a whole number"),
    "int_from_float": _write("a whole number"),
    "float_type": _write("a number"),
    "finite_number": _write("a finite number"),
    "bool_type": _write("true or false"),
    "greater_than": _write("a number above {gt:g}"),
    "greater_than_equal": _write("a number from {ge:g} up"),
    "less_than": _write("a number below {lt:g}"),
    "less_than_equal": _write("a number up to {le:g}"),
    "too_short": _wrong_length,
    "too_long": _wrong_length,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "mapping_type": _MAPPING,
}
