"""Loads platforms, and makes variants of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from socsim.errors import PlatformError, did_you_mean
from socsim.quantities import Quantity
from socsim.soc.consistency import cross_faults
from socsim.soc.inheritance import Absent, Change, Draft, assemble, disown
from socsim.soc.library import find_platform, platform_names
from socsim.soc.paths import labels, next_step
from socsim.soc.platform import Platform
from socsim.soc.schema import PlatformFile
from socsim.soc.validation import check, faults_error
from socsim.soc.yaml_reader import YamlDocument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["changed", "load_platform", "platform_names"]

_READ_AT_LOADING = ("preset", "based_on")


def load_platform(name_or_path: str | Path) -> Platform:
    """Load a platform by name, or from a YAML file.

    Raises:
        PlatformError: unknown name, or a wrong file; all faults of the file together.
    """
    return _checked(assemble(find_platform(name_or_path)))


def changed(platform: Platform, changes: Mapping[str, Any]) -> Platform:
    """Return the platform with values replaced by dotted path; see `Platform.with_`."""
    document = YamlDocument(f"platform {platform.name!r}, changed by with_", copy.deepcopy(platform.document.value))
    outcomes = [_replace(document.value, dotted, value) for dotted, value in changes.items()]
    faults = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if faults:
        raise PlatformError(f"platform {platform.name!r}: " + " ".join(faults))
    made = [outcome for outcome in outcomes if isinstance(outcome, Change)]
    disown(document.value, made, "set by with_")
    variant = _checked(Draft(document, made), platform.overrides)
    paths = (*platform.changed, *(".".join(map(str, change.path)) for change in made))
    return replace(variant, changed=tuple(dict.fromkeys(paths))).at(dict(platform.opps))


def _replace(tree: dict[str, Any], dotted: str, value: Any) -> Change | str:
    """Put a value into the tree; return what changed, or the sentence that says why not."""
    if not isinstance(dotted, str):
        return f"{dotted!r}: a path is text such as 'units.npu.cores'."
    node: Any = tree
    walked: list[str] = []
    left = dotted
    while (step := next_step(node, left)) is not None and step.rest:
        node, left = node[step.key], step.rest
        walked.append(step.label)
    if step is None and not (isinstance(node, dict) and "." not in left):
        return f"{dotted!r}: {_missing(node, left, '.'.join(walked))}"
    key, last = (step.key, step.label) if step else (left, left)
    if last in _READ_AT_LOADING:
        return f"{dotted!r}: {last!r} is read when a file is loaded; change the values themselves."
    old = node[key] if step else Absent
    node[key] = _plain(value)
    return Change((*walked, last), old, node[key])


def _missing(node: Any, left: str, at: str) -> str:
    """Say why a path leads no further than `at`."""
    if not isinstance(node, dict | list):
        return f"{at!r} has no keys; replace it as a whole."
    first = left.split(".", maxsplit=1)[0]
    return f"no {first!r} in {at or 'the platform'}.{did_you_mean(first, labels(node))}"


def _plain(value: Any) -> Any:
    """Return a value as a file would hold it."""
    if isinstance(value, Quantity):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _checked(draft: Draft, earlier: tuple[str, ...] = ()) -> Platform:
    document = draft.document
    made = check(PlatformFile, document)
    if not isinstance(made, list):
        faults = [*draft.faults, *cross_faults(document, made)]
        if not faults:
            return Platform(made, document, (*earlier, *map(str, draft.changes)))
        raise faults_error(document, faults)
    unsound = {fault.path[:2] for fault in draft.faults}  # what an unknown preset would have given
    faults = [fault for fault in made if fault.path[:2] not in unsound]
    raise faults_error(document, [*draft.faults, *faults, *cross_faults(document)])
