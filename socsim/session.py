"""What users hold: load, platform, run, compare, analyze, and a Run with its tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.analysis import analyze_graph, operator_support
from socsim.errors import UsageError, misuse
from socsim.pipeline import DETAILS, Options, preferred_runtime, simulate_graph
from socsim.quantities import Energy, Time
from socsim.recording import Result
from socsim.report import tables, text
from socsim.report.analysis import Analysis
from socsim.report.comparison import Comparison
from socsim.report.documents import from_json, to_json
from socsim.report.tables import Table
from socsim.report.words import Text
from socsim.schedule.precision import at_precision
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.platform import Platform
from socsim.soc.runtimes import runtime as named_runtime
from socsim.workload.graph import Graph
from socsim.workload.limits import DEFAULT_LIMITS, Limits
from socsim.workload.zoo import Request, load_model, zoo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from socsim.numerics.arrays import Array
    from socsim.numerics.profiles import Profile
    from socsim.records import RunRecord
    from socsim.report.numerics import NumericsValidation
    from socsim.report.timing import TimingValidation
    from socsim.soc.runtimes import Runtime


def load(
    model: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    precision: str | None = None,
    shape: Sequence[int] | None = None,
    width: float | None = None,
    resolution: int | None = None,
    classes: int | None = None,
    decoded: bool | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Graph:
    """Load a network from a `.tflite`, `.onnx` or ncnn `.param` file, or from the zoo by name.

    Networks of the zoo are drawn when they are asked for: in float32, without values, in any shape that fits them.
    `mobilenet_v2_0.35_128` is `mobilenet_v2` with width 0.35 and resolution 128.

    Args:
        model: path or zoo name (`socsim.workloads()` lists them).
        batch: value of a symbolic batch dimension; 1 where absent.
        shapes: dimensions of inputs that the file leaves open, by input name.
        precision: types to cost the network in (int8, fp16, int8x16, …); weights of other types lose their values.
        shape: of the first input of a network of the zoo, [batch, channels, rows, columns] for images.
        width: factor of its channels, where it has one.
        resolution: its rows and columns.
        classes: outputs of its last layer.
        decoded: False leaves the decoding of a YOLO detector to the host: it ends with what each level says.
        limits: budgets for files from strangers.

    Raises:
        WorkloadError: no such model, a form that the network cannot take, or a file that is malformed, too large or has
            unsupported operators.
        UsageError: an argument of another type, or an unknown precision.
    """
    if not isinstance(model, str | PathLike):
        raise misuse("model", model, "a file or a zoo name")
    if batch is not None and not _is_whole(batch):
        raise misuse("batch", batch, "a whole number from 1 up")
    if shapes is not None and not _are_shapes(shapes):
        raise misuse("shapes", shapes, 'dimensions by input name, such as {"data": (1, 3, 224, 224)}')
    if decoded is not None and not isinstance(decoded, bool):
        raise misuse("decoded", decoded, "True or False")
    request = replace(_request(shape, width, resolution, classes), decoded=decoded)
    return at_precision(load_model(model, batch=batch, shapes=shapes, request=request, limits=limits), precision)


def _request(shape: Sequence[int] | None, width: float | None, resolution: int | None, classes: int | None) -> Request:
    if shape is not None and not (isinstance(shape, Iterable) and all(map(_is_whole, shape))):
        raise misuse("shape", shape, "dimensions such as (1, 3, 224, 224)")
    if width is not None and not (isinstance(width, Real) and not isinstance(width, bool)):
        raise misuse("width", width, "a factor such as 0.5")
    for name, value in (("resolution", resolution), ("classes", classes)):
        if value is not None and not _is_whole(value):
            raise misuse(name, value, "a whole number from 1 up")
    return Request(None if shape is None else tuple(int(d) for d in shape), width, resolution, classes)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are_shapes(shapes: object) -> bool:
    return isinstance(shapes, Mapping) and all(
        isinstance(name, str) and isinstance(dims, Iterable) and all(map(_is_whole, dims))
        for name, dims in shapes.items()
    )


def platform(name: str | Path) -> Platform:
    """Return a platform by name (`socsim.platforms()` lists them), or from a YAML file.

    Raises:
        PlatformError: unknown name, or a file with faults, all of them listed.
    """
    if not isinstance(name, str | PathLike):
        raise misuse("platform", name, "its name or its YAML file")
    return _shipped(name) if isinstance(name, str) and name in platform_names() else load_platform(name)


@cache
def _shipped(name: str) -> Platform:
    return load_platform(name)


def run(
    net: Graph | str | Path,
    soc: Platform | str | Path,
    *,
    runtime: Runtime | str | None = None,
    unit: str | None = None,
    cluster: str | None = None,
    cores: int | None = None,
    precision: str | None = None,
    batch: int = 1,
    opp: Mapping[str, str] | None = None,
    detail: str = "transaction",
    background: Mapping[str, str] | None = None,
    sparsity: str | float | None = None,
) -> Run:
    """Simulate one inference of a network on a platform.

    Args:
        net: a loaded network, a model file or a zoo name.
        soc: a platform, its name or its file.
        runtime: software stack for the preferred unit, or its name; the unit's own where absent.
        unit: kind ("npu") or name of the unit that operators should go to; what it lacks goes to its
            fallback units, with the reason. Absent: the platform's preference decides.
        cluster: CPU cluster by its name (big, little, …).
        cores: cores of the preferred unit.
        precision: types to cost the network in, such as "int8" or "fp16"; the file's own where absent.
        batch: inferences that go through each operator together.
        opp: operating point by clock name.
        detail: "transaction" (events, shared bus), "analytic" (closed form, nothing shared), "tile" (events, and
            each tile of an operator apart) or "burst" (every access to a memory, DRAM bank by bank).
        background: reads that other units make meanwhile, such as {"cpu_big": "10 GB/s"}.
        sparsity: "2:4" or the share of weights that are zero, for units that gain from it; measured in the network's
            constants where absent.

    Raises:
        UsageError: an option that does not exist here.
        UnsupportedOperatorError: operators without a kernel on any allowed unit, all listed.
        InfeasibleError: no room in memory, or a forced unit that can run none of the arithmetic.
    """
    traffic = {} if background is None else background
    options = Options(runtime, unit, cluster, _plain(cores), precision, _plain(batch), detail, traffic, sparsity)
    return Run(simulate_graph(_graph(net), _platform(soc, opp), options))


def analyze(
    net: Graph | str | Path,
    soc: Platform | str | Path,
    *,
    runtime: str | None = None,
    unit: str | None = None,
    cluster: str | None = None,
    cores: int | None = None,
    precision: str | None = None,
    batch: int = 1,
    opp: Mapping[str, str] | None = None,
) -> Analysis:
    """Return operators, MACs, bytes, support, memory peaks and ceilings, without timing anything.

    Arguments and errors are those of `run`; the cores and operating points decide the ceilings.
    """
    options = Options(runtime, unit, cluster, _plain(cores), precision, _plain(batch))
    return Analysis(analyze_graph(_graph(net), _platform(soc, opp), options))


def execute(
    net: Graph | str | Path,
    inputs: Mapping[Any, Any],
    profile: str | Profile | None = None,
    *,
    platform: Platform | str | Path | None = None,
    unit: str | None = None,
    runtime: str | None = None,
    keep_all: bool = False,
    threads: int = 1,
) -> dict[str, Array]:
    """Execute a network bit for bit under a numerics profile.

    Args:
        net: a loaded network, a model file or a zoo name.
        inputs: an array for each input, by tensor name or index.
        profile: whose rounding rules hold, with the next three; see `numerics_profile`.
        platform: the platform whose unit executes the network.
        unit: that unit.
        runtime: its software stack.
        keep_all: whether to return every tensor that an operator makes, in the order of the operators.
        threads: how many share the work, 1 to 256; results are the same bits for any number.

    Returns:
        Arrays by output tensor name, in model order. Tensors that share a name, and those without one,
        have the key "name#index" instead.

    Raises:
        UsageError: missing, unknown or wrongly shaped or typed inputs, all listed; no such profile, unit or number of
            threads.
        UnsupportedOperatorError: operators without an implementation, all listed.
        NumericsError: scales or shapes that no kernel can use, or constants without values.
    """
    from socsim.numerics.executor import Executable, by_name
    from socsim.numerics.threads import Team

    graph, team = _graph(net), Team(threads)
    rules = numerics_profile(graph, profile, platform=platform, unit=unit, runtime=runtime)
    return by_name(graph, Executable(graph, rules, team=team).run(inputs, keep_all=keep_all))


def numerics_profile(
    net: Graph | str | Path,
    profile: str | Profile | None = None,
    *,
    platform: Platform | str | Path | None = None,
    unit: str | None = None,
    runtime: str | None = None,
) -> Profile:
    """Return the rounding rules that `execute` and `validate_numerics` choose for the same arguments.

    Args:
        net: a loaded network, a model file or a zoo name.
        profile: the name of a profile, or a `Profile` of your own; it wins over everything else.
        platform: the profile is that of the software stack of a unit of this platform.
        unit: which unit, by kind or name; the platform's preferred one where absent.
        runtime: that software stack instead of the unit's own; it needs no platform.

    Without any of them it is `onnx` for ONNX files and `tflite` for others.

    Raises:
        UsageError: no such profile, unit or runtime, or a unit without a platform.
    """
    from socsim.numerics.profiles import profile as named

    if profile is not None:
        return named(profile)
    if platform is not None:
        options = Options(runtime=runtime, unit=unit)
        return named(preferred_runtime(_platform(platform, None), options)[1].numerics)
    if unit is not None:
        msg = f"unit {unit!r} needs a platform; give platform too"
        raise UsageError(msg)
    if runtime is not None:
        return named(named_runtime(runtime).numerics)
    return named("onnx" if _graph(net).source_format == "onnx" else "tflite")


def validate_numerics(
    net: Graph | str | Path,
    golden: str | Path,
    profile: str | Profile | None = None,
    *,
    platform: Platform | str | Path | None = None,
    unit: str | None = None,
    runtime: str | None = None,
    modes: Sequence[str] | None = None,
) -> NumericsValidation:
    """Execute a network on the inputs of a golden file, and compare every recorded tensor.

    Args:
        net: a loaded network, a model file or a zoo name.
        golden: a recorded `.json`, or an `.npz` with `in/NAME`, `out/NAME` and optional `tensor/INDEX`.
        profile: whose rounding rules hold, with the next three; see `numerics_profile`.
        platform: the platform whose unit executes the network.
        unit: that unit.
        runtime: its software stack.
        modes: recorded inferences to compare, by name; all where absent.

    Raises:
        ResultError: the golden file is unreadable, malformed or belongs to another network.
        UsageError: no such mode, profile or unit.
        UnsupportedOperatorError: operators without an implementation, all listed.
    """
    from socsim.numerics.golden import validate
    from socsim.report.numerics import NumericsValidation

    graph = _graph(net)
    rules = numerics_profile(graph, profile, platform=platform, unit=unit, runtime=runtime)
    return NumericsValidation(validate(graph, Path(golden), rules, modes))


def validate(
    measurements: str | Path, *, skip_bad: bool = False, detail: str = "transaction", processes: int = 1
) -> TimingValidation:
    """Predict every row of a table of measurements, and compare.

    Args:
        measurements: a CSV file in the columns of public measurements; docs/accuracy.md lists them.
        skip_bad: leave rows with faults out instead of refusing the file.
        detail: level of detail of the runs, as in `run`.
        processes: how many share the work; the result is the same. With more than one, a script must guard its top
            level with `if __name__ == "__main__"`.

    Raises:
        MeasurementError: the file cannot be read or has faults, all listed with their lines.
        UsageError: no such detail or number of processes.
    """
    from socsim.accuracy.table import read_measurements
    from socsim.accuracy.validation import validate as validate_table
    from socsim.report.timing import TimingValidation

    if not isinstance(measurements, str | PathLike):
        raise misuse("measurements", measurements, "a CSV file of measurements")
    if detail not in DETAILS:
        raise misuse("detail", detail, f"one of {', '.join(DETAILS)}")
    if not _is_whole(processes) or not 1 <= processes <= _MOST_PROCESSES:
        raise misuse("processes", processes, f"a whole number from 1 to {_MOST_PROCESSES}")
    table = read_measurements(Path(measurements), skip_bad=skip_bad)
    return TimingValidation(validate_table(table, detail=detail, processes=int(processes)))


_MOST_PROCESSES = 64


def compare(a: Run, b: Run) -> Comparison:
    """Return what changed from run `a` to run `b`, and by how much."""
    for name, side in (("a", a), ("b", b)):
        if not isinstance(side, Run):
            raise misuse(name, side, "a run, from socsim.run or Run.from_json")
    return Comparison(a.record, b.record)


def platforms() -> list[str]:
    """Return the names of the platforms that ship with socsim."""
    return platform_names()


def workloads() -> list[str]:
    """Return the names of the networks that ship with socsim."""
    return list(zoo())


def operators(soc: Platform | str | Path) -> Table:
    """Return the operators of the vocabulary with the types in which each unit has kernels."""
    chosen = _platform(soc, None)
    rows = operator_support(chosen)
    columns = list(rows[0])
    return Table(f"Operators on {chosen.name}", columns, [tuple(row[c] for c in columns) for row in rows])


def peaks(soc: Platform | str | Path, *, opp: Mapping[str, str] | None = None) -> Table:
    """Return what micro-benchmarks would measure on a platform.

    Rows are operations a second by unit, type and instruction, bytes a second of reads, writes and copies by
    one core and by all, and unloaded latencies. Each is that of a unit alone at its operating point.

    Args:
        soc: a platform, its name or its file.
        opp: operating point by clock name.
    """
    from socsim.cost.peaks import peaks as peaks_of
    from socsim.report.peaks import peaks_table

    chosen = _platform(soc, opp)
    return peaks_table(f"Peaks of {chosen.name}", peaks_of(chosen))


def design_points(soc: Platform | str | Path, *, opp: Mapping[str, str] | None = None) -> Table:
    """Return peak operations a second, power at that peak and area by unit and type; None with a reason where missing.

    Args:
        soc: a platform, its name or its file.
        opp: operating point by clock name.
    """
    from socsim.cost.design_point import design_points as points_of
    from socsim.report.design_point import design_table

    chosen = _platform(soc, opp)
    return design_table(f"Design points of {chosen.name}", points_of(chosen))


def _graph(net: Graph | str | Path) -> Graph:
    if isinstance(net, Graph):
        return net
    if isinstance(net, str | Path):
        return load(net)
    msg = f"net is a {type(net).__name__}; give a network from socsim.load, a file or a zoo name"
    raise UsageError(msg)


def _plain(number: Any) -> Any:
    """Return an integer of any library as Python's own; what is none stays, to be refused by name."""
    return int(number) if _is_whole(number) else number


def _platform(soc: Platform | str | Path, opp: Mapping[str, str] | None) -> Platform:
    if opp is not None and not (isinstance(opp, Mapping) and all(isinstance(t, str) for p in opp.items() for t in p)):
        raise misuse("opp", opp, 'operating points by clock, such as {"npu": "300MHz"}')
    if isinstance(soc, str | Path):
        soc = platform(soc)
    if not isinstance(soc, Platform):
        msg = f"soc is a {type(soc).__name__}; give a platform from socsim.platform, its name or its file"
        raise UsageError(msg)
    return soc.at(opp) if opp else soc


class Run:
    """The result of a run: tables, figures, explanations and files, all made from one record.

    Args:
        record: what the run left behind, or what it came to before its record was made.
    """

    def __init__(self, record: RunRecord | Result) -> None:
        self._found = record

    @property
    def record(self) -> RunRecord:
        """What the run left behind; made when first asked for."""
        if isinstance(self._found, Result):
            self._found = self._found.record
        return self._found

    def __reduce__(self) -> tuple[type[Run], tuple[RunRecord]]:
        return type(self), (self.record,)

    @classmethod
    def from_json(cls, text: str) -> Run:
        """Return the run that `to_json` wrote.

        Raises:
            ResultError: not such a document; all faults listed.
        """
        return cls(from_json(text))

    # --- numbers --------------------------------------------------------------------------------------

    @property
    def latency(self) -> Time:
        """Time from the start of the inference to its last result."""
        return Time.of(self.latency_ps)

    @property
    def latency_ps(self) -> int:
        """Latency in picoseconds."""
        return self._found.latency_ps

    @property
    def energy(self) -> Energy:
        """Energy of the inference: work done, and static power over its time."""
        return Energy.of(self.energy_pj * 10**6)

    @property
    def energy_pj(self) -> int:
        """Energy in picojoules."""
        return self._found.energy_pj

    # --- tables ---------------------------------------------------------------------------------------

    @property
    def operators(self) -> Table:
        """One row for each operator of the network."""
        return tables.operators_table(self.record)

    @property
    def units(self) -> Table:
        """Busy and idle time, clock and energy of each unit in use."""
        return tables.units_table(self.record)

    @property
    def links(self) -> Table:
        """Bytes over each link, by initiator."""
        return tables.links_table(self.record)

    @property
    def memories(self) -> Table:
        """Peak, capacity and bytes moved of each memory."""
        return tables.memories_table(self.record)

    @property
    def energies(self) -> Table:
        """Energy accounts; they add up to the total."""
        return tables.energy_table(self.record)

    # --- words ----------------------------------------------------------------------------------------

    def summary(self) -> Text:
        """Return the summary block."""
        return Text(text.summary(self.record))

    def explain(self, index: int) -> Text:
        """Return the arithmetic behind the cost of operator `index`, and what would help.

        Raises:
            IndexError: no such operator.
        """
        return Text(text.explain(self.record, index))

    def compare(self, other: Run) -> Comparison:
        """Return what changed from this run to another."""
        return compare(self, other)

    # --- pictures and files ---------------------------------------------------------------------------

    @property
    def plot(self) -> Plots:
        """Figures: `plot.timeline()`, `plot.roofline()`, `plot.energy()`."""
        return Plots(self.record)

    def save_trace(self, path: str | Path) -> None:
        """Write a Perfetto trace (`.pftrace`; open it at ui.perfetto.dev)."""
        from socsim.report.trace import save_trace

        save_trace(self.record, Path(path))

    def report(self, path: str | Path) -> None:
        """Write a report as one HTML file that works offline."""
        from socsim.report.html import report_html
        from socsim.report.sinks import write_file

        write_file(Path(path), report_html(self.record))

    def to_json(self, *, include_timeline: bool = False) -> str:
        """Return the result as one JSON document with `schema_version`."""
        return to_json(self.record, include_timeline=include_timeline)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write the operator table as CSV, or return it where no path is given."""
        return self.operators.to_csv(Path(path) if path is not None else None)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        from socsim.report.html import repr_html

        return repr_html(self.record)


class Plots:
    """Figures of a run; each takes `ax` and returns the axes."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record

    def timeline(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw what each unit does over time."""
        from socsim.report.figures import timeline

        return timeline(self._record, ax, **kwargs)

    def roofline(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw attained against attainable operations a second."""
        from socsim.report.figures import roofline

        return roofline(self._record, ax, **kwargs)

    def energy(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the energy accounts."""
        from socsim.report.figures import energy

        return energy(self._record, ax, **kwargs)
