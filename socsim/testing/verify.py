"""An independent check of a run: what a record says must be possible and must add up.

Everything is computed from the record alone and shares no code with what wrote it.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from socsim.errors import SimulationError, join_faults
from socsim.records import LATENCY_PARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from socsim.records import LinkRecord, MemoryRecord, OperatorRecord, RunRecord
    from socsim.workload.graph import Graph

_PS_PER_S = 10**12
_COSTS = (
    "start_ps", "end_ps", "latency_ps", *LATENCY_PARTS, "bound", "executed_macs", "utilisation", "arithmetic_intensity",
    "read_bytes", "write_bytes", "weight_bytes", "dram_bytes", "energy_pj", "overlapped_ps",
)  # fmt: skip
_MAY_LACK = frozenset({"utilisation", "arithmetic_intensity"})
_TWO_PORTS = frozenset({"sram", "system_cache"})
"""Kinds of memory that read and write at once."""
_ROUNDING = 1e-6
"""Relative slack for ratios that a record holds as floating-point numbers."""


def verify(record: RunRecord, graph: Graph | None = None) -> list[str]:
    """Return every violation in a record, in words; an empty list where all is well.

    Exact: parts of latencies, exclusive units, busy and idle time, bytes, energies, order in time. Rates
    may exceed a peak only by what integers round: one multiply-accumulate a second for a unit, one byte
    a second for each initiator of a memory or link (the simulation grants everyone at least that).

    Args:
        record: what a run left behind.
        graph: the network; where given, no consumer may start before its producers end.
    """
    found = [fault for rule in _RULES for fault in rule(record)]
    if graph is not None:
        found += _precedence(record, graph)
    return found


def check(record: RunRecord, graph: Graph | None = None) -> None:
    """Refuse a record that contradicts itself; arguments are those of `verify`.

    Raises:
        SimulationError: all violations.
    """
    found = verify(record, graph)
    if found:
        raise SimulationError(join_faults(f"run of {record.model!r} on {record.platform!r}", found))


# --- operators ----------------------------------------------------------------------------------------


def _costed(record: RunRecord) -> list[OperatorRecord]:
    return [row for row in record.operators if row.start_ps is not None]


def _name(row: OperatorRecord) -> str:
    return f"operator {row.index} {row.type}"


def _rows(record: RunRecord) -> Iterator[str]:
    """A row has all of its costs, or none of them and a reason."""
    for position, row in enumerate(record.operators):
        if row.index != position:
            yield f"{_name(row)}: stands in row {position}"
        present = [c for c in _COSTS if getattr(row, c) is not None]
        missing = [c for c in _COSTS if getattr(row, c) is None and c not in _MAY_LACK]
        if row.start_ps is None and present:
            yield f"{_name(row)}: is folded, yet has {', '.join(present)}"
        if row.start_ps is not None and (missing or row.fused_into is not None):
            yield f"{_name(row)}: is costed, yet lacks {', '.join(missing) or 'independence (fused_into)'}"
        if not row.placement_reason:
            yield f"{_name(row)}: has no placement reason"


def _folded(record: RunRecord) -> Iterator[str]:
    for row in record.operators:
        if row.start_ps is not None or row.fused_into is None:
            continue
        known = 0 <= row.fused_into < len(record.operators)
        if not known or record.operators[row.fused_into].start_ps is None:
            yield f"{_name(row)}: folded into {row.fused_into}, which carries no cost"


def _latencies(record: RunRecord) -> Iterator[str]:
    for row in _costed(record):
        parts = [int(getattr(row, part) or 0) for part in LATENCY_PARTS]
        start, end = row.start_ps or 0, row.end_ps or 0
        if min(parts) < 0 or start < 0 or end > record.latency_ps:
            yield f"{_name(row)}: runs from {start} to {end} ps in parts {parts}, outside 0 to {record.latency_ps} ps"
        if not sum(parts) == row.latency_ps == end - start:
            yield f"{_name(row)}: parts add up to {sum(parts)} ps, latency {row.latency_ps}, end - start {end - start}"
    last = max((row.end_ps or 0 for row in _costed(record)), default=0)
    if last != record.latency_ps:
        yield f"latency is {record.latency_ps} ps, but the last operator ends at {last} ps"


def _utilisations(record: RunRecord) -> Iterator[str]:
    for row in _costed(record):
        if row.utilisation is not None and not 0 < row.utilisation <= 1 + _ROUNDING:
            yield f"{_name(row)}: utilisation {row.utilisation} is not above 0 and at most 1"


def _counts(record: RunRecord) -> Iterator[str]:
    nominal = sum(row.macs for row in _costed(record))
    if nominal != record.macs:
        yield f"operators have {nominal} MACs, the network {record.macs}"
    for unit in record.units:
        done = sum(row.executed_macs or 0 for row in _costed(record) if row.unit == unit.name)
        if done != unit.executed_macs:
            yield f"unit {unit.name}: executed {unit.executed_macs} MACs, its operators {done}"


def _something_costs(record: RunRecord) -> Iterator[str]:
    """Arithmetic takes time and energy, and so do bytes; no run of either is free."""
    for row in _costed(record):
        moved = (row.read_bytes or 0) + (row.write_bytes or 0)
        if (row.macs or moved) and not (row.latency_ps and row.energy_pj):
            yield f"{_name(row)}: {row.macs} MACs and {moved} B take {row.latency_ps} ps and {row.energy_pj} pJ"
        if row.macs and not (row.compute_ps and row.executed_macs):
            yield f"{_name(row)}: {row.macs} MACs take {row.compute_ps} ps of compute"


# --- units --------------------------------------------------------------------------------------------


def _exclusive(record: RunRecord) -> Iterator[str]:
    for unit in record.units:
        rows = [row for row in _costed(record) if row.unit == unit.name]
        rows.sort(key=lambda row: (row.start_ps or 0, row.end_ps or 0))
        for before, after in pairwise(rows):
            if (after.start_ps or 0) < (before.end_ps or 0):
                yield (
                    f"unit {unit.name}: {_name(after)} starts at {after.start_ps} ps, before {_name(before)} ends at "
                    f"{before.end_ps} ps"
                )


def _occupation(record: RunRecord) -> Iterator[str]:
    for name in sorted({row.unit for row in _costed(record)} - {unit.name for unit in record.units}):
        yield f"unit {name}: has operators, but no record"
    for unit in record.units:
        busy = sum(row.latency_ps or 0 for row in _costed(record) if row.unit == unit.name)
        if busy != unit.busy_ps or unit.idle_ps < 0 or unit.busy_ps + unit.idle_ps != record.latency_ps:
            yield (
                f"unit {unit.name}: busy {unit.busy_ps} ps (its operators {busy} ps) + idle {unit.idle_ps} ps is not "
                f"the makespan of {record.latency_ps} ps"
            )
        if unit.peak_macs_per_s is not None and unit.executed_macs * _PS_PER_S > (unit.peak_macs_per_s + 1) * busy:
            yield f"unit {unit.name}: {unit.executed_macs} MACs in {busy} ps exceed {unit.peak_macs_per_s} a second"


def _timeline(record: RunRecord) -> Iterator[str]:
    """Slices lie within their operators, and one after the other on each track."""
    tracks: dict[tuple[str, str], int] = {}
    moved: Counter[int] = Counter()
    for part in sorted(record.slices, key=lambda s: (s.start_ps, s.end_ps)):
        row = record.operators[part.operator]
        moved[part.operator] += part.read_bytes + part.write_bytes
        if not (row.start_ps or 0) <= part.start_ps <= part.end_ps <= (row.end_ps or 0):
            yield f"slice {part.label!r}: {part.start_ps} to {part.end_ps} ps lies outside {_name(row)}"
        track = (part.unit, part.track)
        if part.start_ps < tracks.get(track, 0):
            yield f"slice {part.label!r}: starts at {part.start_ps} ps, beside another on track {' '.join(track)}"
        tracks[track] = part.end_ps
    for row in _costed(record):
        if record.slices and moved[row.index] != (row.read_bytes or 0) + (row.write_bytes or 0):
            yield f"{_name(row)}: slices move {moved[row.index]} B, the operator {row.read_bytes} + {row.write_bytes} B"


# --- bytes --------------------------------------------------------------------------------------------


def _rates(record: RunRecord) -> Iterator[str]:
    for memory in record.memories:
        if memory.peak_bytes > memory.capacity_bytes:
            yield f"memory {memory.name}: holds {memory.peak_bytes} B of {memory.capacity_bytes} B"
        if memory.weight_bytes + memory.activation_peak_bytes != memory.peak_bytes:
            yield f"memory {memory.name}: weights and activations are not the peak of {memory.peak_bytes} B"
        moved = memory.read_bytes + (memory.write_bytes if memory.kind not in _TWO_PORTS else 0)
        yield from _too_fast(f"memory {memory.name}", record, memory, moved)
    for link in record.links:
        yield from _too_fast(f"link {link.name}", record, link, max(link.read_bytes, link.write_bytes))
    yield from _granted(record)


def _granted(record: RunRecord) -> Iterator[str]:
    """No rate exceeds what a channel, or the pins that both directions share, can carry.

    A record does not hold the write rate of memories; pins that are shared write no faster than they read,
    and the write port of SRAM is left out.
    """
    peaks: dict[str, tuple[int, int]] = {}
    parts: list[MemoryRecord | LinkRecord] = [*record.memories, *record.links]
    for part in parts:
        separate = getattr(part, "kind", None) in _TWO_PORTS
        for direction in ("", ".read") if separate else ("", ".read", ".write"):
            peaks[f"{part.name}{direction}"] = (part.bytes_per_s, len(part.initiators))
    for change in record.rates:
        peak, sharers = peaks.get(change.resource, (None, 0))
        if peak is not None and change.bytes_per_s > peak + sharers:
            yield f"{change.resource}: {change.bytes_per_s} B/s granted at {change.time_ps} ps, of {peak} B/s"


def _too_fast(what: str, record: RunRecord, part: LinkRecord | MemoryRecord, moved: int) -> Iterator[str]:
    booked = sum(amount for _, amount in part.initiators)
    if booked != part.read_bytes + part.write_bytes:
        yield f"{what}: initiators moved {booked} B, the books say {part.read_bytes} + {part.write_bytes} B"
    if not 0 <= part.busy_ps <= record.latency_ps:
        yield f"{what}: busy {part.busy_ps} ps of {record.latency_ps} ps"
    if moved * _PS_PER_S > (part.bytes_per_s + len(part.initiators)) * part.busy_ps:
        yield f"{what}: {moved} B in {part.busy_ps} ps exceed {part.bytes_per_s} B/s"


def _bytes_by_initiator(record: RunRecord) -> Iterator[str]:
    """What operators and background moved is what memories saw of a unit; links see no more than that."""
    wanted: Counter[str] = Counter()
    for row in _costed(record):
        wanted[row.unit] += (row.read_bytes or 0) + (row.write_bytes or 0)
    booked: Counter[str] = Counter()
    for memory in record.memories:
        booked.update(dict(memory.initiators))
    for unit in sorted({*wanted, *booked}):
        right = booked[unit] >= wanted[unit] if unit in dict(record.background) else booked[unit] == wanted[unit]
        if not right:
            yield f"unit {unit}: operators move {wanted[unit]} B, memories booked {booked[unit]} B"
    for link in record.links:
        for unit, amount in link.initiators:
            if amount > booked[unit]:
                yield f"link {link.name}: {amount} B for {unit}, whose memories moved {booked[unit]} B"


def _external(record: RunRecord) -> Iterator[str]:
    outside = [dict(memory.initiators) for memory in record.memories if memory.is_external]
    for unit in record.units:
        wanted = sum(row.dram_bytes or 0 for row in _costed(record) if row.unit == unit.name)
        booked = sum(table.get(unit.name, 0) for table in outside)
        if booked != wanted and unit.name not in dict(record.background):
            yield f"unit {unit.name}: operators move {wanted} B off chip, memories booked {booked} B"


# --- energy -------------------------------------------------------------------------------------------


def _energies(record: RunRecord) -> Iterator[str]:
    total = sum(account.energy_pj for account in record.energy)
    if total != record.energy_pj or any(account.energy_pj < 0 for account in record.energy):
        yield f"energy accounts add up to {total} pJ, the total is {record.energy_pj} pJ"
    work = sum(account.energy_pj for account in record.energy if account.kind != "static")
    spent = sum(row.energy_pj or 0 for row in _costed(record))
    if work != spent:
        yield f"operators spent {spent} pJ, units, memories and links {work} pJ"
    accounts = {(account.kind, account.name): account.energy_pj for account in record.energy}
    parts = [("unit", part.name, part.energy_pj) for part in record.units]
    parts += [("memory", part.name, part.energy_pj) for part in record.memories]
    parts += [("link", part.name, part.energy_pj) for part in record.links]
    for kind, name, energy in parts:
        if accounts.get((kind, name), 0) != energy:
            yield f"{kind} {name}: spent {energy} pJ, its account says {accounts.get((kind, name), 0)} pJ"


# --- order --------------------------------------------------------------------------------------------


def _precedence(record: RunRecord, graph: Graph) -> Iterator[str]:
    """No consumer starts before its producers end, also through operators that cost nothing."""
    if len(graph.operators) != len(record.operators):
        yield f"the graph has {len(graph.operators)} operators, the record {len(record.operators)}"
        return
    ready: dict[int, int] = {}
    for op in graph.operators:
        row = record.operators[op.index]
        carrier = record.operators[row.fused_into] if row.fused_into is not None else row
        for tensor in op.inputs:
            producer = graph.producers.get(tensor) if tensor is not None else None
            if producer is None or carrier.start_ps is None or _carrier(record, producer) == carrier.index:
                continue
            if ready[producer] > carrier.start_ps:
                yield (
                    f"{_name(row)}: starts at {carrier.start_ps} ps, its operand from operator {producer} is ready at "
                    f"{ready[producer]} ps"
                )
        before = [ready[graph.producers[t]] for t in op.inputs if t is not None and t in graph.producers]
        ready[op.index] = max(before, default=0) if carrier.end_ps is None else carrier.end_ps


def _carrier(record: RunRecord, index: int) -> int:
    into = record.operators[index].fused_into
    return index if into is None else into


_RULES: tuple[Callable[[RunRecord], Iterator[str]], ...] = (
    _rows, _folded, _latencies, _utilisations, _counts, _something_costs, _exclusive, _occupation, _timeline,
    _rates, _bytes_by_initiator, _external, _energies,
)  # fmt: skip
