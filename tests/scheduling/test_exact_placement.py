"""The exact strategy against exhaustive search, and against everybody else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import PROPERTY

from socsim.errors import InfeasibleError, UsageError
from socsim.schedule.partition import exact
from socsim.schedule.partition.exact import CpSat
from socsim.schedule.partition.lists import Heft, Peft
from socsim.schedule.partition.problem import timed
from socsim.schedule.partition.strategy import Goal, decide
from socsim.testing.problems import problem_of, problems, random_problem


def exhaustive(problem, objective="latency", deadline=None):
    """Return the best value by trying every unit for every group in every order; None where nothing fits."""
    count, best = len(problem), None
    seen = set()

    def step(done, units, end, free, rewritten, energy):  # noqa: PLR0912 - a rule a branch, each spelt out
        nonlocal best
        makespan = max(end.values(), default=0)
        if deadline is not None and makespan > deadline:
            return
        if best is not None and (makespan if objective == "latency" else energy) > best:
            return
        state = (done, tuple(sorted(units.items())), tuple(sorted(end.items())), rewritten)
        if state in seen:
            return
        seen.add(state)
        if len(done) == count:
            mask = sum(1 << v for v in set(units.values()))
            value = makespan if objective == "latency" else energy + problem.static_nw[mask] * makespan // 10**9
            best = value if best is None else min(best, value)
            return
        for g in range(count):
            if g in done or not done.issuperset(problem.before[g]):
                continue
            for v in problem.allowed[g]:
                cost, spent, ready, crosses, paid = int(problem.time_ps[g, v]), 0, free[v], False, set()
                for f in problem.inflows[g]:
                    maker = problem.flows[f].maker
                    ready = max(ready, end[maker])
                    if units[maker] != v:
                        crosses = True
                        if (f, v) not in rewritten:
                            paid.add((f, v))
                            cost += int(problem.pass_ps[f, units[maker], v])
                            spent += int(problem.pass_pj[f, units[maker], v])
                if crosses:
                    cost += problem.entry_ps[v]
                is_source = not problem.before[g]
                if is_source and g == problem.first_source:
                    cost += problem.submit_ps[v]
                elif is_source:
                    if problem.first_source not in done:
                        continue  # what a later source pays depends on the first one's unit
                    cost += problem.submit_ps[v] * (units[problem.first_source] != v)
                step(
                    done | {g}, {**units, g: v}, {**end, g: ready + cost},
                    tuple(ready + cost if w == v else t for w, t in enumerate(free)), rewritten | paid,
                    energy + int(problem.energy_pj[g, v]) + spent,
                )  # fmt: skip

    step(frozenset(), {}, {}, (0,) * len(problem.units), frozenset(), 0)
    return best


@st.composite
def small_problems(draw, most=6):
    count, units = draw(st.integers(1, most)), draw(st.integers(1, 3))
    readers = [[] for _ in range(count)]
    for g in range(1, count):
        for maker in draw(st.sets(st.integers(0, g - 1), min_size=1, max_size=2)):
            readers[maker].append(g)
    times = [[draw(st.integers(1, 9) if v == 0 else st.integers(-2, 9)) for v in range(units)] for _ in range(count)]
    energies = [[draw(st.integers(0, 9)) for _ in range(units)] for _ in range(count)]
    return problem_of(
        readers, times, energy_pj=energies, pass_ps=draw(st.integers(0, 3)), entry_ps=draw(st.integers(0, 4)),
        static_nw=draw(st.integers(0, 3)) * 10**9,
    )  # fmt: skip


@settings(PROPERTY, max_examples=40)
@given(small_problems())
def test_latency_equals_exhaustive_search(problem):
    solution, schedule = decide(CpSat(), problem, Goal())
    assert schedule.makespan_ps == exhaustive(problem) == solution.bound


@settings(PROPERTY, max_examples=30)
@given(small_problems(5))
def test_energy_equals_exhaustive_search(problem):
    solution, schedule = decide(CpSat(), problem, Goal("energy"))
    assert schedule.energy_pj == exhaustive(problem, "energy") == solution.bound


@settings(PROPERTY, max_examples=30)
@given(small_problems(5), st.integers(0, 100))
def test_energy_under_a_deadline_equals_exhaustive_search(problem, slack):
    least = timed(problem, *_fastest(problem)).makespan_ps
    deadline = max(1, least - 2 + slack % 8)
    wanted = exhaustive(problem, "energy", deadline)
    if wanted is None:
        with pytest.raises(InfeasibleError) as caught:
            decide(CpSat(), problem, Goal("energy", deadline))
        assert caught.value.report.gap > 0
        return
    _, schedule = decide(CpSat(), problem, Goal("energy", deadline))
    assert schedule.energy_pj == wanted
    assert schedule.makespan_ps <= deadline


def _fastest(problem):
    solution = CpSat().solve(problem, Goal())
    return solution.units, solution.order


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_eight_groups_on_three_units_equal_exhaustive_search(seed):
    problem = random_problem(seed, 8, 3)
    assert decide(CpSat(), problem, Goal())[1].makespan_ps == exhaustive(problem)


@pytest.mark.parametrize("seed", range(6))
def test_never_above_the_list_schedules(seed):
    problem = random_problem(seed, 25, 4)
    exact_ps = decide(CpSat(), problem, Goal())[1].makespan_ps
    for strategy in (Heft(), Peft()):
        assert exact_ps <= decide(strategy, problem, Goal())[1].makespan_ps


def test_a_bound_is_never_above_what_is_found():
    for objective in ("latency", "energy"):
        for problem in problems().values():
            coarse = replace(
                problem, time_ps=problem.time_ps * 10**9, entry_ps=tuple(t * 10**9 for t in problem.entry_ps)
            )
            solution, schedule = decide(CpSat(), coarse, Goal(objective))
            assert 0 <= solution.bound <= (schedule.makespan_ps if objective == "latency" else schedule.energy_pj)


def test_a_deadline_between_what_is_bound_and_what_is_possible_is_refused_with_its_gap():
    problem = problem_of([[2], [2], []], [[10], [10], [10]])  # the longest chain is 20, all of it takes 30
    with pytest.raises(InfeasibleError, match="gap") as caught:
        decide(CpSat(), problem, Goal("energy", 25))
    assert caught.value.report.bound == 25
    assert caught.value.report.gap >= 1


def test_without_the_solver_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ortools.sat.python", None)
    with pytest.raises(UsageError, match=r"pip install 'socsim\[solve\]'"):
        CpSat().solve(problems()["chain"], Goal())


def test_an_effort_of_nothing_is_refused():
    with pytest.raises(UsageError, match="effort 0 is not allowed; give 1 or more"):
        CpSat(effort=0)


def test_the_module_is_imported_without_the_solver():
    assert not any(name.startswith("ortools") for name in vars(exact))
