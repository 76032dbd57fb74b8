"""Writes calibrations: a file for each platform, and one of what runtimes have in common."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from socsim.calibration.scores import mean_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from socsim.accuracy.table import Measurement
    from socsim.calibration.timing import GroupFit, PoolFit

_DIGITS = 4


@dataclass(frozen=True)
class Origin:
    """The table that a calibration was fitted to.

    Args:
        name: of its file.
        sha256: of its bytes.
        recorded: date by line, where the source gives one.
    """

    name: str
    sha256: str
    recorded: Mapping[int, str]

    @classmethod
    def of(cls, path: Path, rows: Iterable[Measurement]) -> Origin:
        """Return the origin of the rows of a file."""
        dates = {row.line: row.recorded for row in rows if row.recorded}
        return cls(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), dates)


def platform_text(platform: str, fits: Sequence[GroupFit], origin: Origin) -> str:
    """Return the calibration file of a platform.

    Args:
        platform: its name.
        fits: its groups.
        origin: where their figures stand.
    """
    lines = sorted(line for fit in fits for sample in fit.group.samples for line in sample.lines)
    dates = sorted({origin.recorded[line] for line in lines if line in origin.recorded})
    head = [
        "schema: socsim.calibration/1",
        f"platform: {platform}",
        f"measurements: {origin.name}",
        f'sha256: "{origin.sha256}"',
        f'recorded: "{_span(dates)}"',
        "groups:",
    ]
    return "\n".join([*head, *(line for fit in sorted(fits, key=lambda f: f.group.key) for line in _group(fit))]) + "\n"


def pools_text(pools: Sequence[PoolFit], origin: Origin) -> str:
    """Return the file of what runtimes have in common."""
    head = [
        "schema: socsim.calibration-pools/1",
        f"measurements: {origin.name}",
        f'sha256: "{origin.sha256}"',
        "pools:",
    ]
    return "\n".join([*head, *(line for pool in pools for line in _pool(pool))]) + "\n"


def _span(dates: Sequence[str]) -> str:
    if not dates:
        return "not known"
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def _group(fit: GroupFit) -> list[str]:
    group, key = fit.group, fit.group.key
    error = mean_error(fit.workload_out, group.measured, key.metric)
    return [
        f"  - unit: {key.unit}",
        f'    cluster: "{key.cluster}"',
        f"    runtime: {key.runtime}",
        f"    kind: {group.kind}",
        f"    workloads: {len(np.unique(group.workloads))}",
        f"    targets: {len(group)}",
        f'    rows: "{_ranges(sorted(line for sample in group.samples for line in sample.lines))}"',
        f"    error: {_rounded(error)}",
        *([f"    noise: {_rounded(fit.noise)}"] if fit.noise is not None else []),
        "    values:",
        *_table({p.name: p.value(float(v)) for p, v in zip(group.parameters, fit.fitted, strict=True)}),
        "    uncertainty:",
        *_table({p.name: float(v) for p, v in zip(group.parameters, fit.uncertainty, strict=True)}),
    ]


def _pool(pool: PoolFit) -> list[str]:
    parameters = pool.groups[0].group.parameters
    workloads = {name for fit in pool.groups for name in fit.group.workloads}
    return [
        f"  - runtime: {pool.name}",
        f"    kind: {pool.kind}",
        f"    groups: {len(pool.groups)}",
        f"    workloads: {len(workloads)}",
        "    values:",
        *_table({p.name: p.value(float(v)) for p, v in zip(parameters, pool.values(""), strict=True)}),
        "    spread:",
        *_table({p.name: float(v) for p, v in zip(parameters, pool.spread, strict=True)}),
        *(["    relatives:"] if len(pool.expected) > 1 else []),
        *(line for design in pool.expected if design for line in _relative(pool, design)),
    ]


def _relative(pool: PoolFit, design: str) -> list[str]:
    parameters, values = pool.groups[0].group.parameters, pool.values(design)
    own = {parameters[i].name: parameters[i].value(float(values[i])) for i in pool.free}
    return [f"      {design}:", *(f"  {line}" for line in _table(own))]


def _table(values: Mapping[str, float]) -> list[str]:
    return [f"      {name}: {_rounded(value)}" for name, value in values.items()]


def _rounded(value: float) -> str:
    return f"{float(f'{value:.{_DIGITS}g}'):.10g}"


def _ranges(lines: Sequence[int]) -> str:
    """Return line numbers with runs shortened: 2-5, 9."""
    runs = [list(run) for _, run in groupby(enumerate(lines), key=lambda pair: pair[1] - pair[0])]
    ends = [(run[0][1], run[-1][1]) for run in runs]
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)
