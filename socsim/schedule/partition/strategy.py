"""The contract of a placement strategy, and the table of strategies by name."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from socsim.cost.memory_plan import InfeasibilityReport
from socsim.errors import InfeasibleError, UsageError, did_you_mean, join_faults, misuse
from socsim.quantities import format_time
from socsim.registry import Registry
from socsim.schedule.partition.problem import timed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.schedule.partition.problem import PlacementProblem, Timed

STRATEGIES: Registry[Strategy] = Registry("placement strategy", "socsim.strategies")
OBJECTIVES = ("latency", "energy", "throughput")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a schedule shall be good for.

    Args:
        objective: "latency", "energy" or "throughput".
        deadline_ps: latency that it must not exceed; None: any.
    """

    objective: str = "latency"
    deadline_ps: int | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """What a strategy decided.

    Args:
        units: of each group, as an index into the problem's.
        order: groups in an order in which they can run; those of a unit run in it.
        reasons: why a group is where it is, where the strategy has one of its own.
        bound: what no schedule can fall below in the objective, as far as the strategy proved it.
        period_ps: time between results where inferences follow one another; None for strategies of single ones.
    """

    units: tuple[int, ...]
    order: tuple[int, ...]
    reasons: Mapping[int, str] = field(default_factory=dict)
    bound: int | None = None
    period_ps: int | None = None


class Strategy(ABC):
    """Decides which unit runs each group of operators, and in which order.

    Life cycle: made once with its options, which are keyword arguments of its constructor; `solve` is then asked for
    a problem and a goal, and may be asked again. A strategy is a pure function of its options and these: it keeps no
    state, reads no clock and draws no random number that it did not seed, so that equal problems give equal answers on
    every machine. `solve` may take for granted that each group has a unit that may run it (`problem.allowed`), pins
    included, and must keep to these. What a goal demands that it cannot reach it refuses with `InfeasibleError`.
    Subclasses name themselves: `class Fastest(Strategy, name="fastest")`. Packages of their own list them as entry
    points of the group `socsim.strategies`.
    """

    name: ClassVar[str]
    objectives: ClassVar[tuple[str, ...]] = ("latency",)
    """Goals that it can aim at; the first is what it aims at when nobody says."""
    weighs: ClassVar[bool] = True
    """Whether costs decide, and not the order of units alone."""
    in_order: ClassVar[bool] = False
    """Whether the network is interpreted in its own order, as by one runtime with fallbacks: that stack says what
    drives the other units, and each change of unit is a submission."""
    by_kind: ClassVar[tuple[str, ...]] = ()
    """Kinds of units in the order in which it prefers them; empty: the platform's own preference."""

    def __init_subclass__(cls, *, name: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = name
        STRATEGIES.add(name, cls)

    @abstractmethod
    def solve(self, problem: PlacementProblem, goal: Goal) -> Solution:
        """Return units and order.

        Raises:
            InfeasibleError: the goal cannot be reached; its report says by how much.
        """


def decide(strategy: Strategy, problem: PlacementProblem, goal: Goal) -> tuple[Solution, Timed]:
    """Return what a strategy decides of a problem, with its times.

    Raises:
        InfeasibleError: a group that no unit may run, or a deadline that is not met; with a report.
    """
    check_allowed(problem)
    check_least(problem, goal)
    solution = strategy.solve(problem, goal)
    found = timed(problem, solution.units, solution.order)
    check_deadline(problem, goal, found.makespan_ps, f"the schedule of {strategy.name}")
    return solution, found


def strategy_of(text: str | Strategy) -> Strategy:
    """Return the strategy that a text names, such as "delegate" or "delegate:most=2,smallest=4".

    Raises:
        UsageError: no such strategy or option, or a value that is no whole number.
    """
    if isinstance(text, Strategy):
        return text
    if not isinstance(text, str) or not text:
        raise misuse("strategy", text, f"one of {', '.join(STRATEGIES.names())}")
    name, _, rest = text.partition(":")
    cls = STRATEGIES[name]
    known = list(inspect.signature(cls).parameters)
    options: dict[str, int] = {}
    faults = []
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            faults.append(f"it has no option {key!r}.{did_you_mean(key, known, 'It has none.' if not known else None)}")
        elif not (value.isascii() and value.isdigit() and len(value) <= _DIGITS):
            faults.append(f"option {part!r}: write {key}= and a whole number")
        else:
            options[key] = int(value)
    if faults:
        raise UsageError(join_faults(f"strategy {name!r}", faults))
    return cls(**options)


_DIGITS = 9


def check_allowed(problem: PlacementProblem) -> None:
    """Refuse a problem with groups that no unit may run.

    Raises:
        InfeasibleError: pins that their units have no kernels for, or groups that no candidate has kernels for.
    """
    stuck = [g for g, units in enumerate(problem.allowed) if not units]
    if not stuck:
        return
    lines = []
    for g in stuck:
        units = [problem.pins[g]] if g in problem.pins else range(len(problem.units))
        why = "; ".join(problem.refusals.get((g, v), f"{problem.units[v]} cannot run it") for v in units)
        pin = f" is pinned to {problem.units[problem.pins[g]]}" if g in problem.pins else ""
        lines.append(f"{problem.label(g)}{pin}: {why}")
    levers = ("pin it to a unit with a kernel, or leave the pin out", "another precision", "another unit")
    report = InfeasibilityReport(
        "operator groups with a unit that may run them", len(problem), len(problem) - len(stuck), "groups", levers
    )
    raise InfeasibleError(
        join_faults(
            f"{problem.name}: demand {report.demand} groups of operators, bound {report.bound}, gap {report.gap}; "
            f"{'; or '.join(levers)}",
            lines,
        ),
        report,
    )


def check_least(problem: PlacementProblem, goal: Goal) -> None:
    """Refuse a deadline below what any schedule takes.

    Raises:
        InfeasibleError: demand is the deadline's shortfall in picoseconds.
    """
    check_deadline(problem, goal, problem.least_ps, "the longest chain of operators, each on its fastest unit,")


def check_deadline(problem: PlacementProblem, goal: Goal, latency_ps: int, who: str) -> None:
    """Refuse a latency above the deadline.

    Raises:
        InfeasibleError: with what it takes, the deadline and the gap between them.
    """
    if goal.deadline_ps is None or latency_ps <= goal.deadline_ps:
        return
    raise late(problem.name, goal.deadline_ps, latency_ps, who)


def late(network: str, deadline_ps: int, latency_ps: int, who: str) -> InfeasibleError:
    """Return the error of a deadline that is not met."""
    levers = ("a later deadline", "a faster operating point", "a narrower precision", "more units or cores")
    report = InfeasibilityReport("latency", latency_ps, deadline_ps, "ps", levers)
    return InfeasibleError(
        f"{network}: {who} takes {format_time(latency_ps)}: demand {format_time(latency_ps)}, bound (deadline) "
        f"{format_time(deadline_ps)}, gap {format_time(report.gap)}; try {', '.join(levers)}",
        report,
    )
