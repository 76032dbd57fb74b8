"""Loads platforms: file, presets, inheritance, checks across sections."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.data_files import data_folder
from socsim.errors import PlatformError, did_you_mean
from socsim.platform.consistency import cross_faults
from socsim.platform.platform import Platform
from socsim.platform.schema import PlatformFile, Preset
from socsim.platform.validation import dotted_path, validate
from socsim.platform.yaml_reader import YamlDocument, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from socsim.platform.yaml_reader import Path_

_MAX_ANCESTORS = 8


def platform_names() -> list[str]:
    """Return the names of the platforms that ship with socsim."""
    return sorted(path.stem for path in data_folder("platforms").glob("*.yaml") if path.stem != "technology")


def load_platform(name_or_path: str | Path) -> Platform:
    """Load a platform by name, or from a YAML file.

    Raises:
        PlatformError: unknown name, or a wrong file; all faults of the file together.
    """
    document, overrides = _assemble(_find(name_or_path), ())
    return _checked(document, overrides)


def changed(platform: Platform, changes: Mapping[str, Any]) -> Platform:
    """Return the platform with values replaced by dotted path; see `Platform.with_`."""
    document = YamlDocument(f"{platform.name}.with_", copy.deepcopy(platform.document.value), {})
    overrides = list(platform.overrides)
    faults = []
    for dotted, value in changes.items():
        fault = _replace(document.value, dotted, value, overrides)
        if fault:
            faults.append(fault)
    if faults:
        raise PlatformError(f"platform {platform.name!r}: " + " ".join(faults))
    made = _checked(document, overrides)
    return Platform(made.file, made.document, made.overrides, platform.opps)


def _replace(tree: dict[str, Any], dotted: str, value: Any, overrides: list[str]) -> str | None:
    *parents, last = dotted.split(".")
    node: Any = tree
    walked = []
    for step in parents:
        if not isinstance(node, dict) or step not in node:
            known = node if isinstance(node, dict) else ()
            return f"{dotted!r}: no {step!r} in {'.'.join(walked) or 'the platform'}.{did_you_mean(step, known)}"
        node = node[step]
        walked.append(step)
    if not isinstance(node, dict):
        return f"{dotted!r}: {'.'.join(walked)} has no keys; replace it as a whole"
    overrides.append(f"{dotted}: {_shown(node.get(last))} -> {_shown(value)}")
    node[last] = copy.deepcopy(value)
    return None


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        return path
    if str(name_or_path) not in platform_names():
        msg = f"platform {str(name_or_path)!r} is not known.{did_you_mean(str(name_or_path), platform_names())}"
        raise PlatformError(msg)
    return data_folder("platforms") / f"{name_or_path}.yaml"


def _checked(document: YamlDocument, overrides: list[str]) -> Platform:
    file = validate(PlatformFile, document)
    faults = cross_faults(file, document)
    if faults:
        raise PlatformError("\n".join(faults))
    return Platform(file, document, tuple(overrides))


# --- inheritance and presets --------------------------------------------------------------------------


def _assemble(path: Path, ancestors: tuple[str, ...]) -> tuple[YamlDocument, list[str]]:
    """Return the document with its base and its presets merged in, and what it changed of them."""
    document = read_yaml(path)
    overrides: list[str] = []
    if not isinstance(document.value, dict):
        return document, overrides
    base_name = document.value.get("based_on")
    if isinstance(base_name, str):
        if base_name in ancestors or len(ancestors) >= _MAX_ANCESTORS:
            msg = f"{document.at(('based_on',))}: based_on: {base_name!r} is its own ancestor; break the circle"
            raise PlatformError(msg)
        base, overrides = _assemble(_find(base_name), (*ancestors, str(document.value.get("name"))))
        own = {key: value for key, value in document.value.items() if key != "name"}
        overrides = overrides + list(_differences(base.value, own, ()))
        document.value = _merged(base.value, document.value)
    for section in ("memories", "units"):
        _apply_presets(document, section, overrides)
    return document, overrides


def _apply_presets(document: YamlDocument, section: str, overrides: list[str]) -> None:
    members = document.value.get(section)
    if not isinstance(members, dict):
        return
    for name, member in members.items():
        if not isinstance(member, dict) or not isinstance(member.get("preset"), str):
            continue
        preset = _preset(member["preset"], document.at((section, name, "preset")))
        overrides.extend(_differences(preset.values, member, (section, name)))
        members[name] = _merged(preset.values, member)
        for kind in ("sources", "assumed"):
            table = document.value.setdefault(kind, {})
            for path, text in getattr(preset, kind).items():
                table.setdefault(f"{section}.{name}.{path}", text)


def _preset(name: str, at: str) -> Preset:
    folder = data_folder("platforms") / "presets"
    known = sorted(p.stem for p in folder.glob("*.yaml"))
    if name not in known:
        msg = f"{at}: preset {name!r} is not known.{did_you_mean(name, known)}"
        raise PlatformError(msg)
    return validate(Preset, read_yaml(folder / f"{name}.yaml"))


def _merged(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    result = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in over.items():
        result[key] = _merged(result[key], value) if key in result else copy.deepcopy(value)
    return result


def _differences(base: Any, over: Any, path: Path_) -> Iterator[str]:
    if path in {("sources",), ("assumed",), ("title",), ("based_on",)}:
        return
    if isinstance(base, dict) and isinstance(over, dict):
        for key in over:
            if key in base:
                yield from _differences(base[key], over[key], (*path, key))
    elif base != over:
        yield f"{dotted_path(path)}: {_shown(base)} -> {_shown(over)}"


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float | None) else f"({type(value).__name__})"
