"""What the cost model books for one inference: energy by what it goes with, before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from socsim.accuracy.cases import platform_of
from socsim.quantities import PS_PER_S
from socsim.schedule.precision import PRECISIONS
from socsim.soc.schema import Dram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.accuracy.cases import Case
    from socsim.recording import Result


@dataclass(frozen=True, slots=True)
class EnergyBooks:
    """What the cost model books for one inference.

    Args:
        latency_s: predicted time.
        static_w: static power of domains and memories meanwhile, in watts.
        cycles_j: busy cycles of the units, whatever they compute, in joules.
        arithmetic_j: multiplications, vector operations and the units' own buffers, in joules.
        traffic_j: memories and fabric, in joules.
        macs: nominal multiply-accumulates.
        is_integer: whether activations are integers.
        is_microcontroller: whether the platform has no DRAM.
    """

    latency_s: float
    static_w: float
    cycles_j: float
    arithmetic_j: float
    traffic_j: float
    macs: int
    is_integer: bool
    is_microcontroller: bool


def books_of(case: Case, macs: int, runs: Sequence[Result], parts: Sequence[float]) -> EnergyBooks | None:
    """Return the books of a case from its runs; None where they take no time.

    Args:
        case: what was run.
        macs: nominal multiply-accumulates of one inference.
        runs: of its whole batch, one for each share of its cores.
        parts: the part of each operator that each share gets.
    """
    latency = max(part * run.latency_ps for part, run in zip(parts, runs, strict=True)) / PS_PER_S
    if not latency:
        return None
    kinds = dict.fromkeys(("unit", "memory", "link", "static"), 0.0)
    cycles = 0.0
    for part, run in zip(parts, runs, strict=True):
        cycles += part * run.cycle_energy_pj / PS_PER_S
        for account in run.energy_accounts:
            kinds[account.kind] += part * account.energy_pj / PS_PER_S
    return EnergyBooks(
        latency_s=latency / case.batch,
        static_w=kinds["static"] / latency,
        cycles_j=cycles / case.batch,
        arithmetic_j=(kinds["unit"] - cycles) / case.batch,
        traffic_j=(kinds["memory"] + kinds["link"]) / case.batch,
        macs=macs,
        is_integer=PRECISIONS[case.precision][1].value.startswith(("int", "uint")),
        is_microcontroller=is_microcontroller(case.platform),
    )


@cache
def is_microcontroller(platform: str) -> bool:
    """Whether a platform has no DRAM."""
    soc = platform_of(platform)
    return not isinstance(soc, str) and not any(isinstance(m, Dram) for m in soc.file.memories.values())
