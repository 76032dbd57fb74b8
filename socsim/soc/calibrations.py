"""Calibrations as files: what was fitted to measurements of a platform, and what its relatives have in common.

`platforms/calibrations/NAME.yaml` belongs to the platform of that name, `NAME.calibration.yaml` beside a platform file
of a user's to that one. `platforms/calibrations/pools.yaml` holds for runtimes on chips without measurements.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from socsim.data_files import data_folder
from socsim.errors import PlatformError
from socsim.soc.fields import Count, Model
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime

_POOLS = "pools"
Kind = Literal["cpu", "gpu", "npu", "dsp", "sensing_hub"]
UnitWord = Literal[Kind, "mixed"]


class CalibratedGroup(Model):
    """What was fitted to the measurements of a unit with a runtime."""

    unit: UnitWord
    """The unit as measurements name it; mixed: several together."""
    cluster: str = ""
    """The CPU cluster as measurements name it; empty where they are silent."""
    runtime: str
    """The runtime as measurements name it."""
    kind: Kind
    """Kind of the unit that networks were sent to."""
    workloads: Count
    """Networks in the fit."""
    targets: Count
    """Figures in the fit, repeats counted once."""
    rows: str
    """Lines of the table that they stand in."""
    error: Annotated[float, Field(ge=0)] | None = None
    """Mean error for networks left out of the fit, each in turn."""
    noise: Annotated[float, Field(ge=0)] | None = None
    """Mean distance of repeated measurements from each other's median; absent without repeats."""
    values: dict[str, float]
    """Values by parameter."""
    uncertainty: dict[str, float]
    """Standard error by parameter: a share of the value, or for `cores` its own scale."""


class CalibrationFile(Model):
    """Everything that was fitted to measurements of one platform."""

    schema_: Annotated[Literal["socsim.calibration/1"], Field(alias="schema")]
    platform: str
    measurements: str
    """Table that the rows stand in."""
    sha256: str
    """Digest of that table."""
    recorded: str
    """Dates of the first and the last figure in the fits, where known."""
    groups: list[CalibratedGroup]


class Pool(Model):
    """What the groups of a runtime, or of related ones, have in common."""

    runtime: str
    """Name of the pool: a runtime, or what its file names as its pool."""
    kind: Kind
    groups: Count
    """Groups in the fit."""
    workloads: Count
    values: dict[str, float]
    """What a unit of any design is given."""
    spread: dict[str, float]
    """Standard deviation of a group around the values: what a chip without measurements may differ by."""
    relatives: dict[str, dict[str, float]] = Field(default={})
    """Values in place of these, by the beginnings of paths of designs; the longest that a unit's begins with holds."""

    def for_design(self, design: str) -> dict[str, float]:
        """Return the values for a unit of a design, given as its path; empty where it is not known."""
        known = next((self.relatives[p] for p in reversed(prefixes(design)) if p in self.relatives), {})
        return self.values | known


class PoolFile(Model):
    """What chips without measurements of their own are given."""

    schema_: Annotated[Literal["socsim.calibration-pools/1"], Field(alias="schema")]
    measurements: str
    sha256: str
    pools: list[Pool]


def prefixes(design: str) -> list[str]:
    """Return the beginnings of a path, shortest first: "arm", "arm/out-of-order", and itself."""
    steps = design.split("/") if design else []
    return ["/".join(steps[: i + 1]) for i in range(len(steps))]


def calibration_path(platform: Platform) -> Path:
    """Return where the calibration of a platform stands, if there is one."""
    own = Path(platform.document.where)
    library = data_folder("platforms")
    if own.is_file() and own.resolve().parent != library.resolve():
        return own.with_name(f"{own.stem}.calibration.yaml")
    return library / "calibrations" / f"{platform.name}.yaml"


def calibrated_groups(platform: Platform, file: Path | None = None) -> Sequence[CalibratedGroup]:
    """Return what was fitted to measurements of a platform; nothing where it has no file.

    Args:
        platform: what was measured.
        file: a calibration to use in place of the platform's own.

    Raises:
        PlatformError: a file with faults, or one that was named and does not exist.
    """
    path = file or calibration_path(platform)
    if not path.is_file():
        if file is not None:
            raise PlatformError(f"{file}: no such calibration file; socsim calibrate writes one")
        return ()
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size).groups


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> CalibrationFile:
    """Return a calibration; one that changed on disk is read again."""
    return validate(CalibrationFile, read_yaml(path))


@cache
def pools() -> Sequence[Pool]:
    """Return what the groups of each runtime have in common; nothing before anything was fitted."""
    path = data_folder("platforms") / "calibrations" / f"{_POOLS}.yaml"
    return validate(PoolFile, read_yaml(path)).pools if path.is_file() else ()


def group_of(
    platform: Platform, kind: str, cluster: str | None, runtime: Runtime, file: Path | None = None
) -> CalibratedGroup | None:
    """Return the fit that answers for a run: that of its cluster, else of all clusters, else of those that are silent.

    Args:
        platform: where the network runs.
        kind: kind of the unit that it is sent to.
        cluster: CPU cluster by its name.
        runtime: the software.
        file: a calibration to use in place of the platform's own.
    """
    words = {runtime.name, *runtime.measurement_names}
    found = [g for g in calibrated_groups(platform, file) if g.kind == kind and g.runtime in words and g.unit == kind]
    order = [cluster or "all", "all", ""]
    return min((g for g in found if g.cluster in order), key=lambda g: order.index(g.cluster), default=None)


def measured_group(platform: Platform, unit: str, cluster: str, runtime: str) -> CalibratedGroup | None:
    """Return the fit of the group that a measurement belongs to, by the measurement's own words."""
    wanted = (unit, cluster, runtime)
    return next((g for g in calibrated_groups(platform) if (g.unit, g.cluster, g.runtime) == wanted), None)


def pool_of(kind: str, runtime: Runtime) -> Pool | None:
    """Return what chips with a runtime have in common."""
    return next((p for p in pools() if p.kind == kind and p.runtime == runtime.pool), None)
