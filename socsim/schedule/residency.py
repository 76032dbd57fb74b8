"""Which memories each tensor may lie in, and for how long."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from socsim.cost.memory_plan import Buffer, MemoryPlan, plan_memory
from socsim.errors import InfeasibleError
from socsim.memo import Same
from socsim.quantities import ceil_div
from socsim.schedule.cascades import HEIGHTS, cascade_of, chains, on_chip
from socsim.schedule.homes import Homes
from socsim.schedule.tasks import stored_bytes
from socsim.workload.graph import TensorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from socsim.schedule.cascades import Cascade, Chain
    from socsim.schedule.tasks import Task, TaskGraph
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime


def plan_residency(
    tasks: TaskGraph, platform: Platform, runtimes: Mapping[str, Runtime], batch: int
) -> tuple[MemoryPlan, tuple[Cascade, ...]]:
    """Return a place for every tensor that crosses a task's border, and the tasks that run as cascades.

    What would lie off chip between tasks of a unit that can cascade is held in part where its parts find room
    on chip: in the tallest stripes that do, of the fewest tasks. Where nothing fits as a whole, every chain of
    tasks that can is cascaded. Platforms with equal memories share the answer.

    Raises:
        InfeasibleError: no memory of a unit has room, or two units share no memory.
    """
    homes = Homes.of(platform)
    by_unit = tuple((unit, Same(runtime)) for unit, runtime in runtimes.items())
    key = "residency", Same(tasks), homes, by_unit, batch
    return tasks.graph.memo.get(key, lambda: _plan_all(tasks, homes, runtimes, batch))


def _plan_all(
    tasks: TaskGraph, homes: Homes, runtimes: Mapping[str, Runtime], batch: int
) -> tuple[MemoryPlan, tuple[Cascade, ...]]:
    def plan_with(cascades: Sequence[Cascade]) -> MemoryPlan:
        return _plan(tasks, homes, runtimes, batch, cascades)

    try:
        plan = plan_with(())
    except InfeasibleError:
        found = _cascades(tasks, homes, chains(tasks, homes, None), plan_with)
        if not found:
            raise
        return plan_with(found), found
    found = _cascades(tasks, homes, chains(tasks, homes, plan), plan_with)
    return (plan_with(found), found) if found else (plan, ())


def _cascades(
    tasks: TaskGraph,
    homes: Homes,
    waiting: list[Chain],
    plan_with: Callable[[Sequence[Cascade]], MemoryPlan],
) -> tuple[Cascade, ...]:
    """Return the cascades of chains that find room on chip."""
    taken: list[Cascade] = []
    for is_whole, height in [(is_whole, height) for is_whole in (False, True) for height in HEIGHTS]:
        if not waiting:
            break
        tried = [cascade_of(tasks, c.whole if is_whole else c.spilled, height) for c in waiting]
        try:
            plan = plan_with((*taken, *tried))
        except InfeasibleError:
            continue
        fits = [cascade.stripes > 1 and on_chip(cascade, homes, plan) for cascade in tried]
        taken += [cascade for cascade, does in zip(tried, fits, strict=True) if does]
        waiting = [chain for chain, does in zip(waiting, fits, strict=True) if not does]
    return tuple(sorted(taken, key=lambda cascade: cascade.first))


def _plan(
    tasks: TaskGraph,
    homes: Homes,
    runtimes: Mapping[str, Runtime],
    batch: int,
    cascades: Sequence[Cascade],
) -> MemoryPlan:
    """Return a place for every tensor that crosses a task's border.

    Units work side by side, so a tensor keeps its place until every task that could run beside its users
    or before them has been dealt with: a later tensor may lie there only if its maker waits, directly or not,
    for all of them. What a cascade touches lives as long as the cascade.
    """
    lives: dict[int, _Life] = {}
    until = last_beside(tasks)
    for task in tasks.tasks:
        for tensor in (*task.inputs, *task.outputs, *task.weights):
            _note(lives, tasks, task, tensor, runtimes[task.unit], batch, until)
    for cascade in cascades:
        _hold(lives, tasks, cascade)
    end = len(tasks.tasks)
    states = (t.index for t in tasks.graph.tensors if t.kind is TensorKind.VARIABLE)
    for tensor in (*tasks.graph.outputs, *states):
        key = tasks.storage.get(tensor, tensor)
        if key in lives:
            lives[key].last = end
    outer = {tasks.storage.get(t, t) for t in (*tasks.graph.inputs, *tasks.graph.outputs)}
    for key in outer & lives.keys():
        lives[key].is_boundary = True
    buffers = [life.buffer(key, tasks, homes, runtimes) for key, life in sorted(lives.items()) if life.bytes]
    return plan_memory(buffers, dict(homes.rooms), end + 1)


def _hold(lives: Mapping[int, _Life], tasks: TaskGraph, cascade: Cascade) -> None:
    """Keep what a cascade touches for all of its tasks, and what lies between them in part."""
    for position in cascade.positions:
        task = tasks.tasks[position]
        for tensor in (*task.inputs, *task.outputs):
            life = lives[tasks.storage.get(tensor, tensor)]
            life.first = min(life.first, cascade.first)
            life.last = max(life.last, cascade.last)
    for key, (rows, whole) in cascade.held.items():
        lives[key].bytes = ceil_div(lives[key].bytes * rows, whole)


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
        self.is_boundary = False
        self.bytes = 0
        self.first = -1
        self.last = -1
        self.units: dict[str, None] = {}

    def buffer(self, key: int, tasks: TaskGraph, homes: Homes, runtimes: Mapping[str, Runtime]) -> Buffer:
        name = tasks.graph.tensors[key].name
        memories = self._allowed(homes, runtimes)
        if not memories:
            role = "weights" if self.constant else "activations"
            msg = (
                f"tensor {name!r} is used by {', '.join(self.units)}, which share no memory for {role}; "
                f"add one to their `{role}` in platform {homes.platform!r}"
            )
            raise InfeasibleError(msg)
        return Buffer(key, name, self.bytes, self.first, self.last, memories, self.constant)

    def _allowed(self, homes: Homes, runtimes: Mapping[str, Runtime]) -> tuple[str, ...]:
        """Return the memories that every unit can use, in the first unit's order."""
        first, *others = (homes.units[u].memories(constant=self.constant) for u in self.units)
        names = tuple(m for m in first if all(m in other for other in others))
        is_outside = self.is_boundary and any(runtimes[u].boundary == "off_chip" for u in self.units)
        if not self.constant and (is_outside or not all(runtimes[u].resident for u in self.units)):
            return tuple(m for m in names if m in homes.off_chip) or names
        return names


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
