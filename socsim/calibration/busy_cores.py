"""Power of busy processor cores by operating point: what platform files say against what was measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from socsim.cost.energy import EnergyModel
from socsim.soc.loader import load_platform
from socsim.soc.schema import CpuCluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.calibration.power_tables import BusyCores
    from socsim.soc.platform import Platform

ALL = "all"
"""Cluster of rows that load every core of a chip."""
_SAME_CLOCK = 0.01
NW_PER_W = 10**9


@dataclass(frozen=True, slots=True)
class BusyPoint:
    """Busy cores at an operating point.

    Args:
        platform: the chip.
        cluster: CPU cluster; "all" for all of them.
        cores: how many are busy.
        clock_hz: their clock; None for those of several clusters.
        meter: what it reads: "battery" or "wall".
        predicted_w: watts above idle by the platform file.
        measured_w: median of what was measured.
        boards: how many boards and runs there are of it.
        spread: largest distance of one of them from the median, relative to it.
    """

    platform: str
    cluster: str
    cores: int
    clock_hz: int | None
    meter: str
    predicted_w: float
    measured_w: float
    boards: int
    spread: float

    @property
    def error(self) -> float:
        """Return predicted / measured - 1."""
        return self.predicted_w / self.measured_w - 1


def busy_points(rows: Iterable[BusyCores]) -> tuple[BusyPoint, ...]:
    """Compare busy cores with platform files.

    Rows whose cluster or clock (within 1 %) a platform does not have are left out; several rows of one operating
    point are repeats, of which the median counts. All cores run at the default clocks of their clusters. Predicted is
    what a run books for such cores: their busy cycles, and the static power of their domains, less what those draw at
    rest.

    Assumes: a core that does not stall draws what a busy cycle costs, whatever it executes; DRAM and the rest of the
    chip draw the same busy or idle.
    """
    found: dict[tuple[str, str, int, int | None, str], list[float]] = defaultdict(list)
    predicted: dict[tuple[str, str, int, int | None, str], float] = {}
    for row in rows:
        point = _point(load_platform(row.platform), row)
        if point is not None:
            clock, watts = point
            key = row.platform, row.cluster, row.cores, clock, row.meter
            found[key].append(row.watts)
            predicted[key] = watts
    order = sorted(found, key=lambda key: (*key[:3], key[3] or 0, key[4]))
    return tuple(_compared(key, predicted[key], found[key]) for key in order)


def _compared(key: tuple[str, str, int, int | None, str], predicted: float, measured: Sequence[float]) -> BusyPoint:
    centre = median(measured)
    spread = max(abs(watts / centre - 1) for watts in measured)
    platform, cluster, cores, clock, meter = key
    return BusyPoint(platform, cluster, cores, clock, meter, predicted, centre, len(measured), spread)


def _point(soc: Platform, row: BusyCores) -> tuple[int | None, float] | None:
    """Return the clock and the predicted watts of a row; None where the platform has no such cores or clock."""
    clusters = {unit.cluster: name for name, unit in soc.units.items() if isinstance(unit, CpuCluster)}
    if row.cluster == ALL and row.clock_hz is None:
        if sum(soc.core_count(name) for name in clusters.values()) != row.cores:
            return None
        return None, _busy_w(soc, {name: soc.core_count(name) for name in clusters.values()})
    wanted = row.clock_hz
    if row.cluster not in clusters or wanted is None:
        return None
    name = clusters[row.cluster]
    clock = soc.unit(name).clock
    points = soc.file.clocks[clock].opps if clock in soc.file.clocks else ()
    near = [p for p in points if abs(p.clock.value / wanted - 1) <= _SAME_CLOCK]
    if not near:
        return None
    best = min(near, key=lambda p: abs(p.clock.value - wanted))
    return best.clock.value, _busy_w(soc.at({clock: best.name}), {name: row.cores})


def _busy_w(soc: Platform, cores: Mapping[str, int]) -> float:
    """Return the watts above idle of busy cores by unit, at the platform's operating points."""
    model = EnergyModel(soc)
    domains = sorted({soc.unit(name).power for name in cores})
    awake = sum(model.domain_nw(d, is_on=True) - model.domain_nw(d, is_on=False) for d in domains)
    return (sum(count * model.busy_nw(name) for name, count in cores.items()) + awake) / NW_PER_W
