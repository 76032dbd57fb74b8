"""Groups of measurements: what one calibration may fit, the target of each workload, and the noise among repeats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from socsim.accuracy.table import Measurement


class GroupKey(NamedTuple):
    """What rows of a group have in common; versions, boards, core counts and precisions stand together."""

    platform: str
    unit: str
    cluster: str
    runtime: str
    metric: str


@dataclass(frozen=True, slots=True)
class Target:
    """A figure to meet: the median of the repeats of the newest version.

    Args:
        rows: those repeats; other boards and dates.
        value: their median, in seconds, samples a second, joules or watts.
    """

    rows: tuple[Measurement, ...]
    value: float

    @property
    def workload(self) -> str:
        """The network."""
        return self.rows[0].workload

    @property
    def spread(self) -> tuple[float, ...]:
        """Relative distance of each repeat from the target."""
        return tuple(abs(row.value * row.scale / self.value - 1) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Group:
    """Measurements of one metric of a unit with its runtime.

    Args:
        key: what they have in common.
        rows: all of them.
        targets: one for each set of repeats.
    """

    key: GroupKey
    rows: tuple[Measurement, ...]
    targets: tuple[Target, ...]

    @property
    def noise_floor(self) -> float | None:
        """Mean relative distance of repeats from their target: the error that a perfect model of the target keeps."""
        spreads = [distance for t in self.targets if len(t.rows) > 1 for distance in t.spread]
        return fmean(spreads) if spreads else None


def groups(rows: Iterable[Measurement]) -> list[Group]:
    """Return the groups of measurements, in order of their keys."""
    by_key: dict[GroupKey, list[Measurement]] = {}
    for row in rows:
        key = GroupKey(row.platform, row.unit, row.cluster, row.runtime, row.metric)
        by_key.setdefault(key, []).append(row)
    return [Group(key, tuple(found), _targets(found)) for key, found in sorted(by_key.items())]


def _targets(rows: Sequence[Measurement]) -> tuple[Target, ...]:
    order = sorted(rows, key=lambda row: (_repeated(row), row.line))
    return tuple(_target(list(repeats)) for _, repeats in groupby(order, key=_repeated))


def _repeated(row: Measurement) -> tuple[str, str, str, int, int]:
    """Return what repeats agree in, beside their group."""
    return row.workload, row.input_shape, row.precision, row.cores or 0, row.batch or 0


def _target(repeats: Sequence[Measurement]) -> Target:
    newest = max(_version(row.runtime_version) for row in repeats)
    rows = tuple(row for row in repeats if _version(row.runtime_version) == newest)
    return Target(rows, median(row.value * row.scale for row in rows))


def _version(text: str) -> tuple[int, tuple[int, ...]]:
    """Return a key that orders versions: none, numbered ones, then a development head such as "master"."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", text))
    return (1, numbers) if numbers else (2 if text else 0, ())
