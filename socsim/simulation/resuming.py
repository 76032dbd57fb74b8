"""What it costs to go on with a network that was interrupted: state that was saved and is loaded again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.memo import Same
from socsim.quantities import PS_PER_S, ceil_div
from socsim.schedule.lives import lives_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.costing import Prepared
    from socsim.engine.simulation import Job


def resume_ps(prepared: Prepared, jobs: Sequence[Job]) -> int:
    """Return the time to save, load and submit again where consecutive operators of a unit are interrupted.

    The activations that lie on chip between two operators, at their fullest, are written to the memory outside and
    read back at the rates of the unit's port; then the rest is submitted like a run of its own. A unit that keeps its
    activations outside, or has no memory outside, leaves them where they are. Threads of a processor go on at once:
    what changing threads takes is the server's.

    Assumes: another network takes all of the on-chip memory, and nothing of saving hides behind its work.
    """
    unit = jobs[0].unit
    plan = prepared.plan
    platform = plan.platform
    if len(jobs) == 1 or platform.unit(unit).kind in {"cpu", "sensing_hub"}:
        return 0
    submitted = plan.runtimes[unit].submit.value
    held = _held_bytes(prepared, jobs)
    outer = platform.outer_memory(unit)
    if not held or not platform.memories[outer].is_external:
        return submitted
    port, memory = platform.port_rates(unit, outer, plan.cores[unit]), platform.memories[outer]
    saving = ceil_div(held * PS_PER_S, max(1, min(port.write, memory.write_bytes_per_s)))
    loading = ceil_div(held * PS_PER_S, min(port.read, memory.read_bytes_per_s))
    return submitted + saving + loading


def _held_bytes(prepared: Prepared, jobs: Sequence[Job]) -> int:
    """Return the bytes of activations that lie on chip at the fullest border between jobs."""
    plan = prepared.plan
    inside = {key for key, place in plan.memory.places.items() if not plan.platform.memories[place.memory].is_external}
    if not inside:
        return 0
    lives = plan.graph.memo.get(("lives", Same(plan.tasks), plan.batch), lambda: lives_of(plan.tasks, plan.batch))
    change: dict[int, int] = {}
    for life in lives.rows:
        if life.key in inside and not lives.sharers[life.sharers].constant:
            change[life.first + 1] = change.get(life.first + 1, 0) + life.bytes
            change[life.last + 1] = change.get(life.last + 1, 0) - life.bytes
    borders = {job.key for job in jobs[1:]}
    most = held = 0
    for position in range(max(borders) + 1):
        held += change.get(position, 0)
        most = max(most, held) if position in borders else most
    return most
