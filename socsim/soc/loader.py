"""Loads platforms, and makes variants of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from socsim.errors import PlatformError
from socsim.soc.changes import put
from socsim.soc.consistency import cross_faults
from socsim.soc.inheritance import Change, Draft, assemble, disown
from socsim.soc.library import find_platform, platform_names
from socsim.soc.platform import Platform
from socsim.soc.schema import PlatformFile
from socsim.soc.validation import check, faults_error
from socsim.soc.yaml_reader import YamlDocument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["changed", "load_platform", "platform_names"]


def load_platform(name_or_path: str | Path) -> Platform:
    """Load a platform by name, or from a YAML file.

    Raises:
        PlatformError: unknown name, or a wrong file; all faults of the file together.
    """
    return _checked(assemble(find_platform(name_or_path)))


def changed(platform: Platform, changes: Mapping[str, Any], by: str = "with_") -> Platform:
    """Return the platform with values replaced by dotted path, for what `by` names; see `Platform.with_`."""
    document = YamlDocument(f"platform {platform.name!r}, changed by {by}", copy.deepcopy(platform.document.value))
    outcomes = [put(document.value, dotted, value, "the platform") for dotted, value in changes.items()]
    faults = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if faults:
        raise PlatformError(f"platform {platform.name!r}: " + " ".join(faults))
    made = [outcome for outcome in outcomes if isinstance(outcome, Change)]
    disown(document.value, made, f"set by {by}")
    variant = _checked(Draft(document, made), platform.overrides)
    paths = (*platform.changed, *(".".join(map(str, change.path)) for change in made))
    variant = replace(variant, changed=tuple(dict.fromkeys(paths)), mode=platform.mode)
    return variant.at(dict(platform.opps))


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
