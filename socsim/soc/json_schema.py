"""The JSON Schema of the platform file, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from socsim.soc.schema import PLATFORM_SCHEMA, PlatformFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def platform_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a whole platform file, presets and bases merged in.

    Names that lead nowhere, which no schema can express, are checked when a platform is loaded.
    """
    schema = PlatformFile.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": _DIALECT, "$id": PLATFORM_SCHEMA, **schema}
