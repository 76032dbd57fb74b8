"""What users hold of measurements: validate against them, calibrate by them, and measure on the machine at hand."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.errors import misuse
from socsim.inputs import as_platform, is_whole
from socsim.pipeline import DETAILS
from socsim.soc.loader import platform_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from socsim.accuracy.table import MeasurementTable
    from socsim.measuring.campaign import Measured
    from socsim.report.calibration import CalibrationResult
    from socsim.report.energy import EnergyValidation
    from socsim.report.timing import TimingValidation
    from socsim.soc.platform import Platform

_MOST_PROCESSES = 64


def validate(
    measurements: str | Path,
    *,
    skip_bad: bool = False,
    detail: str = "transaction",
    processes: int = 1,
    platforms: Sequence[str | Path] = (),
    models: str | Path | None = None,
    calibration: str = "auto",
    cross_validate: bool = False,
) -> TimingValidation:
    """Predict every row of a table of measurements, and compare.

    Args:
        measurements: a CSV file in the columns of public measurements; docs/accuracy.md lists them.
        skip_bad: leave rows with faults out instead of refusing the file.
        detail: level of detail of the runs, as in `run`.
        processes: how many share the work; the result is the same. With more than one, a script must guard its top
            level with `if __name__ == "__main__"`.
        platforms: YAML files of your own platforms, or folders of them.
        models: folder that workloads which are files start from; the table's own where absent.
        calibration: "auto" (calibrations that ship, or stand beside a platform's file), or "none".
        cross_validate: also fit the table anew, and predict each network by a fit that never saw it.

    Raises:
        MeasurementError: the file cannot be read or has faults, all listed with their lines.
        PlatformError: a platform file that is wrong.
        UsageError: no such detail, calibration or number of processes.
    """
    from socsim.accuracy.validation import answers, compare
    from socsim.report.timing import TimingValidation

    if detail not in DETAILS:
        raise misuse("detail", detail, f"one of {', '.join(DETAILS)}")
    if not is_whole(processes) or not 1 <= processes <= _MOST_PROCESSES:
        raise misuse("processes", processes, f"a whole number from 1 to {_MOST_PROCESSES}")
    if calibration not in ("auto", "none"):
        raise misuse("calibration", calibration, '"auto" or "none"')
    table = _table(measurements, skip_bad, platforms, models)
    given = answers(
        table, detail=detail, processes=processes, calibrated=calibration == "auto", anatomies=cross_validate
    )
    compared = compare(table, given)
    if not cross_validate:
        return TimingValidation(compared)
    from socsim.calibration.crossed import cross_validation
    from socsim.calibration.library import calibrate_library

    fits = calibrate_library(table, Path(measurements), given, processes=processes)
    return TimingValidation(compared, cross_validation(fits))


def calibrate(
    platform: Platform | str | Path,
    unit: str | None = None,
    runtime: str | None = None,
    *,
    measurements: str | Path,
    skip_bad: bool = False,
    models: str | Path | None = None,
) -> CalibrationResult:
    """Fit what a platform's measurements say of its unit with a runtime.

    At most six parameters are fitted for each group of measurements, and a third of the number of its networks
    where these are fewer than eight; all others come from what chips with the same runtime have in common.

    Args:
        platform: what was measured: a platform, its name or its file.
        unit: unit as the table names it (cpu, gpu, npu, …); all where absent.
        runtime: runtime as the table names it; all where absent.
        measurements: a CSV file in the columns of public measurements; docs/accuracy.md lists them.
        skip_bad: leave rows with faults out instead of refusing the file.
        models: folder that workloads which are files start from; the table's own where absent.

    Raises:
        MeasurementError: the file cannot be read or has faults, or no row of that kind can be predicted.
        PlatformError: a platform file that is wrong.
    """
    from socsim.calibration.library import calibrate_device
    from socsim.report.calibration import CalibrationResult

    soc = as_platform(platform)
    own = () if soc.name in platform_names() else (Path(soc.document.where),)
    table = _table(measurements, skip_bad, own, models)
    return CalibrationResult(soc, calibrate_device(table, Path(measurements), soc.name, unit, runtime))


def _table(
    measurements: str | Path, skip_bad: bool, platforms: Sequence[str | Path], models: str | Path | None
) -> MeasurementTable:
    from socsim.accuracy.own_files import own_platforms
    from socsim.accuracy.table import read_measurements

    if not isinstance(measurements, str | PathLike):
        raise misuse("measurements", measurements, "a CSV file of measurements")
    if models is not None and not isinstance(models, str | PathLike):
        raise misuse("models", models, "a folder of model files")
    return read_measurements(
        Path(measurements), skip_bad=skip_bad, platforms=own_platforms(platforms),
        models=None if models is None else Path(models),
    )  # fmt: skip


def validate_energy(
    measurements: str | Path,
    *,
    idle_floors: str | Path | None = None,
    busy_cores: str | Path | None = None,
    skip_bad: bool = False,
) -> EnergyValidation:
    """Fit boards' energy and power to a table of measurements without each workload in turn, and predict that one.

    Args:
        measurements: a CSV file in the columns of public measurements; docs/accuracy.md lists them.
        idle_floors: a CSV file of the powers of idle boards; `idle_floors.csv` beside the table where it is absent
            and that exists. Power rows of boards without one are not predicted.
        busy_cores: a CSV file of the power of busy processor cores; `busy_cores.csv` in the same way.
        skip_bad: leave rows of the table with faults out instead of refusing the file.

    Raises:
        MeasurementError: a file cannot be read or has faults, all listed with their lines.
    """
    from socsim.accuracy.table import read_measurements
    from socsim.calibration.busy_cores import busy_points
    from socsim.calibration.energy import compare_energy
    from socsim.calibration.power_tables import IdleFloors, read_busy_cores, read_idle_floors
    from socsim.report.energy import EnergyValidation

    for name, given in (("measurements", measurements), ("idle_floors", idle_floors), ("busy_cores", busy_cores)):
        if given is None and name != "measurements":
            continue
        if not isinstance(given, str | PathLike):
            raise misuse(name, given, "a CSV file")
    table = read_measurements(Path(measurements), skip_bad=skip_bad)
    floors, cores = (
        _beside(Path(measurements), name, given)
        for name, given in (("idle_floors.csv", idle_floors), ("busy_cores.csv", busy_cores))
    )
    points = busy_points(read_busy_cores(cores)) if cores else ()
    found = read_idle_floors(floors) if floors else IdleFloors({})
    return EnergyValidation(compare_energy(table, found, busy_cores=points))


def _beside(table: Path, name: str, given: str | Path | None) -> Path | None:
    """Return a file that goes with a table: the one given, else that of its name in the same folder, else None."""
    if given is not None:
        return Path(given)
    usual = table.with_name(name)
    return usual if usual.is_file() else None


def measure(
    models: str | Path | Sequence[str | Path],
    *,
    runtimes: Sequence[str] = (),
    threads: Sequence[int] = (1,),
    platform: str | None = None,
    name: str | None = None,
    blocks: int = 5,
    seconds: float = 0.4,
    seed: int = 0,
    shapes: Mapping[str, Sequence[int]] | None = None,
    folder: str | Path = ".",
    recorded: str | None = None,
    limit: float = 600.0,
    tell: Callable[[str], object] = lambda _: None,
) -> Measured:
    """Run models on the machine at hand, and return what they took as rows that `validate` reads.

    Each model runs in a process of its own: until it is warm, then in blocks. A row's figure is the median over the
    blocks' medians; its `conditions` say how far they differ, the shortest run, clocks before and after, and the load.

    Args:
        models: `.tflite` and `.onnx` files.
        runtimes: "tflite-xnnpack" (or "litert"), "tflite-ruy" and "onnxruntime"; by each file's format where absent.
        threads: numbers of threads, each measured apart.
        platform: name of the platform that the rows are of; the machine's name where absent.
        name: network of the zoo that the one model is; found by its content and its own name where absent.
        blocks: blocks of runs.
        seconds: least time of a block.
        seed: of the inputs.
        shapes: dimensions of inputs that files leave open, by name.
        folder: of the table, from which paths of models are written that are no network of the zoo.
        recorded: date of the figures, YYYY-MM-DD; today where absent.
        limit: seconds after which a model's process is ended.
        tell: called with a line before each measurement.

    Raises:
        UsageError: an argument that is wrong, or software that is not installed; nothing was measured.
        WorkloadError: a file that cannot be imported.
    """
    from socsim.measuring.campaign import campaign
    from socsim.measuring.settings import settings_for

    settings = settings_for(
        platform, threads=threads, blocks=blocks, seconds=seconds, seed=seed, shapes=shapes, recorded=recorded,
        limit=limit,
    )  # fmt: skip
    chosen = [models] if isinstance(models, str | PathLike) else models
    return campaign(chosen, settings, runtimes=runtimes, folder=Path(folder), name=name, tell=tell)


def describe_host(name: str | None = None, *, measured: bool = True) -> str:
    """Return a platform file of the machine at hand in YAML, with the origin of every number.

    Args:
        name: of the platform; the machine's name where absent.
        measured: count the clock where the system does not govern it, and see what memory moves, which takes a few
            seconds; told or assumed otherwise.

    Raises:
        PlatformError: the system does not describe itself as Linux does.
        UsageError: not a name that a platform may have.
    """
    from socsim.measuring.cycles import counted_mhz
    from socsim.measuring.host import read_host
    from socsim.measuring.host_platform import host_platform
    from socsim.measuring.names import platform_name
    from socsim.measuring.streaming import streaming_rates

    chosen = platform_name(name)
    host = read_host(counted=counted_mhz() if measured else None)
    return host_platform(host, chosen, streaming_rates(host.cores) if measured else None)
