"""Fluid sharing: how fast everything that moves bytes at once may go.

Each activity moves bytes over several resources in fixed proportion (a tile read from DRAM crosses the
port, the fabric and the DRAM). Rates are max-min fair: all grow together until a resource is full or an
activity needs no more, then the others go on (progressive filling: Bertsekas and Gallager, "Data
Networks", section 6.5.2). Weights scale the growth; higher priority classes fill first.

All arithmetic is on integers: rates in bytes a second, work in byte-picoseconds, shares in 2**-32.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S, ceil_div

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.cost.work import Transfer

_ONE = 1 << 32


@dataclass(frozen=True, slots=True)
class Demand:
    """What an activity wants of the fabric.

    Args:
        initiator: the unit that moves the bytes.
        bytes: all bytes that it moves, counted once.
        usage: bytes over each resource, between 0 and `bytes`.
        cap_bytes_per_s: rate beyond which it waits for its own compute; None for none.
        weight: share under contention, relative to others.
        priority: class; higher classes fill first.
        transfers: the bytes by memory, for levels of detail below this one.
    """

    initiator: str
    bytes: int
    usage: Mapping[str, int]
    cap_bytes_per_s: int | None = None
    weight: int = 1
    priority: int = 0
    transfers: tuple[Transfer, ...] = ()
    shares: tuple[tuple[str, int], ...] = field(init=False)
    """Bytes over each resource for each byte of the activity, in 2**-32, rounded up."""

    def __post_init__(self) -> None:
        shares = tuple((name, ceil_div(used * _ONE, self.bytes)) for name, used in self.usage.items() if used)
        object.__setattr__(self, "shares", shares)


def fair_rates(demands: Sequence[Demand], capacities: Mapping[str, int]) -> list[int]:
    """Return the rate of each activity in bytes a second, at least 1.

    No resource is driven past its capacity (but for the guarantee of 1 byte a second), no activity past
    its cap, and no rate can grow without another of the same or a higher class shrinking.
    """
    if len(demands) == 1:
        lone, cap = _lone_rate(demands[0], capacities), demands[0].cap_bytes_per_s
        return [lone if cap is None else max(1, min(lone, cap))]
    rates = [0] * len(demands)
    left = {name: capacities[name] * _ONE for d in demands for name, _ in d.shares}
    for priority in sorted({d.priority for d in demands}, reverse=True):
        group = [i for i, d in enumerate(demands) if d.priority == priority]
        _fill(group, demands, left, rates)
    return [max(1, rate) for rate in rates]


def _lone_rate(demand: Demand, capacities: Mapping[str, int]) -> int:
    """Return what the resources grant an activity that shares with nobody, whatever its cap."""
    return max(1, min(capacities[name] * _ONE // share for name, share in demand.shares))


def _fill(group: list[int], demands: Sequence[Demand], left: dict[str, int], rates: list[int]) -> None:
    """Grow the rates of one class together until each is stopped by a resource or its cap."""
    growing = list(group)
    while growing:
        load: dict[str, int] = {}
        for i in growing:
            for name, share in demands[i].shares:
                load[name] = load.get(name, 0) + share * demands[i].weight
        steps = [max(0, left[name]) // total for name, total in load.items()]
        caps = {i: cap - rates[i] for i in growing if (cap := demands[i].cap_bytes_per_s) is not None}
        steps += [ceil_div(room, demands[i].weight) for i, room in caps.items()]
        step = min(steps)
        _grow(growing, demands, step, caps, left, rates)
        full = {name for name, total in load.items() if left[name] < total}
        growing = [
            i
            for i in growing
            if (cap := demands[i].cap_bytes_per_s) is None or rates[i] < cap
            if not any(name in full for name, _ in demands[i].shares)
        ]


def _grow(
    growing: list[int],
    demands: Sequence[Demand],
    step: int,
    caps: dict[int, int],
    left: dict[str, int],
    rates: list[int],
) -> None:
    for i in growing:
        more = min(step * demands[i].weight, caps.get(i, step * demands[i].weight))
        rates[i] += more
        for name, share in demands[i].shares:
            left[name] -= more * share


def alone_ps(demand: Demand, capacities: Mapping[str, int]) -> int:
    """Return the shortest transfer time of an activity: alone on the fabric, and not waiting for compute."""
    if not demand.bytes:
        return 0
    return ceil_div(demand.bytes * PS_PER_S, _lone_rate(demand, capacities))
