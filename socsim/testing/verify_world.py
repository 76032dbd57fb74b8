"""An independent check of what the online engine says: its timeline must be possible, and its books must add up.

Everything is computed from the outcome's slices and activations, and from the world that was asked for; nothing is
shared with the engine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from socsim.errors import SimulationError, join_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from socsim.engine.online.model import (
        Application,
        Distribution,
        Followed,
        Program,
        ServedSlice,
        Server,
        World,
        WorldOutcome,
    )

_PS_PER_S = 10**12


def verify_world(outcome: WorldOutcome, world: World, points: Mapping[str, str] | None = None) -> list[str]:
    """Return every violation in a traced outcome, in words; an empty list where all is well.

    Exact: no core works on two things, nothing begins before its release or before steps that it waits for, every
    activation completed, was dropped or is unfinished, core-times, bytes and energies are those of the timeline and of
    the programs, changes between activations cost what they cost, and no core rests while a segment waits that one
    core would do for.

    Args:
        outcome: of a world that was traced, interrupted or not.
        world: what was simulated.
        points: operating points, where they never changed; None: they did, so that what depends on them is left out.
    """
    if not world.is_traced:
        return ["the world was not traced; set is_traced"]
    seen = _Seen(outcome, world, points)
    rules = (_exclusive, _books, _bytes, _fates, _statistics, _order, _switches, _programs, _conserving)
    return [fault for rule in rules for fault in rule(seen)]


def check_world_outcome(outcome: WorldOutcome, world: World, points: Mapping[str, str] | None = None) -> None:
    """Refuse an outcome that contradicts itself; arguments are those of `verify_world`.

    Raises:
        SimulationError: all violations.
    """
    found = verify_world(outcome, world, points)
    if found:
        raise SimulationError(join_faults("simulation of applications", found))


class _Step(NamedTuple):
    """A step of an activation, as its slices show it."""

    activation: Followed
    position: int
    ready_ps: int
    is_exact: bool
    """Whether it was ready then, and not later: nothing before it took no time, for which it may have waited unseen."""
    slices: Sequence[ServedSlice]


class _Seen:
    """An outcome, sorted for questions."""

    def __init__(self, outcome: WorldOutcome, world: World, points: Mapping[str, str] | None) -> None:
        self.outcome, self.world, self.points = outcome, world, points
        self.applications = {app.name: app for app in world.applications}
        self.cores: dict[tuple[str, int], list[ServedSlice]] = defaultdict(list)
        self.parts: dict[tuple[str, int, str], list[ServedSlice]] = defaultdict(list)
        for part in sorted(outcome.slices, key=lambda s: (s.start_ps, s.end_ps)):
            self.cores[part.server, part.core].append(part)
            self.parts[part.application, part.activation, part.step].append(part)
        self.activations = {(f.application, f.activation): f for f in outcome.activations}

    def is_plain(self, app: Application) -> bool:
        """Whether each activation has slices of its own, of programs that are known."""
        return self.points is not None and app.batching.most == 1

    def program(self, app: Application, position: int) -> Program | None:
        """Return the program of a step, where there is only one that it can have been."""
        step = app.steps[position]
        if not self.is_plain(app) or len(step.choices) != 1 or self.points is None:
            return None
        return self.world.programs.program(app.name, position, 0, 1, self.points)

    def steps(self) -> Iterator[_Step]:
        """Yield the steps of all activations that completed, as far as they took time."""
        for (name, number), found in self.activations.items():
            app = self.applications[name]
            if found.fate not in {"completed", "missed"} or not self.parts.keys() & {
                (name, number, step.name) for step in app.steps
            }:
                continue
            ends: dict[int, int] = {}
            unseen: set[int] = set()
            while len(ends) < len(app.steps):
                for i, step in enumerate(app.steps):
                    if i in ends or not all(b in ends for b in step.after):
                        continue
                    ready = max((ends[b] for b in step.after), default=found.release_ps)
                    parts = self.parts.get((name, number, step.name), [])
                    ends[i] = max((p.end_ps for p in parts), default=ready)
                    is_exact = unseen.isdisjoint(step.after)
                    if not parts or not is_exact:
                        unseen.add(i)
                    yield _Step(found, i, ready, is_exact, parts)


def _what(part: ServedSlice) -> str:
    return f"{part.application} {part.activation} ({part.step}: {part.label})"


# --- servers --------------------------------------------------------------------------------------------


def _exclusive(seen: _Seen) -> Iterator[str]:
    known = {server.name: server.cores for server in seen.world.servers}
    for (server, core), parts in seen.cores.items():
        if not 0 <= core < known.get(server, 0):
            yield f"server {server}: has no core {core}"
        for before, after in pairwise(parts):
            if after.start_ps < before.end_ps:
                yield (
                    f"server {server}: core {core} begins {_what(after)} at {after.start_ps} ps, before "
                    f"{_what(before)} ends at {before.end_ps} ps"
                )
    for part in seen.outcome.slices:
        if not 0 <= part.start_ps <= part.end_ps <= seen.outcome.end_ps:
            yield f"slice of {_what(part)}: {part.start_ps} to {part.end_ps} ps, the end is {seen.outcome.end_ps} ps"


def _books(seen: _Seen) -> Iterator[str]:
    for use in seen.outcome.servers:
        spent: Counter[str] = Counter()
        by_application: Counter[str] = Counter()
        for core in range(use.cores):
            for part in seen.cores.get((use.name, core), ()):
                spent[part.kind] += part.end_ps - part.start_ps
                by_application[part.application] += (part.end_ps - part.start_ps) * (part.kind == "work")
        booked = {"work": use.busy_ps, "switch": use.switching_ps, "wake": use.waking_ps}
        for kind, time in booked.items():
            if spent[kind] != time:
                yield f"server {use.name}: booked {time} ps of {kind}, its slices have {spent[kind]} ps"
        if sum(booked.values()) > use.cores * seen.outcome.end_ps:
            yield f"server {use.name}: was occupied for {sum(booked.values())} ps, more than its cores have"
        if +by_application != +Counter(dict(use.applications)):
            yield f"server {use.name}: applications have {dict(use.applications)}, its slices {dict(by_application)}"


def _switches(seen: _Seen) -> Iterator[str]:
    costs = {server.name: server.switch_ps for server in seen.world.servers}
    for (server, core), parts in seen.cores.items():
        paid, last = 0, None
        for part in parts:
            paid += (part.end_ps - part.start_ps) * (part.kind == "switch")
            if part.kind != "work":
                continue
            now = part.application, part.activation
            if last is not None and now != last and paid < costs[server]:
                yield f"server {server}: core {core} changes to {_what(part)} for {paid} ps, not {costs[server]}"
            paid, last = 0, now


# --- bytes ----------------------------------------------------------------------------------------------


def _bytes(seen: _Seen) -> Iterator[str]:
    moved: dict[str, Counter[str]] = defaultdict(Counter)
    for part in seen.outcome.slices:
        for resource, amount in part.moved:
            moved[resource][part.application] += amount
    streams = [f"background {unit}" for unit, _, _ in seen.world.streams]
    for flow in seen.outcome.flows:
        own = +Counter({name: amount for name, amount in flow.applications if name not in streams})
        if own != +moved.pop(flow.resource, Counter()):
            yield f"{flow.resource}: booked {dict(own)}, slices moved otherwise"
        if sum(amount for _, amount in flow.applications) != flow.bytes:
            yield f"{flow.resource}: {flow.bytes} B are not those of applications"
        peak = seen.world.capacities.get(flow.resource)
        sharers = len(flow.applications) + sum(server.cores for server in seen.world.servers)
        if peak is not None and flow.bytes * _PS_PER_S > (peak + sharers) * flow.busy_ps:
            yield f"{flow.resource}: {flow.bytes} B in {flow.busy_ps} ps exceed {peak} B/s"
        if not 0 <= flow.busy_ps <= seen.outcome.end_ps:
            yield f"{flow.resource}: busy {flow.busy_ps} ps of {seen.outcome.end_ps} ps"
    for resource in moved:
        yield f"{resource}: slices moved bytes over it, nothing was booked"


# --- activations ----------------------------------------------------------------------------------------


def _fates(seen: _Seen) -> Iterator[str]:
    fates = Counter((f.application, f.fate) for f in seen.outcome.activations)
    for served in seen.outcome.served:
        name = served.name
        if served.released != served.completed + served.dropped + served.unfinished:
            yield (
                f"application {name}: released {served.released}, completed {served.completed}, dropped "
                f"{served.dropped}, unfinished {served.unfinished}"
            )
        completed = fates[name, "completed"] + fates[name, "missed"]
        booked = (served.completed, served.dropped, served.unfinished, served.missed)
        lost = fates[name, "dropped"]
        found = (completed, lost, fates[name, "unfinished"], fates[name, "missed"] + lost)
        if booked != found:
            yield f"application {name}: completed, dropped, unfinished, missed are {booked}, one by one {found}"
    for found_one in seen.outcome.activations:
        deadline = seen.applications[found_one.application].deadline_ps
        if found_one.end_ps is None or found_one.fate == "dropped":
            continue
        is_late = deadline is not None and found_one.end_ps - found_one.release_ps > deadline
        if is_late != (found_one.fate == "missed"):
            yield f"{found_one.application} {found_one.activation}: {found_one.fate}, the deadline is {deadline} ps"


def _statistics(seen: _Seen) -> Iterator[str]:
    latencies: dict[str, list[int]] = defaultdict(list)
    for found in seen.outcome.activations:
        if found.fate in {"completed", "missed"} and found.end_ps is not None:
            latencies[found.application].append(found.end_ps - found.release_ps)
    for served in seen.outcome.served:
        yield from _distribution(f"latency of {served.name}", served.latency, latencies[served.name])
        if served.waiting.total_ps + served.service.total_ps != served.latency.total_ps:
            yield f"application {served.name}: waiting and service do not add up to latency"
        if served.gaps.count != max(0, served.completed - 1):
            yield f"application {served.name}: {served.gaps.count} gaps between {served.completed} ends"


def _distribution(what: str, found: Distribution, values: Sequence[int]) -> Iterator[str]:
    squares = sum(value * value for value in values)
    facts = len(values), sum(values), squares, min(values, default=0), max(values, default=0)
    said = found.count, found.total_ps, found.squares, found.least_ps, found.most_ps
    if facts != said:
        yield f"{what}: count, sum, squares, least, most are {said}, one by one {facts}"
    if sum(count for _, count in found.buckets) != found.count:
        yield f"{what}: buckets do not hold all of them"
    borders = [border for border, _ in found.buckets]
    for value in values:
        near = max((border for border in borders if border <= value), default=None)
        if near is None or (value - near) * 1024 > value:
            yield f"{what}: {value} ps is in no bucket of its size"


def _order(seen: _Seen) -> Iterator[str]:
    for (name, number, step), parts in seen.parts.items():
        activation = seen.activations.get((name, number))
        if activation is None or activation.fate == "dropped":
            yield f"{name} {number} ({step}): ran, and was not released or was dropped"
        elif parts[0].start_ps < activation.release_ps:
            yield f"{name} {number} ({step}): begins at {parts[0].start_ps} ps, before its release"
    for found in seen.steps():
        if found.slices and found.slices[0].start_ps < found.ready_ps:
            yield (
                f"{_what(found.slices[0])}: begins at {found.slices[0].start_ps} ps, what it waits for ends at "
                f"{found.ready_ps} ps"
            )
        end = found.activation.end_ps
        if end is not None and any(part.end_ps > end for part in found.slices):
            yield f"{_what(found.slices[-1])}: ends after its activation, at {found.slices[-1].end_ps} ps"


# --- programs -------------------------------------------------------------------------------------------


def _programs(seen: _Seen) -> Iterator[str]:
    unknown = {app.name for app in seen.world.applications if not seen.is_plain(app)}
    for found in seen.steps():
        app = seen.applications[found.activation.application]
        step, program = app.steps[found.position], seen.program(app, found.position)
        if program is None or step.variation.kind != "constant":
            unknown.add(app.name)
            continue
        yield from _work(found, program)
        if step.preemption in {"none", "operator"}:
            yield from _borders(found, program)
    for served in seen.outcome.served:
        app = seen.applications[served.name]
        programs = [seen.program(app, i) for i in range(len(app.steps))]
        if served.name in unknown or served.unfinished or None in programs:
            continue
        if any(step.variation.kind != "constant" for step in app.steps):
            continue
        energy = sum(p.energy_pj for program in programs if program for s in program.segments for p in s.pieces)
        if served.energy_pj != energy * served.completed:
            yield f"application {served.name}: spent {served.energy_pj} pJ, its programs {energy * served.completed} pJ"


def _work(found: _Step, program: Program) -> Iterator[str]:
    worked = sum(p.end_ps - p.start_ps for p in found.slices if p.kind == "work")
    steps = [(s.cores, step) for s in program.segments for piece in s.pieces for step in piece.steps]
    fixed = sum(s.cores * piece.fixed_ps for s in program.segments for piece in s.pieces)
    least = fixed + sum(cores * step.lone_ps for cores, step in steps)
    moves = any(step.demand is not None for _, step in steps)
    if worked < least or (not moves and worked != least):
        yield f"{found.activation.application} {found.activation.activation}: worked {worked} ps, alone {least} ps"


def _borders(found: _Step, program: Program) -> Iterator[str]:
    """A piece that only one segment has is never torn apart."""
    labels = Counter(piece.label for segment in program.segments for piece in segment.pieces)
    for label in (label for label, count in labels.items() if count == 1):
        parts = [p for p in found.slices if p.kind == "work" and p.label == label]
        for before, after in pairwise(sorted({(p.start_ps, p.end_ps) for p in parts})):
            if after[0] > before[1]:
                yield f"{_what(parts[0])}: is interrupted from {before[1]} to {after[0]} ps, within a piece"


# --- work conservation ----------------------------------------------------------------------------------


def _conserving(seen: _Seen) -> Iterator[str]:
    """No core of a server rests while a step of one segment waits, where all segments need one core."""
    servers = {server.name: server for server in seen.world.servers}
    single = _single(seen)
    full = {name: _full(seen, server) for name, server in servers.items() if name in single}
    for found in seen.steps():
        app = seen.applications[found.activation.application]
        program = seen.program(app, found.position)
        if program is None or len(program.segments) != 1 or program.segments[0].server not in full or not found.slices:
            continue
        where = program.segments[0].server
        waits = [(found.ready_ps, found.slices[0].start_ps)] if found.is_exact else []
        waits += [(before.end_ps, after.start_ps) for before, after in pairwise(found.slices)]
        for begin, end in waits:
            if begin < end and not any(a <= begin and end <= b for a, b in full[where]):
                yield f"server {where}: rests while {_what(found.slices[0])} waits, between {begin} and {end} ps"


def _single(seen: _Seen) -> set[str]:
    """Return servers that only segments of one core use, as far as is known."""
    found = {server.name for server in seen.world.servers}
    for app in seen.world.applications:
        for position, step in enumerate(app.steps):
            for choice in range(len(step.choices)):
                if seen.points is None:
                    return set()
                program = seen.world.programs.program(app.name, position, choice, 1, seen.points)
                found -= {segment.server for segment in program.segments if segment.cores > 1}
    return found


def _full(seen: _Seen, server: Server) -> list[tuple[int, int]]:
    """Return the stretches in which all cores of a server are occupied."""
    changes: Counter[int] = Counter()
    for core in range(server.cores):
        for part in seen.cores.get((server.name, core), ()):
            changes[part.start_ps] += 1
            changes[part.end_ps] -= 1
    found: list[tuple[int, int]] = []
    occupied, begin = 0, None
    for time in sorted(changes):
        occupied += changes[time]
        if occupied == server.cores and begin is None:
            begin = time
        elif occupied < server.cores and begin is not None:
            found.append((begin, time))
            begin = None
    return found
