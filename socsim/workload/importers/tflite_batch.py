"""Another batch for a TFLite file whose shape signatures leave the first dimension open.

A converter writes -1 into the signature of every tensor that grows with the batch, so the batch is a
matter of replacing those dimensions; no shape is inferred.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from socsim.errors import WorkloadError, did_you_mean, join_faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.workload.importers.tflite_model import OperatorRecord, SubgraphRecord
    from socsim.workload.importers.tflite_tensors import TensorRecord

_SHAPE_READERS = frozenset({"SHAPE", "RANK"})
_CALLERS = frozenset({"IF", "WHILE"})  # their bodies keep the file's shapes
_ADVICE = "convert the model with an open batch dimension, or run it repeatedly"


def rebatch(subgraph: SubgraphRecord, batch: int | None, shapes: Mapping[str, Sequence[int]], where: str) -> None:
    """Set the open first dimensions of `subgraph`, in place.

    Args:
        subgraph: the main subgraph.
        batch: the batch that was asked for, None for none.
        shapes: input shapes by name that were asked for.
        where: the file's name for messages.

    Raises:
        WorkloadError: the file does not leave open what was asked for, all contradictions listed.
    """
    inputs = [subgraph.tensors[i] for i in subgraph.inputs if 0 <= i < len(subgraph.tensors)]
    faults = [*_unknown_names(inputs, shapes), *_misfits(inputs, shapes)]
    wanted = {shapes[t.name][0] for t in inputs if _is_open(t) and shapes.get(t.name)}
    if batch is not None:
        faults += _closed(inputs, batch)
        wanted.add(batch)
    if len(wanted) > 1:
        faults.append(f"different batches are asked for: {', '.join(map(str, sorted(wanted)))}; give one")
    if wanted and min(wanted) < 1:
        faults.append(f"batch {min(wanted)} is not possible; give 1 or more")
    if not faults and wanted:
        faults = _apply(subgraph, wanted.pop())
    if faults:
        raise WorkloadError(join_faults(where, faults))


def _is_open(tensor: TensorRecord) -> bool:
    return tensor.signature[:1] == (-1,) and len(tensor.signature) == len(tensor.shape)


def _unknown_names(inputs: Sequence[TensorRecord], shapes: Mapping[str, Sequence[int]]) -> list[str]:
    known = [t.name for t in inputs]
    return [
        f"a shape is given for {name!r}, which is no input.{did_you_mean(name, known)}"
        for name in shapes
        if name not in known
    ]


def _misfits(inputs: Sequence[TensorRecord], shapes: Mapping[str, Sequence[int]]) -> list[str]:
    faults = []
    for t in inputs:
        wanted = tuple(shapes.get(t.name, t.shape))
        first = 1 if _is_open(t) else 0
        if len(wanted) != len(t.shape) or wanted[first:] != t.shape[first:]:
            free = "only its first dimension may differ" if first else "it is fixed"
            faults.append(
                f"input {t.name!r} has shape {t.shape}, not {wanted}; {free}. Convert the model again for other shapes"
            )
    return faults


def _closed(inputs: Sequence[TensorRecord], batch: int) -> list[str]:
    if any(_is_open(t) for t in inputs):
        return []
    return [
        f"input {t.name!r} has the fixed shape {t.shape}, so batch {batch} is not possible; {_ADVICE}"
        for t in inputs
        if t.shape[:1] != (batch,)
    ]


def _apply(subgraph: SubgraphRecord, batch: int) -> list[str]:
    grown = {i for i, t in enumerate(subgraph.tensors) if _is_open(t) and t.shape[0] != batch}
    for i in sorted(grown):
        tensor = subgraph.tensors[i]
        tensor.shape = (batch, *tensor.shape[1:])
    return [
        f"operator {i} {op.code.name} does not follow the batch of its input; {_ADVICE}"
        for i, op in enumerate(subgraph.operators)
        if not _follows(op, subgraph.tensors, grown)
    ]


def _follows(op: OperatorRecord, tensors: Sequence[TensorRecord], grown: set[int]) -> bool:
    """Return whether the outputs of an operator grow with its inputs."""
    if op.code.name in _SHAPE_READERS or not grown.intersection(op.inputs):
        return True
    if op.code.name in _CALLERS:
        return False
    if op.code.name == "RESHAPE" and len(op.outputs) == 1 and 0 <= op.outputs[0] < len(tensors):
        return prod(tensors[op.outputs[0]].shape) == prod(tensors[op.inputs[0]].shape)
    return bool(grown.intersection(op.outputs))
