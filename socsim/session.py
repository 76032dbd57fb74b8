"""What users hold: load, platform, run, compare, analyze, and a Run with its tables and figures."""

from __future__ import annotations

from itertools import cycle
from os import PathLike
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, overload

from socsim.analysis import analyze_graph, operator_support
from socsim.errors import UsageError, misuse
from socsim.inputs import as_graph, as_platform, is_whole
from socsim.pipeline import Options, calibrated, simulate_graph
from socsim.quantities import Energy, Time
from socsim.recording import Result
from socsim.report import tables, text
from socsim.report.analysis import Analysis
from socsim.report.comparison import Comparison
from socsim.report.documents import from_json, to_json
from socsim.report.tables import Table
from socsim.report.words import Text
from socsim.soc.loader import platform_names
from socsim.workload.zoo import zoo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from socsim.records import RunRecord
    from socsim.report.simulation import Simulation
    from socsim.report.simulation_comparison import SimulationComparison
    from socsim.schedule.partition.strategy import Strategy
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph


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
    mode: str | None = None,
    detail: str = "transaction",
    background: Mapping[str, str] | None = None,
    sparsity: str | float | None = None,
    calibration: str | Path = "auto",
    strategy: Strategy | str = "priority",
    objective: str | None = None,
    deadline: Time | str | None = None,
    pins: Mapping[str, str] | Mapping[int, str] | None = None,
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
        mode: power mode of the platform, such as "15W", which limits clocks and parts before `opp` picks among points.
        detail: "transaction" (events, shared bus), "analytic" (closed form, nothing shared), "tile" (events, and
            each tile of an operator apart) or "burst" (every access to a memory, DRAM bank by bank).
        background: reads that other units make meanwhile, such as {"cpu_big": "10 GB/s"}.
        sparsity: "2:4" or the share of weights that are zero, for units that gain from it; measured in the network's
            constants where absent.
        calibration: "auto" (what measurements say of the platform's unit with this runtime, else of its relatives),
            "none" (structure and datasheet numbers alone), or a file that `calibrate` wrote.
        strategy: how units are chosen where several can run an operator: "priority" (the first of the order with a
            kernel), or another of `strategies()`, with options of its own as in "delegate:most=2", or an object.
        objective: "latency", "energy" or "throughput", where the strategy has a choice.
        deadline: latency that the run must not exceed, such as "20 ms".
        pins: units or kinds by index or name of operators, such as {"12": "cpu_big", "conv_3": "npu"}; any strategy
            keeps to them.

    Raises:
        UsageError: an option that does not exist here.
        UnsupportedOperatorError: operators without a kernel on any allowed unit, all listed.
        InfeasibleError: no room in memory, a forced unit that can run none of the arithmetic, a pin to a unit without
            a kernel, or a deadline that cannot be met.
    """
    traffic = {} if background is None else background
    options = Options(
        runtime, unit, cluster, _plain(cores), precision, _plain(batch), detail, traffic, sparsity,
        strategy=strategy, objective=objective, deadline=deadline, pins={} if pins is None else pins,
    )  # fmt: skip
    platform = as_platform(soc, opp, mode)
    return Run(simulate_graph(as_graph(net), platform, _calibrated(platform, options, calibration)))


def _calibrated(platform: Platform, options: Options, calibration: str | Path) -> Options:
    if not isinstance(calibration, str | PathLike) or calibration == "":
        raise misuse("calibration", calibration, '"auto", "none" or a file that calibrate wrote')
    if calibration == "none":
        return options
    return calibrated(platform, options, None if calibration == "auto" else Path(calibration))


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
    mode: str | None = None,
) -> Analysis:
    """Return operators, MACs, bytes, support, memory peaks and ceilings, without timing anything.

    Arguments and errors are those of `run`; the cores and operating points decide the ceilings.
    """
    options = Options(runtime, unit, cluster, _plain(cores), precision, _plain(batch))
    return Analysis(analyze_graph(as_graph(net), as_platform(soc, opp, mode), options))


@overload
def compare(a: Run, b: Run) -> Comparison: ...


@overload
def compare(a: Simulation, b: Simulation, *others: Simulation) -> SimulationComparison: ...


def compare(a: Run | Simulation, b: Run | Simulation, *others: Simulation) -> Comparison | SimulationComparison:
    """Return what changed from run `a` to run `b`, or how two or more simulations differ, such as those of policies.

    Raises:
        UsageError: no runs and no simulations, both of them mixed, or more than two runs.
    """
    return compare_results((a, b, *others))


def compare_results(sides: Sequence[Run | Simulation]) -> Comparison | SimulationComparison:
    """Return what `compare` returns, of results whose kind is not known beforehand."""
    from socsim.report.simulation import Simulation
    from socsim.report.simulation_comparison import SimulationComparison

    for letter, side in zip(cycle(ascii_lowercase), sides, strict=False):
        if not isinstance(side, Run | Simulation):
            allowed = "a run, from socsim.run or Run.from_json, or a simulation, from socsim.simulate"
            raise misuse(letter, side, allowed)
    runs = [side.record for side in sides if isinstance(side, Run)]
    simulations = [side.record for side in sides if isinstance(side, Simulation)]
    if runs and simulations:
        msg = "a run is one inference, a simulation whole applications; give runs alone, or simulations alone"
        raise UsageError(msg)
    if simulations:
        return SimulationComparison(simulations)
    if len(runs) != 2:
        raise misuse("the number of runs", len(runs), "2; of simulations there may be more")
    return Comparison(*runs)


def stored_result(path: Path) -> Run | Simulation:
    """Return the run or simulation that a JSON document holds.

    Raises:
        ResultError: the file cannot be read, or is no such document; all faults listed.
    """
    from socsim.report.documents import RUNS
    from socsim.report.simulation import Simulation
    from socsim.report.simulation_documents import SIMULATIONS
    from socsim.report.storage import kind_of, read_document

    text, where = read_document(path), str(path)
    kind = kind_of(text, where, (RUNS, SIMULATIONS))
    return Run(RUNS.from_json(text, where)) if kind is RUNS else Simulation.from_json(text, where)


def platforms() -> list[str]:
    """Return the names of the platforms that ship with socsim."""
    return platform_names()


def workloads() -> list[str]:
    """Return the names of the networks that ship with socsim."""
    return list(zoo())


def strategies() -> Table:
    """Return the placement strategies by name: what they aim at, their options, and what they do."""
    from socsim.schedule.partition.catalogue import describe

    columns = ("name", "objectives", "options", "what")
    return Table("Placement strategies", columns, describe())


def operators(soc: Platform | str | Path) -> Table:
    """Return the operators of the vocabulary with the types in which each unit has kernels."""
    chosen = as_platform(soc)
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

    chosen = as_platform(soc, opp)
    return peaks_table(f"Peaks of {chosen.name}", peaks_of(chosen))


def design_points(soc: Platform | str | Path, *, opp: Mapping[str, str] | None = None) -> Table:
    """Return peak operations a second, power at that peak and area by unit and type; None with a reason where missing.

    Args:
        soc: a platform, its name or its file.
        opp: operating point by clock name.
    """
    from socsim.cost.design_point import design_points as points_of
    from socsim.report.design_point import design_table

    chosen = as_platform(soc, opp)
    return design_table(f"Design points of {chosen.name}", points_of(chosen))


def _plain(number: Any) -> Any:
    """Return an integer of any library as Python's own; what is none stays, to be refused by name."""
    return int(number) if is_whole(number) else number


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
    def alternatives(self) -> Table:
        """What operators would take on each unit; empty where no strategy weighed units."""
        return tables.alternatives_table(self.record)

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
