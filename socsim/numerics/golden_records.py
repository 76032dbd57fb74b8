"""Golden `.json` records: their format, and the graph as it was recorded.

`inputs` and `outputs` by mode have names, shapes, types and hashes; `tensors` by mode has the hashes of
intermediate tensors by index (TFLite) or name (ONNX); `sequence` the outputs of all modes run one after
another without forgetting variables; `resized_input` the input shape where it is not the model's, and
`tensor_meta` then the shapes of all results.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from socsim.errors import ResultError, join_faults, shown
from socsim.numerics.array_files import read_bytes, read_npz
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.comparison import Expected, NotCompared
from socsim.numerics.golden import Case, Golden, recordable
from socsim.numerics.golden_inputs import BASE_IMAGE, recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from socsim.numerics.arrays import Array
    from socsim.numerics.golden_inputs import Recipe
    from socsim.workload.graph import Graph, Operator, Tensor

_BUDGET_BYTES = 256 * 2**20
_LISTED = 20


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Tensor(_Model):
    name: str = ""
    shape: tuple[int, ...]
    dtype: str
    sha256: str


class _Sequence(_Model):
    order: tuple[str, ...]
    REF: tuple[tuple[str, ...], ...]


class _Record(_Model):
    file: str
    sha256: str
    modes: tuple[str, ...]
    inputs: dict[str, tuple[_Tensor, ...] | dict[str, _Tensor]]
    outputs: dict[str, tuple[_Tensor, ...]]
    tensors: dict[str, dict[str, str]] = {}
    stateful: bool = False
    sequence: _Sequence | None = None
    resized_input: tuple[int, ...] | None = None
    tensor_meta: dict[str, tuple[tuple[int, str, str, tuple[int, ...]], ...]] = {}


def read_record(path: Path, graph: Graph) -> Golden:
    """Read a `.json` golden file and the `.npz` beside it.

    Raises:
        ResultError: unreadable, malformed, or recorded from a network with other inputs or tensors.
    """
    record = _parsed(path)
    where = str(path)
    graph = _as_recorded(graph, record, where)
    faults = [*_input_faults(graph, record), *_output_faults(graph, record)]
    if faults:
        raise ResultError(join_faults(where, faults[:_LISTED]))
    values = _values(path, graph, record)
    cases = [_case(path, graph, record, mode, values) for mode in record.modes]
    return Golden(
        path.name, graph, (*cases, *_sequence(graph, record, cases)), _left_out(graph, record), _notes(graph, record)
    )


def _parsed(path: Path) -> _Record:
    try:
        return _Record.model_validate_json(read_bytes(path, _BUDGET_BYTES))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors()[:_LISTED]]
        raise ResultError(join_faults(f"{path}: no golden record", faults)) from None


def _notes(graph: Graph, record: _Record) -> tuple[str, ...]:
    if graph.sha256 == record.sha256:
        return ()
    return (f"the golden file was recorded from {record.file} with other bytes (sha256 {record.sha256[:12]}…)",)


# --- the graph as it was recorded ---------------------------------------------------------------------


def _as_recorded(graph: Graph, record: _Record, where: str) -> Graph:
    """Return the graph with the shapes of the record, where its input was resized."""
    if record.resized_input is None:
        return graph
    shapes = {t: shape for rows in record.tensor_meta.values() for t, _, _, shape in rows}
    made = {t for op in graph.operators for t in op.outputs}
    unfit = [op for op in graph.operators if not _is_resizable(op)]
    if unfit or set(shapes) != made or len(graph.inputs) != 1:
        names = ", ".join(f"{op.index} {op.label}" for op in unfit[:5]) or "its tensors are not the model's"
        raise ResultError(f"{where}: recorded with a resized input, which this network does not allow ({names})")
    shapes[graph.inputs[0]] = record.resized_input
    tensors = [replace(t, shape=shapes.get(t.index, t.shape)) for t in graph.tensors]
    return graph.with_tensors(tuple(tensors))


def _is_resizable(op: Operator) -> bool:
    """Whether the attributes of an operator hold for every height and width."""
    if op.type in _ANY_SIZE:
        return True
    strides = op.attributes.get("strides", (1, 1))
    return op.type in _WINDOWED and set(strides) == {1}


_ANY_SIZE = {"ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM", "RELU", "RELU6", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "QUANTIZE"}
_WINDOWED = {"CONV_2D", "DEPTHWISE_CONV_2D"}


# --- checks -------------------------------------------------------------------------------------------


def _recorded_inputs(record: _Record, mode: str) -> list[_Tensor]:
    found = record.inputs.get(mode, ())
    return list(found.values() if isinstance(found, dict) else found)


def _input_faults(graph: Graph, record: _Record) -> list[str]:
    tensors = [graph.tensors[t] for t in graph.inputs]
    return [
        fault for mode in record.modes for fault in _faults(f"inputs.{mode}", tensors, _recorded_inputs(record, mode))
    ]


def _output_faults(graph: Graph, record: _Record) -> list[str]:
    tensors = [graph.tensors[t] for t in graph.outputs]
    return [
        fault for mode in record.modes for fault in _faults(f"outputs.{mode}", tensors, record.outputs.get(mode, ()))
    ]


def _faults(where: str, tensors: list[Tensor], recorded: Iterable[_Tensor]) -> list[str]:
    found = [f"{r.dtype} {r.shape}" for r in recorded]
    wanted = [f"{numpy_dtype(t.dtype)} {t.shape}" for t in tensors]
    return (
        [] if found == wanted else [f"{where}: has {', '.join(found) or 'nothing'}; the model has {', '.join(wanted)}"]
    )


# --- cases --------------------------------------------------------------------------------------------


def _case(path: Path, graph: Graph, record: _Record, mode: str, values: Mapping[tuple[str, int], Array]) -> Case:
    how = recipe(mode)
    if how is None:
        raise ResultError(f"{path}: inputs of mode {shown(mode)} cannot be made again; zeros, seed0…, img can")
    inputs = partial(_inputs, path, graph, mode, how, _recorded_inputs(record, mode))
    expected = {t: Expected(digest) for t, digest in _hashes(graph, record, mode)}
    for position, (t, output) in enumerate(zip(graph.outputs, record.outputs[mode], strict=True)):
        expected[t] = Expected(output.sha256, values.get((mode, position)))
    return Case(mode, inputs, expected)


def _inputs(path: Path, graph: Graph, mode: str, how: Recipe, recorded: list[_Tensor]) -> dict[int, Array]:
    made = how(graph, path.parent)
    faults = [
        f"inputs.{mode}: {graph.tensors[t].name!r} made again has another hash than recorded"
        for (t, array), r in zip(made.items(), recorded, strict=True)
        if sha256(array.tobytes()).hexdigest() != r.sha256
    ]
    if faults:
        raise ResultError(join_faults(str(path), [*faults, f"check the file and {BASE_IMAGE}"]))
    return made


def _hashes(graph: Graph, record: _Record, mode: str) -> list[tuple[int, str]]:
    by_key = _by_key(graph)
    return [(by_key[key], digest) for key, digest in record.tensors.get(mode, {}).items() if key in by_key]


def _by_key(graph: Graph) -> dict[str, int]:
    """Return the tensors that can be compared, by the key that records of this format use."""
    known = recordable(graph)
    if graph.source_format == "onnx":
        return {t.name: t.index for t in graph.tensors if t.index in known}
    return {str(t): t for t in known}


def _sequence(graph: Graph, record: _Record, cases: list[Case]) -> list[Case]:
    """Return the modes once more, one after another, with variables kept in between."""
    if record.sequence is None:
        return []
    by_mode = {c.mode: c for c in cases}
    steps = list(zip(record.sequence.order, record.sequence.REF, strict=False))
    return [
        Case(
            f"sequence:{mode}",
            by_mode[mode].inputs,
            {t: Expected(digest) for t, digest in zip(graph.outputs, digests, strict=False)},
            is_continued=number > 0,
        )
        for number, (mode, digests) in enumerate(steps)
        if mode in by_mode
    ]


def _left_out(graph: Graph, record: _Record) -> tuple[NotCompared, ...]:
    by_key = _by_key(graph)
    keys = dict.fromkeys(key for mode in record.modes for key in record.tensors.get(mode, {}))
    reason = "no operator of the graph makes it: the importer fused or folded it"
    return tuple(NotCompared(key, reason) for key in keys if key not in by_key)


def _values(path: Path, graph: Graph, record: _Record) -> dict[tuple[str, int], Any]:
    """Return output values by mode and position from the `.npz` beside the record, where it has them."""
    beside = path.with_suffix(".npz")
    if not beside.is_file():
        return {}
    arrays = read_npz(beside)
    places = [(mode, position) for mode in record.modes for position in range(len(graph.outputs))]
    return {(m, p): arrays[f"{m}/{p}"] for m, p in places if f"{m}/{p}" in arrays}
