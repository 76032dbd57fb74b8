"""Writes what was fitted to boards' energy as the file that predictions take it from."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from socsim.calibration.energy import EnergyComparison, EnergyGroupResult, FittedParameter
    from socsim.calibration.power_tables import IdleFloors

_FULL = ("static", "cycles", "integer MAC", "float MAC", "traffic")
_HEAD = (
    "# Written by `socsim validate energy --save`: what boards draw at their supply, fitted to the table's energies."
)


def board_energy_text(found: EnergyComparison) -> str:
    """Return `platforms/boards/energy.yaml`: idle floors, the coefficients of each group, and what groups share."""
    groups = [g for g in found.groups if g.key.metric == "energy_per_inference" and g.rows]
    lines = [_HEAD, "schema: socsim.board-energy/1", f"measurements: {found.table}", "idle_w:"]
    lines += [f"  {platform}: {_number(watts)}" for platform, watts in sorted(_idle(found.floors).items())]
    lines += ["groups:", *(line for g in sorted(groups, key=lambda g: g.key) for line in _group(g))]
    by_unit: dict[str, list[EnergyGroupResult]] = {}
    for group in groups:
        if {p.name for p in group.parameters} == set(_FULL):
            by_unit.setdefault(group.key.unit, []).append(group)
    pools = [line for unit, members in sorted(by_unit.items()) for line in _pool(unit, members)]
    lines += ["pools:", *pools] if pools else ["pools: []"]
    return "\n".join(lines) + "\n"


def _idle(floors: IdleFloors) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for (platform, _), watts in floors.by_source.items():
        found.setdefault(platform, []).append(watts)
    return {platform: median(watts) for platform, watts in found.items()}


def _group(group: EnergyGroupResult) -> Iterable[str]:
    key = group.key
    yield f"  - platform: {key.platform}"
    yield from (f"    {name}: {getattr(key, name)}" for name in ("unit", "cluster", "runtime") if getattr(key, name))
    yield f"    workloads: {group.workloads}"
    yield f"    targets: {len(group.rows)}"
    if group.scores:
        yield f"    error: {_number(group.scores['measured'].mape)}"
    yield from (f"    {name}: {_number(value)}" for name, value in _coefficients(group).items())


def _coefficients(group: EnergyGroupResult) -> Mapping[str, float]:
    """Return a group's coefficients in the file's words; in a small one, time has cycles in it and work has traffic."""
    by_name = {p.name: p for p in group.parameters}
    if "running" in by_name:
        mac = by_name["MAC"].typical
        return {
            "static_w": by_name["running"].typical, "cycles": 0.0, "integer_mac_pj": mac, "float_mac_pj": mac,
            "traffic": 0.0,
        }  # fmt: skip
    return {
        "static_w": by_name["static"].typical,
        "cycles": by_name["cycles"].value,
        "integer_mac_pj": by_name["integer MAC"].typical,
        "float_mac_pj": by_name["float MAC"].typical,
        "traffic": by_name["traffic"].value,
    }


def _pool(unit: str, members: list[EnergyGroupResult]) -> Iterable[str]:
    """Return what groups of a kind of unit share: the median of each coefficient that rows could move."""
    yield f"  - unit: {unit}"
    yield f"    groups: {len(members)}"
    for name in _FULL:
        fitted: list[FittedParameter] = [p for g in members for p in g.parameters if p.name == name and p.is_free]
        word = name.lower().replace(" ", "_")
        yield f"    {word}: {_number(median(p.value for p in fitted))}" if fitted else f"    {word}: 1"


def _number(value: float) -> str:
    return f"{value:.4g}"
