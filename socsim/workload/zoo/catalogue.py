"""The networks of the zoo by name: those that ship as files, and those that are drawn."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.data_files import data_folder
from socsim.errors import WorkloadError, did_you_mean
from socsim.workload.zoo.network import Network, StoredNetwork, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Modules of this package; each has NETWORKS, a tuple of what it draws.
_DRAWING = (
    "convnext",
    "densenet",
    "detection",
    "efficientformer",
    "efficientnet",
    "fasternet",
    "hybrid",
    "inception",
    "mobilenet",
    "mobilenet_v4",
    "plain",
    "regnet",
    "reparameterised",
    "resnet",
    "segmentation",
    "super_resolution",
    "text_recognition",
    "tinyvit",
    "transformers",
    "vision_transformers",
    "yolo",
    "yolo_relatives",
)
_SCALED = re.compile(r"(?P<base>.+?)(?:_(?P<width>\d\.\d+))?(?:_(?P<resolution>\d{2,4}))?")


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks of a network beside its name; None leaves it as the network usually is."""

    shape: tuple[int, ...] | None = None
    width: float | None = None
    resolution: int | None = None
    classes: int | None = None
    decoded: bool | None = None

    def __bool__(self) -> bool:
        return self != AS_NAMED


AS_NAMED = Request()


@cache
def zoo() -> Mapping[str, Network | StoredNetwork]:
    """Return the networks of the zoo by name, stored ones first; widths and resolutions are not listed."""
    return MappingProxyType({**stored(), **{n.name: n for n in _drawn() if n.name not in stored()}})


def find(name: str, request: Request = AS_NAMED) -> tuple[Network | StoredNetwork, Variant] | None:
    """Return the network of a name and the form that name and request ask for; None where there is none.

    A stored file stands for its name, unless the request wants another form that can be drawn.

    Raises:
        WorkloadError: the network cannot take the form.
    """
    file = stored().get(name)
    if file is not None and not request:
        return file, Variant()
    drawn = _scaled(name)
    if drawn is not None:
        network, width, resolution = drawn
        return network, _variant(network, name, request, width, resolution)
    if file is not None:
        msg = f"{name}: a stored file has one shape, one width and its own classes; leave them out"
        raise WorkloadError(msg)
    return None


def family(name: str) -> str | None:
    """Return the family of a network of the zoo: what validation leaves out together; None for other names."""
    found = find(name)
    return found[0].family if found else None


def unknown(name: str) -> str:
    """Return the sentence for a name that is neither a file nor in the zoo."""
    hint = did_you_mean(name, {*zoo(), *_by_name()}, "`socsim workloads list` shows what there is.")
    return f"{name!r} is neither a file nor a network of the zoo.{hint}"


@cache
def stored() -> Mapping[str, StoredNetwork]:
    """Return the networks that ship as files, by name."""
    folder = data_folder("workloads")
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))["networks"]
    return MappingProxyType({
        e["name"]: StoredNetwork(
            e["name"], e["family"], e["title"], folder / e["file"], e["source"], e["licence"], e.get("shapes", {})
        )
        for e in entries
    })  # fmt: skip


@cache
def _drawn() -> tuple[Network, ...]:
    modules = (import_module(f"socsim.workload.zoo.{module}") for module in _DRAWING)
    return tuple(network for module in modules for network in module.NETWORKS)


@cache
def _by_name() -> Mapping[str, Network]:
    return MappingProxyType({name: n for n in _drawn() for name in (n.name, *n.aliases)})


def _scaled(name: str) -> tuple[Network, float | None, int | None] | None:
    """Return the network with the width and resolution that its name goes on with."""
    if name in _by_name():
        return _by_name()[name], None, None
    match = _SCALED.fullmatch(name)
    network = _by_name().get(match["base"]) if match else None
    if match is None or network is None or not network.scales:
        return None
    width, resolution = match["width"], match["resolution"]
    return network, float(width) if width else None, int(resolution) if resolution else None


def _variant(network: Network, name: str, request: Request, width: float | None, resolution: int | None) -> Variant:
    faults = _faults(network, request)
    if faults:
        raise WorkloadError(f"{name}: {'; '.join(faults)}")
    shape = request.shape or network.shape
    side = request.resolution or (resolution if request.shape is None else None)
    if side:
        shape = (*shape[:-2], side, side)
    decoded = request.decoded is not False
    return Variant(shape, request.width or width or 1.0, request.classes or network.classes, decoded)


def _faults(network: Network, request: Request) -> list[str]:
    faults = []
    if request.shape is not None and not fits(request.shape, network.shape):
        faults.append(f"shape {request.shape} is not possible; give {len(network.shape)} dimensions of 1 or more")
    if request.shape is not None and request.resolution is not None:
        faults.append("shape and resolution are both given; give one of them")
    if request.resolution is not None and (len(network.shape) != len("nchw") or request.resolution < 1):
        faults.append(f"resolution {request.resolution} is not possible; images take rows = columns of 1 or more")
    if request.width is not None and not (network.scales and 0 < request.width <= _WIDEST):
        faults.append(f"width {request.width} is not possible; networks with a width factor take up to {_WIDEST}")
    if request.classes is not None and request.classes < 1:
        faults.append(f"classes {request.classes} is not possible; give 1 or more")
    if request.decoded is False and not network.decodes:
        faults.append("decoded false is not possible; it decodes nothing, leave it out")
    return faults


_WIDEST = 16


def fits(shape: Sequence[int], usual: Sequence[int]) -> bool:
    """Return whether a shape has the rank of the usual one, and no empty dimension."""
    return len(shape) == len(usual) and all(d >= 1 for d in shape)
