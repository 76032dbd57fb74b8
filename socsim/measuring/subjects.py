"""What is measured: a model file, the name that its rows carry, its types and its input."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.errors import UsageError, WorkloadError
from socsim.schedule.precision import PRECISIONS
from socsim.workload.dtypes import DType
from socsim.workload.importers import load_graph
from socsim.workload.zoo import load_model
from socsim.workload.zoo.catalogue import AS_NAMED, Request, find, stored
from socsim.workload.zoo.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from socsim.workload.graph import Graph, Operator, Tensor

_CLOSE = 0.01
"""Relative difference in MACs and parameters up to which a file is the network that its name says."""
_IMAGE_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to measure.

    Args:
        path: its file.
        source_format: "tflite" or "onnx".
        workload: name of a network of the zoo, or the file's path from the folder of the table.
        precision: types of weights and activations, by a name of `PRECISIONS`.
        input_shape: of the first input, images as NxCxHxW.
        is_file: whether `workload` is a path.
    """

    path: Path
    source_format: str
    workload: str
    precision: str
    input_shape: str
    is_file: bool


def subject(
    model: str, folder: Path, name: str | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> Subject:
    """Return what a model file is.

    Args:
        model: path of a `.tflite` or `.onnx` file.
        folder: of the table, from which paths of files are written.
        name: network of the zoo that the file is, where its own name does not say so.
        shapes: dimensions of inputs that the file leaves open.

    Raises:
        UsageError: no file, a name of the zoo, a format that cannot be measured, or an unknown `name`.
        WorkloadError: the file cannot be imported, so that its rows could not be predicted.
    """
    path = Path(model)
    if not path.is_file():
        raise UsageError(_no_file(model))
    graph = load_graph(path, shapes=shapes)
    if graph.source_format not in {"tflite", "onnx"}:
        raise UsageError(f"{model}: {graph.source_format} models cannot be measured; give a .tflite or .onnx file")
    shape = _input_shape(graph)
    found = name or _zoo_name(path, graph, shape)
    if name is not None and not _is_known(name):
        raise UsageError(f"name {name!r} is no network of the zoo; leave it out, and the rows name the file")
    return Subject(
        path=path,
        source_format=graph.source_format,
        workload=found or Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix(),
        precision=_precision(graph),
        input_shape="x".join(map(str, shape)),
        is_file=found is None,
    )


def _no_file(model: str) -> str:
    if _is_known(model):
        return (
            f"{model}: a network of the zoo has no weights to run; give its .tflite or .onnx file, with name {model!r}"
        )
    return f"{model}: no such file; give a .tflite or .onnx file"


def _is_known(name: str) -> bool:
    try:
        return find(name) is not None
    except WorkloadError:
        return True


# --- name ---------------------------------------------------------------------------------------------


def _zoo_name(path: Path, graph: Graph, shape: Sequence[int]) -> str | None:
    """Return the network of the zoo that a file is: by its bytes, or by its name where the counts agree."""
    same = next((n for n, digest in _stored_digests().items() if digest == graph.sha256), None)
    if same is not None:
        return same
    return next((found for guess in _guesses(path.stem) if (found := _confirmed(guess, graph, tuple(shape)))), None)


@cache
def _stored_digests() -> Mapping[str, str]:
    files = {name: network.file for name, network in stored().items() if "/" not in name}
    return {name: sha256(file.read_bytes()).hexdigest() for name, file in files.items() if file.is_file()}


def _guesses(stem: str) -> Iterator[str]:
    """Yield the runs of words of a file's name, longer ones first: mobilenet_v2 in coral_mobilenet_v2_quant."""
    words = stem.replace("-", "_").lower().split("_")
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            yield "_".join(words[start : start + length])


def _confirmed(guess: str, graph: Graph, shape: tuple[int, ...]) -> str | None:
    """Return the name of a network of the zoo if it has the file's shape, MACs and parameters."""
    try:
        found = find(guess)
        if found is None or not isinstance(found[0], Network):
            return None
        network, variant = found
        name = network.name if variant.width == 1.0 else guess
        drawn = load_model(name, request=Request(shape=shape) if shape != variant.shape else AS_NAMED)
    except WorkloadError:
        return None
    pairs = ((drawn.macs, graph.macs), (drawn.parameters, graph.parameters))
    return name if all(abs(a - b) <= _CLOSE * b for a, b in pairs) else None


# --- types and shape ----------------------------------------------------------------------------------


def _precision(graph: Graph) -> str:
    """Return the types in which most multiply-accumulates are done, by the name that tables give them."""
    counts: Counter[tuple[DType, DType]] = Counter()
    for op in graph.operators:
        if op.macs:
            counts[_types(graph, op)] += op.macs
    if not counts:
        counts[_first_types(graph)] += 1
    weights, activations = counts.most_common(1)[0][0]
    names = {types: name for name, types in reversed(PRECISIONS.items())}
    signed = DType.INT8 if weights is DType.UINT8 else weights
    for pair in ((weights, activations), (signed, activations), (activations, activations)):
        if pair in names:
            return _USUAL.get(names[pair], names[pair])
    return "fp32"


_USUAL = {"float32": "fp32", "float16": "fp16"}


def _types(graph: Graph, op: Operator) -> tuple[DType, DType]:
    """Return the types of weights and activations of an operator with multiply-accumulates."""
    operands = [graph.tensors[i] for i in op.inputs if i is not None]
    constants = [t for t in operands if t.is_constant]
    moving = next((t for t in operands if not t.is_constant), operands[0])
    largest: Tensor = max(constants, key=lambda t: t.elements, default=operands[min(1, len(operands) - 1)])
    return largest.dtype, moving.dtype


def _first_types(graph: Graph) -> tuple[DType, DType]:
    dtype = graph.tensors[graph.inputs[0]].dtype if graph.inputs else DType.FLOAT32
    return dtype, dtype


def _input_shape(graph: Graph) -> tuple[int, ...]:
    """Return the shape of the first input, channels first where it looks like an image with channels last."""
    if not graph.inputs:
        return ()
    shape = graph.tensors[graph.inputs[0]].shape
    is_image = len(shape) == len("nhwc") and shape[-1] in _IMAGE_CHANNELS and shape[1] not in _IMAGE_CHANNELS
    return (shape[0], shape[3], shape[1], shape[2]) if is_image else shape
