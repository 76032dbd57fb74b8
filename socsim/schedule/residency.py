"""Which memory each tensor lies in, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.cost.memory_plan import Buffer, MemoryPlan, plan_memory
from socsim.errors import InfeasibleError
from socsim.memo import Same
from socsim.schedule.cascades import HEIGHTS, cascade_of, chains, on_chip, repays
from socsim.schedule.homes import Homes
from socsim.schedule.lives import lives_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from socsim.schedule.cascades import Cascade, Chain
    from socsim.schedule.lives import Lives, Sharers
    from socsim.schedule.tasks import TaskGraph
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
    memo = tasks.graph.memo

    def plan() -> tuple[MemoryPlan, tuple[Cascade, ...]]:
        lives = memo.get(("lives", Same(tasks), batch), lambda: lives_of(tasks, batch))
        return _plan_all(tasks, homes, runtimes, lives)

    return memo.get(("residency", Same(tasks), homes, by_unit, batch), plan)


def _plan_all(
    tasks: TaskGraph, homes: Homes, runtimes: Mapping[str, Runtime], lives: Lives
) -> tuple[MemoryPlan, tuple[Cascade, ...]]:
    def plan_with(cascades: Sequence[Cascade]) -> MemoryPlan:
        return _plan(tasks, homes, runtimes, lives, cascades)

    try:
        plan = plan_with(())
    except InfeasibleError:
        found = _cascades(tasks, homes, chains(tasks, homes, None), plan_with, None)
        if not found:
            raise
        return plan_with(found), found
    found = _cascades(tasks, homes, chains(tasks, homes, plan), plan_with, plan)
    return (plan_with(found), found) if found else (plan, ())


def _cascades(
    tasks: TaskGraph,
    homes: Homes,
    waiting: list[Chain],
    plan_with: Callable[[Sequence[Cascade]], MemoryPlan],
    plain: MemoryPlan | None,
) -> tuple[Cascade, ...]:
    """Return the cascades of chains that find room on chip, and that move less than the plan without any."""
    taken: list[Cascade] = []
    for is_whole, height in [(is_whole, height) for is_whole in (False, True) for height in HEIGHTS]:
        if not waiting:
            break
        tried = [cascade_of(tasks, c.whole if is_whole else c.spilled, height) for c in waiting]
        try:
            plan = plan_with((*taken, *tried))
        except InfeasibleError:
            continue
        fits = [
            cascade.stripes > 1
            and on_chip(cascade, homes, plan)
            and (plain is None or repays(cascade, tasks, homes, plain))
            for cascade in tried
        ]
        taken += [cascade for cascade, does in zip(tried, fits, strict=True) if does]
        waiting = [chain for chain, does in zip(waiting, fits, strict=True) if not does]
    return tuple(sorted(taken, key=lambda cascade: cascade.first))


def _plan(
    tasks: TaskGraph, homes: Homes, runtimes: Mapping[str, Runtime], lives: Lives, cascades: Sequence[Cascade]
) -> MemoryPlan:
    """Return a place for every tensor that crosses a task's border.

    Where a memory has room for all that could lie in it, how much more it has does not matter: networks that run
    on several platforms keep what was found for one.

    Raises:
        InfeasibleError: see `plan_residency`.
    """
    held = lives.cascaded(tasks, cascades)
    memories = tuple(_allowed(sharers, homes, runtimes) for sharers in held.sharers)
    _check_shared(tasks, homes, held, memories)
    steps, most, rooms = len(tasks.tasks) + 1, sum(life.bytes for life in held.rows), dict(homes.rooms)
    used = {name: rooms[name] for name in dict.fromkeys(name for names in memories for name in names)}
    key = "places", held.rows, memories, tuple(min(room, most) for room in used.values()), steps
    plan = tasks.graph.memo.get(key, lambda: plan_memory(_buffers(tasks, held, memories), used, steps))
    return plan.within(rooms, steps)


def _buffers(tasks: TaskGraph, lives: Lives, memories: Sequence[tuple[str, ...]]) -> list[Buffer]:
    """Return what needs room, with the memories that each group of sharers may use."""
    return [
        Buffer(
            life.key, tasks.graph.tensors[life.key].name, life.bytes, life.first, life.last, memories[life.sharers],
            lives.sharers[life.sharers].constant,
        )
        for life in lives.rows
    ]  # fmt: skip


def _allowed(sharers: Sharers, homes: Homes, runtimes: Mapping[str, Runtime]) -> tuple[str, ...]:
    """Return the memories that every unit can use, in the first unit's order."""
    first, *others = (homes.units[u].memories(constant=sharers.constant) for u in sharers.units)
    names = tuple(m for m in first if all(m in other for other in others))
    is_outside = sharers.is_boundary and any(runtimes[u].boundary == "off_chip" for u in sharers.units)
    if not sharers.constant and (is_outside or not all(runtimes[u].resident for u in sharers.units)):
        return tuple(m for m in names if m in homes.off_chip) or names
    return names


def _check_shared(tasks: TaskGraph, homes: Homes, lives: Lives, memories: Sequence[tuple[str, ...]]) -> None:
    """Refuse a tensor whose users have no memory in common."""
    apart = next((life for life in lives.rows if not memories[life.sharers]), None)
    if apart is not None:
        sharers = lives.sharers[apart.sharers]
        role = "weights" if sharers.constant else "activations"
        msg = (
            f"tensor {tasks.graph.tensors[apart.key].name!r} is used by {', '.join(sharers.units)}, which share no "
            f"memory for {role}; add one to their `{role}` in platform {homes.platform!r}"
        )
        raise InfeasibleError(msg)
