"""Where steps of applications go: by their class, by what units take for them, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.cost.memory_plan import InfeasibilityReport
from socsim.errors import InfeasibleError, UnsupportedOperatorError, UsageError
from socsim.inputs import load
from socsim.memo import Memo, Same
from socsim.pipeline import Options, calibrated, preferred_runtime, prepare_graph, simulate_graph
from socsim.quantities import format_energy, format_time
from socsim.simulation.servers import remote, units_called
from socsim.simulation.ways import NetworkWay, OffloadWay, StageWay, energy_pj
from socsim.soc.runtimes import runtime as named_runtime
from socsim.workload.scenario.schema import NetworkStep, OffloadStep, StageStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from socsim.simulation.options import SimulationOptions
    from socsim.simulation.servers import Servers
    from socsim.simulation.ways import Way
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph
    from socsim.workload.scenario.scenario import Scenario
    from socsim.workload.scenario.schema import AnyStep, PlacedStep, Stream, TaskClass

_KINDS = ("npu", "dsp", "gpu", "cpu")
"""Kinds for work that goes on and on, best first."""
_IN_ORDER = "priority"
"""The strategy that sends each operator to the first unit with a kernel for it."""
_ENOUGH = 0.5
"""Share of a network's products that a unit must run itself to count as the network's place."""


@dataclass(frozen=True)
class Decision:
    """Where a step goes.

    Args:
        ways: best first.
        reason: why the first one is.
        what: the network or stage in words.
        fallbacks: operators that another unit runs, and why.
        calibration: what the calibration of its times was fitted to; None for none.
    """

    ways: tuple[Way, ...]
    reason: str
    what: str
    fallbacks: tuple[str, ...] = ()
    calibration: str | None = None


@dataclass(frozen=True)
class _Trial:
    """What a network takes on a unit, the fallbacks of some operators included."""

    unit: str
    options: Options
    latency_ps: int
    energy_pj: int
    share: float
    """Of the network's products that the unit itself runs."""


@dataclass
class Places:
    """Decides for one scenario on one platform.

    Args:
        scenario: whose steps go somewhere.
        platform: at the operating points that the simulation begins with.
        servers: what steps queue for.
        options: of the simulation.
    """

    scenario: Scenario
    platform: Platform
    servers: Servers
    options: SimulationOptions
    _graphs: dict[tuple[object, ...], Graph] = field(default_factory=dict)
    _ways: dict[tuple[Same, str | None, int], NetworkWay] = field(default_factory=dict)

    def decide(self, task_class: TaskClass, step: AnyStep) -> Decision:
        """Return where a step of an application of a class goes.

        Raises:
            InfeasibleError: no unit can do it.
            UsageError, WorkloadError: a network that does not exist, or options that contradict each other.
        """
        match step:
            case OffloadStep():
                link = self.scenario.file.links[step.link]
                way = OffloadWay(step, link, remote(step.link))
                return Decision((way,), f"the scenario sends it over {step.link}", f"offload over {step.link}")
            case StageStep():
                return self._stage(task_class, step)
            case NetworkStep():
                return self._network(task_class, step)

    # --- which unit -----------------------------------------------------------------------------------

    def _wanted(self, step: PlacedStep) -> tuple[list[str], str | None, str]:
        """Return the units that the scenario names, the server where it is set apart, and the reason in words."""
        if step.server is not None:
            named = self.servers.named(step.server)
            if named is None:
                return [], None, f"no unit for server {step.server}; "
            unit, server = named
            return [unit], server, f"the scenario names server {step.server}; "
        if step.unit is None:
            return [], None, ""
        what = " ".join(filter(None, (step.unit, step.cluster)))
        found = units_called(self.platform, step.unit, step.cluster)
        return found, None, f"the scenario names {what}; " if found else f"{self.platform.name} has no {what}; "

    def _every(self, *kinds: str) -> list[str]:
        return [unit for kind in kinds for unit in units_called(self.platform, kind)]

    @cached_property
    def _streams(self) -> dict[str, Stream]:
        """Background reads by unit."""
        found = ((units_called(self.platform, name), s) for name, s in self.scenario.file.background.items())
        return {units[0]: stream for units, stream in found if units}

    # --- stages ---------------------------------------------------------------------------------------

    def _stage(self, task_class: TaskClass, step: StageStep) -> Decision:
        wanted, server, reason = self._wanted(step)
        if not wanted:
            wanted, why = self._stage_units(task_class, step)
            reason += why
        way = self._stage_way(step, wanted[0], server)
        given = f"{way.cycles:,} cycles" if way.time_ps is None else format_time(way.time_ps)
        return Decision((way,), reason.removesuffix("; "), f"stage of {given}")

    def _stage_units(self, task_class: TaskClass, step: StageStep) -> tuple[list[str], str]:
        """Return where a stage goes that names no unit of the platform."""
        hubs = self._every("sensing_hub") if task_class == "pervasive" else []
        if hubs:
            return hubs, "pervasive work stays on the hub"
        units = self._every("cpu") or self._every("sensing_hub", *_KINDS)
        if task_class != "pervasive" or len(units) == 1:
            return units, f"stages run on {units[0]} here"
        spent = {unit: energy_pj(self._stage_way(step, unit, None).program(self.platform, 1)) for unit in units}
        first = min(units, key=lambda unit: spent[unit])
        return [first], f"pervasive stages run on {first} here, the most frugal processor"

    def _stage_way(self, step: StageStep, unit: str, server: str | None) -> StageWay:
        home = server or unit
        cost = step.by_unit.get(unit) or step.by_unit.get(self.platform.unit(unit).kind) or step
        return StageWay(
            step.name, home, unit, min(step.cores or 1, self.servers[home].server.cores),
            cost.time.value if cost.time else None, None if step.fixed else self._fastest_hz(unit), cost.cycles,
            step.reads.value, step.writes.value, step.accesses, self._streams,
        )  # fmt: skip

    def _fastest_hz(self, unit: str) -> int:
        """Return the fastest point of a unit's clock, whatever mode and governor leave of it."""
        clock = self.platform.file.clocks.get(self.platform.unit(unit).clock)
        return max(point.clock.value for point in clock.opps) if clock else self.platform.unit_hz(unit)

    # --- networks -------------------------------------------------------------------------------------

    def _network(self, task_class: TaskClass, step: NetworkStep) -> Decision:
        graph = self._graph(step)
        units, server, reason = self._wanted(step)
        if step.strategy is not None:
            trial, reason = (
                self._by_strategy(graph, step, step.strategy, units),
                f"strategy {step.strategy} places it, by what it costs at the fastest points that governors may take",
            )
        elif units:
            trial = self._first_that_runs(graph, step, units, server)
            reason = reason.removesuffix("; ")
        else:
            trial, why = _CHOICES[task_class](self, graph, step)
            reason += why
        first = self._way(graph, step, trial, server)
        prepared = first.prepared(self.platform, 1)
        correction = prepared.corrections.of(trial.unit)
        fallbacks = tuple(
            f"{op.index} {op.label} on {placed.unit}: {placed.reason}"
            for op, placed in zip(graph.operators, prepared.plan.placed, strict=True)
            if placed.unit != trial.unit
        )
        ways = (first, *self._others(graph, step, trial.unit))
        what = graph.name if step.repeat == 1 else f"{step.repeat} x {graph.name}"
        return Decision(ways, reason, what, fallbacks, correction.origin if correction else None)

    def _graph(self, step: NetworkStep) -> Graph:
        folder, name = self.scenario.folder, step.network
        file = next((path for path in ((folder or Path()) / name, Path(name)) if path.is_file()), None)
        form = step.precision, tuple(step.shape) if step.shape else None, step.decoded
        if file is None:
            return _of_zoo(name, *form)
        key = file, *form
        if key not in self._graphs:
            self._graphs[key] = _loaded(file, *form)
        return self._graphs[key]

    def _first_that_runs(self, graph: Graph, step: NetworkStep, units: Sequence[str], server: str | None) -> _Trial:
        """Return what the network takes on the first of the units that runs it.

        Raises:
            InfeasibleError: none does.
        """
        tried = [self._trial(graph, step, unit, server) for unit in units]
        found = next((trial for trial in tried if isinstance(trial, _Trial)), None)
        if found is None:
            raise self._infeasible(graph, [t for t in tried if isinstance(t, str)])
        return found

    def _by_strategy(self, graph: Graph, step: NetworkStep, strategy: str, units: Sequence[str]) -> _Trial:
        """Return what the network takes where a strategy divides it among units, beginning with those that are named.

        Raises:
            InfeasibleError: the strategy finds no place for it.
        """
        first = units[0] if units else self.platform.file.preference[0]
        found = self._tried(graph, step, first, self._cores(step, first, None), strategy)
        if isinstance(found, str):
            raise self._infeasible(graph, [found])
        return found

    def _trials_on(self, graph: Graph, step: NetworkStep, units: Sequence[str]) -> tuple[list[_Trial], str]:
        """Return what the network takes on units that run most of it, and what is said of the others.

        Raises:
            InfeasibleError: no unit can run it.
        """
        tried = [self._trial(graph, step, unit) for unit in units]
        found = [trial for trial in tried if isinstance(trial, _Trial)]
        if not found:
            raise self._infeasible(graph, [t for t in tried if isinstance(t, str)])
        most = [trial for trial in found if trial.share >= _ENOUGH] or found
        lacking = [t.unit for t in found if t not in most]
        lacking += [unit for unit, trial in zip(units, tried, strict=True) if isinstance(trial, str)]
        return most, f"; {', '.join(lacking)} cannot run most of it" if lacking else ""

    def _trial(self, graph: Graph, step: NetworkStep, unit: str, server: str | None = None) -> _Trial | str:
        """Return what a network takes on a unit, or why it cannot."""
        return self._tried(graph, step, unit, self._cores(step, unit, server), _IN_ORDER)

    def _tried(self, graph: Graph, step: NetworkStep, unit: str, cores: int | None, strategy: str) -> _Trial | str:
        stack = named_runtime(step.runtime) if step.runtime else None
        drives = stack is not None and self.platform.unit(unit).kind in stack.kinds
        options = self._calibrated(
            Options(runtime=stack if drives else None, unit=unit, cores=cores, strategy=strategy)
        )
        fitted = options.correction, options.corrections
        key = Same(graph), Same(self.platform), unit, step.runtime, cores, strategy, fitted
        found: _Trial | str = _TRIALS.get(key, lambda: self._try(graph, unit, options))
        return found

    def _try(self, graph: Graph, unit: str, options: Options) -> _Trial | str:
        try:
            result = simulate_graph(graph, self.platform, options)
        except (InfeasibleError, UnsupportedOperatorError) as error:
            return f"{unit}: {str(error).splitlines()[0]}"
        tasks = prepare_graph(graph, self.platform, options).plan.tasks.tasks
        products = [(task.unit, sum(member.macs for member in task.members)) for task in tasks]
        own, every = sum(n for name, n in products if name == unit), sum(n for _, n in products)
        return _Trial(unit, options, result.latency_ps, result.energy_pj, own / every if every else 1.0)

    def _cores(self, step: NetworkStep, unit: str, server: str | None) -> int | None:
        most = self.servers[server or unit].server.cores
        return min(step.cores or self.platform.default_cores(unit), most)

    def _calibrated(self, options: Options) -> Options:
        """Return options with the calibration that was asked for; a file holds for the units that it was fitted to."""
        wanted = self.options.calibration
        if wanted == "none":
            return options
        if wanted != "auto":
            try:
                return calibrated(self.platform, options, Path(wanted))
            except UsageError:
                preferred_runtime(self.platform, options)  # what is wrong with the options themselves is said here
        return calibrated(self.platform, options)

    def _way(self, graph: Graph, step: NetworkStep, trial: _Trial, server: str | None) -> NetworkWay:
        key = Same(trial), server, step.repeat
        if key not in self._ways:
            homes = {unit: unit for unit in self.platform.units} | {trial.unit: server or trial.unit}
            cores = {unit: (home, self.servers[home].server.cores) for unit, home in homes.items()}
            detail = "tile" if self.options.detail == "tile" else "transaction"
            tasks = prepare_graph(graph, self.platform, trial.options).plan.tasks.tasks
            places = tuple(dict.fromkeys(homes[task.unit] for task in tasks))
            self._ways[key] = NetworkWay(graph, trial.options, self.platform, cores, detail, step.repeat, places)
        return self._ways[key]

    def _others(self, graph: Graph, step: NetworkStep, first: str) -> Iterator[NetworkWay]:
        """Yield further ways that the scenario allows and the platform has."""
        seen = {first}
        for wanted in step.others:
            for unit in units_called(self.platform, wanted):
                trial = self._trial(graph, step, unit)
                if unit not in seen and isinstance(trial, _Trial):
                    seen.add(unit)
                    yield self._way(graph, step, trial, None)

    def _infeasible(self, graph: Graph, reasons: Sequence[str]) -> InfeasibleError:
        report = InfeasibilityReport(
            f"units that run {graph.name}", 1, 0, "units", ("another precision", "another network", "another platform")
        )
        lines = "\n".join(f"  - {reason}" for reason in reasons)
        msg = (
            f"{graph.name}: no unit of {self.platform.name} can run it: demand 1 unit, bound 0, gap 1; "
            f"choose another precision or network\n{lines}"
        )
        return InfeasibleError(msg, report)

    # --- classes --------------------------------------------------------------------------------------

    def on_demand(self, graph: Graph, step: NetworkStep) -> tuple[_Trial, str]:
        """Return the fastest unit: hand-over and submission make that a processor for small networks."""
        trials, lacking = self._trials_on(graph, step, self._every("cpu", "gpu", "npu", "dsp") or self._all())
        first, *others = sorted(trials, key=lambda trial: trial.latency_ps)
        beside = "".join(f", {format_time(t.latency_ps)} on {t.unit}" for t in others)
        what = f"on demand: fastest, {format_time(first.latency_ps)} on {first.unit}{beside}"
        return first, what + lacking

    def sustained(self, graph: Graph, step: NetworkStep) -> tuple[_Trial, str]:
        """Return the first kind of unit that is made for it."""
        for kind in _KINDS:
            units = self._every(kind)
            found = [t for u in units if isinstance(t := self._trial(graph, step, u), _Trial) and t.share >= _ENOUGH]
            if found:
                before = _KINDS[: _KINDS.index(kind)]
                lacking = f"; no {', '.join(before)} that runs most of it" if before else ""
                return found[0], f"sustained: {kind} preferred{lacking}"
        trials, _ = self._trials_on(graph, step, self._all())
        first = min(trials, key=lambda trial: trial.latency_ps)
        return first, f"sustained: none of {', '.join(_KINDS)} runs most of it; {first.unit} is fastest"

    def pervasive(self, graph: Graph, step: NetworkStep) -> tuple[_Trial, str]:
        """Return the sensing hub where the network fits there as a whole, else the most frugal unit."""
        hubs = self._every("sensing_hub")
        for hub in hubs:
            trial = self._trial(graph, step, hub)
            if isinstance(trial, _Trial) and trial.share == 1.0:
                return trial, "pervasive: fits the sensing hub, so that the rest can sleep"
        why = "does not fit the sensing hub" if hubs else "no sensing hub here"
        trials, lacking = self._trials_on(graph, step, self._all())
        first, *others = sorted(trials, key=lambda trial: trial.energy_pj)
        beside = "".join(f", {format_energy(t.energy_pj)} on {t.unit}" for t in others)
        what = f"pervasive: {why}; most frugal, {format_energy(first.energy_pj)} on {first.unit}{beside}"
        return first, what + lacking

    def _all(self) -> list[str]:
        return list(self.platform.units)


def _loaded(model: str | Path, precision: str | None, shape: tuple[int, ...] | None, decoded: bool | None) -> Graph:
    return load(model, precision=precision, shape=shape, decoded=decoded)


_TRIALS = Memo(64)
"""What networks take on units, from one simulation to the next: a network, a platform and options give one answer."""
_of_zoo = lru_cache(maxsize=16)(_loaded)
"""Networks of the zoo stay what they are, with all that runs decided about them, from one simulation to the next."""

_CHOICES: dict[TaskClass, Callable[[Places, Graph, NetworkStep], tuple[_Trial, str]]] = {
    "on_demand": Places.on_demand,
    "sustained": Places.sustained,
    "pervasive": Places.pervasive,
}
