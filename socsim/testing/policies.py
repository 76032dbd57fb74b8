"""What every online policy must satisfy, as a class of tests that a new policy gets by one line.

    TestLottery = policy_conformance(Lottery())

The class runs under pytest as it stands; `policy_faults` needs no test framework.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, ClassVar

from socsim.engine.online.engine import run
from socsim.engine.online.model import Application, AppStep, Piece, Poisson, Program, Segment, Server, Trace, World
from socsim.errors import join_faults
from socsim.schedule.policies import Request
from socsim.testing.verify_world import verify_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from socsim.engine.online.model import Arrival, Preemption
    from socsim.schedule.policies import Policy

_US = 10**6


class PolicyConformance:
    """One test for each relation, of one policy.

    Life cycle: a subclass names a policy; a test runner makes an instance for each test.
    """

    policy: ClassVar[Policy]


def policy_conformance(policy: Policy) -> type[PolicyConformance]:
    """Return the tests of a policy."""
    return type(f"TestConformanceOf_{policy.name}", (PolicyConformance,), {"policy": policy})


def policy_faults(policy: Policy) -> list[str]:
    """Return what a policy violates, each with its relation."""
    return [f"{relation.__name__}: {fault}" for relation in RELATIONS for fault in relation(policy)]


class _Stages:
    """Programs of one segment each, by application."""

    def __init__(self, times: Mapping[str, tuple[int, int]]) -> None:
        self._programs = {
            name: Program((Segment("unit", cores, tuple(Piece(f"piece {i}", time // 4, (), 1, i) for i in range(4))),))
            for name, (time, cores) in times.items()
        }

    def program(self, application: str, step: int, choice: int, batch: int, points: Mapping[str, str]) -> Program:
        """Return the program of an application."""
        return self._programs[application]

    def service_ps(self, application: str, step: int, choice: int, batch: int, points: Mapping[str, str]) -> int:
        """Return how long it takes alone."""
        return sum(piece.fixed_ps for piece in self._programs[application].segments[0].pieces)


def _world(policy: Policy, cores: int, seed: int, preemption: Preemption = "operator") -> World:
    """Return a world of four applications that load a server by about 0.8, then leave it alone."""
    times = {"short": (4 * _US, 1), "long": (40 * _US, 1), "wide": (8 * _US, cores), "rare": (16 * _US, 1)}
    arrivals: dict[str, Arrival] = {
        "short": Poisson(20 * _US // cores),
        "long": Poisson(200 * _US // cores),
        "wide": Poisson(40 * _US),
        "rare": Trace((0, 0, 500 * _US)),
    }
    applications = tuple(
        Application(name, arrival, (AppStep("stage", ("here",), preemption=preemption),), 50 * _US * (i + 1), i)
        for i, (name, arrival) in enumerate(arrivals.items())
    )
    server = Server("unit", "unit", cores, policy, switch_ps=_US // 10)
    return World(applications, (server,), _Stages(times), 2000 * _US, seed=seed, is_traced=True)


def _worlds(policy: Policy) -> Iterator[World]:
    kinds: tuple[Preemption, ...] = ("none", "operator", "any")
    for cores, preemption in product((1, 3), kinds):
        yield _world(policy, cores, 7 * cores, preemption)


def timelines_are_possible_and_add_up(policy: Policy) -> list[str]:
    """What the independent checker finds in worlds that are loaded by 0.8."""
    return [fault for world in _worlds(policy) for fault in verify_world(run(world), world, {})]


def nobody_is_forgotten(policy: Policy) -> list[str]:
    """All activations complete once releases have ended long enough."""
    found = []
    for world in _worlds(policy):
        calm = replace(world, applications=tuple(_early(app, world.duration_ps // 2) for app in world.applications))
        outcome = run(calm)
        found += [f"{s.name}: {s.unfinished} unfinished, the server rests" for s in outcome.served if s.unfinished]
    return found


def _early(app: Application, last_ps: int) -> Application:
    """Return an application that is released at regular times, only until then."""
    if not isinstance(app.arrival, Poisson):
        return app
    gap = app.arrival.mean_gap_ps * 2
    return replace(app, arrival=Trace(tuple(range(0, last_ps, gap))))


def one_object_serves_many_runs(policy: Policy) -> list[str]:
    """A run leaves nothing behind in the policy that it was given."""
    world = _world(policy, 2, 1)
    first, second = run(world), run(world)
    return [] if first == second else ["a second run with the same object came out otherwise"]


def equals_keep_their_order(policy: Policy) -> list[str]:
    """Activations of one application, without deadlines, begin in the order of their release."""
    found = []
    for world in _worlds(policy):
        plain = replace(world, applications=tuple(replace(app, deadline_ps=None) for app in world.applications))
        begun: dict[str, list[int]] = defaultdict(list)
        for part in sorted(run(plain).slices, key=lambda s: (s.start_ps, s.activation)):
            if part.activation not in begun[part.application]:
                begun[part.application].append(part.activation)
        found += [f"{name}: begun in the order {order[:20]}" for name, order in begun.items() if order != sorted(order)]
    return found


def nobody_gives_way_unless_asked(policy: Policy) -> list[str]:
    """Only preemptive policies, and those with a quantum, take a server from anybody, and never within a step."""
    found = []
    for world in _worlds(policy):
        taken = run(world).servers[0].preemptions
        may = policy.is_preemptive or policy.quantum_ps is not None
        if taken and (not may or world.applications[0].steps[0].preemption == "none"):
            found.append(f"{taken} segments were interrupted")
    return found


def ranks_move_with_time(policy: Policy) -> list[str]:
    """`later` says what a fresh policy would rank a request that comes later."""
    found = []
    for priority, deadline, period in product((-2, 0, 3), (None, 90), (None, 40)):
        request = Request("a", priority, 10, deadline, period, 5)
        moved = replace(request, release_ps=110, deadline_ps=None if deadline is None else deadline + 100)
        rank, expected = policy.fresh().rank(request), policy.fresh().rank(moved)
        if policy.later(rank, 100) != expected:
            found.append(f"{request}: rank {rank} is {policy.later(rank, 100)} later, {expected} was expected")
    return found


RELATIONS: tuple[Callable[[Policy], list[str]], ...] = (
    timelines_are_possible_and_add_up,
    nobody_is_forgotten,
    one_object_serves_many_runs,
    equals_keep_their_order,
    nobody_gives_way_unless_asked,
    ranks_move_with_time,
)


def _test(relation: Callable[[Policy], list[str]]) -> Callable[[PolicyConformance], None]:
    def test(self: PolicyConformance) -> None:
        found = relation(self.policy)
        if found:
            raise AssertionError(join_faults(f"policy {self.policy.name!r}", found))

    test.__doc__ = relation.__doc__
    test.__name__ = f"test_{relation.__name__}"
    return test


for _relation in RELATIONS:
    setattr(PolicyConformance, f"test_{_relation.__name__}", _test(_relation))
