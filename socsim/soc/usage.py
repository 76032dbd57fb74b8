"""Which fields of a platform's description somebody reads: a copy of it that notes every access."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from socsim.soc.fields import Model
from socsim.soc.paths import label
from socsim.soc.schema import SensingHub

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from socsim.soc.platform import Platform

_NOTES = "_notes"
_SECTIONS = ("units", "memories", "links", "clocks")
_OF_APPLICATIONS = ("thermal", "modes", "mode")
_OF_IDLE_DOMAINS = ("idle", "enter", "transition")

DESCRIPTIVE = {
    "schema_": "the version of the format",
    "name": "a name",
    "kind": "read when the file is loaded",
    "title": "a title",
    "based_on": "read when the file is loaded",
    "preset": "read when the file is loaded",
    "preference": "read when a run chooses units",
    "sources": "where numbers come from",
    "assumed": "numbers without a source",
    "core": "the name of the hardware, whose numbers stand beside it",
    "ip": "the name of the hardware, whose numbers stand beside it",
    "architecture": "the name of the hardware, whose numbers stand beside it",
    "cluster": "what `cluster` of a run calls the unit",
    "technology": "the standard of a DRAM, whose device and rates stand beside it",
    "area": "read when design points are shown",
    "sensors": "what is attached to a hub; they cost nothing in a run",
}
"""Fields that say what something is, by name, and why no model reads them."""


class Usage:
    """The fields of a platform that were read, by dotted path."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    def covers(self, path: str) -> bool:
        """Whether a field was read, one below it, or the one that it is part of as a whole."""
        return path in self.paths or any(read.startswith(f"{path}.") for read in self.paths)


def watched(platform: Platform) -> tuple[Platform, Usage]:
    """Return a platform that behaves as the given one, and what is read of it from now on.

    Reading a field that holds fields of its own is not reading those. Items of lists go by their labels.
    """
    usage = Usage()
    copy = _watched(platform.file, "", usage)
    return replace(platform, file=copy), usage


def _watched(value: Any, path: str, usage: Usage) -> Any:
    if isinstance(value, Model):
        return _watched_model(value, path, usage)
    if isinstance(value, dict):
        return {key: _watched(inner, f"{path}.{key}", usage) for key, inner in value.items()}
    if isinstance(value, list):
        labelled = ((_item_label(item, i), item) for i, item in enumerate(value))
        return [_watched(item, f"{path}.{name}", usage) for name, item in labelled]
    return value


def _item_label(item: Any, position: int) -> str:
    return label(item.__dict__ if isinstance(item, Model) else item, position)


def _watched_model(model: Model, path: str, usage: Usage) -> Model:
    made = object.__new__(_watching(type(model)))
    fields = {name: _watched(value, f"{path}.{name}".lstrip("."), usage) for name, value in model.__dict__.items()}
    object.__setattr__(made, "__dict__", {**fields, _NOTES: (path, usage)})
    object.__setattr__(made, "__pydantic_fields_set__", model.model_fields_set)
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


@cache
def _watching(model: type[Model]) -> type[Model]:
    """Return a class of models that note which of their fields are read."""
    fields = frozenset(model.model_fields)

    def read(self: Model, name: str) -> Any:
        if name in fields:
            path, usage = object.__getattribute__(self, "__dict__")[_NOTES]
            usage.paths.add(f"{path}.{name}".lstrip("."))
        return object.__getattribute__(self, name)

    def dump(self: Model, *args: Any, **kwargs: Any) -> dict[str, Any]:
        for name in fields:
            getattr(self, name)
        return model.model_dump(self, *args, **kwargs)

    members = {"__getattribute__": read, "model_dump": dump, "__module__": __name__}
    return type(f"Watched{model.__name__}", (model,), members)


def idle_changes(platform: Platform, units: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each path that `with_` set and that has no part in a run on these units, and why.

    Args:
        platform: the platform of the run.
        units: units that operators or background traffic use.
    """
    used = _parts_in_use(platform, units)
    for path in platform.changed:
        section, _, rest = path.partition(".")
        names = [n for n in getattr(platform.file, section, ()) if rest == n or rest.startswith(f"{n}.")]
        name, field = max(names, key=len, default=""), path.rpartition(".")[2]
        if section in _SECTIONS and name and (section, name) not in used:
            yield path, f"nothing in this run uses {name}"
        elif field in DESCRIPTIVE:
            yield path, f"no model reads it: {DESCRIPTIVE[field]}"
        elif section == "power_domains" and field == "wake" and not wakes(platform, name):
            yield path, "no model reads it: a run begins with its units awake, only a sensing hub waits for its own"
        elif section in _OF_APPLICATIONS or (section == "power_domains" and field in _OF_IDLE_DOMAINS):
            yield path, "a single run does not read it: it matters where applications are simulated"


def _parts_in_use(platform: Platform, units: Collection[str]) -> set[tuple[str, str]]:
    used = set()
    for unit in units:
        spec = platform.unit(unit)
        used |= {("units", unit), ("clocks", spec.clock)}
        for memory in platform.reachable(unit):
            used |= {("memories", memory), *(("links", link) for link in platform.path(unit, memory))}
    parts = [*platform.file.memories.items(), *platform.file.links.items()]
    clocks = {getattr(part, "clock", None) for name, part in parts if used & {("memories", name), ("links", name)}}
    return used | {("clocks", str(clock)) for clock in clocks}


def wakes(platform: Platform, domain: str) -> bool:
    """Whether a run waits for a power domain to wake: it has a sensing hub."""
    return any(isinstance(u, SensingHub) and u.power == domain for u in platform.units.values())


def fields_in_file(platform: Platform) -> Iterator[tuple[str, type[Model], str]]:
    """Yield path, class and name of every field that the platform's file sets."""
    yield from _fields(platform.file, "")


def _fields(value: Any, path: str) -> Iterator[tuple[str, type[Model], str]]:
    if isinstance(value, Model):
        for name in type(value).model_fields:
            if name in value.model_fields_set:
                below = f"{path}.{name}".lstrip(".")
                yield below, type(value), name
                yield from _fields(getattr(value, name), below)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _fields(item, f"{path}.{_item_label(item, position)}")
