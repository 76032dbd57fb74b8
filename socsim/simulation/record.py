"""The record of a simulation, from what the engine and the power manager saw."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

from socsim.engine.online.power.outcome import battery_life
from socsim.quantities import PS_PER_S
from socsim.simulation.ways import energy_pj
from socsim.simulation.world import arrival_words
from socsim.simulation_records import (
    ActivationRecord,
    ApplicationRecord,
    FlowRecord,
    LatencyRecord,
    ServedRecord,
    ServerRecord,
    SimulationRecord,
    StepRecord,
)
from socsim.soc.provenance import provenance
from socsim.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.engine.online.model import Distribution, Served, ServerUse, WorldOutcome
    from socsim.engine.online.power.outcome import PowerOutcome
    from socsim.simulation.world import Prepared
    from socsim.simulation_records import BatteryRecord
    from socsim.soc.platform import Platform
    from socsim.workload.scenario.scenario import Scenario

_DIRECTIONS = (".read", ".write")
_POWER = re.compile(r"power_domains\.|thermal\.|modes\.|memories\.[^.]+\.(static|rest|energy)|units\.[^.]+\.energy")
"""Paths of a platform's numbers that decide what it draws and how warm it becomes."""


@dataclass(frozen=True)
class Recorder:
    """Makes the record of one simulation.

    Args:
        scenario: that was simulated.
        platform: where.
        prepared: what was decided before time began.
        outcome: what the engine saw.
        power: what the power manager saw.
        mode: power mode of the platform; None where none is known.
    """

    scenario: Scenario
    platform: Platform
    prepared: Prepared
    outcome: WorldOutcome
    power: PowerOutcome
    mode: str | None

    def record(self) -> SimulationRecord:
        """Return everything that the simulation leaves behind."""
        end, power, outcome = self.outcome.end_ps, self.power, self.outcome
        return SimulationRecord(
            version=__version__,
            scenario=self.scenario.name,
            scenario_title=self.scenario.file.title,
            scenario_sha256=self.scenario.sha256,
            platform=self.platform.name,
            platform_title=self.platform.file.title,
            overrides=(*self.platform.overrides, *self.scenario.overrides),
            mode=self.mode,
            duration_ps=end,
            seed=self.prepared.world.seed,
            events=outcome.events,
            skipped_ps=outcome.skipped_ps,
            energy_pj=power.energy_pj,
            static_pj=power.static_pj,
            dynamic_pj=power.dynamic_pj,
            average_power_nw=_power_nw(power.energy_pj, end),
            power_cap_nw=power.power_cap_nw,
            applications=tuple(self._application(served) for served in outcome.served),
            steps=tuple(self._steps()),
            servers=tuple(self._server(use) for use in outcome.servers),
            flows=tuple(self._flows()),
            domains=power.domains,
            clocks=power.clocks,
            thermal=power.thermal,
            ambient_millicelsius=power.ambient_millicelsius,
            traces=power.traces,
            slices=tuple(
                ServedRecord(
                    s.server,
                    s.core,
                    s.application,
                    s.activation,
                    s.step,
                    s.label,
                    s.start_ps,
                    s.end_ps,
                    _both_ways(s.moved),
                )
                for s in outcome.slices
            ),
            battery=self._battery(),
            calibrations=tuple(self._calibrations()),
            assumed=tuple(self._assumed()),
            notes=(*self.prepared.notes, *power.notes),
            warnings=(*outcome.warnings, *power.warnings),
            is_interrupted=outcome.is_interrupted,
            activations=tuple(
                ActivationRecord(a.application, a.activation, a.release_ps, a.end_ps, a.fate)
                for a in outcome.activations
            ),
        )

    # --- applications ---------------------------------------------------------------------------------

    def _application(self, served: Served) -> ApplicationRecord:
        file, end = self.scenario.file.applications[served.name], self.outcome.end_ps
        share = self.power.shares_pj.get(served.name, 0)
        return ApplicationRecord(
            name=served.name,
            task_class=file.class_,
            arrival=arrival_words(file.arrival),
            deadline_ps=file.deadline.value if file.deadline else None,
            priority=file.priority,
            released=served.released,
            completed=served.completed,
            dropped=served.dropped,
            missed=served.missed,
            unfinished=served.unfinished,
            throughput_per_s=served.completed * PS_PER_S / end if end else None,
            latency=latency_record(served.latency),
            waiting=latency_record(served.waiting),
            service=latency_record(served.service),
            jitter_ps=_deviation(served.gaps) if served.gaps.count else None,
            energy_pj=served.energy_pj,
            share_pj=share,
            average_power_nw=_power_nw(share, end),
        )

    def _steps(self) -> Iterator[StepRecord]:
        points = _first_points(self.power)
        for (application, position), decision in self.prepared.decisions.items():
            step = self.scenario.file.applications[application].steps[position]
            program = self.prepared.programs.program(application, position, 0, 1, points)
            yield StepRecord(
                application,
                step.name,
                decision.what,
                decision.ways[0].places,
                decision.reason,
                self.prepared.programs.service_ps(application, position, 0, 1, points),
                energy_pj(program),
                decision.fallbacks,
            )

    def _calibrations(self) -> Iterator[str]:
        for (application, position), decision in self.prepared.decisions.items():
            if decision.calibration:
                step = self.scenario.file.applications[application].steps[position]
                yield f"{application} {step.name}: {decision.calibration}"

    # --- servers and flows ----------------------------------------------------------------------------

    def _server(self, use: ServerUse) -> ServerRecord:
        kind = self.platform.unit(use.unit).kind if use.unit in self.platform.units else "link"
        idle = use.cores * self.outcome.end_ps - use.busy_ps - use.switching_ps - use.waking_ps
        return ServerRecord(
            use.name, use.unit, kind, self.prepared.servers[use.name].server.policy.name, use.cores, use.busy_ps,
            use.switching_ps, use.waking_ps, idle, use.segments, use.preemptions, use.longest_queue, use.applications,
        )  # fmt: skip

    def _flows(self) -> Iterator[FlowRecord]:
        """Yield links and memories, each with both directions: reads and writes that share pins are busy together."""
        flows = {flow.resource: flow for flow in self.outcome.flows}
        capacities = self.prepared.world.capacities
        kinds = dict.fromkeys(self.platform.links, "link") | {n: m.kind for n, m in self.platform.memories.items()}
        for name, kind in kinds.items():
            parts = [flows[name + direction] for direction in _DIRECTIONS if name + direction in flows]
            both = flows.get(name)
            rate = capacities[name] if name in capacities else sum(capacities[name + d] for d in _DIRECTIONS)
            moved: dict[str, int] = {}
            for application, amount in (pair for flow in parts for pair in flow.applications):
                moved[application] = moved.get(application, 0) + amount
            busy = both.busy_ps if both else max((flow.busy_ps for flow in parts), default=0)
            yield FlowRecord(name, kind, rate, sum(flow.bytes for flow in parts), busy, tuple(moved.items()))

    # --- power ----------------------------------------------------------------------------------------

    def _battery(self) -> BatteryRecord | None:
        battery = self.scenario.file.power.battery
        if battery is None:
            return None
        return battery_life(
            self.power.energy_pj, self.outcome.end_ps, battery.capacity.value, battery.voltage.value,
            battery.efficiency,
        )  # fmt: skip

    def _assumed(self) -> Iterator[str]:
        """Yield numbers of the scenario, and of the platform's power and heat, that have no source."""
        for row in self.scenario.provenance:
            if row.source is None:
                yield f"scenario {row.path} = {row.value}: {row.assumed}"
        for row in provenance(self.platform):
            if row.source is None and _POWER.match(row.path):
                yield f"platform {row.path} = {row.value}: {row.assumed}"


def _first_points(power: PowerOutcome) -> dict[str, str]:
    """Return the operating point that each clock began at."""
    first = {trace.name: trace.points[0][1] for trace in power.traces if trace.quantity == "frequency"}
    return {clock.name: next(name for name, hz, _ in clock.points if hz == first[clock.name]) for clock in power.clocks}


def latency_record(seen: Distribution) -> LatencyRecord:
    """Return the record of durations; percentiles are lower borders of buckets, between the extremes."""
    if not seen.count:
        return LatencyRecord(0, None, None, None, None, None, None, None, ())
    every = _percentiles(seen)
    return LatencyRecord(
        seen.count, seen.total_ps // seen.count, _deviation(seen), seen.least_ps, every[50], every[95], every[99],
        seen.most_ps, every,
    )  # fmt: skip


def _percentiles(seen: Distribution) -> tuple[int, ...]:
    """Return the 0th to the 100th percentile: the least duration that so many per cent do not exceed."""
    found: list[int] = []
    below = 0
    for border, count in seen.buckets:
        below += count
        while len(found) <= 100 and len(found) * seen.count <= below * 100:
            found.append(min(max(border, seen.least_ps), seen.most_ps))
    return (seen.least_ps, *found[1:100], seen.most_ps)


def _deviation(seen: Distribution) -> int:
    """Return the standard deviation, rounded down."""
    return isqrt(max(0, seen.squares * seen.count - seen.total_ps**2)) // seen.count


def _both_ways(moved: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Return bytes by link and memory, of bytes by direction of each."""
    found: dict[str, int] = {}
    for resource, amount in moved:
        name, dot, direction = resource.rpartition(".")
        if dot + direction in _DIRECTIONS:
            found[name] = found.get(name, 0) + amount
    return tuple(found.items())


def _power_nw(energy_pj: int, time_ps: int) -> int:
    return energy_pj * 10**9 // time_ps if time_ps else 0
