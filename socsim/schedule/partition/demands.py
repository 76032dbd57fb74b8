"""What users demand of a placement, checked: strategy, objective, deadline, pins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from socsim.errors import UsageError, did_you_mean, join_faults, misuse
from socsim.quantities import Time
from socsim.schedule.partition.catalogue import STRATEGIES
from socsim.schedule.partition.strategy import OBJECTIVES, Goal, Strategy, strategy_of

if TYPE_CHECKING:
    from socsim.workload.graph import Graph


def demanded(strategy: str | Strategy, objective: str | None, deadline: str | Time | None) -> tuple[Strategy, Goal]:
    """Return the strategy and what it shall aim at.

    Raises:
        UsageError: no such strategy, option or objective, one that the strategy does not aim at, or no deadline.
    """
    chosen = strategy_of(strategy)
    return chosen, Goal(_objective(chosen, objective), _deadline(deadline))


def _objective(strategy: Strategy, wanted: str | None) -> str:
    if wanted is None:
        return strategy.objectives[0]
    if not isinstance(wanted, str):
        raise misuse("objective", wanted, f"one of {', '.join(OBJECTIVES)}")
    if wanted not in OBJECTIVES:
        msg = f"objective {wanted!r} is not known.{did_you_mean(wanted, OBJECTIVES)}"
        raise UsageError(msg)
    if not strategy.weighs or wanted not in strategy.objectives:
        able = [n for n in STRATEGIES.names() if STRATEGIES[n].weighs and wanted in STRATEGIES[n].objectives]
        aims = f"aims at {' or '.join(strategy.objectives)}" if strategy.weighs else "weighs no costs"
        msg = f"strategy {strategy.name!r} {aims}; for objective {wanted!r} take {' or '.join(able)}"
        raise UsageError(msg)
    return wanted


def _deadline(wanted: str | Time | None) -> int | None:
    if wanted is None:
        return None
    if not isinstance(wanted, str | Time):
        raise misuse("deadline", wanted, 'a time such as "20 ms"')
    try:
        value = wanted.value if isinstance(wanted, Time) else Time(wanted).value
    except (TypeError, ValueError) as error:
        msg = f"deadline: {error}"
        raise UsageError(msg) from None
    if value <= 0:
        msg = f"deadline {wanted!r} is not allowed; give a time above 0"
        raise UsageError(msg)
    return value


def check_pins(pins: Mapping[str, str] | Mapping[int, str]) -> None:
    """Refuse what is no table of units by operator.

    Raises:
        UsageError: with what is wrong.
    """
    fits = isinstance(pins, Mapping) and all(
        isinstance(op, str | int) and not isinstance(op, bool) and isinstance(unit, str) for op, unit in pins.items()
    )
    if not fits:
        raise misuse("pins", pins, 'units by index or name of operators, such as {"12": "cpu_big", "conv_3": "npu"}')


def pinned_operators(graph: Graph, pins: Mapping[str, str] | Mapping[int, str]) -> dict[int, str]:
    """Return the wanted unit of each operator that a table of pins names, by index or by name.

    A name that several operators have pins all of them.

    Raises:
        UsageError: no such operator, or two units for one; all listed.
    """
    named: dict[str, list[int]] = {}
    for op in graph.operators:
        named.setdefault(op.name, []).append(op.index)
    found: dict[int, str] = {}
    faults = []
    for key, unit in pins.items():
        text = str(key)
        own = named.get(text, [])
        if not own and text.isascii() and text.isdigit() and int(text) < len(graph.operators):
            own = [int(text)]
        if not own:
            near = did_you_mean(text, named, f"Operators have the indices 0 to {len(graph.operators) - 1}.")
            faults.append(f"there is no operator {text!r}.{near}")
        faults += [
            f"operator {op} is pinned to {found[op]!r} and to {unit!r}" for op in own if found.get(op, unit) != unit
        ]
        found |= dict.fromkeys(own, unit)
    if faults:
        raise UsageError(join_faults(f"pins of {graph.name}", faults))
    return found
