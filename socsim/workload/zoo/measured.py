"""Which network a measurement means by a name: sources use short names for variants, and cut decodings off."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from socsim.data_files import data_folder
from socsim.workload.zoo.catalogue import AS_NAMED, Request, find
from socsim.workload.zoo.network import StoredNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping


def as_measured(workload: str, runtime: str, request: Request = AS_NAMED, precision: str = "") -> tuple[str, Request]:
    """Return the name and form of the network that a table of measurements means.

    Args:
        workload: the name in the table.
        runtime: the software that ran it, by its name in the table.
        request: the form that the table gives, its input shape above all.
        precision: the types that the table gives; empty where it gives none.

    Returns:
        What `load_model` takes. A workload that is not in the zoo comes back unchanged.
    """
    stands_for = _stands_for()
    name = stands_for.get((workload, runtime, precision)) or stands_for.get((workload, runtime, "")) or workload
    found = find(name)
    if found is None:
        return name, request
    network, _ = found
    if isinstance(network, StoredNetwork):
        return name, AS_NAMED  # the very file was measured; the shape in the table is its own
    request = replace(request, shape=_shapes().get((workload, runtime), request.shape))
    if network.decodes and runtime in _undecoded():
        request = replace(request, decoded=False)
    return name, request


def precision_as_measured(workload: str, runtime: str, precision: str) -> str:
    """Return the types that a row of a table ran in: those that it names, where nothing says otherwise."""
    return _types().get((workload, runtime, precision), precision)


def left_to(runtime: str, version: str, precision: str) -> str | None:
    """Return the software that ran a row of a table in place of the one that it names, or None: that one itself.

    Args:
        runtime: by its name in the table.
        version: as the table gives it; software changes what it takes.
        precision: types that the row ran in.
    """
    return _left().get((runtime, version, precision))


def _read() -> Any:
    return json.loads((data_folder("workloads") / "measured.json").read_text(encoding="utf-8"))


@cache
def _stands_for() -> Mapping[tuple[str, str, str], str]:
    """Return networks by name, runtime and types; no types: in all that have no entry of their own."""
    entries = _read()["stands_for"]
    return MappingProxyType(
        {(e["workload"], r, e.get("precision", "")): e["network"] for e in entries for r in e["runtimes"]}
    )


@cache
def _shapes() -> Mapping[tuple[str, str], tuple[int, ...]]:
    """Return the input shapes of what ran, where its description says another."""
    return MappingProxyType({(e["workload"], r): tuple(e["shape"]) for e in _read()["shapes"] for r in e["runtimes"]})


@cache
def _types() -> Mapping[tuple[str, str, str], str]:
    """Return what ran, by network, runtime and the types that the table gives."""
    entries = _read()["types"]
    return MappingProxyType({(e["workload"], r, e["precision"]): e["computes"] for e in entries for r in e["runtimes"]})


@cache
def _left() -> Mapping[tuple[str, str, str], str]:
    """Return who ran what a runtime does not take, by runtime, version and types."""
    return MappingProxyType({(e["runtime"], e["version"], e["precision"]): e["ran"] for e in _read()["left"]})


@cache
def _undecoded() -> frozenset[str]:
    return frozenset(_read()["undecoded"]["runtimes"])
