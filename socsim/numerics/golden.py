"""Golden files: recorded inferences that an execution is compared with.

A `.json` record holds hashes: its inputs are made again by the recipe below and checked, each recorded
tensor is compared by SHA-256, and the `.npz` beside it has the values of the outputs for the detail of a
mismatch. An `.npz` alone holds values: `in/NAME`, `out/NAME` and optional `tensor/INDEX`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from socsim.errors import ResultError, UsageError, did_you_mean, join_faults, shown
from socsim.numerics.array_files import read_npz
from socsim.numerics.comparison import Difference, Expected, NotCompared, NumericsComparison, difference, merged
from socsim.numerics.executor import Executable, checked_inputs, output_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from socsim.numerics.arrays import Array
    from socsim.numerics.profiles import Profile
    from socsim.workload.graph import Graph

VALUES_MODE = "values"
"""The name of the one inference of an `.npz` golden file."""


@dataclass(frozen=True)
class Case:
    """One recorded inference.

    Args:
        mode: its name.
        inputs: makes the input arrays by tensor index.
        expected: what was recorded, by tensor index.
        is_continued: whether variables keep their values from the case before.
    """

    mode: str
    inputs: Callable[[], Mapping[int, Array]]
    expected: Mapping[int, Expected]
    is_continued: bool = False


@dataclass(frozen=True)
class Golden:
    """A golden file read for a graph; `graph` has the shapes that it was recorded with."""

    name: str
    graph: Graph
    cases: tuple[Case, ...]
    not_compared: tuple[NotCompared, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_golden(path: Path, graph: Graph) -> Golden:
    """Read a golden file.

    Raises:
        ResultError: the file is unreadable, malformed or belongs to another network; all faults listed.
    """
    if path.suffix == ".npz":
        return _of_values(path, graph)
    from socsim.numerics.golden_records import read_record

    return read_record(path, graph)


def validate(
    graph: Graph, golden: Path, rules: Profile | str, modes: Sequence[str] | None = None
) -> NumericsComparison:
    """Execute a network on the inputs of a golden file, and compare every recorded tensor.

    Args:
        graph: the network.
        golden: path of the golden file.
        rules: the profile or its name.
        modes: inferences to compare, by name; all where absent.

    Raises:
        ResultError: the golden file cannot be used.
        UsageError: no such mode or profile.
        UnsupportedOperatorError: operators without an implementation, all listed.
    """
    record = chosen(read_golden(golden, graph), modes)
    executable = Executable(record.graph, rules)
    found: dict[int, list[tuple[str, Difference]]] = {}
    for case in record.cases:
        if not case.is_continued:
            executable.reset()
        for index, result in _compared(executable, case).items():
            found.setdefault(index, []).append((case.mode, result))
    return NumericsComparison(
        model=graph.name,
        model_sha256=graph.sha256,
        profile=executable.profile.name,
        golden=record.name,
        modes=tuple(c.mode for c in record.cases),
        operators=tuple(merged(_position(graph, t), found[t]) for t in _in_order(graph) if t in found),
        not_compared=(*record.not_compared, *_unrecorded(graph, found)),
        notes=record.notes,
    )


def chosen(golden: Golden, modes: Sequence[str] | None) -> Golden:
    """Return a golden file with some of its inferences.

    Raises:
        UsageError: no such mode.
    """
    if modes is None:
        return golden
    known = [c.mode for c in golden.cases]
    faults = [f"{shown(m)} is not a mode of {golden.name}.{did_you_mean(m, known)}" for m in modes if m not in known]
    if faults:
        raise UsageError("; ".join(faults))
    return replace(golden, cases=tuple(c for c in golden.cases if c.mode in modes))


def _compared(executable: Executable, case: Case) -> dict[int, Difference]:
    results = executable.run(case.inputs(), keep_all=True)
    return {t: difference(results[t], expected) for t, expected in case.expected.items()}


def _in_order(graph: Graph) -> list[int]:
    """Return every tensor that a golden file can record: results by operator, then the other outputs."""
    return list(dict.fromkeys((*(t for op in graph.operators for t in op.outputs), *graph.outputs)))


def recordable(graph: Graph) -> frozenset[int]:
    """Return the tensors that an execution returns with `keep_all`."""
    return frozenset(_in_order(graph))


def _position(graph: Graph, tensor: int) -> tuple[int | None, str, int, str]:
    producer = graph.producers.get(tensor)
    kind = graph.tensors[tensor].kind.value.upper() if producer is None else graph.operators[producer].type
    return producer, kind, tensor, graph.tensors[tensor].name


def _unrecorded(graph: Graph, found: Mapping[int, object]) -> list[NotCompared]:
    missing = [graph.tensors[t] for t in _in_order(graph) if t not in found]
    return [NotCompared(f"{t.index} {t.name!r}", "the golden file has no record of it") for t in missing]


# --- values in an .npz ----------------------------------------------------------------------------------


def _of_values(path: Path, graph: Graph) -> Golden:
    arrays = read_npz(path)
    known = _expected_keys(graph)
    faults = [
        f"{shown(key)} names no tensor of {graph.name}; {_KEYS}.{did_you_mean(key, known)}"
        for key in arrays
        if key not in known and not key.startswith(_INPUT)
    ]
    if not known.keys() & arrays.keys():
        faults.append(f"nothing to compare with; {_KEYS}")
    if faults:
        raise ResultError(join_faults(str(path), faults))
    inputs = checked_inputs(graph, {k.removeprefix(_INPUT): v for k, v in arrays.items() if k.startswith(_INPUT)})
    expected = {t: Expected(values=arrays[key]) for key, t in known.items() if key in arrays}
    return Golden(path.name, graph, (Case(VALUES_MODE, lambda: inputs, expected),))


def _expected_keys(graph: Graph) -> dict[str, int]:
    """Return tensors by the keys of an `.npz`, in rising precedence: outputs by name stand above all."""
    keys = {f"tensor/{t}": t for t in sorted(recordable(graph))}
    keys |= {f"out/{t}": t for t in graph.outputs}
    return keys | {f"out/{name}": t for t, name in output_names(graph, graph.outputs).items()}


_INPUT = "in/"
_KEYS = "in/NAME, out/NAME and tensor/INDEX are allowed"
