"""Programs made ready to run: each segment as a course of legs, with prefix sums over them.

A *leg* is a stretch of a piece that either only takes time (what is fixed) or computes and moves bytes at once (a
step). With nothing beside it, a segment is at any time where its prefix sums say; so a segment that nobody disturbs
needs no events but its end.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from socsim.engine.fabric import Fabric
from socsim.engine.fluid import fair_rates
from socsim.engine.online.draws import ONE
from socsim.engine.online.model import Piece
from socsim.quantities import PS_PER_S, ceil_div

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.engine.fabric import Step
    from socsim.engine.fluid import Demand
    from socsim.engine.online.model import Preemption, Program, Segment


class Leg(NamedTuple):
    """A stretch of a piece.

    Args:
        piece: position of the piece.
        compute_ps: time that it takes whatever moves.
        demand: what moves meanwhile; None for nothing.
        rate: bytes a second at which that moves alone.
        lone_ps: how long the leg takes alone.
        shared: links and memories that bytes cross, and how many.
        is_step: whether it is one of the piece's steps, not what is fixed.
        is_last: whether the piece ends with it.
    """

    piece: int
    compute_ps: int
    demand: Demand | None
    rate: int
    lone_ps: int
    shared: tuple[tuple[str, int], ...]
    is_step: bool
    is_last: bool

    @property
    def work(self) -> int:
        """Byte-picoseconds to move."""
        return self.demand.bytes * PS_PER_S if self.demand else 0

    @property
    def moving_ps(self) -> int:
        """How long its bytes move, alone."""
        return ceil_div(self.work, self.rate) if self.rate else 0


class Course:
    """A segment of a program, made ready.

    Args:
        segment: what is done.
        fabric: that its demands refer to.
        capacities: bytes a second of that fabric's resources, and of shared ones.
        server: position of its server.
        factor: on everything that is done, in 2**-32.
    """

    def __init__(
        self, segment: Segment, fabric: Fabric | None, capacities: Mapping[str, int], server: int, factor: int = ONE
    ) -> None:
        self.segment = segment
        self.fabric = fabric
        self.capacities = capacities
        self.server = server
        self.cores = segment.cores
        self.factor = factor
        pieces = segment.pieces
        self.energy_pj = sum([piece.energy_pj * factor // ONE for piece in pieces])
        moves = any([step.demand is not None for piece in pieces for step in piece.steps])  # noqa: C419, faster
        if moves:
            self.total_ps = self.ends[-1]
        else:
            times = [piece.fixed_ps for piece in pieces]
            times += [step.compute_ps for piece in pieces for step in piece.steps]
            self.total_ps = sum(times) if factor == ONE else sum([time * factor // ONE for time in times])
            vars(self).update(touches=(), flows=(), sums=())

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """What is done, in order."""
        if self.factor == ONE:
            return self.segment.pieces
        return tuple(_scaled_piece(piece, self.factor) for piece in self.segment.pieces)

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        """The stretches of all pieces, in order."""
        return tuple(leg for i, piece in enumerate(self.pieces) for leg in self._legs_of(i, piece))

    def _legs_of(self, position: int, piece: Piece) -> list[Leg]:
        fixed = [Leg(position, piece.fixed_ps, None, 0, piece.fixed_ps, (), False, False)]
        legs = fixed if piece.fixed_ps or not piece.steps else []
        legs += [self._leg(position, step) for step in piece.steps]
        legs[-1] = legs[-1]._replace(is_last=True)
        return legs

    def _leg(self, position: int, step: Step) -> Leg:
        demand = step.demand
        if demand is None:
            return Leg(position, step.compute_ps, None, 0, step.compute_ps, (), True, False)
        (rate,) = fair_rates([demand], self.capacities)
        lone = max(step.compute_ps, ceil_div(demand.bytes * PS_PER_S, rate))
        shared = tuple((name, used) for name, used in demand.usage.items() if not is_port(name, demand))
        return Leg(position, step.compute_ps, demand, rate, lone, shared, True, False)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """When each leg ends, alone, from the segment's begin."""
        return tuple(accumulate(leg.lone_ps for leg in self.legs))

    @cached_property
    def touches(self) -> tuple[str, ...]:
        """Links and memories that the segment's bytes cross."""
        return tuple(dict.fromkeys(name for leg in self.legs for name, _ in leg.shared))

    @cached_property
    def sums(self) -> tuple[tuple[str, list[int], list[int]], ...]:
        """Bytes over each of them, and the time in which they move, alone: before each leg, and at the end."""
        found = []
        for name in self.touches:
            own = [dict(leg.shared).get(name, 0) for leg in self.legs]
            busy = [leg.moving_ps if used else 0 for leg, used in zip(self.legs, own, strict=True)]
            found.append((name, list(accumulate(own, initial=0)), list(accumulate(busy, initial=0))))
        return tuple(found)

    @cached_property
    def flows(self) -> tuple[tuple[str, int, int], ...]:
        """Bytes over each of them, and the time in which they move, alone."""
        return tuple((name, moved[-1], busy[-1]) for name, moved, busy in self.sums)

    @cached_property
    def piece_starts(self) -> tuple[int, ...]:
        """When each piece begins, alone, from the segment's begin."""
        begins = [(leg.piece, end - leg.lone_ps) for leg, end in zip(self.legs, self.ends, strict=True)]
        first: dict[int, int] = {}
        for piece, begin in begins:
            first.setdefault(piece, begin)
        return (*first.values(), self.total_ps)

    @cached_property
    def _energies(self) -> tuple[int, ...]:
        return tuple(accumulate((piece.energy_pj for piece in self.pieces), initial=0))

    def energy_at(self, place_ps: int) -> int:
        """Return the energy spent when a segment is where it would be alone after so long."""
        if place_ps >= self.total_ps:
            return self.energy_pj
        starts = self.piece_starts
        piece = bisect_left(starts, place_ps + 1) - 1
        length = starts[piece + 1] - starts[piece]
        within = self.pieces[piece].energy_pj * (place_ps - starts[piece]) // max(1, length)
        return self._energies[piece] + within

    def border_from(self, place_ps: int, preemption: Preemption) -> int | None:
        """Return the first lone time, from a place on, at which the segment may be interrupted; None: only its end."""
        if preemption == "any":
            return place_ps
        if preemption == "none":
            return None
        borders: Sequence[int] = self.piece_starts if preemption == "operator" else self._tile_borders
        found = bisect_left(borders, place_ps)
        return borders[found] if found < len(borders) else None

    @cached_property
    def _tile_borders(self) -> tuple[int, ...]:
        begins = zip(self.legs, self.ends, strict=True)
        return (0, *(end for leg, end in begins if leg.is_step or leg.is_last))

    def scaled(self, factor: int) -> Course:
        """Return a course on which everything that is done is so many 2**-32 of what it is on this one."""
        return Course(self.segment, self.fabric, self.capacities, self.server, factor)


def is_port(resource: str, demand: Demand) -> bool:
    """Return whether a resource belongs to whoever makes a demand, alone."""
    return Fabric.is_port(resource, demand.initiator)


def _scaled_piece(piece: Piece, factor: int) -> Piece:
    steps = tuple([_scaled_step(step, factor) for step in piece.steps])
    fixed, energy = piece.fixed_ps * factor // ONE, piece.energy_pj * factor // ONE
    return Piece(piece.label, fixed, steps, energy, piece.operator)


def _scaled_step(step: Step, factor: int) -> Step:
    demand = step.demand
    if demand is not None:
        usage = {name: max(1, used * factor // ONE) for name, used in demand.usage.items()}
        demand = replace(demand, bytes=max(1, demand.bytes * factor // ONE), usage=usage)
    return replace(
        step,
        compute_ps=step.compute_ps * factor // ONE,
        demand=demand,
        alone_ps=step.alone_ps * factor // ONE,
        read_bytes=step.read_bytes * factor // ONE,
        write_bytes=step.write_bytes * factor // ONE,
    )


class Ready:
    """A program made ready.

    Args:
        program: it.
        courses: of its segments.
    """

    __slots__ = ("courses", "followers", "program", "roots", "servers", "service_ps", "waits")

    def __init__(self, program: Program, courses: tuple[Course, ...]) -> None:
        self.program = program
        self.courses = courses
        self.service_ps: int | None = None
        self.servers = tuple(dict.fromkeys(course.server for course in courses))
        self.waits = tuple(len(segment.after) for segment in program.segments)
        self.roots = tuple(i for i, count in enumerate(self.waits) if not count)
        self.followers: tuple[list[int], ...] = tuple([] for _ in courses)
        for position, segment in enumerate(program.segments):
            for before in segment.after:
                self.followers[before].append(position)
