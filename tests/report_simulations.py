"""Records that tests of simulations' reports share: a small made-up one, a long one, and one with hostile names.

Camera, assistant and word are laid out by hand in 100 ms; all counts, times and energies follow from that layout.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import isqrt

from report_runs import HOSTILE

from socsim.simulation_records import (
    ActivationRecord,
    ApplicationRecord,
    BatteryRecord,
    ClockRecord,
    DomainRecord,
    FlowRecord,
    LatencyRecord,
    ServedRecord,
    ServerRecord,
    SimulationRecord,
    StepRecord,
    ThermalRecord,
    TraceRecord,
)

MS = 10**9
PERIOD = 100 * MS
"""The layout repeats after this time."""
SERVERS = {"cpu_big": ("cpu", 2), "npu": ("npu", 1), "hub": ("sensing_hub", 1)}
STATIC = {"soc": 4 * 10**9, "npu": 10**9, "dram": 2 * 10**9}
"""Picojoules in a period, by domain."""
PJ_PER_MS = {"cpu_big": 10**9, "npu": 2 * 10**9, "hub": 10**6}

# Application: (class, arrival, deadline in ms, priority); then its activations: release, fate and slices in ms.
APPLICATIONS = {
    "camera": ("sustained", "every 20 ms", 10, 2),
    "assistant": ("on_demand", "at random, every 40 ms on average", None, -1),
    "word": ("pervasive", "every 25 ms", 5, 0),
}
ACTIVATIONS = {
    "camera": [
        (start, "missed" if start == 40 else "completed",
         [("cpu_big", 0, "resize", start, start + 2),
          ("npu", 0, "detect", *((49, 55) if start == 40 else (start + 2, start + 8)))])
        for start in range(0, 100, 20)
    ],
    "assistant": [
        (41, "completed", [("npu", 0, "answer", 42, 49)]),
        (45, "dropped", []),
        (70, "completed", [("npu", 0, "answer", 70, 78)]),
    ],
    "word": [(start, "completed", [("hub", 0, "listen", start, start + 1)]) for start in range(0, 100, 25)],
}  # fmt: skip
MOVED = {"detect": 60_000_000, "answer": 200_000_000}
"""Bytes of a step's slice over dram and noc."""


def simulation(periods: int = 1, *, is_traced: bool = True) -> SimulationRecord:
    """Return a simulation in which the layout happens `periods` times over."""
    slices = tuple(s for s in _slices() if is_traced)
    activations = tuple(a for a in _activations() if is_traced)
    apps = tuple(_application(name, periods) for name in APPLICATIONS)
    dynamic, static = sum(a.energy_pj for a in apps), sum(STATIC.values()) * periods
    duration = PERIOD * periods
    return SimulationRecord(
        version="0.1.0", scenario="watcher", scenario_title="A camera that can be talked to", scenario_sha256="cd" * 32,
        platform="board", platform_title="A made-up board", overrides=("units.npu.clock = 800 MHz",), mode="balanced",
        duration_ps=duration, seed=7, events=50 * periods, skipped_ps=duration - PERIOD, energy_pj=dynamic + static,
        static_pj=static, dynamic_pj=dynamic, average_power_nw=(dynamic + static) * 10**9 // duration,
        power_cap_nw=15 * 10**9, applications=apps, steps=_steps(),
        servers=tuple(_server(name, periods) for name in SERVERS), flows=_flows(periods), domains=_domains(periods),
        clocks=(
            ClockRecord("npu", "schedutil", 3 * periods,
                        (("400MHz", 4 * 10**8, 30 * MS * periods), ("800MHz", 8 * 10**8, 70 * MS * periods)),
                        20 * MS * periods),
            ClockRecord("cpu_big", "performance", 0, (("1800MHz", 18 * 10**8, duration),), 0),
        ),
        thermal=(ThermalRecord("die", 45_000, 86_400, 71_250, 85_000, 20 * MS * periods),
                 ThermalRecord("skin", -5_000, 4_300, 4_300, None, 0)),
        ambient_millicelsius=-5_000,
        traces=(
            TraceRecord("temperature", "die", ((0, 45_000), (40 * MS, 86_400), (60 * MS, 71_250))),
            TraceRecord("temperature", "skin", ((0, -5_000), (60 * MS, 4_300))),
            TraceRecord("frequency", "npu", ((0, 8 * 10**8), (40 * MS, 4 * 10**8), (70 * MS, 8 * 10**8))),
            TraceRecord("frequency", "cpu_big", ((0, 18 * 10**8),)),
            TraceRecord("power", "total", ((0, 2 * 10**9), (40 * MS, 5 * 10**9), (60 * MS, 10**9))),
            TraceRecord("power", "npu", ((0, 10**9), (40 * MS, 4 * 10**9), (60 * MS, 5 * 10**8))),
        ),
        slices=slices,
        battery=BatteryRecord(18 * 10**12 * 2000, 0.9, 500_000, 10**8, 3_700_000),
        calibrations=("detect: 40 rows of board npu",), assumed=("applications.camera.steps.resize.time",
                                                                  "thermal.paths[0].resistance"),
        notes=("assistant runs on npu: cpu_big would take 3 times as long",), warnings=("camera misses deadlines",),
        is_interrupted=False, activations=activations,
    )  # fmt: skip


def hostile_simulation() -> SimulationRecord:
    """Return a simulation in which every name from outside attacks HTML, terminals, spreadsheets and mathtext."""
    record = simulation()
    times = ((HOSTILE, 1),)
    return replace(
        record, scenario=HOSTILE, scenario_title=HOSTILE, platform=HOSTILE, platform_title=HOSTILE, mode=HOSTILE,
        overrides=(HOSTILE,), notes=(HOSTILE,), warnings=(HOSTILE,), assumed=(HOSTILE,), calibrations=(HOSTILE,),
        applications=tuple(
            replace(a, name=HOSTILE, task_class=HOSTILE, arrival=HOSTILE) for a in record.applications[:1]
        ),
        steps=tuple(
            replace(s, application=HOSTILE, step=HOSTILE, what=HOSTILE, places=(HOSTILE,), reason=HOSTILE,
                    fallbacks=(HOSTILE,))
            for s in record.steps
        ),
        servers=tuple(
            replace(s, name=HOSTILE, unit=HOSTILE, kind=HOSTILE, policy=HOSTILE, applications=times)
            for s in record.servers[:1]
        ),
        flows=tuple(replace(f, name=HOSTILE, kind=HOSTILE, applications=times) for f in record.flows[:1]),
        domains=tuple(replace(d, name=HOSTILE, states=((HOSTILE, record.duration_ps),)) for d in record.domains),
        clocks=tuple(
            replace(c, name=HOSTILE, governor=HOSTILE, points=((HOSTILE, 1, record.duration_ps),))
            for c in record.clocks
        ),
        thermal=tuple(replace(t, name=HOSTILE) for t in record.thermal),
        traces=tuple(replace(t, name=HOSTILE) for t in record.traces),
        slices=tuple(
            replace(s, server=HOSTILE, core=0, application=HOSTILE, step=HOSTILE, label=HOSTILE, moved=times)
            for s in record.slices
        ),
        activations=tuple(replace(a, application=HOSTILE) for a in record.activations),
    )  # fmt: skip


def _slices() -> list[ServedRecord]:
    found = [
        ServedRecord(
            server, core, name, number, step, step, start * MS, end * MS,
            tuple((flow, MOVED[step]) for flow in ("dram", "noc") if step in MOVED),
        )
        for name, activations in ACTIVATIONS.items()
        for number, (_, _, parts) in enumerate(activations)
        for server, core, step, start, end in parts
    ]  # fmt: skip
    return sorted(found, key=lambda s: (s.start_ps, s.server))


def _activations() -> list[ActivationRecord]:
    found = [
        ActivationRecord(name, number, release * MS, (parts[-1][-1] if parts else release) * MS, fate)
        for name, activations in ACTIVATIONS.items()
        for number, (release, fate, parts) in enumerate(activations)
    ]
    return sorted(found, key=lambda a: (a.release_ps, a.application))


def _application(name: str, periods: int) -> ApplicationRecord:
    task_class, arrival, deadline, priority = APPLICATIONS[name]
    activations = ACTIVATIONS[name]
    done = [(release, parts) for release, _, parts in activations if parts]
    fates = [fate for _, fate, _ in activations]
    latency = [(parts[-1][-1] - release) * MS for release, parts in done]
    service = [sum(end - start for *_, start, end in parts) * MS for _, parts in done]
    waiting = [whole - worked for whole, worked in zip(latency, service, strict=True)]
    ends = [parts[-1][-1] * MS for _, parts in done]
    energy = sum(
        PJ_PER_MS[server] * (end - start) for _, parts in done for server, _, _, start, end in parts
    )  # fmt: skip
    return ApplicationRecord(
        name=name, task_class=task_class, arrival=arrival, deadline_ps=None if deadline is None else deadline * MS,
        priority=priority, released=len(activations) * periods, completed=len(done) * periods,
        dropped=fates.count("dropped") * periods,
        missed=(fates.count("missed") + fates.count("dropped")) * periods, unfinished=0,
        throughput_per_s=len(done) * 10**12 / PERIOD, latency=_latencies(latency, periods),
        waiting=_latencies(waiting, periods), service=_latencies(service, periods),
        jitter_ps=_deviation([b - a for a, b in pairwise(ends)]), energy_pj=energy * periods,
        share_pj=energy * periods + 10**9 * periods, average_power_nw=(energy + 10**9) * 10**9 // PERIOD,
    )  # fmt: skip


def _latencies(values: list[int], periods: int) -> LatencyRecord:
    ordered = sorted(values)
    at = [ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] for percent in range(101)]
    return LatencyRecord(
        len(values) * periods, sum(values) // len(values), _deviation(values), ordered[0], at[50], at[95], at[99],
        ordered[-1], tuple(at),
    )  # fmt: skip


def _deviation(values: list[int]) -> int:
    mean = sum(values) // len(values)
    return isqrt(sum((value - mean) ** 2 for value in values) // len(values))


def _steps() -> tuple[StepRecord, ...]:
    return (
        StepRecord("camera", "resize", "stage", ("cpu_big",), "named in the scenario", 2 * MS, 2 * 10**9, ()),
        StepRecord("camera", "detect", "ssd_mobilenet", ("npu", "cpu_big"), "sustained: npu preferred", 6 * MS,
                   12 * 10**9, ("12 SOFTMAX on cpu_big: npu has none",)),
        StepRecord("assistant", "answer", "decoder", ("npu",), "on demand: npu takes 8 ms, cpu_big 24 ms", 8 * MS,
                   16 * 10**9, ()),
        StepRecord("word", "listen", "kws", ("hub",), "pervasive: the platform has a sensing hub", MS, 10**6, ()),
    )  # fmt: skip


def _server(name: str, periods: int) -> ServerRecord:
    kind, cores = SERVERS[name]
    by_application: dict[str, int] = {}
    parts = [s for s in _slices() if s.server == name]
    for s in parts:
        by_application[s.application] = by_application.get(s.application, 0) + (s.end_ps - s.start_ps) * periods
    busy, switching, waking = sum(by_application.values()), MS * periods // 10, MS * periods // 5
    return ServerRecord(
        name, name, kind, "edf", cores, busy, switching, waking, PERIOD * periods * cores - busy - switching - waking,
        len(parts) * periods, periods if name == "npu" else 0, 2, tuple(sorted(by_application.items())),
    )  # fmt: skip


def _flows(periods: int) -> tuple[FlowRecord, ...]:
    by_application: dict[str, int] = {}
    busy = 0
    for s in _slices():
        for flow, moved in s.moved:
            if flow == "dram":
                by_application[s.application] = by_application.get(s.application, 0) + moved * periods
                busy += (s.end_ps - s.start_ps) * periods
    moved, shares = sum(by_application.values()), tuple(sorted(by_application.items()))
    return (
        FlowRecord("dram", "dram", 34 * 10**9, moved, busy, shares),
        FlowRecord("noc", "link", 51 * 10**9, moved, busy, shares),
    )


def _domains(periods: int) -> tuple[DomainRecord, ...]:
    on = {"soc": 100, "npu": 45, "dram": 80}
    return tuple(
        DomainRecord(
            name,
            (("on", on[name] * MS * periods), *([("off", (100 - on[name]) * MS * periods)] if on[name] < 100 else [])),
            (0 if on[name] == 100 else 3) * periods, static * periods,
        )
        for name, static in STATIC.items()
    )  # fmt: skip
