"""From which task until which each tensor lies somewhere, and who touches it: known before any memory is."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from socsim.quantities import ceil_div
from socsim.schedule.order import waits
from socsim.workload.graph import TensorKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.schedule.cascades import Cascade
    from socsim.schedule.tasks import TaskGraph


@dataclass(frozen=True, slots=True)
class Sharers:
    """Who touches some tensors: all that decides, with a platform, which memories these may lie in.

    Args:
        units: in order of their first touch.
        constant: whether the tensors are constants.
        is_boundary: whether they are inputs or outputs of the network.
    """

    units: tuple[str, ...]
    constant: bool
    is_boundary: bool


class Life(NamedTuple):
    """A storage in the order of tasks.

    Args:
        key: tensor index that stands for it.
        bytes: size.
        first: position of the task that writes it; -1 for what is there from the start.
        last: position of the last task that needs it.
        sharers: who touches it, as an index into `Lives.sharers`.
    """

    key: int
    bytes: int
    first: int
    last: int
    sharers: int


@dataclass(frozen=True, slots=True)
class Lives:
    """Every storage that has a size, in the order of keys.

    Args:
        rows: one for each.
        sharers: the groups that rows refer to.
    """

    rows: tuple[Life, ...]
    sharers: tuple[Sharers, ...]

    def cascaded(self, tasks: TaskGraph, cascades: Sequence[Cascade]) -> Lives:
        """Return the lives where what a cascade touches is kept for all of its tasks, what is between them in part."""
        if not cascades:
            return self
        rows = {life.key: life for life in self.rows}
        for cascade in cascades:
            touched = (t for p in cascade.positions for t in (*tasks.tasks[p].inputs, *tasks.tasks[p].outputs))
            for key in dict.fromkeys(tasks.storage.get(t, t) for t in touched):
                if key in rows:
                    life = rows[key]
                    first, last = min(life.first, cascade.first), max(life.last, cascade.last)
                    rows[key] = Life(key, life.bytes, first, last, life.sharers)
            for key, (held, whole) in cascade.held.items():
                if key in rows:
                    rows[key] = rows[key]._replace(bytes=ceil_div(rows[key].bytes * held, whole))
        return Lives(tuple(rows.values()), self.sharers)


def lives_of(tasks: TaskGraph, batch: int) -> Lives:
    """Return from when until when every tensor that crosses a task's border needs room.

    Units work side by side, so a tensor keeps its place until every task that could run beside its users
    or before them has been dealt with: a later tensor may lie there only if its maker waits, directly or not,
    for all of them. Results of the network, and states, stay to the end.
    """
    notes = _notes(tasks, batch)
    graph, storage, end = tasks.graph, tasks.storage, len(tasks.tasks)
    states = (t.index for t in graph.tensors if t.kind is TensorKind.VARIABLE)
    for tensor in (*graph.outputs, *states):
        key = storage.get(tensor, tensor)
        if key in notes:
            notes[key].last = end
    outer = {storage.get(t, t) for t in (*graph.inputs, *graph.outputs)}
    groups: dict[Sharers, int] = {}
    rows = []
    for key, note in sorted(notes.items()):
        if note.bytes:
            sharers = Sharers(tuple(note.units), note.constant, key in outer)
            rows.append(Life(key, note.bytes, note.first, note.last, groups.setdefault(sharers, len(groups))))
    return Lives(tuple(rows), tuple(groups))


class _Note:
    """What tasks do with one storage, as far as they have been looked at."""

    __slots__ = ("bytes", "constant", "first", "last", "units")

    def __init__(self, *, constant: bool) -> None:
        self.constant = constant
        self.bytes, self.first, self.last = 0, -1, -1
        self.units: dict[str, None] = {}


def _notes(tasks: TaskGraph, batch: int) -> dict[int, _Note]:
    found: dict[int, _Note] = {}
    constants, storage, until = tasks.graph.constants, tasks.storage, last_beside(tasks)
    for task in tasks.tasks:
        sizes = tasks.stored[task.unit]
        for tensor in (*task.inputs, *task.outputs, *task.weights):
            key, constant = storage.get(tensor, tensor), tensor in constants
            note = found.get(key)
            if note is None:
                note = found[key] = _Note(constant=constant)
                note.first = task.position if tensor in task.outputs else -1
            note.bytes = max(note.bytes, sizes[tensor] * (1 if constant else batch))
            note.last = max(note.last, until[task.position])
            note.units[task.unit] = None
    return found


def last_beside(tasks: TaskGraph) -> list[int]:
    """Return for each task the last position whose task need not wait for it; its own where all later ones do.

    Tasks of one unit run in order, so what a task waits for is one position on each unit.
    """
    units = [task.unit for task in tasks.tasks]
    found = waits(units, tasks.before)
    floors = {unit: _running_minimum([w.get(unit, -1) for w in found]) for unit in dict.fromkeys(units)}
    return [bisect_left(floors[task.unit], task.position) - 1 for task in tasks.tasks]


def _running_minimum(values: list[int]) -> list[int]:
    """Return the least value from each index on."""
    return list(accumulate(reversed(values), min))[::-1]
