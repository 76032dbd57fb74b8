"""How long placement takes: list schedules of large problems, the exact strategy, and the problem of a real network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import socsim as ss
from socsim.schedule.partition.exact import CpSat
from socsim.schedule.partition.lists import Heft, Peft
from socsim.schedule.partition.pipelined import Pipelined
from socsim.schedule.partition.problem import timed
from socsim.schedule.partition.strategy import Goal
from socsim.testing.problems import random_problem

if TYPE_CHECKING:
    from socsim.schedule.partition.problem import PlacementProblem
    from socsim.schedule.partition.strategy import Strategy


def show(what: str, strategy: Strategy, problem: PlacementProblem, objective: str = "latency", runs: int = 3) -> None:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        solution = strategy.solve(problem, Goal(objective))
        times.append(time.perf_counter() - start)
    found = timed(problem, solution.units, solution.order)
    value = found.energy_pj if objective == "energy" else found.makespan_ps
    gap = "" if solution.bound is None else f", gap {(value - solution.bound) / value:.1%}"
    print(f"{what:<52} min {min(times):7.3f} s of {runs}{gap}")


def main() -> None:
    large = random_problem(1, 10_000, 5)
    _ = large.allowed, large.before, large.after  # what a problem knows of itself once
    show("HEFT, 10,000 groups on 5 units", Heft(), large)
    show("PEFT, 10,000 groups on 5 units", Peft(), large)
    show("pipelined, 1,000 groups on 5 units", Pipelined(), random_problem(1, 1_000, 5), "throughput", 1)
    for seed in range(2):
        show(f"CP-SAT, 60 groups on 4 units, seed {seed}", CpSat(), random_problem(seed, 60, 4), runs=1)
    show("CP-SAT for energy, 60 groups on 4 units", CpSat(), random_problem(0, 60, 4), "energy", 1)
    net, soc = ss.load("yolov8n"), ss.platform("rk3588")
    for strategy in ("priority", "heft", "heft"):
        start = time.perf_counter()
        ss.run(net, soc, precision="int8", strategy=strategy)
        print(f"run of yolov8n on rk3588, {strategy:<27} {time.perf_counter() - start:7.3f} s")


if __name__ == "__main__":
    main()
