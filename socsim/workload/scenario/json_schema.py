"""The JSON Schema of the scenario file, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from socsim.workload.scenario.schema import SCENARIO_SCHEMA, ScenarioFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def scenario_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a scenario file.

    Names that lead nowhere, which no schema can express, are checked when a scenario is loaded.
    """
    schema = ScenarioFile.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": _DIALECT, "$id": SCENARIO_SCHEMA, **schema}
