"""What every placement strategy must satisfy, as a class of tests that a new strategy gets by one line.

    TestFastest = strategy_conformance("mypackage.fastest:Fastest")

The class runs under pytest as it stands; `strategy_faults` needs no test framework. Each check is a function of
`Checked` that returns what it found wrong, in words.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from socsim.cost.memory_plan import InfeasibilityReport
from socsim.errors import InfeasibleError, join_faults
from socsim.schedule.partition.catalogue import STRATEGIES
from socsim.schedule.partition.problem import timed
from socsim.schedule.partition.reasons import reasons
from socsim.schedule.partition.strategy import Goal, Strategy, decide
from socsim.testing.problems import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from socsim.schedule.partition.problem import PlacementProblem
    from socsim.schedule.partition.strategy import Solution

_START = "import sys; from socsim.testing.strategies import digest; print(digest(sys.argv[1]))"
_HASH_SEEDS = ("0", "1", "4711")


@dataclass(frozen=True)
class Checked:
    """A strategy and the problems that it is tried on.

    Args:
        where: a name of the table of strategies, or "module:Class" for one that a fresh process can import.
    """

    where: str

    def made(self) -> Strategy:
        """Return a new strategy with its default options."""
        module, colon, name = self.where.partition(":")
        cls = getattr(import_module(module), name) if colon else STRATEGIES[self.where]
        found: Strategy = cls()
        return found

    @cached_property
    def problems(self) -> Mapping[str, PlacementProblem]:
        """Small problems by what they are like."""
        return problems()

    def goal(self, deadline_ps: int | None = None) -> Goal:
        """Return what the strategy aims at when nobody says."""
        return Goal(self.made().objectives[0], deadline_ps)

    def solved(self) -> Iterator[tuple[str, PlacementProblem, Solution]]:
        """Yield the problems that the strategy does not refuse, with its answers."""
        for name, problem in self.problems.items():
            try:
                yield name, problem, decide(self.made(), problem, self.goal())[0]
            except InfeasibleError:
                continue


def answers_are_legal(checked: Checked) -> list[str]:
    """Each group is on a unit that may run it, once in the order, after all whose results it reads."""
    return [f"{name}: {fault}" for name, problem, s in checked.solved() for fault in illegal(problem, s)]


def illegal(problem: PlacementProblem, solution: Solution) -> Iterator[str]:
    """Yield what is wrong with units and order of a solution."""
    if len(solution.units) != len(problem) or sorted(solution.order) != list(range(len(problem))):
        yield f"{len(solution.units)} units and {len(solution.order)} places in the order for {len(problem)} groups"
        return
    for g, v in enumerate(solution.units):
        if v not in problem.allowed[g]:
            yield f"group {g} is on unit {v}, which may not run it"
    place = {g: position for position, g in enumerate(solution.order)}
    for g, makers in enumerate(problem.before):
        yield from (f"group {g} comes before {a}, whose results it reads" for a in makers if place[a] > place[g])
    found = timed(problem, solution.units, solution.order)
    for g, makers in enumerate(problem.before):
        yield from (f"group {g} starts before {a} ends" for a in makers if found.start_ps[g] < found.end_ps[a])
    for v in range(len(problem.units)):
        own = sorted((found.start_ps[g], found.end_ps[g], g) for g in range(len(problem)) if solution.units[g] == v)
        yield from (f"unit {v} runs {a[2]} and {b[2]} at once" for a, b in pairwise(own) if b[0] < a[1])


def something_is_solved(checked: Checked) -> list[str]:
    """At least one of the problems is not refused."""
    return [] if any(True for _ in checked.solved()) else ["it refuses every problem"]


def answers_are_the_same_everywhere(checked: Checked) -> list[str]:
    """Asked twice, and in fresh processes with other hash seeds, it answers the same."""
    own = {digest(checked.where), digest(checked.where)}
    path = os.pathsep.join(filter(None, sys.path))
    for seed in _HASH_SEEDS:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", _START, checked.where]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        own.add(done.stdout.strip() or done.stderr.strip())
    return [] if len(own) == 1 else [f"{len(own)} answers to the same problems: {sorted(own)}"]


def digest(where: str) -> str:
    """Return a digest of a strategy's answers to all problems."""
    checked = Checked(where)
    answers = {name: (s.units, s.order, s.bound, s.period_ps) for name, _, s in checked.solved()}
    return sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()


def answers_are_explained(checked: Checked) -> list[str]:
    """Each group has a reason, and no strategy says of a group that it does not place."""
    found = []
    for name, problem, solution in checked.solved():
        words = reasons(problem, solution, checked.goal())
        found += [f"{name}: group {g} has no reason" for g, text in enumerate(words) if not text.strip()]
        found += [f"{name}: a reason for group {g}, which there is not" for g in solution.reasons if g >= len(problem)]
    return found


def pins_are_kept(checked: Checked) -> list[str]:
    """Every group may be pinned to any unit that runs it; a strategy that cannot keep all pins refuses."""
    found = []
    for name, problem in checked.problems.items():
        pins = {g: own[-1] for g, own in enumerate(problem.allowed) if g % 2 and own}
        try:
            solution, _ = decide(checked.made(), replace(problem, pins=pins), checked.goal())
        except InfeasibleError:
            continue
        found += [
            f"{name}: {g} is on {solution.units[g]}, pinned to {v}" for g, v in pins.items() if solution.units[g] != v
        ]
    return found


def the_impossible_is_refused(checked: Checked) -> list[str]:
    """A pin to a unit without kernels and an impossible deadline are refused with demand, bound, gap and levers."""
    found = []
    for name, problem in checked.problems.items():
        lost = [(g, v) for g, v in problem.refusals if g < len(problem)][:1]
        for g, v in lost:
            found += [f"{name}: {text}" for text in _refusal(checked, replace(problem, pins={g: v}), checked.goal())]
        late = checked.goal(max(1, problem.least_ps - 1))
        if problem.least_ps > 1:
            found += [f"{name}, no time: {text}" for text in _refusal(checked, problem, late)]
    return found


def _refusal(checked: Checked, problem: PlacementProblem, goal: Goal) -> Iterator[str]:
    try:
        decide(checked.made(), problem, goal)
    except InfeasibleError as error:
        report = error.report
        if not isinstance(report, InfeasibilityReport) or report.gap <= 0 or not report.levers:
            yield f"refused without demand above bound and levers: {report}"
        return
    yield "not refused"


CHECKS: tuple[Callable[[Checked], list[str]], ...] = (
    something_is_solved, answers_are_legal, answers_are_the_same_everywhere, answers_are_explained, pins_are_kept,
    the_impossible_is_refused,
)  # fmt: skip


class StrategyConformance:
    """One test for each check, of one strategy.

    Life cycle: a subclass names a strategy; a test runner makes an instance for each test.
    """

    where: ClassVar[str]


def strategy_conformance(where: str) -> type[StrategyConformance]:
    """Return the tests of a strategy.

    Args:
        where: its name, or "module:Class".
    """
    return type(f"TestConformanceOf_{where.rpartition(':')[2]}", (StrategyConformance,), {"where": where})


def strategy_faults(where: str) -> list[str]:
    """Return what a strategy violates, each with its check; arguments as for `strategy_conformance`."""
    checked = Checked(where)
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in check(checked)]


def _test(check: Callable[[Checked], list[str]]) -> Callable[[StrategyConformance], None]:
    def test(self: StrategyConformance) -> None:
        found = check(Checked(self.where))
        if found:
            raise AssertionError(join_faults(f"strategy {self.where}", found))

    test.__doc__ = check.__doc__
    test.__name__ = f"test_{check.__name__}"
    return test


for _check in CHECKS:
    setattr(StrategyConformance, f"test_{_check.__name__}", _test(_check))
