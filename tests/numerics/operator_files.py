"""TFLite files of one operator, made from a short description, and what LiteRT answers to them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tflite_writer import Table, Vector, operator, quantization, single, tensor

from socsim.workload.importers.tflite import import_tflite
from socsim.workload.importers.tflite_schema import BUILTIN_OPERATORS, ENUMERATIONS, OPTIONS
from socsim.workload.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from socsim.workload.graph import Graph

KINDS = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9}


@dataclass
class Operand:
    """A tensor: a constant where it has values."""

    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero: int = 0
    values: Any = None

    def random(self, rng: np.random.Generator) -> np.ndarray:
        """Values over the whole range of 8 and 16 bits, small ones otherwise."""
        kind = np.dtype(self.dtype)
        if kind.kind == "b":
            return rng.integers(0, 2, self.shape).astype(bool)
        if kind.kind == "f":
            return rng.uniform(-4, 4, self.shape).astype(kind)
        if kind.itemsize > 2:
            return rng.integers(0, 8, self.shape, kind)
        return rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, self.shape, kind, endpoint=True)


@dataclass
class Case:
    """One operator; `options` by the importer's names."""

    op: str
    inputs: list[Operand]
    outputs: list[Operand]
    options: dict[str, Any] = field(default_factory=dict)
    given: list[np.ndarray] | None = None

    def file(self) -> bytes:
        tensors, buffers = [], []
        for i, t in enumerate((*self.inputs, *self.outputs)):
            if t.values is not None:
                buffers.append(np.asarray(t.values, t.dtype).tobytes())
            quant = None if t.scale is None else quantization([t.scale], [t.zero])
            number = len(buffers) if t.values is not None else 0
            tensors.append(tensor(f"t{i}", list(t.shape), KINDS[t.dtype], buffer=number, quant=quant))
        n = len(self.inputs)
        fed = [i for i, t in enumerate(self.inputs) if t.values is None]
        results = list(range(n, n + len(self.outputs)))
        known = OPTIONS.get(self.op)
        op = operator(0, list(range(n)), results, self._options(), known.union if known else 0)
        return single(BUILTIN_OPERATORS.index(self.op), tensors, fed, results, op, tuple(buffers))

    def _options(self) -> Table | None:
        known = OPTIONS.get(self.op)
        if known is None:
            return None
        table = Table()
        for f in known.fields:
            if f.name in self.options:
                value = self.options[f.name]
                names = ENUMERATIONS.get(f.kind)
                if f.kind == "ints":
                    table[f.slot] = Vector("i", list(value))
                else:
                    table[f.slot] = ("b", names.index(value)) if names else (f.kind, value)
        return table

    def graph(self) -> Graph:
        return import_tflite(self.file(), where=self.op, name=self.op, batch=None, shapes={}, limits=DEFAULT_LIMITS)

    def arrays(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return self.given or [t.random(rng) for t in self.inputs if t.values is None]


def litert(cases: list[Case], folder: Path) -> list[list[np.ndarray] | None]:
    """Results of LiteRT's reference kernels for each case; None where LiteRT refuses the file or aborts."""
    given = {}
    for i, case in enumerate(cases):
        given[f"model_{i}"] = np.frombuffer(case.file(), np.uint8)
        given |= {f"in_{i}_{j}": array for j, array in enumerate(case.arrays())}
    np.savez(folder / "cases.npz", **given)
    command = [
        sys.executable,
        str(Path(__file__).with_name("litert_cases.py")),
        str(folder / "cases.npz"),
        str(folder / "results.npz"),
    ]
    done = subprocess.run(command, check=False, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    with np.load(folder / "results.npz") as results:
        found = {key: results[key] for key in results}
    return [
        [found[f"out_{i}_{k}"] for k in range(len(case.outputs))] if f"out_{i}_0" in found else None
        for i, case in enumerate(cases)
    ]
