"""The zoo: networks that ship with socsim, by name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.data_files import data_folder
from socsim.errors import WorkloadError, did_you_mean
from socsim.workload.importers import load_graph
from socsim.workload.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.workload.graph import Graph


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One network of the zoo; `shapes` are its usual inputs where the file leaves them open."""

    name: str
    title: str
    file: Path
    source: str
    licence: str
    shapes: Mapping[str, Sequence[int]] = field(default_factory=lambda: MappingProxyType({}))


@cache
def zoo() -> Mapping[str, ZooEntry]:
    """Return the networks of the zoo by name."""
    folder = data_folder("workloads")
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))["networks"]
    return MappingProxyType({
        e["name"]: ZooEntry(e["name"], e["title"], folder / e["file"], e["source"], e["licence"], e.get("shapes", {}))
        for e in entries
    })  # fmt: skip


def load_model(
    model: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Graph:
    """Load a network: a model file, or a name of the zoo where no file of that name exists.

    Args:
        model: path of a `.tflite`, `.onnx` or ncnn `.param` file (told apart by content), or a zoo name.
        batch: value of a symbolic batch dimension.
        shapes: dimensions of inputs that the file leaves open, by input name.
        limits: budgets for files from strangers.

    Raises:
        WorkloadError: no such file or name, or the file cannot be used.
    """
    path = Path(model)
    entry = zoo().get(str(model))
    if entry is not None and not path.is_file():
        graph = load_graph(entry.file, batch=batch, shapes=shapes or entry.shapes, limits=limits)
        return _named(graph, entry.name)
    if not path.exists() and not path.suffix and len(path.parts) == 1:
        msg = f"{str(model)!r} is neither a file nor a network of the zoo.{did_you_mean(str(model), zoo())}"
        raise WorkloadError(msg)
    return load_graph(path, batch=batch, shapes=shapes, limits=limits)


def _named(graph: Graph, name: str) -> Graph:
    from dataclasses import replace

    return replace(graph, name=name)
