"""Every built-in strategy; importing this module fills the table of strategies."""

from __future__ import annotations

import inspect

from socsim.schedule.partition import claims, exact, lists, pipelined
from socsim.schedule.partition.strategy import STRATEGIES

__all__ = ["STRATEGIES", "claims", "describe", "exact", "lists", "pipelined"]


def describe() -> list[tuple[str, str, str, str]]:
    """Return name, objectives, options with their defaults, and first sentence of each strategy."""
    rows = []
    for name in STRATEGIES.names():
        cls = STRATEGIES[name]
        options = ", ".join(f"{p.name}={p.default}" for p in inspect.signature(cls).parameters.values())
        first = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
        rows.append((name, ", ".join(cls.objectives) if cls.weighs else "", options, first))
    return rows
