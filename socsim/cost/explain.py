"""What an explanation says beside the cost model's own words: cycles, bytes, reuse, dispatch, energy, levers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import format_energy, format_si, format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.energy import TaskEnergy
    from socsim.cost.work import Kernel, Work

_LEVERS = {
    "dispatch": "fusing it into a neighbour, a larger batch, or a runtime with a shorter dispatch",
    "sync": "fewer cores, or staying on one unit",
    "memory": "fewer bytes (types, fusion, activations on chip), or a faster port or memory",
    "bus": "another arbitration, or less traffic of others meanwhile",
    "compute": "a higher clock, or a wider unit where its lanes are full",
}


def work_words(kernel: Kernel, work: Work, hz: int) -> tuple[str, ...]:
    """Return cycles by phase, bytes by memory, and how often what was moved is used."""
    phases = ", ".join(f"{phase.label} {phase.compute_cycles:,}" for phase in work.phases)
    count = sum(phase.compute_cycles for phase in work.phases)
    time = format_time(count * 10**12 // hz)
    lines = [f"cycles: {phases} = {count:,} at {format_si(hz, 'Hz', digits=4)} = {time}"] if count else []
    moved: dict[str, tuple[int, int]] = {}
    for transfer in (t for phase in work.phases for t in phase.transfers):
        read, written = moved.get(transfer.memory, (0, 0))
        moved[transfer.memory] = read + transfer.read_bytes, written + transfer.write_bytes
    parts = [f"{name} {read:,} read, {written:,} written" for name, (read, written) in sorted(moved.items())]
    lines.append(f"bytes: {'; '.join(parts)}" if parts else "bytes: none leave the unit")
    total = sum(read + written for read, written in moved.values())
    if kernel.macs and total:
        ideal = kernel.input_bytes + kernel.weight_bytes + kernel.output_bytes
        times = total / max(1, ideal)
        lines.append(
            f"reuse: {kernel.macs / total:.4g} MACs for each byte moved; operands move {times:.3g} times on average"
        )
    return tuple(lines)


def dispatch_words(dispatch_ps: int, setup_ps: int, runtime: str) -> tuple[str, ...]:
    """Return who takes the time before an operator begins."""
    if not dispatch_ps:
        return ()
    host = dispatch_ps - setup_ps
    return (f"dispatch: {format_time(host)} of {runtime} on the host, {format_time(setup_ps)} of set-up by the unit",)


def energy_words(energy: TaskEnergy) -> tuple[str, ...]:
    """Return which parts spend an operator's energy."""
    parts = [("the unit", energy.unit), *energy.memories, *energy.links]
    shown = ", ".join(f"{name} {format_energy(pj)}" for name, pj in parts if pj)
    return (f"energy: {shown}",) if shown else ()


def lever_words(bound: str, parts_ps: Mapping[str, int], total_ps: int) -> tuple[str, ...]:
    """Return what helps against what binds an operator, and how much it could gain.

    Args:
        bound: the cause: compute, memory, bus, dispatch or sync.
        parts_ps: time by cause.
        total_ps: the operator's time.
    """
    part = parts_ps.get(bound, 0)
    if not part:
        return ()
    rest = format_time(total_ps - part)
    return (f"{_LEVERS[bound]}: {bound} is {format_time(part)} of {format_time(total_ps)}, without it {rest}",)
