"""Applications simulated in a second of processor time: many small jobs, many events, long stretches of the same.

The graph of ten tasks, its times on three kinds of processors and its communication are those of H. Topcuoglu,
S. Hariri, M.-Y. Wu, "Performance-effective and low-complexity task scheduling for heterogeneous computing", IEEE
Transactions on Parallel and Distributed Systems 13 (2002), figure 2 and table 1; the example of DS3 as well.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "scheduling"))
from online_worlds import MS, US, S, app, server, stage, world

from socsim.engine.online.engine import run
from socsim.engine.online.model import (
    Application,
    AppStep,
    Periodic,
    Piece,
    Poisson,
    Program,
    Segment,
    Triggered,
    Variation,
)

TIMES = (
    (14, 16, 9), (13, 19, 18), (11, 13, 19), (13, 8, 17), (12, 13, 10),
    (13, 16, 9), (7, 15, 11), (5, 11, 14), (18, 12, 20), (21, 7, 16),
)  # fmt: skip
EDGES = {
    (0, 1): 18, (0, 2): 12, (0, 3): 9, (0, 4): 11, (0, 5): 14, (1, 7): 19, (1, 8): 16, (2, 6): 23,
    (3, 7): 27, (3, 8): 23, (4, 8): 13, (5, 7): 15, (6, 9): 17, (7, 9): 11, (8, 9): 13,
}  # fmt: skip
UNITS = 14


def task(position: int, unit: int) -> Program:
    """Return a task on a unit: one transfer over the network on chip for each edge, then its work."""
    moves = [time for (_, to), time in EDGES.items() if to == position]
    transfers = [Segment("noc", 1, (Piece("transfer", time * US, (), 1),)) for time in moves]
    work = Segment(
        f"unit {unit}", 1, (Piece("task", TIMES[position][unit % 3] * US, (), 10),), tuple(range(len(moves)))
    )
    return Program((*transfers, work))


def ten_tasks(jobs: int, gap_us: int):
    """Return a world of so many jobs, each task where it ends first."""
    units = tuple(f"unit {i}" for i in range(UNITS))
    after = [tuple(a for a, b in EDGES if b == position) for position in range(len(TIMES))]
    steps = tuple(AppStep(f"task {i}", units, after[i], "none", pick="earliest_finish") for i in range(len(TIMES)))
    programs = {("job", i): [task(i, unit) for unit in range(UNITS)] for i in range(len(TIMES))}
    servers = [*(server(unit) for unit in units), server("noc", cores=16)]
    return world([Application("job", Periodic(gap_us * US), steps)], programs, servers, jobs * gap_us * US, seed=1)


def queue(activations: int):
    """Return a single queue at a load of 0.8, whose services differ."""
    calls = app("calls", Poisson(10 * US), variation=Variation("exponential"))
    return world([calls], {"calls": stage(8 * US)}, duration_ps=activations * 10 * US)


def wake_word(duration_ps: int):
    """Return a hub that listens every 20 ms and rarely wakes speech recognition and a language model."""
    applications = [
        app("hub", Periodic(20 * MS)),
        app("recognition", Triggered("hub", 2e-4), priority=1),
        app("language", Triggered("recognition", 0.5), preemption="operator"),
    ]
    programs = {
        "hub": stage(3 * MS, "hub", energy_pj=10**6, pieces=8),
        "recognition": stage(180 * MS, "npu", energy_pj=10**10, pieces=40),
        "language": stage(1500 * MS, "npu", energy_pj=10**11, pieces=400),
    }
    return world(applications, programs, [server("hub"), server("npu", "priority")], duration_ps, seed=2)


def show(what: str, made, *, skips: bool = True) -> None:
    start = time.process_time()
    outcome = run(made, skips=skips)
    taken = time.process_time() - start
    done = sum(served.completed for served in outcome.served)
    print(f"{what:<52} {taken:>7.2f} s {outcome.events:>10,} events {done:>9,} activations", flush=True)


def main() -> None:
    print("processor time")
    show("1,000 jobs of ten tasks, what repeats counted", ten_tasks(1000, 25))
    show("1,000 jobs of ten tasks, every event", ten_tasks(1000, 25), skips=False)
    show("a queue, 500,000 activations", queue(500_000))
    show("an hour of a wake word, what repeats counted", wake_word(3600 * S))
    show("an hour of a wake word, every event", wake_word(3600 * S), skips=False)


if __name__ == "__main__":
    main()
