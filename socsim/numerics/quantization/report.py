"""What quantization costs: each layer's results beside those of the float network."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log10, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError, UsageError
from socsim.numerics.executor import Executable, output_names
from socsim.numerics.mac import dequantized
from socsim.numerics.quantization.lowering import lowered
from socsim.numerics.quantization.rewriting import SUFFIX
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from socsim.numerics.arrays import Array
    from socsim.workload.graph import Graph


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far a layer's result is from the float network's, over all samples.

    The quantized network ran as a whole, so errors of earlier layers count.

    Args:
        operator: index in the float network after fusion.
        type: word of the vocabulary.
        tensor: name of the result.
        sqnr_db: energy of the float result over that of the difference, in decibels; inf where equal.
        cosine: similarity of both as vectors; 1 where both are zero.
        largest: greatest magnitude of the difference.
    """

    operator: int
    type: str
    tensor: str
    sqnr_db: float
    cosine: float
    largest: float


class _Sums:
    """Products of two results, added up over samples in float64."""

    def __init__(self) -> None:
        self._products = np.zeros(4)
        self._largest = 0.0

    def add(self, real: Array, found: Array) -> None:
        a, b = real.ravel().astype(np.float64), found.ravel().astype(np.float64)
        self._products += [np.sum(a * a), np.sum(b * b), np.sum(a * b), np.sum((a - b) ** 2)]
        self._largest = max(self._largest, float(np.abs(a - b).max(initial=0.0)))

    def error(self, operator: int, kind: str, tensor: str) -> LayerError:
        signal, found, both, noise = (float(v) for v in self._products)
        ratio = inf if noise == 0 else 10 * log10(signal / noise) if signal > 0 else -inf
        cosine = 1.0 if signal == found == 0 else both / sqrt(signal * found) if signal * found > 0 else 0.0
        return LayerError(operator, kind, tensor, ratio, cosine, self._largest)


def layer_errors(
    graph: Graph, quantized: Graph, samples: Iterable[Mapping[Any, Any]], profile: str = "tflite"
) -> tuple[LayerError, ...]:
    """Compare a quantized network with the float one, layer by layer.

    Args:
        graph: the float network that `quantize_graph` was given.
        quantized: what it made.
        samples: inputs of an inference each, by name or by index in the float network.
        profile: rules under which the quantized network runs.

    Returns: one entry for each float32 result that both networks have, in the order of execution.

    Raises:
        UsageError: no samples, or samples that do not fit.
        NumericsError: inputs or results of the networks differ.
    """
    plain = lowered(graph)
    pairs = _pairs(plain, quantized)
    sums = {t: _Sums() for t in pairs}
    real, integers, count = Executable(plain), Executable(quantized, profile), 0
    for count, sample in enumerate(samples, 1):  # noqa: B007  (the last number is how many there were)
        expected = real.run(sample, keep_all=True)
        found = integers.run(_renamed(plain, quantized, sample), keep_all=True)
        for t, other in pairs.items():
            sums[t].add(expected[t], dequantized(quantized.tensors[other], found[other]))
    if not count:
        msg = f"{graph.name}: no samples; give the inputs of one inference or more"
        raise UsageError(msg)
    return tuple(
        sums[t].error(op.index, op.type, plain.tensors[t].name)
        for op in plain.operators
        for t in op.outputs
        if t in pairs
    )


def _pairs(plain: Graph, quantized: Graph) -> dict[int, int]:
    """Return the tensors of the quantized network by those of the float one, integers before floats."""
    made = {quantized.tensors[t].name: t for op in quantized.operators for t in op.outputs}
    names = output_names(plain, range(len(plain.tensors)))
    results = [t for op in plain.operators for t in op.outputs if plain.tensors[t].dtype is DType.FLOAT32]
    found = {t: made.get(names[t] + SUFFIX, made.get(names[t])) for t in results}
    pairs = {t: other for t, other in found.items() if other is not None}
    inputs = [[g.tensors[t].shape for t in g.inputs] for g in (plain, quantized)]
    same = all(plain.tensors[t].shape == quantized.tensors[other].shape for t, other in pairs.items())
    if not pairs or not same or inputs[0] != inputs[1]:
        msg = f"{quantized.name} was not made from {plain.name}: inputs or results differ; give the network that was"
        raise NumericsError(msg)
    return pairs


def _renamed(plain: Graph, quantized: Graph, sample: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a sample whose keys that are indices of the float network are those of the quantized one."""
    pairs = list(zip(plain.inputs, quantized.inputs, strict=True))
    moved = {key: new for old, new in pairs for key in (old, str(old))}
    return {moved.get(key, key): value for key, value in sample.items()}
