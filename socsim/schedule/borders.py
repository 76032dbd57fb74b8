"""Where one unit's data reaches another: submissions, hand-overs, and tensors that are written anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from socsim.schedule.tasks import stored_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.schedule.tasks import TaskGraph
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Tensor


class Rewrite(NamedTuple):
    """A tensor that is written anew where it comes from another unit.

    Args:
        key: storage that it lies in.
        read_bytes: by the unit that rewrites it.
        write_bytes: likewise.
    """

    key: int
    read_bytes: int
    write_bytes: int


class Border(NamedTuple):
    """What a task pays before it begins, beside its own dispatch.

    Args:
        is_submitted: whether a run of operators that the host hands over begins with it.
        is_handed_over: whether it waits for data of another unit.
        rewrites: tensors of other units that it is the first of its own to read, where they must be written anew.
    """

    is_submitted: bool
    is_handed_over: bool
    rewrites: tuple[Rewrite, ...] = ()


NO_BORDER = Border(False, False)


def passes(tensor: Tensor, source: Runtime, target: Runtime, batch: int) -> tuple[int, int]:
    """Return the bytes read and written until a unit has an activation of another unit as its own runtime keeps it.

    A runtime that rewrites at its borders writes each tensor in the network's own type as it leaves, and in its own
    as it enters: once for each such side. Between two that do not, a tensor is rewritten where their types differ.
    """
    left, entered = stored_bytes(tensor, source) * batch, stored_bytes(tensor, target) * batch
    sides = (source.border == "rewritten") + (target.border == "rewritten")
    if sides == 2:
        return left + tensor.bytes * batch, tensor.bytes * batch + entered
    return (left, entered) if sides or left != entered else (0, 0)


def borders_in_order(tasks: TaskGraph, batch: int) -> tuple[Border, ...]:
    """Return the borders of a network that is interpreted in order: each change of unit begins a submission."""
    units = [task.unit for task in tasks.tasks]
    rewrites = _rewrites(tasks, batch)
    return tuple(
        Border(unit != before, any(units[b] != unit for b in named), anew)
        for before, unit, named, anew in zip([None, *units], units, tasks.before, rewrites, strict=False)
    )


def borders_by_data(tasks: TaskGraph, batch: int, groups: Sequence[int]) -> tuple[Border, ...]:
    """Return the borders of a network that is partitioned: a submission begins where data of another unit arrives.

    Of the operators of a group, the first that reads such data pays. A group that reads none at all pays for the
    submission unless the first one of the network is on the same unit.

    Args:
        tasks: of the network.
        batch: inferences that go through each operator together.
        groups: of each operator; operators of a group are on one unit.
    """
    units = [task.unit for task in tasks.tasks]
    own = [groups[task.root.index] for task in tasks.tasks]
    crossing = [any(units[b] != unit for b in named) for unit, named in zip(units, tasks.before, strict=True)]
    reading = {g for g, named in zip(own, tasks.before, strict=True) if any(own[b] != g for b in named)}
    first = next(iter(sorted({(g, unit) for g, unit in zip(own, units, strict=True) if g not in reading})), None)
    home = first[1] if first else None
    paid: set[int] = set()
    found = []
    for g, unit, crosses, anew in zip(own, units, crossing, _rewrites(tasks, batch), strict=True):
        begins = g not in paid and (crosses or (g not in reading and (first is None or g == first[0] or unit != home)))
        if begins:
            paid.add(g)
        found.append(Border(begins, begins and crosses, anew))
    return tuple(found)


def no_borders(tasks: TaskGraph, _batch: int) -> tuple[Border, ...]:
    """Return borders that cost nothing, for what tasks take by themselves."""
    return (NO_BORDER,) * len(tasks.tasks)


def _rewrites(tasks: TaskGraph, batch: int) -> list[tuple[Rewrite, ...]]:
    """Return by task what it rewrites: the first reader on a unit does it for all."""
    by_task: list[tuple[Rewrite, ...]] = [()] * len(tasks.tasks)
    if len({task.unit for task in tasks.tasks}) < 2:
        return by_task
    storage = tasks.storage
    makers = {storage.get(t, t): task.unit for task in tasks.tasks for m in task.members for t in m.outputs}
    seen: set[tuple[int, str]] = set()
    for task in tasks.tasks:
        found = []
        for t in task.inputs:
            key = storage.get(t, t)
            source = makers.get(key, task.unit)
            if source == task.unit or (key, task.unit) in seen:
                continue
            seen.add((key, task.unit))
            moved = passes(tasks.graph.tensors[t], tasks.runtimes[source], tasks.runtimes[task.unit], batch)
            if any(moved):
                found.append(Rewrite(key, *moved))
        by_task[task.position] = tuple(found)
    return by_task
