"""The result of a simulation of applications: tables, figures, trace, report and JSON, all made from one record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.quantities import Energy, Time
from socsim.report import simulation_tables as tables
from socsim.report.simulation_documents import SIMULATIONS
from socsim.report.simulation_text import summary
from socsim.report.sinks import write_file
from socsim.report.words import Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from socsim.report.simulation_comparison import SimulationComparison
    from socsim.report.tables import Table
    from socsim.simulation_records import SimulationRecord


class Simulation:
    """What `socsim.simulate` returns.

    Args:
        record: what the simulation left behind.
    """

    def __init__(self, record: SimulationRecord) -> None:
        self.record = record

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "result") -> Simulation:
        """Return the simulation that `to_json` wrote.

        Args:
            text: the document.
            where: what messages call it, such as the file's name.

        Raises:
            ResultError: not such a document; all faults listed.
        """
        return cls(SIMULATIONS.from_json(text, where))

    # --- numbers --------------------------------------------------------------------------------------

    @property
    def duration(self) -> Time:
        """Simulated time, until the last activation ended."""
        return Time.of(self.record.duration_ps)

    @property
    def energy(self) -> Energy:
        """Energy of all that happened: work done, and what domains drew whatever they did."""
        return Energy.of(self.energy_pj * 10**6)

    @property
    def energy_pj(self) -> int:
        """Energy in picojoules."""
        return self.record.energy_pj

    # --- tables ---------------------------------------------------------------------------------------

    @property
    def applications(self) -> Table:
        """What became of each application's activations, their times, its energy."""
        return tables.applications_table(self.record)

    @property
    def steps(self) -> Table:
        """Where each step runs and why, and what it takes alone."""
        return tables.steps_table(self.record)

    @property
    def servers(self) -> Table:
        """What each unit, or cores of it that are set apart, did."""
        return tables.servers_table(self.record)

    @property
    def flows(self) -> Table:
        """What went over each link and memory."""
        return tables.flows_table(self.record)

    @property
    def domains(self) -> Table:
        """How long each power domain and memory was on, and what it drew whatever it did."""
        return tables.domains_table(self.record)

    @property
    def clocks(self) -> Table:
        """Time at each operating point of each clock."""
        return tables.clocks_table(self.record)

    @property
    def heat(self) -> Table:
        """How warm each node of the thermal network became; no rows where heat is not modelled."""
        return tables.heat_table(self.record)

    @property
    def traces(self) -> Table:
        """Temperatures, frequencies and powers over time."""
        return tables.traces_table(self.record)

    @property
    def activations(self) -> Table:
        """Each activation, in order of release; no rows where the simulation was not traced."""
        return tables.activations_table(self.record)

    # --- words ----------------------------------------------------------------------------------------

    def summary(self) -> Text:
        """Return the summary block."""
        return Text(summary(self.record))

    def compare(self, *others: Simulation) -> SimulationComparison:
        """Return what is different in other simulations, such as those of other policies."""
        from socsim.report.simulation_comparison import SimulationComparison

        return SimulationComparison([self.record, *(other.record for other in others)])

    # --- pictures and files ---------------------------------------------------------------------------

    @property
    def plot(self) -> SimulationPlots:
        """Figures: `plot.timeline()`, `latency`, `power`, `temperature`, `frequency` and `utilisation`."""
        return SimulationPlots(self.record)

    def save_trace(self, path: str | Path) -> None:
        """Write a Perfetto trace (`.pftrace`; open it at ui.perfetto.dev).

        Raises:
            ResultError: the file cannot be written.
        """
        from socsim.report.simulation_trace import trace_bytes

        write_file(Path(path), trace_bytes(self.record))

    def report(self, path: str | Path) -> None:
        """Write a report as one HTML file that works offline.

        Raises:
            ResultError: the file cannot be written.
        """
        write_file(Path(path), self.to_html())

    def to_html(self) -> str:
        """Return the report; equal simulations give equal bytes."""
        from socsim.report.simulation_html import report_html

        return report_html(self.record)

    def to_json(self, *, include_timeline: bool = False) -> str:
        """Return the result as one JSON document with `schema_version`.

        Args:
            include_timeline: with slices and activations, which grow with the simulated time.
        """
        return SIMULATIONS.to_json(self.record, include_timeline=include_timeline)

    def save(self, path: str | Path) -> None:
        """Write the whole result, its timeline included, as JSON; `from_json` gives it back.

        Raises:
            ResultError: the file cannot be written.
        """
        write_file(Path(path), self.to_json(include_timeline=True))

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write the table of applications as CSV, or return it where no path is given.

        Raises:
            ResultError: the file cannot be written.
        """
        return self.applications.to_csv(path)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        from socsim.report.simulation_html import repr_html

        return repr_html(self.record)


class SimulationPlots:
    """Figures of a simulation; each takes `ax` and returns the axes."""

    def __init__(self, record: SimulationRecord) -> None:
        self._record = record

    def timeline(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw what each core did, coloured by application, with links, memories and power below.

        Args:
            ax: axes to draw on; a new figure where absent.
            **kwargs: `start` and `end`, such as "20 ms", for a part of the time; `figsize`.

        Raises:
            UsageError: the simulation was not traced, or the part is empty.
        """
        from socsim.report.simulation_timeline import timeline

        return timeline(self._record, ax, **kwargs)

    def latency(self, ax: Axes | None = None) -> Axes:
        """Draw for each application the share of its activations that took at most so long."""
        from socsim.report.simulation_figures import latency

        return latency(self._record, ax)

    def power(self, ax: Axes | None = None) -> Axes:
        """Draw power over time.

        Raises:
            UsageError: no power was recorded.
        """
        from socsim.report.simulation_figures import power

        return power(self._record, ax)

    def temperature(self, ax: Axes | None = None) -> Axes:
        """Draw the temperature of each node over time, and where it throttles.

        Raises:
            UsageError: heat is not modelled for this platform.
        """
        from socsim.report.simulation_figures import temperature

        return temperature(self._record, ax)

    def frequency(self, ax: Axes | None = None) -> Axes:
        """Draw the frequency of each clock over time.

        Raises:
            UsageError: no frequency was recorded.
        """
        from socsim.report.simulation_figures import frequency

        return frequency(self._record, ax)

    def utilisation(self, ax: Axes | None = None) -> Axes:
        """Draw what share of its core-time each server spent on each application."""
        from socsim.report.simulation_figures import utilisation

        return utilisation(self._record, ax)
