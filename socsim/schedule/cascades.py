"""Cascades: operators that run stripe by stripe in turn, so that what lies between them is held in part.

Source: cascading in Arm Vela 5.2.0 (ethos-u-vela on PyPI, ethosu/regor/compiler/cascade_builder.cpp): rolling buffers
between the operators of a chain, weights fetched again for each stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.quantities import ceil_div
from socsim.schedule.tasks import graph_layout
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.cost.memory_plan import MemoryPlan
    from socsim.schedule.homes import Homes
    from socsim.schedule.tasks import Task, TaskGraph

_SLIDING = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"})
HEIGHTS = (64, 32, 16, 8, 4, 2)
"""Rows of the last result in a stripe that are tried, tallest first: few stripes fetch weights least."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Tasks that run stripe by stripe in turn.

    Args:
        first: position of its first task.
        last: position of its last task.
        stripes: stripes that the last result is made in.
        held: share of each tensor between its tasks that is held at once, as rows and rows in all, by storage.
    """

    first: int
    last: int
    stripes: int
    held: Mapping[int, tuple[int, int]]

    @property
    def positions(self) -> range:
        """Positions of its tasks."""
        return range(self.first, self.last + 1)


@dataclass(frozen=True, slots=True)
class Chain:
    """Tasks of which each hands its result, row by row, to the next alone, as positions.

    Args:
        spilled: first and last task between which results lie off chip.
        whole: first and last task of all.
    """

    spilled: tuple[int, int]
    whole: tuple[int, int]


def chains(tasks: TaskGraph, homes: Homes, plan: MemoryPlan | None) -> list[Chain]:
    """Return the chains of tasks that could run as cascades: those in which a plan leaves a result off chip.

    Only units that can cascade have any. Without a plan, because nothing fits, every chain is returned.
    """
    joined: list[list[int]] = []
    for before in tasks.tasks[:-1]:
        if not _is_joined(tasks, homes, before):
            continue
        if not joined or joined[-1][-1] != before.position - 1:
            joined.append([])
        joined[-1].append(before.position)
    found = []
    for positions in joined:
        spilled = [p for p in positions if plan is None or not _is_on_chip(homes, plan, tasks.tasks[p].outputs[0])]
        if spilled:
            found.append(Chain((spilled[0], spilled[-1] + 1), (positions[0], positions[-1] + 1)))
    return found


def _is_joined(tasks: TaskGraph, homes: Homes, before: Task) -> bool:
    """Whether a task hands its result to the next task alone, row by row."""
    after = tasks.tasks[before.position + 1]
    if before.unit != after.unit or not homes.units[before.unit].cascades:
        return False
    if len(before.outputs) != 1 or not (_is_striped(tasks, before) and _is_striped(tasks, after)):
        return False
    tensor = before.outputs[0]
    readers = {tasks.task_of.get(reader) for reader in tasks.graph.consumers.get(tensor, ())}
    return tensor in before.private and tensor not in tasks.storage and readers == {after.position}


def _is_on_chip(homes: Homes, plan: MemoryPlan, key: int) -> bool:
    return plan.places[key].memory not in homes.off_chip


def _is_striped(tasks: TaskGraph, task: Task) -> bool:
    """Whether rows of a task's result depend on few rows of its inputs."""
    shapes = [tasks.graph.tensors[t].shape for t in (*task.inputs, *task.outputs)]
    if any(len(shape) not in {3, 4} for shape in shapes):
        return False
    if task.root.type in _SLIDING:
        return True
    return task.root.category is Category.ELEMENTWISE and len(set(shapes)) == 1


def cascade_of(tasks: TaskGraph, ends: tuple[int, int], height: int) -> Cascade:
    """Return the cascade from one task to another whose last result is made `height` rows at a time."""
    first, last = ends
    rows = _rows(tasks, last)
    made = min(height, rows)
    stripes = ceil_div(rows, made)
    held = {}
    for position in range(last, first, -1):
        task, between = tasks.tasks[position], tasks.tasks[position - 1].outputs[0]
        whole = _rows(tasks, position - 1)
        stride, reach = _window(task)
        held[between] = min(whole, (made - 1) * stride + reach), whole
        made = min(whole, made * stride)
    return Cascade(first, last, stripes, held)


def _rows(tasks: TaskGraph, position: int) -> int:
    """Return the rows of a task's result."""
    axis = -2 if graph_layout(tasks.graph) == "NCHW" else -3
    return tasks.graph.tensors[tasks.tasks[position].outputs[0]].shape[axis]


def _window(task: Task) -> tuple[int, int]:
    """Return stride and reach of a task along rows."""
    root = task.root
    if root.loops:
        nest = root.loops[0]
        return nest.stride_h, (nest.r - 1) * nest.dilation_h + 1
    return root.attributes.get("strides", (1, 1))[0], root.attributes.get("kernel", (1, 1))[0]


def on_chip(cascade: Cascade, homes: Homes, plan: MemoryPlan) -> bool:
    """Whether a plan holds everything between the tasks of a cascade on chip."""
    return all(_is_on_chip(homes, plan, key) for key in cascade.held)


def repays(cascade: Cascade, tasks: TaskGraph, homes: Homes, plan: MemoryPlan) -> bool:
    """Whether a cascade keeps more bytes on chip than it fetches again.

    Args:
        cascade: the tasks; their weights come once for each stripe.
        tasks: of the network.
        homes: memories by unit.
        plan: without the cascade; what it leaves off chip is written once and read once.
    """
    stored = tasks.stored[tasks.tasks[cascade.first].unit]
    kept = sum(2 * stored[key] for key in cascade.held if not _is_on_chip(homes, plan, key))
    weights = {t for position in cascade.positions for t in tasks.tasks[position].weights}
    again = sum(stored[t] for t in weights if not _is_on_chip(homes, plan, t))
    return (cascade.stripes - 1) * again <= kept


def stripes_by_task(cascades: Sequence[Cascade]) -> dict[int, int]:
    """Return the stripes of each task that belongs to a cascade, by position."""
    return {position: cascade.stripes for cascade in cascades for position in cascade.positions}
