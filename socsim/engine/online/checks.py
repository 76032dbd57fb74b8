"""What is wrong with a world before time begins: what could never run is refused, what cannot be kept is foretold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.engine.online.model import Periodic, Poisson, Trace, Triggered
from socsim.errors import DeadlockError, SimulationError, did_you_mean, join_faults
from socsim.quantities import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from socsim.engine.online.library import Library
    from socsim.engine.online.model import Application, World


def check_world(world: World, library: Library) -> None:
    """Refuse a world that could never run to its end.

    Raises:
        DeadlockError: steps that wait for each other.
        SimulationError: anything else; either lists all faults.
    """
    circles = [fault for app in world.applications for fault in _circles(app)]
    circles += _never_released(world)
    faults = [fault for rule in (_names, _numbers, _arrivals) for fault in rule(world)]
    if not circles and not faults:
        faults = list(_programs(world, library))
    if circles:
        raise DeadlockError(join_faults("applications", [*circles, *faults]))
    if faults:
        raise SimulationError(join_faults("applications", faults))


def _names(world: World) -> Iterator[str]:
    for what, names in (
        ("application", [app.name for app in world.applications]),
        ("server", [server.name for server in world.servers]),
    ):
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield f"{what} {name!r} is there {names.count(name)} times; names differ"


def _numbers(world: World) -> Iterator[str]:
    if world.duration_ps < 1:
        yield f"a duration of {world.duration_ps} ps is not allowed; give 1 ps or more"
    for server in world.servers:
        if server.cores < 1 or server.switch_ps < 0:
            yield f"server {server.name!r}: {server.cores} cores and a switch of {server.switch_ps} ps are not allowed"
    for app in world.applications:
        depth, batching = app.admission.depth, app.batching
        if depth is not None and depth < 1:
            yield f"application {app.name!r}: a depth of {depth} lets nobody in; give 1 or more, or none"
        if batching.most < 1 or batching.wait_ps < 0:
            yield f"application {app.name!r}: batches of {batching.most} after {batching.wait_ps} ps are not allowed"
        for step in app.steps:
            if not step.choices:
                yield f"application {app.name!r}: step {step.name!r} has no place to run; give one or more"
            if not 0 <= step.variation.spread <= 1:
                yield f"application {app.name!r}: step {step.name!r} varies by {step.variation.spread}; give 0 to 1"


def _arrivals(world: World) -> Iterator[str]:
    names = [app.name for app in world.applications]
    for app in world.applications:
        where = f"application {app.name!r}"
        match app.arrival:
            case Periodic(period, offset, jitter) if period < 1 or min(offset, jitter) < 0:
                yield f"{where}: period {period}, offset {offset}, jitter {jitter} ps; give a period of 1 ps or more"
            case Poisson(gap) if gap < 1:
                yield f"{where}: a mean gap of {gap} ps is not allowed; give 1 ps or more"
            case Trace(times) if list(times) != sorted(times) or (times and times[0] < 0):
                yield f"{where}: times of releases are not in order from 0 on; sort them"
            case Triggered(other, probability, every, delay):
                if other not in names:
                    yield f"{where}: is triggered by {other!r}, which is not there.{did_you_mean(other, names)}"
                if not 0 <= probability <= 1 or every < 1 or delay < 0:
                    yield f"{where}: probability {probability}, every {every}, delay {delay} ps are not allowed"


def _circles(app: Application) -> Iterator[str]:
    """Yield steps that wait for each other, and steps that wait for none that is there."""
    after = {i: [b for b in step.after if 0 <= b < len(app.steps)] for i, step in enumerate(app.steps)}
    for step in app.steps:
        unknown = [b for b in step.after if not 0 <= b < len(app.steps)]
        if unknown:
            yield f"application {app.name!r}: step {step.name!r} waits for steps {unknown}; it has {len(app.steps)}"
    left = set(after)
    while ready := {i for i in left if not left.intersection(after[i])}:
        left -= ready
    if left:
        waits = "; ".join(
            f"{app.steps[i].name!r} for {[app.steps[b].name for b in after[i] if b in left]}" for i in sorted(left)
        )
        yield f"application {app.name!r}: steps wait for each other and can never start: {waits}; take one `after` away"


def _never_released(world: World) -> Iterator[str]:
    """Yield applications whose triggers lead back to themselves, and to nobody else."""
    triggers = {app.name: app.arrival for app in world.applications}
    left = {name for name, arrival in triggers.items() if isinstance(arrival, Triggered)}
    while free := {n for n in left if (a := triggers[n]) and isinstance(a, Triggered) and a.application not in left}:
        left -= free
    if left:
        names = ", ".join(repr(name) for name in sorted(left))
        yield (
            f"applications {names} are triggered by each other alone and can never be released; "
            "give one of them another arrival"
        )


def _programs(world: World, library: Library) -> Iterator[str]:
    for index, app in enumerate(world.applications):
        for position, step in enumerate(app.steps):
            for choice in range(len(step.choices)):
                try:
                    library.ready(index, position, choice, 1)
                except SimulationError as error:
                    yield str(error)


# --- what cannot be kept ---------------------------------------------------------------------------------


def expectations(world: World, library: Library) -> tuple[str, ...]:
    """Return what is known to go wrong before time begins: deadlines that are shorter than the work alone."""
    found = []
    for index, app in enumerate(world.applications):
        if app.deadline_ps is None:
            continue
        least = [_least_ps(library, index, app, position) for position in range(len(app.steps))]
        path = _longest_path(app, least)
        needed = sum(least[i] for i in path)
        if needed > app.deadline_ps:
            terms = " + ".join(f"{app.steps[i].name} {format_time(least[i])}" for i in path)
            found.append(
                f"application {app.name!r} can never keep its deadline: it takes {format_time(needed)} with nothing "
                f"beside it ({terms}), the deadline is {format_time(app.deadline_ps)} after release, "
                f"{format_time(needed - app.deadline_ps)} too early; allow more time, choose a faster place or "
                "operating point, or a smaller network"
            )
    return tuple(found)


def _least_ps(library: Library, index: int, app: Application, position: int) -> int:
    return min(library.service_ps(index, position, c, 1) for c in range(len(app.steps[position].choices)))


def _longest_path(app: Application, least: Sequence[int]) -> list[int]:
    """Return the steps that one after the other take longest."""
    ends: dict[int, tuple[int, list[int]]] = {}
    while len(ends) < len(app.steps):
        for i, step in enumerate(app.steps):
            if i not in ends and all(b in ends for b in step.after):
                time, path = max((ends[b] for b in step.after), key=lambda end: end[0], default=(0, []))
                ends[i] = time + least[i], [*path, i]
    return max(ends.values(), key=lambda end: end[0], default=(0, []))[1]
