"""Books of measured inferences, at the operating points that the measurements' sources name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from socsim.accuracy.cases import platform_of
from socsim.accuracy.energy_books import books_of
from socsim.accuracy.predictions import run_share
from socsim.errors import SocsimError
from socsim.workload.zoo import load_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from socsim.accuracy.cases import Case, Share
    from socsim.accuracy.energy_books import EnergyBooks
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph

_SAME_CLOCK = 0.01
"""Share by which the clock that a source names may miss that of an operating point."""


@dataclass(frozen=True, slots=True)
class Clocked:
    """A case at the operating points that the measurement's source names.

    Args:
        case: what to run.
        opps: (clock, operating point), in order; empty where the source names no other than the default.
    """

    case: Case
    opps: tuple[tuple[str, str], ...]


def clocked(case: Case, conditions: str) -> Clocked:
    """Return a case at the first clock in a source's words that is an operating point of the case's units.

    Each clock of a unit of the case's kind is set to that frequency where it has it within 1 %; one that runs there
    by default, and one without such a point, is left alone.
    """
    soc = platform_of(case.platform)
    if isinstance(soc, str):
        return Clocked(case, ())
    stated = [float(mhz) * 1e6 for mhz in re.findall(r"(\d+(?:\.\d+)?) ?MHz", conditions)]
    clocks = sorted({unit.clock for unit in soc.units.values() if unit.kind == case.unit} & set(soc.file.clocks))
    points = ((clock, _point(soc, clock, stated)) for clock in clocks)
    return Clocked(case, tuple((clock, point) for clock, point in points if point is not None))


def _point(soc: Platform, clock: str, stated: Sequence[float]) -> str | None:
    for hz in stated:
        for point in soc.file.clocks[clock].opps:
            if hz and abs(point.clock.value / hz - 1) <= _SAME_CLOCK:
                return None if point.name == soc.clock(clock).opp else point.name
    return None


def book(cases: Iterable[Clocked]) -> dict[Clocked, EnergyBooks | str]:
    """Return the books of each case, or why it has none; each is run once."""
    order = sorted(set(cases), key=lambda c: (c.case.workload, str(c.case.request), str(c)))
    found: dict[Clocked, EnergyBooks | str] = {}
    for (workload, request), chunk in groupby(order, key=lambda c: (c.case.workload, c.case.request)):
        try:
            graph = load_model(workload, request=request)
        except SocsimError as error:
            found |= dict.fromkeys(chunk, _reason(error))
            continue
        found |= {one: _books(graph, one) for one in chunk}
    return found


def _books(graph: Graph, one: Clocked) -> EnergyBooks | str:
    case = one.case
    try:
        runs = [run_share(graph, case, share, opps=dict(one.opps)) for share in case.shares]
    except SocsimError as error:
        return _reason(error)
    return books_of(case, graph.macs, runs, _parts(case.shares)) or "the run takes no time"


def _parts(shares: Sequence[Share]) -> list[float]:
    """Return the part of each operator that goes to each share: an equal one for each core."""
    cores = sum(share.cores or 0 for share in shares)
    return [(share.cores or 0) / cores if len(shares) > 1 else 1.0 for share in shares]


def _reason(error: SocsimError) -> str:
    return str(error).splitlines()[0]
