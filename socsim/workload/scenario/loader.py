"""Finds and loads scenarios: by name, from a YAML file, or from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from socsim.data_files import data_folder
from socsim.errors import PlatformError, ScenarioError, UsageError, did_you_mean, misuse
from socsim.soc.library import SUFFIXES
from socsim.soc.yaml_reader import read_yaml
from socsim.workload.scenario.scenario import Scenario, checked


def scenario_names() -> list[str]:
    """Return the names of the scenarios that ship with socsim."""
    return sorted(path.stem for path in (data_folder("workloads") / "scenarios").glob("*.yaml"))


def load_scenario(wanted: Scenario | str | Path | Mapping[str, Any]) -> Scenario:
    """Return a scenario: as it is, by name, from a YAML file, or from values with the keys of such a file.

    Raises:
        UsageError: no scenario of that name, or none of these.
        ScenarioError: a file or values with faults, all of them listed.
    """
    if isinstance(wanted, Scenario):
        return wanted
    if isinstance(wanted, Mapping):
        return Scenario.of(wanted)
    if not isinstance(wanted, str | PathLike) or not str(wanted):
        raise misuse("scenario", wanted, "its name, its YAML file or values with the keys of one")
    path = _path_of(wanted)
    try:
        document = read_yaml(path)
    except PlatformError as error:
        raise ScenarioError(str(error)) from None
    return checked(document, path.parent)


def _path_of(wanted: str | PathLike[str]) -> Path:
    """Return the file of a scenario that ships with socsim, or the path as it is."""
    path = Path(wanted)
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        return path
    if path.name not in scenario_names():
        raise UsageError(f"scenario {path.name!r} is not known.{did_you_mean(path.name, scenario_names())}")
    return data_folder("workloads") / "scenarios" / f"{path.name}.yaml"
