"""A platform in words and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from socsim.quantities import format_si, format_time
from socsim.soc.calibrations import calibrated_groups
from socsim.soc.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from socsim.soc.platform import Platform


def describe(platform: Platform) -> str:
    """Return one screen: units, memories, links, clocks, provenance."""
    return "\n".join([
        f"{platform.name}: {platform.file.title} ({platform.file.process})",
        *_units(platform), *_memories(platform), *_links(platform), *_clocks(platform), *_modes(platform),
        *_heat(platform),
        *(f"override  {text}" for text in platform.overrides),
        f"numbers   {platform.assumed_numbers} of {len(provenance(platform))} are assumed "
        f"(socsim platforms check {platform.name})",
        *_accuracy(platform),
    ])  # fmt: skip


def _units(platform: Platform) -> Iterator[str]:
    for name, unit in platform.units.items():
        what = getattr(unit, "core", None) or getattr(unit, "architecture", "")
        cores = platform.core_count(name)
        mark = "preferred" if name == platform.file.preference[0] else ""
        yield (
            f"unit      {name:<12} {unit.kind:<12} {cores} x {what} at {format_si(platform.unit_hz(name), 'Hz')}, "
            f"runtime {_software(platform, name)} {mark}".rstrip()
        )


def _software(platform: Platform, unit: str) -> str:
    software = platform.runtime(unit)
    return " ".join(filter(None, (software.name, software.version)))


def _memories(platform: Platform) -> Iterator[str]:
    for name, m in platform.memories.items():
        yield (
            f"memory    {name:<12} {m.kind:<12} {m.bytes:,} B, {format_si(m.read_bytes_per_s, 'B/s')} of "
            f"{format_si(m.peak_bytes_per_s, 'B/s')} peak, {format_time(m.latency_ps)} latency"
        )


def _links(platform: Platform) -> Iterator[str]:
    for name, link in platform.links.items():
        ends = ", ".join(platform.file.links[name].connects)
        rate = format_si(link.bytes_per_s, "B/s")
        yield f"link      {name:<12} {link.arbitration:<12} {rate} each way, connects {ends}"


def _clocks(platform: Platform) -> Iterator[str]:
    for name, clock in platform.file.clocks.items():
        setting = platform.clock(name)
        points = ", ".join(f"{p.name}{'*' if p.name == setting.opp else ''}" for p in clock.opps)
        yield f"clock     {name:<12} {points}"


def _modes(platform: Platform) -> Iterator[str]:
    """Yield power modes; the one that the platform is in has a star."""
    for name, mode in platform.file.modes.items():
        mark = "*" if mode is platform.power_mode else ""
        cap = f", {mode.cap} on average at most" if mode.cap else ""
        yield f"mode      {name + mark:<12} {mode.title}{cap}"


def _heat(platform: Platform) -> Iterator[str]:
    """Yield each node of the thermal network with where it slows clocks down."""
    thermal = platform.file.thermal
    if thermal is None:
        yield "heat      not modelled: the file has no thermal network"
        return
    for name, node in thermal.nodes.items():
        trips = [f"slows {', '.join(trip.clocks)} down at {trip.at}" for trip in thermal.trips if trip.node == name]
        yield f"heat      {name:<12} {node.capacity}{''.join(f', {trip}' for trip in trips)}"


def _accuracy(platform: Platform) -> Iterator[str]:
    """Yield the accuracy card: what predictions of each unit with a runtime were measured to be off by."""
    groups = calibrated_groups(platform)
    if not groups:
        yield "accuracy  not validated: no measurements of this platform"
    for g in groups:
        who = " ".join(filter(None, (g.unit, g.cluster)))
        error = "not known" if g.error is None else f"{g.error:.0%} mean error for networks left out of the fit"
        noise = "" if g.noise is None else f", repeats differ by {g.noise:.0%}"
        count = f"{g.workloads} network{'s' if g.workloads > 1 else ''}"
        yield f"accuracy  {who:<12} {g.runtime:<16} {count}, {g.targets} figures: {error}{noise}"


def description_json(
    platform: Platform, peaks: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]]
) -> str:
    """Return the whole checked description, inheritance and presets resolved, with its peaks and design points."""
    document: dict[str, Any] = {
        "schema_version": "socsim.platform/1",
        "platform": platform.file.model_dump(mode="json", by_alias=True),
        "overrides": list(platform.overrides),
        "peaks": list(peaks),
        "design_points": list(points),
        "accuracy": [group.model_dump(mode="json") for group in calibrated_groups(platform)],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)
