"""Runs a float network on samples and watches its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.errors import NumericsError, UsageError
from socsim.numerics.executor import Executable, checked_inputs
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from socsim.numerics.arrays import Array
    from socsim.numerics.quantization.observers import Interval, Observer
    from socsim.numerics.quantization.schemes import Scheme
    from socsim.workload.graph import Graph


def observe(graph: Graph, samples: Iterable[Mapping[Any, Any]], make: Callable[[], Observer]) -> dict[int, Observer]:
    """Return an observer for each float32 input and result of a network, after all samples.

    Args:
        graph: a float network that `Executable` runs.
        samples: inputs of an inference each, as `Executable.run` takes them; one or more.
        make: makes an observer.

    Raises:
        UsageError: no samples, or inputs that do not fit.
        NumericsError: a tensor is not finite; the message names it.
    """
    made = [t for op in graph.operators for t in op.outputs]
    watched = {t: make() for t in (*graph.inputs, *made) if graph.tensors[t].dtype is DType.FLOAT32}
    executable, count = Executable(graph), 0
    for count, sample in enumerate(samples, 1):  # noqa: B007  (the last number is how many there were)
        values = checked_inputs(graph, sample) | executable.run(sample, keep_all=True)
        for t, seen in watched.items():
            _collect(graph, t, seen, values[t])
    if not count:
        msg = f"{graph.name}: no samples; give the inputs of one inference or more"
        raise UsageError(msg)
    return watched


def _collect(graph: Graph, t: int, seen: Observer, values: Array) -> None:
    try:
        seen.collect(values)
    except NumericsError as error:
        msg = f"{graph.name}: tensor {t} {graph.tensors[t].name!r}: {error}"
        raise NumericsError(msg) from None


def intervals(watched: Mapping[int, Observer], scheme: Scheme) -> dict[int, Interval]:
    """Return the interval of each tensor under a scheme."""
    bits = (scheme.activations or DType.INT8).bits
    symmetric = scheme.symmetric_activations
    return {t: seen.interval(levels=2**bits - symmetric, symmetric=symmetric) for t, seen in watched.items()}
