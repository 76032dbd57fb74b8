"""From a YAML document to a checked model, with every fault at its line."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from socsim.errors import PlatformError, did_you_mean

if TYPE_CHECKING:
    from socsim.platform.yaml_reader import YamlDocument

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: YamlDocument) -> M:
    """Return the model that the document describes.

    Raises:
        PlatformError: one line for each fault, with file, line, field, value and what is allowed.
    """
    if not isinstance(document.value, dict):
        msg = f"{document.at(())}: found {type(document.value).__name__}; write a mapping of keys and values"
        raise PlatformError(msg)
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        lines = [_sentence(model, document, fault) for fault in error.errors(include_url=False)]
        raise PlatformError("\n".join(lines)) from None


def _sentence(model: type[BaseModel], document: YamlDocument, fault: Any) -> str:
    path = _document_path(document, fault["loc"])
    dotted = dotted_path(path) or "the file"
    at = document.at(path)
    match fault["type"]:
        case "extra_forbidden":
            key = str(path[-1])
            known = _fields_at(model, fault["loc"][:-1], document)
            return f"{at}: {dotted}: unknown key {key!r}.{did_you_mean(key, known)}"
        case "missing":
            return f"{at}: {dotted}: missing; it is required"
        case "quantity":
            return f"{at}: {dotted}: {fault['ctx']['reason']}"
        case "union_tag_not_found":
            return f"{at}: {dotted}.kind: missing; write one of {fault['ctx'].get('expected_tags', 'the kinds')}"
        case "union_tag_invalid":
            context = fault["ctx"]
            return f"{at}: {dotted}.kind: {context['tag']!r} is not a kind; write one of {context['expected_tags']}"
        case _:
            shown = fault["input"] if isinstance(fault["input"], str | int | float | bool) else type(fault["input"]).__name__
            text = fault["msg"][0].lower() + fault["msg"][1:]
            return f"{at}: {dotted}: found {shown!r}; {text}"


def dotted_path(path: tuple[str | int, ...]) -> str:
    """Write a path of keys as users do: units.npu.clock, units[1].clock."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def _document_path(document: YamlDocument, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Drop the steps of `loc` that pydantic adds for union members and dictionary keys."""
    path: tuple[str | int, ...] = ()
    value = document.value
    for position, step in enumerate(loc):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        elif position < len(loc) - 1:
            continue
        elif step == "[key]" or (isinstance(value, dict) and value.get("kind") == step):
            continue
        path = (*path, step)
    return path


def _fields_at(model: type[BaseModel], loc: tuple[str | int, ...], document: YamlDocument) -> list[str]:
    """Return the keys that the model at `loc` knows."""
    candidates: list[Any] = [model]
    value = document.value
    for step in loc:
        value = value.get(step, value) if isinstance(value, dict) else value
        candidates = [inner for c in candidates for inner in _step_into(c, step)]
    found: dict[str, None] = {}
    for c in candidates:
        for name, field in c.model_fields.items():
            found[field.alias or name] = None
    return list(found)


def _step_into(model: type[BaseModel], step: str | int) -> list[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if (field.alias or name) == step:
            return _models_in(field.annotation)
    kind = model.model_fields.get("kind")
    if kind is None or step in get_args(kind.annotation) or isinstance(step, int):
        return [model]
    return [model] if get_origin(kind.annotation) is not Literal else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _models_in(get_args(annotation)[0])
    if origin in {Union, UnionType, list, dict, tuple}:
        return [m for part in get_args(annotation) for m in _models_in(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
