"""Checks across the parts of a scenario: every name leads somewhere, and every application can begin."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

from pydantic import TypeAdapter, ValidationError

from socsim.errors import did_you_mean, shown
from socsim.soc.paths import next_step
from socsim.soc.validation import Fault
from socsim.workload.scenario.schema import (
    AfterArrival,
    NetworkStep,
    OffloadStep,
    PeriodicArrival,
    ScenarioFile,
    StageCost,
    StageStep,
    TraceArrival,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from socsim.soc.plain_yaml import Path_
    from socsim.soc.yaml_reader import YamlDocument
    from socsim.workload.scenario.schema import AnyArrival, AnyStep, ApplicationFile, ServerFile

_SECTIONS = ("applications", "servers", "links")


def cross_faults(document: YamlDocument) -> list[Fault]:
    """Return one fault for each name that leads nowhere and each value that contradicts another.

    Parts that the schema refuses are left out; they have faults of their own.
    """
    value = document.value
    if not isinstance(value, dict):
        return []
    names = {s: list(found) if isinstance(found := value.get(s, {}), dict) else [] for s in _SECTIONS}
    sound = {section: _sound(section, value.get(section)) for section in _SECTIONS}
    return [
        *_application_faults(sound["applications"], names),
        *_start_faults(sound["applications"], names["applications"]),
        *_server_faults(sound["servers"]),
        *(
            Fault(("links", name), "a server has this name too; choose another")
            for name in names["links"]
            if name in names["servers"]
        ),
        *_table_faults(value),
    ]


def _sound(section: str, members: Any) -> dict[str, Any]:
    """Return the members of a section that the schema accepts."""
    adapter: TypeAdapter[Any] = TypeAdapter(get_args(ScenarioFile.model_fields[section].annotation)[1])
    found = {}
    for name, member in members.items() if isinstance(members, dict) else ():
        try:
            found[name] = adapter.validate_python(member)
        except ValidationError:
            continue
    return found


# --- applications -------------------------------------------------------------------------------------


def _application_faults(
    applications: Mapping[str, ApplicationFile], names: Mapping[str, Collection[str]]
) -> Iterator[Fault]:
    for name, application in applications.items():
        at: Path_ = ("applications", name)
        yield from _arrival_faults((*at, "arrival"), application.arrival, names["applications"])
        if application.batch.wait.value and application.batch.most == 1:
            yield Fault((*at, "batch", "wait"), "one activation waits for no other; write `most`, or leave it out")
        seen: list[str] = []
        for position, step in enumerate(application.steps):
            yield from _step_faults((*at, "steps", position), step, seen, names)
            seen.append(step.name)


def _arrival_faults(at: Path_, arrival: AnyArrival, applications: Collection[str]) -> Iterator[Fault]:
    match arrival:
        case AfterArrival(application=name) if name not in applications:
            yield Fault((*at, "application"), f"no application {shown(name)}.{did_you_mean(name, applications)}")
        case PeriodicArrival(period=period, jitter=jitter) if jitter.value > period.value:
            yield Fault((*at, "jitter"), f'"{jitter}" is more than the period of {period}; releases keep their order')
        case TraceArrival(times=times, file=file):
            if bool(times) == (file is not None):
                yield Fault(at, "found both `times` and `file`" if times else "missing; write `times` or `file`")
            for index, (before, time) in enumerate(pairwise(times)):
                if time < before:
                    yield Fault((*at, "times", index + 1), f'"{time}" comes before "{before}"; write times in order')
        case _:
            pass


def _start_faults(applications: Mapping[str, ApplicationFile], names: Collection[str]) -> Iterator[Fault]:
    """Refuse applications that wait for each other alone."""
    triggers = {n: a.arrival.application for n, a in applications.items() if isinstance(a.arrival, AfterArrival)}
    for name in triggers:
        chain = [name]
        while (before := triggers.get(chain[-1])) is not None and before in names and before not in chain:
            chain.append(before)
        if before in chain:
            circle = " -> ".join((*chain[chain.index(before) :], before))
            text = f"never begins: applications wait for each other ({circle}); give one of them another arrival"
            yield Fault(("applications", name, "arrival"), text)


def _step_faults(
    at: Path_, step: AnyStep, seen: Collection[str], names: Mapping[str, Collection[str]]
) -> Iterator[Fault]:
    if step.name in seen:
        yield Fault((*at, "name"), f"{shown(step.name)} is the name of an earlier step; choose another")
    for index, before in enumerate(step.after or ()):
        if before not in seen:
            hint = did_you_mean(before, seen, "A step waits for earlier ones alone.")
            yield Fault((*at, "after", index), f"no earlier step {shown(before)}.{hint}")
    if isinstance(step, OffloadStep):
        if step.link not in names["links"]:
            hint = did_you_mean(step.link, names["links"], "Describe it under `links`.")
            yield Fault((*at, "link"), f"no link {shown(step.link)}.{hint}")
    else:
        yield from _place_faults(at, step, names["servers"])
    if isinstance(step, StageStep | OffloadStep) and step.variation.spread and step.variation.kind != "uniform":
        text = f"{step.variation.kind} times have no width of their own; leave it out, or write uniform"
        yield Fault((*at, "variation", "spread"), text)


def _place_faults(at: Path_, step: NetworkStep | StageStep, servers: Collection[str]) -> Iterator[Fault]:
    if step.server is not None:
        if step.server not in servers:
            hint = did_you_mean(step.server, servers, "Describe it under `servers`.")
            yield Fault((*at, "server"), f"no server {shown(step.server)}.{hint}")
        for key in ("unit", "cluster"):
            if getattr(step, key) is not None:
                yield Fault((*at, key), "a server is named too, which has a unit of its own; keep one of them")
    if isinstance(step, StageStep):
        yield from _cost_faults(at, step)
        for name, cost in step.by_unit.items():
            yield from _cost_faults((*at, "by_unit", name), cost)


def _cost_faults(at: Path_, cost: StageStep | StageCost) -> Iterator[Fault]:
    if (cost.time is None) == (cost.cycles is None):
        yield Fault(at, "missing; write `time` or `cycles`" if cost.time is None else "found both `time` and `cycles`")


# --- servers and tables -------------------------------------------------------------------------------


def _server_faults(servers: Mapping[str, ServerFile]) -> Iterator[Fault]:
    for name, server in servers.items():
        if server.quantum is not None and server.policy != "round_robin":
            yield Fault(("servers", name, "quantum"), 'only "round_robin" takes turns of a given length; leave it out')


def _table_faults(value: Mapping[str, Any]) -> Iterator[Fault]:
    for table in ("sources", "assumed"):
        paths = value.get(table)
        for path in paths if isinstance(paths, dict) else ():
            if not _leads_somewhere(value, path):
                yield Fault((table, path), "leads to no value of this file; correct the path or take it out")


def _leads_somewhere(tree: Any, dotted: str) -> bool:
    rest = dotted
    while rest:
        step = next_step(tree, rest)
        if step is None:
            return False
        tree, rest = tree[step.key], step.rest
    return True
