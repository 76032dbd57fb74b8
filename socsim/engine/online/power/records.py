"""Records of what parts and clocks did, from the books."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from socsim.engine.online.power.parts import DOMAIN, MEMORY
from socsim.engine.online.power.resting import ON
from socsim.engine.online.power.tally import to_pj
from socsim.simulation_records import ClockRecord, DomainRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.engine.online.power.drives import ClockDrive
    from socsim.engine.online.power.parts import PlatformParts
    from socsim.engine.online.power.tally import Tally
    from socsim.soc.platform import Platform


def domain_records(tally: Tally, parts: PlatformParts) -> tuple[DomainRecord, ...]:
    """Return what domains did, then memories."""
    names = [(DOMAIN, name) for name in parts.domains] + [(MEMORY, name) for name in parts.memories]
    return tuple(_domain_record(tally, kind, name) for kind, name in names)


def _domain_record(tally: Tally, kind: str, name: str) -> DomainRecord:
    times = [(key[3], ps) for key, ps in tally.items() if key[:3] == (kind, name, "time") and ps]
    times.sort(key=lambda pair: (pair[0] != ON, pair[0]))
    return DomainRecord(name, tuple(times), tally[kind, name, "wakes"], to_pj(tally[kind, name, "static"]))


def clock_record(tally: Tally, drive: ClockDrive) -> ClockRecord:
    """Return how a clock was governed."""
    rows = zip(drive.names, drive.hz, strict=True)
    points = tuple((point, hz, tally["clock", drive.name, "time", point]) for point, hz in rows)
    changes, throttled = (tally["clock", drive.name, what] for what in ("changes", "throttled"))
    return ClockRecord(drive.name, drive.governor.name, changes, points, throttled)


def shares_pj(tally: Tally, platform: Platform, spent: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return energies by application: its own, and of what domains drew while their units worked, its part by time."""
    shares: Counter[str] = Counter()
    for (application, _), pj in spent.items():
        shares[application] += pj
    for domain in platform.file.power_domains:
        worked = to_pj(tally[DOMAIN, domain, "worked"])
        shares.update(_split(worked, _times(tally, platform, domain)))
    return dict(shares)


def _times(tally: Tally, platform: Platform, domain: str) -> Counter[str]:
    """Return for how long units of a domain worked, by application."""
    times: Counter[str] = Counter()
    for key, ps in sorted(tally.items()):
        unit = platform.units.get(key[2]) if key[0] == "worked" else None
        if unit is not None and unit.power == domain:
            times[key[1]] += ps
    return times


def _split(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Return a whole number in parts, in proportion to weights; the largest remainders get what is left."""
    whole = sum(weights.values())
    if not whole:
        return {}
    parts = {name: total * weight // whole for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(total * weights[name] % whole), name))
    for name in by_remainder[: total - sum(parts.values())]:
        parts[name] += 1
    return parts
