"""Answers of the model to cases, each asked once; in one process or several."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from socsim.accuracy.anatomy import anatomy
from socsim.accuracy.board_energy import board_energy_j
from socsim.accuracy.cases import platform_of
from socsim.accuracy.energy_books import books_of
from socsim.accuracy.table import is_model_file
from socsim.cost.corrections import correction_of_row
from socsim.errors import SocsimError
from socsim.pipeline import Options, prepare_graph, simulate_graph
from socsim.quantities import PS_PER_S
from socsim.schedule.precision import PRECISIONS
from socsim.soc.runtimes import runtime
from socsim.workload.dtypes import DType
from socsim.workload.zoo import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from socsim.accuracy.anatomy import Anatomy
    from socsim.accuracy.cases import Case, Share
    from socsim.cost.corrections import Correction
    from socsim.costing import Prepared
    from socsim.recording import Result
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph

INTERNAL_ERROR = "internal error"
_FEW = 100
"""Cases up to which another process costs more than it saves."""
_STREAM = 64
"""Batches of a stream: so many that the time until the first one leaves hardly counts."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a case comes to; None with a reason where the model refuses it.

    Args:
        latency_ps: of the whole batch.
        energy_pj: of the whole batch.
        reason: why there is none.
        is_calibrated: whether parameters fitted to the case's platform, unit and runtime were used.
        uncalibrated_ps: latency by structure and datasheet numbers alone.
        anatomy: what that time consists of, where it was asked for.
        board_pj: energy of the whole batch at the board's supply, where measurements say what boards add to a chip.
    """

    latency_ps: float | None
    energy_pj: float | None
    reason: str | None = None
    is_calibrated: bool = False
    uncalibrated_ps: float | None = None
    anatomy: Anatomy | None = None
    board_pj: float | None = None

    def value(self, metric: str, batch: int) -> float | None:
        """Return a metric in seconds, samples a second, joules or watts."""
        if not self.latency_ps or self.energy_pj is None:
            return None
        return _METRICS[metric](self.latency_ps, self.energy_pj if self.board_pj is None else self.board_pj, batch)

    def uncalibrated(self, metric: str, batch: int) -> float | None:
        """Return a metric of time by structure and datasheet numbers alone; None for energies."""
        if not self.uncalibrated_ps or metric not in {"latency", "throughput"}:
            return None
        return _METRICS[metric](self.uncalibrated_ps, 0.0, batch)


_METRICS: dict[str, Callable[[float, float, int], float]] = {
    "latency": lambda latency_ps, _, __: latency_ps / PS_PER_S,
    "throughput": lambda latency_ps, _, batch: batch * PS_PER_S / latency_ps,
    "energy_per_inference": lambda _, energy_pj, batch: energy_pj / PS_PER_S / batch,
    "power": lambda latency_ps, energy_pj, _: energy_pj / latency_ps,
}


def predict(
    cases: Iterable[Case],
    *,
    detail: str = "transaction",
    processes: int = 1,
    calibrated: bool = True,
    anatomies: bool = False,
) -> dict[Case, Prediction]:
    """Return the prediction of each case; the same whatever the number of processes.

    Args:
        cases: in any order; equal ones are asked once.
        detail: level of detail of the runs.
        processes: how many share the work. With more than one, a script must guard its top level with
            `if __name__ == "__main__"`, since each starts by importing it.
        calibrated: whether to apply the calibrations that ship, or stand beside a platform's file.
        anatomies: whether to return what the times consist of.
    """
    chunks, asked = _chunks(cases), _Asked(detail, calibrated, anatomies)
    if processes == 1 or sum(map(len, chunks)) <= _FEW:
        answers = [_answers(chunk, asked) for chunk in chunks]
    else:
        answers = _together(chunks, asked, processes)
    pairs = (pair for chunk, found in zip(chunks, answers, strict=True) for pair in zip(chunk, found, strict=True))
    return dict(pairs)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is wanted of every case."""

    detail: str
    calibrated: bool
    anatomies: bool


def _chunks(cases: Iterable[Case]) -> list[list[Case]]:
    """Return the distinct cases by network, so that each is drawn once; the most cases first."""
    order = sorted(set(cases), key=lambda c: (c.workload, str(c.request), c.precision, c.platform, str(c)))
    chunks = [list(group) for _, group in groupby(order, key=lambda c: (c.workload, c.request))]
    return sorted(chunks, key=len, reverse=True)


def _together(chunks: Sequence[Sequence[Case]], asked: _Asked, processes: int) -> list[list[Prediction]]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_rarely_collected) as pool:
        return list(pool.map(_answers, chunks, [asked] * len(chunks)))


def _rarely_collected() -> None:
    """Look for cycles seldom: a run makes many short-lived objects and hardly any cycle. Saves a fifth of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def _answers(cases: Sequence[Case], asked: _Asked) -> list[Prediction]:
    """Return the predictions of cases of one network."""
    try:
        graph = load_model(cases[0].workload, request=cases[0].request)
    except SocsimError as error:
        return [_refusal(error)] * len(cases)
    return [_answer(graph, case, asked) for case in cases]


def _answer(graph: Graph, case: Case, asked: _Asked) -> Prediction:
    """Return the prediction of a case; a fault of the program is the reason of its rows, and ends nothing else."""
    try:
        return _prediction(graph, case, asked)
    except SocsimError as error:
        return _refusal(error)
    except Exception as error:
        return Prediction(None, None, f"{INTERNAL_ERROR}: {type(error).__name__}: {error}")


def _prediction(graph: Graph, case: Case, asked: _Asked) -> Prediction:
    """Return the prediction of a case.

    Threads on several clusters get equal parts of each operator, so the cluster that is slowest with its part
    decides when the network ends.

    Assumes: nothing moves from one cluster to another meanwhile; clusters do not disturb each other.
    """
    case, frames = _streamed(graph, case)
    cores = sum(share.cores or 0 for share in case.shares)
    parts = [((share.cores or 0) / cores if len(case.shares) > 1 else 1.0) / frames for share in case.shares]
    plain = [run_share(graph, case, share, detail=asked.detail) for share in case.shares]
    times = [run.latency_ps * part for run, part in zip(plain, parts, strict=True)]
    correction = case_correction(case) if asked.calibrated else None
    runs = plain
    if correction is not None:
        runs = [run_share(graph, case, share, detail=asked.detail, correction=correction) for share in case.shares]
    slowest = times.index(max(times))
    found = None
    if asked.anatomies:
        found = anatomy(prepared_share(graph, case, case.shares[slowest]), case.unit).part(parts[slowest])
    latency = max(run.latency_ps * part for run, part in zip(runs, parts, strict=True))
    return Prediction(
        latency_ps=latency,
        energy_pj=sum(run.energy_pj * part for run, part in zip(runs, parts, strict=True)),
        is_calibrated=correction is not None and correction.is_own,
        uncalibrated_ps=times[slowest],
        anatomy=found,
        board_pj=_board_pj(graph, case, plain, parts, latency) if asked.calibrated and frames == 1 else None,
    )


def _board_pj(
    graph: Graph, case: Case, runs: Sequence[Result], parts: Sequence[float], latency_ps: float
) -> float | None:
    """Return what the board draws for the whole batch; None where nothing is known of the platform's boards."""
    books = books_of(case, graph.macs, runs, parts)
    joules = None if books is None else board_energy_j(case, books, latency_ps / PS_PER_S / case.batch)
    return None if joules is None else joules * case.batch * PS_PER_S


def _streamed(graph: Graph, case: Case) -> tuple[Case, int]:
    """Return the case with the batches of a stream in place of one, and how many they are.

    A network that the chip holds as a whole starts on a frame before the last one has left; one whose constants are
    fetched for every batch runs batch by batch.
    """
    if not case.in_stream:
        return case, 1
    costs = prepared_share(graph, case, case.shares[0]).costs
    if any(cost.kernel.loops and cost.work and cost.work.weight_bytes for cost in costs):
        return case, 1
    return replace(case, batch=_STREAM * case.batch), _STREAM


def case_correction(case: Case) -> Correction | None:
    """Return what measurements say of a case's runs: of its own group, else of its nearest relative."""
    return correction_of_row(_platform(case), case.group, case.unit, runtime(case.runtime))


def run_share(
    graph: Graph,
    case: Case,
    share: Share,
    *,
    opps: Mapping[str, str] | None = None,
    detail: str = "transaction",
    correction: Correction | None = None,
) -> Result:
    """Run the network of a case on one of its shares of cores.

    Args:
        graph: the case's network.
        case: what to run.
        share: its cores.
        opps: operating points by clock; the platform's default elsewhere.
        detail: level of detail.
        correction: a calibration to apply.

    Raises:
        SocsimError: the platform's file has a fault, or it cannot run the network so.
    """
    soc = _platform(case)
    return simulate_graph(graph, soc.at(opps) if opps else soc, _options(graph, case, share, detail, correction))


def prepared_share(graph: Graph, case: Case, share: Share) -> Prepared:
    """Return the run of a case on one of its shares of cores up to the point where time begins, uncalibrated."""
    return prepare_graph(graph, _platform(case), _options(graph, case, share, "analytic", None))


def _platform(case: Case) -> Platform:
    soc = platform_of(case.platform)
    if isinstance(soc, str):
        raise SocsimError(soc)
    return soc


def _options(graph: Graph, case: Case, share: Share, detail: str, correction: Correction | None) -> Options:
    return Options(
        runtime=case.runtime, unit=case.unit, cluster=share.cluster, cores=share.cores,
        precision=_precision(graph, case), batch=case.batch, detail=detail, correction=correction,
    )  # fmt: skip


def _precision(graph: Graph, case: Case) -> str | None:
    """Return the types to cost a network in; None where its file has them, with its weights."""
    wanted = case.precision
    if is_model_file(case.workload):
        return None
    return None if PRECISIONS[wanted][1] in _own_types(graph) else wanted


def _own_types(graph: Graph) -> set[DType]:
    """Return the types that a network's file was quantized to: of its inputs, or of layers that convert theirs."""
    declared = {DType(str(t)) for op in graph.operators if (t := op.attributes.get("compute_dtype")) is not None}
    taken = {graph.tensors[index].dtype for index in graph.inputs}
    return declared | (taken if graph.source_format == "tflite" and len(taken) == 1 else set())


def _refusal(error: SocsimError) -> Prediction:
    return Prediction(None, None, str(error).splitlines()[0])
