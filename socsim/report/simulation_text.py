"""Plain text of a simulation: the summary block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S, format_energy, format_si, format_time
from socsim.report.formats import (
    format_bytes,
    format_celsius,
    format_count,
    format_nanowatts,
    format_power,
    format_rate,
    format_share,
    format_span,
    labelled,
    plural,
    text_table,
)
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from socsim.simulation_records import (
        ApplicationRecord,
        ClockRecord,
        FlowRecord,
        ServerRecord,
        SimulationRecord,
        StepRecord,
        ThermalRecord,
    )

_SHA_DIGITS = 12
_NAME = 20
_FALLBACKS = 4
_FEW = 3
"""Parts of a whole that have a place in a row of a table."""
NO_HEAT = "not modelled: the platform describes no thermal network"
NO_BATTERY = "life not known: neither scenario nor platform names a battery"


def summary(record: SimulationRecord) -> str:
    """Return the summary block: identity, energy, heat, applications, steps, servers, domains, clocks, remarks.

    The energy of an application is that of its work; "with static" adds its part of what domains drew while its units
    worked.
    """
    blocks = (
        _identity(record),
        [*_energy(record), *labelled("heat", [heat_words(record)]), *labelled("battery", [battery_words(record)])],
        _demands(record),
        _fates(record),
        _times(record),
        _steps(record),
        _servers(record),
        _flows(record),
        _domains(record),
        _clocks(record),
        _remarks(record),
    )
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def one_line(record: SimulationRecord) -> str:
    """Return a simulation in a line, for titles and comparisons."""
    return terminal_text(f"{record.scenario} on {record.platform}", 100)


# --- what and for how long ----------------------------------------------------------------------------


def _identity(record: SimulationRecord) -> list[str]:
    source = f"{record.scenario_title} ({record.scenario}, sha256 {record.scenario_sha256[:_SHA_DIGITS]})"
    return [
        *labelled("scenario", [terminal_text(source, 200)]),
        *labelled("platform", [terminal_text(f"{record.platform}: {record.platform_title}", 200)]),
        *labelled("power mode", [terminal_text(record.mode, 60)] if record.mode else []),
        *labelled("simulated", [f"{duration_words(record)}, seed {record.seed}, socsim {_name(record.version, 40)}"]),
        *labelled("interrupted", ["stopped before its end; what had finished is here"] * record.is_interrupted),
    ]


def duration_words(record: SimulationRecord) -> str:
    """Return how long was simulated, and how much of it was counted without being stepped through."""
    skipped = format_share(record.skipped_ps, record.duration_ps)
    repeated = f", {skipped} of the time repeated what came before" if record.skipped_ps else ""
    return f"{format_span(record.duration_ps / PS_PER_S)} in {format_count(record.events)} events{repeated}"


def _energy(record: SimulationRecord) -> list[str]:
    static = format_share(record.static_pj, record.energy_pj)
    cap = f", cap {format_nanowatts(record.power_cap_nw)}" if record.power_cap_nw is not None else ""
    power = format_power(record.energy_pj, record.duration_ps)
    return labelled("energy", [f"{format_energy(record.energy_pj)}, average power {power}{cap}, static share {static}"])


def heat_words(record: SimulationRecord) -> str:
    """Return the hottest node in a sentence, or why there is none."""
    hottest = hottest_node(record)
    if hottest is None:
        return NO_HEAT
    limit = hottest.throttle_millicelsius
    throttled = (
        "nothing throttles there"
        if limit is None
        else f"throttles at {format_celsius(limit)}, for {format_share(hottest.throttled_ps, record.duration_ps)} of "
        "the time"
    )
    ambient = (
        f"; ambient {format_celsius(record.ambient_millicelsius)}" if record.ambient_millicelsius is not None else ""
    )
    return (
        f"{_name(hottest.name)} reaches {format_celsius(hottest.most_millicelsius)} (from "
        f"{format_celsius(hottest.start_millicelsius)}, at the end {format_celsius(hottest.end_millicelsius)}), "
        f"{throttled}{ambient}"
    )


def hottest_node(record: SimulationRecord) -> ThermalRecord | None:
    """Return the node that came closest to its limit, or became hottest where none has one."""
    limited = [node for node in record.thermal if node.throttle_millicelsius is not None]
    return max(
        limited or record.thermal,
        key=lambda node: node.most_millicelsius - (node.throttle_millicelsius or 0),
        default=None,
    )


def battery_words(record: SimulationRecord) -> str:
    """Return how long a battery lasts in a sentence, or why that is not known."""
    battery = record.battery
    if battery is None:
        return NO_BATTERY
    current = format_si(battery.average_current_na / 10**9, "A", digits=4)
    voltage = format_si(battery.voltage_uv / 10**6, "V", digits=4)
    return (
        f"lasts {format_span(battery.life_s)} at this average: {current} at {voltage}, "
        f"{format_energy(battery.energy_pj)} with efficiency {battery.efficiency:.3g}"
    )


# --- applications -------------------------------------------------------------------------------------


def _demands(record: SimulationRecord) -> list[str]:
    return [line for a in record.applications for line in labelled(_name(a.name, 12), [demand_words(a)])]


def demand_words(entry: ApplicationRecord) -> str:
    """Return what an application asks for: its class, when it is released, by when it must end, how urgent it is."""
    deadline = "no deadline" if entry.deadline_ps is None else f"deadline {format_time(entry.deadline_ps)}"
    return f"{_name(entry.task_class)}, {terminal_text(entry.arrival, 200)}; {deadline}, priority {entry.priority}"


def _fates(record: SimulationRecord) -> list[str]:
    header = (
        "application", "released", "completed", "missed", "dropped", "left", "per s", "energy", "with static",
        "power",
    )  # fmt: skip
    rows = [
        (
            _name(a.name),
            f"{a.released:,}",
            f"{a.completed:,}",
            missed_words(a),
            f"{a.dropped:,}",
            f"{a.unfinished:,}",
            "-" if a.throughput_per_s is None else f"{a.throughput_per_s:,.4g}",
            format_energy(a.energy_pj),
            format_energy(a.share_pj),
            format_nanowatts(a.average_power_nw),
        )
        for a in record.applications
    ]
    return text_table(header, rows, header[1:]) if rows else []


def missed_words(entry: ApplicationRecord) -> str:
    """Return how many activations missed their deadline; an application without one can miss none."""
    if entry.deadline_ps is None:
        return "-"
    ended = entry.completed + entry.dropped
    share = f" ({format_share(entry.missed, ended)})" if entry.missed else ""
    return f"{entry.missed:,}{share}"


def _times(record: SimulationRecord) -> list[str]:
    header = ("application", "p50", "p95", "p99", "max", "jitter", "mean wait", "mean service")
    rows = [
        (
            _name(a.name),
            *(_time(getattr(a.latency, name)) for name in ("p50_ps", "p95_ps", "p99_ps", "most_ps")),
            _time(a.jitter_ps),
            _time(a.waiting.mean_ps),
            _time(a.service.mean_ps),
        )
        for a in record.applications
    ]
    return text_table(header, rows, header[1:]) if rows else []


def _steps(record: SimulationRecord) -> list[str]:
    rows = [
        (
            _name(s.application),
            _name(s.step),
            _name(s.what, 30),
            _name(", ".join(s.places), 30),
            format_time(s.alone_ps),
            format_energy(s.energy_pj),
        )
        for s in record.steps
    ]
    header = ("application", "step", "what", "on", "alone", "energy")
    reasons = [line for s in record.steps for line in labelled(_name(s.step, 12), _reasons(s))]
    return [*text_table(header, rows, header[4:]), *reasons] if rows else []


def _reasons(step: StepRecord) -> list[str]:
    """Return why a step runs where it does, and the first operators that another unit runs."""
    hidden = len(step.fallbacks) - _FALLBACKS
    more = [f"and {plural(hidden, 'other operator')} elsewhere"] if hidden > 0 else []
    return [terminal_text(line, 300) for line in (step.reason, *step.fallbacks[:_FALLBACKS], *more)]


# --- the platform -------------------------------------------------------------------------------------


def _servers(record: SimulationRecord) -> list[str]:
    header = ("server", "policy", "cores", "busy", "switching", "waking", "idle", "segments", "preempted", "queue")
    rows = [_server_row(s, record) for s in record.servers]
    shares = [line for s in record.servers for line in labelled(_name(s.name, 12), _shares(s.applications, s.busy_ps))]
    return [*text_table(header, rows, header[2:]), *shares] if rows else []


def _server_row(server: ServerRecord, record: SimulationRecord) -> tuple[str, ...]:
    whole = server.cores * record.duration_ps
    unit = f" of {server.unit}" if server.unit != server.name else ""
    return (
        _name(f"{server.name}{unit}", 30),
        _name(server.policy),
        str(server.cores),
        *(format_share(t, whole) for t in (server.busy_ps, server.switching_ps, server.waking_ps, server.idle_ps)),
        f"{server.segments:,}",
        f"{server.preemptions:,}",
        f"{server.longest_queue:,}",
    )


def _shares(parts: tuple[tuple[str, int], ...], whole: int, most: int = 12) -> list[str]:
    """Return who took which share of a whole, the largest first, in a line; nothing where nobody did."""
    ordered = sorted(((name, part) for name, part in parts if part), key=lambda pair: (-pair[1], pair[0]))
    words = [f"{_name(name)} {format_share(part, whole)}" for name, part in ordered[:most]]
    rest = ordered[most:]
    if rest:
        words.append(f"{plural(len(rest), 'other')} {format_share(sum(part for _, part in rest), whole)}")
    return [", ".join(words)] if words else []


def _flows(record: SimulationRecord) -> list[str]:
    header = ("link or memory", "moved", "average", "of", "used", "busy", "by")
    rows = [_flow_row(flow, record) for flow in record.flows]
    return text_table(header, rows, header[1:6]) if rows else []


def _flow_row(flow: FlowRecord, record: SimulationRecord) -> tuple[str, ...]:
    average = flow.bytes * PS_PER_S // record.duration_ps if record.duration_ps else None
    return (
        _name(flow.name),
        format_bytes(flow.bytes),
        "-" if average is None else format_rate(average),
        format_rate(flow.bytes_per_s),
        "-" if average is None else format_share(average, flow.bytes_per_s),
        format_share(flow.busy_ps, record.duration_ps),
        "".join(_shares(flow.applications, flow.bytes, _FEW)) or "-",
    )


def _domains(record: SimulationRecord) -> list[str]:
    header = ("domain", "static energy", "average", "wakes", "states")
    rows = [
        (
            _name(d.name),
            format_energy(d.static_pj),
            format_power(d.static_pj, record.duration_ps),
            f"{d.wakes:,}",
            "".join(_shares(d.states, record.duration_ps, _FEW)),
        )
        for d in record.domains
    ]
    return text_table(header, rows, header[1:4]) if rows else []


def _clocks(record: SimulationRecord) -> list[str]:
    header = ("clock", "governor", "changes", "throttled", "operating points")
    rows = [_clock_row(clock, record) for clock in record.clocks]
    return text_table(header, rows, header[2:4]) if rows else []


def _clock_row(clock: ClockRecord, record: SimulationRecord) -> tuple[str, ...]:
    points = tuple((point, time) for point, _, time in clock.points)
    return (
        _name(clock.name),
        _name(clock.governor),
        f"{clock.changes:,}",
        format_share(clock.throttled_ps, record.duration_ps),
        "".join(_shares(points, record.duration_ps, _FEW)),
    )


# --- remarks ------------------------------------------------------------------------------------------


def _remarks(record: SimulationRecord) -> list[str]:
    return [
        *labelled("calibration", [terminal_text(line, 200) for line in record.calibrations]),
        *labelled("provenance", [assumed_words(record)]),
        *labelled("overrides", [terminal_text(line, 300) for line in record.overrides]),
        *labelled("notes", [terminal_text(line, 500) for line in record.notes]),
        *labelled("warnings", [terminal_text(line, 500) for line in record.warnings]),
    ]


def assumed_words(record: SimulationRecord) -> str:
    """Return how many numbers of the scenario and of power and heat have no source."""
    if not record.assumed:
        return "every number of the scenario, and of the platform's power and heat, has a source"
    count = plural(len(record.assumed), "number")
    return (
        f"{count} of the scenario, and of the platform's power and heat, without a source (record.assumed lists them)"
    )


def _name(text: str, limit: int = _NAME) -> str:
    return terminal_text(text, limit)


def _time(ps: int | None) -> str:
    return "-" if ps is None else format_time(ps)
