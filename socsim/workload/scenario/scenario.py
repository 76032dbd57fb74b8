"""A checked scenario, its variants, and where its numbers come from."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from socsim.errors import ScenarioError
from socsim.soc.changes import plain, put
from socsim.soc.inheritance import Change, disown
from socsim.soc.provenance import numbers_with_reasons
from socsim.soc.validation import check, faults_error
from socsim.soc.yaml_reader import YamlDocument
from socsim.workload.scenario.consistency import cross_faults
from socsim.workload.scenario.schema import ScenarioFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from socsim.soc.provenance import Provenance


@dataclass(frozen=True)
class Scenario:
    """A scenario ready to be simulated.

    Args:
        file: the checked description.
        document: the plain values that it was checked from, for `with_`.
        folder: where relative paths of models and traces start; None: the working directory.
        overrides: "path: old -> new" for each value that `with_` changed.
    """

    file: ScenarioFile
    document: YamlDocument
    folder: Path | None = None
    overrides: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: Path | None = None) -> Scenario:
        """Return a scenario of plain values with the keys of a file; quantities may be objects or text.

        Raises:
            ScenarioError: values that the schema refuses, all of them.
        """
        return checked(YamlDocument("scenario", plain(dict(values))), folder)

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.file.name

    @property
    def sha256(self) -> str:
        """Hash of the plain values."""
        text = json.dumps(self.document.value, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def provenance(self) -> list[Provenance]:
        """Every number, with its source or the reason for assuming it."""
        return numbers_with_reasons(self.document.value, self.file.sources, self.file.assumed)

    def with_(self, changes: Mapping[str, Any] | None = None, /, **named: Any) -> Scenario:
        """Return a scenario with some values changed: `with_({"applications.camera.arrival.period": "50 ms"})`.

        Keyword form: `with_(applications__camera__arrival__period="50 ms")`. Steps go by their names.

        Raises:
            ScenarioError: unknown paths, or values that the schema refuses.
        """
        merged = dict(changes or {}) | {key.replace("__", "."): value for key, value in named.items()}
        document = YamlDocument(f"scenario {self.name!r}, changed by with_", copy.deepcopy(self.document.value))
        outcomes = [put(document.value, dotted, value, "the scenario") for dotted, value in merged.items()]
        faults = [outcome for outcome in outcomes if isinstance(outcome, str)]
        if faults:
            raise ScenarioError(f"scenario {self.name!r}: " + " ".join(faults))
        made = [outcome for outcome in outcomes if isinstance(outcome, Change)]
        disown(document.value, made, "set by with_")
        return checked(document, self.folder, (*self.overrides, *map(str, made)))

    def __repr__(self) -> str:
        names = ", ".join(self.file.applications)
        return f"<Scenario {self.name!r}: {self.file.title}; applications {names}>"


def checked(document: YamlDocument, folder: Path | None, overrides: tuple[str, ...] = ()) -> Scenario:
    """Return the scenario that a document describes.

    Raises:
        ScenarioError: one line for each fault, with file, line, field, value and what is allowed.
    """
    made = check(ScenarioFile, document)
    faults = [*(made if isinstance(made, list) else ()), *cross_faults(document)]
    if isinstance(made, list) or faults:
        raise ScenarioError(str(faults_error(document, faults)))
    return Scenario(made, document, folder, overrides)
