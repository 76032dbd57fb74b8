"""Importer of ncnn's text graphs (`.param`), which hold layers and sizes, but no weights.

Blobs have no batch: (channels, rows, columns), (rows, columns) or (columns,). Shapes are inferred from
the inputs; the hints that some files carry (key -23330) are only compared.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from socsim.errors import MalformedModelError, WorkloadError, did_you_mean, join_faults
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers.ncnn_context import Blobs, LayerContext, UnsupportedOptionError
from socsim.workload.importers.ncnn_layers import LAYERS, declared_shape
from socsim.workload.importers.ncnn_param import SHAPE_HINTS, parse_param, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from socsim.workload.graph import Graph
    from socsim.workload.importers.ncnn_param import Layer
    from socsim.workload.limits import Limits
    from socsim.workload.shapes_operands import Shape

_FAULT_LENGTH = 300  # characters of one fault, for a file may quote itself at length
_HINT_LENGTH = 4  # dimensions, w, h, c of each blob that a layer writes


def import_ncnn(
    data: bytes,
    *,
    where: str,
    name: str,
    batch: int | None,
    shapes: Mapping[str, Sequence[int]],
    limits: Limits,
) -> Graph:
    """Convert an ncnn text graph.

    Args:
        data: the file's bytes.
        where: the file's name for messages.
        name: name of the graph.
        batch: None or 1, for ncnn's blobs have no batch.
        shapes: shapes of inputs by blob name, or by layer name for all blobs of an Input layer; a leading
            batch of 1 may stand before three dimensions. They replace what the file says. Key and value
            caches of attention need none: the mask's columns less the new rows decide them.
        limits: budgets.

    Raises:
        WorkloadError: an input has no shape, or batch or shapes do not suit the file.
        MalformedModelError: the file contradicts its format; all faults are listed.
        LimitExceededError: the file asks for more than `limits`.
        UnsupportedOperatorError: layers outside the vocabulary, all listed.

    Source: Tencent/ncnn, docs/developer-guide/{param-and-model-file-structure,operators}.md.
    """
    if batch not in (None, 1):
        msg = f"{where}: batch {batch} is not possible, for blobs of ncnn have no batch dimension; leave it out"
        raise WorkloadError(msg)
    parsed = parse_param(data, where, limits)
    builder = GraphBuilder(where, limits)
    builder.notes.extend(parsed.notes)
    blobs = Blobs(builder)
    faults = _add_inputs(parsed.layers, blobs, shapes, where)
    faults += _add_layers(parsed.layers, blobs)
    if faults:
        raise MalformedModelError(join_faults(where, faults))
    builder.notes.extend(_hint_notes(parsed.layers, blobs))
    inputs = [blobs.indices[b] for x in parsed.layers if x.type == "Input" for b in x.outputs if b in blobs.indices]
    outputs = [blobs.indices[b] for b in _unread(parsed.layers) if b in blobs.indices]
    return builder.build(name, "ncnn", inputs, outputs, sha256=hashlib.sha256(data).hexdigest())


def _unread(layers: Sequence[Layer]) -> Iterator[str]:
    """Yield the blobs that layers compute and no layer reads: the outputs of the network."""
    read = {name for layer in layers for name in layer.inputs}
    computed = (layer for layer in layers if layer.inputs)
    return (name for layer in computed for name in layer.outputs if name not in read)


def _add_inputs(layers: Sequence[Layer], blobs: Blobs, shapes: Mapping[str, Sequence[int]], where: str) -> list[str]:
    """Add a tensor for each network input; return the faults of Input layers."""
    faults: list[str] = []
    missing: list[str] = []
    inputs = [layer for layer in layers if layer.type == "Input"]
    _check_names(inputs, shapes, where)
    caches = _cache_blobs(layers)
    for layer in inputs:
        for position, blob in enumerate(layer.outputs):
            given = shapes.get(blob, shapes.get(layer.name))
            try:
                shape = _without_batch(given) if given else _file_shape(layer, position, blobs)
            except ValueError as error:
                faults.append(f"{layer.label}: {error}")
                continue
            if shape:
                blobs.add(blob, shape, DType.FLOAT32, TensorKind.INPUT)
            elif blob in caches:
                blobs.pending.add(blob)
            else:
                missing.append(blob)
    if missing and not faults:
        raise WorkloadError(_missing_message(where, missing))
    return faults


def _check_names(inputs: Sequence[Layer], shapes: Mapping[str, Sequence[int]], where: str) -> None:
    known = {layer.name for layer in inputs} | {blob for layer in inputs for blob in layer.outputs}
    faults = [f"the network has no input {name!r}.{did_you_mean(name, known)}" for name in shapes if name not in known]
    faults += [
        f"input {name!r}: shape {tuple(shape)} must have one to four dimensions of at least 1"
        for name, shape in shapes.items()
        if name in known and not (1 <= len(_without_batch(shape)) <= 4 and min(shape) >= 1)
    ]
    if faults:
        raise WorkloadError(join_faults(where, faults))


def _without_batch(shape: Sequence[int]) -> Shape:
    return tuple(shape[1:] if len(shape) == 4 and shape[0] == 1 else shape)


def _file_shape(layer: Layer, position: int, blobs: Blobs) -> Shape:
    """Return the shape that the Input layer declares, else its hint, else nothing."""
    hints = _hints(layer)
    return declared_shape(LayerContext(layer, blobs)) or (hints[position] if position < len(hints) else ())


def _missing_message(where: str, missing: Sequence[str]) -> str:
    names = ", ".join(repr(name) for name in missing)
    options = " ".join(f"--shape {name}=DIMS" for name in missing)
    return (
        f"{where}: the file gives no shape for {'input' if len(missing) == 1 else 'inputs'} {names}; "
        f"add {options}, with DIMS such as 3x224x224 (channels x rows x columns) or 1x896 (rows x columns)"
    )


def _cache_blobs(layers: Sequence[Layer]) -> set[str]:
    """Return the blobs that only masked attention layers read, as caches: the mask decides their shapes."""
    caches: set[str] = set()
    others: set[str] = set()
    for layer in layers:
        masked = layer.type == "SDPA" and layer.parameters.get(5) and layer.parameters.get(7)
        caches.update(layer.inputs[4:6] if masked else ())
        others.update((*layer.inputs[:4], *layer.inputs[6:]) if masked else layer.inputs)
    return caches - others


def _add_layers(layers: Sequence[Layer], blobs: Blobs) -> list[str]:
    """Run the rule of each layer whose inputs are known; return the faults."""
    faults: list[str] = []
    for index, layer in enumerate(layers):
        rule = LAYERS.get(layer.type)
        if layer.type == "Input":
            continue
        if rule is None:
            blobs.builder.unsupported(index, layer.name, layer.type)
            continue
        if any(name not in blobs.indices and name not in blobs.pending for name in layer.inputs):
            continue  # follows from a fault above
        try:
            rule(LayerContext(layer, blobs))
        except ValueError as error:
            faults.append(f"{layer.label}: {shorten(str(error), _FAULT_LENGTH)}")
        except UnsupportedOptionError as error:
            blobs.builder.unsupported(index, layer.name, f"{layer.type} with {error}")
    return faults


def _hints(layer: Layer) -> list[Shape]:
    """Return the output shapes that the file hints at, first dimension first."""
    values = layer.parameters.get(SHAPE_HINTS, ())
    if not isinstance(values, tuple):
        return []
    groups = [values[i : i + _HINT_LENGTH] for i in range(0, len(values), _HINT_LENGTH)]
    return [tuple(int(v) for v in reversed(g[1 : 1 + int(g[0])])) for g in groups if len(g) == _HINT_LENGTH]


def _hint_notes(layers: Sequence[Layer], blobs: Blobs) -> list[str]:
    """Return one note about all hints that differ from the inferred shapes."""
    differences = [
        f"{blob} hint {hint} inferred {blobs.shape(blob)}"
        for layer in layers
        for blob, hint in zip(layer.outputs, _hints(layer), strict=False)
        if blob in blobs.indices and blob not in blobs.data_dependent and hint != blobs.shape(blob)
    ]
    if not differences:
        return []
    listed = "; ".join(differences)
    return [f"{len(differences)} shape hints of the file differ from the inferred shapes: {listed}"]
