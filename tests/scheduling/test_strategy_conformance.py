"""Every built-in placement strategy keeps what the contract promises, and the kit notices who does not."""

from __future__ import annotations

import sys

import pytest

from socsim.schedule.partition.catalogue import STRATEGIES
from socsim.schedule.partition.strategy import Goal, Solution, Strategy
from socsim.testing.problems import problems, random_problem
from socsim.testing.strategies import (
    Checked,
    answers_are_explained,
    answers_are_legal,
    pins_are_kept,
    something_is_solved,
    strategy_conformance,
    strategy_faults,
)

TestPriority = strategy_conformance("priority")
TestSingle = strategy_conformance("single")
TestMaximalSubgraphs = strategy_conformance("maximal_subgraphs")
TestDelegate = strategy_conformance("delegate")
TestEngine = strategy_conformance("engine")
TestHeft = strategy_conformance("heft")
TestPeft = strategy_conformance("peft")
TestCpSat = strategy_conformance("cp_sat")
TestPipelined = strategy_conformance("pipelined")


def test_every_strategy_is_tried_here():
    tried = {cls.where for cls in vars(sys.modules[__name__]).values() if hasattr(cls, "where")}
    assert {name for name in STRATEGIES.names() if not name.startswith("test ")} <= tried


class Careless(Strategy, name="test careless"):
    """Puts everything on the last unit, backwards, whatever runs there and whoever is pinned elsewhere."""

    def solve(self, problem, goal):
        count = len(problem)
        return Solution((0,) * count, tuple(reversed(range(count))), {count: "nobody"})


def test_the_kit_finds_what_a_careless_strategy_violates():
    checked = Checked("test careless")
    assert any("may not run it" in fault for fault in answers_are_legal(checked))
    assert any("comes before" in fault for fault in answers_are_legal(checked))
    assert any("which there is not" in fault for fault in answers_are_explained(checked))
    assert any("pinned to" in fault for fault in pins_are_kept(checked))
    assert any(fault.startswith("answers_are_legal") for fault in strategy_faults("test careless"))


class Sulking(Strategy, name="test sulking"):
    """Answers half of the groups."""

    def solve(self, problem, goal):
        half = len(problem) // 2
        return Solution((0,) * half, tuple(range(half)))


def test_the_kit_finds_missing_groups():
    problem = problems()["chain"]
    solution = Sulking().solve(problem, Goal())
    from socsim.testing.strategies import illegal

    assert list(illegal(problem, solution)) == ["3 units and 3 places in the order for 6 groups"]


@pytest.mark.parametrize("name", ["heft", "cp_sat"])
def test_something_is_solved(name):
    assert something_is_solved(Checked(name)) == []


def test_random_problems_are_those_of_their_seed():
    a, b, c = random_problem(5, 20, 3), random_problem(5, 20, 3), random_problem(6, 20, 3)
    assert (a.time_ps == b.time_ps).all()
    assert a.flows == b.flows
    assert a.flows != c.flows
