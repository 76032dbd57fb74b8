"""What to run for a measurement: its platform, unit, cores and runtime in socsim's words."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.accuracy.table import is_in_zoo
from socsim.accuracy.vocabulary import LANGUAGE_REASON, undescribed
from socsim.errors import SocsimError, WorkloadError
from socsim.schedule.precision import PRECISIONS
from socsim.soc.library import SUFFIXES, platform_names
from socsim.soc.loader import load_platform
from socsim.soc.runtimes import runtime, runtime_names
from socsim.soc.schema import CpuCluster
from socsim.workload.zoo.catalogue import AS_NAMED, Request, find
from socsim.workload.zoo.measured import as_measured, left_to, precision_as_measured
from socsim.workload.zoo.network import StoredNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.accuracy.table import Measurement
    from socsim.soc.platform import Platform

_ACCELERATORS = ("gpu", "npu", "dsp", "cpu")
"""Units that a runtime of several drives first."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a run's threads: cores of one CPU cluster; None for a unit that has none.

    Args:
        cluster: CPU cluster by its name.
        cores: cores in use; None: the unit's default.
    """

    cluster: str | None = None
    cores: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the model; measurements of other boards, versions and dates ask the same one.

    Args:
        platform: name of the platform, or its file.
        unit: kind of the unit that operators go to.
        shares: the cores that work together, fastest cluster first.
        runtime: name of the runtime.
        workload: name of the network, or its file.
        request: its form, the shape of its first input above all.
        precision: types of weights and activations; a file has its own.
        batch: inferences together.
        group: unit, cluster and runtime as the table names them: what a calibration holds for.
        in_stream: whether a rate is asked of a runtime whose frames follow one another without a gap.
    """

    platform: str
    unit: str
    shares: tuple[Share, ...]
    runtime: str
    workload: str
    request: Request
    precision: str
    batch: int
    group: tuple[str, str, str]
    in_stream: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What becomes of a measurement: a case to run, or the reason why there is none.

    Args:
        case: what to run.
        reason: why nothing is run.
        note: what the case assumes that the row does not say.
    """

    case: Case | None
    reason: str | None = None
    note: str | None = None


def question(row: Measurement) -> Question:
    """Return what to run for a measurement, or why it is not predicted."""
    reason = _reason(row)
    if reason is not None:
        return Question(None, reason)
    platform = str(row.platform_file or row.platform)
    soc = platform_of(platform)
    if isinstance(soc, str):
        return Question(None, soc)
    precision = precision_as_measured(row.workload, row.runtime, row.precision)
    found = _runtime(soc, row, precision)
    if found is None:
        return Question(None, f"{row.platform} has no {row.unit} in its platform file")
    kind, name, note = found
    shares = _shares(soc, row, kind, runtime(name).threads if row.runtime in _drivers(kind) else None)
    if isinstance(shares, str):
        return Question(None, shares)
    crowded = _crowding(shares, row) if kind == "cpu" else None
    note = "; ".join(filter(None, (note, crowded))) or None
    shape = _shape(row.input_shape)
    if shape is None:
        return Question(None, f"input shape {row.input_shape!r} is not one of dimensions such as 1x3x224x224")
    if row.model_file is None:
        workload, request = _form(row.workload, row.runtime, shape, precision)
    else:
        workload, request = str(row.model_file), AS_NAMED
    in_stream = row.metric == "throughput" and runtime(name).streams
    group = _group(row, kind, name)
    case = Case(platform, kind, shares, name, workload, request, precision, row.batch or 1, group, in_stream)
    return Question(case, None, note)


def _reason(row: Measurement) -> str | None:
    """Return why no platform could answer for a row."""
    if row.is_language_model:
        return LANGUAGE_REASON
    if row.metric == "peak_memory":
        return "peak memory of a process is not predicted"
    if row.batch is None:
        return "the source does not say how many inferences go together"
    if row.platform_file is None and row.platform not in _shipped():
        return undescribed().platforms.get(row.platform, "no platform file")
    return None if row.model_file or is_in_zoo(row.workload) else undescribed().workloads.get(row.workload)


@cache
def _shipped() -> frozenset[str]:
    return frozenset(platform_names())


def platform_of(name: str) -> Platform | str:
    """Return a platform by its name or file, or what is wrong with the file; a file that changed is read again."""
    return _platform_of(name, _stamp(name) if Path(name).suffix in SUFFIXES else None)


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@cache
def _platform_of(name: str, _: tuple[int, int] | None) -> Platform | str:
    try:
        return load_platform(name)
    except SocsimError as error:
        return str(error).splitlines()[0]


# --- runtime ------------------------------------------------------------------------------------------


@cache
def _drivers(kind: str) -> Mapping[str, str]:
    """Return the runtimes that drive a kind of unit, by the names that tables give them."""
    runtimes = [chosen for chosen in map(runtime, runtime_names()) if kind in chosen.kinds]
    return {name: chosen.name for chosen in runtimes for name in (chosen.name, *chosen.measurement_names)}


def _runtime(soc: Platform, row: Measurement, precision: str) -> tuple[str, str, str | None] | None:
    """Return the kind of unit, the runtime, and a note where it is the nearest relative of the row's own."""
    present = {unit.kind for unit in soc.units.values()}
    kinds = [row.unit] if row.unit != "mixed" else [*_ACCELERATORS]
    kinds = [kind for kind in kinds if kind in present]
    other = left_to(row.runtime, row.runtime_version, precision)
    for kind in kinds:
        if other and other in _drivers(kind):
            return kind, other, f"{row.runtime} {row.runtime_version} left {precision} to {other}"
        if row.runtime in _drivers(kind):
            return _taking(kind, _drivers(kind)[row.runtime], precision)
    if not kinds:
        return None
    nearest = _relative(soc, kinds[0], row.runtime)
    return kinds[0], nearest, f"runtime {row.runtime!r} has no description; its nearest relative {nearest!r} stands in"


def _taking(kind: str, name: str, precision: str) -> tuple[str, str, str | None]:
    """Return a kind of unit and its runtime, or the CPU's that takes over where that one has not the row's types."""
    stack = runtime(name)
    fallback, (_, activations) = stack.fallback_for("cpu"), PRECISIONS[precision]
    if fallback is None or activations.value in stack.executes:
        return kind, name, None
    return "cpu", fallback, f"{name} takes no {activations.value}: {fallback} computes on the CPU"


def _group(row: Measurement, kind: str, name: str) -> tuple[str, str, str]:
    """Return unit, cluster and runtime of a row's group: where its own runtime left it to another one, that one's."""
    is_left = kind == row.unit and _drivers(kind).get(row.runtime, name) != name
    return row.unit, row.cluster, runtime(name).measurement_names[0] if is_left else row.runtime


def _relative(soc: Platform, kind: str, name: str) -> str:
    """Return the runtime of the most similar name that drives a kind, or that which the chip's unit comes with."""
    near = get_close_matches(name, sorted(_drivers(kind)), n=1)
    if near:
        return _drivers(kind)[near[0]]
    unit = next(n for n in (*soc.file.preference, *soc.units) if soc.unit(n).kind == kind)
    return soc.runtime(unit).name


# --- cores and shapes ---------------------------------------------------------------------------------


def _shares(soc: Platform, row: Measurement, kind: str, threads: int | None) -> tuple[Share, ...] | str:
    """Return the cores that a row used, or why there are none such.

    Args:
        soc: platform of the row.
        row: the measurement.
        kind: of the unit.
        threads: of a CPU's runtime where the row does not say; None: all of a cluster.
    """
    if kind == "npu":
        return (Share(None, row.cores),)
    if kind != "cpu":  # threads of a host that only hands work over
        return (Share(),)
    sizes = _clusters(soc)
    chosen = _named(sizes, row.cluster)
    if chosen is None:
        return f"{row.platform} has no CPU cluster {row.cluster!r}; it has {', '.join(sizes)}"
    return _spread(sizes, chosen, row.cores or threads)


def _clusters(soc: Platform) -> dict[str, int]:
    """Return the cores of each CPU cluster, the preferred one first."""
    names = dict.fromkeys((*soc.file.preference, *soc.units))
    specs = {name: soc.unit(name) for name in names}
    return {spec.cluster: soc.core_count(name) for name, spec in specs.items() if isinstance(spec, CpuCluster)}


def _named(sizes: Mapping[str, int], wanted: str) -> Sequence[str] | None:
    if wanted in sizes:
        return [wanted]
    return list(sizes) if wanted in {"", "all"} or len(sizes) == 1 else None


def _spread(sizes: Mapping[str, int], chosen: Sequence[str], cores: int | None) -> tuple[Share, ...]:
    """Return the cores by cluster: those of the preferred one are taken first, and all where threads are more."""
    if cores is None:
        return (Share(chosen[0], None),)
    shares, left = [], cores
    for name in chosen:
        taken = min(left, sizes[name])
        if taken:
            shares.append(Share(name, taken))
            left -= taken
    return tuple(shares)


def _crowding(shares: Sequence[Share], row: Measurement) -> str | None:
    """Return a sentence for threads that have to share cores."""
    cores = sum(share.cores or 0 for share in shares)
    return f"{row.cores} threads share {cores} cores" if row.cores and row.cores > cores else None


@cache
def _form(workload: str, runtime_name: str, shape: tuple[int, ...], precision: str) -> tuple[str, Request]:
    """Return the network that a row means, and its form; one that is stored has its own."""
    name, request = as_measured(workload, runtime_name, Request(shape=shape or None), precision)
    try:
        find(name, request)
    except WorkloadError:
        found = find(name)
        if found is not None and isinstance(found[0], StoredNetwork):
            return name, AS_NAMED
    return name, request


def _shape(text: str) -> tuple[int, ...] | None:
    """Return the dimensions of one inference; empty where the table is silent, None where it says something else."""
    if not text:
        return ()
    dims = text.split("x")
    if not all(d.isascii() and d.isdigit() and 0 < len(d) <= 9 and int(d) for d in dims):
        return None
    return (1, *(int(d) for d in dims[1:]))
