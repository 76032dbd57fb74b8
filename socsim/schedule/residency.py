"""Which memories each tensor may lie in, and for how long."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from socsim.cost.memory_plan import Buffer, MemoryPlan, plan_memory
from socsim.errors import InfeasibleError
from socsim.schedule.tasks import stored_bytes
from socsim.soc.schema import SensingHub
from socsim.workload.graph import TensorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.schedule.tasks import Task, TaskGraph
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime


def plan_residency(tasks: TaskGraph, platform: Platform, runtimes: Mapping[str, Runtime], batch: int) -> MemoryPlan:
    """Return a place for every tensor that crosses a task's border.

    Units work side by side, so a tensor keeps its place until every task that could run beside its users
    or before them has been dealt with: a later tensor may lie there only if its maker waits, directly or not,
    for all of them.

    Raises:
        InfeasibleError: no memory of a unit has room, or two units share no memory.
    """
    lives: dict[int, _Life] = {}
    until = last_beside(tasks)
    for task in tasks.tasks:
        for tensor in (*task.inputs, *task.outputs, *task.weights):
            _note(lives, tasks, task, tensor, runtimes[task.unit], batch, until)
    end = len(tasks.tasks)
    states = (t.index for t in tasks.graph.tensors if t.kind is TensorKind.VARIABLE)
    for tensor in (*tasks.graph.outputs, *states):
        key = tasks.storage.get(tensor, tensor)
        if key in lives:
            lives[key].last = end
    buffers = [life.buffer(key, tasks, platform, runtimes) for key, life in sorted(lives.items()) if life.bytes]
    return plan_memory(buffers, _capacities(platform), end + 1)


def last_beside(tasks: TaskGraph) -> list[int]:
    """Return for each task the last position whose task need not wait for it; its own where all later ones do.

    Tasks of one unit run in order, so what a task waits for is one position on each unit.
    """
    waits: list[dict[str, int]] = []
    newest: dict[str, int] = {}
    for task in tasks.tasks:
        own = newest.get(task.unit)
        found: dict[str, int] = {}
        for before in (*tasks.before[task.position], *(() if own is None else (own,))):
            _raise(found, {**waits[before], tasks.tasks[before].unit: before})
        waits.append(found)
        newest[task.unit] = task.position
    floors = {unit: _running_minimum([w.get(unit, -1) for w in waits]) for unit in newest}
    return [bisect_left(floors[task.unit], task.position) - 1 for task in tasks.tasks]


def _raise(levels: dict[str, int], to: Mapping[str, int]) -> None:
    for unit, position in to.items():
        levels[unit] = max(levels.get(unit, -1), position)


def _running_minimum(values: list[int]) -> list[int]:
    """Return the least value from each index on."""
    return list(accumulate(reversed(values), min))[::-1]


class _Life:
    """What tasks do with one storage: its size, its first and last task, and the units that touch it."""

    def __init__(self, *, constant: bool) -> None:
        self.constant = constant
        self.bytes = 0
        self.first = -1
        self.last = -1
        self.units: dict[str, None] = {}

    def buffer(self, key: int, tasks: TaskGraph, platform: Platform, runtimes: Mapping[str, Runtime]) -> Buffer:
        name = tasks.graph.tensors[key].name
        role = "weights" if self.constant else "activations"
        memories = _allowed(list(self.units), role, platform, runtimes)
        if not memories:
            msg = (
                f"tensor {name!r} is used by {', '.join(self.units)}, which share no memory for {role}; "
                f"add one to their `{role}` in platform {platform.name!r}"
            )
            raise InfeasibleError(msg)
        return Buffer(key, name, self.bytes, self.first, self.last, memories, self.constant)


def _note(
    lives: dict[int, _Life], tasks: TaskGraph, task: Task, tensor: int, runtime: Runtime, batch: int, until: list[int]
) -> None:
    described = tasks.graph.tensors[tensor]
    key = tasks.storage.get(tensor, tensor)
    life = lives.setdefault(key, _Life(constant=described.is_constant))
    life.bytes = max(life.bytes, stored_bytes(described, runtime) * (1 if described.is_constant else batch))
    if tensor in task.outputs and life.first < 0 and not life.units:
        life.first = task.position
    life.last = max(life.last, until[task.position])
    life.units[task.unit] = None


def _allowed(units: list[str], role: str, platform: Platform, runtimes: Mapping[str, Runtime]) -> tuple[str, ...]:
    """Return the memories that every unit can use, in the first unit's order."""
    names = [
        m for m in getattr(platform.unit(units[0]), role) if all(m in getattr(platform.unit(u), role) for u in units)
    ]
    if role == "activations" and not all(runtimes[u].resident for u in units):
        off_chip = [m for m in names if platform.memories[m].kind != "sram"]
        names = off_chip or names
    return tuple(names)


def _capacities(platform: Platform) -> dict[str, int]:
    """Return the bytes of each memory that networks may use."""
    room = {name: memory.bytes for name, memory in platform.memories.items()}
    for unit in platform.units.values():
        if isinstance(unit, SensingHub):
            home = unit.activations[0]
            room[home] = max(0, room[home] - unit.reserved.value)
    return room
