"""From a table of measurements to calibrations: of one device, or of the whole library."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from socsim.accuracy.validation import TIMING, answers
from socsim.calibration.files import Origin, platform_text, pools_text
from socsim.calibration.timing import fit_pool, fit_pools, sample_groups
from socsim.errors import MeasurementError
from socsim.soc.calibrations import pools

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from socsim.accuracy.table import Measurement, MeasurementTable
    from socsim.accuracy.validation import Answers
    from socsim.calibration.samples import SampleGroup
    from socsim.calibration.timing import GroupFit, PoolFit
    from socsim.soc.calibrations import Pool as StoredPool

    Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Fits to a table of measurements.

    Args:
        origin: the table.
        pools: fits by runtime, with those of their groups.
        given: what the model says without them.
    """

    origin: Origin
    pools: tuple[PoolFit, ...]
    given: Answers

    @property
    def groups(self) -> tuple[GroupFit, ...]:
        """All groups, in order of their keys."""
        return tuple(sorted((fit for pool in self.pools for fit in pool.groups), key=lambda fit: fit.group.key))

    def texts(self) -> dict[str, str]:
        """Return the calibration file of each platform."""
        names = dict.fromkeys(fit.group.key.platform for fit in self.groups)
        return {
            name: platform_text(name, [f for f in self.groups if f.group.key.platform == name], self.origin)
            for name in names
        }


def calibrate_library(table: MeasurementTable, path: Path, given: Answers, *, processes: int = 1) -> Calibration:
    """Fit every group of a table, and what runtimes have in common.

    Args:
        table: measurements.
        path: their file.
        given: what the model says to them, with anatomies.
        processes: how many share the work; the result is the same.
    """
    found = sample_groups(table.rows, given.questions, given.predictions)
    return Calibration(Origin.of(path, table.rows), tuple(fit_pools(found, processes=processes)), given)


def calibrate_device(
    table: MeasurementTable, path: Path, platform: str, unit: str | None = None, runtime: str | None = None
) -> Calibration:
    """Fit the groups of one platform; what it has in common with others stays as it was fitted to them.

    Args:
        table: measurements.
        path: their file.
        platform: name in the table.
        unit: unit in the table; None: all.
        runtime: runtime in the table; None: all.

    Raises:
        MeasurementError: no row of that kind, or none that can be predicted.
    """
    wanted = {"unit": unit, "runtime": runtime}

    def is_meant(row: Measurement) -> bool:
        return (
            row.metric in TIMING
            and row.platform == platform
            and all(word in (None, getattr(row, name)) for name, word in wanted.items())
        )

    chosen = replace(table, rows=tuple(row for row in table.rows if is_meant(row)))
    given = answers(chosen, detail="analytic", calibrated=False, anatomies=True)
    _check_answers(path, given)
    known = {(pool.runtime, str(pool.kind)): pool for pool in pools()}
    found = sample_groups(chosen.rows, given.questions, given.predictions)
    fits = [fit_pool(name, group.kind, [group], _held(group, known.get((name, group.kind)))) for group, name in found]
    return Calibration(Origin.of(path, chosen.rows), tuple(fits), given)


def _held(group: SampleGroup, pool: StoredPool | None) -> Reals | None:
    """Return what a group's relatives have in common, in the scale of the fit; None where it has none."""
    if pool is None:
        return None
    values = pool.for_design(group.design)
    return np.array([p.scaled(values[p.name]) if p.name in values else p.start for p in group.parameters])


def _check_answers(path: Path, given: Answers) -> None:
    if any(found.anatomy for found in given.predictions.values()):
        return
    reasons = [q.reason for q in given.questions.values()] + [p.reason for p in given.predictions.values()]
    why = "; ".join(list(dict.fromkeys(filter(None, reasons)))[:3])
    why = why or "it has no latency or throughput of that platform, unit and runtime"
    msg = f"{path}: nothing to fit: {why}"
    raise MeasurementError(msg)


def write_library(calibration: Calibration, folder: Path) -> list[Path]:
    """Write the calibration of every platform and of every runtime; files of others go.

    Args:
        calibration: of a whole table.
        folder: `platforms/calibrations`.

    Raises:
        OSError: the folder cannot be written.
    """
    texts = calibration.texts() | {"pools": pools_text(calibration.pools, calibration.origin)}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        if old.stem not in texts:
            old.unlink()
    paths = [folder / f"{name}.yaml" for name in sorted(texts)]
    for path in paths:
        path.write_text(texts[path.stem], encoding="utf-8")
    return paths
