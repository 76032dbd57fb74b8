"""Where the time of a whole validation table goes: processor seconds by phase, in one process.

Give a whole number n to ask every n-th network alone.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim import costing, pipeline, recording
from socsim.accuracy import cases, predictions
from socsim.accuracy.table import read_measurements

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Path(__file__).resolve().parents[1] / "validation" / "measurements.csv"
PHASES = [
    ("platforms", cases, "load_platform"),
    ("networks", predictions, "load_model"),
    ("types", pipeline, "at_precision"),
    ("placement and fusion", pipeline, "_tasks"),
    ("memory plan", pipeline, "plan_residency"),
    ("cost models made", pipeline, "_models"),
    ("system caches", costing, "kept_by_task"),
    ("kernels", costing, "_kernels"),
    ("cost models and energy of tasks", costing, "_cost"),
    ("early moves", costing, "_early"),
    ("jobs", costing, "_jobs"),
    ("engine", pipeline, "simulate_in_stretches"),
    ("energy of the run", recording.Result, "energy_pj"),
]
"""What is timed: the name of a phase, and where the function stands that does it."""


class Clock:
    """Processor time by phase, what runs within another phase counted there alone."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._within = ["everything else"]
        self._since = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        self.spent[self._within[-1]] += now - self._since
        self._since = now

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._within.append(phase)
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._within.pop()

        return run

    def stop(self) -> None:
        self._turn()


def watch(clock: Clock) -> None:
    """Put the clock around every phase."""
    for phase, owner, name in PHASES:
        found = vars(owner)[name]
        if isinstance(owner, type):  # a cached property
            found.func = clock.timed(phase, found.func)
        else:
            setattr(owner, name, clock.timed(phase, found))


def main() -> None:
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    clock = Clock()
    watch(clock)
    table = clock.timed("table read", read_measurements)(TABLE)
    questions = [cases.question(row) for row in table.rows]
    asked = {q.case for q in questions if q.case}
    chosen = set(sorted({case.workload for case in asked})[::step])
    few = [case for case in asked if case.workload in chosen]
    predictions.predict(few)
    clock.stop()
    total = sum(clock.spent.values())
    for phase, spent in clock.spent.most_common():
        print(f"{phase:<32} {spent:7.2f} s  {100 * spent / total:5.1f} %")
    print(f"{f'{len(few):,} cases of {len(chosen)} networks':<32} {total:7.2f} s")


if __name__ == "__main__":
    main()
