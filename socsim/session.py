"""What users hold: load, platform, run, compare, analyze, and a Run with its tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.analysis import analyze_graph, operator_support
from socsim.errors import UsageError, misuse
from socsim.pipeline import Options, run_graph
from socsim.quantities import Energy, Time
from socsim.report import tables, text
from socsim.report.analysis import Analysis
from socsim.report.comparison import Comparison
from socsim.report.documents import from_json, to_json
from socsim.report.tables import Table
from socsim.report.words import Text
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.platform import Platform
from socsim.workload.graph import Graph
from socsim.workload.limits import DEFAULT_LIMITS, Limits
from socsim.workload.zoo import load_model, zoo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from socsim.numerics.arrays import Array
    from socsim.records import RunRecord
    from socsim.report.numerics import NumericsValidation


def load(
    model: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Graph:
    """Load a network from a `.tflite`, `.onnx` or ncnn `.param` file, or from the zoo by name.

    Args:
        model: path or zoo name (`socsim.workloads()` lists them).
        batch: value of a symbolic batch dimension; 1 where absent.
        shapes: dimensions of inputs that the file leaves open, by input name.
        limits: budgets for files from strangers.

    Raises:
        WorkloadError: no such model, or a file that is malformed, too large or has unsupported operators.
    """
    if not isinstance(model, str | PathLike):
        raise misuse("model", model, "a file or a zoo name")
    if batch is not None and not _is_whole(batch):
        raise misuse("batch", batch, "a whole number from 1 up")
    if shapes is not None and not _are_shapes(shapes):
        raise misuse("shapes", shapes, 'dimensions by input name, such as {"data": (1, 3, 224, 224)}')
    return load_model(model, batch=batch, shapes=shapes, limits=limits)


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
    runtime: str | None = None,
    unit: str | None = None,
    cluster: str | None = None,
    cores: int | None = None,
    precision: str | None = None,
    batch: int = 1,
    opp: Mapping[str, str] | None = None,
    detail: str = "transaction",
    background: Mapping[str, str] | None = None,
) -> Run:
    """Simulate one inference of a network on a platform.

    Args:
        net: a loaded network, a model file or a zoo name.
        soc: a platform, its name or its file.
        runtime: software stack for the preferred unit; the unit's own where absent.
        unit: kind ("npu") or name of the unit that operators should go to; what it lacks goes to its
            fallback units, with the reason. Absent: the platform's preference decides.
        cluster: CPU cluster by its name (big, little, …).
        cores: cores of the preferred unit.
        precision: types to cost the network in, such as "int8" or "fp16"; the file's own where absent.
        batch: inferences that go through each operator together.
        opp: operating point by clock name.
        detail: "transaction" (events, shared bus) or "analytic" (closed form, nothing shared).
        background: reads that other units make meanwhile, such as {"cpu_big": "10 GB/s"}.

    Raises:
        UsageError: an option that does not exist here.
        UnsupportedOperatorError: operators without a kernel on any allowed unit, all listed.
        InfeasibleError: no room in memory, or a forced unit that can run none of the arithmetic.
    """
    traffic = {} if background is None else background
    options = Options(runtime, unit, cluster, _plain(cores), precision, _plain(batch), detail, traffic)
    return Run(run_graph(_graph(net), _platform(soc, opp), options))


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
    profile: str | None = None,
    *,
    keep_all: bool = False,
) -> dict[str, Array]:
    """Execute a network bit for bit under a numerics profile.

    Args:
        net: a loaded network, a model file or a zoo name.
        inputs: an array for each input, by tensor name or index.
        profile: numerics profile; `onnx` for ONNX files and `tflite` for others where absent.
        keep_all: whether to return every tensor that an operator makes, in the order of the operators.

    Returns:
        Arrays by output tensor name, in model order. Tensors that share a name, and those without one,
        have the key "name#index" instead.

    Raises:
        UsageError: missing, unknown or wrongly shaped or typed inputs, all listed; no such profile.
        UnsupportedOperatorError: operators without an implementation, all listed.
        NumericsError: scales or shapes that no kernel can use, or constants without values.
    """
    from socsim.numerics.executor import Executable, by_name

    graph = _graph(net)
    return by_name(graph, Executable(graph, _rules(graph, profile)).run(inputs, keep_all=keep_all))


def validate_numerics(
    net: Graph | str | Path,
    golden: str | Path,
    profile: str | None = None,
    *,
    modes: Sequence[str] | None = None,
) -> NumericsValidation:
    """Execute a network on the inputs of a golden file, and compare every recorded tensor.

    Args:
        net: a loaded network, a model file or a zoo name.
        golden: a recorded `.json`, or an `.npz` with `in/NAME`, `out/NAME` and optional `tensor/INDEX`.
        profile: numerics profile; `onnx` for ONNX files and `tflite` for others where absent.
        modes: recorded inferences to compare, by name; all where absent.

    Raises:
        ResultError: the golden file is unreadable, malformed or belongs to another network.
        UsageError: no such mode or profile.
        UnsupportedOperatorError: operators without an implementation, all listed.
    """
    from socsim.numerics.golden import validate
    from socsim.report.numerics import NumericsValidation

    graph = _graph(net)
    return NumericsValidation(validate(graph, Path(golden), _rules(graph, profile), modes))


def _rules(graph: Graph, profile: str | None) -> str:
    return profile or ("onnx" if graph.source_format == "onnx" else "tflite")


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
        record: what the run left behind.
    """

    def __init__(self, record: RunRecord) -> None:
        self.record = record

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
        return Time.of(self.record.latency_ps)

    @property
    def latency_ps(self) -> int:
        """Latency in picoseconds."""
        return self.record.latency_ps

    @property
    def energy(self) -> Energy:
        """Energy of the inference: work done, and static power over its time."""
        return Energy.of(self.record.energy_pj * 10**6)

    @property
    def energy_pj(self) -> int:
        """Energy in picojoules."""
        return self.record.energy_pj

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
