"""Merges a platform file over its base, and its members over their presets.

What a file replaces is listed as an override, and loses the source that the replaced number had.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from socsim.errors import PlatformError, did_you_mean, shown
from socsim.soc.library import SUFFIXES, find_platform, preset_names, preset_path
from socsim.soc.paths import canonical
from socsim.soc.provenance import numbers
from socsim.soc.schema import PlatformFile, Preset
from socsim.soc.validation import Fault, dotted_path, keys_by_kind, validate
from socsim.soc.yaml_reader import YamlDocument, read_yaml

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from socsim.soc.plain_yaml import Path_

_MAX_BASES = 8
_TABLES = ("sources", "assumed")
_OWN_WORDS = {(name,) for name in ("name", "title", "based_on", *_TABLES)}


class Absent:
    """Stands for the old value of a key that the base lacks."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value of a base or preset that is replaced, or a key that is added."""

    path: Path_
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{dotted_path(self.path)}: {_brief(self.old)} -> {_brief(self.new)}"


@dataclass
class Draft:
    """A document with its base and presets merged in.

    Args:
        document: plain values, each with the place that it was written at.
        changes: what the file replaces or adds, over its bases and presets.
        faults: presets that do not exist.
    """

    document: YamlDocument
    changes: list[Change] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def assemble(path: Path) -> Draft:
    """Return a platform file with everything that it builds on.

    Raises:
        PlatformError: a file cannot be read, or the chain of bases is broken.
    """
    draft = _with_bases(path, ())
    if isinstance(draft.document.value, dict):
        for section in ("memories", "units"):
            _apply_presets(draft, section)
    return draft


def _with_bases(path: Path, derived: tuple[Path, ...]) -> Draft:
    document = read_yaml(path)
    if not isinstance(document.value, dict) or document.value.get("based_on") is None:
        return Draft(document)
    base = _with_bases(_base_path(document, path, (*derived, path.resolve())), (*derived, path.resolve()))
    if not isinstance(base.document.value, dict):
        return base
    changes = list(_changes(base.document.value, document.value, (), additions=True))
    reason = f"changed by {_brief(document.value.get('name'))}, which gives no source"
    document.value = merge(base.document.value, document.value, changes, reason)
    document.places = base.document.places | document.places
    return Draft(document, [*base.changes, *changes])


def _base_path(document: YamlDocument, path: Path, chain: tuple[Path, ...]) -> Path:
    name = document.value["based_on"]
    at = f"{document.at(('based_on',))}: based_on"
    if not isinstance(name, str):
        msg = f"{at}: found {shown(name)}; write the name or the path of a platform"
        raise PlatformError(msg)
    if not _is_near(name, path.parent):
        allowed = "write the name of a platform, or a YAML file beside or below this one"
        msg = f"{at}: {shown(name)} is not allowed; {allowed}"
        raise PlatformError(msg)
    try:
        found = find_platform(name, beside=path.parent)
    except PlatformError as error:
        msg = f"{at}: {error}"
        raise PlatformError(msg) from None
    if found.resolve() in chain:
        msg = f"{at}: {shown(name)} is based on this file in turn; break the circle"
        raise PlatformError(msg)
    if len(chain) > _MAX_BASES:
        msg = f"{at}: more than {_MAX_BASES} files build on each other; merge some of them"
        raise PlatformError(msg)
    if not found.exists():
        msg = f"{at}: no such file {shown(name)}; a path starts from the folder of the file that says it"
        raise PlatformError(msg)
    return found


def _is_near(name: str, folder: Path) -> bool:
    """Whether a base is a name, or a YAML file that stands in a folder or below it, also behind links."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name.isprintable() or posix.is_absolute() or windows.anchor or ".." in {*posix.parts, *windows.parts}:
        return False
    is_path = len(posix.parts) > 1 or posix.suffix in SUFFIXES
    return not is_path or (posix.suffix in SUFFIXES and (folder / name).resolve().is_relative_to(folder.resolve()))


def _apply_presets(draft: Draft, section: str) -> None:
    members = draft.document.value.get(section)
    for name, member in members.items() if isinstance(members, dict) else ():
        wanted = member.get("preset") if isinstance(member, dict) else None
        if wanted is None:
            continue
        preset = _preset(wanted) if wanted in preset_names() else None
        if preset and _fits(preset, section, member.get("kind")):
            _apply_preset(draft, (section, name), preset)
        else:
            fitting = [known for known in preset_names() if _fits(_preset(known), section, member.get("kind"))]
            text = f"{shown(wanted)} is not a preset for this part.{did_you_mean(str(wanted), fitting)}"
            draft.faults.append(Fault((section, name, "preset"), text))


def _preset(name: str) -> Preset:
    return validate(Preset, read_yaml(preset_path(name)))


def _fits(preset: Preset, section: str, kind: Any) -> bool:
    """Whether a section's members, of the kind that the member says if any, have the preset's keys."""
    keys = keys_by_kind(PlatformFile, section)
    kinds = [known for known in keys if known == kind] or list(keys)
    of_preset = preset.values.get("kind")
    return any(of_preset in (None, k) and preset.values.keys() <= {*keys[k]} for k in kinds)


def _apply_preset(draft: Draft, at: Path_, preset: Preset) -> None:
    below: dict[str, Any] = {str(at[1]): preset.values}
    base: dict[str, Any] = {str(at[0]): below}
    for table in _TABLES:
        base[table] = {f"{dotted_path(at)}.{path}": text for path, text in getattr(preset, table).items()}
    document = draft.document
    changes = list(_changes(base, document.value, (), additions=False))
    replaced = {change.path for change in changes}  # not additions, then, but other than the preset
    draft.changes = [c for c in draft.changes if c.old is not Absent or c.path not in replaced] + changes
    reason = f"differs from preset {preset.name}; no source given"
    document.value = merge(base, document.value, changes, reason)


# --- merging ------------------------------------------------------------------------------------------


def merge(base: dict[str, Any], over: dict[str, Any], changes: list[Change], reason: str) -> dict[str, Any]:
    """Return `base` with the values of `over`, mapping by mapping.

    Args:
        base: values that are built on.
        over: values that win.
        changes: what `over` replaces or adds.
        reason: why a changed number without a source of its own has none.
    """
    merged: dict[str, Any] = _merged(base, over)
    if _has_tables(base) and _has_tables(over):
        merged |= _merged_tables(base, over, changes, reason, merged)
    return merged


def disown(value: dict[str, Any], changes: list[Change], reason: str) -> None:
    """Take the sources of changed numbers out of a document, and give the reason in their place."""
    if _has_tables(value):
        value |= _merged_tables(value, {}, changes, reason, value)


def _has_tables(value: dict[str, Any]) -> bool:
    """Whether the tables of sources are mappings; where not, the schema says so later."""
    return all(isinstance(value.get(table, {}), dict) for table in _TABLES)


def _merged_tables(
    base: dict[str, Any], over: dict[str, Any], changes: list[Change], reason: str, tree: dict[str, Any]
) -> dict[str, Any]:
    """Return the tables of the merged document `tree`; paths may name an item of a list in several ways."""
    own = {canonical(tree, path) for table in _TABLES for path in over.get(table, {})}
    changed = {dotted_path(change.path): change for change in changes if change.old is not Absent}
    tables: dict[str, Any] = {}
    for table in _TABLES:
        kept = base.get(table, {}).items()
        tables[table] = {path: text for path, text in kept if _stays(canonical(tree, path), own, changed)}
        tables[table] |= over.get(table, {})
    for path, change in changed.items():
        if not _covered(path, own) and any(numbers(change.new, (str(change.path[-1]),))):
            tables["assumed"][path] = reason
    return tables


def _stays(path: str, own: Container[str], changed: Container[str]) -> bool:
    """Whether a source of the base still holds: nobody names another, and its number is the same."""
    return path not in own and not _covered(path, changed)


def _covered(path: str, by: Container[str]) -> bool:
    steps = path.split(".")
    return any(".".join(steps[:length]) in by for length in range(1, len(steps) + 1))


def _merged(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    result = {key: _merged(base[key], value) if key in base else copy.deepcopy(value) for key, value in over.items()}
    return result | {key: copy.deepcopy(value) for key, value in base.items() if key not in over}


def _changes(base: Any, over: Any, path: Path_, *, additions: bool) -> Iterator[Change]:
    if path in _OWN_WORDS:
        return
    if isinstance(base, dict) and isinstance(over, dict):
        for key, value in over.items():
            if key in base:
                yield from _changes(base[key], value, (*path, key), additions=additions)
            elif additions and (*path, key) not in _OWN_WORDS:
                yield Change((*path, key), Absent, value)
    elif base != over:
        yield Change(path, base, over)


def _brief(value: Any) -> str:
    if value is Absent:
        return "absent"
    return value if isinstance(value, str) and len(value) <= 60 else shown(value)
