"""Answers of the model to cases, each asked once; in one process or several."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from socsim.accuracy.cases import platform_of
from socsim.errors import SocsimError
from socsim.pipeline import Options, simulate_graph
from socsim.quantities import PS_PER_S
from socsim.schedule.precision import PRECISIONS
from socsim.workload.zoo import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from socsim.accuracy.cases import Case, Share
    from socsim.workload.graph import Graph

INTERNAL_ERROR = "internal error"
_FEW = 100
"""Cases up to which another process costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a case comes to; None with a reason where the model refuses it.

    Args:
        latency_ps: of the whole batch.
        energy_pj: of the whole batch.
        reason: why there is none.
        is_calibrated: whether parameters fitted to the case's platform, unit and runtime were used.
    """

    latency_ps: float | None
    energy_pj: float | None
    reason: str | None = None
    is_calibrated: bool = False

    def value(self, metric: str, batch: int) -> float | None:
        """Return a metric in seconds, samples a second, joules or watts."""
        if not self.latency_ps or self.energy_pj is None:
            return None
        return _METRICS[metric](self.latency_ps, self.energy_pj, batch)


_METRICS: dict[str, Callable[[float, float, int], float]] = {
    "latency": lambda latency_ps, _, __: latency_ps / PS_PER_S,
    "throughput": lambda latency_ps, _, batch: batch * PS_PER_S / latency_ps,
    "energy_per_inference": lambda _, energy_pj, batch: energy_pj / PS_PER_S / batch,
    "power": lambda latency_ps, energy_pj, _: energy_pj / latency_ps,
}


def predict(cases: Iterable[Case], *, detail: str = "transaction", processes: int = 1) -> dict[Case, Prediction]:
    """Return the prediction of each case; the same whatever the number of processes.

    Args:
        cases: in any order; equal ones are asked once.
        detail: level of detail of the runs.
        processes: how many share the work. With more than one, a script must guard its top level with
            `if __name__ == "__main__"`, since each starts by importing it.
    """
    chunks = _chunks(cases)
    if processes == 1 or sum(map(len, chunks)) <= _FEW:
        answers = [_answers(chunk, detail) for chunk in chunks]
    else:
        answers = _together(chunks, detail, processes)
    pairs = (pair for chunk, found in zip(chunks, answers, strict=True) for pair in zip(chunk, found, strict=True))
    return dict(pairs)


def _chunks(cases: Iterable[Case]) -> list[list[Case]]:
    """Return the distinct cases by network, so that each is drawn once; the most cases first."""
    order = sorted(set(cases), key=lambda c: (c.workload, str(c.request), c.precision, c.platform, str(c)))
    chunks = [list(group) for _, group in groupby(order, key=lambda c: (c.workload, c.request))]
    return sorted(chunks, key=len, reverse=True)


def _together(chunks: Sequence[Sequence[Case]], detail: str, processes: int) -> list[list[Prediction]]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_rarely_collected) as pool:
        return list(pool.map(_answers, chunks, [detail] * len(chunks)))


def _rarely_collected() -> None:
    """Look for cycles seldom: a run makes many short-lived objects and hardly any cycle. Saves a fifth of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def _answers(cases: Sequence[Case], detail: str) -> list[Prediction]:
    """Return the predictions of cases of one network."""
    try:
        graph = load_model(cases[0].workload, request=cases[0].request)
    except SocsimError as error:
        return [_refusal(error)] * len(cases)
    return [_answer(graph, case, detail) for case in cases]


def _answer(graph: Graph, case: Case, detail: str) -> Prediction:
    """Return the prediction of a case; a fault of the program is the reason of its rows, and ends nothing else.

    Threads on several clusters get equal parts of each operator, so the cluster that is slowest with its part
    decides when the network ends.

    Assumes: nothing moves from one cluster to another meanwhile; clusters do not disturb each other.
    """
    try:
        runs = [_run(graph, case, share, detail) for share in case.shares]
    except SocsimError as error:
        return _refusal(error)
    except Exception as error:
        return Prediction(None, None, f"{INTERNAL_ERROR}: {type(error).__name__}: {error}")
    cores = sum(share.cores or 0 for share in case.shares)
    parts = [(share.cores or 0) / cores if len(runs) > 1 else 1.0 for share in case.shares]
    latency = max(run[0] * part for run, part in zip(runs, parts, strict=True))
    return Prediction(latency, sum(run[1] * part for run, part in zip(runs, parts, strict=True)))


def _run(graph: Graph, case: Case, share: Share, detail: str) -> tuple[int, int]:
    """Return latency in picoseconds and energy in picojoules."""
    soc = platform_of(case.platform)
    if isinstance(soc, str):
        raise SocsimError(soc)
    options = Options(
        runtime=case.runtime, unit=case.unit, cluster=share.cluster, cores=share.cores,
        precision=_precision(graph, case.precision), batch=case.batch, detail=detail,
    )  # fmt: skip
    result = simulate_graph(graph, soc, options)
    return result.latency_ps, result.energy_pj


def _precision(graph: Graph, wanted: str) -> str | None:
    """Return the types to cost a network in; None where its file has them, with its weights."""
    types = {graph.tensors[index].dtype for index in graph.inputs}
    return None if graph.source_format == "tflite" and types == {PRECISIONS[wanted][1]} else wanted


def _refusal(error: SocsimError) -> Prediction:
    return Prediction(None, None, str(error).splitlines()[0])
