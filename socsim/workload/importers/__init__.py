"""From a model file to a graph: open safely, identify by content, verify, convert."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.errors import WorkloadError
from socsim.workload.importers.source import identify, read_model
from socsim.workload.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from socsim.workload.graph import Graph

_NO_SHAPES: Mapping[str, Sequence[int]] = MappingProxyType({})


def load_graph(
    path: str | os.PathLike[str],
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Graph:
    """Import a model file.

    Args:
        path: a TFLite, ONNX or ncnn file; the content decides, not the name.
        batch: value of a batch dimension that the file leaves open; None keeps what the file says.
        shapes: shapes of inputs by name, where the file leaves dimensions open.
        limits: budgets for files that are not trusted.

    Raises:
        WorkloadError: the file cannot be read, or does not allow this batch or these shapes.
        MalformedModelError: the file contradicts its format.
        LimitExceededError: the file asks for more than `limits`.
        UnsupportedOperatorError: operators outside the vocabulary.
    """
    path = Path(path)
    if batch is not None and batch < 1:
        msg = f"{path}: batch {batch} is not possible; give 1 or more"
        raise WorkloadError(msg)
    data = read_model(path, limits)
    form = identify(data, path)
    shapes = shapes or _NO_SHAPES
    if form == "onnx":
        from socsim.workload.importers.onnx import import_onnx

        return import_onnx(data, path=path, name=path.stem, batch=batch, shapes=shapes, limits=limits)
    if form == "ncnn":
        from socsim.workload.importers.ncnn import import_ncnn

        return import_ncnn(data, where=str(path), name=path.stem, batch=batch, shapes=shapes, limits=limits)
    from socsim.workload.importers.tflite import import_tflite

    return import_tflite(data, where=str(path), name=path.stem, batch=batch, shapes=shapes, limits=limits)
