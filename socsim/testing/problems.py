"""Small placement problems, and large ones of any size, made from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from socsim.schedule.partition.problem import REFUSED, Flow, PlacementProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS = ("npu", "gpu", "cpu", "dsp", "cpu")


def problem_of(
    readers: Sequence[Sequence[int]],
    time_ps: Sequence[Sequence[int]],
    *,
    energy_pj: Sequence[Sequence[int]] | None = None,
    pass_ps: int = 0,
    entry_ps: int = 0,
    static_nw: int = 0,
    name: str = "problem",
) -> PlacementProblem:
    """Return a problem of one flow for each group that others read.

    Args:
        readers: by group, those that read its result.
        time_ps: by group and unit; negative where the unit cannot run it.
        energy_pj: likewise; times where absent.
        pass_ps: time and energy of writing a flow anew between any two units.
        entry_ps: submission and hand-over of any unit.
        static_nw: static power of each unit in use.
        name: for messages.
    """
    units = len(time_ps[0])
    flows = tuple(Flow(g, tuple(sorted(own))) for g, own in enumerate(readers) if own)
    passes = np.full((len(flows), units, units), pass_ps, dtype=np.int64)
    passes[:, range(units), range(units)] = 0
    times = np.array(time_ps, dtype=np.int64)
    return PlacementProblem(
        name=name,
        units=tuple(f"unit{v}" for v in range(units)),
        kinds=tuple(_KINDS[v % len(_KINDS)] for v in range(units)),
        operators=tuple((g,) for g in range(len(time_ps))),
        time_ps=np.where(times >= 0, times, REFUSED),
        energy_pj=np.maximum(np.array(energy_pj if energy_pj is not None else time_ps, dtype=np.int64), 0),
        refusals={
            (g, v): f"unit{v} has no kernel for {g}"
            for g, row in enumerate(time_ps)
            for v, t in enumerate(row)
            if t < 0
        },
        flows=flows,
        pass_ps=passes,
        pass_pj=passes.copy(),
        entry_ps=(entry_ps,) * units,
        submit_ps=(entry_ps // 2,) * units,
        static_nw=tuple(static_nw * mask.bit_count() for mask in range(1 << units)),
    )


def random_problem(seed: int, groups: int, units: int, *, refused: float = 0.1) -> PlacementProblem:
    """Return a problem in which each group reads up to three of the twenty before it.

    Args:
        seed: of all that is drawn.
        groups: how many.
        units: how many; the last one runs everything.
        refused: share of groups that each other unit cannot run.
    """
    draw = random.Random(seed)  # noqa: S311
    readers: list[list[int]] = [[] for _ in range(groups)]
    for g in range(1, groups):
        for maker in draw.sample(range(max(0, g - 20), g), k=min(g, draw.choice((1, 1, 1, 2, 3)))):
            readers[maker].append(g)
    times = []
    for _ in range(groups):
        size = draw.randint(1, 1_000)
        row = [size * draw.randint(1, 9) for _ in range(units)]
        times.append([t if v == units - 1 or draw.random() >= refused else -1 for v, t in enumerate(row)])
    energies = [[abs(t) * draw.randint(1, 9) for t in row] for row in times]
    return problem_of(
        readers, times, energy_pj=energies, pass_ps=draw.randint(0, 400), entry_ps=draw.randint(0, 400),
        static_nw=draw.randint(0, 3) * 10**9, name=f"random {seed}",
    )  # fmt: skip


def problems() -> dict[str, PlacementProblem]:
    """Return small problems by what they are like."""
    chain = [[g + 1] for g in range(5)] + [[]]
    diamond = [[1, 2], [3], [3], [4], []]
    times = [[3, 9], [9, 4], [5, 9], [2, 6], [6, 3]]
    return {
        "one group": problem_of([[]], [[5, 9]]),
        "chain": problem_of(chain, [[4, 6], [8, 2], [3, 9], [7, 7], [1, 5], [2, 2]], pass_ps=1, entry_ps=2),
        "chain with a gap": problem_of(chain, [[4, 6], [3, 8], [-1, 9], [2, 7], [1, 5], [2, 2]], entry_ps=1),
        "diamond": problem_of(diamond, times, pass_ps=1, entry_ps=1, static_nw=10**9),
        "two sources": problem_of([[2], [2], []], [[5, 5, 6], [5, 5, 6], [1, 2, 3]], entry_ps=2),
        "no unit for all": problem_of(diamond, [[3, -1], [9, 4], [5, 9], [-1, 6], [6, 3]], pass_ps=2, entry_ps=1),
        **{f"random {seed}": random_problem(seed, 12, 3) for seed in range(3)},
    }
