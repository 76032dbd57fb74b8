"""What boards draw, as data: coefficients fitted to measured energies, on what cost models book.

`platforms/boards/energy.yaml` is written by `socsim validate energy --save`. A chip's own books are the energy of its
silicon; a board adds its idle floor, supply losses and what no model contains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from socsim.data_files import data_folder
from socsim.soc.fields import Count, Model, Ratio
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

Coefficient = Annotated[float, Field(ge=0)]


class BoardGroup(Model):
    """What was fitted to the energies of a unit with a runtime on its boards."""

    platform: str
    unit: str
    cluster: str = ""
    runtime: str
    workloads: Count
    """Networks in the fit."""
    targets: Count
    """Figures in the fit, repeats counted once."""
    error: Coefficient | None = None
    """Mean error for networks left out of the fit, each in turn, with measured latencies; absent with one network."""
    static_w: Coefficient
    """Watts that the awake board draws whatever runs."""
    cycles: Coefficient
    """Energy of a busy cycle over the booked one."""
    integer_mac_pj: Coefficient
    """Picojoules of a nominal multiply-accumulate on integers."""
    float_mac_pj: Coefficient
    """Picojoules of one on floats."""
    traffic: Coefficient
    """Energy of bytes moved over the booked one."""


class BoardPool(Model):
    """What the boards of a kind of unit have in common; it needs the idle floor of the board."""

    unit: str
    groups: Count
    """Groups in the pool."""
    static: Ratio
    """Power of the awake board over that of the idle one."""
    cycles: Coefficient
    """Energy of a busy cycle over the booked one."""
    integer_mac: Coefficient
    """Energy of arithmetic on integers over the booked one."""
    float_mac: Coefficient
    """Energy of arithmetic on floats over the booked one."""
    traffic: Coefficient
    """Energy of bytes moved over the booked one."""


class BoardEnergyFile(Model):
    """Everything that is known of boards' energy."""

    schema_: Annotated[Literal["socsim.board-energy/1"], Field(alias="schema")]
    measurements: str
    """Table that the groups were fitted to."""
    idle_w: dict[str, Ratio]
    """Watts of an idle board by platform."""
    groups: list[BoardGroup]
    pools: list[BoardPool]


@dataclass(frozen=True, slots=True)
class BoardCoefficients:
    """Coefficients of a board's energy.

    Args:
        static_w: watts whatever runs.
        cycles: on booked energy of busy cycles.
        mac_pj: picojoules of a nominal multiply-accumulate by whether it is of integers.
        arithmetic: on booked energy of arithmetic by whether it is of integers.
        traffic: on booked energy of bytes moved.
        is_own: whether they were fitted to this platform, unit and runtime.
    """

    static_w: float
    cycles: float
    mac_pj: Mapping[bool, float]
    arithmetic: Mapping[bool, float]
    traffic: float
    is_own: bool


@cache
def board_energy_file() -> BoardEnergyFile | None:
    """Return what ships; None before anything was fitted.

    Raises:
        PlatformError: the file has faults.
    """
    path = data_folder("platforms") / "boards" / "energy.yaml"
    return validate(BoardEnergyFile, read_yaml(path)) if path.is_file() else None


def board_coefficients(platform: str, unit: str, cluster: str, runtime: str) -> BoardCoefficients | None:
    """Return what the boards of a platform draw while a unit runs; None where nothing is known.

    It is what was fitted to the unit with its runtime, else with another runtime (of the same cluster first, then the
    one of the most networks), else what boards of such units have in common, where the platform's idle floor is known.

    Args:
        platform: its name.
        unit: the unit as measurements name it.
        cluster: CPU cluster as measurements name it.
        runtime: the runtime as measurements name it.
    """
    file = board_energy_file()
    if file is None:
        return None
    same = [g for g in file.groups if (g.platform, g.unit) == (platform, unit)]
    order = ((g.runtime == runtime, g.cluster == cluster, g.workloads, g.runtime) for g in same)
    best = max(zip(order, same, strict=True), default=None, key=lambda pair: pair[0])
    if best is not None:
        return _of_group(best[1], is_own=best[1].runtime == runtime)
    pool = next((p for p in file.pools if p.unit == unit), None)
    idle = file.idle_w.get(platform)
    return None if pool is None or idle is None else _of_pool(pool, idle)


def _of_group(group: BoardGroup, *, is_own: bool) -> BoardCoefficients:
    macs = {True: group.integer_mac_pj, False: group.float_mac_pj}
    return BoardCoefficients(group.static_w, group.cycles, macs, {True: 0.0, False: 0.0}, group.traffic, is_own)


def _of_pool(pool: BoardPool, idle_w: float) -> BoardCoefficients:
    arithmetic = {True: pool.integer_mac, False: pool.float_mac}
    return BoardCoefficients(
        pool.static * idle_w, pool.cycles, {True: 0.0, False: 0.0}, arithmetic, pool.traffic, is_own=False
    )
