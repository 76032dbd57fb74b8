"""Why a group of operators is where it is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import format_energy, format_time

if TYPE_CHECKING:
    from socsim.schedule.partition.problem import PlacementProblem
    from socsim.schedule.partition.strategy import Goal, Solution


def reasons(problem: PlacementProblem, solution: Solution, goal: Goal) -> tuple[str, ...]:
    """Return the reason for the unit of each group: pinned, the only one, the strategy's own, or by cost."""
    return tuple(_reason(problem, solution, goal, g) for g in range(len(problem)))


def _reason(problem: PlacementProblem, solution: Solution, goal: Goal, g: int) -> str:
    v = solution.units[g]
    here = problem.units[v]
    if g in problem.pins:
        return f"pinned to {here}"
    others = [u for u in problem.allowed[g] if u != v]
    if not others:
        why = "; ".join(problem.refusals.get((g, u), "") for u in range(len(problem.units)) if u != v)
        return f"{here} alone has kernels for it" + (f": {why}" if why else "")
    if g in solution.reasons:
        return solution.reasons[g]
    return _by_cost(problem, solution, goal, g)


def _by_cost(problem: PlacementProblem, solution: Solution, goal: Goal, g: int) -> str:
    """Compare with the best other unit: for itself, then with what the borders to its neighbours would cost there."""
    is_energy = goal.objective == "energy"
    table = problem.energy_pj if is_energy else problem.time_ps
    show = format_energy if is_energy else format_time
    v = solution.units[g]
    best = min((u for u in problem.allowed[g] if u != v), key=lambda u: (int(table[g, u]), u))
    here, there = problem.units[v], problem.units[best]
    own = int(table[g, best]) - int(table[g, v])
    if own > 0:
        return f"{show(own)} cheaper on {here} than on {there}"
    if own == 0:
        return f"costs the same on {here} as on {there}"
    border = _borders(problem, solution, g, best, is_energy) - _borders(problem, solution, g, v, is_energy)
    if border > -own:
        return f"{show(-own)} cheaper on {there} by itself, but data would cross borders for {show(border)} more"
    return f"{show(-own)} cheaper on {there} by itself, but the schedule as a whole gains by having it on {here}"


def _borders(problem: PlacementProblem, solution: Solution, g: int, v: int, is_energy: bool) -> int:
    """Return what the borders to a group's neighbours cost if it were on a unit."""
    table = problem.pass_pj if is_energy else problem.pass_ps
    units, entry = solution.units, 0 if is_energy else 1
    arriving = [f for f in problem.inflows[g] if units[problem.flows[f].maker] != v]
    cost = sum(int(table[f, units[problem.flows[f].maker], v]) for f in arriving)
    cost += entry * problem.entry_ps[v] * bool(arriving)
    for reader in problem.after[g]:
        w = units[reader]
        if w == v:
            continue
        cost += sum(int(table[f, v, w]) for f in problem.inflows[reader] if problem.flows[f].maker == g)
        if all(units[a] == w for a in problem.before[reader] if a != g):
            cost += entry * problem.entry_ps[w]
    return cost
