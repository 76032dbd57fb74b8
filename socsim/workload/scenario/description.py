"""A scenario in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.soc.library import SUFFIXES
from socsim.workload.scenario.loader import scenario_names
from socsim.workload.scenario.schema import NetworkStep, OffloadStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.workload.scenario.scenario import Scenario
    from socsim.workload.scenario.schema import AnyStep, ApplicationFile


def is_scenario(name: str) -> bool:
    """Whether a name or path is that of a scenario rather than of a network."""
    return Path(name).suffix in SUFFIXES or name in scenario_names()


def scenario_description(scenario: Scenario) -> str:
    """Return one screen: applications, their steps, links, provenance."""
    file, rows = scenario.file, scenario.provenance
    assumed = sum(row.source is None for row in rows)
    lines = [f"{file.name}: {file.title}", *filter(None, [file.description])]
    lines.append(f"duration     {file.duration}, seed {file.seed}")
    for name, application in file.applications.items():
        lines += _application(name, application)
    lines += [
        f"link         {name}: {link.rate} one way, {link.latency} there and back, {link.energy}"
        for name, link in file.links.items()
    ]
    lines.append(f"numbers      {assumed} of {len(rows)} are assumed")
    lines += [f"source       {path}: {text}" for path, text in file.sources.items()]
    lines += [f"assumed      {path}: {text}" for path, text in file.assumed.items()]
    return "\n".join(lines)


def _application(name: str, application: ApplicationFile) -> Iterator[str]:
    deadline = f", deadline {application.deadline}" if application.deadline else ""
    given = [key for key in type(application.arrival).model_fields if key in application.arrival.model_fields_set]
    words = ", ".join(f"{key} {_shown(getattr(application.arrival, key))}" for key in given if key != "kind")
    yield f"application  {name}: {application.class_}, {application.arrival.kind} {words}{deadline}"
    for step in application.steps:
        yield f"  step       {step.name}: {_step(step)}"


def _shown(value: object) -> str:
    return f"{len(value)} times" if isinstance(value, list) else str(value)


def _step(step: AnyStep) -> str:
    match step:
        case NetworkStep():
            times = f"{step.repeat} x " if step.repeat > 1 else ""
            what = " ".join(filter(None, (f"{times}{step.network}", step.precision)))
        case OffloadStep():
            return f"{step.up} up {step.link}, {step.remote} there, {step.down} down"
        case _:
            what = str(step.time) if step.time else f"{step.cycles:,} cycles"
    where = step.server or " ".join(filter(None, (step.unit, step.cluster)))
    return f"{what} on {where}" if where else what


def scenario_json(scenario: Scenario) -> str:
    """Return the whole checked description, with the origin of every number."""
    document: dict[str, Any] = {
        "schema_version": "socsim.scenario/1",
        "scenario": scenario.file.model_dump(mode="json", by_alias=True),
        "overrides": list(scenario.overrides),
        "numbers": [
            {"path": row.path, "value": row.value, "source": row.source, "assumed": row.assumed}
            for row in scenario.provenance
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)
