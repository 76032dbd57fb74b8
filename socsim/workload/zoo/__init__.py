"""The zoo: networks that ship with socsim, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.errors import WorkloadError
from socsim.workload.importers import load_graph
from socsim.workload.limits import DEFAULT_LIMITS, Limits
from socsim.workload.zoo.catalogue import AS_NAMED, Request, family, find, fits, stored, unknown, zoo
from socsim.workload.zoo.network import Network, StoredNetwork, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.workload.graph import Graph

__all__ = ["AS_NAMED", "Network", "Request", "StoredNetwork", "family", "load_model", "origin", "stored_file", "zoo"]


def load_model(
    model: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    request: Request = AS_NAMED,
    limits: Limits = DEFAULT_LIMITS,
) -> Graph:
    """Load a network: a model file, or a name of the zoo where no file of that name exists.

    Args:
        model: path of a `.tflite`, `.onnx` or ncnn `.param` file (told apart by content), or a zoo name.
        batch: value of a symbolic batch dimension, or of the first dimension of a drawn network's input.
        shapes: dimensions of inputs that the file leaves open, by input name; a drawn network takes that of its first.
        request: the form of a drawn network.
        limits: budgets for files from strangers.

    Raises:
        WorkloadError: no such file or name, the file cannot be used, or the network cannot take the form.
    """
    name, path = str(model), Path(model)
    found = None if path.is_file() else find(name, request)
    if found is None:
        if not path.exists() and not path.suffix[1:].isalpha() and len(path.parts) == 1:
            raise WorkloadError(unknown(name))
        if request:
            raise WorkloadError(f"{name}: a file has one shape, one width and its own classes; leave them out")
        return load_graph(path, batch=batch, shapes=shapes, limits=limits)
    network, variant = found
    if isinstance(network, StoredNetwork):
        graph = load_graph(network.file, batch=batch, shapes=shapes or network.shapes, limits=limits)
        return replace(graph, name=network.name)
    return _drawn(network, name, _with_shapes(network, name, variant, batch, shapes), shapes, limits)


def stored_file(name: str) -> Path | None:
    """Return the file behind a name of the zoo, None where the network is drawn or unknown."""
    network = stored().get(name)
    return network.file if network else None


def origin(name: str) -> list[str]:
    """Return a line each for the family and the source of a network of the zoo; none for other names."""
    found = None if Path(name).is_file() else find(name)
    return [f"family    {found[0].family}", f"source    {found[0].source}"] if found else []


def _with_shapes(
    network: Network, name: str, variant: Variant, batch: int | None, shapes: Mapping[str, Sequence[int]] | None
) -> Variant:
    if shapes:
        shape = tuple(int(d) for d in next(iter(shapes.values())))
        if len(shapes) > 1 or not fits(shape, network.shape):
            usual = "x".join(map(str, network.shape))
            msg = f"{name}: give one shape, that of its first input, with as many dimensions as {usual}"
            raise WorkloadError(msg)
        variant = replace(variant, shape=shape)
    if batch is None:
        return variant
    if batch < 1:
        raise WorkloadError(f"{name}: batch {batch} is not possible; give 1 or more")
    return replace(variant, shape=(batch, *variant.shape[1:]))


def _drawn(
    network: Network, name: str, variant: Variant, shapes: Mapping[str, Sequence[int]] | None, limits: Limits
) -> Graph:
    graph = network.graph(name, variant, limits)
    first = graph.tensors[graph.inputs[0]].name
    if shapes and first not in shapes:
        raise WorkloadError(f"{name}: no input {next(iter(shapes))!r}; its first input is {first!r}")
    return graph
