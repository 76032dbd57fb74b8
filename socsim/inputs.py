"""What users name: networks and platforms, by file or by name.

Nothing here imports the pipeline, so that who only loads or executes a network does not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.errors import UsageError, misuse
from socsim.schedule.precision import at_precision
from socsim.workload.graph import Graph
from socsim.workload.limits import DEFAULT_LIMITS, Limits
from socsim.workload.zoo import Request, load_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.soc.platform import Platform


def load(
    model: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    precision: str | None = None,
    shape: Sequence[int] | None = None,
    width: float | None = None,
    resolution: int | None = None,
    classes: int | None = None,
    decoded: bool | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Graph:
    """Load a network from a `.tflite`, `.onnx` or ncnn `.param` file, or from the zoo by name.

    Networks of the zoo are drawn when they are asked for: in float32, without values, in any shape that fits them.
    `mobilenet_v2_0.35_128` is `mobilenet_v2` with width 0.35 and resolution 128.

    Args:
        model: path or zoo name (`socsim.workloads()` lists them).
        batch: value of a symbolic batch dimension; 1 where absent.
        shapes: dimensions of inputs that the file leaves open, by input name.
        precision: types to cost the network in (int8, fp16, int8x16, …); weights of other types lose their values.
        shape: of the first input of a network of the zoo, [batch, channels, rows, columns] for images.
        width: factor of its channels, where it has one.
        resolution: its rows and columns.
        classes: outputs of its last layer.
        decoded: False leaves the decoding of a YOLO detector to the host: it ends with what each level says.
        limits: budgets for files from strangers.

    Raises:
        WorkloadError: no such model, a form that the network cannot take, or a file that is malformed, too large or has
            unsupported operators.
        UsageError: an argument of another type, or an unknown precision.
    """
    if not isinstance(model, str | PathLike):
        raise misuse("model", model, "a file or a zoo name")
    if batch is not None and not is_whole(batch):
        raise misuse("batch", batch, "a whole number from 1 up")
    if shapes is not None and not _are_shapes(shapes):
        raise misuse("shapes", shapes, 'dimensions by input name, such as {"data": (1, 3, 224, 224)}')
    if decoded is not None and not isinstance(decoded, bool):
        raise misuse("decoded", decoded, "True or False")
    request = replace(_request(shape, width, resolution, classes), decoded=decoded)
    return at_precision(load_model(model, batch=batch, shapes=shapes, request=request, limits=limits), precision)


def _request(shape: Sequence[int] | None, width: float | None, resolution: int | None, classes: int | None) -> Request:
    if shape is not None and not (isinstance(shape, Iterable) and all(map(is_whole, shape))):
        raise misuse("shape", shape, "dimensions such as (1, 3, 224, 224)")
    if width is not None and not (isinstance(width, Real) and not isinstance(width, bool)):
        raise misuse("width", width, "a factor such as 0.5")
    for name, value in (("resolution", resolution), ("classes", classes)):
        if value is not None and not is_whole(value):
            raise misuse(name, value, "a whole number from 1 up")
    return Request(None if shape is None else tuple(int(d) for d in shape), width, resolution, classes)


def is_whole(value: object) -> bool:
    """Whether a value is an integer of any library; True is no number."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are_shapes(shapes: object) -> bool:
    return isinstance(shapes, Mapping) and all(
        isinstance(name, str) and isinstance(dims, Iterable) and all(map(is_whole, dims))
        for name, dims in shapes.items()
    )


def platform(name: str | Path) -> Platform:
    """Return a platform by name (`socsim.platforms()` lists them), or from a YAML file.

    Raises:
        PlatformError: unknown name, or a file with faults, all of them listed.
    """
    if not isinstance(name, str | PathLike):
        raise misuse("platform", name, "its name or its YAML file")
    from socsim.soc.loader import load_platform, platform_names

    return _shipped(name) if isinstance(name, str) and name in platform_names() else load_platform(name)


@cache
def _shipped(name: str) -> Platform:
    from socsim.soc.loader import load_platform

    return load_platform(name)


def as_graph(net: Graph | str | Path) -> Graph:
    """Return a network, loaded where it is a file or a zoo name.

    Raises:
        UsageError: something else.
    """
    if isinstance(net, Graph):
        return net
    if isinstance(net, str | Path):
        return load(net)
    msg = f"net is a {type(net).__name__}; give a network from socsim.load, a file or a zoo name"
    raise UsageError(msg)


def as_platform(soc: Platform | str | Path, opp: Mapping[str, str] | None = None, mode: str | None = None) -> Platform:
    """Return a platform in a power mode and at operating points by clock, loaded where it is a name or a file.

    Raises:
        UsageError: something else.
        PlatformError: no such mode, or it is in one already.
    """
    from socsim.soc.platform import Platform

    if opp is not None and not (isinstance(opp, Mapping) and all(isinstance(t, str) for p in opp.items() for t in p)):
        raise misuse("opp", opp, 'operating points by clock, such as {"npu": "300MHz"}')
    if isinstance(soc, str | Path):
        soc = platform(soc)
    if not isinstance(soc, Platform):
        msg = f"soc is a {type(soc).__name__}; give a platform from socsim.platform, its name or its file"
        raise UsageError(msg)
    if mode is not None:
        if not isinstance(mode, str):
            raise misuse("mode", mode, 'the name of one of the platform\'s power modes, such as "15W"')
        soc = soc.in_mode(mode)
    return soc.at(opp) if opp else soc
