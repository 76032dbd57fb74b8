"""Plain text of a run: the summary block, the explanation of an operator, a compact operator table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S, format_energy, format_si, format_time
from socsim.report.formats import (
    WIDTH,
    format_bytes,
    format_count,
    format_power,
    format_rate,
    format_share,
    labelled,
    plural,
    text_table,
    throughput_per_s,
)
from socsim.report.sinks import terminal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from socsim.records import Explanation, OperatorRecord, RunRecord

_SHA_DIGITS = 12
_NAME = 40
_TOP = 5
_TYPES = 8

# --- summary ------------------------------------------------------------------------------------------


def summary(record: RunRecord) -> str:
    """Return the summary block: identity, latency, throughput, energy, placement, memory, top, warnings."""
    blocks = (
        _identity(record),
        [*_speed(record), *_energy(record)],
        _placement(record),
        _memories(record),
        _top_operators(record),
        _remarks(record),
    )
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _identity(record: RunRecord) -> list[str]:
    name = terminal_text(record.model, 60)
    source = f"{terminal_text(record.model_format, 20)}, sha256 {terminal_text(record.model_sha256[:_SHA_DIGITS])}"
    size = ", ".join(
        (
            plural(len(record.operators), "operator"),
            format_count(record.macs, "MACs"),
            format_count(record.parameters, "parameters"),
        )
    )
    opps = ", ".join(terminal_text(f"{clock} {opp}", 40) for clock, opp in record.opps)
    runtimes = ", ".join(terminal_text(f"{u.runtime} on {u.name}", 60) for u in record.units)
    return [
        *labelled("model", [f"{name} ({source})", size]),
        *labelled("platform", [terminal_text(f"{record.platform}: {record.platform_title}", 200)]),
        *labelled("OPPs", [opps or "-"]),
        *labelled("runtime", [runtimes or "-"]),
        *labelled(
            "run",
            [
                f"precision {terminal_text(record.precision or 'of the file', 20)}, batch {record.batch}, "
                f"detail {terminal_text(record.detail, 20)}, socsim {terminal_text(record.version, 40)}"
            ],
        ),
        *labelled("calibration", [terminal_text(record.calibration, 120)] if record.calibration else []),
        *labelled("background", [f"{terminal_text(u, 20)} reads {format_rate(r)}" for u, r in record.background]),
    ]


def _speed(record: RunRecord) -> list[str]:
    each = f" for a batch of {record.batch}" if record.batch > 1 else ""
    return [
        *labelled("latency", [f"{format_time(record.latency_ps)}{each} ({range_words(record)})"]),
        *labelled("throughput", [f"{format_throughput(record)}, one run after the other"]),
    ]


def range_words(record: RunRecord) -> str:
    """Return how far a latency may be off, as far as that is known."""
    if record.calibration is None:
        return "range: not known, uncalibrated"
    if not record.calibrated or record.calibration_error is None:
        return "range: not known, calibrated on relatives"
    return f"calibrated, mean error {record.calibration_error:.0%} for networks left out of the fit"


def format_throughput(record: RunRecord) -> str:
    """Format inferences a second for people."""
    rate = throughput_per_s(record.batch, record.latency_ps)
    if rate is None:
        return "-"
    return f"{rate:,.0f} inferences/s" if rate >= 100 else f"{rate:.4g} inferences/s"


def static_pj(record: RunRecord) -> int:
    """Return the energy of power that flowed whether or not work was done."""
    return sum(account.energy_pj for account in record.energy if account.kind == "static")


def _energy(record: RunRecord) -> list[str]:
    each = f" for a batch of {record.batch}" if record.batch > 1 else ""
    static = format_share(static_pj(record), record.energy_pj)
    power = format_power(record.energy_pj, record.latency_ps)
    return labelled(
        "energy", [f"{format_energy(record.energy_pj)}{each}, average power {power}, static share {static}"]
    )


def _placement(record: RunRecord) -> list[str]:
    by_unit: dict[str, int] = {}
    for op in record.operators:
        by_unit[op.unit] = by_unit.get(op.unit, 0) + 1
    folded = sum(op.fused_into is not None for op in record.operators)
    counts = ", ".join(f"{terminal_text(unit, _NAME)} {count}" for unit, count in by_unit.items())
    note = f"; {folded} of them folded into others" if folded else ""
    why = _strategy(record) if record.placement else _moved(record)
    return labelled("placement", [f"{counts or '-'}{note}", *why])


def _strategy(record: RunRecord) -> list[str]:
    """Return what a strategy aimed at, what it expected, and how far that is from the best."""
    found = record.placement
    if found is None:
        return []
    is_energy = found.objective == "energy"
    show = format_energy if is_energy else format_time
    lines = [
        f"strategy {terminal_text(found.strategy, _NAME)} for {terminal_text(found.objective, 20)}: "
        f"{format_time(found.expected_ps)} and {format_energy(found.expected_pj)} expected where nothing is shared"
    ]
    if found.bound is not None and found.gap is not None:
        lines.append(f"at least {show(found.bound)} by any placement on these units, gap {found.gap:.1%}")
    if found.period_ps:
        lines.append(f"a result every {format_time(found.period_ps)} where inferences follow one another")
    if found.deadline_ps is not None:
        lines.append(
            f"deadline {format_time(found.deadline_ps)}, {format_time(found.deadline_ps - record.latency_ps)} left"
        )
    return lines


def _moved(record: RunRecord) -> list[str]:
    """Return one line for each reason why operators do not stand on the preferred unit.

    The first clause of a reason says why; what follows names the kernel found instead, type by type.
    """
    by_reason: dict[tuple[str, str], dict[str, int]] = {}
    for op in record.operators:
        if op.unit != record.preferred_unit and op.fused_into is None:
            types = by_reason.setdefault((op.unit, op.placement_reason.split("; ")[0]), {})
            types[op.type] = types.get(op.type, 0) + 1
    return [
        f"{sum(types.values())} on {terminal_text(unit, _NAME)}: {terminal_text(reason, 300)} ({_counted(types)})"
        for (unit, reason), types in by_reason.items()
    ]


def _counted(types: Mapping[str, int]) -> str:
    shown = [f"{count} {terminal_text(name, 40)}" for name, count in types.items()]
    more = [f"{len(shown) - _TYPES} other types"] if len(shown) > _TYPES else []
    return ", ".join([*shown[:_TYPES], *more])


def _memories(record: RunRecord) -> list[str]:
    rows = [
        (
            terminal_text(m.name, _NAME),
            f"{format_bytes(m.peak_bytes)} of {format_bytes(m.capacity_bytes)}",
            format_share(m.peak_bytes, m.capacity_bytes),
            format_bytes(m.weight_bytes),
            format_bytes(m.activation_peak_bytes),
            format_bytes(m.read_bytes),
            format_bytes(m.write_bytes),
        )
        for m in record.memories
    ]
    header = ("memory", "peak", "full", "weights", "activations", "read", "written")
    return text_table(header, rows, header[1:]) if rows else []


def costed(record: RunRecord) -> list[OperatorRecord]:
    """Return the operators that have a cost of their own, in order."""
    return [op for op in record.operators if op.latency_ps is not None]


def slowest(record: RunRecord, count: int) -> list[OperatorRecord]:
    """Return the operators that take longest, longest first; equal ones in order."""
    return sorted(costed(record), key=lambda op: -(op.latency_ps or 0))[:count]


def _top_operators(record: RunRecord) -> list[str]:
    top = slowest(record, _TOP)
    if not top:
        return []
    return [*_operator_lines(record, top, _TOP_COLUMNS), *labelled("bottleneck", [bottleneck(record)])]


def bottleneck(record: RunRecord) -> str:
    """Return in a sentence what the operators' time is bound by, by share of time."""
    by_bound: dict[str, int] = {}
    for op in costed(record):
        by_bound[op.bound or "nothing"] = by_bound.get(op.bound or "nothing", 0) + (op.latency_ps or 0)
    total = sum(by_bound.values())
    if not total:
        return "no operator takes time"
    ordered = sorted(by_bound.items(), key=lambda item: (-item[1], item[0]))
    (first, most), rest = ordered[0], ordered[1:]
    others = ", ".join(f"{terminal_text(name, 20)} {format_share(ps, total)}" for name, ps in rest if ps)
    sentence = f"{terminal_text(first, 20)} binds {format_share(most, total)} of the operators' time"
    return f"{sentence}; {others}" if others else sentence


def _remarks(record: RunRecord) -> list[str]:
    return [
        *labelled("provenance", [assumed_line(record)]),
        *labelled("overrides", [terminal_text(line, 300) for line in record.overrides]),
        *labelled("notes", [terminal_text(line, 500) for line in record.notes]),
        *labelled("warnings", [terminal_text(line, 500) for line in record.warnings]),
    ]


def assumed_line(record: RunRecord) -> str:
    """Return how many of the platform's numbers have no source, and where to see them."""
    check = f"socsim platforms check {terminal_text(record.platform, _NAME)}"
    total = plural(record.platform_numbers, "number")
    return f"{record.assumed_numbers} of {total} of the platform are assumed ({check})"


# --- operators ----------------------------------------------------------------------------------------


def _time(ps: int | None) -> str:
    return "-" if ps is None else format_time(ps)


def _bytes(count: int | None) -> str:
    return "-" if count is None else format_bytes(count)


_CELLS: dict[str, Callable[[OperatorRecord, RunRecord], str]] = {
    "operator": lambda op, _: str(op.index),
    "type": lambda op, _: terminal_text(op.type, 24),
    "name": lambda op, _: terminal_text(op.name, 34),
    "unit": lambda op, _: terminal_text(op.unit, 12),
    "latency": lambda op, _: _time(op.latency_ps),
    "share": lambda op, run: format_share(op.latency_ps or 0, run.latency_ps),
    "bound": lambda op, _: terminal_text(op.bound or "-", 10),
    "MACs": lambda op, _: format_count(op.macs) if op.macs else "-",
    "used": lambda op, _: "-" if op.utilisation is None else format_share(op.utilisation, 1),
    "external": lambda op, _: _bytes(op.dram_bytes),
}
_TOP_COLUMNS = ("operator", "type", "name", "latency", "share", "bound")
_RUN_COLUMNS = ("operator", "type", "unit", "latency", "share", "bound", "MACs", "used", "external")
_FLUSH_RIGHT = ("operator", "latency", "share", "MACs", "used", "external")


def _operator_lines(record: RunRecord, operators: Sequence[OperatorRecord], columns: Sequence[str]) -> list[str]:
    rows = [[_CELLS[name](op, record) for name in columns] for op in operators]
    return text_table(columns, rows, _FLUSH_RIGHT)


def operators_text(record: RunRecord, limit: int | None = None) -> str:
    """Return a compact table of the operators that have a cost, in order of their index.

    Args:
        record: the run.
        limit: how many rows, the slowest; None for all.
    """
    shown = slowest(record, len(record.operators) if limit is None else max(limit, 0))
    lines = _operator_lines(record, sorted(shown, key=lambda op: op.index), _RUN_COLUMNS)
    left = [op.latency_ps or 0 for op in costed(record)]
    hidden = len(left) - len(shown)
    if hidden:
        rest = sum(left) - sum(op.latency_ps or 0 for op in shown)
        lines.append(f"... and {plural(hidden, 'faster operator')} that take {format_time(rest)} together")
    folded = sum(op.latency_ps is None for op in record.operators)
    if folded:
        lines.append(f"{plural(folded, 'operator')} without a cost of their own, folded into others")
    return "\n".join(lines)


# --- explanation of one operator ----------------------------------------------------------------------


def explain(record: RunRecord, index: int) -> str:
    """Return the arithmetic behind the cost of an operator, and what would help.

    A folded operator is explained by the operator that carries its cost.

    Raises:
        IndexError: no such operator.
    """
    by_index = {op.index: op for op in record.operators}
    if index not in by_index:
        known = f"0 to {len(by_index) - 1}" if by_index else "none"
        msg = f"there is no operator {index}; this run has operators {known}"
        raise IndexError(msg)
    op = by_index[index]
    carrier = by_index.get(op.fused_into) if op.fused_into is not None else None
    if carrier is None:
        return "\n".join([*_header(op), *_cost(record, op)])
    lead = f"has no cost of its own: operator {carrier.index} {terminal_text(carrier.type, 40)} carries it"
    return "\n".join([*_header(op), *labelled("folded", [lead]), "", *_header(carrier), *_cost(record, carrier)])


def _header(op: OperatorRecord) -> list[str]:
    return [
        f"operator {op.index}  {terminal_text(op.type, 60)}",
        *labelled("name", [terminal_text(op.name, 300) or "-"]),
        *labelled("unit", [f"{terminal_text(op.unit, _NAME)}: {terminal_text(op.placement_reason, 500)}"]),
    ]


def _cost(record: RunRecord, op: OperatorRecord) -> list[str]:
    if op.latency_ps is None:
        return labelled("cost", ["none of its own"])
    share = format_share(op.latency_ps, record.latency_ps)
    bound = terminal_text(op.bound or "-", 20)
    found = next((e for e in record.explanations if e.operator == op.index), None)
    return [
        *labelled("latency", [f"{format_time(op.latency_ps)}, {share} of the run, bound by {bound}"]),
        *labelled("rate", _rates(op)),
        *labelled("energy", [format_energy(op.energy_pj or 0)]),
        *labelled("by unit", _alternatives(record, op.index)),
        *(_arithmetic(found) if found else []),
    ]


def _alternatives(record: RunRecord, index: int) -> list[str]:
    """Return what an operator's group takes on each unit by itself, or why it cannot run there."""
    rows = [row for row in (record.placement.alternatives if record.placement else ()) if row.operator == index]
    return [
        f"{terminal_text(row.unit, _NAME)}: "
        + (
            terminal_text(row.reason or "-", 300)
            if row.latency_ps is None
            else f"{format_time(row.latency_ps)}, {format_energy(row.energy_pj or 0)}, borders left out"
        )
        for row in rows
    ]


def _rates(op: OperatorRecord) -> list[str]:
    parts = []
    if op.macs and op.latency_ps:
        parts.append(f"{format_si(2 * op.macs * PS_PER_S / op.latency_ps, 'OP/s', digits=4)} attained")
    if op.utilisation is not None:
        parts.append(f"{format_share(op.utilisation, 1)} of the unit's peak")
    if op.arithmetic_intensity is not None:
        parts.append(f"{op.arithmetic_intensity:.4g} operations for each external byte")
    return [", ".join(parts)] if parts else []


def _arithmetic(found: Explanation) -> list[str]:
    return [
        *labelled("because", [terminal_text(term, 500) for term in found.terms]),
        *labelled("would help", [terminal_text(lever, 500) for lever in found.levers]),
    ]


def one_line(record: RunRecord) -> str:
    """Return a run in a line, for titles and comparisons."""
    line = f"{record.model} on {record.platform}"
    return terminal_text(line, WIDTH)
