"""Which fields of a platform's file no model reads, found by running small networks on all of its units."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from socsim.engine.online.power.manager import PlatformPower
from socsim.errors import InfeasibleError, UnsupportedOperatorError
from socsim.pipeline import Options, run_graph
from socsim.soc.arrays import BlocksArray
from socsim.soc.schema import Npu
from socsim.soc.usage import DESCRIPTIVE, fields_in_file, watched
from socsim.testing.networks import Net
from socsim.testing.relations import Subject

if TYPE_CHECKING:
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph, Tensor

_SEED = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """A field that the file sets and no model reads.

    Args:
        path: where it stands.
        reason: why it is not read; None where nothing says so.
    """

    path: str
    reason: str | None


def unread_fields(platform: Platform) -> list[Unread]:
    """Return the fields of the file that no run on any of its units, nor their power manager, reads.

    Names and titles are left out.

    Operating points, cache levels and other things of one kind stand for each other: a field counts as read where it
    is read of one of them.
    """
    copy, usage = watched(platform)
    for unit in platform.units:
        _run_everything(platform, copy, unit)
    for mode in (None, *platform.file.modes):
        PlatformPower(replace(copy, mode=mode), list(platform.units))
        if mode:
            copy.in_mode(mode)
    fields = [row for row in fields_in_file(platform) if row[2] not in DESCRIPTIVE]
    read = {(model, name) for path, model, name in fields if path in usage.paths}
    return [Unread(path, _reason(platform, path)) for path, model, name in fields if (model, name) not in read]


def _reason(platform: Platform, path: str) -> str | None:
    """Return why no model reads a field, where the rest of the file says so."""
    section, part, field = [*path.split(".", 2), "", ""][:3]
    unit = platform.units.get(part) if section == "units" else None
    if isinstance(unit, Npu) and isinstance(unit.array, BlocksArray) and field in {"vector", "compression.encoding"}:
        return "an array of blocks has an output stage and a code of weights of its own"
    if isinstance(unit, Npu) and field == "core_sync" and unit.cores == 1:
        return "the unit has one core"
    return None


def _run_everything(platform: Platform, copy: Platform, unit: str) -> None:
    """Run the small networks that the unit can run, constants known and unknown, on the usual and on all cores."""
    cores = sorted({platform.default_cores(unit), platform.core_count(unit)})
    for graph in (*Subject.of(platform, unit).probes.values(), *_fused()):
        for net in (graph, _valued(graph)):
            for count in cores:
                with suppress(UnsupportedOperatorError, InfeasibleError):
                    run_graph(replace(net), copy, Options(unit=unit, cores=count))


def _fused() -> list[Graph]:
    """Return layers with functions that runtimes and units fold into them, and a mean over positions."""
    net, table, mean = Net(), Net(), Net()
    dense = table.op(
        "FULLY_CONNECTED", [table.input(8, 16), table.constant(16, 16)], (8, 16), transpose_b=True, activation="TANH"
    )
    return [
        net.graph(net.op("RELU", [net.conv(net.input(1, 8, 8, 16), 16)])),
        table.graph(dense),
        mean.graph(mean.op("MEAN", [mean.input(1, 8, 8, 16)], (1, 1, 1, 16))),
    ]


def _valued(graph: Graph) -> Graph:
    """Return the network with values in its constants, half of them zero, as weights of a trained one may be."""
    generator = np.random.default_rng(_SEED)
    return replace(graph, tensors=tuple(_with_values(tensor, generator) for tensor in graph.tensors))


def _with_values(tensor: Tensor, generator: np.random.Generator) -> Tensor:
    if not tensor.is_constant or tensor.dtype.value != "int8":
        return tensor
    values = generator.integers(-8, 8, tensor.shape, np.int8)
    return replace(tensor, data=np.where(values > 0, values, 0).astype(np.int8))
